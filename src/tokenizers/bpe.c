/* bpe: byte-level byte pair encoding (BPE). The tokens equal those of Hugging Face's `tokenizers`.
 *
 * Text is divided at the added tokens of the tokenizer.json, normalised (NFC) if the file requires it, and
 * divided by the file's patterns. The bytes of each piece are then merged in the order of the file's merges.
 * No special tokens are inserted.
 */

#include <string.h>
#include <utf8proc.h>

#include "base/random.h"
#include "tokenizers/bpe_file.h"
#include "tokenizers/internal.h"

/* A cache of the tokens of short pieces, since pieces repeat. A slot has the last piece with its hash. */
enum { PIECES = 1 << 15, PIECE_BYTES = 24, PIECE_TOKENS = 8 };
typedef struct BpePiece {
    unsigned char bytes[PIECE_BYTES];
    int32_t size, count; /* size 0: free */
    uint32_t tokens[PIECE_TOKENS];
} BpePiece;

/* The longest piece. Merging takes up to 104 bytes of memory for each byte of it. */
enum { MOST_PIECE = 1 << 20 };

/* A token of the piece that is being merged. */
typedef struct Symbol {
    uint32_t token;
    int previous, next; /* -1: none */
    bool gone;
} Symbol;

/* A possible merge of symbol `at` with the next one. */
typedef struct Candidate {
    int rank, at;
    uint32_t result;
} Candidate;

typedef struct Encoder {
    Bpe *bpe;
    uint32_t *tokens; /* [room], in `arena` */
    int64_t count, room;
    Symbol *symbols; /* [symbol_room] */
    Candidate *heap; /* [symbol_room * 3] */
    size_t symbol_room;
    int candidates;
    bool slow;       /* a pattern took too long */
    size_t too_long; /* size of a piece that is longer than MOST_PIECE; 0: there is none */
    Arena *arena;
} Encoder;

static void put(Encoder *e, uint32_t token) {
    if (e->count == e->room) {
        int64_t room = e->room ? 2 * e->room : 4096;
        e->tokens = arena_grow(e->arena, e->tokens, (size_t)e->count, (size_t)room, sizeof *e->tokens);
        e->room = room;
    }
    e->tokens[e->count++] = token;
}

/* --- merging --- */

