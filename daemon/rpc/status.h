#pragma once

/*
 * gRPC status: codes, their names, how HTTP and HTTP/2 failures map to them, the grpc-message percent
 * encoding and the google.rpc.Status that goes into grpc-status-details-bin. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

typedef enum StatusCode {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
} StatusCode;

/* "UNAVAILABLE"; "code 99" style names do not exist: an unknown number gives "UNKNOWN". */
const char *status_name(uint32_t code);
/* Decimal grpc-status header value; false when it is no number of at most two digits. */
bool status_parse(const char *value, size_t length, uint32_t *ret_code);
/* The code a gRPC client gives an HTTP answer that is not gRPC (grpc "http-grpc-status-mapping"; 3xx, 2xx:
 * UNKNOWN). */
StatusCode status_from_http(unsigned http_status);
/* Appends `message` percent-encoded as grpc-message wants it: 0x20-0x7e but '%' stay. */
void status_append_message(Text *text, const char *message);

/* Appends it as -bin metadata wants it: base64 without padding. */
void status_append_base64(Text *text, const uint8_t *bytes, size_t length);
/* Appends the bytes of a -bin value, with or without padding. False when it is no base64; what came before
 * that is appended. */
bool status_decode_base64(const char *text, size_t length, Text *bytes);
/* The text of a grpc-message; free(). Never NULL. */
char *status_decode_message(const char *value, size_t length);

/* What our own errors say beside the sentence. */
typedef struct StatusDetails {
    const char *reason;          /* ErrorInfo.reason, UPPER_SNAKE */
    const char *const *metadata; /* ErrorInfo.metadata: name, value, name, value, …, NULL; may be NULL */
    uint64_t retry_after_ms;     /* RetryInfo when not 0 */
} StatusDetails;

/*
 * Appends grpc-status-details-bin: base64 without padding of google.rpc.Status {code, message, details:
 * ErrorInfo with domain "sparkbouncer", RetryInfo}. Keep message and metadata short: clients take 8 KiB of
 * headers.
 */
void status_append_details(Text *text, StatusCode code, const char *message, const StatusDetails *details);
