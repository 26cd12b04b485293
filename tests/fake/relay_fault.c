#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault_relay.h"

enum { RST_STREAM = 3, GOAWAY = 7 };

static const char *const fault_names[] = {"none",   "close", "abort", "hole", "half",  "reset",
                                          "goaway", "below", "drain", "page", "refuse"};
static const char *const moment_names[] = {"arrival", "request", "first", "messages", "bytes"};

static void write_number(uint8_t out[4], uint32_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* One that gets no answer any more does not count. */
static const RelayStream *watched_stream(const Link *link, const char *path)
{
    const RelayStream *stream = link->streams;
    while (stream && (stream->was_reset || !strstr(stream->path, path)))
        stream = stream->next;
    return stream;
}

static void report(Link *link, const RelayStream *stream, FaultKind kind)
{
    Bytes line = BYTES_NULL;
    if (!stream)
        stream = watched_stream(link, "attach");
    if (!stream)
        stream = watched_stream(link, "ExecutePlan");
    link->relay->n_faults++;
    bytes_printf(&line,
                 "{\"event\":\"fault\",\"fault\":\"%s\",\"connection\":%" PRIu64
                 ",\"stream\":%u,\"path\":\"%s\",\"messages\":%" PRIu64 ",\"inside\":%s,\"bytes\":%" PRIu64
                 ",\"at_us\":%" PRId64 "}",
                 fault_names[kind], link->id, stream ? stream->id : 0, stream ? stream->path : "",
                 stream ? stream->messages : 0,
                 link->cut_inside || (stream && stream->n_prefix > 0) ? "true" : "false", link->n_down,
                 relay_clock_us());
    record_write(&link->relay->record, &line);
    bytes_deinit(&line);
}

static void send_goaway(Link *link, uint32_t last)
{
    uint8_t payload[8] = {0};
    write_number(payload, last);
    link_send_frame(link, &link->down, GOAWAY, 0, 0, payload, sizeof(payload));
}

static void send_reset(Link *link, RelayStream *stream, uint32_t code)
{
    uint8_t payload[4];
    write_number(payload, code);
    link_send_frame(link, &link->down, RST_STREAM, 0, stream->id, payload, sizeof(payload));
    write_number(payload, NGHTTP2_CANCEL);
    link_send_frame(link, &link->up, RST_STREAM, 0, stream->id, payload, sizeof(payload));
    stream->was_reset = true;
}

void fault_do(Link *link, RelayStream *stream, FaultKind kind, uint32_t value)
{
    report(link, stream, kind);
    switch (kind) {
    case FAULT_NONE:
    case FAULT_PAGE: break;
    case FAULT_CLOSE:
    case FAULT_REFUSE: link->is_closing = true; break;
    case FAULT_ABORT: link->is_aborting = link->is_closing = true; break;
    case FAULT_HOLE: link->is_hole = true; break;
    case FAULT_HALF: link->is_half = link->is_hole = true; break;
    case FAULT_RESET:
        if (stream)
            send_reset(link, stream, value);
        break;
    case FAULT_GOAWAY:
        send_goaway(link, link->highest_stream);
        link->is_closing = true;
        break;
    case FAULT_BELOW:
        send_goaway(link, stream && stream->id > 2 ? stream->id - 2 : 0);
        link->is_closing = true;
        break;
    case FAULT_DRAIN: send_goaway(link, link->highest_stream); break;
    }
}

/* The plan in force has happened once more. */
static void count_down(Relay *relay)
{
    Plan *plan = relay->plans;
    plan->count += plan->step;
    if (plan->times == UINT64_MAX || --plan->times > 0)
        return;
    relay->plans = plan->next;
    free(plan);
}

bool fault_check(Link *link, RelayStream *stream, FaultMoment moment)
{
    const Plan *plan = link->relay->plans;
    if (!plan || plan->moment != moment || plan->fault == FAULT_REFUSE ||
        (plan->fault == FAULT_PAGE) != link->is_page || !strstr(stream->path, plan->path))
        return false;
    if (moment == MOMENT_MESSAGE && stream->messages != plan->count)
        return false;
    FaultKind kind = plan->fault;
    uint32_t value = plan->value;
    count_down(link->relay);
    fault_do(link, stream, kind, value);
    return true;
}

uint64_t fault_room(const Link *link)
{
    const Plan *plan = link->relay->plans;
    if (!plan || plan->moment != MOMENT_BYTES || link->is_page)
        return UINT64_MAX;
    const RelayStream *stream = watched_stream(link, plan->path);
    uint64_t gone = stream ? link->n_down - stream->opened_at : 0;
    if (!stream)
        return UINT64_MAX;
    return plan->count > gone ? plan->count - gone : 0;
}

void fault_bytes_spent(Link *link, bool inside)
{
    link->cut_inside = inside;
    const Plan *plan = link->relay->plans;
    FaultKind kind = plan->fault;
    uint32_t value = plan->value;
    count_down(link->relay);
    fault_do(link, NULL, kind, value);
}

void fault_check_accepted(Link *link)
{
    const Plan *plan = link->relay->plans;
    if (!plan)
        return;
    if (plan->fault == FAULT_REFUSE) {
        count_down(link->relay);
        fault_do(link, NULL, FAULT_REFUSE, 0);
    } else if (plan->fault == FAULT_PAGE) {
        link->is_page = true;
        link->page_status = plan->value;
    }
}

static bool find_name(const char *const *names, size_t n, const char *text, size_t length,
                      unsigned *ret_index)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0) {
            *ret_index = (unsigned)i;
            return true;
        }
    return false;
}

