/* documents: the files of a corpus: found, read and compared.
 *
 * A file is one document, even if several paths or links name it. It is an error if a file is in two lists,
 * or if two files of different lists have the same content: the model must not be trained on test data.
 */
#ifndef POSLAB_DATA_DOCUMENTS_H
#define POSLAB_DATA_DOCUMENTS_H

#include <sys/stat.h>

#include "base/sha256.h"
#include "data/corpus_options.h"

typedef struct Document {
    const char *path;
    CorpusSplit list; /* the list that contains it */
    bool wild;        /* found by a pattern only, not named by its path */
    struct stat status;
    char order[SHA256_HEX_SIZE]; /* SHA-256 of base name, 0 and content */
    TokenizerText text;          /* its count is set by data/token_cache.h, but for files of numbers */
    const unsigned char *bytes;  /* what it says, without mark and header */
    int64_t size;                /* of these bytes */
    int64_t start;               /* offset in the joined tokens, set by data/corpus.c */
    int content;                 /* index of the content, from 0; equal for documents with equal bytes */
} Document;

typedef struct Documents {
    const CorpusOptions *options;
    Tokenizer *tokenizer;
    const char *source;
    Arena *scratch; /* owns all of this */
    Error *err;
    Document *items; /* [count] */
    int count;
    int64_t empty; /* files without tokens, left out */
} Documents;

/* Sets items, count and empty, from options, tokenizer, source, scratch and err. `arena` is the one in which
   the tokens will be joined; it is used to check that everything fits into memory. */
/* The prefix of errors about a document. */
const char *documents_where(const Documents *documents, const Document *document);

bool documents_read(Documents *documents, const Arena *arena);

#endif
