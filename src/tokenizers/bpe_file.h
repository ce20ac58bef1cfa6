/* bpe_file: reads byte-level BPE from a tokenizer.json of Hugging Face (GPT-2, GPT-NeoX, Llama 3, SmolLM).
 *
 * Settings that would change tokens and are not supported are refused. The order of merges is the order in
 * the file; the last of equal merges counts.
 */
#ifndef POSLAB_TOKENIZERS_BPE_FILE_H
#define POSLAB_TOKENIZERS_BPE_FILE_H

#include "base/json.h"
#include "tokenizers/split_pattern.h"

typedef struct BpeToken {
    const unsigned char *bytes; /* NULL: the vocabulary has no such token */
    int32_t size;
} BpeToken;

/* An added token, which is searched in the text before it is divided. */
typedef struct BpeAdded {
    const char *text;
    size_t size;
    uint32_t token;
    bool normalized; /* searched in the normalised text, after the others */
} BpeAdded;

typedef struct BpeMerge {
    uint64_t pair; /* left << 32 | right */
    int32_t rank;  /* -1: a free slot */
    uint32_t result;
} BpeMerge;

typedef struct BpeStep {
    SplitPattern *pattern;
    bool drop_rest; /* text between matches is dropped */
} BpeStep;

enum { BPE_MOST_STEPS = 8, BPE_MOST_TOKENS = 1 << 21 };

typedef struct Bpe {
    BpeToken *tokens; /* [count] */
    int count;
    uint32_t *by_bytes; /* [slots]: token + 1; 0: free */
    BpeMerge *merges;   /* [slots]: a hash table */
    uint64_t slots;     /* size of both tables, a power of two */
    uint32_t bytes[256];
    BpeAdded *added; /* [added_count], longest first */
    int added_count;
    bool starts[256]; /* the first bytes of added tokens */
    BpeStep steps[BPE_MOST_STEPS];
    int step_count;
    bool whole; /* a piece that is a token is that token (ignore_merges) */
    bool nfc;
    struct BpePiece *cache; /* NULL unless documents are being read */
} Bpe;

/* Reads the file. Errors begin with `where` and name the key. */
bool bpe_read(Bpe *bpe, const Json *json, const char *where, Arena *arena, Arena *scratch, Error *err);

/* The merge of two tokens; NULL: none. */
const BpeMerge *bpe_merge(const Bpe *bpe, uint32_t left, uint32_t right);
/* The token with these bytes, or -1. */
int64_t bpe_token(const Bpe *bpe, const unsigned char *bytes, size_t size);

#endif
