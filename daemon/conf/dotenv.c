#include "conf/dotenv.h"

#include <string.h>

#include "base/secret.h"
#include "base/text.h"

/* What is left to read; the text ends with a NUL, and one inside it ends it too. */
typedef struct Cursor {
    const char *at;
    unsigned line;
} Cursor;

/* ---- text that may be a secret */

static void wipe_text(Text *text)
{
    if (text->bytes)
        secret_wipe(text->bytes, text->capacity);
    text_deinit(text);
}

static void wipe_string(char **string)
{
    if (*string)
        secret_wipe(*string, strlen(*string));
    free(*string);
    *string = NULL;
}

/* An empty text with room for `size` bytes: growing would leave copies behind. */
static Text text_with_room(size_t size)
{
    return (Text){.bytes = mem_alloc_zeroed(size + 1, 1), .length = 0, .capacity = size + 1};
}

/* ---- characters */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\n';
}

static void skip_blanks(Cursor *cursor)
{
    while (is_blank(*cursor->at))
        cursor->at++;
}

static void skip_spaces(Cursor *cursor)
{
    for (; is_space(*cursor->at); cursor->at++)
        cursor->line += *cursor->at == '\n';
}

static void skip_line(Cursor *cursor)
{
    cursor->at += strcspn(cursor->at, "\n");
    if (*cursor->at) {
        cursor->at++;
        cursor->line++;
    }
}

/* ---- names */

static void skip_export(Cursor *cursor)
{
    static const char WORD[] = "export";
    if (strncmp(cursor->at, WORD, strlen(WORD)) != 0 || !is_blank(cursor->at[strlen(WORD)]))
        return;
    cursor->at += strlen(WORD);
    skip_blanks(cursor);
}

/* NULL when there is none. free(). */
static char *take_name(Cursor *cursor)
{
    bool is_quoted = *cursor->at == '\'';
    const char *start = cursor->at + is_quoted;
    size_t length = strcspn(start, is_quoted ? "'" : "=# \t\v\f\n");
    if (length == 0 || (is_quoted && start[length] != '\''))
        return NULL;
    for (size_t i = 0; i < length; i++)
        cursor->line += start[i] == '\n';
    cursor->at = start + length + is_quoted;
    return mem_copy_bytes_as_string(start, length);
}

/* ---- values */

/* What the two characters `\` and `c` stand for between such quotes; '\0': themselves. */
static char unescape(char quote, char c)
{
    static const char NAMES[] = "abfnrtv", MEANINGS[] = "\a\b\f\n\r\t\v";
    const char *found = c ? strchr(NAMES, c) : NULL;
    if (c == '\\' || c == '\'' || (c == '"' && quote == '"'))
        return c;
    return found && quote == '"' ? MEANINGS[found - NAMES] : '\0';
}

