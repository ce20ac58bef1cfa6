#include "tokenizers/bpe_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { LAST_LETTER = 323 }; /* the largest code point that represents a byte */

static const char gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

typedef struct Reader {
    Bpe *bpe;
    const char *where;
    Arena *arena, *scratch;
    Error *err;
    int16_t byte_of[LAST_LETTER + 1]; /* by code point; -1: none */
    const Json *added;
} Reader;

static bool refuse(const Reader *reader, const char *key, const char *what) {
    return error_set(reader->err, EXIT_USAGE,
                     "%s: '%s' %s; name the tokenizer.json of a model with byte-level BPE (GPT-2, GPT-NeoX, "
                     "Llama 3, SmolLM)",
                     reader->where, key, what);
}

/* Printable bytes are represented by themselves, others by the code points from U+0100 on. */
static void make_letters(Reader *reader) {
    int next = 256;
    for (int letter = 0; letter <= LAST_LETTER; letter++) reader->byte_of[letter] = -1;
    for (int byte = 0; byte < 256; byte++) {
        bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        reader->byte_of[printable ? byte : next++] = (int16_t)byte;
    }
}

/* The bytes of a token; false if one of its letters represents no byte. */
static bool decode(const Reader *reader, const char *text, BpeToken *token, Arena *arena) {
    size_t length = strlen(text);
    unsigned char *bytes = NEW(arena, length + 1, unsigned char);
    int32_t size = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int letter = *p++;
        if (letter >= 0xC0 && letter < 0xE0)
            letter = (letter & 31) << 6 | (*p++ & 63);
        else if (letter >= 0x80)
            return false; /* a letter of three bytes or more */
        if (letter > LAST_LETTER || reader->byte_of[letter] < 0) return false;
        bytes[size++] = (unsigned char)reader->byte_of[letter];
    }
    *token = (BpeToken){bytes, size};
    return size > 0;
}

/* A whole number in [0, BPE_MOST_TOKENS); -1: not one. */
static int token_number(const Json *json) {
    double number = json_number(json, -1);
    return number >= 0 && number < BPE_MOST_TOKENS && number == (int)number ? (int)number : -1;
}

static bool is_null(const Json *json) {
    return !json || !(json_is_text(json) || json_is_number(json) || json_is_bool(json) ||
                      json_is_object(json) || json_is_array(json));
}

/* --- the vocabulary --- */

static uint32_t *token_slot(const Bpe *bpe, const unsigned char *bytes, size_t size) {
    uint64_t slot = random_hash(bytes, size) & (bpe->slots - 1);
    for (; bpe->by_bytes[slot]; slot = (slot + 1) & (bpe->slots - 1)) {
        const BpeToken *token = &bpe->tokens[bpe->by_bytes[slot] - 1];
        if ((size_t)token->size == size && !memcmp(token->bytes, bytes, size)) break;
    }
    return &bpe->by_bytes[slot];
}

int64_t bpe_token(const Bpe *bpe, const unsigned char *bytes, size_t size) {
    return (int64_t)*token_slot(bpe, bytes, size) - 1;
}

static BpeMerge *merge_slot(const Bpe *bpe, uint64_t pair) {
    uint64_t slot = random_at(0, pair) & (bpe->slots - 1);
    while (bpe->merges[slot].rank >= 0 && bpe->merges[slot].pair != pair)
        slot = (slot + 1) & (bpe->slots - 1);
    return &bpe->merges[slot];
}

const BpeMerge *bpe_merge(const Bpe *bpe, uint32_t left, uint32_t right) {
    const BpeMerge *merge = merge_slot(bpe, (uint64_t)left << 32 | right);
    return merge->rank >= 0 ? merge : NULL;
}

