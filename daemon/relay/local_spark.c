#include "relay/local_spark.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/companion.h"
#include "base/secret.h"
#include "relay/local_command.h"
#include "relay/local_port.h"

#define LABEL              "local Spark" /* no profile of a file has a blank in its name */
#define TOKEN_RANDOM_SIZE  16            /* bytes; twice as many digits */
#define SEARCH_TIMEOUT_MS  20000
#define SEARCH_OUTPUT_SIZE 8192
#define START_TIMEOUT_MS   180000 /* a JVM on a busy machine */
#define STOP_TIMEOUT_MS    5000   /* from SIGTERM to SIGKILL */
#define PROBE_PERIOD_MS    100
#define RETRY_MS           10000 /* after a failure; clients repeat their calls much faster */

/* Ours are about the daemon itself, or about credentials of other servers. */
static const char *const DROPPED[] = {"SPARKBOUNCER_*",
                                      "DATABRICKS_*",
                                      "ARM_*",
                                      "GOOGLE_CREDENTIALS",
                                      "ACTIONS_ID_TOKEN_*",
                                      "NOTIFY_SOCKET",
                                      "WATCHDOG_*",
                                      "LISTEN_*",
                                      "CREDENTIALS_DIRECTORY",
                                      "SPARK_REMOTE",
                                      "SPARK_API_MODE",
                                      "SPARK_LOCAL_REMOTE",
                                      "SPARK_CONNECT_*",
                                      NULL};

typedef struct Probe Probe;

struct LocalSpark {
    LocalSparkHost host;
    LocalSparkState state;
    uint64_t since_ns;
    unsigned n_runs;
    Settings *settings; /* of the present run; NULL: there is none */
    char *command;      /* the template for it; NULL: to be looked for */
    bool starts_again;  /* STOPPING: there is a next run already */
    bool is_closing;
    Child *search;
    Companion *companion;
    Probe *probe; /* under way */
    uv_timer_t timer;
    char last_line[COMPANION_LINE_SIZE];
    char problem[768]; /* of the last failure */
    uint64_t failed_ns;
};

/* One try to connect: whoever can be connected to is ready. */
struct Probe {
    uv_tcp_t socket;
    uv_connect_t request;
    LocalSpark *spark; /* NULL: nobody wants to know any more */
};

/* ---- states */

static const char *const STATE_NAMES[] = {
    [LOCAL_SPARK_NONE] = "none",     [LOCAL_SPARK_STARTING] = "starting", [LOCAL_SPARK_READY] = "ready",
    [LOCAL_SPARK_FAILED] = "failed", [LOCAL_SPARK_STOPPING] = "stopping",
};

#define TO(state) (1u << (state))
static const unsigned TRANSITIONS[] = {
    [LOCAL_SPARK_NONE] = TO(LOCAL_SPARK_STARTING) | TO(LOCAL_SPARK_FAILED),
    [LOCAL_SPARK_STARTING] = TO(LOCAL_SPARK_READY) | TO(LOCAL_SPARK_FAILED) | TO(LOCAL_SPARK_STOPPING),
    [LOCAL_SPARK_READY] = TO(LOCAL_SPARK_FAILED) | TO(LOCAL_SPARK_STOPPING),
    [LOCAL_SPARK_FAILED] = TO(LOCAL_SPARK_STARTING) | TO(LOCAL_SPARK_FAILED),
    [LOCAL_SPARK_STOPPING] = TO(LOCAL_SPARK_NONE),
};

const char *local_spark_state_name(LocalSparkState state)
{
    return STATE_NAMES[state];
}

static void set_state(LocalSpark *spark, LocalSparkState state)
{
    if (!(TRANSITIONS[spark->state] & TO(state))) {
        log_write(spark->host.log, LOG_LEVEL_ERROR,
                  "the local Spark server cannot go from %s to %s; please report this",
                  STATE_NAMES[spark->state], STATE_NAMES[state]);
        abort();
    }
    spark->state = state;
    spark->since_ns = clock_now_ns();
}

