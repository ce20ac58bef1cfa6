/* test_model: the model against the naive one, its table of parameters, its memory, and long sequences.
 *
 * The laws (laws_model.c) test small cases for every method and option; here the sizes are those at which
 * tiles, chunks and blocks of logits end. "test_model long" tests sequences as long as in experiments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "laws.h"
#include "math/linear.h"
#include "naive.h"
#include "near.h"
#include "need.h"
#include "math/nn_ops.h"
#include "math/blas.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

static int longest = 4096; /* the time of attention grows with the square of the length */

static LawCase small_case(const char *method, Arena *arena) {
    return (LawCase){.position = law_defaults(need_method(method), NULL, arena),
                     .model = {.layers = 2,
                               .heads = 3,
                               .width = 12,
                               .ffn = 20,
                               .vocabulary = 17,
                               .activation = MODEL_GELU,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024},
                     .train_length = 16,
                     .batch = 3,
                     .length = 21,
                     .seed = 5};
}

/* ---- the table of parameters ---- */

typedef struct Row {
    const char *name;
    int rank, rows, columns;
    ModelInit init;
    double deviation;
    bool decay;
} Row;

/* Design, sections 4 and 6, for 2 layers, C = 12, F = 20, V = 17; `inner`: rows of ffn.in. */
static void table_is(const Model *model, int inner) {
    const Row head = {"embedding.weight", 2, 17, 12, MODEL_INIT_NORMAL, 1 / sqrt(12), false};
    const Row layer[] = {
        {"norm1.weight", 1, 12, 1, MODEL_INIT_ONE, 0, false},
        {"norm1.bias", 1, 12, 1, MODEL_INIT_ZERO, 0, false},
        {"attention.qkv.weight", 2, 36, 12, MODEL_INIT_NORMAL, 1 / sqrt(12), true},
        {"attention.qkv.bias", 1, 36, 1, MODEL_INIT_ZERO, 0, false},
        {"attention.out.weight", 2, 12, 12, MODEL_INIT_NORMAL, 1 / sqrt(12) / 2,
         true}, /* sqrt(2 layers) = 2 */
        {"attention.out.bias", 1, 12, 1, MODEL_INIT_ZERO, 0, false},
        {"norm2.weight", 1, 12, 1, MODEL_INIT_ONE, 0, false},
        {"norm2.bias", 1, 12, 1, MODEL_INIT_ZERO, 0, false},
        {"ffn.in.weight", 2, inner, 12, MODEL_INIT_NORMAL, 1 / sqrt(12), true},
        {"ffn.in.bias", 1, inner, 1, MODEL_INIT_ZERO, 0, false},
        {"ffn.out.weight", 2, 12, 20, MODEL_INIT_NORMAL, 1 / sqrt(20) / 2, true},
        {"ffn.out.bias", 1, 12, 1, MODEL_INIT_ZERO, 0, false},
    };
    const Row tail[] = {{"norm.weight", 1, 12, 1, MODEL_INIT_ONE, 0, false},
                        {"norm.bias", 1, 12, 1, MODEL_INIT_ZERO, 0, false},
                        {"position.bias", 2, 32, 3, MODEL_INIT_METHOD, 0, false}};
    Row rows[32];
    char names[32][64];
    int count = 0;
    rows[count++] = head;
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < COUNT_OF(layer); i++, count++) {
            snprintf(names[count], sizeof names[count], "layers.%d.%s", l, layer[i].name);
            rows[count] = layer[i];
            rows[count].name = names[count];
        }
    for (int i = model->options.final_norm ? 0 : 2; i < COUNT_OF(tail); i++) rows[count++] = tail[i];

    int64_t parameters = 0;
    size_t end = 0;
    assert_int_equal(model->param_count, count);
    for (int i = 0; i < count; i++) {
        const ModelParam *param = naive_param(model, rows[i].name);
        assert_int_equal(param->rank, rows[i].rank);
        assert_int_equal(param->dims[0], rows[i].rows);
        if (rows[i].rank == 2) assert_int_equal(param->dims[1], rows[i].columns);
        assert_int_equal(param->size, rows[i].rows * rows[i].columns);
        assert_int_equal(param->init, rows[i].init);
        if (rows[i].init == MODEL_INIT_NORMAL) near(param->deviation, rows[i].deviation, 1e-9);
        assert_int_equal(param->decay, rows[i].decay);
        parameters += rows[i].rows * rows[i].columns;
    }
    for (int i = 0; i < count; i++) { /* in order, disjoint, aligned to vectors */
        assert_true(model->params[i].offset >= end);
        assert_int_equal(model->params[i].offset % 16, 0);
        end = model->params[i].offset + model->params[i].size;
    }
    assert_true(end <= model->size);
    assert_int_equal(model->parameters, parameters);
    assert_int_equal(model->position_parameters, 32 * 3);
}

