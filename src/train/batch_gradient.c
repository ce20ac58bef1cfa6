#include "train/batch_gradient.h"

#include <string.h>

#include "sys/mpi.h"
#include "sys/threads.h"
#include "model/activations.h"
#include "model/transformer.h"

typedef struct StepLane {
    Activations *pass;
    float *gradients; /* [model size] */
    float *nll;       /* [micro * length] */
} StepLane;

struct BatchGradient {
    const Model *model;
    int sequences, length, micro; /* micro: sequences of a micro-batch */
    int first, lanes, all;        /* lanes first .. first + lanes - 1, of `all`, are on this rank */
    int active;                   /* number of ranks that have lanes */
    float *buffer;                /* workspace of mpi_sum_floats */
    StepLane *lane;
    const uint32_t **tokens, **targets, **positions; /* [sequences] each */
    int64_t scored;                                  /* targets of the update that are not ignored */
    double *sums;                                    /* [micro-batches] */
    uint64_t seed;                                   /* seed and number of the current update */
    int64_t number;
};

static int micro_batch(const Model *model, int sequences, int length, int lanes) {
    int64_t micro = model->options.max_tokens_in_flight / length, share = (sequences + lanes - 1) / lanes;
    if (micro > share) micro = share;
    return micro > 0 ? (int)micro : 1;
}

/* Makes the allocations of one rank; with a counting arena they are only counted. */
static BatchGradient *step_on(int rank, int ranks, const Model *model, const Cache *cache, int sequences,
                              int length, Arena *arena) {
    BatchGradient s = {.model = model, .sequences = sequences, .length = length};
    int own = model->threads;
    s.all = own < (sequences + ranks - 1) / ranks ? own * ranks : sequences;
    s.active = (s.all + own - 1) / own;
    s.first = rank * own < s.all ? rank * own : s.all;
    s.lanes = s.all - s.first < own ? s.all - s.first : own;
    s.micro = micro_batch(model, sequences, length, s.all);
    BatchGradient *step = NEW(arena, 1, BatchGradient);
    s.lane = NEW(arena, s.lanes ? s.lanes : 1, StepLane);
    s.tokens = NEW(arena, sequences, const uint32_t *);
    s.targets = NEW(arena, sequences, const uint32_t *);
    s.positions = NEW(arena, sequences, const uint32_t *);
    s.sums = NEW(arena, (sequences + s.micro - 1) / s.micro, double);
    s.buffer = NEW(arena, mpi_sum_buffer(model->size, ranks), float);
    for (int l = 0; l < s.lanes || l == 0; l++) { /* a rank without lanes also needs an array for the sum */
        StepLane lane = {.gradients = NEW(arena, model->size, float)};
        if (s.lanes) lane.nll = NEW(arena, (size_t)s.micro * (size_t)length, float);
        if (s.lanes) lane.pass = activations_new_cached(model, cache, s.micro, length, true, arena);
        if (s.lane) s.lane[l] = lane;
    }
    if (step) *step = s;
    return step;
}

BatchGradient *batch_gradient_new(const Model *model, const Cache *cache, int sequences, int length,
                                  Arena *arena) {
    return step_on(mpi_rank(), mpi_ranks(), model, cache, sequences, length, arena);
}

size_t batch_gradient_bytes(const Model *model, const Cache *cache, int sequences, int length, int ranks) {
    Arena *count = arena_new_counting();
    step_on(0, ranks, model, cache, sequences, length, count);
    return arena_counted(count);
}

int batch_gradient_rank(const BatchGradient *step, int sequence) {
    return sequence / step->micro % step->all / step->model->threads;
}

const uint32_t **batch_gradient_tokens(BatchGradient *step) {
    return step->tokens;
}

void batch_gradient_set(BatchGradient *step, int sequence, BatchesSequence from) {
    step->tokens[sequence] = from.tokens;
    step->targets[sequence] = from.targets;
    step->positions[sequence] = from.positions;
}

float *batch_gradient_values(BatchGradient *step) {
    return step->lane[0].gradients;
}

static void compute(void *user, int number) {
    BatchGradient *s = user;
    if (number >= s->lanes) return;
    StepLane *lane = &s->lane[number];
    float scale = (float)(1 / (double)s->scored);
    bool targets = s->targets[0];
    memset(lane->gradients, 0, s->model->size * sizeof *lane->gradients);
    for (int batch = s->first + number, first; (first = batch * s->micro) < s->sequences; batch += s->all) {
        int count = s->sequences - first < s->micro ? s->sequences - first : s->micro;
        ActivationsOrigin place = {.seed = s->seed, .step = s->number, .first_sequence = first};
        transformer_set_rows(lane->pass, (TransformerRows){.targets = targets ? s->targets + first : NULL,
                                                           .positions = s->positions + first});
        transformer_train(s->model, lane->pass, s->tokens + first, count, place, scale, lane->nll,
                          lane->gradients);
        double sum = 0;
        for (int i = 0; i < count * s->length; i++) sum += lane->nll[i];
        s->sums[batch] = sum;
    }
}

static int64_t count_targets(const BatchGradient *s) {
    int64_t ignored = 0;
    for (int b = 0; b < s->sequences && s->targets[0]; b++)
        for (int t = 0; t < s->length; t++) ignored += s->targets[b][t] == TRANSFORMER_IGNORED;
    return (int64_t)s->sequences * s->length - ignored;
}

/* Each lane adds one slice of the gradients of all lanes, in the order of lanes. */
static void add_up(void *user, int number) {
    BatchGradient *s = user;
    if (number >= s->lanes) return;
    size_t size = s->model->size, slice = (size / (size_t)s->lanes + 15) / 16 * 16,
           from = slice * (size_t)number;
    size_t to = number + 1 == s->lanes || from + slice > size ? size : from + slice;
    for (int l = 1; l < s->lanes; l++)
        for (size_t i = from; i < to; i++) s->lane[0].gradients[i] += s->lane[l].gradients[i];
}

double batch_gradient_run(BatchGradient *step, uint64_t seed, int64_t number) {
    step->seed = seed;
    step->number = number;
    step->scored = count_targets(step);
    int batches = (step->sequences + step->micro - 1) / step->micro;
    memset(step->sums, 0, (size_t)batches * sizeof *step->sums);
    if (step->lanes) threads_run(step->lanes, compute, step); /* a rank may have no lanes */
    if (step->lanes > 1) threads_run(step->lanes, add_up, step);
    mpi_sum_floats(batch_gradient_values(step), step->buffer, step->model->size, step->active);
    mpi_merge_doubles(step->sums, (size_t)batches);
    double sum = 0;
    for (int batch = 0; batch < batches; batch++) sum += step->sums[batch];
    return sum / (double)step->scored;
}
