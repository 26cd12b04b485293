#pragma once

/*
 * What protobuf-c finds in a message, in the terms of the scanner: the fields are matched by their names in
 * proto/envelope.proto, not by the scanner's own tables. For the scanner's unit test and fuzz target.
 */

#include <string.h>

#include "proto/envelope.pb-c.h"
#include "spark/method.h"

typedef struct Oracle {
    const char *texts[ENVELOPE_N_STRINGS]; /* owned by the decoded message; NULL when absent */
    bool flags[ENVELOPE_N_SLOTS];
} Oracle;

#define ORACLE_REQUEST(name)  &sparkbouncer__envelope__##name##_request__descriptor
#define ORACLE_RESPONSE(name) &sparkbouncer__envelope__##name##_response__descriptor

static const ProtobufCMessageDescriptor *const oracle_descriptors[N_METHODS][2] = {
    [METHOD_EXECUTE_PLAN] = {ORACLE_REQUEST(execute_plan), ORACLE_RESPONSE(execute_plan)},
    [METHOD_ANALYZE_PLAN] = {ORACLE_REQUEST(analyze_plan), ORACLE_RESPONSE(analyze_plan)},
    [METHOD_CONFIG] = {ORACLE_REQUEST(config), ORACLE_RESPONSE(config)},
    [METHOD_ADD_ARTIFACTS] = {ORACLE_REQUEST(add_artifacts), ORACLE_RESPONSE(add_artifacts)},
    [METHOD_ARTIFACT_STATUS] = {ORACLE_REQUEST(artifact_statuses), ORACLE_RESPONSE(artifact_statuses)},
    [METHOD_INTERRUPT] = {ORACLE_REQUEST(interrupt), ORACLE_RESPONSE(interrupt)},
    [METHOD_REATTACH_EXECUTE] = {ORACLE_REQUEST(reattach_execute), ORACLE_RESPONSE(execute_plan)},
    [METHOD_RELEASE_EXECUTE] = {ORACLE_REQUEST(release_execute), ORACLE_RESPONSE(release_execute)},
    [METHOD_RELEASE_SESSION] = {ORACLE_REQUEST(release_session), ORACLE_RESPONSE(release_session)},
    [METHOD_FETCH_ERROR_DETAILS] = {ORACLE_REQUEST(fetch_error_details),
                                    ORACLE_RESPONSE(fetch_error_details)},
    [METHOD_CLONE_SESSION] = {ORACLE_REQUEST(clone_session), ORACLE_RESPONSE(clone_session)},
    [METHOD_GET_STATUS] = {ORACLE_REQUEST(get_status), ORACLE_RESPONSE(get_status)},
};

typedef struct OracleField {
    const char *name;
    EnvelopeSlot slot;
} OracleField;

static const OracleField oracle_fields[] = {
    {"session_id", ENVELOPE_SESSION_ID},
    {"user_id", ENVELOPE_USER_ID},
    {"client_type", ENVELOPE_CLIENT_TYPE},
    {"operation_id", ENVELOPE_OPERATION_ID},
    {"server_side_session_id", ENVELOPE_SERVER_SIDE_SESSION_ID},
    {"client_observed_server_side_session_id", ENVELOPE_SERVER_SIDE_SESSION_ID},
    {"new_session_id", ENVELOPE_NEW_SESSION_ID},
    {"response_id", ENVELOPE_RESPONSE_ID},
    {"last_response_id", ENVELOPE_RESPONSE_ID},
    {"release_all", ENVELOPE_RELEASE_ALL},
    {"release_until", ENVELOPE_RELEASE_UNTIL},
    {"result_complete", ENVELOPE_RESULT_COMPLETE},
    {"reattachable", ENVELOPE_REATTACHABLE},
    {"allow_reconnect", ENVELOPE_ALLOW_RECONNECT},
    {"write_stream_operation_start_result", ENVELOPE_RUNS_ON},
    {"pipeline_event_result", ENVELOPE_RUNS_ON},
    {"pipeline_command_result", ENVELOPE_RUNS_ON},
};

