#include "spark/method.h"

#include <string.h>

#include "spark/shape.h"

#define BIT(slot)    (1u << (slot))
#define SHAPE(array) (&(const MessageShape){sizeof(array) / sizeof((array)[0]), array})

/* clang-format off */

#define SESSION_ID             {FIELD_TEXT, ENVELOPE_SESSION_ID, 0, NULL}
#define CLIENT_TYPE            {FIELD_TEXT, ENVELOPE_CLIENT_TYPE, 0, NULL}
#define OPERATION_ID           {FIELD_TEXT, ENVELOPE_OPERATION_ID, 0, NULL}
#define SERVER_SIDE_SESSION_ID {FIELD_TEXT, ENVELOPE_SERVER_SIDE_SESSION_ID, 0, NULL}
#define RESPONSE_ID            {FIELD_TEXT, ENVELOPE_RESPONSE_ID, 0, NULL}
#define CHILD(array)           {FIELD_MESSAGE, FIELD_NO_FLAG, 0, SHAPE(array)}
#define USER_CONTEXT           CHILD(user_context)
#define RUNS_ON                {FIELD_MESSAGE, ENVELOPE_RUNS_ON, 0, NULL}

static const FieldRow user_context[] = {
    [1] = {FIELD_TEXT, ENVELOPE_USER_ID, 0, NULL},
};
static const FieldRow reattach_options[] = {
    [1] = {FIELD_BOOL, ENVELOPE_REATTACHABLE, 0, NULL},
};
static const FieldRow request_option[] = {
    [1] = CHILD(reattach_options),
};
static const FieldRow release_until[] = {
    [1] = RESPONSE_ID,
};

static const FieldRow execute_plan_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [4] = CLIENT_TYPE, [5] = CHILD(request_option),
    [6] = OPERATION_ID, [8] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow execute_plan_response[] = {
    [1] = SESSION_ID, [8] = RUNS_ON, /* write_stream_operation_start_result */
    [12] = OPERATION_ID, [13] = RESPONSE_ID, [14] = {FIELD_MESSAGE, ENVELOPE_RESULT_COMPLETE, 0, NULL},
    [15] = SERVER_SIDE_SESSION_ID, [21] = RUNS_ON, [22] = RUNS_ON, /* pipeline_event_result, pipeline_command_result */
};

