/* Synthetic tasks: laws that every task obeys, sets of examples, bad options. tests/tools/task_answers.py
 * computes all answers again; golden rows are in tests/golden/test_golden_tasks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "task_rows.h"
#include "data/batches.h"

/* --- laws of all tasks --- */

/* Options under which all tasks are tried. */
static const char *const variations[] = {
    "{\"name\": \"addition\", \"size\": [1, 7]}",
    "{\"name\": \"addition\", \"size\": [1, 7], \"order\": \"all\", \"scratchpad\": true}",
    "{\"name\": \"addition\", \"size\": [1, 7], \"order\": \"all\", \"spaces\": 1, \"spaces_answer\": true}",
    "{\"name\": \"addition\", \"size\": [2, 5], \"pad\": true, \"hints\": true, \"order\": \"reversed\"}",
    "{\"name\": \"addition\", \"size\": [2, 5], \"positions\": \"coupled\", \"equal\": true}",
    "{\"name\": \"multiplication\", \"size\": [1, 3], \"order\": \"all\", \"scratchpad\": true}",
    "{\"name\": \"multiplication\", \"size\": [1, 6], \"positions\": \"abacus\", \"max_start\": 3}",
    "{\"name\": \"multiplication\", \"size\": [1, 6], \"pad\": true, \"spaces\": 1, \"max_spaces\": 3}",
    ("{\"name\": \"sort\", \"size\": [1, 9], \"distinct\": true, \"hint\": {\"name\": \"successor\", "
     "\"share\": 0.5}}"),
    "{\"name\": \"sort\", \"size\": [1, 9], \"numbers\": 3, \"hint\": {\"name\": \"count\", \"share\": 0.5}}",
    "{\"name\": \"sort\", \"size\": [1, 9], \"hint\": {\"name\": \"fill\", \"share\": 1}}",
    "{\"name\": \"copy\", \"size\": [1, 9], \"letters\": 40}",
    "{\"name\": \"state\", \"size\": [1, 9], \"group\": \"A5\", \"each\": false}",
    "{\"name\": \"mqar\", \"size\": [1, 6], \"spread\": 5, \"symbols\": 64, \"filler\": \"random\"}",
    "{\"name\": \"variables\", \"size\": [1, 6], \"depth\": 1}",
};

static bool same_row(const TaskRow *a, const TaskRow *b) {
    return a->length == b->length && a->inputs == b->inputs &&
           !memcmp(a->tokens, b->tokens, (size_t)(a->room + 1) * sizeof *a->tokens) &&
           !memcmp(a->targets, b->targets, (size_t)a->room * sizeof *a->targets) &&
           (!a->positions ||
            !memcmp(a->positions, b->positions, (size_t)(a->room + 1) * sizeof *a->positions));
}

/* Tokens are of the alphabet, something is scored, what follows the row is padding. */
static void check_row(const Examples *examples, const TaskRow *row, int64_t farthest) {
    const ExamplesOptions *options = examples_options(examples);
    int alphabet = options->task->alphabet(options->options), scored = 0;
    assert_int_equal(row->tokens[0], TASK_BOS);
    assert_in_range(row->length, 2, row->room + 1);
    for (int t = 0; t <= row->room; t++) {
        assert_in_range(row->tokens[t], 0, alphabet - 1);
        assert_true((row->tokens[t] == TASK_PAD) == (t >= row->length));
        if (row->positions) assert_true(row->positions[t] <= farthest);
    }
    for (int t = 0; t < row->room; t++) {
        if (row->targets[t] == TASK_IGNORED) continue;
        assert_in_range(row->targets[t], TASK_END, alphabet - 1);
        assert_true(t < row->inputs && t < row->length);
        scored++;
    }
    assert_true(scored > 0);
    assert_true(row->targets[row->inputs - 1] != TASK_IGNORED);
}

