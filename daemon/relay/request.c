/* The request side of a call: headers, envelope, route. */

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "relay/artifact_upload.h"
#include "relay/call.h"
#include "relay/header_kind.h"
#include "relay/health.h"
#include "relay/mapped_call.h"
#include "relay/orphans.h"
#include "relay/own_call.h"
#include "relay/parting.h"
#include "relay/release.h"
#include "relay/revival.h"
#include "relay/route.h"
#include "relay/touch.h"

#define HOLD_LIMIT (64 * 1024) /* bytes held back at the most while its session is looked for */

#define PROFILE_NAME_SIZE 256 /* longer than any that configuration takes */

/* ---- what goes upstream */

static void add_text(HeaderList *headers, const char *name, const char *value)
{
    header_list_add(headers,
                    (Header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value), NULL, NULL});
}

static void add_timeout(Call *call)
{
    uint64_t now = clock_now_ns();
    uint64_t left = call->client_deadline_ns > now ? call->client_deadline_ns - now : 0;
    (void)timeout_format(left, call->timeout_value);
    add_text(&call->request_headers, "grpc-timeout", call->timeout_value);
}

/* Header by header: what is the upstream's own is replaced, what is the daemon's is dropped, the rest goes as
 * it came. */
static bool add_forwarded(Call *call, const Header *header)
{
    HeaderList *headers = &call->request_headers;
    const Upstream *upstream = call->upstream;
    Header forwarded = *header;
    forwarded.name_buffer = forwarded.value_buffer = NULL; /* borrowed: the received list keeps them */
    switch (header_kind(header->name, header->name_length)) {
    case HEADER_KIND_AUTHORITY: add_text(headers, ":authority", upstream->authority); return false;
    case HEADER_KIND_SCHEME: add_text(headers, ":scheme", upstream->tls ? "https" : "http"); return false;
    case HEADER_KIND_PATH:
        if (call->reattaches)
            add_text(headers, ":path", method_get(METHOD_REATTACH_EXECUTE)->path);
        else if (!call->client)
            add_text(headers, ":path", call->method->path);
        else
            header_list_add(headers, forwarded);
        return false;
    case HEADER_KIND_TIMEOUT:
        if (call->client_deadline_ns)
            add_timeout(call);
        return false;
    case HEADER_KIND_CLUSTER_ID:
        if (upstream->profile->cluster_choice != CLUSTER_CHOICE_CLIENT)
            return false;
        header_list_add(headers, forwarded);
        return true;
    case HEADER_KIND_ACCEPT_ENCODING: /* session ids could not be exchanged in what is compressed */
        if (!call->mapped)
            header_list_add(headers, forwarded);
        return false;
    case HEADER_KIND_CONSUMED:
    case HEADER_KIND_PROFILE:
    case HEADER_KIND_SESSION: return false;
    case HEADER_KIND_OTHER: header_list_add(headers, forwarded); return false;
    }
    return false;
}

