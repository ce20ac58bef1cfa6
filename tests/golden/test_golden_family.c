/* test_golden_family: values of the rotary family and of further distance biases, and equivalences among
 * them.
 *
 * Numbers were computed in double by Python, from the formulas of the source given with each list. A method
 * whose file does not exist is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

#include <math.h>

#include "laws.h"
#include "naive.h"
#include "near.h"
#include "need.h"
#include "probe.h"
#include "position/encoding.h"

static bool has(const char *method) {
    return encoding_find(method) != NULL;
}

static Encoding position_of(const char *method, const char *json) {
    const PositionMethod *m = need_method(method);
    Error err;
    Encoding position = {0};
    Json *object = json_parse(json, strlen(json), "golden", arena, &err);
    if (!object || !encoding_read(&position, m, object, NULL, "golden", "", arena, &err))
        fail_msg("%s", err.text);
    return position;
}

static LawCase sized(const char *method, const char *json, int heads, int head_dim, int train_length) {
    return (LawCase){.position = position_of(method, json),
                     .model = {.layers = 2,
                               .heads = heads,
                               .width = heads * head_dim,
                               .ffn = 24,
                               .vocabulary = 19,
                               .activation = MODEL_GELU,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024},
                     .train_length = train_length,
                     .batch = 1,
                     .length = 40,
                     .seed = 11};
}

/* ---- the rotary family: frequencies and scales ---- */

/* Base 10000. From transformers' modeling_rope_utils.py (commit 0044e3b): _compute_linear_scaling, ntk,
   dynamic_ntk (factor 2), yarn (beta 32 and 1), longrope and llama3 (low 1, high 4) _rope_parameters;
   hope: the formula of its file, since there is no code; resonance: get_wavelengths of resonance_rope,
   rounded; ntk_parts: Peng et al. 2023, equations 11 to 13; p_rope: int(p n // 2) frequencies, then zeros
   (Barbero et al. 2024, appendix). */
static const struct {
    const char *method, *json;
    int head_dim, train_length, length;
    double scale, frequency[16];
} frequencies[] = {
    {"pi",
     "{}",
     16,
     64,
     256,
     1,
     {0.25, 0.07905694150420949, 0.025, 0.007905694150420948, 0.0025, 0.0007905694150420947, 0.00025,
      7.905694150420948e-05}},
    {"ntk",
     "{\"factor\": 4}",
     16,
     64,
     100,
     1,
     {1.0, 0.2594128170149228, 0.0672950096316178, 0.017457188019584336, 0.004528618321319533,
      0.0011747816359188909, 0.00030475341355111886, 7.905694150420948e-05}},
    {"dynamic_ntk",
     "{}",
     16,
     64,
     256,
     1,
     {1.0, 0.2394813560059838, 0.05735131987446476, 0.013734571852269752, 0.003289173891343177,
      0.0007876958236383426, 0.00018863846396516057, 4.517539514526257e-05}},
    {"yarn",
     "{}",
     16,
     64,
     256,
     1.138629436111989,
     {1.0, 0.23717082451262847, 0.05, 0.007905694150420948, 0.0025, 0.0007905694150420947, 0.00025,
      7.905694150420948e-05}},
    {"yarn",
     "{\"factor\": 8}",
     32,
     4096,
     300,
     1.2079441541679836,
     {1.0, 0.5623413251903491, 0.31622776601683794, 0.17782794100389226, 0.1, 0.056234132519034905,
      0.02766992952647332, 0.013337095575291922, 0.00625, 0.0028117066259517455, 0.001185854122563142,
      0.0004445698525097308, 0.000125, 7.029266564879364e-05, 3.952847075210474e-05, 2.2228492625486534e-05}},
    {"ntk_parts",
     "{}",
     16,
     64,
     256,
     1,
     {0.47223991188422504, 0.09604961577286979, 0.025044979764003543, 0.007905694150420948, 0.0025,
      0.0007905694150420947, 0.00025, 7.905694150420948e-05}},
    {"llama3",
     "{}",
     16,
     64,
     256,
     1,
     {1.0, 0.25464790894703254, 0.025464790894703257, 0.007905694150420948, 0.0025, 0.0007905694150420947,
      0.00025, 7.905694150420948e-05}},
    {"longrope",
     "{\"factors\": \"1,1.25,1.5,2,2.5,3,3.5,4\", \"unscaled\": 0}",
     16,
     64,
     256,
     1.1547005383792517,
     {1.0, 0.25298221281347033, 0.06666666666666667, 0.015811388300841896, 0.004, 0.0010540925533894597,
      0.00028571428571428574, 7.905694150420948e-05}},
    {"hope", "{}", 16, 64, 256, 1, {1.0, 0.31622776601683794, 0.1, 0, 0, 0, 0, 0}},
    {"rotary",
     "{\"resonance\": true}",
     16,
     64,
     256,
     1,
     {1.0471975511965976, 0.3141592653589793, 0.09973310011396169, 0.03157379551346526, 0.010005072145190424,
      0.0031621466065322526, 0.0010000294934234578, 0.00031623057562935156}},
    {"pi",
     "{\"factor\": 4, \"resonance\": true}",
     16,
     64,
     256,
     1,
     {0.25132741228718347, 0.07953399123012135, 0.025032610785576042, 0.007903377744879982,
      0.0025002727048068388, 0.0007905366516330632, 0.0002499974259809647, 7.905664918378382e-05}},
    {"p_rope",
     "{}",
     16,
     64,
     256,
     1,
     {1.0, 0.31622776601683794, 0.1, 0.03162277660168379, 0.01, 0.003162277660168379, 0.0, 0.0}},
};

