/* test_safetensors: files are read as written; no flipped bit, missing byte or other form is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "train/safetensors.h"
#include "base/sha256.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[128];

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    snprintf(path, sizeof path, "%s/model.safetensors", fixture_path());
    return 0;
}

static int teardown(void **state) {
    unlink(path);
    bool left = rmdir(fixture_path()) != 0; /* a test left a file */
    return fixture_folder_remove(state) != 0 || left;
}

static char *get(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = NEW(arena, *size + 1, char);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static bool exists(const char *name) {
    return access(name, F_OK) == 0;
}

static float weights[6] = {1, -2, 0.5f, 3e-40f, 1e30f, -0.0f};
static int32_t tokens[3] = {7, -1, INT32_MAX};
static SafetensorsTensor tensors[] = {
    {.name = "layers.0.weight", .type = SAFETENSORS_F32, .rank = 2, .dims = {2, 3}, .data = weights},
    {.name = "tokens", .type = SAFETENSORS_I32, .rank = 1, .dims = {3}, .data = tokens},
    {.name = "empty", .type = SAFETENSORS_F32, .rank = 2, .dims = {0, 5}, .data = NULL},
    {.name = "quote\" and \xc3\xa9", .type = SAFETENSORS_F32, .rank = 1, .dims = {1}, .data = weights},
};

static void write_sample(int count) {
    Error err;
    Json *metadata = json_new_object(arena);
    json_set_text(metadata, "config",
                  "{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}");
    json_set_text(metadata, "zeros", "0000000000000000000000000000000000000000000000000000000000000000");
    json_set_text(metadata, "step", "12");
    SafetensorsFile file = {.tensors = tensors, .count = count, .metadata = metadata};
    if (!safetensors_write(path, &file, &err)) fail_msg("%s", err.text);
}

static void test_round_trip(void **state) {
    (void)state;
    Error err;
    SafetensorsFile file;
    for (int count = 0; count <= COUNT_OF(tensors); count++) {
        write_sample(count);
        if (!safetensors_read(path, &file, arena, &err)) fail_msg("%s", err.text);
        assert_int_equal(file.count, count);
        for (int i = 0; i < count; i++) {
            const SafetensorsTensor *wanted = &tensors[i], *got = safetensors_find(&file, wanted->name);
            assert_ptr_equal(got, &file.tensors[i]);
            assert_int_equal(got->type, wanted->type);
            assert_int_equal(got->rank, wanted->rank);
            size_t size = 4;
            for (int d = 0; d < got->rank; d++) {
                assert_int_equal(got->dims[d], wanted->dims[d]);
                size *= (size_t)got->dims[d];
            }
            if (size) assert_memory_equal(got->data, wanted->data, size);
            assert_int_equal((uintptr_t)got->data % 4, 0);
        }
        assert_null(safetensors_find(&file, "absent"));
        assert_string_equal(json_text(json_get(file.metadata, "step"), ""), "12");
    }
}

/* Processor seconds of writing a file with `count` tensors, reading it and finding each; the least of
   three. */
static double seconds_of(int count) {
    Error err;
    double least = INFINITY;
    SafetensorsFile file = {.tensors = NEW(arena, count, SafetensorsTensor), .count = count}, read;
    for (int i = 0; i < count; i++) {
        file.tensors[i] = tensors[3];
        file.tensors[i].name = arena_format(arena, "layers.%d.weight", i);
    }
    for (int turn = 0; turn < 3; turn++) {
        int next = 0;
        clock_t begin = clock();
        if (!safetensors_write(path, &file, &err) || !safetensors_read(path, &read, arena, &err))
            fail_msg("%s", err.text);
        for (int i = 0; i < count; i++)
            assert_ptr_equal(safetensors_next(&read, file.tensors[i].name, &next), &read.tensors[i]);
        least = fmin(least, (double)(clock() - begin) / CLOCKS_PER_SEC);
    }
    return least;
}

/* A deep model has thousands of tensors: four times as many must take about four times as long, not sixteen
   times. */
static void test_many_tensors(void **state) {
    (void)state;
    double few = seconds_of(4000), many = seconds_of(16000);
    if (many > 9 * few) fail_msg("%g s for 4,000 tensors, %g s for 16,000", few, many);
}

/* The bytes as in the documentation of the format, and the checksum as in train/safetensors.h. */
static void test_layout(void **state) {
    (void)state;
    size_t size;
    uint64_t length;
    write_sample(2);
    char *bytes = get(path, &size), digest[SHA256_HEX_SIZE];
    memcpy(&length, bytes, 8);
    assert_int_equal((8 + length) % 8, 0);
    assert_int_equal(8 + length + sizeof weights + sizeof tokens, size);
    assert_memory_equal(bytes + 8 + length, weights, sizeof weights);
    assert_memory_equal(bytes + 8 + length + sizeof weights, tokens, sizeof tokens);
    assert_int_equal(bytes[8], '{');
    assert_non_null(
        strstr(bytes + 8, "\"layers.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"));
    assert_non_null(
        strstr(bytes + 8, "\"tokens\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[24,36]}"));
    char *digits = strstr(bytes + 8, "\"sha256\":\"");
    assert_non_null(digits);
    digits += strlen("\"sha256\":\"");
    char stored[SHA256_HEX_SIZE] = {0};
    memcpy(stored, digits, 64);
    memset(digits, '0', 64);
    sha256_hex(bytes + 8, size - 8, digest);
    assert_string_equal(stored, digest);
}

static void expect_damaged(const char *what) {
    Error err = {0};
    SafetensorsFile file;
    size_t used = arena_used(arena);
    if (safetensors_read(path, &file, arena, &err)) fail_msg("accepted: %s", what);
    if (err.code != EXIT_DAMAGED) fail_msg("%s: code %d: %s", what, err.code, err.text);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "damaged"));
    assert_int_equal(arena_used(arena), used);
    assert_int_equal(file.count, 0);
    assert_null(file.metadata);
}

