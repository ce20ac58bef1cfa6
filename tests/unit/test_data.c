/* test_data: corpora and batches.
 *
 * The same documents give the same streams, independent of their paths; errors about files name the file and
 * the remedy. Batches depend on seed, length and index only, and visit each window of an epoch once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "data/corpus.h"
#include "data/batches.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST(...) ((const char *[]){__VA_ARGS__, NULL})

static Corpus *read_good(const CorpusOptions *options, int vocabulary) {
    Error err = {0};
    Corpus *corpus = corpus_read(options, vocabulary, "config 'x.json'", arena, &err);
    if (!corpus) fail_msg("%s", err.text);
    return corpus;
}

static Corpus *read_files(const char **files, double valid, double test) {
    return read_good(&(CorpusOptions){.files = {files}, .valid = valid, .test = test}, 0);
}

/* The error must have this code and contain all words. */
static void expect_error(const CorpusOptions *options, int vocabulary, ExitCode code, const char **words) {
    Error err = {0};
    size_t used = arena_used(arena);
    if (corpus_read(options, vocabulary, "config 'x.json'", arena, &err))
        fail_msg("accepted: no \"%s\"", *words);
    if (err.code != code) fail_msg("code %d: %s", err.code, err.text);
    if (!strstr(err.text, "config 'x.json'")) fail_msg("no place in: %s", err.text);
    for (; *words; words++)
        if (!strstr(err.text, *words)) fail_msg("no \"%s\" in: %s", *words, err.text);
    assert_int_equal(arena_used(arena), used);
}

static void expect_files_error(const char **files, const char **words) {
    expect_error(&(CorpusOptions){.files = {files}}, 0, EXIT_USAGE, words);
}

static void make_documents(const char *where) {
    char name[64], text[64];
    assert_int_equal(mkdir(where, 0700), 0);
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "%s/%d.txt", where, i);
        snprintf(text, sizeof text, "document %d%.*s;", i, i, "abcdefghi");
        fixture_put_text(name, text);
    }
}

/* --- corpora --- */

static void test_order_ignores_paths(void **state) {
    (void)state;
    make_documents("one");
    make_documents("two");
    Corpus *a = read_files(LIST("one/*.txt"), 0.2, 0.1), *b = read_files(LIST("./two/*"), 0.2, 0.1);
    Corpus *c =
        read_files(LIST("one/7.txt", "two/[0-6].txt", "one/8.txt", "one/7.txt", "two/3.txt"), 0.2, 0.1);
    assert_string_equal(a->hash, b->hash);
    assert_string_equal(a->hash, c->hash);
    for (int split = 0; split < SPLIT_COUNT; split++) {
        assert_int_equal(a->splits[split].count, b->splits[split].count);
        assert_memory_equal(a->splits[split].tokens, b->splits[split].tokens,
                            4 * (size_t)a->splits[split].count);
        assert_int_equal(a->splits[split].documents, b->splits[split].documents);
    }
    assert_int_equal(a->vocabulary, 256);
    assert_true(a->bytes_per_token == 1);

    assert_int_equal(rename("two/3.txt", "two/other.txt"), 0);
    assert_string_not_equal(a->hash, read_files(LIST("two/*"), 0.2, 0.1)->hash);
    fixture_put_text("one/3.txt", "changed");
    assert_string_not_equal(a->hash, read_files(LIST("one/*"), 0.2, 0.1)->hash);
}