static void parameters_are_the_designs(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case("t5", arena);
    table_is(model_new(&c.model, &c.position, 16, arena), 20);
    c.model.activation = MODEL_SWIGLU;
    table_is(model_new(&c.model, &c.position, 16, arena), 40);
    c.model.final_norm = false;
    table_is(model_new(&c.model, &c.position, 16, arena), 40);
    arena_free(arena);
}

static void initial_values_have_their_deviation(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case("none", arena);
    c.model.width = 48, c.model.ffn = 100, c.model.vocabulary = 200;
    Model *model = model_new(&c.model, &c.position, 16, arena);
    model_allocate(model, arena);
    model_init(model, 1);
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        const float *value = model->values + param->offset;
        double n = (double)param->size, sum = 0, squares = 0;
        for (size_t k = 0; k < param->size; k++) sum += value[k], squares += (double)value[k] * value[k];
        if (param->init == MODEL_INIT_ZERO) near(squares, 0, 0);
        if (param->init == MODEL_INIT_ONE) near(squares, n, 0), near(sum, n, 0);
        if (param->init != MODEL_INIT_NORMAL) continue;
        near(sum / n, 0, 4.5 * param->deviation / sqrt(n)); /* 4.5 standard errors */
        near(sqrt(squares / n), param->deviation, 4.5 * param->deviation / sqrt(2 * n));
        for (int j = 0; j < i; j++) /* no tensor has the numbers of another */
            if (model->params[j].init == MODEL_INIT_NORMAL)
                assert_true(value[0] != model->values[model->params[j].offset] ||
                            value[1] != model->values[model->params[j].offset + 1]);
    }
    arena_free(arena);
}

static void options_have_the_designs_defaults(void **state) {
    (void)state;
    ModelOptions o;
    model_default(&o);
    assert_int_equal(o.layers, 4);
    assert_int_equal(o.heads, 8);
    assert_int_equal(o.width, 128);
    assert_int_equal(o.ffn, 512);
    assert_int_equal(o.vocabulary, 0);
    assert_int_equal(o.activation, MODEL_RELU);
    assert_true(o.final_norm);
    near(o.dropout + o.attention_dropout + o.activation_dropout, 0, 0);
}

/* Dropout must be below 1, and sizes above 0. */
static void options_have_their_bounds(void **state) {
    (void)state;
    static const struct {
        const char *key;
        double low, high;
    } bounds[] = {
        {"layers", 1, 1024},
        {"heads", 1, 1024},
        {"width", 1, 65536},
        {"ffn", 1, 1 << 20},
        {"vocabulary", 0, 1 << 24},
        {"dropout", 0, 0.95},
        {"attention_dropout", 0, 0.95},
        {"activation_dropout", 0, 0.95},
        {"max_tokens_in_flight", 1, 1 << 24},
    };
    int found = 0;
    for (int i = 0; i < COUNT_OF(bounds); i++)
        for (int k = 0; k < model_field_count; k++) {
            if (strcmp(model_fields[k].key, bounds[i].key) != 0) continue;
            near(model_fields[k].low, bounds[i].low, 0);
            near(model_fields[k].high, bounds[i].high, 0);
            found++;
        }
    assert_int_equal(found, COUNT_OF(bounds));
}

static void check_refuses_what_does_not_fit(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    Error err = {0};
    LawCase c = small_case("rotary", arena);
    assert_true(model_check(&c.model, &c.position, 16, "config 'x.json'", &err));
    c.model.heads = 5;
    assert_false(model_check(&c.model, &c.position, 16, "config 'x.json'", &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "config 'x.json': 'model.width'"));
    c.model.heads = 4; /* 3 coordinates in a head */
    assert_false(model_check(&c.model, &c.position, 16, "config 'x.json'", &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "config 'x.json'"));
    assert_non_null(strstr(err.text, "even"));
    arena_free(arena);
}

/* ---- forward, loss and gradients ---- */

/* The naive model's gradients, for each tensor, against differences in double. It uses formulas, since hooks
 * compute in float. Fourth order, h = 1e-3 of the tensor's root mean square: error h^4, rounding 1e-13 / h.
 */
