/* hash: SHA-256 (FIPS 180-4), computed by OpenSSL's libcrypto.
 *
 * Names runs and corpora and guards checkpoints. Usage: hash_begin, hash_add any number of times, hash_end.
 */
#ifndef POSLAB_HASH_H
#define POSLAB_HASH_H

#include <stddef.h>

enum { HASH_TEXT = 65 }; /* 64 lower-case hexadecimal digits and the terminating zero */

typedef struct Hash Hash;

Hash *hash_begin(void);
void hash_add(Hash *hash, const void *bytes, size_t size);
void hash_end(Hash *hash, char text[HASH_TEXT]); /* writes the digest and frees the hash */

void hash_bytes(const void *bytes, size_t size, char text[HASH_TEXT]);

#endif
