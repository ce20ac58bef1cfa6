#include "store/runs.h"

#include "store/internal.h"
#include "store/schema.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/version.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/linear.h"
#include "math/nn_ops.h"
#include "experiment/run_label.h"

const char *const runs_status_names[] = {"pending", "running", "done", "diverged", "failed", NULL};

/* The columns that identify an evaluation. */
#define REQUEST_COLUMNS(key, request)                                                                        \
    {"run", database_text(key)}, {"split", database_text(evaluate_split_name(request))},                     \
        {"protocol", database_text(evaluate_protocol_names[(request)->protocol])},                           \
        {"length", database_int((request)->length)}, {"stride", database_int((request)->stride)},            \
        {"requested", database_int((request)->tokens)},                                                      \
        {"precision", database_text(precision_names[(request)->precision])},                                 \
        {"variant", database_text((request)->variant ? (request)->variant->name : "")}, {                    \
        "variant_options", database_text((request)->variant ? (request)->variant->options : "{}")            \
    }

/* --- the plan --- */

static DatabaseValue known(int64_t count, bool is_known) {
    return is_known ? database_int(count) : database_text(NULL);
}

static bool write_corpus(Database *store, const Corpus *corpus, const char *tokenizer, int64_t *id,
                         Error *err) {
    const CorpusStream *splits = corpus->splits;
    const char *hash = corpus->tokenizer ? corpus->tokenizer->hash : NULL;
    bool text = corpus->tokenizer && tokenizer_is_text(corpus->tokenizer->options.kind);
    int64_t documents = 0;
    for (int i = 0; i < SPLIT_COUNT; i++) documents += splits[i].documents;
    return DATABASE_INSERT(store, err, "corpus", "ON CONFLICT DO NOTHING",
                           {"hash", database_text(corpus->hash)}, {"tokenizer", database_text(tokenizer)},
                           {"vocabulary", database_int(corpus->vocabulary)},
                           {"train_tokens", database_int(splits[SPLIT_TRAIN].count)},
                           {"valid_tokens", database_int(splits[SPLIT_VALID].count)},
                           {"test_tokens", database_int(splits[SPLIT_TEST].count)},
                           {"documents", database_int(documents)},
                           {"bytes_per_token",
                            database_real(corpus->bytes_per_token > 0 ? corpus->bytes_per_token : NAN)},
                           {"vocabulary_hash", database_text(hash && *hash ? hash : NULL)},
                           {"train_bytes", known(splits[SPLIT_TRAIN].bytes, text)},
                           {"valid_bytes", known(splits[SPLIT_VALID].bytes, text)},
                           {"test_bytes", known(splits[SPLIT_TEST].bytes, text)},
                           {"train_words", known(splits[SPLIT_TRAIN].words, text)},
                           {"valid_words", known(splits[SPLIT_VALID].words, text)},
                           {"test_words", known(splits[SPLIT_TEST].words, text)}) &&
           database_step(store, err, id,
                         "SELECT id FROM corpus WHERE (hash, tokenizer, vocabulary) = (?, ?, ?)",
                         DATABASE_VALUES(database_text(corpus->hash), database_text(tokenizer),
                                         database_int(corpus->vocabulary)));
}

/* Inserts the run and its corpus. A run that exists keeps everything except its label. */
static bool write_run(Database *store, const PlanPoint *point, Error *err) {
    const Config *config = point->config;
    const Encoding *position = &config->position;
    Arena *arena = database_arena(store);
    int64_t corpus = 0;
    return write_corpus(store, point->corpus, tokenizer_names[config->data.tokenizer], &corpus, err) &&
           DATABASE_INSERT(
               store, err, "run", "ON CONFLICT (key) DO UPDATE SET label = excluded.label",
               {"key", database_text(point->key)}, {"method", database_text(position->method->name)},
               {"method_options", database_text(encoding_options_text(position, arena))},
               {"label", database_text(run_label_method(position, arena))},
               {"train_length", database_int(config->train.length)},
               {"seed", database_int(config->train.seed)}, {"parameters", database_int(point->parameters)},
               {"position_parameters", database_int(point->position_parameters)},
               {"config", database_text(config->resolved)}, {"status", database_text("pending")},
               {"corpus_id", database_int(corpus)});
}

static bool get_experiment(Database *store, const char *name, int64_t *id, Error *err) {
    return database_step(store, err, id, "SELECT id FROM experiment WHERE name = ?",
                         DATABASE_VALUES(database_text(name)));
}

