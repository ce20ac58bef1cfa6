/* test_tokenizers: words by fairseq's rules, streams of 32-bit tokens, byte-level pairs. What is wrong with a
 * file or a vocabulary is an error with its path and a remedy; a damaged tokenizer.json is refused, whatever
 * it says. Agreement with other tokenizers on much text: tests/tools/tokenizer_agreement.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "base/random.h"
#include "data/corpus.h"
#include "data/token_report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST(...) ((const char *[]){__VA_ARGS__, NULL})

static CorpusOptions of(TokenizerKind kind, const char **files, const char *vocabulary) {
    return (CorpusOptions){.tokenizer = kind, .vocabulary = vocabulary, .words = {1, 0, 8}, .files = {files}};
}

static Corpus *read_good(CorpusOptions options, int vocabulary) {
    Error err = {0};
    CorpusOptions *kept = NEW(arena, 1, CorpusOptions);
    *kept = options;
    Corpus *corpus = corpus_read(kept, vocabulary, "config 'x.json'", arena, &err);
    if (!corpus) fail_msg("%s", err.text);
    return corpus;
}

/* The error must contain all words. */
static void expect_error(CorpusOptions options, int vocabulary, const char **words) {
    Error err = {0};
    if (corpus_read(&options, vocabulary, "config 'x.json'", arena, &err))
        fail_msg("accepted: no \"%s\"", *words);
    if (err.code != EXIT_USAGE || !strstr(err.text, "config 'x.json'"))
        fail_msg("code %d: %s", err.code, err.text);
    for (; *words; words++)
        if (!strstr(err.text, *words)) fail_msg("no \"%s\" in: %s", *words, err.text);
}

static void expect_tokens(const Corpus *corpus, const uint32_t *wanted, int count) {
    assert_int_equal(corpus->splits[0].count, count);
    for (int i = 0; i < count; i++)
        if (corpus->splits[0].tokens[i] != wanted[i])
            fail_msg("token %d is %u, not %u", i, corpus->splits[0].tokens[i], wanted[i]);
}
#define EXPECT_TOKENS(corpus, ...)                                                                           \
    expect_tokens(corpus, (const uint32_t[]){__VA_ARGS__}, COUNT_OF(((const uint32_t[]){__VA_ARGS__})))

/* --- words --- */

/* By hand: b 3 times, é and a and Z once (Z before a before é), literal specials are not ranked. */
static void test_words_as_fairseq(void **state) {
    (void)state;
    fixture_put_text("t", "b \xC3\xA9\t b\n\n  a\xC2\xA0<unk>\r\nZ\x0b"
                          "b </s>\rb\xE2\x80\x83");
    Corpus *corpus = read_good(of(TOKENIZER_WORDS, LIST("t"), NULL), 0);
    assert_int_equal(corpus->vocabulary, 8);
    EXPECT_TOKENS(corpus, 4, 7, 4, 2, 2, 6, 3, 2, 5, 4, 2, 2, 4, 2);
    assert_string_equal(corpus->tokenizer->dictionary, "b 4\nZ 1\na 1\n\xC3\xA9 1\n");
    assert_int_equal(corpus->splits[0].words, 14);
    assert_int_equal(corpus->splits[0].unknown, 1);
}

static void test_words_are_cut_and_padded(void **state) {
    (void)state;
    fixture_put_text("t", "a a a b b c\n");
    CorpusOptions options = of(TOKENIZER_WORDS, LIST("t"), NULL);
    options.words = (TokenizerWords){2, 0, 8};
    Corpus *corpus = read_good(options, 0);
    EXPECT_TOKENS(corpus, 4, 4, 4, 5, 5, 3, 2);
    assert_string_equal(corpus->tokenizer->dictionary, "a 3\nb 2\nmadeupword0000 0\nmadeupword0001 0\n");
    options.words = (TokenizerWords){1, 5, 1};
    corpus = read_good(options, 0);
    assert_int_equal(corpus->vocabulary, 5);
    EXPECT_TOKENS(corpus, 4, 4, 4, 3, 3, 3, 2);
    options.words.min_count = 4;
    expect_error(options, 0, LIST("leaves no word", "data.words.min_count"));
    expect_error(of(TOKENIZER_WORDS, LIST("t"), NULL), 7,
                 LIST("'model.vocabulary' must be at least 8", "got 7"));
    assert_int_equal(read_good(of(TOKENIZER_WORDS, LIST("t"), NULL), 100)->vocabulary, 100);
}

