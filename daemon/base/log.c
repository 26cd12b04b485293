#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/utf8.h"

static const struct {
    const char *name;
    const char *label; /* for people: aligned */
    int priority;      /* of syslog(3), as journald reads it from "<N>" */
} LEVELS[] = {
    [LOG_LEVEL_ERROR] = {"error", "error  ", 3},
    [LOG_LEVEL_WARNING] = {"warning", "warning", 4},
    [LOG_LEVEL_INFO] = {"info", "info   ", 6},
    [LOG_LEVEL_DEBUG] = {"debug", "debug  ", 7},
};

bool log_level_from_name(const char *name, LogLevel *ret_level)
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++) {
        if (strcmp(name, LEVELS[i].name) == 0) {
            *ret_level = (LogLevel)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(LogLevel level)
{
    return LEVELS[level].name;
}

/* Control characters become \xNN; with `json`, quotes and backslashes are escaped too, controls become
 * \u00NN, and what is not UTF-8 becomes U+FFFD, as JSON must be UTF-8. */
static void append_escaped(Text *line, const char *string, bool json)
{
    for (const char *p = string; *p;) {
        unsigned char c = (unsigned char)*p;
        size_t length = json ? utf8_character_length(p) : 1;
        if (c < 0x20 || c == 0x7f)
            text_printf(line, json ? "\\u%04x" : "\\x%02x", c);
        else if (json && (c == '"' || c == '\\'))
            text_printf(line, "\\%c", c);
        else if (length == 0)
            text_append(line, "\\ufffd");
        else
            text_append_bytes(line, p, length);
        p += length ? length : 1;
    }
}

static void append_time(Text *line, bool json)
{
    struct timespec now;
    struct tm parts;
    char stamp[40];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (json)
        gmtime_r(&now.tv_sec, &parts);
    else
        localtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, json ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &parts);
    text_printf(line, json ? "%s.%03ldZ" : "%s.%03ld", stamp, now.tv_nsec / 1000000);
}

static void append_fields(Text *line, const LogField *fields, size_t n_fields, bool json)
{
    for (size_t i = 0; i < n_fields; i++) {
        text_printf(line, json ? ",\"%s\":" : " %s=", fields[i].name);
        if (!fields[i].text) {
            text_printf(line, "%lld", (long long)fields[i].number);
            continue;
        }
        if (json)
            text_append(line, "\"");
        append_escaped(line, fields[i].text, json);
        if (json)
            text_append(line, "\"");
    }
}

static void write_whole(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* a log that cannot be written must not stop the daemon */
        bytes += n;
        length -= (size_t)n;
    }
}

_printf_(5, 0) static void log_line(const Log *log, LogLevel level, const LogField *fields, size_t n_fields,
                                    const char *format, va_list arguments)
{
    if (!log_enabled(log, level))
        return;
    _cleanup_(text_deinit) Text line = TEXT_NULL;
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    bool json = log->format == LOG_FORMAT_JSON;
    text_vprintf(&sentence, format, arguments);
    if (json) {
        text_append(&line, "{\"time\":\"");
        append_time(&line, true);
        text_printf(&line, "\",\"level\":\"%s\",\"message\":\"", LEVELS[level].name);
        append_escaped(&line, text_string(&sentence), true);
        text_append(&line, "\"");
    } else {
        if (log->format == LOG_FORMAT_JOURNAL) {
            text_printf(&line, "<%d>", LEVELS[level].priority);
        } else {
            append_time(&line, false);
            text_printf(&line, " %s ", LEVELS[level].label);
        }
        append_escaped(&line, text_string(&sentence), false);
    }
    append_fields(&line, fields, n_fields, json);
    text_append(&line, json ? "}\n" : "\n");
    write_whole(log->fd, line.bytes, line.length);
}

void log_event(const Log *log, LogLevel level, const LogField *fields, size_t n_fields, const char *format,
               ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(log, level, fields, n_fields, format, arguments);
    va_end(arguments);
}

void log_write(const Log *log, LogLevel level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(log, level, NULL, 0, format, arguments);
    va_end(arguments);
}
