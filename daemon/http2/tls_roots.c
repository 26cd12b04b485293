#include "http2/tls_roots.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define HASH_DIGITS 8

static bool is_hashed_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == HASH_DIGITS && name[HASH_DIGITS] == '.' &&
           strspn(name + HASH_DIGITS + 1, "0123456789") > 0;
}

bool tls_roots_is_hashed(const char *directory)
{
    DIR *entries = opendir(directory);
    bool is_hashed = false;
    for (struct dirent *entry; entries && !is_hashed && (entry = readdir(entries));)
        is_hashed = is_hashed_name(entry->d_name);
    if (entries)
        (void)closedir(entries);
    return is_hashed;
}

bool tls_roots_load(SSL_CTX *ssl_context, const char *ca_file)
{
    const char *directory = X509_get_default_cert_dir();
    bool is_chosen = getenv(X509_get_default_cert_file_env()) || getenv(X509_get_default_cert_dir_env());
    if (ca_file)
        return SSL_CTX_load_verify_file(ssl_context, ca_file) == 1;
    if (!is_chosen && tls_roots_is_hashed(directory))
        return SSL_CTX_load_verify_dir(ssl_context, directory) == 1;
    return SSL_CTX_set_default_verify_paths(ssl_context) == 1;
}