/* Padding has other names than the words of the text. */
static void test_padding_is_new(void **state) {
    (void)state;
    fixture_put_text("t", "a a a madeupword0000 madeupword0000 b\n");
    Corpus *corpus = read_good(of(TOKENIZER_WORDS, LIST("t"), NULL), 0);
    assert_string_equal(corpus->tokenizer->dictionary, "a 3\nmadeupword0000 2\nb 1\nmadeupword0001 0\n");
}

/* The vocabulary is counted in the training split alone. Bytes and words of the splits add up. */
static void test_words_of_training_only(void **state) {
    (void)state;
    fixture_put_text("t", "a b c d e f g h i new\n");
    fixture_put_text("held", "a other");
    CorpusOptions options = of(TOKENIZER_WORDS, LIST("t"), NULL);
    options.valid = 0.2;
    options.files[SPLIT_TEST] = LIST("held");
    Corpus *corpus = read_good(options, 0);
    assert_int_equal(corpus->splits[SPLIT_VALID].unknown, 1);
    assert_int_equal(corpus->splits[SPLIT_TEST].unknown, 1);
    assert_int_equal(corpus->splits[SPLIT_TRAIN].unknown, 0);
    assert_int_equal(corpus->splits[SPLIT_TRAIN].bytes + corpus->splits[SPLIT_VALID].bytes, 22);
    assert_int_equal(corpus->splits[SPLIT_VALID].bytes, 4); /* new\n */
    options.tokenizer = TOKENIZER_BYTES;
    corpus = read_good(options, 0);
    int64_t words = 0;
    for (int s = 0; s < SPLIT_COUNT; s++) words += corpus->splits[s].words;
    assert_int_equal(words, 14);
    assert_true(corpus->bytes_per_token == 1);
}

static void test_dictionary(void **state) {
    (void)state;
    fixture_put_text("t", "a b c\n");
    fixture_put_text("dict.txt", "c 9\na 5\n");
    fixture_put_text("far.txt", "x 9\ny 5\n");
    fixture_put_text("twice.txt", "x 9\nx 5\n");
    fixture_put_text("bad.txt", "x 9\nword\n");
    fixture_put_text("empty.txt", "");
    fixture_put("zero.txt", "a 1\nb\0 1\n", 10);
    Corpus *corpus = read_good(of(TOKENIZER_WORDS, LIST("t"), "dict.txt"), 0);
    EXPECT_TOKENS(corpus, 5, 3, 4, 2);
    assert_int_equal(corpus->vocabulary, 6);
    static const struct {
        const char *file, *word, *remedy;
    } rows[] = {
        {"far.txt", "does not fit the corpus: 75 %", "name the dictionary"},
        {"twice.txt", "line 2 repeats", "remove"},
        {"bad.txt", "line 2 is not of the form WORD COUNT", "dict.txt"},
        {"empty.txt", "has no words", "dict.txt"},
        {"zero.txt", "zero bytes", "dict.txt"},
        {"none.txt", "cannot read", "none.txt"},
    };
    for (int i = 0; i < COUNT_OF(rows); i++)
        expect_error(of(TOKENIZER_WORDS, LIST("t"), rows[i].file), 0,
                     LIST("data.vocabulary", rows[i].file, rows[i].word, rows[i].remedy));
}

