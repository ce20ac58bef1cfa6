/* Hard-ALiBi: heads that see their last h positions, and heads without positions.
 *
 * Jelassi et al., "Repeat after me: transformers are better than state space models at copying", 2024, arXiv
 * 2402.01032 (code: github.com/sjelassi/transformers_ssm_copy, hard_alibi_model.py). Head h = 1..M sees the
 * last h positions, that of the query included. The other heads see all positions, without information about
 * them:
 *
 *     B[h,d] = 0 for d < h,  -infinity for d >= h,      h = 1..M;      B[h,d] = 0 for the other heads
 *
 * M heads together can find the n-gram before a position, which copying needs. The paper uses M = 8 of 16
 * heads; hence the default, half of the heads, rounded up.
 *
 * Speed: H T numbers per pass. Each pair costs one addition forward and one backward, as with nape, and
 * none's 14 D operations even if it is not seen. Without unseen pairs, a local head would have h of T keys
 * per query; the tiles of attention, which heads have in common, do not use that.
 */
#include "position/position.h"

typedef struct Options {
    int64_t local;
} Options;

static const OptionField fields[] = {
    {"local", OPTION_INT, offsetof(Options, local), .default_value = 0, .low = 0, .high = 1024,
     .help = "M: number of local heads; head h = 1..M sees the last h positions; 0: half of the heads"},
};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->heads >= 3) return true;
    return error_set(err, EXIT_USAGE, "needs at least 3 heads, got %d: two local ones and one that sees all",
                     shape->heads);
}

static void distance_bias(const PositionContext *context, float *bias) {
    int64_t local = ((const Options *)context->options)->local;
    if (!local) local = (context->shape->heads + 1) / 2;
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < context->length; d++) *bias++ = h < local && d > h ? POS_UNSEEN : 0;
}

const PositionMethod method_hard_alibi = {
    .name = "hard_alibi",
    .label = "Hard-ALiBi",
    .citation = "Jelassi et al. 2024, arXiv 2402.01032",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .distance_bias = distance_bias,
};
