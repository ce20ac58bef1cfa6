/* token_report: `poslab tokenize`: tables and lines that show how a corpus is tokenized. */
#ifndef POSLAB_DATA_TOKEN_REPORT_H
#define POSLAB_DATA_TOKEN_REPORT_H

#include "base/table.h"
#include "data/corpus.h"

/* A table with the tokens, bytes, words and unknown words of each split. `name` is that of the tokenizer. */
const Table *token_report_splits(const Corpus *corpus, const char *name, Arena *arena);

/* A table with the share of the training split that the 10, 100, ... most frequent tokens make up. */
const Table *token_report_coverage(const Corpus *corpus, Arena *arena);

/* The first `lines` lines of the training split, with a bar after each token ("How| are| you|?|\n|"). Tokens
   of unknown text are shown as numbers. A line has at most `width` tokens. NULL-terminated, owned by the
   arena. */
const char **token_report_lines(const Corpus *corpus, int lines, int width, Arena *arena);

#endif