static void test_text_must_be_utf8(void **state) {
    (void)state;
    fixture_put_text("bad", "good\nb\xFF"
                            "d\n");
    fixture_put_text("none", "");
    expect_error(of(TOKENIZER_WORDS, LIST("bad"), NULL), 0, LIST("file 'bad'", "line 2", "iconv"));
    expect_error(of(TOKENIZER_WORDS, LIST("none"), NULL), 0, LIST("file 'none' is empty", "remove it"));
}

/* --- 32-bit tokens --- */

static void test_uint32(void **state) {
    (void)state;
    static const uint32_t wide[] = {0, 128255, 7, 70000, 3};
    int32_t header[256 + 5] = {20240801, 7, 5};
    memcpy(header + 256, wide, sizeof wide);
    fixture_put("plain.bin", wide, sizeof wide);
    fixture_put("llama3.bin", header, sizeof header);
    fixture_put("odd.bin", wide, 18);
    for (int i = 0; i < 2; i++) {
        Corpus *corpus = read_good(of(TOKENIZER_UINT32, LIST(i ? "llama3.bin" : "plain.bin"), NULL), 128256);
        expect_tokens(corpus, wide, COUNT_OF(wide));
    }
    expect_error(of(TOKENIZER_UINT32, LIST("plain.bin"), NULL), 128255,
                 LIST("token 1 is 128255, outside the vocabulary of 128255", "model.vocabulary"));
    expect_error(of(TOKENIZER_UINT32, LIST("odd.bin"), NULL), 9,
                 LIST("a size that is not a multiple of 4 (18 bytes)"));
    expect_error(of(TOKENIZER_UINT16, LIST("llama3.bin"), NULL), 9, LIST("32 bits", "\"uint32\""));
    header[2] = 6;
    fixture_put("llama3.bin", header, sizeof header);
    expect_error(of(TOKENIZER_UINT32, LIST("llama3.bin"), NULL), 9,
                 LIST("announces 6 tokens", "create it again"));
    fixture_put_text("dict.txt", "a 1\nb 1\n");
    expect_error(of(TOKENIZER_UINT32, LIST("plain.bin"), "dict.txt"), 0,
                 LIST("token 1 is 128255", "vocabulary of 6 of 'dict.txt'", "data.vocabulary"));
}

/* fairseq's data: NAME.bin with NAME.idx and the dictionary. */
static void test_fairseq_index(void **state) {
    (void)state;
    static const uint16_t tokens[] = {4, 5, 2, 4, 2};
    unsigned char index[26 + 8 + 16] = "MMIDIDX\0\0\1";
    int32_t sizes[] = {3, 2};
    index[17] = 8;
    index[18] = 2;
    memcpy(index + 26, sizes, sizeof sizes);
    fixture_put("x.bin", tokens, sizeof tokens);
    fixture_put("x.idx", index, sizeof index);
    fixture_put_text("dict.txt", "a 2\nb 1\n");
    EXPECT_TOKENS(read_good(of(TOKENIZER_UINT16, LIST("x.bin"), "dict.txt"), 0), 4, 5, 2, 4, 2);
    index[26] = 4;
    fixture_put("x.idx", index, sizeof index);
    expect_error(of(TOKENIZER_UINT16, LIST("x.bin"), NULL), 9,
                 LIST("x.bin", "x.idx", "announces another number"));
    index[17] = 4;
    fixture_put("x.idx", index, sizeof index);
    expect_error(of(TOKENIZER_UINT16, LIST("x.bin"), NULL), 9, LIST("x.idx", "32-bit", "\"uint32\""));
    fixture_put("x.idx", "TNTIDX\0\0", 8);
    expect_error(of(TOKENIZER_UINT16, LIST("x.bin"), NULL), 9, LIST("x.idx", "older format", "mmap"));
    fixture_put("x.idx", index, 20);
    expect_error(of(TOKENIZER_UINT16, LIST("x.bin"), NULL), 9, LIST("x.idx", "is not a fairseq index"));
}

/* --- byte-level pairs --- */

