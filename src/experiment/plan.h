/* plan: the points of an experiment with their keys, requests and costs.
 *
 * Each corpus is read once. Parameters, FLOPs and bytes are computed without training. Points with
 * equal keys are merged to one point with the requests of all of them.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_H
#define POSLAB_EXPERIMENT_PLAN_H

#include "experiment/point.h"

enum { PLAN_KEY_SIZE = POINT_KEY_SIZE };

typedef struct PlanStage {
    TrainStage train;
    double flops; /* of training */
} PlanStage;

typedef struct PlanPoint {
    const Config *config; /* with the vocabulary of the corpus */
    const Corpus *corpus; /* shared by points with the same section `data` */
    int threads;          /* threads of the worker */
    int parent;           /* index of the point that it continues; -1: none in the plan */
    char key[PLAN_KEY_SIZE];
    int64_t parameters, position_parameters;
    int64_t steps;
    PlanStage *stages; /* [stage_count] of training; one without `train.stages` and `train.growth` */
    int stage_count;
    double train_flops, evaluate_flops; /* sums over the run */
    size_t train_bytes, evaluate_bytes; /* peaks of the arenas */
    EvaluateRequest *requests;
    int request_count;
    const EvaluationConfig **
        sections; /* [section_count] the sections `evaluate` of this point and of the points merged with it */
    int section_count;
} PlanPoint;

typedef struct Plan {
    const Experiment *experiment; /* its points have the keys of the runs that they continue */
    PlanPoint *points;            /* the first of points with equal keys, with the union of their requests */
    int count;
    const char **notices; /* set by plan_make_outline: why the experiment cannot be run, without duplicates */
    int notice_count;
    int stale,
        stale_evaluations; /* of its stored runs (run/run_task.h); set by callers that read a database */
    const int *ranks;      /* [rank_count] numbers of ranks for which plan_print adds estimates */
    int rank_count;
    double gigabits; /* per second, between ranks */
} Plan;

/* Makes a plan for workers with `threads` threads; owned by the arena. Returns NULL with err set for errors
   of the corpus, a split shorter than one window, or a point that needs more memory than the machine has
   (EXIT_USAGE, with the point and the remedy). */
Plan *plan_make(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* The same for runs on other machines: if this machine has too little memory, that is only a notice. */
Plan *plan_make_remote(const Experiment *experiment, int threads, Arena *arena, Error *err);

/* Makes a plan that is only displayed. The following are notices with the text of the error of `run`: a
   missing corpus (its hash is "absent", its splits are empty, and evaluations of whole splits cost
   nothing), and too little memory for one run or for `jobs` runs at a
   time. */
Plan *plan_make_outline(const Experiment *experiment, int threads, int jobs, Arena *arena, Error *err);

/* The indices of the points in an order in which every point follows the one that it continues. */
const int *plan_order(const Plan *plan, Arena *arena);

/* Peak bytes of a worker: arenas, tokens, logs of steps and windows, program, threads and BLAS. */
double plan_resident(const PlanPoint *point);

/* plan_resident of every point, in order. */
const double *plan_sizes(const Plan *plan, Arena *arena);

/* point_label of its config. */
const char *plan_label(const PlanPoint *point, Arena *arena);

#endif
