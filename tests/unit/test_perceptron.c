/* The perceptron of the methods: both ways of applying it, against one pair after the other in double, and
   their gradients against differences of that; ragged blocks, first queries and tails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "near.h"
#include "position/perceptron.h"

enum { U = PERCEPTRON_UNITS, EXTRA = 2, MOST_TENSORS = PERCEPTRON_TENSORS + EXTRA };

/* A perceptron of `inputs` inputs and EXTRA learned numbers, in float and in double. */
typedef struct Setup {
    Arena *arena;
    PositionContext context;
    int sizes[MOST_TENSORS];
    double *value[MOST_TENSORS];
    Random rng;
} Setup;

static Setup setup(int heads, int inputs, int length) {
    Setup s = {.arena = arena_new(0)};
    PositionShape *shape = NEW(s.arena, 1, PositionShape);
    *shape = (PositionShape){.heads = heads, .head_dim = 4, .train_length = 16};
    PositionTensor tensors[POS_MAX_TENSORS];
    assert_int_equal(perceptron_layout(tensors, inputs, U, heads, false), PERCEPTRON_TENSORS);
    s.rng = random_stream(7, "perceptron", "");
    s.context.shape = shape, s.context.length = length;
    for (int n = 0; n < MOST_TENSORS; n++) {
        const PositionTensor *t = &tensors[n];
        s.sizes[n] = n >= PERCEPTRON_TENSORS ? 1 : t->dims[0] * (t->rank == 2 ? t->dims[1] : 1);
        float *value = NEW(s.arena, s.sizes[n], float);
        s.value[n] = NEW(s.arena, s.sizes[n], double);
        s.context.grad[n] = NEW(s.arena, s.sizes[n], float);
        if (n < PERCEPTRON_TENSORS)
            perceptron_init(inputs, U, heads, n, value, &s.rng);
        else
            *value = n == PERCEPTRON_TENSORS ? 0.3f : 0.8f;
        for (int i = 0; i < s.sizes[n]; i++) s.value[n][i] = value[i];
        s.context.param[n] = value;
    }
    return s;
}

/* All lengths of the last vector, in place, and arguments whose exponentials overflow or vanish. */
static void softplus_and_sigmoid_are_exact(void **state) {
    (void)state;
    float x[67] = {0}, y[67] = {0};
    for (int count = 0; count <= 67; count++) {
        for (int i = 0; i < count; i++) x[i] = (float)(i - 30) * (i % 3 ? 0.37f : 5);
        if (count > 2) x[0] = -1e30f, x[1] = 1e30f;
        position_softplus(y, x, count);
        for (int i = 0; i < count; i++) {
            double expected = x[i] > 0 ? x[i] + log1p(exp(-(double)x[i])) : log1p(exp((double)x[i]));
            near(y[i], expected, 4e-7 * expected + 1e-37);
        }
        position_sigmoid(y, x, count);
        for (int i = 0; i < count; i++) near(y[i], 1 / (1 + exp(-(double)x[i])), 2e-7);
        memcpy(y, x, sizeof y);
        position_softplus(y, y, count);
        position_softplus(x, x, count);
        assert_memory_equal(x, y, (size_t)count * sizeof *x);
    }
    float nan = NAN;
    position_softplus(&nan, &nan, 1);
    assert_true(isnan(nan));
}

static void layers_start_like_linear_layers(void **state) {
    Setup s = setup(5, 10, 1);
    double bounds[] = {1 / sqrt(10), 1 / sqrt(10), 1 / sqrt(U), 1 / sqrt(U)};
    const int sizes[] = {U * 10, U, 5 * U, 5};
    (void)state;
    for (int n = 0; n < PERCEPTRON_TENSORS; n++) {
        double most = 0;
        assert_int_equal(s.sizes[n], sizes[n]);
        for (int i = 0; i < s.sizes[n]; i++) most = fmax(most, fabs(s.value[n][i]));
        assert_true(most <= bounds[n] && most > bounds[n] / 2);
    }
    arena_free(s.arena);
}

