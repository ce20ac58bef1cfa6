/* test_golden: values from papers and authors' code, and equivalences between methods.
 *
 * Each list names its source. The numbers were computed from the formulas of the source, not by this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "laws.h"
#include "naive.h"
#include "near.h"
#include "need.h"
#include "probe.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

/* ---- a method with options given as JSON ---- */

static Encoding position_of(const char *name, const char *json, Arena *arena) {
    const PositionMethod *m = need_method(name);
    Error err;
    Encoding position = {0};
    Json *object = json_parse(json, strlen(json), "golden", arena, &err);
    if (!object || !encoding_read(&position, m, object, NULL, "golden", "", arena, &err))
        fail_msg("%s", err.text);
    return position;
}

static LawCase sized(Encoding position, int heads, int width) {
    return (LawCase){.position = position,
                     .model = {.layers = 2,
                               .heads = heads,
                               .width = width,
                               .ffn = 3 * width,
                               .vocabulary = 19,
                               .activation = MODEL_GELU,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024},
                     .train_length = 16,
                     .batch = 1,
                     .length = 40,
                     .seed = 11};
}

/* ---- ALiBi ---- */

/* get_slopes(n) of github.com/ofirpress/attention_with_linear_biases (fairseq/models/transformer.py, line
   742), run in Python for each n. */
static const struct {
    int heads;
    double slope[16];
} alibi_slopes[] = {
    {1, {0.00390625}},
    {2, {0.0625, 0.00390625}},
    {4, {0.25, 0.0625, 0.015625, 0.00390625}},
    {6, {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125}},
    {8, {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625}},
    {12,
     {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.7071067811865476,
      0.35355339059327384, 0.17677669529663692, 0.08838834764831849}},
    {16,
     {0.7071067811865476, 0.5000000000000001, 0.35355339059327384, 0.25000000000000006, 0.17677669529663692,
      0.12500000000000006, 0.08838834764831849, 0.06250000000000004, 0.044194173824159244,
      0.03125000000000003, 0.022097086912079626, 0.015625000000000017, 0.011048543456039816,
      0.00781250000000001, 0.005524271728019908, 0.003906250000000005}},
};

static void alibi_has_the_authors_slopes(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int n = 0; n < COUNT_OF(alibi_slopes); n++) {
        int heads = alibi_slopes[n].heads;
        Encoding position = position_of("alibi", "{}", arena);
        LawCase c = sized(position, heads, 2 * heads);
        Probe p = probe_new(&c, 1025, arena);
        float *bias = probe_data(&p, 1, "bias", arena) + p.start[BIAS], initial[16] = {0};
        PositionShape shape = law_shape(&c);
        Random rng = random_stream(1, "init", "position.slope");
        probe_forward(&p, bias - p.start[BIAS]);
        PositionContext context = {.shape = &shape, .options = position.options, .layer = -1};
        position.method->init(&context, 0, initial, &rng);
        for (int h = 0; h < heads; h++) {
            double slope = alibi_slopes[n].slope[h];
            near(bias[h * 1025], 0, 0);
            near(bias[h * 1025 + 1], -slope, 1e-7 * slope);
            near(bias[h * 1025 + 1024], -1024 * slope, 1e-7 * 1024 * slope);
            near(initial[h], slope, 1e-7 * slope);
        }
    }
    arena_free(arena);
}

/* ---- T5 ---- */

/* The first distance of each bucket from 16 on: transformers' T5Attention._relative_position_bucket with
   bidirectional=False (as mesh_tensorflow), run for d = 0..200; each distance below 16 has its own bucket. */
static const int t5_starts[] = {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};

/* The same for 16 buckets up to 64, and 8 buckets up to 20. */
static const int t5_starts_16_64[] = {8, 11, 14, 18, 23, 30, 39, 50};
static const int t5_starts_8_20[] = {4, 6, 9, 14};