/* (1, 0) in every pair, at every position: (m cos, m sin). */
static void pairs_turn_by_the_sources_frequencies(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(frequencies); n++) {
        if (!has(frequencies[n].method)) continue;
        int T = frequencies[n].length, D = frequencies[n].head_dim;
        LawCase c = sized(frequencies[n].method, frequencies[n].json, 2, D, frequencies[n].train_length);
        Probe p = probe_new(&c, T, arena);
        float *data = probe_data(&p, 1, "unit", arena);
        for (int part = QUERY; part <= KEY; part++)
            for (int t = 0; t < T; t++)
                for (int i = 0; i < D; i++) data[p.start[part] + (size_t)(t * p.stride + i)] = i % 2 == 0;
        probe_forward(&p, data);
        for (int part = QUERY; part <= KEY; part++)
            for (int t = 0; t < T; t++)
                for (int i = 0; i < D / 2; i++) {
                    const float *pair = data + p.start[part] + (size_t)(t * p.stride + 2 * i);
                    double angle = t * frequencies[n].frequency[i], m = frequencies[n].scale;
                    near(pair[0], m * cos(angle), 1e-7 * m);
                    near(pair[1], m * sin(angle), 1e-7 * m);
                }
    }
}

/* torchscale/component/xpos_relative_position.py, XPOS(4).forward on (1, 1, 1, 1) as query and, with
   downscale, as key, length 64 (positions from -32 on): their dot products. */
static const struct {
    int i, j;
    double score;
} xpos_scores[] = {
    {0, 0, 3.9999999999999996},
    {1, 0, 3.0761387399313564},
    {40, 7, 1.8144690986037761},
    {63, 0, 3.2206539083929098},
};

static void xpos_fades_as_the_authors_code(void **state) {
    (void)state;
    if (!has("xpos")) return;
    for (int train_length = 16; train_length <= 4096; train_length *= 16) {
        LawCase c = sized("xpos", "{}", 2, 4, train_length);
        Probe p = probe_new(&c, 64, arena);
        float *data = probe_data(&p, 1, "unit", arena);
        for (int part = QUERY; part <= KEY; part++)
            for (int t = 0; t < 64; t++)
                for (int i = 0; i < 4; i++) data[p.start[part] + (size_t)(t * p.stride + i)] = 1;
        probe_forward(&p, data);
        for (int n = 0; n < COUNT_OF(xpos_scores); n++) {
            const float *q = data + p.start[QUERY] + (size_t)(xpos_scores[n].i * p.stride);
            const float *k = data + p.start[KEY] + (size_t)(xpos_scores[n].j * p.stride);
            double score = 0;
            for (int i = 0; i < 4; i++) score += (double)q[i] * k[i];
            near(score, xpos_scores[n].score, 1e-6);
        }
    }
}