static inline EnvelopeSlot oracle_slot(const char *name)
{
    for (size_t i = 0; i < sizeof(oracle_fields) / sizeof(oracle_fields[0]); i++)
        if (strcmp(oracle_fields[i].name, name) == 0)
            return oracle_fields[i].slot;
    return ENVELOPE_N_SLOTS;
}

static inline bool oracle_has_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *quantifier = (const char *)message + field->quantifier_offset;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)quantifier == field->id;
    return field->type != PROTOBUF_C_TYPE_BOOL || *(const protobuf_c_boolean *)quantifier;
}

/* Adds what a decoded message, and those within it, have. */
static inline void oracle_collect(const ProtobufCMessage *message, Oracle *oracle)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *member = (const char *)message + field->offset;
        EnvelopeSlot slot = oracle_slot(field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue; /* tags */
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
            for (size_t k = 0; k < n; k++)
                oracle_collect((*(ProtobufCMessage *const *const *)member)[k], oracle);
        } else if (!oracle_has_field(message, field)) {
            continue;
        } else if (field->type == PROTOBUF_C_TYPE_STRING && slot < ENVELOPE_N_STRINGS) {
            oracle->texts[slot] = *(const char *const *)member;
        } else if (field->type == PROTOBUF_C_TYPE_BOOL && slot < ENVELOPE_N_SLOTS) {
            oracle->flags[slot] |= *(const protobuf_c_boolean *)member != 0;
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(const ProtobufCMessage *const *)member) {
            oracle->flags[slot < ENVELOPE_N_SLOTS ? slot : 0] = true;
            oracle_collect(*(const ProtobufCMessage *const *)member, oracle);
        }
    }
}

static inline bool oracle_agrees_on_text(const Oracle *oracle, const Envelope *envelope, EnvelopeSlot slot)
{
    const EnvelopeText *text = &envelope->texts[slot];
    if (oracle->texts[slot] == NULL)
        /* protobuf-c does not merge the members of a oneof; other implementations, and we, do. */
        return !text->is_present || (slot == ENVELOPE_RESPONSE_ID && oracle->flags[ENVELOPE_RELEASE_UNTIL]);
    return text->is_present && strlen(oracle->texts[slot]) <= text->length &&
           strncmp(text->text, oracle->texts[slot], ENVELOPE_TEXT_SIZE - 1) == 0;
}

/*
 * Whether the scanner found what protobuf-c found. In odd messages the two differ on ENVELOPE_REATTACHABLE:
 * when the field is repeated within one element, where we say yes if any does, and when it has the wrong wire
 * type, at which protobuf-c does not look for a bool. Pass `is_odd` where such messages may come.
 */
static inline bool oracle_agrees(const Oracle *oracle, const Envelope *envelope, bool is_odd)
{
    for (EnvelopeSlot slot = 0; slot < ENVELOPE_N_STRINGS; slot++)
        if (!oracle_agrees_on_text(oracle, envelope, slot))
            return false;
    for (EnvelopeSlot slot = ENVELOPE_N_STRINGS; slot < ENVELOPE_N_SLOTS; slot++)
        if (oracle->flags[slot] != envelope->flags[slot] && !(is_odd && slot == ENVELOPE_REATTACHABLE))
            return false;
    return true;
}

/* Whether two scans found the same. */
static inline bool oracle_same_envelopes(const Envelope *a, const Envelope *b)
{
    for (EnvelopeSlot slot = 0; slot < ENVELOPE_N_STRINGS; slot++) {
        const EnvelopeText *x = &a->texts[slot], *y = &b->texts[slot];
        if (x->is_present != y->is_present)
            return false;
        if (x->is_present &&
            (x->offset != y->offset || x->length != y->length ||
             memcmp(x->text, y->text, x->length < ENVELOPE_TEXT_SIZE ? x->length + 1 : ENVELOPE_TEXT_SIZE)))
            return false;
    }
    return memcmp(a->flags, b->flags, sizeof(a->flags)) == 0;
}
