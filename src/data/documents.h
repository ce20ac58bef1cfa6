/* documents: the files of a corpus, found, read and compared. Private to data.c.
 *
 * A file is one document, by whatever and however many paths it is named (links included). A file in two
 * lists, or two files of different lists with the same content, are an error: what is tested must not be
 * trained on.
 */
#ifndef POSLAB_DOCUMENTS_H
#define POSLAB_DOCUMENTS_H

#include <sys/stat.h>

#include "data/corpus.h"

extern const char *const documents_keys[SPLIT_COUNT]; /* "data.files", ... */

typedef struct Document {
    const char *path;
    Split list; /* the list that names it */
    bool wild;  /* found by a pattern, and not also named itself */
    struct stat status;
    char order[HASH_TEXT]; /* SHA-256 of base name, 0 and content */
    const unsigned char *tokens;
    int64_t size;         /* bytes of the tokens */
    int64_t start, count; /* place among all tokens: filled in by data.c; how many there are */
    int content;          /* equal for documents with equal tokens: from 0 and below their number */
} Document;

typedef struct Documents {
    const DataOptions *options;
    const char *place;
    Arena *scratch; /* holds all of this */
    Err *err;
    Document *items; /* [count] */
    int count, room;
    int64_t total; /* tokens */
    int64_t empty; /* files without tokens, left out */
} Documents;

int documents_token_size(const Documents *documents); /* in bytes */

/* Fills in items, count, total and empty. `arena` is where the tokens will be joined, for the check that all
   fits into memory. */
bool documents_read(Documents *documents, const Arena *arena);

#endif
