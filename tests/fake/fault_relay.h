#pragma once

/*
 * Fault relay: what lies between the daemon and its upstream and fails on command. A Link joins an accepted
 * connection (the client's side: down) to one to the upstream (up). Everything is forwarded frame by frame,
 * so that a fault can come after exactly so many messages or bytes. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "bytes.h"
#include "record.h"

typedef enum FaultKind {
    FAULT_NONE,
    FAULT_CLOSE,  /* what was forwarded arrives, then the connection ends */
    FAULT_ABORT,  /* the connection ends with a TCP reset */
    FAULT_HOLE,   /* nothing is forwarded any more, nothing is closed */
    FAULT_HALF,   /* the connection ends for the client with a TCP reset, and the upstream is not told */
    FAULT_RESET,  /* RST_STREAM with code `value`, also upstream (CANCEL) */
    FAULT_GOAWAY, /* GOAWAY that counts our stream in, then as FAULT_CLOSE */
    FAULT_BELOW,  /* GOAWAY that does not count our stream in, then as FAULT_CLOSE */
    FAULT_DRAIN,  /* GOAWAY, and everything goes on */
    FAULT_PAGE,   /* the upstream is never reached: every call gets :status `value` and an HTML page */
    FAULT_REFUSE, /* the connection is closed as soon as it is accepted */
} FaultKind;

typedef enum FaultMoment {
    MOMENT_ARRIVAL, /* request headers came, nothing of the call was forwarded */
    MOMENT_REQUEST, /* the whole request was forwarded */
    MOMENT_FIRST,   /* the first frame of the answer came and was not forwarded */
    MOMENT_MESSAGE, /* `count` messages of the stream were forwarded on this connection */
    MOMENT_BYTES,   /* `count` bytes were forwarded down on this connection since the request came */
} FaultMoment;

/* The first plan of the list is in force; when it has happened often enough the next one is. */
typedef struct Plan {
    struct Plan *next;
    FaultKind fault;
    uint32_t value;
    FaultMoment moment;
    uint64_t count, step; /* step: added to count each time */
    uint64_t times;       /* left; UINT64_MAX: for ever */
    char path[32];        /* only calls whose path contains it */
} Plan;

typedef struct RelayStream {
    struct RelayStream *next;
    uint32_t id;
    char path[80];
    bool answered, was_reset;
    uint64_t opened_at; /* bytes that had gone down before */
    uint64_t messages;
    uint8_t prefix[5]; /* of the message under way */
    unsigned n_prefix;
    uint64_t left; /* bytes of it to come */
} RelayStream;

/* Bytes that wait until they may be written. */
typedef struct Outbound {
    Bytes bytes;
    size_t at;  /* written so far */
    size_t due; /* up to here it may be written */
    struct {
        int64_t due_us;
        size_t end;
    } * chunks; /* only when there is a delay or a rate */
    size_t n_chunks, first_chunk, chunk_room;
    int64_t last_due_us;
} Outbound;

typedef struct Side {
    int fd; /* -1: closed */
    Bytes in;
    Outbound out;
    bool ended; /* nothing more is read */
    bool shut;  /* end of file was sent */
    uint32_t events;
} Side;

typedef struct Link {
    struct Link *next;
    struct Relay *relay;
    uint64_t id;
    Side down, up;
    bool is_connecting, is_page, is_hole, is_closing, is_aborting, is_half, is_dead, had_preface;
    uint32_t page_status;
    RelayStream *streams;
    uint32_t highest_stream;
    nghttp2_hd_inflater *inflater;
    Bytes block; /* a header block that goes on */
    uint32_t block_stream;
    uint64_t n_down; /* bytes forwarded */
    bool cut_inside;
} Link;

typedef struct Relay {
    int listener, epoll;
    uint16_t to_port;
    Record record;
    Plan *plans;
    Link *links;
    uint64_t n_links, n_faults;
    unsigned delay_ms, every_ms;
    uint64_t rate; /* bytes a second, 0: unlimited */
    FaultKind every;
    int64_t every_due_us;
    char retry_after[32]; /* a header of every page; empty: none */
    Bytes command;
} Relay;

int64_t relay_clock_us(void);

/* relay_link.c */
void link_accept(Relay *relay, int fd);
void link_free(Link *link);
/* Reads, forwards and writes what can be. */
void link_serve(Link *link, bool down_ready, bool up_ready);
/* Queues bytes for the client or the upstream. */
void link_send(Link *link, Side *side, const void *data, size_t length);
/* When queued bytes become due; INT64_MAX: nothing waits. */
int64_t link_due_us(const Link *link);

/* relay_frames.c: takes whole frames from what was read. */
void link_forward_up(Link *link);
void link_forward_down(Link *link);
RelayStream *link_find_stream(const Link *link, uint32_t id);
void link_send_frame(Link *link, Side *side, uint8_t type, uint8_t flags, uint32_t stream,
                     const void *payload, size_t length);

/* relay_fault.c */
/* True when the plan in force happens here: the fault has then been done. */
bool fault_check(Link *link, RelayStream *stream, FaultMoment moment);
/* How many more bytes may go down before the plan in force happens; UINT64_MAX: as many as there are. */
uint64_t fault_room(const Link *link);
/* Those bytes have gone; `inside`: in the middle of what was to go. */
void fault_bytes_spent(Link *link, bool inside);
/* The connection's own fate, at its beginning. */
void fault_check_accepted(Link *link);
void fault_do(Link *link, RelayStream *stream, FaultKind kind, uint32_t value);
/* A line of standard input. */
void relay_command(Relay *relay, const char *line);
void relay_every(Relay *relay);