static void obey_laws(const char *text) {
    Error err;
    Examples *examples = task_rows_make(text), *again = task_rows_make(text);
    const ExamplesOptions *options = examples_options(examples);
    TaskRow row = task_rows_row(examples), other = task_rows_row(again);
    int64_t farthest = examples_train_farthest(options), used = 0, equal = 0;
    int longest = 0;
    assert_true((row.positions != NULL) == (farthest > 0));
    for (int64_t i = 0; i < 3000; i++) { /* a function of seed and index: in any order, from any object */
        examples_train(examples, i, &row);
        check_row(examples, &row, farthest);
        examples_train(again, i * 7 % 3000, &other);
        examples_train(again, i, &other);
        assert_true(same_row(&row, &other));
        if (row.inputs > longest) longest = row.inputs;
        for (int t = 0; row.positions && t < row.length; t++)
            if (row.positions[t] > used) used = row.positions[t];
        assert_true(examples_test(examples, options->high, 0, i, &other, &err));
        equal += row.length == other.length &&
                 !memcmp(row.tokens, other.tokens, (size_t)row.length * sizeof *row.tokens);
    }
    if (longest != row.room) /* no input more than needed */
        fail_msg("%s: the longest row has %d inputs, 'length' says %d", text, longest, row.room);
    assert_int_equal(used, farthest);
    assert_true(equal < 300); /* streams differ; few examples are the same by chance */
    /* Larger sizes than those of training. */
    int64_t size = options->high + 2;
    if (!examples_check_size(options, size, "x", "y", &err)) return;
    for (int hint = 0; examples_hints(options)[hint]; hint++) {
        assert_int_equal(examples_hint(options, examples_hints(options)[hint]), hint);
        other = examples_row(examples, examples_test_length(options, size, hint), task_rows_arena);
        longest = 0;
        for (int64_t i = 0; i < 300; i++) {
            assert_true(examples_test(examples, size, hint, i, &other, &err));
            check_row(examples, &other, examples_test_farthest(options, size));
            if (other.inputs > longest) longest = other.inputs;
        }
        assert_int_equal(longest, other.room);
    }
}

static void all_tasks_obey_laws(void **state) {
    (void)state;
    for (int i = 0; i < task_count; i++) {
        const Task *task = task_list[i];
        int64_t low = task->smallest;
        assert_true(low >= 1 && low < task->largest); /* a size of 0 cannot be evaluated */
        if (i) assert_true(strcmp(task_list[i - 1]->name, task->name) < 0);
        assert_true(task->label && *task->label && task->citation && *task->citation && task->size);
        for (int f = 0; f < task->field_count; f++)
            assert_true(task->fields[f].help && *task->fields[f].help);
        obey_laws(arena_format(task_rows_arena, "{\"name\": \"%s\", \"size\": [%lld, %lld]}", task->name,
                               (long long)low, (long long)low + 6));
    }
    for (int i = 0; i < COUNT_OF(variations); i++) obey_laws(variations[i]);
}

/* Rows of the seed's stream are other ones than those of another seed. */
static void seeds_differ(void **state) {
    (void)state;
    Examples *a = task_rows_make("{\"name\": \"copy\", \"size\": 12}"),
             *b = task_rows_make("{\"name\": \"copy\", \"size\": 12, \"seed\": 2}");
    TaskRow left = task_rows_row(a), right = task_rows_row(b);
    for (int i = 0; i < 100; i++) {
        examples_train(a, i, &left);
        examples_train(b, i, &right);
        assert_false(same_row(&left, &right));
    }
}

/* --- groups --- */

/* The group axioms, and for A5 that it is no other group of 60 elements: 15 of order 2, 20 of 3, 24 of 5. */
static void groups_are_groups(void **state) {
    (void)state;
    static const char *const names[] = {"S2", "S3", "A5", "Z60"};
    static const int orders[] = {2, 6, 60, 60};
    for (int g = 0; g < 4; g++) {
        static int table[60][60];
        int n = orders[g], known = 0, of_order[61] = {0};
        memset(table, -1, sizeof table);
        Examples *examples = task_rows_make(
            arena_format(task_rows_arena, "{\"name\": \"state\", \"size\": 2, \"group\": \"%s\"}", names[g]));
        TaskRow row = task_rows_row(examples);
        for (int64_t i = 0; known < n * n; i++) {
            examples_train(examples, i, &row);
            int a = row.tokens[1] - TASK_SYMBOLS, b = row.tokens[2] - TASK_SYMBOLS;
            int c = row.targets[2] - TASK_SYMBOLS;
            assert_int_equal(row.targets[1], row.tokens[1]);
            known += table[a][b] < 0;
            assert_true(table[a][b] < 0 || table[a][b] == c);
            table[a][b] = c;
        }
        for (int a = 0; a < n; a++) {
            int order = 1;
            assert_true(table[0][a] == a && table[a][0] == a);
            for (int b = 0; b < n; b++)
                for (int c = 0; c < n; c++) assert_int_equal(table[table[a][b]][c], table[a][table[b][c]]);
            for (int power = a; power; power = table[power][a]) order++;
            of_order[order]++;
        }
        if (g == 2) assert_true(of_order[2] == 15 && of_order[3] == 20 && of_order[5] == 24);
        if (g == 3) assert_int_equal(of_order[60], 16);
        if (g == 1) assert_true(of_order[2] == 3 && of_order[3] == 2);
    }
}

