#include "http2/header.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/mem.h"

void header_list_clear(HeaderList *list)
{
    for (size_t i = 0; i < list->n_entries; i++) {
        if (list->entries[i].name_buffer)
            nghttp2_rcbuf_decref(list->entries[i].name_buffer);
        if (list->entries[i].value_buffer)
            nghttp2_rcbuf_decref(list->entries[i].value_buffer);
    }
    list->n_entries = 0;
    list->size = 0;
}

void header_list_deinit(HeaderList *list)
{
    header_list_clear(list);
    free(list->entries);
    *list = (HeaderList)HEADER_LIST_INIT;
}

void header_list_add(HeaderList *list, Header header)
{
    if (list->n_entries == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 12;
        list->entries = mem_resize(list->entries, list->capacity * sizeof(Header));
    }
    list->entries[list->n_entries++] = header;
    list->size += header.name_length + header.value_length + 32;
}

void header_list_add_received(HeaderList *list, nghttp2_rcbuf *name, nghttp2_rcbuf *value)
{
    nghttp2_vec name_bytes = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec value_bytes = nghttp2_rcbuf_get_buf(value);
    nghttp2_rcbuf_incref(name);
    nghttp2_rcbuf_incref(value);
    header_list_add(list, (Header){(const char *)name_bytes.base, (const char *)value_bytes.base,
                                   (uint32_t)name_bytes.len, (uint32_t)value_bytes.len, name, value});
}

void header_list_add_all(HeaderList *list, const HeaderList *received)
{
    for (size_t i = 0; i < received->n_entries; i++)
        header_list_add_received(list, received->entries[i].name_buffer, received->entries[i].value_buffer);
}

bool header_name_is(const Header *header, const char *name)
{
    size_t length = strlen(name);
    return header->name_length == length && memcmp(header->name, name, length) == 0;
}

bool header_says(const Header *header, const char *text)
{
    return header && memmem(header->value, header->value_length, text, strlen(text));
}

const Header *header_list_find(const HeaderList *list, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < list->n_entries; i++) {
        const Header *header = &list->entries[i];
        if (header->name_length == length && memcmp(header->name, name, length) == 0)
            return header;
    }
    return NULL;
}

bool header_list_copy_value(const HeaderList *list, const char *name, char *value, size_t size)
{
    const Header *header = header_list_find(list, name);
    if (!header || header->value_length >= size)
        return false;
    memcpy(value, header->value, header->value_length);
    value[header->value_length] = '\0';
    return true;
}
