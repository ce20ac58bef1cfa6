/* Rows of synthetic tasks, written by hand from the descriptions of their formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "task_rows.h"

/* --- golden rows: the first one of training whose text begins so --- */

enum { SEARCHED = 20000000 };

static void golden(const char *task, const char *begin, const char *wanted, const char *scored) {
    Examples *examples = task_rows_make(task);
    TaskRow row = task_rows_row(examples);
    const ExamplesOptions *options = examples_options(examples);
    for (int64_t i = 0; i < SEARCHED; i++) {
        ArenaMark mark = arena_mark(task_rows_arena);
        examples_train(examples, i, &row);
        const char *start = task_text(options->task, options->options, row.tokens, 2, task_rows_arena);
        if (strncmp(start, begin, strlen(start))) {
            arena_release(task_rows_arena, mark);
            continue;
        }
        const char *text = task_rows_text(examples, &row);
        if (!strncmp(text, begin, strlen(begin))) {
            assert_string_equal(text, wanted);
            assert_string_equal(task_rows_scored(examples, &row), scored);
            return;
        }
        arena_release(task_rows_arena, mark);
    }
    fail_msg("no row begins with '%s'", begin);
}

#define SUM "\"name\": \"addition\", \"size\": 3"

static void golden_arithmetic(void **state) {
    (void)state;
    golden("{" SUM "}", "239+821", "239+821=1060$", "1060$");
    golden("{" SUM ", \"order\": \"reversed\"}", "239+821", "239+821=0601$", "0601$");
    golden("{" SUM ", \"order\": \"all\"}", "932+128", "932+128=0601$", "0601$");
    golden("{" SUM ", \"order\": \"reversed\", \"pad\": true, \"pad_to\": 4}", "0239+0821",
           "0239+0821=06010$", "06010$");
    golden("{" SUM ", \"order\": \"all\", \"scratchpad\": true}", "932+128",
           "932+128:9+1+0=0,1;32+28:3+2+1=6,0;2+8:2+8+0=0,1;=0601$",
           "9+1+0=0,1;32+28:3+2+1=6,0;2+8:2+8+0=0,1;=0601$");
    golden("{\"name\": \"addition\", \"size\": [1, 2], \"order\": \"all\", \"scratchpad\": true}",
           "89+7:", "89+7:8+7+0=5,1;9+:9+0+1=0,1;=501$", "8+7+0=5,1;9+:9+0+1=0,1;=501$");
    golden("{\"name\": \"addition\", \"size\": [1, 2], \"hints\": true}", "a9b3+b8=", "a9b3+b8=z1a0b1$",
           "z1a0b1$");
    golden("{\"name\": \"addition\", \"size\": [1, 2], \"hints\": true, \"order\": \"all\"}",
           "a3b9+a8=", "a3b9+a8=a1b0c1$", "a1b0c1$");
    golden("{\"name\": \"addition\", \"size\": [1, 2], \"spaces\": 0.5}", "8 9+7=", "8 9+7=96$", "96$");
    golden("{\"name\": \"addition\", \"size\": [1, 2], \"spaces\": 0.5, \"spaces_answer\": true, "
           "\"order\": \"reversed\"}",
           "8 9+7=6  9", "8 9+7=6  9$", "69$");
    golden("{\"name\": \"multiplication\", \"size\": 3, \"order\": \"all\", \"scratchpad\": true}", "539*441",
           "539*441:539*4,0=0,473;539*41:539*4,473=4,114;539*1:539*1,114=6,431;=046431$",
           "539*4,0=0,473;539*41:539*4,473=4,114;539*1:539*1,114=6,431;=046431$");
    golden("{\"name\": \"multiplication\", \"size\": 3}", "935*144", "935*144=134640$", "134640$");
    golden(
        "{\"name\": \"multiplication\", \"size\": 3, \"order\": \"reversed\", \"pad\": true, \"pad_to\": 5}",
        "00935*00144", "00935*00144=0464310000$", "0464310000$");
}

#define SORT "{\"name\": \"sort\", \"size\": 4, \"numbers\": 8, \"hint\": {\"share\": 1, \"name\": "

