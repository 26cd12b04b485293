#pragma once

/*
 * Spark: what a Spark Connect server would answer, as far as an envelope goes: which fields of a request and
 * of its response carry session, server-side session and operation. Written from the public protocol
 * description, not from the daemon's table. Pure but for the list of operations; not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define SPARK_ID_SIZE 80

typedef struct SparkMethod {
    const char *name;
    unsigned operation;               /* request field, 0: none */
    unsigned observed_server_session; /* request field that the server checks, 0: none */
    unsigned session_answer;          /* response fields */
    unsigned server_session_answer;
    unsigned operation_answer;
    bool answers_stream;
} SparkMethod;

/* NULL when the path is not of spark.connect.SparkConnectService or the method is not known. */
const SparkMethod *spark_method_find(const char *path, size_t length);

/* What is needed of a request. */
typedef struct SparkRequest {
    char session[SPARK_ID_SIZE];
    char operation[SPARK_ID_SIZE];
    char observed_server_session[SPARK_ID_SIZE]; /* empty: not said */
    char user[SPARK_ID_SIZE];
    char last_response[SPARK_ID_SIZE];
    bool has_last_response;
    bool reattachable; /* ExecutePlan */
    bool release_all;  /* ReleaseExecute */
    char release_until[SPARK_ID_SIZE];
} SparkRequest;

/* False when the bytes are not a protobuf message or an id is too long. */
bool spark_request_parse(const SparkMethod *method, const uint8_t *message, size_t length,
                         SparkRequest *ret_request);

/* The answer of a method that answers once; `note` goes into AddArtifactsResponse as an artifact's name. */
void spark_answer(Bytes *out, const SparkMethod *method, const SparkRequest *request,
                  const char *server_session, const char *note);
/* Response `index` of an operation: an arrow batch of `size` pattern bytes. */
void spark_result(Bytes *out, const SparkRequest *request, const char *server_session, uint64_t index,
                  uint64_t size);
/* The last response, result_complete. */
void spark_complete(Bytes *out, const SparkRequest *request, const char *server_session, uint64_t index);

/* The index in a response id that spark_result() made; false when it made none such. */
bool spark_response_index(const char *response_id, uint64_t *ret_index);

/* What ExecutePlan was asked to answer, for a later ReattachExecute. */
typedef struct SparkOperation {
    struct SparkOperation *next;
    char id[SPARK_ID_SIZE];
    uint64_t messages, size;
} SparkOperation;

void spark_operation_add(SparkOperation **list, const char *id, uint64_t messages, uint64_t size);
const SparkOperation *spark_operation_find(const SparkOperation *list, const char *id);
