/* test_golden_scores: attention matrices, initial values and positions of methods from 2024 on.
 *
 * The numbers are those of tests/tools/golden_scores.py, which computes them from the formulas of the papers
 * and the authors' code. A method whose file does not exist is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "attention/attention.h"
#include "fixture.h"
#include "near.h"
#include "need.h"
#include "position/encoding.h"

static Encoding position_of(const char *method, const char *json) {
    const PositionMethod *m = need_method(method);
    Error err;
    Encoding position = {0};
    Json *object = json_parse(json, strlen(json), "golden", arena, &err);
    if (!object || !encoding_read(&position, m, object, NULL, "golden", "", arena, &err))
        fail_msg("%s", err.text);
    return position;
}

/* ---- attention matrices ---- */

/* Values are unit vectors, so that the output of a query is its row of the matrix. */
enum { HEADS = 2, SIZE = 8, WIDTH = HEADS * SIZE };

static const PositionShape golden_shape = {
    .layers = 1, .heads = HEADS, .width = WIDTH, .head_dim = SIZE, .train_length = 64};

/* The last rows of both heads, and row 5 of the second one. Sources: stickbreaking-attention, sb_ref.py;
   LongLM, self_extend_patch/Llama.py; FoPE, olmo/model.py; DAPE, positional_embeddings.py (Kerple_DAPEV2);
   GRAPE, llama-mha-grape-a-querygated.py; Oka et al. 2025 with the scales and shifts of our file;
   PoPE-pytorch, pope.py. */
static const struct {
    const char *method, *json;
    double rows[3][SIZE];
} matrices[] = {
    {"stick_breaking",
     "{}",
     {{3.768146659e-05, 7.771837084e-06, 1.644141585e-05, 0.0002538576336, 0.007133986449, 0.1969162835,
       0.7954628661, 0.0001711115664},
      {7.295954177e-05, 2.169756838e-05, 5.23076828e-05, 0.0006694543917, 0.01429836203, 0.2569912224,
       0.7275511805, 0.0003428158749},
      {1.766323733e-05, 0.0002627610372, 0.0071709544, 0.1940468577, 0.7982699034, 0.0002318603011}}},
    {"self_extend",
     "{\"window\": 4, \"group\": 2}",
     {{0.01242820102, 0.002877827625, 0.01116442822, 0.08101402318, 0.472234877, 0.3358107499, 0.07512398068,
       0.009345912327},
      {0.04759857477, 0.01097582869, 0.01719707675, 0.04310238517, 0.1872051168, 0.5084401759, 0.1656815909,
       0.01979925101},
      {0.009091147686, 0.06995900631, 0.4743046639, 0.3618131349, 0.07552113401, 0.009310913202}}},
    {"fope",
     "{\"learned\": true, \"base\": 100}",
     {{8.828965354e-05, 1.821889824e-05, 0.0001657477671, 0.01207680738, 0.4014599404, 0.5684904169,
       0.01759848008, 0.0001020989961},
      {0.05506264021, 0.008271860979, 0.006195820597, 0.009250000253, 0.04885456106, 0.5052134243,
       0.3469895413, 0.02016215131},
      {0.0001436069577, 0.02246939117, 0.4168495835, 0.5279883367, 0.03240568705, 0.0001433946025}}},
    {"dape_v2",
     "{}",
     {{1.873925062e-08, 1.080171984e-05, 1.254891204e-06, 3.877456974e-05, 0.001464940036, 0.0004479236384,
       0.0002222607073, 0.9978140257},
      {0.00362877805, 3.20862218e-05, 0.0002397157935, 0.01300725626, 0.132920939, 0.8129113681,
       0.03725546357, 4.393051508e-06},
      {0.0005726330433, 0.003083347807, 0.09500377303, 0.8709938716, 0.03013293025, 0.0002134442332}}},
    {"grape_a",
     "{}",
     {{0.004160178373, 0.0007244476699, 0.001522251297, 0.02250575317, 0.311839743, 0.5665272239,
       0.08784684051, 0.004873562116},
      {0.006230271779, 0.001533344044, 0.003526169033, 0.0404584997, 0.3664432556, 0.4957580692,
       0.07992334218, 0.006127048467},
      {0.001691944254, 0.0234771759, 0.3132682302, 0.5673711008, 0.08923562365, 0.004955925157}}},
    {"wavelet",
     "{\"scales\": 3}",
     {{0.01149099768, 0.002178026274, 0.004390886659, 0.0420339284, 0.3203759142, 0.5201877494, 0.09350953428,
       0.005832963095},
      {0.003277040781, 0.0009390502958, 0.002951122128, 0.05216927117, 0.4882477099, 0.3790764726,
       0.06608737238, 0.007251960811},
      {0.004563552498, 0.0405680746, 0.3076069698, 0.5410062786, 0.1000867796, 0.006168344848}}},
    {"pope",
     "{}",
     {{0.102477435, 0.07625849873, 0.07784726973, 0.1233140726, 0.1464580249, 0.1513345989, 0.1918111423,
       0.1304989579},
      {0.08985588196, 0.09041038948, 0.09847060801, 0.08057557366, 0.1025143025, 0.1974564453, 0.1976096103,
       0.1431071888},
      {0.0859749801, 0.1324184753, 0.1746921284, 0.1929430141, 0.2461146461, 0.167856756}}},
};