static void golden_sort(void **state) {
    (void)state;
    golden("{\"name\": \"sort\", \"size\": 4, \"numbers\": 8}", "S 3 2 2 6", "S 3 2 2 6 # 2 2 3 6 $",
           "2 2 3 6 $");
    golden(SORT "\"successor\"}}", "N 3 2 2 6 ? 2", "N 3 2 2 6 ? 2 # 3 $", "3 $");
    golden(SORT "\"successor\"}}", "N 3 2 2 6 ? 6", "N 3 2 2 6 ? 6 # $", "$");
    golden(SORT "\"successor\"}, \"strict\": false}", "N 3 2 2 6 ? 2", "N 3 2 2 6 ? 2 # 2 $", "2 $");
    golden(SORT "\"predecessor\"}}", "B 3 2 2 6 ? 3", "B 3 2 2 6 ? 3 # 2 $", "2 $");
    golden(SORT "\"predecessor\"}}", "B 3 2 2 6 ? 2", "B 3 2 2 6 ? 2 # $", "$");
    golden(SORT "\"count\"}}", "C 3 2 2 6 ? 2", "C 3 2 2 6 ? 2 # 2 $", "2 $");
    golden(SORT "\"fill\"}}", "F 3 2 2 6 # 2 2 _", "F 3 2 2 6 # 2 2 _ 6 # 3 $", "3 $");
    golden(SORT "\"parity\"}}", "P 3 2 2 6 ? 3", "P 3 2 2 6 ? 3 # 0 $", "0 $");
    golden(SORT "\"parity\"}}", "P 3 2 2 6 ? 2", "P 3 2 2 6 ? 2 # 0 $", "0 $");
}

static void golden_others(void **state) {
    (void)state;
    golden("{\"name\": \"copy\", \"size\": 4, \"letters\": 4}", "dbca", "dbca|dbca$", "dbca$");
    golden("{\"name\": \"reverse\", \"size\": 4, \"letters\": 4}", "dbca", "dbca|acbd$", "acbd$");
    golden("{\"name\": \"parity\", \"size\": 4}", "0110", "0110", "0100");
    golden("{\"name\": \"parity\", \"size\": 4, \"each\": false}", "0111", "0111", "1");
    golden("{\"name\": \"flip_flop\", \"size\": 4}", "w1i0i1", "w1i0i1r1", "1");
    golden("{\"name\": \"flip_flop\", \"size\": 4}", "w1w0i1", "w1w0i1r0", "0");
    golden("{\"name\": \"state\", \"size\": 3, \"group\": \"Z60\"}", "59 2 3", "59 2 3", "59 1 4");
    /* S3 by hand: 0 = 012, 1 = 021, 2 = 102, 3 = 120, 4 = 201, 5 = 210; left factor first: (1 2)(0) =
       p2[p1[0]] = 1, (1) = p2[2] = 2, (2) = p2[1] = 0: 120 */
    golden("{\"name\": \"state\", \"size\": 2, \"group\": \"S3\"}", "1 2", "1 2", "1 3");
    golden("{\"name\": \"state\", \"size\": 2, \"group\": \"S3\"}", "2 1", "2 1", "2 4");
    golden("{\"name\": \"state\", \"size\": 2, \"group\": \"S2\"}", "1 1", "1 1", "1 0");
    golden("{\"name\": \"indexing\", \"size\": 5, \"letters\": 5}", "abc*de<2", "abc*de<2|b$", "b$");
    golden("{\"name\": \"indexing\", \"size\": 5, \"letters\": 5}", "abc*de>2", "abc*de>2|e$", "e$");
    golden("{\"name\": \"variables\", \"size\": 2, \"letters\": 4, \"values\": 9}", "b=7,a=3,b",
           "b=7,a=3,b=?7$", "7$");
    golden("{\"name\": \"variables\", \"size\": 2, \"letters\": 4, \"values\": 9, \"depth\": 1}",
           "b=7,a=3,d=a,c=b,d", "b=7,a=3,d=a,c=b,d=?3$", "3$");
    golden(
        "{\"name\": \"passkey\", \"size\": 6, \"most\": 99}", "The grass The pass key is 7 1 ",
        "The grass The pass key is 7 1 . Remember it . 7 1 is the pass key . is green . The What is the pass "
        "key ? The pass key is | 7 1 $",
        "7 1 $");
    golden("{\"name\": \"mqar\", \"size\": 2, \"symbols\": 6, \"spread\": 4}", "k2 v1 k0 v2 k0 .",
           "k2 v1 k0 v2 k0 . k2 .", "v2 v1");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, task_rows_setup, task_rows_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(golden_arithmetic), TEST(golden_sort), TEST(golden_others)};
    return cmocka_run_group_tests_name("golden tasks", tests, NULL, NULL);
}
