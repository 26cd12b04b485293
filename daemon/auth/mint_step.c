#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/form.h"
#include "auth/jwt.h"
#include "auth/mint_way.h"
#include "auth/quote.h"
#include "base/clock.h"

#define FILE_LIMIT       (64 * 1024) /* tokens and keys have some KiB */
#define PRINTED_LIMIT    (128 * 1024)
#define MAX_QUOTE_LENGTH 400

/* A file being read, or a program looked for, by a thread of libuv's pool, which cannot be called back: it
 * may outlive its mint. */
struct MintFile {
    uv_work_t work;
    Mint *mint; /* NULL: nobody waits */
    char *path;
    Secret *content;
    int error;
    char *folders; /* PATH, for a program */
    char *program;
    DatabricksCliFound found;
};

static uint64_t remaining_ms(const Mint *mint, uint64_t max_ms)
{
    uint64_t now = clock_now_ns();
    uint64_t left = mint->ends_at_ns > now ? (mint->ends_at_ns - now) / NS_PER_MS : 0;
    if (max_ms > 0 && left > max_ms)
        left = max_ms;
    return left > 0 ? left : 1;
}

uint64_t mint_part_ms(const Mint *mint, unsigned n_parts)
{
    return mint->context->timeout_ms / n_parts + 1;
}

/* --- asking --- */

static char *host_of(const char *url)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    return mem_copy_bytes_as_string(begin, strcspn(begin, "/?#"));
}

static void on_answer(void *context, const HttpsResponse *response)
{
    Mint *mint = context;
    mint->exchange = NULL;
    if (response->date_s > 0)
        mint->skew_s = response->date_s - (int64_t)time(NULL);
    mint->on_answered(mint, response);
}

void mint_ask(Mint *mint, const HttpsRequest *request, MintAnswered on_answered)
{
    HttpsRequest whole = *request;
    whole.ca_file = mint->profile->ca_file;
    whole.proxy = mint->profile->proxy;
    whole.timeout_ms = remaining_ms(mint, request->timeout_ms);
    free(mint->asked);
    mint->asked = host_of(request->url);
    mint->on_answered = on_answered;
    mint->exchange = https_send(mint->context->https, &whole, on_answer, mint);
}

void mint_post_form(Mint *mint, const char *url, Form *form, const Secret *basic, MintAnswered on_answered)
{
    static const char *const HEADERS[] = {"Accept: application/json", NULL};
    _cleanup_(secret_freep) Secret *body = form_take(form);
    mint_ask(mint,
             &(HttpsRequest){.method = "POST",
                             .url = url,
                             .headers = HEADERS,
                             .authorization = basic,
                             .body = body,
                             .content_type = FORM_CONTENT_TYPE},
             on_answered);
}