static void t5_buckets(const char *json, const int *starts, int exact, int count) {
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("t5", json, arena), 3, 12);
    Probe p = probe_new(&c, 2000, arena);
    float *data = probe_data(&p, 1, "bias", arena), *bias = data + p.start[BIAS];
    for (size_t i = 0; i < p.sizes[0]; i++)
        p.value[0][i] = (float)i; /* [buckets,H]: the index of the element */
    assert_int_equal(p.count, 1);
    assert_int_equal(p.tensors[0].dims[0], exact + count);
    assert_int_equal(p.tensors[0].dims[1], 3);
    probe_forward(&p, data);
    for (int d = 0; d < 2000; d++) {
        int bucket = d;
        if (d >= exact) {
            bucket = exact - 1;
            for (int k = 0; k < count; k++) bucket += d >= starts[k];
        }
        for (int h = 0; h < 3; h++) near(bias[h * 2000 + d], bucket * 3 + h, 0);
    }
    arena_free(arena);
}

static void t5_has_the_authors_buckets(void **state) {
    (void)state;
    t5_buckets("{}", t5_starts, 16, COUNT_OF(t5_starts));
    t5_buckets("{\"buckets\": 16, \"max_distance\": 64}", t5_starts_16_64, 8, COUNT_OF(t5_starts_16_64));
    t5_buckets("{\"buckets\": 8, \"max_distance\": 20}", t5_starts_8_20, 4, COUNT_OF(t5_starts_8_20));
}

static void t5_starts_with_its_deviation(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = sized(
        position_of("t5", "{\"buckets\": 4096, \"max_distance\": 8192, \"init_deviation\": 0.5}", arena), 4,
        16);
    PositionShape shape = law_shape(&c);
    float *value = NEW(arena, 4 * 4096, float);
    double sum = 0, squares = 0;
    Random rng = random_stream(1, "init", "position.bias");
    PositionContext context = {.shape = &shape, .options = c.position.options, .layer = -1};
    c.position.method->init(&context, 0, value, &rng);
    for (int i = 0; i < 4 * 4096; i++) {
        assert_true(value[i] != 0);
        sum += value[i], squares += (double)value[i] * value[i];
    }
    near(sum / (4 * 4096), 0, 4 * 0.5 / 128); /* four standard errors: 0.5 / sqrt(16384) */
    near(squares / (4 * 4096), 0.25, 4 * 0.25 * sqrt(2.0) / 128);
    arena_free(arena);
}

/* ---- rotary ---- */

/* RoFormer's equation 34 for D = 4, base 10000 (angles t and t / 100): a unit vector along each coordinate at
   t = 1, 3 and 1000. cos and sin from Python's math. */
static const struct {
    int t;
    double cos0, sin0, cos1, sin1;
} rotary_angles[] = {
    {0, 1, 0, 1, 0},
    {1, 0.5403023058681398, 0.8414709848078965, 0.9999500004166653, 0.009999833334166664},
    {3, -0.9899924966004454, 0.1411200080598672, 0.9995500337489875, 0.02999550020249566},
    {1000, 0.5623790762907029, 0.8268795405320025, -0.8390715290764524, -0.5440211108893698},
    {32767, 0.9822633517692823, 0.18750655394138943, 0.5862582149688977, 0.8101242530510253},
};

