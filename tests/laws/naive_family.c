/* naive_family: formulas of the rotary family and of further distance biases, in double, from the papers and
 * the authors' code.
 *
 * They are written independently of methods/; inverse frequencies are computed as in transformers'
 * modeling_rope_utils.py if it has the method.
 */
#include "naive.h"

#include <math.h>
#include <string.h>

static const double pi = 3.141592653589793;

/* ---- rotary family ---- */

static double option(const NaiveInputs *in, const char *key) {
    return naive_option(in->position, key);
}

static double scale_of(const NaiveInputs *in) {
    double given = option(in, "factor"), times = (double)in->length / in->shape->train_length;
    return given > 0 ? given : fmax(1, times);
}

static int rotated(const NaiveInputs *in) {
    return (int)lround(option(in, "fraction") * in->shape->head_dim);
}

static double at(const NaiveInputs *in, int t) {
    return position_at(in->positions, t);
}

/* Rotates pair i of n by sign * angle and scales it. */
static void turn_pair(const NaiveInputs *in, double *row, int i, int n, double angle, double times) {
    bool halves = option(in, "pairs") == 1;
    double *a = &row[halves ? i : 2 * i], *b = &row[halves ? n / 2 + i : 2 * i + 1], was = *a;
    *a = times * (was * cos(angle) - *b * sin(angle));
    *b = times * (was * sin(angle) + *b * cos(angle));
}

static double theta(const NaiveInputs *in, int i, int n) {
    return 1 / pow(option(in, "base"), 2.0 * i / n);
}

/* Wang et al. 2024, resonance_rope: wavelengths rounded to integers, if the option says so. */
static double rate(const NaiveInputs *in, double w) {
    return option(in, "resonance") != 0 && w > 0 ? 2 * pi / floor(2 * pi / w + 0.5) : w;
}

/* Barbero et al. 2024: rope_angles = int(p * n // 2) frequencies, padded with infinite timescales. */
static void p_rope(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in), turned = (int)(option(in, "p") * n / 2 + 1e-6);
    (void)role;
    for (int i = 0; i < turned; i++)
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n)), 1);
}

/* Chen et al. 2023, equation 4: f(x, m) -> f(x, m L / L'). */
static void pi_transform(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    (void)role;
    for (int i = 0; i < n / 2; i++)
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n) / scale_of(in)), 1);
}

/* Frequencies of base * s^(n/(n-2)): theta_i s^(-2i/(n-2)); the last pair is slowed by s. */
static void ntk_by(const NaiveInputs *in, double s, double *row, int t, int sign) {
    int n = rotated(in);
    for (int i = 0; i < n / 2; i++) {
        double slower = n > 2 ? exp(-log(s) * 2 * i / (n - 2)) : 1;
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n) * slower), 1);
    }
}

static void ntk(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    (void)role;
    ntk_by(in, scale_of(in), row, t, sign);
}

/* transformers, _compute_dynamic_ntk_parameters: seq_len is at least max_position_embeddings. */
static void dynamic_ntk(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    double alpha = option(in, "alpha"), length = fmax(in->length, in->shape->train_length);
    (void)role;
    ntk_by(in, alpha * length / in->shape->train_length - (alpha - 1), row, t, sign);
}

/* Peng et al. 2023, equations 11 to 13: gamma(r) = (r - alpha) / (beta - alpha), h = (1 - gamma) theta / s +
   gamma theta. */
static void ntk_parts(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    double s = scale_of(in), slow = option(in, "beta_slow"), fast = option(in, "beta_fast");
    (void)role;
    for (int i = 0; i < n / 2; i++) {
        double own = theta(in, i, n), r = in->shape->train_length / (2 * pi / own);
        double gamma = r >= fast ? 1 : r <= slow ? 0 : (r - slow) / (fast - slow);
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, (1 - gamma) * own / s + gamma * own), 1);
    }
}

