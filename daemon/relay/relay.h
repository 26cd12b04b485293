#pragma once

/*
 * Relay: all that calls share: the settings in force, the upstreams of the profiles, the session registry,
 * the clients that are connected and the calls that run. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "auth/https.h"
#include "base/deadline.h"
#include "base/list.h"
#include "base/log.h"
#include "base/spool_file.h"
#include "conf/settings.h"
#include "conf/settings_change.h"
#include "http2/http2.h"
#include "relay/destination.h"
#include "relay/fallback.h"
#include "relay/upstream.h"
#include "relay/warm_sessions.h"
#include "session/named_session.h"
#include "session/registry.h"

#define RELAY_MAX_GUESTS                                                                                     \
    1000 /* profiles handed over at run time: far more than one person's programs have logins */

#define RELAY_GUEST_NAME_SIZE  (6 + 32 + 1) /* "guest-", 128 bits */
#define RELAY_GUEST_LABEL_SIZE (6 + 8 + 1)  /* its beginning, for logs and status */

#define RELAY_MAX_CALLS                                                                                      \
    20000 /* at a time, of all clients: each may hold some KiB, and 64 KiB of what it sends */

typedef struct Call Call;

/* Counted since the start; for status and metrics. */
typedef struct RelayCounts {
    uint64_t n_calls, n_failed; /* ended; of those with a status other than OK */
    uint64_t n_answered_here;   /* without asking the server */
    uint64_t n_replayed;        /* attempts made again as they were */
    uint64_t n_resumed;         /* result streams continued by ReattachExecute */
    uint64_t n_interrupted;     /* operations that a client left behind */
    uint64_t n_released;        /* sessions likewise */
    uint64_t n_expired;         /* sessions that nobody used for session_idle_timeout */
    uint64_t n_network_changes;
    uint64_t n_clients;
    uint64_t bytes_to_clients, bytes_to_servers; /* of messages */
} RelayCounts;

typedef struct Relay {
    uv_loop_t *loop;
    const Log *log;
    Settings *settings; /* in force; a reference */
    Http2 http2;
    Https *https; /* for tokens and the workspace's REST */
    Deadlines deadlines;
    Registry registry;
    Journals journals;
    NamedSessions named_sessions;
    WarmSessions warm_sessions;
    Destinations destinations;
    unsigned n_guests;
    Deadline sweep;    /* of guests that nobody uses; set while there are any */
    Deadline expiry;   /* of sessions; set while there are any that can expire */
    Deadline touching; /* of operations whose clients do not read; set while there are any that could be */
    Fallback fallback;
    SpoolFiles spool_files;
    List upstreams; /* all there are, the retired ones too */
    List clients;
    size_t n_turned_away;    /* of them, over the limit */
    size_t n_artifact_bytes; /* held back of uploads, see artifact_upload.h */
    List calls;
    List spare_calls;
    bool is_draining;
    void (*on_idle)(
        struct Relay *relay); /* while draining: the last call has ended, the last client has gone */
    RelayCounts counts;
    uint64_t failures_logged_since_ns; /* this second's share of the log */
    unsigned n_failures_logged, n_failures_not_logged;
} Relay;

/* `settings` are referenced, `log` is borrowed. 0 or a negative errno. */
int relay_init(Relay *relay, uv_loop_t *loop, Settings *settings, const Log *log);
/* Connects the upstreams that are to be warm. */
void relay_start(Relay *relay);
/* Lets no new calls in, says so to all clients; on_idle is called, perhaps at once, when none is left. */
void relay_drain(Relay *relay);
/* One line about a call that the daemon itself has ended, or led elsewhere; so many a second at the most,
 * since clients cause them. */
void relay_log_failure(Relay *relay, const char *format, ...) _printf_(2, 3);
/* A session has been used that may have to be forgotten some day. */
void relay_watch_expiry(Relay *relay);
/* What holds connecting back was about another network; `what` has happened, part of a sentence. */
void relay_network_changed(Relay *relay, const char *what);
/* Calls on_idle when that is due. */
void relay_check_idle(Relay *relay);
/* Ends what still runs with UNAVAILABLE and closes every connection, at the next flush. */
void relay_close(Relay *relay);
/* After relay_close(), when the loop has run until nothing was left to do. */
void relay_deinit(Relay *relay);

/* ---- in relay_profiles.c: which profiles there are */

/* One more that leads to `profile` of `settings`; the reference is the caller's. NULL, with a sentence. */
Upstream *relay_add_upstream(Relay *relay, Settings *settings, const ProfileSettings *profile, char *reason,
                             size_t reason_size);

/* For a further attempt at a call whose upstream is retired: the one that has taken its place, if that leads
 * to the same server, else the same. Takes the reference and gives one. */
Upstream *relay_follow(Relay *relay, Upstream *upstream);

/* Those of relay->settings; part of relay_init(). */
void relay_init_profiles(Relay *relay);

/*
 * From now on `next` is in force, to which `change` leads from the present settings. What has not changed
 * keeps its connections; new calls of a changed profile get new ones, while those that run go on where they
 * are. Guests stay.
 */
void relay_change_settings(Relay *relay, Settings *next, const SettingsChange *change);
/* A new name for a guest, which nobody can guess: knowing it is all it takes to use the profile. */
void relay_name_guest(char name[RELAY_GUEST_NAME_SIZE]);
/* What may be shown of a profile's name that somebody has sent: of a guest's only its beginning. Borrowed
 * from either. */
const char *relay_profile_label(const char *name, char label[RELAY_GUEST_LABEL_SIZE]);
/* Calls reach the one profile of `guest`, whose own name is only for show, by `name`; or by the one that is
 * returned (borrowed) when the same guest was here already. NULL: there are RELAY_MAX_GUESTS. */
const char *relay_add_guest(Relay *relay, const char *name, Settings *guest);
/* Gives the destinations' upstreams back and forgets them all. */
void relay_forget_profiles(Relay *relay);
/* The upstream of a profile, made at its first use; counts as a use. Borrowed. NULL when there is no such
 * profile (*ret_is_unknown) or it cannot be used; *ret_problem is then a sentence (borrowed), or NULL when
 * nothing more is known of one that is unknown. */
Upstream *relay_upstream(Relay *relay, const char *profile, const char **ret_problem, bool *ret_is_unknown);
