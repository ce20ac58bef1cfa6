/* runs: see runs.h. */
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

const char *const run_status_names[] = {"pending", "running", "done", "diverged", "failed", NULL};

#define NOW "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"

/* For the places of EVALUATION_IS. */
#define REQUEST_VALUES(key, request)                                                                         \
    value_text(key), value_text(split_names[(request)->split]),                                              \
        value_text(protocol_names[(request)->protocol]), value_whole((request)->length),                     \
        value_whole((request)->stride), value_whole((request)->tokens),                                      \
        value_text(precision_names[(request)->precision]),                                                   \
        value_text((request)->variant ? (request)->variant->name : ""),                                      \
        value_text((request)->variant ? (request)->variant->options : "{}")

/* --- the plan --- */

static const char *tokenizer_name(const DataOptions *options) {
    for (int i = 0; i < data_field_count; i++)
        if (!strcmp(data_fields[i].key, "tokenizer")) return data_fields[i].choices[options->tokenizer];
    BUG("there is no option 'tokenizer'");
}

/* The run as planned, and its corpus; what is known about it already stays as it is. */
static bool write_run(Store *store, const PlanPoint *point, Err *err) {
    const Config *config = point->config;
    const Corpus *corpus = point->corpus;
    const Stream *splits = corpus->splits;
    const char *tokenizer = tokenizer_name(&config->data);
    int64_t documents = 0;
    for (int i = 0; i < SPLIT_COUNT; i++) documents += splits[i].documents;
    return STORE_RUN(store, err,
                     "INSERT INTO corpus (hash, tokenizer, vocabulary, train_tokens, valid_tokens, "
                     "test_tokens, documents,"
                     " bytes_per_token) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                     value_text(corpus->hash), value_text(tokenizer), value_whole(corpus->vocabulary),
                     value_whole(splits[SPLIT_TRAIN].count), value_whole(splits[SPLIT_VALID].count),
                     value_whole(splits[SPLIT_TEST].count), value_whole(documents),
                     value_real(corpus->bytes_per_token > 0 ? corpus->bytes_per_token : NAN)) &&
           STORE_RUN(store, err,
                     "INSERT INTO run (key, method, method_options, label, train_length, seed, parameters,"
                     " position_parameters, config, status, corpus_id) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                     "'pending', id"
                     " FROM corpus WHERE (hash, tokenizer, vocabulary) = (?, ?, ?)"
                     " ON CONFLICT (key) DO UPDATE SET label = excluded.label",
                     value_text(point->key), value_text(config->position.method->name),
                     value_text(config_method_options(&config->position, store_arena(store))),
                     value_text(label_method(&config->position, store_arena(store))),
                     value_whole(config->train.length), value_whole(config->train.seed),
                     value_whole(point->parameters), value_whole(point->position_parameters),
                     value_text(config->resolved), value_text(corpus->hash), value_text(tokenizer),
                     value_whole(corpus->vocabulary));
}

static bool write_request(Store *store, const PlanPoint *point, const EvaluateRequest *request,
                          const char *rule, bool added, Err *err) {
    return STORE_RUN(
        store, err,
        "INSERT INTO request (experiment, stride_rule, added, " EVALUATION_IS ")"
        " SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM experiment WHERE name = ? ON CONFLICT DO NOTHING",
        value_text(rule), value_whole(added), REQUEST_VALUES(point->key, request),
        value_text(point->config->name));
}

/* One row for each protocol of the point's sections that the request belongs to; where it is none's (a stride
   of the whole length or more), its stride stands for the rule. */
static bool write_rules(Store *store, const PlanPoint *point, const EvaluateRequest *request, bool added,
                        Err *err) {
    bool found = false;
    for (int s = 0; s < point->section_count; s++)
        for (int k = 0; k < point->sections[s]->protocol_count; k++) {
            const ProtocolOptions *protocol = &point->sections[s]->protocols[k];
            const char *rule = label_stride_rule(request, protocol, store_arena(store));
            if (rule && !write_request(store, point, request, rule, added, err)) return false;
            found |= rule != NULL;
        }
    const char *rule = arena_format(store_arena(store), "%lld", (long long)request->stride);
    return found || write_request(store, point, request, rule, added, err);
}

static bool write_requests(Store *store, const PlanPoint *point, bool added, Err *err) {
    for (int i = 0; i < point->request_count; i++)
        if (!write_rules(store, point, &point->requests[i], added, err)) return false;
    return true;
}

