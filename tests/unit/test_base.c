/* test_base: errors, arenas, hashes, threads, signals, and the memory of the BLAS. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "sys/atomic_file.h"
#include "base/sha256.h"
#include "sys/threads.h"
#include "math/nn_ops.h"
#include "sys/signals.h"
#include "math/blas.h"
#include "base/clock.h"

/* ---- threads ---- */

/* Replaces the function of an OpenMP runtime, where the number is a setting of the calling thread. */
void omp_set_num_threads(int threads);
static _Thread_local int openmp_threads;
void omp_set_num_threads(int threads) {
    openmp_threads = threads;
}

static void note_threads(void *user, int lane) {
    ((int *)user)[lane] = openmp_threads;
}

static void lanes_have_one_thread_of_openmp(void **state) {
    (void)state;
    int seen[3] = {0};
    threads_run(COUNT_OF(seen), note_threads, seen);
    for (int lane = 1; lane < COUNT_OF(seen); lane++) assert_int_equal(seen[lane], 1);
}

enum { EACH = 8 };

static void count_calls(void *user, int lane) {
    __atomic_add_fetch(&((int *)user)[lane], 1, __ATOMIC_RELAXED);
}

/* Jobs of several sizes in sequence: all lanes of each are called exactly once, and no others. */
static void lanes_are_as_many_as_the_job_wants(void **state) {
    (void)state;
    static const int counts[] = {1, 2, EACH, 3, 1, 5, EACH, 4};
    for (int i = 0; i < COUNT_OF(counts); i++) {
        int calls[EACH] = {0};
        threads_run(counts[i], count_calls, calls);
        for (int lane = 0; lane < EACH; lane++) assert_int_equal(calls[lane], lane < counts[i]);
    }
}

/* ---- signals ---- */

static void on_signal(int signal) {
    (void)signal;
}

static void ignored_signals_stay_ignored(void **state) {
    (void)state;
    static const int list[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, 0};
    for (const int *each = list; *each; each++)
        signal(*each, SIG_DFL); /* independent of the shell's settings */
    for (const int *ignored = list; *ignored; ignored++) {
        signal(*ignored, SIG_IGN);
        signals_handle(list, on_signal, 0);
        for (const int *each = list; *each; each++) {
            struct sigaction now;
            assert_int_equal(sigaction(*each, NULL, &now), 0);
            assert_true(now.sa_handler == (each == ignored ? SIG_IGN : on_signal));
        }
        signals_default(list);
        assert_true(signal(*ignored, SIG_DFL) == SIG_IGN);
    }
}

/* ---- the BLAS's memory ---- */

/* In a separate process with memory for one buffer, where OpenBLAS would retry for ever to allocate four. */
static void the_blas_does_not_wait_for_memory(void **state) {
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        Error err = {0};
        long pages = 0;
        FILE *statm = fopen("/proc/self/statm", "r");
        if (!statm || fscanf(statm, "%ld", &pages) != 1) _exit(9);
        rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (300 << 20);
        if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) != 0) _exit(9);
        alarm(20);
        bool fine = blas_reserve(4, &err);
        _exit(!fine && err.code == EXIT_SYSTEM && strstr(err.text, "of 4 threads; lower --threads") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    Error err = {0};
    if (!blas_reserve(2, &err)) fail_msg("%s", err.text);
}

/* ---- base ---- */

