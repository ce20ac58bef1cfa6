/* test_analysis: analyses of a small synthetic database.
 *
 * Results are compared with golden texts and with numbers computed here. Also tests the reference table and
 * the requests that `poslab eval` adds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "near.h"

#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "store/reference_import.h"
#include "math/stats.h"
#include "store/runs.h"

/* Two methods, two training lengths, seeds 1 to `seeds`; lengths 16, 32, 64; nonoverlapping and strided. */
#define EXPERIMENT                                                                                           \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"evaluate\": {\"lengths\": [16, 32, 64], \"tokens\": 768,"                                             \
    " \"protocols\": [\"nonoverlapping\", {\"name\": \"strided\", \"stride\": 0.25}]}, "                     \
    "\"sweep\": {\"method\": [\"rotary\", \"alibi\"], \"train.length\": [16, 32], \"train.seed\": %s}"

/* Synthetic perplexities in the order of the requests. One method fails beyond its training length. */
static void make_up(double *perplexities, bool breaks, int64_t train_length, int64_t seed) {
    for (int i = 0; i < 6; i++) {
        double length = 16 << (i / 2), strided = i % 2 ? 0.9 : 1;
        double over = fmax(0, length / (double)train_length - 1);
        double plain = breaks ? 8 + 4 * over : 8.4 - 0.4 * fmin(over, 1) + 0.05 * fmax(over - 1, 0);
        perplexities[i] = strided * plain * (16.0 / (double)train_length * 0.1 + 0.9) +
                          0.1 * (double)seed * (breaks ? 1 : -1);
    }
}

static const Plan *plan_of(const char *seeds) {
    return sample_plan(arena_format(sample_arena, EXPERIMENT, seeds));
}

/* The database with all results except that of a diverged run (`lost`: index of a point, or -1). */
static Database *results(const Plan *plan, int lost) {
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++) {
        const Config *config = plan->points[i].config;
        double perplexities[6];
        make_up(perplexities, !strcmp(config->position.method->name, "rotary"), config->train.length,
                config->train.seed);
        if (i == lost)
            sample_import(store, sample_record(&plan->points[i], RUN_DIVERGED, "loss", NULL));
        else
            sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, perplexities));
    }
    return store;
}

static AnalysisOptions options_of(const char *what, TableFormat format) {
    return (AnalysisOptions){.what = what, .format = format, .resamples = 1000, .block = 1};
}

static const char *printed(Database *store, const AnalysisOptions *options) {
    Error err = {0};
    FILE *out = fopen("out", "w");
    assert_non_null(out);
    if (!analysis_print(store, options, out, sample_arena, &err)) fail_msg("%s", err.text);
    fclose(out);
    return sample_file("out", NULL);
}

/* Compares texts without the signature, which names the build. */
static void assert_golden(const char *text, const char *golden) {
    char *end = strstr(text, "\nsignature: ");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(text, golden);
}

/* The number under `name` in the row of a CSV that begins with `row` (fields up to a comma); NAN for an empty
 * field. */
static double csv_number(const char *csv, const char *row, const char *name) {
    int column = 0;
    for (const char *head = csv; strncmp(head, name, strlen(name)) || !strchr(",\n", head[strlen(name)]);
         column++) {
        head += strcspn(head, ",\n");
        if (*head++ != ',') fail_msg("there is no column '%s'", name);
    }
    const char *line = strstr(csv, row);
    if (!line) fail_msg("there is no row '%s' in:\n%s", row, csv);
    while (column--) line = strchr(line, ',') + 1;
    return *line == ',' || *line == '\n' ? NAN : strtod(line, NULL);
}

static const char *line_of(const char *text, int number) {
    for (; number > 1; number--) text = strchr(text, '\n') + 1;
    return arena_format(sample_arena, "%.*s", (int)strcspn(text, "\n"), text);
}

/* --- curves and matrix --- */