static void test_every_flipped_bit(void **state) {
    (void)state;
    size_t size;
    char what[64];
    write_sample(COUNT_OF(tensors));
    char *bytes = get(path, &size);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        char flipped = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        snprintf(what, sizeof what, "bit %zu of byte %zu flipped", bit % 8, bit / 8);
        expect_damaged(what);
        assert_int_equal(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
}

static void test_every_truncation(void **state) {
    (void)state;
    size_t size;
    char what[64];
    write_sample(COUNT_OF(tensors));
    char *bytes = get(path, &size);
    for (size_t length = 0; length < size; length++) {
        fixture_put(path, bytes, length);
        snprintf(what, sizeof what, "%zu of %zu bytes", length, size);
        expect_damaged(what);
    }
    fixture_put(path, bytes, size + 1);
    expect_damaged("a byte too many");
}

/* Writes a file with this header and `size` bytes of data, with a valid checksum if the header has space for
 * it.
 */
static void forge(const char *header, size_t size) {
    size_t length = strlen(header);
    char *bytes = NEW(arena, 8 + length + size + SHA256_HEX_SIZE, char), digest[SHA256_HEX_SIZE];
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    char *digits = strstr(bytes + 8, "\"sha256\":\"");
    sha256_hex(bytes + 8, length + size, digest);
    if (digits) memcpy(digits + strlen("\"sha256\":\""), digest, 64);
    fixture_put(path, bytes, 8 + length + size);
}

#define META                                                                                                 \
    "\"__metadata__\":{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"
#define TENSOR(name, type, shape, range)                                                                     \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" range "}"

/* Files with a valid checksum but an invalid form. */
static void test_forms(void **state) {
    (void)state;
    static const struct {
        const char *what, *header;
        size_t size;
    } rows[] = {
        {"gap", "{" META "," TENSOR("a", "F32", "[1]", "[4,8]") "}", 8},
        {"overlap",
         "{" META "," TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[1]", "[4,8]") "}", 8},
        {"out of order",
         "{" META "," TENSOR("a", "F32", "[1]", "[4,8]") "," TENSOR("b", "F32", "[1]", "[0,4]") "}", 8},
        {"beyond the end", "{" META "," TENSOR("a", "F32", "[2]", "[0,8]") "}", 4},
        {"data without tensor", "{" META "," TENSOR("a", "F32", "[1]", "[0,4]") "}", 8},
        {"backwards", "{" META "," TENSOR("a", "F32", "[1]", "[0,-4]") "}", 4},
        {"other dtype", "{" META "," TENSOR("a", "F16", "[2]", "[0,4]") "}", 4},
        {"shape does not fit", "{" META "," TENSOR("a", "F32", "[2]", "[0,4]") "}", 4},
        {"shape overflows", "{" META "," TENSOR("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0},
        {"shape overflows to fit", "{" META "," TENSOR("a", "F32", "[2147483648,2147483648]", "[0,0]") "}",
         0},
        {"negative shape", "{" META "," TENSOR("a", "F32", "[-1,-1]", "[0,4]") "}", 4},
        {"broken shape", "{" META "," TENSOR("a", "F32", "[0.5,2]", "[0,4]") "}", 4},
        {"huge shape", "{" META "," TENSOR("a", "F32", "[1e300]", "[0,4]") "}", 4},
        {"rank 0", "{" META "," TENSOR("a", "F32", "[]", "[0,4]") "}", 4},
        {"rank 3", "{" META "," TENSOR("a", "F32", "[1,1,1]", "[0,4]") "}", 4},
        {"offset as text", "{" META "," TENSOR("a", "F32", "[1]", "[\"0\",4]") "}", 4},
        {"three offsets", "{" META "," TENSOR("a", "F32", "[1]", "[0,4,4]") "}", 4},
        {"unknown member",
         "{" META ",\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4},
        {"tensor is no object", "{" META ",\"a\":[1,2,3]}", 0},
        {"name twice",
         "{" META "," TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("a", "F32", "[1]", "[4,8]") "}", 8},
        {"no metadata", "{" TENSOR("a", "F32", "[1]", "[0,4]") "}", 4},
        {"no checksum", "{\"__metadata__\":{}," TENSOR("a", "F32", "[1]", "[0,4]") "}", 4},
        {"short checksum", "{\"__metadata__\":{\"sha256\":\"12\"}}", 0},
        {"metadata is no text",
         "{\"__metadata__\":{\"step\":1,\"sha256\":"
         "\"0000000000000000000000000000000000000000000000000000000000000000\"}}",
         0},
        {"array",
         "["
         "{" META "}"
         "]",
         0},
        {"space first", " {" META "}", 0},
        {"text behind", "{" META "}x", 0},
        {"no JSON", "{\"__metadata__\"", 0},
    };
    Error err;
    SafetensorsFile file;
    forge("{" META "," TENSOR("a", "F32", "[1]", "[0,4]") "}", 4);
    if (!safetensors_read(path, &file, arena, &err)) fail_msg("the right form: %s", err.text);
    for (int i = 0; i < COUNT_OF(rows); i++) {
        forge(rows[i].header, rows[i].size);
        expect_damaged(rows[i].what);
    }
}

static void test_lengths_of_header(void **state) {
    (void)state;
    static const uint64_t lengths[] = {0, 1, 9, 1 << 25, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (int i = 0; i < COUNT_OF(lengths); i++) {
        char bytes[16] = {0};
        memcpy(bytes, &lengths[i], 8);
        fixture_put(path, bytes, sizeof bytes);
        expect_damaged("a header's length");
    }
}

static void test_not_a_file(void **state) {
    (void)state;
    Error err;
    SafetensorsFile file;
    unlink(path);
    assert_false(safetensors_read(path, &file, arena, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, strerror(2)));
    assert_false(safetensors_read(fixture_path(), &file, arena, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(safetensors_read(path, &file, arena, &err)); /* it does not wait for a writer */
    assert_int_equal(err.code, EXIT_SYSTEM);
    unlink(path);
}

/* A failed write leaves the old file unchanged and no temporary file. */
static void test_failed_writes(void **state) {
    (void)state;
    Error err;
    char temporary[160], missing[160];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    snprintf(missing, sizeof missing, "%s/absent/model.safetensors", fixture_path());
    SafetensorsFile file = {.tensors = tensors, .count = COUNT_OF(tensors)};
    assert_false(safetensors_write(missing, &file, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, missing));

    assert_int_equal(mkdir(path, 0700), 0); /* the rename fails */
    assert_false(safetensors_write(path, &file, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_false(exists(temporary));
    rmdir(path);

    write_sample(1);
    size_t before, after;
    char *old = get(path, &before);
    pid_t child = fork(); /* in a separate process: the limit would affect other tests */
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){64, 64});
        bool failed = !safetensors_write(path, &file, &err) && err.code == EXIT_SYSTEM && !exists(temporary);
        _exit(failed ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    char *now = get(path, &after);
    assert_int_equal(after, before);
    assert_memory_equal(now, old, before);
}

static void test_replaces(void **state) {
    (void)state;
    Error err;
    char temporary[160];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    fixture_put(temporary, "left behind by a process that was killed while it wrote a longer file", 60);
    write_sample(COUNT_OF(tensors));
    assert_false(exists(temporary));
    write_sample(1);
    SafetensorsFile file;
    if (!safetensors_read(path, &file, arena, &err)) fail_msg("%s", err.text);
    assert_int_equal(file.count, 1);
    /* a file that was read can be written again: its checksum is replaced */
    if (!safetensors_write(path, &file, &err)) fail_msg("%s", err.text);
    if (!safetensors_read(path, &file, arena, &err)) fail_msg("%s", err.text);
    struct stat info;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
}

/* A path without a folder is written to the current folder. */
static void test_bare_name(void **state) {
    (void)state;
    Error err;
    char old[4096];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(fixture_path()), 0);
    SafetensorsFile file = {.tensors = tensors, .count = 1};
    bool good = safetensors_write("bare", &file, &err) && safetensors_read("bare", &file, arena, &err);
    unlink("bare");
    assert_int_equal(chdir(old), 0);
    if (!good) fail_msg("%s", err.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_lengths_of_header),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_bare_name),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, setup, teardown);
}
