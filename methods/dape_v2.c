/* DAPE v2: data-adaptive positional encoding by convolution.
 *
 * Zheng et al., "DAPE v2: process attention score as feature map for length extrapolation", 2024, arXiv
 * 2410.04798 (code: github.com/chuanyang-Zheng/DAPE, Kerple_DAPEV2). As dape.c, but f sees three adjacent
 * keys of a query instead of one:
 *
 *     S = A + B + f([A; B]),     f: convolution 2H -> 32, leaky ReLU (0.01), convolution 32 -> H,
 *     B = -p_h ln(1 + a_h d)
 *
 * Both convolutions have three taps along the keys. The first reads zeros at keys that the query does not
 * see. The second also reads the units of the key after the query, if the text has one; hence the last row of
 * a text differs from the same row of a longer text. Each layer has tensors of its own. They start as in
 * dape.c, with the bounds +-1/sqrt(3 inputs) of torch's convolutions.
 *
 * Speed: 576 H operations per pair forward; 2688 H in training, where scores are computed twice and units
 * three times; none's attention has 14 D H. By operations alone, training takes at least 2.1 times as long as
 * none at T = 128 and 4.4 times at 512 for the model of `poslab bench` (width 128, 8 heads of 16),
 * evaluation 1.7 and 3.3 times. Multiplications bind: in stretches of whole vectors they take most of the
 * time. The products with B in the first layer, 192 H forward, depend on the distance alone except at the
 * ends of a row; sharing them between the rows of a block, as dape.c does, would leave 384 H and 1728 H.
 */
#include "position/position.h"

#include <math.h>
#include <string.h>

enum { TAPS = 3, UNITS = 32, MOST_HEADS = 64 };
enum { IN_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS, P, A, TENSORS };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->heads <= MOST_HEADS) return true;
    return error_set(err, EXIT_USAGE, "works with at most %d heads, got %d", MOST_HEADS, shape->heads);
}

/* Weights are stored by tap: in_weight[tap,unit,input], out_weight[tap,head,unit]. Tap 1 is the key itself.
 */
static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int H = shape->heads;
    const PositionTensor all[TENSORS] = {
        [IN_WEIGHT] = {.name = "in_weight", .rank = 2, .dims = {TAPS * UNITS, 2 * H}, .per_layer = true},
        [IN_BIAS] = {.name = "in_bias", .rank = 1, .dims = {UNITS}, .per_layer = true},
        [OUT_WEIGHT] = {.name = "out_weight", .rank = 2, .dims = {TAPS * H, UNITS}, .per_layer = true},
        [OUT_BIAS] = {.name = "out_bias", .rank = 1, .dims = {H}, .per_layer = true, .inert = true},
        [P] = {.name = "p", .rank = 1, .dims = {H}, .per_layer = true},
        [A] = {.name = "a", .rank = 1, .dims = {H}, .per_layer = true},
    };
    (void)options;
    memcpy(tensors, all, sizeof all);
    return TENSORS;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int H = context->shape->heads;
    const int counts[TENSORS] = {TAPS * UNITS * 2 * H, UNITS, TAPS * H * UNITS, H, H, H};
    double bound = 1 / sqrt(TAPS * (index <= IN_BIAS ? 2.0 * H : UNITS));
    for (int i = 0; i < counts[index]; i++)
        value[i] = (float)(index == P   ? 2 * random_uniform(rng)
                           : index == A ? random_uniform(rng)
                                        : bound * (2 * random_uniform(rng) - 1));
}

static void project(const PositionShape *shape, const void *options, int index, float *value) {
    (void)options;
    for (int h = 0; (index == P || index == A) && h < shape->heads; h++)
        if (value[h] < 0.01f) value[h] = 0.01f;
}

static void distance_bias(const PositionContext *context, float *bias) {
    for (int h = 0; h < context->shape->heads; h++)
        position_log_bias(bias + (size_t)h * context->length, context->length, context->param[P][h],
                          context->param[A][h]);
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    for (int h = 0; h < context->shape->heads; h++) {
        size_t first = (size_t)h * context->length;
        position_log_bias_backward(dbias + first, context->length, context->param[P][h], context->param[A][h],
                                   &context->grad[P][h], &context->grad[A][h]);
    }
}

/* ---- the convolutions ----
 *
 * The keys of a query are processed in stretches of WIDTH columns, so that products have whole vectors. A
 * stretch computes the units of keys begin .. begin + WIDTH - 1 and the outputs of the keys one earlier,
 * which need the next unit. Column c of inputs and outputs is key begin - 1 + c, column c of units key begin
 * - 2 + c; the first two columns of each are the last two of the stretch before. */
enum { WIDTH = 64, CARRIED = 2, COLUMNS = WIDTH + CARRIED, STRIDE = WIDTH + 16 };