/* Order, cut and hash, computed here from their definitions. */
static void test_definition(void **state) {
    (void)state;
    typedef struct Row {
        const char *name, *text;
        char order[SHA256_HEX_SIZE];
    } Row;
    Row rows[] = {{"a", "first text", ""}, {"b.txt", "second", ""}, {"c", "the third text of all", ""}};
    char joined[64] = "", digest[SHA256_HEX_SIZE];
    for (int i = 0; i < 3; i++) {
        fixture_put_text(rows[i].name, rows[i].text);
        Sha256 *hash = sha256_new();
        sha256_update(hash, rows[i].name, strlen(rows[i].name));
        sha256_update(hash, "", 1);
        sha256_update(hash, rows[i].text, strlen(rows[i].text));
        sha256_finish(hash, rows[i].order);
    }
    for (int i = 0; i < 3; i++)
        for (int j = i + 1; j < 3; j++)
            if (strcmp(rows[j].order, rows[i].order) < 0) {
                Row swap = rows[i];
                rows[i] = rows[j];
                rows[j] = swap;
            }
    int64_t ends[4] = {0};
    for (int i = 0; i < 3; i++) {
        strcat(joined, rows[i].text);
        ends[i + 1] = (int64_t)strlen(joined);
    }
    assert_int_equal(ends[3], 37);

    /* 37 x 0.15 = 5.55 and 37 x 0.4 = 14.8 */
    Corpus *corpus = read_files(LIST("*"), 0.15, 0.4);
    const int64_t cuts[] = {0, 37 - 15 - 6, 37 - 15, 37};
    Sha256 *hash = sha256_new();
    for (int split = 0; split < SPLIT_COUNT; split++) {
        const CorpusStream *got = &corpus->splits[split];
        int64_t begin = cuts[split], end = cuts[split + 1], count = end - begin, documents = 0;
        assert_int_equal(got->count, count);
        for (int64_t i = 0; i < count; i++) assert_int_equal(got->tokens[i], joined[begin + i]);
        sha256_update(hash, &count, 8);
        for (int i = 0; i < 3; i++) {
            int64_t from = ends[i] > begin ? ends[i] : begin, to = ends[i + 1] < end ? ends[i + 1] : end;
            if (from >= to) continue;
            int64_t part = to - from;
            sha256_update(hash, &part, 8);
            for (int64_t t = from; t < to; t++) {
                uint16_t token = (uint16_t)corpus->splits[0].tokens[t];
                sha256_update(hash, &token, 2);
            }
            documents += from == ends[i];
        }
        assert_int_equal(got->documents, documents ? documents : 1);
    }
    sha256_finish(hash, digest);
    assert_string_equal(digest, corpus->hash);
}

static void test_shares(void **state) {
    (void)state;
    fixture_put_text("a", "0123456789");
    Corpus *corpus = read_files(LIST("a"), 0, 0);
    assert_int_equal(corpus->splits[SPLIT_TRAIN].count, 10);
    assert_int_equal(corpus->splits[SPLIT_VALID].count, 0);
    assert_int_equal(corpus->splits[SPLIT_TEST].documents, 0);
    corpus = read_files(LIST("a"), 0.05, 0.9);
    assert_int_equal(corpus->splits[SPLIT_TRAIN].count, 0);
    assert_int_equal(corpus->splits[SPLIT_VALID].count, 1);
    assert_int_equal(corpus->splits[SPLIT_TEST].count, 9);
}

static void test_own_splits(void **state) {
    (void)state;
    make_documents("d");
    fixture_put_text("held", "held out");
    fixture_put_text("more", "more");
    CorpusOptions options = {.files = {LIST("d/*"), LIST("held", "more"), NULL}, .test = 0.1};
    Corpus *corpus = read_good(&options, 0);
    assert_int_equal(corpus->splits[SPLIT_VALID].count, 12);
    assert_int_equal(corpus->splits[SPLIT_VALID].documents, 2);
    assert_int_equal(
        corpus->splits[SPLIT_VALID].tokens[0] == 'h' || corpus->splits[SPLIT_VALID].tokens[0] == 'm', 1);
    Corpus *plain = read_files(LIST("d/*"), 0, 0.1);
    for (int split = 0; split < SPLIT_COUNT; split += 2) {
        assert_int_equal(corpus->splits[split].count, plain->splits[split].count);
        assert_memory_equal(corpus->splits[split].tokens, plain->splits[split].tokens,
                            4 * (size_t)plain->splits[split].count);
    }
    assert_string_not_equal(corpus->hash, plain->hash);
    options = (CorpusOptions){.files = {LIST("d/*"), LIST("held"), LIST("more")}};
    assert_int_equal(read_good(&options, 0)->splits[SPLIT_TEST].count, 4);

    options = (CorpusOptions){.files = {LIST("d/*"), LIST("d/3.txt")}};
    expect_error(&options, 0, EXIT_USAGE, LIST("d/3.txt", "data.files", "data.valid_files"));
}

static void expect_count(const char **files, int64_t count) {
    assert_int_equal(read_files(files, 0, 0)->splits[SPLIT_TRAIN].count, count);
}

