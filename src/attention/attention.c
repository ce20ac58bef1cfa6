#include "attention/attention.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "math/timers.h"
#include "position/encoding.h"
#include "attention/internal.h"

/* Makes the method's tables for queries at the positions that sinks use. */
static void place_sinks(Attention *a, Arena *arena) {
    const PositionContext *context = a->context;
    int64_t last = a->options->window + a->options->sinks - 1;
    if (!a->options->sinks || !a->method->transform || !encoding_has_tables(a->method)) return;
    double *positions = NEW(arena, a->length, double);
    for (int t = 0; positions && t < a->length; t++) positions[t] = (double)(t < last ? t : last);
    a->sink_tables =
        encoding_prepare(a->method, context->shape, context->options, a->length, positions, arena);
    a->moves_sinks = true;
}

Attention *attention_new(const Encoding *position, const PositionContext *context,
                         const AttentionOptions *options, int cached, bool training, Arena *arena) {
    const PositionMethod *method = position->method;
    const PositionShape *shape = context->shape;
    Attention a = {.method = method, .context = context, .options = options, .training = training};
    if (training && options->adaptive_temperature) BUG("an adaptive temperature in training");
    a.heads = shape->heads, a.size = shape->head_dim;
    a.width = shape->width;
    a.length = context->length;
    a.cached = cached;
    a.per_layer = encoding_per_layer(position, shape);
    a.padded = attention_round_up(a.length, TILE_ROWS);
    a.wide = attention_round_up(a.size, 16);
    a.widened = method->widening ? attention_round_up(method->widening * a.size, 16) : a.wide;
    a.root = (float)sqrt(a.size);
    a.temperature = options->temperature > 0 ? (float)options->temperature : 1;
    a.scale = (float)((double)a.temperature / sqrt(a.size));
    size_t biases = (size_t)a.heads * a.length;
    Attention *attention = NEW(arena, 1, Attention);
    if (method->distance_bias) {
        a.bias = NEW(arena, biases, float);
        a.run = NEW(arena, biases + (size_t)a.heads * 2 * TILE_ROWS, float);
    }
    if (options->scale != ATTENTION_SCALE_NONE) {
        a.query_scales = NEW(arena, a.length, float);
        bool learnt = options->scale >= ATTENTION_SCALE_LOG_LEARNED;
        if (learnt) a.logs = a.basis = NEW(arena, a.length, float);
        if (options->scale == ATTENTION_SCALE_ASENTMAX) a.basis = NEW(arena, a.length, float);
        if (a.logs) attention_fill_scale_basis(a.logs, options, a.length);
        if (a.query_scales && !learnt)
            attention_fill_query_scales(a.query_scales, options, shape->train_length, a.length);
    }
    a.s = NEW(arena, TILE_ROWS * TILE_COLUMNS, float);
    if (training) {
        a.ds = NEW(arena, TILE_ROWS * TILE_COLUMNS, float);
        if (method->distance_bias_backward) a.diagonal = NEW(arena, biases, double);
    }
    a.has_terms = bias_new(&a.terms, &a, arena);
    place_sinks(&a, arena);
    if (method->scores || options->top_k || options->adaptive_temperature) {
        dense_new(&a, arena);
    } else {
        a.current = pack_new(&a, arena);
    }
    if (attention) *attention = a;
    return attention;
}

bool attention_reads_input(const PositionMethod *method) {
    return method->gate || method->features;
}

/* Computes the distance biases from the current parameters and clears their gradients. */
static void begin_biases(Attention *a) {
    if (a->diagonal) memset(a->diagonal, 0, (size_t)a->heads * a->length * sizeof *a->diagonal);
    if (a->has_terms) bias_begin(a);
    if (!a->bias) return;
    a->method->distance_bias(a->context, a->bias);
    for (int h = 0; h < a->heads; h++) {
        const float *bias = a->bias + (size_t)h * a->length;
        float *run = a->run + (size_t)h * (a->length + 2 * TILE_ROWS) + TILE_ROWS;
        for (int d = 0; d < a->length; d++) run[a->length - 1 - d] = bias[d] * a->root;
    }
}

/* Passes the summed gradients of the distance biases to the method. */
static void end_biases(Attention *a) {
    if (a->has_terms) bias_end(a);
    if (!a->diagonal) return;
    double temperature = a->kept ? 1 : (double)a->temperature; /* the sums of dense.c include it */
    for (size_t i = 0; i < (size_t)a->heads * a->length; i++)
        a->bias[i] = (float)(a->diagonal[i] * temperature);
    a->method->distance_bias_backward(a->context, a->bias);
}

void attention_begin(Attention *a) {
    if (!a->per_layer) begin_biases(a);
}

