/* split_pattern: finds matches of the regular expressions of a tokenizer.json, by PCRE2.
 *
 * The expressions are written for Oniguruma and Rust. They have the same meaning here: \p{...} are Unicode's
 * properties, and \s is rewritten to Unicode's whitespace. Sets inside of sets are refused. An
 * expression that takes too long on a text is an error.
 */
#ifndef POSLAB_TOKENIZERS_SPLIT_PATTERN_H
#define POSLAB_TOKENIZERS_SPLIT_PATTERN_H

#include "base/arena.h"

typedef struct SplitPattern SplitPattern;

/* literal: `expression` is a text to find. NULL with a reason in *why if the expression is invalid or not
   supported. Must be freed by split_pattern_free. */
SplitPattern *split_pattern_new(const char *expression, bool literal, Arena *arena, const char **why);
void split_pattern_free(SplitPattern *pattern); /* NULL is allowed */

/* Finds the next nonempty match [*begin, *end) in text[size], valid UTF-8, from `from` on. Returns 1: found;
   0: none; -1: it takes too long. */
int split_pattern_next(SplitPattern *pattern, const char *text, size_t size, size_t from, size_t *begin,
                       size_t *end);

#endif
