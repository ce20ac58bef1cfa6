/* attention: the driver. Who does what is said in attention_work.h. */
#include "attention/attention.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "math/timers.h"
#include "position/encoding.h"
#include "attention/internal.h"

/* Tables for queries that stand where sinks see them. */
static void place_sinks(Attention *a, Arena *arena) {
    const PositionContext *context = a->context;
    int64_t last = a->options->window + a->options->sinks - 1;
    bool placed = a->method->prepare || a->method->frequency;
    if (!a->options->sinks || !a->method->transform || !placed) return;
    double *positions = NEW(arena, a->length, double);
    for (int t = 0; positions && t < a->length; t++) positions[t] = (double)(t < last ? t : last);
    a->sink_tables =
        position_prepare(a->method, context->shape, context->options, a->length, positions, arena);
    a->turns_sinks = true;
}

Attention *attention_new(const Position *position, const PositionContext *context,
                         const AttentionOptions *options, bool training, Arena *arena) {
    const PositionMethod *method = position->method;
    const PositionShape *shape = context->shape;
    Attention a = {.method = method, .context = context, .options = options, .training = training};
    a.heads = shape->heads, a.size = shape->head_dim;
    a.width = shape->width;
    a.length = context->length;
    a.per_layer = position_per_layer(position, shape);
    a.padded = round_to(a.length, ROWS);
    a.wide = round_to(a.size, 16);
    a.root = (float)sqrt(a.size);
    a.temperature = options->temperature > 0 ? (float)options->temperature : 1;
    a.scale = (float)((double)a.temperature / sqrt(a.size));
    size_t biases = (size_t)a.heads * a.length;
    Attention *attention = NEW(arena, 1, Attention);
    if (method->distance_bias) {
        a.bias = NEW(arena, biases, float);
        a.run = NEW(arena, biases + (size_t)a.heads * 2 * ROWS, float);
    }
    if (options->scale != SCALE_NONE) {
        a.stretches = NEW(arena, a.length, float);
        if (a.stretches) stretches_fill(a.stretches, options, shape->train_length, a.length);
    }
    a.s = NEW(arena, ROWS * COLUMNS, float);
    if (training) {
        a.ds = NEW(arena, ROWS * COLUMNS, float);
        if (method->distance_bias_backward) a.diagonal = NEW(arena, biases, double);
    }
    a.has_terms = terms_new(&a.terms, &a, arena);
    place_sinks(&a, arena);
    if (method->scores || options->top_k) {
        rows_new(&a, arena);
    } else {
        a.at = head_new(&a, arena);
    }
    if (attention) *attention = a;
    return attention;
}

bool attention_reads_input(const PositionMethod *method) {
    return method->gate != NULL;
}

/* What follows from the parameters' present values alone, and no gradient of it yet. */
static void begin_biases(Attention *a) {
    if (a->diagonal) memset(a->diagonal, 0, (size_t)a->heads * a->length * sizeof *a->diagonal);
    if (a->has_terms) terms_begin(a);
    if (!a->bias) return;
    a->method->distance_bias(a->context, a->bias);
    for (int h = 0; h < a->heads; h++) {
        const float *bias = a->bias + (size_t)h * a->length;
        float *run = a->run + (size_t)h * (a->length + 2 * ROWS) + ROWS;
        for (int d = 0; d < a->length; d++) run[a->length - 1 - d] = bias[d] * a->root;
    }
}

/* Hands the summed gradients to the method. */
static void end_biases(Attention *a) {
    if (a->has_terms) terms_end(a);
    if (!a->diagonal) return;
    double temperature = a->kept ? 1 : (double)a->temperature; /* whole rows have it in their sums already */
    for (size_t i = 0; i < (size_t)a->heads * a->length; i++)
        a->bias[i] = (float)(a->diagonal[i] * temperature);
    a->method->distance_bias_backward(a->context, a->bias);
}

void attention_begin(Attention *a) {
    if (!a->per_layer) begin_biases(a);
}

