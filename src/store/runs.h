/* runs: writes experiments, runs and their results to the database, and finds runs.
 *
 * A worker writes its results to a result file, a database with one run, which store/merge.h imports.
 */
#ifndef POSLAB_RUNS_H
#define POSLAB_RUNS_H

#include "experiment/plan.h"
#include "store/database.h"

/* SQL: the description of experiment `?`, its tags separated by ", ", and its tags as JSON. No row if the
   config is not valid JSON. */
#define RUNS_NOTES                                                                                           \
    "SELECT coalesce(json_extract(config, '$.description'), ''),"                                            \
    " coalesce((SELECT group_concat(value, ', ') FROM json_each(config, '$.tags')), ''),"                    \
    " coalesce(json_extract(config, '$.tags'), '[]') FROM experiment WHERE name = ? AND json_valid(config)"

/* SQL: the key of the run that run r continues, or NULL. */
#define RUNS_FROM "iif(json_valid(r.config), json_extract(r.config, '$.train.from'), NULL)"

/* SQL: the keys of the points of all experiments, and of the runs that they continue. */
#define RUNS_POINTS                                                                                          \
    "WITH RECURSIVE kept (key) AS (SELECT run FROM point UNION SELECT " RUNS_FROM                            \
    " FROM run r JOIN kept USING (key) WHERE " RUNS_FROM " IS NOT NULL) SELECT key FROM kept"

typedef enum RunStatus { RUN_PENDING, RUN_RUNNING, RUN_DONE, RUN_DIVERGED, RUN_FAILED } RunStatus;
extern const char *const runs_status_names[]; /* "pending", ..., NULL */

/* The number of finished runs that are points of the stored experiment but not of the plan. */
int runs_dropped(Database *store, const Plan *plan);

/* Stores the experiment: its config, its points in order, and their requests. New runs are inserted as
   pending, with config, method, sizes and corpus. Runs that are no longer points remain in the database. */
bool runs_store_plan(Database *store, const Plan *plan, Error *err);

/* Adds the requests of a plan to its stored experiment, which must contain the points of the plan. These
   requests remain when the experiment is planned again. */
bool runs_add_requests(Database *store, const Plan *plan, Error *err);

/* The outcome of one run, written by a worker. */
typedef struct RunRecord {
    const PlanPoint *point;
    RunStatus status;            /* done, diverged or failed */
    const char *reason;          /* why it diverged or failed; otherwise NULL */
    const TrainResult *training; /* NULL if the worker only evaluated the run */
    const EvaluateResult *evaluations;
    int evaluation_count;
    int threads; /* of the worker */
} RunRecord;

/* Writes a result file, which appears complete or not at all. Adds revision, host, CPU, BLAS and time. */
bool runs_write_result(const char *path, const RunRecord *record, Error *err);

/* Sets the status of a run and its times. `reason` is NULL unless the run diverged or failed. Fails with
   EXIT_DAMAGED if the database has no such run. */
bool runs_set_status(Database *store, const char *key, RunStatus status, const char *reason, Error *err);

/* Deletes the training of a run, its log and its evaluations; the run becomes pending. */
bool runs_delete_training(Database *store, const char *key, Error *err);

/* Deletes a run and its results, unless the run is a point of an experiment or is continued by a point. */
bool runs_delete_unused(Database *store, const char *key, bool *deleted, Error *err);

/* The stored state of a run. An unknown run, or any run if `store` is NULL, is pending. */
typedef struct RunState {
    RunStatus status;
    bool trained;  /* the training is stored, even if a later evaluation failed */
    bool changed;  /* trained by a program whose shared sources differ from those of this program; if their
                      hash is not stored, by another revision */
    bool imported; /* trained by another program (run/import.h): without an update */
    bool stale;    /* trained before the file of its method or partner was edited (encoding_files_edited) */
} RunState;
RunState runs_state(Database *store, const char *key);

/* The perplexity of a run at its training length, or else at the length of its first evaluation, without a
   variant; NAN if there is none. *length is the length. */
double runs_perplexity(Database *store, const char *key, int64_t *length);

/* The share of examples that a run on a task answers, at the largest evaluated size of training, or else at
   the largest evaluated size, without a variant; NAN if there is none. *size is the size. */
double runs_exact(Database *store, const char *key, int64_t *size);

/* Whether a requested evaluation is stored. It is stale if the file of its method was edited afterwards. */
typedef enum RunsEvaluation {
    RUNS_EVALUATION_MISSING,
    RUNS_EVALUATION_CURRENT,
    RUNS_EVALUATION_STALE
} RunsEvaluation;
RunsEvaluation runs_evaluation(Database *store, const char *key, const EvaluateRequest *request);

/* Properties that select one run. NULL and -1 match all runs. */
typedef struct RunsChoice {
    const char *key;     /* the beginning of its key */
    const char *method;  /* method, label or name */
    const char *setting; /* its settings, "train.optimizer.lr=0.001" */
    int64_t seed, length;
} RunsChoice;

/* The key of the run that matches, owned by the arena. If not exactly one run matches, returns NULL with
   EXIT_USAGE and a list of the matching runs, or of all runs if none matches. */
const char *runs_choose(Database *store, const RunsChoice *choice, Arena *arena, Error *err);

#endif