/* ln(1.4 / 0.4) / 512 per position, 10^15 from the middle of 128 on: 64 + 512 * 15 ln(10) / ln(3.5) */
static void xpos_ends_where_floats_would(void **state) {
    (void)state;
    if (!has("xpos")) return;
    LawCase c = sized("xpos", "{}", 2, 4, 128);
    PositionShape shape = law_shape(&c);
    int limit = c.position.method->limit(&shape, c.position.options);
    assert_int_equal(limit, 14179);
    Probe p = probe_new(&c, limit, arena);
    float *data = probe_data(&p, 1, "ones", arena),
          *last = data + p.start[QUERY] + (size_t)((limit - 1) * p.stride);
    for (int i = 0; i < 4; i++) last[i] = 1;
    probe_forward(&p, data);
    assert_true(fabsf(last[0]) + fabsf(last[1]) > 1e-16f && fabsf(last[0]) < 1e-14f);
}

/* ---- absolute, and biases by distance ---- */

/* x-transformers, ScaledSinusoidalEmbedding(8): sin half and cos half; the scale is a parameter. */
static const struct {
    int t;
    double x[8];
} scaled_rows[] = {
    {0, {0, 0, 0, 0, 1, 1, 1, 1}},
    {1,
     {0.8414709848078965, 0.09983341664682815, 0.009999833334166664, 0.0009999998333333417,
      0.5403023058681398, 0.9950041652780258, 0.9999500004166653, 0.9999995000000417}},
    {100,
     {-0.5063656411097588, -0.5440211108893698, 0.8414709848078965, 0.09983341664682815, 0.8623188722876839,
      -0.8390715290764524, 0.5403023058681398, 0.9950041652780258}},
    {32767,
     {0.18750655394138943, -0.018861187373268484, 0.8101242530510253, 0.9759578914229735, 0.9822633517692823,
      -0.999822111983362, 0.5862582149688977, 0.2179591571125734}},
};

static void scaled_sinusoidal_has_the_sources_table(void **state) {
    (void)state;
    if (!has("scaled_sinusoidal")) return;
    LawCase c = sized("scaled_sinusoidal", "{}", 2, 4, 64);
    Probe p = probe_new(&c, 32768, arena);
    PositionShape shape = law_shape(&c);
    float *data = probe_data(&p, 1, "x", arena), *x = data + p.start[EMBED], alpha = 0;
    PositionContext context = {.shape = &shape, .options = c.position.options, .layer = -1};
    c.position.method->init(&context, 0, &alpha, NULL);
    near(alpha, 1 / sqrt(8), 1e-8);
    memset(x, 0, p.size[EMBED] * sizeof *x);
    *p.value[0] = 2;
    probe_forward(&p, data);
    for (int n = 0; n < COUNT_OF(scaled_rows); n++)
        for (int i = 0; i < 8; i++) near(x[scaled_rows[n].t * 8 + i], 2 * scaled_rows[n].x[i], 1.2e-7);
}

/* Biases without parameters. sandwich: NeMo's sandwich_relative_position_embedding.py with hidden_size 128
   and 8 heads, 32 and 6. nape and hard_alibi: get_nape_slopes of asentmax and hard_alibi_model.py, as
   described in their files. The exponential shape of alibi: expm1(-m d) with the slopes 2^-1 and 2^-8 of 8
   heads. */