static void curves(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2]"), 1);
    AnalysisOptions options = options_of("curves", TABLE_AS_TEXT);
    assert_golden(printed(store, &options),
                  "x: perplexity by evaluation length\n"
                  "\n"
                  "method  evaluated on                              trained at  within 5 % to  gained       "
                  "    16                 32                 64\n"
                  "------------------------------------------------------------------------------------------"
                  "--------------------------------------------\n"
                  "Rotary  valid, nonoverlapping, first 768 targets          16             16       0   "
                  "8.10 (1/2)  12.10 (1/2) ×1.49  20.10 (1/2) ×2.48\n"
                  "Rotary  valid, strided 0.25 L, first 768 targets          16             16       0   "
                  "7.30 (1/2)  10.90 (1/2) ×1.49  18.10 (1/2) ×2.48\n"
                  "ALiBi   valid, nonoverlapping, first 768 targets          16          >= 64      16  8.25 "
                  "± 0.07  7.85 ± 0.07 ×0.95  7.95 ± 0.07 ×0.96\n"
                  "ALiBi   valid, strided 0.25 L, first 768 targets          16          >= 64      16  7.41 "
                  "± 0.07  7.05 ± 0.07 ×0.95  7.14 ± 0.07 ×0.96\n"
                  "\n"
                  "method  evaluated on                              trained at  within 5 % to  gained       "
                  "          16           32                  64\n"
                  "------------------------------------------------------------------------------------------"
                  "---------------------------------------------\n"
                  "Rotary  valid, nonoverlapping, first 768 targets          32             32       0  7.75 "
                  "± 0.07 ×1.00  7.75 ± 0.07  11.55 ± 0.07 ×1.49\n"
                  "Rotary  valid, strided 0.25 L, first 768 targets          32             32       0  6.99 "
                  "± 0.07 ×1.00  6.99 ± 0.07  10.41 ± 0.07 ×1.49\n"
                  "ALiBi   valid, nonoverlapping, first 768 targets          32          >= 64   >= 32  7.83 "
                  "± 0.07 ×1.00  7.83 ± 0.07   7.45 ± 0.07 ×0.95\n"
                  "ALiBi   valid, strided 0.25 L, first 768 targets          32          >= 64   >= 32  7.03 "
                  "± 0.07 ×1.00  7.03 ± 0.07   6.69 ± 0.07 ×0.95\n"
                  "\n"
                  "×: ratio to the value at the training length. within 5 %: the last length before the "
                  "perplexity exceeds 1.05 times that value.\n"
                  "gained: tokens beyond the training length at which the perplexity is lowest. >=: the "
                  "longest length evaluated.\n");
    options.format = TABLE_AS_CSV;
    const char *csv = printed(store, &options);
    double perplexities[6];
    make_up(perplexities, true, 32, 1);
    double first = perplexities[4], base = perplexities[2];
    make_up(perplexities, true, 32, 2);
    const char *row = "x,rotary,Rotary,valid,nonoverlapping,L,768,32,here,32,32,0,64,";
    near_relative(csv_number(csv, row, "perplexity"), (first + perplexities[4]) / 2, 1e-9);
    near_relative(csv_number(csv, row, "perplexity_sd"), fabs(first - perplexities[4]) / sqrt(2), 1e-9);
    near_relative(csv_number(csv, row, "ratio"), (first + perplexities[4]) / (base + perplexities[2]), 1e-9);
    near_relative(csv_number(csv, row, "multiple"), 2, 1e-9);
    database_close(store);
}

static void matrix(void **state) {
    (void)state;
    Database *store = results(plan_of("[1]"), -1);
    AnalysisOptions options = options_of("matrix", TABLE_AS_MD);
    char *text = (char *)printed(store, &options);
    *strstr(text, "\nsignature: ") = '\0';
    assert_string_equal(text,
                        "**x: perplexity, training by evaluation length**\n"
                        "\n"
                        "| method | evaluated on | trained at | 16 | 32 | 64 |\n"
                        "|:--|:--|--:|--:|--:|--:|\n"
                        "| Rotary | valid, nonoverlapping, first 768 targets | 16 | 8.10 | 12.10 | 20.10 |\n"
                        "| Rotary | valid, strided 0.25 L, first 768 targets | 16 | 7.30 | 10.90 | 18.10 |\n"
                        "| Rotary | valid, nonoverlapping, first 768 targets | 32 | 7.70 | 7.70 | 11.50 |\n"
                        "| Rotary | valid, strided 0.25 L, first 768 targets | 32 | 6.94 | 6.94 | 10.36 |\n"
                        "\n"
                        "| method | evaluated on | trained at | 16 | 32 | 64 |\n"
                        "|:--|:--|--:|--:|--:|--:|\n"
                        "| ALiBi | valid, nonoverlapping, first 768 targets | 16 | 8.30 | 7.90 | 8.00 |\n"
                        "| ALiBi | valid, strided 0.25 L, first 768 targets | 16 | 7.46 | 7.10 | 7.19 |\n"
                        "| ALiBi | valid, nonoverlapping, first 768 targets | 32 | 7.88 | 7.88 | 7.50 |\n"
                        "| ALiBi | valid, strided 0.25 L, first 768 targets | 32 | 7.08 | 7.08 | 6.74 |\n");
    database_close(store);
}

