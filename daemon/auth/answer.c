#include "auth/answer.h"

#include <malloc.h>
#include <string.h>

#include "auth/quote.h"
#include "auth/timestamp.h"

#define MAX_QUOTE_LENGTH 400

static void free_wiped(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

json_t *answer_object(const char *bytes, size_t length)
{
    /* For the whole process, which has no other JSON that is large or frequent. */
    json_set_alloc_funcs(mem_alloc, free_wiped);
    json_t *object = json_loadb(bytes, length, 0, NULL);
    if (object && !json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

const char *answer_string(const json_t *object, const char *name)
{
    const char *string = json_string_value(json_object_get(object, name));
    return string && *string ? string : NULL;
}

Secret *answer_secret(const json_t *object, const char *name)
{
    const char *string = answer_string(object, name);
    return string ? secret_new(string, strlen(string)) : NULL;
}

/* False when it is there but no time. */
static bool read_time(const json_t *object, const char *name, TimestampZone zone, int64_t *ret_s)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value))
        return true;
    if (json_is_string(value))
        return *json_string_value(value) == '\0' || timestamp_parse(json_string_value(value), zone, ret_s);
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0 && number < 1e12))
        return false;
    *ret_s = (int64_t)number;
    return true;
}

static bool read_end(const json_t *object, TokenAnswer *answer, Text *problem)
{
    static const struct {
        const char *name;
        TimestampZone zone;
    } ENDS[] = {{"expires_on", TIMESTAMP_ZONE_UTC},
                {"expiry", TIMESTAMP_ZONE_UTC},
                {"expiresOn", TIMESTAMP_ZONE_LOCAL}};
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0] && answer->ends_at_s == 0; i++)
        if (!read_time(object, ENDS[i].name, ENDS[i].zone, &answer->ends_at_s)) {
            text_printf(problem, "its \"%s\" is no time", ENDS[i].name);
            return false;
        }
    if (!read_time(object, "expires_in", TIMESTAMP_ZONE_UTC, &answer->lives_s)) {
        text_append(problem, "its \"expires_in\" is no number of seconds");
        return false;
    }
    return true;
}

bool token_answer_parse(const char *bytes, size_t length, TokenAnswer *ret_answer, Text *problem)
{
    *ret_answer = (TokenAnswer)TOKEN_ANSWER_NULL;
    json_t *object = answer_object(bytes, length);
    if (!object) {
        text_append(problem, "it is not a JSON object");
        return false;
    }
    bool is_good = read_end(object, ret_answer, problem);
    if (is_good) {
        ret_answer->access = answer_secret(object, "access_token");
        if (!ret_answer->access)
            ret_answer->access = answer_secret(object, "accessToken");
        is_good = ret_answer->access != NULL;
        if (!is_good)
            text_append(problem, "there is no access_token in it");
    }
    json_decref(object);
    return is_good;
}

void token_answer_deinit(TokenAnswer *answer)
{
    secret_free(answer->access);
    *answer = (TokenAnswer)TOKEN_ANSWER_NULL;
}

static void quote(Text *text, const char *code, const char *said)
{
    Text whole = TEXT_NULL;
    text_printf(&whole, "%s%s%s", code ? code : "", code && said ? ": " : "", said ? said : "");
    char *trace = strstr(whole.bytes, "Trace ID: ");
    if (trace)
        *trace = '\0'; /* Azure adds lines that are only for its own support */
    quote_append(text, text_string(&whole), MAX_QUOTE_LENGTH);
    text_deinit(&whole);
}

/* False when it has none of the names that are used for it. */
static bool describe(const json_t *object, Text *text)
{
    static const char *const PAIRS[][2] = {{"error", "error_description"},
                                           {"errorCode", "errorSummary"},
                                           {"error_code", "message"},
                                           {"code", "message"},
                                           {"status", "message"}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        const char *code = answer_string(object, PAIRS[i][0]);
        if (code) {
            quote(text, code, answer_string(object, PAIRS[i][1]));
            return true;
        }
    }
    if (answer_string(object, "message"))
        quote(text, NULL, answer_string(object, "message"));
    return answer_string(object, "message") != NULL;
}

void answer_describe_error(const char *bytes, size_t length, unsigned status, Text *text)
{
    json_t *object = answer_object(bytes, length);
    const json_t *inner = json_object_get(object, "error");
    if (!describe(json_is_object(inner) ? inner : object, text))
        text_printf(text, "HTTP %u", status);
    json_decref(object);
}
