/* test_bench_results: speeds in the database.
 *
 * Results of a bench can be read back, the newest of a model is used, and the analysis of cost and claims
 * about speed use them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "cli/cmd_bench.h"
#include "analysis/claims.h"
#include "report/plot.h"
#include "store/merge.h"
#include "store/bench_results.h"
#include "store/runs.h"

#define METHODS                                                                                              \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"sweep\": {\"method\": [\"sinusoidal\", \"t5\"]}"

static char template[4096]; /* plots/cost.gp of the source tree */

static const BenchResult slow = {"t5", "T5 bias", 16, true, 100, 90, 110, 5e8, 0.25, 2, 1.9, 2.1, 4096};
static const BenchResult fast = {"sinusoidal", "Sinusoidal", 16, true, 200,  190, 210,
                                 1e9,          0.5,          1,  0.96, 1.04, 2048};

static const char *model_of(const Plan *plan) {
    Json *model = model_json(&plan->points[0].config->model, sample_arena);
    return arena_format(sample_arena, "{\"model\":%s,\"rounds\":7}", json_print(model, sample_arena));
}

static void write(Database *store, const char *config, int64_t threads, BenchResult first,
                  BenchResult second) {
    Error err = {0};
    BenchResult results[] = {first, second};
    const BenchRecord bench = {.precision = "fp32",
                               .reference = "none",
                               .config = config,
                               .threads = threads,
                               .gemm_rate = 2e9,
                               .results = results,
                               .count = 2};
    if (!bench_results_write(store, &bench, &err)) fail_msg("%s", err.text);
}

static Database *trained(const Plan *plan) {
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, (double[]){4}));
    return store;
}

static void test_newest_of_the_model(void **state) {
    (void)state;
    Error err = {0};
    const Plan *plan = sample_plan(METHODS);
    Database *store = trained(plan);
    assert_int_equal(bench_results_read(store, "x", sample_arena, &err)->count, 0);
    BenchResult old = slow;
    old.rate = 1;
    write(store, model_of(plan), 1, old, fast);
    write(store, "{\"model\":{\"layers\":9}}", 1, old, fast); /* of another model */
    write(store, model_of(plan), 2, fast, old);
    write(store, model_of(plan), 1, slow, fast);
    const BenchResults *list = bench_results_read(store, "x", sample_arena, &err);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[1].id, 3);
    assert_int_equal(list->items[1].threads, 2);
    const BenchRecord *bench = &list->items[0];
    assert_int_equal(bench->id, 4);
    assert_true(bench->gemm_rate == 2e9);
    assert_null(bench_results_find(bench, "T5 bias", 16, false));
    assert_null(bench_results_find(bench, "T5 bias", 32, true));
    const BenchResult *found = bench_results_find(bench, "T5 bias", 16, true);
    assert_non_null(found);
    assert_true(found->rate == 100 && found->rate_low == 90 && found->rate_high == 110);
    assert_true(found->flops == 5e8 && found->share == 0.25 && found->bytes == 4096);
    assert_true(found->ratio == 2 && found->ratio_low == 1.9 && found->ratio_high == 2.1);
    assert_true(bench->own);
    assert_null(bench_results_read(store, "y", sample_arena, &err)->items);

    /* Speeds in another precision do not count for these runs; they are listed last. */
    assert_int_equal(sample_outside("UPDATE bench SET precision = 'bf16' WHERE id = 4"), SQLITE_OK);
    list = bench_results_read(store, "x", sample_arena, &err);
    assert_int_equal(list->count, 3);
    assert_int_equal(list->items[2].id, 4);
    assert_true(list->items[0].own && list->items[1].own && !list->items[2].own);
    database_close(store);
}

/* A merge imports benches of other machines once. */
static void test_merged(void **state) {
    (void)state;
    Error err = {0};
    int64_t conflicts;
    const Plan *plan = sample_plan(METHODS);
    Database *store = trained(plan);
    write(store, model_of(plan), 1, slow, fast);
    database_close(store);
    store = database_open("other.db", DATABASE_CREATE, &err);
    write(store, "{\"model\":{\"layers\":9}}", 1, slow, fast);
    FILE *out = fopen("out", "w");
    for (int i = 0; i < 2; i++)
        if (!merge_databases(store, (const char *const[]){"x.db", NULL}, false, out, &conflicts, &err))
            fail_msg("%s", err.text);
    fclose(out);
    sample_expect(store, "SELECT count(*) || ' ' || max(id) FROM bench", "2 2");
    sample_expect(
        store,
        "SELECT group_concat(bench || label || ratio, ' ') FROM (SELECT * FROM bench_result ORDER BY"
        " bench, label)",
        "1Sinusoidal1.0 1T5 bias2.0 2Sinusoidal1.0 2T5 bias2.0");
    sample_expect(store, "SELECT count(*) FROM pragma_foreign_key_check", "0");
    database_close(store);
}

