/*
 * resume-client: runs ExecutePlan as PySpark does and compares every response, byte for byte, with what the
 * fake server makes. By itself it never reattaches, so that a stream that stays whole was kept whole by what
 * lies between; with --reattach it does as PySpark does.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>

#include "resume.h"

static const char usage[] =
    "usage: resume-client --target HOST:PORT [--operations N] [--first N] [--parallel K] [--channels N]\n"
    "                     [--messages N] [--size BYTES] [--plan BYTES] [--fake SCRIPT] [--header "
    "KEY=VALUE]…\n"
    "                     [--reattach] [--release] [--plain] [--cancel-after N] [--read-delay MS]\n"
    "                     [--server-session ID] [--arrivals] [--timeout SECONDS]\n"
    "Operations are numbered from --first; --plain: not reattachable. Prints one JSON line.\n";

static const struct option long_options[] = {
    {"target", required_argument, NULL, 't'},
    {"operations", required_argument, NULL, 'n'},
    {"parallel", required_argument, NULL, 'k'},
    {"messages", required_argument, NULL, 'm'},
    {"size", required_argument, NULL, 's'},
    {"fake", required_argument, NULL, 'f'},
    {"header", required_argument, NULL, 'h'},
    {"first", required_argument, NULL, 'i'},
    {"reattach", no_argument, NULL, 'r'},
    {"release", no_argument, NULL, 'l'},
    {"plain", no_argument, NULL, 'p'},
    {"cancel-after", required_argument, NULL, 'c'},
    {"arrivals", no_argument, NULL, 'a'},
    {"timeout", required_argument, NULL, 'o'},
    {"channels", required_argument, NULL, 'y'},
    {"server-session", required_argument, NULL, 'x'},
    {"read-delay", required_argument, NULL, 'd'},
    {"plan", required_argument, NULL, 'g'},
    {NULL, 0, NULL, 0},
};

static bool add_header(ResumeOptions *options, char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals || options->n_headers == RESUME_HEADERS - 1)
        return false;
    *equals = '\0';
    options->headers[options->n_headers++] = (grpc_metadata){
        .key = grpc_slice_from_static_string(pair), .value = grpc_slice_from_static_string(equals + 1)};
    return true;
}

static bool parse_options(ResumeOptions *options, int argc, char **argv)
{
    *options = (ResumeOptions){.operations = 1,
                               .parallel = 1,
                               .channels = 1,
                               .messages = 10,
                               .size = 1000,
                               .cancel_after = UINT64_MAX,
                               .plan_size = 200,
                               .timeout_s = 60,
                               .server_session = "5e55104e-0000-4000-8000-00000000fa4e"};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 't': options->target = optarg; break;
        case 'n': options->operations = strtoull(optarg, NULL, 10); break;
        case 'k': options->parallel = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'y': options->channels = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'm': options->messages = strtoull(optarg, NULL, 10); break;
        case 's': options->size = strtoull(optarg, NULL, 10); break;
        case 'f': options->script = optarg; break;
        case 'h':
            if (!add_header(options, optarg))
                return false;
            break;
        case 'i': options->first = strtoull(optarg, NULL, 10); break;
        case 'r': options->reattaches = true; break;
        case 'l': options->releases = true; break;
        case 'p': options->plain = true; break;
        case 'c': options->cancel_after = strtoull(optarg, NULL, 10); break;
        case 'a': options->arrivals = true; break;
        case 'o': options->timeout_s = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'd': options->read_delay_ms = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'g': options->plan_size = strtoull(optarg, NULL, 10); break;
        case 'x': options->server_session = optarg; break;
        default: return false;
        }
    }
    return optind == argc && options->target && options->parallel > 0 && options->channels > 0 &&
           options->channels <= RESUME_CHANNELS;
}

static grpc_arg number_arg(const char *key, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    arg.value.integer = value;
    return arg;
}

static grpc_channel *connect_channel(const char *target)
{
    grpc_arg args[] = {number_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
                       number_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
                       number_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0), number_arg(GRPC_ARG_ENABLE_RETRIES, 0),
                       number_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20),
                       /* Not a pause: the time that an attempt to connect has. */
                       number_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20000),
                       number_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 50)};
    grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static void on_timeout(Timer *timer)
{
    Resume *resume = container_of(timer, Resume, timeout);
    resume_problem(resume, "timed out with %" PRIu64 " operations under way", resume->n_running);
    resume->loop.stop = true;
}

static void print_statuses(const Resume *resume, Bytes *line)
{
    const char *comma = "";
    bytes_printf(line, ",\"statuses\":{");
    for (int i = 0; i < RESUME_STATUSES; i++)
        if (resume->statuses[i] > 0) {
            bytes_printf(line, "%s\"%d\":%" PRIu64, comma, i, resume->statuses[i]);
            comma = ",";
        }
    bytes_printf(line, "},\"message\":");
    bytes_json_string(line, resume->status_message, strlen(resume->status_message));
}

static void print_totals(const Resume *resume, double seconds)
{
    Bytes line = BYTES_NULL;
    bytes_printf(&line,
                 "{\"operations\":%" PRIu64 ",\"complete\":%" PRIu64 ",\"messages\":%" PRIu64
                 ",\"bytes\":%" PRIu64 ",\"reattaches\":%" PRIu64 ",\"executes\":%" PRIu64
                 ",\"problems\":%" PRIu64 ",\"first_problem\":",
                 resume->n_ended, resume->n_complete, resume->n_messages, resume->n_bytes,
                 resume->n_reattaches, resume->n_executes, resume->n_problems);
    bytes_json_string(&line, resume->first_problem, strlen(resume->first_problem));
    print_statuses(resume, &line);
    bytes_printf(&line, ",\"seconds\":%.3f,\"arrivals_us\":[", seconds);
    for (size_t i = 0; i < resume->n_arrivals; i++)
        bytes_printf(&line, i > 0 ? ",%" PRId64 : "%" PRId64, resume->arrivals_us[i]);
    bytes_printf(&line, "]}\n");
    fwrite(line.data, 1, line.length, stdout);
    fflush(stdout);
    bytes_deinit(&line);
}

int main(int argc, char **argv)
{
    ResumeOptions options;
    if (!parse_options(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    Resume resume = {.options = &options};
    grpc_init();
    loop_init(&resume.loop);
    char script[512];
    snprintf(script, sizeof(script), "messages=%" PRIu64 ",size=%" PRIu64 ",%s", options.messages,
             options.size, options.script ? options.script : "");
    options.headers[options.n_headers++] = (grpc_metadata){.key = grpc_slice_from_static_string("x-fake"),
                                                           .value = grpc_slice_from_static_string(script)};
    for (unsigned i = 0; i < options.channels; i++)
        resume.channels[i] = connect_channel(options.target);
    int64_t started = clock_us();
    timer_start(&resume.loop, &resume.timeout, options.timeout_s * 1000, on_timeout);
    for (unsigned i = 0; i < options.parallel; i++)
        resume_next(&resume);
    loop_run(&resume.loop);
    print_totals(&resume, (double)(clock_us() - started) / 1e6);
    return resume.n_problems == 0 ? 0 : 1;
}
