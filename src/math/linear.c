/* linear: a bias needs no extra pass over the result. The kernels of gemm add it when they write the result;
 * for the BLAS the result is filled with the bias, and the product is added to it.
 */
#include "math/linear.h"

#include <string.h>

#include "base/clock.h"
#include "math/bf16.h"
#include "math/blas.h"
#include "math/gemm.h"
#include "math/nn_ops.h"
#include "math/timers.h"

/* Up to these numbers of weights gemm_product is faster than the BLAS, measured with 1,024 and 512 rows:
   NARROW for products with the weights, NARROWEST for weight gradients, which sum over all rows. */
enum { NARROW = 1 << 18, NARROWEST = 1 << 14 };

struct Linear {
    Precision precision;
    size_t weights, inputs, outputs; /* sizes of the buffers */
    const float *values;
    uint16_t *w, *x, *dy; /* rounded: all weights, and one product's input and gradient; bf16 only */
    float *workspace;     /* [GEMM_WORKSPACE] fp32 only */
};

Linear *linear_new(int precision, size_t weights, size_t inputs, size_t outputs, Arena *arena) {
    Linear *linear = NEW(arena, 1, Linear),
           made = {
               .precision = (Precision)precision, .weights = weights, .inputs = inputs, .outputs = outputs};
    if (precision == PRECISION_BF16) {
        made.w = NEW(arena, weights, uint16_t);
        made.x = NEW(arena, inputs, uint16_t);
        made.dy = NEW(arena, outputs, uint16_t);
    } else {
        made.workspace = NEW(arena, GEMM_WORKSPACE, float);
    }
    if (linear && precision == PRECISION_BF16 && bf16_unavailable_reason())
        BUG("bf16: %s", bf16_unavailable_reason());
    if (linear) *linear = made;
    return linear;
}

void linear_begin(Linear *linear, const float *values) {
    double start = clock_now();
    linear->values = values;
    if (linear->precision == PRECISION_BF16) bf16_round(linear->w, values, linear->weights);
    timers_seconds[TIMERS_MATRIX] += clock_now() - start;
}

static bool tiles_win(int most, int o, int i, int columns) {
    return (int64_t)o * i <= most && gemm_fits(columns);
}

static void round_into(uint16_t *to, size_t workspace, const float *from, int rows, int columns) {
    size_t count = (size_t)rows * (size_t)columns;
    if (count > workspace) BUG("%zu numbers in a buffer for %zu", count, workspace);
    bf16_round(to, from, count);
}

void linear_forward(Linear *linear, float *y, const float *x, const float *w, const float *bias, int n, int o,
                    int i) {
    double start = clock_now();
    bool tiles = linear->precision == PRECISION_FP32 && tiles_win(NARROW, o, i, o);
    for (int row = 0; bias && !tiles && row < n; row++)
        memcpy(y + (size_t)row * o, bias, (size_t)o * sizeof *y);
    if (tiles) {
        gemm_product(y, bias, 0, x, false, w, true, n, o, i, linear->workspace);
    } else if (linear->precision == PRECISION_BF16) {
        round_into(linear->x, linear->inputs, x, n, i);
        bf16_product(y, linear->x, false, linear->w + (w - linear->values), true, bias != NULL, n, o, i);
    } else {
        blas_product(y, x, false, w, true, bias != NULL, n, o, i);
    }
    timers_seconds[TIMERS_MATRIX] += clock_now() - start;
}

void linear_forward_transposed(Linear *linear, float *y, const float *x, const float *w, int n, int o,
                               int i) {
    double start = clock_now();
    if (linear->precision == PRECISION_BF16) {
        round_into(linear->x, linear->inputs, x, n, o);
        bf16_product(y, linear->x, false, linear->w + (w - linear->values), false, false, n, i, o);
    } else if (tiles_win(NARROW, o, i, i)) {
        gemm_product(y, NULL, 0, x, false, w, false, n, i, o, linear->workspace);
    } else {
        blas_product(y, x, false, w, false, false, n, i, o);
    }
    timers_seconds[TIMERS_MATRIX] += clock_now() - start;
}

void linear_backward(Linear *linear, float *dx, float *dw, float *dbias, const float *dy, const float *x,
                     const float *w, int n, int o, int i) {
    double start = clock_now();
    if (linear->precision == PRECISION_BF16) {
        round_into(linear->dy, linear->outputs, dy, n, o);
        round_into(linear->x, linear->inputs, x, n, i);
        if (dx) bf16_product(dx, linear->dy, false, linear->w + (w - linear->values), false, false, n, i, o);
        bf16_product(dw, linear->dy, true, linear->x, false, true, o, i, n);
    } else {
        if (dx && tiles_win(NARROW, o, i, i))
            gemm_product(dx, NULL, 0, dy, false, w, false, n, i, o, linear->workspace);
        else if (dx)
            blas_product(dx, dy, false, w, false, false, n, i, o);
        if (tiles_win(NARROWEST, o, i, i))
            gemm_product(dw, dw, i, dy, true, x, false, o, i, n, linear->workspace);
        else
            blas_product(dw, dy, true, x, false, true, o, i, n);
    }
    for (int row = 0; dbias && row < n; row++) {
        const float *from = dy + (size_t)row * o;
        for (int j = 0; j < o; j++) dbias[j] += from[j];
    }
    timers_seconds[TIMERS_MATRIX] += clock_now() - start;
}

double linear_rate(int precision, int n, int o, int i, double seconds) {
    Arena *arena = arena_new(0);
    float *x = NEW(arena, (size_t)n * i, float), *w = NEW(arena, (size_t)o * i, float);
    float *y = NEW(arena, (size_t)n * o, float);
    uint16_t *x16 = NEW(arena, (size_t)n * i, uint16_t), *w16 = NEW(arena, (size_t)o * i, uint16_t);
    double best = 0, end = clock_now() + seconds;
    for (int calls = 0; calls < 3 || clock_now() < end; calls++) { /* the fastest call: the machine's rate */
        double start = clock_now();
        if (precision == PRECISION_BF16)
            bf16_product(y, x16, false, w16, true, false, n, o, i);
        else
            blas_product(y, x, false, w, true, false, n, o, i);
        double rate = 2.0 * n * o * i / (clock_now() - start);
        if (calls && rate > best) best = rate;
    }
    arena_free(arena);
    return best;
}