/* Several names of one file are one document. */
static void test_one_file_once(void **state) {
    (void)state;
    char absolute[128];
    fixture_put_text("a.txt", "some text");
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(symlink("../a.txt", "sub/link.txt"), 0);
    assert_int_equal(link("a.txt", "sub/hard.txt"), 0);
    assert_int_equal(symlink("sub", "other"), 0);
    snprintf(absolute, sizeof absolute, "%s/a.txt", fixture_path());
    const char *const names[] = {"a.txt",  "./a.txt",      "sub/../a.txt",   ".//a.txt",
                                 absolute, "sub/link.txt", "other/hard.txt", "sub/*.txt"};
    const Corpus *once = read_files(LIST("a.txt"), 0, 0);
    for (int i = 0; i < COUNT_OF(names); i++) {
        const Corpus *twice = read_files(LIST(names[i], "a.txt", names[i]), 0, 0);
        assert_string_equal(twice->hash, once->hash);
        for (int list = SPLIT_VALID; list < SPLIT_COUNT; list++) {
            CorpusOptions options = {.files = {LIST("a.txt")}};
            options.files[list] = LIST(names[i]);
            expect_error(&options, 0, EXIT_USAGE,
                         LIST("a.txt", "data.files", "are the same file", "only one list"));
        }
    }
    fixture_put_text("b.txt", "other");
    expect_error(&(CorpusOptions){.files = {LIST("b.txt"), LIST("a.txt"), LIST("sub/link.txt")}}, 0,
                 EXIT_USAGE, LIST("data.valid_files", "data.test_files", "a.txt", "sub/link.txt"));
}

/* A copy is another file with the same text. */
static void test_copies(void **state) {
    (void)state;
    fixture_put_text("a.txt", "the same text");
    fixture_put_text("copy", "the same text");
    fixture_put_text("marked", "\xEF\xBB\xBFthe same text");
    fixture_put_text("other", "the same tex?");
    const char *const copies[] = {"copy", "marked"};
    for (int i = 0; i < COUNT_OF(copies); i++)
        expect_error(&(CorpusOptions){.files = {LIST("other", "a.txt"), LIST(copies[i])}}, 0, EXIT_USAGE,
                     LIST("a.txt", copies[i], "data.files", "data.valid_files", "same content"));
    assert_int_equal(
        read_good(&(CorpusOptions){.files = {LIST("a.txt"), LIST("other")}}, 0)->splits[SPLIT_VALID].count,
        13);

    /* Copies in one list are allowed. If a cut separates them, a note says so. */
    Corpus *corpus = read_files(LIST("a.txt", "copy"), 0, 0);
    assert_int_equal(corpus->splits[SPLIT_TRAIN].count, 26);
    assert_string_equal(corpus_note(corpus, arena), "");
    corpus = read_files(LIST("a.txt", "copy"), 0.5, 0);
    assert_string_equal(corpus_note(corpus, arena),
                        "2 files have the same content as files in another split");
    assert_string_equal(corpus_note(read_files(LIST("a.txt", "other"), 0.3, 0.3), arena), "");
}

/* `**` matches any number of folders, as in the shell. */
static void test_any_depth(void **state) {
    (void)state;
    static const char *const files[] = {"d/1.txt", "d/e/2.txt",       "d/e/f/3.txt", "d/[x]/4.txt",
                                        "d/e/no",  "d/.hidden/5.txt", "d/e/.6.txt"};
    static const char *const folders[] = {"d", "d/e", "d/e/f", "d/[x]", "d/.hidden", "d/g.txt", "far"};
    for (int i = 0; i < COUNT_OF(folders); i++) assert_int_equal(mkdir(folders[i], 0700), 0);
    for (int i = 0; i < COUNT_OF(files); i++) fixture_put_text(files[i], arena_format(arena, "%s", files[i]));
    fixture_put_text("far/7.txt", "7");
    assert_int_equal(symlink("../..", "d/e/loop"), 0);
    assert_int_equal(symlink("nowhere", "d/e/gone"), 0);
    static const struct {
        const char *pattern;
        int64_t count;
    } rows[] = {
        {"d/**/*.txt", 7 + 9 + 11 + 11 + 1}, /* the loop also leads to far/7.txt */
        {"d/*/*.txt", 9 + 11},
        {"d/**/**/[1-3].txt", 7 + 9 + 11},
        {"**/f/*.txt", 11},
        {"**/e/**/3.txt", 11},
        {"d/**/f/**", 11},
        {"./d/[[]x]/**", 11},
        {"far/**", 1},
        {"far/**/", 1},
        {"d/.*/*.txt", 15},
        {"d/**e/*.txt", 9}, /* not a whole component: the same as `*` */
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        Corpus *corpus = read_files(LIST(rows[i].pattern), 0, 0);
        if (corpus->splits[0].count != rows[i].count)
            fail_msg("%s: %d", rows[i].pattern, (int)corpus->splits[0].count);
    }
    char absolute[128];
    snprintf(absolute, sizeof absolute, "%s/**/2.txt", fixture_path());
    expect_count(LIST(absolute), 9);
    expect_files_error(LIST("d/**/*.csv"), LIST("no file matches 'd/**/*.csv'"));
}