/* --- compare --- */

/* All windows of a seed differ equally, so the interval depends on the seeds only, whose draws can be
 * enumerated.
 */
static void compare(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2, 3]"), -1);
    AnalysisOptions options = options_of("compare", TABLE_AS_CSV);
    options.baseline = "rotary";
    options.resamples = 5000;
    const char *csv = printed(store, &options);
    double d[3], base = 0, mean = 0, least = INFINITY, most = -INFINITY;
    for (int seed = 1; seed <= 3; seed++) {
        double ours[6], theirs[6];
        make_up(ours, false, 16, seed);
        make_up(theirs, true, 16, seed);
        d[seed - 1] = log(ours[4]) - log(theirs[4]);
        mean += d[seed - 1] / 3;
        base += log(theirs[4]) / 3;
        least = fmin(least, d[seed - 1]);
        most = fmax(most, d[seed - 1]);
    }
    const char *row = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,Rotary,16,64,";
    near_relative(csv_number(csv, row, "nats"), mean, 1e-9);
    near_relative(csv_number(csv, row, "seeds"), 3, 1e-9);
    near_relative(csv_number(csv, row, "units"), 12, 1e-9);
    /* 1 of 27 draws takes the lowest seed three times: it is the quantile at 0.025 */
    near_relative(csv_number(csv, row, "nats_low"), least, 1e-9);
    near_relative(csv_number(csv, row, "nats_high"), most, 1e-9);
    near_relative(csv_number(csv, row, "ratio"), exp(mean), 1e-9);
    near_relative(csv_number(csv, row, "ratio_high"), exp(most), 1e-9);
    near_relative(csv_number(csv, row, "baseline_perplexity"), exp(base), 1e-9);
    near_relative(csv_number(csv, row, "difference_low"), exp(base) * expm1(least), 1e-9);
    near_relative(csv_number(csv, row, "p"), 1.0 / 5001, 1e-9); /* no draw is as far from d as 0 */

    double p[12] = {0}, holm[12] = {0};
    int family = 0;
    for (const char *line = strchr(csv, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        assert_true(family < 12);
        const char *whole = arena_format(sample_arena, "%.*s", (int)strcspn(line, "\n"), line);
        p[family] = csv_number(csv, whole, "p");
        holm[family++] = csv_number(csv, whole, "p_holm");
    }
    assert_int_equal(family, 12); /* two training lengths, three lengths, two protocols */
    double adjusted[12] = {0};
    stats_holm(adjusted, p, 12, sample_arena);
    for (int i = 0; i < 12; i++) near_relative(holm[i], adjusted[i], 1e-9);

    options.format = TABLE_AS_TEXT;
    const char *text = printed(store, &options);
    assert_non_null(strstr(text, " bootstrap=5000/seed1/block1/percentile95 family=12/holm"));
    assert_non_null(strstr(text, "with fewer than five seeds it is too narrow"));
    assert_non_null(strstr(text, "exp of the mean loss over seeds, their geometric mean"));
    options.baseline = "Rotary"; /* its label instead of its name */
    assert_string_equal(printed(store, &options), text);
    database_close(store);
}

/* A seed that only one of the two methods has is not part of the pair. */
static void compare_lost_seed(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2, 3]"), 1);
    AnalysisOptions options = options_of("compare", TABLE_AS_CSV);
    options.baseline = "rotary";
    const char *csv = printed(store, &options);
    near_relative(csv_number(csv, "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,Rotary,16,64,", "seeds"), 2,
                  1e-9);
    near_relative(csv_number(csv, "x,alibi,ALiBi,valid,nonoverlapping,L,768,32,Rotary,32,64,", "seeds"), 3,
                  1e-9);
    database_close(store);
}

