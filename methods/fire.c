/* FIRE: functional interpolation for relative positions.
 *
 * Li et al., "Functional interpolation for relative positions improves long context transformers", 2024,
 * arXiv 2310.04418, section 3 and appendix (the authors' code; also chuanyang-Zheng/DAPE, DAPE.py). The bias
 * is a learned function of the distance as a share of how far the query could look back:
 *
 *     B[h,i,j] = f_h(x),   x = psi(i - j) / (psi(max(i, t)) + 1e-6),   psi(y) = ln(|c y| + 1)
 *
 * with i from 0, t = |multiplier| threshold, and f a perceptron 1 -> 32 -> H with ReLU. c starts at 0.1, the
 * multiplier at 1; `threshold` is 512 in the listing, and 64 in DAPE's runs at length 512: here its default,
 * 0, is the training length. f starts as torch's linear layers do, uniform in +-1/sqrt(inputs). All layers
 * share one f
 * ("FIRE-S"), or each has its own (`per_layer`).
 *
 * A perceptron with one input is piecewise linear: between neighbouring kinks -b/w of its 32 units it is
 * f_h(x) = slope_h x + height_h. In a row x falls with j, so that a piece is a run of keys, and the bias
 * costs one product and one addition per pair and head, the perceptron itself only 33 slopes per call. Its
 * gradient is the sums of dB and of x dB over each run. So the floor is that of an added bias: a pass over
 * the scores.
 */
#include "position/position.h"

#include <math.h>

enum { UNITS = 32, PIECES = UNITS + 1 };

typedef struct Options {
    int64_t threshold;
    bool per_layer;
} Options;

static const OptionField fields[] = {
    {"threshold", OPTION_INT, offsetof(Options, threshold), .default_value = 0, .low = 0, .high = 2048,
     .help = "queries before this position look back as far as it; 0: the training length"},
    {"per_layer", OPTION_BOOL, offsetof(Options, per_layer), .default_value = 0,
     .help = "each layer learns a function of its own"},
};

enum { W1, B1, W2, B2, C, MULTIPLIER };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    bool own = ((const Options *)options)->per_layer;
    tensors[W1] = (PositionTensor){.name = "in_weight", .rank = 1, .dims = {UNITS}, .per_layer = own};
    tensors[B1] = (PositionTensor){.name = "in_bias", .rank = 1, .dims = {UNITS}, .per_layer = own};
    tensors[W2] =
        (PositionTensor){.name = "out_weight", .rank = 2, .dims = {shape->heads, UNITS}, .per_layer = own};
    tensors[B2] = (PositionTensor){.name = "out_bias", .rank = 1, .dims = {shape->heads}, .per_layer = own};
    tensors[C] = (PositionTensor){.name = "c", .rank = 1, .dims = {1}, .per_layer = own};
    tensors[MULTIPLIER] = (PositionTensor){.name = "multiplier", .rank = 1, .dims = {1}, .per_layer = own};
    return 6;
}

static void init(const PositionShape *shape, const void *options, int index, float *value, Random *rng) {
    const int counts[] = {UNITS, UNITS, shape->heads * UNITS, shape->heads, 1, 1};
    double bound = index == W1 || index == B1 ? 1 : 1 / sqrt(UNITS);
    (void)options;
    for (int i = 0; i < counts[index]; i++) value[i] = (float)(bound * (2 * random_uniform(rng) - 1));
    if (index == C) value[0] = 0.1f;
    if (index == MULTIPLIER) value[0] = 1;
}

/* f_h piece by piece, from the largest x down. */
typedef struct Function {
    double kink[UNITS]; /* in falling order: piece p ends at kink p */
    int unit[UNITS];    /* whose kink it is */
    double slope[PIECES], height[PIECES];
    unsigned active[PIECES]; /* bit k: unit k is at work */
} Function;

static Function make_function(const PositionContext *context, int h) {
    const float *w = context->param[W1], *b = context->param[B1];
    const float *out = context->param[W2] + (size_t)h * UNITS;
    Function f = {0};
    unsigned active = 0;
    for (int k = 0; k < UNITS; k++) {
        double kink = w[k] != 0 ? -(double)b[k] / w[k] : -INFINITY;
        int index = k;
        for (; index > 0 && f.kink[index - 1] < kink; index--)
            f.kink[index] = f.kink[index - 1], f.unit[index] = f.unit[index - 1];
        f.kink[index] = kink, f.unit[index] = k;
        if (w[k] > 0 || (w[k] == 0 && b[k] > 0)) active |= 1U << k; /* at x = infinity */
    }
    for (int p = 0; p < PIECES; p++) {
        f.active[p] = active;
        f.slope[p] = 0, f.height[p] = context->param[B2][h];
        for (int k = 0; k < UNITS; k++) {
            if (!(active >> k & 1)) continue;
            f.slope[p] += (double)out[k] * w[k];
            f.height[p] += (double)out[k] * b[k];
        }
        if (p < UNITS && w[f.unit[p]] != 0) active ^= 1U << f.unit[p];
    }
    return f;
}

/* What a row needs to turn psi into x = psi / norm. */
typedef struct Row {
    double norm, dnorm_dc, dnorm_dm;
} Row;

static double size_of_c(const PositionContext *context) {
    return fabs((double)context->param[C][0]);
}