/* A UTF-8 byte-order mark is not text; errors name UTF-16 and other types of files. */
static void test_marks(void **state) {
    (void)state;
    fixture_put_text("plain", "abc");
    fixture_put_text("marked", "\xEF\xBB\xBF"
                               "abc");
    fixture_put_text("only", "\xEF\xBB\xBF");
    fixture_put_text("inside", "abc\xEF\xBB\xBF");
    Corpus *corpus = read_files(LIST("marked"), 0, 0);
    assert_int_equal(corpus->splits[0].count, 3);
    assert_int_equal(corpus->splits[0].tokens[0], 'a');
    assert_string_equal(corpus->hash, read_files(LIST("plain"), 0, 0)->hash);
    expect_count(LIST("inside"), 6);
    expect_files_error(LIST("only"), LIST("'only' is empty"));

    char wide[64] = {0}, tokens[64];
    for (int i = 0; i < 32; i++) wide[2 * i] = (char)('a' + i % 26);
    for (int i = 0; i < 64; i++) tokens[i] = (char)(i % 8 < 2 ? 'a' + i % 26 : 0); /* int64 */
    fixture_put("wide", wide, sizeof wide);
    fixture_put("wide-other", wide + 1, sizeof wide - 2);
    fixture_put("integers", tokens, sizeof tokens);
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *what;
    } rows[] = {
        {"le",
         "\xFF\xFE"
         "a\0b\0",
         6, "UTF-16"},
        {"be", "\xFE\xFF\0a\0b", 6, "UTF-16"},
        {"le32", "\xFF\xFE\0\0a\0\0\0", 8, "UTF-32"},
        {"be32", "\0\0\xFE\xFF\0\0\0a", 8, "UTF-32"},
        {"wide", NULL, 0, "UTF-16"},
        {"wide-other", NULL, 0, "UTF-16"},
        {"integers", NULL, 0, "data.tokenizer"},
        {"gzip", "\x1f\x8b\x08\0\0", 5, "decompress"},
        {"zip", "PK\3\4\0\0", 6, "zip archive"},
        {"npy", "\x93NUMPY\1\0", 8, "NumPy array"},
        {"pdf", "%PDF-1.7\n", 9, "PDF"},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].bytes) fixture_put(rows[i].name, rows[i].bytes, rows[i].size);
        expect_files_error(LIST("plain", rows[i].name), LIST(rows[i].name, rows[i].what));
    }
}

/* An empty file that a pattern matches is left out and counted. */
static void test_empty_files(void **state) {
    (void)state;
    fixture_put_text("a.txt", "text");
    fixture_put_text("e1.txt", "");
    fixture_put_text("e2.txt", "\xEF\xBB\xBF");
    Corpus *corpus = read_files(LIST("*.txt"), 0, 0);
    assert_int_equal(corpus->splits[0].count, 4);
    assert_int_equal(corpus->splits[0].documents, 1);
    assert_string_equal(corpus_note(corpus, arena), "2 empty files skipped");
    assert_string_equal(corpus->hash, read_files(LIST("a.txt"), 0, 0)->hash);
    assert_string_equal(corpus_note(read_files(LIST("*a.txt", "e1*"), 0, 0), arena), "1 empty file skipped");
    expect_files_error(LIST("*.txt", "e1.txt"), LIST("'e1.txt' is empty", "remove it"));
    expect_files_error(LIST("e*.txt"), LIST("'data.files' matches only empty files"));
    expect_error(&(CorpusOptions){.files = {LIST("a.txt"), LIST("e*")}}, 0, EXIT_USAGE,
                 LIST("'data.valid_files' matches only empty files"));
    CorpusOptions options = {.tokenizer = TOKENIZER_UINT16, .files = {LIST("*.txt")}};
    assert_int_equal(unlink("e2.txt"), 0);
    assert_int_equal(read_good(&options, 65536)->empty, 1);
}

/* A file whose name looks like a pattern can be named. */
static void test_brackets(void **state) {
    (void)state;
    fixture_put_text("a[1]", "one");
    fixture_put_text("a1", "other");
    assert_int_equal(read_files(LIST("a[1]"), 0, 0)->splits[0].count, 3);
    assert_int_equal(read_files(LIST("a[12]"), 0, 0)->splits[0].count, 5);
}

