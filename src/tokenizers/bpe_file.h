/* bpe_file: byte-level BPE, read from a tokenizer.json of Hugging Face (GPT-2, GPT-NeoX, Llama 3,
 * SmolLM). What would change tokens and is not supported is refused.
 */
#ifndef POSLAB_TOKENIZERS_BPE_FILE_H
#define POSLAB_TOKENIZERS_BPE_FILE_H

#include "base/json.h"
#include "tokenizers/split_pattern.h"

typedef struct BpeToken {
    const unsigned char *bytes; /* NULL: no token has this number */
    int32_t size;
} BpeToken;

/* A token that is found in the text before it is divided. */
typedef struct BpeAdded {
    const char *text;
    size_t size;
    uint32_t token;
    bool normalized; /* found in normalised text, after the others */
} BpeAdded;

typedef struct BpeMerge {
    uint64_t pair; /* left << 32 | right */
    int32_t rank;  /* -1: a free slot */
    uint32_t result;
} BpeMerge;

typedef struct BpeStep {
    SplitPattern *pattern;
    bool drop_rest; /* only matches are pieces */
} BpeStep;

enum { BPE_MOST_STEPS = 8, BPE_MOST_TOKENS = 1 << 21 };

typedef struct Bpe {
    BpeToken *tokens; /* [count] */
    int count;
    uint32_t *by_bytes; /* [slots] token + 1, 0: free */
    BpeMerge *merges;   /* [slots] a hash table */
    uint64_t slots;     /* of both; a power of two */
    uint32_t bytes[256];
    BpeAdded *added; /* [added_count], longest first */
    int added_count;
    bool starts[256]; /* bytes with which added tokens begin */
    BpeStep steps[BPE_MOST_STEPS];
    int step_count;
    bool whole; /* a piece that is a token is not merged (ignore_merges) */
    bool nfc;
    struct BpePiece *cache; /* while documents are read */
} Bpe;

/* Reads the file. `where` begins errors, which name the key. */
bool bpe_read(Bpe *bpe, const Json *json, const char *where, Arena *arena, Arena *scratch, Error *err);

/* The merge of two tokens; NULL if there is none. */
const BpeMerge *bpe_merge(const Bpe *bpe, uint32_t left, uint32_t right);
/* The token with these bytes, or -1. */
int64_t bpe_token(const Bpe *bpe, const unsigned char *bytes, size_t size);

#endif
