/* The profiles that calls can name: those of the settings, and guests. */

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/text.h"
#include "relay/orphans.h"
#include "relay/relay.h"

#define GUEST_PREFIX      "guest-"
#define GUEST_RANDOM_SIZE 16 /* bytes; twice as many digits in the name */
#define SWEEP_LEAST_MS    100
#define SWEEP_MOST_MS     (10 * 60 * 1000)

static const char GUEST_IS_GONE[] =
    "this guest profile is not known; the daemon forgets them when it restarts and after guest_idle_timeout "
    "without a call; hand host and token over again";

static const char IS_LOCAL[] =
    "this profile has no server of its own: upstream = local, which is started by its first call";

const char *relay_profile_label(const char *name, char label[RELAY_GUEST_LABEL_SIZE])
{
    if (strncmp(name, GUEST_PREFIX, strlen(GUEST_PREFIX)) != 0)
        return name;
    (void)snprintf(label, RELAY_GUEST_LABEL_SIZE, "%.*s", RELAY_GUEST_LABEL_SIZE - 1, name);
    return label;
}

/* ---- upstreams */

static void on_upstream_unused(Upstream *upstream)
{
    Relay *relay = container_of(upstream->http2, Relay, http2);
    log_write(relay->log, LOG_LEVEL_DEBUG, "profile %s: the connections that it had before are closed",
              upstream->profile->name);
    list_remove(&relay->upstreams, &upstream->link);
    upstream_free(upstream);
}

Upstream *relay_add_upstream(Relay *relay, Settings *settings, const ProfileSettings *profile, char *reason,
                             size_t reason_size)
{
    Upstream *upstream = upstream_new(relay->loop, &relay->http2, relay->https, &relay->deadlines, relay->log,
                                      settings, profile, reason, reason_size);
    if (!upstream)
        return NULL;
    upstream->on_unused = on_upstream_unused;
    list_append(&relay->upstreams, &upstream->link);
    return upstream;
}

static Upstream *upstream_of(Relay *relay, Destination *destination)
{
    const ProfileSettings *profile = destination->profile;
    char reason[384];
    if (destination->upstream || destination->problem || profile->is_local)
        return destination->upstream;
    if (profile->problem) {
        destination->problem = mem_copy_string(profile->problem);
        return NULL;
    }
    Upstream *upstream = relay_add_upstream(relay, destination->settings, profile, reason, sizeof reason);
    if (!upstream) {
        destination->problem = mem_copy_string(reason);
        return NULL;
    }
    upstream->destination = destination;
    destination->upstream = upstream;
    return upstream;
}

Upstream *relay_upstream(Relay *relay, const char *profile, const char **ret_problem, bool *ret_is_unknown)
{
    Destination *destination = destinations_find(&relay->destinations, profile);
    *ret_is_unknown = !destination || !destination->profile;
    *ret_problem = NULL;
    if (*ret_is_unknown) {
        if (strncmp(profile, GUEST_PREFIX, strlen(GUEST_PREFIX)) == 0)
            *ret_problem = GUEST_IS_GONE;
        return NULL;
    }
    if (destination->is_guest)
        destination->used_ns = clock_now_ns();
    Upstream *upstream = upstream_of(relay, destination);
    *ret_problem = destination->profile->is_local ? IS_LOCAL : destination->problem;
    return upstream;
}

/* Behind one host and port a workspace has many clusters, none of which knows the operations of another. */
static bool is_same_server(const ProfileSettings *a, const ProfileSettings *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port && a->databricks == b->databricks &&
           a->is_serverless == b->is_serverless && text_is_same(a->cluster_id, b->cluster_id);
}

Upstream *relay_follow(Relay *relay, Upstream *upstream)
{
    const ProfileSettings *former = upstream->profile;
    Destination *destination = destinations_find(&relay->destinations, former->name);
    const ProfileSettings *profile = destination ? destination->profile : NULL;
    if (!profile || profile->problem || !is_same_server(profile, former))
        return upstream;
    Upstream *successor = upstream_of(relay, destination);
    if (!successor)
        return upstream;
    upstream_ref(successor);
    upstream_unref(upstream);
    return successor;
}

