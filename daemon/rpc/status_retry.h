#pragma once

/*
 * How long a failed answer asks its caller to wait before the next try: google.rpc.RetryInfo in the details
 * of a gRPC status, or the retry-after of an HTTP answer. Whoever sends it may be anybody between here and
 * the server: what makes no sense is as good as nothing. Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define STATUS_RETRY_LIMIT_MS (24 * 60 * 60 * 1000) /* longer pauses are mistakes, or meant for people */

/* In milliseconds, rounded up, of a grpc-status-details-bin as it is in the trailers. 0: it asks for none, or
 * cannot be read, or for a negative one or more than STATUS_RETRY_LIMIT_MS. */
uint64_t status_retry_of_details(const char *value, size_t length);
/* The same of a retry-after, in seconds or as a date of HTTP (RFC 9110, 5.6.7, its preferred form); `now` is
 * the wall clock's. */
uint64_t status_retry_of_header(const char *value, size_t length, time_t now);
