#include "rpc/status_retry.h"

#include <string.h>

#include "base/text.h"
#include "rpc/status.h"

#include "proto/status.pb-c.h"

typedef Sparkbouncer__Status__Any Any;
typedef Sparkbouncer__Status__Duration Duration;
typedef Sparkbouncer__Status__RetryInfo RetryInfo;
typedef Sparkbouncer__Status__Status Status;

#define LIMIT_S      (STATUS_RETRY_LIMIT_MS / 1000)
#define NS_IN_MS     1000000
#define NS_IN_SECOND 1000000000

static uint64_t ms_of_duration(const Duration *delay)
{
    if (delay->seconds < 0 || delay->seconds > LIMIT_S || delay->nanos < 0 || delay->nanos >= NS_IN_SECOND)
        return 0;
    uint64_t ms = (uint64_t)delay->seconds * 1000 + (uint64_t)(delay->nanos + NS_IN_MS - 1) / NS_IN_MS;
    return ms <= STATUS_RETRY_LIMIT_MS ? ms : 0;
}

/* Whatever the address before it: the type's name follows the last slash. */
static bool is_retry_info(const Any *any)
{
    const char *slash = any->type_url ? strrchr(any->type_url, '/') : NULL;
    return slash && strcmp(slash, "/google.rpc.RetryInfo") == 0;
}

static uint64_t ms_of_any(const Any *any)
{
    RetryInfo *info = sparkbouncer__status__retry_info__unpack(NULL, any->value.len, any->value.data);
    uint64_t ms = info && info->retry_delay ? ms_of_duration(info->retry_delay) : 0;
    if (info)
        sparkbouncer__status__retry_info__free_unpacked(info, NULL);
    return ms;
}

/* Of several the first, which is the one that clients take. */
static uint64_t ms_of_status(const Status *status)
{
    for (size_t i = 0; i < status->n_details; i++)
        if (is_retry_info(status->details[i]))
            return ms_of_any(status->details[i]);
    return 0;
}

uint64_t status_retry_of_details(const char *value, size_t length)
{
    _cleanup_(text_deinit) Text bytes = TEXT_NULL;
    if (!status_decode_base64(value, length, &bytes))
        return 0;
    Status *status =
        sparkbouncer__status__status__unpack(NULL, bytes.length, (const uint8_t *)text_string(&bytes));
    if (!status)
        return 0;
    uint64_t ms = ms_of_status(status);
    sparkbouncer__status__status__free_unpacked(status, NULL);
    return ms;
}

static uint64_t ms_of_date(const char *text, time_t now)
{
    struct tm date = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (!end || *end)
        return 0;
    time_t at = timegm(&date);
    return at > now && at - now <= LIMIT_S ? (uint64_t)(at - now) * 1000 : 0;
}

uint64_t status_retry_of_header(const char *value, size_t length, time_t now)
{
    char text[40]; /* a date has 29 characters */
    uint64_t seconds = 0;
    if (length == 0 || length >= sizeof text || memchr(value, '\0', length))
        return 0;
    memcpy(text, value, length);
    text[length] = '\0';
    if (strspn(text, "0123456789") != length)
        return ms_of_date(text, now);
    for (size_t i = 0; i < length && seconds <= LIMIT_S; i++)
        seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    return seconds <= LIMIT_S ? seconds * 1000 : 0;
}
