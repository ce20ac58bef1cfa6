#include "store/runs.h"

#include "store/internal.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/version.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/linear.h"
#include "math/nn_ops.h"
#include "experiment/run_label.h"

const char *const runs_status_names[] = {"pending", "running", "done", "diverged", "failed", NULL};

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"

/* For the places of EVALUATION_KEY_COLUMNS. */
#define REQUEST_VALUES(key, request)                                                                         \
    database_text(key), database_text(corpus_split_names[(request)->split]),                                 \
        database_text(evaluate_protocol_names[(request)->protocol]), database_int((request)->length),        \
        database_int((request)->stride), database_int((request)->tokens),                                    \
        database_text(precision_names[(request)->precision]),                                                \
        database_text((request)->variant ? (request)->variant->name : ""),                                   \
        database_text((request)->variant ? (request)->variant->options : "{}")

/* --- the plan --- */

static const char *tokenizer_name(const CorpusOptions *options) {
    for (int i = 0; i < corpus_field_count; i++)
        if (!strcmp(corpus_fields[i].key, "tokenizer")) return corpus_fields[i].choices[options->tokenizer];
    BUG("there is no option 'tokenizer'");
}

/* The run as planned, and its corpus; what is known about it already stays as it is. */
static bool write_run(Database *store, const PlanPoint *point, Error *err) {
    const Config *config = point->config;
    const Corpus *corpus = point->corpus;
    const CorpusStream *splits = corpus->splits;
    const char *tokenizer = tokenizer_name(&config->data);
    int64_t documents = 0;
    for (int i = 0; i < SPLIT_COUNT; i++) documents += splits[i].documents;
    return DATABASE_RUN(store, err,
                        "INSERT INTO corpus (hash, tokenizer, vocabulary, train_tokens, valid_tokens, "
                        "test_tokens, documents,"
                        " bytes_per_token) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                        database_text(corpus->hash), database_text(tokenizer),
                        database_int(corpus->vocabulary), database_int(splits[SPLIT_TRAIN].count),
                        database_int(splits[SPLIT_VALID].count), database_int(splits[SPLIT_TEST].count),
                        database_int(documents),
                        database_real(corpus->bytes_per_token > 0 ? corpus->bytes_per_token : NAN)) &&
           DATABASE_RUN(store, err,
                        "INSERT INTO run (key, method, method_options, label, train_length, seed, parameters,"
                        " position_parameters, config, status, corpus_id) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                        "'pending', id"
                        " FROM corpus WHERE (hash, tokenizer, vocabulary) = (?, ?, ?)"
                        " ON CONFLICT (key) DO UPDATE SET label = excluded.label",
                        database_text(point->key), database_text(config->position.method->name),
                        database_text(config_method_options(&config->position, database_arena(store))),
                        database_text(run_label_method(&config->position, database_arena(store))),
                        database_int(config->train.length), database_int(config->train.seed),
                        database_int(point->parameters), database_int(point->position_parameters),
                        database_text(config->resolved), database_text(corpus->hash),
                        database_text(tokenizer), database_int(corpus->vocabulary));
}

static bool write_request(Database *store, const PlanPoint *point, const EvaluateRequest *request,
                          const char *rule, bool added, Error *err) {
    return DATABASE_RUN(
        store, err,
        "INSERT INTO request (experiment, stride_rule, added, " EVALUATION_KEY_COLUMNS ")"
        " SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM experiment WHERE name = ? ON CONFLICT DO NOTHING",
        database_text(rule), database_int(added), REQUEST_VALUES(point->key, request),
        database_text(point->config->name));
}

/* Writes one row for each protocol of the point's sections that the request belongs to; if there is none (a
   stride of the whole length or more), the rule is its stride. */
static bool write_rules(Database *store, const PlanPoint *point, const EvaluateRequest *request, bool added,
                        Error *err) {
    bool found = false;
    for (int s = 0; s < point->section_count; s++)
        for (int k = 0; k < point->sections[s]->protocol_count; k++) {
            const EvaluationConfigProtocol *protocol = &point->sections[s]->protocols[k];
            const char *rule = run_label_stride_rule(request, protocol, database_arena(store));
            if (rule && !write_request(store, point, request, rule, added, err)) return false;
            found |= rule != NULL;
        }
    const char *rule = arena_format(database_arena(store), "%lld", (long long)request->stride);
    return found || write_request(store, point, request, rule, added, err);
}

static bool write_requests(Database *store, const PlanPoint *point, bool added, Error *err) {
    for (int i = 0; i < point->request_count; i++)
        if (!write_rules(store, point, &point->requests[i], added, err)) return false;
    return true;
}