static void rotary_turns_by_the_papers_angles(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int halves = 0; halves < 2; halves++) {
        Encoding position = position_of("rotary", halves ? "{\"pairs\": \"half\"}" : "{}", arena);
        LawCase c = sized(position, 2, 8);
        Probe p = probe_new(&c, 32768, arena);
        int second = halves ? 2 : 1,
            other = halves ? 1 : 2; /* partner of coordinate 0; the first of the second pair */
        for (int axis = 0; axis < 4; axis++) {
            float *data = probe_data(&p, 1, "unit", arena);
            for (int n = 0; n < COUNT_OF(rotary_angles); n++)
                for (int part = QUERY; part <= KEY; part++)
                    for (int i = 0; i < 4; i++)
                        data[p.start[part] + (size_t)(rotary_angles[n].t * p.stride + i)] = i == axis;
            probe_forward(&p, data);
            for (int n = 0; n < COUNT_OF(rotary_angles); n++)
                for (int part = QUERY; part <= KEY; part++) {
                    const float *x = data + p.start[part] + (size_t)(rotary_angles[n].t * p.stride);
                    bool fast = axis == 0 || axis == second, leading = axis == 0 || axis == other;
                    double cosine = fast ? rotary_angles[n].cos0 : rotary_angles[n].cos1;
                    double sine = fast ? rotary_angles[n].sin0 : rotary_angles[n].sin1;
                    int a = fast ? 0 : other, b = fast ? second : 3;
                    near(x[a], leading ? cosine : -sine, 1e-7);
                    near(x[b], leading ? sine : cosine, 1e-7);
                    near(x[fast ? other : 0], 0, 0);
                }
        }
    }
    arena_free(arena);
}

/* ---- sinusoidal ---- */

typedef struct Row {
    int t; /* position, 0-based */
    double x[8];
} Row;

/* fairseq/modules/sinusoidal_positional_embedding.py: rows 2 + t (padding_idx 1) of get_embedding(n, 8, 1),
   computed in double by Python: half = 4, frequencies exp(-i ln(10000) / 3), sines, then cosines. */
static const Row fairseq_rows[] = {
    {0,
     {0.9092974268256817, 0.0926985007787272, 0.004308856046742809, 0.0001999999986666665,
      -0.4161468365471424, 0.9956942241237399, 0.9999907168366957, 0.9999999800000001}},
    {1,
     {0.1411200080598672, 0.13879810108005047, 0.0064632590701896395, 0.0002999999954999997,
      -0.9899924966004454, 0.990320699135675, 0.9999791129229608, 0.9999999550000004}},
    {100,
     {0.9948267913584063, -0.9997573134587286, 0.21798792405056244, 0.010199823132920055, 0.10158570369662134,
      0.02202984761148666, 0.9759514665023697, 0.9999479804510119}},
    {32767,
     {0.8151392789744125, 0.45413452596753956, 0.9962035927615948, -0.13489485461274314, -0.579265013506836,
      0.8909331244960186, 0.08705401638575108, -0.9908599185550937}},
};

/* Vaswani et al. 2017, section 3.5, C = 8: sin(t / 10000^(2i/8)) at 2i, cos at 2i + 1; double, by Python. */
static const Row original_rows[] = {
    {0, {0, 1, 0, 1, 0, 1, 0, 1}},
    {1,
     {0.8414709848078965, 0.5403023058681398, 0.09983341664682815, 0.9950041652780258, 0.009999833334166664,
      0.9999500004166653, 0.0009999998333333417, 0.9999995000000417}},
    {100,
     {-0.5063656411097588, 0.8623188722876839, -0.5440211108893698, -0.8390715290764524, 0.8414709848078965,
      0.5403023058681398, 0.09983341664682815, 0.9950041652780258}},
    {32767,
     {0.18750655394138943, 0.9822633517692823, -0.01886118737281382, -0.9998221119833706, 0.8101242530510253,
      0.5862582149688977, 0.9759578914229735, 0.2179591571125734}},
};

static void sinusoidal_rows(const char *json, const Row *rows, int count) {
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("sinusoidal", json, arena), 2, 8);
    Probe p = probe_new(&c, 32768, arena);
    float *data = probe_data(&p, 1, "x", arena), *x = data + p.start[EMBED];
    memset(x, 0, p.size[EMBED] * sizeof *x);
    probe_forward(&p, data);
    for (int n = 0; n < count; n++)
        for (int i = 0; i < 8; i++) near(x[rows[n].t * 8 + i], rows[n].x[i], 6e-8); /* a rounded double */
    arena_free(arena);
}