static void compare_one_seed(void **state) {
    (void)state;
    Database *store = results(plan_of("[1]"), -1);
    AnalysisOptions options = options_of("compare", TABLE_AS_TEXT);
    options.baseline = "rotary";
    assert_golden(
        printed(store, &options),
        "x: paired differences from the baseline\n"
        "\n"
        "method  evaluated on                              trained at  baseline  length  seeds  "
        "baseline perplexity  perplexity  nats per token  ratio  difference  p (Holm)\n"
        "----------------------------------------------------------------------------------------------------"
        "---------------------------------------------------------------\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          16  Rotary        16  n = 1            "
        "     8.10        8.30  +0.0244         1.025  +0.20\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          16  Rotary        32  n = 1           "
        "     12.10        7.90  -0.4263         0.653  -4.20\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          16  Rotary        64  n = 1           "
        "     20.10        8.00  -0.9213         0.398  -12.10\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          16  Rotary        16  n = 1            "
        "     7.30        7.46  +0.0217         1.022  +0.16\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          16  Rotary        32  n = 1           "
        "     10.90        7.10  -0.4287         0.651  -3.80\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          16  Rotary        64  n = 1           "
        "     18.10        7.19  -0.9232         0.397  -10.91\n"
        "\n"
        "method  evaluated on                              trained at  baseline  length  seeds  "
        "baseline perplexity  perplexity  nats per token  ratio  difference  p (Holm)\n"
        "----------------------------------------------------------------------------------------------------"
        "---------------------------------------------------------------\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          32  Rotary        16  n = 1            "
        "     7.70        7.88  +0.0231         1.023  +0.18\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          32  Rotary        32  n = 1            "
        "     7.70        7.88  +0.0231         1.023  +0.18\n"
        "ALiBi   valid, nonoverlapping, first 768 targets          32  Rotary        64  n = 1           "
        "     11.50        7.50  -0.4274         0.652  -4.00\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          32  Rotary        16  n = 1            "
        "     6.94        7.08  +0.0203         1.020  +0.14\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          32  Rotary        32  n = 1            "
        "     6.94        7.08  +0.0203         1.020  +0.14\n"
        "ALiBi   valid, strided 0.25 L, first 768 targets          32  Rotary        64  n = 1           "
        "     10.36        6.74  -0.4299         0.651  -3.62\n"
        "\n"
        "Method minus baseline, below 0 (ratio below 1) is better. In brackets: 95 % interval, seeds and "
        "windows resampled.\n"
        "n = 1: with one seed the variation between seeds is unknown, so there is no interval and no "
        "p-value.\n");
    options.format = TABLE_AS_JSON;
    assert_null(strstr(printed(store, &options), "nats_low"));
    database_close(store);
}

static void short_long(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2]"), -1);
    assert_int_equal(
        sample_outside("UPDATE run SET train_seconds = 2, peak_bytes = 5000 WHERE train_length = 32"), 0);
    AnalysisOptions options = options_of("short-long", TABLE_AS_CSV);
    const char *csv = printed(store, &options);
    const char *row = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,ALiBi,32,32,";
    double ours[6], theirs[6], mean = 0;
    for (int seed = 1; seed <= 2; seed++) {
        make_up(ours, false, 16, seed);
        make_up(theirs, false, 32, seed);
        mean += (log(ours[2]) - log(theirs[2])) / 2;
    }
    near_relative(csv_number(csv, row, "nats"), mean, 1e-9);
    assert_true(isnan(csv_number(csv, row, "time_saved_percent"))); /* only benches have speeds */
    near_relative(csv_number(csv, row, "memory_saved_percent"), 100 * (1 - 4096.0 / 5000), 1e-9);
    options.baseline = "rotary"; /* compared with the other method, trained at the longer length */
    csv = printed(store, &options);
    mean = 0;
    for (int seed = 1; seed <= 2; seed++) {
        make_up(ours, false, 16, seed);
        make_up(theirs, true, 32, seed);
        mean += (log(ours[2]) - log(theirs[2])) / 2;
    }
    row = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,Rotary,32,32,";
    near_relative(csv_number(csv, row, "nats"), mean, 1e-9);

    options.format = TABLE_AS_TEXT; /* budgets are printed only if they differ */
    csv = printed(store, &options);
    assert_null(strstr(csv, "different numbers of tokens"));
    assert_null(strstr(csv, "train.tokens="));
    assert_int_equal(sample_outside("UPDATE run SET train_tokens = 2 * train_tokens,"
                                    " config = json_set(config, '$.train.tokens', 192)"
                                    " WHERE train_length = 32"),
                     0);
    csv = printed(store, &options);
    assert_non_null(strstr(csv, "different numbers of tokens"));
    assert_non_null(strstr(csv, "train.tokens=96@16,192@32"));
    database_close(store);
}

