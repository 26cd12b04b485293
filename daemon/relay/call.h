#pragma once

/*
 * Call: one RPC, from the client's first header to its last byte. The client's stream lasts as long as the
 * call; the upstream's is one attempt, of which there may be several. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "auth/cluster.h"
#include "auth/credential.h"
#include "auth/refresher.h"
#include "base/backoff.h"
#include "base/deadline.h"
#include "base/list.h"
#include "base/text.h"
#include "http2/connection.h"
#include "http2/stream.h"
#include "relay/client.h"
#include "relay/message_watch.h"
#include "relay/refusal.h"
#include "relay/relay.h"
#include "relay/replay.h"
#include "relay/resume.h"
#include "relay/spool.h"
#include "relay/upstream.h"
#include "rpc/framing.h"
#include "rpc/status.h"
#include "rpc/timeout.h"
#include "session/registry.h"
#include "spark/method.h"
#include "spark/scanner.h"

typedef struct MappedCall MappedCall;
typedef struct ArtifactUpload ArtifactUpload;

/*
 * RECEIVING → HOLDING → WAITING ⇄ RUNNING → ANSWERED → ENDED, with short cuts to ANSWERED for calls that are
 * answered here and to ENDED for those whose client goes away.
 */
typedef enum CallState {
    CALL_RECEIVING, /* request headers */
    CALL_HOLDING,   /* until its session and user are known: they are in its first bytes */
    CALL_WAITING,   /* for what an attempt takes: see CallWait */
    CALL_RUNNING,   /* an attempt is under way */
    CALL_ANSWERED,  /* the whole answer is on its way to the client */
    CALL_ENDED,     /* accounted for; freed when nothing refers to it any more */
} CallState;

/* What a WAITING call waits for. */
typedef enum CallWait {
    WAIT_CONNECTION, /* to the upstream */
    WAIT_CREDENTIAL, /* of the profile */
    WAIT_CLUSTER,    /* what the workspace says of it, or until it runs */
    WAIT_REVIVAL,    /* of its session */
    WAIT_LOCAL,      /* Spark server to be ready */
    WAIT_ARTIFACTS,  /* word that the session that has them is still there */
    WAIT_PARTING,    /* until the server knows that its session has been released */
    WAIT_BACKOFF,    /* until it is time for another attempt */
} CallWait;

struct Call {
    Relay *relay;
    ListLink link; /* in relay->calls, or relay->spare_calls */
    CallState state;
    CallWait wait;
    Client *client; /* NULL: gone, or never there: a call of our own */
    Stream from_client, to_upstream;
    const Method *method; /* NULL: none that we know */
    const Header *path;
    Upstream *upstream;
    PooledConnection *pooled; /* while an attempt is open */
    UpstreamWaiter waiter;
    RefresherWaiter credential_waiter;
    ClusterWaiter cluster_waiter;
    Credential *credential;
    Session *session;        /* a reference; NULL: not known */
    struct Release *release; /* what it waits for, or was made by; NULL: none */
    MappedCall *mapped;      /* when the session has another id at the server; NULL: it has not */
    ArtifactUpload *upload;  /* of artifacts to a named session; else NULL, as without `mapped` */
    struct OwnCall *own;     /* when the daemon made it and waits for its end; else NULL */
    struct Touch *touch;     /* that keeps its operation at the server, under way; NULL: none */
    JournalEntry *journaled; /* what it does to its session, for the journal if it succeeds; NULL: nothing */
    Operation *operation;    /* whose results it brings, the newest call to do so; NULL: none */
    MessageWatch request, response;

    HeaderList request_headers;  /* as sent upstream */
    HeaderList response_headers; /* as sent to the client; they stay while attempts come and go */
    HeaderList answer;           /* headers or trailers of an answer of our own */
    char *answer_text;           /* its strings */
    char timeout_value[TIMEOUT_VALUE_SIZE];
    Deadline deadline;           /* the client's own, or connect_timeout while waiting */
    uint64_t client_deadline_ns; /* 0: none */

    PieceQueue kept; /* what was sent of the request, while it may have to be sent again */
    Resume resume;   /* of a reattachable stream: how far the client has got */
    Spool spool;     /* of results that the client has not read */
    Backoff backoff; /* between attempts, since the client last got something */
    uint64_t
        broken_since_ns;     /* since when there has been no attempt that brought something; 0: all is well */
    uint64_t retry_after_ms; /* the pause that the upstream asked for when the last attempt ended; 0: none */
    RefusalKind refusal;     /* of the last attempt */
    char *refusal_words;     /* what the server said then; NULL: nothing */
    Text page;               /* of an answer that is no gRPC: its beginning */
    unsigned n_attempts;
    bool token_was_refused : 1;    /* and another was tried, since the client last got something */
    bool reattaches : 1;           /* the attempt is a ReattachExecute of ours, not the request as it came */
    bool request_is_kept : 1;      /* all of it, in `kept` and what is still to be sent */
    bool knows_server_session : 1; /* the answer has told the server's own id of the session */
    bool response_started : 1;     /* response headers went to the client */
    bool is_let_go : 1;            /* the client has released the operation, or asks for it by another call */
    bool is_bulk : 1;
    bool is_reading_page : 1;     /* the answer is no gRPC: what its page says is wanted */
    bool may_be_disconnected : 1; /* by a touch or an older call: the server ends the attempt's stream then */
    bool is_gone : 1;             /* its operation, as the server has told a touch */

