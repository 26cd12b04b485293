#include "relay/artifact_upload.h"

#include <string.h>

#include "relay/mapped_call.h"
#include "relay/named_call.h"
#include "relay/own_call.h"
#include "spark/artifact_answer.h"
#include "spark/artifact_reader.h"
#include "spark/codec.h"

#define ANSWER_LIMIT (256 * 1024) /* bytes; a summary has less than 300 */

typedef enum UploadState {
    UPLOAD_HELD,    /* all of it is in the session already, as far as it has come */
    UPLOAD_CHECKED, /* it has ended, and the server is asked whether the session is still the same */
    UPLOAD_RELAYED, /* it goes, or has gone, upstream */
} UploadState;

/* A call of our own in the session, which may outlive the upload. */
typedef struct Check {
    OwnCall own;
    Call *call; /* NULL: it no longer waits */
} Check;

struct ArtifactUpload {
    UploadState state;
    ArtifactReader reader;
    char first_id[UUID_TEXT_SIZE]; /* of the named session */
    size_t n_held;                 /* bytes; counted in relay->n_artifact_bytes up to the call's end, since a
                                      server may take them slowly */
    size_t n_matched;              /* artifacts from the front that are in the session as they are here */
    size_t n_begun;                /* of which the session has been told that they are on their way */
    bool is_unread;                /* it has been told that one is that cannot be read */
    Check *check;
    Text answer;
};

/* What is known of the session now; NULL: nothing, and nothing is to be remembered. */
static SessionArtifacts *known_of(const Call *call)
{
    SessionArtifacts *known = named_sessions_artifacts(&call->relay->named_sessions, call->upload->first_id);
    if (known)
        session_artifacts_choose(known, call->mapped->session_id);
    return known;
}

/* ---- held back */

/* Whether all that has come may still turn out to be in the session. */
static bool may_be_there(Call *call)
{
    ArtifactUpload *upload = call->upload;
    const ArtifactReader *reader = &upload->reader;
    SessionArtifacts *known = known_of(call);
    if (!known || reader->is_unreadable || known->server_session_id[0] == '\0')
        return false;
    for (size_t i = upload->n_matched; i < reader->n_artifacts; i++) {
        const Artifact *artifact = &reader->artifacts[i];
        if (artifact->has_bad_crc || artifact->is_too_large ||
            !session_artifacts_has_name(known, artifact->name) ||
            (artifact->is_whole && !session_artifacts_has(known, artifact->name, artifact->digest)))
            return false;
        upload->n_matched += artifact->is_whole;
    }
    return true;
}

/* The window is given back: what is held back has its own limits. */
static bool may_hold(Call *call, size_t length)
{
    ArtifactUpload *upload = call->upload;
    upload->n_held += length;
    call->relay->n_artifact_bytes += length;
    stream_consume(&call->from_client, length);
    return upload->n_held <= ARTIFACT_HOLD_LIMIT && call->relay->n_artifact_bytes <= ARTIFACT_HOLD_LIMIT_ALL;
}

bool artifact_upload_is_held(const ArtifactUpload *upload)
{
    return upload->state == UPLOAD_HELD;
}

/* ---- on its way upstream */

/* From now on the server may have them, or something else of the same name. */
static void note_begun(Call *call)
{
    ArtifactUpload *upload = call->upload;
    SessionArtifacts *known = known_of(call);
    const ArtifactReader *reader = &upload->reader;
    for (; known && upload->n_begun < reader->n_artifacts; upload->n_begun++)
        session_artifacts_begin(known, reader->artifacts[upload->n_begun].name);
    if (known && reader->is_unreadable && !upload->is_unread) {
        session_artifacts_begin_unread(known);
        upload->is_unread = true;
    }
}

static void let_pass(Call *call)
{
    call->upload->state = UPLOAD_RELAYED;
    note_begun(call);
}

void artifact_upload_received(Call *call, const uint8_t *bytes, size_t length)
{
    ArtifactUpload *upload = call->upload;
    if (!upload || call->state >= CALL_ANSWERED)
        return;
    artifact_reader_feed(&upload->reader, bytes, length);
    if (upload->state == UPLOAD_RELAYED) {
        if (upload->n_begun < upload->reader.n_artifacts || upload->reader.is_unreadable)
            note_begun(call);
    } else if (!may_hold(call, length) || !may_be_there(call)) {
        let_pass(call);
        call_dispatch(call);
    }
}

bool artifact_upload_begin(Call *call)
{
    if (call->session->kind != SESSION_NAMED || call->upload || call->upstream->is_local ||
        call->session->cluster_id[0]) /* on the cluster that the client has chosen it is another one */
        return false;
    ArtifactUpload *upload = call->upload = mem_new(ArtifactUpload);
    named_call_first_id(call, upload->first_id);
    artifact_reader_init(&upload->reader, ARTIFACT_HOLD_LIMIT);
    const PieceQueue *output = &call->to_upstream.output;
    for (const Piece *piece = output->head; piece; piece = piece->next)
        artifact_reader_feed(&upload->reader, piece->bytes, piece->length);
    if (may_be_there(call) && may_hold(call, output->n_bytes))
        return true;
    let_pass(call);
    return false;
}

