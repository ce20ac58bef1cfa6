/* runs: experiments, runs and their results in the database.
 *
 * A result file is a database with one run in it; store/merge.h imports it.
 */
#ifndef POSLAB_RUNS_H
#define POSLAB_RUNS_H

#include "experiment/plan.h"
#include "store/database.h"

/* What the config of an experiment (?) says about it: description, tags separated by ", ", and tags as JSON;
   no row where the config is damaged. */
#define RUNS_NOTES                                                                                           \
    "SELECT coalesce(json_extract(config, '$.description'), ''),"                                            \
    " coalesce((SELECT group_concat(value, ', ') FROM json_each(config, '$.tags')), ''),"                    \
    " coalesce(json_extract(config, '$.tags'), '[]') FROM experiment WHERE name = ? AND json_valid(config)"

typedef enum RunStatus { RUN_PENDING, RUN_RUNNING, RUN_DONE, RUN_DIVERGED, RUN_FAILED } RunStatus;
extern const char *const runs_status_names[]; /* "pending", ..., NULL */

/* The experiment as now configured: its source, and its points (keys) in order. Runs that are no longer among
   the points stay in the database. New runs are inserted as pending with config, method, sizes and corpus. */
bool runs_store_plan(Database *store, const Plan *plan, Error *err);

/* Adds the requests of a plan, whose points must be those of its stored experiment (or some of them), to what
   that experiment asks for. They stay there when it is planned again. */
bool runs_add_requests(Database *store, const Plan *plan, Error *err);

/* The outcome of one run, as a worker writes it. */
typedef struct RunRecord {
    const PlanPoint *point;
    RunStatus status;            /* done, diverged or failed */
    const char *reason;          /* of diverged and failed; else NULL */
    const TrainResult *training; /* NULL if it was not trained in this call (only evaluated) */
    const EvaluateResult *evaluations;
    int evaluation_count;
    int threads; /* of the worker */
} RunRecord;

/* Writes a new result file at `path` (temporary name, synced, renamed). Provenance (revision, host, CPU,
   BLAS, time) is filled in here. */
bool runs_write_result(const char *path, const RunRecord *record, Error *err);

bool runs_set_status(Database *store, const char *key, RunStatus status, const char *reason, Error *err);

/* Deletes the outcome of a run's training, its log and its evaluations; it is pending again. */
bool runs_delete_training(Database *store, const char *key, Error *err);

/* Deletes a run and its results, unless it is a point of an experiment. */
bool runs_delete_unused(Database *store, const char *key, bool *deleted, Error *err);

/* What is stored of a run. A run that is unknown, or without a store, is pending. */
typedef struct RunState {
    RunStatus status;
    bool trained; /* the training's outcome is stored, whatever became of later evaluations */
    bool changed; /* and shared sources other than this program's had part in it; where the database does not
                     have their hash: another revision */
    bool stale;   /* and a method's file was edited since (encoding_files_edited) */
} RunState;
RunState runs_state(Database *store, const char *key);

/* Perplexity of the first evaluation at the training length, or else at any other, without a variant; NAN if
   there is none. *length is its length. */
double runs_perplexity(Database *store, const char *key, int64_t *length);

/* Of a run on a task, the share of examples that are answered at the largest size of training that is
   evaluated, or else at the largest size, without a variant; NAN if there is none. */
double runs_exact(Database *store, const char *key, int64_t *size);

bool runs_has_evaluation(Database *store, const char *key, const EvaluateRequest *request);

/* One run by what is known of it: the beginning of its key, its method (or its label), seed, training length
   and settings ("train.optimizer.lr=0.001"); NULL and -1: any. Returns its key, owned by the arena; NULL and
   a usage error with a list of those that fit, or that there are, if it is not exactly one. */
typedef struct RunsChoice {
    const char *key, *method, *setting;
    int64_t seed, length;
} RunsChoice;
const char *runs_choose(Database *store, const RunsChoice *choice, Arena *arena, Error *err);

/* Names of the experiments: all, or `wanted` alone. Errors: none there, or none of that name. */
const char **runs_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err);

#endif
