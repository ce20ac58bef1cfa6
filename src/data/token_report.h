/* token_report: what a tokenizer makes of a corpus: `poslab tokenize`. */
#ifndef POSLAB_DATA_TOKEN_REPORT_H
#define POSLAB_DATA_TOKEN_REPORT_H

#include "base/table.h"
#include "data/corpus.h"

/* Tokens, bytes, words and unknown words of each split; the share of the training tokens that the most
   frequent tokens are. `name` is the tokenizer's. */
const Table *token_report_splits(const Corpus *corpus, const char *name, Arena *arena);
const Table *token_report_coverage(const Corpus *corpus, Arena *arena);

/* The first lines of the training split as texts, with a border after each token ("How| are| you|?|\n|"), or
   the numbers of the tokens if their texts are not known. A line has at most `width` tokens. NULL-terminated.
 */
const char **token_report_lines(const Corpus *corpus, int lines, int width, Arena *arena);

#endif
