#pragma once

/*
 * Messages: the Spark Connect messages that the benchmark sends, both sides, without their filler bytes. What
 * an ExecutePlan is to answer stands in fields of its own request that no Spark knows, so that any proxy
 * carries it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../fake/bytes.h"
#include "../fake/spark.h"

#define ID_SIZE    37  /* a UUID */
#define UNARY_SIZE 200 /* of a Config request and of its answer */

/* What ExecutePlan is asked to answer. */
typedef struct Order {
    uint64_t messages, size;
    bool stays_open;
} Order;

/* The client's. */
void message_config(Bytes *out, const char *session);
void message_execute(Bytes *out, const char *session, const char *operation, const Order *order);
/* `response` NULL: release_all. */
void message_release(Bytes *out, const char *session, const char *operation, const char *response);
/* What stands before `chunk` bytes of an artifact, the first one of `total` or a later one; 0 bytes follow
 * them. */
void message_artifact(Bytes *out, const char *session, uint64_t index, size_t chunk, uint64_t total);
/* The response_id in the end of a message of ExecutePlan; false when there is none. */
bool message_find_response_id(const uint8_t *end, size_t length, const char *operation, char ret_id[ID_SIZE]);

/* The server's. */
Order message_read_order(const uint8_t *request, size_t length);
void message_answer(Bytes *out, const SparkMethod *method, const SparkRequest *request, const char *note);
/* What stands before and after the `size` bytes of data of result `index`. */
void message_result(Bytes *head, Bytes *tail, const SparkRequest *request, uint64_t index, size_t size);
void message_complete(Bytes *out, const SparkRequest *request, uint64_t index);
