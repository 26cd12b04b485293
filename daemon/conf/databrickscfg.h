#pragma once

/*
 * Databrickscfg: ~/.databrickscfg, the file that Databricks' own tools share, and the host addresses in it.
 * It belongs to other tools: keys unknown to us are no matter of ours, and [DEFAULT] is not inherited by
 * other profiles. Start-up and reload only; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "conf/ini_document.h"
#include "conf/paths.h"

/* $DATABRICKS_CONFIG_FILE or ~/.databrickscfg; NULL when there is no home either. free(). */
char *databrickscfg_path(Environment environment);

/* Like ini_document_load(), with warnings about values followed by a comment and about secrets that others
 * may read. */
int databrickscfg_load(IniDocument **ret_document, const char *path, Problems *problems) _must_check_;

/* Whether the section is a profile: it has keys, and is not the tools' own [__settings__]. */
bool databrickscfg_is_profile(const IniSection *section);
/* The entry that names the default profile; NULL: none. Takes a NULL document. */
const IniEntry *databrickscfg_default_profile(const IniDocument *document);
typedef struct DatabricksHost {
    char *host;
    uint16_t port;
    bool use_tls;
    bool lacks_scheme; /* taken for https:// */
} DatabricksHost;

#define DATABRICKS_HOST_NULL                                                                                 \
    {                                                                                                        \
        NULL, 0, false, false                                                                                \
    }

/* `https://host[:443][/...]`, a bare host, or http:// to this machine. Path and query are dropped, as the
 * SDKs do. 0, or -EINVAL and what is wrong put into `complaint` (empty before), without the value. */
int databricks_host_parse(DatabricksHost *ret_host, const char *text, Text *complaint) _must_check_;
void databricks_host_deinit(DatabricksHost *host);