static bool write_request(Database *store, int64_t experiment, const PlanPoint *point,
                          const EvaluateRequest *request, const char *rule, bool added, Error *err) {
    return DATABASE_INSERT(store, err, "request", "ON CONFLICT DO NOTHING",
                           {"experiment", database_int(experiment)}, {"stride_rule", database_text(rule)},
                           {"added", database_int(added)}, REQUEST_COLUMNS(point->key, request));
}

/* Writes one row for each protocol of the config that contains the request. If no protocol does, because the
   stride is at least the length, the rule is the stride. */
static bool write_rules(Database *store, int64_t experiment, const PlanPoint *point,
                        const EvaluateRequest *request, bool added, Error *err) {
    bool found = false;
    for (int s = 0; s < point->section_count; s++)
        for (int k = 0; k < point->sections[s]->protocol_count; k++) {
            const EvaluationConfigProtocol *protocol = &point->sections[s]->protocols[k];
            const char *rule = run_label_stride_rule(request, protocol, database_arena(store));
            if (rule && !write_request(store, experiment, point, request, rule, added, err)) return false;
            found |= rule != NULL;
        }
    const char *rule = arena_format(database_arena(store), "%lld", (long long)request->stride);
    return found || write_request(store, experiment, point, request, rule, added, err);
}

static bool write_requests(Database *store, int64_t experiment, const PlanPoint *point, bool added,
                           Error *err) {
    for (int i = 0; i < point->request_count; i++)
        if (!write_rules(store, experiment, point, &point->requests[i], added, err)) return false;
    return true;
}

/* save_added saves the requests of `poslab eval` before the points are deleted. restore_added restores those
   whose points exist again, except variants that the config now defines with other options. */
static const char save_added[] = "CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT * FROM request WHERE false;"
                                 "DELETE FROM kept;"
                                 "INSERT INTO kept SELECT * FROM request WHERE added";
static const char restore_added[] =
    "INSERT INTO request SELECT * FROM kept WHERE experiment = ?1 AND run IN (SELECT run FROM point WHERE"
    " experiment = ?1) AND NOT EXISTS (SELECT 1 FROM request q WHERE (q.experiment, q.run, q.variant) ="
    " (kept.experiment, kept.run, kept.variant) AND q.variant_options <> kept.variant_options)"
    " ON CONFLICT DO NOTHING";

int runs_dropped(Database *store, const Plan *plan) {
    Error ignored; /* storing the plan reports an error of the database */
    int dropped = 0;
    Query *query = query_begin(store, "SELECT r.key" QUERY_RUNS " WHERE x.name = ? AND r.status = 'done'",
                               (const char *const[]){plan->experiment->name, NULL});
    while (query_next(query)) {
        int i = 0;
        while (i < plan->count && strcmp(plan->points[i].key, query_text(query, 0)) != 0) i++;
        dropped += i == plan->count;
    }
    query_end(query, &ignored);
    return dropped;
}

bool runs_store_plan(Database *store, const Plan *plan, Error *err) {
    const Experiment *experiment = plan->experiment;
    Arena *arena = database_arena(store);
    const char **settings = run_label_settings(plan, arena);
    int64_t id = 0;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = DATABASE_INSERT(
                  store, err, "experiment", "ON CONFLICT (name) DO UPDATE SET config = excluded.config",
                  {"name", database_text(experiment->name)}, {"config", database_text(experiment->source)},
                  {"created", database_text(database_now(arena))}) &&
              get_experiment(store, experiment->name, &id, err) && database_execute(store, err, save_added) &&
              DATABASE_RUN(store, err, "DELETE FROM point WHERE experiment = ?", database_int(id));
    for (int i = 0; ok && i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        ArenaMark mark = arena_mark(arena);
        const char *label = run_label_method(&point->config->position, arena);
        const char *name = run_label_plain_name(label, settings[i], arena);
        ok = write_run(store, point, err) &&
             DATABASE_INSERT(store, err, "point", "", {"experiment", database_int(id)},
                             {"ordinal", database_int(i)}, {"run", database_text(point->key)},
                             {"variant", database_text(settings[i])}, {"name", database_text(name)}) &&
             write_requests(store, id, point, false, err);
        arena_release(arena, mark);
    }
    ok = ok && DATABASE_RUN(store, err, restore_added, database_int(id));
    return database_finish(store, err, ok);
}

bool runs_add_requests(Database *store, const Plan *plan, Error *err) {
    int64_t id = 0;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = get_experiment(store, plan->experiment->name, &id, err);
    for (int i = 0; ok && i < plan->count; i++) ok = write_requests(store, id, &plan->points[i], true, err);
    return database_finish(store, err, ok);
}

