#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/error.h"

static EVP_MD_CTX *context(Sha256 *hash) {
    return (EVP_MD_CTX *)hash;
}

Sha256 *sha256_new(void) {
    EVP_MD_CTX *fresh = EVP_MD_CTX_new();
    if (!fresh || !EVP_DigestInit_ex(fresh, EVP_sha256(), NULL)) error_fatal("libcrypto offers no SHA-256");
    return (Sha256 *)fresh;
}

void sha256_update(Sha256 *hash, const void *bytes, size_t size) {
    if (!EVP_DigestUpdate(context(hash), bytes, size))
        error_fatal("libcrypto failed to hash %zu bytes", size);
}

void sha256_finish(Sha256 *hash, char text[SHA256_HEX_SIZE]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_DigestFinal_ex(context(hash), digest, &length) || length != 32)
        error_fatal("libcrypto failed to hash");
    EVP_MD_CTX_free(context(hash));
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

void sha256_hex(const void *bytes, size_t size, char text[SHA256_HEX_SIZE]) {
    Sha256 *hash = sha256_new();
    sha256_update(hash, bytes, size);
    sha256_finish(hash, text);
}

void sha256_base64(const void *bytes, size_t size, char text[SHA256_BASE64_SIZE]) {
    unsigned char digest[32];
    if (!EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL)) error_fatal("libcrypto failed to hash");
    EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
}