/* transformers, _compute_yarn_parameters, which is the authors' code. */
static void yarn(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    double s = scale_of(in), L = in->shape->train_length, base = option(in, "base");
    double low = floor(n * log(L / (option(in, "beta_fast") * 2 * pi)) / (2 * log(base)));
    double high = ceil(n * log(L / (option(in, "beta_slow") * 2 * pi)) / (2 * log(base)));
    low = fmax(low, 0), high = fmin(high, n - 1);
    if (high <= low) high = low + 0.001;
    (void)role;
    for (int i = 0; i < n / 2; i++) {
        double inside = 1 - fmin(fmax((i - low) / (high - low), 0), 1), own = theta(in, i, n);
        double mixed = own / s * (1 - inside) + own * inside;
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, mixed), 1 + option(in, "attention") * log(s));
    }
}

/* llama-models, apply_scaling, by wavelengths. */
static void llama3(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    double s = scale_of(in), L = in->shape->train_length;
    double low = option(in, "low"), high = option(in, "high");
    (void)role;
    for (int i = 0; i < n / 2; i++) {
        double own = theta(in, i, n), wave = 2 * pi / own;
        double smooth = (L / wave - low) / (high - low);
        double scaled = wave < L / high  ? own
                        : wave > L / low ? own / s
                                         : (1 - smooth) * own / s + smooth * own;
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, scaled), 1);
    }
}

/* Ding et al. 2024, equation 4; transformers, _compute_longrope_parameters; microsoft/LongRoPE,
   MixedLongRoPEScaledRotaryEmbedding for the first positions. Only without a list of factors. */
static void longrope(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    double s = scale_of(in), given = option(in, "attention");
    double times = s <= 1 ? 1 : given > 0 ? given : sqrt(1 + log(s) / log(fmax(in->shape->train_length, 2)));
    (void)role;
    for (int i = 0; i < n / 2; i++) {
        double lambda = option(in, "preset") == 1 || n == 2 ? s : exp(log(s) * 2 * i / (n - 2));
        bool first = at(in, t) < option(in, "unscaled");
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n) / (first ? 1 : lambda)),
                  first ? 1 : times);
    }
}

/* Sun et al. 2022, section 3; torchscale's scale = (arange(0, d, 2) + 0.4 d) / (1.4 d), to the power of
   position / scale_base, and 1 / scale for keys. Any centre gives the same scores. */
static void xpos(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in), centre = in->shape->train_length / 2;
    double gamma = option(in, "gamma");
    for (int i = 0; i < n / 2; i++) {
        double zeta = (2 * i + gamma * n) / ((1 + gamma) * n);
        double times = pow(zeta, (at(in, t) - centre) / option(in, "scale_base"));
        turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n)),
                  role == POS_QUERY ? times : 1 / times);
    }
}

/* Chen et al. 2024 (2410.21216): pairs that do not complete a turn in training have no angle. */
static void hope(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    int n = rotated(in);
    (void)role;
    for (int i = 0; i < n / 2; i++)
        if (2 * pi / theta(in, i, n) <= in->shape->train_length)
            turn_pair(in, row, i, n, sign * at(in, t) * rate(in, theta(in, i, n)), 1);
}

/* ---- absolute ---- */

/* x-transformers, ScaledSinusoidalEmbedding: half sin, half cos of t base^(-i/half), times a parameter. */
static void scaled_sinusoidal(const NaiveInputs *in, double *x) {
    int half = in->shape->width / 2;
    for (int t = 0; t < in->length; t++)
        for (int c = 0; c < 2 * half; c++) {
            double angle = at(in, t) * exp(-log(option(in, "base")) * (c % half) / half);
            *x++ += in->param[0][0] * (c < half ? sin(angle) : cos(angle));
        }
}

/* ---- biases by distance ---- */

/* Chi et al. 2023: p_i . p_j of sinusoidal embeddings with frequencies counted from 1, minus its value at
 * distance 0.
 */
