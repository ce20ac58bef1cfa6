/* tokenizer: the table of kinds, and the calls that depend on the kind. */
#include "tokenizers/tokenizer.h"

#include <string.h>

#include "base/json_syntax.h"
#include "tokenizers/file_type.h"
#include "tokenizers/internal.h"

const char *const tokenizer_names[] = {"bytes", "uint16", "uint32", "words", "bpe", "task", NULL};

static const OptionField words_fields[] = {
    {"min_count", OPTION_INT, offsetof(TokenizerWords, min_count), .default_value = 1, .low = 1, .high = 1e9,
     .help = "words that occur less often in the training split become <unk>"},
    {"size", OPTION_INT, offsetof(TokenizerWords, size), .low = 5, .high = 1 << 24, .or_zero = true,
     .help = "largest vocabulary, with its 4 special tokens and before padding; 0: no limit"},
    {"multiple", OPTION_INT, offsetof(TokenizerWords, multiple), .default_value = 8, .low = 1, .high = 4096,
     .help = "the vocabulary is padded to a multiple of this number, with words that do not occur"},
};
const OptionSection tokenizer_words_section = {
    "data.words", "The vocabulary of the tokenizer words, from the training split", words_fields,
    COUNT_OF(words_fields), NULL};

static const struct Kind {
    int token_size, vocabulary;
    bool text;
} kinds[] = {
    [TOKENIZER_BYTES] = {1, 256, true}, [TOKENIZER_UINT16] = {2},       [TOKENIZER_UINT32] = {4},
    [TOKENIZER_WORDS] = {1, 0, true},   [TOKENIZER_BPE] = {1, 0, true}, [TOKENIZER_TASK] = {2},
};

int tokenizer_token_size(TokenizerKind kind) {
    return kinds[kind].token_size;
}

bool tokenizer_is_text(TokenizerKind kind) {
    return kinds[kind].text;
}

int tokenizer_fixed_vocabulary(TokenizerKind kind) {
    return kinds[kind].vocabulary;
}

bool tokenizer_finds_vocabulary(const TokenizerOptions *options) {
    return options->kind == TOKENIZER_WORDS || options->vocabulary;
}

Tokenizer *tokenizer_open(const TokenizerOptions *options, const char *source, Arena *arena, Arena *scratch,
                          Error *err) {
    Tokenizer *tokenizer = NEW(arena, 1, Tokenizer);
    *tokenizer = (Tokenizer){.options = *options,
                             .vocabulary = kinds[options->kind].vocabulary,
                             .arena = arena,
                             .scratch = scratch};
    bool fine = options->kind == TOKENIZER_BPE                            ? bpe_open(tokenizer, source, err)
                : options->kind == TOKENIZER_WORDS || options->vocabulary ? words_open(tokenizer, source, err)
                                                                          : true;
    if (fine) return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
}

void tokenizer_close(Tokenizer *tokenizer) {
    if (tokenizer && tokenizer->bpe) bpe_close(tokenizer);
}

bool tokenizer_check_size(TokenizerKind kind, int64_t size, const char *where, Error *err) {
    return kinds[kind].text || integers_check_size(kinds[kind].token_size, size, where, err);
}

/* Text for words and bpe must be UTF-8. */
static bool check_encoding(const TokenizerText *text, const char *where, Error *err) {
    if (json_syntax_check_utf8((const char *)text->content, (size_t)text->content_size, where, err))
        return true;
    Error why = *err;
    return error_set(err, EXIT_USAGE,
                     "%s; convert the file to UTF-8 (iconv), or set 'data.tokenizer' to \"bytes\"", why.text);
}

bool tokenizer_find(Tokenizer *tokenizer, const char *path, const unsigned char *bytes, int64_t size,
                    TokenizerText *text, const char *where, Error *err) {
    TokenizerKind kind = tokenizer->options.kind;
    const char *wrong = kinds[kind].text ? file_type_not_text(bytes, size)
                                         : file_type_not_tokens(bytes, size, kinds[kind].token_size);
    if (wrong) return error_set(err, EXIT_USAGE, "%s %s", where, wrong);
    int64_t mark = kinds[kind].text ? (int64_t)scan_mark(bytes, (size_t)size) : 0;
    *text = (TokenizerText){.content = bytes + mark, .content_size = size - mark};
    if (!kinds[kind].text) return integers_find(tokenizer, path, size, text, where, err);
    return kind == TOKENIZER_BYTES || check_encoding(text, where, err);
}

bool tokenizer_count(Tokenizer *tokenizer, TokenizerText *text, const char *where, Error *err) {
    switch (tokenizer->options.kind) {
    case TOKENIZER_WORDS:
        return words_count(tokenizer, text, where, err);
    case TOKENIZER_BPE:
        return bpe_count(tokenizer, text, where, err);
    case TOKENIZER_BYTES:
        text->count = text->content_size;
        return true;
    default:
        return true;
    }
}

void tokenizer_learn(Tokenizer *tokenizer, const TokenizerText *text, int64_t from, int64_t to) {
    if (tokenizer->options.kind == TOKENIZER_WORDS && !tokenizer->options.vocabulary)
        words_learn(tokenizer, text, from, to);
}

bool tokenizer_complete(Tokenizer *tokenizer, const char *source, Error *err) {
    bool learns = tokenizer->options.kind == TOKENIZER_WORDS && !tokenizer->options.vocabulary;
    return !learns || words_complete(tokenizer, source, err);
}

bool tokenizer_write(const Tokenizer *tokenizer, const TokenizerText *text, int vocabulary, uint32_t *tokens,
                     const char *where, Error *err) {
    switch (tokenizer->options.kind) {
    case TOKENIZER_WORDS:
        words_write(tokenizer, text, tokens);
        return true;
    case TOKENIZER_BPE:
        memcpy(tokens, text->tokens, (size_t)text->count * sizeof *tokens);
        return true;
    default:
        return integers_write(tokenizer, text, vocabulary, tokens, where, err);
    }
}

int64_t tokenizer_offset(const Tokenizer *tokenizer, const TokenizerText *text, int64_t token) {
    if (token >= text->count) return text->content_size;
    switch (tokenizer->options.kind) {
    case TOKENIZER_WORDS:
        return words_offset(text, token);
    case TOKENIZER_BPE:
        return bpe_offset(tokenizer, text, token);
    default:
        return token;
    }
}

int64_t tokenizer_count_words(const TokenizerText *text, int64_t from, int64_t to) {
    return words_between(text, from, to);
}

const char *tokenizer_token_text(const Tokenizer *tokenizer, uint32_t token, int64_t *size) {
    switch (tokenizer->options.kind) {
    case TOKENIZER_BPE:
        return bpe_text(tokenizer, token, size);
    case TOKENIZER_BYTES:
        *size = 1;
        return arena_format(tokenizer->arena, "%c", (int)token);
    default:
        return tokenizer->words ? words_text(tokenizer, token, size) : NULL;
    }
}

int64_t tokenizer_unknown(const Tokenizer *tokenizer) {
    return tokenizer->words ? 3 : -1;
}
