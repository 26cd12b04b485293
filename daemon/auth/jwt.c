#include "auth/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "auth/answer.h"
#include "base/base64.h"

json_t *jwt_claims(const Secret *token)
{
    const char *payload = strchr(secret_reveal(token), '.');
    const char *end = payload ? strchr(payload + 1, '.') : NULL;
    if (!end || end == payload + 1)
        return NULL;
    size_t length = (size_t)(end - payload - 1), n_bytes;
    char *bytes = mem_alloc(length + 1);
    json_t *claims =
        base64_decode(payload + 1, length, true, bytes, &n_bytes) ? answer_object(bytes, n_bytes) : NULL;
    secret_wipe(bytes, length);
    free(bytes);
    return claims;
}

int64_t jwt_end(const Secret *token)
{
    json_t *claims = jwt_claims(token);
    double end = json_number_value(json_object_get(claims, "exp"));
    json_decref(claims);
    return end > 0 && end < 1e12 ? (int64_t)end : 0;
}

static void append_encoded(Text *text, const unsigned char *bytes, size_t length)
{
    char *encoded = mem_alloc(base64_length(length) + 1);
    text_append_bytes(text, encoded, base64_encode(bytes, length, true, encoded));
    free(encoded);
}

static void append_json(Text *text, const json_t *object)
{
    char *json = json_dumps(object, JSON_COMPACT);
    append_encoded(text, (const unsigned char *)json, strlen(json));
    free(json);
}

static bool sign(EVP_PKEY *key, const Text *signed_part, Text *text)
{
    unsigned char signature[1024];
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_signed = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_size(key) <= (int)length &&
                     EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                     EVP_DigestSign(context, signature, &length, (const unsigned char *)signed_part->bytes,
                                    signed_part->length) == 1;
    EVP_MD_CTX_free(context);
    if (is_signed) {
        text_append(text, ".");
        append_encoded(text, signature, length);
    }
    return is_signed;
}

static EVP_PKEY *read_key(const Secret *key)
{
    BIO *bio = BIO_new_mem_buf(secret_reveal(key), (int)secret_length(key));
    char no_password[] = "";
    EVP_PKEY *read = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    BIO_free(bio);
    return read;
}

Secret *jwt_sign(const json_t *claims, const char *key_id, const Secret *key, Text *problem)
{
    EVP_PKEY *private_key = read_key(key);
    Text text = TEXT_NULL, signed_part = TEXT_NULL;
    Secret *token = NULL;
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "RS256", "typ", "JWT", "kid", key_id);
    append_json(&signed_part, header);
    text_append(&signed_part, ".");
    append_json(&signed_part, claims);
    text_append_bytes(&text, signed_part.bytes, signed_part.length);
    if (private_key && sign(private_key, &signed_part, &text))
        token = secret_new(text.bytes, text.length);
    else
        text_append(problem, "its private_key is not an RSA key in PEM");
    secret_wipe(text.bytes, text.length);
    text_deinit(&text);
    text_deinit(&signed_part);
    json_decref(header);
    EVP_PKEY_free(private_key);
    ERR_clear_error(); /* TLS looks into the same queue */
    return token;
}
