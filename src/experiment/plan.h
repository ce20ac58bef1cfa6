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
    int threads;          /* of the worker that performs the run */
    char key[PLAN_KEY_SIZE];
    int64_t parameters, position_parameters;
    int64_t steps;
    double train_flops, evaluate_flops; /* totals */
    size_t train_bytes, evaluate_bytes; /* peaks */
    EvaluateRequest *requests;
    int request_count;
    const EvaluationConfig **sections; /* the sections `evaluate` of the requests: the point's own, and those
                                          of points with an equal key */
    int section_count;
} PlanPoint;

typedef struct Plan {
    const Experiment *experiment;
    PlanPoint *
        points; /* points with equal keys are merged: the first one is kept, with the union of the requests */
    int count;
    const char **notices; /* of plan_make_outline: reasons why the experiment cannot be run, each once */
    int notice_count;
    int stale; /* points whose stored run is stale (run/run_task.h); set by those who read a database */
    const int *ranks; /* [rank_count] numbers of ranks for which plan_print adds estimates */
    int rank_count;
    double gigabits; /* per second, between ranks */
} Plan;

/* Makes a plan for workers with `threads` threads; owned by the arena. Returns NULL with err set for errors
   of the corpus, a split shorter than one window, or a point that needs more memory than the machine has
   (EXIT_USAGE, with the point and the remedy). */
Plan *plan_make(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* The same for runs on other machines: lack of memory on this one is only a notice. */
Plan *plan_make_remote(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* A plan that is only displayed. A missing corpus (its hash is "absent", its splits are empty, and
   evaluations of whole splits cost nothing), tokens or a model that cannot be run yet, and too little memory
   for one run or for `jobs` at a time are notices, with the text of the error that `run` would print. */
Plan *plan_make_outline(const Experiment *experiment, int threads, int jobs, Arena *arena, Error *err);

/* Computes the key of a run of this config; `corpus` is the corpus hash. */
void plan_key(char key[PLAN_KEY_SIZE], const Config *config, const char *corpus, Arena *arena);

/* Peak bytes of a worker: arenas, tokens, the log of steps and windows, program, threads and BLAS. */
double plan_resident(const PlanPoint *point);

/* plan_resident of every point, in the order of the plan. */
const double *plan_sizes(const Plan *plan, Arena *arena);

/* One line that names a point: "METHOD(option=value) L=128 seed=1", with the options that are not the
 * default. */
const char *plan_label(const PlanPoint *point, Arena *arena);

#endif
