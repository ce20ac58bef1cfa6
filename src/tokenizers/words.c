/* words: divides text into words and builds the vocabulary, as in fairseq.
 *
 * A line ends at \n, \r\n, \r or the end of the document. Its tokens are its words (separated by Unicode
 * whitespace), then </s>. Tokens 0 to 3 are <s>, <pad>, </s> and <unk>. The others are the words of the
 * training split, most frequent first, then by code points, limited by min_count and size, and padded with
 * "madeupword0000" and following names that are not words. A vocabulary from the training split is written as
 * a fairseq dictionary and read back, so one function reads both kinds.
 */
#include "tokenizers/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { END = 2, UNKNOWN = 3, SPECIAL = 4, MOST_TYPES = 1 << 24 };
static const char *const special[SPECIAL] = {"<s>", "<pad>", "</s>", "<unk>"};

typedef struct Word {
    const char *text;
    int64_t size, count;
} Word;

/* A hash table; the index of a word is its token once the vocabulary is complete. */
typedef struct WordTable {
    Word *words;
    int count;
    uint32_t *slots; /* index + 1, 0: free */
    uint64_t slot_count;
} WordTable;

struct Words {
    WordTable known;   /* the vocabulary */
    WordTable counted; /* words of the training split, in the scratch arena; texts are in the documents */
};

/* --- a document as words --- */

/* The size of the whitespace character at p, as in Python's str.split(); 0: none. */
static int space_at(const unsigned char *p, const unsigned char *end) {
    if (*p > ' ' && *p < 0xC2) return 0; /* most bytes */
    if (*p < 0x80) return *p == ' ' || (*p >= 9 && *p <= 13) || (*p >= 28 && *p <= 31);
    if (end - p >= 2 && p[0] == 0xC2) return p[1] == 0x85 || p[1] == 0xA0 ? 2 : 0;
    if (end - p < 3) return 0;
    int low = p[1] << 8 | p[2];
    if (p[0] == 0xE1) return low == 0x9A80 ? 3 : 0;
    if (p[0] == 0xE3) return low == 0x8080 ? 3 : 0;
    if (p[0] != 0xE2) return 0;
    return (low >= 0x8080 && low <= 0x808A) || low == 0x80A8 || low == 0x80A9 || low == 0x80AF ||
                   low == 0x819F
               ? 3
               : 0;
}

typedef struct Cursor {
    const unsigned char *begin, *next, *end;
    bool line;                  /* the line has begun and has not ended */
    const unsigned char *token; /* the start of the token */
    int64_t size;               /* its size in bytes; 0: the end of a line */
} Cursor;

static Cursor cursor_at(const TokenizerText *text) {
    return (Cursor){text->content, text->content, text->content + text->content_size, false, NULL, 0};
}

/* Moves to the next token; false at the end of the document. */
static inline bool next_token(Cursor *c) {
    int space;
    while (c->next < c->end && *c->next != '\n' && *c->next != '\r' && (space = space_at(c->next, c->end))) {
        c->next += space;
        c->line = true;
    }
    c->token = c->next;
    c->size = 0;
    if (c->next == c->end) {
        bool ends = c->line;
        c->line = false;
        return ends;
    }
    if (*c->next == '\n' || *c->next == '\r') {
        bool two = *c->next == '\r' && c->end - c->next > 1 && c->next[1] == '\n';
        c->next += two ? 2 : 1;
        c->line = false;
        return true;
    }
    const unsigned char *p = c->next, *end = c->end;
    while (p < end && !space_at(p, end)) p++;
    c->next = p;
    c->size = p - c->token;
    return c->line = true;
}

bool words_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err) {
    (void)tokenizer, (void)where, (void)err;
    text->count = 0;
    for (Cursor c = cursor_at(text); next_token(&c);) text->count++;
    return true;
}

int64_t words_offset(const TokenizerText *text, int64_t token) {
    Cursor c = cursor_at(text);
    for (int64_t i = 0; next_token(&c); i++)
        if (i == token) return c.token - c.begin;
    return text->content_size;
}