/* ---- one end of a run: it fails */

static void abandon_probe(LocalSpark *spark)
{
    if (spark->probe)
        spark->probe->spark = NULL;
    spark->probe = NULL;
}

/* Whatever is under way of the present run is of no interest any more. */
static void abandon(LocalSpark *spark)
{
    abandon_probe(spark);
    (void)uv_timer_stop(&spark->timer);
    if (spark->search)
        child_cancel(spark->search);
    spark->search = NULL;
    spark->companion = companion_free(spark->companion);
}

static void forget_run(LocalSpark *spark)
{
    spark->settings = settings_unref(spark->settings);
    free(steal(spark->command));
}

_printf_(2, 3) static void fail(LocalSpark *spark, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(spark->problem, sizeof spark->problem, format, arguments);
    va_end(arguments);
    spark->failed_ns = clock_now_ns();
    abandon(spark);
    set_state(spark, LOCAL_SPARK_FAILED);
    forget_run(spark);
    log_write(spark->host.log, LOG_LEVEL_WARNING, "%s", spark->problem);
    spark->host.on_ended(spark->host.context);
}

/* ---- ready? */

static uint16_t port_of(const LocalSpark *spark)
{
    return spark->settings ? spark->settings->profiles[0].port : 0;
}

static void become_ready(LocalSpark *spark)
{
    uint64_t took_ms = (clock_now_ns() - spark->since_ns) / NS_PER_MS;
    if (!local_port_is_ours(port_of(spark))) {
        fail(spark,
             "the local Spark server cannot be used: another user of this machine has taken its port, %u",
             port_of(spark));
        return;
    }
    (void)uv_timer_stop(&spark->timer);
    set_state(spark, LOCAL_SPARK_READY);
    log_write(spark->host.log, LOG_LEVEL_INFO,
              "the local Spark server is ready after %" PRIu64 " ms at 127.0.0.1:%u (pid %d); its tables and "
              "sessions are its own, and gone when it stops",
              took_ms, port_of(spark), (int)companion_pid(spark->companion));
    spark->host.on_ready(spark->host.context);
}

static void on_probe_closed(uv_handle_t *handle)
{
    free(container_of((uv_tcp_t *)handle, Probe, socket));
}

static void on_probed(uv_connect_t *request, int status)
{
    Probe *probe = container_of(request, Probe, request);
    LocalSpark *spark = probe->spark;
    uv_close((uv_handle_t *)&probe->socket, on_probe_closed);
    if (!spark)
        return;
    spark->probe = NULL;
    if (status == 0)
        become_ready(spark);
}

static void start_probe(LocalSpark *spark)
{
    struct sockaddr_in address;
    Probe *probe = mem_new(Probe);
    probe->spark = spark;
    (void)uv_ip4_addr("127.0.0.1", port_of(spark), &address);
    (void)uv_tcp_init(spark->host.loop, &probe->socket);
    if (uv_tcp_connect(&probe->request, &probe->socket, (struct sockaddr *)&address, on_probed) != 0)
        uv_close((uv_handle_t *)&probe->socket, on_probe_closed);
    else
        spark->probe = probe;
}

static void on_start_timer(uv_timer_t *timer)
{
    LocalSpark *spark = timer->data;
    if (clock_now_ns() - spark->since_ns >= START_TIMEOUT_MS * NS_PER_MS)
        fail(spark, "the local Spark server does not listen after %d s, and is given up%s%s",
             START_TIMEOUT_MS / 1000, spark->last_line[0] ? "; its last words: " : "", spark->last_line);
    else if (!spark->probe)
        start_probe(spark);
}

/* ---- the process */

static void on_line(void *context, char *line)
{
    LocalSpark *spark = context;
    if (spark->settings)
        secret_redact(spark->settings->profiles[0].auth.token, line);
    log_write(spark->host.log, LOG_LEVEL_DEBUG, "local Spark: %s", line);
    if (*line != ' ' && *line != '\t') /* a stack is below what it is about */
        (void)snprintf(spark->last_line, sizeof spark->last_line, "%.300s", line);
}

