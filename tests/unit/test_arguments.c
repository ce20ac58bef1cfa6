/* test_arguments: command lines are read into a command's struct, and errors name the argument.
 *
 * Help, man page and completion come from the same rows: tests/cli/test_completion.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/arguments.h"

#include <stdlib.h>
#include <string.h>

static const char *const colours[] = {"red", "green", "blue", NULL};

typedef struct Options {
    const char *file;
    const char *const *sets, *const *names;
    OptionNumbers sizes, shares, tints;
    int64_t count, limit;
    int colour, tint;
    bool all, quiet;
    double every;
} Options;

static const OptionField rows[] = {
    {"file", OPTION_TEXT, offsetof(Options, file), .letter = 'o', .argument = "FILE", .group = "A"},
    {"set", OPTION_TEXT, offsetof(Options, sets), .list = OPTION_ITEMS, .argument = "X=Y", .group = "A"},
    {"names", OPTION_TEXT, offsetof(Options, names), .list = OPTION_COMMAS, .argument = "N,...",
     .group = "A"},
    {"sizes", OPTION_INT, offsetof(Options, sizes), .low = 1, .high = 9, .list = OPTION_COMMAS, .most = 3,
     .argument = "N,...", .group = "A"},
    {"shares", OPTION_REAL, offsetof(Options, shares), .list = OPTION_COMMAS, .argument = "X,...",
     .group = "A"},
    {"tints", OPTION_CHOICE, offsetof(Options, tints), .choices = colours, .list = OPTION_COMMAS,
     .argument = "C,...", .group = "A"},
    {"count", OPTION_INT, offsetof(Options, count), .default_value = 4, .low = 1, .high = 64, .letter = 'c',
     .argument = "N", .group = "A"},
    {"limit", OPTION_INT, offsetof(Options, limit), .default_value = -1, .low = 0, .high = 1e15,
     .argument = "N", .group = "A"},
    {"colour", OPTION_CHOICE, offsetof(Options, colour), .choices = colours, .argument = "C", .group = "A"},
    {"tint", OPTION_CHOICE, offsetof(Options, tint), .default_value = -1, .choices = colours, .argument = "C",
     .group = "A"},
    {"all", OPTION_BOOL, offsetof(Options, all), .letter = 'a', .group = "A"},
    {"quiet", OPTION_BOOL, offsetof(Options, quiet), .letter = 'q', .group = "A"},
    {"every", OPTION_REAL, offsetof(Options, every), .low = 0.5, .high = 9, .letter = 'e', .argument = "X",
     .implied = "2", .group = "A"},
};
static const Command command = {.name = "try", .words = "WORD", ARGUMENT_OPTIONS(rows, Options)};

static Arena *arena;
static Arguments arguments;
static Error err;

static int setup(void **state) {
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

/* Parses the command line "try WORD..." (NULL at the end); returns the options, or NULL. */
static const Options *parse(const char *const *line) {
    char *argv[32] = {arena_copy(arena, "try")};
    int argc = 1;
    for (; line[argc - 1]; argc++) argv[argc] = arena_copy(arena, line[argc - 1]);
    arguments = (Arguments){.command = &command, .arena = arena};
    err = (Error){0};
    return arguments_parse(&arguments, argc, argv, &err) ? arguments.options : NULL;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static const Options *accepted(const Options *options) {
    if (!options) fail_msg("refused: %s", err.text);
    return options;
}

static void assert_refused(const Options *options, const char *message) {
    if (options) fail_msg("accepted; expected '%s'", message);
    assert_int_equal(err.code, EXIT_USAGE);
    assert_string_equal(err.text, message);
}

static void defaults(void **state) {
    (void)state;
    const Options *options = accepted(PARSE(NULL));
    assert_null(options->file);
    assert_null(options->sets);
    assert_null(options->names);
    assert_int_equal(options->sizes.count + options->shares.count + options->tints.count, 0);
    assert_int_equal(options->count, 4);
    assert_int_equal(options->limit, -1);
    assert_int_equal(options->colour, 0);
    assert_int_equal(options->tint, -1);
    assert_false(options->all || options->quiet || arguments.help);
    assert_int_equal(arguments.word_count, 0);
    assert_null(arguments.words[0]);
}

/* The next word is none of an option whose argument may be left out. */
static void implied(void **state) {
    (void)state;
    assert_true(accepted(PARSE("x"))->every == 0);
    assert_true(accepted(PARSE("--every=1.5", "x"))->every == 1.5);
    assert_true(accepted(PARSE("-e3"))->every == 3);
    assert_true(accepted(PARSE("--every", "3"))->every == 2);
    assert_int_equal(arguments.word_count, 1);
    assert_string_equal(arguments.words[0], "3");
    assert_true(accepted(PARSE("-qe"))->every == 2);
    assert_refused(PARSE("--every=10"), "--every takes a number from 0.5 to 9, got '10'");
    assert_refused(PARSE("--every="), "--every takes a number from 0.5 to 9, got ''");
}

static void values(void **state) {
    (void)state;
    const Options *options =
        accepted(PARSE("--file", "x.db", "--count=7", "--colour", "blue", "--tint=red", "--all"));
    assert_string_equal(options->file, "x.db");
    assert_int_equal(options->count, 7);
    assert_int_equal(options->colour, 2);
    assert_int_equal(options->tint, 0);
    assert_true(options->all && !options->quiet);
    options = accepted(PARSE("--file=a=b", "--limit", "4e6"));
    assert_string_equal(options->file, "a=b");
    assert_int_equal(options->limit, 4000000);
    assert_int_equal(accepted(PARSE("--limit", "0"))->limit, 0);
    assert_string_equal(accepted(PARSE("--file", "x", "--file", "y"))->file, "y"); /* the last one is used */
    assert_int_equal(accepted(PARSE("--cou", "5"))->count, 5);                     /* an unambiguous prefix */
}

static void short_options(void **state) {
    (void)state;
    const Options *options = accepted(PARSE("-aqc3", "-o", "f"));
    assert_true(options->all && options->quiet);
    assert_int_equal(options->count, 3);
    assert_string_equal(options->file, "f");
    assert_int_equal(accepted(PARSE("-c", "64"))->count, 64);
    accepted(PARSE("-qh"));
    assert_true(arguments.help);
    accepted(PARSE("word", "--help"));
    assert_true(arguments.help);
}

static void lists(void **state) {
    (void)state;
    const Options *options = accepted(PARSE("--set", "a=1,2", "--names", "x,y", "--set=b", "--names=z"));
    assert_string_equal(options->sets[0], "a=1,2");
    assert_string_equal(options->sets[1], "b");
    assert_null(options->sets[2]);
    assert_string_equal(options->names[0], "x");
    assert_string_equal(options->names[1], "y");
    assert_string_equal(options->names[2], "z");
    assert_null(options->names[3]);
    options = accepted(PARSE("--sizes", "1,9", "--sizes", "4", "--shares", "0.5,2e3", "--tints", "blue,red"));
    assert_int_equal(options->sizes.count, 3);
    assert_true(options->sizes.values[1] == 9 && options->sizes.values[2] == 4);
    assert_true(options->shares.count == 2 && options->shares.values[0] == 0.5 &&
                options->shares.values[1] == 2000);
    assert_true(options->tints.count == 2 && options->tints.values[0] == 2 && options->tints.values[1] == 0);
}

static void words(void **state) {
    (void)state;
    const Options *options = accepted(PARSE("one", "-c", "2", "-", "--", "--all", "-q"));
    assert_int_equal(options->count, 2);
    assert_false(options->all || options->quiet);
    assert_int_equal(arguments.word_count, 4);
    assert_string_equal(arguments.words[0], "one");
    assert_string_equal(arguments.words[1], "-");
    assert_string_equal(arguments.words[2], "--all");
    assert_string_equal(arguments.words[3], "-q");
    assert_null(arguments.words[4]);
    setenv("POSIXLY_CORRECT", "1", true);
    assert_true(accepted(PARSE("one", "--all"))->all);
    assert_int_equal(arguments.word_count, 1);
    unsetenv("POSIXLY_CORRECT");
}

static void no_value(void **state) {
    (void)state;
    assert_refused(PARSE("--count"), "option '--count' needs a value; see `poslab try --help`");
    assert_refused(PARSE("word", "-c"), "option '-c' needs a value; see `poslab try --help`");
    assert_refused(PARSE("--all=yes"), "option '--all' takes no value");
    assert_string_equal(accepted(PARSE("--file="))->file, "");
    assert_string_equal(accepted(PARSE("--set", ""))->sets[0], "");
    assert_refused(PARSE("--count="), "--count takes a whole number from 1 to 64, got ''");
    assert_refused(PARSE("--colour="), "--colour takes 'red', 'green' or 'blue', got ''");
    assert_refused(PARSE("--sizes="),
                   "--sizes takes up to 3 whole numbers from 1 to 9 separated by commas, got ''");
}

static void unknown(void **state) {
    (void)state;
    assert_refused(PARSE("--cuont", "3"), "'try' has no option '--cuont'; did you mean '--count'?");
    assert_refused(PARSE("--colour-of=3"), "'try' has no option '--colour-of'; did you mean '--colour'?");
    assert_refused(PARSE("--hlep"), "'try' has no option '--hlep'; did you mean '--help'?");
    assert_refused(PARSE("--nothing-like-it"),
                   "'try' has no option '--nothing-like-it'; `poslab try --help` lists them");
    assert_refused(PARSE("-z"), "'try' has no option '-z'; `poslab try --help` lists them");
    assert_refused(PARSE("-azq"), "'try' has no option '-z'; `poslab try --help` lists them");
    assert_refused(PARSE("-1"), "'try' has no option '-1'; `poslab try --help` lists them");
}

static void wrong_values(void **state) {
    (void)state;
    static const char *const counts[] = {"0",   "65",  "-1",    "1.5", "two", "0x10",
                                         "nan", "inf", "1e999", "3 ",  " 3",  "3,4"};
    for (int i = 0; i < COUNT_OF(counts); i++)
        assert_refused(PARSE("-c", counts[i]),
                       arena_format(arena, "--count takes a whole number from 1 to 64, got '%s'", counts[i]));
    assert_refused(PARSE("--limit", "1e16"),
                   "--limit takes a whole number from 0 to 1000000000000000, got '1e16'");
    assert_refused(PARSE("--colour", "gren"),
                   "--colour takes 'red', 'green' or 'blue', got 'gren'; did you mean 'green'?");
    assert_refused(PARSE("--tints", "red,black"), "--tints takes 'red', 'green' or 'blue', got 'red,black'");
    assert_refused(PARSE("--shares", "1,,2"), "--shares takes numbers separated by commas, got '1,,2'");
    static const char *const sizes[] = {"1,2,3,4", "0", "1,", "x", "1.5", "10"};
    for (int i = 0; i < COUNT_OF(sizes); i++)
        assert_refused(
            PARSE("--sizes", sizes[i]),
            arena_format(arena,
                         "--sizes takes up to 3 whole numbers from 1 to 9 separated by commas, got '%s'",
                         sizes[i]));
    assert_refused(PARSE("--sizes", "1,2", "--sizes", "3,4"),
                   "--sizes takes up to 3 whole numbers from 1 to 9 separated by commas, got '3,4'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),      cmocka_unit_test(values),  cmocka_unit_test(implied),
        cmocka_unit_test(short_options), cmocka_unit_test(lists),   cmocka_unit_test(words),
        cmocka_unit_test(no_value),      cmocka_unit_test(unknown), cmocka_unit_test(wrong_values),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
