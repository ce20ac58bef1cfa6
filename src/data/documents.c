/* documents: expands patterns to paths, each file once, and reads each file once into the scratch arena. */
#include "data/documents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/memory.h"
#include "sys/path_pattern.h"

static TokenizerKind kind_of(const Documents *documents) {
    return (TokenizerKind)documents->options->tokenizer;
}

const char *documents_where(const Documents *documents, const Document *document) {
    return arena_format(documents->scratch, "%s: file '%s'", documents->source, document->path);
}

/* --- finding files --- */

static void add_path(Documents *documents, CorpusSplit list, const char *path, bool wild) {
    *ARENA_PUSH(documents->scratch, documents->items, documents->count) =
        (Document){.path = path, .list = list, .wild = wild};
}

static bool add_pattern(Documents *documents, CorpusSplit list, const char *pattern) {
    Paths found;
    const char *source =
        arena_format(documents->scratch, "%s: '%s'", documents->source, corpus_file_keys[list]);
    if (!path_pattern_find(&found, pattern, source, documents->scratch, documents->err)) return false;
    for (int i = 0; i < found.count; i++) add_path(documents, list, found.items[i], found.wild);
    if (found.count) return true;
    const char *remedy = strncmp(pattern, "data/", 5) == 0
                             ? "`make data` prepares the default corpus in data/perl"
                             : "paths are relative to the current folder";
    return error_set(documents->err, EXIT_USAGE, "%s: %s '%s'; %s", source,
                     found.wild ? "no file matches" : "no such file", pattern, remedy);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const Document *)a)->path, ((const Document *)b)->path);
}

/* Makes paths of the same file adjacent. The first of them becomes the path of the document. It is chosen by
   base name, because the order of documents depends on base names. */
static int by_file(const void *a, const void *b) {
    const Document *left = a, *right = b;
    const struct stat *x = &left->status, *y = &right->status;
    if (x->st_dev != y->st_dev) return x->st_dev < y->st_dev ? -1 : 1;
    if (x->st_ino != y->st_ino) return x->st_ino < y->st_ino ? -1 : 1;
    int order = strcmp(basename(left->path), basename(right->path));
    if (!order) order = strcmp(left->path, right->path);
    return order ? order : (int)left->list - (int)right->list;
}

/* Reports that two lists have the same document. */
static bool in_two_lists(const Documents *documents, const Document *a, const Document *b, const char *same) {
    return error_set(documents->err, EXIT_USAGE,
                     "%s: '%s' in '%s' and '%s' in '%s' %s; keep it in only one list", documents->source,
                     a->path, corpus_file_keys[a->list], b->path, corpus_file_keys[b->list], same);
}

/* Lists the files of all lists, sorted by path, each file once. */
static bool list_paths(Documents *documents) {
    for (CorpusSplit list = 0; list < SPLIT_COUNT; list++)
        for (const char **pattern = documents->options->files[list]; pattern && *pattern; pattern++)
            if (!add_pattern(documents, list, *pattern)) return false;
    if (!documents->count)
        return error_set(documents->err, EXIT_USAGE,
                         "%s: 'data.files' names no file; name the files of the corpus", documents->source);
    for (int i = 0; i < documents->count; i++) {
        Document *document = &documents->items[i];
        if (stat(document->path, &document->status) != 0)
            document->status = (struct stat){0}; /* read_document reports the error */
    }
    qsort(documents->items, (size_t)documents->count, sizeof(Document), by_file);
    int kept = 0;
    for (int i = 0; i < documents->count; i++) {
        const Document *next = &documents->items[i];
        Document *last = kept ? &documents->items[kept - 1] : NULL;
        bool repeated = last && next->status.st_ino && last->status.st_ino == next->status.st_ino &&
                        last->status.st_dev == next->status.st_dev;
        if (repeated && last->list != next->list)
            return in_two_lists(documents, last, next, "are the same file");
        if (repeated)
            last->wild &= next->wild;
        else
            documents->items[kept++] = *next;
    }
    documents->count = kept;
    qsort(documents->items, (size_t)documents->count, sizeof(Document), by_path);
    return true;
}

/* Checks the sizes of the files before they are read, because the bytes of all files and all tokens are in
   memory at the same time. */
static bool check_memory(const Documents *documents, const Arena *arena) {
    double need[SPLIT_COUNT] = {0}, sum = (double)arena_used(arena), machine = memory_usable(1);
    CorpusSplit most = SPLIT_TRAIN;
    for (int i = 0; i < documents->count; i++) {
        const Document *document = &documents->items[i];
        if (!S_ISREG(document->status.st_mode)) continue; /* check_file refuses it */
        double bytes = (double)document->status.st_size *
                       (1 + (double)sizeof(uint32_t) / tokenizer_token_size(kind_of(documents)));
        need[document->list] += bytes;
        sum += bytes;
        if (need[document->list] > need[most]) most = document->list;
    }
    return sum <= machine ||
           error_set(documents->err, EXIT_USAGE,
                     "%s: '%s': reading the corpus needs %.1f GiB of memory, the machine has %.1f GiB; "
                     "name fewer or smaller files",
                     documents->source, corpus_file_keys[most], sum / 0x1p30, machine / 0x1p30);
}