/* Requests that `poslab eval` added outlive the deletion of the points they belong to, if these come back:
   all but those of variants that the config now names itself, with other options. */
static bool save_added(Database *store, const char *name, Error *err) {
    return database_execute(store, err,
                            "CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT * FROM request WHERE false;"
                            "DELETE FROM kept") &&
           DATABASE_RUN(store, err,
                        "INSERT INTO kept SELECT * FROM request WHERE added AND"
                        " experiment = (SELECT id FROM experiment WHERE name = ?)",
                        database_text(name));
}

static bool restore_added(Database *store, const char *name, Error *err) {
    return DATABASE_RUN(
        store, err,
        "INSERT INTO request SELECT * FROM kept WHERE run IN (SELECT run FROM point WHERE"
        " experiment = (SELECT id FROM experiment WHERE name = ?)) AND NOT EXISTS (SELECT 1"
        " FROM request q WHERE (q.experiment, q.run, q.variant) = (kept.experiment, kept.run,"
        " kept.variant) AND q.variant_options <> kept.variant_options) ON CONFLICT DO NOTHING",
        database_text(name));
}

bool runs_store_plan(Database *store, const Plan *plan, Error *err) {
    const Experiment *experiment = plan->experiment;
    const char **settings = run_label_settings(plan, database_arena(store));
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = DATABASE_RUN(store, err,
                           "INSERT INTO experiment (name, config, created)"
                           " VALUES (?, ?, " NOW ")"
                           " ON CONFLICT (name) DO UPDATE SET config = excluded.config",
                           database_text(experiment->name), database_text(experiment->source)) &&
              save_added(store, experiment->name, err) &&
              DATABASE_RUN(store, err,
                           "DELETE FROM point WHERE experiment = (SELECT id FROM experiment WHERE name = ?)",
                           database_text(experiment->name));
    for (int i = 0; ok && i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        ArenaMark mark = arena_mark(database_arena(store));
        ok = write_run(store, point, err) &&
             DATABASE_RUN(store, err,
                          "INSERT INTO point (experiment, ordinal, run, variant)"
                          " SELECT id, ?, ?, ? FROM experiment WHERE name = ?",
                          database_int(i), database_text(point->key), database_text(settings[i]),
                          database_text(experiment->name)) &&
             write_requests(store, point, false, err);
        arena_release(database_arena(store), mark);
    }
    ok = ok && restore_added(store, experiment->name, err);
    return database_finish(store, err, ok);
}

bool runs_add_requests(Database *store, const Plan *plan, Error *err) {
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = true;
    for (int i = 0; ok && i < plan->count; i++) ok = write_requests(store, &plan->points[i], true, err);
    return database_finish(store, err, ok);
}

bool runs_set_status(Database *store, const char *key, RunStatus status, const char *reason, Error *err) {
    if (!DATABASE_RUN(store, err,
                      "UPDATE run SET status = ?1, reason = ?2,"
                      " started = iif(?1 = 'running', " NOW ", started),"
                      " finished = iif(?1 IN ('pending', 'running'), NULL, " NOW ")"
                      " WHERE key = ?3",
                      database_text(runs_status_names[status]), database_text(reason), database_text(key)))
        return false;
    return database_changes(store) ||
           error_set(err, EXIT_DAMAGED, "database '%s' has lost the run %s; repeat `poslab run`",
                     database_path(store), key);
}

bool runs_delete_training(Database *store, const char *key, Error *err) {
    static const char untrained[] =
        "UPDATE run SET revision = NULL, host = NULL, cpu = NULL, blas = NULL, threads = NULL, steps = NULL,"
        " diverged_step = NULL, train_tokens = NULL, train_seconds = NULL, final_loss = NULL,"
        " peak_bytes = NULL, machine = NULL, ranks = NULL, processor_seconds = NULL, load = NULL,"
        " settings = NULL WHERE key = ?";
    static const char *const statements[] = {
        "DELETE FROM evaluation_window WHERE evaluation IN (SELECT id FROM evaluation WHERE run = ?)",
        "DELETE FROM position_loss WHERE evaluation IN (SELECT id FROM evaluation WHERE run = ?)",
        "DELETE FROM evaluation WHERE run = ?", "DELETE FROM train_log WHERE run = ?", untrained};
    bool ok = database_execute(store, err, "BEGIN IMMEDIATE");
    if (!ok) return false;
    for (int i = 0; ok && i < COUNT_OF(statements); i++)
        ok = DATABASE_RUN(store, err, statements[i], database_text(key));
    return database_finish(store, err, ok && runs_set_status(store, key, RUN_PENDING, NULL, err));
}