/* What a client has written into a message may be any bytes; those of a header may not. */
static bool is_header_value(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* Serverless compute is found by the session, as the messages of the call have it. */
static void add_serverless_session(Call *call)
{
    const char *id = envelope_text(&call->request.envelope, ENVELOPE_SESSION_ID);
    if (call->mapped)
        id = call->mapped->session_id;
    else if (call->own)
        id = call->own->session_id;
    else if (!id && call->session) /* a call of our own */
        id = session_id_at_server(call->session);
    if (id && is_header_value(id))
        add_text(&call->request_headers, "x-databricks-session-id", id);
}

void request_build_headers(Call *call)
{
    const HeaderList *received = &call->from_client.received_headers;
    bool client_chose_cluster = false, has_authority = false;
    header_list_clear(&call->request_headers);
    for (size_t i = 0; i < received->n_entries; i++) {
        const Header *header = &received->entries[i];
        has_authority |= header_name_is(header, ":authority");
        if (header->name[0] != ':' && !has_authority) { /* a client may send host instead (RFC 9113, 8.3.1) */
            add_text(&call->request_headers, ":authority", call->upstream->authority);
            has_authority = true;
        }
        if (client_chose_cluster && header_name_is(header, "x-databricks-cluster-id"))
            continue; /* never twice */
        client_chose_cluster |= add_forwarded(call, header);
    }
    credential_stamp(call->credential, &call->request_headers, !client_chose_cluster);
    if (call->upstream->profile->is_serverless && !client_chose_cluster)
        add_serverless_session(call);
}

/* ---- route */

/* The profile that the client asks for; x-profile comes before profile. A name that is too long is cut: no
 * profile has it, and that is what the client is told. */
static const char *wished_profile(const Call *call, char *name, size_t size)
{
    const HeaderList *headers = &call->from_client.received_headers;
    const Header *header = header_list_find(headers, "x-profile");
    if (!header)
        header = header_list_find(headers, "profile");
    if (!header || header->value_length == 0)
        return NULL;
    size_t length = header->value_length < size - 1 ? header->value_length : size - 1;
    memcpy(name, header->value, length);
    name[length] = '\0';
    return name;
}

/* For calls of our own, which have to reach the same cluster. */
static void note_cluster(const Call *call, const ProfileSettings *profile, Session *session)
{
    const HeaderList *headers = &call->from_client.received_headers;
    if (profile->cluster_choice != CLUSTER_CHOICE_CLIENT ||
        !header_list_copy_value(headers, "x-databricks-cluster-id", session->cluster_id,
                                sizeof session->cluster_id))
        session->cluster_id[0] = '\0';
}

/* Adds the session, once it is known where it is: a call that cannot be routed leaves no trace. */
static void use_session(Call *call, const Destination *destination)
{
    const Envelope *envelope = &call->request.envelope;
    const char *session_id = envelope_text(envelope, ENVELOPE_SESSION_ID);
    const char *user_id = envelope_text(envelope, ENVELOPE_USER_ID);
    if (!session_id)
        return;
    Session *session = registry_use(&call->relay->registry, client_owner(call->client),
                                    user_id ? user_id : "", session_id, destination, call->started_ns);
    if (!session)
        return;
    call->session = session_ref(session);
    session_add_client(session, &call->client->sessions, call->client->peer.process.pid);
    orphans_session_used(session);
    note_cluster(call, destination->profile, session);
    relay_watch_expiry(call->relay);
}

/* For a call that does not say where it belongs: some clients leave their metadata out on some calls. */
static const char *profile_of_session(const Call *call)
{
    const Envelope *envelope = &call->request.envelope;
    const char *session_id = envelope_text(envelope, ENVELOPE_SESSION_ID);
    const char *user_id = envelope_text(envelope, ENVELOPE_USER_ID);
    const Session *session = session_id ? registry_find(&call->relay->registry, client_owner(call->client),
                                                        user_id ? user_id : "", session_id)
                                        : NULL;
    const Destination *destination = session ? session->target : NULL;
    return destination ? destination->name : NULL;
}

/* What the call belongs to; NULL: it has been answered. Its upstream is set, or NULL if the local Spark
 * server may take the place of one that is not usable. */
static const Destination *find_destination(Call *call, const char *name)
{
    const char *problem;
    bool is_unknown;
    Upstream *upstream = relay_upstream(call->relay, name, &problem, &is_unknown);
    call->upstream = upstream ? upstream_ref(upstream) : NULL;
    if (!call->upstream && is_unknown && problem)
        call_fail(call, STATUS_NOT_FOUND, &(StatusDetails){.reason = "UNKNOWN_PROFILE"}, "sparkbouncer: %s",
                  problem);
    else if (!call->upstream && is_unknown)
        call_fail(call, STATUS_NOT_FOUND, &(StatusDetails){.reason = "UNKNOWN_PROFILE"},
                  "sparkbouncer: there is no profile %s; see 'sparkbouncer check' for those there are", name);
    if (is_unknown)
        return NULL;
    const Destination *destination =
        upstream ? upstream->destination : destinations_find(&call->relay->destinations, name);
    const ProfileSettings *profile = destination->profile;
    if (upstream || profile->is_local || profile->fallback == FALLBACK_LOCAL)
        return destination;
    call_fail(call, STATUS_FAILED_PRECONDITION, &(StatusDetails){.reason = "PROFILE_UNUSABLE"},
              "sparkbouncer: %s", problem);
    return NULL;
}

/* The same, by what the call and its client say. */
static const Destination *choose_destination(Call *call)
{
    char wish[PROFILE_NAME_SIZE], label[RELAY_GUEST_LABEL_SIZE];
    RouteFacts facts = {
        .listener_profile = call->client->profile,
        .header_profile = wished_profile(call, wish, sizeof wish),
        .default_profile = call->relay->settings->default_profile,
    };
    if (!facts.listener_profile && !facts.header_profile)
        facts.session_profile = profile_of_session(call);
    const char *name;
    switch (route_choose(&facts, &name)) {
    case ROUTE_OK: break;
    case ROUTE_NONE:
        call_fail(call, STATUS_FAILED_PRECONDITION, &(StatusDetails){.reason = "NO_PROFILE"},
                  "sparkbouncer: this call names no profile and there is no default one; add ;x-profile=NAME "
                  "to the "
                  "sc:// URL, or set profile in config.ini");
        return NULL;
    case ROUTE_FORBIDDEN:
        call_fail(call, STATUS_PERMISSION_DENIED, &(StatusDetails){.reason = "PROFILE_IS_FIXED"},
                  "sparkbouncer: this address serves profile %s only, not %s; use another address, or drop "
                  "x-profile",
                  facts.listener_profile, relay_profile_label(facts.header_profile, label));
        return NULL;
    }
    return find_destination(call, name);
}

/* The newest call that brings an operation's results takes over from an older one, which then no longer
 * tries to go on by itself: the server has room for one. */
static void take_over(Call *call, Operation *operation)
{
    Call *older = operation->streaming;
    operation->streaming = call;
    call->operation = operation;
    if (call->method->id == METHOD_REATTACH_EXECUTE)
        call->may_be_disconnected = true; /* by one that may be over by now */
    if (!older || older == call)
        return;
    bool is_checking = older->resume.state == RESUME_CHECKING; /* what comes first it has had already */
    bool is_unread = older->spool.file != NULL;
    call->may_be_disconnected = older->is_let_go = true;
    older->operation = NULL;
    resume_reset(&older->resume);
    (void)touch_end(older);
    spool_close(older);
    if (is_unread || is_checking || (older->state == CALL_WAITING && older->broken_since_ns))
        call_fail(older, STATUS_UNAVAILABLE, &(StatusDetails){.reason = "REATTACHED_ELSEWHERE"},
                  "sparkbouncer: another call of the client has taken over the results of this operation");
    if (is_unread) /* and there is a gap in what it got */
        stream_reset(&older->from_client, STREAM_CANCEL);
}

/* A call whose results can be had again is known by session, user and operation, all of them whole. */
static bool is_reattachable(const Call *call)
{
    const Envelope *envelope = &call->request.envelope;
    const EnvelopeText *user = &envelope->texts[ENVELOPE_USER_ID];
    bool user_is_whole = !user->is_present || user->length == 0 || envelope_text(envelope, ENVELOPE_USER_ID);
    return user_is_whole && call->session && call->operation &&
           (call->method->id == METHOD_REATTACH_EXECUTE || envelope->flags[ENVELOPE_REATTACHABLE]);
}

static void register_operation(Call *call)
{
    const Envelope *envelope = &call->request.envelope;
    const char *operation_id = envelope_text(envelope, ENVELOPE_OPERATION_ID);
    bool begins = call->method &&
                  (call->method->id == METHOD_EXECUTE_PLAN || call->method->id == METHOD_REATTACH_EXECUTE);
    if (!begins || !call->session || !operation_id)
        return;
    Operation *operation = registry_use_operation(&call->relay->registry, call->session, operation_id);
    if (operation) {
        take_over(call, operation);
        operation->is_running = true;
        operation_serve(operation, &call->client->operations);
    }
    if (!is_reattachable(call) || call->bytes_to_client > 0)
        return;
    resume_begin(&call->resume, call->method->id == METHOD_REATTACH_EXECUTE
                                    ? envelope_text(envelope, ENVELOPE_RESPONSE_ID)
                                    : NULL);
    touch_watch(call);
}

/* What was begun before the daemon saw the session, or by results that cannot be followed, may run on in it.
 */
static void note_what_is_unseen(Call *call)
{
    Session *session = call->session;
    bool knows_server = call->request.envelope.texts[ENVELOPE_SERVER_SIDE_SESSION_ID].is_present;
    session->runs_on |= knows_server && session->server_side_session_id[0] == '\0';
    session->runs_on |= call->method->id == METHOD_EXECUTE_PLAN && !is_reattachable(call);
}

static void route(Call *call)
{
    const Destination *destination = choose_destination(call);
    if (!destination)
        return;
    use_session(call, destination);
    if (mapped_call_begin(call) || !fallback_route(call, destination))
        return;
    if (call->method && call->method->id == METHOD_RELEASE_EXECUTE && release_take(call))
        return;
    if (parting_hold(call))
        return;
    if (call->method && call->method->id == METHOD_RELEASE_SESSION && parting_take(call))
        return;
    if (call->mapped && call->method->id == METHOD_ADD_ARTIFACTS && artifact_upload_begin(call))
        return;
    call_dispatch(call);
}

/* ---- events */

static void read_timeout(Call *call)
{
    const Header *header = header_list_find(&call->from_client.received_headers, "grpc-timeout");
    uint64_t timeout_ns;
    if (!header || !timeout_parse(header->value, header->value_length, &timeout_ns))
        return;
    uint64_t now = clock_now_ns();
    if (timeout_ns >= UINT64_MAX - now)
        return; /* never */
    call->client_deadline_ns = now + timeout_ns;
    deadline_set(&call->relay->deadlines, &call->deadline, call->client_deadline_ns);
}

static bool is_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '.'))
            return false;
    }
    return length > 0;
}