/* The largest token, which determines the sizes of tables; -1 with err set. */
static int largest_token(const Reader *reader, const Json *vocabulary) {
    int largest = -1;
    for (const Json *item = json_first(vocabulary); item; item = json_next(item)) {
        int token = token_number(item);
        if (token < 0)
            return refuse(reader, "model.vocab", "has an id that is not a whole number below 2097152"), -1;
        if (token > largest) largest = token;
    }
    for (const Json *item = json_first(reader->added); item; item = json_next(item)) {
        int token = token_number(json_get(item, "id"));
        if (token < 0 || !*json_text(json_get(item, "content"), ""))
            return refuse(reader, "added_tokens", "has an item without 'content' or with an invalid 'id'"),
                   -1;
        if (token > largest) largest = token;
    }
    if (largest < 0) refuse(reader, "model.vocab", "is empty");
    return largest;
}

static bool read_vocabulary(Reader *reader, const Json *vocabulary, int merges) {
    Bpe *bpe = reader->bpe;
    int largest = json_is_object(vocabulary) ? largest_token(reader, vocabulary) : -2;
    if (largest < 0) return largest == -1 ? false : refuse(reader, "model.vocab", "is missing");
    bpe->count = largest + 1;
    bpe->tokens = NEW(reader->arena, bpe->count, BpeToken);
    for (bpe->slots = 1024; bpe->slots < 2 * ((uint64_t)bpe->count + (uint64_t)merges);) bpe->slots *= 2;
    bpe->by_bytes = NEW(reader->arena, bpe->slots, uint32_t);
    const char **added = NEW(reader->scratch, bpe->count, const char *);
    for (const Json *item = json_first(reader->added); item; item = json_next(item))
        added[token_number(json_get(item, "id"))] = json_text(json_get(item, "content"), "");
    for (const Json *item = json_first(vocabulary); item; item = json_next(item)) {
        int token = token_number(item);
        const char *text = json_name(item);
        if (bpe->tokens[token].bytes) return refuse(reader, "model.vocab", "has two tokens with the same id");
        if (added[token] && !strcmp(added[token], text)) continue;
        if (!decode(reader, text, &bpe->tokens[token], reader->arena))
            return refuse(reader, "model.vocab", "has a token with letters that represent no byte");
        *token_slot(bpe, bpe->tokens[token].bytes, (size_t)bpe->tokens[token].size) = (uint32_t)token + 1;
    }
    for (int byte = 0; byte < 256; byte++) {
        unsigned char one = (unsigned char)byte;
        int64_t token = bpe_token(bpe, &one, 1);
        if (token < 0) return refuse(reader, "model.vocab", "lacks tokens for some bytes");
        bpe->bytes[byte] = (uint32_t)token;
    }
    return true;
}

/* "left right", or a list of the two. */
static bool read_merge(Reader *reader, const Json *item, int rank) {
    Bpe *bpe = reader->bpe;
    const char *left = json_text(json_is_array(item) ? json_at(item, 0) : NULL, NULL);
    const char *right = json_text(json_is_array(item) ? json_at(item, 1) : NULL, NULL);
    const char *both = json_text(item, NULL), *space = both ? strchr(both, ' ') : NULL;
    if (space) {
        left = arena_format(reader->scratch, "%.*s", (int)(space - both), both);
        right = space + 1;
    }
    BpeToken a, b;
    if (!left || !right || !decode(reader, left, &a, reader->scratch) ||
        !decode(reader, right, &b, reader->scratch))
        return refuse(reader, "model.merges", "has an item that is not two tokens");
    unsigned char *joined = NEW(reader->scratch, a.size + b.size, unsigned char);
    memcpy(joined, a.bytes, (size_t)a.size);
    memcpy(joined + a.size, b.bytes, (size_t)b.size);
    int64_t first = bpe_token(bpe, a.bytes, (size_t)a.size), second = bpe_token(bpe, b.bytes, (size_t)b.size);
    int64_t result = bpe_token(bpe, joined, (size_t)(a.size + b.size));
    if (first < 0 || second < 0 || result < 0)
        return refuse(reader, "model.merges", "has a token that is not in the vocabulary");
    uint64_t pair = (uint64_t)first << 32 | (uint64_t)second;
    BpeMerge *merge = merge_slot(bpe, pair); /* the last of equal pairs wins */
    *merge = (BpeMerge){pair, rank, (uint32_t)result};
    return true;
}

