/* documents: the files of a corpus: found, read, converted to tokens and compared. Only data/corpus.c uses
 * it.
 *
 * A file is one document, by whatever and however many paths it is named (links included). It is an error if
 * a file is in two lists, or if two files of different lists have the same content: the model must not be
 * trained on test data.
 */
#ifndef POSLAB_DATA_DOCUMENTS_H
#define POSLAB_DATA_DOCUMENTS_H

#include <sys/stat.h>

#include "base/sha256.h"
#include "data/corpus_options.h"

extern const char *const documents_keys[SPLIT_COUNT]; /* "data.files", ... */

typedef struct Document {
    const char *path;
    CorpusSplit list; /* the list that names it */
    bool wild;        /* found by a pattern, and not also named itself */
    struct stat status;
    char order[SHA256_HEX_SIZE]; /* SHA-256 of base name, 0 and content */
    const unsigned char *tokens;
    int64_t size;         /* bytes of the tokens */
    int64_t start, count; /* place among all tokens: filled in by data/corpus.c; how many there are */
    int content;          /* equal for documents with equal tokens: from 0 and below their number */
} Document;

typedef struct Documents {
    const CorpusOptions *options;
    const char *source;
    Arena *scratch; /* holds all of this */
    Error *err;
    Document *items; /* [count] */
    int count;
    int64_t total; /* tokens */
    int64_t empty; /* files without tokens, left out */
} Documents;

/* Fills in items, count, total and empty. `arena` is where the tokens will be joined, for the check that all
   fits into memory. */
bool documents_read(Documents *documents, const Arena *arena);

/* Whether a file that the options name is not there (or a pattern matches nothing). */
bool documents_are_missing(const CorpusOptions *options);

#endif
