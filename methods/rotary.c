/* Rotary position embeddings (RoPE).
 *
 * Su et al., "RoFormer", 2021, arXiv 2104.09864, section 3.2. Queries and keys are cut into pairs of
 * coordinates; pair i of position t is turned by the angle t w_i, w_i = base^(-2i/n), where n <= D
 * coordinates are rotated:
 *
 *     (a, b) -> (a cos - b sin, a sin + b cos)
 *
 * so that q_i . k_j depends on the positions through i - j alone. Pairs are neighbours (2i, 2i+1), as in the
 * paper, or lie half of the rotated part apart (i, i + n/2), as in GPT-NeoX and Llama; the two are one method
 * up to a fixed permutation of the rows of the projections. Option `fraction` rotates the first coordinates
 * of a head only and leaves the others without position (GPT-NeoX, "rotary_pct"). Angles are computed in
 * double. The backward pass turns by the opposite angle.
 */
#include "position/rotary.h"

/* Its options are a RotaryOptions and nothing more. */
static const OptionField fields[] = {ROTARY_FIELDS};

static double frequency(const PositionContext *context, int pair, double *amplitude) {
    (void)amplitude;
    return rotary_base_frequency(context, pair);
}

static const char pytorch[] =
    "def transform(p, x, t):\n"
    "    n = round(OPTIONS['fraction'] * WIDTH / HEADS)\n"
    "    i = torch.arange(0, n, 2, dtype=t.dtype, device=t.device)\n"
    "    angles = t[:, None] * OPTIONS['base'] ** (-i / n)\n"
    "    cos, sin = angles.cos().to(x), angles.sin().to(x)\n"
    "    half = OPTIONS['pairs'] == 'half'\n"
    "    a, b = (x[..., :n // 2], x[..., n // 2:n]) if half else (x[..., 0:n:2], x[..., 1:n:2])\n"
    "    rotated = [a * cos - b * sin, a * sin + b * cos]\n"
    "    rotated = torch.cat(rotated, -1) if half else torch.stack(rotated, -1).flatten(-2)\n"
    "    return torch.cat([rotated, x[..., n:]], -1)\n";

const PositionMethod method_rotary = {
    .name = "rotary",
    .label = "Rotary",
    .citation = "Su et al. 2021, arXiv 2104.09864, section 3.2",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    .options_size = sizeof(RotaryOptions),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    ROTARY_HOOKS(frequency),
    .pytorch = pytorch,
};