static bool read_merges(Reader *reader, const Json *merges) {
    Bpe *bpe = reader->bpe;
    bpe->merges = NEW(reader->arena, bpe->slots, BpeMerge);
    for (uint64_t i = 0; i < bpe->slots; i++) bpe->merges[i].rank = -1;
    int rank = 0;
    for (const Json *item = json_first(merges); item; item = json_next(item)) {
        ArenaMark mark = arena_mark(reader->scratch);
        if (!read_merge(reader, item, rank++)) return false;
        arena_release(reader->scratch, mark);
    }
    return true;
}

static bool read_model(Reader *reader, const Json *model) {
    static const char *const unset[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = json_text(json_get(model, "type"), "BPE"); /* old files have no type */
    const Json *merges = json_get(model, "merges");
    if (!json_is_object(model)) return refuse(reader, "model", "is missing, so it is not a tokenizer.json");
    if (strcmp(type, "BPE") != 0)
        return refuse(reader, "model.type", arena_format(reader->scratch, "is %.40s, not BPE", type));
    for (int i = 0; i < COUNT_OF(unset); i++) {
        const Json *value = json_get(model, unset[i]);
        if (!is_null(value) && *json_text(value, "x"))
            return refuse(reader, arena_format(reader->scratch, "model.%s", unset[i]), "is not supported");
    }
    if (json_bool(json_get(model, "byte_fallback")))
        return refuse(reader, "model.byte_fallback", "is not supported");
    if (!json_is_array(merges)) return refuse(reader, "model.merges", "is missing");
    reader->bpe->whole = json_bool(json_get(model, "ignore_merges"));
    return read_vocabulary(reader, json_get(model, "vocab"), json_count(merges)) &&
           read_merges(reader, merges);
}

/* --- added tokens --- */

static int by_size(const void *a, const void *b) {
    const BpeAdded *left = a, *right = b;
    if (left->size != right->size) return left->size > right->size ? -1 : 1;
    return strcmp(left->text, right->text);
}

static bool read_added(Reader *reader) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    Bpe *bpe = reader->bpe;
    bpe->added = NEW(reader->arena, json_count(reader->added), BpeAdded);
    for (const Json *item = json_first(reader->added); item; item = json_next(item)) {
        const char *text = arena_copy(reader->arena, json_text(json_get(item, "content"), ""));
        int token = token_number(json_get(item, "id"));
        for (int i = 0; i < COUNT_OF(flags); i++)
            if (json_bool(json_get(item, flags[i])))
                return refuse(
                    reader, "added_tokens",
                    arena_format(reader->scratch, "has a token with %s, which is not supported", flags[i]));
        if (bpe->tokens[token].bytes)
            return refuse(reader, "added_tokens", "has a token with the id of another token");
        bpe->tokens[token] = (BpeToken){(const unsigned char *)text, (int32_t)strlen(text)};
        bpe->starts[(unsigned char)*text] = true;
        bpe->added[bpe->added_count++] =
            (BpeAdded){text, strlen(text), (uint32_t)token, json_bool(json_get(item, "normalized"))};
    }
    if (bpe->added_count) qsort(bpe->added, (size_t)bpe->added_count, sizeof *bpe->added, by_size);
    return true;
}

/* --- how text is divided --- */

static bool add_step(Reader *reader, const char *expression, bool literal, bool drop_rest, const char *key) {
    Bpe *bpe = reader->bpe;
    const char *why;
    if (bpe->step_count == BPE_MOST_STEPS) return refuse(reader, key, "has too many parts");
    SplitPattern *pattern = split_pattern_new(expression, literal, reader->arena, &why);
    if (!pattern) return refuse(reader, key, arena_format(reader->scratch, "has a pattern that %s", why));
    bpe->steps[bpe->step_count++] = (BpeStep){pattern, drop_rest};
    return true;
}