static const struct {
    const char *method, *json;
    int heads, head, distance;
    double bias;
} biases[] = {
    {"sandwich", "{}", 8, 0, 0, 0},
    {"sandwich", "{}", 8, 0, 1, -1.4466185051004956},
    {"sandwich", "{}", 8, 1, 1, -0.7233092525502478},
    {"sandwich", "{}", 8, 7, 2, -0.6502490788286384},
    {"sandwich", "{}", 8, 0, 10, -19.3409060724264},
    {"sandwich", "{}", 8, 1, 100, -16.65945708519019},
    {"sandwich", "{}", 8, 7, 1000, -6.6737058473502575},
    {"sandwich", "{}", 8, 0, 4096, -67.26932434479397},
    {"sandwich", "{\"size\": 32}", 6, 0, 1, -0.16998984072215562},
    {"sandwich", "{\"size\": 32}", 6, 5, 50, -1.2582524768639056},
    {"nape", "{}", 8, 0, 10, -10},
    {"nape", "{}", 8, 2, 10, -3.3333333333333335},
    {"nape", "{}", 8, 3, 4096, -1024},
    {"nape", "{}", 8, 4, 4096, 0},
    {"nape", "{}", 5, 2, 1, -0.3333333333333333},
    {"nape", "{}", 5, 3, 1, 0},
    {"hard_alibi", "{}", 8, 0, 0, 0},
    {"hard_alibi", "{}", 8, 0, 1, -1e30},
    {"hard_alibi", "{}", 8, 3, 3, 0},
    {"hard_alibi", "{}", 8, 3, 4, -1e30},
    {"hard_alibi", "{}", 8, 4, 4096, 0},
    {"hard_alibi", "{\"local\": 7}", 8, 6, 7, -1e30},
    {"hard_alibi", "{\"local\": 7}", 8, 7, 7, 0},
    {"alibi", "{\"shape\": \"exponential\"}", 8, 0, 0, 0},
    {"alibi", "{\"shape\": \"exponential\"}", 8, 0, 1, -0.3934693402873666},
    {"alibi", "{\"shape\": \"exponential\"}", 8, 7, 5, -0.019341750860461433},
    {"alibi", "{\"shape\": \"exponential\"}", 8, 0, 1000, -1},
    {"alibi", "{\"shape\": \"exponential\"}", 8, 7, 1000, -0.9798842059732591},
};

static void biases_are_the_sources(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(biases); n++) {
        if (!has(biases[n].method)) continue;
        LawCase c = sized(biases[n].method, biases[n].json, biases[n].heads, 2, 64);
        Probe p = probe_new(&c, 4097, arena);
        float *data = probe_data(&p, 1, "bias", arena);
        probe_forward(&p, data);
        near(data[p.start[BIAS] + (size_t)(biases[n].head * 4097 + biases[n].distance)], biases[n].bias,
             1e-7 * fabs(biases[n].bias));
    }
}

/* Biases with parameters, at their initial values, and after the first number of a tensor is set. meliad's
   BoundedALiBi; BAM: -(d + 1e-5)^a e^b, with b = ln of ALiBi's slope and a from 0 to 1. */
static const struct {
    const char *method, *json;
    int tensor; /* set to `value`; -1: none */
    float value;
    int head, distance;
    double bias;
} learned_biases[] = {
    {"bounded_alibi", "{}", -1, 0, 0, 1, -0.5},
    {"bounded_alibi", "{}", -1, 0, 0, 3, -1},
    {"bounded_alibi", "{}", -1, 0, 7, 100, -0.390625},
    {"bounded_alibi", "{}", 0, -3, 7, 100, -1},
    {"bounded_alibi", "{}", 1, -7, 0, 3, -1.5},
    {"bounded_alibi", "{}", 1, -7, 3, 4000, -7},
    {"bounded_alibi", "{\"by_head\": true}", 1, 5, 0, 40, -5},
    {"bounded_alibi", "{\"by_head\": true}", 1, 5, 1, 40, -1},
    {"bounded_alibi", "{\"fixed_bound\": 2}", -1, 0, 1, 40, -2},
    {"bounded_alibi", "{\"slopes\": true}", 0, -0.25f, 0, 2, -0.5},
    {"bam", "{}", -1, 0, 0, 100, -0.5},
    {"bam", "{}", -1, 0, 7, 100, -0.3906250390625},
    {"bam", "{\"start\": \"constant\"}", -1, 0, 0, 100, -50.000005},
    {"bam", "{}", 0, 2, 0, 10, -50.00010000005},
    {"bam", "{}", 1, 0, 0, 7, -1},
};