static void begin(LocalSpark *spark);

static void stopped(LocalSpark *spark)
{
    (void)uv_timer_stop(&spark->timer);
    spark->companion = companion_free(spark->companion);
    set_state(spark, LOCAL_SPARK_NONE);
    log_write(spark->host.log, LOG_LEVEL_INFO, "the local Spark server has stopped");
    if (spark->starts_again)
        begin(spark);
}

static void on_ended(void *context, int64_t exit_status, int signal)
{
    LocalSpark *spark = context;
    if (spark->state == LOCAL_SPARK_STOPPING) {
        stopped(spark);
        return;
    }
    char how[48];
    if (signal)
        (void)snprintf(how, sizeof how, "signal %d", signal);
    else
        (void)snprintf(how, sizeof how, "exit code %" PRId64, exit_status);
    fail(spark, "the local Spark server %s (%s)%s%s",
         spark->state == LOCAL_SPARK_READY ? "has ended by itself" : "ended before it was ready", how,
         spark->last_line[0] ? ": " : "; it said nothing", spark->last_line);
}

static void run(LocalSpark *spark, LocalCommand *command)
{
    static const CompanionEvents EVENTS = {.on_line = on_line, .on_ended = on_ended};
    int error;
    local_command_add_variable(command, "SPARK_CONNECT_AUTHENTICATE_TOKEN",
                               secret_reveal(spark->settings->profiles[0].auth.token));
    CompanionOptions options = {.argv = (const char *const *)command->argv,
                                .dropped = DROPPED,
                                .added = (const char *const *)command->variables};
    spark->companion = companion_start(spark->host.loop, &options, &EVENTS, spark, &error);
    if (!spark->companion) {
        fail(spark, "the local Spark server cannot be started: %s", uv_strerror(error));
        return;
    }
    (void)uv_timer_start(&spark->timer, on_start_timer, PROBE_PERIOD_MS, PROBE_PERIOD_MS);
}

/* ---- the search */

static void on_searched(void *context, const ChildResult *result)
{
    LocalSpark *spark = context;
    _cleanup_(local_command_deinit) LocalCommand command = LOCAL_COMMAND_NULL;
    spark->search = NULL;
    if (!child_succeeded(result) || !local_command_from_found(&command, result->output, port_of(spark))) {
        fail(spark,
             "no Spark for a local server is found (looked at %.200s): pip install 'pyspark[connect]>=4' "
             "into one "
             "of them, set SPARK_HOME or PYSPARK_PYTHON where the daemon starts, or local_spark in its "
             "configuration",
             result->errors_length > 0 ? result->errors : "SPARK_HOME, PYSPARK_PYTHON, VIRTUAL_ENV, python3");
        return;
    }
    log_write(spark->host.log, LOG_LEVEL_INFO, "the local Spark server is that of %s", command.argv[0]);
    run(spark, &command);
}

static void search(LocalSpark *spark)
{
    const char *argv[] = {"/bin/sh", "-c", local_command_search(), NULL};
    ChildOptions options = {
        .argv = argv, .timeout_ms = SEARCH_TIMEOUT_MS, .output_limit = SEARCH_OUTPUT_SIZE};
    spark->search = child_start(spark->host.loop, &options, on_searched, spark);
}

/* ---- starting */

static void begin(LocalSpark *spark)
{
    spark->starts_again = false;
    spark->last_line[0] = '\0';
    set_state(spark, LOCAL_SPARK_STARTING);
    log_write(spark->host.log, LOG_LEVEL_INFO, "starting a local Spark server");
    if (!spark->command) {
        search(spark);
        return;
    }
    _cleanup_(local_command_deinit) LocalCommand command = LOCAL_COMMAND_NULL;
    local_command_from_template(&command, spark->command, port_of(spark));
    run(spark, &command);
}

