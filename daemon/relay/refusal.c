#include "relay/refusal.h"

#include <stdbool.h>
#include <string.h>

#include "rpc/status.h"

#define WORDS_SIZE 1024

/* What the words say, in lower case; the first row of which both occur counts. */
typedef struct RefusalRow {
    const char *words, *more_words; /* the second may be NULL */
    RefusalKind kind;
} RefusalRow;

/* "cluster " has its blank because of names like svc.cluster.local in the words of other proxies. */
static const RefusalRow CLUSTER_ROWS[] = {
    {"resource_does_not_exist", NULL, REFUSAL_CLUSTER_MISSING},
    {"no cluster found", NULL, REFUSAL_CLUSTER_MISSING},
    {"cluster ", "does not exist", REFUSAL_CLUSTER_MISSING},
    {"permission to attach", NULL, REFUSAL_CLUSTER_ACCESS},
    {"permission", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"not authorized", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"access mode", NULL, REFUSAL_CLUSTER_ACCESS},
    {"shared or single", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"neither shared", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"single user", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"single-user", "cluster", REFUSAL_CLUSTER_ACCESS},
    {"temporarily_unavailable", NULL, REFUSAL_CLUSTER_NOT_RUNNING},
    {"cluster ", "terminat", REFUSAL_CLUSTER_NOT_RUNNING},
    {"cluster ", "pending", REFUSAL_CLUSTER_NOT_RUNNING},
    {"cluster ", "starting", REFUSAL_CLUSTER_NOT_RUNNING},
    {"cluster ", "not running", REFUSAL_CLUSTER_NOT_RUNNING},
    {"cluster ", "unexpected state", REFUSAL_CLUSTER_NOT_RUNNING},
};

/* For PERMISSION_DENIED and HTTP 403 only, which say other things too. */
static const RefusalRow TOKEN_ROWS[] = {
    {"ip acl", NULL, REFUSAL_NONE}, /* a fresh token comes from the same address */
    {"ip access list", NULL, REFUSAL_NONE}, {"token", NULL, REFUSAL_TOKEN},
    {"credential", NULL, REFUSAL_TOKEN},    {"authenticat", NULL, REFUSAL_TOKEN},
};

/* How the front's errors begin: "CODE: words". */
static const char *const FRONT_CODES[] = {
    "bad_request:",       "invalid_state:",           "invalid_parameter_value:",
    "permission_denied:", "resource_does_not_exist:", "temporarily_unavailable:",
};

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const RefusalRow *find_row(const RefusalRow *rows, size_t n_rows, const char *words)
{
    for (size_t i = 0; i < n_rows; i++)
        if (strstr(words, rows[i].words) && (!rows[i].more_words || strstr(words, rows[i].more_words)))
            return &rows[i];
    return NULL;
}

static void copy_lower(char words[WORDS_SIZE], const char *message, size_t length)
{
    size_t n = length < WORDS_SIZE - 1 ? length : WORDS_SIZE - 1;
    for (size_t i = 0; i < n; i++) {
        char c = message[i] ? message[i] : ' ';
        words[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    words[n] = '\0';
}

/* Spark's own errors are INTERNAL or UNKNOWN and may quote anything, a table named "cluster " included: there
 * only the words of the front count. */
static bool may_be_about_the_cluster(uint32_t grpc_status, bool is_http, const char *words)
{
    switch (grpc_status) {
    case STATUS_UNAVAILABLE:
    case STATUS_NOT_FOUND:
    case STATUS_PERMISSION_DENIED:
    case STATUS_INVALID_ARGUMENT:
    case STATUS_FAILED_PRECONDITION:
    case STATUS_ABORTED: return true;
    case STATUS_INTERNAL:
    case STATUS_UNKNOWN:
    case STATUS_UNIMPLEMENTED: break;
    default: return false;
    }
    for (size_t i = 0; i < N_ROWS(FRONT_CODES) && !is_http; i++)
        if (strncmp(words, FRONT_CODES[i], strlen(FRONT_CODES[i])) == 0)
            return true;
    return is_http;
}

static RefusalKind classify_denied(const char *words, bool is_http)
{
    const RefusalRow *row = find_row(TOKEN_ROWS, N_ROWS(TOKEN_ROWS), words);
    if (row)
        return row->kind;
    /* The front says 403 for a token that has ended, often without a word. */
    return is_http || *words == '\0' ? REFUSAL_TOKEN : REFUSAL_NONE;
}

RefusalKind refusal_classify(uint32_t grpc_status, const char *message, size_t length, unsigned http_status)
{
    bool is_http = http_status != 0 && http_status != 200;
    if (grpc_status == STATUS_UNAUTHENTICATED || http_status == 401)
        return REFUSAL_TOKEN;
    if (grpc_status == STATUS_OK && !is_http)
        return REFUSAL_NONE;
    char words[WORDS_SIZE];
    copy_lower(words, message, length);
    if (may_be_about_the_cluster(grpc_status, is_http, words)) {
        const RefusalRow *row = find_row(CLUSTER_ROWS, N_ROWS(CLUSTER_ROWS), words);
        if (row)
            return row->kind;
    }
    if (grpc_status == STATUS_PERMISSION_DENIED || http_status == 403)
        return classify_denied(words, is_http);
    return http_status == 503 ? REFUSAL_CLUSTER_NOT_RUNNING : REFUSAL_NONE;
}