/* --- finite sets and batches --- */

static uint64_t number_of(const TaskRow *row) {
    uint64_t number = 0;
    for (int t = 0; t < row->length; t++) number = number * 31 + row->tokens[t];
    return number;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The digits before "=" as one number. */
static int operands(const Examples *examples, const TaskRow *row) {
    int number = 0;
    for (const char *text = task_rows_text(examples, row); *text != '='; text++)
        if (*text >= '0' && *text <= '9') number = 10 * number + *text - '0';
    return number;
}

static void test_and_training_do_not_overlap(void **state) {
    (void)state;
    enum { COUNT = 300 };
    Error err;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": [2, 2], \"examples\": 300}");
    TaskRow row = task_rows_row(examples);
    uint64_t known[COUNT];
    for (int i = 0; i < COUNT; i++) examples_train(examples, i, &row), known[i] = number_of(&row);
    qsort(known, COUNT, sizeof *known, by_value);
    for (int i = 0; i < 2000; i++) {
        assert_true(examples_test(examples, 2, 0, i, &row, &err));
        uint64_t number = number_of(&row);
        assert_null(bsearch(&number, known, COUNT, sizeof *known, by_value));
    }
    /* The layout of a row is not its question: 60 of 100 sums are known, with whatever letters and spaces. */
    static const char *const layouts[] = {"\"size\": 1, \"hints\": true, \"examples\": 60",
                                          "\"size\": 1, \"positions\": \"abacus\", \"examples\": 60",
                                          "\"size\": 2, \"spaces\": 0.5, \"examples\": 5000"};
    for (int k = 0; k < COUNT_OF(layouts); k++) {
        bool asked[10000] = {false};
        Examples *sums =
            task_rows_make(arena_format(task_rows_arena, "{\"name\": \"addition\", %s}", layouts[k]));
        TaskRow sum = task_rows_row(sums);
        for (int i = 0; i < examples_options(sums)->examples; i++) {
            examples_train(sums, i, &sum);
            asked[operands(sums, &sum)] = true;
        }
        for (int i = 0; i < 500; i++) {
            assert_true(examples_test(sums, examples_options(sums)->high, 0, i, &sum, &err));
            assert_false(asked[operands(sums, &sum)]);
        }
    }
    Examples *full = task_rows_make("{\"name\": \"parity\", \"size\": [1, 9], \"examples\": 900}");
    assert_false(examples_test(full, 1, 0, 0, &row, &err));
    assert_non_null(strstr(err.text, "evaluate.task.sizes"));
}

/* A finite set is visited as a whole each epoch, in another order; endless examples do not repeat. */
static void batches_of_examples(void **state) {
    (void)state;
    enum { COUNT = 50, KEPT = 4 };
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": 8, \"examples\": 50}");
    TaskRow row = task_rows_row(examples);
    Batches *batches = batches_new_examples(examples, row.room, KEPT, 5, 0, task_rows_arena);
    uint64_t all[COUNT], epochs[2][COUNT], sorted[COUNT];
    for (int i = 0; i < COUNT; i++) examples_train(examples, i, &row), all[i] = number_of(&row);
    qsort(all, COUNT, sizeof *all, by_value);
    for (int epoch = 0; epoch < 2; epoch++) {
        for (int i = 0; i < COUNT; i++) {
            BatchesSequence sequence = batches_sequence(batches, epoch * COUNT + i);
            memcpy(row.tokens, sequence.tokens, (size_t)(row.room + 1) * sizeof *row.tokens);
            epochs[epoch][i] = number_of(&row);
        }
        memcpy(sorted, epochs[epoch], sizeof sorted);
        qsort(sorted, COUNT, sizeof *sorted, by_value);
        assert_memory_equal(sorted, all, sizeof all);
    }
    assert_memory_not_equal(epochs[0], epochs[1], sizeof all);
    examples = task_rows_make("{\"name\": \"copy\", \"size\": 8}");
    Batches *a = batches_new_examples(examples, row.room, KEPT, 5, 0, task_rows_arena);
    Batches *b = batches_new_examples(examples, row.room, KEPT, 6, 0, task_rows_arena);
    const uint32_t *first = batches_sequence(a, 0).tokens;
    assert_memory_not_equal(first, batches_sequence(a, 1).tokens, 9 * sizeof *first);
    assert_memory_not_equal(first, batches_sequence(b, 0).tokens, 9 * sizeof *first);
    Batches *late = batches_new_examples(examples, row.room, KEPT, 5, 0, task_rows_arena);
    assert_memory_equal(batches_sequence(late, 1000).tokens, batches_sequence(a, 1000).tokens,
                        18 * sizeof *first);
}

