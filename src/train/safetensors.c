/* safetensors: accepts only files as safetensors_write writes them, with tensors in the order of their
 * offsets, without gaps, up to the end of the file.
 *
 * The checksum covers every byte except the header's length, which is checked against the size of the file.
 * Any changed bit and any missing byte is therefore detected. Spaces at the end of the header align the data
 * to 8 bytes.
 */
#include "train/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "sys/atomic_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they are in memory");

enum { PREFIX = 8, HEADER_MAX = 16 << 20, DIGITS = SHA256_HEX_SIZE - 1, MAX_RANK = 2 };

static const char metadata_key[] = "__metadata__", checksum_key[] = "sha256";
static const char zeros[SHA256_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";
static const char *const type_names[] = {
    [SAFETENSORS_F32] = "F32", [SAFETENSORS_I32] = "I32"}; /* 4 bytes each */

/* The bytes of a tensor, or -1 if its shape is invalid or overflows. */
static int64_t tensor_bytes(const SafetensorsTensor *tensor) {
    int64_t bytes = 4;
    if (tensor->rank < 1 || tensor->rank > MAX_RANK) return -1;
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(bytes, tensor->dims[i], &bytes)) return -1;
    return bytes;
}

const SafetensorsTensor *safetensors_next(const SafetensorsFile *file, const char *name, int *next) {
    for (int looked = 0; looked < file->count; looked++) {
        const SafetensorsTensor *tensor = &file->tensors[*next];
        *next = (*next + 1) % file->count;
        if (strcmp(tensor->name, name) == 0) return tensor;
    }
    return NULL;
}

const SafetensorsTensor *safetensors_find(const SafetensorsFile *file, const char *name) {
    int next = 0;
    return safetensors_next(file, name, &next);
}

/* --- writing --- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_names(const SafetensorsFile *file, Arena *arena) {
    const char **names = NEW(arena, file->count + 1, const char *);
    for (int i = 0; i < file->count; i++) names[i] = file->tensors[i].name;
    names[file->count] = metadata_key;
    qsort(names, (size_t)file->count + 1, sizeof *names, by_name);
    for (int i = 0; i < file->count; i++)
        if (strcmp(names[i], names[i + 1]) == 0) BUG("two tensors have the name '%s'", names[i]);
}

/* The header as text, with zeros for the checksum. */
static char *header_text(const SafetensorsFile *file, Arena *arena) {
    Json *root = json_new_object(arena);
    Json *metadata = file->metadata ? json_copy(file->metadata, arena) : json_new_object(arena);
    json_set_text(metadata, checksum_key, zeros);
    json_set(root, metadata_key, metadata);
    for (int64_t i = 0, offset = 0; i < file->count; i++) {
        const SafetensorsTensor *tensor = &file->tensors[i];
        int64_t bytes = tensor_bytes(tensor);
        if (bytes < 0) BUG("tensor '%s' has an invalid shape", tensor->name);
        Json *entry = json_new_object(arena);
        json_set_text(entry, "dtype", type_names[tensor->type]);
        json_set(entry, "shape", json_new_integers(tensor->dims, tensor->rank, arena));
        json_set(entry, "data_offsets", json_new_integers((int64_t[]){offset, offset + bytes}, 2, arena));
        json_add(root, tensor->name, entry);
        offset += bytes;
    }
    check_names(file, arena);
    char *text = json_print(root, arena);
    size_t length = strlen(text), padding = (8 - (PREFIX + length) % 8) % 8;
    return arena_format(arena, "%s%*s", text, (int)padding, "");
}

/* Finds the checksum's digits in a header. No other text of the header can match, because JSON escapes quotes
   inside strings. */
static char *find_digits(char *text, size_t length, const char *digits) {
    char member[SHA256_HEX_SIZE + 16];
    int size = snprintf(member, sizeof member, "\"%s\":\"%s\"", checksum_key, digits);
    char *found = memmem(text, length, member, (size_t)size);
    return found ? found + size - 1 - DIGITS : NULL;
}

static void checksum(char digest[SHA256_HEX_SIZE], const char *text, size_t length,
                     const SafetensorsFile *file) {
    Sha256 *hash = sha256_new();
    sha256_update(hash, text, length);
    for (int i = 0; i < file->count; i++)
        sha256_update(hash, file->tensors[i].data, (size_t)tensor_bytes(&file->tensors[i]));
    sha256_finish(hash, digest);
}

