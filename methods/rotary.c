/* Rotary position embeddings (RoPE).
 *
 * Su et al., "RoFormer", 2021, arXiv 2104.09864, section 3.2. Queries and keys are divided into pairs of
 * coordinates; at position t, pair i is rotated by the angle t w_i, w_i = base^(-2i/n), where n <= D is the
 * number of rotated coordinates:
 *
 *     (a, b) -> (a cos - b sin, a sin + b cos)
 *
 * so that q_i . k_j depends on the positions only through i - j. Pairs are neighbours (2i, 2i+1), as in the
 * paper, or half of the rotated part apart (i, i + n/2), as in GPT-NeoX and Llama; both are the same method
 * up to a fixed permutation of the rows of the projections. Option `fraction` rotates only the first
 * coordinates of a head; the others get no position information (GPT-NeoX, "rotary_pct"). Angles are computed
 * in double. The backward pass rotates by the opposite angle.
 *
 * Option `resonance`, which all methods of this family have (Wang et al., "Resonance RoPE", 2024, arXiv
 * 2403.00071; code: github.com/sheryc/resonance_rope): w_i = 2 pi / round(2 pi / w_i), after context
 * extension, so that the angles of a pair repeat exactly and those of fast pairs are all seen in training.
 */
#include "position/rotary.h"

/* The options are a RotaryOptions. */
static const OptionField fields[] = {ROTARY_FIELDS};

static const char pytorch[] =
    "def transform(p, x, t):\n"
    "    n = round(OPTIONS['fraction'] * WIDTH / HEADS)\n"
    "    i = torch.arange(0, n, 2, dtype=t.dtype, device=t.device)\n"
    "    frequencies = OPTIONS['base'] ** (-i / n)\n"
    "    if OPTIONS.get('resonance'):\n"
    "        frequencies = 2 * math.pi / torch.round(2 * math.pi / frequencies)\n"
    "    angles = t[:, None] * frequencies\n"
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
    .also = "rope",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(RotaryOptions, fields),
    ROTARY_HOOKS(rotary_frequency),
    .pytorch = pytorch,
};
