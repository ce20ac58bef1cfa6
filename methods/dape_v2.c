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
 * Speed: three times dape.c: 1728 H operations per pair in training, in addition to none's 14 D H; 576 H in
 * evaluation.
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

/* ---- the convolutions ---- */

/* WIDTH keys of one query, from `begin` on, with their neighbours. Column c of the inputs is key begin - 2 +
   c, column c of the units is key begin - 1 + c. */
enum { WIDTH = 64, INPUTS = WIDTH + 4, HIDDEN = WIDTH + 2 };

typedef struct Stretch {
    float input[2 * MOST_HEADS * INPUTS], unit[UNITS * HIDDEN];
    float dinput[2 * MOST_HEADS * WIDTH], dunit[UNITS * HIDDEN], dout[MOST_HEADS * INPUTS];
    int begin, query, keys; /* keys that have units: those that the query sees and the next row */
    size_t row;             /* offset of the row of head 0 */
} Stretch;

static const float *tap_of(const float *weight, int tap, int rows, int columns) {
    return weight + (size_t)tap * rows * columns;
}

static void begin_row(const PositionContext *context, const PositionScores *block, int r, Stretch *x) {
    x->query = block->first + r;
    x->keys = x->query + 2 < context->length ? x->query + 2 : context->length;
    x->row = (size_t)r * block->columns;
}

/* Reads A, B and, backward, the gradient of the output into the columns from `from` on. */
static void read_columns(const PositionContext *context, const PositionScores *block, Stretch *x, int from) {
    int H = context->shape->heads;
    for (int h = 0; h < H; h++) {
        size_t row = x->row + (size_t)h * block->rows * block->columns;
        for (int c = from; c < INPUTS; c++) {
            int j = x->begin - 2 + c, d = x->query - j;
            bool seen = j >= 0 && d >= 0 && block->s[row + j] != POS_UNSEEN;
            float bias = seen ? block->bias[(size_t)h * context->length + d] : 0;
            x->input[h * INPUTS + c] = seen ? block->s[row + j] - bias : 0;
            x->input[(H + h) * INPUTS + c] = bias;
            if (block->ds) x->dout[h * INPUTS + c] = seen ? block->ds[row + j] : 0;
        }
    }
}

/* Moves the last four columns of [rows,INPUTS] to the front: the first of the next stretch. */
static void move_columns(float *x, int rows) {
    for (int i = 0; i < rows; i++, x += INPUTS) memcpy(x, x + WIDTH, 4 * sizeof *x);
}

/* Clears the units of columns that are not keys. */
static void clear_outside(const Stretch *x, float *unit) {
    for (int c = 0; c < HIDDEN; c++) {
        int j = x->begin - 1 + c;
        for (int k = 0; (j < 0 || j >= x->keys) && k < UNITS; k++) unit[k * HIDDEN + c] = 0;
    }
}

static void compute_units(const PositionContext *context, Stretch *x) {
    int H = context->shape->heads;
    for (int k = 0; k < UNITS; k++)
        for (int c = 0; c < HIDDEN; c++) x->unit[k * HIDDEN + c] = context->param[IN_BIAS][k];
    for (int tap = 0; tap < TAPS; tap++)
        position_product(x->unit, HIDDEN, tap_of(context->param[IN_WEIGHT], tap, UNITS, 2 * H), 2 * H,
                         x->input + tap, INPUTS, UNITS, HIDDEN, 2 * H, POS_ADD);
    for (int i = 0; i < UNITS * HIDDEN; i++) x->unit[i] = x->unit[i] > 0 ? x->unit[i] : 0.01f * x->unit[i];
    clear_outside(x, x->unit);
}

static int stretch_end(const Stretch *x) {
    return x->begin + WIDTH <= x->query ? x->begin + WIDTH : x->query + 1;
}