bool runs_set_status(Database *store, const char *key, RunStatus status, const char *reason, Error *err) {
    if (!DATABASE_RUN(store, err,
                      "UPDATE run SET status = ?1, reason = ?2,"
                      " started = iif(?1 = 'running', ?4, started),"
                      " finished = iif(?1 IN ('pending', 'running'), NULL, ?4)"
                      " WHERE key = ?3",
                      database_text(runs_status_names[status]), database_text(reason), database_text(key),
                      database_text(database_now(database_arena(store)))))
        return false;
    return database_changes(store) ||
           error_set(err, EXIT_DAMAGED, "run %s was deleted from database '%s'; rerun `poslab run`", key,
                     database_path(store));
}

static bool delete_results(Database *store, const char *key, Error *err) {
    Arena *arena = database_arena(store);
    bool ok = true;
    for (const char *const *part = schema_evaluation_parts(arena); ok && *part; part++)
        ok = DATABASE_RUN(store, err,
                          arena_format(arena,
                                       "DELETE FROM %s WHERE evaluation IN"
                                       " (SELECT id FROM evaluation WHERE run = ?)",
                                       *part),
                          database_text(key));
    return ok && DATABASE_RUN(store, err, "DELETE FROM evaluation WHERE run = ?", database_text(key)) &&
           DATABASE_RUN(store, err, "DELETE FROM train_log WHERE run = ?", database_text(key));
}

bool runs_delete_training(Database *store, const char *key, Error *err) {
    Arena *arena = database_arena(store);
    const char *training = schema_columns("run", SCHEMA_TRAINING, "", arena);
    const char *empty = arena_format(
        arena, "UPDATE run SET (%s) = (SELECT %s FROM run WHERE false) WHERE key = ?", training, training);
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = delete_results(store, key, err) && DATABASE_RUN(store, err, empty, database_text(key)) &&
              runs_set_status(store, key, RUN_PENDING, NULL, err);
    return database_finish(store, err, ok);
}

bool runs_delete_unused(Database *store, const char *key, bool *deleted, Error *err) {
    int64_t points = 0;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = database_step(store, err, &points, "SELECT ? IN (" RUNS_POINTS ")",
                            DATABASE_VALUES(database_text(key)));
    *deleted = ok && !points;
    if (*deleted)
        ok = delete_results(store, key, err) &&
             DATABASE_RUN(store, err, "DELETE FROM run WHERE key = ?", database_text(key));
    return database_finish(store, err, ok);
}

RunState runs_state(Database *store, const char *key) {
    RunState state = {.status = RUN_PENDING};
    Error ignored; /* a run that cannot be read is pending; a later write reports the error */
    if (!store) return state;
    Query *query =
        query_begin(store,
                    "SELECT status, steps IS NOT NULL, iif(shared_sources IS NULL, revision IS NOT ?2,"
                    " shared_sources IS NOT ?3), edited(method_files), steps IS 0 FROM run WHERE key = ?1",
                    (const char *const[]){key, version_revision(), version_shared(), NULL});
    if (query_next(query)) {
        int status = text_index(query_text(query, 0), runs_status_names);
        if (status >= 0) state.status = (RunStatus)status;
        state.trained = query_int(query, 1);
        state.imported = query_int(query, 4);
        state.changed = state.trained && !state.imported && query_int(query, 2);
        state.stale = state.trained && query_int(query, 3);
    }
    query_end(query, &ignored);
    return state;
}

RunsEvaluation runs_evaluation(Database *store, const char *key, const EvaluateRequest *request) {
    int64_t state = RUNS_EVALUATION_MISSING;
    Error ignored;
    database_row(store, &ignored, &state, "SELECT 1 + edited(method_files) FROM evaluation WHERE", " = ", "",
                 DATABASE_ROW(REQUEST_COLUMNS(key, request)));
    return (RunsEvaluation)state;
}

/* The second column of the first row of a query for `key`, NAN without a row; *first is the first column.
   Errors are ignored, because the value is only shown. */
static double value_for(Database *store, const char *sql, const char *key, int64_t *first) {
    Error ignored;
    double value = NAN;
    Query *query = query_begin(store, sql, (const char *const[]){key, NULL});
    if (query_next(query)) {
        *first = query_int(query, 0);
        value = query_real(query, 1);
    }
    query_end(query, &ignored);
    return value;
}

double runs_perplexity(Database *store, const char *key, int64_t *length) {
    static const char sql[] =
        "SELECT e.length, e.nll_sum / e.tokens FROM evaluation e JOIN run r ON r.key = e.run"
        " WHERE e.run = ? AND e.variant = '' AND e.status = 'done'"
        " AND e.protocol <> 'exact' ORDER BY e.length <> r.train_length, e.id LIMIT 1";
    return exp(value_for(store, sql, key, length));
}

