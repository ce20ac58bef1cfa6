/* token_cache: files in data/tokenized/ with the tokens of corpora whose tokenizer (bpe) is slow.
 *
 * The name of a file is a SHA-256 of the vocabulary and of all documents in order, so another vocabulary or
 * another document has another file. The files only save time: they can be removed at any time, and one that
 * is damaged or cannot be written is ignored.
 */
#ifndef POSLAB_DATA_TOKEN_CACHE_H
#define POSLAB_DATA_TOKEN_CACHE_H

#include "data/documents.h"

/* Sets the tokens and counts of all documents: reads them from the file, or calls tokenizer_count and writes
   the file. */
bool token_cache_tokenize(Documents *documents, Tokenizer *tokenizer);

#endif