/* --- early, positions, cost --- */

static void early(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2]"), -1);
    AnalysisOptions options = options_of("early", TABLE_AS_CSV);
    const char *csv = printed(store, &options);
    const char *row = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,0.25 L,64,";
    double plain = 0, strided = 0, plain_at = 0, strided_at = 0;
    for (int seed = 1; seed <= 2; seed++) {
        double perplexities[6];
        make_up(perplexities, false, 16, seed);
        plain_at += log(perplexities[0]) / 2;
        strided_at += log(perplexities[1]) / 2;
        plain += log(perplexities[4]) / 2;
        strided += log(perplexities[5]) / 2;
    }
    near_relative(csv_number(csv, row, "early_nats"), plain - strided, 1e-9);
    near_relative(csv_number(csv, row, "gain_nats"), plain_at - plain, 1e-9);
    near_relative(csv_number(csv, row, "gain_context_nats"), strided_at - strided, 1e-9);
    near_relative(csv_number(csv, row, "gain_context_nats") + csv_number(csv, row, "gain_early_nats"),
                  csv_number(csv, row, "gain_nats"), 1e-9);
    /* samples.c: nll 2 at position 0 of 12 windows, 3 at all others */
    near_relative(csv_number(csv, row, "below_nats"), 5.0 / 768, 1e-9);
    assert_true(isnan(csv_number(csv, row, "beyond_nats")));

    options.what = "positions";
    csv = printed(store, &options);
    row = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,64,0,0,24,2,";
    near_relative(csv_number(csv, row, "nats"), 4.0 / 24, 1e-9);
    options.format = TABLE_AS_TEXT;
    assert_non_null(strstr(printed(store, &options), "from position"));
    database_close(store);
}

static void early_without_strided(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    AnalysisOptions options = options_of("early", TABLE_AS_TEXT);
    const char *text = printed(store, &options);
    assert_non_null(strstr(text, "`poslab eval DB --protocol strided:0.125` adds it"));
    assert_non_null(strstr(text, "4.50"));
    database_close(store);
}

/* Losses in two precisions are not combined. */
static void early_of_two_precisions(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2]"), -1);
    database_close(store);
    assert_int_equal(sample_outside("UPDATE evaluation SET precision = 'bf16' WHERE protocol = 'strided';"
                                    "UPDATE request SET precision = 'bf16' WHERE protocol = 'strided'"),
                     0);
    Error err;
    store = database_open("x.db", DATABASE_READ, &err);
    AnalysisOptions options = options_of("early", TABLE_AS_CSV);
    const char *csv = printed(store, &options);
    assert_true(isnan(csv_number(csv, "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,,64,", "early_nats")));
    options.format = TABLE_AS_TEXT;
    assert_non_null(strstr(printed(store, &options), "`poslab eval DB --protocol strided:0.125` adds it"));
    options.what = "matrix";
    assert_non_null(strstr(printed(store, &options), "targets, bf16"));
    database_close(store);
}