/* --- reading --- */

static bool read_bytes(const Documents *documents, const Document *document, int fd, unsigned char *bytes,
                       int64_t size) {
    for (int64_t done = 0; done < size;) {
        ssize_t got = read(fd, bytes + done, (size_t)(size - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return error_system(documents->err, "%s: cannot read file '%s'", documents->source,
                                document->path);
        if (got == 0)
            return error_set(documents->err, EXIT_SYSTEM, "%s: file '%s' shrank while it was read; try again",
                             documents->source, document->path);
        done += got;
    }
    return true;
}

/* Checks the file's type and size before memory is allocated for it. */
static bool check_file(const Documents *documents, const Document *document, const struct stat *status) {
    const char *source = documents->source, *path = document->path;
    if (S_ISDIR(status->st_mode))
        return error_set(documents->err, EXIT_USAGE,
                         "%s: '%s' is a folder; name its files, for example '%s/*'", source, path, path);
    if (!S_ISREG(status->st_mode))
        return error_set(documents->err, EXIT_USAGE,
                         "%s: '%s' is not a regular file; name a file or a pattern", source, path);
    return tokenizer_check_size(kind_of(documents), status->st_size, documents_where(documents, document),
                                documents->err);
}

/* Sets the document's text from the bytes of its file. */
static bool take_text(Documents *documents, Document *document, const unsigned char *bytes, int64_t size) {
    TokenizerText *text = &document->text;
    if (!tokenizer_find(documents->tokenizer, document->path, bytes, size, text,
                        documents_where(documents, document), documents->err))
        return false;
    document->bytes = text->numbers ? text->numbers : text->content;
    document->size =
        text->numbers ? text->count * tokenizer_token_size(kind_of(documents)) : text->content_size;
    const char *base = basename(document->path);
    Sha256 *hash = sha256_new();
    sha256_update(hash, base, strlen(base) + 1);
    sha256_update(hash, text->content, (size_t)text->content_size);
    sha256_finish(hash, document->order);
    return true;
}

static bool read_document(Documents *documents, Document *document) {
    /* O_NONBLOCK, because opening a named pipe would otherwise wait for a writer. */
    int fd = open(document->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_system(documents->err, "%s: cannot open file '%s'", documents->source, document->path);
        if (fd >= 0) close(fd);
        return false;
    }
    bool good = check_file(documents, document, &status);
    if (good) {
        unsigned char *bytes = NEW(documents->scratch, status.st_size, unsigned char);
        good = read_bytes(documents, document, fd, bytes, status.st_size) &&
               take_text(documents, document, bytes, status.st_size);
    }
    close(fd);
    return good;
}

/* Reads all documents. An empty file is left out if only patterns name it; otherwise it is an error. */
static bool read_all(Documents *documents) {
    int kept = 0, listed[SPLIT_COUNT] = {0}, left[SPLIT_COUNT] = {0};
    for (int i = 0; i < documents->count; i++) {
        Document *document = &documents->items[i];
        if (!read_document(documents, document)) return false;
        listed[document->list]++;
        left[document->list] += document->size > 0;
        if (document->size == 0 && !document->wild)
            return error_set(documents->err, EXIT_USAGE, "%s: file '%s' is empty; remove it from '%s'",
                             documents->source, document->path, corpus_file_keys[document->list]);
        if (document->size == 0)
            documents->empty++;
        else
            documents->items[kept++] = *document;
    }
    for (CorpusSplit list = 0; list < SPLIT_COUNT; list++)
        if (listed[list] && !left[list])
            return error_set(documents->err, EXIT_USAGE,
                             "%s: '%s' matches only empty files; name files with text", documents->source,
                             corpus_file_keys[list]);
    documents->count = kept;
    return true;
}

/* --- comparing --- */

static int by_content(const void *a, const void *b) {
    const Document *left = a, *right = b;
    if (left->size != right->size) return left->size < right->size ? -1 : 1;
    int order = memcmp(left->bytes, right->bytes, (size_t)left->size);
    if (!order) order = (int)left->list - (int)right->list;
    return order ? order : strcmp(left->path, right->path);
}

/* Sets `content` of all documents. Fails if two lists have the same content. */
static bool compare_contents(Documents *documents) {
    qsort(documents->items, (size_t)documents->count, sizeof(Document), by_content);
    for (int i = 1; i < documents->count; i++) {
        Document *next = &documents->items[i];
        const Document *last = next - 1;
        bool same = last->size == next->size && memcmp(last->bytes, next->bytes, (size_t)last->size) == 0;
        if (same && last->list != next->list)
            return in_two_lists(documents, last, next, "have the same content");
        next->content = last->content + !same;
    }
    return true;
}

bool documents_read(Documents *documents, const Arena *arena) {
    return list_paths(documents) && check_memory(documents, arena) && read_all(documents) &&
           compare_contents(documents);
}