/* Requests that `poslab eval` added outlive the deletion of the points they belong to, if these come back:
   all but those of variants that the config now names itself, with other options. */
static bool save_added(Store *store, const char *name, Err *err) {
    return store_execute(store, err,
                         "CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT * FROM request WHERE false;"
                         "DELETE FROM kept") &&
           STORE_RUN(store, err,
                     "INSERT INTO kept SELECT * FROM request WHERE added AND"
                     " experiment = (SELECT id FROM experiment WHERE name = ?)",
                     value_text(name));
}

static bool restore_added(Store *store, const char *name, Err *err) {
    return STORE_RUN(store, err,
                     "INSERT INTO request SELECT * FROM kept WHERE run IN (SELECT run FROM point WHERE"
                     " experiment = (SELECT id FROM experiment WHERE name = ?)) AND NOT EXISTS (SELECT 1"
                     " FROM request q WHERE (q.experiment, q.run, q.variant) = (kept.experiment, kept.run,"
                     " kept.variant) AND q.variant_options <> kept.variant_options) ON CONFLICT DO NOTHING",
                     value_text(name));
}

bool store_plan(Store *store, const Plan *plan, Err *err) {
    const Experiment *experiment = plan->experiment;
    const char **variants = label_variants(plan, store_arena(store));
    if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = STORE_RUN(store, err,
                        "INSERT INTO experiment (name, config, created)"
                        " VALUES (?, ?, " NOW ")"
                        " ON CONFLICT (name) DO UPDATE SET config = excluded.config",
                        value_text(experiment->name), value_text(experiment->source)) &&
              save_added(store, experiment->name, err) &&
              STORE_RUN(store, err,
                        "DELETE FROM point WHERE experiment = (SELECT id FROM experiment WHERE name = ?)",
                        value_text(experiment->name));
    for (int i = 0; ok && i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        ArenaMark mark = arena_mark(store_arena(store));
        ok = write_run(store, point, err) &&
             STORE_RUN(store, err,
                       "INSERT INTO point (experiment, ordinal, run, variant)"
                       " SELECT id, ?, ?, ? FROM experiment WHERE name = ?",
                       value_whole(i), value_text(point->key), value_text(variants[i]),
                       value_text(experiment->name)) &&
             write_requests(store, point, false, err);
        arena_release(store_arena(store), mark);
    }
    ok = ok && restore_added(store, experiment->name, err);
    return store_finish(store, err, ok);
}

bool store_add_requests(Store *store, const Plan *plan, Err *err) {
    if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = true;
    for (int i = 0; ok && i < plan->count; i++) ok = write_requests(store, &plan->points[i], true, err);
    return store_finish(store, err, ok);
}

bool store_set_status(Store *store, const char *key, RunStatus status, const char *reason, Err *err) {
    if (!STORE_RUN(store, err,
                   "UPDATE run SET status = ?1, reason = ?2,"
                   " started = iif(?1 = 'running', " NOW ", started),"
                   " finished = iif(?1 IN ('pending', 'running'), NULL, " NOW ")"
                   " WHERE key = ?3",
                   value_text(run_status_names[status]), value_text(reason), value_text(key)))
        return false;
    return store_changes(store) ||
           err_set(err, EXIT_DAMAGED, "database '%s' has lost the run %s; repeat `poslab run`",
                   store_path(store), key);
}

bool store_forget(Store *store, const char *key, Err *err) {
    static const char untrained[] =
        "UPDATE run SET revision = NULL, host = NULL, cpu = NULL, blas = NULL, threads = NULL, steps = NULL,"
        " diverged_step = NULL, train_tokens = NULL, train_seconds = NULL, final_loss = NULL,"
        " peak_bytes = NULL, machine = NULL, ranks = NULL, processor_seconds = NULL, load = NULL,"
        " settings = NULL WHERE key = ?";
    static const char *const statements[] = {
        "DELETE FROM evaluation_window WHERE evaluation IN (SELECT id FROM evaluation WHERE run = ?)",
        "DELETE FROM position_loss WHERE evaluation IN (SELECT id FROM evaluation WHERE run = ?)",
        "DELETE FROM evaluation WHERE run = ?", "DELETE FROM train_log WHERE run = ?", untrained};
    bool ok = store_execute(store, err, "BEGIN IMMEDIATE");
    if (!ok) return false;
    for (int i = 0; ok && i < COUNT_OF(statements); i++)
        ok = STORE_RUN(store, err, statements[i], value_text(key));
    return store_finish(store, err, ok && store_set_status(store, key, RUN_PENDING, NULL, err));
}

