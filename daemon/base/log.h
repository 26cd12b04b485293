#pragma once

/*
 * Log: one line an event, to standard error: a sentence and named fields. Human text on a terminal, JSON
 * lines on request, journald priority prefixes under systemd. Callers check log_enabled() before they build
 * anything costly. Secrets have no way in: there is no field of that type. One Log a daemon; loop thread
 * only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;
typedef enum LogFormat { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL } LogFormat;

typedef struct Log {
    int fd;
    LogLevel level;
    LogFormat format;
} Log;

/* A named value beside the sentence: `text` when it is not NULL, else `number`. */
typedef struct LogField {
    const char *name;
    const char *text;
    int64_t number;
} LogField;

static inline bool log_enabled(const Log *log, LogLevel level)
{
    return level <= log->level;
}

/* Writes one line; a newline in the sentence or in a field is shown escaped, so that peers cannot forge
 * lines. */
void log_event(const Log *log, LogLevel level, const LogField *fields, size_t n_fields, const char *format,
               ...) _printf_(5, 6);
void log_write(const Log *log, LogLevel level, const char *format, ...) _printf_(3, 4);

/* Names as configuration and JSON spell them: error, warning, info, debug. Return false when unknown. */
bool log_level_from_name(const char *name, LogLevel *ret_level);
const char *log_level_name(LogLevel level);