double runs_exact(Database *store, const char *key, int64_t *size) {
    static const char sql[] =
        "SELECT e.length, avg(k.tokens_right = w.tokens) FROM run r JOIN evaluation e"
        " ON e.run = r.key AND e.protocol = 'exact' AND e.status = 'done' AND e.variant = ''"
        " JOIN task_example k ON k.evaluation = e.id"
        " JOIN evaluation_window w ON (w.evaluation, w.window) = (k.evaluation, k.example) WHERE r.key = ?"
        " GROUP BY e.id ORDER BY e.length > json_extract(r.config, '$.data.task.size[1]'), e.length DESC"
        " LIMIT 1";
    return value_for(store, sql, key, size);
}

/* --- results --- */

const char *runs_host_name(Arena *arena) {
    struct utsname system;
    return uname(&system) == 0 ? arena_copy(arena, system.nodename) : "unknown";
}

static bool write_training(Database *store, const RunRecord *record, Error *err) {
    const TrainResult *result = record->training;
    const char *key = record->point->key;
    Arena *arena = database_arena(store);
    const DatabaseColumn row[] = {
        {"key", database_text(key)},
        DATABASE_ORIGIN(arena, result->revision, record->threads),
        {"method_files", database_text(result->files)},
        {"shared_sources", database_text(result->shared)},
        {"steps", database_int(result->steps)},
        {"diverged_step", result->diverged ? database_int(result->diverged_step) : database_text(NULL)},
        {"train_tokens", database_int(result->tokens)},
        {"train_seconds", database_real(result->seconds)},
        {"final_loss", database_real(result->final_loss)},
        {"peak_bytes", database_int((int64_t)result->peak_bytes)},
        {"machine", database_text(hardware_text(arena))},
        {"ranks", database_int(mpi_ranks())},
        {"processor_seconds", database_real(result->session.processor_seconds)},
        {"load", database_real(result->session.load_seconds / result->seconds)},
        {"settings", database_text(result->session.environments)},
        {"until_step", result->until_step ? database_int(result->until_step) : database_text(NULL)}};
    bool ok = database_row(store, err, NULL, "UPDATE run SET", " = ", " WHERE key = ?1", row, COUNT_OF(row));
    for (int64_t i = 0; ok && i < result->steps; i++) {
        const TrainLog *log = &result->log[i];
        ok = DATABASE_INSERT(store, err, "train_log", "", {"run", database_text(key)},
                             {"step", database_int(log->step)}, {"loss", database_real(log->loss)},
                             {"rate", database_real(log->rate)}, {"norm", database_real(log->norm)});
    }
    return ok;
}

static bool write_evaluation(Database *store, const RunRecord *record, int64_t id,
                             const EvaluateResult *evaluation, Error *err) {
    bool computed = !evaluation->beyond_limit;
    Arena *arena = database_arena(store);
    bool ok = DATABASE_INSERT(store, err, "evaluation", "", {"id", database_int(id)},
                              REQUEST_COLUMNS(record->point->key, &evaluation->request),
                              {"status", database_text(computed ? "done" : "beyond_limit")},
                              {"nll_sum", database_real(computed ? evaluation->nll : NAN)},
                              {"tokens", database_int(computed ? evaluation->tokens : 0)},
                              {"windows", database_int(computed ? evaluation->windows : 0)},
                              {"seconds", database_real(evaluation->seconds)},
                              {"peak_bytes", database_int((int64_t)evaluation->peak_bytes)},
                              {"finished", database_text(database_now(arena))},
                              {"method_files", database_text(evaluation->method_files)},
                              DATABASE_ORIGIN(arena, version_revision(), record->threads));
    bool examples = evaluation->request.protocol == EVALUATE_EXACT;
    for (int64_t i = 0; ok && computed && examples && i < evaluation->windows; i++)
        ok = DATABASE_INSERT(store, err, "task_example", "", {"evaluation", database_int(id)},
                             {"example", database_int(i)},
                             {"tokens_right", database_int(evaluation->window[i].right)});
    for (int64_t i = 0; ok && computed && i < evaluation->windows; i++)
        ok = DATABASE_INSERT(store, err, "evaluation_window", "", {"evaluation", database_int(id)},
                             {"window", database_int(i)},
                             {"nll_sum", database_real(evaluation->window[i].nll)},
                             {"tokens", database_int(evaluation->window[i].tokens)});
    for (int i = 0; ok && computed && i < evaluation->bins; i++) {
        const EvaluateBin *bin = &evaluation->bin[i];
        ok = DATABASE_INSERT(store, err, "position_loss", "", {"evaluation", database_int(id)},
                             {"bin", database_int(i)}, {"first", database_int(bin->first)},
                             {"last", database_int(bin->last)}, {"nll_sum", database_real(bin->nll)},
                             {"tokens", database_int(bin->tokens)});
    }
    return ok;
}

