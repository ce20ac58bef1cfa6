/* split_pattern: divides text where a regular expression of a tokenizer.json matches, by PCRE2.
 *
 * The expressions are written for Oniguruma and Rust; what they use means the same here: \p{...} by Unicode,
 * \s is rewritten to Unicode's whitespace. An expression that takes too long on a text is an error.
 */
#ifndef POSLAB_TOKENIZERS_SPLIT_PATTERN_H
#define POSLAB_TOKENIZERS_SPLIT_PATTERN_H

#include "base/arena.h"

typedef struct SplitPattern SplitPattern;

/* literal: `expression` is a text. NULL with a reason in *why if the expression is not valid or not
   supported. To be freed by split_pattern_free. */
SplitPattern *split_pattern_new(const char *expression, bool literal, Arena *arena, const char **why);
void split_pattern_free(SplitPattern *pattern); /* NULL is allowed */

/* The next match that is not empty in text[size], valid UTF-8, from `from` on: [*begin, *end). 1: found, 0:
   none, -1: it takes too long. */
int split_pattern_next(SplitPattern *pattern, const char *text, size_t size, size_t from, size_t *begin,
                       size_t *end);

#endif
