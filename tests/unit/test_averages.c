/* test_averages: which numbers may be combined.
 *
 * Bits per byte need the bytes per token, results of different evaluations are never averaged, and a seed is
 * compared with itself only.
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

#include "analysis/analysis.h"
#include "analysis/claims.h"
#include "store/reference_import.h"
#include "analysis/results.h"
#include "store/bench_results.h"
#include "cli/cmd_table.h"
#include "store/runs.h"

#define TRAIN "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "

static const char *printed(Database *store, CmdTableOptions options) {
    Error err;
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    if (!cmd_table_print(&store, 1, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

/* The field of a CSV's first row under this name. */
static const char *csv_field(const char *csv, const char *name) {
    int column = 0;
    const char *at = csv, *line = strchr(csv, '\n') + 1;
    for (; strncmp(at, name, strlen(name)) || !strchr(",\n", at[strlen(name)]); at++, column++) {
        at += strcspn(at, ",\n");
        assert_int_equal(*at, ',');
    }
    for (; column; line++) {
        if (*line == '"')
            line = strchr(line + 1, '"'); /* options of a method, in quotes, may contain commas */
        column -= *line == ',';
    }
    return arena_format(sample_arena, "%.*s", (int)strcspn(line, ",\n"), line);
}

/* Bits per byte in both views, in CSV and in JSON; without known bytes per token there is no number. */
static void bits_per_byte(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(TRAIN "\"method\": \"none\", \"evaluate\": {\"multiples\": [1]}");
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, (double[]){8}));
    static const double bytes[] = {1, 4.5, 0.5};
    for (int i = 0; i < COUNT_OF(bytes); i++) {
        double wanted = 3 / bytes[i]; /* log2(8) */
        assert_int_equal(sample_outside(arena_format(sample_arena,
                                                     "UPDATE corpus SET bytes_per_token = %g, train_bytes = "
                                                     "NULL, valid_bytes = NULL, test_bytes = NULL",
                                                     bytes[i])),
                         SQLITE_OK);
        const char *views[] = {"curve", "outcome"};
        for (int v = 0; v < COUNT_OF(views); v++) {
            const char *sql = arena_format(sample_arena, "SELECT bits_per_byte FROM %s", views[v]);
            assert_true(fabs(strtod(sample_value(store, sql), NULL) - wanted) < 1e-12);
        }
        const char *csv =
            csv_field(printed(store, (CmdTableOptions){.format = TABLE_AS_CSV}), "bits_per_byte");
        assert_true(fabs(strtod(csv, NULL) - wanted) < 1e-12);
        const char *text = printed(store, (CmdTableOptions){.format = TABLE_AS_JSON});
        Json *json = json_parse(text, strlen(text), "table", sample_arena, &err);
        assert_true(fabs(json_number(json_get(json_at(json, 0), "bits_per_byte"), NAN) - wanted) < 1e-12);
    }
    assert_int_equal(sample_outside("UPDATE corpus SET bytes_per_token = NULL"), SQLITE_OK);
    sample_expect(store, "SELECT bits_per_byte IS NULL AND perplexity > 7.9 FROM curve", "1");
    sample_expect(store, "SELECT bits_per_byte IS NULL AND perplexity > 7.9 FROM outcome", "1");
    assert_string_equal(csv_field(printed(store, (CmdTableOptions){.format = TABLE_AS_CSV}), "bits_per_byte"),
                        "");
    assert_null(strstr(printed(store, (CmdTableOptions){.format = TABLE_AS_JSON}), "bits_per_byte"));
    database_close(store);
}

/* One length evaluated in two ways that differ in one property: two rows everywhere, and no mean over
   both. */
