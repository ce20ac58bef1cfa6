/* runs: writes experiments, runs and their results to the database, and finds runs.
 *
 * A result file is a database with one run; store/merge.h imports it.
 */
#ifndef POSLAB_RUNS_H
#define POSLAB_RUNS_H

#include "experiment/plan.h"
#include "store/database.h"

/* SQL for experiment `?`: its description, its tags separated by ", ", and its tags as JSON. No row if the
   config is not valid JSON. */
#define RUNS_NOTES                                                                                           \
    "SELECT coalesce(json_extract(config, '$.description'), ''),"                                            \
    " coalesce((SELECT group_concat(value, ', ') FROM json_each(config, '$.tags')), ''),"                    \
    " coalesce(json_extract(config, '$.tags'), '[]') FROM experiment WHERE name = ? AND json_valid(config)"

/* SQL for the key of the run that run r continues; NULL if there is none. */
#define RUNS_FROM "iif(json_valid(r.config), json_extract(r.config, '$.train.from'), NULL)"

/* SQL for the keys of the points of all experiments, and of the runs that they continue. */
#define RUNS_POINTS                                                                                          \
    "WITH RECURSIVE kept (key) AS (SELECT run FROM point UNION SELECT " RUNS_FROM                            \
    " FROM run r JOIN kept USING (key) WHERE " RUNS_FROM " IS NOT NULL) SELECT key FROM kept"

typedef enum RunStatus { RUN_PENDING, RUN_RUNNING, RUN_DONE, RUN_DIVERGED, RUN_FAILED } RunStatus;
extern const char *const runs_status_names[]; /* "pending", ..., NULL */

/* The number of finished runs of the stored experiment that the plan does not have. */
int runs_dropped(Database *store, const Plan *plan);

/* Stores the experiment: its source, and the keys of its points in order. Runs that are no longer points
   stay in the database. New runs are inserted as pending with config, method, sizes and corpus. */
bool runs_store_plan(Database *store, const Plan *plan, Error *err);

/* Adds the requests of a plan to its stored experiment, which must contain the points of the plan. They
   stay when the experiment is planned again. */
bool runs_add_requests(Database *store, const Plan *plan, Error *err);

/* The outcome of one run, written by a worker. */
typedef struct RunRecord {
    const PlanPoint *point;
    RunStatus status;            /* done, diverged or failed */
    const char *reason;          /* of diverged and failed runs; otherwise NULL */
    const TrainResult *training; /* NULL if this call only evaluated the run */
    const EvaluateResult *evaluations;
    int evaluation_count;
    int threads; /* of the worker */
} RunRecord;

/* Writes a new result file at `path` (under a temporary name, synced, renamed). Adds revision, host, CPU,
   BLAS and time. */
bool runs_write_result(const char *path, const RunRecord *record, Error *err);

bool runs_set_status(Database *store, const char *key, RunStatus status, const char *reason, Error *err);

/* Deletes the training of a run, its log and its evaluations; the run becomes pending. */
bool runs_delete_training(Database *store, const char *key, Error *err);

/* Deletes a run and its results, unless the run is a point of an experiment, or one continues it. */
bool runs_delete_unused(Database *store, const char *key, bool *deleted, Error *err);

/* The stored state of a run. An unknown run, or any run if store is NULL, is pending. */
typedef struct RunState {
    RunStatus status;
    bool trained; /* the training is stored, even if a later evaluation failed */
    bool changed; /* trained, by other shared sources than those of this program; if their hash is not stored,
                     by another revision */
    bool imported; /* trained by another program (run/import.h): without an update */
    bool stale; /* trained, and the file of its method or partner was edited since (encoding_files_edited) */
} RunState;
RunState runs_state(Database *store, const char *key);

/* The perplexity of the first evaluation without a variant at the training length, otherwise at any length;
   NAN if there is none. *length is its length. */
double runs_perplexity(Database *store, const char *key, int64_t *length);

/* Of a run on a task, the share of examples that are answered at the largest size of training that is
   evaluated, or else at the largest size, without a variant; NAN if there is none. */
double runs_exact(Database *store, const char *key, int64_t *size);

/* Whether a requested evaluation is stored, and the file of its method is unchanged (or unknown). */
typedef enum RunsEvaluation {
    RUNS_EVALUATION_MISSING,
    RUNS_EVALUATION_CURRENT,
    RUNS_EVALUATION_STALE
} RunsEvaluation;
RunsEvaluation runs_evaluation(Database *store, const char *key, const EvaluateRequest *request);

/* Selects one run: the beginning of its key, its method or label, seed, training length and settings
   ("train.optimizer.lr=0.001"); NULL and -1 match all. runs_choose returns its key, owned by the arena. If
   not exactly one run matches, it returns NULL with a usage error that lists the matching runs, or all runs
   if none matches. */
typedef struct RunsChoice {
    const char *key, *method, *setting;
    int64_t seed, length;
} RunsChoice;
const char *runs_choose(Database *store, const RunsChoice *choice, Arena *arena, Error *err);

#endif
