/* table: each format of the same tables, byte for byte: special characters, empty cells, numbers that are not
 * finite, heads of two lines, grids by group with captions, spread columns, marks, notes and the signature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/table.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static Arena *arena;

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

static const char *printed(const Table *const *tables, int count, TableFormat format) {
    Error err;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_true(table_print(tables, count, format, out, &err));
    fclose(out);
    char *copy = arena_copy(arena, text);
    free(text);
    return copy;
}

static void assert_printed(const Table *table, TableFormat format, const char *wanted) {
    assert_string_equal(printed(&table, 1, format), wanted);
}

/* --- columns, cells, notes --- */

static Table *plain_table(void) {
    static const TableColumn columns[] = {
        {"name", "method", TABLE_TEXT},       {"key", "key", TABLE_TEXT, .code = true},
        {"length", "trained\nat", TABLE_INT}, {"time.low", "time", TABLE_REAL, .decimals = 1},
        {"time.high", NULL, TABLE_REAL},      {"perplexity", "perplexity", TABLE_REAL, .decimals = -1},
        {NULL, "bytes", TABLE_REAL},          {"same", "same", TABLE_INT, .if_varying = true},
    };
    Table *table = table_new("a & b_c", columns, COUNT_OF(columns), arena);
    TableCell *row = table_row(table);
    row[0] = table_text("[x] | \"y\", 1%");
    row[1] = table_text("a_b");
    row[2] = table_number(128);
    row[3] = table_number(1.0 / 3);
    row[4] = table_number(2);
    row[5] = table_shown(123.4567, "123.5 ± 2");
    row[5].best = true;
    row[6] = table_shown(2048, "2.0 KiB");
    row[7] = table_number(1);
    row = table_row(table);
    row[0] = table_text("=1+2");
    row[1] = table_text("a|b");
    row[3] = table_number(NAN);
    row[4] = table_number(INFINITY);
    row[5] = table_number(12345678);
    row[7] = table_number(1);
    table_note(table, "note_1");
    table_note(table, "note_2");
    table_note(table, "note_1");
    table->signature = "seed=1 `x`";
    return table;
}

static void test_text(void **state) {
    (void)state;
    assert_printed(plain_table(), TABLE_AS_TEXT,
                   "a & b_c\n"
                   "\n"
                   "method         key  trained  time  perplexity    bytes\n"
                   "                         at\n"
                   "------------------------------------------------------\n"
                   "[x] | \"y\", 1%  a_b      128   0.3   123.5 ± 2  2.0 KiB\n"
                   "=1+2           a|b                   1.23e+07\n"
                   "\n"
                   "note_1\n"
                   "note_2\n"
                   "\n"
                   "signature: seed=1 `x`\n");
}

static void test_md(void **state) {
    (void)state;
    assert_printed(plain_table(), TABLE_AS_MD,
                   "**a \\& b\\_c**\n"
                   "\n"
                   "| method | key | trained at | time | perplexity | bytes |\n"
                   "|:--|:--|--:|--:|--:|--:|\n"
                   "| \\[x\\] \\| \"y\", 1% | `a_b` | 128 | 0.3 | **123.5 ± 2** | 2.0 KiB |\n"
                   "| =1+2 | a\\|b |  |  | 1.23e+07 |  |\n"
                   "\n"
                   "note\\_1\\\n"
                   "note\\_2\n"
                   "\n"
                   "signature: `seed=1 'x'`\n");
}

static void test_latex(void **state) {
    (void)state;
    assert_printed(
        plain_table(), TABLE_AS_LATEX,
        "% needs \\usepackage{booktabs,graphicx,textcomp}\n"
        "\\begin{table}[htbp]\n"
        "\\centering\\small\n"
        "\\caption{a \\& b\\_c}\n"
        "\\setbox0\\hbox{\\begin{tabular}{llrrrr}\n"
        "\\toprule\n"
        "{}method & {}key & {}trained & {}time & {}perplexity & {}bytes \\\\\n"
        "{} & {} & {}at & {} & {} & {} \\\\\n"
        "\\midrule\n"
        "{}[x] \\textbar{} \"y\", 1\\% & \\texttt{a\\_b} & {}128 & {}0.3 & \\textbf{123.5 $\\pm$ 2} & "
        "{}2.0 KiB \\\\\n"
        "{}=1+2 & {}a\\textbar{}b & {} & {} & {}1.23e+07 & {} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}}\n"
        "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\leavevmode\\box0\\fi\\par"
        "\\medskip\n"
        "\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\\sloppy\n"
        "note\\_1\\par\n"
        "note\\_2\\par\n"
        "signature: \\texttt{seed=1 \\textasciigrave{}x\\textasciigrave{}}\n"
        "\\end{minipage}\n"
        "\\end{table}\n");
}

