/* data: documents found, read, ordered, joined and cut.
 *
 * A list of files is read in five steps: patterns become paths (sorted, each path once), paths become
 * documents (raw bytes in a scratch arena, so that each file is read exactly once), documents are ordered by
 * their hash, joined as 16-bit tokens, and cut into splits. The three lists stand one behind the other in one
 * array of tokens; a split is a range of it.
 *
 * Corpus hash, exactly: for train, valid, test: the split's token count; then for each part of a document in
 * it, in order, the part's token count and its tokens. Counts are int64, tokens uint16, all little-endian.
 */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tokens are hashed as they lie in memory");

enum { SOME_DOCUMENTS = 64 };                                            /* room at first */
enum { HEADER_INTS = 256, HEADER_MAGIC = 20240520, HEADER_VERSION = 1 }; /* llm.c, dev/data/data_common.py */

const char *const split_names[] = {"train", "valid", "test", NULL};
static const char *const list_keys[SPLIT_COUNT] = {"data.files", "data.valid_files", "data.test_files"};
static const char *const tokenizers[] = {"bytes", "uint16", "uint32", NULL};

const Field data_fields[] = {
    {"tokenizer", FIELD_CHOICE, offsetof(DataOptions, tokenizer), .standard = TOKENIZER_BYTES,
     .choices = tokenizers,
     .help = "bytes, or little-endian tokens of 16 bits (nanoGPT, llm.c); 32: plans only"},
};
const int data_field_count = COUNT_OF(data_fields);