static void ways_of_evaluating(void **state) {
    (void)state;
    static const EvaluateVariant variant = {"v", "{\"a\":1}"};
    enum { SPLIT, PROTOCOL, STRIDE, TARGETS, PRECISION, VARIANT, WAYS };
    const Plan *plan =
        sample_plan(TRAIN "\"method\": \"none\", \"evaluate\": {\"tokens\": 500, \"multiples\": [1, 2]}");
    PlanPoint *point = &plan->points[0];
    for (int way = 0; way < WAYS; way++) {
        EvaluateRequest *one = &point->requests[0], *other = &point->requests[1];
        *one = (EvaluateRequest){.split = SPLIT_VALID, .tokens = 500, .length = 16, .stride = 16};
        if (way == STRIDE) *one = (EvaluateRequest){SPLIT_VALID, 500, EVALUATE_STRIDED, 16, 4, 0, NULL, NULL};
        *other = *one;
        if (way == SPLIT) other->split = SPLIT_TEST;
        if (way == PROTOCOL) other->protocol = EVALUATE_STRIDED;
        if (way == STRIDE) other->stride = 8;
        if (way == TARGETS) other->tokens = 400;
        if (way == PRECISION) other->precision = 1;
        if (way == VARIANT) other->variant = &variant;
        remove("x.db");
        Error err;
        Database *store = sample_store(plan);
        sample_import(store, sample_record(point, RUN_DONE, NULL, (double[]){4, 9}));
        const Results *set = results_read(store, "x", NULL, sample_arena, &err);
        if (set->count != 2) fail_msg("way %d: %d series", way, set->count);
        double sum = 0;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(set->items[i].cells[0].count, 1);
            sum += set->items[i].cells[0].mean;
        }
        assert_true(fabs(sum - 13) < 1e-9);
        if (series_same_protocol(&set->items[0], &set->items[1]) != (way == VARIANT)) fail_msg("way %d", way);
        const char *text = printed(store, (CmdTableOptions){0});
        if (!strstr(text, "4.00") || !strstr(text, "9.00") || strstr(text, "±"))
            fail_msg("way %d:\n%s", way, text);
        database_close(store);
    }
}

/* Ratios of a seed are relative to that seed's own number at the training length; means, deviations and
   extremes are over the selected seeds. */
static void seeds_are_kept_apart(void **state) {
    (void)state;
    Error err;
    static const double values[3][2] = {{4, 6}, {5, 6}, {3, 12}};
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"multiples\": [1, 2]}, \"sweep\": {\"method\": [\"none\"],"
                          " \"train.seed\": [1, 2, 3]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    const char *text = printed(store, (CmdTableOptions){.rows = "method,seed", .ratio = true});
    static const char *const rows[] = {"None       1  1.000  1.500\n", "None       2  1.000  1.200\n",
                                       "None       3  1.000  4.000\n"};
    for (int i = 0; i < COUNT_OF(rows); i++)
        if (!strstr(text, rows[i])) fail_msg("no '%s' in:\n%s", rows[i], text);
    const char *const two[] = {"seed=1", "seed=3", NULL};
    text = printed(store, (CmdTableOptions){.rows = "method", .where = two});
    if (!strstr(text, "None    3.50 ± 0.71  9.00 ± 4.24\n")) fail_msg("%s", text);
    text = printed(store, (CmdTableOptions){.rows = "method", .where = two, .ratio = true});
    if (!strstr(text, "None    1.000 ± 0.000  2.750 ± 1.768\n")) fail_msg("%s", text);
    const SeriesCell *cells = results_read(store, "x", NULL, sample_arena, &err)->items[0].cells;
    assert_true(fabs(cells[0].mean - 4) < 1e-9 && fabs(cells[0].deviation - 1) < 1e-9);
    for (int i = 0; i < 3; i++) assert_true(fabs(cells[1].perplexities[i] - values[i][1]) < 1e-9);
    database_close(store);
}

/* A condition selects the intended number and no neighbour; a method is found by key, label and name. */
static void conditions(void **state) {
    (void)state;
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"multiples\": [1, 1.0625, 1.125]}, \"sweep\": {\"method\":"
                          " [\"none\"], \"train.optimizer.lr\": [0.01, 0.5]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, (double[]){4, 5, 6}));
    static const struct {
        const char *where;
        int rows;
    } cases[] = {
        {"eval_length=17", 2}, {"multiple=1.125", 2}, {"multiple=1", 2},         {"eval_length=16.0", 2},
        {"method=none", 6},    {"method=None", 6},    {"method=None lr=0.5", 3}, {"seed=1", 6},

    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *const where[] = {cases[i].where, NULL};
        const char *text = printed(store, (CmdTableOptions){.format = TABLE_AS_CSV, .where = where});
        int lines = -1;
        for (; *text; text++) lines += *text == '\n';
        if (lines != cases[i].rows) fail_msg("%s: %d rows", cases[i].where, lines);
    }
    database_close(store);
}

/* A condition chooses the same evaluations for every format: a label is the method as it was trained, a key
   all of its variants. */