static void learned_biases_are_the_sources(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(learned_biases); n++) {
        if (!has(learned_biases[n].method)) continue;
        LawCase c = sized(learned_biases[n].method, learned_biases[n].json, 8, 2, 64);
        Probe p = probe_new(&c, 4097, arena);
        float *data = probe_data(&p, 1, "bias", arena);
        for (int k = 0; k < p.count; k++) {
            memset(p.value[k], 0, p.sizes[k] * sizeof(float));
            PositionContext context = {.shape = &p.shape, .options = c.position.options, .layer = 0};
            c.position.method->init(&context, k, p.value[k], NULL);
        }
        if (learned_biases[n].tensor >= 0) *p.value[learned_biases[n].tensor] = learned_biases[n].value;
        probe_forward(&p, data);
        near(data[p.start[BIAS] + (size_t)(learned_biases[n].head * 4097 + learned_biases[n].distance)],
             learned_biases[n].bias, 3e-7 * fabs(learned_biases[n].bias));
    }
}

/* A bound of a bucket that is an integer belongs to it: 10 buckets up to 160 start at 5, 10, 20, 40 and 80; 8
   up to 64 at 4, 8, 16 and 32. Logarithms in floating point would put some of them one lower. */
static void t5_takes_in_whole_starts(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int exact, starts[8];
    } cases[] = {{"{\"buckets\": 10, \"max_distance\": 160}", 5, {5, 10, 20, 40, 80}},
                 {"{\"buckets\": 8, \"max_distance\": 64}", 4, {4, 8, 16, 32}},
                 {"{\"buckets\": 6, \"max_distance\": 3000}", 3, {3, 30, 300}},
                 {"{\"buckets\": 12, \"max_distance\": 4374}", 6, {6, 18, 54, 162, 486, 1458}}};
    if (!has("t5")) return;
    for (int n = 0; n < COUNT_OF(cases); n++) {
        LawCase c = sized("t5", cases[n].json, 1, 4, 64);
        Probe p = probe_new(&c, 2000, arena);
        float *data = probe_data(&p, 1, "bias", arena), *bias = data + p.start[BIAS];
        for (size_t i = 0; i < p.sizes[0]; i++) p.value[0][i] = (float)i;
        probe_forward(&p, data);
        for (int k = 0; k < cases[n].exact; k++) {
            int start = cases[n].starts[k];
            near(bias[start], cases[n].exact + k, 0);
            near(bias[start - 1], k ? cases[n].exact + k - 1 : start - 1, 0);
        }
    }
}

/* GPT-NeoX and x-transformers: the bias times sqrt(D), which is 2 for D = 4. */
static void t5_scaled_is_sqrt_d_times_as_much(void **state) {
    (void)state;
    if (!has("t5")) return;
    LawCase c = sized("t5", "{}", 2, 4, 64), d = sized("t5", "{\"scaled\": true}", 2, 4, 64);
    Probe plain = probe_new(&c, 50, arena), scaled = probe_new(&d, 50, arena);
    float *a = probe_data(&plain, 1, "bias", arena), *b = probe_data(&scaled, 1, "bias", arena);
    probe_forward(&plain, a);
    probe_forward(&scaled, b);
    for (size_t i = 0; i < plain.size[BIAS]; i++)
        near(b[scaled.start[BIAS] + i], 2.0 * a[plain.start[BIAS] + i], 0);
}

/* One active hidden unit, A = 1, a = 0, B = 3, b = -1: 3 silu(u) - 1. silu(ln 8) = ln 8 / (1 + 1/8). */
static void cpb_is_its_network(void **state) {
    (void)state;
    if (!has("cpb")) return;
    for (int linear = 0; linear < 2; linear++) {
        LawCase c = sized("cpb", linear ? "{\"distance\": \"linear\"}" : "{}", 2, 4, 14);
        Probe p = probe_new(&c, 50, arena);
        float *data = probe_data(&p, 1, "bias", arena);
        for (int k = 0; k < p.count; k++) memset(p.value[k], 0, p.sizes[k] * sizeof(float));
        p.value[0][5] = 1, p.value[2][32 + 5] = 3, p.value[3][1] = -1; /* the second head of 2, 32 units */
        probe_forward(&p, data);
        double silu = linear ? 0.5 / (1 + exp(-0.5)) : log(8) * 8 / 9;
        near(data[p.start[BIAS] + 50 + 7], 3 * silu - 1, 2e-7);
        near(data[p.start[BIAS] + 50], -1, 0);
        near(data[p.start[BIAS] + 7], 0, 0);
    }
}