void attention_layer(Attention *a, int layer) {
    layer_choose(a, layer);
    if (a->per_layer && a->active) begin_biases(a);
}

void attention_end(Attention *a) {
    if (!a->per_layer) end_biases(a);
}

/* Whether the present layer works on whole rows. */
static bool in_rows(const Attention *a) {
    return a->options->top_k || (a->method->scores && a->active);
}

/* out[T,C] of one sequence, head by head; qkv and x begin at the sequence. */
static void forward_sequence(Attention *a, float *out, float *lse, const float *qkv, int sequence,
                             const AttentionDropout *dropout) {
    for (int h = 0; h < a->heads; h++) {
        head_select(a, h);
        head_load(a, qkv, h, false);
        if (a->use) terms_head(a, h, false);
        if (in_rows(a)) continue;
        tiles_forward(a, lse ? lse + (size_t)h * a->length : NULL, sequence, h, dropout);
        head_unpack(a, out + (size_t)h * a->size, a->width, a->at.o);
    }
    if (in_rows(a)) rows_forward(a, out, lse, sequence, dropout);
}

void attention_forward(Attention *a, float *out, float *lse, const float *qkv, const float *x, int sequences,
                       AttentionDropout dropout) {
    double start = time_now();
    for (int b = 0; b < sequences; b++) {
        size_t first = (size_t)b * a->length;
        if (a->use) terms_sequence(a, x ? x + first * a->width : NULL);
        forward_sequence(a, out + first * a->width, lse ? lse + first * a->heads : NULL,
                         qkv + first * 3 * a->width, b, &dropout);
    }
    profile_seconds[PROFILE_ATTENTION] += time_now() - start;
}

/* dout of head h packed into a->at.o, and delta. */
static void load_gradient(Attention *a, const float *dout, const float *out, int h) {
    size_t place = (size_t)h * a->size;
    head_pack(a, a->at.o, dout + place, a->width);
    for (int t = 0; t < a->length; t++) {
        const float *x = out + place + (size_t)t * a->width, *dx = dout + place + (size_t)t * a->width;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < a->size; i++) sum += x[i] * dx[i];
        a->at.delta[t] = sum;
    }
}

static void backward_sequence(Attention *a, float *dqkv, const float *dout, const float *out,
                              const float *lse, const float *qkv, int sequence,
                              const AttentionDropout *dropout) {
    for (int h = 0; h < a->heads; h++) {
        head_select(a, h);
        head_load(a, qkv, h, true);
        head_clear(a);
        load_gradient(a, dout, out, h);
        if (a->use) terms_head(a, h, true);
        if (in_rows(a)) continue;
        tiles_backward(a, lse + (size_t)h * a->length, sequence, h, dropout);
        if (a->use) terms_head_end(a, h);
        head_return(a, dqkv, h);
    }
    if (!in_rows(a)) return;
    rows_backward(a, lse, sequence, dropout);
    for (int h = 0; h < a->heads; h++) {
        head_select(a, h);
        if (a->use) terms_head_end(a, h);
        head_return(a, dqkv, h);
    }
}

void attention_backward(Attention *a, float *dqkv, float *dx, const float *dout, const float *out,
                        const float *lse, const float *qkv, const float *x, int sequences,
                        AttentionDropout dropout) {
    double start = time_now();
    for (int b = 0; b < sequences; b++) {
        size_t first = (size_t)b * a->length;
        const float *input = x ? x + first * a->width : NULL;
        if (a->use) terms_sequence(a, input);
        backward_sequence(a, dqkv + first * 3 * a->width, dout + first * a->width, out + first * a->width,
                          lse + first * a->heads, qkv + first * 3 * a->width, b, &dropout);
        if (a->use) terms_sequence_end(a, input, dx + first * a->width);
    }
    if (a->per_layer && a->active) end_biases(a);
    profile_seconds[PROFILE_ATTENTION] += time_now() - start;
}