void relay_start(Relay *relay)
{
    list_for_each(link, &relay->destinations.list)
    {
        Destination *destination = container_of(link, Destination, link);
        Upstream *upstream =
            destination->profile && destination->profile->warm ? upstream_of(relay, destination) : NULL;
        if (upstream)
            upstream_probe(upstream);
    }
}

/* ---- those that are gone */

static void forget_profile(Destination *destination)
{
    destination->upstream = upstream_retire(destination->upstream);
    destination_set_profile(destination, NULL, NULL);
}

/* Sessions keep the destination of a profile that is gone: their calls are told so, and go nowhere else. */
static void remove_forgotten(Relay *relay)
{
    list_for_each(link, &relay->destinations.list) container_of(link, Destination, link)->has_sessions =
        false;
    list_for_each(link, &relay->registry.sessions)
    {
        const Destination *target = container_of(link, Session, link)->target;
        if (target)
            destinations_find(&relay->destinations, target->name)->has_sessions = true;
    }
    list_for_each_safe(link, following, &relay->destinations.list)
    {
        Destination *destination = container_of(link, Destination, link);
        if (!destination->profile && !destination->has_sessions)
            destinations_remove(&relay->destinations, destination);
    }
}

void relay_forget_profiles(Relay *relay)
{
    list_for_each(link, &relay->destinations.list) forget_profile(container_of(link, Destination, link));
    destinations_deinit(&relay->destinations);
    relay->n_guests = 0;
}

/* ---- a reload */

static void set_profile(Relay *relay, const ChangedProfile *changed, Settings *next)
{
    Destination *destination = destinations_find(&relay->destinations, changed->name);
    if (!destination) {
        (void)destinations_add(&relay->destinations, changed->name, next, changed->next);
        return;
    }
    bool was_connected = destination->upstream && destination->upstream->n_open > 0;
    destination->upstream = upstream_retire(destination->upstream);
    destination_set_profile(destination, next, changed->next);
    Upstream *upstream = was_connected ? upstream_of(relay, destination) : NULL;
    if (upstream) /* so that the next call need not wait for it */
        upstream_connect(upstream);
}

/* Another server knows the sessions of a changed profile by other ids of its own, and runs none of their
 * operations. */
static void forget_server_side_ids(Relay *relay, const Destination *destination)
{
    list_for_each(link, &relay->registry.sessions)
    {
        Session *session = container_of(link, Session, link);
        if (session->target != destination)
            continue;
        session->server_side_session_id[0] = '\0';
        orphans_session_used(session); /* what it runs may be elsewhere: it is not to be looked for here */
        list_for_each(other, &session->operations) container_of(other, Operation, link)->is_running = false;
    }
}

static void apply(Relay *relay, const ChangedProfile *changed, Settings *next)
{
    Destination *destination = destinations_find(&relay->destinations, changed->name);
    switch (changed->change) {
    case PROFILE_KEPT: destination_set_profile(destination, next, changed->next); break;
    case PROFILE_CHANGED:
    case PROFILE_ADDED:
        set_profile(relay, changed, next);
        if (destination)
            forget_server_side_ids(relay, destination);
        break;
    case PROFILE_REMOVED: forget_profile(destination); break;
    }
}

static void change_limits(Relay *relay)
{
    Registry *registry = &relay->registry;
    relay->http2.limits.buffer_limit = relay->settings->buffer_limit;
    spool_files_change(&relay->spool_files, relay->settings->spool_folder, relay->settings->spool_limit);
    registry->max_sessions = relay->settings->max_sessions;
    deadline_clear(&relay->deadlines, &relay->expiry);
    if (!list_is_empty(&registry->sessions))
        relay_watch_expiry(relay);
    while (registry->sessions.n_entries > registry->max_sessions)
        registry_forget(registry, container_of(list_first(&registry->sessions), Session, link));
}

