/* test_run_task: missing parts of runs, locks, and results of earlier attempts.
 *
 * Also tests what the store keeps of plans and of runs that are retrained.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "dump.h"
#include "samples.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/worker_process.h"
#include "run/result_file.h"
#include "store/run_folder.h"
#include "sys/threads.h"
#include "sys/lock.h"
#include "run/run_task.h"
#include "slurm/squeue.h"
#include "store/runs.h"

static void change(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void change(const char *format, ...) {
    char sql[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    dump_change("x.db", sql);
}

/* --- missing parts --- */

/* Whether a point that continues no other lacks anything, and what. */
static bool missing(RunTask *task, Database *store, const PlanPoint *point, RunTaskRetrain which) {
    const RunState state = runs_state(store, point->key);
    const RunTaskNeed need = {.retrain = run_task_retrains(&state, which), .repeat = which != RUN_TASK_NONE};
    return run_task_needed(task, store, point, need, sample_arena);
}

static void what_is_missing(void **state) {
    (void)state;
    Error err;
    static const struct {
        const char *status;
        bool trained, whole, missing; /* whole: with all evaluations */
    } cases[] = {
        {"pending", false, false, true}, {"running", false, false, true},  {"failed", false, false, true},
        {"pending", true, true, true},   {"running", true, true, true},    {"failed", true, true, true},
        {"done", true, true, false},     {"done", true, false, true},      {"done", false, true, true},
        {"diverged", true, true, false}, {"diverged", true, false, false}, {"diverged", false, false, false},
    };
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    Database *store = sample_store(plan);
    sample_import(store, sample_record(point, RUN_DONE, NULL, sample_perplexities));
    database_close(store);
    dump_copy("whole.db", "x.db");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        dump_copy("x.db", "whole.db");
        change("UPDATE run SET status = '%s' WHERE key = '%s'", cases[i].status, point->key);
        if (!cases[i].trained) change("UPDATE run SET steps = NULL");
        if (!cases[i].whole)
            change("DELETE FROM evaluation_window WHERE evaluation = 2; DELETE FROM position_loss WHERE "
                   "evaluation = 2;"
                   "DELETE FROM evaluation WHERE id = 2");
        RunTask task = {0};
        store = database_open("x.db", DATABASE_READ, &err);
        if (missing(&task, store, point, RUN_TASK_STALE) != cases[i].missing) fail_msg("case %d", i);
        assert_int_equal(runs_state(store, point->key).trained, cases[i].trained);
        assert_false(runs_state(store, plan->points[1].key).trained);
        assert_int_equal(task.trained, cases[i].trained);
        assert_int_equal(task.request_count, !cases[i].whole);
        if (!cases[i].whole) assert_true(evaluate_same_request(&task.requests[0], &point->requests[1]));
        assert_string_equal(task.key, point->key);
        database_close(store);
    }
    RunTask task = {0};
    assert_true(missing(&task, NULL, point, RUN_TASK_STALE));
    assert_false(task.trained);
    assert_int_equal(task.request_count, 3);
}

/* A run of other shared sources; without their hash, of another or of an unknown revision. */
static void what_is_changed(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const char *key = plan->points[0].key;
    Database *store = sample_store(plan);
    assert_false(runs_state(store, key).changed);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities));
    assert_false(runs_state(store, key).changed);
    change("UPDATE run SET revision = 'other'");
    assert_false(runs_state(store, key).changed);
    static const char *const others[] = {"revision = 'other', shared_sources = NULL",
                                         "revision = NULL, shared_sources = NULL",
                                         "shared_sources = 'a1b2c3d4e5f6'"};
    for (int i = 0; i < COUNT_OF(others); i++) {
        change("UPDATE run SET %s WHERE key = '%s'", others[i], key);
        assert_true(runs_state(store, key).changed);
        assert_false(runs_state(store, key).stale);
        assert_false(runs_state(store, plan->points[1].key).changed);
    }
    database_close(store);
}

