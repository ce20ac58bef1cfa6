/* Learned absolute position embeddings.
 *
 * Gehring et al. 2017, arXiv 1705.03122, section 3.1; Vaswani et al. 2017, arXiv 1706.03762, section 3.5. A
 * table P[N,C] of vectors, one per position, is learned and added to the embeddings: x_t += P_t. N is the
 * training length unless option `rows` is set. Rows start as N(0, 0.02^2), as in minGPT, where initial zeros
 * gave worse results (github.com/karpathy/minGPT, pull request 62; OpenAI's code of GPT-2 has 0.01 for
 * positions).
 *
 * A position p >= N has no vector. An option selects the treatment: such lengths are refused, all such
 * positions use the last vector (clamp), or the table is stretched over a text whose last position p_max
 * exceeds it, p -> p (N-1) / p_max (interpolate). Between two integer positions the vector is interpolated
 * linearly; positions before the first use the first.
 *
 *     x_t += (1 - f) P[n] + f P[n+1],    n = floor(p_t), f = p_t - n
 */
#include "position/position.h"

#include <limits.h>
#include <math.h>

typedef enum Beyond { BEYOND_REFUSE, BEYOND_CLAMP, BEYOND_INTERPOLATE } Beyond;
static const char *const beyonds[] = {"refuse", "clamp", "interpolate", NULL};

typedef struct Options {
    int beyond;
    int64_t rows;
    double init_deviation;
} Options;

static const OptionField fields[] = {
    {"beyond", OPTION_CHOICE, offsetof(Options, beyond), .default_value = BEYOND_REFUSE, .choices = beyonds,
     .help =
         "positions beyond the table: refuse such lengths, use the last row, or stretch the table over the "
         "text"},
    {"rows", OPTION_INT, offsetof(Options, rows), .default_value = 0, .low = 0, .high = 1 << 14,
     .help = "N: number of positions with a vector; 0: the training length"},
    {"init_deviation", OPTION_REAL, offsetof(Options, init_deviation), .default_value = 0.02, .low = 0,
     .high = 10, .help = "standard deviation of the initial vectors"},
};

static int rows(const PositionShape *shape, const Options *options) {
    return options->rows ? (int)options->rows : shape->train_length;
}

static int limit(const PositionShape *shape, const void *options) {
    return ((const Options *)options)->beyond == BEYOND_REFUSE ? rows(shape, options) : INT_MAX;
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    tensors[0] = (PositionTensor){.name = "table", .rank = 2, .dims = {rows(shape, options), shape->width}};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index;
    for (size_t i = 0; i < (size_t)rows(context->shape, context->options) * (size_t)context->shape->width;
         i++)
        value[i] = (float)(((const Options *)context->options)->init_deviation * random_normal(rng));
}

/* Row t is a mixture of two neighbours of the table. */
typedef struct Mixture {
    int row, next;
    float share; /* weight of `next` */
} Mixture;

/* [T] */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    Mixture *mixtures = NEW(arena, length, Mixture);
    int last = rows(shape, options) - 1;
    double farthest = last;
    for (int t = 0; t < length; t++) farthest = fmax(farthest, position_at(positions, t));
    double stretch = options->beyond == BEYOND_INTERPOLATE && farthest > last ? last / farthest : 1;
    for (int t = 0; mixtures && t < length; t++) {
        double p = fmin(fmax(position_at(positions, t) * stretch, 0), last);
        int row = (int)p, next = row < last ? row + 1 : last;
        mixtures[t] = (Mixture){.row = row, .next = next, .share = (float)(p - row)};
    }
    return mixtures;
}

static void embed(const PositionContext *context, float *x) {
    const Mixture *at = context->tables;
    size_t width = (size_t)context->shape->width;
    for (int t = 0; t < context->length; t++, at++, x += width) {
        const float *row = context->param[0] + (size_t)at->row * width;
        const float *next = context->param[0] + (size_t)at->next * width;
        for (size_t i = 0; i < width; i++) x[i] += (1 - at->share) * row[i] + at->share * next[i];
    }
}

static void embed_backward(const PositionContext *context, const float *dx) {
    const Mixture *at = context->tables;
    size_t width = (size_t)context->shape->width;
    for (int t = 0; t < context->length; t++, at++, dx += width) {
        float *row = context->grad[0] + (size_t)at->row * width;
        float *next = context->grad[0] + (size_t)at->next * width;
        for (size_t i = 0; i < width; i++) row[i] += (1 - at->share) * dx[i], next[i] += at->share * dx[i];
    }
}

const PositionMethod method_learned = {
    .name = "learned",
    .label = "Learned",
    .citation = "Gehring et al. 2017, arXiv 1705.03122, section 3.1",
    .also = "absolute ape",
    .claims = POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .limit = limit,
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .embed = embed,
    .embed_backward = embed_backward,
};
