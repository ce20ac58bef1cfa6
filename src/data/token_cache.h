/* token_cache: the tokens of corpora whose tokenizer is slow (bpe), kept in data/tokenized/.
 *
 * A file is named by the SHA-256 of the vocabulary's file and of all documents in order, so a change of
 * either makes another file; old files can be removed at any time. A file that is damaged or cannot be
 * written is ignored: it only saves time.
 */
#ifndef POSLAB_DATA_TOKEN_CACHE_H
#define POSLAB_DATA_TOKEN_CACHE_H

#include "data/documents.h"

/* Sets the tokens and counts of all documents: from the file, or by tokenizer_count, after which the file is
   written. */
bool token_cache_tokenize(Documents *documents, Tokenizer *tokenizer);

#endif