/* The closing quote; NULL: there is none. */
static const char *find_end_of_quotes(const char *start, char quote)
{
    const char *p = start;
    for (; *p && *p != quote; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p == quote ? p : NULL;
}

/* Between quotes; NULL when they do not end. */
static char *take_quoted(Cursor *cursor)
{
    char quote = *cursor->at;
    const char *start = cursor->at + 1, *end = find_end_of_quotes(start, quote);
    if (!end)
        return NULL;
    Text value = text_with_room((size_t)(end - start));
    for (const char *p = start; p < end; p++) {
        char meant = *p == '\\' ? unescape(quote, p[1]) : '\0';
        text_append_bytes(&value, meant ? &meant : p, 1);
        p += meant ? 1 : 0;
        cursor->line += *p == '\n';
    }
    cursor->at = end + 1;
    return text_take(&value);
}

/* To the end of the line, or to a comment that has a blank before it. */
static char *take_unquoted(Cursor *cursor)
{
    const char *start = cursor->at;
    size_t length = strcspn(start, "\n"), end = 0;
    cursor->at += length;
    while (end < length && !(start[end] == '#' && end > 0 && is_blank(start[end - 1])))
        end++;
    while (end > 0 && is_blank(start[end - 1]))
        end--;
    return mem_copy_bytes_as_string(start, end);
}

static char *take_value(Cursor *cursor)
{
    const char *equals = cursor->at++;
    skip_blanks(cursor);
    if (*cursor->at == '#' && cursor->at > equals + 1)
        return mem_copy_string(""); /* the rest is a comment */
    bool is_quoted = *cursor->at == '\'' || *cursor->at == '"';
    return is_quoted ? take_quoted(cursor) : take_unquoted(cursor);
}

/* ---- statements */

/* Nothing but a comment is left of the line. */
static bool take_end_of_line(Cursor *cursor)
{
    skip_blanks(cursor);
    if (*cursor->at == '#')
        cursor->at += strcspn(cursor->at, "\n");
    bool is_end = *cursor->at == '\n' || !*cursor->at;
    if (is_end)
        skip_line(cursor);
    return is_end;
}

/* False when the statement cannot be read; `entry` has no name when it was but a comment. */
static bool take_statement(Cursor *cursor, DotenvEntry *entry)
{
    skip_export(cursor);
    if (*cursor->at != '#') {
        entry->name = take_name(cursor);
        if (!entry->name)
            return false;
    }
    skip_blanks(cursor);
    if (*cursor->at == '=') {
        entry->value = take_value(cursor);
        if (!entry->value)
            return false;
    }
    return take_end_of_line(cursor);
}

/* ---- expansion */

/* Unlike environment_get(): an empty variable counts here. */
static const char *find_variable(Environment environment, const char *name, size_t length)
{
    for (Environment p = environment; p && *p; p++)
        if (strncmp(*p, name, length) == 0 && (*p)[length] == '=')
            return *p + length + 1;
    return NULL;
}

static DotenvEntry *find_entry(const Dotenv *dotenv, const char *name, size_t length)
{
    for (size_t i = 0; i < dotenv->n_entries; i++)
        if (strncmp(dotenv->entries[i].name, name, length) == 0 && !dotenv->entries[i].name[length])
            return &dotenv->entries[i];
    return NULL;
}

typedef struct Reference {
    const char *name, *fallback, *end; /* `end` is behind the closing brace */
    size_t name_length, fallback_length;
} Reference;

/* Reads `${NAME}` or `${NAME:-fallback}`. */
static bool parse_reference(const char *text, Reference *ret)
{
    if (text[0] != '$' || text[1] != '{')
        return false;
    ret->name = text + 2;
    ret->name_length = strcspn(ret->name, "}:");
    const char *p = ret->name + ret->name_length;
    ret->fallback = p;
    ret->fallback_length = 0;
    if (p[0] == ':' && p[1] == '-') {
        ret->fallback = p + 2;
        ret->fallback_length = strcspn(ret->fallback, "}");
        p = ret->fallback + ret->fallback_length;
    }
    ret->end = p + 1;
    return *p == '}';
}

static void append_reference(Text *text, const Reference *reference, const Dotenv *dotenv,
                             Environment environment)
{
    const char *value = find_variable(environment, reference->name, reference->name_length);
    const DotenvEntry *entry = find_entry(dotenv, reference->name, reference->name_length);
    if (value)
        text_append(text, value);
    else if (entry)
        text_append(text, entry->value ? entry->value : "");
    else
        text_append_bytes(text, reference->fallback, reference->fallback_length);
}

static char *expand(const char *value, const Dotenv *dotenv, Environment environment)
{
    _cleanup_(wipe_text) Text expanded = text_with_room(strlen(value));
    Reference reference;
    while (*value) {
        if (parse_reference(value, &reference)) {
            append_reference(&expanded, &reference, dotenv, environment);
            value = reference.end;
        } else {
            text_append_bytes(&expanded, value++, 1);
        }
    }
    return mem_copy_string(text_string(&expanded));
}

/* ---- the whole */

/* Takes over what `entry` has. */
static void store(Dotenv *dotenv, DotenvEntry *entry, Environment environment)
{
    DotenvEntry *known = find_entry(dotenv, entry->name, strlen(entry->name));
    char *value = entry->value ? expand(entry->value, dotenv, environment) : NULL;
    wipe_string(&entry->value);
    if (known) {
        wipe_string(&known->value);
        known->value = value;
        known->line = entry->line;
        free(entry->name);
        return;
    }
    dotenv->entries = mem_resize(dotenv->entries, (dotenv->n_entries + 1) * sizeof *dotenv->entries);
    dotenv->entries[dotenv->n_entries++] = (DotenvEntry){entry->name, value, entry->line};
}

/* Python reads text: every kind of line end becomes a line feed. */
static char *normalise(const char *bytes, size_t length)
{
    Text text = text_with_room(length);
    size_t i = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (; i < length; i++) {
        bool is_pair = bytes[i] == '\r' && i + 1 < length && bytes[i + 1] == '\n';
        if (!is_pair)
            text_append_bytes(&text, bytes[i] == '\r' ? "\n" : &bytes[i], 1);
    }
    return text_take(&text);
}

void dotenv_parse(Dotenv *dotenv, const char *bytes, size_t length, const char *path, Environment environment,
                  Problems *problems)
{
    char *text = normalise(bytes, length);
    Cursor cursor = {text, 1};
    for (skip_spaces(&cursor); *cursor.at; skip_spaces(&cursor)) {
        DotenvEntry entry = {.line = cursor.line};
        bool is_good = take_statement(&cursor, &entry);
        if (is_good && entry.name) {
            store(dotenv, &entry, environment);
            continue;
        }
        free(entry.name);
        wipe_string(&entry.value);
        if (is_good)
            continue;
        problems_add_warning(problems, "%s:%u: not understood and left out; write NAME=value", path,
                             entry.line);
        skip_line(&cursor);
    }
    wipe_string(&text);
}

void dotenv_deinit(Dotenv *dotenv)
{
    for (size_t i = 0; i < dotenv->n_entries; i++) {
        free(dotenv->entries[i].name);
        wipe_string(&dotenv->entries[i].value);
    }
    free(dotenv->entries);
    *dotenv = (Dotenv)DOTENV_NULL;
}

const DotenvEntry *dotenv_find(const Dotenv *dotenv, const char *name)
{
    return find_entry(dotenv, name, strlen(name));
}
