#include "conf/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "conf/address.h"
#include "conf/ini.h"

/* Both kinds lose one byte of sun_path to a NUL. */
#define SOCKET_NAME_LIMIT (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define LISTEN_LIMIT      64

void listen_settings_deinit(ListenSettings *listen)
{
    free(listen->host);
    free(listen->path);
    free(listen->profile);
    free(listen->text);
    memset(listen, 0, sizeof *listen);
}

void listen_append(Text *text, const ListenSettings *listen)
{
    if (listen->kind == LISTEN_UNIX)
        text_printf(text, "unix:%s", listen->path);
    else if (listen->kind == LISTEN_ABSTRACT)
        text_printf(text, "abstract:%s", listen->path);
    else
        text_printf(text, strchr(listen->host, ':') ? "[%s]:%u" : "%s:%u", listen->host, listen->port);
    if (listen->profile)
        text_printf(text, ";profile=%s", listen->profile);
}

static int parse_unix(ListenSettings *listen, const char *path, Environment environment, Text *complaint)
{
    listen->kind = LISTEN_UNIX;
    if (*path == '\0') {
        _cleanup_(mem_freep) char *directory = path_runtime_directory(environment);
        Text joined = TEXT_NULL;
        text_printf(&joined, "%s/sparkbouncer.sock", directory);
        listen->path = text_take(&joined);
    } else {
        listen->path = path_expand(path, environment);
    }
    if (listen->path[0] != '/')
        text_append(complaint, "the path of a unix socket must be absolute: write unix:/path");
    else if (strlen(listen->path) > SOCKET_NAME_LIMIT)
        text_printf(complaint, "the path of a unix socket may have %zu bytes, this one has %zu",
                    SOCKET_NAME_LIMIT, strlen(listen->path));
    return complaint->length ? -EINVAL : 0;
}

static int parse_abstract(ListenSettings *listen, const char *name, Text *complaint)
{
    listen->kind = LISTEN_ABSTRACT;
    listen->path = mem_copy_string(name);
    if (*name == '\0')
        text_append(complaint, "an abstract socket needs a name: write abstract:15002");
    else if (strlen(name) > SOCKET_NAME_LIMIT)
        text_printf(complaint, "the name of an abstract socket may have %zu bytes, this one has %zu",
                    SOCKET_NAME_LIMIT, strlen(name));
    return complaint->length ? -EINVAL : 0;
}

static int parse_tcp(ListenSettings *listen, const char *text, Text *complaint)
{
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    listen->kind = LISTEN_TCP;
    if (address_parse(&address, text, complaint) < 0)
        return -EINVAL;
    if (!address.has_port) {
        text_append(complaint, "the port is missing: write 127.0.0.1:15002, unix:/path or abstract:NAME");
        return -EINVAL;
    }
    listen->host = address.host ? steal(address.host) : mem_copy_string("127.0.0.1");
    listen->port = address.port;
    return 0;
}

static int parse_option(ListenSettings *listen, char *option, Text *complaint)
{
    option = ini_trim(option);
    if (strncmp(option, "profile=", 8) != 0 || option[8] == '\0') {
        text_append(complaint, "after the ; only profile=NAME may follow");
        return -EINVAL;
    }
    listen->profile = mem_copy_string(option + 8);
    return 0;
}

static int parse_entry(ListenSettings *listen, char *entry, Environment environment, Text *complaint)
{
    char *option = strchr(entry, ';');
    if (option) {
        *option = '\0';
        if (parse_option(listen, option + 1, complaint) < 0)
            return -EINVAL;
    }
    const char *address = ini_trim(entry);
    if (strncmp(address, "unix:", 5) == 0)
        return parse_unix(listen, address + 5, environment, complaint);
    if (strncmp(address, "abstract:", 9) == 0)
        return parse_abstract(listen, address + 9, complaint);
    if (*address == '\0') {
        text_append(complaint, "there is an empty address in the list");
        return -EINVAL;
    }
    return parse_tcp(listen, address, complaint);
}

static bool is_same_address(const ListenSettings *a, const ListenSettings *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind != LISTEN_TCP)
        return strcmp(a->path, b->path) == 0;
    return a->port != 0 && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Takes over `listen`. */
static int add_entry(Settings *settings, ListenSettings *listen, Text *complaint)
{
    for (size_t i = 0; i < settings->n_listens; i++)
        if (is_same_address(&settings->listens[i], listen))
            text_append(complaint, "this address is in the list twice");
    if (settings->n_listens == LISTEN_LIMIT)
        text_printf(complaint, "at most %d addresses are possible", LISTEN_LIMIT);
    settings->listens =
        mem_resize(settings->listens, (settings->n_listens + 1) * sizeof settings->listens[0]);
    settings->listens[settings->n_listens++] = *listen;
    return complaint->length ? -EINVAL : 0;
}

int listen_parse_list(Settings *settings, const char *text, Environment environment, Text *complaint)
{
    _cleanup_(mem_freep) char *copy = mem_copy_string(text);
    char *rest = copy;
    char *entry;
    while ((entry = strsep(&rest, ",")) != NULL) {
        _cleanup_(text_deinit) Text reason = TEXT_NULL;
        ListenSettings listen = {.text = mem_copy_string(ini_trim(entry))};
        int r = parse_entry(&listen, entry, environment, &reason);
        if (r < 0)
            text_printf(complaint, *listen.text ? "%s: %s" : "%s%s", listen.text, text_string(&reason));
        if (r < 0) {
            listen_settings_deinit(&listen);
            return r;
        }
        if (add_entry(settings, &listen, &reason) < 0) {
            text_printf(complaint, "%s: %s", settings->listens[settings->n_listens - 1].text,
                        text_string(&reason));
            return -EINVAL;
        }
    }
    return 0;
}