/* A tokenizer.json of all bytes, "he", "ll", "hell", " t" and an added token. Bytes 0 to 255 in the order of
   their letters: token 32 is the byte 33 + 32 - 33... so texts are compared, not numbers. */
static const char *make_json(const char *more, const char *divider) {
    char *out = NEW(arena, 16384, char);
    int used = sprintf(out, "{\"model\":{\"type\":\"BPE\",\"vocab\":{"), next = 256;
    for (int byte = 0; byte < 256; byte++) {
        bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        int letter = printable ? byte : next++;
        used += sprintf(out + used, "\"\\u%04x\":%d,", letter, byte);
    }
    sprintf(
        out + used,
        "\"he\":256,\"ll\":257,\"hell\":258,\"\\u0120t\":259},\"merges\":[\"l l\",[\"h\",\"e\"],\"he ll\","
        "\"\\u0120 t\"]%s},\"added_tokens\":[{\"id\":260,\"content\":\"<e>\",\"normalized\":false}],"
        "\"pre_tokenizer\":%s}",
        more, divider);
    return out;
}

static const char level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";

static void test_pairs(void **state) {
    (void)state;
    fixture_put_text("t.json", make_json("", level));
    fixture_put_text("t", "hello<e> the  t");
    Corpus *corpus = read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0);
    EXPECT_TOKENS(corpus, 258, 'o', 260, 259, 256, ' ', 259);
    assert_int_equal(corpus->vocabulary, 261);
    assert_int_equal(corpus->splits[0].bytes, 15);
    assert_int_equal(corpus->splits[0].words, 4);
    const char **lines = token_report_lines(corpus, 1, 60, arena);
    assert_string_equal(lines[0], "hell|o|<e>| t|he| | t|");
    assert_int_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 264)->vocabulary, 264);
    expect_error(of(TOKENIZER_BPE, LIST("t"), "t.json"), 260, LIST("at least 261", "'t.json'"));
    fixture_put_text(
        "t.json", make_json("", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                                "{\"Regex\":\"h\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\","
                                "\"use_regex\":false}]}"));
    EXPECT_TOKENS(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0), 'h', 'e', 257, 'o', 260, 259, 'h',
                  'e', ' ', 259);
}

/* Bytes and words of the splits are those of the text before its normalisation, here by share: e and a
   combining accent, three bytes, become a letter of two. */
static void test_bytes_before_normalisation(void **state) {
    (void)state;
    enum { LETTERS = 1000 };
    char text[3 * LETTERS + 1] = "";
    for (int i = 0; i < LETTERS; i++) memcpy(text + (size_t)(3 * i), "e\xCC\x81", 4);
    fixture_put_text("t", text);
    fixture_put_text("t.json",
                     make_json("", arena_format(arena, "%s,\"normalizer\":{\"type\":\"NFC\"}", level)));
    CorpusOptions options = of(TOKENIZER_BPE, LIST("t"), "t.json");
    options.valid = options.test = 0.1;
    Corpus *corpus = read_good(options, 0);
    int64_t bytes = 0, tokens = 0;
    for (int s = 0; s < SPLIT_COUNT; s++) {
        const CorpusStream *split = &corpus->splits[s];
        assert_in_range(2 * split->bytes, 3 * split->count - 6, 3 * split->count + 6);
        bytes += split->bytes, tokens += split->count;
    }
    assert_int_equal(tokens, 2 * LETTERS);
    assert_int_equal(bytes, 3 * LETTERS);
}