/* ---- equal to rotary without scaling ---- */

/* Outputs of two methods on the same queries and keys. */
static double deviation(const LawCase *c, const LawCase *d, int length) {
    Probe p = probe_new(c, length, arena), o = probe_new(d, length, arena);
    float *left = probe_data(&p, 3, "vectors", arena), *right = probe_data(&o, 3, "vectors", arena);
    double most = 0;
    probe_forward(&p, left);
    probe_forward(&o, right);
    for (int part = QUERY; part <= KEY; part++)
        for (size_t i = 0; i < p.size[part]; i++)
            most = fmax(most, fabs((double)left[p.start[part] + i] - right[o.start[part] + i]));
    return most;
}

/* {L, T}: at training length L and T positions the method equals rotary, bit for bit. */
static const struct {
    const char *method, *json, *rotary;
    int train_length, length;
    bool equal;
} rotary_where[] = {
    {"p_rope", "{\"p\": 1}", "{}", 16, 100, true},
    {"p_rope", "{\"p\": 1, \"fraction\": 0.5}", "{\"fraction\": 0.5}", 16, 100, true},
    {"p_rope", "{\"p\": 0.9}", "{}", 16, 100, false},
    {"p_rope", "{\"p\": 0}", "{\"fraction\": 0}", 16, 100, true},
    {"pi", "{\"factor\": 1}", "{}", 16, 100, true},
    {"pi", "{}", "{}", 100, 100, true},
    {"pi", "{}", "{}", 99, 100, false},
    {"ntk", "{\"factor\": 1}", "{}", 16, 100, true},
    {"ntk", "{\"base\": 500}", "{\"base\": 500}", 200, 100, true},
    {"ntk", "{}", "{}", 99, 100, false},
    {"dynamic_ntk", "{}", "{}", 100, 100, true},
    {"dynamic_ntk", "{\"alpha\": 8}", "{}", 100, 99, true},
    {"dynamic_ntk", "{}", "{}", 99, 100, false},
    {"ntk_parts", "{\"factor\": 1}", "{}", 16, 100, true},
    {"ntk_parts", "{\"pairs\": \"half\"}", "{\"pairs\": \"half\"}", 100, 100, true},
    {"ntk_parts", "{}", "{}", 50, 100, false},
    {"yarn", "{\"factor\": 1}", "{}", 16, 100, true},
    {"yarn", "{\"fraction\": 0.25}", "{\"fraction\": 0.25}", 100, 100, true},
    {"yarn", "{}", "{}", 99, 100, false},
    {"llama3", "{\"factor\": 1}", "{}", 16, 100, true},
    {"llama3", "{}", "{}", 100, 60, true},
    {"llama3", "{}", "{}", 50, 100, false},
    {"hope", "{}", "{}", 62832, 100, true},
    {"hope", "{}", "{}", 6, 100, false},
    {"hope", "{}", "{\"fraction\": 0}", 6, 100, true},
    {"longrope", "{\"factor\": 1}", "{}", 16, 100, true},
    {"longrope", "{\"factors\": \"1,2,3,4,5,6,7,8\", \"attention\": 2}", "{}", 100, 100, true},
    {"longrope", "{\"factor\": 4, \"unscaled\": 100}", "{}", 16, 100, true},
    {"longrope", "{\"factor\": 4, \"unscaled\": 99, \"attention\": 1}", "{}", 16, 100, false},
};

static void family_is_rotary_where_nothing_is_scaled(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(rotary_where); n++) {
        if (!has(rotary_where[n].method) || !has("rotary")) continue;
        LawCase c = sized(rotary_where[n].method, rotary_where[n].json, 2, 16, rotary_where[n].train_length);
        LawCase d = sized("rotary", rotary_where[n].rotary, 2, 16, rotary_where[n].train_length);
        double most = deviation(&c, &d, rotary_where[n].length);
        if ((most == 0) != rotary_where[n].equal)
            fail_msg("%s %s at L %d, T %d differs from rotary by %g", rotary_where[n].method,
                     rotary_where[n].json, rotary_where[n].train_length, rotary_where[n].length, most);
    }
}

