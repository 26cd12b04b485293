#pragma once

/*
 * Libcurl: loaded by name at the first HTTPS request, because it brings Kerberos, LDAP, SSH and what those
 * need, some MiB of memory that a daemon with a static token never touches. Either flavour will do (OpenSSL
 * or GnuTLS). It is not let go again: its resolver may still have a thread in getaddrinfo(), and several of
 * the libraries it brings keep per-thread state that does not survive that. What it allocates is wiped when
 * it is freed, as requests and answers hold secrets. The only place that knows how it is loaded. Loop thread
 * only.
 */

#include <curl/curl.h>
#include <stdbool.h>

#include "base/text.h"

typedef struct Libcurl {
    __typeof__(curl_global_init_mem) *global_init_mem;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_multi_init) *multi_init;
    __typeof__(curl_multi_setopt) *multi_setopt;
    __typeof__(curl_multi_add_handle) *multi_add_handle;
    __typeof__(curl_multi_remove_handle) *multi_remove_handle;
    __typeof__(curl_multi_socket_action) *multi_socket_action;
    __typeof__(curl_multi_info_read) *multi_info_read;
    __typeof__(curl_multi_assign) *multi_assign;
    __typeof__(curl_multi_cleanup) *multi_cleanup;
    __typeof__(curl_url) *url;
    __typeof__(curl_url_set) *url_set;
    __typeof__(curl_url_get) *url_get;
    __typeof__(curl_url_cleanup) *url_cleanup;
    __typeof__(curl_free) *free_string;
    __typeof__(curl_getdate) *getdate;
} Libcurl;

/* The library, the same one each time; NULL, with part of a sentence in `reason`, when it is not there or not
 * what it should be. */
const Libcurl *libcurl_load(Text *reason);