/* Only the beginning of a long token is shown. */
static void test_long_tokens_are_cut(void **state) {
    (void)state;
    char *text = NEW(arena, 100001, char);
    memset(text, 'a', 100000);
    fixture_put_text("t", text);
    const char **lines = token_report_lines(read_good(of(TOKENIZER_WORDS, LIST("t"), NULL), 0), 1, 60, arena);
    assert_string_equal(lines[0], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...|</s>|");
}

/* The second reading takes the tokens from data/tokenized, unless the file there is damaged. */
static void test_pairs_are_cached(void **state) {
    (void)state;
    fixture_put_text("t.json", make_json("", level));
    fixture_put_text("t", "hello<e> the  t");
    Corpus *first = read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0);
    const char *path = "data/tokenized";
    assert_int_equal(access(path, R_OK), 0);
    Corpus *again = read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0);
    assert_string_equal(first->hash, again->hash);
    assert_int_equal(system("for f in data/tokenized/*; do printf 'x%.0s' 1 2 3 >$f; done"), 0);
    assert_string_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0)->hash, first->hash);
    /* right in length, wrong in content */
    assert_int_equal(
        system("for f in data/tokenized/*; do printf '\\377' | dd of=$f bs=1 seek=24 conv=notrunc "
               "status=none; done"),
        0);
    assert_string_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0)->hash, first->hash);
    fixture_put_text("t.json", make_json(",\"ignore_merges\":true", level));
    assert_string_not_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0)->hash, first->hash);
}

static void test_other_tokenizers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *more, *divider, *word;
    } rows[] = {
        {",\"dropout\":0.1", level, "model.dropout"},
        {",\"byte_fallback\":true", level, "model.byte_fallback"},
        {",\"end_of_word_suffix\":\"</w>\"", level, "model.end_of_word_suffix"},
        {"", "null", "'pre_tokenizer' is missing"},
        {"", "{\"type\":\"Digits\"}", "no ByteLevel"},
        {"",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":\"QQQ\"},"
         "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\",\"use_regex\":false}]}",
         "has no tokens"},
        {"", "{\"type\":\"Metaspace\"}", "Metaspace"},
        {"", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "add_prefix_space"},
        {"", "{\"type\":\"Sequence\",\"pretokenizers\":[]}", "no ByteLevel"},
        {"",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},"
         "\"behavior\":\"Isolated\"}]}",
         "not valid"},
        {"", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"MergedWithNext\"}",
         "not supported"},
    };
    fixture_put_text("t", "hello");
    for (int i = 0; i < COUNT_OF(rows); i++) {
        fixture_put_text("t.json", make_json(rows[i].more, rows[i].divider));
        expect_error(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0, LIST("data.vocabulary", rows[i].word));
    }
    static const char *const files[][2] = {
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "is Unigram, not BPE"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "empty"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\u2581a\":0},\"merges\":[]}}",
         "letters that represent no byte"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4000000000},\"merges\":[]}}",
         "not a whole number below"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", "lacks tokens for some bytes"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\u4869\":0},\"merges\":[]}}",
         "letters that represent no byte"},
        {"{\"added_tokens\":5}", "'added_tokens' is not a list"},
        {"{}", "not a tokenizer.json"},
        {"[1, 2", "line 1"},
    };
    for (int i = 0; i < COUNT_OF(files); i++) {
        fixture_put_text("t.json", files[i][0]);
        expect_error(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0, LIST("'t.json'", files[i][1]));
    }
    expect_error(of(TOKENIZER_BPE, LIST("t"), NULL), 0, LIST("data.vocabulary", "tokenizer.json"));
    assert_int_equal(mkfifo("pipe", 0600), 0);
    expect_error(of(TOKENIZER_BPE, LIST("t"), "pipe"), 0, LIST("data.vocabulary", "'pipe' is not a file"));
}

/* A repeated group needs more stack than PCRE2's compiled code has: the interpreter matches it. */
static void test_repeated_group(void **state) {
    (void)state;
    fixture_put_text(
        "t.json", make_json("", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                                "{\"Regex\":\"(?:ab?|c)+\"},\"behavior\":\"Isolated\"},"
                                "{\"type\":\"ByteLevel\",\"use_regex\":false}]}"));
    char *text = NEW(arena, 3001, char);
    memset(text, 'a', 3000);
    fixture_put_text("t", text);
    assert_int_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0)->splits[0].count, 3000);
}