static void test_programs(void **state) {
    (void)state;
    const Table *tables[] = {plain_table(), plain_table()};
    assert_string_equal(printed(tables, 2, TABLE_AS_CSV),
                        "name,key,length,time_low,time_high,perplexity,same\n"
                        "\"[x] | \"\"y\"\", 1%\",a_b,128,0.33333333333333331,2,123.4567,1\n"
                        "'=1+2,a|b,,,,12345678,1\n"
                        "\"[x] | \"\"y\"\", 1%\",a_b,128,0.33333333333333331,2,123.4567,1\n"
                        "'=1+2,a|b,,,,12345678,1\n");
    assert_printed(tables[0], TABLE_AS_JSON,
                   "[\n"
                   "  {\n"
                   "    \"name\": \"[x] | \\\"y\\\", 1%\",\n"
                   "    \"key\": \"a_b\",\n"
                   "    \"length\": 128,\n"
                   "    \"time\": {\n"
                   "      \"low\": 0.3333333333333333,\n"
                   "      \"high\": 2\n"
                   "    },\n"
                   "    \"perplexity\": 123.4567,\n"
                   "    \"same\": 1\n"
                   "  },\n"
                   "  {\n"
                   "    \"name\": \"=1+2\",\n"
                   "    \"key\": \"a|b\",\n"
                   "    \"perplexity\": 12345678,\n"
                   "    \"same\": 1\n"
                   "  }\n"
                   "]\n");
}

/* --- grids --- */

enum { GROUP, CAPTION, KEY, NAME, LENGTH, UNDER, VALUE, COLUMNS };
static const TableColumn spread[COLUMNS] = {
    [GROUP] = {NULL, NULL, TABLE_INT, .role = TABLE_GROUP},
    [CAPTION] = {NULL, NULL, TABLE_TEXT, .role = TABLE_CAPTION},
    [KEY] = {NULL, NULL, TABLE_INT, .role = TABLE_KEY},
    [NAME] = {"name", "method", TABLE_TEXT},
    [LENGTH] = {"length", NULL, TABLE_INT, .role = TABLE_SPREAD},
    [UNDER] = {NULL, NULL, TABLE_TEXT, .role = TABLE_SPREAD_HEAD},
    [VALUE] = {"loss", NULL, TABLE_REAL, .decimals = 2, .role = TABLE_SPREAD_VALUE},
};

static TableCell *add(Table *table, int group, int key, const char *name, double length, double value) {
    TableCell *row = table_row(table);
    row[GROUP] = table_number(group);
    row[CAPTION] = table_text(group ? "second_grid" : "");
    row[KEY] = table_number(key);
    row[NAME] = table_text(name);
    row[LENGTH] = table_number(length);
    if (length == 16) row[UNDER] = table_text("2x");
    row[VALUE] = table_number(value);
    return row;
}

static Table *spread_table(void) {
    Table *table = table_new(NULL, spread, COLUMNS, arena);
    add(table, 0, 0, "a", 16, 1.234);
    add(table, 1, 0, "a", 8, 5);
    add(table, 0, 0, "a", 8, 2)[VALUE].best = true;
    add(table, 0, 0, "a", 8, 99); /* the same place: the first is shown */
    add(table, 0, 1, "a", 16, 3);
    add(table, 0, 0, "b", NAN, NAN); /* a line without numbers */
    return table;
}

static void test_spread(void **state) {
    (void)state;
    const Table *table = spread_table();
    assert_printed(table, TABLE_AS_TEXT,
                   "method     8    16\n"
                   "                2x\n"
                   "------------------\n"
                   "a       2.00  1.23\n"
                   "a             3.00\n"
                   "b\n"
                   "\n"
                   "second_grid\n"
                   "method     8\n"
                   "------------\n"
                   "a       5.00\n");
    assert_printed(table, TABLE_AS_MD,
                   "| method | 8 | 16 (2x) |\n"
                   "|:--|--:|--:|\n"
                   "| a | **2.00** | 1.23 |\n"
                   "| a |  | 3.00 |\n"
                   "| b |  |  |\n"
                   "\n"
                   "second\\_grid\n"
                   "\n"
                   "| method | 8 |\n"
                   "|:--|--:|\n"
                   "| a | 5.00 |\n");
    assert_printed(table, TABLE_AS_CSV, "name,length,loss\na,16,1.234\na,8,5\na,8,2\na,8,99\na,16,3\nb,,\n");
    const char *latex = printed(&table, 1, TABLE_AS_LATEX);
    assert_null(strstr(latex, "\\caption"));
    assert_null(strstr(latex, "signature"));
    assert_non_null(strstr(latex, "second\\_grid\\par\\smallskip\n\\setbox0\\hbox{\\begin{tabular}{lr}\n"));
    assert_non_null(strstr(latex, "{}a & \\textbf{2.00} & {}1.23 \\\\\n"));
}

