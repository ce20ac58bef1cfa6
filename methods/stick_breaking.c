/* Stick-breaking attention.
 *
 * Tan et al., "Stick-breaking attention", 2024, arXiv 2410.17980 (code: github.com/shawntan/
 * stickbreaking-attention, sb_ref.py). From the query backwards, each key takes a share of the attention that
 * the nearer keys have left. The key of the query itself gets the remainder (sb_remainder, as the authors
 * trained). With z the scaled scores and s the logistic function:
 *
 *     A[i,j] = s(z_ij) prod_{j<k<i} (1 - s(z_ik))  for j < i,      A[i,i] = prod_{k<i} (1 - s(z_ik))
 *
 * Rows of A sum to 1, so A is the softmax of its logarithm. With l(z) = ln(1 + e^z):
 *
 *     S_ij = z_ij - sum_{j<=k<i} l(z_ik)  for j < i,      S_ii = -sum_{k<i} l(z_ik)
 *     dz_ik = dS_ik - s(z_ik) (dS_ii + sum_{j<=k} dS_ij)  for k < i,      dz_ii = 0
 *
 * The order of the keys is the only position information. The form without the remainder is not offered: its
 * rows do not sum to 1, which no hook can express.
 *
 * Speed: per pair a softplus and a running sum forward, which training computes twice, a sigmoid and a
 * running sum backward: 40 vector instructions for 8 pairs, and 3 dependent additions per pair in training, 1
 * in evaluation. The additions bind: at 4 cycles each they take longer than none's 14 D = 224 operations per
 * pair for D = 16 at 32 or more a cycle. Rows of scores are stored in memory.
 */
#include "position/position.h"

enum { STRETCH = 64 };

static float *row_of(const PositionScores *block, float *x, int h, int r) {
    return x + ((size_t)h * block->rows + r) * block->columns;
}

static void scores(const PositionContext *context, const PositionScores *block) {
    float left[STRETCH];
    for (int h = 0; h < context->shape->heads; h++)
        for (int r = 0; r < block->rows; r++) {
            float *s = row_of(block, block->s, h, r);
            int i = block->first + r;
            double sum = 0;
            for (int end = i; end > 0; end -= STRETCH) {
                int begin = end > STRETCH ? end - STRETCH : 0;
                position_softplus(left, s + begin, end - begin);
                for (int j = end - 1; j >= begin; j--) s[j] -= (float)(sum += left[j - begin]);
            }
            s[i] = -(float)sum;
        }
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    float taken[STRETCH];
    for (int h = 0; h < context->shape->heads; h++)
        for (int r = 0; r < block->rows; r++) {
            const float *s = row_of(block, block->s, h, r);
            float *ds = row_of(block, block->ds, h, r);
            int i = block->first + r;
            double sum = ds[i];
            for (int begin = 0; begin < i; begin += STRETCH) {
                int end = i - begin > STRETCH ? begin + STRETCH : i;
                position_sigmoid(taken, s + begin, end - begin);
                for (int j = begin; j < end; j++) ds[j] -= taken[j - begin] * (float)(sum += ds[j]);
            }
            ds[i] = 0;
        }
}

const PositionMethod method_stick_breaking = {
    .name = "stick_breaking",
    .label = "Stick-breaking",
    .citation = "Tan et al. 2024, arXiv 2410.17980",
    .also = "stickbreaking",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY | POS_NORMALISED,
    .scores = scores,
    .scores_backward = scores_backward,
};