static void errors_are_sentences(void **state) {
    (void)state;
    Error err;
    assert_false(error_set(&err, EXIT_USAGE, "%s: got %d", "config 'x.json'", 3));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_string_equal(err.text, "config 'x.json': got 3");
    errno = ENOENT;
    assert_false(error_system(&err, "cannot open '%s'", "x"));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_string_equal(err.text, "cannot open 'x': No such file or directory");
    char longer[2 * sizeof err.text];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    errno = ENOENT;
    error_system(&err, "%s", longer); /* truncated */
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    error_set(&err, EXIT_SYSTEM, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    error_set(&err, EXIT_USAGE, "cannot open '%s'", "a\nb"); /* one line */
    assert_string_equal(err.text, "cannot open 'a?b'");
}

/* Lines are added once each, as long as there is room for all of one. */
static void errors_have_lines(void **state) {
    (void)state;
    Error all, one;
    error_set(&one, EXIT_USAGE, "first");
    assert_false(error_add(&all, &one, true));
    error_set(&one, EXIT_USAGE, "second");
    error_add(&all, &one, false);
    error_add(&all, &one, false);
    error_add(&all, &all, false);
    assert_int_equal(all.code, EXIT_USAGE);
    assert_string_equal(all.text, "first\nsecond");
    for (int i = 0; i < 1000; i++) {
        error_set(&one, EXIT_USAGE, "line %03d", i);
        error_add(&all, &one, false);
    }
    assert_true(strlen(all.text) < sizeof all.text);
    assert_int_equal(strncmp(strrchr(all.text, '\n'), "\nline ", 6), 0);
    assert_int_equal(strlen(strrchr(all.text, '\n')), strlen("\nline 000"));
}

/* Runs a function that ends the process, and stores its stderr in `text`. Returns the status of waitpid. */
static int ends(void (*function)(void), char *text, size_t size) {
    int ends_of_pipe[2], status;
    assert_int_equal(pipe(ends_of_pipe), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends_of_pipe[1], 2);
        close(ends_of_pipe[0]);
        close(ends_of_pipe[1]);
        signal(SIGABRT, SIG_DFL);
        function();
        _exit(0);
    }
    close(ends_of_pipe[1]);
    size_t used = 0;
    for (ssize_t got; used < size - 1 && (got = read(ends_of_pipe[0], text + used, size - 1 - used)) > 0;)
        used += (size_t)got;
    text[used] = 0;
    close(ends_of_pipe[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void call_die(void) {
    error_fatal("no memory for %d", 7);
}

static void call_bug(void) {
    BUG("there are %d", 7);
}

static void too_much(void) {
    arena_alloc(arena_new(0), SIZE_MAX / 2, 4);
}

static void too_much_still(void) {
    arena_alloc(arena_new(0), SIZE_MAX / 2, 1);
}

static void wrong_mark(void) {
    arena_release(arena_new(0), 64);
}

static void two_arenas(void) {
    Arena *arena = arena_new(0);
    json_append(json_new_array(arena), json_new_null(arena_new(0)));
}

static void counted_json(void) {
    json_new_object(arena_new_counting());
}

static void ends_are_ends(void **state) {
    char text[512];
    (void)state;
    int status = ends(call_die, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_SYSTEM);
    assert_string_equal(text, "poslab: no memory for 7\n");
    status = ends(call_bug, text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "test_base.c"));
    assert_non_null(strstr(text, "there are 7"));
    status = ends(too_much, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_SYSTEM);
    assert_int_equal(WEXITSTATUS(ends(too_much_still, text, sizeof text)), EXIT_SYSTEM);
    assert_true(WIFSIGNALED(ends(wrong_mark, text, sizeof text)));
    assert_true(WIFSIGNALED(ends(two_arenas, text, sizeof text)));
    assert_non_null(strstr(text, "in another arena than its tree"));
    assert_true(WIFSIGNALED(ends(counted_json, text, sizeof text)));
    assert_non_null(strstr(text, "in a counting arena"));
}

static void the_clock_goes_on(void **state) {
    (void)state;
    double start = clock_now();
    usleep(20000);
    double passed = clock_now() - start;
    assert_true(passed >= 0.019 && passed < 20);
}

/* ---- arena ---- */

static void memory_is_zero_and_aligned(void **state) {
    (void)state;
    Arena *arena = arena_new(100);
    for (int round = 0; round < 2; round++) { /* after a release, memory is zero again */
        ArenaMark mark = arena_mark(arena);
        unsigned char *previous_end = NULL;
        for (size_t n = 0; n < 300; n++) { /* over many chunks */
            unsigned char *bytes = arena_alloc(arena, n, 3);
            assert_int_equal((uintptr_t)bytes % 64, 0);
            for (size_t i = 0; i < 3 * n; i++) assert_int_equal(bytes[i], 0);
            memset(bytes, 0xee, 3 * n);
            previous_end = bytes + 3 * n;
        }
        assert_non_null(previous_end);
        arena_release(arena, mark);
        assert_int_equal(arena_used(arena), mark);
    }
    arena_free(arena);
    arena_free(NULL);
}

/* Memory allocated before a mark survives releases and new chunks. */
static void marks_keep_what_is_before(void **state) {
    (void)state;
    Arena *arena = arena_new(64);
    char *kept = arena_format(arena, "%s-%d", "kept", 12);
    ArenaMark mark = arena_mark(arena);
    for (size_t size = 1; size < 1 << 20; size *= 3) {
        memset(arena_alloc(arena, 1, size), 0xff, size);
        memset(arena_alloc(arena, 10, 100), 0xff, 1000);
        arena_release(arena, mark);
        assert_int_equal(arena_used(arena), mark);
        char *copy = arena_copy(arena, "copy");
        assert_string_equal(copy, "copy");
        assert_string_equal(kept, "kept-12");
    }
    assert_true(arena_peak(arena) >= 531441);
    arena_free(arena);
}

/* A release to a mark in a later chunk keeps the chunks before it, and the start of that chunk. */
static void marks_may_lie_in_any_chunk(void **state) {
    (void)state;
    for (int kept = 1; kept < 9; kept++) {
        Arena *arena = arena_new(128);
        unsigned char *block[16];
        for (int i = 0; i < kept; i++) block[i] = memset(arena_alloc(arena, 64, 1), i + 1, 64);
        ArenaMark mark = arena_mark(arena);
        for (int round = 0; round < 2; round++) {
            for (int i = kept; i < 16; i++) block[i] = memset(arena_alloc(arena, 64, 1), i + 1, 64);
            for (int i = 0; i < 16; i++)
                for (int k = 0; k < 64; k++) assert_int_equal(block[i][k], i + 1);
            arena_release(arena, mark);
        }
        arena_free(arena);
    }
}

/* Blocks do not overlap, in any order of sizes, also in reused chunks. */
static void blocks_are_apart(void **state) {
    (void)state;
    enum { BLOCKS = 200 };
    Arena *arena = arena_new(256);
    for (unsigned round = 0; round < 4; round++) {
        unsigned char *block[BLOCKS];
        size_t size[BLOCKS];
        ArenaMark mark = arena_mark(arena);
        for (unsigned i = 0; i < BLOCKS; i++) {
            size[i] = 1 + (i * 7919u + round * 104729u) % 3000;
            block[i] = arena_alloc(arena, size[i], 1);
            memset(block[i], (int)(i + 1), size[i]);
        }
        for (unsigned i = 0; i < BLOCKS; i++)
            for (size_t k = 0; k < size[i]; k++) assert_int_equal(block[i][k], (unsigned char)(i + 1));
        arena_release(arena, mark);
    }
    arena_free(arena);
}

/* A text of 64 letters needs 65 bytes: it must not overlap the next block. */
static void texts_have_room(void **state) {
    (void)state;
    for (int length = 60; length < 70; length++) {
        Arena *arena = arena_new(0);
        char letters[80] = {0};
        memset(letters, 'x', (size_t)length);
        const char *formatted = arena_format(arena, "%s", letters);
        memset(arena_alloc(arena, 64, 1), 'y', 64);
        const char *copied = arena_copy(arena, letters);
        memset(arena_alloc(arena, 64, 1), 'y', 64);
        assert_string_equal(formatted, letters);
        assert_string_equal(copied, letters);
        arena_free(arena);
    }
}

static void growing_copies(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    int *numbers = arena_grow(arena, NULL, 0, 2, sizeof *numbers);
    numbers[0] = 5, numbers[1] = 6;
    numbers = arena_grow(arena, numbers, 2, 4, sizeof *numbers);
    assert_int_equal(numbers[0], 5);
    assert_int_equal(numbers[1], 6);
    assert_int_equal(numbers[2] + numbers[3], 0);
    arena_free(arena);
}

static void pushed_items_stay(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    struct {
        int *items, count;
    } list = {0};
    for (int i = 0; i < 100; i++) {
        int *item = ARENA_PUSH(arena, list.items, list.count);
        assert_int_equal(*item, 0);
        *item = i + 1;
        memset(arena_alloc(arena, 64, 1), 'y', 64);
    }
    assert_int_equal(list.count, 100);
    for (int i = 0; i < 100; i++) assert_int_equal(list.items[i], i + 1);
    arena_free(arena);
}

static void counting_counts_the_same(void **state) {
    (void)state;
    Arena *real = arena_new(1 << 20), *count = arena_new_counting();
    for (size_t n = 0; n < 100; n += 7) {
        assert_non_null(arena_alloc(real, n, 4));
        assert_null(arena_alloc(count, n, 4));
        assert_int_equal(arena_used(real), arena_used(count));
    }
    assert_int_equal(arena_alloc(count, 1, 1) == NULL, 1);
    size_t peak = arena_peak(count);
    assert_int_equal(peak, arena_used(count));
    arena_release(count, 64);
    assert_int_equal(arena_used(count), 64);
    assert_int_equal(arena_peak(count), peak);
    arena_free(count);
    arena_free(real);
}

/* ---- hash ---- */

/* FIPS 180-4 example values (NIST, "SHA256.pdf") and the empty message. */
static void hash_is_sha256(void **state) {
    char text[SHA256_HEX_SIZE];
    (void)state;
    sha256_hex("", 0, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 *hash = sha256_new();
    sha256_update(hash, "abcdbcdecdefdefgefghfghighijhijk", 32);
    sha256_update(hash, "", 0);
    sha256_update(hash, "ijkljklmklmnlmnomnopnopq", 24);
    sha256_finish(hash, text);
    assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* Files are read completely, at sizes around those of the buffer; with a limit, reading stops after it. */
static void files_are_read_whole(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
    char path[64];
    size_t size;
    Arena *arena = arena_new(0);
    snprintf(path, sizeof path, "/tmp/poslab-base-%ld", (long)getpid());
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        char *bytes = NEW(arena, sizes[i] + 1, char);
        for (size_t k = 0; k < sizes[i]; k++) bytes[k] = (char)(k * 7 + k / 251);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, sizes[i], file), sizes[i]);
        assert_int_equal(fclose(file), 0);
        const char *text = file_read(path, SIZE_MAX / 4, &size, arena);
        assert_non_null(text);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(text, bytes, size + 1);
        assert_non_null(file_read(path, 1000, &size, arena));
        assert_true(sizes[i] > 1000 ? size > 1000 : size == sizes[i]);
    }
    unlink(path);
    assert_null(file_read(path, 1, NULL, arena));
    assert_int_equal(errno, ENOENT);
    assert_null(file_read("/", 1, NULL, arena));
    assert_int_equal(errno, EISDIR);
    assert_non_null(file_read("/dev/zero", 1000000, &size, arena));
    assert_true(size > 1000000 && size < 4000000);
    arena_free(arena);
}

static void lists_and_paths_in_texts(void **state) {
    (void)state;
    assert_true(text_has("rope rotary", ' ', "rope") && text_has("rope rotary", ' ', "rotary"));
    assert_true(text_has("a", ',', "a") && text_has("b,,a", ',', "a"));
    assert_false(text_has("rope rotary", ' ', "rot") || text_has("rope rotary", ' ', "ope"));
    assert_false(text_has(NULL, ' ', "a") || text_has("", ' ', "a") || text_has("a,b", ' ', "a"));
    static const struct {
        const char *path;
        size_t stem;
    } cases[] = {{"a/b.svg", 3}, {"a.b/c", 5}, {".hidden", 7}, {"a/.x.py", 4}, {"a.b.c", 3}, {"", 0}};
    for (int i = 0; i < COUNT_OF(cases); i++) assert_int_equal(text_stem(cases[i].path), cases[i].stem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_paths_in_texts),
        cmocka_unit_test(errors_are_sentences),
        cmocka_unit_test(errors_have_lines),
        cmocka_unit_test(ends_are_ends),
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(marks_keep_what_is_before),
        cmocka_unit_test(blocks_are_apart),
        cmocka_unit_test(marks_may_lie_in_any_chunk),
        cmocka_unit_test(texts_have_room),
        cmocka_unit_test(growing_copies),
        cmocka_unit_test(pushed_items_stay),
        cmocka_unit_test(counting_counts_the_same),
        cmocka_unit_test(hash_is_sha256),
        cmocka_unit_test(files_are_read_whole),
        cmocka_unit_test(lanes_have_one_thread_of_openmp),
        cmocka_unit_test(lanes_are_as_many_as_the_job_wants),
        cmocka_unit_test(ignored_signals_stay_ignored),
        cmocka_unit_test(the_blas_does_not_wait_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