static void conditions_are_the_same_in_every_format(void **state) {
    (void)state;
    static const EvaluateVariant variant = {"v", "{\"a\":1}"};
    const Plan *plan = sample_plan(TRAIN "\"method\": \"none\", \"evaluate\": {\"multiples\": [1, 2]}");
    plan->points[0].requests[1] = plan->points[0].requests[0];
    plan->points[0].requests[1].variant = &variant;
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, (double[]){4, 9}));
    static const struct {
        const char *where;
        bool trained, changed; /* which are chosen */
    } cases[] = {{"method=none", true, true},
                 {"method=None", true, false},
                 {"method=None [v]", false, true},
                 {"evaluated=valid, nonoverlapping", true, true}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *const where[] = {cases[i].where, NULL};
        const char *text = printed(store, (CmdTableOptions){.where = where});
        if (!strstr(text, "4.00") != !cases[i].trained || !strstr(text, "9.00") != !cases[i].changed)
            fail_msg("%s:\n%s", cases[i].where, text);
        text = printed(store, (CmdTableOptions){.format = TABLE_AS_CSV, .where = where});
        if (!strstr(text, ",none,{},") != !cases[i].trained ||
            !strstr(text, ",none [v],{},") != !cases[i].changed)
            fail_msg("%s:\n%s", cases[i].where, text);
    }
    database_close(store);
}

static const ClaimList *judge(Database *store, const char *more, Error *err) {
    FILE *file = fopen("claims.json", "w");
    assert_non_null(file);
    fprintf(file, "{\"source\": \"s\", \"claims\": [{\"text\": \"t\", %s}]}", more);
    fclose(file);
    const Results *set = results_read(store, "x", NULL, sample_arena, err);
    return set ? claims_judge(set, "claims.json", sample_arena, err) : NULL;
}

static const Claim *judged(Database *store, const char *more) {
    Error err;
    const ClaimList *list = judge(store, more, &err);
    if (!list) fail_msg("%s", err.text);
    return &list->items[0];
}

/* A claim uses a method with its standard options, if it exists; two methods are compared only if nothing
   else differs; a bench in another precision does not count for these runs. */
