#pragma once

/*
 * ArtifactUpload: an AddArtifacts in a named session. As long as all that has come of it is in the session
 * already, by name and content, it is held back; when it ends so, and the server still has that session, it
 * is answered here. Else it goes upstream, untouched and from then on as it comes: a first upload does not
 * wait. What the server has accepted is remembered for the next client. Loop thread only.
 */

#include "relay/call.h"

#define ARTIFACT_HOLD_LIMIT                                                                                  \
    (32 * 1024 * 1024) /* bytes of one upload, which must fit in to be answered here */
#define ARTIFACT_HOLD_LIMIT_ALL (64 * 1024 * 1024) /* of all of them at a time */

/* An AddArtifacts that is about to go upstream, with what has come of it in its output. True: it is held
 * back. */
bool artifact_upload_begin(Call *call);
bool artifact_upload_is_held(const ArtifactUpload *upload);
/* More of the request, which is in the output already. */
void artifact_upload_received(Call *call, const uint8_t *bytes, size_t length);
/* The request has ended. */
void artifact_upload_whole(Call *call);
/* Some of the server's answer. */
void artifact_upload_answered(Call *call, const uint8_t *bytes, size_t length);
/* The call no longer waits for word of the session. */
void artifact_upload_let_go(Call *call);
/* The call has been accounted for; nothing happens when it is no upload. */
void artifact_upload_ended(Call *call);