/* f_h, with `slope` below zero. */
static double perceptron(const Setup *s, const double *x, int inputs, int h, double slope) {
    double f = s->value[PERCEPTRON_OUT_BIAS][h];
    for (int k = 0; k < U; k++) {
        double z = s->value[PERCEPTRON_IN_BIAS][k];
        for (int n = 0; n < inputs; n++) z += s->value[PERCEPTRON_IN_WEIGHT][k * inputs + n] * x[n];
        f += s->value[PERCEPTRON_OUT_WEIGHT][h * U + k] * (z > 0 ? z : slope * z);
    }
    return f;
}

/* The gradient of each number of a tensor by central differences of `loss`. A difference across a kink is
   wrong, so that the step must be smaller than the distance of any pair from a kink. */
static void compare_gradients(Setup *s, int n, double (*loss)(Setup *s, void *data), void *data) {
    const double step = 1e-8;
    for (int i = 0; i < s->sizes[n]; i++) {
        double *value = &s->value[n][i], kept = *value;
        *value = kept + step;
        double above = loss(s, data);
        *value = kept - step;
        double expected = (above - loss(s, data)) / (2 * step);
        *value = kept;
        near(s->context.grad[n][i], expected, 2e-4 * (1 + fabs(expected)));
    }
}

/* ---- scores ---- */

typedef struct Scores {
    PositionScores block;
    int length;
    double *a, *b, *g; /* A[H,rows,columns], B[H,length], and the gradient at S[H,rows,columns] */
} Scores;

static double scores_at(const Setup *s, const Scores *t, int h, int r, int j) {
    int H = s->context.shape->heads, i = t->block.first + r;
    double x[2 * 16] = {0};
    for (int n = 0; n < H; n++) {
        x[n] = t->a[(n * t->block.rows + r) * t->block.columns + j];
        x[H + n] = t->b[n * t->length + i - j];
    }
    return x[h] + x[H + h] + perceptron(s, x, 2 * H, h, 0.01);
}

static double scores_loss(Setup *s, void *data) {
    const Scores *t = data;
    double sum = 0;
    for (int h = 0; h < s->context.shape->heads; h++)
        for (int r = 0; r < t->block.rows; r++)
            for (int j = 0; j <= t->block.first + r; j++)
                sum += t->g[(h * t->block.rows + r) * t->block.columns + j] * scores_at(s, t, h, r, j);
    return sum;
}

static const double marker = -12345;

static Scores scores_of(Setup *s, int first, int rows, int columns) {
    int H = s->context.shape->heads, count = H * rows * columns;
    Scores t = {.block = {.first = first, .rows = rows, .columns = columns}, .length = s->context.length};
    float *bias = NEW(s->arena, H * t.length, float);
    t.block.s = NEW(s->arena, count, float), t.block.ds = NEW(s->arena, count, float);
    t.block.dbias = NEW(s->arena, H * t.length, double), t.block.bias = bias;
    t.a = NEW(s->arena, count, double), t.g = NEW(s->arena, count, double);
    t.b = NEW(s->arena, H * t.length, double);
    for (int i = 0; i < H * t.length; i++) t.b[i] = bias[i] = (float)-random_uniform(&s->rng);
    for (int h = 0; h < H; h++)
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < columns; j++) {
                int at = (h * rows + r) * columns + j, d = first + r - j;
                t.block.s[at] = t.block.ds[at] = (float)marker; /* beyond the diagonal: not written */
                if (d < 0) continue;
                t.block.s[at] = (float)random_normal(&s->rng);
                t.a[at] = (double)t.block.s[at] - t.b[h * t.length + d];
                t.block.ds[at] = (float)random_normal(&s->rng);
                t.g[at] = t.block.ds[at];
            }
    return t;
}