/* Writes the file; the stream records errors. */
static void write_contents(FILE *out, const char *text, const SafetensorsFile *file) {
    uint64_t length = strlen(text);
    fwrite(&length, PREFIX, 1, out);
    fwrite(text, 1, length, out);
    for (int i = 0; i < file->count; i++) { /* an empty tensor may have no data */
        size_t bytes = (size_t)tensor_bytes(&file->tensors[i]);
        if (bytes) fwrite(file->tensors[i].data, 1, bytes, out);
    }
}

bool safetensors_write(const char *path, const SafetensorsFile *file, Error *err) {
    Arena *arena = arena_new(0);
    char *text = header_text(file, arena);
    char *digits = find_digits(text, strlen(text), zeros);
    char digest[SHA256_HEX_SIZE];
    if (!digits) BUG("the header of '%s' has no checksum member", path);
    if (strlen(text) > HEADER_MAX) BUG("the header of '%s' has %zu bytes", path, strlen(text));
    checksum(digest, text, strlen(text), file);
    memcpy(digits, digest, DIGITS);
    AtomicFile target;
    FILE *out = atomic_file_begin(&target, path, arena, err);
    if (out) write_contents(out, text, file);
    bool good = out && atomic_file_end(&target, true, err);
    arena_free(arena);
    return good;
}

/* --- reading --- */

/* A file to be read: poslab's own, or one of another program. */
typedef struct Source {
    const char *path;
    bool own;
} Source;

static bool damaged(Error *err, const Source *source, const char *what) {
    return source->own
               ? error_set(err, EXIT_DAMAGED, "checkpoint '%s' is damaged: %s; remove it to train again",
                           source->path, what)
               : error_set(err, EXIT_USAGE, "weights '%s': %s", source->path, what);
}

static bool read_bytes(int fd, void *bytes, size_t size, const Source *source, Error *err) {
    for (char *next = bytes; size;) {
        ssize_t done = read(fd, next, size);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return error_system(err, "checkpoint '%s': cannot read", source->path);
        if (done == 0) return damaged(err, source, "it ends too early");
        next += done;
        size -= (size_t)done;
    }
    return true;
}

/* Whether a JSON value is an integer in [0, 2^53]. */
static bool whole(const Json *json, int64_t *value) {
    double number = json_number(json, -1);
    if (!json_is_number(json) || number < 0 || number > 0x1p53 || number != floor(number)) return false;
    *value = (int64_t)number;
    return true;
}

/* Parses one entry of the header. Its data must begin at *offset, which is set to its end. Returns NULL or a
   description of the error. */
static const char *parse_tensor(SafetensorsTensor *tensor, const Json *entry, char *data, int64_t size,
                                int64_t *offset) {
    const Json *shape = json_get(entry, "shape"), *range = json_get(entry, "data_offsets");
    const char *type = json_text(json_get(entry, "dtype"), "");
    int64_t from, to;
    if (json_count(entry) != 3 || !json_is_array(shape) || !json_is_array(range) || json_count(range) != 2)
        return "a tensor is not described by dtype, shape and data_offsets";
    tensor->type = SAFETENSORS_F32;
    while (tensor->type <= SAFETENSORS_I32 && strcmp(type, type_names[tensor->type]) != 0) tensor->type++;
    if (tensor->type > SAFETENSORS_I32) return "a tensor is neither F32 nor I32";
    tensor->rank = json_count(shape);
    if (tensor->rank < 1 || tensor->rank > MAX_RANK) return "a tensor is neither vector nor matrix";
    for (int i = 0; i < tensor->rank; i++)
        if (!whole(json_at(shape, i), &tensor->dims[i])) return "a shape has a number that is not an integer";
    if (!whole(json_at(range, 0), &from) || !whole(json_at(range, 1), &to))
        return "an offset is not an integer";
    if (from != *offset || to < from || to > size) return "offsets leave gaps, overlap or go beyond the end";
    if (tensor_bytes(tensor) != to - from) return "a shape does not fit its offsets";
    tensor->data = data + from;
    *offset = to;
    return NULL;
}

/* Parses all tensors of the header. Returns NULL or a description of the error, which names the tensor of a
   file of another program. */
