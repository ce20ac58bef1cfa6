/* plan: the points of an experiment, with their keys, requests and costs.
 *
 * Each corpus that the points name is read once; parameters, FLOPs and bytes are computed without training.
 * A run's key is the first 16 hexadecimal digits of the SHA-256 of "poslab FORMAT\n", the corpus hash, "\n"
 * and the config's `trained` JSON. Points with equal keys are merged: they are one run with the requests of
 * all of them.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_H
#define POSLAB_EXPERIMENT_PLAN_H

#include "experiment/config.h"

enum { PLAN_KEY_SIZE = 17 };

typedef struct PlanPoint {
    const Config *config;
    const Corpus *corpus; /* shared between points with the same data section */
    int threads;          /* of the worker that does it */
    char key[PLAN_KEY_SIZE];
    int64_t parameters, position_parameters;
    int64_t steps;
    double train_flops, evaluate_flops; /* totals */
    size_t train_bytes, evaluate_bytes; /* peaks */
    EvaluateRequest *requests;
    int request_count;
    const EvaluationConfig **sections; /* the sections `evaluate` that the requests come from: its own, and
                                         those of points with an equal key */
    int section_count;
} PlanPoint;

typedef struct Plan {
    const Experiment *experiment;
    PlanPoint
        *points; /* points with equal keys are merged: the first one stays, its requests are the union */
    int count;
    const char **notices; /* of plan_make_outline: what keeps the experiment from being run; each once */
    int notice_count;
    const int
        *ranks; /* [rank_count] numbers of ranks that plan_print estimates, too (experiment/mpi_estimate.h) */
    int rank_count;
    double gigabits; /* per second, between ranks */
} Plan;

/* Errors besides those of the corpus: a split shorter than one window of a training length; memory beyond
   what the machine has (usage error naming the point and the remedy). threads: of each worker. */
Plan *plan_make(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* The same for runs on other machines: memory beyond what this one has is a notice. */
Plan *plan_make_remote(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* For looking only: a corpus that is not here (its hash is then "absent", its splits are empty and
   evaluations of a whole split count for nothing), tokens or a model that cannot be run yet, and a machine
   too small for one run or for `jobs` at a time are notices, in the words of the error that running would
   give. */
Plan *plan_make_outline(const Experiment *experiment, int threads, int jobs, Arena *arena, Error *err);

/* The key of a run of this config on the corpus with this hash. */
void plan_key(char key[PLAN_KEY_SIZE], const Config *config, const char *corpus, Arena *arena);

/* Bytes of a worker at its peak: arenas, tokens, what is kept of every step and window, program, threads and
   BLAS. */
double plan_resident(const PlanPoint *point);

/* That of every point, in the order of the plan. */
const double *plan_sizes(const Plan *plan, Arena *arena);

/* One line that names a point: "METHOD(option=value) L=128 seed=1", with the options that are not the
 * default. */
const char *plan_label(const PlanPoint *point, Arena *arena);

#endif