static void test_bad_files(void **state) {
    (void)state;
    fixture_put_text("good", "text");
    fixture_put_text("empty", "");
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    expect_files_error(LIST("good", "absent.txt"),
                       LIST("data.files", "absent.txt", "no such file '", "current folder"));
    expect_files_error(LIST("good", "nothing/*.txt"), LIST("data.files", "nothing/*.txt", "no file matches"));
    expect_files_error(LIST("data/perl/*.txt"), LIST("data/perl/*.txt", "`make data`"));
    expect_files_error(LIST("good", "empty"), LIST("file 'empty' is empty", "remove it", "data.files"));
    expect_files_error(LIST("good", "dir"), LIST("'dir' is a folder", "dir/*"));
    expect_files_error(LIST("*"), LIST("'dir' is a folder"));
    expect_files_error(LIST("pipe"), LIST("'pipe' is not a regular file"));
    expect_error(&(CorpusOptions){.files = {LIST("loop/*")}}, 0, EXIT_SYSTEM, LIST("data.files", "loop/*"));
    expect_error(&(CorpusOptions){0}, 0, EXIT_USAGE, LIST("data.files"));
    expect_error(&(CorpusOptions){.files = {LIST("good"), LIST("absent")}}, 0, EXIT_USAGE,
                 LIST("data.valid_files", "absent"));
}

/* Root may read all files, so the test runs as another user. */
static void test_unreadable(void **state) {
    (void)state;
    fixture_put_text("secret", "text");
    static const char *const names[] = {"secret",     "secrets/file", "secrets/*", "secrets/*/x",
                                        "secrets/**", "**/file",      "*/file",    "s*"};
    assert_int_equal(mkdir("secrets", 0700), 0);
    fixture_put_text("secrets/file", "text");
    assert_int_equal(chmod("secrets", 0), 0);
    assert_int_equal(chmod("secret", 0), 0);
    assert_int_equal(chmod(".", 0755), 0);
    uid_t user = geteuid();
    if (user == 0 && seteuid(65534) != 0) skip();
    for (int i = 0; i < COUNT_OF(names); i++)
        expect_error(&(CorpusOptions){.files = {LIST(names[i])}}, 0, EXIT_SYSTEM,
                     LIST("secret", "ermission"));
    assert_false(corpus_is_missing(&(CorpusOptions){.files = {LIST("secrets/file")}}));
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod("secrets", 0700), 0);
}

/* Refused by their sizes, before reading takes all memory. */
static void test_too_large_for_memory(void **state) {
    (void)state;
    fixture_put_text("big", "text");
    fixture_put_text("small", "text");
    if (truncate("big", ((off_t)1 << 40) + 2) != 0) skip(); /* not all file systems allow this size */
    expect_files_error(LIST("big"), LIST("'data.files'", "5120.0 GiB", "name fewer"));
    expect_error(&(CorpusOptions){.files = {LIST("small"), LIST("big")}}, 0, EXIT_USAGE,
                 LIST("'data.valid_files'", "5120.0 GiB"));
    expect_error(&(CorpusOptions){.tokenizer = TOKENIZER_UINT16, .files = {LIST("big")}}, 9, EXIT_USAGE,
                 LIST("'data.files'", "3072.0 GiB"));
}

static void test_vocabulary_of_bytes(void **state) {
    (void)state;
    fixture_put_text("a", "plain");
    fixture_put_text("b", "caf\xc3\xa9");
    assert_int_equal(read_good(&(CorpusOptions){.files = {LIST("a")}}, 128)->vocabulary, 128);
    assert_int_equal(read_files(LIST("b"), 0, 0)->splits[0].tokens[3], 0xc3);
    expect_error(&(CorpusOptions){.files = {LIST("*")}}, 128, EXIT_USAGE,
                 LIST("file 'b'", "token 3 is 195", "vocabulary of 128", "model.vocabulary"));
}

/* --- streams of 16-bit tokens --- */

static const uint16_t stream[] = {0, 5, 50256, 1, 256};

static void put_with_header(const char *name, int32_t magic, int32_t version, int32_t count, size_t tokens) {
    unsigned char bytes[1024 + sizeof stream];
    int32_t header[256] = {magic, version, count};
    memcpy(bytes, header, sizeof header);
    memcpy(bytes + sizeof header, stream, sizeof stream);
    fixture_put(name, bytes, sizeof header + 2 * tokens);
}

static CorpusOptions tokens_of(const char **files) {
    return (CorpusOptions){.tokenizer = TOKENIZER_UINT16, .files = {files}};
}