/* Statuses that will not change by asking again. */
static bool is_final(unsigned status)
{
    return status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

bool mint_is_answered(Mint *mint, const HttpsResponse *response, const char *what, const char *advice)
{
    if (!response->failure && response->status == 200)
        return true;
    Text cause = TEXT_NULL;
    if (response->failure)
        text_append(&cause, response->failure);
    else if (response->status >= 300 && response->status < 400)
        text_printf(&cause, "it redirects (HTTP %u), which is not followed", response->status);
    else
        answer_describe_error(response->body, response->length, response->status, &cause);
    bool final = !response->failure && is_final(response->status);
    mint_fail(mint, final ? MINT_LOGIN_NEEDED : MINT_FAILED, "%s: %s at %s gives no token: %s; %s",
              auth_type_name(mint->type), what, mint->asked, text_string(&cause),
              final ? advice : "it is tried again");
    text_deinit(&cause);
    return false;
}

/* --- running --- */

const char *const mint_dropped_variables[] = {"DATABRICKS_*",
                                              "SPARKBOUNCER_*",
                                              "SPARK_CONNECT_AUTHENTICATE_TOKEN",
                                              "ARM_CLIENT_SECRET",
                                              "SPARK_REMOTE",
                                              "ARM_TOKEN",
                                              "GOOGLE_CREDENTIALS",
                                              "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                                              NULL};

static void on_child_done(void *context, const ChildResult *result)
{
    Mint *mint = context;
    mint->child = NULL;
    mint->on_ran(mint, result);
}

void mint_run(Mint *mint, const char *const *argv, const char *const *dropped, const char *const *kept,
              uint64_t max_ms, MintRan on_ran)
{
    ChildOptions options = {argv, dropped, kept, remaining_ms(mint, max_ms), PRINTED_LIMIT};
    mint->on_ran = on_ran;
    mint->child = child_start(mint->context->loop, &options, on_child_done, mint);
}

/* What programs begin their last words with. */
static const char *without_label(const char *said)
{
    said += strspn(said, " \t\r\n");
    return strncasecmp(said, "error: ", 7) == 0 ? said + 7 : said;
}

void mint_describe_run(const ChildResult *result, Text *text)
{
    if (result->error)
        text_printf(text, "it cannot be started (%s)", uv_strerror(result->error));
    else if (result->timed_out)
        text_append(text, "it did not end in time");
    else if (result->is_too_long)
        text_printf(text, "it printed more than %d KiB", PRINTED_LIMIT / 1024);
    else if (result->signal)
        text_printf(text, "it was ended by signal %d", result->signal);
    else if (result->errors_length > 0)
        quote_append(text, without_label(result->errors), MAX_QUOTE_LENGTH);
    else
        text_printf(text, "it ended with status %d and said nothing", (int)result->exit_status);
}

/* --- reading --- */

static void read_file(uv_work_t *work)
{
    MintFile *file = work->data;
    char *bytes = mem_alloc(FILE_LIMIT + 1);
    size_t length = 0;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && length <= FILE_LIMIT) {
        n = read(fd, bytes + length, FILE_LIMIT + 1 - length);
        length += n > 0 ? (size_t)n : 0;
    }
    file->error = n < 0 ? -errno : length > FILE_LIMIT ? -EFBIG : 0;
    if (!file->error)
        file->content = secret_new(bytes, length);
    if (fd >= 0)
        (void)close(fd);
    secret_wipe(bytes, FILE_LIMIT + 1);
    free(bytes);
}

static void on_file_read(uv_work_t *work, int status)
{
    MintFile *file = work->data;
    Mint *mint = file->mint;
    Secret *content = steal(file->content);
    int error = status ? status : file->error;
    free(file->path);
    free(file);
    if (!mint) {
        secret_free(content);
        return;
    }
    mint->file = NULL;
    mint->on_read(mint, content, error);
}

void mint_file_forget(MintFile *file)
{
    file->mint = NULL;
    (void)uv_cancel((uv_req_t *)&file->work);
}

char *mint_expanded_path(const char *path)
{
    const char *home = getenv("HOME");
    Text whole = TEXT_NULL;
    if (path[0] == '~' && path[1] == '/' && home)
        text_printf(&whole, "%s%s", home, path + 1);
    else
        text_append(&whole, path);
    return text_take(&whole);
}

void mint_read(Mint *mint, const char *path, MintRead on_read)
{
    MintFile *file = mint->file = mem_new(MintFile);
    file->path = mint_expanded_path(path);
    file->mint = mint;
    file->work.data = file;
    mint->on_read = on_read;
    (void)uv_queue_work(mint->context->loop, &file->work, read_file, on_file_read);
}

static void look_for_cli(uv_work_t *work)
{
    MintFile *file = work->data;
    file->found = databricks_cli_find(file->path, file->folders, &file->program);
}

static void on_looked(uv_work_t *work, int status)
{
    (void)status; /* cancelled: then nobody waits */
    MintFile *file = work->data;
    Mint *mint = file->mint;
    DatabricksCliFound found = file->found;
    char *program = steal(file->program);
    free(file->path);
    free(file->folders);
    free(file);
    if (!mint) {
        free(program);
        return;
    }
    mint->file = NULL;
    mint->program = program;
    mint->on_found(mint, found);
}

void mint_find_cli(Mint *mint, const char *path, MintFound on_found)
{
    const char *folders = getenv("PATH");
    MintFile *file = mint->file = mem_new(MintFile);
    file->path = path ? mem_copy_string(path) : NULL;
    file->folders = folders ? mem_copy_string(folders) : NULL;
    file->mint = mint;
    file->work.data = file;
    mint->on_found = on_found;
    (void)uv_queue_work(mint->context->loop, &file->work, look_for_cli, on_looked);
}

/* --- tokens --- */

uint64_t mint_life_ms(int64_t ends_at_s, int64_t skew_s)
{
    int64_t left_s = ends_at_s - ((int64_t)time(NULL) + skew_s);
    return left_s > 0 ? (uint64_t)left_s * 1000 : 1;
}

/* 0: not said. False: the mint has failed. */
static bool find_life(Mint *mint, const TokenAnswer *answer, bool end_counts, const char *what,
                      uint64_t *ret_lives_ms)
{
    int64_t ends_at_s = answer->ends_at_s ? answer->ends_at_s : jwt_end(answer->access);
    *ret_lives_ms = (uint64_t)answer->lives_s * 1000;
    if ((answer->lives_s > 0 && !end_counts) || ends_at_s == 0)
        return true;
    *ret_lives_ms = mint_life_ms(ends_at_s, mint->skew_s);
    if (*ret_lives_ms > 1)
        return true;
    mint_fail(mint, MINT_FAILED,
              "%s: the token that %s gives has ended already; is this machine's clock right?",
              auth_type_name(mint->type), what);
    return false;
}

bool mint_take(Mint *mint, const char *bytes, size_t length, bool end_counts, const char *what)
{
    TokenAnswer answer;
    Text problem = TEXT_NULL;
    Token *token = &mint->outcome.token;
    uint64_t lives_ms = 0;
    bool is_good = token_answer_parse(bytes, length, &answer, &problem);
    if (is_good && !secret_is_visible(answer.access)) {
        text_append(&problem, "its token has blanks or control characters in it");
        is_good = false;
    }
    if (!is_good)
        mint_fail(mint, MINT_FAILED, "%s: what %s gives is no token: %s", auth_type_name(mint->type), what,
                  text_string(&problem));
    else if ((is_good = find_life(mint, &answer, end_counts, what, &lives_ms))) {
        *(mint->wants_extra ? &token->extra : &token->access) = steal(answer.access);
        if (token->lives_ms == 0 || (lives_ms > 0 && lives_ms < token->lives_ms))
            token->lives_ms = lives_ms;
    }
    token_answer_deinit(&answer);
    text_deinit(&problem);
    return is_good;
}

const char *mint_scopes(const Mint *mint)
{
    const char *scopes = mint->profile->auth.scopes;
    return scopes && *scopes ? scopes : "all-apis";
}

char *mint_workspace_url(const Mint *mint)
{
    const ProfileSettings *profile = mint->profile;
    Text url = TEXT_NULL;
    text_printf(&url, strchr(profile->host, ':') ? "https://[%s]" : "https://%s", profile->host);
    if (profile->port != 443)
        text_printf(&url, ":%u", profile->port);
    return text_take(&url);
}