/* ---- equal to each other ---- */

static const struct {
    const char *left, *left_json, *right, *right_json;
    double tolerance;
} same[] = {
    /* base 10000 * 4^(16/14) = 48760.5... */
    {"ntk", "{\"factor\": 4}", "rotary", "{\"base\": 48760.54616817902}", 1e-6},
    {"dynamic_ntk", "{\"alpha\": 1}", "ntk", "{}", 0},
    {"longrope", "{\"unscaled\": 0, \"attention\": 1}", "ntk", "{}", 1e-6},
    {"longrope", "{\"unscaled\": 0, \"attention\": 1, \"preset\": \"uniform\"}", "pi", "{}", 1e-6},
    {"longrope", "{\"unscaled\": 0, \"factor\": 2, \"factors\": \"2,2,2,2,2,2,2,2\"}", "longrope",
     "{\"unscaled\": 0, \"factor\": 2, \"preset\": \"uniform\"}", 0},
    {"ntk_parts", "{\"beta_fast\": 4}", "llama3", "{}", 1e-6},
    {"ntk_parts", "{\"beta_fast\": 1e6, \"beta_slow\": 1000}", "pi", "{}", 1e-6},
    {"yarn", "{\"attention\": 0, \"beta_fast\": 1, \"beta_slow\": 0.001}", "rotary", "{}", -1},
};

static void family_members_equal_each_other(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(same); n++) {
        if (!has(same[n].left) || !has(same[n].right)) continue;
        LawCase c = sized(same[n].left, same[n].left_json, 2, 16, 30),
                d = sized(same[n].right, same[n].right_json, 2, 16, 30);
        double most = deviation(&c, &d, 120);
        if (same[n].tolerance < 0 ? most < 1e-3 : most > 8 * same[n].tolerance)
            fail_msg("%s %s differs from %s %s by %g", same[n].left, same[n].left_json, same[n].right,
                     same[n].right_json, most);
    }
}

/* ---- tables use the positions given to prepare ---- */

static const char *const by_position[][2] = {
    {"rotary", "{}"},
    {"p_rope", "{}"},
    {"hope", "{}"},
    {"fope", "{}"},
    {"fope", "{\"learned\": true}"},
    {"pi", "{\"factor\": 4}"},
    {"ntk", "{\"factor\": 4}"},
    {"dynamic_ntk", "{}"},
    {"ntk_parts", "{\"factor\": 4}"},
    {"yarn", "{\"factor\": 4}"},
    {"llama3", "{\"factor\": 4}"},
    {"longrope", "{\"factor\": 4}"},
    {"xpos", "{}"},
    {"scaled_sinusoidal", "{}"},
};

static void rows_stand_where_positions_say(void **state) {
    (void)state;
    static const double places[] = {0, 3, 3, 4, 60, 17, 119};
    enum { ROWS = COUNT_OF(places) };
    for (int n = 0; n < COUNT_OF(by_position); n++) {
        if (!has(by_position[n][0])) continue;
        LawCase c = sized(by_position[n][0], by_position[n][1], 2, 16, 200);
        Probe few = probe_new(&c, ROWS, arena), many = probe_new(&c, 120, arena);
        float *a = probe_data(&few, 1, "a", arena), *b = probe_data(&many, 1, "b", arena);
        few.context.tables =
            encoding_prepare(few.method, &few.shape, c.position.options, ROWS, places, arena);
        for (int part = EMBED; part < BIAS; part++) {
            size_t width = few.size[part] / ROWS;
            if (width == 0) continue;
            for (size_t i = 0; i < few.size[part]; i++) a[few.start[part] + i] = (float)(1 + i % width);
            for (size_t i = 0; i < many.size[part]; i++) b[many.start[part] + i] = (float)(1 + i % width);
        }
        probe_forward(&few, a);
        probe_forward(&many, b);
        for (int part = EMBED; part < BIAS; part++) {
            size_t width = few.size[part] / ROWS;
            for (int r = 0; r < ROWS && width; r++)
                if (memcmp(a + few.start[part] + (size_t)r * width,
                           b + many.start[part] + (size_t)places[r] * width, width * sizeof *a) != 0)
                    fail_msg("%s: row %d is not at position %g", by_position[n][0], r, places[r]);
        }
    }
}