static void claims_are_about_like_things(void **state) {
    (void)state;
    Error err = {0};
    static const char
        growth[] = "\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 1, \"at_least\": 2",
        versus[] = "\"quantity\": \"versus\", \"method\": \"t5\", \"against\": \"rotary\", \"at_least\": 2",
        speed[] = "\"quantity\": \"train_speed\", \"method\": \"t5\", \"against\": \"rotary\","
                  " \"at_most\": 0.7";
    static const double values[3][3] = {{4, 16, 16}, {4, 4, 4}, {16, 64, 64}};
    const Plan *plan = sample_plan(TRAIN "\"evaluate\": {\"multiples\": [1, 2, 4]}, \"sweep\": {\"method\": "
                                         "[\"rotary\", {\"name\": \"rotary\","
                                         " \"base\": 500}, \"t5\"]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    assert_int_equal(judged(store, growth)->count, 2);
    assert_int_equal(judged(store, growth)->verdict, CLAIM_SUPPORTED);
    assert_int_equal(judged(store, versus)->count, 3);
    assert_int_equal(judged(store, versus)->verdict, CLAIM_SUPPORTED);

    BenchResult results[] = {{"t5", "T5 bias", 16, true, 100, 90, 110, 5e8, 0.25, 2, 1.9, 2.1, 4096},
                             {"rotary", "Rotary", 16, true, 200, 190, 210, 1e9, 0.5, 1, 0.96, 1.04, 2048}};
    Json *model = model_json(&plan->points[0].config->model, sample_arena);
    BenchRecord bench = {
        .precision = "bf16", .reference = "none", .threads = 1, .results = results, .count = 2};
    bench.config = arena_format(sample_arena, "{\"model\":%s}", json_print(model, sample_arena));
    if (!bench_results_write(store, &bench, &err)) fail_msg("%s", err.text);
    const Claim *claim = judged(store, speed);
    for (int i = 0; i < claim->count; i++)
        assert_int_not_equal(claim->points[i].seeds, 0); /* 0: from a bench */
    bench.precision = "fp32";
    if (!bench_results_write(store, &bench, &err)) fail_msg("%s", err.text);
    claim = judged(store, speed);
    assert_int_equal(claim->count, 1);
    assert_int_equal(claim->points[0].seeds, 0);

    /* Other settings and other corpora are not compared. */
    static const char *const others[] = {
        "UPDATE point SET variant = 'v' WHERE run IN (SELECT key FROM run WHERE method = 't5')",
        "INSERT INTO corpus SELECT 9, 'other', tokenizer, vocabulary, 1, 1, 1, 1, 1, NULL, "
        "NULL, NULL, NULL, NULL, NULL, NULL FROM corpus;"
        "UPDATE run SET corpus_id = 9 WHERE method = 't5'"};
    for (int i = 0; i < COUNT_OF(others); i++) {
        assert_int_equal(sample_outside(others[i]), SQLITE_OK);
        assert_int_equal(judged(store, versus)->verdict, CLAIM_UNTESTED);
        assert_int_equal(sample_outside("UPDATE point SET variant = ''"), SQLITE_OK);
    }
    assert_int_equal(sample_outside("UPDATE run SET corpus_id = 1; DELETE FROM point WHERE ordinal = 0"),
                     SQLITE_OK);
    assert_int_equal(judged(store, growth)->verdict, CLAIM_CONTRADICTED); /* the only rotary left */
    database_close(store);
}

/* A claim that chooses runs compares those that it names, whatever their tokens, at equal strides. */
static void claims_choose_runs(void **state) {
    (void)state;
    static const struct {
        const char *where, *against, *against_where;
        double ratio;
    } cases[] = {
        {"train.tokens=96,protocol=nonoverlapping", "rotary", "train.tokens=192,protocol=nonoverlapping",
         0.5},
        {"train.tokens=192,protocol=nonoverlapping", "rotary", "train.tokens=96,protocol=nonoverlapping", 2},
        {"train.tokens=96,protocol=cached", "rotary", "train.tokens=192,protocol=cached", 0.2},
        {"train.tokens=96,protocol=cached", "rotary", "train.tokens=96,protocol=nonoverlapping", 0.5},
        {"train.tokens=96,protocol=nonoverlapping,seed=1", "alibi",
         "train.tokens=192,protocol=nonoverlapping", 4},
    };
    static const char format[] = "\"method\": \"rotary\", \"quantity\": \"change\", \"where\": \"%s\","
                                 "\"against\": \"%s\", \"against_where\": \"%s\", \"at_least\": %g";
    static const double values[4][2] = {{8, 4}, {64, 64}, {16, 20}, {2, 64}};
    const Plan *plan = sample_plan("\"train\": {\"length\": 16, \"tokens_per_step\": 32},"
                                   "\"evaluate\": {\"lengths\": [16], \"protocols\": [\"nonoverlapping\","
                                   "\"cached\"]}, \"sweep\": {\"train.tokens\": [96, 192],"
                                   " \"method\": [\"rotary\", \"alibi\"]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    const Claim *claim = NULL;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        claim = judged(store, arena_format(sample_arena, format, cases[i].where, cases[i].against,
                                           cases[i].against_where, 0.9 * cases[i].ratio));
        assert_int_equal(claim->count, 1);
        assert_true(fabs(claim->points[0].ratio - cases[i].ratio) < 1e-9);
        assert_int_equal(claim->verdict, CLAIM_SUPPORTED);
    }
    assert_non_null(
        strstr(claim->finding, "Rotary tokens=96: the perplexity over that of ALiBi tokens=192 is 4"));
    Error err;
    assert_null(judge(store, arena_format(sample_arena, format, "train.tokens=97", "alibi", "", 1.0), &err));
    assert_non_null(strstr(err.text, "train.tokens=97"));
    assert_null(judge(store, "\"method\": \"rotary\", \"at_least\": 1", &err));
    assert_string_equal(err.text,
                        "claims 'claims.json': 'claims.0' needs a text, a quantity, a method and either "
                        "at_least or at_most");
    database_close(store);
}

/* Seeds and lengths are sorted, regardless of their order in the config; costs count for runs that are
   done. */