/* Heads, first query, queries, columns and length: less and more than a block of 32 queries and 128 keys. */
static const int score_sizes[][5] = {{1, 0, 1, 16, 5},
                                     {3, 0, 37, 48, 40},
                                     {8, 5, 16, 32, 21},
                                     {2, 100, 35, 144, 135},
                                     {16, 120, 33, 160, 153}};

static void scores_are_of_each_pair(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof score_sizes / sizeof *score_sizes; n++) {
        const int *size = score_sizes[n];
        Setup s = setup(size[0], 2 * size[0], size[4]);
        Scores t = scores_of(&s, size[1], size[2], size[3]);
        perceptron_scores(&s.context, &t.block);
        for (int h = 0; h < size[0]; h++)
            for (int r = 0; r < size[2]; r++)
                for (int j = 0; j < size[3]; j++) {
                    double got = t.block.s[(h * size[2] + r) * size[3] + j];
                    if (j <= size[1] + r)
                        near(got, scores_at(&s, &t, h, r, j), 1e-5);
                    else
                        near(got, marker, 0);
                }
        arena_free(s.arena);
    }
}

static void scores_have_gradients(void **state) {
    (void)state;
    for (size_t n = 0; n < 4; n++) {
        const int *size = score_sizes[n];
        int H = size[0], rows = size[2], columns = size[3];
        Setup s = setup(H, 2 * H, size[4]);
        Scores t = scores_of(&s, size[1], rows, columns);
        perceptron_scores_backward(&s.context, &t.block);
        for (int tensor = 0; tensor < PERCEPTRON_TENSORS; tensor++)
            if (n < 3) compare_gradients(&s, tensor, scores_loss, &t);
        /* By A, one pair at a time; what comes to B besides that of A: dL/dB at fixed S is dL/dB - dL/dA. */
        double *dbias = NEW(s.arena, H * t.length, double), step = 1e-6;
        for (int h = 0; h < H; h++)
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < columns; j++) {
                    int at = (h * rows + r) * columns + j, d = size[1] + r - j;
                    if (d < 0) {
                        near(t.block.ds[at], marker, 0);
                        continue;
                    }
                    double *values[] = {&t.a[at], &t.b[h * t.length + d]}, by[2];
                    for (int v = 0; v < 2; v++) {
                        double kept = *values[v], sum[2] = {0, 0};
                        for (int side = 0; side < 2; side++) {
                            *values[v] = kept + (side ? step : -step);
                            for (int g = 0; g < H; g++)
                                sum[side] += t.g[(g * rows + r) * columns + j] * scores_at(&s, &t, g, r, j);
                        }
                        *values[v] = kept;
                        by[v] = (sum[1] - sum[0]) / (2 * step);
                    }
                    near(t.block.ds[at], by[0], 1e-4 * (1 + fabs(by[0])));
                    dbias[h * t.length + d] += by[1] - by[0];
                }
        for (int i = 0; i < H * t.length; i++) near(t.block.dbias[i], dbias[i], 2e-4 * (1 + fabs(dbias[i])));
        arena_free(s.arena);
    }
}

/* ---- ratio ---- */

static double numerator_of(const double *p, int d) {
    return log1p(p[0] * d);
}

static double denominator_of(const double *p, int i) {
    return log1p(p[0] * (i + 1)) + p[1];
}

static double numerator(const PositionContext *context, int d, double *derivative) {
    double p = context->param[PERCEPTRON_TENSORS][0];
    *derivative = d / (1 + p * d);
    return numerator_of(&p, d);
}

static double denominator(const PositionContext *context, int i, double derivatives[2]) {
    double p[] = {context->param[PERCEPTRON_TENSORS][0], context->param[PERCEPTRON_TENSORS + 1][0]};
    derivatives[0] = (i + 1) / (1 + p[0] * (i + 1)), derivatives[1] = 1;
    return denominator_of(p, i);
}

static const PerceptronRatio ratio = {numerator, denominator};