/* Number i of a tensor: of any sign, or positive for p and a of dape_v2. */
static float parameter(const char *name, int tensor, int i) {
    double x = sin(0.7 * tensor + 1.1 * i);
    bool positive = !strcmp(name, "p") || !strcmp(name, "a");
    return (float)(positive ? fabs(x) + 0.1 : x);
}

static void set_parameters(PositionContext *context, const PositionMethod *m) {
    PositionTensor tensors[POS_MAX_TENSORS] = {0};
    int count = m->layout ? m->layout(context->shape, context->options, tensors) : 0;
    for (int k = 0; k < count; k++) {
        int size = tensors[k].dims[0] * (tensors[k].rank == 2 ? tensors[k].dims[1] : 1);
        float *value = NEW(arena, size, float);
        for (int i = 0; i < size; i++) value[i] = parameter(tensors[k].name, k, i);
        context->param[k] = value;
    }
}

static const float *queries_keys_values(void) {
    float *qkv = NEW(arena, SIZE * 3 * WIDTH, float);
    for (int t = 0; t < SIZE; t++)
        for (int h = 0; h < HEADS; h++)
            for (int e = 0; e < SIZE; e++) {
                float *at = qkv + t * 3 * WIDTH + h * SIZE + e;
                for (int part = 0; part < 2; part++)
                    at[part * WIDTH] = (float)(1.5 * sin(1 + 2.1 * part + 1.7 * h + 0.9 * t + 2.3 * e));
                at[2 * WIDTH] = e == t;
            }
    return qkv;
}

/* The relative error of a probability is that of its score: a product of 8 numbers, of at most 5 in all; with
   dape_v2 two layers of convolutions, whose sums have 12 and 96 numbers that reach 10. */
static void matrices_are_the_sources(void **state) {
    (void)state;
    static const AttentionOptions plain;
    for (int n = 0; n < COUNT_OF(matrices); n++) {
        if (!encoding_find(matrices[n].method)) continue;
        Encoding position = position_of(matrices[n].method, matrices[n].json);
        PositionContext context = {.shape = &golden_shape, .options = position.options, .length = SIZE};
        set_parameters(&context, position.method);
        context.tables =
            encoding_prepare(position.method, &golden_shape, position.options, SIZE, NULL, arena);
        Attention *attention = attention_new(&position, &context, &plain, 0, false, arena);
        float *out = NEW(arena, SIZE * WIDTH, float);
        attention_begin(attention);
        attention_layer(attention, 0);
        attention_forward(attention, out, NULL, queries_keys_values(), NULL, 1, (AttentionDropout){0});
        for (int r = 0; r < 3; r++)
            for (int j = 0; j < SIZE; j++) {
                double tolerance = strcmp(matrices[n].method, "dape_v2") ? 2e-6 : 1e-5;
                double got = out[(r < 2 ? 7 : 5) * WIDTH + (r > 0) * SIZE + j], want = matrices[n].rows[r][j];
                if (!(fabs(got - want) <= tolerance * want))
                    fail_msg("%s: row %d, key %d is %.10g, not %.10g", matrices[n].method, r, j, got, want);
            }
    }
}

/* Gopalakrishnan et al. 2025, section 3: without angles of the keys, the score of any two contents is highest
   at distance 0, since cosines are. Rotary has no such place. */