RunStatus store_status(Store *store, const char *key) {
    int64_t place = RUN_PENDING;
    Err ignored; /* what cannot be read is not known to be done; writing will say why */
    store_step(store, &ignored, &place,
               "SELECT CASE status WHEN 'running' THEN 1 WHEN 'done' THEN 2 WHEN 'diverged' THEN 3"
               " WHEN 'failed' THEN 4 ELSE 0 END FROM run WHERE key = ?",
               STORE_VALUES(value_text(key)));
    return (RunStatus)place;
}

bool store_has_evaluation(Store *store, const char *key, const EvaluateRequest *request) {
    int64_t count = 0;
    Err ignored;
    store_step(store, &ignored, &count,
               "SELECT count(*) FROM evaluation WHERE (" EVALUATION_IS ") = (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               STORE_VALUES(REQUEST_VALUES(key, request)));
    return count > 0;
}

/* --- results --- */

const char *record_host(Arena *arena) {
    struct utsname system;
    return uname(&system) == 0 ? arena_copy(arena, system.nodename) : "unknown";
}

static bool write_training(Store *store, const RunRecord *record, Err *err) {
    const TrainResult *result = record->training;
    const char *key = record->point->key;
    bool ok =
        STORE_RUN(store, err,
                  "UPDATE run SET revision = ?, host = ?, cpu = ?, blas = ?, threads = ?, steps = ?,"
                  " diverged_step = ?, train_tokens = ?, train_seconds = ?, final_loss = ?, peak_bytes = ?,"
                  " machine = ?, ranks = ?, processor_seconds = ?, load = ?, settings = ?"
                  " WHERE key = ?",
                  value_text(result->revision), value_text(record_host(store_arena(store))),
                  value_text(machine_cpu(store_arena(store))), value_text(ops_blas_name()),
                  value_whole(record->threads), value_whole(result->steps),
                  result->diverged ? value_whole(result->diverged_step) : value_text(NULL),
                  value_whole(result->tokens), value_real(result->seconds), value_real(result->final_loss),
                  value_whole((int64_t)result->peak_bytes), value_text(machine_text(store_arena(store))),
                  value_whole(ranks_count()), value_real(result->session.processor_seconds),
                  value_real(result->session.load_seconds / result->seconds),
                  value_text(result->session.settings), value_text(key));
    for (int64_t i = 0; ok && i < result->steps; i++) {
        const TrainLog *log = &result->log[i];
        ok = STORE_RUN(store, err,
                       "INSERT INTO train_log (run, step, loss, rate, norm) VALUES (?, ?, ?, ?, ?)",
                       value_text(key), value_whole(log->step), value_real(log->loss), value_real(log->rate),
                       value_real(log->norm));
    }
    return ok;
}

static bool write_evaluation(Store *store, const RunRecord *record, int64_t id, const Evaluation *evaluation,
                             Err *err) {
    const EvaluateRequest *request = &evaluation->request;
    const char *key = record->point->key;
    bool computed = !evaluation->beyond_limit;
    Arena *arena = store_arena(store);
    bool ok = STORE_RUN(
        store, err,
        "INSERT INTO evaluation (id, " EVALUATION_IS ", status, nll_sum, tokens, windows, seconds,"
        " peak_bytes, revision, host, cpu, blas, threads, finished)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, " NOW ")",
        value_whole(id), REQUEST_VALUES(key, request), value_text(computed ? "done" : "beyond_limit"),
        value_real(computed ? evaluation->nll : NAN), value_whole(computed ? evaluation->tokens : 0),
        value_whole(computed ? evaluation->windows : 0), value_real(evaluation->seconds),
        value_whole((int64_t)evaluation->peak_bytes), value_text(revision()), value_text(record_host(arena)),
        value_text(machine_cpu(arena)), value_text(ops_blas_name()), value_whole(record->threads));
    for (int64_t i = 0; ok && computed && i < evaluation->windows; i++)
        ok = STORE_RUN(
            store, err,
            "INSERT INTO evaluation_window (evaluation, window, nll_sum, tokens) VALUES (?, ?, ?, ?)",
            value_whole(id), value_whole(i), value_real(evaluation->window[i].nll),
            value_whole(evaluation->window[i].tokens));
    for (int i = 0; ok && computed && i < evaluation->bins; i++)
        ok = STORE_RUN(store, err,
                       "INSERT INTO position_loss (evaluation, bin, first, last, nll_sum, tokens)"
                       " VALUES (?, ?, ?, ?, ?, ?)",
                       value_whole(id), value_whole(i), value_whole(evaluation->bin[i].first),
                       value_whole(evaluation->bin[i].last), value_real(evaluation->bin[i].nll),
                       value_whole(evaluation->bin[i].tokens));
    return ok;
}

static bool write_record(Store *store, const RunRecord *record, Err *err) {
    const char *key = record->point->key;
    if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = write_run(store, record->point, err) &&
              store_set_status(store, key, record->status, record->reason, err) &&
              (!record->training || write_training(store, record, err));
    for (int i = 0; ok && i < record->evaluation_count; i++)
        ok = write_evaluation(store, record, i + 1, &record->evaluations[i], err);
    return store_finish(store, err, ok);
}

bool store_write_result(const char *path, const RunRecord *record, Err *err) {
    Arena *arena = arena_new(0);
    const char *temporary = arena_format(arena, "%s.tmp", path);
    unlink(temporary); /* of an earlier attempt; SQLite drops its journal when it finds no database with it */
    Store *store = store_open(temporary, STORE_CREATE, err);
    bool ok = store && write_record(store, record, err);
    store_close(store);
    ok = ok && file_publish(temporary, path, err);
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

    "UPDATE run SET (" RUN_TRAINED ") = (SELECT " RUN_TRAINED " FROM theirs.run t WHERE t.key = run.key)"
    " WHERE key IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",

    "DELETE FROM train_log WHERE run IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",
    "INSERT INTO train_log (run, step, loss, rate, norm)"
    " SELECT run, step, loss, rate, norm FROM theirs.train_log"
    " WHERE run IN (SELECT key FROM theirs.run WHERE steps IS NOT NULL)",

    "INSERT INTO evaluation (" EVALUATION_IS ", " EVALUATION_HAS ") SELECT " EVALUATION_IS ", " EVALUATION_HAS
    " FROM theirs.evaluation WHERE run IN (SELECT key FROM main.run) ON CONFLICT DO NOTHING",

    "INSERT INTO evaluation_window (evaluation, window, nll_sum, tokens)"
    " SELECT e.id, w.window, w.nll_sum, w.tokens FROM theirs.evaluation_window w"
    " JOIN theirs.evaluation t ON t.id = w.evaluation JOIN main.evaluation e USING (" EVALUATION_IS ")"
    " WHERE e.id > ?",

    "INSERT INTO position_loss (evaluation, bin, first, last, nll_sum, tokens)"
    " SELECT e.id, b.bin, b.first, b.last, b.nll_sum, b.tokens FROM theirs.position_loss b"
    " JOIN theirs.evaluation t ON t.id = b.evaluation JOIN main.evaluation e USING (" EVALUATION_IS ")"
    " WHERE e.id > ?",
};

bool store_import(Store *store, const char *path, Err *err) {
    Store *theirs = store_open(path, STORE_READ, err); /* checks it and repairs what was left half done */
    if (!theirs) return false;
    store_close(theirs);
    const char *file = arena_format(store_arena(store), "%s%s", *path == '/' ? "" : "./", path);
    if (!STORE_RUN(store, err, "ATTACH ? AS theirs", value_text(file))) return false;
    int64_t last = 0;
    bool ok = store_execute(store, err, "BEGIN IMMEDIATE");
    if (ok) {
        ok = STORE_GET(store, err, &last, "SELECT coalesce(max(id), 0) FROM evaluation");
        const Value value = value_whole(last);
        for (int i = 0; ok && i < COUNT_OF(import_sql); i++)
            ok = store_step(store, err, NULL, import_sql[i], &value, strchr(import_sql[i], '?') != NULL);
        ok = store_finish(store, err, ok);
    }
    if (!ok &&
        err->code == EXIT_DAMAGED) { /* both files are sound, so it is rows of theirs that do not fit */
        Err cause = *err;
        err_set(err, EXIT_DAMAGED, "result '%s' does not fit in; %.500s", path, cause.text);
    }
    Err ignored;
    return store_execute(store, ok ? err : &ignored, "DETACH theirs") && ok;
}