/* A run is stale if the file of its method, or of its method's partner, is another one now. */
static void what_is_stale(void **state) {
    (void)state;
    Error err;
    static const struct {
        const char *files;
        bool stale;
    } cases[] = {{"method_files", false},
                 {"NULL", false},
                 {"''", false},
                 {"'a_method_that_is_not_here:0123456789ab'", false},
                 {"'rotary:0123456789ab'", true},
                 {"method_files || 'c'", true},
                 {"substr(method_files, 1, length(method_files) - 1)", true},
                 {"'rotary'", true},
                 {"method_files || ' alibi:0123456789ab'", true},
                 {"'a_method_that_is_not_here:0123456789ab ' || method_files", false}};
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    Database *store = sample_store(plan);
    for (int i = 0; i < 2; i++)
        sample_import(
            store, sample_record(&plan->points[i], i ? RUN_DIVERGED : RUN_DONE, NULL, sample_perplexities));
    database_close(store);
    dump_copy("whole.db", "x.db");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        dump_copy("x.db", "whole.db");
        change("UPDATE run SET method_files = %s WHERE key = '%s'", cases[i].files, point->key);
        RunTask task = {0};
        store = database_open("x.db", DATABASE_WRITE, &err);
        if (runs_state(store, point->key).stale != cases[i].stale) fail_msg("case %d", i);
        Plan counted = *plan;
        run_task_count_stale(&counted, store, sample_arena);
        assert_int_equal(counted.stale, cases[i].stale);
        assert_false(missing(&task, store, point, RUN_TASK_NONE));
        assert_int_equal(missing(&task, store, point, RUN_TASK_STALE), cases[i].stale);
        assert_int_equal(task.retrain, cases[i].stale);
        assert_int_equal(task.trained, !cases[i].stale);
        assert_int_equal(task.request_count, cases[i].stale ? 3 : 0);
        if (!run_task_forget(&task, store, sample_arena, &err)) fail_msg("%s", err.text);
        assert_int_equal(runs_state(store, point->key).trained, !cases[i].stale);
        assert_true(runs_state(store, plan->points[1].key).trained);
        database_close(store);
    }
    change("UPDATE run SET method_files = 'alibi:0123456789ab' WHERE method = 'alibi'"); /* it diverged */
    store = database_open("x.db", DATABASE_READ, &err);
    RunTask task = {0};
    assert_true(missing(&task, store, &plan->points[1], RUN_TASK_STALE));
    assert_true(task.retrain);
    database_close(store);
}

/* An evaluation is stale if the file of the method that was evaluated is another one now: it is requested
   again, its run is not trained again, and a new result replaces the old one, with its parts. */