static void pope_peaks_at_distance_0(void **state) {
    (void)state;
    enum { LENGTH = 50, PAIRS = 20 };
    Encoding position = position_of("pope", "{}");
    PositionContext context = {.shape = &golden_shape, .options = position.options, .length = LENGTH};
    const float none[WIDTH] = {0};
    context.param[0] = none;
    context.tables = encoding_prepare(position.method, &golden_shape, position.options, LENGTH, NULL, arena);
    Random rng = random_stream(1, "golden", "pope");
    for (int n = 0; n < PAIRS; n++) {
        float content[2][SIZE], rows[2][LENGTH][2 * SIZE];
        for (int part = 0; part < 2; part++) {
            for (int e = 0; e < SIZE; e++) content[part][e] = (float)random_normal(&rng);
            for (int t = 0; t < LENGTH; t++) memcpy(rows[part][t], content[part], sizeof content[part]);
            position.method->transform(&context, part ? POS_KEY : POS_QUERY, rows[part][0], 2 * SIZE);
        }
        double scores[LENGTH] = {0};
        for (int j = 0; j < LENGTH; j++)
            for (int e = 0; e < 2 * SIZE; e++) scores[j] += (double)rows[0][LENGTH - 1][e] * rows[1][j][e];
        for (int j = 0; j < LENGTH - 1; j++) assert_true(scores[j] < scores[LENGTH - 1]);
    }
}

/* ---- initial values ---- */

typedef struct Moments {
    double mean, deviation, least, most;
} Moments;

/* Of the initial values of a tensor less `from`[index] where that is not NULL. */
static Moments initial(const Encoding *position, const PositionShape *shape, int tensor, int size,
                       double (*from)(const PositionShape *shape, int i)) {
    PositionContext context = {.shape = shape, .options = position->options};
    float *value = NEW(arena, size, float);
    Random rng = random_stream(1, "golden", position->method->name);
    Moments m = {.least = INFINITY, .most = -INFINITY};
    position->method->init(&context, tensor, value, &rng);
    for (int i = 0; i < size; i++) {
        double x = value[i] - (from ? from(shape, i) : 0);
        m.mean += x / size, m.deviation += x * x / size;
        m.least = fmin(m.least, x), m.most = fmax(m.most, x);
    }
    m.deviation = sqrt(m.deviation - m.mean * m.mean);
    return m;
}

/* Head size 16 and L = 1024: of 10000^(-2i/16) the first 5 are kept, for 4 coefficients; [64,5,4]. Ones at i
   = 2k, as the authors' identity for fewer columns than rows. */
static double identity(const PositionShape *shape, int i) {
    (void)shape;
    int row = i / 4 % 5, column = i % 4;
    return row == 2 * column;
}

/* torch's xavier_normal_ for [64,5,4]: the fans are 5 * 4 and 64 * 4. */
static void fope_starts_near_the_identity(void **state) {
    (void)state;
    Encoding position = position_of("fope", "{\"learned\": true}");
    PositionShape shape = {.layers = 1, .heads = 64, .width = 1024, .head_dim = 16, .train_length = 1024};
    enum { COUNT = 64 * 5 * 4 };
    PositionTensor tensors[POS_MAX_TENSORS] = {0};
    assert_int_equal(position.method->layout(&shape, position.options, tensors), 2);
    assert_int_equal(tensors[0].dims[0] * tensors[0].dims[1], COUNT);
    Moments m = initial(&position, &shape, 0, COUNT, identity);
    double deviation = 0.3 * sqrt(2.0 / (5 * 4 + 64 * 4));
    near(m.mean, 0, 4 * deviation / sqrt(COUNT));
    near(m.deviation, deviation, 4 * deviation / sqrt(2 * COUNT));
    assert_true(m.most < 5 * deviation && m.least > -5 * deviation);
}

/* torch's Conv2d: uniform within 1 / sqrt(inputs * 3), for weights and biases; p and a within 2 and 1. */
static void dape_v2_starts_as_torch(void **state) {
    (void)state;
    Encoding position = position_of("dape_v2", "{}");
    PositionShape shape = {.layers = 1, .heads = 64, .width = 512, .head_dim = 8, .train_length = 64};
    const struct {
        int size;
        double least, most;
    } tensors[] = {{3 * 32 * 128, -1 / sqrt(3 * 128), 1 / sqrt(3 * 128)},
                   {32, -1 / sqrt(3 * 128), 1 / sqrt(3 * 128)},
                   {3 * 64 * 32, -1 / sqrt(3 * 32), 1 / sqrt(3 * 32)},
                   {64, -1 / sqrt(3 * 32), 1 / sqrt(3 * 32)},
                   {64, 0, 2},
                   {64, 0, 1}};
    for (int k = 0; k < COUNT_OF(tensors); k++) {
        Moments m = initial(&position, &shape, k, tensors[k].size, NULL);
        double low = tensors[k].least, high = tensors[k].most, width = (high - low) / sqrt(12);
        assert_true(m.least >= low - 1e-7 && m.most <= high + 1e-7);
        near(m.mean, (low + high) / 2, 4 * width / sqrt(tensors[k].size));
        near(m.deviation, width, 4 * width / sqrt(5 * tensors[k].size));
    }
}