static void test_token_streams(void **state) {
    (void)state;
    fixture_put("plain.bin", stream, sizeof stream);
    put_with_header("header.bin", 20240520, 1, 5, 5);
    fixture_put("short.bin", stream, 4);
    CorpusOptions plain = tokens_of(LIST("plain.bin")), header = tokens_of(LIST("header.bin"));
    Corpus *a = read_good(&plain, 50257), *b = read_good(&header, 50257);
    assert_int_equal(a->splits[0].count, 5);
    for (int i = 0; i < 5; i++) assert_int_equal(a->splits[0].tokens[i], stream[i]);
    assert_int_equal(b->splits[0].count, 5);
    for (int i = 0; i < 5; i++) assert_int_equal(b->splits[0].tokens[i], stream[i]);
    assert_string_equal(a->hash, b->hash);
    assert_true(a->bytes_per_token == 0);
    CorpusOptions tiny = tokens_of(LIST("short.bin"));
    assert_int_equal(read_good(&tiny, 65536)->splits[0].count, 2);
}

static void test_bad_token_streams(void **state) {
    (void)state;
    fixture_put("good.bin", stream, sizeof stream);
    fixture_put("odd.bin", stream, 5);
    put_with_header("version.bin", 20240520, 7, 5, 5);
    put_with_header("more.bin", 20240520, 1, 6, 5);
    put_with_header("less.bin", 20240520, 1, 4, 5);
    put_with_header("minus.bin", 20240520, 1, -1, 5);
    put_with_header("none.bin", 20240520, 1, 0, 0);
    static const struct {
        const char *file, *word, *remedy;
    } rows[] = {
        {"odd.bin", "odd size (5 bytes)", "data.tokenizer"},
        {"version.bin", "version 7", "version 1"},
        {"more.bin", "announces 6 tokens", "10 bytes"},
        {"less.bin", "announces 4 tokens", "10 bytes"},
        {"minus.bin", "announces -1 tokens", "damaged"},
        {"none.bin", "announces 0 tokens", "damaged"},
        {"good.bin", "token 2 is 50256, outside the vocabulary of 50256", "model.vocabulary"},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        CorpusOptions options = tokens_of(LIST(rows[i].file));
        expect_error(&options, 50256, EXIT_USAGE, LIST(rows[i].file, rows[i].word, rows[i].remedy));
    }
    CorpusOptions good = tokens_of(LIST("good.bin"));
    expect_error(&good, 0, EXIT_USAGE, LIST("model.vocabulary", "uint16"));
    expect_error(&good, 65537, EXIT_USAGE, LIST("model.vocabulary", "65537"));
    expect_error(&good, -1, EXIT_USAGE, LIST("model.vocabulary"));
}

