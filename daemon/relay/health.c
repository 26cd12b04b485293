#include "relay/health.h"

#include <string.h>

#define CHECK_PATH        "/grpc.health.v1.Health/Check"
#define SPARK_SERVICE     "spark.connect.SparkConnectService"
#define MAX_SERVICE_BYTES 256 /* of a request: a service name and three bytes around it */

bool health_is_for_us(const Call *call)
{
    return call->path && call->path->value_length == sizeof CHECK_PATH - 1 &&
           memcmp(call->path->value, CHECK_PATH, sizeof CHECK_PATH - 1) == 0;
}

/* HealthCheckRequest {string service = 1}: only "" (the daemon as a whole) and the Spark service are known.
 */
static bool is_known_service(const uint8_t *message, size_t length)
{
    static const char SERVICE[] = SPARK_SERVICE;
    if (length == 0 || (length == 2 && message[0] == 0x0a && message[1] == 0))
        return true;
    return length == sizeof SERVICE - 1 + 2 && message[0] == 0x0a && message[1] == sizeof SERVICE - 1 &&
           memcmp(message + 2, SERVICE, sizeof SERVICE - 1) == 0;
}

static void answer(Call *call, const uint8_t *message, size_t length)
{
    /* HealthCheckResponse {ServingStatus status = 1}: 1 SERVING, 2 NOT_SERVING */
    uint8_t response[FRAMING_PREFIX_SIZE + 2] = {0};
    if (!is_known_service(message, length)) {
        call_fail(call, STATUS_NOT_FOUND, NULL, "sparkbouncer: no such service; known is " SPARK_SERVICE);
        return;
    }
    framing_write_prefix(response, 2);
    response[FRAMING_PREFIX_SIZE] = 0x08;
    response[FRAMING_PREFIX_SIZE + 1] = call->relay->is_draining ? 2 : 1;
    call_answer(call, response, sizeof response);
}

void health_bytes_received(Call *call, const uint8_t *bytes, size_t length)
{
    (void)bytes, (void)length;
    if (call->bytes_from_client > MAX_SERVICE_BYTES)
        call_fail(call, STATUS_INVALID_ARGUMENT, NULL,
                  "sparkbouncer: a health check request is much shorter");
}

void health_request_ended(Call *call)
{
    uint8_t request[MAX_SERVICE_BYTES];
    size_t length = 0;
    for (const Piece *piece = call->to_upstream.output.head; piece; piece = piece->next) {
        memcpy(request + length, piece->bytes, piece->length);
        length += piece->length;
    }
    if (length < FRAMING_PREFIX_SIZE)
        answer(call, NULL, 0);
    else
        answer(call, request + FRAMING_PREFIX_SIZE, length - FRAMING_PREFIX_SIZE);
}
