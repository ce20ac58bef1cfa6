/* json_syntax: checks that a text is strict JSON.
 *
 * The grammar is RFC 8259 with limits: one value and no text after it, valid UTF-8, at most
 * JSON_SYNTAX_MAX_DEPTH nested containers and JSON_SYNTAX_MAX_SIZE bytes, no number beyond the range of a
 * double, no \u0000. An integer that a double does not represent exactly (2^53 + 1) is refused; a large
 * number with an exponent (1e30) is accepted. A UTF-8 byte-order mark at the start is skipped. Duplicate
 * keys are detected in base/json.c, after escapes are resolved.
 */
#ifndef POSLAB_BASE_JSON_SYNTAX_H
#define POSLAB_BASE_JSON_SYNTAX_H

#include "base/error.h"

/* The largest text that is needed is a tokenizer.json (17 MB for Llama 3.1). A parsed tokenizer.json takes
   some 10 times its size, and no text more than about 50 times ("[1,1,1,..."), so the limit bounds memory. */
enum { JSON_SYNTAX_MAX_DEPTH = 64, JSON_SYNTAX_MAX_SIZE = 32 << 20 };

/* Errors (EXIT_USAGE) name `source`, the line and the column (in characters), both counted from 1. */
bool json_syntax_check(const char *text, size_t length, const char *source, Error *err);

/* Checks that a text is valid UTF-8 without zero bytes; errors as above. */
bool json_syntax_check_utf8(const char *text, size_t length, const char *source, Error *err);

/* The offset of the contents of a text: 3 after a UTF-8 byte-order mark, otherwise 0. */
size_t scan_mark(const void *text, size_t length);

/* "UTF-16" or "UTF-32" if a text begins with such a byte-order mark; otherwise NULL. */
const char *scan_encoding(const void *text, size_t length);

/* For a text whose first character is ASCII: sets *begin to the offset of its contents, and refuses UTF-16
   and UTF-32, with or without a byte-order mark. */
bool scan_begin(const char *text, size_t length, size_t *begin, const char *source, Error *err);

#endif
