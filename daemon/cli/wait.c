#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/control_client.h"
#include "conf/values.h"

#define DEFAULT_TIMEOUT_MS 30000
#define RETRY_MS           100 /* the socket may not be there yet, and a daemon that starts is soon ready */

/* True when trying again may help: nobody there yet, or somebody who is not ready. */
static bool may_change(int error, const ControlReply *reply)
{
    return error == -ENOENT || error == -ECONNREFUSED || error == -ETIMEDOUT || error == -EPROTO ||
           (error == 0 && reply->status == 503);
}

static void pause_until(uint64_t at_ns)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t ns = now_ns < at_ns ? at_ns - now_ns : 0;
    if (ns > RETRY_MS * NS_PER_MS)
        ns = RETRY_MS * NS_PER_MS;
    struct timespec duration = {.tv_nsec = (long)ns};
    (void)nanosleep(&duration, NULL);
}

/* Asks once. True when there is nothing more to wait for; then *ret_code is the exit code. Else `sentence`
 * says why not yet. */
static bool is_settled(const char *path, uint64_t deadline_ns, Text *sentence, int *ret_code)
{
    _cleanup_(control_reply_deinit) ControlReply reply = CONTROL_REPLY_NULL;
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns) / NS_PER_MS : 0;
    uint64_t timeout_ms = left_ms < CONTROL_CLIENT_TIMEOUT_MS ? left_ms : CONTROL_CLIENT_TIMEOUT_MS;
    int error = control_client_request(path, "GET", "/ready", timeout_ms, &reply);
    bool is_ready = error == 0 && reply.status == 200;
    *ret_code = is_ready ? CLI_OK : CLI_FAILED;
    text_clear(sentence);
    if (error == 0 && reply.status == 503)
        text_printf(sentence, "the daemon on %s takes no calls", path);
    else
        control_client_explain(sentence, path, error, &reply);
    return is_ready || !may_change(error, &reply);
}

int command_wait(const Cli *cli)
{
    SettingsSource source = options_source(cli->options);
    _cleanup_(mem_freep) char *path = settings_control_socket(&source);
    _cleanup_(text_deinit) Text sentence = TEXT_NULL, duration = TEXT_NULL;
    uint64_t timeout_ms = cli->options->timeout_is_set ? cli->options->timeout_ms : DEFAULT_TIMEOUT_MS;
    uint64_t deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    int code;
    while (!is_settled(path, deadline_ns, &sentence, &code)) {
        if (clock_now_ns() >= deadline_ns) {
            value_append_duration(&duration, timeout_ms);
            text_printf(&sentence, " (waited for %s)", text_string(&duration));
            break;
        }
        pause_until(deadline_ns);
    }
    if (code != CLI_OK)
        report_error("%s", text_string(&sentence));
    return code;
}
