#pragma once

/*
 * Microhttpd: libmicrohttpd, loaded by name when somebody asks the daemon something and let go when nobody
 * has for a while. It is not linked, because it brings GnuTLS and what that needs, of which nothing is used
 * on a unix socket: on Debian 12 that is 2.8 MiB of resident memory in a daemon that gets by on 8; letting it
 * go returns 2.0 of them. The only place that knows how it is loaded. Loop thread only.
 */

#include <microhttpd.h>
#include <stdbool.h>

#include "base/text.h"

/* LeakSanitizer crashes over the thread-local storage of libraries that have been unloaded: under it, this
 * one stays. */
#if defined(__SANITIZE_ADDRESS__)
#define MICROHTTPD_STAYS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MICROHTTPD_STAYS 1
#endif
#endif
#ifndef MICROHTTPD_STAYS
#define MICROHTTPD_STAYS 0
#endif

typedef struct Microhttpd {
    void *library;
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_get_daemon_info) *get_daemon_info;
    __typeof__(MHD_add_connection) *add_connection;
    __typeof__(MHD_run) *run;
    __typeof__(MHD_get_timeout) *get_timeout;
    __typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
    __typeof__(MHD_add_response_header) *add_response_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_destroy_response) *destroy_response;
    __typeof__(MHD_suspend_connection) *suspend_connection;
    __typeof__(MHD_resume_connection) *resume_connection;
    __typeof__(MHD_lookup_connection_value) *lookup_connection_value;
    __typeof__(MHD_create_response_from_buffer_with_free_callback)
        *create_response_from_buffer_with_free_callback;
} Microhttpd;

/* False, with a sentence in `reason`, when it is not there or not what it should be. */
bool microhttpd_load(Microhttpd *ret_library, Text *reason);
/* Nothing that came from it may be in use any more. Harmless when it is not loaded. */
void microhttpd_unload(Microhttpd *library);