static bool before(const Candidate *a, const Candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(Encoder *e, int at) {
    if (at < 0 || e->symbols[at].next < 0) return;
    const BpeMerge *merge = bpe_merge(e->bpe, e->symbols[at].token, e->symbols[e->symbols[at].next].token);
    if (!merge) return;
    Candidate new = {merge->rank, at, merge->result};
    int i = e->candidates++;
    for (; i && before(&new, &e->heap[(i - 1) / 2]); i = (i - 1) / 2) e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = new;
}

static Candidate pop(Encoder *e) {
    Candidate top = e->heap[0], last = e->heap[--e->candidates];
    int i = 0;
    for (int child; (child = 2 * i + 1) < e->candidates; i = child) {
        if (child + 1 < e->candidates && before(&e->heap[child + 1], &e->heap[child])) child++;
        if (!before(&e->heap[child], &last)) break;
        e->heap[i] = e->heap[child];
    }
    e->heap[i] = last;
    return top;
}

static void merge_bytes(Encoder *e, const unsigned char *bytes, size_t size) {
    if (size > MOST_PIECE) {
        e->too_long = size;
        return;
    }
    if (size > e->symbol_room) {
        e->symbol_room = 2 * size;
        e->symbols = NEW(e->arena, e->symbol_room, Symbol);
        e->heap = NEW(e->arena, 3 * e->symbol_room, Candidate);
    }
    Symbol *symbols = e->symbols;
    for (size_t i = 0; i < size; i++)
        symbols[i] = (Symbol){e->bpe->bytes[bytes[i]], (int)i - 1, i + 1 < size ? (int)i + 1 : -1, false};
    e->candidates = 0;
    for (size_t i = 0; i < size; i++) push(e, (int)i);
    while (e->candidates) {
        Candidate top = pop(e);
        Symbol *left = &symbols[top.at];
        if (left->gone || left->next < 0) continue;
        Symbol *right = &symbols[left->next];
        const BpeMerge *merge = bpe_merge(e->bpe, left->token, right->token);
        if (!merge || merge->result != top.result) continue; /* one of them has been merged since */
        left->token = top.result;
        left->next = right->next;
        right->gone = true;
        if (left->next >= 0) symbols[left->next].previous = top.at;
        push(e, left->previous);
        push(e, top.at);
    }
    for (int i = 0; i >= 0; i = symbols[i].next) put(e, symbols[i].token);
}

static void encode_piece(Encoder *e, const unsigned char *bytes, size_t size) {
    int64_t known = e->bpe->whole ? bpe_token(e->bpe, bytes, size) : -1;
    if (known >= 0) {
        put(e, (uint32_t)known);
        return;
    }
    if (size > PIECE_BYTES) {
        merge_bytes(e, bytes, size);
        return;
    }
    BpePiece *piece = &e->bpe->cache[random_hash(bytes, size) % PIECES];
    if (piece->size == (int32_t)size && !memcmp(piece->bytes, bytes, size)) {
        for (int i = 0; i < piece->count; i++) put(e, piece->tokens[i]);
        return;
    }
    int64_t first = e->count;
    merge_bytes(e, bytes, size);
    if (e->count - first > PIECE_TOKENS) return;
    piece->size = (int32_t)size;
    piece->count = (int32_t)(e->count - first);
    memcpy(piece->bytes, bytes, size);
    memcpy(piece->tokens, e->tokens + first, (size_t)piece->count * sizeof *piece->tokens);
}

/* --- dividing --- */

/* Divides by the steps from `step` on. */
static void divide(Encoder *e, int step, const char *text, size_t size) {
    if (!size || e->slow || e->too_long) return;
    if (step == e->bpe->step_count) {
        encode_piece(e, (const unsigned char *)text, size);
        return;
    }
    const BpeStep *by = &e->bpe->steps[step];
    size_t done = 0, begin, end;
    int found;
    while ((found = split_pattern_next(by->pattern, text, size, done, &begin, &end)) > 0) {
        if (begin > done && !by->drop_rest) divide(e, step + 1, text + done, begin - done);
        divide(e, step + 1, text + begin, end - begin);
        done = end;
    }
    if (found < 0) e->slow = true;
    if (size > done && !by->drop_rest) divide(e, step + 1, text + done, size - done);
}

/* The first added token at or after *from, and there the longest; NULL: none. Sets *from to where it is. */
static const BpeAdded *find_added(const Bpe *bpe, const char *text, size_t size, size_t *from,
                                  bool normalized) {
    for (; *from < size; ++*from) {
        if (!bpe->starts[(unsigned char)text[*from]]) continue;
        for (int i = 0; i < bpe->added_count; i++) {
            const BpeAdded *added = &bpe->added[i];
            if (added->normalized == normalized && added->size <= size - *from &&
                !memcmp(added->text, text + *from, added->size))
                return added;
        }
    }
    return NULL;
}

/* The NFC of valid UTF-8, in the arena; ASCII text is returned itself. */
static const char *compose(const char *text, size_t *size, Arena *arena) {
    size_t ascii = 0;
    while (ascii < *size && (unsigned char)text[ascii] < 0x80) ascii++;
    if (ascii == *size) return text;
    const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_ssize_t room =
        utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)*size, NULL, 0, how);
    if (room < 0) BUG("NFC of invalid UTF-8");
    utf8proc_int32_t *letters = NEW(arena, room + 1, utf8proc_int32_t);
    utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)*size, letters, room, how);
    utf8proc_ssize_t count = utf8proc_normalize_utf32(letters, room, how);
    unsigned char *out = NEW(arena, 4 * (size_t)room + 1, unsigned char);
    *size = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        *size += (size_t)utf8proc_encode_char(letters[i], out + *size);
    return (const char *)out;
}

