#pragma once

/* Client: one accepted connection and who is behind it. Its streams become calls. Loop thread only. */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/deadline.h"
#include "base/list.h"
#include "base/process.h"
#include "http2/connection.h"
#include "relay/relay.h"
#include "session/registry.h"

/* Who is at the other end, as far as the kernel says. */
typedef struct Peer {
    bool has_identity; /* uid and pid hold: unix and abstract sockets */
    uid_t uid;
    pid_t pid;
    Process process;  /* not known with its pid: started is 0 */
    char address[64]; /* for the log: "127.0.0.1:51234", "uid 1000 pid 4711" */
} Peer;

typedef struct Client {
    Relay *relay;
    ListLink link; /* in relay->clients */
    Connection *connection;
    char *profile; /* the listener's when it connected; NULL: free choice */
    Peer peer;
    Deadline greeting; /* by then it must have said something in HTTP/2 */
    uint64_t n_calls;
    List sessions;   /* SessionClient: that it has used */
    List operations; /* whose results it was the last to ask for */
    bool is_refused; /* over the limit: closed as soon as its first call has been told so */
} Client;

/* Accepts from `listener`; `profile` is copied. NULL when that fails or when there are too many clients. */
Client *client_accept(Relay *relay, uv_stream_t *listener, bool is_pipe, const char *profile);
/* A call whose headers have come. True: there is no room for it or its client, and it has been answered so.
 */
bool client_turns_away(Call *call);
/* Fills in who is connected through this socket. */
void peer_of_socket(int fd, Peer *peer);

static inline SessionOwner client_owner(const Client *client)
{
    return client->peer.has_identity ? client->peer.uid : SESSION_OWNER_UNKNOWN;
}
