#pragma once

/*
 * Spool: what becomes of results while their client does not read them. Where the profile allows it, they are
 * read ahead into a temporary file, so that the server can finish: the client gets first what waits in memory
 * for it, then the file, then again what comes. The server's window is given back when its bytes are on disk;
 * whatever keeps them from getting there ends in plain back-pressure, and no byte is lost. Loop thread only.
 *
 * Responses count as delivered once they have come here, be it into the file: a stream that breaks off
 * goes on behind the last of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/deadline.h"
#include "base/spool_file.h"
#include "http2/stream.h"

typedef struct Call Call;

/* Part of a call. */
typedef struct Spool {
    SpoolFile *file;            /* NULL: results go straight to the client */
    size_t limit;               /* bytes of the file; 0: there is to be none */
    size_t enough;              /* bytes: with fewer the client has not always something to read */
    size_t above;               /* bytes unread by the client from which spool_take() has a say; 0: always */
    Deadline look;              /* at a client that has left so much unread */
    uint64_t n_queued;          /* for it in all, when that was set */
    bool has_failed;            /* this call has had its try */
    bool has_end;               /* an end of the answer waits for the file */
    const HeaderList *trailers; /* of it; borrowed */
} Spool;

/* For a new call: never, until spool_allow(). */
void spool_init(Spool *spool);
/* The answer of the server begins. */
void spool_allow(Call *call);
/* The next bytes, of which at least `above` wait for the client already. False: they are to be queued. */
bool spool_take(Call *call, const uint8_t *bytes, size_t length, Block *block);
/* As stream_queue_end(), after all that was taken. */
void spool_queue_end(Call *call, const HeaderList *trailers);
/* The client has little left of what was queued. */
void spool_on_drained(Stream *from_client);
/* What the client has not got it will not get. Harmless when there is nothing. */
void spool_close(Call *call);
/* Bytes that wait in memory for the disk. */
size_t spool_pending(const Call *call);
/* Bytes that wait there for the client. */
uint64_t spool_unread(const Call *call);