/* Texts without a number stay in the order of the rows. */
static void test_spread_texts(void **state) {
    (void)state;
    Table *table = table_new(NULL, spread, COLUMNS, arena);
    add(table, 0, 0, "a", NAN, 1)[LENGTH] = table_text("valid");
    add(table, 0, 0, "a", NAN, 2)[LENGTH] = table_text("test");
    assert_printed(table, TABLE_AS_TEXT,
                   "method  valid  test\n"
                   "-------------------\n"
                   "a        1.00  2.00\n");
}

/* A column that is shown if it varies; several tables. */
static void test_varying(void **state) {
    (void)state;
    static const TableColumn columns[] = {
        {"name", "name", TABLE_TEXT},
        {NULL, "split", TABLE_TEXT, .if_varying = true},
    };
    Table *one = table_new("one", columns, 2, arena), *two = table_new("two", columns, 2, arena);
    table_row(one)[0] = table_text("a");
    table_row(one)[0] = table_text("b");
    table_row(two)[0] = table_text("a");
    TableCell *row = table_row(two);
    row[0] = table_text("b");
    row[1] = table_text("test");
    const Table *tables[] = {one, two};
    assert_string_equal(printed(tables, 2, TABLE_AS_TEXT),
                        "one\n\nname\n----\na\nb\n\ntwo\n\nname  split\n-----------\na\nb     test\n");
    assert_string_equal(printed(tables, 2, TABLE_AS_CSV), "name\na\nb\na\nb\n");
}

static void test_empty(void **state) {
    (void)state;
    const Table *table = table_new("nothing", spread, COLUMNS, arena);
    assert_printed(table, TABLE_AS_TEXT, "nothing\n\nNo rows.\n");
    assert_printed(table, TABLE_AS_MD, "**nothing**\n\nNo rows.\n");
    assert_printed(table, TABLE_AS_CSV, "name,length,loss\n");
    assert_printed(table, TABLE_AS_JSON, "[]\n");
    assert_int_equal(strncmp(printed(&table, 1, TABLE_AS_LATEX), "% needs \\usepackage{", 20), 0);
    table = table_new("only a title", NULL, 0, arena);
    assert_printed(table, TABLE_AS_TEXT, "only a title\n");
}

/* --- on a terminal --- */

/* The output on a terminal of `width` columns. */
static const char *on_terminal(const Table *table, int width) {
    Error err;
    char *text = NEW(arena, 4096, char);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    FILE *out = fdopen(slave, "w");
    assert_non_null(out);
    struct termios raw;
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &(struct winsize){.ws_col = (unsigned short)width}), 0);
    assert_true(table_print_one(table, TABLE_AS_TEXT, out, &err));
    putc('\f', out); /* the end */
    fflush(out);
    for (int size = 0; !size || text[size - 1] != '\f';) {
        ssize_t got = read(master, text + size, (size_t)(4096 - size));
        assert_true(got > 0);
        size += (int)got;
    }
    *strchr(text, '\f') = '\0';
    fclose(out);
    close(master);
    return text;
}

/* Methods by lengths, which are the columns; two of the other columns are constant. */
static Table *wide_table(void) {
    static const TableColumn columns[] = {
        {NULL, "method", TABLE_TEXT},
        {NULL, "on", TABLE_TEXT},
        {NULL, "trained\nat", TABLE_INT},
        {NULL, "empty", TABLE_TEXT},
        {NULL, NULL, TABLE_INT, .role = TABLE_SPREAD},
        {NULL, NULL, TABLE_REAL, .decimals = 2, .role = TABLE_SPREAD_VALUE, .dashed = true},
    };
    Table *table = table_new("title", columns, COUNT_OF(columns), arena);
    for (int i = 0; i < 15; i++) {
        TableCell *row = table_row(table);
        row[0] = table_text(i < 10 ? "alibi" : "none");
        row[1] = table_text(i % 10 < 5 ? "all" : "last");
        row[2] = table_number(64);
        row[4] = table_number(1000 << i % 5);
        row[5] = table_number(i == 7 ? NAN : i);
        if (i == 14) row[4] = table_number(NAN);
    }
    return table;
}