static const char *parse_tensors(SafetensorsFile *file, const Json *root, char *data, int64_t size, bool own,
                                 Arena *arena) {
    int64_t offset = 0;
    file->tensors = NEW(arena, json_count(root), SafetensorsTensor);
    for (const Json *member = json_first(root); member; member = json_next(member)) {
        if (strcmp(json_name(member), metadata_key) == 0) continue;
        SafetensorsTensor *tensor = &file->tensors[file->count++];
        const char *wrong = parse_tensor(tensor, member, data, size, &offset);
        tensor->name = json_name(member);
        if (wrong) return own ? wrong : arena_format(arena, "tensor '%s': %s", tensor->name, wrong);
    }
    return offset == size ? NULL : "there is data that belongs to no tensor";
}

/* Compares the checksum, and sets its digits in the header to zeros. Returns NULL or a description of the
   error. */
static const char *verify(char *text, size_t length, const Json *metadata, const char *data, int64_t size) {
    const char *stored = json_text(json_get(metadata, checksum_key), "");
    char *digits = strlen(stored) == DIGITS ? find_digits(text, length, stored) : NULL;
    if (!digits) return "it has no checksum";
    memcpy(digits, zeros, DIGITS);
    char digest[SHA256_HEX_SIZE];
    Sha256 *hash = sha256_new();
    sha256_update(hash, text, length);
    sha256_update(hash, data, (size_t)size);
    sha256_finish(hash, digest);
    return strcmp(digest, stored) == 0 ? NULL : "its checksum is wrong";
}

static const char *parse(SafetensorsFile *file, const Json *root, char *text, size_t length, char *data,
                         int64_t size, bool own, Arena *arena) {
    const Json *metadata = json_get(root, metadata_key);
    if (!own) return parse_tensors(file, root, data, size, own, arena);
    if (!json_is_object(metadata)) return "its header has no metadata";
    for (const Json *member = json_first(metadata); member; member = json_next(member))
        if (!json_is_text(member)) return "its metadata has a value that is not a string";
    const char *wrong = parse_tensors(file, root, data, size, own, arena);
    return wrong ? wrong : verify(text, length, metadata, data, size);
}

static bool read_open(int fd, const Source *source, SafetensorsFile *file, Arena *arena, Error *err) {
    struct stat status;
    uint64_t length;
    if (fstat(fd, &status) != 0) return error_system(err, "checkpoint '%s': cannot read", source->path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, EXIT_SYSTEM, "checkpoint '%s' is not a regular file", source->path);
    if (!read_bytes(fd, &length, PREFIX, source, err)) return false;
    if (length < 2 || length > HEADER_MAX || (int64_t)length > status.st_size - PREFIX)
        return damaged(err, source, "its header cannot be that long");
    int64_t size = status.st_size - PREFIX - (int64_t)length;
    char *text = NEW(arena, length + 1, char), *data = NEW(arena, size, char);
    if (!read_bytes(fd, text, length, source, err) || !read_bytes(fd, data, (size_t)size, source, err))
        return false;
    if (text[0] != '{') return damaged(err, source, "its header is not a JSON object");
    Error detail;
    Json *root = json_parse(text, length, "header", arena, &detail);
    if (!root) return damaged(err, source, "its header is not a JSON object");
    const char *wrong = parse(file, root, text, length, data, size, source->own, arena);
    if (!wrong) file->metadata = json_get_mutable(root, metadata_key);
    return wrong ? damaged(err, source, wrong) : true;
}

static bool read_file(const Source *source, SafetensorsFile *file, Arena *arena, Error *err) {
    *file = (SafetensorsFile){0};
    ArenaMark mark = arena_mark(arena);
    int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return error_system(err, "checkpoint '%s': cannot open", source->path);
    bool good = read_open(fd, source, file, arena, err);
    close(fd);
    if (good) return true;
    arena_release(arena, mark);
    *file = (SafetensorsFile){0};
    return false;
}

bool safetensors_read(const char *path, SafetensorsFile *file, Arena *arena, Error *err) {
    return read_file(&(Source){.path = path, .own = true}, file, arena, err);
}

bool safetensors_read_foreign(const char *path, SafetensorsFile *file, Arena *arena, Error *err) {
    return read_file(&(Source){.path = path}, file, arena, err);
}

bool safetensors_read_weights(const char *path, const char *key, SafetensorsFile *file, Arena *arena,
                              Error *err) {
    return safetensors_read(path, file, arena, err) &&
           (!strcmp(json_text(json_get(file->metadata, "key"), ""), key) ||
            error_set(err, EXIT_DAMAGED, "'%s' holds the weights of another run, not of %s", path, key));
}
