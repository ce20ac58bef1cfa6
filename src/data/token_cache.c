/* token_cache: a file has the magic, the number of tokens of each document (int64), the tokens (uint32), and
   the SHA-256 of all that as text. */
#include "data/token_cache.h"

#include <string.h>

#include "sys/atomic_file.h"
#include "sys/memory.h"

#define FOLDER "data/tokenized"
static const char magic[16] = "poslab tokens 1";

static const char *path_of(const Documents *documents, const Tokenizer *tokenizer) {
    char name[SHA256_HEX_SIZE];
    Sha256 *hash = sha256_new();
    sha256_update(hash, magic, sizeof magic);
    sha256_update(hash, tokenizer->hash, sizeof tokenizer->hash);
    for (int i = 0; i < documents->count; i++)
        sha256_update(hash, documents->items[i].order, sizeof documents->items[i].order);
    sha256_finish(hash, name);
    return arena_format(documents->scratch, FOLDER "/%s.tokens", name);
}

/* Whether the bytes are a complete file for these documents. */
static bool is_valid(const Documents *documents, const Tokenizer *tokenizer, const char *bytes, size_t size) {
    size_t head = sizeof magic + (size_t)documents->count * sizeof(int64_t), tail = SHA256_HEX_SIZE;
    char digest[SHA256_HEX_SIZE];
    int64_t total = 0, count;
    if (size < head + tail || memcmp(bytes, magic, sizeof magic) != 0) return false;
    for (int i = 0; i < documents->count; i++) {
        memcpy(&count, bytes + sizeof magic + (size_t)i * sizeof count, sizeof count);
        if (count < 0 || count > (int64_t)size) return false;
        total += count;
    }
    if (size != head + (size_t)total * sizeof(uint32_t) + tail) return false;
    sha256_hex(bytes, size - tail, digest);
    if (memcmp(digest, bytes + size - tail, tail) != 0) return false;
    for (size_t i = head; i < size - tail; i += sizeof(uint32_t)) {
        uint32_t token;
        memcpy(&token, bytes + i, sizeof token);
        if (token >= (uint32_t)tokenizer->vocabulary) return false;
    }
    return true;
}

static bool read_file(Documents *documents, const Tokenizer *tokenizer, const char *path) {
    size_t size, most = (size_t)memory_usable(1) / 2;
    const char *bytes = file_read(path, most, &size, documents->scratch);
    if (!bytes || size > most || !is_valid(documents, tokenizer, bytes, size)) return false;
    const char *counts = bytes + sizeof magic, *tokens = counts + (size_t)documents->count * sizeof(int64_t);
    for (int i = 0; i < documents->count; i++) {
        TokenizerText *text = &documents->items[i].text;
        memcpy(&text->count, counts + (size_t)i * sizeof text->count, sizeof text->count);
        text->tokens = (const uint32_t *)(const void *)tokens; /* aligned, since earlier parts are */
        tokens += (size_t)text->count * sizeof *text->tokens;
    }
    return true;
}

static void put(FILE *out, Sha256 *hash, const void *bytes, size_t size) {
    if (size) fwrite(bytes, 1, size, out);
    sha256_update(hash, bytes, size);
}

static void write_file(const Documents *documents, const char *path) {
    Error ignored;
    AtomicFile file;
    char digest[SHA256_HEX_SIZE];
    FILE *out = atomic_file_make_folder(FOLDER, &ignored)
                    ? atomic_file_begin(&file, path, documents->scratch, &ignored)
                    : NULL;
    if (!out) return;
    Sha256 *hash = sha256_new();
    put(out, hash, magic, sizeof magic);
    for (int i = 0; i < documents->count; i++)
        put(out, hash, &documents->items[i].text.count, sizeof documents->items[i].text.count);
    for (int i = 0; i < documents->count; i++) {
        const TokenizerText *text = &documents->items[i].text;
        put(out, hash, text->tokens, (size_t)text->count * sizeof *text->tokens);
    }
    sha256_finish(hash, digest);
    fwrite(digest, 1, sizeof digest, out);
    atomic_file_end(&file, true, &ignored);
}

bool token_cache_tokenize(Documents *documents, Tokenizer *tokenizer) {
    bool slow = tokenizer->options.kind == TOKENIZER_BPE;
    const char *path = slow ? path_of(documents, tokenizer) : NULL;
    if (slow && read_file(documents, tokenizer, path)) return true;
    for (int i = 0; i < documents->count; i++) {
        Document *document = &documents->items[i];
        const char *where = documents_where(documents, document);
        if (!tokenizer_count(tokenizer, &document->text, where, documents->err)) return false;
    }
    if (slow) write_file(documents, path);
    return true;
}
