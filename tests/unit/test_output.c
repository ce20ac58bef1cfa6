/* test_output: texts and figures from a database.
 *
 * Tables are compared with golden texts, CSV with the view to the last bit; also status, data files of
 * figures, figures in every format, and hostile names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/observations.h"
#include "report/plot.h"
#include "analysis/results.h"
#include "cli/cmd_status.h"
#include "store/integrity.h"
#include "cli/cmd_table.h"
#include "store/runs.h"

#define TRAIN "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
#define TWO_SEEDS                                                                                            \
    TRAIN "\"evaluate\": {\"multiples\": [1, 1.5, 4]}, "                                                     \
          "\"sweep\": {\"method\": [\"rotary\", {\"name\": \"alibi\", \"trainable\": true}], "               \
          "\"train.seed\": [1, 2]}"

static char *template; /* plots/curves.gp of the source tree */

static int find_template(void **state) {
    (void)state;
    template = realpath("plots/curves.gp", NULL);
    return template == NULL;
}

static int free_template(void **state) {
    (void)state;
    free(template);
    return 0;
}

/* Two methods and two seeds. A seed with a `reason` diverges. */
static Database *two_seeds(const char *reason) {
    const Plan *plan = sample_plan(TWO_SEEDS);
    static const double values[4][3] = {{4, 6, 1234.6}, {5, 6, 1236.6}, {4.13, 4, 3.5}, {4.13, 4, 3.76}};
    Database *store = sample_store(plan);
    assert_int_equal(plan->count, 4);
    for (int i = 0; i < plan->count; i++) {
        bool bad = reason && i == 1;
        sample_import(store, sample_record(&plan->points[i], bad ? RUN_DIVERGED : RUN_DONE,
                                           bad ? reason : NULL, bad ? NULL : values[i]));
    }
    return store;
}