static void scores(const PositionContext *context, const PositionScores *block) {
    int H = context->shape->heads;
    Stretch x;
    float out[MOST_HEADS * WIDTH];
    for (int r = 0; r < block->rows; r++) {
        begin_row(context, block, r, &x);
        for (x.begin = 0; x.begin <= x.query; x.begin += WIDTH) {
            if (x.begin) move_columns(x.input, 2 * H);
            read_columns(context, block, &x, x.begin ? 4 : 0);
            compute_units(context, &x);
            for (int tap = 0; tap < TAPS; tap++)
                position_product(out, WIDTH, tap_of(context->param[OUT_WEIGHT], tap, H, UNITS), UNITS,
                                 x.unit + tap, HIDDEN, H, WIDTH, UNITS, tap ? POS_ADD : 0);
            for (int h = 0; h < H; h++) {
                float *s = block->s + x.row + (size_t)h * block->rows * block->columns;
                for (int j = x.begin; j < stretch_end(&x); j++)
                    s[j] += out[h * WIDTH + j - x.begin] + context->param[OUT_BIAS][h];
            }
        }
    }
}

/* The gradients of the units, before the leaky ReLU, from those of the output. */
static void units_backward(const PositionContext *context, Stretch *x) {
    int H = context->shape->heads;
    for (int tap = 0; tap < TAPS; tap++)
        position_product(x->dunit, HIDDEN, tap_of(context->param[OUT_WEIGHT], tap, H, UNITS), UNITS,
                         x->dout + (TAPS - 1 - tap), INPUTS, UNITS, HIDDEN, H,
                         POS_TRANSPOSE_A | (tap ? POS_ADD : 0));
    for (int i = 0; i < UNITS * HIDDEN; i++)
        if (x->unit[i] <= 0) x->dunit[i] *= 0.01f;
    clear_outside(x, x->dunit);
}

/* Gradients of the weights, from the keys and units of this stretch alone. The unit of the key after the
   query belongs to the last stretch, even if that is full. */
static void add_gradients(const PositionContext *context, const Stretch *x) {
    int H = context->shape->heads;
    int units = x->begin + WIDTH > x->query ? x->keys - x->begin : WIDTH, outs = stretch_end(x) - x->begin;
    float *const *grad = context->grad;
    for (int tap = 0; tap < TAPS; tap++) {
        position_product(grad[IN_WEIGHT] + (size_t)tap * UNITS * 2 * H, 2 * H, x->dunit + 1, HIDDEN,
                         x->input + 1 + tap, INPUTS, UNITS, 2 * H, units, POS_ADD | POS_TRANSPOSE_B);
        position_product(grad[OUT_WEIGHT] + (size_t)tap * H * UNITS, UNITS, x->dout + 2, INPUTS,
                         x->unit + tap, HIDDEN, H, UNITS, outs, POS_ADD | POS_TRANSPOSE_B);
    }
    for (int k = 0; k < UNITS; k++)
        for (int c = 0; c < units; c++) grad[IN_BIAS][k] += x->dunit[k * HIDDEN + 1 + c];
    for (int h = 0; h < H; h++)
        for (int c = 0; c < outs; c++) grad[OUT_BIAS][h] += x->dout[h * INPUTS + 2 + c];
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    int H = context->shape->heads;
    Stretch x;
    for (int r = 0; r < block->rows; r++) {
        begin_row(context, block, r, &x);
        for (x.begin = 0; x.begin <= x.query; x.begin += WIDTH) {
            if (x.begin) move_columns(x.input, 2 * H), move_columns(x.dout, H);
            read_columns(context, block, &x, x.begin ? 4 : 0);
            compute_units(context, &x);
            units_backward(context, &x);
            add_gradients(context, &x);
            for (int tap = 0; tap < TAPS; tap++)
                position_product(x.dinput, WIDTH, tap_of(context->param[IN_WEIGHT], tap, UNITS, 2 * H), 2 * H,
                                 x.dunit + (TAPS - 1 - tap), HIDDEN, 2 * H, WIDTH, UNITS,
                                 POS_TRANSPOSE_A | (tap ? POS_ADD : 0));
            for (int h = 0; h < H; h++) {
                size_t row = x.row + (size_t)h * block->rows * block->columns;
                double *dbias = block->dbias + (size_t)h * context->length;
                for (int j = x.begin; j < stretch_end(&x); j++) {
                    if (block->s[row + j] == POS_UNSEEN) continue;
                    float da = x.dinput[h * WIDTH + j - x.begin];
                    block->ds[row + j] += da;
                    dbias[x.query - j] += x.dinput[(H + h) * WIDTH + j - x.begin] - da;
                }
            }
        }
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