typedef struct Stretch {
    float input[2 * MOST_HEADS * STRIDE], unit[UNITS * STRIDE], out[MOST_HEADS * STRIDE];
    float dinput[2 * MOST_HEADS * STRIDE], dunit[UNITS * STRIDE], dout[MOST_HEADS * STRIDE];
    int begin, query;
    int first;  /* the first key that the query sees */
    int units;  /* number of keys that have units: up to the query, and the next row */
    size_t row; /* offset of the row of head 0 */
} Stretch;

static const float *tap_of(const float *weight, int tap, int rows, int columns) {
    return weight + (size_t)tap * rows * columns;
}

static void begin_row(const PositionContext *context, const PositionScores *block, int r, Stretch *x) {
    x->begin = x->first = 0;
    x->query = block->first + r;
    x->units = x->query + 2 < context->length ? x->query + 2 : context->length;
    x->row = (size_t)r * block->columns;
    while (block->s[x->row + x->first] == POS_UNSEEN) x->first++;
    for (int k = 0; k < UNITS; k++)
        for (int c = 0; c < CARRIED; c++) x->unit[k * STRIDE + c] = x->dunit[k * STRIDE + c] = 0;
}

/* Moves on to the next stretch; returns false if the row has no more outputs. */
static bool next_stretch(const PositionContext *context, Stretch *x) {
    int H = context->shape->heads;
    x->begin += WIDTH;
    if (x->begin > x->query + 1) return false;
    float *const carried[] = {x->input, x->unit, x->dunit, x->dout};
    const int rows[] = {2 * H, UNITS, UNITS, H};
    for (int n = 0; n < 4; n++)
        for (float *to = carried[n]; to < carried[n] + rows[n] * STRIDE; to += STRIDE)
            memcpy(to, to + WIDTH, CARRIED * sizeof *to);
    return true;
}

/* The columns of keys that the query sees, from `from` on: *low .. *high - 1. */
static void seen_columns(const Stretch *x, int from, int *low, int *high) {
    int first = x->first - x->begin + 1, end = x->query - x->begin + 2;
    *high = end < COLUMNS ? end : COLUMNS;
    *low = first > from ? first : from;
    if (*low > *high) *low = *high;
    if (*low < from) *low = *high = from;
}

/* Reads A, B and, backward, the gradient of the output. */
static void read_columns(const PositionContext *context, const PositionScores *block, Stretch *x) {
    int H = context->shape->heads, from = x->begin ? CARRIED : 0, low, high;
    seen_columns(x, from, &low, &high);
    for (int h = 0; h < H; h++) {
        size_t at = x->row + (size_t)h * block->rows * block->columns;
        const float *bias = block->bias + (size_t)h * context->length;
        float *a = x->input + h * STRIDE, *b = x->input + (H + h) * STRIDE, *dout = x->dout + h * STRIDE;
        for (int c = from; c < COLUMNS; c++) a[c] = b[c] = dout[c] = 0;
        for (int c = low; c < high; c++) {
            int j = x->begin - 1 + c;
            b[c] = bias[x->query - j];
            a[c] = block->s[at + j] - b[c];
        }
        for (int c = low; block->ds && c < high; c++) dout[c] = block->ds[at + x->begin - 1 + c];
    }
}

/* Clears new units of columns that are not keys. */
static void clear_outside(const Stretch *x, float *unit) {
    int end = x->units - x->begin + CARRIED;
    for (int k = 0; k < UNITS; k++, unit += STRIDE)
        for (int c = end > CARRIED ? end : CARRIED; c < COLUMNS; c++) unit[c] = 0;
}

static void compute_units(const PositionContext *context, Stretch *x) {
    int H = context->shape->heads;
    float *units = x->unit + CARRIED;
    for (int k = 0; k < UNITS; k++)
        for (int c = 0; c < WIDTH; c++) units[k * STRIDE + c] = context->param[IN_BIAS][k];
    for (int tap = 0; tap < TAPS; tap++)
        position_product(units, STRIDE, tap_of(context->param[IN_WEIGHT], tap, UNITS, 2 * H), 2 * H,
                         x->input + tap, STRIDE, UNITS, WIDTH, 2 * H, POS_ADD);
    for (int k = 0; k < UNITS; k++)
        for (int c = k * STRIDE; c < k * STRIDE + WIDTH; c++)
            units[c] = units[c] > 0 ? units[c] : 0.01f * units[c];
    clear_outside(x, x->unit);
}