static void sandwich(const NaiveInputs *in, double *bias) {
    int size = (int)option(in, "size"), place = 1000;
    for (int d = 0; d < in->length; d++) {
        double sum = 0;
        for (int k = 1; k <= size / 2; k++) {
            double w = 1 / pow(option(in, "base"), 2.0 * k / size);
            sum += sin(place * w) * sin((place - d) * w) + cos(place * w) * cos((place - d) * w);
        }
        for (int h = 0; h < in->shape->heads; h++)
            bias[h * in->length + d] = (sum - size / 2.0) / ((h + 1) * 8.0 / in->shape->heads);
    }
}

/* x-transformers, DynamicPositionBias with depth 1: Linear(1, hidden), SiLU, Linear(hidden, heads). */
static void cpb(const NaiveInputs *in, double *bias) {
    int hidden = (int)option(in, "hidden");
    const double *const *param = in->param;
    for (int d = 0; d < in->length; d++) {
        double seen = option(in, "distance") == 1 ? (double)d / in->shape->train_length : log1p(d);
        for (int h = 0; h < in->shape->heads; h++) bias[h * in->length + d] = param[3][h];
        for (int w = 0; w < hidden; w++) {
            double z = param[0][w] * seen + param[1][w], active = z / (1 + exp(-z));
            for (int h = 0; h < in->shape->heads; h++)
                bias[h * in->length + d] += param[2][h * hidden + w] * active;
        }
    }
}

/* asentmax, get_nape_slopes: 1 / h for the first half of the heads, then zeros. */
static void nape(const NaiveInputs *in, double *bias) {
    int heads = in->shape->heads;
    for (int h = 1; h <= heads; h++)
        for (int d = 0; d < in->length; d++) *bias++ = 2 * h <= heads + 1 ? -(double)d / h : 0;
}

/* Jelassi et al. 2024, hard_alibi_model.py: head h sees j > i - h. */
static void hard_alibi(const NaiveInputs *in, double *bias) {
    double local = option(in, "local") > 0 ? option(in, "local") : (in->shape->heads + 1) / 2;
    for (int h = 1; h <= in->shape->heads; h++)
        for (int d = 0; d < in->length; d++) *bias++ = h <= local && d >= h ? (double)POS_UNSEEN : 0;
}

/* meliad, BoundedALiBi: scale or slopes, then the bound. */
static void bounded_alibi(const NaiveInputs *in, double *bias) {
    int heads = in->shape->heads;
    double fixed = option(in, "fixed_bound");
    for (int h = 0; h < heads; h++) {
        double slope = option(in, "slopes") != 0 ? fabs(in->param[0][h])
                                                 : fabs(in->param[0][0]) * pow(2, -8.0 * (h + 1) / heads);
        double bound = fixed > 0 ? fixed : fabs(in->param[1][option(in, "by_head") != 0 ? h : 0]);
        for (int d = 0; d < in->length; d++) *bias++ = -fmin(slope * d, bound);
    }
}

/* Bianchessi et al. 2025, with location 0: -|d + eps|^a exp(b). */
static void bam(const NaiveInputs *in, double *bias) {
    for (int h = 0; h < in->shape->heads; h++)
        for (int d = 0; d < in->length; d++) *bias++ = -pow(d + 1e-5, in->param[0][h]) * exp(in->param[1][h]);
}

const NaiveFormulas family_formulas[] = {
    {.method = "p_rope", .transform = p_rope},
    {.method = "pi", .transform = pi_transform},
    {.method = "ntk", .transform = ntk},
    {.method = "dynamic_ntk", .transform = dynamic_ntk},
    {.method = "ntk_parts", .transform = ntk_parts},
    {.method = "yarn", .transform = yarn},
    {.method = "llama3", .transform = llama3},
    {.method = "longrope", .transform = longrope},
    {.method = "xpos", .transform = xpos},
    {.method = "scaled_sinusoidal", .embed = scaled_sinusoidal},
    {.method = "sandwich", .bias = sandwich},
    {.method = "cpb", .bias = cpb},
    {.method = "hope", .transform = hope},
    {.method = "nape", .bias = nape},
    {.method = "hard_alibi", .bias = hard_alibi},
    {.method = "bounded_alibi", .bias = bounded_alibi},
    {.method = "bam", .bias = bam},
};
const int family_formula_count = COUNT_OF(family_formulas);
