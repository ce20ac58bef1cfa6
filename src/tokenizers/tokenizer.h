/* tokenizer: converts the bytes of files to tokens, and has the vocabulary of these tokens.
 *
 *     bytes            each byte is a token
 *     uint16, uint32   the file contains tokens as little-endian integers, as written by nanoGPT (no header),
 *                      llm.c (a header of 256 int32) or fairseq (NAME.bin with an index NAME.idx)
 *     words            words and ends of lines, as in fairseq (tokenizers/words.c)
 *     bpe              byte-level BPE (byte pair encoding) of a tokenizer.json (tokenizers/bpe.c)
 *     task             the tokens of `data.task`; no file is read
 *
 * Order of calls: open; find and count for each document; learn for each part of a document in the training
 * split (words only); complete; write for each document. Errors (EXIT_USAGE) begin with `where`, as "config
 * 'x.json': file 'a.txt'".
 */
#ifndef POSLAB_TOKENIZERS_TOKENIZER_H
#define POSLAB_TOKENIZERS_TOKENIZER_H

#include "base/options.h"
#include "base/sha256.h"

typedef enum TokenizerKind {
    TOKENIZER_BYTES,
    TOKENIZER_UINT16,
    TOKENIZER_UINT32,
    TOKENIZER_WORDS,
    TOKENIZER_BPE,
    TOKENIZER_TASK, /* only with `data.task` */
} TokenizerKind;
extern const char *const tokenizer_names[]; /* by TokenizerKind; NULL-terminated */

/* The section `data.words`. */
typedef struct TokenizerWords {
    int64_t min_count, size, multiple;
} TokenizerWords;
extern const OptionSection tokenizer_words_section;

typedef struct TokenizerOptions {
    TokenizerKind kind;
    const char *vocabulary; /* path of a vocabulary, or NULL */
    TokenizerWords words;
} TokenizerOptions;

typedef struct Tokenizer {
    TokenizerOptions options;
    int vocabulary; /* number of tokens; 0: the config must set it, or (words) it is not learnt yet */
    char hash[SHA256_HEX_SIZE]; /* SHA-256 of the vocabulary's file; "": none */
    const char
        *dictionary; /* words: the vocabulary as a fairseq dictionary ("WORD COUNT\n" ...); otherwise NULL */
    struct Words *words; /* for words, and numbers with a dictionary; otherwise NULL */
    struct Bpe *bpe;
    Arena *arena, *scratch; /* scratch is needed until all documents are written */
} Tokenizer;

/* A document. Pointers refer to its bytes or to the scratch arena. */
typedef struct TokenizerText {
    const unsigned char *content; /* [content_size], without a byte-order mark */
    int64_t content_size;
    const unsigned char *numbers; /* uint16 and uint32: [count], after the header */
    const uint32_t *tokens;       /* bpe: [count] */
    int64_t count;                /* number of tokens */
} TokenizerText;

/* The size of a token in files of numbers, in bytes; 1 for text. */
int tokenizer_token_size(TokenizerKind kind);
bool tokenizer_is_text(TokenizerKind kind);
/* The vocabulary size of all corpora of this kind; 0: it depends on files or on the config. */
int tokenizer_fixed_vocabulary(TokenizerKind kind);
/* Whether the corpus or a file determines the vocabulary size, so that the config need not set it. */
bool tokenizer_finds_vocabulary(const TokenizerOptions *options);

/* Reads the vocabulary if the options name one. Fails (EXIT_USAGE, with the path) if it cannot be used. */
Tokenizer *tokenizer_open(const TokenizerOptions *options, const char *source, Arena *arena, Arena *scratch,
                          Error *err);

/* Frees what is not in an arena; the vocabulary can still be read. NULL is allowed. */
void tokenizer_close(Tokenizer *tokenizer);

/* Checks that a file of `size` bytes can be a stream of tokens. */
bool tokenizer_check_size(TokenizerKind kind, int64_t size, const char *where, Error *err);

/* Checks the type (tokenizers/file_type.h), the encoding and the header of a document. Sets its content. */
bool tokenizer_find(Tokenizer *tokenizer, const char *path, const unsigned char *bytes, int64_t size,
                    TokenizerText *text, const char *where, Error *err);

/* Sets `count`. bpe also sets `tokens`; since this can be slow, data/token_cache.h keeps them. */
bool tokenizer_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err);

/* words: counts the words in the tokens [from, to) of a training document. */
void tokenizer_learn(Tokenizer *tokenizer, const TokenizerText *text, int64_t from, int64_t to);
/* Builds the vocabulary, after all calls of tokenizer_learn. */
bool tokenizer_complete(Tokenizer *tokenizer, const char *source, Error *err);

/* Writes the tokens of a document to tokens[text->count]. Fails if a token is not below `vocabulary`. */
bool tokenizer_write(const Tokenizer *tokenizer, const TokenizerText *text, int vocabulary, uint32_t *tokens,
                     const char *where, Error *err);

/* For text: the offset in the content at which a token begins; content_size for token `count`. */
int64_t tokenizer_offset(const Tokenizer *tokenizer, const TokenizerText *text, int64_t token);
/* The number of words and ends of lines that begin in [from, to) of the content: the divisor of word-level
   perplexity, as for WikiText. Equal to the number of tokens of `words`. */
int64_t tokenizer_count_words(const TokenizerText *text, int64_t from, int64_t to);

/* The bytes of a token; NULL: unknown. */
const char *tokenizer_token_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size);
/* The token <unk>; -1 if the tokenizer has none. */
int64_t tokenizer_unknown(const Tokenizer *tokenizer);

#endif