/* ---- answered here */

static void go_upstream(Call *call)
{
    let_pass(call);
    call_dispatch(call);
}

static void answer(Call *call, const char *server_session_id)
{
    const ArtifactReader *reader = &call->upload->reader;
    _cleanup_(text_deinit) Text response = TEXT_NULL;
    _cleanup_(mem_freep) const char **names = mem_alloc_zeroed(reader->n_artifacts, sizeof(char *));
    for (size_t i = 0; i < reader->n_artifacts; i++)
        names[i] = reader->artifacts[i].name;
    artifact_answer_write(&response, call->session->session_id, server_session_id, names,
                          reader->n_artifacts);
    log_write(call->relay->log, LOG_LEVEL_DEBUG,
              "session %s has these artifacts already (%zu, %zu bytes): they are not sent again",
              call->session->name, reader->n_artifacts, call->upload->n_held);
    call_answer(call, (const uint8_t *)response.bytes, response.length);
}

/* Whether the session is still the one that has them, which only the server knows: it may have been
 * restarted. */
static void on_checked(OwnCall *own, uint32_t status)
{
    Check *check = container_of(own, Check, own);
    Call *call = check->call;
    _cleanup_(mem_freep) Check *freed = check;
    (void)freed;
    if (!call)
        return;
    call->upload->check = NULL;
    SessionArtifacts *known = known_of(call);
    if (known && status == STATUS_OK)
        session_artifacts_told(known, own->server_side_session_id);
    call->upload->n_matched = 0; /* others may have been uploaded meanwhile */
    if (status == STATUS_OK && may_be_there(call))
        answer(call, own->server_side_session_id);
    else
        go_upstream(call);
}

static void ask_server(Call *call)
{
    _cleanup_(text_deinit) Text request = TEXT_NULL;
    Check *check = mem_new(Check);
    check->own.on_ended = on_checked;
    check->call = call;
    strcpy(check->own.session_id, call->mapped->session_id);
    codec_write_config_get(&request, call->session->user_id, call->mapped->session_id);
    call->upload->state = UPLOAD_CHECKED;
    call->upload->check = check;
    call_set_state(call, CALL_WAITING);
    call->wait = WAIT_ARTIFACTS;
    call_set_deadline(call, 0); /* it has one of its own */
    if (own_call_begin(&check->own, call->relay, call->upstream, NULL, METHOD_CONFIG,
                       (const uint8_t *)request.bytes, request.length))
        return;
    call->upload->check = NULL;
    free(check);
    go_upstream(call);
}

void artifact_upload_whole(Call *call)
{
    if (call->upload->state != UPLOAD_HELD || call->state != CALL_HOLDING)
        return;
    if (artifact_reader_is_whole(&call->upload->reader))
        ask_server(call);
    else
        go_upstream(call); /* the server says what it lacks */
}

void artifact_upload_let_go(Call *call)
{
    if (call->upload->check)
        call->upload->check->call = NULL;
    call->upload->check = NULL;
}

/* ---- remembered */

void artifact_upload_answered(Call *call, const uint8_t *bytes, size_t length)
{
    Text *text = &call->upload->answer;
    if (text->length + length <= ANSWER_LIMIT)
        text_append_bytes(text, (const char *)bytes, length);
}

static void note_ended(Call *call)
{
    ArtifactUpload *upload = call->upload;
    SessionArtifacts *known = known_of(call);
    const uint8_t *bytes = (const uint8_t *)text_string(&upload->answer);
    ArtifactAnswer *read =
        call->status == STATUS_OK ? artifact_answer_read(bytes, upload->answer.length) : NULL;
    const char *server_session_id = read ? artifact_answer_server_session(read) : "";
    if (known && server_session_id[0])
        session_artifacts_told(known, server_session_id);
    for (size_t i = 0; known && i < upload->n_begun; i++) {
        const Artifact *artifact = &upload->reader.artifacts[i];
        bool is_there = server_session_id[0] && artifact->is_whole && !artifact->is_too_large &&
                        !artifact->has_bad_crc && artifact_answer_accepts(read, artifact->name);
        session_artifacts_end(known, artifact->name, is_there ? artifact->digest : NULL);
    }
    if (known && upload->is_unread)
        session_artifacts_end_unread(known);
    artifact_answer_free(read);
}

void artifact_upload_ended(Call *call)
{
    ArtifactUpload *upload = call->upload;
    if (!upload)
        return;
    if (upload->state == UPLOAD_RELAYED)
        note_ended(call);
    call->relay->n_artifact_bytes -= upload->n_held;
    artifact_upload_let_go(call);
    artifact_reader_deinit(&upload->reader);
    text_deinit(&upload->answer);
    free(upload);
    call->upload = NULL;
}