static void stale_evaluations(void **state) {
    (void)state;
    Error err;
    RunTask task = {0};
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    Database *store = sample_store(plan);
    for (int i = 0; i < 2; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    assert_false(missing(&task, store, point, RUN_TASK_STALE)); /* NULL: unknown */
    sample_expect(store, "SELECT count(*) FROM evaluation WHERE method_files IS NULL", "6");
    change("UPDATE evaluation SET method_files = 'alibi:0123456789ab' WHERE id = 2");
    assert_false(runs_state(store, point->key).stale);
    assert_int_equal(runs_evaluation(store, point->key, &point->requests[0]), RUNS_EVALUATION_CURRENT);
    assert_int_equal(runs_evaluation(store, point->key, &point->requests[1]), RUNS_EVALUATION_STALE);
    assert_false(missing(&task, store, point, RUN_TASK_NONE));
    assert_false(missing(&task, store, &plan->points[1], RUN_TASK_STALE));
    assert_int_equal(task.stale, 0);
    assert_true(missing(&task, store, point, RUN_TASK_STALE));
    assert_true(task.trained && !task.retrain);
    assert_int_equal(task.request_count, 1);
    assert_int_equal(task.stale, 1);
    assert_true(evaluate_same_request(&task.requests[0], &point->requests[1]));
    Plan counted = *plan;
    run_task_count_stale(&counted, store, sample_arena);
    assert_int_equal(counted.stale, 0);
    assert_int_equal(counted.stale_evaluations, 1);

    const double other[] = {9, 99, 999};
    RunRecord *again = (RunRecord *)sample_record(point, RUN_DONE, NULL, other);
    again->training = NULL;
    sample_import(store, again);
    assert_false(missing(&task, store, point, RUN_TASK_STALE));
    sample_expect(
        store,
        arena_format(sample_arena,
                     "SELECT group_concat(round(exp(nll_sum / tokens), 1), ' ') FROM (SELECT * FROM"
                     " evaluation WHERE run = '%s' ORDER BY length)",
                     point->key),
        arena_format(sample_arena, "%.1f 99.0 %.1f", sample_perplexities[0], sample_perplexities[2]));
    sample_expect(store, "SELECT count(*) FROM evaluation", "6");
    sample_expect(store,
                  "SELECT count(*) FROM evaluation e WHERE abs(nll_sum - (SELECT sum(w.nll_sum) FROM"
                  " evaluation_window w WHERE w.evaluation = e.id)) > 1e-9",
                  "0");
    sample_expect(
        store, "SELECT count(*) FROM position_loss WHERE evaluation NOT IN (SELECT id FROM evaluation)", "0");

    /* A stale run is trained again with all its evaluations; they are not counted. */
    change("UPDATE evaluation SET method_files = 'alibi:0123456789ab'; UPDATE run SET method_files ="
           " 'rotary:0123456789ab' WHERE key = '%s'",
           point->key);
    missing(&task, store, point, RUN_TASK_STALE);
    assert_true(task.retrain);
    assert_int_equal(task.request_count, 3);
    assert_int_equal(task.stale, 0);
    assert_true(runs_set_status(store, point->key, RUN_DONE, NULL, &err));
    database_close(store);
}

/* The files of a method with a partner are both. */
static void files_of_partners(void **state) {
    (void)state;
    for (int i = 0; i < encoding_method_count; i++) {
        Encoding position;
        if (!encoding_default(&position, encoding_methods[i], sample_arena)) continue;
        const char *files = encoding_files(&position, sample_arena);
        const char *start =
            arena_format(sample_arena, "%s:%s", encoding_methods[i]->name, encoding_method_hashes[i]);
        assert_int_equal(strncmp(files, start, strlen(start)), 0);
        assert_int_equal(strchr(files, ' ') != NULL, position.partner != NULL);
        assert_int_equal(strlen(encoding_method_hashes[i]), 12);
        assert_false(encoding_files_edited(files));
        if (position.partner)
            assert_non_null(
                strstr(files, arena_format(sample_arena, " %s:", position.partner->method->name)));
    }
}

/* Before retraining, all results of the run are deleted, and nothing of other runs. */
static void forgotten(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[1], RUN_DONE, NULL, sample_perplexities));
    database_close(store);
    dump_copy("one.db", "x.db");
    store = database_open("x.db", DATABASE_WRITE, &err);
    sample_import(store, sample_record(&plan->points[0], RUN_DIVERGED, "loss", sample_perplexities));
    change("UPDATE run SET started = NULL, finished = iif(key = '%s', NULL, finished)", plan->points[0].key);
    assert_true(runs_delete_training(store, plan->points[0].key, &err));
    dump_expect("x.db", dump_of("one.db"), "forgotten");
    assert_false(runs_delete_training(store, "nobody", &err));
    database_close(store);
}

/* --- plans in the store --- */

