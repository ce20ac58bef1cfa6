/* test_options: JSON and option tables.
 *
 * Strict JSON is read and printed unchanged, everything else is refused with line and column. Tables check
 * their bounds, and suggest similar names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "base/options.h"
#include "base/text.h"
#include "sys/atomic_file.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Json *parse(const char *text) {
    Error err;
    Json *json = json_parse(text, strlen(text), "text", arena, &err);
    if (!json) fail_msg("%s: %s", text, err.text);
    return json;
}

static void assert_refused(const char *text, size_t size, const char *message) {
    Error err = {.text = "accepted"};
    char *copy =
        malloc(size ? size : 1); /* of exactly that size, so that a sanitizer detects reads beyond it */
    memcpy(copy, text, size);
    Json *json = json_parse(copy, size, "text", arena, &err);
    free(copy);
    if (json) fail_msg("accepted: %s", text);
    assert_int_equal(err.code, EXIT_USAGE);
    if (!strstr(err.text, message)) fail_msg("%s: expected '%s', got '%s'", text, message, err.text);
}

static void test_values(void **state) {
    (void)state;
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "0.5",
        "1e-08",
        "1e+30",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,{}],{\"a\":[]}]",
        "{\"b\":1,\"a\":{\"c\":\"\\u0001\\u001f\\\"\\\\\"}}",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\\u007f\"",
    };
    for (int i = 0; i < COUNT_OF(same); i++) {
        Json *json = parse(same[i]);
        assert_string_equal(json_print(json, arena), same[i]);
    }
    static const char *const changed[][2] = {
        {" \t\r\n[ 1 , 2 ] \n", "[1,2]"},
        {"4e6", "4000000"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"1.50", "1.5"},
        {"1E2", "100"},
        {"\"\\u00e9\\/\\ud83d\\ude00\"", "\"\xC3\xA9/\xF0\x9F\x98\x80\""},
        {"\"\\b\\n\"", "\"\\u0008\\u000a\""},
        {"1e-400", "0"},
        {"\xEF\xBB\xBF {}", "{}"},
        {"9007199254740992", "9007199254740992"},
        {"-9007199254740991.0", "-9007199254740991"},
        {"900719925474099.2e1", "9007199254740992"},
        {"18014398509481984", "18014398509481984"},
        {"1e23", "1e+23"},
        {"0.000e99", "0"},
        {"1000e-3", "1"},
    };
    for (int i = 0; i < COUNT_OF(changed); i++) {
        Json *json = parse(changed[i][0]);
        assert_string_equal(json_print(json, arena), changed[i][1]);
    }
}

