/* corpus: a corpus as three streams of tokens, the splits train, valid and test, and the corpus hash.
 *
 * The documents (data/documents.h) are ordered by the SHA-256 of their base name, a zero byte and their
 * content, which is a fixed pseudo-random order, and joined without separators. Of the N tokens, the last
 * round(N test) are the test split, the round(N valid) tokens before them are the validation split, and the
 * rest is the training split. Instead, `valid_files` and `test_files` can name the files of a split.
 *
 * The corpus hash depends on the tokens, the splits and the vocabulary. The corpus of a task
 * (data/examples.h) has examples in place of splits, and a hash of the task's options.
 */
#ifndef POSLAB_DATA_CORPUS_H
#define POSLAB_DATA_CORPUS_H

#include "base/sha256.h"
#include "data/corpus_options.h"

enum { CORPUS_TASK_FORMAT = 1 }; /* part of the hash; increased when equal options give other examples */

typedef struct CorpusStream {
    const uint32_t *tokens;
    int64_t count;
    int64_t bytes, words; /* of the text (tokenizer_count_words); 0 if the tokenizer does not read text */
    int64_t unknown;      /* number of tokens <unk> of the tokenizer words */
    int64_t documents;    /* number of documents that begin in this split, at least 1 unless it is empty */
} CorpusStream;

typedef struct Corpus {
    CorpusStream splits[SPLIT_COUNT];
    int vocabulary;
    const Tokenizer *tokenizer; /* has the texts of tokens and the dictionary; NULL: a task */
    size_t vocabulary_bytes;    /* memory of the tokenizer */
    double bytes_per_token;     /* 1 for bytes; 0: unknown (uint16, uint32) */
    int64_t empty;              /* number of empty files, which are left out */
    int64_t copies;             /* number of files whose content is in more than one split */
    const Examples *examples;   /* of a task; else NULL */
    char hash[SHA256_HEX_SIZE];
} Corpus;

/* Reads all files. The result is owned by the arena. `vocabulary` is `model.vocabulary` of the config, or 0
   for the vocabulary of the tokenizer. Fails with EXIT_USAGE if the files do not form a valid corpus: one is
   missing or has a wrong type, two lists share a file, text is not UTF-8, a token is outside the vocabulary;
   and with EXIT_SYSTEM if a file cannot be read. Errors begin with `source`. */
Corpus *corpus_read(const CorpusOptions *options, int vocabulary, const char *source, Arena *arena,
                    Error *err);

/* The tokenizer's options. */
TokenizerOptions corpus_tokenizer(const CorpusOptions *options);

/* A note for the user about empty files and copies, owned by the arena; "" if there are none. */
const char *corpus_note(const Corpus *corpus, Arena *arena);

/* Whether a file named by the options does not exist, or a pattern matches nothing. */
bool corpus_is_missing(const CorpusOptions *options);

#endif
