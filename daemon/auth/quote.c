#include "auth/quote.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define MIN_TOKEN_LENGTH 20

static bool is_token_character(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~+/=", c));
}

static size_t token_length(const char *word)
{
    size_t length = 0;
    while (is_token_character(word[length]))
        length++;
    return length;
}

/* JWTs, personal access tokens and client secrets of Databricks, by how they begin. */
static bool looks_like_token(const char *word)
{
    static const char *const BEGINNINGS[] = {"eyJ", "dapi", "dose", "dkea", "dsapi", "ya29."};
    if (token_length(word) < MIN_TOKEN_LENGTH)
        return false;
    for (size_t i = 0; i < sizeof BEGINNINGS / sizeof BEGINNINGS[0]; i++)
        if (strncmp(word, BEGINNINGS[i], strlen(BEGINNINGS[i])) == 0)
            return true;
    return false;
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static void append_clean(Text *text, const char *said)
{
    bool is_inside = false; /* a word */
    while (*said) {
        if (is_blank(*said)) {
            while (*said && is_blank(*said))
                said++;
            if (*said && text->length > 0)
                text_append(text, " ");
            is_inside = false;
        } else if (!is_inside && looks_like_token(said)) {
            text_append(text, "***");
            said += token_length(said);
        } else {
            is_inside = is_token_character(*said);
            text_append_bytes(text, said++, 1);
        }
    }
}

void quote_append(Text *text, const char *said, size_t max_length)
{
    Text clean = TEXT_NULL;
    append_clean(&clean, said);
    size_t length = clean.length < max_length ? clean.length : max_length;
    while (length > 0 && length < clean.length && ((unsigned char)clean.bytes[length] & 0xc0) == 0x80)
        length--; /* no part of a character */
    if (length == clean.length && length > 0 && clean.bytes[length - 1] == '.')
        length--;
    text_append_bytes(text, text_string(&clean), length);
    text_deinit(&clean);
}
