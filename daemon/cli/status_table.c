#include "cli/status_table.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/table.h"

#define MAX_ROWS             20 /* of sessions and calls; --json has more */
#define WORTH_TELLING_SKEW_S 30

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : "-";
}

static uint64_t count_of(const json_t *object, const char *key)
{
    json_int_t count = json_integer_value(json_object_get(object, key));
    return count > 0 ? (uint64_t)count : 0;
}

/* ---- cells that take more than one value */

static void append_server(Text *text, const json_t *profile)
{
    bool has_tls = json_is_true(json_object_get(profile, "tls"));
    uint64_t port = count_of(profile, "port");
    text_append(text, text_of(profile, "host"));
    if (port != 0 && !(has_tls && port == 443))
        text_printf(text, ":%" PRIu64, port);
}

static void append_name(Text *text, const json_t *profile)
{
    bool is_default = json_is_true(json_object_get(profile, "is_default"));
    text_printf(text, "%s%s", text_of(profile, "name"), is_default ? "*" : "");
}

static void append_connections(Text *text, const json_t *profile)
{
    text_printf(text, "%zu", json_array_size(json_object_get(profile, "connections")));
}

/* The profile, and whether the session is not where that leads. */
static void append_session_profile(Text *text, const json_t *session)
{
    bool is_local = json_is_true(json_object_get(session, "is_local"));
    text_printf(text, "%s%s", text_of(session, "profile"), is_local ? " local" : "");
}

/* ---- tables */

typedef enum ColumnKind {
    COLUMN_TEXT,
    COLUMN_COUNT,
    COLUMN_BYTES,
    COLUMN_SECONDS,
    COLUMN_MILLISECONDS,
    COLUMN_OWN, /* by its function */
} ColumnKind;

typedef struct Column {
    const char *heading;
    size_t width;
    ColumnKind kind;
    const char *key;
    void (*append)(Text *text, const json_t *row);
} Column;

static const Column PROFILE_COLUMNS[] = {
    {"PROFILE", 14, COLUMN_OWN, NULL, append_name}, {"SERVER", 36, COLUMN_OWN, NULL, append_server},
    {"STATE", 10, COLUMN_TEXT, "state", NULL},      {"CONNS", 5, COLUMN_OWN, NULL, append_connections},
    {"CALLS", 6, COLUMN_COUNT, "calls", NULL},      {"WAIT", 4, COLUMN_COUNT, "waiting_calls", NULL},
};

static const Column SESSION_COLUMNS[] = {
    {"SESSION", 36, COLUMN_TEXT, "session_id", NULL},
    {"USER", 11, COLUMN_TEXT, "user_id", NULL},
    {"PROFILE", 10, COLUMN_OWN, NULL, append_session_profile},
    {"CALLS", 6, COLUMN_COUNT, "calls", NULL},
    {"AGE", 6, COLUMN_SECONDS, "age_s", NULL},
    {"IDLE", 6, COLUMN_SECONDS, "idle_s", NULL},
};

static const Column CALL_COLUMNS[] = {
    {"METHOD", 18, COLUMN_TEXT, "method", NULL},     {"PROFILE", 10, COLUMN_TEXT, "profile", NULL},
    {"SESSION", 9, COLUMN_TEXT, "session_id", NULL}, {"STATE", 9, COLUMN_TEXT, "state", NULL},
    {"AGE", 6, COLUMN_MILLISECONDS, "age_ms", NULL}, {"SENT", 7, COLUMN_BYTES, "bytes_to_client", NULL},
    {"PEER", 15, COLUMN_TEXT, "peer", NULL},
};

#define N_COLUMNS(columns) (sizeof(columns) / sizeof(columns)[0])

static void append_value(Text *text, const Column *column, const json_t *row)
{
    switch (column->kind) {
    case COLUMN_TEXT: text_append(text, text_of(row, column->key)); break;
    case COLUMN_COUNT: table_append_count(text, count_of(row, column->key)); break;
    case COLUMN_BYTES: table_append_bytes(text, count_of(row, column->key)); break;
    case COLUMN_SECONDS: table_append_duration(text, count_of(row, column->key) * 1000); break;
    case COLUMN_MILLISECONDS: table_append_duration(text, count_of(row, column->key)); break;
    case COLUMN_OWN: column->append(text, row); break;
    }
}

