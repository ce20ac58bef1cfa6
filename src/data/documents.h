/* documents: finds, reads and compares the files of a corpus.
 *
 * A file is one document, even if several paths, patterns or links lead to it. Files that a pattern finds and
 * that are empty are left out. If two lists have the same file, or files with the same content, that is an
 * error, because the model must not be trained on the data of the other splits.
 */
#ifndef POSLAB_DATA_DOCUMENTS_H
#define POSLAB_DATA_DOCUMENTS_H

#include <sys/stat.h>

#include "base/sha256.h"
#include "data/corpus_options.h"

typedef struct Document {
    const char *path;
    CorpusSplit list; /* the list that names it */
    bool wild;        /* only patterns name it, no path */
    struct stat status;
    char order[SHA256_HEX_SIZE]; /* SHA-256 of the base name, a zero byte and the content */
    TokenizerText text;          /* data/token_cache.c sets its count, unless it is a file of numbers */
    const unsigned char *bytes;  /* [size]: the content without byte-order mark and header */
    int64_t size;
    int64_t start; /* offset in the joined tokens, set by data/corpus.c */
    int content;   /* number of the content, from 0; equal for documents with equal bytes */
} Document;

typedef struct Documents {
    const CorpusOptions *options;
    Tokenizer *tokenizer;
    const char *source;
    Arena *scratch; /* owns the documents */
    Error *err;
    Document *items; /* [count] */
    int count;
    int64_t empty; /* number of empty files, which are left out */
} Documents;

/* Reads the files: sets items, count and empty; the caller sets the other members. The tokens will be joined
   in `arena`, of which only the size is used, to check that all fits into memory. Errors are those of
   corpus_read. */
bool documents_read(Documents *documents, const Arena *arena);

/* The prefix of errors about a document, "SOURCE: file 'PATH'". */
const char *documents_where(const Documents *documents, const Document *document);

#endif