static void test_not_json(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "line 1, column 1: expected a value, got the end of the text"},
        {"{", "line 1, column 2: expected a key"},
        {"{\"a\"}", "column 5: expected ':'"},
        {"{\"a\":1,}", "column 8: expected a key"},
        {"{\"a\":1 \"b\":2}", "expected ',' or '}'"},
        {"{a:1}", "expected a key in double quotes"},
        {"{\n  \"a\": 1,\n  'b': 2 }", "line 3, column 3: expected a key"},
        {"[1,]", "column 4: expected a value"},
        {"[1 2]", "column 4: expected ',' or ']'"},
        {"[1", "expected ',' or ']'"},
        {"1 2", "column 3: expected nothing after the value"},
        {"{} // no comments", "column 4: expected nothing"},
        {"\xEF\xBB\xBF{,}", "line 1, column 2: expected a key"},
        {"\xEF\xBB\xBF\xEF\xBB\xBF{}", "column 1: expected a value"},
        {" \xEF\xBB\xBF{}", "column 2: expected a value"},
        {"9007199254740993", "column 1: a double cannot hold this number exactly"},
        {"[-9007199254740993]", "column 2: a double cannot hold"},
        {"9007199254740993.0", "cannot hold"},
        {"9007199254740993e0", "cannot hold"},
        {"9.007199254740993e15", "cannot hold"},
        {"90071992547409930e-1", "cannot hold"},
        {"4503599627370497.5", "cannot hold"},
        {"1.00000000000000000001", "cannot hold"},
        {"12345678901234567890123", "cannot hold"},
        {"18446744073709551615", "cannot hold"},
        {"01", "must not begin with 0"},
        {"-", "expected a digit"},
        {"+1", "expected a value"},
        {".5", "expected a value"},
        {"1.", "expected a digit"},
        {"1e", "expected a digit"},
        {"1e+", "expected a digit"},
        {"0x10", "expected nothing"},
        {"NaN", "expected a value"},
        {"-Infinity", "expected a digit"},
        {"Infinity", "expected a value"},
        {"nul", "expected a value"},
        {"True", "expected a value"},
        {"1e999", "too large"},
        {"[-1e400]", "column 2: the number is too large"},
        {"0.0000000000000000000000000000000000000000000000000000000000001", "at most 60"},
        {"\"", "unterminated string"},
        {"\"a\nb\"", "line 1, column 3: a control character"},
        {"\"\\x\"", "unknown escape"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\u0000\"", "\\u0000 is not allowed"},
        {"\"\\ud800\"", "half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
        {"\"\\udc00\"", "half of a surrogate pair"},
        {"\"\x80\"", "invalid UTF-8"},
        {"\"\xC3\"", "invalid UTF-8"},
        {"\"\xC0\xAF\"", "invalid UTF-8"},
        {"\"\xED\xA0\x80\"", "invalid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", "invalid UTF-8"},
        {"\"\xE2\x82", "invalid UTF-8"},
        {"\"\xC3\xA9\" x", "column 5: expected nothing"},
        {"{\"a\":1,\"a\":2}", "duplicate key 'a'"},
        {"{\"x\":[0,{\"lr\":1,\"m\":2,\"l\\u0072\":2}]}", "duplicate key 'x.2.lr'"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    assert_refused("1\0", 2, "expected nothing");
    assert_refused("\xFF\xFE{\0}\0", 6, "text: the text is UTF-16; save it as UTF-8");
    assert_refused("\xFE\xFF\0{\0}", 6, "the text is UTF-16");
    assert_refused("{\0}\0", 4, "the text is UTF-16");
    assert_refused("\0{\0}", 4, "the text is UTF-16");
    assert_refused("\xFF\xFE\0\0{\0\0\0", 8, "the text is UTF-32");
    assert_refused("\0\0\xFE\xFF\0\0\0{", 8, "the text is UTF-32");
    assert_refused("\"a\0b\"", 5, "control character");
    assert_refused("[\0]", 3, "expected a value");
}

static void test_limits(void **state) {
    (void)state;
    char deep[200] = "";
    for (int i = 0; i < 64; i++) strcat(deep, "[");
    for (int i = 0; i < 64; i++) strcat(deep, "]");
    parse(deep);
    char *much = NEW(arena, (16 << 20) + 2, char);
    memset(much, ' ', (16 << 20) + 1);
    much[0] = '1';
    Error err;
    Json *json = json_parse(much, 16 << 20, "text", arena, &err);
    assert_non_null(json);
    assert_refused(much, (16 << 20) + 1, "larger than 16 MiB");
    memset(much, '[', 1 << 20);
    assert_refused(much, 1 << 20, "column 65: nested more than 64 deep");

    char *wide = NEW(arena, 4 << 20, char), *at = wide; /* many keys take no quadratic time */
    at += sprintf(at, "{");
    for (int i = 0; i < 200000; i++) at += sprintf(at, "\"%d\":0,", i);
    sprintf(at, "\"7\":0}");
    assert_refused(wide, strlen(wide), "duplicate key '7'");
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double number;
        const char *text;
    } known[] = {
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1000000000000000"},
        {-0.0, "0"},
        {5e-324, "5e-324"},
        {9007199254740992, "9007199254740992"},
        {1e22, "1e+22"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {2e-3, "0.002"},
        {NAN, "null"},
        {INFINITY, "null"},
        {0.30000000000000004, "0.30000000000000004"},
    };
    char out[JSON_NUMBER_SIZE];
    for (int i = 0; i < COUNT_OF(known); i++)
        assert_string_equal(json_number_text(known[i].number, out), known[i].text);
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        double number;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&number, &bits, sizeof number);
        if (isfinite(number)) assert_true(strtod(json_number_text(number, out), NULL) == number);
    }
}

static void test_paths(void **state) {
    (void)state;
    Json *json = parse("{\"method\":\"x\",\"a\":3,\"o\":{\"p\":1}}");
    Error err;
    assert_true(json_set_path(json, "method.base", json_new_number(5, arena), "text", &err));
    assert_true(json_set_path(json, "o.q.r", json_new_bool(true, arena), "text", &err));
    assert_true(json_set_path(json, "o.p", json_new_text("t", arena), "text", &err));
    assert_string_equal(json_print(json, arena), "{\"method\":{\"name\":\"x\",\"base\":5},\"a\":3,"
                                                 "\"o\":{\"p\":\"t\",\"q\":{\"r\":true}}}");
    assert_string_equal(json_print_pretty(json_get(json, "o"), arena),
                        "{\n  \"p\": \"t\",\n  \"q\": {\n    \"r\": true\n  }\n}\n");
    assert_false(json_set_path(json, "a.b", json_new_number(1, arena), "text", &err));
    assert_string_equal(err.text, "text: 'a.b' cannot be set: 'a' is not an object");
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b"};
    for (int i = 0; i < COUNT_OF(bad); i++)
        assert_false(json_set_path(json, bad[i], json_new_number(1, arena), "text", &err));
    char deep[300] = "z";
    for (int i = 0; i < 100; i++) strcat(deep, ".z");
    assert_false(json_set_path(json, deep, json_new_number(1, arena), "text", &err));
}

