#include <jansson.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <uv.h>

#include "cli/command.h"

#define QUOTE_TOKEN(token) #token
#define QUOTE(macro)       QUOTE_TOKEN(macro)
#define UV_VERSION_TEXT    QUOTE(UV_VERSION_MAJOR) "." QUOTE(UV_VERSION_MINOR) "." QUOTE(UV_VERSION_PATCH)

typedef struct Library {
    const char *name, *running, *built_with;
} Library;

static void print_json(const Library *libraries, size_t n_libraries)
{
    json_t *all = json_object();
    for (size_t i = 0; i < n_libraries; i++)
        (void)json_object_set_new(
            all, libraries[i].name,
            json_pack("{s:s, s:s}", "running", libraries[i].running, "built_with", libraries[i].built_with));
    json_t *document = json_pack("{s:s, s:o}", "version", SPARKBOUNCER_VERSION, "libraries", all);
    (void)json_dumpf(document, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(document);
}

int command_version(const Cli *cli)
{
    const Library libraries[] = {
        {"nghttp2", nghttp2_version(0)->version_str, NGHTTP2_VERSION},
        {"OpenSSL", OpenSSL_version(OPENSSL_FULL_VERSION_STRING), OPENSSL_FULL_VERSION_STR},
        {"libuv", uv_version_string(), UV_VERSION_TEXT},
    };
    size_t n_libraries = sizeof libraries / sizeof libraries[0];
    if (cli->options->json) {
        print_json(libraries, n_libraries);
        return CLI_OK;
    }
    printf("sparkbouncer %s\n", SPARKBOUNCER_VERSION);
    for (size_t i = 0; i < n_libraries; i++)
        printf("%-8s %s (built with %s)\n", libraries[i].name, libraries[i].running, libraries[i].built_with);
    return CLI_OK;
}