static void naive_gradients_are_derivatives(void **state) {
    (void)state;
    for (int n = 0; n < encoding_method_count; n++) {
        if (!naive_knows(encoding_methods[n]->name)) continue;
        Arena *arena = arena_new(0);
        LawCase c = small_case(encoding_methods[n]->name, arena);
        c.model.activation = n % 2 ? MODEL_GELU : MODEL_SWIGLU;
        c.model.final_norm = n % 3 != 0;
        if (n % 4 == 1) c.model.adaptive = (AdaptiveSoftmax){.cutoffs = {5, 9}, .factor = 2, .bands = 3};
        for (int k = 0; k < c.position.method->field_count; k++) { /* for example trainable slopes */
            const OptionField *field = &c.position.method->fields[k];
            if (field->type == OPTION_BOOL) *((bool *)c.position.options + field->offset) = true;
        }
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, 2, 9, arena);
        double *values = naive_values(model, arena), *gradients = NEW(arena, model->size, double);
        double nll[18];
        naive_run(model, values, NAIVE_FORMULAS, (EncodingDraw){0}, tokens, 2, 9, nll, 1, gradients);
        for (int p = 0; p < model->param_count; p++) {
            const ModelParam *param = &model->params[p];
            double *direction = NEW(arena, param->size, double), slope = 0, steep = 0, squares = 0, sums[4];
            Random rng = random_stream(c.seed, "direction", param->name);
            for (size_t i = 0; i < param->size; i++) {
                direction[i] = random_normal(&rng);
                squares += values[param->offset + i] * values[param->offset + i] / (double)param->size;
                slope += direction[i] * gradients[param->offset + i];
                steep += fabs(direction[i] * gradients[param->offset + i]);
            }
            double h = 1e-3 * sqrt(squares);
            for (int k = 0; k < 4; k++) {
                const double steps[] = {-2, -1, 1, 2};
                for (size_t i = 0; i < param->size; i++)
                    values[param->offset + i] += steps[k] * h * direction[i];
                naive_run(model, values, NAIVE_FORMULAS, (EncodingDraw){0}, tokens, 2, 9, nll, 0, NULL);
                for (size_t i = 0; i < param->size; i++)
                    values[param->offset + i] -= steps[k] * h * direction[i];
                sums[k] = 0;
                for (int t = 0; t < 18; t++) sums[k] += nll[t];
            }
            double expected = (8 * (sums[2] - sums[1]) - (sums[3] - sums[0])) / (12 * h);
            if (!(fabs(expected - slope) <= 1e-6 * steep + 1e-10 / h))
                fail_msg("%s, %s: slope %.9g, by differences %.9g", encoding_methods[n]->name, param->name,
                         slope, expected);
        }
        arena_free(arena);
    }
}

static const struct {
    const char *method;
    int layers, heads, width, ffn, vocabulary, activation, final_norm, batch, length, train_length;
} sizes[] = {
    {"t5", 2, 3, 12, 20, 17, MODEL_GELU, true, 2, 257,
     64}, /* 4x and one more; rows beyond two column tiles */
    {"alibi", 1, 2, 8, 9, 5, MODEL_RELU, true, 1, 640, 160},        /* more rows than a chunk, one sequence */
    {"rotary", 2, 4, 24, 17, 11, MODEL_SWIGLU, false, 5, 129, 64},  /* chunks that end inside a sequence */
    {"sinusoidal", 1, 1, 20, 8, 5000, MODEL_GELU, true, 2, 70, 70}, /* logits in blocks */
    {"alibi", 3, 5, 15, 7, 2, MODEL_GELU, true, 1, 1, 16},          /* one token; a vocabulary of two */
    {"none", 1, 1, 3, 1, 3, MODEL_RELU, true, 3, 31, 8},            /* minimal sizes */
    {"none", 2, 2, 66, 5, 3, MODEL_GELU, true, 2, 33, 8},           /* heads wider than two vectors, odd */
    {"t5", 1, 7, 7, 3, 9, MODEL_SWIGLU, true, 40, 16, 16},          /* many short sequences */
    {"pia", 1, 2, 8, 9, 5, MODEL_GELU, true, 1, 600, 64},           /* an input longer than a chunk */
    {"fox", 1, 2, 8, 9, 5, MODEL_GELU, true, 2, 300, 64},           /* gates that read the input, in chunks */
};

