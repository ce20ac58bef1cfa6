/* json_syntax: checks that a text is strict JSON.
 *
 * The grammar is RFC 8259, with limits: one value and nothing after it, valid UTF-8, at most
 * JSON_SYNTAX_MAX_DEPTH nested containers and JSON_SYNTAX_MAX_SIZE bytes, no number beyond the range of a
 * double, no \u0000. An integer that a double cannot hold exactly (2^53 + 1) is refused; a large number with
 * an exponent (1e30) is not. A UTF-8 byte-order mark at the start is skipped. Duplicate keys are found in
 * the tree (base/json.c), where escapes are resolved.
 */
#ifndef POSLAB_BASE_JSON_SYNTAX_H
#define POSLAB_BASE_JSON_SYNTAX_H

#include "base/error.h"

enum { JSON_SYNTAX_MAX_DEPTH = 64, JSON_SYNTAX_MAX_SIZE = 16 << 20 };

/* The error (EXIT_USAGE) names `source`, line and column (in characters), both from 1. */
bool json_syntax_check(const char *text, size_t length, const char *source, Error *err);

/* Whether a text is valid UTF-8 without zero bytes; errors as above. */
bool json_syntax_check_utf8(const char *text, size_t length, const char *source, Error *err);

/* The offset of a text's contents: 3 after a UTF-8 byte-order mark, or 0. */
size_t scan_mark(const void *text, size_t length);

/* "UTF-16" or "UTF-32" if a text begins with such a byte-order mark; else NULL. */
const char *scan_encoding(const void *text, size_t length);

/* Both checks, for a text that begins with ASCII: sets *begin to the offset of the contents, and refuses
   UTF-16 and UTF-32, with or without a byte-order mark. */
bool scan_begin(const char *text, size_t length, size_t *begin, const char *source, Error *err);

#endif
