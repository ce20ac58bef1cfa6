/* optimizer: AdamW and NAG, gradient clipping, and the learning-rate schedule.
 *
 * AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with bias correction; for step t = 1, 2, ...
 *     m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2
 *     w = w - lr (m / (1-beta1^t) / (sqrt(v / (1-beta2^t)) + eps) + decay w)
 * NAG as in fairseq (optim/nag.py), with lr' = lr / previous lr (1 at first):
 *     w = w (1 - lr decay) + momentum^2 lr' u - (1 + momentum) lr g;  u = momentum lr' u - lr g
 * Weight decay applies to tensors with ModelParam.decay (the matrices of linear layers). Frozen tensors, and
 * tensors of layers that a growing model does not have yet, do not change; their gradients do not count in
 * the norm.
 *
 * Clipping scales gradients by min(1, clip / (norm + clip_eps)), with the norm over all tensors; clip = 0
 * disables it.
 *
 * The learning rate of step t of n, with w = round(warmup n) warm-up steps. t counts from 1, or from 0 with
 * `first` 0, as in fairseq.
 *     t <= w:  lr (warmup_init + (1 - warmup_init) t / w)
 *     t > w:   lr (floor + (1 - floor) (1 + cos(pi (t - w) / (n - w))) / 2)
 */
#ifndef POSLAB_TRAIN_OPTIMIZER_H
#define POSLAB_TRAIN_OPTIMIZER_H

#include "model/model.h"

typedef enum OptimizerKind { OPTIMIZER_ADAMW, OPTIMIZER_NAG } OptimizerKind;

typedef struct OptimizerOptions {
    int name; /* OptimizerKind */
    double lr, beta1, beta2, eps, decay, momentum, clip, clip_eps;
} OptimizerOptions;

typedef struct OptimizerScheduleOptions {
    double warmup, floor, warmup_init; /* warmup: share of the steps; the others: shares of lr */
    int64_t first;                     /* number of the first update, 1 or 0 */
} OptimizerScheduleOptions;

extern const OptionField optimizer_fields[], optimizer_schedule_fields[];
extern const OptionSection optimizer_section, optimizer_schedule_section; /* of `train` */
extern const int optimizer_field_count, optimizer_schedule_field_count;

/* The learning rate of update `step`, which counts from 1, of `steps` updates. */
double optimizer_schedule_rate(const OptimizerScheduleOptions *schedule, double lr, int64_t step,
                               int64_t steps);

typedef struct Optimizer {
    OptimizerOptions options;
    int64_t step;     /* updates so far */
    double last_rate; /* learning rate of the last update, 0 before the first */
    float *first;     /* [model size]: m of AdamW, u of NAG */
    float *second;    /* [model size]: v of AdamW, NULL for NAG */
} Optimizer;

/* Allocates an optimizer for the model, owned by the arena, before its first update. */
Optimizer *optimizer_new(const OptimizerOptions *options, const Model *model, Arena *arena);

/* Updates model->values with learning rate `rate`. `gradients` is [model size]; clipping scales it in place.
   Then projects the tensors of the method (model_project). Returns the gradient norm before clipping; if it
   is not finite, the model and the optimizer are unchanged. */
double optimizer_step(Optimizer *optimizer, Model *model, float *gradients, double rate);

#endif