static Row make_row(const PositionContext *context, int i) {
    int64_t option = ((const Options *)context->options)->threshold;
    double threshold = option ? (double)option : context->shape->train_length, c = size_of_c(context);
    double m = context->param[MULTIPLIER][0], held = fabs(m) * threshold, reach = held <= i ? i : held;
    Row row = {.norm = log1p(c * reach) + 1e-6};
    row.dnorm_dc = reach / (1 + c * reach) * (context->param[C][0] < 0 ? -1 : 1);
    if (!(held <= i)) row.dnorm_dm = c * threshold / (1 + c * reach) * (m < 0 ? -1 : 1);
    return row;
}

/* Distances far .. far - STRETCH + 1, which are neighbouring keys of any row: place m is distance far - m. */
enum { STRETCH = 512 };

typedef struct Stretch {
    int far;
    float psi[STRETCH], dpsi[STRETCH]; /* psi and its derivative by c */
} Stretch;

static void make_stretch(const PositionContext *context, Stretch *s, int far) {
    double c = size_of_c(context), sign = context->param[C][0] < 0 ? -1 : 1;
    s->far = far;
    for (int m = 0; m < STRETCH; m++) {
        int d = far - m > 0 ? far - m : 0;
        s->psi[m] = (float)log1p(c * d);
        s->dpsi[m] = (float)(sign * d / (1 + c * d));
    }
}

/* The places of query i in a stretch: from key 0 on, up to the diagonal. */
static int first_place(const Stretch *s, int i) {
    return s->far > i ? s->far - i : 0;
}

static int end_place(const Stretch *s) {
    return s->far + 1 < STRETCH ? s->far + 1 : STRETCH;
}

/* The first place from m on where psi is not above `level`. */
static int run_end(const Stretch *s, int m, int end, double level) {
    if (m >= end || s->psi[end - 1] > level) return end;
    while (m < end) {
        int middle = m + (end - m) / 2;
        if (s->psi[middle] > level)
            m = middle + 1;
        else
            end = middle;
    }
    return m;
}

static void pair_bias(const PositionContext *context, float *bias, int head, int first, int rows) {
    Function f = make_function(context, head);
    Stretch s;
    for (int far = first + rows - 1; far >= 0; far -= STRETCH) {
        make_stretch(context, &s, far);
        for (int r = 0; r < rows; r++) {
            int i = first + r, m = first_place(&s, i), end = end_place(&s);
            Row row = make_row(context, i);
            float *to = bias + (size_t)r * context->length + (i - far);
            for (int p = 0; p < PIECES && m < end; p++) {
                int stop = p < UNITS ? run_end(&s, m, end, f.kink[p] * row.norm) : end;
                float slope = (float)(f.slope[p] / row.norm), height = (float)f.height[p];
                for (; m < stop; m++) to[m] = slope * s.psi[m] + height;
            }
        }
    }
}

/* Sums over runs of one piece: of the gradients, and of their products with x. */
typedef struct Sums {
    double gradient[PIECES], x[PIECES];
} Sums;

static void learn(const PositionContext *context, int h, const Function *f, const Sums *sums) {
    const float *w = context->param[W1], *b = context->param[B1];
    const float *out = context->param[W2] + (size_t)h * UNITS;
    for (int p = 0; p < PIECES; p++) {
        context->grad[B2][h] += (float)sums->gradient[p];
        for (int k = 0; k < UNITS; k++) {
            if (!(f->active[p] >> k & 1)) continue;
            context->grad[W2][h * UNITS + k] += (float)(w[k] * sums->x[p] + b[k] * sums->gradient[p]);
            context->grad[W1][k] += (float)(out[k] * sums->x[p]);
            context->grad[B1][k] += (float)(out[k] * sums->gradient[p]);
        }
    }
}

static void pair_bias_backward(const PositionContext *context, const float *dbias, int head, int first,
                               int rows) {
    Function f = make_function(context, head);
    Sums sums = {{0}, {0}};
    Stretch s;
    double dc = 0, dm = 0;
    for (int far = first + rows - 1; far >= 0; far -= STRETCH) {
        make_stretch(context, &s, far);
        for (int r = 0; r < rows; r++) {
            int i = first + r, m = first_place(&s, i), end = end_place(&s);
            Row row = make_row(context, i);
            const float *from = dbias + (size_t)r * context->length + (i - far);
            for (int p = 0; p < PIECES && m < end; p++) {
                int stop = p < UNITS ? run_end(&s, m, end, f.kink[p] * row.norm) : end;
                float g = 0, by_psi = 0, by_dpsi = 0;
#pragma omp simd reduction(+ : g, by_psi, by_dpsi)
                for (int n = m; n < stop; n++) {
                    g += from[n];
                    by_psi += from[n] * s.psi[n];
                    by_dpsi += from[n] * s.dpsi[n];
                }
                double x = by_psi / row.norm, slope = f.slope[p] / row.norm;
                sums.gradient[p] += g, sums.x[p] += x;
                dc += slope * (by_dpsi - x * row.dnorm_dc);
                dm -= slope * x * row.dnorm_dm;
                m = stop;
            }
        }
    }
    learn(context, head, &f, &sums);
    context->grad[C][0] += (float)dc;
    context->grad[MULTIPLIER][0] += (float)dm;
}

const PositionMethod method_fire = {
    .name = "fire",
    .label = "FIRE",
    .citation = "Li et al. 2024, arXiv 2310.04418, section 3",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .layout = layout,
    .init = init,
    .pair_bias = pair_bias,
    .pair_bias_backward = pair_bias_backward,
};
