/*
 * load-client: makes calls as PySpark does, on gRPC's own C library, checks every byte of the answers and
 * prints one JSON line of totals and latencies.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "load.h"

static const char usage[] =
    "usage: load-client --target HOST:PORT|unix:PATH|unix-abstract:NAME [--connections C] [--calls K]\n"
    "                   [--count N] [--method Config|ExecutePlan|AddArtifacts|Unknown] [--messages N]\n"
    "                   [--size BYTES] [--release] [--metadata KEY=VALUE]… [--timeout SECONDS]\n"
    "                   [--pause MS]\n"
    "K calls at a time on each of C connections, N in all or until SIGTERM.\n";

volatile sig_atomic_t load_interrupted;

static void on_signal(int number)
{
    (void)number;
    load_interrupted = 1;
}

static const char *const method_names[] = {"Config", "ExecutePlan", "AddArtifacts", "Unknown"};

static const struct option long_options[] = {
    {"target", required_argument, NULL, 't'},   {"connections", required_argument, NULL, 'c'},
    {"calls", required_argument, NULL, 'k'},    {"count", required_argument, NULL, 'n'},
    {"method", required_argument, NULL, 'm'},   {"messages", required_argument, NULL, 'g'},
    {"size", required_argument, NULL, 's'},     {"release", no_argument, NULL, 'r'},
    {"metadata", required_argument, NULL, 'd'}, {"timeout", required_argument, NULL, 'o'},
    {"pause", required_argument, NULL, 'p'},    {NULL, 0, NULL, 0},
};

static bool parse_method(LoadOptions *options, const char *name)
{
    for (size_t i = 0; i < sizeof(method_names) / sizeof(method_names[0]); i++)
        if (strcmp(method_names[i], name) == 0) {
            options->method = (LoadMethod)i;
            return true;
        }
    return false;
}

static bool add_header(LoadOptions *options, char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals || options->n_headers == sizeof(options->headers) / sizeof(options->headers[0]))
        return false;
    *equals = '\0';
    options->headers[options->n_headers++] = (LoadHeader){pair, equals + 1};
    return true;
}

static bool parse_options(LoadOptions *options, int argc, char **argv)
{
    *options =
        (LoadOptions){.connections = 1, .calls = 1, .count = 1, .messages = 3, .size = 1000, .timeout_s = 60};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        bool ok = true;
        switch (c) {
        case 't': options->target = optarg; break;
        case 'c': options->connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'k': options->calls = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'n': options->count = strtoull(optarg, NULL, 10); break;
        case 'm': ok = parse_method(options, optarg); break;
        case 'g': options->messages = strtoull(optarg, NULL, 10); break;
        case 's': options->size = strtoull(optarg, NULL, 10); break;
        case 'r': options->release = true; break;
        case 'd': ok = add_header(options, optarg); break;
        case 'p': options->pause_ms = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': options->timeout_s = (unsigned)strtoul(optarg, NULL, 10); break;
        default: ok = false;
        }
        if (!ok)
            return false;
    }
    options->release = options->release && options->method == LOAD_EXECUTE_PLAN;
    return optind == argc && options->target && options->connections > 0 && options->calls > 0 &&
           (options->messages > 0 || options->method == LOAD_EXECUTE_PLAN);
}

static void number_arg(grpc_arg *arg, const char *key, int value)
{
    *arg = (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    arg->value.integer = value;
}

static grpc_channel *connect_channel(const char *target)
{
    grpc_arg args[4];
    number_arg(&args[0], GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1);
    number_arg(&args[1], GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    number_arg(&args[2], GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1); /* a connection of its own */
    number_arg(&args[3], GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    grpc_channel_args all = {4, args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static void on_timeout(Timer *timer)
{
    Load *load = container_of(timer, Load, timeout);
    load_error(load, "timed out with %" PRIu64 " calls in flight", load->n_in_flight);
    load->stopped = true;
    load->loop.stop = true;
}

static int compare_latencies(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(const LoadTotals *totals, double part)
{
    if (totals->n_latencies == 0)
        return 0;
    return totals->latencies_us[(uint64_t)(part * (double)(totals->n_latencies - 1))];
}

static void print_totals(Load *load, double seconds)
{
    LoadTotals *totals = &load->totals;
    Bytes line = BYTES_NULL;
    qsort(totals->latencies_us, totals->n_latencies, sizeof(uint32_t), compare_latencies);
    bytes_printf(&line, "{\"method\":\"%s\",\"calls\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"first_error\":",
                 method_names[load->options->method], totals->calls, totals->errors);
    bytes_json_string(&line, totals->first_error, strlen(totals->first_error));
    bytes_printf(&line,
                 ",\"messages\":%" PRIu64 ",\"releases\":%" PRIu64 ",\"release_errors\":%" PRIu64
                 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"calls_per_s\":%.1f,\"gb_per_s\":%.4f",
                 totals->messages, totals->releases, totals->release_errors, totals->bytes, seconds,
                 (double)totals->calls / seconds, (double)totals->bytes / seconds / 1e9);
    bytes_printf(&line, ",\"latency_us\":{\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}}\n",
                 percentile(totals, 0.5), percentile(totals, 0.9), percentile(totals, 0.99),
                 percentile(totals, 1));
    fwrite(line.data, 1, line.length, stdout);
    fflush(stdout);
    bytes_deinit(&line);
}

static void run(Load *load)
{
    const LoadOptions *options = load->options;
    load->channels = calloc(options->connections, sizeof(load->channels[0]));
    load->totals.latencies_us = calloc(options->count + 1, sizeof(uint32_t));
    if (!load->channels || !load->totals.latencies_us)
        abort();
    for (unsigned i = 0; i < options->connections; i++)
        load->channels[i] = connect_channel(options->target);
    int64_t started = clock_us();
    timer_start(&load->loop, &load->timeout, options->timeout_s * 1000, on_timeout);
    for (unsigned i = 0; i < options->calls; i++)
        for (unsigned channel = 0; channel < options->connections; channel++)
            load_next(load, channel);
    loop_run(&load->loop);
    print_totals(load, (double)(clock_us() - started) / 1e6);
    free(load->totals.latencies_us);
    for (unsigned i = 0; i < options->connections; i++)
        grpc_channel_destroy(load->channels[i]);
    free(load->channels);
    if (load->n_in_flight == 0) { /* else something hangs, and would hang here too */
        loop_deinit(&load->loop);
        grpc_shutdown();
    }
}

int main(int argc, char **argv)
{
    LoadOptions options;
    Load load = {.options = &options};
    if (!parse_options(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    grpc_init();
    loop_init(&load.loop);
    if (options.method == LOAD_UNKNOWN)
        snprintf(load.fake_header, sizeof(load.fake_header), "echo");
    if (options.method == LOAD_EXECUTE_PLAN)
        snprintf(load.fake_header, sizeof(load.fake_header), "messages=%" PRIu64 ",size=%" PRIu64,
                 options.messages, options.size);
    run(&load);
    return load.totals.errors == 0 ? 0 : 1;
}