static int prepare(LocalSpark *spark, const char *template)
{
    uint8_t random[TOKEN_RANDOM_SIZE];
    char token[2 * TOKEN_RANDOM_SIZE + 1];
    uint16_t port;
    int error = local_port_find(&port);
    if (error != 0)
        return error;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort(); /* never for so few bytes */
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(token + 2 * i, 3, "%02x", random[i]);
    forget_run(spark);
    spark->settings = settings_new_local(LABEL, port, token);
    spark->command = template ? mem_copy_string(template) : NULL;
    spark->n_runs++;
    secret_wipe(random, sizeof random);
    secret_wipe(token, sizeof token);
    return 0;
}

uint64_t local_spark_held_back_ms(const LocalSpark *spark)
{
    uint64_t since_ns = clock_now_ns() - spark->failed_ns;
    bool is_held_back = spark->state == LOCAL_SPARK_FAILED && since_ns < RETRY_MS * NS_PER_MS;
    return is_held_back ? RETRY_MS - since_ns / NS_PER_MS : 0;
}

bool local_spark_start(LocalSpark *spark, const char *command)
{
    if (spark->settings) /* it runs, or is about to */
        return true;
    if (spark->is_closing || local_spark_held_back_ms(spark) > 0)
        return false;
    int error = prepare(spark, command);
    if (error != 0) {
        (void)snprintf(spark->problem, sizeof spark->problem,
                       "the local Spark server cannot be started: no port is free (%s)", uv_strerror(error));
        return false;
    }
    if (spark->state == LOCAL_SPARK_STOPPING)
        spark->starts_again = true;
    else
        begin(spark);
    return true;
}

/* ---- stopping */

static void on_stop_timer(uv_timer_t *timer)
{
    LocalSpark *spark = timer->data;
    stopped(spark); /* what is left of it is killed */
}

void local_spark_stop(LocalSpark *spark, const char *why)
{
    if (spark->state != LOCAL_SPARK_STARTING && spark->state != LOCAL_SPARK_READY)
        return;
    log_write(spark->host.log, LOG_LEVEL_INFO, "stopping the local Spark server: %s", why);
    set_state(spark, LOCAL_SPARK_STOPPING);
    abandon_probe(spark);
    forget_run(spark);
    if (spark->search)
        child_cancel(spark->search);
    spark->search = NULL;
    if (spark->companion)
        companion_ask_to_end(spark->companion);
    (void)uv_timer_start(&spark->timer, on_stop_timer, spark->companion ? STOP_TIMEOUT_MS : 0, 0);
    spark->host.on_ended(spark->host.context);
}

/* ---- life */

static void ignore(void *context)
{
    (void)context;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

LocalSpark *local_spark_new(const LocalSparkHost *host)
{
    LocalSpark *spark = mem_new(LocalSpark);
    spark->host = *host;
    spark->since_ns = clock_now_ns();
    (void)uv_timer_init(host->loop, &spark->timer);
    spark->timer.data = spark;
    return spark;
}

LocalSpark *local_spark_close(LocalSpark *spark)
{
    if (!spark)
        return NULL;
    spark->is_closing = true;
    spark->host.on_ready = spark->host.on_ended = ignore;
    forget_run(spark);
    abandon(spark);
    uv_close((uv_handle_t *)&spark->timer, on_timer_closed);
    return NULL;
}

/* ---- how it stands */

unsigned local_spark_run(const LocalSpark *spark)
{
    return spark->settings ? spark->n_runs : 0;
}

Settings *local_spark_settings(const LocalSpark *spark)
{
    return spark->settings;
}

bool local_spark_is_ready(const LocalSpark *spark)
{
    return spark->state == LOCAL_SPARK_READY;
}

const char *local_spark_problem(const LocalSpark *spark)
{
    return spark->problem;
}

void local_spark_facts(const LocalSpark *spark, LocalSparkFacts *ret_facts)
{
    *ret_facts = (LocalSparkFacts){
        .state = spark->state,
        .since_ns = spark->since_ns,
        .port = port_of(spark),
        .pid = spark->companion ? companion_pid(spark->companion) : 0,
        .problem = spark->state == LOCAL_SPARK_FAILED ? spark->problem : NULL,
    };
}