/* /package.Service/Method and nothing else. */
static bool is_grpc_path(const Header *path)
{
    const char *slash = path && path->value_length > 1 && path->value[0] == '/'
                            ? memchr(path->value + 1, '/', path->value_length - 1)
                            : NULL;
    if (!slash)
        return false;
    size_t service_length = (size_t)(slash - path->value) - 1;
    return is_name(path->value + 1, service_length) &&
           is_name(slash + 1, path->value_length - service_length - 2);
}

/* The profile's token goes along with what is relayed, and a workspace has more on its port than Spark
 * Connect: nothing but gRPC may be reached with it. */
static bool is_grpc_request(const HeaderList *headers)
{
    const Header *verb = header_list_find(headers, ":method");
    const Header *type = header_list_find(headers, "content-type");
    return verb && verb->value_length == 4 && memcmp(verb->value, "POST", 4) == 0 && type &&
           type->value_length >= 16 && memcmp(type->value, "application/grpc", 16) == 0;
}

void request_headers_received(Call *call)
{
    const HeaderList *headers = &call->from_client.received_headers;
    call->path = header_list_find(headers, ":path");
    if (client_turns_away(call))
        return;
    if (call->from_client.headers_too_large) {
        call_fail(
            call, STATUS_RESOURCE_EXHAUSTED, &(StatusDetails){.reason = "HEADERS_TOO_LARGE"},
            "sparkbouncer: the request's headers have more than %zu bytes; raise header_limit if they must",
            call->relay->settings->header_limit);
        return;
    }
    if (!is_grpc_request(headers)) {
        call_refuse_http(call);
        return;
    }
    if (!is_grpc_path(call->path)) {
        call_fail(call, STATUS_UNIMPLEMENTED, &(StatusDetails){.reason = "NOT_GRPC"},
                  "sparkbouncer: only gRPC calls are relayed, and their paths have the form "
                  "/package.Service/Method");
        return;
    }
    call->method = call->path ? method_find(call->path->value, call->path->value_length) : NULL;
    call_set_state(call, CALL_HOLDING);
    read_timeout(call);
    if (!call->method && !health_is_for_us(call))
        route(call);
}

