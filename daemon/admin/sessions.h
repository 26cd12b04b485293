#pragma once

/* What the control socket tells of the sessions, and the release of one that clients share. Loop thread only.
 */

#include "admin/control.h"
#include "relay/relay.h"

/* The document of GET /sessions; a new reference. Clients that share a session are one entry. */
json_t *sessions_document(const Relay *relay);

/* Ends a named session at its server; the question, taken over, is answered with how that went. False, with
 * the status of HTTP and a sentence, when nothing is asked of the server. */
bool session_release_begin(Relay *relay, const SessionRelease *release, ControlQuestion *question,
                           unsigned *ret_status, Text *problem);