int64_t words_between(const TokenizerText *text, int64_t from, int64_t to) {
    int64_t count = 0;
    for (Cursor c = cursor_at(text); next_token(&c);) {
        int64_t offset = c.token - c.begin;
        /* the end of the last line is at the end of the content */
        count += offset >= from && (offset < to || (to == text->content_size && offset == to));
    }
    return count;
}

/* --- the table --- */

/* The slot of a word, or the free slot where it belongs. */
static uint32_t *slot_of(const WordTable *table, const char *text, int64_t size) {
    uint64_t slot = random_hash(text, (size_t)size) & (table->slot_count - 1);
    for (; table->slots[slot]; slot = (slot + 1) & (table->slot_count - 1)) {
        const Word *word = &table->words[table->slots[slot] - 1];
        if (word->size == size && !memcmp(word->text, text, (size_t)size)) break;
    }
    return &table->slots[slot];
}

/* The index of a word; a new word is added. */
static int add(WordTable *table, const char *text, int64_t size, Arena *arena) {
    if (2 * (uint64_t)table->count >= table->slot_count) {
        table->slot_count = table->slot_count ? 4 * table->slot_count : 1024;
        table->slots = NEW(arena, table->slot_count, uint32_t);
        for (int i = 0; i < table->count; i++)
            *slot_of(table, table->words[i].text, table->words[i].size) = (uint32_t)i + 1;
    }
    uint32_t *slot = slot_of(table, text, size);
    if (*slot) return (int)*slot - 1;
    *slot = (uint32_t)table->count + 1;
    *ARENA_PUSH(arena, table->words, table->count) = (Word){text, size, 0};
    return table->count - 1;
}

static void add_special(WordTable *table, Arena *arena) {
    for (int i = 0; i < SPECIAL; i++) add(table, special[i], (int64_t)strlen(special[i]), arena);
}

/* --- the vocabulary --- */

/* Parses a line "WORD COUNT"; false if it has another form. */
static bool read_line(const char *line, int64_t size, Word *word) {
    while (size && strchr(" \t\r", line[size - 1])) size--;
    int64_t space = size;
    while (space && line[space - 1] != ' ') space--;
    if (space < 2 || space == size || size - space > 15) return false;
    *word = (Word){line, space - 1, 0};
    for (int64_t i = space; i < size; i++) {
        if (line[i] < '0' || line[i] > '9') return false;
        word->count = 10 * word->count + (line[i] - '0');
    }
    return true;
}

/* Reads a fairseq dictionary; the table refers to its text. `name` begins errors. */
static bool read_dictionary(Tokenizer *tokenizer, const char *text, size_t size, const char *name,
                            Error *err) {
    WordTable *known = &tokenizer->words->known;
    add_special(known, tokenizer->arena);
    int line = 1;
    for (const char *at = text, *end = text + size; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        Word word;
        if (!read_line(at, stop - at, &word))
            return error_set(err, EXIT_USAGE,
                             "%s: line %d is not of the form WORD COUNT; name a dictionary of fairseq "
                             "(dict.txt)",
                             name, line);
        int before = known->count, token = add(known, word.text, word.size, tokenizer->arena);
        if (token < before)
            return error_set(err, EXIT_USAGE, "%s: line %d repeats the word of token %d; remove it", name,
                             line, token);
        if (known->count > MOST_TYPES)
            return error_set(err, EXIT_USAGE, "%s has more than %d words; name a smaller one", name,
                             MOST_TYPES);
        known->words[token].count = word.count;
        at = stop + 1;
    }
    tokenizer->vocabulary = known->count;
    return known->count > SPECIAL ||
           error_set(err, EXIT_USAGE, "%s has no words; name a dictionary of fairseq (dict.txt)", name);
}