static void model_agrees_with_the_naive_one(void **state) {
    (void)state;
    for (int n = 0; n < COUNT_OF(sizes); n++) {
        if (!encoding_find(sizes[n].method)) continue; /* the method's file does not exist */
        Arena *arena = arena_new(0);
        Error err;
        LawCase c = {.position = law_defaults(encoding_find(sizes[n].method), NULL, arena),
                     .model = {.layers = sizes[n].layers,
                               .heads = sizes[n].heads,
                               .width = sizes[n].width,
                               .ffn = sizes[n].ffn,
                               .vocabulary = sizes[n].vocabulary,
                               .activation = sizes[n].activation,
                               .final_norm = sizes[n].final_norm,
                               .max_tokens_in_flight = 1024},
                     .train_length = sizes[n].train_length,
                     .batch = sizes[n].batch,
                     .length = sizes[n].length,
                     .seed = 3 + (uint64_t)n};
        if (!law_holds(law_find("agreement"), &c, &err)) fail_msg("%s", err.text);
        if (!law_holds(law_find("causality"), &c, &err)) fail_msg("%s", err.text);
        arena_free(arena);
    }
}

/* ---- sizes ---- */

static void long_sequences_stay_finite(void **state) {
    (void)state;
    for (int n = 0; n < encoding_method_count; n++) {
        Arena *arena = arena_new(0);
        LawCase c = {.position = law_defaults(encoding_methods[n], NULL, arena),
                     .model = {.layers = 1,
                               .heads = 1,
                               .width = 4,
                               .ffn = 4,
                               .vocabulary = 7,
                               .activation = MODEL_RELU,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024},
                     .train_length = 64,
                     .seed = 2};
        PositionShape shape = law_shape(&c);
        const PositionMethod *m = encoding_methods[n];
        int length = m->limit && m->limit(&shape, c.position.options) < longest
                         ? m->limit(&shape, c.position.options)
                         : longest;
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, 1, length, arena);
        float *nll = NEW(arena, length, float);
        transformer_evaluate(model, activations_new(model, 1, length, false, arena), tokens, 1, nll);
        for (int t = 0; t < length; t++)
            if (!(nll[t] >= -1e-5f && nll[t] < 100)) fail_msg("%s: nll[%d] = %g", m->name, t, (double)nll[t]);
        arena_free(arena);
    }
}

/* The memory of a pass is counted exactly, and grows linearly with the length. */
static void bytes_are_counted(void **state) {
    (void)state;
    for (int n = 0; n < encoding_method_count; n++)
        for (int training = 0; training < 2; training++) {
            Error err = {0};
            Arena *arena = arena_new(0);
            LawCase c = small_case(encoding_methods[n]->name, arena);
            if (!law_activations_are_counted(law_model(&c, arena), training, &err))
                fail_msg("%s: %s", encoding_methods[n]->name, err.text);
            arena_free(arena);
        }
}

/* Two FLOPs per weight of a matrix and token; causal attention 2 T C per layer; training: three times. */
static void flops_are_the_closed_form(void **state) {
    (void)state;
    ModelOptions o = {
        .layers = 3, .heads = 4, .width = 32, .ffn = 100, .vocabulary = 50, .activation = MODEL_RELU};
    double matrices = 3 * (4 * 32 * 32 + 2 * 32 * 100) + 50 * 32, attention = 3 * 2 * 70 * 32;
    near(model_flops(&o, 70, false), 2 * matrices + attention, 1e-6);
    near(model_flops(&o, 70, true), 3 * (2 * matrices + attention), 1e-6);
    o.activation = MODEL_SWIGLU;
    near(model_flops(&o, 70, false), 2 * (matrices + 3 * 32 * 100) + attention, 1e-6);
}

static void the_blas_is_measured(void **state) {
    (void)state;
    double rate = linear_rate(PRECISION_FP32, 96, 64, 64, 0.02);
    if (!(rate > 1e6 && rate < 1e15)) /* the unit is right; other processes may slow it down */
        fail_msg("%g FLOP/s", rate);
    assert_non_null(strstr(blas_name(), "OpenBLAS"));
    assert_true(strlen(blas_name()) < 255);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_the_designs),
        cmocka_unit_test(initial_values_have_their_deviation),
        cmocka_unit_test(options_have_the_designs_defaults),
        cmocka_unit_test(options_have_their_bounds),
        cmocka_unit_test(check_refuses_what_does_not_fit),
        cmocka_unit_test(naive_gradients_are_derivatives),
        cmocka_unit_test(model_agrees_with_the_naive_one),
        cmocka_unit_test(long_sequences_stay_finite),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(flops_are_the_closed_form),
        cmocka_unit_test(the_blas_is_measured),
    };
    if (argc == 2 && strcmp(argv[1], "long") == 0) longest = 32768;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