/* A pattern that backtracks without end is an error, not a hang. */
static void test_slow_pattern(void **state) {
    (void)state;
    fixture_put_text(
        "t.json", make_json("", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                                "{\"Regex\":\"(?:a|aa)+$\"},\"behavior\":\"Isolated\"},"
                                "{\"type\":\"ByteLevel\",\"use_regex\":false}]}"));
    char text[202] = "";
    memset(text, 'a', 200);
    text[200] = 'b';
    fixture_put_text("t", text);
    expect_error(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0, LIST("file 't'", "'t.json'", "takes too long"));
}

/* A piece of 1 MiB is merged, a longer one refused. The tokenizer.json has 17 MB, as that of Llama 3.1. */
static void test_long_pieces(void **state) {
    (void)state;
    enum { MOST = 1 << 20, BLANKS = 17000000 };
    char *json = NEW(arena, BLANKS + 100000, char), *text = NEW(arena, MOST + 2, char);
    strcpy(json, make_json("", level));
    memset(json + strlen(json), ' ', BLANKS);
    fixture_put_text("t.json", json);
    fixture_put_text("t", memset(text, 'l', MOST));
    assert_int_equal(read_good(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0)->splits[0].count, MOST / 2);
    text[MOST] = 'l';
    fixture_put_text("t", text);
    expect_error(of(TOKENIZER_BPE, LIST("t"), "t.json"), 0,
                 LIST("file 't'", "'t.json'", "leaves 1048577 bytes undivided, more than 1048576", "blanks"));
}

/* A tokenizer.json in which bytes are changed, left out or repeated is read or refused, and its tokens are of
   the vocabulary. */
static void test_hostile_json(void **state) {
    (void)state;
    const char *good = make_json("", level);
    size_t size = strlen(good);
    Random rng = random_stream(1, "hostile", "");
    fixture_put_text("t", "hello<e> the  t\n");
    int refused = 0, read = 0;
    for (int i = 0; i < 400; i++) {
        ArenaMark mark = arena_mark(arena);
        char *bad = arena_copy(arena, good);
        /* half of the changes are outside of the tokens of the bytes */
        size_t from = i % 2 ? 0 : size - 420;
        for (int k = 0; k < 1 + i % 3; k++) {
            size_t at = from + random_below(&rng, size - from),
                   other = from + random_below(&rng, size - from);
            bad[at] = random_below(&rng, 2) ? good[other] : "{}[]\",:0129e-\\"[random_below(&rng, 14)];
        }
        fixture_put("t.json", bad, i % 7 ? size : random_below(&rng, size));
        Error err = {0};
        CorpusOptions options = of(TOKENIZER_BPE, LIST("t"), "t.json");
        const Corpus *corpus = corpus_read(&options, 0, "config 'x.json'", arena, &err);
        if (corpus) {
            read++;
            for (int64_t t = 0; t < corpus->splits[0].count; t++)
                assert_in_range(corpus->splits[0].tokens[t], 0, corpus->vocabulary - 1);
        } else {
            refused++;
            if (err.code != EXIT_USAGE || !*err.text) fail_msg("code %d: %s", err.code, err.text);
        }
        arena_release(arena, mark);
    }
    assert_true(refused > 100 && read > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_folder, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_words_as_fairseq),
        TEST(test_words_are_cut_and_padded),
        TEST(test_padding_is_new),
        TEST(test_words_of_training_only),
        TEST(test_dictionary),
        TEST(test_text_must_be_utf8),
        TEST(test_uint32),
        TEST(test_long_tokens_are_cut),
        TEST(test_fairseq_index),
        TEST(test_pairs),
        TEST(test_pairs_are_cached),
        TEST(test_bytes_before_normalisation),
        TEST(test_other_tokenizers_are_refused),
        TEST(test_slow_pattern),
        TEST(test_long_pieces),
        TEST(test_repeated_group),
        TEST(test_hostile_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
