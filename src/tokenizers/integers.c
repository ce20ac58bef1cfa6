/* integers: files of tokens as little-endian numbers of 16 or 32 bits. */
#include "tokenizers/internal.h"

#include <string.h>
#include <sys/stat.h>

#include "sys/atomic_file.h"
#include "tokenizers/file_type.h"

/* The size of a token in bytes; 1: tokens are bytes. */
static int size_of(const Tokenizer *tokenizer) {
    TokenizerKind kind = tokenizer->options.kind;
    return kind == TOKENIZER_UINT32 ? 4 : kind == TOKENIZER_UINT16 ? 2 : 1;
}

bool integers_check_size(int token_size, int64_t size, const char *where, Error *err) {
    return size % token_size == 0 ||
           error_set(err, EXIT_USAGE,
                     "%s has %s (%lld bytes), so it is not a stream of %d-bit tokens; for text set "
                     "'data.tokenizer' to \"bytes\"",
                     where, size % 2 ? "an odd size" : "a size that is not a multiple of 4", (long long)size,
                     8 * token_size);
}

/* --- llm.c: a header of 256 int32 --- */

static bool skip_header(TokenizerText *text, int token_size, const char *where, Error *err) {
    const int magic = token_size == 2 ? LLMC_MAGIC : LLMC_MAGIC_32;
    const int version = token_size == 2 ? LLMC_VERSION : LLMC_VERSION_32;
    int32_t header[3];
    if (text->content_size < (int64_t)sizeof header) return true;
    memcpy(header, text->numbers, sizeof header);
    if (header[0] != magic) return true;
    int64_t rest = text->content_size - LLMC_INTS * (int64_t)sizeof(int32_t);
    if (header[1] != version)
        return error_set(err, EXIT_USAGE, "%s: its llm.c header has version %d; only version %d is supported",
                         where, (int)header[1], version);
    if (header[2] <= 0 || rest != token_size * (int64_t)header[2])
        return error_set(
            err, EXIT_USAGE,
            "%s: its llm.c header announces %d tokens, but %lld bytes follow; the file is damaged, "
            "create it again",
            where, (int)header[2], (long long)(rest < 0 ? 0 : rest));
    text->numbers += LLMC_INTS * sizeof(int32_t);
    text->count = header[2];
    return true;
}

/* --- fairseq: NAME.idx and NAME.bin --- */

enum { INDEX_HEADER = 26 }; /* magic 9, version 8, type 1, count 8 */

static int64_t number_at(const char *bytes, int size) {
    int64_t number = 0;
    memcpy(&number, bytes, (size_t)size);
    return number;
}

/* Checks the type and the number of tokens in the index. The sizes of documents (int32) follow its header; in
   Megatron's format a further count is between. */
static bool check_index(const char *index, const char *bytes, int64_t size, const TokenizerText *text,
                        int token_size, const char *where, Error *err) {
    static const int sizes[] = {0, 1, 1, 2, 4, 8, 0, 0, 2, 4, 8}; /* by type; 0: not an integer */
    if (size >= 8 && !memcmp(bytes, "TNTIDX\0\0", 8))
        return error_set(err, EXIT_USAGE,
                         "%s: its index '%s' is of fairseq's older format, whose tokens are shifted by one; "
                         "preprocess again with --dataset-impl mmap",
                         where, index);
    if (size < INDEX_HEADER || memcmp(bytes, "MMIDIDX\0\0", 9) != 0 || number_at(bytes + 9, 8) != 1)
        return error_set(err, EXIT_USAGE,
                         "%s: '%s' is not a fairseq index; rename it, or create both files again", where,
                         index);
    int type = (unsigned char)bytes[17];
    int64_t count = number_at(bytes + 18, 8), found = type < COUNT_OF(sizes) ? sizes[type] : 0;
    if (found != token_size)
        return error_set(err, EXIT_USAGE, "%s: its index '%s' announces %lld-bit tokens, not %d; %s", where,
                         index, (long long)(8 * found), 8 * token_size,
                         found == 2   ? "set 'data.tokenizer' to \"uint16\""
                         : found == 4 ? "set 'data.tokenizer' to \"uint32\""
                                      : "preprocess again with a type of 16 or 32 bits");
    for (int from = INDEX_HEADER; from <= INDEX_HEADER + 8; from += 8) {
        int64_t sum = 0;
        if (count < 0 || count > (size - from) / 4) continue;
        for (int64_t i = 0; i < count; i++) sum += (uint32_t)number_at(bytes + from + 4 * i, 4);
        if (sum == text->count) return true;
    }
    return error_set(
        err, EXIT_USAGE,
        "%s has %lld tokens, but its index '%s' announces another number; create both files again", where,
        (long long)text->count, index);
}

bool integers_find(const Tokenizer *tokenizer, const char *path, int64_t size, TokenizerText *text,
                   const char *where, Error *err) {
    int token_size = size_of(tokenizer);
    size_t stem = strlen(path) > 4 ? strlen(path) - 4 : 0;
    text->numbers = text->content;
    text->count = size / token_size;
    if (!skip_header(text, token_size, where, err)) return false;
    if (strcmp(path + stem, ".bin") != 0) return true;
    const char *index = arena_format(tokenizer->scratch, "%.*s.idx", (int)stem, path);
    struct stat status;
    if (stat(index, &status) != 0 || !S_ISREG(status.st_mode)) return true;
    size_t length;
    const char *bytes = file_read(index, (size_t)1 << 32, &length, tokenizer->scratch);
    if (!bytes) return error_system(err, "%s: cannot read '%s'", where, index);
    return check_index(index, bytes, (int64_t)length, text, token_size, where, err);
}

/* Copies numbers of `size` bytes, a constant, until one is outside the vocabulary; returns how many. */
static inline __attribute__((always_inline)) int64_t copy(uint32_t *tokens, const unsigned char *at, int size,
                                                          int64_t count, uint32_t vocabulary) {
    for (int64_t i = 0; i < count; i++, at += size) {
        uint32_t token = 0;
        memcpy(&token, at, (size_t)size);
        tokens[i] = token;
        if (token >= vocabulary) return i;
    }
    return count;
}

bool integers_write(const Tokenizer *tokenizer, const TokenizerText *text, int vocabulary, uint32_t *tokens,
                    const char *where, Error *err) {
    int size = size_of(tokenizer);
    const unsigned char *at = size == 1 ? text->content : text->numbers;
    const char *given = tokenizer->options.vocabulary;
    uint32_t below = (uint32_t)vocabulary;
    int64_t count = text->count, done = size == 1   ? copy(tokens, at, 1, count, below)
                                        : size == 2 ? copy(tokens, at, 2, count, below)
                                                    : copy(tokens, at, 4, count, below);
    if (done == count) return true;
    if (given)
        return error_set(
            err, EXIT_USAGE,
            "%s: token %lld is %u, outside the vocabulary of %d of '%s'; name the dictionary that "
            "belongs to the file in 'data.vocabulary'",
            where, (long long)done, tokens[done], vocabulary, given);
    return error_set(err, EXIT_USAGE,
                     "%s: token %lld is %u, outside the vocabulary of %d; raise 'model.vocabulary' or "
                     "check 'data.tokenizer'",
                     where, (long long)done, tokens[done], vocabulary);
}
