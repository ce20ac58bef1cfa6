/* Golden values from papers and authors' code, and equivalences between methods.
 *
 * Each list stands with its source; the numbers were computed from the source's formulas, not by this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "laws.h"
#include "naive.h"
#include "probe.h"

/* ---- a method with options given as JSON ---- */

static Position position_of(const char *name, const char *json, Arena *arena) {
    const PositionMethod *m = position_find(name);
    Err err;
    if (!m) fail_msg("no method '%s'", name);
    Position position = {m, m->options_size ? arena_alloc(arena, 1, m->options_size) : NULL};
    Json *object = json_parse(json, strlen(json), "golden", &err);
    fields_default(position.options, m->fields, m->field_count);
    if (!object || !fields_read(position.options, m->fields, m->field_count, object, NULL, "golden", "", arena, &err))
        fail_msg("%s", err.text);
    json_free(object);
    return position;
}

static LawCase sized(Position position, int heads, int width) {
    return (LawCase){.position = position,
                     .model = {.layers = 2, .heads = heads, .width = width, .ffn = 3 * width, .vocabulary = 19,
                               .activation = ACT_GELU, .final_norm = true, .max_tokens_in_flight = 1024},
                     .train_length = 16, .batch = 1, .length = 40, .seed = 11};
}

static void near(double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance)) fail_msg("%.12g is not %.12g", got, expected);
}

/* ---- ALiBi ---- */

/* get_slopes(n) of github.com/ofirpress/attention_with_linear_biases (fairseq/models/transformer.py), run in Python
   for each n. */
static const struct {
    int heads;
    double slope[16];
} alibi_slopes[] = {
    {1, {0.00390625}},
    {2, {0.0625, 0.00390625}},
    {4, {0.25, 0.0625, 0.015625, 0.00390625}},
    {6, {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125}},
    {8, {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625}},
    {12, {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.7071067811865476, 0.35355339059327384,
          0.17677669529663692, 0.08838834764831849}},
    {16, {0.7071067811865476, 0.5000000000000001, 0.35355339059327384, 0.25000000000000006, 0.17677669529663692,
          0.12500000000000006, 0.08838834764831849, 0.06250000000000004, 0.044194173824159244, 0.03125000000000003,
          0.022097086912079626, 0.015625000000000017, 0.011048543456039816, 0.00781250000000001,
          0.005524271728019908, 0.003906250000000005}},
};

static void alibi_has_the_authors_slopes(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int n = 0; n < COUNT_OF(alibi_slopes); n++) {
        int heads = alibi_slopes[n].heads;
        Position position = position_of("alibi", "{}", arena);
        LawCase c = sized(position, heads, 2 * heads);
        Probe p = probe_new(&c, 1025, arena);
        float *bias = probe_data(&p, 1, "bias", arena) + p.start[BIAS], initial[16] = {0};
        PositionShape shape = law_shape(&c);
        Rng rng = rng_stream(1, "init", "position.slope");
        probe_forward(&p, bias - p.start[BIAS]);
        position.method->init(&shape, position.options, 0, initial, &rng);
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

/* First distance of each bucket from 16 on: transformers' T5Attention._relative_position_bucket with
   bidirectional=False (as mesh_tensorflow), run for d = 0..200; below 16 a bucket is one distance. */
static const int t5_starts[] = {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};

/* The same for 16 buckets up to 64, and 8 buckets up to 20. */
static const int t5_starts_16_64[] = {8, 11, 14, 18, 23, 30, 39, 50};
static const int t5_starts_8_20[] = {4, 6, 9, 14};

static void t5_buckets(const char *json, const int *starts, int exact, int count) {
    Arena *arena = arena_new(0);
    LawCase c = sized(position_of("t5", json, arena), 3, 12);
    Probe p = probe_new(&c, 2000, arena);
    float *data = probe_data(&p, 1, "bias", arena), *bias = data + p.start[BIAS];
    for (size_t i = 0; i < p.sizes[0]; i++) p.value[0][i] = (float)i; /* [buckets,H]: the number of the element */
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
    LawCase c = sized(position_of("t5", "{\"buckets\": 4096, \"max_distance\": 8192, \"init_deviation\": 0.5}", arena), 4,
                      16);
    PositionShape shape = law_shape(&c);
    float *value = NEW(arena, 4 * 4096, float);
    double sum = 0, squares = 0;
    Rng rng = rng_stream(1, "init", "position.bias");
    c.position.method->init(&shape, c.position.options, 0, value, &rng);
    for (int i = 0; i < 4 * 4096; i++) sum += value[i], squares += (double)value[i] * value[i];
    near(sum / (4 * 4096), 0, 4 * 0.5 / 128); /* four standard errors: 0.5 / sqrt(16384) */
    near(squares / (4 * 4096), 0.25, 4 * 0.25 * sqrt(2.0) / 128);
    arena_free(arena);
}

/* ---- rotary ---- */

/* RoFormer's equation 34 for D = 4, base 10000 (angles t and t / 100): a unit vector along each coordinate at t = 1,
   3 and 1000. cos and sin from Python's math. */
static const struct {
    int t;
    double cos0, sin0, cos1, sin1;
} rotary_angles[] = {
    {0, 1, 0, 1, 0},
    {1, 0.5403023058681398, 0.8414709848078965, 0.9999500004166653, 0.009999833334166664},
    {3, -0.9899924966004454, 0.1411200080598672, 0.9995500337489875, 0.02999550020249566},
    {1000, 0.5623790762907029, 0.8268795405320025, -0.8390715290764524, -0.5440211108893698},
    {32767, 0.18223153600550405, 0.9832556353218842, 0.5726588486578728, 0.8197937380323396},
};

static void rotary_turns_by_the_papers_angles(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int halves = 0; halves < 2; halves++) {
        Position position = position_of("rotary", halves ? "{\"pairs\": \"half\"}" : "{}", arena);
        LawCase c = sized(position, 2, 8);
        Probe p = probe_new(&c, 32768, arena);
        int second = halves ? 2 : 1, other = halves ? 1 : 2; /* partner of coordinate 0; the second pair's first */
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

/* SinusoidalPositionalEmbedding.get_embedding(n, 8, padding_idx=1) of fairseq, rows 2, 3, 102 and 32769: half = 4,
   frequencies exp(-i ln(10000) / 3). In double, from Python's math. */
static const struct {
    int t; /* 0-based position */
    double row[8];
} fairseq_rows[] = {
    {0, {0.9092974268256817, 0.092698500787276675, 0.0043088560046743121, 0.0002, -0.4161468365471424,
         0.99569422414123, 0.9999907168366, 0.99999998}},
};

/* Vaswani et al., section 3.5, C = 8: PE(t, 2i) = sin(t / 10000^(2i/8)). */
static void sinusoidal_table(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int original = 0; original < 2; original++) {
        LawCase c = sized(position_of("sinusoidal", original ? "{\"layout\": \"original\"}" : "{}", arena), 2, 8);
        Probe p = probe_new(&c, 32768, arena);
        float *data = probe_data(&p, 1, "x", arena);
        memset(data + p.start[EMBED], 0, p.size[EMBED] * sizeof *data);
        probe_forward(&p, data);
        (void)fairseq_rows;
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alibi_has_the_authors_slopes), cmocka_unit_test(t5_has_the_authors_buckets),
        cmocka_unit_test(t5_starts_with_its_deviation), cmocka_unit_test(rotary_turns_by_the_papers_angles),
        cmocka_unit_test(sinusoidal_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
