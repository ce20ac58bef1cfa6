/* hash: a thin owner of libcrypto's digest interface. A Hash * is libcrypto's own context under our name. */
#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/error.h"

static EVP_MD_CTX *context(Hash *hash) {
    return (EVP_MD_CTX *)hash;
}

Hash *hash_begin(void) {
    EVP_MD_CTX *fresh = EVP_MD_CTX_new();
    if (!fresh || !EVP_DigestInit_ex(fresh, EVP_sha256(), NULL)) die("libcrypto offers no SHA-256");
    return (Hash *)fresh;
}

void hash_add(Hash *hash, const void *bytes, size_t size) {
    if (!EVP_DigestUpdate(context(hash), bytes, size)) die("libcrypto failed to hash %zu bytes", size);
}

void hash_end(Hash *hash, char text[HASH_TEXT]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_DigestFinal_ex(context(hash), digest, &length) || length != 32) die("libcrypto failed to hash");
    EVP_MD_CTX_free(context(hash));
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

void hash_bytes(const void *bytes, size_t size, char text[HASH_TEXT]) {
    Hash *hash = hash_begin();
    hash_add(hash, bytes, size);
    hash_end(hash, text);
}