/* ---- refusals ---- */

static const struct {
    const char *method, *json;
    int head_dim;
    const char *says; /* NULL: accepted */
} refusals[] = {
    {"pi", "{\"fraction\": 0.3}", 16, "(0.3 x 16) must be an even whole number"},
    {"ntk", "{\"fraction\": 0.125}", 16, "at least two pairs"},
    {"dynamic_ntk", "{}", 2, "at least two pairs"},
    {"ntk_parts", "{\"beta_fast\": 2, \"beta_slow\": 3}", 16, "'beta_slow' <= 'beta_fast', got 3 and 2"},
    {"yarn", "{\"beta_fast\": 2, \"beta_slow\": 3}", 16, "'beta_slow' <= 'beta_fast', got 3 and 2"},
    {"llama3", "{\"low\": 4}", 16, "'low' < 'high', got 4 and 4"},
    {"longrope", "{\"factors\": \"1,2,3\"}", 16, "8 numbers from 1 on"},
    {"longrope", "{\"factors\": \"1,2,3\"}", 6, NULL},
    {"longrope", "{\"factors\": \"1, 2, 3\"}", 6, NULL},
    {"longrope", "{\"factors\": \"1,2,3,\"}", 6, "got \"1,2,3,\""},
    {"longrope", "{\"factors\": \"1,2,0.9\"}", 6, "3 numbers from 1 on"},
    {"longrope", "{\"factors\": \"1,2,nan\"}", 6, "3 numbers from 1 on"},
    {"longrope", "{\"factors\": \"1,2;3\"}", 6, "3 numbers from 1 on"},
    {"xpos", "{}", 3, "even whole number"},
    {"sandwich", "{\"size\": 7}", 4, "even 'size', got 7"},
    {"scaled_sinusoidal", "{}", 3, NULL},
    {"fope", "{}", 2, "even head size from 4 to 1024, got 2"},
    {"self_extend", "{}", 3, "(1 x 3) must be an even whole number"},
    {"rerope", "{\"fraction\": 0.3}", 16, "(0.3 x 16) must be an even whole number"},
    {"hard_alibi", "{}", 4, "at least 3 heads, got 2"},
    {"bounded_alibi", "{}", 4, "at least 3 heads, got 2"},
};

static void checks_refuse(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(refusals); n++) {
        if (!has(refusals[n].method)) continue;
        LawCase c = sized(refusals[n].method, refusals[n].json, 2, refusals[n].head_dim, 16);
        PositionShape shape = law_shape(&c);
        Error err = {0};
        bool accepted = encoding_check(c.position.method, &shape, c.position.options, &err);
        if (accepted != (refusals[n].says == NULL))
            fail_msg("%s %s: %s", refusals[n].method, refusals[n].json, err.text);
        if (!accepted && (err.code != EXIT_USAGE || !strstr(err.text, refusals[n].says)))
            fail_msg("'%s' does not say '%s'", err.text, refusals[n].says);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_arena, fixture_arena_free)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(pairs_turn_by_the_sources_frequencies),
        TEST(xpos_fades_as_the_authors_code),
        TEST(xpos_ends_where_floats_would),
        TEST(scaled_sinusoidal_has_the_sources_table),
        TEST(biases_are_the_sources),
        TEST(learned_biases_are_the_sources),
        TEST(t5_takes_in_whole_starts),
        TEST(t5_scaled_is_sqrt_d_times_as_much),
        TEST(cpb_is_its_network),
        TEST(family_is_rotary_where_nothing_is_scaled),
        TEST(family_members_equal_each_other),
        TEST(rows_stand_where_positions_say),
        TEST(checks_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