static const char *printed(Database *store, TableFormat format) {
    Error err;
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    if (!cmd_table_print(&store, 1, &(CmdTableOptions){.format = format}, out, sample_arena, &err))
        fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

static const char *status(Database *store, bool json) {
    Error err;
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    bool left;
    if (!cmd_status_print(store, NULL, json ? TABLE_AS_JSON : TABLE_AS_TEXT, &left, out, sample_arena, &err))
        fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

/* The signature names the build; in golden texts it is "REV". */
static const char *signature(Database *store) {
    return arena_format(
        sample_arena,
        "tokenizer=bytes corpus=%s split=valid protocol=nonoverlapping stride=L targets=1023 precision=fp32 "
        "seeds=2 poslab=%s",
        sample_value(store, "SELECT substr(hash, 1, 12) FROM corpus"),
        sample_value(store, "SELECT DISTINCT revision FROM evaluation"));
}

static void test_text(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    assert_string_equal(
        printed(store, TABLE_AS_TEXT),
        arena_format(sample_arena,
                     "x: perplexity by evaluation length, mean ± standard deviation over 2 seeds\n"
                     "\n"
                     "method                  trained  position           16           24           64\n"
                     "                             at    params           1x         1.5x           4x\n"
                     "--------------------------------------------------------------------------------\n"
                     "Rotary                       16         0  4.50 ± 0.71  6.00 ± 0.00     1236 ± 1\n"
                     "ALiBi (trainable=true)       16         2  4.13 ± 0.00  4.00 ± 0.00  3.63 ± 0.18\n"
                     "\n"
                     "signature: %s\n",
                     signature(store)));
    database_close(store);
}

static void test_md(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    assert_string_equal(
        printed(store, TABLE_AS_MD),
        arena_format(
            sample_arena,
            "**x: perplexity by evaluation length, mean ± standard deviation over 2 seeds**\n"
            "\n"
            "| method | trained at | position params | 16 (1x) | 24 (1.5x) | 64 (4x) |\n"
            "|:--|--:|--:|--:|--:|--:|\n"
            "| Rotary | 16 | 0 | **4.50 ± 0.71** | 6.00 ± 0.00 | 1236 ± 1 |\n"
            "| ALiBi (trainable=true) | 16 | 2 | **4.13 ± 0.00** | **4.00 ± 0.00** | **3.63 ± 0.18** |\n"
            "\n"
            "Bold: the lowest mean of those evaluated alike, and all that are not distinguishable from it "
            "(p at least 0.05, paired bootstrap over seeds and windows, Holm).\\\n"
            "Fewer than five seeds: the test reports too many differences.\n"
            "\n"
            "signature: `%s bootstrap=10000/seed1/block1024 level=0.05/holm`\n",
            signature(store)));
    database_close(store);
}

static const char *printed_with(Database *store, CmdTableOptions options) {
    Error err;
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    if (!cmd_table_print(&store, 1, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    const char *text = sample_file("out", NULL), *end = strstr(text, "\nsignature");
    return end ? arena_format(sample_arena, "%.*s", (int)(end - text), text) : text;
}

static const char *refused(Database *store, CmdTableOptions options) {
    static Error err;
    assert_false(cmd_table_print(&store, 1, &options, stdout, sample_arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    return err.text;
}

/* Chosen rows, columns, conditions and ratios. */
static void test_pivot(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    const char *const where[] = {"multiple=1.5", "multiple=4", "method=rotary", NULL};
    assert_string_equal(printed_with(store, (CmdTableOptions){.rows = "eval_length", .columns = "method"}),
                        "x: perplexity by method, mean ± standard deviation over 2 seeds\n"
                        "\n"
                        "evaluated       Rotary  ALiBi (trainable=true)\n"
                        "       at\n"
                        "----------------------------------------------\n"
                        "       16  4.50 ± 0.71             4.13 ± 0.00\n"
                        "       24  6.00 ± 0.00             4.00 ± 0.00\n"
                        "       64     1236 ± 1             3.63 ± 0.18\n");
    assert_string_equal(
        printed_with(store, (CmdTableOptions){.rows = "method,seed", .columns = "multiple", .where = where}),
        "x: perplexity by multiple of the training length\n"
        "\n"
        "method  seed  1.5x    4x\n"
        "                24    64\n"
        "------------------------\n"
        "Rotary     1  6.00  1235\n"
        "Rotary     2  6.00  1237\n");
    assert_string_equal(
        printed_with(store, (CmdTableOptions){.rows = "method", .ratio = true}),
        "x: perplexity over that at the training length, by evaluation length, mean ± standard "
        "deviation over 2 seeds\n"
        "\n"
        "method                             16             24             64\n"
        "                                   1x           1.5x             4x\n"
        "-------------------------------------------------------------------\n"
        "Rotary                  1.000 ± 0.000  1.350 ± 0.212   278.0 ± 43.4\n"
        "ALiBi (trainable=true)  1.000 ± 0.000  0.969 ± 0.000  0.879 ± 0.045\n");
    assert_non_null(
        strstr(/* also if the training length is not selected */
               printed_with(store, (CmdTableOptions){.rows = "method", .ratio = true, .where = where}),
               "\nRotary  1.350 ± 0.212  278.0 ± 43.4\n"));
    const char *const seed[] = {"seed=2", "eval_length=64", NULL};
    assert_string_equal(
        printed_with(store, (CmdTableOptions){.columns = "method", .rows = "train_length", .where = seed}),
        "x: perplexity by method\n"
        "\n"
        "trained  Rotary  ALiBi (trainable=true)\n"
        "     at\n"
        "---------------------------------------\n"
        "     16    1237                    3.76\n");
    const char *csv = printed_with(store, (CmdTableOptions){.format = TABLE_AS_CSV, .where = where});
    int lines = 0;
    for (const char *at = csv; (at = strchr(at, '\n')); at++) lines++;
    assert_int_equal(lines, 1 + 4);
    database_close(store);
}

/* One table for each value of fields that are neither rows nor columns. */
static void test_pivot_sheets(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    assert_string_equal(
        printed_with(store, (CmdTableOptions){.rows = "train_length", .columns = "multiple"}),
        "x: perplexity by multiple of the training length, mean ± standard deviation over 2 seeds\n"
        "\n"
        "method: Rotary\n"
        "trained           1x         1.5x        4x\n"
        "     at           16           24        64\n"
        "-------------------------------------------\n"
        "     16  4.50 ± 0.71  6.00 ± 0.00  1236 ± 1\n"
        "\n"
        "method: ALiBi (trainable=true)\n"
        "trained           1x         1.5x           4x\n"
        "     at           16           24           64\n"
        "----------------------------------------------\n"
        "     16  4.13 ± 0.00  4.00 ± 0.00  3.63 ± 0.18\n");
    database_close(store);
}

static void test_pivot_errors(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    const char *const nothing[] = {"train_length=99", NULL}, *const no_value[] = {"seed", NULL};
    assert_non_null(strstr(refused(store, (CmdTableOptions){.rows = "metod"}), "did you mean 'method'"));
    assert_non_null(strstr(refused(store, (CmdTableOptions){.columns = "seed,method"}), "at most 1 field"));
    assert_non_null(strstr(refused(store, (CmdTableOptions){.rows = "seed", .columns = "seed"}), "both"));
    assert_non_null(strstr(refused(store, (CmdTableOptions){.where = nothing}), "--where"));
    assert_non_null(strstr(refused(store, (CmdTableOptions){.where = no_value}), "FIELD=VALUE"));
    assert_non_null(strstr(refused(store, (CmdTableOptions){.paper = true}), "poslab reference"));
    assert_non_null(
        strstr(refused(store, (CmdTableOptions){.format = TABLE_AS_CSV, .ratio = true}), "--ratio"));
    database_close(store);
}

/* The paper's numbers at the multiples of the database: given, between two lengths, or missing. */
static void test_paper(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    assert_int_equal(
        sample_outside("INSERT INTO reference VALUES ('Paper, table 1', 'd', 'valid', 'rotary', 100, 100,"
                       " 100, 'perplexity', 20), ('Paper, table 1', 'd', 'valid', 'rotary', 100, 225, 225,"
                       " 'perplexity', 80), ('Paper, table 1', 'd', 'valid', 'rotary', 100, 50, 50,"
                       " 'perplexity', 10)"),
        SQLITE_OK);
    const char *text = printed_with(store, (CmdTableOptions){.rows = "method,train_length", .paper = true});
    assert_non_null(strstr(text, "Rotary, paper               100        20.00       ~40.00            -\n"));
    assert_non_null(strstr(text, "paper: Paper, table 1.\n~: interpolated between two lengths"));
    text =
        printed_with(store, (CmdTableOptions){.rows = "method,train_length", .paper = true, .ratio = true});
    assert_non_null(strstr(text, "Rotary, paper               100          1.000         ~2.000"));
    database_close(store);
}

/* Bold with several seeds: all that do not differ significantly from the lowest mean, tested on windows; with
 * one seed: the lowest.
 */
static void test_best(void **state) {
    (void)state;
    static const double values[4][3] = {{4, 4, 4}, {4.1, 4, 4}, {4.02, 8, 4}, {4.06, 9, 5}};
    const Plan *plan = sample_plan(TWO_SEEDS);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    const char *text = printed_with(store, (CmdTableOptions){.format = TABLE_AS_MD, .rows = "method"});
    assert_non_null(strstr(text, "| Rotary | **4.05 ± 0.07** | **4.00 ± 0.00** | **4.00 ± 0.00** |\n"));
    assert_non_null(
        strstr(text, "| ALiBi (trainable=true) | **4.04 ± 0.03** | 8.50 ± 0.71 | **4.50 ± 0.71** |\n"));
    const char *const one[] = {"seed=1", NULL};
    text = printed_with(store, (CmdTableOptions){.format = TABLE_AS_MD, .rows = "method", .where = one});
    assert_non_null(strstr(
        text, "| Rotary | **4.00** | **4.00** | **4.00** |\n| ALiBi (trainable=true) | 4.02 | 8.00 |"));
    assert_non_null(strstr(text, "n = 1, so nothing was tested"));
    database_close(store);
}

static void test_latex(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    assert_int_equal(
        sample_outside("UPDATE run SET label = '[a] & b_c #1 50% {x} $y$ ~^\\ <q> é \xE6\x97\xA5' || char(10)"
                       " WHERE method = 'rotary'"),
        SQLITE_OK);
    const char *text = printed_with(store, (CmdTableOptions){.format = TABLE_AS_LATEX});
    const char *const parts[] = {
        "% needs \\usepackage{booktabs,graphicx,textcomp}\n\\begin{table}",
        "\n\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}",
        "\\toprule\n{}method & {}trained & {}position & {}16 & {}24 & {}64 \\\\\n",
        ("{}[a] \\& b\\_c \\#1 50\\% \\{x\\} \\$y\\$ \\textasciitilde{}\\textasciicircum{}\\textbackslash{} "
         "\\textless{}q\\textgreater{} é ?  & {}16 & {}0 & \\textbf{4.50 $\\pm$ 0.71} & {}6.00 $\\pm$ 0.00")};
    for (int i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(text, parts[i])) fail_msg("no %s in %s", parts[i], text);
    assert_null(strstr(text, "document")); /* a table to \\input */
    database_close(store);
}

/* Outcomes without a number, in a table and in the status. */
static void test_outcomes(void **state) {
    (void)state;
    Error err;
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"lengths\": [16, 32]}, \"sweep\": {\"train.length\": [16, 32], "
                          "\"method\": [\"none\", \"rotary\", \"t5\"]}");
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DIVERGED, "loss is nan at step 3", NULL));
    assert_true(runs_set_status(store, plan->points[1].key, RUN_FAILED, "killed by\nsignal 9", &err));
    RunRecord record = *sample_record(&plan->points[2], RUN_DONE, NULL, (double[]){4, 5});
    ((EvaluateResult *)record.evaluations)[1].beyond_limit = true;
    sample_import(store, &record);
    record = *sample_record(&plan->points[3], RUN_DONE, NULL, (double[]){INFINITY, 1e9});
    sample_import(store, &record);
    record = *sample_record(&plan->points[4], RUN_DONE, NULL, (double[]){123.45, 5});
    record.evaluation_count = 1;
    sample_import(store, &record);
    assert_true(runs_set_status(store, plan->points[5].key, RUN_RUNNING, NULL, &err));
    const char *text = printed(store, TABLE_AS_TEXT);
    const char *end = strstr(text, "\nsignature");
    assert_non_null(end);
    assert_string_equal(arena_format(sample_arena, "%.*s", (int)(end - text), text),
                        "x: perplexity by evaluation length\n"
                        "\n"
                        "method   trained  position        16        32\n"
                        "              at    params\n"
                        "----------------------------------------------\n"
                        "None          16         0  diverged  diverged\n"
                        "Rotary        16         0    failed    failed\n"
                        "T5 bias       16        64      4.00    >limit\n"
                        "None          32         0  diverged  1.00e+09\n"
                        "Rotary        32         0     123.5         -\n"
                        "T5 bias       32        64         -         -\n");
    assert_string_equal(
        status(store, false),
        arena_format(sample_arena,
                     "x: 6 runs: 3 done, 1 diverged, 1 failed, 1 running; 7 of 12 evaluations\n"
                     "  %s  diverged  None L=16 seed=1: loss is nan at step 3\n"
                     "  %s  failed    Rotary L=16 seed=1: killed by signal 9\n"
                     "  %s  done      Rotary L=32 seed=1: 1 of 2 evaluations missing\n"
                     "  %s  running   T5 bias L=32 seed=1\n",
                     plan->points[0].key, plan->points[1].key, plan->points[4].key, plan->points[5].key));
    Json *json = json_parse(status(store, true), strlen(status(store, true)), "status", sample_arena, &err);
    assert_non_null(json);
    const Json *entry = json_at(json, 0);
    assert_true(json_number(json_get(json_get(entry, "runs"), "done"), -1) == 3);
    assert_int_equal(json_count(json_get(entry, "unfinished")), 4);
    database_close(store);
}

/* A mean over fewer seeds than requested has a note. */
static void test_lost_seed(void **state) {
    (void)state;
    Database *store = two_seeds("loss is nan at step 3");
    const char *text = printed(store, TABLE_AS_TEXT);
    assert_non_null(strstr(text, "  4.00 (1/2)  "));
    assert_non_null(strstr(text, "(n/m): mean over n of m seeds"));
    database_close(store);
}

/* With lengths as multiples, each training length has its own table; each protocol has a row. */
static void test_several(void **state) {
    (void)state;
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"multiples\": [1, 4], \"protocols\": [\"nonoverlapping\", "
                          "{\"name\": \"strided\", \"stride\": 0.25}]}, \"method\": \"none\", "
                          "\"sweep\": {\"train.length\": [16, 32]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < 2; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, (double[]){4, 5, 6, 7}));
    const char *text = printed(store, TABLE_AS_TEXT);
    const char *end = strstr(text, "\nsignature");
    assert_non_null(end);
    assert_string_equal(arena_format(sample_arena, "%.*s", (int)(end - text), text),
                        "x: perplexity by evaluation length\n"
                        "\n"
                        "method  evaluated on           trained  position    16    64\n"
                        "                                    at    params    1x    4x\n"
                        "------------------------------------------------------------\n"
                        "None    valid, nonoverlapping       16         0  4.00  6.00\n"
                        "None    valid, strided 0.25 L       16         0  5.00  7.00\n"
                        "\n"
                        "method  evaluated on           trained  position    32   128\n"
                        "                                    at    params    1x    4x\n"
                        "------------------------------------------------------------\n"
                        "None    valid, nonoverlapping       32         0  4.00  6.00\n"
                        "None    valid, strided 0.25 L       32         0  5.00  7.00\n");
    database_close(store);
}

/* Reads all fields of the CSV; the numbers must equal those of the view, bit for bit. */
static void test_csv(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds(NULL);
    assert_int_equal(sample_outside("UPDATE run SET label = 'a \"b\", c' WHERE method = 'rotary'"),
                     SQLITE_OK);
    char *line = strtok((char *)printed(store, TABLE_AS_CSV), "\n");
    assert_non_null(line);
    assert_true(strncmp(line, "experiment,run_key,method,method_options,label,", 47) == 0);
    int rows = 0;
    Query *query = query_begin(store,
                               "SELECT run_key, perplexity, nll FROM curve JOIN point ON run = run_key"
                               " ORDER BY ordinal, eval_length",
                               NULL);
    while ((line = strtok(NULL, "\n"))) {
        assert_true(query_next(query));
        const char *key = arena_format(sample_arena, "x,%s,", query_text(query, 0));
        assert_true(strncmp(line, key, strlen(key)) == 0);
        const char *perplexity = arena_format(sample_arena, ",%.17g,", query_real(query, 1));
        const char *nll = arena_format(sample_arena, ",done,%.17g,1023,", query_real(query, 2));
        if (!strstr(line, perplexity) || !strstr(line, nll))
            fail_msg("no %s or %s in %s", perplexity, nll, line);
        if (rows < 6) assert_non_null(strstr(line, ",\"a \"\"b\"\", c\",,16,"));
        rows++;
    }
    assert_false(query_next(query));
    assert_true(query_end(query, &err));
    assert_int_equal(rows, 12);
    database_close(store);
}

static void test_json(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds("loss is nan at step 3");
    const char *text = printed(store, TABLE_AS_JSON);
    Json *json = json_parse(text, strlen(text), "table", sample_arena, &err);
    if (!json) fail_msg("%s", err.text);
    assert_int_equal(json_count(json), 12);
    assert_string_equal(json_text(json_get(json_at(json, 0), "method"), ""), "rotary");
    assert_true(fabs(json_number(json_get(json_at(json, 0), "perplexity"), 0) - 4) < 1e-12);
    assert_string_equal(json_text(json_get(json_at(json, 3), "outcome"), ""), "diverged");
    assert_null(json_get(json_at(json, 3), "perplexity"));
    database_close(store);
}

static void test_table_errors(void **state) {
    (void)state;
    Error err;
    Database *store = database_open("x.db", DATABASE_CREATE, &err);
    assert_false(
        cmd_table_print(&store, 1, &(CmdTableOptions){.format = TABLE_AS_TEXT}, stdout, sample_arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "no experiment"));
    database_close(store);
    store = two_seeds(NULL);
    assert_false(cmd_table_print(&store, 1,
                                 &(CmdTableOptions){.experiments = (const char *const[]){"y", NULL}}, stdout,
                                 sample_arena, &err));
    assert_non_null(strstr(err.text, "'y'"));
    FILE *full = fopen("/dev/full", "w");
    assert_false(
        cmd_table_print(&store, 1, &(CmdTableOptions){.format = TABLE_AS_CSV}, full, sample_arena, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    fclose(full);
    database_close(store);
}

/* --- figures --- */

static void test_figure(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds(NULL);
    static const struct {
        const char *path, *begins;
    } figures[] = {{"a.svg", "<?xml"}, {"a.png", "\x89PNG"}, {"a.pdf", "%PDF"}};
    for (int i = 0; i < COUNT_OF(figures); i++) {
        const PlotOptions options = {.figure = figures[i].path, .template = template};
        if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
        assert_true(
            strncmp(sample_file(figures[i].path, NULL), figures[i].begins, strlen(figures[i].begins)) == 0);
    }
    const char *svg = sample_file("a.svg", NULL);
    const char *const words[] = {"Rotary", "ALiBi (trainable=true)", "trained at 16",
                                 "perplexity per byte (log scale)"};
    for (int i = 0; i < COUNT_OF(words); i++)
        if (!strstr(svg, words[i])) fail_msg("no '%s' in the figure", words[i]);
    database_close(store);
}

/* The axis ends where one curve is far above the others; an arrow gives its last value. */
static void test_clipped(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds(NULL);
    const PlotOptions options = {.figure = "a.svg", .template = template};
    if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
    assert_non_null(strstr(sample_file("a.svg", NULL), "Rotary: 1236<"));
    assert_null(strstr(sample_file("a.svg", NULL), "ALiBi (trainable=true): "));
    assert_null(strstr(sample_file("a.svg", NULL), ">500<")); /* 30 times 4.5 is 135 */
    database_close(store);
    assert_int_equal(
        sample_outside("UPDATE evaluation SET nll_sum = tokens * 4.5 WHERE length = 64 AND run IN"
                       " (SELECT key FROM run WHERE method = 'rotary')"),
        SQLITE_OK); /* exp(4.5) is 90 */
    store = database_open("x.db", DATABASE_READ, &err);
    if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
    assert_null(strstr(sample_file("a.svg", NULL), "Rotary: "));
    database_close(store);
}

/* The data file of a figure: a block per line, with mean, deviation, lowest, highest, number of seeds. */
static void test_figure_data(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds(NULL);
    assert_true(plot_figure(store, &(PlotOptions){.figure = "a.svg", .template = template}, &err));
    database_close(store);
    const char *data = sample_file("a.dat", NULL);
    static const double expected[6][6] = {
        {16, 4.5, M_SQRT1_2, 4, 5, 2}, {24, 6, 0, 6, 6, 2}, {64, 1235.6, M_SQRT2, 1234.6, 1236.6, 2},
        {16, 4.13, 0, 4.13, 4.13, 2},  {24, 4, 0, 4, 4, 2}, {64, 3.63, 0.13 * M_SQRT2, 3.5, 3.76, 2},
    };
    const char *blocks[] = {
        strstr(data, "\n# Rotary; trained at 16; valid, nonoverlapping\n"),
        strstr(data, "\n\n\n# ALiBi (trainable=true); trained at 16; valid, nonoverlapping\n")};
    for (int i = 0; i < 6; i++) {
        const char *line = blocks[i / 3];
        if (!line) {
            fail_msg("a block is missing in: %s", data);
            return;
        }
        line = strchr(line, '#');
        for (int k = 0; k <= i % 3; k++) line = strchr(line, '\n') + 1;
        char *end = (char *)line;
        for (int k = 0; k < 6; k++)
            if (fabs(strtod(end, &end) - expected[i][k]) > 1e-9) fail_msg("number %d of: %.80s", k, line);
    }
}

/* Names are text for gnuplot and for all other formats. */
static void test_hostile_names(void **state) {
    (void)state;
    Error err;
    Database *store = two_seeds(NULL);
    int code = sample_outside(
        "UPDATE run SET label = 'a'' b` touch bad1 `$(touch bad2)\" @c {/=99 d} \\ %s' || char(10) ||"
        " 'system \"touch bad3\"' || char(27) || '|' WHERE method = 'rotary';"
        "UPDATE experiment SET name = 'it''s `touch bad4` | <b>'");
    assert_int_equal(code, SQLITE_OK);
    const char *figure = "o'dd `touch bad5`.svg";
    if (!plot_figure(store, &(PlotOptions){.figure = figure, .template = template}, &err))
        fail_msg("%s", err.text);
    const char *svg = sample_file(figure, NULL);
    assert_non_null(strstr(svg, "touch bad1"));
    assert_non_null(strstr(svg, "{/=99 d}"));
    assert_non_null(strstr(svg, "touch bad4"));
    assert_int_equal(system("test -z \"$(ls | grep '^bad')\""), 0);
    assert_null(strchr(printed(store, TABLE_AS_TEXT), 27));
    assert_null(strchr(status(store, false), 27));
    assert_non_null(strstr(printed(store, TABLE_AS_MD), "a' b\\` touch bad1 \\`"));
    database_close(store);
}

static void test_figure_errors(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(TRAIN "\"method\": \"none\"");
    Database *store = sample_store(plan);
    PlotOptions options = {.figure = "a.svg", .template = template};
    assert_false(plot_figure(store, &options, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "no perplexity to draw"));
    database_close(store);

    store = two_seeds("loss is nan at step 3");
    assert_true(plot_figure(store, &options, &err));
    assert_non_null(strstr(sample_file("a.svg", NULL), "Rotary (1 of 2 diverged)"));
    const char *before = sample_file("a.svg", NULL);
    assert_false(plot_figure(store, &(PlotOptions){.figure = "a.jpg"}, &err));
    assert_non_null(strstr(err.text, "'jpg'"));
    assert_false(plot_figure(store, &(PlotOptions){.figure = "no/a.svg", .template = template}, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_false(plot_figure(store, &(PlotOptions){.figure = "a.svg", .template = "no.gp"}, &err));
    assert_non_null(strstr(err.text, "no.gp"));

    fclose(fopen("style.gp", "w")); /* found in the template's folder */
    FILE *spoilt = fopen("spoilt.gp", "w");
    fputs("set terminal svg\nset output figure\nplot data index 0\nerror here\n", spoilt);
    fclose(spoilt);
    assert_false(plot_figure(store, &(PlotOptions){.figure = "a.svg", .template = "spoilt.gp"}, &err));
    if (!strstr(err.text, "gnuplot failed")) fail_msg("%s", err.text);
    assert_string_equal(sample_file("a.svg", NULL), before);
    assert_int_not_equal(access("a.svg.tmp", F_OK), 0);

    const char *path = arena_copy(sample_arena, getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    assert_false(plot_figure(store, &options, &err));
    setenv("PATH", path, 1);
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "gnuplot is not installed"));
    database_close(store);
}

/* The complete text, with its signature. */
static const char *whole(Database *store, CmdTableOptions options) {
    Error err;
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    if (!cmd_table_print(&store, 1, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

/* The notes of a table agree with its numbers: seeds, and everything in the signature. */
static void test_says_what_it_shows(void **state) {
    (void)state;
    Database *store = two_seeds("loss is nan at step 3");
    assert_non_null(strstr(whole(store, (CmdTableOptions){0}), "over 1 to 2 seeds"));
    const char *const one[] = {"seed=1", NULL}, *const lost[] = {"seed=2", NULL},
                      *const both[] = {"method=alibi", NULL};
    const char *text = whole(store, (CmdTableOptions){.where = one});
    assert_null(strstr(text, "deviation"));
    assert_non_null(strstr(text, " seeds=1 "));
    text =
        whole(store, (CmdTableOptions){.where = lost}); /* the diverged seed is one of the requested ones */
    assert_non_null(strstr(text, "diverged"));
    assert_non_null(strstr(text, " seeds=1 "));
    text = whole(store, (CmdTableOptions){.where = both});
    assert_non_null(strstr(text, "over 2 seeds"));
    assert_non_null(strstr(text, " seeds=2 "));
    text = whole(store, (CmdTableOptions){.rows = "method,seed"});
    assert_non_null(strstr(text, "diverged"));
    database_close(store);
    assert_int_equal(unlink("x.db"), 0);

    /* A row with fewer requested seeds. */
    const Plan *plan = sample_plan(TWO_SEEDS ", \"exclude\": [{\"method\": \"rotary\", \"train.seed\": 2}]");
    assert_int_equal(plan->count, 3);
    store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, (double[]){4.0 + i, 5, 6}));
    text = whole(store, (CmdTableOptions){0});
    assert_non_null(strstr(text, "over 1 to 2 seeds"));
    assert_non_null(strstr(text, "4.00 (n = 1)"));
    assert_non_null(strstr(text, "5.50 ± 0.71"));
    database_close(store);
}

/* Signatures name the split, the protocol and the targets of the evaluations that --where selects. */
static void test_signature_of_chosen(void **state) {
    (void)state;
    const Plan *plan =
        sample_plan(TRAIN "\"method\": \"none\", \"sweep\": {\"evaluate.split\": [\"valid\", \"test\"]},"
                          "\"evaluate\": {\"protocols\": [\"nonoverlapping\", {\"name\": \"strided\","
                          "\"stride\": 0.5}]}");
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, (double[]){4, 5, 6, 7}));
    const char *const where[] = {"split=test", "protocol=strided", NULL};
    const char *text = whole(store, (CmdTableOptions){0});
    if (!strstr(text, " protocol=nonoverlapping,strided stride=")) fail_msg("%s", text);
    text = whole(store, (CmdTableOptions){.where = where});
    assert_non_null(strstr(text, " split=test protocol=strided stride=0.5L "));
    assert_non_null(strstr(text, " where=split=test where=protocol=strided"));
    database_close(store);
}

/* A condition that selects nothing is an error in every format, and lists the existing values. */
static void test_where_nothing(void **state) {
    (void)state;
    static const struct {
        const char *const where[3];
        const char *text;
    } cases[] = {
        {{"seed=99"}, "--where seed=99: no evaluation has this 'seed'; it has '1', '2'"},
        {{"eval_length=17"},
         "--where eval_length=17: no evaluation has this 'eval_length'; it has '16', '24', '64'"},
        {{"split=test"}, "no evaluation has this 'split'; it has 'valid'"},
        {{"method=t5"}, "no evaluation has this 'method'; it has 'Rotary', 'ALiBi (trainable=true)'"},
        {{"seed=1", "seed=99"}, "--where seed=99: "},
        {{"multiple=3"}, "it has '1x', '1.5x', '4x'"},
    };
    Database *store = two_seeds(NULL);
    for (TableFormat f = 0; table_format_names[f]; f++) {
        for (int i = 0; i < COUNT_OF(cases); i++) {
            const char *error = refused(store, (CmdTableOptions){.format = f, .where = cases[i].where});
            if (!strstr(error, cases[i].text))
                fail_msg("%s: expected %s, got %s", table_format_names[f], cases[i].text, error);
        }
    }
    database_close(store);
    assert_int_equal(unlink("x.db"), 0);

    /* Each condition alone selects something, but not both together. */
    const Plan *plan = sample_plan(TWO_SEEDS ", \"exclude\": [{\"method\": \"rotary\", \"train.seed\": 2}]");
    store = sample_store(plan);
    const char *const where[] = {"method=rotary", "seed=2", NULL};
    for (TableFormat f = 0; table_format_names[f]; f++)
        assert_non_null(strstr(refused(store, (CmdTableOptions){.format = f, .where = where}),
                               "no evaluation fulfils all of --where"));
    database_close(store);
}

/* A table notes that a run was trained in several environments. */
static void test_settings(void **state) {
    (void)state;
    Database *store = two_seeds(NULL);
    int64_t problems = 0, before = 0; /* synthetic numbers have some */
    Error err;
    FILE *nowhere = fopen("/dev/null", "w");
    assert_true(integrity_print(store, TABLE_AS_TEXT, nowhere, &before, &err));
    fclose(nowhere);
    assert_null(strstr(whole(store, (CmdTableOptions){0}), "environment"));
    assert_int_equal(
        sample_outside("UPDATE run SET settings = 'A to step 1; B' WHERE key = (SELECT min(key) FROM run)"),
        0);
    const char *key = sample_value(store, "SELECT min(key) FROM run");
    assert_non_null(strstr(whole(store, (CmdTableOptions){0}),
                           arena_format(sample_arena, " resumed-in-another-environment=%s", key)));
    FILE *out = fopen("out", "w");
    assert_true(integrity_print(store, TABLE_AS_TEXT, out, &problems, &err));
    fclose(out);
    assert_non_null(
        strstr(sample_file("out", NULL),
               arena_format(sample_arena, "note: run %s was resumed in another environment", key)));
    assert_int_equal(problems, before);
    database_close(store);
}

/* A variant has its own row, next to that of the run as trained. */
static void test_changed(void **state) {
    (void)state;
    static const EvaluateVariant variant = {"stretched", "{\"base\":20000}"};
    const Plan *plan = sample_plan(TRAIN "\"method\": \"rotary\", \"evaluate\": {\"multiples\": [1, 2, 4]}");
    PlanPoint *point = &plan->points[0];
    point->request_count = 6;
    point->requests = arena_grow(sample_arena, point->requests, 3, 6, sizeof(EvaluateRequest));
    for (int i = 0; i < 3; i++) {
        point->requests[3 + i] = point->requests[i];
        point->requests[3 + i].variant = &variant;
    }
    Database *store = sample_store(plan);
    sample_import(store, sample_record(point, RUN_DONE, NULL, (double[]){4, 9, 99, 5, 6, 7}));
    const char *text = printed(store, TABLE_AS_TEXT);
    assert_non_null(strstr(text, "\nRotary                   16         0  4.00  9.00  99.00\n"
                                 "Rotary [stretched]       16         0  5.00  6.00   7.00\n"));
    text = printed(store, TABLE_AS_CSV);
    assert_non_null(strstr(text, ",eval_variant,eval_precision,method_name\n"));
    assert_non_null(strstr(text, ",rotary [stretched],"));
    assert_non_null(strstr(text, ",stretched,fp32,rotary\n"));
    database_close(store);
}

/* Two variants with the same name, which exist if `poslab eval` adds lengths before the config is edited,
   have their own rows, labelled by their changes. */
static void test_namesakes(void **state) {
    (void)state;
    static const EvaluateVariant variants[] = {{"stretched", "{\"base\":20000}"},
                                               {"stretched", "{\"base\":30000}"}};
    const Plan *plan = sample_plan(TRAIN "\"method\": \"rotary\", \"evaluate\": {\"multiples\": [1, 2, 4]}");
    PlanPoint *point = &plan->points[0];
    point->request_count = 6;
    point->requests = arena_grow(sample_arena, point->requests, 3, 6, sizeof(EvaluateRequest));
    for (int i = 0; i < 6; i++) {
        point->requests[i] = point->requests[i % 3];
        point->requests[i].variant = &variants[i / 3];
    }
    Database *store = sample_store(plan);
    sample_import(store, sample_record(point, RUN_DONE, NULL, (double[]){4, 9, 99, 5, 6, 7}));
    const char *text = printed(store, TABLE_AS_TEXT);
    assert_non_null(strstr(text,
                           "\nRotary [stretched {\"base\":20000}]       16         0  4.00  9.00  99.00\n"
                           "Rotary [stretched {\"base\":30000}]       16         0  5.00  6.00   7.00\n"));
    Error err;
    const Results *set = results_read(store, "x", NULL, sample_arena, &err);
    assert_non_null(set);
    assert_int_equal(set->count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(set->items[i].count, 3);
        for (int c = 0; c < 3; c++) assert_int_equal(set->items[i].cells[c].count, 1);
    }
    database_close(store);
}

/* Integers are compared exactly, measured numbers as displayed. */
static void test_where_numbers(void **state) {
    (void)state;
    static const struct {
        const char *field, *value, *wanted;
        bool same;
    } rows[] = {
        {"seed", "1001", "1000", false},         {"seed", "1000", "1000.0", true},
        {"train_length", "4096", "4097", false}, {"eval_length", "4096", "4096", true},
        {"multiple", "1.333x", "1.3333", true},  {"multiple", "2x", "2.0", true},
        {"multiple", "2x", "2.1", false},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        Error err;
        const ObservationField *field;
        assert_int_equal(observations_parse_fields(&field, 1, rows[i].field, sample_arena, &err), 1);
        if (observations_same_value(field, rows[i].value, rows[i].wanted) != rows[i].same)
            fail_msg("%s: %s, %s", rows[i].field, rows[i].value, rows[i].wanted);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_text),
        TEST(test_md),
        TEST(test_outcomes),
        TEST(test_lost_seed),
        TEST(test_pivot),
        TEST(test_pivot_sheets),
        TEST(test_pivot_errors),
        TEST(test_paper),
        TEST(test_best),
        TEST(test_latex),
        TEST(test_several),
        TEST(test_csv),
        TEST(test_json),
        TEST(test_table_errors),
        TEST(test_figure),
        TEST(test_figure_data),
        TEST(test_hostile_names),
        TEST(test_figure_errors),
        TEST(test_changed),
        TEST(test_clipped),
        TEST(test_namesakes),
        TEST(test_where_numbers),
        TEST(test_says_what_it_shows),
        TEST(test_signature_of_chosen),
        TEST(test_where_nothing),
        TEST(test_settings),
    };
    return cmocka_run_group_tests(tests, find_template, free_template);
}
