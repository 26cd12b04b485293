/*
 * fake-server: a Spark Connect server under the control of its clients, on gRPC's own C library. It serves
 * any method in any shape; the request metadata `x-fake` scripts the answer (script.h).
 */

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "fake_call.h"

typedef struct Options {
    const char *host, *record, *token, *cluster, *server_session;
    const char *certificate, *key; /* both or none */
    const char *closed_sessions, *refused, *ignored;
    unsigned port, max_streams;
    uint64_t messages, size, retained;
    bool operations, checks_sessions;
    bool until_eof;
} Options;

static const char usage[] =
    "usage: fake-server [--host ADDRESS] [--port N] [--tls CERTIFICATE KEY] [--token T] [--cluster C]\n"
    "                   [--record FILE|-] [--messages N] [--size BYTES] [--server-session ID]\n"
    "                   [--max-concurrent-streams N] [--operations] [--retained BYTES] [--until-eof]\n"
    "                   [--closed-sessions ID,ID…] [--check-sessions] [--refuse TEXT] [--ignore TEXT]\n"
    "--check-sessions: SESSION_CHANGED for a client that has seen another --server-session.\n"
    "--operations: an operation is executed once, kept and reattached as a Spark server does it, with that "
    "much of\n"
    "what was sent kept for sending it again; /sparkbouncer.test.Fake/Operations answers how often that "
    "was.\n"
    "Prints `listening PORT`. --until-eof: ends when standard input does.\n";

static const struct option long_options[] = {
    {"host", required_argument, NULL, 'a'},
    {"port", required_argument, NULL, 'p'},
    {"tls", required_argument, NULL, 't'},
    {"token", required_argument, NULL, 'k'},
    {"cluster", required_argument, NULL, 'c'},
    {"record", required_argument, NULL, 'r'},
    {"messages", required_argument, NULL, 'm'},
    {"size", required_argument, NULL, 's'},
    {"server-session", required_argument, NULL, 'i'},
    {"max-concurrent-streams", required_argument, NULL, 'n'},
    {"operations", no_argument, NULL, 'o'},
    {"retained", required_argument, NULL, 'd'},
    {"until-eof", no_argument, NULL, 'e'},
    {"closed-sessions", required_argument, NULL, 'x'},
    {"check-sessions", no_argument, NULL, 'y'},
    {"refuse", required_argument, NULL, 'f'},
    {"ignore", required_argument, NULL, 'g'},
    {NULL, 0, NULL, 0},
};

static bool parse_options(Options *options, int argc, char **argv)
{
    *options = (Options){.host = "127.0.0.1",
                         .messages = 3,
                         .size = 1000,
                         .retained = 10 * 1024 * 1024,
                         .server_session = "5e55104e-0000-4000-8000-00000000fa4e"};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'a': options->host = optarg; break;
        case 'p': options->port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 't':
            if (optind >= argc)
                return false;
            options->certificate = optarg;
            options->key = argv[optind++];
            break;
        case 'k': options->token = optarg; break;
        case 'c': options->cluster = optarg; break;
        case 'r': options->record = optarg; break;
        case 'm': options->messages = strtoull(optarg, NULL, 10); break;
        case 's': options->size = strtoull(optarg, NULL, 10); break;
        case 'i': options->server_session = optarg; break;
        case 'n': options->max_streams = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': options->operations = true; break;
        case 'd': options->retained = strtoull(optarg, NULL, 10); break;
        case 'e': options->until_eof = true; break;
        case 'x': options->closed_sessions = optarg; break;
        case 'y': options->checks_sessions = true; break;
        case 'f': options->refused = optarg; break;
        case 'g': options->ignored = optarg; break;
        default: return false;
        }
    }
    return optind == argc;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 1 << 20);
    if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        exit(2);
    }
    fclose(file);
    return text;
}

static grpc_server_credentials *make_credentials(const Options *options)
{
    if (!options->certificate)
        return grpc_insecure_server_credentials_create();
    char *certificate = read_file(options->certificate), *key = read_file(options->key);
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
    grpc_server_credentials *credentials =
        grpc_ssl_server_credentials_create_ex(NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    free(certificate);
    free(key);
    return credentials;
}

static grpc_arg number_arg(const char *key, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    arg.value.integer = value;
    return arg;
}

static int start_server(FakeServer *server, const Options *options)
{
    grpc_arg args[] = {
        number_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
        number_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        number_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
        number_arg(GRPC_ARG_MAX_METADATA_SIZE, 64 * 1024),
        number_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)options->max_streams),
    };
    grpc_channel_args all = {sizeof(args) / sizeof(args[0]) - (options->max_streams > 0 ? 0 : 1), args};
    char address[256];
    snprintf(address, sizeof(address), "%s:%u", options->host, options->port);
    server->server = grpc_server_create(&all, NULL);
    grpc_server_register_completion_queue(server->server, server->loop.queue, NULL);
    grpc_server_credentials *credentials = make_credentials(options);
    int port = grpc_server_add_http2_port(server->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (port > 0)
        grpc_server_start(server->server);
    else
        fprintf(stderr, "cannot listen on %s\n", address);
    return port;
}

/*
 * Whoever started us holds the other end of standard input: when it is gone, so are we. A byte from there is
 * answered with a line, before which stands everything that was written until then.
 */
static void *wait_for_eof(void *server)
{
    FakeServer *self = server;
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
        Bytes line = BYTES_NULL;
        bytes_printf(&line, "{\"event\":\"mark\"}");
        record_write(&self->record, &line);
        bytes_deinit(&line);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    Options options;
    FakeServer server = {.server = NULL};
    if (!parse_options(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!record_open(&server.record, options.record))
        return 2;
    grpc_init();
    loop_init(&server.loop);
    server.token = options.token;
    server.cluster = options.cluster;
    server.server_session = options.server_session;
    server.closed_sessions = options.closed_sessions;
    server.checks_sessions = options.checks_sessions;
    server.refused = options.refused;
    server.ignored = options.ignored;
    server.messages = options.messages;
    server.size = options.size;
    if (options.operations) {
        server.operations = calloc(1, sizeof(*server.operations));
        if (!server.operations)
            abort();
        server.operations->retained = options.retained;
    }
    int port = start_server(&server, &options);
    if (port <= 0)
        return 1;
    printf("listening %d\n", port);
    fflush(stdout);
    pthread_t watcher;
    if (options.until_eof && pthread_create(&watcher, NULL, wait_for_eof, &server) == 0)
        pthread_detach(watcher);
    for (int i = 0; i < 64; i++) /* calls that may arrive in one turn */
        fake_call_await(&server);
    loop_run(&server.loop);
    return 0;
}
