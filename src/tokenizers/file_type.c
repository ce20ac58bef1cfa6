#include "tokenizers/file_type.h"

#include <string.h>

#include "base/json_syntax.h"

enum {
    LEAST = 32,
    LEAST_TEXT = 64,
    LEAST_BYTES = 128,
    LONG_TEXT = 4096
}; /* minimum sizes, in bytes, to which the patterns are applied */

#define CONVERT(what)    "is " what "; write its text or tokens to a plain file"
#define COMPRESSED(what) "is compressed (" what "); decompress it first"
#define TOKENS_16                                                                                            \
    "write them as unsigned 16-bit integers, for example with numpy's x.astype('uint16').tofile(NAME)"
#define LLMC_16    "has llm.c's header of 16-bit tokens; set 'data.tokenizer' to \"uint16\""
#define LLMC_32    "has llm.c's header of tokens of 32 bits (Llama 3); set 'data.tokenizer' to \"uint32\""
#define LLMC_OTHER "is a file of llm.c that is not tokens; name a file of tokens"

static const struct Format {
    int offset, size;
    const char *magic, *what;
} formats[] = {
#define FORMAT(offset, magic, what)                                                                          \
    { offset, sizeof(magic) - 1, magic, what }
    FORMAT(0, "\x93NUMPY", "is a NumPy array (.npy); if it holds tokens, " TOKENS_16),
    FORMAT(0, "PK\3\4", "is a zip archive (.zip, .npz, .pt); unpack it, and if it holds tokens, " TOKENS_16),
    FORMAT(0, "\x1f\x8b\x08", COMPRESSED("gzip")),
    FORMAT(0, "\x28\xb5\x2f\xfd", COMPRESSED("zstd")),
    FORMAT(0,
           "\xfd"
           "7zXZ\0",
           COMPRESSED("xz")),
    FORMAT(0, "\x04\x22\x4d\x18", COMPRESSED("lz4")),
    FORMAT(4, "1AY&SY", COMPRESSED("bzip2")),
    FORMAT(0, "7z\xbc\xaf\x27\x1c", CONVERT("a 7z archive")),
    FORMAT(257, "ustar", CONVERT("a tar archive")),
    FORMAT(0, "PAR1", CONVERT("a Parquet file")),
    FORMAT(0, "ARROW1\0\0", CONVERT("an Arrow file")),
    FORMAT(0, "\x89HDF\r\n\x1a\n", CONVERT("an HDF5 file")),
    FORMAT(0, "\x80\x04\x95", CONVERT("a Python pickle")),
    FORMAT(0, "\x80\x05\x95", CONVERT("a Python pickle")),
    FORMAT(0, "SQLite format 3", CONVERT("an SQLite database")),
    FORMAT(0, "%PDF-", CONVERT("a PDF document")),
    FORMAT(0, "MMIDIDX\0", "is an index of fairseq or Megatron; name the .bin file that belongs to it"),
#undef FORMAT
};

static const struct Magic {
    int32_t magic;
    const char *what;
} magics[] = {
    {20240522, LLMC_OTHER}, {20240326, LLMC_OTHER}, {20240327, LLMC_OTHER},
    {20240328, LLMC_OTHER}, {20240527, LLMC_OTHER},
};

static int32_t first_int(const unsigned char *bytes, int64_t size) {
    int32_t first = 0;
    if (size >= (int64_t)sizeof first) memcpy(&first, bytes, sizeof first);
    return first;
}

static const char *known_format(const unsigned char *bytes, int64_t size) {
    for (int i = 0; i < COUNT_OF(formats); i++) {
        const struct Format *format = &formats[i];
        if (size >= format->offset + format->size &&
            memcmp(bytes + format->offset, format->magic, (size_t)format->size) == 0)
            return format->what;
    }
    for (int i = 0; i < COUNT_OF(magics); i++)
        if (first_int(bytes, size) == magics[i].magic) return magics[i].what;
    return NULL;
}

/* ---- text ---- */

/* UTF-16, UTF-32 and arrays of integers have zeros at the same offsets in every group of 8 bytes: nearly
   always if the characters or integers are small, and in a long file much more often than at other
   offsets. */
static bool has_zeros_of_integers(const unsigned char *bytes, int64_t size) {
    int64_t first = 0, last = 0, groups = size / 8;
    for (int64_t i = 0; i < groups; i++) {
        first += bytes[8 * i] == 0;
        last += bytes[8 * i + 7] == 0;
    }
    int64_t most = first > last ? first : last, least = first + last - most;
    return (size >= LEAST && 4 * most > 3 * groups && 4 * least < groups) ||
           (size >= LONG_TEXT && 50 * most > groups && most > 8 * least);
}

const char *file_type_not_text(const unsigned char *bytes, int64_t size) {
    const char *encoding = scan_encoding(bytes, (size_t)size);
    if (encoding)
        return strcmp(encoding, "UTF-32") == 0 ? "is UTF-32 text; convert it to UTF-8"
                                               : "is UTF-16 text; convert it to UTF-8";
    if (first_int(bytes, size) == LLMC_MAGIC) return LLMC_16;
    if (first_int(bytes, size) == LLMC_MAGIC_32) return LLMC_32;
    const char *format = known_format(bytes, size);
    if (format || !has_zeros_of_integers(bytes, size)) return format;
    return "has zero bytes at regular intervals, like UTF-16 text or integers; convert text to UTF-8; for "
           "16-bit tokens set 'data.tokenizer' to \"uint16\"";
}