/* A tree is owned by its arena, and refused text leaves nothing in it. */
static void test_arena(void **state) {
    (void)state;
    Arena *own = arena_new(0), *other = arena_new(0);
    Error err;
    const char *text = "{\"a\":[{\"b\":\"text\"},2]}", *twice = "{\"a\":[{\"b\":1,\"b\":2}]}";
    assert_null(json_parse(twice, strlen(twice), "text", own, &err));
    assert_int_equal(arena_used(own), 0);
    Json *json = json_parse(text, strlen(text), "text", own, &err), *copy = json_copy(json, other);
    assert_ptr_equal(json_arena(json_at(json_at_path(json, "a"), 0)), own);
    assert_ptr_equal(json_arena(json_at(json_at_path(copy, "a"), 0)), other);
    json_set_text(copy, "c", "in the other arena");
    size_t used = arena_used(own);
    json_set(copy, "a", json_new_bool(true, other));
    json_remove(copy, "a");
    assert_int_equal(arena_used(own), used);
    arena_free(own);
    assert_string_equal(json_print(copy, other), "{\"c\":\"in the other arena\"}");
    arena_free(other);
}

static void test_files(void **state) {
    (void)state;
    Error err;
    char path[] = "/tmp/poslab-fields-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, "{\"a\":", 5) == 5);
    assert_null(file_read_json(path, "config 'x'", arena, &err));
    assert_string_equal(err.text, "config 'x': line 1, column 6: expected a value, got the end of the text");
    for (int i = 0; i < 200000; i++) assert_int_equal(write(file, "    ", 4), 4);
    assert_int_equal(write(file, "7}", 2), 2);
    Json *json = file_read_json(path, "config 'x'", arena, &err);
    assert_true(json_number(json_get(json, "a"), 0) == 7);
    close(file);
    unlink(path);
    assert_null(file_read_json(path, "config 'x'", arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_null(file_read_json("/", "config '/'", arena, &err)); /* a folder */
    assert_int_equal(err.code, EXIT_USAGE);
    assert_null(file_read_json("/dev/zero", "config 'zero'", arena, &err)); /* endless */
}

typedef struct Options {
    int64_t count;
    double rate;
    bool on;
    int mode;
    const char *word, *empty;
} Options;

static const char *const modes[] = {"slow", "faster", NULL};
static const char *const words[] = {"hello", NULL};
static const OptionField fields[] = {
    {"count", OPTION_INT, offsetof(Options, count), .default_value = 3, .low = 1, .high = 4e6},
    {"rate", OPTION_REAL, offsetof(Options, rate), .default_value = 0.5, .low = 0, .high = 1},
    {"on", OPTION_BOOL, offsetof(Options, on), .default_value = 1},
    {"mode", OPTION_CHOICE, offsetof(Options, mode), .default_value = 1, .choices = modes},
    {"word", OPTION_TEXT, offsetof(Options, word), .choices = words},
    {"empty", OPTION_TEXT, offsetof(Options, empty), .help = "of no use"},
};

static bool read_text(Options *options, const char *text, const char *path, Error *err) {
    static const OptionPart parts[] = {{.key = "elsewhere"}, {0}};
    Json *json = parse(text);
    const OptionSection section = {path, NULL, fields, COUNT_OF(fields), parts};
    options_default(options, fields, COUNT_OF(fields));
    return options_read(options, &section, json, "config 'x'", arena, err);
}

static void test_tables(void **state) {
    (void)state;
    Options options;
    Error err;
    assert_true(read_text(&options, "{}", "", &err));
    Json *json = json_new_object(arena);
    options_write(json, &options, fields, COUNT_OF(fields));
    assert_string_equal(json_print(json, arena), "{\"count\":3,\"rate\":0.5,\"on\":true,\"mode\":\"faster\","
                                                 "\"word\":\"hello\",\"empty\":\"\"}");
    const char *all = json_print(json, arena);
    assert_string_equal(json_print(options_json(&options, fields, COUNT_OF(fields), arena), arena), all);
    assert_null(json_first(options_changes(&options, fields, COUNT_OF(fields), arena)));
    for (int i = 0; i < COUNT_OF(fields); i++)
        assert_string_equal(json_print(options_default_json(&fields[i], arena), arena),
                            json_print(json_get(json, fields[i].key), arena));
    assert_true(read_text(&options,
                          "{\"empty\":\"a\",\"mode\":\"slow\",\"on\":false,\"rate\":-0.0,\"count\":4e6,"
                          "\"elsewhere\":[]}",
                          "", &err));
    const Json *changes = options_changes(&options, fields, COUNT_OF(fields), arena);
    assert_string_equal(json_print(changes, arena),
                        "{\"count\":4000000,\"rate\":0,\"on\":false,\"mode\":\"slow\",\"empty\":\"a\"}");
    assert_true(options.count == 4000000 && options.rate == 0 && !signbit(options.rate) && !options.on);
    assert_int_equal(options.mode, 0);
    assert_string_equal(options.word, "hello");
    assert_string_equal(options.empty, "a");

    static const char *const bad[][2] = {
        {"{\"count\":0}", "config 'x': 'train.count' must be in [1, 4000000], got 0"},
        {"{\"count\":1.5}", "config 'x': 'train.count' must be a whole number, got 1.5"},
        {"{\"count\":1e300}", "config 'x': 'train.count' must be a whole number, got 1e+300"},
        {"{\"count\":\"3\"}", "config 'x': 'train.count' must be a whole number, got \"3\""},
        {"{\"rate\":1.5}", "config 'x': 'train.rate' must be in [0, 1], got 1.5"},
        {"{\"rate\":null}", "config 'x': 'train.rate' must be a number, got null"},
        {"{\"on\":1}", "config 'x': 'train.on' must be true or false, got 1"},
        {"{\"mode\":\"fatser\"}",
         "config 'x': 'train.mode' must be one of slow, faster (did you mean 'faster'?), got \"fatser\""},
        {"{\"mode\":{}}", "config 'x': 'train.mode' must be one of slow, faster, got an object"},
        {"{\"word\":[]}",
         "config 'x': 'train.word' must be text (several values: \"sweep\": {\"train.word\": [...]}, --set "
         "sweep.train.word=[...]), got a list"},
        {"{\"conut\":1}", "config 'x': unknown key 'train.conut'; did you mean 'train.count'?"},
        {"{\"elsewere\":1}", "config 'x': unknown key 'train.elsewere'; did you mean 'train.elsewhere'?"},
        {"{\"zzz\":1}",
         "config 'x': unknown key 'train.zzz'; known here: count, rate, on, mode, word, empty, elsewhere"},
        {"{\"a\\nb\":1}",
         "config 'x': unknown key 'train.a?b'; known here: count, rate, on, mode, word, empty, elsewhere"},
        {"[]", "config 'x': 'train' must be an object, got a list"},
    };
    for (int i = 0; i < COUNT_OF(bad); i++) {
        assert_false(read_text(&options, bad[i][0], "train", &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_string_equal(err.text, bad[i][1]);
    }
    assert_false(read_text(&options, "{\"count\":0,\"mode\":1,\"word\":\"fine\",\"zzz\":1}", "train", &err));
    assert_string_equal(err.text,
                        "config 'x': 'train.count' must be in [1, 4000000], got 0\n"
                        "config 'x': 'train.mode' must be one of slow, faster, got 1\n"
                        "config 'x': unknown key 'train.zzz'; known here: count, rate, on, mode, word, "
                        "empty, elsewhere");
    assert_false(read_text(&options, "{\"count\":0}", "", &err));
    assert_string_equal(err.text, "config 'x': 'count' must be in [1, 4000000], got 0");
}

/* Other names of keys, and the keys of other sections, are hints within a config, but not elsewhere. */
static void test_synonyms(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"", "{\"seed\":1}", "did you mean 'train.seed'?"},
        {"", "{\"lr\":1}", "did you mean 'train.optimizer.lr'?"},
        {"train", "{\"steps\":1}", "did you mean 'train.tokens'?"},
        {"train", "{\"batch_size\":1}", "did you mean 'train.tokens_per_step'?"},
        {"train.optimizer", "{\"weight_decay\":1}", "did you mean 'train.optimizer.decay'?"},
        {"evaluate.variants[0]", "{\"window\":1}", "did you mean 'model.attention.window'?"},
        {"claims[0]", "{\"seed\":1}", "known here: "},
        {"trai", "{\"seed\":1}", "known here: "},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Options options;
        Error err;
        assert_false(read_text(&options, cases[i][1], cases[i][0], &err));
        if (!strstr(err.text, cases[i][2])) fail_msg("%s", err.text);
    }
}

/* A range that also allows 0: values between 0 and the range are refused, and the error says so. */
static void test_or_zero(void **state) {
    (void)state;
    static const OptionField rows[] = {{"factor", OPTION_REAL, 0, .low = 1, .high = 8, .or_zero = true,
                                        .help = "a factor; 0: the pass's own"}};
    static const struct {
        const char *json;
        bool accepted;
    } cases[] = {{"{\"factor\": 0}", true},   {"{\"factor\": 1}", true},      {"{\"factor\": 8}", true},
                 {"{\"factor\": -1}", false}, {"{\"factor\": 0.999}", false}, {"{\"factor\": 8.001}", false}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        double factor = NAN;
        Error err = {0};
        Json *json = parse(cases[i].json);
        bool read =
            options_read(&factor, &(OptionSection){"method", NULL, rows, 1, NULL}, json, "text", arena, &err);
        if (read != cases[i].accepted) fail_msg("%s: %s", cases[i].json, read ? "accepted" : err.text);
        if (!read && !strstr(err.text, "text: 'method.factor' must be 0 or in [1, 8], got "))
            fail_msg("%s", err.text);
    }
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"length", "tokens", "lr", "tokens_per_step", NULL};
    assert_string_equal(options_synonym("lr"), "train.optimizer.lr");
    assert_null(options_synonym("zzz"));
    assert_true(options_number_of("1,-2.5,3", 1, 3) == -2.5);
    assert_true(options_number_of("1, 2", 1, 2) == 2);
    assert_true(isnan(options_number_of("1,2,3", 0, 2)));
    assert_true(isnan(options_number_of("1,2", 0, 3)));
    assert_true(isnan(options_number_of("1,inf", 0, 2)));
    assert_true(isnan(options_number_of("", 0, 1)));
    assert_string_equal(text_nearest("lenght", names), "length");
    assert_string_equal(text_nearest("Length", names), "length");
    assert_string_equal(text_nearest("token", names), "tokens");
    assert_string_equal(text_nearest("tokens_perstep", names), "tokens_per_step");
    assert_string_equal(text_nearest("lt", names), "lr");
    assert_null(text_nearest("width", names));
    static const char *const metrics[] = {"exact", "tokens", NULL};
    assert_string_equal(text_nearest("accuracy", metrics), "exact");
    assert_string_equal(text_nearest("token_accuracy", metrics), "tokens");
    assert_null(text_nearest("accuracy", names));
    assert_string_equal(text_nearer("train", text_nearer("train", "run", "plan"), "tasks"), "run");
    assert_null(text_nearest("", names));
    char *endless = NEW(arena, 1 << 20, char);
    memset(endless, 'l', (1 << 20) - 1);
    assert_null(text_nearest(endless, names));
}