RunStatus runs_status(Database *store, const char *key) {
    int64_t place = RUN_PENDING;
    Error ignored; /* what cannot be read is not known to be done; writing will say why */
    database_step(store, &ignored, &place,
                  "SELECT CASE status WHEN 'running' THEN 1 WHEN 'done' THEN 2 WHEN 'diverged' THEN 3"
                  " WHEN 'failed' THEN 4 ELSE 0 END FROM run WHERE key = ?",
                  DATABASE_VALUES(database_text(key)));
    return (RunStatus)place;
}

bool runs_has_evaluation(Database *store, const char *key, const EvaluateRequest *request) {
    int64_t count = 0;
    Error ignored;
    database_step(store, &ignored, &count,
                  "SELECT count(*) FROM evaluation WHERE (" EVALUATION_KEY_COLUMNS
                  ") = (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  DATABASE_VALUES(REQUEST_VALUES(key, request)));
    return count > 0;
}

/* --- results --- */

const char *runs_host_name(Arena *arena) {
    struct utsname system;
    return uname(&system) == 0 ? arena_copy(arena, system.nodename) : "unknown";
}

static bool write_training(Database *store, const RunRecord *record, Error *err) {
    const TrainResult *result = record->training;
    const char *key = record->point->key;
    bool ok = DATABASE_RUN(
        store, err,
        "UPDATE run SET revision = ?, host = ?, cpu = ?, blas = ?, threads = ?, steps = ?,"
        " diverged_step = ?, train_tokens = ?, train_seconds = ?, final_loss = ?, peak_bytes = ?,"
        " machine = ?, ranks = ?, processor_seconds = ?, load = ?, settings = ?"
        " WHERE key = ?",
        database_text(result->revision), database_text(runs_host_name(database_arena(store))),
        database_text(hardware_cpu(database_arena(store))), database_text(blas_name()),
        database_int(record->threads), database_int(result->steps),
        result->diverged ? database_int(result->diverged_step) : database_text(NULL),
        database_int(result->tokens), database_real(result->seconds), database_real(result->final_loss),
        database_int((int64_t)result->peak_bytes), database_text(hardware_text(database_arena(store))),
        database_int(mpi_ranks()), database_real(result->session.processor_seconds),
        database_real(result->session.load_seconds / result->seconds),
        database_text(result->session.environments), database_text(key));
    for (int64_t i = 0; ok && i < result->steps; i++) {
        const TrainLog *log = &result->log[i];
        ok = DATABASE_RUN(store, err,
                          "INSERT INTO train_log (run, step, loss, rate, norm) VALUES (?, ?, ?, ?, ?)",
                          database_text(key), database_int(log->step), database_real(log->loss),
                          database_real(log->rate), database_real(log->norm));
    }
    return ok;
}

static bool write_evaluation(Database *store, const RunRecord *record, int64_t id,
                             const EvaluateResult *evaluation, Error *err) {
    const EvaluateRequest *request = &evaluation->request;
    const char *key = record->point->key;
    bool computed = !evaluation->beyond_limit;
    Arena *arena = database_arena(store);
    bool ok = DATABASE_RUN(
        store, err,
        "INSERT INTO evaluation (id, " EVALUATION_KEY_COLUMNS ", status, nll_sum, tokens, windows, seconds,"
        " peak_bytes, revision, host, cpu, blas, threads, finished)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, " NOW ")",
        database_int(id), REQUEST_VALUES(key, request), database_text(computed ? "done" : "beyond_limit"),
        database_real(computed ? evaluation->nll : NAN), database_int(computed ? evaluation->tokens : 0),
        database_int(computed ? evaluation->windows : 0), database_real(evaluation->seconds),
        database_int((int64_t)evaluation->peak_bytes), database_text(version_revision()),
        database_text(runs_host_name(arena)), database_text(hardware_cpu(arena)), database_text(blas_name()),
        database_int(record->threads));
    for (int64_t i = 0; ok && computed && i < evaluation->windows; i++)
        ok = DATABASE_RUN(
            store, err,
            "INSERT INTO evaluation_window (evaluation, window, nll_sum, tokens) VALUES (?, ?, ?, ?)",
            database_int(id), database_int(i), database_real(evaluation->window[i].nll),
            database_int(evaluation->window[i].tokens));
    for (int i = 0; ok && computed && i < evaluation->bins; i++)
        ok = DATABASE_RUN(store, err,
                          "INSERT INTO position_loss (evaluation, bin, first, last, nll_sum, tokens)"
                          " VALUES (?, ?, ?, ?, ?, ?)",
                          database_int(id), database_int(i), database_int(evaluation->bin[i].first),
                          database_int(evaluation->bin[i].last), database_real(evaluation->bin[i].nll),
                          database_int(evaluation->bin[i].tokens));
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
    unlink(temporary); /* of an earlier attempt; SQLite drops its journal when it finds no database with it */
    Database *store = database_open(temporary, DATABASE_CREATE, err);
    bool ok = store && write_record(store, record, err);
    database_close(store);
    ok = ok && atomic_file_publish(temporary, path, err);
    if (!ok) unlink(temporary);
    arena_free(arena);
    return ok;
}

/* --- import --- */

#define RUN_PLANNED                                                                                          \
    "key, method, method_options, label, train_length, seed, parameters, position_parameters, config, "      \
    "status, reason"

/* From `theirs` to `main`, in this order; ? is the number of the last evaluation that was there before. */
static const char *const import_sql[] = {
    "INSERT INTO corpus (hash, tokenizer, vocabulary, train_tokens, valid_tokens, test_tokens, documents,"
    " bytes_per_token) SELECT hash, tokenizer, vocabulary, train_tokens, valid_tokens, test_tokens, "
    "documents,"
    " bytes_per_token FROM theirs.corpus WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO run (" RUN_PLANNED ", finished, corpus_id) SELECT " RUN_PLANNED ", finished,"
    " (SELECT c.id FROM main.corpus c JOIN theirs.corpus t USING (hash, tokenizer, vocabulary)"
    "  WHERE t.id = r.corpus_id)"
    " FROM theirs.run r WHERE status IN ('done', 'diverged', 'failed')"
    " ON CONFLICT (key) DO UPDATE SET (status, reason, finished) ="
    " (excluded.status, excluded.reason, excluded.finished)",

    "UPDATE run SET (" RUN_TRAINING_COLUMNS ") = (SELECT " RUN_TRAINING_COLUMNS
    " FROM theirs.run t WHERE t.key = run.key)"
    " WHERE key IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",

    "DELETE FROM train_log WHERE run IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",
    "INSERT INTO train_log (run, step, loss, rate, norm)"
    " SELECT run, step, loss, rate, norm FROM theirs.train_log"
    " WHERE run IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",

    "INSERT INTO evaluation (" EVALUATION_KEY_COLUMNS ", " EVALUATION_VALUE_COLUMNS
    ") SELECT " EVALUATION_KEY_COLUMNS ", " EVALUATION_VALUE_COLUMNS
    " FROM theirs.evaluation WHERE run IN (SELECT key FROM main.run) ON CONFLICT DO NOTHING",

    "INSERT INTO evaluation_window (evaluation, window, nll_sum, tokens)"
    " SELECT e.id, w.window, w.nll_sum, w.tokens FROM theirs.evaluation_window w"
    " JOIN theirs.evaluation t ON t.id = w.evaluation JOIN main.evaluation e USING (" EVALUATION_KEY_COLUMNS
    ")"
    " WHERE e.id > ?",

    "INSERT INTO position_loss (evaluation, bin, first, last, nll_sum, tokens)"
    " SELECT e.id, b.bin, b.first, b.last, b.nll_sum, b.tokens FROM theirs.position_loss b"
    " JOIN theirs.evaluation t ON t.id = b.evaluation JOIN main.evaluation e USING (" EVALUATION_KEY_COLUMNS
    ")"
    " WHERE e.id > ?",
};

static bool import_result(Database *store, void *user, Error *err) {
    (void)user;
    int64_t last = 0;
    bool ok = DATABASE_GET(store, err, &last, "SELECT coalesce(max(id), 0) FROM evaluation");
    const DatabaseValue value = database_int(last);
    for (int i = 0; ok && i < COUNT_OF(import_sql); i++)
        ok = database_step(store, err, NULL, import_sql[i], &value, strchr(import_sql[i], '?') != NULL);
    return ok;
}

bool runs_import_result(Database *store, const char *path, Error *err) {
    return database_import(store, path, "result", import_result, NULL, err);
}

const char **runs_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err) {
    const char **names = NULL;
    const char *parameters[] = {wanted, NULL};
    Query *query = query_begin(store,
                               wanted ? "SELECT name FROM experiment WHERE name = ?"
                                      : "SELECT name FROM experiment ORDER BY id",
                               parameters);
    *count = 0;
    while (query_next(query)) *ARENA_PUSH(arena, names, *count) = arena_copy(arena, query_text(query, 0));
    if (!query_end(query, err)) return NULL;
    if (*count) return names;
    if (wanted)
        error_set(err, EXIT_USAGE, "database '%s' has no experiment '%s'", database_path(store), wanted);
    else
        error_set(err, EXIT_USAGE, "database '%s' has no experiment; `poslab run CONFIG` adds one",
                  database_path(store));
    return NULL;
}
