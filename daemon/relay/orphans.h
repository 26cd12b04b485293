#pragma once

/*
 * Orphans: sessions whose client has gone. When it has not come back within orphan_grace, the operations that
 * it left running are interrupted; when its process is known to have ended, its session is released. What is
 * decided is in session/orphan.h. Loop thread only.
 */

#include "relay/client.h"
#include "session/registry.h"

/* Its connection is closed, and so are its calls. */
void orphans_client_gone(Client *client);
/* Somebody has called for the session: it is no orphan. */
void orphans_session_used(Session *session);
/* The registry's on_session_gone. */
void orphans_session_gone(Session *session);