#define N_NAMES(names) (sizeof(names) / sizeof((names)[0]))

/* FAULT[=VALUE] */
static bool parse_fault(const char *word, FaultKind *ret_kind, uint32_t *ret_value)
{
    unsigned index;
    size_t length = strcspn(word, "=");
    if (!find_name(fault_names, N_NAMES(fault_names), word, length, &index))
        return false;
    *ret_kind = (FaultKind)index;
    *ret_value = word[length] == '=' ? (uint32_t)strtoul(word + length + 1, NULL, 10) : 0;
    return true;
}

/* MOMENT[=COUNT], times=N, step=N, path=TEXT */
static bool parse_condition(Plan *plan, const char *word)
{
    unsigned index;
    size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : "";
    if (find_name(moment_names, N_NAMES(moment_names), word, length, &index)) {
        plan->moment = (FaultMoment)index;
        plan->count = strtoull(value, NULL, 10);
    } else if (strncmp(word, "times=", 6) == 0) {
        plan->times = strtoull(value, NULL, 10);
    } else if (strncmp(word, "step=", 5) == 0) {
        plan->step = strtoull(value, NULL, 10);
    } else if (strncmp(word, "path=", 5) == 0) {
        strncpy(plan->path, value, sizeof(plan->path) - 1);
    } else {
        return false;
    }
    return true;
}

static bool add_plan(Relay *relay, char *words)
{
    Plan plan = {.times = UINT64_MAX, .path = "Execute", .moment = MOMENT_REQUEST}, **last = &relay->plans;
    char *rest = words;
    const char *word = strsep(&rest, " ");
    if (!word || !parse_fault(word, &plan.fault, &plan.value))
        return false;
    while ((word = strsep(&rest, " ")))
        if (!parse_condition(&plan, word))
            return false;
    while (*last)
        last = &(*last)->next;
    *last = malloc(sizeof(plan));
    if (!*last)
        abort();
    **last = plan;
    return true;
}

static void clear_plans(Relay *relay)
{
    while (relay->plans) {
        Plan *plan = relay->plans;
        relay->plans = plan->next;
        free(plan);
    }
}

/* To every connection, and for a reset to every stream on it that is an execution. */
static void do_now(Relay *relay, FaultKind kind, uint32_t value, bool only_busy)
{
    for (Link *link = relay->links; link; link = link->next) {
        RelayStream *stream = link->streams;
        while (stream && (stream->was_reset || !stream->answered ||
                          (!strstr(stream->path, "ReattachExecute") && !strstr(stream->path, "ExecutePlan"))))
            stream = stream->next;
        if (!link->is_closing && !link->is_half && (stream || !only_busy))
            fault_do(link, stream, kind, value);
    }
}

void relay_every(Relay *relay)
{
    relay->every_due_us = relay_clock_us() + (int64_t)relay->every_ms * 1000;
    do_now(relay, relay->every, 0, true);
}

static bool do_command(Relay *relay, char *line)
{
    FaultKind kind;
    uint32_t value;
    char *argument = line + strcspn(line, " ");
    if (*argument == ' ')
        *argument++ = '\0';
    if (strcmp(line, "plan") == 0)
        return add_plan(relay, argument);
    if (strcmp(line, "clear") == 0) {
        clear_plans(relay);
        relay->every_ms = 0;
    } else if (strcmp(line, "delay") == 0) {
        relay->delay_ms = (unsigned)strtoul(argument, NULL, 10);
    } else if (strcmp(line, "retry-after") == 0) {
        strncpy(relay->retry_after, argument, sizeof(relay->retry_after) - 1);
    } else if (strcmp(line, "rate") == 0) {
        relay->rate = strtoull(argument, NULL, 10);
    } else if (strcmp(line, "now") == 0 && parse_fault(argument, &kind, &value)) {
        do_now(relay, kind, value, false);
    } else if (strcmp(line, "every") == 0) { /* every MS FAULT */
        relay->every_ms = (unsigned)strtoul(argument, &argument, 10);
        relay->every_due_us = relay_clock_us() + (int64_t)relay->every_ms * 1000;
        return *argument == ' ' && parse_fault(argument + 1, &relay->every, &value);
    } else {
        return false;
    }
    return true;
}

void relay_command(Relay *relay, const char *line)
{
    Bytes answer = BYTES_NULL;
    char *copy = strdup(line);
    if (!copy)
        abort();
    bool ok = do_command(relay, copy);
    free(copy);
    bytes_printf(&answer, "{\"event\":\"%s\",\"faults\":%" PRIu64 ",\"command\":", ok ? "done" : "bad",
                 relay->n_faults);
    bytes_json_string(&answer, line, strlen(line));
    bytes_printf(&answer, "}");
    record_write(&relay->record, &answer);
    bytes_deinit(&answer);
}