static bool read_split(Reader *reader, const Json *part) {
    const Json *pattern = json_get(part, "pattern");
    const char *regex = json_text(json_get(pattern, "Regex"), NULL),
               *text = json_text(json_get(pattern, "String"), "");
    const char *behavior = json_text(json_get(part, "behavior"), "");
    bool invert = json_bool(json_get(part, "invert")), removed = !strcmp(behavior, "Removed") && invert;
    if (!removed && (strcmp(behavior, "Isolated") != 0 || invert))
        return refuse(reader, "pre_tokenizer", "splits in a way that is not supported");
    if (!regex && !*text) return refuse(reader, "pre_tokenizer", "has a Split without pattern");
    return add_step(reader, regex ? regex : text, !regex, removed, "pre_tokenizer");
}

static bool read_part(Reader *reader, const Json *part, bool *levelled) {
    const char *type = json_text(json_get(part, "type"), "");
    if (!strcmp(type, "Split")) return read_split(reader, part);
    if (!strcmp(type, "Digits"))
        return add_step(reader, json_bool(json_get(part, "individual_digits")) ? "\\p{N}" : "\\p{N}+", false,
                        false, "pre_tokenizer");
    if (!*type) return refuse(reader, "pre_tokenizer", "is missing or has no type");
    if (strcmp(type, "ByteLevel") != 0)
        return refuse(reader, "pre_tokenizer",
                      arena_format(reader->scratch, "is %.40s, not ByteLevel", type));
    if (json_bool(json_get(part, "add_prefix_space")))
        return refuse(reader, "pre_tokenizer.add_prefix_space", "is not supported");
    *levelled = true;
    const Json *regex = json_get(part, "use_regex");
    return (regex && !json_bool(regex)) || add_step(reader, gpt2, false, false, "pre_tokenizer");
}

static bool read_parts(Reader *reader, const Json *divider) {
    bool levelled = false;
    const Json *list = json_get(divider, "pretokenizers");
    if (strcmp(json_text(json_get(divider, "type"), ""), "Sequence") != 0)
        return read_part(reader, divider, &levelled) &&
               (levelled || refuse(reader, "pre_tokenizer", "has no ByteLevel"));
    for (const Json *part = json_first(list); part; part = json_next(part)) {
        if (levelled) return refuse(reader, "pre_tokenizer", "has a part after ByteLevel");
        if (!read_part(reader, part, &levelled)) return false;
    }
    return levelled || refuse(reader, "pre_tokenizer", "has no ByteLevel");
}

static bool read_normalizer(Reader *reader, const Json *normalizer) {
    if (is_null(normalizer)) return true;
    reader->bpe->nfc = !strcmp(json_text(json_get(normalizer, "type"), ""), "NFC");
    const Json *list = json_get(normalizer, "normalizers"); /* an empty Sequence has no effect */
    return reader->bpe->nfc || (json_is_array(list) && !json_count(list)) ||
           refuse(reader, "normalizer", "is not NFC");
}

bool bpe_read(Bpe *bpe, const Json *json, const char *where, Arena *arena, Arena *scratch, Error *err) {
    Reader reader = {.bpe = bpe, .where = where, .arena = arena, .scratch = scratch, .err = err};
    make_letters(&reader);
    reader.added = json_get(json, "added_tokens");
    if (!is_null(reader.added) && !json_is_array(reader.added))
        return refuse(&reader, "added_tokens", "is not a list");
    return read_model(&reader, json_get(json, "model")) && read_added(&reader) &&
           read_normalizer(&reader, json_get(json, "normalizer")) &&
           read_parts(&reader, json_get(json, "pre_tokenizer"));
}
