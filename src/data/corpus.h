/* corpus: a corpus as three streams of tokens: train, valid, test.
 *
 * A corpus is a list of documents (files), named by paths and patterns (sys/path_pattern.h). A file is one
 * document, even if several paths or patterns find it; an empty file that a pattern matches is left out.
 * Documents are ordered by the SHA-256 of their base name, a zero byte and their content: a fixed
 * pseudo-random order. They are joined in that order without separators, and the joined stream of N tokens is
 * cut: the last round(N test) tokens are the test split, the round(N valid) tokens before them the validation
 * split, the rest is for training. `valid_files` and `test_files` name separate files for a split instead
 * (its share must then be 0).
 *
 * The corpus hash is the SHA-256 over split by split, document by document: token count and tokens; of words
 * and bpe, the SHA-256 of the vocabulary is before it. The corpus of a task (data/examples.h) has no splits;
 * its hash is that of the task's options and CORPUS_TASK_FORMAT.
 */
#ifndef POSLAB_DATA_CORPUS_H
#define POSLAB_DATA_CORPUS_H

#include "base/sha256.h"
#include "data/corpus_options.h"

enum { CORPUS_TASK_FORMAT = 1 /* changes when equal options would make other examples */ };

typedef struct CorpusStream {
    const uint32_t *tokens;
    int64_t count;
    int64_t bytes, words; /* of the text, if the tokenizer reads text (tokenizer_count_words); else 0 */
    int64_t unknown;      /* tokens <unk> of the tokenizer words */
    int64_t documents;    /* documents that begin in this split (at least 1 unless empty) */
} CorpusStream;

typedef struct Corpus {
    CorpusStream splits[SPLIT_COUNT];
    int vocabulary;
    const Tokenizer *tokenizer; /* for the texts of tokens and the dictionary; NULL: of a task */
    size_t vocabulary_bytes;    /* memory of the tokenizer */
    double bytes_per_token;     /* 1 for bytes; 0: unknown (uint16, uint32) */
    int64_t empty;              /* empty files, left out */
    int64_t copies;             /* files whose content is in more than one split */
    const Examples *examples;   /* of a task, which has no splits; else NULL */
    char hash[SHA256_HEX_SIZE];
} Corpus;

/* Reads all files; the result is owned by the arena. `vocabulary` is the config's (0: the tokenizer's own).
   Errors: no file matches a pattern, a folder or file cannot be read, a file or its content is in two lists,
   an empty file is named by its path, a file has a wrong type (tokenizers/file_type.h), text is not UTF-8, a
   token is outside the vocabulary, a vocabulary does not fit, a header is damaged, a file has an odd size. */
Corpus *corpus_read(const CorpusOptions *options, int vocabulary, const char *source, Arena *arena,
                    Error *err);

/* What `data` says about its tokenizer. */
TokenizerOptions corpus_tokenizer(const CorpusOptions *options);

/* A short note for the user about empty files and copies; "" if there are none. Owned by the arena. */
const char *corpus_note(const Corpus *corpus, Arena *arena);

/* Whether a file named by the options does not exist, or a pattern matches nothing. */
bool corpus_is_missing(const CorpusOptions *options);

#endif