static void append_headings(Text *text, const Column *columns, size_t n_columns)
{
    for (size_t i = 0; i < n_columns; i++)
        table_append_cell(text, columns[i].heading, columns[i].width, i + 1 == n_columns);
    text_append(text, "\n");
}

static void append_row(Text *text, const Column *columns, size_t n_columns, const json_t *row)
{
    for (size_t i = 0; i < n_columns; i++) {
        _cleanup_(text_deinit) Text cell = TEXT_NULL;
        append_value(&cell, &columns[i], row);
        table_append_cell(text, text_string(&cell), columns[i].width, i + 1 == n_columns);
    }
    text_append(text, "\n");
}

/* With a line about those that are not shown; `total` counts all. Nothing when there are none. */
static void append_table(Text *text, const json_t *rows, const Column *columns, size_t n_columns,
                         uint64_t total)
{
    size_t n_rows = json_array_size(rows), n_shown = n_rows < MAX_ROWS ? n_rows : MAX_ROWS;
    if (n_shown == 0)
        return;
    text_append(text, "\n");
    append_headings(text, columns, n_columns);
    for (size_t i = 0; i < n_shown; i++)
        append_row(text, columns, n_columns, json_array_get(rows, i));
    if (total > n_shown)
        text_printf(text, "... and %" PRIu64 " more\n", total - n_shown);
}

/* ---- the parts */

static void append_summary(Text *text, const json_t *document)
{
    text_printf(text, "sparkbouncer %s  %s  pid %" PRIu64 "  up ", text_of(document, "version"),
                text_of(document, "state"), count_of(document, "pid"));
    table_append_duration(text, count_of(document, "uptime_s") * 1000);
    text_append(text, "  memory ");
    table_append_bytes(text, count_of(document, "memory_bytes"));
    text_append(text, "\n");
}

static void append_listeners(Text *text, const json_t *document)
{
    const json_t *listeners = json_object_get(document, "listeners");
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        text_append(text, i == 0 ? "listening  " : "           ");
        table_append_plain(text, json_string_value(json_array_get(listeners, i)));
        text_append(text, "\n");
    }
}

static void append_counts(Text *text, const json_t *document)
{
    const json_t *counts = json_object_get(document, "counts");
    text_printf(text, "clients    %" PRIu64 " connected, %" PRIu64 " sessions\n",
                count_of(document, "clients"), count_of(document, "sessions_total"));
    text_printf(text, "calls      %" PRIu64 " running, %" PRIu64 " ended, %" PRIu64 " of them failed\n",
                count_of(document, "calls_total"), count_of(counts, "calls"),
                count_of(counts, "failed_calls"));
    if (count_of(document, "bytes_spooled") == 0)
        return;
    text_append(text, "spooled    ");
    table_append_bytes(text, count_of(document, "bytes_spooled"));
    text_append(text, " of results on disk that their clients have not read yet\n");
}

/* A daemon of another version may not tell. */
static void append_loop(Text *text, const json_t *document)
{
    const json_t *loop = json_object_get(document, "loop");
    if (!loop)
        return;
    text_append(text, "loop       longest turn ");
    table_append_duration(text, count_of(loop, "longest_turn_ms"));
    text_printf(text, ", %" PRIu64 " took more than 100 ms\n", count_of(loop, "turns_of_100_ms"));
}

/* Nothing where it was never needed. */
static void append_local_spark(Text *text, const json_t *document)
{
    const json_t *local = json_object_get(document, "local_spark");
    const char *state = json_string_value(json_object_get(local, "state"));
    const char *problem = json_string_value(json_object_get(local, "problem"));
    if (!state || strcmp(state, "none") == 0)
        return;
    text_printf(text, "\nlocal Spark %s", state);
    if (count_of(local, "port") != 0)
        text_printf(text, " at 127.0.0.1:%" PRIu64, count_of(local, "port"));
    if (count_of(local, "pid") != 0)
        text_printf(text, " (pid %" PRIu64 ")", count_of(local, "pid"));
    text_printf(text, ", %" PRIu64 " sessions", count_of(local, "sessions"));
    if (count_of(local, "waiting_calls") != 0)
        text_printf(text, ", %" PRIu64 " calls wait", count_of(local, "waiting_calls"));
    text_append(text, "\n");
    if (problem)
        table_append_wrapped(text, problem, "  ");
}