void relay_change_settings(Relay *relay, Settings *next, const SettingsChange *change)
{
    for (size_t i = 0; i < change->n_entries; i++)
        apply(relay, &change->entries[i], next);
    Settings *former = relay->settings;
    relay->settings = settings_ref(next);
    settings_unref(former);
    change_limits(relay);
    remove_forgotten(relay);
    relay_start(relay);
}

/* ---- guests */

static void set_sweep(Relay *relay, uint64_t now_ns)
{
    uint64_t period_ms = relay->settings->guest_idle_timeout_ms / 8;
    if (period_ms > SWEEP_MOST_MS)
        period_ms = SWEEP_MOST_MS;
    if (period_ms < SWEEP_LEAST_MS)
        period_ms = SWEEP_LEAST_MS;
    deadline_set(&relay->deadlines, &relay->sweep, now_ns + period_ms * NS_PER_MS);
}

/* One that calls use is used now, however long ago they began. */
static bool is_idle(Destination *destination, uint64_t now_ns, uint64_t limit_ns)
{
    if (destination->upstream && destination->upstream->n_references > 1)
        destination->used_ns = now_ns;
    return now_ns > destination->used_ns && now_ns - destination->used_ns >= limit_ns;
}

static void on_sweep(Deadline *deadline)
{
    Relay *relay = container_of(deadline, Relay, sweep);
    uint64_t now_ns = clock_now_ns(), limit_ns = relay->settings->guest_idle_timeout_ms * NS_PER_MS;
    list_for_each(link, &relay->destinations.list)
    {
        Destination *destination = container_of(link, Destination, link);
        if (!destination->is_guest || !destination->profile || !is_idle(destination, now_ns, limit_ns))
            continue;
        log_write(relay->log, LOG_LEVEL_INFO, "profile %s is forgotten: no call for a long time",
                  destination->profile->name);
        forget_profile(destination);
        relay->n_guests--;
    }
    remove_forgotten(relay);
    if (relay->n_guests > 0)
        set_sweep(relay, now_ns);
}

static bool is_same_guest(const ProfileSettings *a, const ProfileSettings *b)
{
    ProfileSettings renamed = *b;
    renamed.name = a->name; /* a label, made anew each time */
    return profile_settings_equal(a, &renamed);
}

static Destination *find_guest(Relay *relay, const ProfileSettings *profile)
{
    list_for_each(link, &relay->destinations.list)
    {
        Destination *destination = container_of(link, Destination, link);
        if (destination->is_guest && destination->profile && is_same_guest(destination->profile, profile))
            return destination;
    }
    return NULL;
}

void relay_name_guest(char name[RELAY_GUEST_NAME_SIZE])
{
    uint8_t random[GUEST_RANDOM_SIZE];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort(); /* never for so few bytes */
    char *p = name + snprintf(name, RELAY_GUEST_NAME_SIZE, GUEST_PREFIX);
    for (size_t i = 0; i < sizeof random; i++)
        p += snprintf(p, 3, "%02x", random[i]);
}

const char *relay_add_guest(Relay *relay, const char *name, Settings *guest)
{
    const ProfileSettings *profile = &guest->profiles[0];
    uint64_t now_ns = clock_now_ns();
    Destination *destination = find_guest(relay, profile);
    if (destination) {
        destination->used_ns = now_ns;
        return destination->name;
    }
    if (relay->n_guests >= RELAY_MAX_GUESTS)
        return NULL;
    destination = destinations_add(&relay->destinations, name, guest, profile);
    destination->is_guest = true;
    destination->used_ns = now_ns;
    relay->n_guests++;
    if (!deadline_is_set(&relay->sweep))
        set_sweep(relay, now_ns);
    return destination->name;
}

/* ---- the beginning */

void relay_init_profiles(Relay *relay)
{
    Settings *settings = relay->settings;
    relay->sweep = (Deadline)DEADLINE_INIT(on_sweep);
    destinations_init(&relay->destinations);
    for (size_t i = 0; i < settings->n_profiles; i++)
        (void)destinations_add(&relay->destinations, settings->profiles[i].name, settings,
                               &settings->profiles[i]);
}
