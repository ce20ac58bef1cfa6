/* tokenizers: one table row per tokenizer. Only `uint16` files can have a header. */
#include "data/tokenizers.h"

#include <string.h>

#include "base/json_syntax.h"
#include "data/file_type.h"

static const struct Tokenizer {
    int token_size, vocabulary;
    double bytes_per_token;
    const char *(*wrong)(const unsigned char *bytes,
                         int64_t size); /* from data/file_type.h: what is wrong with a file; NULL: nothing */
} tokenizers[] = {
    [TOKENIZER_BYTES] = {1, 256, 1, file_type_not_text},
    [TOKENIZER_UINT16] = {2, 0, 0, file_type_not_tokens},
    [TOKENIZER_UINT32] = {2, 0, 0, file_type_not_tokens}, /* plans only: no file is read */
    [TOKENIZER_TASK] = {2, 0, 0, file_type_not_tokens},   /* no file is read */
};

int tokenizers_token_size(CorpusTokenizer tokenizer) {
    return tokenizers[tokenizer].token_size;
}

int tokenizers_vocabulary(CorpusTokenizer tokenizer) {
    return tokenizers[tokenizer].vocabulary;
}

double tokenizers_bytes_per_token(CorpusTokenizer tokenizer) {
    return tokenizers[tokenizer].bytes_per_token;
}

bool tokenizers_check_size(CorpusTokenizer tokenizer, int64_t size, const char *where, Error *err) {
    return size % tokenizers[tokenizer].token_size == 0 ||
           error_set(err, EXIT_USAGE,
                     "%s has an odd size (%lld bytes), so it is not a stream of 16-bit tokens; for text set "
                     "'data.tokenizer' to \"bytes\"",
                     where, (long long)size);
}

/* Skips the header that llm.c writes before its tokens, recognised by its magic number. */
static bool skip_header(TokenizerFile *file, int64_t size, const char *where, Error *err) {
    int32_t header[3];
    if (size < (int64_t)sizeof header) return true;
    memcpy(header, file->tokens, sizeof header);
    if (header[0] != LLMC_MAGIC) return true;
    int64_t rest = size - LLMC_INTS * (int64_t)sizeof(int32_t);
    if (header[1] != LLMC_VERSION)
        return error_set(err, EXIT_USAGE, "%s: its llm.c header has version %d; only version %d is supported",
                         where, (int)header[1], LLMC_VERSION);
    if (header[2] <= 0 || rest != 2 * (int64_t)header[2])
        return error_set(
            err, EXIT_USAGE,
            "%s: its llm.c header announces %d tokens, but %lld bytes follow; the file is damaged, "
            "create it again",
            where, (int)header[2], (long long)(rest < 0 ? 0 : rest));
    file->tokens += LLMC_INTS * sizeof(int32_t);
    file->count = header[2];
    return true;
}

bool tokenizers_find(CorpusTokenizer tokenizer, const unsigned char *bytes, int64_t size, TokenizerFile *file,
                     const char *where, Error *err) {
    bool text = tokenizer == TOKENIZER_BYTES;
    const char *wrong = tokenizers[tokenizer].wrong(bytes, size);
    if (wrong) return error_set(err, EXIT_USAGE, "%s %s", where, wrong);
    int64_t mark = text ? (int64_t)scan_mark(bytes, (size_t)size) : 0;
    *file = (TokenizerFile){.content = bytes + mark, .content_size = size - mark, .tokens = bytes + mark};
    file->count = file->content_size / tokenizers[tokenizer].token_size;
    return text || skip_header(file, size, where, err);
}

bool tokenizers_read(CorpusTokenizer tokenizer, const unsigned char *bytes, int64_t count, int vocabulary,
                     uint32_t *tokens, const char *where, Error *err) {
    int size = tokenizers[tokenizer].token_size;
    for (int64_t i = 0; i < count; i++, bytes += size) {
        int token = size == 1 ? bytes[0] : bytes[0] | bytes[1] << 8;
        if (token >= vocabulary)
            return error_set(
                err, EXIT_USAGE,
                "%s: token %lld is %d, outside the vocabulary of %d; raise 'model.vocabulary' or "
                "check 'data.tokenizer'",
                where, (long long)i, token, vocabulary);
        tokens[i] = (uint32_t)token;
    }
    return true;
}
