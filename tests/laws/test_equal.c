/* test_equal: methods that are equivalent at certain options and parameters.
 *
 * Losses and the gradients of tensors that both have must agree. Equivalences within the rotary family are in
 * test_golden_family.c. A method whose file does not exist is skipped.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "laws.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

enum { HEADS = 6, LENGTH = 77, TRAIN_LENGTH = 40 };

/* ALiBi's slopes for six heads: those for four, and every other one for eight. */
static const double slopes[HEADS] = {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125};

static double gate_of(int h) { /* log sigmoid of it is -slope */
    return -log(expm1(slopes[h]));
}

static double slope_of(int h) {
    return slopes[h];
}

static double log_slope_of(int h) {
    return log(slopes[h]);
}

static double one(int h) {
    (void)h;
    return 1;
}

static double zero(int h) {
    (void)h;
    return 0;
}

static double decay_of(int h) {
    return 0.2 + 0.3 * h;
}

/* Element i of tensor position.NAME, or of each layer's, is set to value(i); other tensors are unchanged. */
typedef struct TensorValues {
    const char *name;
    double (*value)(int i);
} TensorValues;

typedef struct Side {
    const char *method, *options; /* JSON */
    TensorValues tensors[6];
} Side;

static const struct {
    Side left, right;
} equals[] = {
    {{.method = "rerope", .options = "{\"window\": 77}"}, {.method = "rotary", .options = "{}"}},
    {{.method = "rerope", .options = "{\"window\": 100, \"pairs\": \"half\"}"},
     {.method = "rotary", .options = "{\"pairs\": \"half\"}"}},
    {{.method = "self_extend", .options = "{\"group\": 1, \"window\": 5}"},
     {.method = "rotary", .options = "{}"}},
    {{.method = "self_extend", .options = "{\"window\": 77, \"pairs\": \"half\"}"},
     {.method = "rotary", .options = "{\"pairs\": \"half\"}"}},
    {{.method = "bam", .options = "{\"start\": \"constant\"}", .tensors = {{"a", one}, {"b", log_slope_of}}},
     {.method = "alibi", .options = "{}"}},
    {{.method = "bounded_alibi",
      .options = "{\"slopes\": true, \"fixed_bound\": 1000}",
      .tensors = {{"slope", slope_of}}},
     {.method = "alibi", .options = "{}"}},
    {{.method = "dape_v2",
      .options = "{}",
      .tensors = {{"out_weight", zero}, {"out_bias", zero}, {"p", decay_of}, {"a", slope_of}}},
     {.method = "kerple", .options = "{\"per_layer\": true}", .tensors = {{"p", decay_of}, {"a", slope_of}}}},
    {{.method = "fox", .options = "{}", .tensors = {{"gate_weight", zero}, {"gate_bias", gate_of}}},
     {.method = "alibi", .options = "{}"}},
    {{.method = "transformer_xl",
      .options = "{}",
      .tensors = {{"projection", zero}, {"u", zero}, {"v", zero}}},
     {.method = "none", .options = "{}"}},
    {{.method = "shaw", .options = "{}", .tensors = {{"key", zero}, {"value", zero}}},
     {.method = "none", .options = "{}"}},
    {{.method = "cope", .options = "{}", .tensors = {{"embedding", zero}}},
     {.method = "none", .options = "{}"}},
    {{.method = "dape",
      .options = "{}",
      .tensors = {{"out_weight", zero}, {"out_bias", zero}, {"p", decay_of}, {"a", slope_of}}},
     {.method = "kerple", .options = "{\"per_layer\": true}", .tensors = {{"p", decay_of}, {"a", slope_of}}}},
    {{.method = "dape",
      .options = "{\"bias\": \"alibi\"}",
      .tensors = {{"out_weight", zero}, {"out_bias", zero}}},
     {.method = "alibi", .options = "{}"}},
    {{.method = "kerple", .options = "{\"kind\": \"power\"}", .tensors = {{"p", one}, {"a", slope_of}}},
     {.method = "alibi", .options = "{}"}},
    {{.method = "t5", .options = "{}", .tensors = {{"bias", zero}}}, {.method = "none", .options = "{}"}},
    {{.method = "fire", .options = "{}", .tensors = {{"out_weight", zero}, {"out_bias", slope_of}}},
     {.method = "none", .options = "{}"}}, /* a constant shift of all scores */
};

static LawCase case_of(const Side *side, Arena *arena) {
    LawCase c = {.model = {.layers = 2,
                           .heads = HEADS,
                           .width = HEADS * 4,
                           .ffn = 20,
                           .vocabulary = 17,
                           .activation = MODEL_GELU,
                           .final_norm = true,
                           .max_tokens_in_flight = 1024},
                 .train_length = TRAIN_LENGTH,
                 .batch = 2,
                 .length = LENGTH,
                 .seed = 3};
    Error err;
    const PositionMethod *m = encoding_find(side->method);
    const OptionSection section = {"method", NULL, m->fields, m->field_count, NULL};
    assert_true(encoding_default(&c.position, m, arena));
    Json *options = json_parse(side->options, strlen(side->options), side->method, arena, &err);
    if (!options || !options_read(c.position.options, &section, options, side->method, arena, &err))
        fail_msg("%s", err.text);
    return c;
}

static bool is_tensor(const char *param, const char *name) {
    const char *at = strstr(param, "position.");
    return at && strcmp(at + strlen("position."), name) == 0;
}

