#include "conf/ini.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

/*
 * inih cuts lines at 200 bytes and takes " ;" for the start of a comment. So it is handed only what it reads
 * well, a line's head up to the separator; the value stays aside, in our buffer. It thereby never reaches
 * inih's own buffer either, which nobody wipes.
 */
typedef struct IniReading {
    const IniOptions *options;
    const char *path;
    IniHandler handler;
    void *user;
    Problems *problems;

    char *next, *end;
    unsigned number;
    char *section; /* NULL before the first header */
    bool has_key;  /* a key came in this section, indented by ... */
    size_t key_indent;

    char *value;   /* of the line that inih has now; NULL: it has none */
    bool is_taken; /* inih recognised that line */
} IniReading;

static size_t blank_at_start(const char *p)
{
    if (*p == ' ' || *p == '\t')
        return 1;
    return p[0] == '\xc2' && p[1] == '\xa0' ? 2 : 0;
}

static size_t blank_at_end(const char *start, const char *end)
{
    if (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        return 1;
    return end - start >= 2 && end[-2] == '\xc2' && end[-1] == '\xa0' ? 2 : 0;
}

char *ini_trim(char *string)
{
    size_t n;
    while ((n = blank_at_start(string)) > 0)
        string += n;
    char *end = string + strlen(string);
    while ((n = blank_at_end(string, end)) > 0)
        end -= n;
    *end = '\0';
    return string;
}

bool ini_value_has_comment(const char *value)
{
    for (const char *p = value; (p = strpbrk(p, "#;")) != NULL; p++)
        if (p > value && (p[-1] == ' ' || p[-1] == '\t'))
            return true;
    return false;
}

/* How many bytes the well-formed UTF-8 character at `p` has; 0 when it is none, or a control character. */
static size_t character_length(const unsigned char *p)
{
    static const unsigned LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    if (*p < 0x80)
        return (*p < 0x20 && *p != '\t') || *p == 0x7f ? 0 : 1;
    size_t n = *p >= 0xf0 && *p < 0xf8 ? 4 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xc0 && *p < 0xe0 ? 2 : 0;
    if (n == 0)
        return 0;
    unsigned code = *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool is_character = code >= LEAST[n] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return is_character && !(code >= 0x80 && code < 0xa0) ? n : 0;
}

static bool is_text(const char *line)
{
    size_t n;
    for (const unsigned char *p = (const unsigned char *)line; *p; p += n)
        if ((n = character_length(p)) == 0)
            return false;
    return true;
}

/* Cuts the next line out of the buffer, without its line end. NULL when it is no text. */
static char *cut_line(IniReading *reading)
{
    char *line = reading->next;
    char *end = memchr(line, '\n', (size_t)(reading->end - line));
    reading->next = end ? end + 1 : reading->end;
    if (!end)
        end = reading->end;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    reading->number++;
    char first = line[strspn(line, " \t")];
    bool is_comment = first == '#' || first == ';';
    if (!is_comment && (strlen(line) != (size_t)(end - line) || !is_text(line))) {
        problems_add_error(reading->problems,
                           "%s:%u: this line has control characters or is not UTF-8; retype it",
                           reading->path, reading->number);
        return NULL;
    }
    return line;
}

static void complain_about_continuation(IniReading *reading)
{
    if (reading->options->skip_continuations)
        problems_add_warning(reading->problems,
                             "%s:%u: this line is skipped: it is indented more than the key above it, which "
                             "the SDKs read in different ways",
                             reading->path, reading->number);
    else
        problems_add_error(reading->problems,
                           "%s:%u: indented more than the key above it; a value takes one line, and keys "
                           "start where the first one does",
                           reading->path, reading->number);
}

/* The name lies between `[` and the first `]` after which there is nothing more, or a comment. */
static void read_header(IniReading *reading, char *line)
{
    char *close = line;
    while ((close = strchr(close + 1, ']')) != NULL) {
        const char *rest = close + 1 + strspn(close + 1, " \t");
        if (*rest == '\0' || *rest == '#' || *rest == ';')
            break;
    }
    if (close)
        *close = '\0';
    const char *name = close ? ini_trim(line + 1) : "";
    free(reading->section);
    reading->section = mem_copy_string(name);
    reading->has_key = false;
    if (!close)
        problems_add_error(reading->problems, "%s:%u: a section header ends in ]; write [name]",
                           reading->path, reading->number);
    else if (*name == '\0')
        problems_add_error(reading->problems, "%s:%u: this section has no name; write [name]", reading->path,
                           reading->number);
    else
        reading->handler(reading->user, &(IniLine){name, NULL, NULL, reading->number});
}

/* Puts the line's head into inih's buffer and its value aside. */
static void offer_entry(IniReading *reading, char *line, char *buffer, int size)
{
    size_t head = strcspn(line, "=:");
    reading->value = line + head + (line[head] != '\0');
    reading->is_taken = false;
    if (head + 3 <= (size_t)size)
        snprintf(buffer, (size_t)size, "%.*s\n", (int)(reading->value - line), line);
}

/* Offers inih the next line if it is an entry, else reads it here. */
static void read_line(IniReading *reading, char *buffer, int size)
{
    char *line = cut_line(reading);
    if (!line)
        return;
    size_t indent = strspn(line, " \t");
    bool goes_on = reading->has_key && indent > reading->key_indent;
    line = ini_trim(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return;
    if (goes_on) {
        complain_about_continuation(reading);
    } else if (*line == '[') {
        read_header(reading, line);
    } else {
        reading->has_key = true;
        reading->key_indent = indent;
        offer_entry(reading, line, buffer, size);
    }
}

/* Not a word of the line itself is shown: it may be a part of a token. */
static void complain_if_not_taken(IniReading *reading)
{
    if (reading->value && !reading->is_taken)
        problems_add_error(reading->problems,
                           "%s:%u: neither [section] nor key = value; a comment starts with #", reading->path,
                           reading->number);
    reading->value = NULL;
}

/* In the place of fgets(). */
static char *on_next_line(char *buffer, int size, void *stream)
{
    IniReading *reading = stream;
    complain_if_not_taken(reading);
    if (reading->next >= reading->end)
        return NULL;
    snprintf(buffer, (size_t)size, "\n");
    read_line(reading, buffer, size);
    return buffer;
}

static int on_entry(void *user, const char *section, const char *name, const char *head_value)
{
    IniReading *reading = user;
    _cleanup_(mem_freep) char *key = mem_copy_string(name);
    (void)section;
    (void)head_value; /* always empty: the value is aside */
    if (*key == '\0')
        return 1;
    reading->is_taken = true;
    for (char *p = key; reading->options->fold_keys && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (!reading->section)
        problems_add_error(reading->problems, "%s:%u: \"%s\" comes before the first [section]", reading->path,
                           reading->number, key);
    else if (*reading->section)
        reading->handler(reading->user,
                         &(IniLine){reading->section, key, ini_trim(reading->value), reading->number});
    return 1;
}

int ini_read(char *bytes, size_t length, const char *path, const IniOptions *options, IniHandler handler,
             void *user, Problems *problems)
{
    bool has_mark = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0; /* a byte order mark */
    IniReading reading = {
        .options = options,
        .path = path,
        .handler = handler,
        .user = user,
        .problems = problems,
        .next = bytes + (has_mark ? 3 : 0),
        .end = bytes + length,
    };
    size_t n_errors = problems->n_errors;
    (void)ini_parse_stream(on_next_line, &reading, on_entry, &reading); /* its errors are ours already */
    free(reading.section);
    return problems->n_errors > n_errors ? -EINVAL : 0;
}