static const FieldRow analyze_plan_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE, [17] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow analyze_plan_response[] = {
    [1] = SESSION_ID, [15] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow config_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [4] = CLIENT_TYPE, [8] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow config_response[] = {
    [1] = SESSION_ID, [4] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow add_artifacts_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [6] = CLIENT_TYPE, [7] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow add_artifacts_response[] = {
    [2] = SESSION_ID, [3] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow artifact_statuses_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE, [5] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow artifact_statuses_response[] = {
    [2] = SESSION_ID, [3] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow interrupt_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE,
    [5] = {FIELD_SKIP, FIELD_NO_FLAG, BIT(ENVELOPE_OPERATION_ID), NULL}, /* operation_tag, same oneof */
    [6] = OPERATION_ID, [7] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow interrupt_response[] = {
    [1] = SESSION_ID, [3] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow reattach_execute_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = OPERATION_ID, [4] = CLIENT_TYPE, [5] = RESPONSE_ID,
    [6] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow release_execute_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = OPERATION_ID, [4] = CLIENT_TYPE,
    [5] = {FIELD_MESSAGE, ENVELOPE_RELEASE_ALL, BIT(ENVELOPE_RELEASE_UNTIL) | BIT(ENVELOPE_RESPONSE_ID), NULL},
    [6] = {FIELD_MESSAGE, ENVELOPE_RELEASE_UNTIL, BIT(ENVELOPE_RELEASE_ALL), SHAPE(release_until)},
    [7] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow release_execute_response[] = {
    [1] = SESSION_ID, [2] = OPERATION_ID, [3] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow release_session_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE,
    [4] = {FIELD_BOOL, ENVELOPE_ALLOW_RECONNECT, BIT(ENVELOPE_ALLOW_RECONNECT), NULL},
};
static const FieldRow release_session_response[] = {
    [1] = SESSION_ID, [2] = SERVER_SIDE_SESSION_ID,
};

static const FieldRow fetch_error_details_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [4] = CLIENT_TYPE, [5] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow fetch_error_details_response[] = {
    [3] = SERVER_SIDE_SESSION_ID, [4] = SESSION_ID,
};

static const FieldRow clone_session_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE, [5] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow clone_session_response[] = {
    [1] = SESSION_ID, [2] = SERVER_SIDE_SESSION_ID,
    [3] = {FIELD_TEXT, ENVELOPE_NEW_SESSION_ID, 0, NULL},
};

static const FieldRow get_status_request[] = {
    [1] = SESSION_ID, [2] = USER_CONTEXT, [3] = CLIENT_TYPE, [4] = SERVER_SIDE_SESSION_ID,
};
static const FieldRow get_status_response[] = {
    [1] = SESSION_ID, [2] = SERVER_SIDE_SESSION_ID,
};

#define SERVICE "/spark.connect.SparkConnectService/"
#define SERVICE_LENGTH (sizeof(SERVICE) - 1)
#define ROW(id, name, request_is_stream, response_is_stream, replay, request, response) \
    [id] = {id, name, SERVICE name, request_is_stream, response_is_stream, replay, SHAPE(request), SHAPE(response)}

static const Method methods[N_METHODS] = {
    ROW(METHOD_EXECUTE_PLAN, "ExecutePlan", false, true, METHOD_REPLAY_REATTACH,
        execute_plan_request, execute_plan_response),
    ROW(METHOD_ANALYZE_PLAN, "AnalyzePlan", false, false, METHOD_REPLAY_SAFE,
        analyze_plan_request, analyze_plan_response),
    ROW(METHOD_CONFIG, "Config", false, false, METHOD_REPLAY_SAFE,
        config_request, config_response),
    ROW(METHOD_ADD_ARTIFACTS, "AddArtifacts", true, false, METHOD_REPLAY_NEVER,
        add_artifacts_request, add_artifacts_response),
    ROW(METHOD_ARTIFACT_STATUS, "ArtifactStatus", false, false, METHOD_REPLAY_SAFE,
        artifact_statuses_request, artifact_statuses_response),
    ROW(METHOD_INTERRUPT, "Interrupt", false, false, METHOD_REPLAY_SAFE,
        interrupt_request, interrupt_response),
    ROW(METHOD_REATTACH_EXECUTE, "ReattachExecute", false, true, METHOD_REPLAY_SAFE,
        reattach_execute_request, execute_plan_response),
    ROW(METHOD_RELEASE_EXECUTE, "ReleaseExecute", false, false, METHOD_REPLAY_SAFE,
        release_execute_request, release_execute_response),
    ROW(METHOD_RELEASE_SESSION, "ReleaseSession", false, false, METHOD_REPLAY_SAFE,
        release_session_request, release_session_response),
    ROW(METHOD_FETCH_ERROR_DETAILS, "FetchErrorDetails", false, false, METHOD_REPLAY_NEVER,
        fetch_error_details_request, fetch_error_details_response),
    ROW(METHOD_CLONE_SESSION, "CloneSession", false, false, METHOD_REPLAY_NEVER,
        clone_session_request, clone_session_response),
    ROW(METHOD_GET_STATUS, "GetStatus", false, false, METHOD_REPLAY_SAFE,
        get_status_request, get_status_response),
};

/* clang-format on */

/* The only method that a name of this length and letters can be, N_METHODS when there is none. */
static MethodId candidate(const char *name, size_t length)
{
    switch (length) {
    case 6: return METHOD_CONFIG;
    case 9: return name[0] == 'I' ? METHOD_INTERRUPT : METHOD_GET_STATUS;
    case 11: return name[0] == 'E' ? METHOD_EXECUTE_PLAN : METHOD_ANALYZE_PLAN;
    case 12: return name[0] == 'A' ? METHOD_ADD_ARTIFACTS : METHOD_CLONE_SESSION;
    case 14:
        if (name[0] == 'A')
            return METHOD_ARTIFACT_STATUS;
        return name[7] == 'E' ? METHOD_RELEASE_EXECUTE : METHOD_RELEASE_SESSION;
    case 15: return METHOD_REATTACH_EXECUTE;
    case 17: return METHOD_FETCH_ERROR_DETAILS;
    default: return N_METHODS;
    }
}

const Method *method_find(const char *path, size_t length)
{
    if (length <= SERVICE_LENGTH)
        return NULL;
    MethodId id = candidate(path + SERVICE_LENGTH, length - SERVICE_LENGTH);
    if (id == N_METHODS || memcmp(path, methods[id].path, length) != 0)
        return NULL;
    return &methods[id];
}

const Method *method_get(MethodId id)
{
    return &methods[id];
}
