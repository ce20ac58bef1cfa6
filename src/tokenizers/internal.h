/* internal: the functions of each kind of tokenizer, called by tokenizer.c. */
#ifndef POSLAB_TOKENIZERS_INTERNAL_H
#define POSLAB_TOKENIZERS_INTERNAL_H

#include "tokenizers/tokenizer.h"

/* --- vocabulary_file.c --- */

/* Reads the file of a vocabulary and sets its hash. The text ends with a zero byte. NULL with err set on
 * failure. */
char *vocabulary_file_read(Tokenizer *tokenizer, size_t *size, const char *source, Error *err);

/* --- words.c --- */

bool words_open(Tokenizer *tokenizer, const char *source, Error *err);
bool words_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err);
void words_learn(Tokenizer *tokenizer, const TokenizerText *text, int64_t from, int64_t to);
bool words_complete(Tokenizer *tokenizer, const char *source, Error *err);
void words_write(const Tokenizer *tokenizer, const TokenizerText *text, uint32_t *tokens);
int64_t words_offset(const TokenizerText *text, int64_t token);
int64_t words_between(const TokenizerText *text, int64_t from, int64_t to);
const char *words_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size);

/* --- integers.c --- */

bool integers_check_size(int token_size, int64_t size, const char *where, Error *err);
bool integers_find(const Tokenizer *tokenizer, const char *path, int64_t size, TokenizerText *text,
                   const char *where, Error *err);
bool integers_write(const Tokenizer *tokenizer, const TokenizerText *text, int vocabulary, uint32_t *tokens,
                    const char *where, Error *err);

/* --- bpe.c --- */

bool bpe_open(Tokenizer *tokenizer, const char *source, Error *err);
void bpe_close(Tokenizer *tokenizer);
bool bpe_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err);
int64_t bpe_offset(const Tokenizer *tokenizer, const TokenizerText *text, int64_t token);
const char *bpe_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size);

#endif