static void encode(Encoder *e, const char *text, size_t size, bool normalized) {
    for (size_t done = 0, at = 0; done < size; done = at) {
        const BpeAdded *added = find_added(e->bpe, text, size, &at, normalized);
        size_t part = at - done;
        if (part && normalized) divide(e, 0, text + done, part);
        if (part && !normalized) {
            const char *composed = e->bpe->nfc ? compose(text + done, &part, e->arena) : text + done;
            encode(e, composed, part, true);
        }
        if (!added) return;
        put(e, added->token);
        at += added->size;
    }
}

bool bpe_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err) {
    Bpe *bpe = tokenizer->bpe;
    if (!bpe->cache) bpe->cache = NEW(tokenizer->scratch, PIECES, BpePiece);
    Encoder e = {.bpe = bpe, .arena = tokenizer->scratch};
    encode(&e, (const char *)text->content, (size_t)text->content_size, false);
    text->tokens = e.tokens;
    text->count = e.count;
    if (e.too_long)
        return error_set(
            err, EXIT_USAGE,
            "%s: the pattern of '%s' leaves %zu bytes undivided, more than %d; divide the text by "
            "blanks or lines, or name another tokenizer.json",
            where, tokenizer->options.vocabulary, e.too_long, MOST_PIECE);
    return !e.slow ||
           error_set(err, EXIT_USAGE,
                     "%s: the pattern of '%s' takes too long on this text; divide long lines, or name "
                     "another tokenizer.json",
                     where, tokenizer->options.vocabulary);
}

/* --- the tokenizer --- */

bool bpe_open(Tokenizer *tokenizer, const char *source, Error *err) {
    const char *path = tokenizer->options.vocabulary;
    if (!path)
        return error_set(
            err, EXIT_USAGE,
            "%s: 'data.vocabulary' is missing; the tokenizer bpe needs the path of a tokenizer.json", source);
    size_t size;
    const char *where = arena_format(tokenizer->scratch, "%s: 'data.vocabulary': '%s'", source, path);
    char *text = vocabulary_file_read(tokenizer, &size, source, err);
    Json *json = text ? json_parse(text, size, where, tokenizer->scratch, err) : NULL;
    if (!json) return false;
    tokenizer->bpe = NEW(tokenizer->arena, 1, Bpe);
    if (!bpe_read(tokenizer->bpe, json, where, tokenizer->arena, tokenizer->scratch, err)) return false;
    tokenizer->vocabulary = tokenizer->bpe->count;
    return true;
}

void bpe_close(Tokenizer *tokenizer) {
    Bpe *bpe = tokenizer->bpe;
    for (int i = 0; i < bpe->step_count; i++) split_pattern_free(bpe->steps[i].pattern);
    bpe->step_count = 0;
    bpe->cache = NULL;
}

int64_t bpe_offset(const Tokenizer *tokenizer, const TokenizerText *text, int64_t token) {
    int64_t offset = 0, total = 0;
    for (int64_t i = 0; i < text->count; i++) {
        if (i == token) offset = total;
        total += tokenizer->bpe->tokens[text->tokens[i]].size;
    }
    if (token >= text->count) offset = total;
    if (total == text->content_size) return offset;
    return (int64_t)((double)offset / (double)total *
                     (double)text->content_size); /* after NFC, or if a pattern drops text */
}

const char *bpe_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size) {
    const Bpe *bpe = tokenizer->bpe;
    if (token >= (uint32_t)bpe->count || !bpe->tokens[token].bytes) return NULL;
    *size = bpe->tokens[token].size;
    return (const char *)bpe->tokens[token].bytes;
}