static void add_outputs(const PositionContext *context, const PositionScores *block, Stretch *x) {
    int H = context->shape->heads, low, high;
    for (int tap = 0; tap < TAPS; tap++)
        position_product(x->out, STRIDE, tap_of(context->param[OUT_WEIGHT], tap, H, UNITS), UNITS,
                         x->unit + tap, STRIDE, H, WIDTH, UNITS, tap ? POS_ADD : 0);
    seen_columns(x, 0, &low, &high);
    for (int h = 0; h < H; h++) {
        float *s = block->s + x->row + (size_t)h * block->rows * block->columns + x->begin - 1;
        for (int c = low; c < high && c < WIDTH; c++)
            s[c] += x->out[h * STRIDE + c] + context->param[OUT_BIAS][h];
    }
}

static void scores(const PositionContext *context, const PositionScores *block) {
    Stretch x;
    for (int r = 0; r < block->rows; r++) {
        begin_row(context, block, r, &x);
        do {
            read_columns(context, block, &x);
            compute_units(context, &x);
            add_outputs(context, block, &x);
        } while (next_stretch(context, &x));
    }
}

/* The gradients of new units, before the leaky ReLU, from those of the outputs. */
static void units_backward(const PositionContext *context, Stretch *x) {
    int H = context->shape->heads;
    float *dunit = x->dunit + CARRIED;
    const float *unit = x->unit + CARRIED;
    for (int tap = 0; tap < TAPS; tap++)
        position_product(dunit, STRIDE, tap_of(context->param[OUT_WEIGHT], tap, H, UNITS), UNITS,
                         x->dout + (TAPS - 1 - tap), STRIDE, UNITS, WIDTH, H,
                         POS_TRANSPOSE_A | (tap ? POS_ADD : 0));
    for (int k = 0; k < UNITS; k++)
        for (int c = k * STRIDE; c < k * STRIDE + WIDTH; c++)
            dunit[c] = unit[c] > 0 ? dunit[c] : 0.01f * dunit[c];
    clear_outside(x, x->dunit);
}

static void add_sums(float *sums, const float *x, int rows) {
    for (int i = 0; i < rows; i++, x += STRIDE) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < WIDTH; c++) sum += x[c];
        sums[i] += sum;
    }
}

/* Gradients of the weights, from the new units and the outputs of this stretch. */
static void add_gradients(const PositionContext *context, const Stretch *x) {
    int H = context->shape->heads;
    float *const *grad = context->grad;
    for (int tap = 0; tap < TAPS; tap++) {
        position_product(grad[IN_WEIGHT] + (size_t)tap * UNITS * 2 * H, 2 * H, x->dunit + CARRIED, STRIDE,
                         x->input + tap, STRIDE, UNITS, 2 * H, WIDTH, POS_ADD | POS_TRANSPOSE_B);
        position_product(grad[OUT_WEIGHT] + (size_t)tap * H * UNITS, UNITS, x->dout, STRIDE, x->unit + tap,
                         STRIDE, H, UNITS, WIDTH, POS_ADD | POS_TRANSPOSE_B);
    }
    add_sums(grad[IN_BIAS], x->dunit + CARRIED, UNITS);
    add_sums(grad[OUT_BIAS], x->dout, H);
}

/* The gradients of A and of B that f adds, at the keys of the outputs. */
static void add_inputs(const PositionContext *context, const PositionScores *block, Stretch *x) {
    int H = context->shape->heads, low, high;
    for (int tap = 0; tap < TAPS; tap++)
        position_product(x->dinput, STRIDE, tap_of(context->param[IN_WEIGHT], tap, UNITS, 2 * H), 2 * H,
                         x->dunit + (TAPS - 1 - tap), STRIDE, 2 * H, WIDTH, UNITS,
                         POS_TRANSPOSE_A | (tap ? POS_ADD : 0));
    seen_columns(x, 0, &low, &high);
    for (int h = 0; h < H; h++) {
        const float *da = x->dinput + h * STRIDE, *db = x->dinput + (H + h) * STRIDE;
        float *ds = block->ds + x->row + (size_t)h * block->rows * block->columns + x->begin - 1;
        double *dbias = block->dbias + (size_t)h * context->length + x->query - x->begin + 1;
        for (int c = low; c < high && c < WIDTH; c++) ds[c] += da[c];
        for (int c = low; c < high && c < WIDTH; c++) dbias[-c] += db[c] - da[c];
    }
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    Stretch x;
    for (int r = 0; r < block->rows; r++) {
        begin_row(context, block, r, &x);
        do {
            read_columns(context, block, &x);
            compute_units(context, &x);
            units_backward(context, &x);
            add_gradients(context, &x);
            add_inputs(context, block, &x);
        } while (next_stretch(context, &x));
    }
}

const PositionMethod method_dape_v2 = {
    .name = "dape_v2",
    .label = "DAPE v2",
    .citation = "Zheng et al. 2024, arXiv 2410.04798",
    .claims = POS_ISOMETRY,
    .check = check,
    .layout = layout,
    .init = init,
    .project = project,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
