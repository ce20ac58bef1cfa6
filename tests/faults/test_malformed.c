/* test_malformed: malformed configs from a generated table.
 *
 * In a config with all defaults filled in, every member in turn gets every kind of invalid value, every
 * object gets an unknown member, and the text is cut at every byte. Each case must be refused with exit code
 * 2 and a message that names the file and, if there is one, the path of the member.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "experiment/config.h"
#include "need.h"

#include <string.h>

#define PLACE "config 'bad.json'"

static int refused;

static const char base[] =
    "{\"name\":\"bad\",\"data\":{\"files\":[\"a.txt\"],\"split\":{\"valid\":0.1,\"test\":0.1}},"
    "\"method\":{\"name\":\"alibi\"},\"train\":{\"length\":16,\"tokens_per_step\":64},"
    "\"evaluate\":{\"multiples\":[1,2]}}";

/* The resolved config of a point, with all sections. */
static Json *whole_config(void) {
    Error err;
    const Experiment *experiment = config_read_text(base, PLACE, arena, &err);
    if (!experiment) need_methods_of_config(&err);
    if (!experiment) fail_msg("%s", err.text);
    Json *json = json_parse(experiment->points[0].resolved, strlen(experiment->points[0].resolved), PLACE,
                            arena, &err);
    assert_non_null(json);
    return json;
}

/* An error has a line for each mistake. Each names the file, and no mistake is there twice: no two lines are
   equal up to their remedy. */
static bool lines_are_sound(const char *text) {
    const char *lines[64];
    int count = 0;
    for (char *rest = arena_copy(arena, text); rest && count < COUNT_OF(lines); count++) {
        const char *line = lines[count] = strsep(&rest, "\n");
        size_t size = strcspn(line, ";");
        if (!strstr(line, "bad.json")) return false;
        for (int i = 0; i < count; i++)
            if (strcspn(lines[i], ";") == size && !strncmp(lines[i], line, size)) return false;
    }
    return true;
}

static void refuse(const char *text, const char *word) {
    Error err = {0};
    ArenaMark mark = arena_mark(arena);
    if (config_read_text(text, PLACE, arena, &err)) fail_msg("accepted (%s): %.600s", word, text);
    if (err.code != EXIT_USAGE || !strstr(err.text, word) || !lines_are_sound(err.text))
        fail_msg("'%s' is not named: code %d, %s\nin %.600s", word, err.code, err.text, text);
    arena_release(arena, mark);
    refused++;
}

/* Tests the config with one value replaced. */
static void refuse_with(const Json *root, const char *path, const char *value) {
    Error err;
    ArenaMark mark = arena_mark(arena);
    Json *copy = json_copy(root, arena), *new_value = json_parse(value, strlen(value), PLACE, arena, &err);
    assert_non_null(new_value);
    if (!json_set_path(copy, path, new_value, PLACE, &err)) fail_msg("%s: %s", path, err.text);
    const char *last = strrchr(path, '.');
    bool kind = last && strcmp(last, ".name") ==
                            0; /* of a method or an optimizer: a name is allowed in place of the object */
    refuse(json_print(copy, arena), kind   ? arena_format(arena, "%.*s", (int)(last - path), path)
                                    : last ? last + 1
                                           : path);
    arena_release(arena, mark);
}

static const char *const for_numbers[] = {"\"x\"", "true", "[[]]", "{\"x\":1}", "-1e300", "1e300", NULL};
static const char *const for_texts[] = {"3", "false", "[[]]", "{\"x\":1}", "\"\"", NULL};
static const char *const for_truths[] = {"3", "\"true\"", "[true]", "{\"x\":1}", NULL};
static const char *const for_lists[] = {"-3", "true", "{\"x\":1}", "[{}]", "[[]]", "[true]", NULL};
static const char *const for_objects[] = {"3", "true", "[1]", "\"\"", NULL};

static void walk(const Json *root, const Json *json, const char *path) {
    for (const Json *member = json_first(json); member; member = json_next(member)) {
        const char *key = json_name(member), *place = *path ? arena_format(arena, "%s.%s", path, key) : key;
        const char *const *values = json_is_number(member)   ? for_numbers
                                    : json_is_text(member)   ? for_texts
                                    : json_is_bool(member)   ? for_truths
                                    : json_is_object(member) ? for_objects
                                                             : for_lists;
        for (; *values; values++) refuse_with(root, place, *values);
        if (json_is_object(member)) {
            refuse_with(root, arena_format(arena, "%s.xyzzy", place), "1");
            walk(root, member, place);
        }
    }
}

static void test_every_member(void **state) {
    (void)state;
    Json *root = whole_config();
    refused = 0;
    refuse_with(root, "xyzzy", "1");
    walk(root, root, "");
    print_message("# %d malformed configs refused, each with its path\n", refused);
    assert_true(refused >= 200);
}

static void test_every_truncation(void **state) {
    (void)state;
    Json *root = whole_config();
    const char *text = json_print(root, arena);
    for (size_t size = 0; size < strlen(text); size++)
        refuse(arena_format(arena, "%.*s", (int)size, text), "");
}

/* A byte that is invalid in JSON, at every place outside strings; inside strings, a control character. */
static void test_every_byte(void **state) {
    (void)state;
    Json *root = whole_config();
    char *text = json_print(root, arena);
    for (char *c = text; *c; c++) {
        char saved = *c;
        *c = '\1';
        refuse(text, "");
        *c = saved;
    }
}

static void test_hostile(void **state) {
    (void)state;
    char *deep = arena_alloc(arena, 200002, 1);
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    refuse(deep, "");
    refuse(arena_format(arena, "{\"name\":%s}", deep), "");
    static const char *const names[] = {"../x", "/x", "a/b", ".x", "-x", "", "x y", "x;y", "$(x)", "x\\n"};
    for (int i = 0; i < COUNT_OF(names); i++)
        refuse(arena_format(arena, "{\"name\":\"%s\",%s", names[i], base + strlen("{\"name\":\"bad\",")),
               "name");
    refuse("[]", "");
    refuse("null", "");
    refuse("{}{}", "");
    refuse("\xef\xbb\xbf{}", "");
    refuse("{\"name\":\"\xff\"}", "");
    refuse("{\"name\":\"\\ud800\"}", "");
    refuse("{\"name\":\"a\\u0000b\"}", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_member, fixture_arena, fixture_arena_free),
        cmocka_unit_test_setup_teardown(test_every_truncation, fixture_arena, fixture_arena_free),
        cmocka_unit_test_setup_teardown(test_every_byte, fixture_arena, fixture_arena_free),
        cmocka_unit_test_setup_teardown(test_hostile, fixture_arena, fixture_arena_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