static void series_are_in_order(void **state) {
    (void)state;
    Error err;
    static const double values[3][3] = {{4, 5, 6}, {7, 8, 9}, {10, 11, 12}};
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"multiples\": [4, 1, 2]}, \"sweep\": {\"method\": [\"none\"],"
                          " \"train.seed\": [3, 1, 2]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    const Series *series = results_read(store, "x", NULL, sample_arena, &err)->items;
    assert_int_equal(series->count, 3);
    assert_int_equal(series->run_count, 3);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(series->cells[k].length, 16 << k);
        assert_int_equal(series->cells[k].count, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(series->cells[k].seeds[i].seed, i + 1);
            assert_true(fabs(exp(series->cells[k].seeds[i].loss) - values[(i + 1) % 3][k]) < 1e-9);
        }
    }
    static const char *const others[] = {"failed", "pending", "running", "diverged"};
    for (int i = 0; i < COUNT_OF(others); i++) {
        const char *sql =
            arena_format(sample_arena, "UPDATE run SET status = '%s' WHERE seed = 2", others[i]);
        assert_int_equal(sample_outside(sql), SQLITE_OK);
        series = results_read(store, "x", NULL, sample_arena, &err)->items;
        assert_int_equal(series->run_count, 2);
        for (int r = 0; r < 2; r++) assert_int_not_equal(series->runs[r].seed, 2);
    }
    assert_int_equal(
        sample_outside("INSERT INTO corpus SELECT 9, 'other', tokenizer, vocabulary, 1, 1, 1, 1, 1, NULL, "
                       "NULL, NULL, NULL, NULL, NULL, NULL FROM corpus;"
                       "UPDATE run SET status = 'done', corpus_id = iif(seed = 2, 9, 1)"),
        SQLITE_OK);
    const Results *set = results_read(store, "x", NULL, sample_arena, &err);
    assert_int_equal(set->count, 2); /* losses on two corpora have no mean */
    assert_int_equal(set->items[0].run_count + set->items[1].run_count, 3);
    database_close(store);
}

/* Invalid CSV is refused completely. */
static void open_quotes(void **state) {
    (void)state;
    static const char head[] = "table,dataset,split,method,train_length,eval_length,stride,perplexity\n";
    static const char *const rows[] = {"\"2,d,valid,none,100,100,100,20\n",
                                       "2,d,valid,none,100,100,100,\"20\n",
                                       "2,\"d\"x,valid,none,100,100,100,20\n"};
    Error err;
    Database *store = sample_store(sample_plan(TRAIN "\"method\": \"none\""));
    for (int i = -1; i < COUNT_OF(rows); i++) {
        int64_t count;
        FILE *file = fopen("r.csv", "w");
        fprintf(file, "%s\"2\",\"d, \"\"e\"\"\",valid,none,100,100,100,20\n%s", head, i < 0 ? "" : rows[i]);
        fclose(file);
        assert_int_equal(reference_import(store, (const char *const[]){"r.csv", NULL}, &count, &err), i < 0);
        if (i >= 0) assert_non_null(strstr(err.text, "reference 'r.csv', line 3: "));
        sample_expect(store, "SELECT group_concat(dataset || value) FROM reference", "d, \"e\"20.0");
    }
    database_close(store);
}

/* A seed that one method lacks is missing only from its own comparison. */
static void lost_seeds(void **state) {
    (void)state;
    Error err;
    const Plan *plan =
        sample_plan(TRAIN "\"evaluate\": {\"multiples\": [1]}, \"sweep\": {\"method\": [\"none\", \"rotary\","
                          " \"alibi\", \"t5\"], \"train.seed\": [1, 2, 3]}");
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++) {
        bool lost = i == 5 || i == 6; /* rotary's third, alibi's first */
        const double value = 4 + i % 3 + i / 3;
        sample_import(store, sample_record(&plan->points[i], lost ? RUN_DIVERGED : RUN_DONE,
                                           lost ? "loss" : NULL, lost ? NULL : &value));
    }
    FILE *out = fopen("out", "w");
    AnalysisOptions options = {.what = "compare",
                               .format = TABLE_AS_CSV,
                               .baseline = "none",
                               .resamples = STATS_RESAMPLES,
                               .block = STATS_BLOCK};
    if (!analysis_print(store, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    const char *text = sample_file("out", NULL);
    static const char *const wanted[][2] = {{"Rotary", "2"}, {"ALiBi", "2"}, {"T5 bias", "3"}};
    for (int i = 0; i < COUNT_OF(wanted); i++) {
        const char *row = strstr(text, wanted[i][0]);
        assert_non_null(row);
        while (row[-1] != '\n') row--;
        const char *head = arena_format(sample_arena, "%.*s%.*s", (int)strcspn(text, "\n") + 1, text,
                                        (int)strcspn(row, "\n") + 1, row);
        assert_string_equal(csv_field(head, "seeds"), wanted[i][1]);
    }
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(bits_per_byte),
                                       TEST(ways_of_evaluating),
                                       TEST(seeds_are_kept_apart),
                                       TEST(conditions),
                                       TEST(conditions_are_the_same_in_every_format),
                                       TEST(claims_are_about_like_things),
                                       TEST(claims_choose_runs),
                                       TEST(series_are_in_order),
                                       TEST(open_quotes),
                                       TEST(lost_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