static Model *model_of(const LawCase *c, const Side *side, Arena *arena) {
    Model *model = law_model(c, arena);
    for (int s = 0; s < COUNT_OF(side->tensors) && side->tensors[s].name; s++) {
        bool found = false;
        for (int p = 0; p < model->param_count; p++) {
            const ModelParam *param = &model->params[p];
            if (!is_tensor(param->name, side->tensors[s].name)) continue;
            found = true;
            for (size_t i = 0; i < param->size; i++)
                model->values[param->offset + i] = (float)side->tensors[s].value((int)i);
        }
        if (!found) fail_msg("%s has no tensor '%s'", side->method, side->tensors[s].name);
    }
    return model;
}

static const ModelParam *same_param(const Model *model, const ModelParam *other) {
    for (int p = 0; p < model->param_count; p++)
        if (strcmp(model->params[p].name, other->name) == 0) return &model->params[p];
    return NULL;
}

static void compare_gradients(const Side *left, const Model *a, const float *ga, const Model *b,
                              const float *gb) {
    double most = 0;
    int compared = 0;
    for (size_t i = 0; i < a->size; i++) most = fmax(most, fabs((double)ga[i]));
    for (int p = 0; p < a->param_count; p++) {
        const ModelParam *x = &a->params[p], *y = same_param(b, x);
        double largest = 0;
        if (!y) continue;
        assert_int_equal(x->size, y->size);
        for (size_t i = 0; i < x->size; i++) largest = fmax(largest, fabs((double)ga[x->offset + i]));
        for (size_t i = 0; i < x->size; i++)
            if (!(fabs((double)ga[x->offset + i] - (double)gb[y->offset + i]) <=
                  GRADIENT_TOLERANCE * largest + 1e-6 * most))
                fail_msg("%s: gradient of '%s' is %.7g, elsewhere %.7g", left->method, x->name,
                         (double)ga[x->offset + i], (double)gb[y->offset + i]);
        compared++;
    }
    assert_true(compared > 10);
}

static void methods_equal_each_other(void **state) {
    (void)state;
    int compared = 0;
    for (int n = 0; n < COUNT_OF(equals); n++) {
        const Side *sides[2] = {&equals[n].left, &equals[n].right};
        Arena *arena = arena_new(0);
        const Model *models[2];
        float *nll[2], *gradients[2];
        size_t rows = 2 * LENGTH;
        Error err;
        bool there = encoding_find(sides[0]->method) && encoding_find(sides[1]->method);
        for (int k = 0; k < 2 && there; k++) {
            LawCase c = case_of(sides[k], arena);
            const Model *model = models[k] = model_of(&c, sides[k], arena);
            nll[k] = NEW(arena, rows, float), gradients[k] = NEW(arena, model->size, float);
            transformer_train(model, activations_new(model, 2, LENGTH, true, arena),
                              law_tokens(&c, 2, LENGTH, arena), 2, (ActivationsOrigin){0}, 1, nll[k],
                              gradients[k]);
        }
        if (there) {
            double *expected = NEW(arena, rows, double);
            for (size_t i = 0; i < rows; i++) expected[i] = nll[1][i];
            if (!law_nll_agree(nll[0], expected, 2, LENGTH, &err))
                fail_msg("%s %s is not %s %s: %s", sides[0]->method, sides[0]->options, sides[1]->method,
                         sides[1]->options, err.text);
            compare_gradients(sides[0], models[0], gradients[0], models[1], gradients[1]);
            compared++;
        }
        arena_free(arena);
    }
    if (compared == 0) skip();
}

/* Li et al. 2024: below the threshold all queries have the same normaliser. */
static void fire_within_its_threshold_knows_distance_alone(void **state) {
    (void)state;
    static const Side side = {.method = "fire", .options = "{\"threshold\": 50}"};
    if (!encoding_find("fire")) skip();
    Arena *arena = arena_new(0);
    LawCase c = case_of(&side, arena);
    const Model *model = law_model(&c, arena);
    PositionContext context = {.shape = &model->shape, .options = c.position.options, .length = LENGTH};
    for (int p = 0; p < model->param_count; p++)
        if (model->params[p].init == MODEL_INIT_METHOD)
            context.param[model->params[p].index] = model->values + model->params[p].offset;
    const ModelParam *multiplier = NULL;
    for (int p = 0; p < model->param_count; p++)
        if (is_tensor(model->params[p].name, "multiplier")) multiplier = &model->params[p];
    assert_non_null(multiplier);
    model->values[multiplier->offset] = 1;
    float *bias = NEW(arena, (size_t)LENGTH * LENGTH, float);
    bool differs = false;
    for (int h = 0; h < HEADS; h++) {
        c.position.method->pair_bias(&context, bias, h, 0, LENGTH);
        for (int i = 1; i < LENGTH; i++)
            for (int j = 1; j <= i; j++) {
                double here = bias[i * LENGTH + j], before = bias[(i - 1) * LENGTH + j - 1];
                bool same = fabs(here - before) <= 1e-6 * (1 + fabs(here));
                if (i <= 50 && !same)
                    fail_msg("head %d: %.8g at (%d, %d), %.8g before", h, here, i, j, before);
                differs |= !same;
            }
    }
    assert_true(differs);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_equal_each_other),
        cmocka_unit_test(fire_within_its_threshold_knows_distance_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