const Field split_fields[] = {
    {"valid", FIELD_REAL, offsetof(DataOptions, valid), .standard = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for validation, before the test share"},
    {"test", FIELD_REAL, offsetof(DataOptions, test), .standard = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for the test split, at its end"},
};
const int split_field_count = COUNT_OF(split_fields);

typedef struct Document {
    const char *path;
    Split list;            /* the list that names it */
    char order[HASH_TEXT]; /* SHA-256 of base name, 0 and content */
    const unsigned char *tokens;
    int64_t start, count; /* place among all tokens */
} Document;

typedef struct Reader {
    const DataOptions *options;
    int vocabulary;
    const char *place;
    Arena *scratch;
    Err *err;
    Document *documents;
    int count, room;
    int64_t total; /* tokens */
} Reader;

static int token_size(const Reader *reader) {
    return reader->options->tokenizer == TOKENIZER_BYTES ? 1 : 2;
}

/* --- patterns become paths --- */

static void add_path(Reader *reader, Split list, const char *path) {
    if (reader->count == reader->room) {
        size_t count = (size_t)reader->count;
        reader->documents =
            arena_grow(reader->scratch, reader->documents, count, 2 * count, sizeof(Document));
        reader->room *= 2;
    }
    reader->documents[reader->count++] = (Document){.path = arena_copy(reader->scratch, path), .list = list};
}

/* A folder that is not there is no match; one that cannot be read ends the search. */
static int folder_error(const char *path, int error) {
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

/* A path that exists stands for itself, whatever characters it has; anything else is a pattern. */
static bool add_pattern(Reader *reader, Split list, const char *pattern) {
    struct stat status;
    if (stat(pattern, &status) == 0) {
        add_path(reader, list, pattern);
        return true;
    }
    glob_t found;
    int failure = glob(pattern, 0, folder_error, &found);
    for (size_t i = 0; !failure && i < found.gl_pathc; i++) add_path(reader, list, found.gl_pathv[i]);
    globfree(&found);
    if (!failure) return true;
    if (failure == GLOB_NOSPACE) die("no memory for the files that match '%s'", pattern);
    if (failure == GLOB_ABORTED)
        return err_set(reader->err, EXIT_SYSTEM,
                       "%s: '%s': a folder of '%s' cannot be read; check its permissions", reader->place,
                       list_keys[list], pattern);
    const char *remedy = strncmp(pattern, "data/", 5) == 0
                             ? "`make data` prepares the default corpus in data/perl"
                             : "paths are relative to the folder where poslab is started";
    return err_set(reader->err, EXIT_USAGE, "%s: '%s': %s '%s'; %s", reader->place, list_keys[list],
                   strpbrk(pattern, "*?[") ? "no file matches" : "there is no file", pattern, remedy);
}

static bool is_missing(const char *pattern) {
    struct stat status;
    glob_t found;
    if (stat(pattern, &status) == 0) return false;
    bool missing = glob(pattern, 0, NULL, &found) == GLOB_NOMATCH;
    globfree(&found);
    return missing;
}

bool corpus_missing(const DataOptions *options) {
    for (Split list = 0; list < SPLIT_COUNT; list++)
        for (const char **pattern = options->files[list]; pattern && *pattern; pattern++)
            if (is_missing(*pattern)) return true;
    return false;
}

static int by_path(const void *a, const void *b) {
    const Document *left = a, *right = b;
    int order = strcmp(left->path, right->path);
    return order ? order : (int)left->list - (int)right->list;
}

/* All paths of all lists, sorted, each once. A document in two lists would be learnt and then tested. */
static bool list_paths(Reader *reader) {
    for (Split list = 0; list < SPLIT_COUNT; list++)
        for (const char **pattern = reader->options->files[list]; pattern && *pattern; pattern++)
            if (!add_pattern(reader, list, *pattern)) return false;
    qsort(reader->documents, (size_t)reader->count, sizeof(Document), by_path);
    int kept = 0;
    for (int i = 0; i < reader->count; i++) {
        const Document *next = &reader->documents[i], *last = kept ? &reader->documents[kept - 1] : NULL;
        bool repeated = last && strcmp(last->path, next->path) == 0;
        if (repeated && last->list != next->list)
            return err_set(reader->err, EXIT_USAGE,
                           "%s: file '%s' is named by '%s' and by '%s'; it can be in one", reader->place,
                           next->path, list_keys[last->list], list_keys[next->list]);
        if (!repeated) reader->documents[kept++] = *next;
    }
    reader->count = kept;
    return true;
}

/* Looks at the sizes first: the bytes as they are and the tokens made of them are held at once. */
static bool check_memory(const Reader *reader, const Arena *arena) {
    double need[SPLIT_COUNT] = {0}, sum = (double)arena_used(arena), machine = arena_machine(1);
    Split most = SPLIT_TRAIN;
    for (int i = 0; i < reader->count; i++) {
        const Document *document = &reader->documents[i];
        struct stat status;
        if (stat(document->path, &status) != 0 || !S_ISREG(status.st_mode)) continue; /* refused later */
        double bytes = (double)status.st_size * (1 + (double)sizeof(uint16_t) / token_size(reader));
        need[document->list] += bytes;
        sum += bytes;
        if (need[document->list] > need[most]) most = document->list;
    }
    return sum <= machine ||
           err_set(reader->err, EXIT_USAGE,
                   "%s: '%s': reading the corpus takes %.1f GiB, the machine has %.1f GiB; name fewer or "
                   "smaller files",
                   reader->place, list_keys[most], sum / 0x1p30, machine / 0x1p30);
}

/* --- paths become documents --- */

/* The header that llm.c writes in front of its tokens; a file without its magic number has none. */
static bool skip_header(const Reader *reader, Document *document, int64_t size) {
    int32_t header[3];
    if (size < (int64_t)sizeof header) return true;
    memcpy(header, document->tokens, sizeof header);
    if (header[0] != HEADER_MAGIC) return true;
    int64_t rest = size - HEADER_INTS * (int64_t)sizeof(int32_t);
    if (header[1] != HEADER_VERSION)
        return err_set(reader->err, EXIT_USAGE,
                       "%s: file '%s': llm.c header of version %d; only version %d is known", reader->place,
                       document->path, (int)header[1], HEADER_VERSION);
    if (header[2] <= 0 || rest != 2 * (int64_t)header[2])
        return err_set(
            reader->err, EXIT_USAGE,
            "%s: file '%s': its llm.c header promises %d tokens, %lld bytes follow it; the file is "
            "damaged, make it again",
            reader->place, document->path, (int)header[2], (long long)(rest < 0 ? 0 : rest));
    document->tokens += HEADER_INTS * sizeof(int32_t);
    document->count = header[2];
    return true;
}

static bool read_bytes(const Reader *reader, const Document *document, int fd, unsigned char *bytes,
                       int64_t size) {
    for (int64_t done = 0; done < size;) {
        ssize_t got = read(fd, bytes + done, (size_t)(size - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return err_system(reader->err, "%s: cannot read file '%s'", reader->place, document->path);
        if (got == 0)
            return err_set(reader->err, EXIT_SYSTEM,
                           "%s: file '%s' became shorter while it was read; try again", reader->place,
                           document->path);
        done += got;
    }
    return true;
}

/* Checks what kind of file it is before memory is taken for it. */
static bool check_file(const Reader *reader, const Document *document, const struct stat *status) {
    const char *place = reader->place, *path = document->path;
    int64_t size = status->st_size;
    if (S_ISDIR(status->st_mode))
        return err_set(reader->err, EXIT_USAGE, "%s: '%s' is a directory; name its files, as in '%s/*'",
                       place, path, path);
    if (!S_ISREG(status->st_mode))
        return err_set(reader->err, EXIT_USAGE, "%s: '%s' is not a regular file", place, path);
    if (size == 0)
        return err_set(reader->err, EXIT_USAGE, "%s: file '%s' is empty; remove it from '%s'", place, path,
                       list_keys[document->list]);
    if (size % token_size(reader))
        return err_set(
            reader->err, EXIT_USAGE,
            "%s: file '%s' has an odd size (%lld bytes), so it is no stream of 16-bit tokens; for text "
            "set 'data.tokenizer' to \"bytes\"",
            place, path, (long long)size);
    return true;
}

static bool read_document(Reader *reader, Document *document) {
    /* Without O_NONBLOCK the opening of a named pipe would wait for its writer. */
    int fd = open(document->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        err_system(reader->err, "%s: cannot open file '%s'", reader->place, document->path);
        if (fd >= 0) close(fd);
        return false;
    }
    bool good = check_file(reader, document, &status);
    if (good) {
        int64_t size = status.st_size;
        unsigned char *bytes = NEW(reader->scratch, size, unsigned char);
        good = read_bytes(reader, document, fd, bytes, size);
        document->tokens = bytes;
        document->count = size / token_size(reader);
        const char *slash = strrchr(document->path, '/'), *base = slash ? slash + 1 : document->path;
        Hash *hash = hash_begin();
        hash_add(hash, base, strlen(base) + 1);
        hash_add(hash, bytes, (size_t)size);
        hash_end(hash, document->order);
        if (good && reader->options->tokenizer == TOKENIZER_UINT16)
            good = skip_header(reader, document, size);
        reader->total += document->count;
    }
    close(fd);
    return good;
}

/* --- documents are ordered, joined and cut --- */

/* Two documents of one order have one name and one content: it does not matter which comes first. */
static int by_order(const void *a, const void *b) {
    const Document *left = a, *right = b;
    if (left->list != right->list) return (int)left->list - (int)right->list;
    return strcmp(left->order, right->order);
}

static bool join_document(const Reader *reader, const Document *document, uint16_t *tokens) {
    int vocabulary = reader->vocabulary, size = token_size(reader);
    const unsigned char *bytes = document->tokens;
    for (int64_t i = 0; i < document->count; i++, bytes += size) {
        int token = size == 1 ? bytes[0] : bytes[0] | bytes[1] << 8;
        if (token >= vocabulary)
            return err_set(
                reader->err, EXIT_USAGE,
                "%s: file '%s': token %lld is %d, outside the vocabulary of %d; raise 'model.vocabulary' "
                "or check 'data.tokenizer'",
                reader->place, document->path, (long long)i, token, vocabulary);
        tokens[i] = (uint16_t)token;
    }
    return true;
}

static int64_t list_count(const Reader *reader, Split list) {
    int64_t sum = 0;
    for (int i = 0; i < reader->count; i++)
        if (reader->documents[i].list == list) sum += reader->documents[i].count;
    return sum;
}

/* Ranges of the joined tokens: the lists follow one another, and the first one is cut by the shares. */
static void cut_splits(const Reader *reader, Corpus *corpus, const uint16_t *tokens) {
    int64_t listed = list_count(reader, SPLIT_TRAIN), start = 0;
    int64_t shares[SPLIT_COUNT] = {0};
    shares[SPLIT_VALID] = llround((double)listed * reader->options->valid);
    shares[SPLIT_TEST] = llround((double)listed * reader->options->test);
    shares[SPLIT_TRAIN] = listed - shares[SPLIT_VALID] - shares[SPLIT_TEST];
    for (Split split = 0; split < SPLIT_COUNT; split++, start += shares[split - 1])
        corpus->splits[split] = (Stream){.tokens = tokens + start, .count = shares[split]};
    for (Split split = SPLIT_VALID; split < SPLIT_COUNT; split++) {
        int64_t count = list_count(reader, split);
        if (count) corpus->splits[split] = (Stream){.tokens = tokens + start, .count = count};
        start += count;
    }
}

/* Counts the documents of each split and hashes the corpus on the way. */
static void hash_corpus(const Reader *reader, Corpus *corpus, const uint16_t *tokens) {
    Hash *hash = hash_begin();
    for (Split split = 0; split < SPLIT_COUNT; split++) {
        Stream *stream = &corpus->splits[split];
        int64_t first = stream->tokens - tokens, end = first + stream->count;
        hash_add(hash, &stream->count, sizeof stream->count);
        for (int i = 0; i < reader->count; i++) {
            const Document *document = &reader->documents[i];
            int64_t from = document->start > first ? document->start : first;
            int64_t to = document->start + document->count < end ? document->start + document->count : end;
            if (from >= to) continue;
            int64_t count = to - from;
            hash_add(hash, &count, sizeof count);
            hash_add(hash, tokens + from, (size_t)count * sizeof *tokens);
            if (from == document->start) stream->documents++;
        }
        if (stream->count && !stream->documents) stream->documents = 1;
    }
    hash_end(hash, corpus->hash);
}

static bool check_options(const Reader *reader) {
    const DataOptions *options = reader->options;
    const char *place = reader->place;
    double shares[SPLIT_COUNT] = {0, options->valid, options->test};
    if (options->tokenizer == TOKENIZER_UINT32)
        return err_set(reader->err, EXIT_USAGE,
                       "%s: 'data.tokenizer': tokens of 32 bits can be planned, not read yet; use uint16",
                       place);
    if (reader->vocabulary < 1 || reader->vocabulary > UINT16_MAX + 1)
        return err_set(
            reader->err, EXIT_USAGE,
            "%s: 'model.vocabulary' must be in [1, 65536] and given with the tokenizer \"%s\", got %d", place,
            tokenizers[options->tokenizer], reader->vocabulary);
    if (!options->files[SPLIT_TRAIN] || !*options->files[SPLIT_TRAIN])
        return err_set(reader->err, EXIT_USAGE, "%s: 'data.files' names no file", place);
    for (Split split = SPLIT_VALID; split < SPLIT_COUNT; split++) {
        bool listed = options->files[split] && *options->files[split];
        if (listed && shares[split] > 0)
            return err_set(reader->err, EXIT_USAGE,
                           "%s: 'data.split.%s' must be 0 where '%s' is given, got %g", place,
                           split_names[split], list_keys[split], shares[split]);
    }
    if (!(options->valid >= 0 && options->test >= 0 && options->valid + options->test < 1))
        return err_set(
            reader->err, EXIT_USAGE,
            "%s: 'data.split.valid' and 'data.split.test' must leave something to train on: their sum must "
            "be below 1, got %g",
            place, options->valid + options->test);
    return true;
}

static bool read_corpus(Reader *reader, Corpus *corpus, Arena *arena) {
    if (!check_options(reader) || !list_paths(reader) || !check_memory(reader, arena)) return false;
    for (int i = 0; i < reader->count; i++)
        if (!read_document(reader, &reader->documents[i])) return false;
    qsort(reader->documents, (size_t)reader->count, sizeof(Document), by_order);
    uint16_t *tokens = NEW(arena, reader->total, uint16_t);
    int64_t start = 0;
    for (int i = 0; i < reader->count; i++) {
        Document *document = &reader->documents[i];
        document->start = start;
        if (!join_document(reader, document, tokens + start)) return false;
        start += document->count;
    }
    cut_splits(reader, corpus, tokens);
    hash_corpus(reader, corpus, tokens);
    corpus->vocabulary = reader->vocabulary;
    corpus->bytes_per_token = reader->options->tokenizer == TOKENIZER_BYTES ? 1 : 0;
    return true;
}

Corpus *corpus_read(const DataOptions *options, int vocabulary, const char *place, Arena *arena, Err *err) {
    if (vocabulary == 0 && options->tokenizer == TOKENIZER_BYTES) vocabulary = 256;
    ArenaMark mark = arena_mark(arena);
    Corpus *corpus = NEW(arena, 1, Corpus);
    Arena *scratch = arena_new(0);
    Reader reader = {
        .options = options,
        .vocabulary = vocabulary,
        .place = place,
        .scratch = scratch,
        .err = err,
        .documents = NEW(scratch, SOME_DOCUMENTS, Document),
        .room = SOME_DOCUMENTS,
    };
    bool good = read_corpus(&reader, corpus, arena);
    arena_free(scratch);
    if (good) return corpus;
    arena_release(arena, mark);
    return NULL;
}