/* Puts all kinks between 0 and 1, so that x passes them all; two units have no kink. */
static void place_kinks(Setup *s) {
    const float *param = s->context.param[PERCEPTRON_IN_WEIGHT];
    float *weight = NEW(s->arena, U, float), *bias = NEW(s->arena, U, float);
    for (int k = 0; k < U; k++) {
        weight[k] = k == 3 || k == 4 ? 0 : param[k];
        bias[k] = k == 3 ? 0.3f : k == 4 ? -0.3f : -weight[k] * ((float)k + 0.5f) / U;
        s->value[PERCEPTRON_IN_WEIGHT][k] = weight[k], s->value[PERCEPTRON_IN_BIAS][k] = bias[k];
    }
    s->context.param[PERCEPTRON_IN_WEIGHT] = weight, s->context.param[PERCEPTRON_IN_BIAS] = bias;
}

typedef struct Pairs {
    int first, rows, head;
    double *g; /* [rows,length] */
} Pairs;

static double pair_at(const Setup *s, int h, int i, int j) {
    double p[] = {s->value[PERCEPTRON_TENSORS][0], s->value[PERCEPTRON_TENSORS + 1][0]};
    double x = numerator_of(p, i - j) / denominator_of(p, i);
    return perceptron(s, &x, 1, h, 0);
}

static double pairs_loss(Setup *s, void *data) {
    const Pairs *t = data;
    double sum = 0;
    for (int r = 0; r < t->rows; r++)
        for (int j = 0; j <= t->first + r; j++)
            sum += t->g[r * s->context.length + j] * pair_at(s, t->head, t->first + r, j);
    return sum;
}

/* First query, queries and length: less and more than the 512 distances of one pass. */
static const int pair_sizes[][3] = {{0, 1, 1}, {0, 40, 43}, {7, 33, 64}, {500, 30, 530}, {1030, 3, 1040}};

static void ratios_are_of_each_pair(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof pair_sizes / sizeof *pair_sizes; n++)
        for (int h = 0; h < 3; h++) {
            int first = pair_sizes[n][0], rows = pair_sizes[n][1], length = pair_sizes[n][2];
            Setup s = setup(3, 1, length);
            if (h) place_kinks(&s);
            float *bias = NEW(s.arena, rows * length, float);
            for (int i = 0; i < rows * length; i++) bias[i] = (float)marker;
            perceptron_ratio(&s.context, &ratio, bias, h, first, rows);
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < length; j++)
                    near(bias[r * length + j], j > first + r ? marker : pair_at(&s, h, first + r, j),
                         j > first + r ? 0 : 2e-6);
            arena_free(s.arena);
        }
}

static void ratios_have_gradients(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof pair_sizes / sizeof *pair_sizes; n++) {
        int rows = pair_sizes[n][1], length = pair_sizes[n][2];
        Setup s = setup(3, 1, length);
        if (n > 1) place_kinks(&s);
        Pairs t = {pair_sizes[n][0], rows, 1, NEW(s.arena, rows * length, double)};
        float *dbias = NEW(s.arena, rows * length, float);
        double gradients[2] = {0, 0};
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < length; j++) {
                int at = r * length + j;
                dbias[at] = j > t.first + r ? NAN : (float)random_normal(&s.rng);
                t.g[at] = dbias[at];
            }
        perceptron_ratio_backward(&s.context, &ratio, dbias, t.head, t.first, rows, gradients);
        for (int e = 0; e < EXTRA; e++) s.context.grad[PERCEPTRON_TENSORS + e][0] = (float)gradients[e];
        for (int tensor = 0; tensor < MOST_TENSORS; tensor++) compare_gradients(&s, tensor, pairs_loss, &t);
        arena_free(s.arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softplus_and_sigmoid_are_exact), cmocka_unit_test(layers_start_like_linear_layers),
        cmocka_unit_test(scores_are_of_each_pair),        cmocka_unit_test(scores_have_gradients),
        cmocka_unit_test(ratios_are_of_each_pair),        cmocka_unit_test(ratios_have_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
