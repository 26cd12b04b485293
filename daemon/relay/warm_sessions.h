#pragma once

/*
 * WarmSessions: server sessions made ahead, each handed out once to a client's new session of the same user
 * and profile (warm_sessions in the profile). They are made only after a client has begun a session, never
 * because time has passed: nothing here keeps a cluster awake. Loop thread only.
 */

#include "base/list.h"

#define WARM_MAX_SESSIONS 16 /* of one user and profile */
#define WARM_MAX_USERS    64 /* those seen last */

typedef struct Call Call;
typedef struct Relay Relay;

typedef struct WarmSessions {
    List users; /* longest not seen first */
} WarmSessions;

void warm_sessions_init(WarmSessions *warm);
/* Nothing is made any more; part of relay_close(), before its calls end. */
void warm_sessions_close(Relay *relay);

/* Gives the client's new session one that is ready, if there is one, and sees to it that there will be. */
void warm_sessions_choose(Call *call);