static void cost(void **state) {
    (void)state;
    Database *store = results(plan_of("[1, 2]"), -1);
    assert_int_equal(sample_outside("UPDATE run SET train_seconds = 3 WHERE seed = 2 AND method = 'alibi'"),
                     0);
    AnalysisOptions options = options_of("cost", TABLE_AS_CSV);
    options.baseline = "rotary";
    const char *csv = printed(store, &options);
    const char *train = "x,alibi,ALiBi,,,,,16,train,16,2,";
    near_relative(csv_number(csv, train, "tokens_per_second"), (96 / 1.5 + 96 / 3.0) / 2, 1e-9);
    near_relative(csv_number(csv, train, "tokens_per_second_sd"), 32 / sqrt(2), 1e-9);
    assert_true(isnan(csv_number(csv, train, "relative"))); /* only benches have speeds */
    near_relative(csv_number(csv, train, "processor_seconds"), 1.25, 1e-9);
    near_relative(csv_number(csv, train, "load"), (3 / 1.5 + 3 / 1.5) / 2, 1e-9);
    near_relative(csv_number(csv, train, "peak_bytes"), 4096, 1e-9);
    const char *pass = "x,alibi,ALiBi,valid,nonoverlapping,L,768,16,evaluate,64,2,";
    near_relative(csv_number(csv, pass, "tokens_per_second"), 768 / 0.5, 1e-9);
    int rows = 0;
    for (const char *line = csv; (line = strstr(line, ",train,")); line++) rows++;
    assert_int_equal(rows, 4); /* one row per method and length, not per protocol */

    options.format = TABLE_AS_TEXT; /* a warning only if the runs of one method differ */
    assert_non_null(
        strstr(printed(store, &options),
               "Warning: equal runs differ in speed by a factor of up to 2.0 (ALiBi trained at 16)"));
    assert_int_equal(sample_outside("UPDATE run SET train_seconds = 1.5 + 0.25 * (seed = 2)"), 0);
    assert_null(strstr(printed(store, &options), "Warning"));
    database_close(store);
}

