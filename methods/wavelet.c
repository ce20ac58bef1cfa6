/* Wavelet: relative vectors made of Ricker wavelets.
 *
 * Oka et al., "Wavelet-based positional representation for long context", 2025, arXiv 2502.02004. As shaw.c,
 * but with fixed vectors: coordinate c of the vector for distance d is a wavelet of d, with a scale a_c and a
 * shift b_c:
 *
 *     S[h,i,j] = q_i . (k_j + r[d]) / sqrt(D),      r[d]_c = psi((d - b_c) / a_c),
 *     psi(t) = 2 / (sqrt(3) pi^(1/4)) (1 - t^2) exp(-t^2 / 2)
 *
 * With s scales, a_c = 2^(c mod s) and b_c = floor(c / s). In float32 a wavelet is zero from t = 15 on, so
 * all distances beyond the last wavelet share a vector of zeros.
 *
 * Not confirmed: the scales and shifts of the paper, and its sign of d, were not found in a source.
 *
 * Speed: a second product for each pair up to the last wavelet: 2 D operations forward, 2 D when the backward
 * pass computes scores again and 2 D for the gradient of q, in addition to none's 14 D. Pairs beyond it share
 * one product per row. The vectors are computed once per pass: n H D exponentials for n distances.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    int64_t scales;
} Options;

static const OptionField fields[] = {
    {"scales", OPTION_INT, offsetof(Options, scales), .default_value = 8, .low = 1, .high = 16,
     .help = "s: number of scales 1, 2, 4, ...; each group of s coordinates has one shift: 0, 1, 2, ..."},
};

static int vector_count(const PositionShape *shape, const void *options, PositionRole role, int length) {
    int64_t scales = ((const Options *)options)->scales;
    int64_t last_shift = (shape->head_dim - 1) / scales;
    double most = (double)last_shift + 15 * exp2((double)(scales - 1)) + 2;
    if (role == POS_VALUE) return 0;
    return most < length ? (int)most : length;
}

static void vectors(const PositionContext *context, PositionRole role, float *r) {
    int scales = (int)((const Options *)context->options)->scales, size = context->shape->head_dim;
    int count = vector_count(context->shape, context->options, role, context->length);
    const double factor = 2 / (sqrt(3) * pow(M_PI, 0.25));
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < count; d++)
            for (int c = 0; c < size; c++) {
                int shift = c / scales;
                double t = (d - shift) / exp2(c % scales);
                *r++ = (float)(factor * (1 - t * t) * exp(-t * t / 2));
            }
}

const PositionMethod method_wavelet = {
    .name = "wavelet",
    .label = "Wavelet",
    .citation = "Oka et al. 2025, arXiv 2502.02004",
    .unconfirmed = "the scales and shifts of the wavelets, and the sign of the distance",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .vector_count = vector_count,
    .vectors = vectors,
};