static bool write_record(Database *store, const RunRecord *record, Error *err) {
    const char *key = record->point->key;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = write_run(store, record->point, err) &&
              runs_set_status(store, key, record->status, record->reason, err) &&
              (!record->training || write_training(store, record, err));
    for (int i = 0; ok && i < record->evaluation_count; i++)
        ok = write_evaluation(store, record, i + 1, &record->evaluations[i], err);
    return database_finish(store, err, ok);
}

bool runs_write_result(const char *path, const RunRecord *record, Error *err) {
    Arena *arena = arena_new(0);
    const char *temporary = arena_format(arena, "%s.tmp", path);
    unlink(temporary); /* of an interrupted attempt; SQLite deletes a journal that has no database */
    Database *store = database_open(temporary, DATABASE_CREATE, err);
    bool ok = store && write_record(store, record, err);
    database_close(store);
    ok = ok && atomic_file_publish(temporary, path, err);
    if (!ok) unlink(temporary);
    arena_free(arena);
    return ok;
}

/* --- one run --- */

enum { MOST_CANDIDATES = 20 };

/* Lists runs, each on a line such as "  0123456789abcdef  ALiBi L=64 seed=1". Returns their number, or -1 if
   reading fails; *key is the key of the last run. */
static int list_runs(Database *store, const char *condition, const char *const *parameters, const char **key,
                     const char **list, Arena *arena, Error *err) {
    int count = 0;
    Query *query = query_begin(
        store,
        arena_format(
            arena,
            "SELECT key, label || coalesce((SELECT ' ' || max(variant) FROM point WHERE run = key AND"
            " variant <> ''), '') || ' L=' || train_length || ' seed=' || seed FROM run WHERE %s"
            " ORDER BY method, train_length, seed, key",
            condition),
        parameters);
    *list = "";
    for (; query_next(query); count++) {
        *key = arena_copy(arena, query_text(query, 0));
        if (count < MOST_CANDIDATES)
            *list = arena_format(arena, "%s  %s  %s\n", *list, *key, query_text(query, 1));
    }
    if (count > MOST_CANDIDATES)
        *list = arena_format(arena, "%s  and %d more\n", *list, count - MOST_CANDIDATES);
    return query_end(query, err) ? count : -1;
}

const char *runs_choose(Database *store, const RunsChoice *choice, Arena *arena, Error *err) {
    static const char condition[] =
        "(?1 = '' OR substr(key, 1, length(?1)) = ?1) AND (?2 = '' OR ?2 IN (method, label)"
        " OR key IN (SELECT run FROM point WHERE name = ?2)) AND (?3 = '' OR key IN (SELECT run FROM point"
        " WHERE variant = ?3)) AND CAST(?4 AS INTEGER) IN (-1, seed)"
        " AND CAST(?5 AS INTEGER) IN (-1, train_length)";
    const char *const parameters[] = {choice->key ? choice->key : "",
                                      choice->method ? choice->method : "",
                                      choice->setting ? choice->setting : "",
                                      arena_format(arena, "%lld", (long long)choice->seed),
                                      arena_format(arena, "%lld", (long long)choice->length),
                                      NULL};
    const char *key = NULL, *list, *path = database_path(store);
    int count = list_runs(store, condition, parameters, &key, &list, arena, err);
    if (count == 0 && list_runs(store, "true", NULL, &key, &list, arena, err) < 0) count = -1;
    if (count < 0 || count == 1) return count < 0 ? NULL : key;
    if (!*list)
        error_set(err, EXIT_USAGE, "database '%s' has no runs; `poslab run CONFIG` adds some", path);
    else if (count)
        error_set(err, EXIT_USAGE, "database '%s': %d runs match; choose one of them:", path, count);
    else
        error_set(err, EXIT_USAGE, "database '%s': no run matches%s%s%s; its runs are:", path,
                  choice->key ? " '" : "", choice->key ? choice->key : "", choice->key ? "'" : "");
    Error lines = {.code = EXIT_USAGE};
    snprintf(lines.text, sizeof lines.text, "%s", list);
    error_add(err, &lines, false);
    return NULL;
}