bool words_open(Tokenizer *tokenizer, const char *source, Error *err) {
    tokenizer->words = NEW(tokenizer->arena, 1, struct Words);
    add_special(&tokenizer->words->counted, tokenizer->scratch);
    if (!tokenizer->options.vocabulary) return true;
    size_t size;
    const char *text = vocabulary_file_read(tokenizer, &size, source, err);
    if (!text) return false;
    tokenizer->dictionary = arena_copy(tokenizer->arena, text);
    const char *name = arena_format(tokenizer->scratch, "%s: 'data.vocabulary': '%s'", source,
                                    tokenizer->options.vocabulary);
    if (strlen(text) != size)
        return error_set(err, EXIT_USAGE, "%s has zero bytes; name a dictionary of fairseq (dict.txt)", name);
    return read_dictionary(tokenizer, tokenizer->dictionary, size, name, err);
}

void words_learn(Tokenizer *tokenizer, const TokenizerText *text, int64_t from, int64_t to) {
    WordTable *counted = &tokenizer->words->counted;
    Cursor c = cursor_at(text);
    for (int64_t i = 0; i < to && next_token(&c); i++) {
        if (i < from || !c.size) continue;
        int word = add(counted, (const char *)c.token, c.size, tokenizer->scratch); /* may move the words */
        counted->words[word].count++;
    }
}

static int by_count(const void *a, const void *b) {
    const Word *left = a, *right = b;
    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    int order =
        memcmp(left->text, right->text, (size_t)(left->size < right->size ? left->size : right->size));
    return order ? order : left->size < right->size ? -1 : left->size > right->size;
}

static bool is_kept(const Word *words, int64_t count, const char *name) {
    size_t size = strlen(name);
    for (int64_t i = 0; i < count; i++)
        if ((size_t)words[i].size == size && !memcmp(words[i].text, name, size)) return true;
    return false;
}

bool words_complete(Tokenizer *tokenizer, const char *source, Error *err) {
    const TokenizerWords *options = &tokenizer->options.words;
    Word *words = tokenizer->words->counted.words + SPECIAL;
    int64_t count = tokenizer->words->counted.count - SPECIAL, bytes = 1;
    if (count) qsort(words, (size_t)count, sizeof *words, by_count);
    if (options->size && count > options->size - SPECIAL) count = options->size - SPECIAL;
    while (count && words[count - 1].count < options->min_count) count--;
    if (!count)
        return error_set(
            err, EXIT_USAGE,
            "%s: 'data.words' leaves no word of the training split; lower 'data.words.min_count'", source);
    int64_t padding = (options->multiple - (count + SPECIAL) % options->multiple) % options->multiple;
    for (int64_t i = 0; i < count; i++) bytes += words[i].size + 24;
    size_t room = (size_t)(bytes + 32 * padding);
    char *text = NEW(tokenizer->arena, room, char);
    FILE *out = fmemopen(text, room, "w");
    if (!out) return error_system(err, "%s: cannot make the vocabulary", source);
    for (int64_t i = 0; i < count; i++)
        fprintf(out, "%.*s %lld\n", (int)words[i].size, words[i].text, (long long)words[i].count);
    for (int64_t i = 0; padding > 0; i++) {
        const char *name = arena_format(tokenizer->scratch, "madeupword%04lld", (long long)i);
        if (is_kept(words, count, name)) continue;
        fprintf(out, "%s 0\n", name);
        padding--;
    }
    fclose(out);
    tokenizer->dictionary = text;
    sha256_hex(text, strlen(text), tokenizer->hash);
    return read_dictionary(tokenizer, text, strlen(text),
                           arena_format(tokenizer->scratch, "%s: corpus", source), err);
}

void words_write(const Tokenizer *tokenizer, const TokenizerText *text, uint32_t *tokens) {
    const WordTable *known = &tokenizer->words->known;
    Cursor c = cursor_at(text);
    for (int64_t i = 0; i < text->count && next_token(&c); i++) {
        uint32_t slot = c.size ? *slot_of(known, (const char *)c.token, c.size) : END + 1;
        tokens[i] = slot ? slot - 1 : UNKNOWN;
    }
}

const char *words_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size) {
    const WordTable *known = &tokenizer->words->known;
    if (token >= (uint32_t)known->count) return NULL;
    *size = known->words[token].size;
    return known->words[token].text;
}