static void sinusoidal_has_both_tables(void **state) {
    (void)state;
    sinusoidal_rows("{}", fairseq_rows, COUNT_OF(fairseq_rows));
    sinusoidal_rows("{\"layout\": \"fairseq\"}", fairseq_rows, COUNT_OF(fairseq_rows));
    sinusoidal_rows("{\"layout\": \"original\"}", original_rows, COUNT_OF(original_rows));
}

/* ---- defaults, promises, refusals ---- */

/* The label is used in tables and figures, the bounds in errors about configs. */
static const struct {
    const char *method, *label, *key;
    double default_value, low, high;
} defaults[] = {
    {"alibi", "ALiBi", "trainable", 0, 0, 0},
    {"alibi", "ALiBi", "max_exponent", 8, 0.5, 64},
    {"none", "None", NULL, 0, 0, 0},
    {"rotary", "Rotary", "base", 10000, 1.01, 1e9},
    {"rotary", "Rotary", "fraction", 1, 0, 1},
    {"rotary", "Rotary", "pairs", 0, 0, 0},          /* interleaved */
    {"sinusoidal", "Sinusoidal", "layout", 0, 0, 0}, /* fairseq */
    {"sinusoidal", "Sinusoidal", "base", 10000, 1.01, 1e9},
    {"t5", "T5 bias", "buckets", 32, 2, 4096},
    {"t5", "T5 bias", "max_distance", 128, 2, 16777216},
    {"t5", "T5 bias", "init_deviation", 0, 0, 10},
};

static void defaults_are_the_papers(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < COUNT_OF(defaults); i++) {
        Encoding position = position_of(defaults[i].method, "{}", arena);
        const PositionMethod *m = position.method;
        assert_string_equal(m->label, defaults[i].label);
        if (defaults[i].key) near(naive_option(&position, defaults[i].key), defaults[i].default_value, 0);
        for (int k = 0; k < m->field_count && defaults[i].key; k++) {
            if (strcmp(m->fields[k].key, defaults[i].key) != 0) continue;
            near(m->fields[k].low, defaults[i].low, 0);
            near(m->fields[k].high, defaults[i].high, 0);
        }
    }
    arena_free(arena);
}

static const struct {
    const char *method, *json;
    int heads, width;
    bool accepted;
    const char *says;
} shapes[] = {
    {"sinusoidal", "{}", 1, 4, true, ""},
    {"sinusoidal", "{}", 1, 2, false, "at least 4, got 2"}, /* fairseq's exponent is over C/2 - 1 */
    {"sinusoidal", "{}", 1, 7, false, "even 'model.width'"},
    {"rotary", "{}", 2, 4, true, ""},
    {"rotary", "{}", 2, 6, false, "(1 x 3) must be an even whole number"},
    {"rotary", "{\"fraction\": 0.5}", 2, 8, true, ""},
    {"rotary", "{\"fraction\": 0.5}", 2, 12, false, "(0.5 x 6)"},
    {"rotary", "{\"fraction\": 0.3}", 1, 4, false, "rotary"},
    {"rotary", "{\"fraction\": 0.4}", 1, 5, true, ""}, /* 2 of 5 */
    {"rotary", "{\"fraction\": 0}", 1, 3, true, ""},
    {"t5", "{\"buckets\": 32, \"max_distance\": 17}", 1, 4, true, ""},
    {"t5", "{\"buckets\": 32, \"max_distance\": 16}", 1, 4, false, "half of 'buckets' (16), got 16"},
    {"t5", "{\"buckets\": 33, \"max_distance\": 16}", 1, 4, false, "(16), got 16"},
};

static void checks_refuse(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < COUNT_OF(shapes); i++) {
        LawCase c =
            sized(position_of(shapes[i].method, shapes[i].json, arena), shapes[i].heads, shapes[i].width);
        PositionShape shape = law_shape(&c);
        Error err = {0};
        if (encoding_check(c.position.method, &shape, c.position.options, &err) != shapes[i].accepted)
            fail_msg("%s %s with width %d: %s", shapes[i].method, shapes[i].json, shapes[i].width, err.text);
        if (!shapes[i].accepted) {
            assert_int_equal(err.code, EXIT_USAGE);
            if (!strstr(err.text, shapes[i].says))
                fail_msg("'%s' does not say '%s'", err.text, shapes[i].says);
        }
    }
    arena_free(arena);
}

