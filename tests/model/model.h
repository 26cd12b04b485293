#pragma once

/*
 * The model: what the clients have asked for, what the server has done, and what must hold between the two.
 * It knows nothing of how the daemon does it. One script at a time; all of it in one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define MODEL_MAX_OPERATIONS 24
#define MODEL_MAX_RESPONSES  16
#define MODEL_N_CLIENTS      2

struct ServerCall;

typedef struct ModelOperation {
    unsigned number, client;
    bool is_reattachable;
    unsigned n_responses;
    Text bytes;                       /* of all responses, framed */
    size_t ends[MODEL_MAX_RESPONSES]; /* of each in them */
    /* at the server */
    bool exists;
    bool has_run;
    bool unknown_was_told;  /* the server has answered that it does not know it … */
    bool may_run_again;     /* … since it ran last */
    bool said_unavailable;  /* the server has, in place of its results */
    bool has_failed;        /* in Spark's own words */
    unsigned n_faults;      /* that have hit one of its calls */
    unsigned n_unprocessed; /* of its calls were never looked at */
    unsigned n_released;    /* responses that the server no longer has */
    unsigned n_release_all; /* that the server has taken */
    struct ServerCall *attached;
    /* at the client */
    size_t n_received;          /* bytes, from the beginning */
    unsigned n_client_released; /* responses that it has released */
    bool client_released_all;
} ModelOperation;

typedef struct Model {
    ModelOperation operations[MODEL_MAX_OPERATIONS];
    unsigned n_operations;
    bool is_told;          /* what happens is printed */
    bool a_goaway_is_lost; /* perhaps, and with it the word that a call was not looked at */
    const char *rule;      /* the first that was broken; NULL: none */
    char violation[400];   /* how */
} Model;

extern Model model;

/* Empty again. */
void model_reset(void);
/* One more; `traits` decide how many responses of what size it has. NULL: there are enough. */
ModelOperation *model_add_operation(unsigned client, bool is_reattachable, uint32_t traits);
ModelOperation *model_find_operation(const char *id);
/* "op-3"; the next call overwrites it. */
const char *model_operation_id(const ModelOperation *operation);
const char *model_response_id(const ModelOperation *operation, unsigned index);
const char *model_session_id(unsigned client);
/* How many responses `id` stands for: it and those before; 0: it is none of the operation's. */
unsigned model_count_up_to(const ModelOperation *operation, const char *id);
/* The bytes of the first `n` responses. */
size_t model_length_of(const ModelOperation *operation, unsigned n);
/* How many responses are whole in so many bytes. */
unsigned model_count_whole(const ModelOperation *operation, size_t length);

/* A rule is broken. Only the first counts. */
void model_violated(const char *format, ...) _printf_(1, 2);
static inline bool model_is_violated(void)
{
    return model.rule != NULL;
}
/* What happens, for who reads along. */
void model_tell(const char *format, ...) _printf_(1, 2);
