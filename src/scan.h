/* scan: is this text strict JSON?
 *
 * RFC 8259 to the letter, plus limits: one value and nothing behind it, valid UTF-8, at most SCAN_DEPTH
 * containers deep and SCAN_SIZE bytes long, no number that a double cannot hold, no \u0000. Duplicate keys
 * are found later, in the tree (fields.c), where escapes are resolved.
 */
#ifndef POSLAB_SCAN_H
#define POSLAB_SCAN_H

#include "base.h"

enum { SCAN_DEPTH = 64, SCAN_SIZE = 16 << 20 };

/* The error (EXIT_USAGE) names `place`, line and column (in characters), both from 1. */
bool scan_json(const char *text, size_t length, const char *place, Err *err);

/* Is this text valid UTF-8, without zero bytes? The same errors. */
bool scan_utf8(const char *text, size_t length, const char *place, Err *err);

#endif
