/* NAPE: half of the heads with ALiBi, half without positions.
 *
 * Vasylenko et al., "Long-context generalization with sparse attention", 2025, arXiv 2506.16640, where it
 * accompanies ASEntmax (code: github.com/deep-spin/asentmax, get_nape_slopes). With n = ceil(H/2),
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) - m_h d,      m_h = 1/h for heads h = 1..n, 0 for the others
 *
 * so that some heads are local and the others reach any distance. The authors' code also has the slopes
 * 2^-(h-1). If the model has one head, it is local.
 *
 * Speed: H T numbers per pass. Each pair costs one addition forward and one backward, where scores are
 * computed again, in addition to none's 14 D operations; the product of the scores starts with the bias.
 */
#include "position/position.h"

static void distance_bias(const PositionContext *context, float *bias) {
    int heads = context->shape->heads, local = (heads + 1) / 2;
    for (int h = 0; h < heads; h++) {
        double slope = h < local ? 1 / (h + 1.0) : 0;
        for (int d = 0; d < context->length; d++) *bias++ = (float)(-slope * d);
    }
}

const PositionMethod method_nape = {
    .name = "nape",
    .label = "NAPE",
    .citation = "Vasylenko et al. 2025, arXiv 2506.16640",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    .distance_bias = distance_bias,
};