    uint32_t status; /* grpc-status of the answer; UNKNOWN until there is one */
    uint64_t started_ns, sent_ns, upstream_ended_ns;
    uint64_t touched_ns; /* when a touch was last answered; 0: never */
    uint64_t bytes_from_client, bytes_to_client;
    uint64_t bytes_at_sweep; /* bytes_to_client when touch.c last came by */
    Pin client_pin, upstream_pin;
    unsigned n_pins;
};

#define CALL_BUSY_RETRY_MS 1000 /* a pause for clients where nobody knows when there will be room */

#define CALL_KEEP_LIMIT (64 * 1024) /* bytes of a request that are kept so that it can be sent again */

/* For a stream that a client begins. */
Call *call_new(Client *client);
/* A call of our own to `upstream`, for call_dispatch(): `headers` are taken over and left empty; one message,
 * framed. Nobody reads the answer; `session` may be NULL. */
Call *call_new_own(Relay *relay, Upstream *upstream, Session *session, const Method *method,
                   HeaderList *headers, const uint8_t *bytes, size_t length);
/* Puts it to its upstream: on a ready connection, or in the queue for one. State HOLDING, or RUNNING when the
 * attempt has failed and may be made again. */
void call_dispatch(Call *call);
/* Answers with this status instead of the upstream: as a whole answer, or as the trailers of one that has
 * begun. The attempt is given up. `details` may be NULL. */
void call_fail(Call *call, StatusCode code, const StatusDetails *details, const char *format, ...)
    _printf_(4, 5);
/* Answers a request that is no gRPC call, as gRPC servers do: HTTP 415 and a line of text. */
void call_refuse_http(Call *call);
/* Answers OK with one framed message. */
void call_answer(Call *call, const uint8_t *message, size_t length);
/* Ends an answer that has begun, and is whole, with OK. */
void call_finish_stream(Call *call);
void call_free_spare(Relay *relay);

/* ---- shared by the files of the call, not for others */

void call_set_state(Call *call, CallState state);
/* In request.c: what to do when request headers, bytes, the end have come. */
void request_headers_received(Call *call);
void request_bytes_received(Call *call, const uint8_t *bytes, size_t length);
void request_ended(Call *call);
/* In request.c: builds call->request_headers for the upstream. */
void request_build_headers(Call *call);
/* In response.c */
void response_headers_received(Call *call, bool end);
void response_bytes_received(Call *call, const uint8_t *bytes, size_t length, Block *block);
void response_ended(Call *call);
void response_broken(Call *call, uint32_t http2_error);
/* The page of an answer that is no gRPC has not ended in time. */
void response_page_timeout(Call *call);
/* In call.c: the client's stream, or the answer to a call of our own, is over. */
void call_finish(Call *call);
void call_pin_to_upstream(Call *call, Connection *connection);
/* In call_log.c */
void call_log(const Call *call);
/* In attempt.c */
void call_end_attempt(Call *call, uint32_t http2_error);
/* The ReattachExecute, framed, that goes on where the client is. Returns its length. */
size_t call_write_reattach(const Call *call, uint8_t *bytes, size_t capacity);
/* The request will not be sent again. */
void call_forget_request(Call *call);
/* Another attempt, after `wait_ms`; 0: at once. State RUNNING, the last attempt has been ended. */
void call_try_again(Call *call, bool reattaches, uint64_t wait_ms);
/* Leaves what it waits for; harmless when it does not wait. */
void call_stop_waiting(Call *call);
/* Moves its deadline to the client's own, or `limit_ns` if that comes first; 0: there is no other. */
void call_set_deadline(Call *call, uint64_t limit_ns);
/* In refused.c: an answer that may be about the token or the cluster, in the server's words
 * (percent-encoded). True: something is done about it, or the call has been ended with a better sentence. */
bool call_refused(Call *call, unsigned http_status, const char *message, size_t length);
void call_fail_without_credential(Call *call);
void call_on_cluster_known(ClusterWaiter *waiter);
/* In recover.c: an attempt has ended without the answer. True: the call goes on, or has been finished; false:
 * it is given up, and the caller ends it. `reason`: part of a sentence. */
bool call_recover(Call *call, AttemptEnd end, const char *reason);
/* The client has got something new: whatever was broken is well again. */
void call_progressed(Call *call);
void call_on_deadline(Deadline *deadline);
void call_on_waiter_ready(UpstreamWaiter *waiter, PooledConnection *pooled);
void call_on_waiter_failed(UpstreamWaiter *waiter);
void call_on_credential_ready(RefresherWaiter *waiter);
void call_on_credential_failed(RefresherWaiter *waiter);