static void mistakes(void **state) {
    (void)state;
    Error err = {0};
    Database *store = results(plan_of("[1]"), -1);
    static const struct {
        AnalysisOptions options;
        const char *text;
    } cases[] = {
        {{.what = "curvs"}, "there is no analysis 'curvs'; did you mean 'curves'?"},
        {{.what = "xyz"}, "there is no analysis 'xyz'; known: curves, matrix, compare"},
        {{.what = "curves", .experiment = "y"}, "has no experiment 'y'"},
        {{.what = "compare"}, "analysis 'compare' needs two ROWs or more, or --baseline METHOD"},
        {{.what = "compare", .baseline = "t5"},
         "experiment 'x' has no method 't5'; name one of 'Rotary', 'ALiBi'"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_false(analysis_print(store, &cases[i].options, stdout, sample_arena, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, cases[i].text)) fail_msg("'%s' does not say '%s'", err.text, cases[i].text);
    }
    database_close(store);
}

/* --- reference --- */

static void reference(void **state) {
    (void)state;
    Error err = {0};
    int64_t rows = 0;
    Database *store = results(plan_of("[1]"), -1);
    fixture_put_text("a.csv", "table,dataset,split,method,train_length,eval_length,stride,perplexity\n"
                              "2,w,valid,alibi,512,512,512,20\n2,w,valid,alibi,512,1024,1024,19\n\n"
                              "2,w,valid,alibi,512,2048,2048,20.5\n13,w,valid,alibi,512,512,1,18\n");
    fixture_put_text("b.csv", "source,method,phase,train_length,words_per_second,memory_gb\r\n"
                              "\"Me, \"\"2026\"\"\",alibi,train,512,100,\r\nMe,t5,eval,512,,3e0\r\n");
    const char *const files[] = {"a.csv", "b.csv", NULL};
    for (int twice = 0; twice < 2; twice++) {
        if (!reference_import(store, files, &rows, &err)) fail_msg("%s", err.text);
        assert_int_equal(rows, 6);
        sample_expect(store, "SELECT count(*) FROM reference", "6");
    }
    sample_expect(
        store,
        "SELECT value FROM reference WHERE source = 'Me, \"2026\"' AND quantity = 'train_words_per_second'",
        "100.0");
    sample_expect(store, "SELECT quantity || value FROM reference WHERE source = 'Me'", "eval_memory_gb3.0");
    sample_expect(store, "SELECT source FROM reference WHERE stride = 1",
                  "Press et al. 2022 (arXiv 2108.12409), table 13");

    AnalysisOptions options = options_of("curves", TABLE_AS_CSV);
    options.paper = true;
    const char *csv = printed(store, &options);
    const char *row =
        "x,alibi,ALiBi,valid,nonoverlapping,L,0,512,\"Press et al. 2022 (arXiv 2108.12409), table 2, w\"";
    const char *line = strstr(csv, row);
    assert_non_null(line);
    assert_string_equal(line_of(line, 2) + strlen(row),
                        ",2048,1024,512,1024,2,,done,19,,0.94999999999999996");
    assert_null(strstr(csv, ",18,")); /* another stride */

#define HEAD "method,train_length,eval_length,stride,perplexity\n"
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "reference 'bad.csv', line 1: the header line is missing"},
        {"a,b\n", "line 1: unknown column 'a'; known columns: table, source"},
        {"method,train_length,eval_length,stride,perplexty\n",
         "line 1: unknown column 'perplexty'; did you mean 'perplexity'?"},
        {"metod,train_length,memory_gb\n", "line 1: unknown column 'metod'; did you mean 'method'?"},
        {",method,train_length,memory_gb\n", "line 1: unknown column ''"},
        {"method,memory_gb\n", "line 1: the header must have the columns method and train_length"},
        {"method,train_length\n", "line 1: the header has no quantity"},
        {"method,train_length,perplexity\n", "line 1: perplexities, losses and bits per byte need"},
        {"method,train_length,memory_gb,memory_gb\n", "line 1: duplicate column 'memory_gb'"},
        {"method,method,train_length,memory_gb\n", "line 1: duplicate column 'method'"},
        {"method;train_length;memory_gb\n", "line 1: columns must be separated by commas"},
        {HEAD "alibi,512,512,512\n", "line 2: expected as many fields"},
        {HEAD "alibi,512,512,512,2\nalibi,x,512,512,3\n",
         "line 3: column 'train_length' must be a whole number from 1, got 'x'"},
        {HEAD "alibi,0x200,512,512,3\n", "column 'train_length' must be a whole number from 1, got '0x200'"},
        {HEAD "alibi,512,0x200,512,3\n", "column 'eval_length' must be"},
        {HEAD "alibi,512,512,1.5,3\n", "column 'stride' must be"},
        {HEAD "alibi,512,-512,512,3\n", "column 'eval_length' must be"},
        {HEAD "alibi,512,512,513,3\n", "column 'stride' must be at most eval_length, got '513'"},
        {HEAD "alibi,0,512,512,3\n", "line 2: column 'train_length'"},
        {HEAD ",512,512,512,3\n", "line 2: method or train_length is missing"},
        {HEAD "\"alibi,512,512,512,3\n", "line 2: expected as many fields"},
        {HEAD "alibi,512,512,512, 3\n", "field 5 begins or ends with a space"},
        {HEAD "alibi ,512,512,512,3\n", "field 1 begins or ends with a space"},
        {HEAD "alibi,512,,512,3\n", "column 'perplexity' must be empty if eval_length or stride is empty"},
        {HEAD "alibi,512,512,512,nan\n", "column 'perplexity' must be a number of at least 1, got 'nan'"},
        {HEAD "alibi,512,512,512,inf\n", "got 'inf'"},
        {HEAD "alibi,512,512,512,-3\n", "got '-3'"},
        {HEAD "alibi,512,512,512,0.9\n", "got '0.9'"},
        {HEAD "alibi,512,512,512,0x14\n", "got '0x14'"},
        {HEAD "alibi,512,512,512,1e999\n", "got '1e999'"},
        {HEAD "alibi,512,512,512,20\nalibi,512,512,512,21\n",
         "line 3: perplexity is 21, but 20 in 'bad.csv', line 2; remove one of them"},
        {"method,train_length,phase,memory_gb\nalibi,512,evaluation,2\n",
         "column 'phase' must be one of train, eval, got 'evaluation'"},
        {"method,train_length,memory_gb\nalibi,512,-1\n",
         "column 'memory_gb' must be a number of at least 0"},
        {"method,train_length,split,memory_gb\nalibi,512,vlaid,2\n", "column 'split' must be one of train"},
        {"table,dataset,split,method,train_length,eval_length,stride,perplexity\n2,w,valid,alibi,512,512,512,"
         "7\n",
         "line 2: perplexity is 7, but 20 in 'a.csv', line 2"},
        {"\xFF\xFEm\0e\0", "reference 'bad.csv': the text is UTF-16"},
        {HEAD "caf\xE9,512,512,512,3\n", "reference 'bad.csv': line 2, column 4: invalid UTF-8"},
    };
    for (int i = 0; i < COUNT_OF(bad); i++) {
        fixture_put_text("bad.csv", bad[i].text);
        assert_false(reference_import(store, (const char *const[]){"a.csv", "bad.csv", NULL}, &rows, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, bad[i].message)) fail_msg("'%s' does not say '%s'", err.text, bad[i].message);
        sample_expect(store, "SELECT count(*) FROM reference", "6");
    }
    assert_false(reference_import(store, (const char *const[]){"no.csv", NULL}, &rows, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_false(reference_import(store, (const char *const[]){".", NULL}, &rows, &err));
    assert_string_equal(err.text, "cannot read '.': Is a directory");

    /* A byte-order mark, all kinds of line ends, numbers in the formats of spreadsheets; new numbers replace
     * old ones.
     */
    fixture_put_text("c.csv", "\xEF\xBB\xBF" HEAD
                              "alibi,512,512.0,5.12e2,+20.50\r\nalibi,512,512,512,20.5\r\rt5,512,1024,1,3");
    if (!reference_import(store, (const char *const[]){"c.csv", NULL}, &rows, &err)) fail_msg("%s", err.text);
    assert_int_equal(rows, 2);
    sample_expect(store,
                  "SELECT value FROM reference WHERE quantity = 'perplexity' AND dataset IS NULL AND"
                  " method = 'alibi' AND train_length = 512 AND eval_length = 512 AND stride = 512",
                  "20.5");
    sample_expect(store, "SELECT count(*) FROM reference", "8");
    fixture_put_text("c.csv", HEAD "alibi,512,512,512,20.7\n");
    assert_true(reference_import(store, (const char *const[]){"c.csv", NULL}, &rows, &err));
    sample_expect(store,
                  "SELECT value FROM reference WHERE quantity = 'perplexity' AND dataset IS NULL AND"
                  " method = 'alibi'",
                  "20.7");
#undef HEAD
    assert_false(reference_import(store, (const char *const[]){NULL}, &rows, &err));
    assert_non_null(strstr(err.text, "name the files"));
    database_close(store);
}

/* --- requests of `poslab eval` --- */

static void added_requests(void **state) {
    (void)state;
    Error err = {0};
    const Plan *plan = plan_of("[1]");
    Database *store = results(plan, -1);
    sample_expect(store, "SELECT count(*) FROM outcome", "24");
    const Plan *more =
        sample_plan("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                    "\"method\": \"alibi\", \"evaluate\": {\"lengths\": [16, 48], \"tokens\": 768,"
                    " \"protocols\": [{\"name\": \"last_n\", \"targets\": 100}, \"nonoverlapping\"]}");
    assert_true(runs_add_requests(store, more, &err));
    assert_true(runs_add_requests(store, more, &err)); /* a second time changes nothing */
    sample_expect(store, "SELECT count(*) FROM outcome", "27");
    sample_expect(store,
                  "SELECT group_concat(stride_rule || ':' || stride || ':' || requested) FROM"
                  " (SELECT * FROM outcome WHERE protocol = 'last_n' ORDER BY eval_length)",
                  "0.125 L:2:100,0.125 L:6:100");
    const double perplexities[] = {3, 4, 5, 6};
    sample_import(store, sample_record(&more->points[0], RUN_DONE, NULL, perplexities));
    sample_expect(
        store,
        "SELECT group_concat(round(perplexity)) FROM (SELECT * FROM outcome WHERE protocol = 'last_n'"
        " ORDER BY eval_length)",
        "3.0,5.0");
    assert_true(
        runs_store_plan(store, plan, &err)); /* requests are kept when the experiment is planned again */
    sample_expect(store, "SELECT count(*) FROM outcome", "27");
    sample_expect(store, "SELECT sum(added) FROM request", "3");
    const Plan *other = sample_plan("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                                    "\"method\": \"rotary\"");
    assert_true(runs_store_plan(store, other, &err)); /* but not without their run */
    sample_expect(store, "SELECT sum(added) FROM request", "0");
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(curves),
        TEST(matrix),
        TEST(compare),
        TEST(compare_lost_seed),
        TEST(compare_one_seed),
        TEST(short_long),
        TEST(early),
        TEST(early_without_strided),
        TEST(early_of_two_precisions),
        TEST(cost),
        TEST(mistakes),
        TEST(reference),
        TEST(added_requests),
    };
    return cmocka_run_group_tests_name("analyse", tests, NULL, NULL);
}