static void test_terminal(void **state) {
    (void)state;
    const Table *table = wide_table();
    unsetenv("COLUMNS");
    const char *whole = printed(&table, 1, TABLE_AS_TEXT);
    static const char fits[] = "title\n"
                               "\n"
                               "trained at: 64\n"
                               "method  on     1000   2000   4000   8000  16000\n"
                               "-----------------------------------------------\n"
                               "alibi   all    0.00   1.00   2.00   3.00   4.00\n"
                               "alibi   last   5.00   6.00          8.00   9.00\n"
                               "none    all   10.00  11.00  12.00  13.00      -\n";
    static const char blocks[] = "title\n"
                                 "\n"
                                 "trained at: 64\n"
                                 "method  on     1000   2000\n"
                                 "--------------------------\n"
                                 "alibi   all    0.00   1.00\n"
                                 "alibi   last   5.00   6.00\n"
                                 "none    all   10.00  11.00\n"
                                 "\n"
                                 "method  on     4000   8000\n"
                                 "--------------------------\n"
                                 "alibi   all    2.00   3.00\n"
                                 "alibi   last          8.00\n"
                                 "none    all   12.00  13.00\n"
                                 "\n"
                                 "method  on    16000\n"
                                 "-------------------\n"
                                 "alibi   all    4.00\n"
                                 "alibi   last   9.00\n"
                                 "none    all       -\n";
    assert_string_equal(on_terminal(table, 300), whole);
    assert_string_equal(on_terminal(table, 63), whole);
    assert_string_equal(on_terminal(table, 62), fits);
    assert_string_equal(on_terminal(table, 47), fits);
    assert_string_equal(on_terminal(table, 30), blocks);
    assert_string_equal(on_terminal(table, 0), whole); /* a terminal that does not know its width */
    assert_non_null(strstr(on_terminal(table, 5), "method  16000\n-------------\nalibi    4.00\n"));
    setenv("COLUMNS", "30", 1);
    assert_string_equal(on_terminal(table, 300), blocks);
    assert_string_equal(printed(&table, 1, TABLE_AS_TEXT), whole);
    setenv("COLUMNS", "wide", 1);
    assert_string_equal(on_terminal(table, 30), blocks);
    unsetenv("COLUMNS");
}

/* A table of one column and one of one row cannot be shortened. */
static void test_narrow_terminal(void **state) {
    (void)state;
    static const TableColumn columns[] = {
        {NULL, "a long head", TABLE_TEXT},
        {NULL, "another", TABLE_TEXT},
    };
    Table *table = table_new("title", columns, 1, arena);
    table_row(table)[0] = table_text("x");
    assert_string_equal(on_terminal(table, 4), "title\n\na long head\n-----------\nx\n");
    table = table_new("title", columns, 2, arena);
    TableCell *row = table_row(table);
    row[0] = row[1] = table_text("x");
    assert_string_equal(on_terminal(table, 20),
                        "title\n\na long head  another\n--------------------\nx            x\n");
    assert_string_equal(on_terminal(table, 19),
                        "title\n\na long head  another\n--------------------\nx            x\n");
    table->title = "a title";
    table->signature = "a b  c=longer-than-the-line d";
    table_note(table, "as wide as the line: not");
    assert_string_equal(on_terminal(table, 20),
                        "a title\n\na long head  another\n--------------------\nx            x\n\n"
                        "as wide as the line:\nnot\n\n"
                        "signature: a b \nc=longer-than-the-line\nd\n");
}

/* Only the tabulars of a table, with its marks and escapes. */
static void test_tabular(void **state) {
    (void)state;
    const char *text = printed((const Table *[]){plain_table()}, 1, TABLE_AS_TABULAR);
    assert_ptr_equal(strstr(text, "\\begin{tabular}{llrrrr}\n\\toprule\n"), text);
    assert_string_equal(strstr(text, "\\bottomrule"), "\\bottomrule\n\\end{tabular}\n");
    const char *full = printed((const Table *[]){plain_table()}, 1, TABLE_AS_LATEX);
    text = arena_format(arena, "%.*s", (int)strlen(text) - 1, text);
    assert_non_null(strstr(full, text));
}

static void test_full_disk(void **state) {
    (void)state;
    for (TableFormat format = 0; table_format_names[format]; format++) {
        Error err = {0};
        FILE *full = fopen("/dev/full", "w");
        assert_non_null(full);
        assert_false(table_print_one(plain_table(), format, full, &err));
        assert_int_equal(err.code, EXIT_SYSTEM);
        fclose(full);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_md),
        cmocka_unit_test(test_latex),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_spread_texts),
        cmocka_unit_test(test_varying),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_narrow_terminal),
        cmocka_unit_test(test_tabular),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
