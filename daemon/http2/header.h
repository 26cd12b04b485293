#pragma once

/*
 * HeaderList: a header block as it was received or is to be sent. Received strings are held by reference to
 * nghttp2's own buffers, so a header passes through the daemon without being copied. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nghttp2_rcbuf;

typedef struct Header {
    const char *name, *value; /* not NUL-terminated */
    uint32_t name_length, value_length;
    struct nghttp2_rcbuf *name_buffer,
        *value_buffer; /* references held by the list; NULL: borrowed strings */
} Header;

typedef struct HeaderList {
    Header *entries;
    size_t n_entries, capacity;
    size_t size; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts: names, values, 32 a header (RFC 9113, 6.5.2) */
} HeaderList;

#define HEADER_LIST_INIT                                                                                     \
    {                                                                                                        \
        NULL, 0, 0, 0                                                                                        \
    }

/* A header of two string literals. */
#define HEADER_LITERAL(header_name, header_value)                                                            \
    (Header)                                                                                                 \
    {                                                                                                        \
        (header_name), (header_value), sizeof(header_name) - 1, sizeof(header_value) - 1, NULL, NULL         \
    }

void header_list_deinit(HeaderList *list);
/* Empties it; the array is kept for the next use. */
void header_list_clear(HeaderList *list);
/* Appends a header; its strings must live as long as the list uses them. References in it become the list's.
 */
void header_list_add(HeaderList *list, Header header);
/* Appends a header received from nghttp2; takes a reference on both buffers. */
void header_list_add_received(HeaderList *list, struct nghttp2_rcbuf *name, struct nghttp2_rcbuf *value);
/* Appends all of another one, which was received; takes references. */
void header_list_add_all(HeaderList *list, const HeaderList *received);
/* The first one of that name, or NULL. */
const Header *header_list_find(const HeaderList *list, const char *name);
/* Copies the value's start as a string; false when there is no such header or it does not fit. */
bool header_list_copy_value(const HeaderList *list, const char *name, char *value, size_t size);
bool header_name_is(const Header *header, const char *name);
/* Whether `text` stands in its value; not when `header` is NULL. */
bool header_says(const Header *header, const char *text);