void attention_set_tensors(Attention *a, const float *const values[ATTENTION_TENSORS],
                           float *const gradients[ATTENTION_TENSORS]) {
    for (int i = 0; i < ATTENTION_TENSORS; i++) a->learnt[i] = values[i], a->dlearnt[i] = gradients[i];
}

void attention_layer(Attention *a, int layer) {
    attention_select_layer(a, layer);
    if (a->per_layer && a->active) begin_biases(a);
}

void attention_end(Attention *a) {
    if (!a->per_layer) end_biases(a);
}

/* Computes out[T,C] of one sequence, head by head; qkv and x point to the sequence. */
static void forward_sequence(Attention *a, float *out, float *lse, const float *qkv, int sequence,
                             const AttentionDropout *dropout) {
    for (int h = 0; h < a->heads; h++) {
        pack_select(a, h);
        pack_load(a, qkv, h, false);
        if (a->use) bias_head(a, h, false);
        if (attention_in_rows(a)) continue;
        flash_forward(a, lse ? lse + (size_t)h * a->length : NULL, sequence, h, dropout);
        pack_unpack(a, out + (size_t)h * a->size, a->width, a->current.o, a->wide, a->cached);
    }
    if (attention_in_rows(a)) dense_forward(a, out, lse, sequence, dropout);
}

void attention_forward(Attention *a, float *out, float *lse, const float *qkv, const float *x, int sequences,
                       AttentionDropout dropout) {
    double start = clock_now();
    for (int b = 0; b < sequences; b++) {
        size_t first = (size_t)b * a->length, query = (size_t)b * (a->length - a->cached);
        if (a->use) bias_sequence(a, x ? x + first * a->width : NULL, false);
        forward_sequence(a, out + query * a->width, lse ? lse + first * a->heads : NULL,
                         qkv + first * 3 * a->width, b, &dropout);
    }
    timers_seconds[TIMERS_ATTENTION] += clock_now() - start;
}

/* Packs dout of head h into a->current.o and computes delta. */
static void load_gradient(Attention *a, const float *dout, const float *out, int h) {
    size_t offset = (size_t)h * a->size;
    for (int t = attention_first_row(a); t < a->cached; t++) {
        memset(a->current.o + (size_t)t * a->wide, 0, (size_t)a->size * sizeof(float));
        a->current.delta[t] = 0;
    }
    for (int t = a->cached; t < a->length; t++, offset += (size_t)a->width) {
        const float *x = out + offset, *dx = dout + offset;
        float sum = 0, *to = a->current.o + (size_t)t * a->wide;
        for (int i = 0; i < a->size; i++) to[i] = dx[i];
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < a->size; i++) sum += x[i] * dx[i];
        a->current.delta[t] = sum;
    }
}

static void backward_sequence(Attention *a, float *dqkv, const float *dout, const float *out,
                              const float *lse, const float *qkv, int sequence,
                              const AttentionDropout *dropout) {
    for (int h = 0; h < a->heads; h++) {
        pack_select(a, h);
        pack_load(a, qkv, h, true);
        pack_clear_gradients(a);
        load_gradient(a, dout, out, h);
        sink_logit_backward(a, lse + (size_t)h * a->length, h);
        if (a->use) bias_head(a, h, true);
        if (attention_in_rows(a)) continue;
        flash_backward(a, lse + (size_t)h * a->length, sequence, h, dropout);
        if (a->use) bias_head_end(a, h);
        pack_return_gradients(a, dqkv, qkv, h);
    }
    if (!attention_in_rows(a)) return;
    dense_backward(a, lse, sequence, dropout);
    for (int h = 0; h < a->heads; h++) {
        pack_select(a, h);
        if (a->use) bias_head_end(a, h);
        pack_return_gradients(a, dqkv, qkv, h);
    }
}

void attention_backward(Attention *a, float *dqkv, float *dx, const float *dout, const float *out,
                        const float *lse, const float *qkv, const float *x, int sequences,
                        AttentionDropout dropout) {
    double start = clock_now();
    for (int b = 0; b < sequences; b++) {
        size_t first = (size_t)b * a->length, query = (size_t)b * (a->length - a->cached);
        const float *input = x ? x + first * a->width : NULL;
        if (a->use) bias_sequence(a, input, true);
        backward_sequence(a, dqkv + first * 3 * a->width, dout + query * a->width, out + query * a->width,
                          lse + first * a->heads, qkv + first * 3 * a->width, b, &dropout);
        if (a->use) bias_sequence_end(a, input, dx + first * a->width);
    }
    if (a->per_layer && a->active) end_biases(a);
    timers_seconds[TIMERS_ATTENTION] += clock_now() - start;
}
