/* Sinusoidal position embeddings.
 *
 * Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762, section 3.5. A fixed vector of sines
 * and cosines, one frequency per pair of coordinates, is added to the (scaled) token embedding of position t:
 *
 *     original   PE(t, 2i) = sin(t w_i)    PE(t, 2i+1) = cos(t w_i)     w_i = base^(-2i/C)
 *     fairseq    PE(t, i)  = sin(t w_i)    PE(t, C/2+i) = cos(t w_i)    w_i = base^(-i/(C/2-1))
 *
 * with t = 0, 1, ... in the original and t = 2, 3, ... in fairseq.
 *
 * The ALiBi paper's baseline is fairseq's (fairseq/modules/sinusoidal_positional_embedding.py), whose first
 * position is padding_idx + 1 = 2. Angles are computed in double: at position 30000 the error of a float
 * angle is 0.001.
 */
#include "position/position.h"

typedef enum Layout { LAYOUT_FAIRSEQ, LAYOUT_ORIGINAL } Layout;
static const char *const layouts[] = {"fairseq", "original", NULL};

typedef struct Options {
    int layout;
    double base;
} Options;

static const OptionField fields[] = {
    {"layout", OPTION_CHOICE, offsetof(Options, layout), .default_value = LAYOUT_FAIRSEQ, .choices = layouts,
     .help = "halves of sines and cosines from position 2 (fairseq), or alternating from 0 (original)"},
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "ratio of the longest to the shortest wavelength"},
};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->width % 2 == 0 && shape->width >= 4) return true;
    return error_set(err, EXIT_USAGE, "needs an even 'model.width' of at least 4, got %d", shape->width);
}

/* table[T,C] */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    int half = shape->width / 2;
    const PositionSinusoids original = {options->base, half, .alternating = true},
                            fairseq = {options->base, half - 1, .first = 2};
    return position_sinusoids(options->layout == LAYOUT_FAIRSEQ ? &fairseq : &original, shape->width, length,
                              positions, arena);
}

static void embed(const PositionContext *context, float *x) {
    const float *table = context->tables;
    size_t count = (size_t)context->length * context->shape->width;
    for (size_t i = 0; i < count; i++) x[i] += table[i];
}

static const char pytorch[] =
    "def embed(p, t):\n"
    "    fairseq = OPTIONS['layout'] == 'fairseq'\n"
    "    i = torch.arange(WIDTH // 2, dtype=t.dtype, device=t.device)\n"
    "    frequency = OPTIONS['base'] ** (-i / (WIDTH // 2 - 1) if fairseq else -2 * i / WIDTH)\n"
    "    angles = (t[:, None] + 2 * fairseq) * frequency\n"
    "    parts = [angles.sin(), angles.cos()]\n"
    "    return torch.cat(parts, -1) if fairseq else torch.stack(parts, -1).flatten(-2)\n";

const PositionMethod method_sinusoidal = {
    .name = "sinusoidal",
    .label = "Sinusoidal",
    .citation = "Vaswani et al. 2017, arXiv 1706.03762, section 3.5",
    .also = "sine sin",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .prepare = prepare,
    .embed = embed,
    .pytorch = pytorch,
};