/* The default of a newer option is not written, so that configs from before it have the same text. */
static void test_newer(void **state) {
    (void)state;
    static const char *const choices[] = {"old", "new", NULL};
    typedef struct Newer {
        int way;
        double share;
        int64_t first;
        bool on;
        const char *name;
    } Newer;
    static const OptionField newer[] = {
        {"way", OPTION_CHOICE, offsetof(Newer, way), .choices = choices, .newer = true},
        {"share", OPTION_REAL, offsetof(Newer, share), .default_value = 0.5, .newer = true},
        {"first", OPTION_INT, offsetof(Newer, first), .default_value = 1, .newer = true},
        {"on", OPTION_BOOL, offsetof(Newer, on), .default_value = 1, .newer = true},
        {"name", OPTION_TEXT, offsetof(Newer, name), .newer = true}};
    Newer options;
    options_default(&options, newer, COUNT_OF(newer));
    Json *json = json_new_object(arena);
    options_write(json, &options, newer, COUNT_OF(newer));
    assert_string_equal(json_print(json, arena), "{}");
    options = (Newer){.way = 1, .share = 1e-7, .first = (int64_t)1 << 32 | 1, .on = false, .name = "a"};
    options_write(json, &options, newer, COUNT_OF(newer));
    assert_string_equal(json_print(json, arena),
                        "{\"way\":\"new\",\"share\":1e-07,\"first\":4294967297,\"on\":false,\"name\":\"a\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_not_json), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_paths),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_tables),  cmocka_unit_test(test_or_zero),  cmocka_unit_test(test_synonyms),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_arena),    cmocka_unit_test(test_newer),
    };
    return cmocka_run_group_tests_name("options", tests, fixture_arena, fixture_arena_free);
}
