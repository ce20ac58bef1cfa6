/* test_integrity: `poslab check`.
 *
 * A valid database has no problem; each rule finds and names what violates it. Rows are changed without the
 * store; files are those of a run folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "samples.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/integrity.h"
#include "store/run_folder.h"
#include "run/worker.h"
#include "store/runs.h"

static const Plan *plan;
static const char *key; /* of the first run, with evaluations 1, 2 and 3 */

/* Statements that give an evaluation the position bins of its protocol, with its loss distributed over
   them. */
static const char *bins_sql(int64_t id, const EvaluateRequest *request, int64_t tokens) {
    EvaluateResult layout;
    evaluate_layout(request, tokens, &layout, sample_arena);
    const char *sql =
        arena_format(sample_arena, "DELETE FROM position_loss WHERE evaluation = %lld;", (long long)id);
    for (int i = 0; i < layout.bins; i++)
        sql = arena_format(
            sample_arena,
            "%sINSERT INTO position_loss SELECT id, %d, %lld, %lld, nll_sum * %lld / tokens, %lld FROM"
            " evaluation WHERE id = %lld;",
            sql, i, (long long)layout.bin[i].first, (long long)layout.bin[i].last,
            (long long)layout.bin[i].tokens, (long long)layout.bin[i].tokens, (long long)id);
    return sql;
}

/* Two trained and evaluated runs without problems. */
static int setup(void **state) {
    if (sample_setup(state)) return 1;
    plan = sample_plan(SAMPLE_TWO_METHODS);
    key = plan->points[0].key;
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    database_close(store);
    for (int i = 0; i < plan->count; i++)
        for (int k = 0; k < plan->points[i].request_count; k++) {
            const EvaluateRequest *request = &plan->points[i].requests[k];
            int64_t id = (int64_t)i * plan->points[i].request_count + k + 1;
            dump_change("x.db", bins_sql(id, request, plan->points[i].corpus->splits[request->split].count));
        }
    dump_change("x.db",
                "UPDATE run SET final_loss = (SELECT loss FROM train_log WHERE step = 3 AND run = key)");
    const Config *config = plan->points[0].config;
    for (int step = 1; step <= 3; step++)
        dump_change("x.db",
                    arena_format(sample_arena, "UPDATE train_log SET rate = %.17g WHERE step = %d",
                                 optimizer_schedule_rate(&config->schedule, config->optimizer.lr, step, 3),
                                 step));
    return 0;
}

static char said[16384];

static int64_t problems(void) {
    Error err = {0};
    int64_t count = -1;
    Database *store = database_open("x.db", DATABASE_CHECK, &err);
    if (!store) fail_msg("%s", err.text);
    FILE *out = fmemopen(said, sizeof said, "w");
    if (!integrity_print(store, TABLE_AS_TEXT, out, &count, &err)) fail_msg("%s", err.text);
    fclose(out);
    database_close(store);
    return count;
}

static void expect(const char *what, const char *words) {
    if (problems() < 1 || !strstr(said, words)) fail_msg("%s: expected '%s' in:\n%s", what, words, said);
}