/* Planning an experiment does not affect the others of its database, whatever their names are. */
static void other_experiments(void **state) {
    (void)state;
    Error err;
    static const char *const names[] = {"a", "x", "xx"};
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    for (int i = 0; i < COUNT_OF(names); i++) {
        ((Experiment *)plan->experiment)->name = names[i];
        for (int k = 0; k < plan->count; k++) ((Config *)plan->points[k].config)->name = names[i];
        if (!runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
    }
    for (int i = 0; i < COUNT_OF(names); i++) {
        ((Experiment *)plan->experiment)->name = names[i];
        for (int k = 0; k < plan->count; k++) ((Config *)plan->points[k].config)->name = names[i];
        const char *before = dump_of("x.db");
        if (!runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
        dump_expect("x.db", before, names[i]);
    }
    sample_expect(store, "SELECT count(*) || (SELECT count(*) FROM request) FROM point", "618");
    database_close(store);
}

/* Evaluations added by `eval` are kept while their points exist; a variant in the config with the same name
   and other options replaces the added one. */
static void added_requests(void **state) {
    (void)state;
    Error err;
    static const EvaluateVariant added[] = {{"kept", "{\"a\":1}"},
                                            {"replaced", "{\"a\":1}"},
                                            {"same", "{\"a\":1}"}},
                                 planned[] = {{"replaced", "{\"a\":2}"}, {"same", "{\"a\":1}"}};
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    EvaluateRequest *requests = plan->points[0].requests;
    for (int i = 0; i < 3; i++) requests[i].variant = &added[i];
    if (!runs_add_requests(store, plan, &err)) fail_msg("%s", err.text);
    const char *list =
        "SELECT group_concat(variant || variant_options || added, ' ') FROM (SELECT q.variant, q.added,"
        " q.variant_options FROM request q JOIN point p USING (experiment, run) WHERE ordinal = 0 AND"
        " q.variant <> '' ORDER BY q.variant)";
    sample_expect(store, list, "kept{\"a\":1}1 replaced{\"a\":1}1 same{\"a\":1}1");
    requests[0].variant = NULL;
    for (int i = 0; i < 2; i++) requests[i + 1].variant = &planned[i];
    if (!runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
    sample_expect(store, list, "kept{\"a\":1}1 replaced{\"a\":2}0 same{\"a\":1}0");
    if (!runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
    sample_expect(store, list, "kept{\"a\":1}1 replaced{\"a\":2}0 same{\"a\":1}0");
    database_close(store);
}

/* A request belongs to the protocol that asks for it, and not to another one with the same stride. */
static void rules_of_their_own(void **state) {
    (void)state;
    const Plan *plan = sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, \"method\": \"none\", "
        "\"evaluate\": {"
        "\"multiples\": [1], \"protocols\": [{\"name\": \"last_n\", \"targets\": 100, \"stride\": 2}, "
        "{\"name\":"
        " \"last_n\", \"targets\": 200, \"stride\": 0.125}, {\"name\": \"strided\", \"stride\": 2}]}");
    Database *store = sample_store(plan);
    sample_expect(
        store,
        "SELECT group_concat(protocol || requested || ' ' || stride_rule, ', ') FROM (SELECT * FROM request"
        " ORDER BY protocol, requested)",
        "last_n100 2, last_n200 0.125 L, strided0 2");
    database_close(store);
}

/* The threads of the process that trained and evaluated. */
static void threads_are_stored(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    RunRecord record = *sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities);
    record.threads = 3;
    sample_import(store, &record);
    sample_expect(store, "SELECT group_concat(DISTINCT threads) FROM run WHERE steps = 3", "3");
    sample_expect(store, "SELECT group_concat(DISTINCT threads) FROM evaluation", "3");
    database_close(store);
}

/* Checks that protect against damaged or hostile files. */
static void guarded(void **state) {
    (void)state;
    Database *store = sample_store(sample_plan(SAMPLE_TWO_METHODS));
    sample_expect(store, "PRAGMA trusted_schema", "0");
    sample_expect(store, "PRAGMA cell_size_check", "1");
    database_close(store);
}

/* --- locks --- */

/* While another process holds x.db exclusively, the store waits. */
static void a_busy_database_is_waited_for(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open("x.db", &db);
        if (sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        usleep(300000);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    if (!runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    database_close(store);
}

static bool is_held(void) {
    int file = open("x.db.lock", O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    bool held = flock(file, LOCK_EX | LOCK_NB) != 0;
    close(file);
    return held;
}

/* One process at a time holds the lock, and errors name it; closing the descriptor releases it. A short wait
   is allowed. */
static void one_holder(void **state) {
    (void)state;
    Error err;
    int lock = lock_database("x.db", sample_arena, &err);
    if (lock < 0) fail_msg("%s", err.text);
    assert_true(is_held());
    const char *me = arena_format(sample_arena, "process %d on ", (int)getpid());
    assert_int_equal(strncmp(sample_file("x.db.lock", NULL), me, strlen(me)), 0);
    assert_int_equal(lock_database("x.db", sample_arena, &err), -1);
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, arena_format(sample_arena, "database 'x.db' is in use by %s", me)));
    int other = lock_database("y.db", sample_arena, &err); /* of another database */
    assert_true(other >= 0);
    close(other);
    pid_t child = fork();
    if (child == 0) { /* also holds it, for a moment */
        usleep(300000);
        _exit(0);
    }
    close(lock);
    assert_true(is_held());
    lock = lock_database("x.db", sample_arena, &err);
    if (lock < 0) fail_msg("%s", err.text);
    waitpid(child, NULL, 0);
    close(lock);
    assert_false(is_held());
    assert_int_equal(lock_database("no/x.db", sample_arena, &err), -1);
    assert_int_equal(err.code, EXIT_SYSTEM);
}

/* Programs started while the lock is held hold it too, also after the end of their parent. */
static void workers_inherit_the_lock(void **state) {
    (void)state;
    Error err;
    int input[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    int lock = lock_database("x.db", sample_arena, &err);
    if (lock < 0) fail_msg("%s", err.text);
    pid_t child = fork();
    if (child == 0) {
        dup2(input[0], STDIN_FILENO);
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    close(lock);
    assert_true(is_held());
    usleep(100000); /* exec has happened by now */
    assert_true(is_held());
    close(input[0]);
    close(input[1]); /* cat ends */
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(is_held());
}

/* --- results of earlier attempts --- */

static void deliver(const RunRecord *record, bool earlier) {
    Error err;
    if (!result_file_write("result.db", record, earlier, sample_arena, &err)) fail_msg("%s", err.text);
}

static ResultFile look(const RunTask *task) {
    Error err;
    ResultFile earlier = {.known = NEW(sample_arena, task->request_count, bool)};
    if (!result_file_read(&earlier, "result.db", task, sample_arena, &err)) fail_msg("%s", err.text);
    return earlier;
}

static void earlier_attempts(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    RunTask task = {0};
    run_task_needed(&task, NULL, point, (RunTaskNeed){0}, sample_arena);
    ResultFile earlier = look(&task);
    assert_false(earlier.sound || earlier.trained || earlier.done || earlier.damaged);

    /* Trained, with one of three evaluations; then, by an evaluation only, a second one. */
    RunRecord record = *sample_record(point, RUN_DONE, NULL, (double[]){4, 5, 6});
    const EvaluateResult *evaluations = record.evaluations;
    record.evaluation_count = 1;
    deliver(&record, false);
    earlier = look(&task);
    assert_true(earlier.sound && earlier.trained && !earlier.done && !earlier.damaged);
    assert_true(earlier.known[0] && !earlier.known[1] && !earlier.known[2]);
    record.training = NULL;
    record.evaluations = &evaluations[2];
    deliver(&record, true);
    earlier = look(&task);
    assert_true(earlier.sound && earlier.trained && !earlier.done);
    assert_true(earlier.known[0] && !earlier.known[1] && earlier.known[2]);
    record.evaluations = &evaluations[1];
    deliver(&record, true);
    earlier = look(&task);
    assert_true(earlier.done && earlier.known[0] && earlier.known[1] && earlier.known[2]);
    Database *store = database_open("result.db", DATABASE_READ, &err);
    sample_expect(store, "SELECT count(*) || (SELECT count(*) FROM train_log) FROM evaluation", "33");
    sample_expect(store, "SELECT count(*) FROM evaluation_window", "56");
    database_close(store);

    /* Evaluated but not trained: more is missing. Without the earlier result the evaluations are lost. */
    record.evaluations = evaluations;
    record.evaluation_count = 3;
    deliver(&record, false);
    earlier = look(&task);
    assert_true(earlier.sound && !earlier.trained && !earlier.done && earlier.known[1]);

    deliver(sample_record(point, RUN_DIVERGED, "loss", NULL), false);
    assert_true(look(&task).done);
    deliver(sample_record(point, RUN_FAILED, "reason", NULL), false);
    earlier = look(&task);
    assert_false(earlier.sound || earlier.done || earlier.trained);
    deliver(sample_record(&plan->points[1], RUN_DONE, NULL, (double[]){4, 5, 6}), false);
    assert_false(look(&task).sound); /* of another run */

    fixture_put_text("result.db", "no database");
    earlier = look(&task);
    assert_true(earlier.damaged && !earlier.sound && !earlier.done);
}

/* --- the files of a run --- */

static void folders(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const char *key = plan->points[0].key;
    Database *store = sample_store(plan);
    change("INSERT INTO experiment (name, config, created) VALUES ('y', '{}', 'c'), ('z', '{}', 'c')");
    const char *const names[] = {"x", "y", "z"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(mkdir(names[i], 0700), 0);
        assert_int_equal(mkdir(arena_format(sample_arena, "%s/%s", names[i], key), 0700), 0);
    }
    const char *at_x = arena_format(sample_arena, "./x/%s", key),
               *at_y = arena_format(sample_arena, "./y/%s", key),
               *at_z = arena_format(sample_arena, "./z/%s", key);
    assert_string_equal(run_folder_find(store, "z", key, sample_arena), at_z);
    assert_null(run_folder_weights(store, key, sample_arena));
    fixture_put_text(arena_format(sample_arena, "%s/state.safetensors.old", at_x), "");
    assert_string_equal(run_folder_find(store, "z", key, sample_arena), at_x);
    fixture_put_text(arena_format(sample_arena, "%s/state.safetensors", at_y), "");
    assert_string_equal(run_folder_find(store, "z", key, sample_arena), at_y);
    fixture_put_text(arena_format(sample_arena, "%s/model.safetensors", at_x), "");
    assert_string_equal(run_folder_find(store, "z", key, sample_arena), at_x);
    assert_string_equal(run_folder_weights(store, key, sample_arena),
                        arena_format(sample_arena, "%s/model.safetensors", at_x));
    const char *const *places = run_folder_candidates(store, "y", key, sample_arena);
    assert_string_equal(places[0], at_y);
    assert_string_equal(places[1], at_x);
    assert_string_equal(places[2], at_z);
    assert_null(places[3]);

    /* Deleted everywhere, so that no partly trained run remains. */
    static const char *const files[] = {"model.safetensors",     "result.db",
                                        "state.safetensors",     "state.safetensors.old",
                                        "state.safetensors.new", "state.safetensors.new.tmp"};
    for (int i = 0; i < COUNT_OF(files); i++)
        for (int k = 0; k < 3; k++)
            fixture_put_text(arena_format(sample_arena, "%s/%s/%s", names[k], key, files[i]), "");
    fixture_put_text(arena_format(sample_arena, "%s/log.txt", at_x), "");
    run_folder_delete_files(store, key, sample_arena);
    for (int i = 0; i < COUNT_OF(files); i++)
        for (int k = 0; k < 3; k++)
            assert_int_not_equal(
                access(arena_format(sample_arena, "%s/%s/%s", names[k], key, files[i]), F_OK), 0);
    assert_int_equal(access(arena_format(sample_arena, "%s/log.txt", at_x), F_OK), 0);
    database_close(store);
}

/* The newest submission has the highest number, in any order of the folder. */
static void newest_submission(void **state) {
    (void)state;
    static const char *const names[] = {"1", "2", "10", "9", "11",  "3",  "4",
                                        "5", "6", "7",  "8", "log", "x12"};
    assert_int_equal(squeue_last_submission("cluster"), 0);
    assert_int_equal(mkdir("cluster", 0700), 0);
    assert_int_equal(squeue_last_submission("cluster"), 0);
    for (int i = 0, most = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(mkdir(arena_format(sample_arena, "cluster/%s", names[i]), 0700), 0);
        if (atoi(names[i]) > most) most = atoi(names[i]);
        assert_int_equal(squeue_last_submission("cluster"), most);
    }
}

static bool is_progress(void *user, const char *line) {
    (void)user;
    return strncmp(line, "step ", 5) == 0;
}

/* The reason of a failure is the last lines of a worker other than progress, in their order. */
static void last_words(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    WorkerProcess child = {.pipe = ends[0], .log = open("log.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    enum { SAID = 2 * WORKER_PROCESS_TAIL + 1 };
    const char *wanted = "exit code 3", *log = "";
    for (int i = 0; i < SAID; i++) {
        dprintf(ends[1], "line %d\nstep %d\n", i, i);
        log = arena_format(sample_arena, "%sline %d\n", log, i);
        if (i >= SAID - WORKER_PROCESS_TAIL)
            wanted = arena_format(sample_arena, "%s%sline %d", wanted,
                                  i == SAID - WORKER_PROCESS_TAIL ? ": " : " | ", i);
    }
    close(ends[1]);
    while (worker_process_read(&child, is_progress, NULL)) {
    }
    assert_string_equal(worker_process_reason(&child, 3, 0, sample_arena), wanted);
    assert_string_equal(sample_file("log.txt", NULL), log);
    const char *killed = worker_process_reason(&child, -1, SIGKILL, sample_arena);
    assert_int_equal(strncmp(killed, "killed by signal 9 (Killed): line ", 34), 0);
    close(ends[0]);
    close(child.log);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    setenv("TMPDIR", "/tmp", 1);
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing),
        TEST(what_is_changed),
        TEST(what_is_stale),
        TEST(stale_evaluations),
        TEST(files_of_partners),
        TEST(forgotten),
        TEST(other_experiments),
        TEST(added_requests),
        TEST(threads_are_stored),
        TEST(rules_of_their_own),
        TEST(newest_submission),
        TEST(last_words),
        TEST(guarded),
        TEST(one_holder),
        TEST(workers_inherit_the_lock),
        TEST(earlier_attempts),
        TEST(folders),
        TEST(a_busy_database_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