/* softplus(omega) = 1, and directions with the deviation 1 / sqrt(D). */
static void grape_a_starts_as_alibi(void **state) {
    (void)state;
    Encoding position = position_of("grape_a", "{}");
    PositionShape shape = {.layers = 1, .heads = 64, .width = 4096, .head_dim = 64, .train_length = 64};
    Moments strength = initial(&position, &shape, 0, 64, NULL);
    near(strength.mean, 0.5413248546129181, 1e-7);
    near(strength.most - strength.least, 0, 0);
    Moments direction = initial(&position, &shape, 1, 64 * 64, NULL);
    near(direction.mean, 0, 4 * 0.125 / 64);
    near(direction.deviation, 0.125, 4 * 0.125 / 64 / sqrt(2));
}

/* ---- positions ---- */

enum { POINTS = 4, DRAWS = 4000 };

/* Mean and deviation of the k-th of four sorted uniform numbers of [0, 512). */
static const double order_statistics[POINTS][2] = {
    {102.4, 83.60924989},
    {204.8, 102.4},
    {307.2, 102.4},
    {409.6, 83.60924989},
};

/* Within four standard errors. The first and the last of four correlate by sqrt(1 * 1 / (4 * 4)). */
static void rfs_draws_sorted_uniform_numbers(void **state) {
    (void)state;
    Encoding position = position_of("rfs", "{}");
    double sums[POINTS] = {0}, squares[POINTS] = {0}, ends = 0, at[POINTS];
    for (int n = 0; n < DRAWS; n++) {
        Random rng = random_substream(random_stream(1, "golden", "rfs"), (uint64_t)n);
        position.method->positions(&golden_shape, position.options, POINTS, n % 2 == 0, &rng, at);
        for (int k = 0; k < POINTS; k++) {
            double z = (at[k] - order_statistics[k][0]) / order_statistics[k][1];
            assert_true(at[k] >= (k ? at[k - 1] : 0) && at[k] < 512);
            sums[k] += z / DRAWS, squares[k] += z * z / DRAWS;
            if (k == POINTS - 1)
                ends += z * (at[0] - order_statistics[0][0]) / order_statistics[0][1] / DRAWS;
        }
    }
    for (int k = 0; k < POINTS; k++) {
        near(sums[k], 0, 4 / sqrt(DRAWS));
        near(squares[k], 1, 4 * sqrt(2.7 / DRAWS)); /* their kurtosis is at most 3.7 */
    }
    near(ends, 0.25, 4 / sqrt(DRAWS));
}

/* fairseq's table at positions between rows, C = 8. */
static const struct {
    double position, x[8];
} rows_between[] = {
    {0.25,
     {0.7780731969, 0.1042460085, 0.004847459068, 0.0002249999981, -0.6281736227, 0.994551542, 0.999988251,
      0.9999999747}},
    {37.5,
     {0.9736454557, 0.9657101871, 0.08499749099, 0.003949989728, -0.2280669345, -0.2596224847, 0.9963811653,
      0.9999921988}},
    {511.875,
     {-0.9748830182, -0.9582382373, 0.8944099317, 0.0513648867, 0.2227175361, 0.2859711186, 0.4472481124,
      0.9986799529}},
};

static void rfs_moves_its_partner_between_rows(void **state) {
    (void)state;
    need_method("rfs");
    enum { ROWS = COUNT_OF(rows_between), C = 8 };
    Encoding position = position_of("sinusoidal", "{}");
    PositionShape shape = {.layers = 1, .heads = 1, .width = C, .head_dim = C, .train_length = 64};
    double positions[ROWS];
    float x[ROWS * C] = {0};
    for (int r = 0; r < ROWS; r++) positions[r] = rows_between[r].position;
    PositionContext context = {.shape = &shape, .options = position.options, .length = ROWS};
    context.tables = encoding_prepare(position.method, &shape, position.options, ROWS, positions, arena);
    position.method->embed(&context, x);
    for (int i = 0; i < ROWS * C; i++) near(x[i], rows_between[i / C].x[i % C], 6e-8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_arena, fixture_arena_free)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(matrices_are_the_sources),
        TEST(pope_peaks_at_distance_0),
        TEST(fope_starts_near_the_identity),
        TEST(dape_v2_starts_as_torch),
        TEST(grape_a_starts_as_alibi),
        TEST(rfs_draws_sorted_uniform_numbers),
        TEST(rfs_moves_its_partner_between_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