static void registry_is_in_order(void **state) {
    const char *nearest;
    (void)state;
    for (int i = 1; i < encoding_method_count; i++)
        assert_true(strcmp(encoding_methods[i - 1]->name, encoding_methods[i]->name) < 0);
    assert_null(encoding_find("rope"));
    assert_null(encoding_find_or_nearest("a method of another kind", &nearest));
    assert_null(nearest);
    assert_ptr_equal(encoding_find_or_nearest("rotary", &nearest), need_method("rotary"));
    assert_null(encoding_find_or_nearest("rotery", &nearest));
    assert_string_equal(nearest, "rotary");
    need_method("sinusoidal");
    assert_null(encoding_find_or_nearest("sinusodial", &nearest));
    assert_string_equal(nearest, "sinusoidal");
    assert_ptr_equal(encoding_control(), need_method("none"));
}

/* ---- equivalences ---- */

/* Checks that two models have the same losses on the same tokens. */
static void same_losses(const LawCase *c, const Model *a, const Model *b, double tolerance, Arena *arena) {
    const uint32_t **tokens = law_tokens(c, 1, c->length, arena);
    float *left = NEW(arena, c->length, float), *right = NEW(arena, c->length, float);
    transformer_evaluate(a, activations_new(a, 1, c->length, false, arena), tokens, 1, left);
    transformer_evaluate(b, activations_new(b, 1, c->length, false, arena), tokens, 1, right);
    for (int t = 0; t < c->length; t++) near(left[t], right[t], tolerance * (1 + fabs((double)right[t])));
}

/* Copies every tensor that both models have. */
static void copy_shared(Model *to, const Model *from) {
    for (int i = 0; i < from->param_count; i++) {
        const ModelParam *param = &from->params[i];
        if (param->init != MODEL_INIT_METHOD)
            memcpy(to->values + naive_param(to, param->name)->offset, from->values + param->offset,
                   param->size * sizeof(float));
    }
}

static void interleaved_is_half_split_with_rows_exchanged(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("rotary", "{}", arena), 3, 24), d = c;
    d.position = position_of("rotary", "{\"pairs\": \"half\"}", arena);
    Model *neighbours = law_model(&c, arena), *halves = law_model(&d, arena);
    for (int l = 0; l < c.model.layers; l++) {
        const ModelParam *w =
            naive_param(neighbours, arena_format(arena, "layers.%d.attention.qkv.weight", l));
        const ModelParam *b = naive_param(neighbours, arena_format(arena, "layers.%d.attention.qkv.bias", l));
        for (int row = 0; row < 2 * 24; row++) { /* rows of v are unchanged */
            int head = row / 8 * 8, i = row % 8, to = head + i / 2 + (i % 2 ? 4 : 0);
            memcpy(halves->values + w->offset + to * 24, neighbours->values + w->offset + row * 24,
                   24 * sizeof(float));
            halves->values[b->offset + (size_t)to] = neighbours->values[b->offset + (size_t)row];
        }
    }
    same_losses(&c, neighbours, halves, NLL_TOLERANCE, arena);
    arena_free(arena);
}

/* The same query and key, 1 and 20000 positions from the start; angles are computed in double, cosines
 * rounded to float.
 */
