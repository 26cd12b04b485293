#pragma once

/*
 * grpc.health.v1.Health/Check, answered by the daemon itself: does it take calls?
 * (grpc/health/v1/health.proto.) Loop thread only.
 */

#include "relay/call.h"

/* True when the call is a health check; it then stays in HOLDING until its message is there. */
bool health_is_for_us(const Call *call);
void health_bytes_received(Call *call, const uint8_t *bytes, size_t length);
/* The request has ended, with or without a message. */
void health_request_ended(Call *call);