/* Those that may be answered or changed here. All of them are short. */
static bool is_needed_whole(MethodId id)
{
    return id == METHOD_RELEASE_EXECUTE || id == METHOD_RELEASE_SESSION || id == METHOD_INTERRUPT;
}

/* Whether the message tells enough to send it on: most need session and user, a few are answered here whole.
 */
static bool is_known_enough(const Call *call, bool message_is_complete)
{
    const MessageWatch *watch = &call->request;
    if (message_is_complete || call->from_client.ended)
        return true;
    bool is_readable = watch->is_scanning || watch->framing.n_prefix < FRAMING_PREFIX_SIZE;
    if (!is_readable || call->bytes_from_client > HOLD_LIMIT)
        return true;
    return !is_needed_whole(call->method->id) && watch->envelope.texts[ENVELOPE_SESSION_ID].is_present &&
           watch->envelope.texts[ENVELOPE_USER_ID].is_present;
}

static void look_into(Call *call, const uint8_t *bytes, size_t length)
{
    if (!call->method) {
        if (call->state == CALL_HOLDING)
            health_bytes_received(call, bytes, length);
        return;
    }
    if (call->request.is_done)
        return;
    bool complete = message_watch_feed(&call->request, call->method->request, bytes, length);
    if (complete || call->request.framing.n_messages > 0)
        call->request.is_done = true; /* later messages of the stream repeat the envelope */
    if (call->state == CALL_HOLDING && !call->upstream && is_known_enough(call, call->request.is_done))
        route(call);
    if (complete && call->state < CALL_ANSWERED)
        register_operation(call);
    if (complete && call->session)
        note_what_is_unseen(call);
}

void request_bytes_received(Call *call, const uint8_t *bytes, size_t length)
{
    look_into(call, bytes, length);
    bool is_between_attempts =
        call->state == CALL_WAITING && call->n_attempts > 0; /* the next one needs it */
    if (!call->request_is_kept || call->bytes_from_client <= CALL_KEEP_LIMIT || is_between_attempts)
        return;
    revival_note_request(call, false);
    call_forget_request(call);
}

void request_ended(Call *call)
{
    /* else it is on its way already, is held back, or waits for an earlier release */
    bool is_new = call->state == CALL_HOLDING && !call->upstream;
    if (is_new && call->method)
        route(call);
    else if (is_new)
        health_request_ended(call);
    if (call->upload)
        artifact_upload_whole(call);
}
