#pragma once

/*
 * Adding a sentence to what a server's failed answer says. Clients match conditions as substrings of the
 * message and read the details (google.rpc.Status) for the rest; both say the same message, or some clients
 * take neither. So the sentence goes to the end of both, and every other byte stays. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* As they are in the trailers. */
typedef struct StatusWords {
    const char *message; /* grpc-message, percent-encoded */
    size_t message_length;
    const char *details; /* grpc-status-details-bin; NULL: there is none */
    size_t details_length;
} StatusWords;

/* Appends what the two values become to `ret_message` and `ret_details`, the latter only if there are
 * details. False, with both left as they were: the details cannot be read, or say another message. */
bool status_amend(const StatusWords *words, const char *sentence, Text *ret_message, Text *ret_details);
