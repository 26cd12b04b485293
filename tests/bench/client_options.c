#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static const char usage[] =
    "usage: bench-client --connect HOST:PORT [--tls-ca FILE] --kind KIND [OPTION VALUE]...\n"
    "  --kind unary|stream|upload|idle|idle-stream|stalled\n"
    "  --connections 1 --calls 1        at the same time; calls on each connection\n"
    "  --seconds 1 --warm-up 0.1        measured; before\n"
    "  --rate 0                         calls a second, at fixed times; 0: each when one has ended\n"
    "  --messages 324 --size 80000      of each stream\n"
    "  --releases yes                   a ReleaseExecute for each message (no: only the last, for all)\n"
    "  --upload 100000000 --chunk 32768 of each upload\n"
    "  --cpu-of PID,PID --server PID    whose CPU time is read while it is measured\n"
    "  --header NAME=VALUE              a further header of each call but ReleaseExecute\n"
    "Prints one line of JSON. The kinds idle to stalled connect, print, wait for a line on standard input, "
    "close,\n"
    "print, and end with standard input.";

static LoadKind parse_kind(const char *name)
{
    static const char *const names[] = {"unary", "stream", "upload", "idle", "idle-stream", "stalled"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return (LoadKind)i;
    fail("there is no kind %s\n%s", name, usage);
}

static void add_header(Options *options, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || options->n_headers == sizeof(options->headers) / sizeof(options->headers[0]))
        fail("--header takes NAME=VALUE, eight at most");
    options->headers[options->n_headers++] =
        (nghttp2_nv){.name = (uint8_t *)text,
                     .value = (uint8_t *)equals + 1,
                     .namelen = (size_t)(equals - text),
                     .valuelen = strlen(equals + 1),
                     .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static bool parse_text(Options *options, const char *name, char *value)
{
    if (strcmp(name, "--connect") == 0)
        options->address = value;
    else if (strcmp(name, "--tls-ca") == 0)
        options->ca = value;
    else if (strcmp(name, "--kind") == 0)
        options->kind = parse_kind(value);
    else if (strcmp(name, "--cpu-of") == 0)
        options->pids = value;
    else if (strcmp(name, "--server") == 0)
        options->server_pids = value;
    else if (strcmp(name, "--releases") == 0)
        options->releases = strcmp(value, "no") != 0;
    else if (strcmp(name, "--header") == 0)
        add_header(options, value);
    else
        return false;
    return true;
}

static void parse_number(Options *options, const char *name, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || number < 0)
        fail("%s takes a number, not %s\n%s", name, value, usage);
    if (strcmp(name, "--connections") == 0)
        options->connections = (unsigned)number;
    else if (strcmp(name, "--calls") == 0)
        options->calls = (unsigned)number;
    else if (strcmp(name, "--seconds") == 0)
        options->seconds = number;
    else if (strcmp(name, "--warm-up") == 0)
        options->warm_up = number;
    else if (strcmp(name, "--rate") == 0)
        options->rate = number;
    else if (strcmp(name, "--messages") == 0)
        options->order.messages = (uint64_t)number;
    else if (strcmp(name, "--size") == 0)
        options->order.size = (uint64_t)number;
    else if (strcmp(name, "--upload") == 0)
        options->upload = (uint64_t)number;
    else if (strcmp(name, "--chunk") == 0)
        options->chunk = (uint64_t)number;
    else
        fail("unknown option %s\n%s", name, usage);
}

Options options_parse(int argc, char **argv)
{
    Options options = {.kind = LOAD_UNARY,
                       .connections = 1,
                       .calls = 1,
                       .seconds = 1,
                       .warm_up = 0.1,
                       .order = {324, 80000, false},
                       .releases = true,
                       .chunk = 32768,
                       .upload = 100000000};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc)
            fail("%s lacks its value\n%s", argv[i], usage);
        if (!parse_text(&options, argv[i], argv[i + 1]))
            parse_number(&options, argv[i], argv[i + 1]);
    }
    if (!options.address || options.connections == 0 || options.calls == 0 || options.chunk == 0 ||
        options.upload == 0 || options.order.messages == 0)
        fail("%s", usage);
    if (options.kind == LOAD_IDLE_STREAM)
        options.order = (Order){1, 1000, true};
    return options;
}
