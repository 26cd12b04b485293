#pragma once

/*
 * Listen addresses: `127.0.0.1:15002`, `[::1]:15002`, `localhost:15002`, `:15002` (127.0.0.1), `unix:/path`,
 * `unix:` (our runtime directory), `abstract:NAME`; each may end in `;profile=NAME`. Pure; any thread.
 */

#include "base/text.h"
#include "conf/paths.h"
#include "conf/settings.h"

/* Reads a comma-separated list into `settings->listens`, which must be empty. 0, or -EINVAL and the first
 * complaint, which names the entry; `complaint` must be empty before. */
int listen_parse_list(Settings *settings, const char *text, Environment environment,
                      Text *complaint) _must_check_;
/* Its canonical spelling, which parses to the same. */
void listen_append(Text *text, const ListenSettings *listen);
void listen_settings_deinit(ListenSettings *listen);