static void rotary_scores_depend_on_distance_alone(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("rotary", "{}", arena), 2, 32);
    Probe p = probe_new(&c, 20100, arena);
    float *data = probe_data(&p, 5, "vectors", arena), *q = data + p.start[QUERY], *k = data + p.start[KEY];
    static const int places[][2] = {{70, 0}, {71, 1}, {20070, 20000}, {20099, 20029}};
    double first = 0;
    for (int n = 1; n < COUNT_OF(places); n++) {
        memcpy(q + places[n][0] * p.stride, q + places[0][0] * p.stride, 16 * sizeof *q);
        memcpy(k + places[n][1] * p.stride, k + places[0][1] * p.stride, 16 * sizeof *k);
    }
    probe_forward(&p, data);
    for (int n = 0; n < COUNT_OF(places); n++) {
        double score = 0;
        for (int i = 0; i < 16; i++)
            score += (double)q[places[n][0] * p.stride + i] * k[places[n][1] * p.stride + i];
        if (n == 0) first = score;
        near(score, first, 16 * 4 * 1.2e-7); /* 16 products of numbers near 1, with a few roundings each */
    }
    arena_free(arena);
}

/* Methods that add no position information compute the same bits as `none`. */
static void methods_that_do_nothing_equal_none(void **state) {
    (void)state;
    static const char *const idle[][2] = {{"t5", "{}"}, {"rotary", "{\"fraction\": 0}"}};
    for (int i = 0; i < COUNT_OF(idle); i++) {
        Arena *arena = arena_new(0);
        LawCase c = sized(position_of("none", "{}", arena), 3, 12), d = c;
        d.position = position_of(idle[i][0], idle[i][1], arena);
        Model *none = law_model(&c, arena), *other = law_model(&d, arena);
        memset(other->values, 0, other->size * sizeof(float)); /* also T5's biases */
        copy_shared(other, none);
        same_losses(&c, none, other, 0, arena);
        arena_free(arena);
    }
}

static void trainable_alibi_starts_as_alibi(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("alibi", "{}", arena), 6, 24), d = c;
    d.position = position_of("alibi", "{\"trainable\": true}", arena);
    Model *fixed = law_model(&c, arena), *trainable = law_model(&d, arena);
    assert_int_equal(fixed->position_parameters, 0);
    assert_int_equal(trainable->position_parameters, 6);
    model_init(fixed, 3);
    model_init(trainable, 3);
    same_losses(&c, fixed, trainable, 0, arena);
    arena_free(arena);
}

/* The authors add m_h j, key index times slope; softmax is invariant to the difference m_h i in a row. */
static void alibi_in_the_authors_form(void **state) {
    (void)state;
    enum { HEADS = 6, LENGTH = 50 };
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("alibi", "{}", arena), HEADS, 2 * HEADS);
    Probe p = probe_new(&c, LENGTH, arena);
    float *data = probe_data(&p, 1, "bias", arena), *bias = data + p.start[BIAS];
    Random rng = random_stream(1, "scores", "");
    probe_forward(&p, data);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < LENGTH; i++) {
            double score[LENGTH], ours = 0, theirs = 0, slope = alibi_slopes[3].slope[h];
            for (int j = 0; j <= i; j++) {
                score[j] = random_normal(&rng);
                ours += exp(score[j] + bias[h * LENGTH + i - j]);
                theirs += exp(score[j] + slope * j);
            }
            for (int j = 0; j <= i; j++)
                near(exp(score[j] + bias[h * LENGTH + i - j]) / ours, exp(score[j] + slope * j) / theirs,
                     1e-6);
        }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alibi_has_the_authors_slopes),
        cmocka_unit_test(t5_has_the_authors_buckets),
        cmocka_unit_test(t5_starts_with_its_deviation),
        cmocka_unit_test(rotary_turns_by_the_papers_angles),
        cmocka_unit_test(sinusoidal_has_both_tables),
        cmocka_unit_test(defaults_are_the_papers),
        cmocka_unit_test(checks_refuse),
        cmocka_unit_test(registry_is_in_order),
        cmocka_unit_test(interleaved_is_half_split_with_rows_exchanged),
        cmocka_unit_test(rotary_scores_depend_on_distance_alone),
        cmocka_unit_test(methods_that_do_nothing_equal_none),
        cmocka_unit_test(trainable_alibi_starts_as_alibi),
        cmocka_unit_test(alibi_in_the_authors_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
