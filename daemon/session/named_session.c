#include "session/named_session.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Made up once; what it is does not matter, that it stays does. */
static const uint8_t NAMESPACE[16] = {0x5d, 0x1f, 0x0e, 0x62, 0x3a, 0x8c, 0x4b, 0x77,
                                      0x9b, 0x60, 0xc4, 0x13, 0x2e, 0x91, 0xaf, 0x05};

/* Each part is followed by a NUL, which none of them contains: no two triples look the same. */
void named_session_id(const char *user_id, const char *profile, const char *name, char ret_id[UUID_TEXT_SIZE])
{
    _cleanup_(text_deinit) Text text = TEXT_NULL;
    text_append_bytes(&text, user_id, strlen(user_id) + 1);
    text_append_bytes(&text, profile, strlen(profile) + 1);
    text_append_bytes(&text, name, strlen(name) + 1);
    uuid_from_name(NAMESPACE, text.bytes, text.length, ret_id);
}

void named_session_tag(const char *client_session_id, char ret_tag[NAMED_SESSION_TAG_SIZE])
{
    (void)snprintf(ret_tag, NAMED_SESSION_TAG_SIZE, "sparkbouncer-%.40s", client_session_id);
}
