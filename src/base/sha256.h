/* sha256: SHA-256 digests (FIPS 180-4), computed by OpenSSL's libcrypto.
 *
 * Digests identify runs and corpora and detect damaged checkpoints. Call sha256_new, then sha256_update any
 * number of times, then sha256_finish.
 */
#ifndef POSLAB_BASE_SHA256_H
#define POSLAB_BASE_SHA256_H

#include <stddef.h>

enum { SHA256_BASE64_SIZE = 45 };
enum { SHA256_HEX_SIZE = 65 }; /* 64 lower-case hexadecimal digits and the terminating zero */

typedef struct Sha256 Sha256;

Sha256 *sha256_new(void);
void sha256_update(Sha256 *hash, const void *bytes, size_t size);
void sha256_finish(Sha256 *hash, char text[SHA256_HEX_SIZE]); /* writes the digest and frees the hash */

void sha256_hex(const void *bytes, size_t size, char text[SHA256_HEX_SIZE]);
void sha256_base64(const void *bytes, size_t size, char text[SHA256_BASE64_SIZE]);

#endif