/* What is wrong with a profile, below its row. */
static void append_complaint(Text *text, const json_t *profile)
{
    const char *problem = json_string_value(json_object_get(profile, "problem"));
    if (!problem)
        problem = json_string_value(json_object_get(profile, "last_error"));
    if (problem)
        table_append_wrapped(text, problem, "  ");
}

/* How a profile logs in, unless that is a token as it was written down and all is well. */
static void append_credential(Text *text, const json_t *profile)
{
    _cleanup_(text_deinit) Text line = TEXT_NULL;
    const json_t *credential = json_object_get(profile, "credential");
    const char *type = json_string_value(json_object_get(credential, "auth_type"));
    const char *problem = json_string_value(json_object_get(credential, "problem"));
    json_int_t skew_s = json_integer_value(json_object_get(credential, "clock_skew_s"));
    if (type && (problem || strcmp(type, "pat") != 0)) {
        text_printf(&line, "token by %s: %s", type, text_of(credential, "state"));
        if (json_is_integer(json_object_get(credential, "expires_in_s"))) {
            text_append(&line, ", expires in ");
            table_append_duration(&line, count_of(credential, "expires_in_s") * 1000);
        }
        table_append_wrapped(text, text_string(&line), "  ");
    }
    if (problem)
        table_append_wrapped(text, problem, "  ");
    if (skew_s >= WORTH_TELLING_SKEW_S || skew_s <= -WORTH_TELLING_SKEW_S) {
        text_clear(&line);
        text_printf(&line, "this machine's clock is %" JSON_INTEGER_FORMAT " s %s the server's",
                    skew_s < 0 ? -(skew_s + 1) + 1 : skew_s, skew_s < 0 ? "ahead of" : "behind");
        table_append_wrapped(text, text_string(&line), "  ");
    }
}

/* The same of its cluster, while that is on its way or was not to be had. */
static void append_cluster(Text *text, const json_t *profile)
{
    const json_t *cluster = json_object_get(profile, "cluster");
    const char *problem = json_string_value(json_object_get(cluster, "problem"));
    uint64_t n_waiting = count_of(cluster, "waiting");
    _cleanup_(text_deinit) Text line = TEXT_NULL;
    if (!problem)
        return;
    text_append(&line, problem);
    if (n_waiting > 0)
        text_printf(&line, " (%" PRIu64 " wait for it)", n_waiting);
    table_append_wrapped(text, text_string(&line), "  ");
}

static void append_profiles(Text *text, const json_t *document)
{
    const json_t *profiles = json_object_get(document, "profiles");
    if (json_array_size(profiles) == 0)
        return;
    text_append(text, "\n");
    append_headings(text, PROFILE_COLUMNS, N_COLUMNS(PROFILE_COLUMNS));
    for (size_t i = 0; i < json_array_size(profiles); i++) {
        const json_t *profile = json_array_get(profiles, i);
        append_row(text, PROFILE_COLUMNS, N_COLUMNS(PROFILE_COLUMNS), profile);
        append_complaint(text, profile);
        append_credential(text, profile);
        append_cluster(text, profile);
    }
}

void status_table_append(Text *text, const json_t *document)
{
    append_summary(text, document);
    append_listeners(text, document);
    append_counts(text, document);
    append_loop(text, document);
    append_profiles(text, document);
    append_local_spark(text, document);
    append_table(text, json_object_get(document, "sessions"), SESSION_COLUMNS, N_COLUMNS(SESSION_COLUMNS),
                 count_of(document, "sessions_total"));
    append_table(text, json_object_get(document, "calls"), CALL_COLUMNS, N_COLUMNS(CALL_COLUMNS),
                 count_of(document, "calls_total"));
}