/* --- errors --- */

static void bad_options(void **state) {
    (void)state;
    static const struct {
        const char *text, *words[3];
    } cases[] = {
        {"\"copy\"", {"data.task", "an object"}},
        {"{}", {"data.task.name", "addition"}},
        {"{\"name\": \"adition\", \"size\": 1}", {"data.task.name", "did you mean 'addition'"}},
        {"{\"name\": \"copy\"}", {"data.task.size", "letters"}},
        {"{\"name\": \"copy\", \"size\": [3, 2]}", {"data.task.size", "LOW at most HIGH", "got [3,2]"}},
        {"{\"name\": \"copy\", \"size\": []}", {"data.task.size", "[LOW, HIGH]", "got []"}},
        {"{\"name\": \"copy\", \"size\": [1, 2, 3]}", {"data.task.size", "got [1,2,3]"}},
        {"{\"name\": \"copy\", \"size\": [1, null]}", {"data.task.size", "got [1,null]"}},
        {"{\"name\": \"copy\", \"size\": [1, 16385]}", {"data.task.size", "from 1 to 16384"}},
        {"{\"name\": \"copy\", \"size\": -1}", {"data.task.size", "from 1 to 16384", "got -1"}},
        {"{\"name\": \"copy\", \"size\": 0}", {"data.task.size", "got 0"}},
        {"{\"name\": \"copy\", \"size\": 1e300}", {"data.task.size", "got 1e+300"}},
        {"{\"name\": \"copy\", \"size\": \"4\"}", {"data.task.size", "got \"4\""}},
        {"{\"name\": 5, \"size\": 1}", {"data.task.name", "one of addition", "got 5"}},
        {"{\"name\": \"copy\", \"size\": 3, \"letters\": 1}", {"data.task.letters", "[2, 60000]"}},
        {"{\"name\": \"copy\", \"size\": 3, \"letters\": 70000}", {"data.task.letters", "[2, 60000]"}},
        {"{\"name\": \"copy\", \"size\": 3, \"seed\": 1e30}", {"data.task.seed"}},
        {"{\"name\": \"copy\", \"size\": 3, \"examples\": -1}", {"data.task.examples", "0 or in"}},
        {"{\"name\": \"copy\", \"size\": 3, \"examples\": 1e12}", {"data.task.examples", "100000000"}},
        {"{\"name\": \"parity\", \"size\": [1, 3], \"examples\": 15}", {"data.task.examples", "14"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": \"count\"}", {"data.task.hint", "an object"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": {\"share\": -0.1, \"name\": \"count\"}}",
         {"data.task.hint.share", "[0, 1]"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": {\"shre\": 1}}",
         {"data.task.hint.shre", "'data.task.hint.share'"}},
        {"{\"name\": \"copy\", \"size\": 1.5}", {"data.task.size"}},
        {"{\"name\": \"copy\", \"size\": 3, \"order\": 1}", {"data.task.order"}},
        {"{\"name\": \"copy\", \"size\": 3, \"letter\": 1}", {"data.task.letter", "letters"}},
        {"{\"name\": \"copy\", \"size\": 2, \"examples\": 677}", {"data.task.examples", "676", "677"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": {\"share\": 1.5, \"name\": \"count\"}}",
         {"data.task.hint.share", "[0, 1]"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": {\"share\": 0.5}}", {"data.task.hint.share", "hint"}},
        {"{\"name\": \"sort\", \"size\": 3, \"hint\": {\"name\": \"sucessor\"}}",
         {"data.task.hint.name", "successor"}},
        {"{\"name\": \"copy\", \"size\": 3, \"hint\": {\"name\": \"count\"}}",
         {"data.task.hint.name", "none"}},
        {"{\"name\": \"sort\", \"size\": 9, \"numbers\": 8, \"distinct\": true}",
         {"'data.task.numbers'", "9", "8"}},
        {"{\"name\": \"addition\", \"size\": 26, \"hints\": true}", {"'data.task.hints'", "26 letters"}},
        {"{\"name\": \"addition\", \"size\": 3, \"scratchpad\": true}", {"'data.task.scratchpad'", "order"}},
        {"{\"name\": \"addition\", \"size\": 3, \"scratchpad\": true, \"order\": \"all\", \"pad\": true}",
         {"'data.task.scratchpad'", "leave them out"}},
        {"{\"name\": \"addition\", \"size\": 3, \"order\": \"back\"}", {"data.task.order", "reversed"}},
        {"{\"name\": \"addition\", \"size\": 3, \"spaces\": 1.5}", {"data.task.spaces", "[0, 1]"}},
        {"{\"name\": \"addition\", \"size\": 3, \"spaces_answer\": true}",
         {"'data.task.spaces_answer'", "'spaces'"}},
        {"{\"name\": \"addition\", \"size\": 3, \"pad_to\": 5}", {"'data.task.pad_to'", "'pad'"}},
        {"{\"name\": \"addition\", \"size\": 3, \"pad\": true, \"pad_to\": 2}",
         {"'data.task.pad_to'", "at least 3", "got 2"}},
        {"{\"name\": \"multiplication\", \"size\": 3, \"scratchpad\": true}",
         {"'data.task.scratchpad'", "order"}},
        {"{\"name\": \"flip_flop\", \"size\": 1}", {"data.task.size", "from 2"}},
        {"{\"name\": \"flip_flop\", \"size\": 4, \"examples\": 33}", {"data.task.examples", "32"}},
        {"{\"name\": \"mqar\", \"size\": 4, \"spread\": 3}", {"data.task.spread", "[4, 1024]"}},
        {"{\"name\": \"mqar\", \"size\": 4, \"filler\": \"noise\"}", {"data.task.filler", "random"}},
        {"{\"name\": \"passkey\", \"size\": 0}", {"data.task.size", "from 1"}},
        {"{\"name\": \"passkey\", \"size\": 4, \"most\": 0}", {"data.task.most", "[1, 999999999]"}},
        {"{\"name\": \"indexing\", \"size\": 4, \"reach\": 0}", {"data.task.reach", "[1, 1000]"}},
        {"{\"name\": \"variables\", \"size\": 4, \"depth\": 2}", {"data.task.depth", "[0, 1]"}},
        {"{\"name\": \"state\", \"size\": 4, \"group\": \"S5\"}", {"data.task.group", "Z60"}},
        {"{\"name\": \"parity\", \"size\": 4, \"each\": 1}", {"data.task.each", "true or false"}},
        {"{\"name\": \"mqar\", \"size\": 9, \"symbols\": 16}", {"'data.task.symbols'", "20"}},
        {"{\"name\": \"variables\", \"size\": 9, \"letters\": 8}", {"'data.task.letters'", "9"}},
        {"{\"name\": \"flip_flop\", \"size\": 9, \"write_low\": 0.9}", {"'data.task.write_low'", "0.8"}},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err = {0};
        ExamplesOptions options;
        assert_false(task_rows_read(&options, cases[i].text, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_non_null(strstr(err.text, "config 'x.json'"));
        for (int w = 0; w < 3 && cases[i].words[w]; w++)
            if (!strstr(err.text, cases[i].words[w])) fail_msg("%s: %s", cases[i].text, err.text);
    }
}

/* What is written reads as the same options. */
static void options_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(variations); i++) {
        Error err = {0};
        ExamplesOptions first, second;
        assert_true(task_rows_read(&first, variations[i], &err));
        const char *text = json_print(examples_json(&first, task_rows_arena), task_rows_arena);
        assert_true(task_rows_read(&second, text, &err));
        assert_string_equal(json_print(examples_json(&second, task_rows_arena), task_rows_arena), text);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, task_rows_setup, task_rows_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {

        TEST(all_tasks_obey_laws), TEST(seeds_differ),
        TEST(groups_are_groups),   TEST(test_and_training_do_not_overlap),
        TEST(batches_of_examples), TEST(bad_options),
        TEST(options_round_trip),
    };
    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