/* Arrays, archives and text, which could be read as 16-bit tokens. */
static void test_no_token_streams(void **state) {
    (void)state;
    enum { COUNT = 512 };
    int64_t wide[COUNT];
    int32_t words[COUNT];
    uint32_t swapped[COUNT], large[COUNT];
    uint16_t narrow[COUNT], many[8 * COUNT];
    float single[COUNT];
    double real[COUNT];
    unsigned char bytes[COUNT];
    char text[COUNT];
    uint64_t random = 1;
    for (int i = 0; i < COUNT; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        narrow[i] = (uint16_t)((random >> 40) % 50257);
        wide[i] = words[i] = narrow[i];
        single[i] = narrow[i];
        real[i] = narrow[i];
        swapped[i] = __builtin_bswap32(narrow[i]);
        large[i] = (uint32_t)((random >> 33) % 128256);
        bytes[i] = (unsigned char)(narrow[i] % 65);
        text[i] = "the letters of a text\n\t."[narrow[i] % 24];
    }
    fixture_put("good.bin", narrow, sizeof narrow);
    CorpusOptions good = tokens_of(LIST("good.bin"));
    assert_int_equal(read_good(&good, 50257)->splits[0].count, COUNT);
    for (int i = 0; i < COUNT_OF(many); i++)
        many[i] =
            (uint16_t)(narrow[i % COUNT] % 16 ? narrow[i % COUNT] ^ i
                                              : narrow[i % COUNT] % 255 + 1); /* some values are frequent */
    fixture_put("tokens.bin", many, sizeof many);
    fixture_put("single.bin", single, sizeof single);
    fixture_put("real.bin", real, sizeof real);
    fixture_put("int64.bin", wide, sizeof wide);
    fixture_put("int32.bin", words, sizeof words);
    fixture_put("short32.bin", words, 32);
    fixture_put("swapped.bin", swapped, sizeof swapped);
    fixture_put("large.bin", large, sizeof large);
    fixture_put("bytes.bin", bytes, sizeof bytes);
    fixture_put("text.txt", text, sizeof text);
    fixture_put_text("accents.txt", "D\xC3\xA9j\xC3\xA0 vu: un texte assez long, en UTF-8, pair, "
                                    "que l'on ne devrait pas lire ...");
    fixture_put("x.npy", "\x93NUMPY\1\0v\0{'descr'", 18);
    fixture_put("x.npz", "PK\3\4\x14\0\0\0", 8);
    fixture_put("x.gz", "\x1f\x8b\x08\0\0\0", 6);
    fixture_put("x.zst", "\x28\xb5\x2f\xfd\0\0", 6);
    fixture_put("x.xz",
                "\xfd"
                "7zXZ\0\0\4",
                8);
    fixture_put("x.bz2", "BZh91AY&SY", 10);
    fixture_put("x.parquet", "PAR1\x15\4", 6);
    fixture_put("x.pkl", "\x80\x04\x95\x1f\0\0", 6);
    fixture_put("x.idx", "MMIDIDX\0\0\1", 10);
    put_with_header("llama3.bin", 20240801, 7, 5, 5);
    put_with_header("model.bin", 20240326, 3, 5, 5);
    static const struct {
        const char *file, *what, *remedy;
    } rows[] = {
        {"int64.bin", "64 bits", "uint16"},   {"int32.bin", "32 bits", "uint16"},
        {"short32.bin", "32 bits", "uint16"}, {"swapped.bin", "32 bits", "uint16"},
        {"large.bin", "32 bits", "uint16"},   {"bytes.bin", "8 bits", "uint16"},
        {"text.txt", "is text", "\"bytes\""}, {"accents.txt", "is text", "\"bytes\""},
        {"x.npy", "NumPy array", "uint16"},   {"x.npz", "zip archive", "unpack"},
        {"x.gz", "gzip", "decompress"},       {"x.zst", "zstd", "decompress"},
        {"x.xz", "xz", "decompress"},         {"x.bz2", "bzip2", "decompress"},
        {"x.parquet", "Parquet", "write"},    {"x.pkl", "pickle", "write"},
        {"x.idx", "Megatron", ".bin"},        {"llama3.bin", "Llama 3", "32 bits"},
        {"model.bin", "llm.c", "tokens"},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        CorpusOptions options = tokens_of(LIST(rows[i].file));
        expect_error(&options, 65536, EXIT_USAGE, LIST(rows[i].file, rows[i].what, rows[i].remedy));
    }
    put_with_header("header.bin", 20240520, 1, 5, 5);
    expect_files_error(LIST("header.bin"), LIST("header.bin", "data.tokenizer", "uint16"));
    expect_files_error(LIST("int64.bin"), LIST("int64.bin", "data.tokenizer", "uint16"));
    expect_files_error(LIST("tokens.bin"), LIST("tokens.bin", "data.tokenizer", "uint16"));
    CorpusOptions many_good = tokens_of(LIST("tokens.bin"));
    read_good(&many_good, 65536);
}

/* Streams with few different tokens are not taken for arrays of integers. */
static void test_plain_streams_pass(void **state) {
    (void)state;
    uint16_t tokens[256];
    for (int limit = 2; limit <= 256; limit *= 2) {
        for (int i = 0; i < COUNT_OF(tokens); i++) tokens[i] = (uint16_t)(i * i / 3 % limit);
        fixture_put("t.bin", tokens, sizeof tokens);
        CorpusOptions options = tokens_of(LIST("t.bin"));
        assert_int_equal(read_good(&options, 256)->splits[0].count, COUNT_OF(tokens));
    }
}

/* --- batches --- */

static uint32_t numbers[20000];

static Batches *make_stage(int64_t count, int length, uint64_t seed, int stage) {
    Error err = {0};
    for (int i = 0; i < COUNT_OF(numbers); i++) numbers[i] = (uint32_t)i;
    CorpusStream source = {.tokens = numbers, .count = count, .documents = 1};
    Batches *batches = batches_new(&source, length, seed, stage, "config 'x.json'", arena, &err);
    if (!batches) fail_msg("%s", err.text);
    return batches;
}

static Batches *make_batches(int64_t count, int length, uint64_t seed) {
    return make_stage(count, length, seed, 0);
}

/* For streams of all lengths around a few windows: windows are inside the stream, those of an epoch do not
   share targets, and each is visited at every phase at which it fits. */