static void test_cost(void **state) {
    (void)state;
    Error err = {0};
    const Plan *plan = sample_plan(METHODS);
    Database *store = trained(plan);
    write(store, model_of(plan), 3, slow, fast);
    FILE *out = fopen("out", "w");
    AnalysisOptions options = {.what = "cost", .format = TABLE_AS_CSV, .baseline = "sinusoidal"};
    if (!analysis_print(store, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    const char *text = sample_file("out", NULL);
    assert_non_null(strstr(text, ",train,16,,3,100,,,4096,0.5,"));
    assert_non_null(strstr(text, ",train,16,,3,200,,,2048,1,"));
    assert_non_null(strstr(text, ",90,110,,\n"));
    database_close(store);
}

/* The verdict on a claim about method and bound of the quantities. */
static const Claim *judged(Database *store, const char *claim) {
    Error err = {0};
    FILE *file = fopen("claims.json", "w");
    fputs("{\"source\": \"s\", \"claims\": [{\"text\": \"slow\", \"section\": \"1\", \"paper\": \"p\","
          " \"against\": \"sinusoidal\", ",
          file);
    fprintf(file, "%s}]}", claim);
    fclose(file);
    const Results *set = results_read(store, "x", NULL, sample_arena, &err);
    const ClaimList *list = set ? claims_judge(set, "claims.json", sample_arena, &err) : NULL;
    if (!list) fail_msg("%s", err.text);
    return &list->items[0];
}

/* Runs do not count for claims about speed, whatever the load of their machine; benches do. */
static void test_claims(void **state) {
    (void)state;
    const Plan *plan = sample_plan(METHODS);
    Database *store = trained(plan);
    static const char about[] = "\"quantity\": \"train_speed\", \"method\": \"t5\", \"at_most\": 0.7";
    assert_int_equal(sample_outside("UPDATE run SET train_seconds = 60 WHERE method = 't5'"), 0);
    const Claim *claim = judged(store, about);
    assert_int_equal(claim->verdict, CLAIM_UNTESTED);
    assert_non_null(strstr(claim->finding, "`poslab bench CONFIG --db DB`"));
    write(store, model_of(plan), 1, slow, fast);
    claim = judged(store, about);
    assert_int_equal(claim->count, 1);
    assert_int_equal(claim->verdict, CLAIM_SUPPORTED);
    assert_true(claim->points[0].ratio == 0.5 && claim->points[0].seeds == 0);
    assert_float_equal(claim->points[0].low, 0.96 / 2.1, 1e-12);
    assert_float_equal(claim->points[0].high, 1.04 / 1.9, 1e-12);
    assert_non_null(strstr(claim->finding, "(measured by `poslab bench`, in alternating rounds)"));
    database_close(store);
}

/* Trained short against trained long: results at two lengths. */
static void test_short_long(void **state) {
    (void)state;
    const Plan *plan =
        sample_plan("\"train\": {\"tokens\": 96, \"tokens_per_step\": 32}, \"sweep\": {\"method\":"
                    " [\"sinusoidal\", \"t5\"], \"train.length\": [8, 16]}");
    Database *store = trained(plan);
    BenchResult brief = slow;
    brief.length = 8, brief.rate = 300, brief.rate_low = 290, brief.rate_high = 310;
    write(store, model_of(plan), 1, brief, fast);
    static const char speed[] = "\"quantity\": \"short_long_speed\", \"method\": \"t5\", \"at_least\": 1.3";
    const Claim *claim = judged(store, speed);
    assert_int_equal(claim->count, 1);
    assert_int_equal(claim->verdict, CLAIM_SUPPORTED);
    assert_float_equal(claim->points[0].ratio, 300.0 / 200, 1e-12);
    assert_float_equal(claim->points[0].low, 290.0 / 210, 1e-12);
    assert_float_equal(claim->points[0].high, 310.0 / 190, 1e-12);
    claim = judged(store, "\"quantity\": \"short_long_memory\", \"method\": \"t5\", \"at_most\": 1");
    assert_int_equal(claim->count, 1); /* of the runs, which all had the same peak */
    assert_true(claim->points[0].ratio == 1 && claim->points[0].seeds == 1);
    claim =
        judged(store, "\"quantity\": \"short_long_memory\", \"method\": \"t5\", \"at_most\": 1, \"from\": 3");
    assert_int_equal(claim->verdict, CLAIM_UNTESTED); /* 16 is twice 8 */
    database_close(store);
}

/* What `poslab bench` itself stores. */
static void test_bench(void **state) {
    (void)state;
    Error err = {0};
    const Plan *plan = sample_plan(METHODS);
    const char *const methods[] = {"t5", "sinusoidal", NULL};
    CmdBenchOptions options = {.model = plan->points[0].config->model,
                               .methods = methods,
                               .reference = "sinusoidal",
                               .lengths = {8, 16},
                               .length_count = 2,
                               .tokens_per_step = 32,
                               .precision_count = 1,
                               .rounds = 3,
                               .threads = 1,
                               .train = true,
                               .evaluate = true,
                               .database = "x.db"};
    Database *store = trained(plan);
    FILE *out = fopen("out", "w");
    if (!cmd_bench_run(&options, out, &err)) fail_msg("%s", err.text);
    fclose(out);
    const BenchResults *list = bench_results_read(store, "x", sample_arena, &err);
    assert_int_equal(list->count, 1);
    assert_int_equal(list->items[0].count, 8);
    assert_string_equal(list->items[0].reference, "sinusoidal");
    assert_true(list->items[0].gemm_rate > 0);
    for (int i = 0; i < 8; i++) {
        const BenchResult *result = &list->items[0].results[i];
        assert_true(result->rate_low > 0 && result->rate_low <= result->rate &&
                    result->rate <= result->rate_high);
        assert_true(result->ratio_low <= result->ratio && result->ratio <= result->ratio_high);
        if (!strcmp(result->method, "sinusoidal")) assert_true(result->ratio == 1);
        assert_true(result->bytes > 0 && result->flops > 0 && result->share > 0);
    }
    database_close(store);

    options.database = "no/folder/x.db"; /* reported before any measurement */
    assert_false(cmd_bench_run(&options, stdout, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
}

/* The figure has either only speeds of a bench or none; time saved is computed from them. */
static void test_bench_alone(void **state) {
    (void)state;
    Error err = {0};
    const Plan *plan = sample_plan(METHODS);
    Database *store = trained(plan);
    const PlotOptions plot = {.kind = PLOT_COST, .figure = "f.svg", .template = template};
    assert_false(plot_figure(store, &plot, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "`poslab bench CONFIG --db DB`"));
    write(store, model_of(plan), 1, slow, fast);
    if (!plot_figure(store, &plot, &err)) fail_msg("%s", err.text);
    const char *data = sample_file("f.dat", NULL);
    assert_non_null(strstr(data, "\n200 "));
    assert_non_null(strstr(data, "\n100 "));
    database_close(store);
    assert_int_equal(remove("x.db"), 0);

    plan =
        sample_plan("\"train\": {\"length\": 8, \"tokens\": 96, \"tokens_per_step\": 32}, \"method\": \"t5\","
                    " \"evaluate\": {\"lengths\": [8, 16]}, \"sweep\": {\"train.length\": [8, 16]}");
    store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, (double[]){4, 4}));
    assert_int_equal(sample_outside("UPDATE run SET train_seconds = 60 WHERE train_length = 8"), 0);
    BenchResult brief = slow;
    brief.length = 8, brief.rate = 125;
    write(store, model_of(plan), 1, brief, slow);
    FILE *out = fopen("out", "w");
    const AnalysisOptions options = {
        .what = "short-long", .format = TABLE_AS_CSV, .resamples = 100, .block = 1};
    if (!analysis_print(store, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    data = sample_file("out", NULL);
    if (!strstr(data, ",60,1.5,19.99")) fail_msg("%s", data); /* 1 - 100 / 125, to the last bit or so */
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    if (!realpath("plots/cost.gp", template)) return 1;
    const struct CMUnitTest tests[] = {
        TEST(test_newest_of_the_model), TEST(test_merged), TEST(test_cost),        TEST(test_claims),
        TEST(test_short_long),          TEST(test_bench),  TEST(test_bench_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
