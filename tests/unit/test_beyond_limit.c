/* test_beyond_limit: evaluations of older versions at lengths that no window of text had.
 *
 * They are marked, and no table or figure uses them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/claims.h"
#include "report/plot.h"
#include "report/report.h"
#include "cli/cmd_table.h"
#include "report/summary.h"

static char fixture[4096], plots[4096];

/* A database of version 2: trained at 16, 99 targets of 100000, lengths 16, 64 and 256. */
static Database *old_store(void) {
    Error err = {0};
    assert_int_equal(
        system(arena_format(sample_arena, "sqlite3 x.db < '%s'; ln -s '%s' plots", fixture, plots)), 0);
    Database *store = database_open("x.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    return store;
}

static const char *analysed(Database *store, const char *what, TableFormat format) {
    Error err = {0};
    FILE *out = fopen("out", "w");
    const AnalysisOptions options = {
        .what = what, .format = format, .baseline = "rotary", .resamples = 100, .block = 1};
    if (!analysis_print(store, &options, out, sample_arena, &err)) fail_msg("%s: %s", what, err.text);
    fclose(out);
    return sample_file("out", NULL);
}

static const char *table(Database *store, TableFormat format) {
    Error err = {0};
    FILE *out = fopen("out", "w");
    if (!cmd_table_print(&store, 1, &(CmdTableOptions){.format = format}, out, sample_arena, &err))
        fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

static void test_tables(void **state) {
    (void)state;
    Database *store = old_store();
    const char *text = table(store, TABLE_AS_TEXT);
    assert_non_null(strstr(text, ">text"));
    assert_non_null(strstr(text, ">text: the evaluated text is shorter than this length"));
    assert_non_null(strstr(text, "valid, nonoverlapping, 99 targets (100000 requested)"));
    assert_null(strstr(text, "453.6"));
    assert_non_null(strstr(text, "456.4"));
    text = table(store, TABLE_AS_CSV);
    assert_non_null(strstr(text, ",256,100000,beyond_text,608.09"));
    assert_non_null(strstr(text, ",64,100000,done,606.71"));
    database_close(store);
}

static void test_analyses(void **state) {
    (void)state;
    static const char *const programs[] = {"curves", "matrix",    "compare",     "cost",
                                           "early",  "positions", "claim-points"};
    Database *store = old_store();
    for (int i = 0; i < COUNT_OF(programs); i++) {
        const char *text = analysed(store, programs[i], TABLE_AS_CSV);
        assert_null(strstr(text, "453.6"));
    }
    const char *text = analysed(store, "curves", TABLE_AS_TEXT);
    assert_null(strstr(text, ">= 256"));
    assert_non_null(strstr(text, ">= 64")); /* the longest evaluated length */
    assert_non_null(strstr(text, ">text: "));
    assert_non_null(strstr(analysed(store, "matrix", TABLE_AS_TEXT), ">text"));
    assert_null(strstr(analysed(store, "positions", TABLE_AS_CSV), ",256,"));
    database_close(store);
}

static void test_verdicts(void **state) {
    (void)state;
    Error err = {0};
    Database *store = old_store();
    FILE *file = fopen("claims.json", "w");
    fputs("{\"source\": \"s\", \"claims\": [{\"text\": \"t\", \"section\": \"1\", \"paper\": \"p\","
          " \"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 5, \"at_most\": 2}]}",
          file);
    fclose(file);
    const Results *set = results_read(store, "old", NULL, sample_arena, &err);
    const ClaimList *list = set ? claims_judge(set, "claims.json", sample_arena, &err) : NULL;
    if (!list) fail_msg("%s", err.text);
    assert_int_equal(list->items[0].count, 0);
    assert_int_equal(list->items[0].verdict, CLAIM_UNTESTED);
    file = fopen("answer", "w");
    assert_true(summary_answer(set, list, file, sample_arena, &err));
    fclose(file);
    const char *answer = sample_file("answer", NULL);
    assert_null(strstr(answer, "256"));
    assert_non_null(strstr(answer, "evaluated on up to 64,"));
    assert_non_null(strstr(answer, "At 64, trained at 16: "));
    database_close(store);
}

static void test_figures(void **state) {
    (void)state;
    Error err = {0};
    Database *store = old_store();
    static const PlotFigure kinds[] = {PLOT_CURVES, PLOT_EARLY, PLOT_POSITION};
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        if (!plot_figure(store, &(PlotOptions){.kind = kinds[i], .figure = "f.svg"}, &err))
            fail_msg("%s: %s", plot_figure_names[kinds[i]], err.text);
        assert_null(strstr(sample_file("f.dat", NULL), "\n256 "));
        assert_null(strstr(sample_file("f.svg", NULL), ">256<"));
    }
    if (!report_write(store, &(ReportOptions){.path = "r.html"}, &err)) fail_msg("%s", err.text);
    const char *html = sample_file("r.html", NULL);
    assert_non_null(strstr(html, "<dd>16, 64 tokens</dd>"));
    assert_non_null(strstr(html, "99 targets (100000 requested)"));
    assert_null(strstr(html, "453.6"));
    const char *differences = strstr(html, "<h2 id=\"e0-differences\">");
    if (differences) assert_null(strstr(differences, "beyond_text"));
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tables),
        TEST(test_analyses),
        TEST(test_verdicts),
        TEST(test_figures),
    };
    if (!realpath("tests/fixtures/version2.sql", fixture) || !realpath("plots", plots)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