static void test_batches_cover(void **state) {
    (void)state;
    for (int length = 1; length <= 7; length++)
        for (int64_t count = length + 1; count <= 6 * length + 1; count++) {
            Batches *batches = make_stage(count, length, 3, length % 3);
            int64_t windows = count / length - 1 > 1 ? count / length - 1 : 1;
            uint8_t phases[8] = {0};
            for (int64_t epoch = 0; epoch < 100; epoch++) {
                uint8_t seen[64] = {0};
                int phase = -1;
                for (int64_t i = 0; i < windows; i++) {
                    int64_t at = batches_sequence(batches, epoch * windows + i).tokens - numbers;
                    assert_in_range(at, 0, count - length - 1);
                    assert_int_equal(seen[at], 0);
                    seen[at] = 1;
                    if (phase < 0) phase = (int)(at % length);
                    assert_int_equal(at % length, phase);
                }
                assert_in_range(phase, 0, length - 1);
                phases[phase] = 1;
            }
            int64_t possible = count - windows * length < length ? count - windows * length : length;
            int found = 0;
            for (int i = 0; i < length; i++) found += phases[i];
            assert_int_equal(found, possible);
        }
}

static void test_batches_jump(void **state) {
    (void)state;
    Batches *forward = make_batches(20000, 16, 5), *jumping = make_batches(20000, 16, 5);
    const uint32_t *wanted[4000];
    for (int i = 0; i < 4000; i++) wanted[i] = batches_sequence(forward, i).tokens;
    for (int i = 0; i < 4000; i++) {
        int index = (int)(i * 1237LL % 4000);
        assert_ptr_equal(batches_sequence(jumping, index).tokens, wanted[index]);
    }
    assert_ptr_equal(batches_sequence(jumping, (int64_t)1 << 50).tokens,
                     batches_sequence(forward, (int64_t)1 << 50).tokens);
}

static int differences(Batches *a, int64_t from_a, Batches *b, int64_t from_b, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += batches_sequence(a, from_a + i).tokens != batches_sequence(b, from_b + i).tokens;
    return sum;
}

static void test_batches_random(void **state) {
    (void)state;
    Batches *a = make_batches(20000, 16, 1), *b = make_batches(20000, 16, 2);
    assert_true(differences(a, 0, b, 0, 1000) > 990);
    assert_true(differences(a, 0, make_batches(20000, 16, 1), 20000 / 16 - 1, 1000) > 990);
    int rising = 0;
    for (int i = 0; i < 1000; i++)
        rising += batches_sequence(a, i).tokens < batches_sequence(a, i + 1).tokens;
    assert_in_range(rising, 400, 600);
}

/* Frozen: stored runs can only be found by their key if equal seeds give equal batches (CONFIG_FORMAT). */
static void test_batches_golden(void **state) {
    (void)state;
    Batches *batches = make_batches(20000, 128, 1);
    static const int64_t indices[] = {0, 1, 2, 154, 155, 1000000};
    static const int golden[] = {10470, 10854, 18150, 3430, 10037, 18760};
    for (int i = 0; i < COUNT_OF(indices); i++)
        assert_int_equal(batches_sequence(batches, indices[i]).tokens - numbers, golden[i]);
    /* of later stages of training */
    static const int later[][3] = {{4652, 7212, 11180}, {7064, 9112, 7192}};
    for (int stage = 1; stage <= COUNT_OF(later); stage++)
        for (int i = 0; i < 3; i++)
            assert_int_equal(batches_sequence(make_stage(20000, 128, 1, stage), i).tokens - numbers,
                             later[stage - 1][i]);
}

static void test_batches_too_short(void **state) {
    (void)state;
    Error err = {0};
    CorpusStream source = {.tokens = numbers, .count = 128, .documents = 1};
    assert_null(batches_new(&source, 128, 1, 0, "config 'x.json'", arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    const char **words = LIST("config 'x.json'", "train.length", "128", "129", "data.files");
    for (; *words; words++) assert_non_null(strstr(err.text, *words));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_folder, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order_ignores_paths),
        TEST(test_definition),
        TEST(test_shares),
        TEST(test_own_splits),
        TEST(test_one_file_once),
        TEST(test_copies),
        TEST(test_any_depth),
        TEST(test_marks),
        TEST(test_empty_files),
        TEST(test_brackets),
        TEST(test_bad_files),
        TEST(test_unreadable),
        TEST(test_too_large_for_memory),
        TEST(test_vocabulary_of_bytes),
        TEST(test_token_streams),
        TEST(test_bad_token_streams),
        TEST(test_no_token_streams),
        TEST(test_plain_streams_pass),
        TEST(test_batches_cover),
        TEST(test_batches_jump),
        TEST(test_batches_random),
        TEST(test_batches_golden),
        TEST(test_batches_too_short),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
