/* tokenizers: how the bytes of a file become tokens.
 *
 * `bytes`: each byte is a token; a UTF-8 byte-order mark at the beginning of a file is skipped. `uint16`:
 * little-endian streams of tokens as nanoGPT writes them (no header) and as llm.c writes them (256 int32 of
 * header: magic 20240520, version 1, token count). `uint32` can only be planned, not read: token streams have
 * 16 bits.
 *
 * A new tokenizer is a value of CorpusTokenizer with its name (data/corpus_options.h) and a row of the table
 * in tokenizers.c. `where` begins the messages of errors (EXIT_USAGE): "config 'x.json': file 'a.txt'".
 */
#ifndef POSLAB_DATA_TOKENIZERS_H
#define POSLAB_DATA_TOKENIZERS_H

#include "data/corpus_options.h"

int tokenizers_token_size(CorpusTokenizer tokenizer); /* bytes of a token in a file */

/* The vocabulary size of the tokenizer; 0 if the config must give it. */
int tokenizers_vocabulary(CorpusTokenizer tokenizer);

/* Mean bytes of text per token; 0: unknown. */
double tokenizers_bytes_per_token(CorpusTokenizer tokenizer);

/* Whether a file of `size` bytes can be a token stream; sets err if not. */
bool tokenizers_check_size(CorpusTokenizer tokenizer, int64_t size, const char *where, Error *err);

/* The parts of a file; the pointers point into the bytes given to tokenizers_find. */
typedef struct TokenizerFile {
    const unsigned char *content; /* [content_size] without a byte-order mark */
    int64_t content_size;
    const unsigned char *tokens; /* [count] of tokenizers_token_size bytes each, without mark and header */
    int64_t count;
} TokenizerFile;

/* Fails if the content has another type (data/file_type.h) or a header is damaged. */
bool tokenizers_find(CorpusTokenizer tokenizer, const unsigned char *bytes, int64_t size, TokenizerFile *file,
                     const char *where, Error *err);

/* Converts the bytes of TokenizerFile.tokens to tokens[count]. Fails if a token is not below `vocabulary`. */
bool tokenizers_read(CorpusTokenizer tokenizer, const unsigned char *bytes, int64_t count, int vocabulary,
                     uint32_t *tokens, const char *where, Error *err);

#endif
