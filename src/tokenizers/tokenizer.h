/* tokenizer: how the bytes of a file become tokens, and the vocabulary of these tokens.
 *
 * bytes: each byte is a token.
 *
 * uint16, uint32: the file contains tokens as little-endian integers, as written by nanoGPT (no header),
 * llm.c (a header of 256 int32) or fairseq (NAME.bin with an index NAME.idx).
 *
 * words: words and ends of lines, as in fairseq (tokenizers/words.c).
 *
 * bpe: byte-level BPE (byte pair encoding) from a tokenizer.json of Hugging Face (tokenizers/bpe.c).
 *
 * task: the tokens of `data.task`; no file is read.
 *
 * The order of calls: open; then find for each document; for words, learn for each part of a document that is
 * in the training split; complete; then write for each document. `where` begins the messages of errors
 * (EXIT_USAGE): "config 'x.json': file 'a.txt'".
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
    TOKENIZER_TASK, /* of `data.task`, and of nothing else */
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
    int vocabulary;             /* number of tokens; 0: the config must give it, or (words) not learnt yet */
    char hash[SHA256_HEX_SIZE]; /* SHA-256 of the vocabulary's file; "" if there is none */
    const char *dictionary; /* words: the vocabulary as a file of fairseq ("WORD COUNT\n" ...), else NULL */
    struct Words *words;    /* words, and numbers with a dictionary; else NULL */
    struct Bpe *bpe;
    Arena *arena, *scratch; /* scratch: until the documents have been written */
} Tokenizer;

/* A document; pointers are into its bytes or the scratch arena. */
typedef struct TokenizerText {
    const unsigned char *content; /* [content_size] without a byte-order mark */
    int64_t content_size;
    const unsigned char *numbers; /* uint16 and uint32: [count] after the header */
    const uint32_t *tokens;       /* bpe: [count] */
    int64_t count;                /* of tokens */
} TokenizerText;

/* Bytes of a token in a file of numbers; 1 for text. */
int tokenizer_token_size(TokenizerKind kind);
bool tokenizer_is_text(TokenizerKind kind);
/* The vocabulary size that every corpus of this kind has; 0: it depends on files, or the config gives it. */
int tokenizer_fixed_vocabulary(TokenizerKind kind);
/* Whether reading the corpus determines the vocabulary, so that a config need not. */
bool tokenizer_finds_vocabulary(const TokenizerOptions *options);

/* Reads the vocabulary, if the options name one. Fails (EXIT_USAGE, with the path) if it cannot be used. */
Tokenizer *tokenizer_open(const TokenizerOptions *options, const char *source, Arena *arena, Arena *scratch,
                          Error *err);

/* Frees what is not in an arena; the vocabulary can still be asked about. NULL is allowed. */
void tokenizer_close(Tokenizer *tokenizer);

/* Whether a file of `size` bytes can be a stream of tokens; sets err if not. */
bool tokenizer_check_size(TokenizerKind kind, int64_t size, const char *where, Error *err);

/* Checks the type of a document (tokenizers/file_type.h), its encoding and its header. Sets the content. */
bool tokenizer_find(Tokenizer *tokenizer, const char *path, const unsigned char *bytes, int64_t size,
                    TokenizerText *text, const char *where, Error *err);

/* Sets `count`; bpe also sets `tokens`, which can be slow: data/token_cache.h keeps them. */
bool tokenizer_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err);

/* words: counts the words of the tokens [from, to) of a training document. */
void tokenizer_learn(Tokenizer *tokenizer, const TokenizerText *text, int64_t from, int64_t to);
/* After all of them: makes the vocabulary. */
bool tokenizer_complete(Tokenizer *tokenizer, const char *source, Error *err);

/* Writes the tokens of a document to tokens[text->count]. Fails if one is not below `vocabulary`. */
bool tokenizer_write(const Tokenizer *tokenizer, const TokenizerText *text, int vocabulary, uint32_t *tokens,
                     const char *where, Error *err);

/* Of text: the offset in the content at which a token begins; `count` gives content_size. */
int64_t tokenizer_offset(const Tokenizer *tokenizer, const TokenizerText *text, int64_t token);
/* Words of the content that begin in [from, to), and ends of lines in it: what word-level perplexity divides
   by, as WikiText's does. Equal to the tokens of `words`. */
int64_t tokenizer_count_words(const TokenizerText *text, int64_t from, int64_t to);

/* The bytes that a token stands for; NULL: unknown. */
const char *tokenizer_token_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size);
/* The token of words that are not in the vocabulary; -1: the tokenizer has none. */
int64_t tokenizer_unknown(const Tokenizer *tokenizer);

#endif