/* ---- tokens ---- */

static bool is_control(int byte) {
    return byte < 0x20 && !(byte >= '\t' && byte <= '\r');
}

static const char *text_as_tokens(const unsigned char *bytes, int64_t size) {
    int highest = 0, odd_highest = 0;
    bool control = false;
    for (int64_t i = 0; i < size; i++) {
        control |= is_control(bytes[i]);
        if (bytes[i] > highest) highest = bytes[i];
        if (i % 2 && bytes[i] > odd_highest) odd_highest = bytes[i];
    }
    Error ignored;
    bool text =
        !control &&
        ((size >= LEAST_TEXT && json_syntax_check_utf8((const char *)bytes, (size_t)size, "", &ignored)) ||
         size >= LONG_TEXT);
    if (text) return "is text; set 'data.tokenizer' to \"bytes\"";
    if (size >= LEAST_BYTES && highest < 128 && odd_highest > 0)
        return "has no byte above 127, like values of 8 bits; " TOKENS_16;
    return NULL;
}

/* Integers of 32 and 64 bits, in either byte order, read as 16-bit values: every second one is 0 (or small,
   if numbers exceed 65535). */
static const char *integers_as_tokens(const unsigned char *bytes, int64_t size) {
    int most[2][4] = {{0}}; /* [byte order][index in a group of 4 values] */
    for (int64_t i = 0; i + 1 < size; i += 2) {
        int little = bytes[i] | bytes[i + 1] << 8, big = bytes[i + 1] | bytes[i] << 8;
        int *source = &most[0][i / 2 % 4];
        if (little > *source) *source = little;
        source = &most[1][i / 2 % 4];
        if (big > *source) *source = big;
    }
    if (size < LEAST || size % 4) return NULL;
    for (int order = 0; order < 2; order++) {
        const int *source = most[order];
        int high = order ? 0 : 1, low = 1 - high; /* the halves of an integer of 32 bits */
        int highest = source[high] > source[high + 2] ? source[high] : source[high + 2];
        int lowest = source[low] > source[low + 2] ? source[low] : source[low + 2];
        bool zeros = highest == 0 && lowest > 0, small = highest > 0 && highest < 4 && lowest >= 4096;
        if (!zeros && !small) continue;
        if (size % 8 == 0 && (order ? source[0] + source[1] == 0 : source[2] + source[3] == 0))
            return "looks like integers of 64 bits; " TOKENS_16;
        return "looks like integers of 32 bits (every second 16-bit value is 0 or small); set "
               "'data.tokenizer' to \"uint32\", or " TOKENS_16;
    }
    return NULL;
}

/* Tokens stored as floating-point numbers. In 32 bits, the upper half is below 0x4780 (65536.0) and the last
   byte is 0; in 64 bits, the last two of four 16-bit values are 0. */
static const char *reals_as_tokens(const unsigned char *bytes, int64_t size) {
    bool single = size >= LEAST && size % 4 == 0, wide = size >= LEAST && size % 8 == 0, any = false;
    for (int64_t i = 0; i + 1 < size && (single || wide); i += 2) {
        int word = bytes[i] | bytes[i + 1] << 8, source = (int)(i / 2 % 4);
        any |= word > 0;
        single &= source % 2 ? word == 0 || (word >= 0x3F80 && word < 0x4780) : word % 256 == 0;
        wide &= source < 2 ? word == 0 : source == 2 || word == 0 || (word >= 0x3FF0 && word < 0x40F0);
    }
    return any && (single || wide) ? "looks like floating-point numbers; " TOKENS_16 : NULL;
}

/* Integers of 64 bits read as 32-bit tokens: every second one is 0. */
static const char *integers_as_wide_tokens(const unsigned char *bytes, int64_t size) {
    bool zeros = size >= LEAST && size % 8 == 0, any = false;
    for (int64_t i = 0; i + 8 <= size && zeros; i += 8) {
        int64_t number;
        memcpy(&number, bytes + i, sizeof number);
        zeros = number >= 0 && number <= UINT32_MAX;
        any |= number > 0;
    }
    return zeros && any
               ? "looks like integers of 64 bits; write them as unsigned 32-bit integers, for example with "
                 "numpy's x.astype('uint32').tofile(NAME)"
               : NULL;
}

const char *file_type_not_tokens(const unsigned char *bytes, int64_t size, int token_size) {
    int32_t first = first_int(bytes, size);
    if (first == LLMC_MAGIC || first == LLMC_MAGIC_32) /* tokenizers/integers.c checks the header */
        return (first == LLMC_MAGIC) == (token_size == 2) ? NULL : token_size == 2 ? LLMC_32 : LLMC_16;
    const char *what = known_format(bytes, size);
    if (!what && token_size == 4) return integers_as_wide_tokens(bytes, size);
    if (!what) what = text_as_tokens(bytes, size);
    if (!what) what = reals_as_tokens(bytes, size);
    return what ? what : integers_as_tokens(bytes, size);
}