static void rows(void **state) {
    (void)state;
    static const struct {
        const char *sql, *words; /* ? is the key of the first run */
    } cases[] = {
        {"UPDATE evaluation_window SET evaluation = 99 WHERE evaluation = 1",
         "a row refers to a missing row of evaluation"},
        {"UPDATE run SET steps = NULL WHERE key = ?", "it is done but has no training"},
        {"UPDATE run SET status = 'diverged', steps = NULL WHERE key = ?",
         "it is diverged but has no training"},
        {"DELETE FROM train_log WHERE step = 2 AND run = ?", "2 of 3 updates are logged"},
        {"DELETE FROM train_log WHERE run = ?", "0 of 3 updates are logged"},
        {"UPDATE train_log SET step = 4 WHERE step = 3 AND run = ?", "updates are logged"},
        {"UPDATE train_log SET step = 0 WHERE step = 1 AND run = ?", "updates are logged"},
        {"UPDATE run SET final_loss = NULL WHERE key = ?", "it is done without a final loss"},
        {"UPDATE evaluation_window SET tokens = tokens + 1 WHERE evaluation = 1 AND window = 0",
         "length 16: windows have 501 of 500 targets"},
        {"DELETE FROM evaluation_window WHERE evaluation = 2", "length 32: windows have 0 of 500 targets"},
        {"UPDATE evaluation SET windows = windows + 1 WHERE id = 3",
         "length 64: 8 windows are stored, expected: 0 to 8"},
        {"UPDATE evaluation_window SET window = 99 WHERE evaluation = 3 AND window = 7",
         "8 windows are stored, expected: 0 to 7"},
        {"UPDATE evaluation_window SET window = -1 WHERE evaluation = 3 AND window = 0",
         "8 windows are stored, expected: 0 to 7"},
        {"UPDATE evaluation SET nll_sum = nll_sum * 1.00001 WHERE id = 1",
         "length 16: its loss is not the sum of its windows"},
        {"UPDATE evaluation SET nll_sum = nll_sum / 1.00001 WHERE id = 1",
         "length 16: its loss is not the sum of its windows"},
        {"UPDATE evaluation SET nll_sum = NULL WHERE id = 1", "its loss is not the sum of its windows"},
        {"UPDATE position_loss SET tokens = tokens + 1 WHERE evaluation = 1 AND bin = 0",
         "positions have 501 of 500 targets"},
        {"UPDATE position_loss SET nll_sum = nll_sum + 1 WHERE evaluation = 1 AND bin = 0",
         "its loss is not the sum of its positions"},
        {"UPDATE evaluation SET requested = 499 WHERE id = 1", "it has no targets, or more than requested"},
        {"UPDATE evaluation SET nll_sum = -nll_sum WHERE id = 1; UPDATE evaluation_window SET nll_sum = "
         "-nll_sum WHERE"
         " evaluation = 1; UPDATE position_loss SET nll_sum = -nll_sum WHERE evaluation = 1",
         "its loss is negative"},
        {"UPDATE corpus SET bytes_per_token = 9", "'bytes_per_token' of its corpus is not 1"},
        {"UPDATE corpus SET tokenizer = 'uint16'", "'tokenizer' is uint16; its config gives bytes"},
        {"UPDATE corpus SET vocabulary = 1", "'vocabulary' is 1; its config gives 256"},
        {"UPDATE evaluation SET split = 'train' WHERE id = 1",
         "evaluation of train, nonoverlapping, length 16: "
         "unknown split"},
        {"UPDATE evaluation SET precision = 'bf16', variant = 'v', windows = 9 WHERE id = 3",
         "length 64, bf16, v: "},
    };
    if (problems()) fail_msg("%s", said);
    assert_non_null(
        strstr(said, "x.db: 0 problems; 0 files in run folders read; 2 trained runs have no folder here\n"));
    dump_copy("sound.db", "x.db");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *sql = cases[i].sql, *mark = strchr(sql, '?');
        dump_copy("x.db", "sound.db");
        dump_change("x.db",
                    !mark ? sql
                          : arena_format(sample_arena, "%.*s'%s'%s", (int)(mark - sql), sql, key, mark + 1));
        expect(sql, cases[i].words);
        if (!strstr(said, key) && i) fail_msg("%s: the run is not named:\n%s", sql, said);
    }
}

/* Weights of the run, as written by its worker. */
static const char *write_weights(const char *belongs_to, int ffn) {
    Error err;
    const Config *config = plan->points[0].config;
    ModelOptions options = config->model;
    options.ffn = ffn;
    Model *model = model_new(&options, &config->position, (int)config->train.length, sample_arena);
    model_allocate(model, sample_arena);
    model_init(model, 1);
    mkdir("x", 0700);
    mkdir(arena_format(sample_arena, "x/%s", key), 0700);
    const char *path = arena_format(sample_arena, "x/%s/model.safetensors", key);
    if (!worker_write_model(path, model, belongs_to, config->resolved, "hash", "", &err))
        fail_msg("%s", err.text);
    return path;
}

static void files(void **state) {
    (void)state;
    const char *path = write_weights(key, 16), *folder = arena_format(sample_arena, "x/%s", key);
    if (problems()) fail_msg("%s", said);
    assert_non_null(
        strstr(said, "x.db: 0 problems; 1 files in run folders read; 1 trained runs have no folder here\n"));
    dump_copy("good", path);

    write_weights(plan->points[1].key, 16);
    expect("weights of another run", arena_format(sample_arena, "belongs to run %s", plan->points[1].key));
    write_weights(key, 24);
    expect("weights of another model", path);
    dump_copy(path, "good");
    assert_int_equal(truncate(path, 3000), 0);
    expect("weights that are cut off", arena_format(sample_arena, "checkpoint './%s' is damaged", path));
    assert_int_equal(unlink(path), 0);
    expect("no weights", arena_format(sample_arena, "checkpoint './%s' is missing", path));
    dump_copy(path, "good");

    static const char *const states[] = {"state.safetensors", "state.safetensors.new",
                                         "state.safetensors.old", "result.db"};
    for (int i = 0; i < COUNT_OF(states); i++) {
        const char *file = arena_format(sample_arena, "%s/%s", folder, states[i]);
        dump_copy(file, "corpus.txt");
        expect("a damaged file", states[i]);
        dump_copy(file, i < 3 ? "good" : "x.db");
        if (problems()) fail_msg("%s", said);
        assert_non_null(strstr(said, "2 files in run folders read"));
        assert_int_equal(unlink(file), 0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(rows), TEST(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
