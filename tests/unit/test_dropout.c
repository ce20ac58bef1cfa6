/* test_dropout: dropout and micro-batches.
 *
 * Masks depend only on the index of a number in the step, preserve the mean, are the same in the backward
 * pass, and are independent between sites.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "laws.h"
#include "naive.h"
#include "near.h"
#include "need.h"
#include "math/nn_ops.h"
#include "model/transformer.h"
#include "model/activations.h"

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

static double train_sum(const Model *model, Activations *pass, const uint32_t *const *tokens, int first,
                        int sequences, int length, ActivationsOrigin place, float *gradients, Arena *arena) {
    float *nll = NEW(arena, sequences * length, float);
    double sum = 0;
    place.first_sequence = first;
    transformer_train(model, pass, tokens + first, sequences, place, 1, nll, gradients);
    for (int n = 0; n < sequences * length; n++) sum += nll[n];
    return sum;
}

/* Cut unevenly or processed at once (more rows than a chunk): the same dropout, loss and gradients. */
static void micro_batches_equal_the_whole(void **state) {
    enum { SEQUENCES = 60, LENGTH = 21 };
    static const int cuts[] = {1, 3, 20, 36};
    (void)state;
    for (int dropout = 0; dropout < 2; dropout++) {
        Arena *arena = arena_new(0);
        LawCase c = small_case("t5", arena);
        c.model.dropout = c.model.attention_dropout = c.model.activation_dropout = dropout ? 0.3 : 0;
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, SEQUENCES, LENGTH, arena);
        Activations *pass = activations_new(model, SEQUENCES, LENGTH, true, arena);
        float *whole = NEW(arena, model->size, float), *parts = NEW(arena, model->size, float);
        ActivationsOrigin place = {.seed = 9, .step = 4};
        double sum = train_sum(model, pass, tokens, 0, SEQUENCES, LENGTH, place, whole, arena), cut = 0;
        for (int i = 0, first = 0; i < COUNT_OF(cuts); first += cuts[i++])
            cut += train_sum(model, pass, tokens, first, cuts[i], LENGTH, place, parts, arena);
        near(cut, sum, NLL_TOLERANCE * sum);
        double *expected = NEW(arena, model->size, double);
        for (size_t i = 0; i < model->size; i++) expected[i] = whole[i];
        Error err;
        if (!law_gradients_agree(model, parts, expected, &err)) fail_msg("%s", err.text);
        for (int i = 0; i < model->param_count; i++) { /* padding between tensors is zero */
            size_t end = i + 1 < model->param_count ? model->params[i + 1].offset : model->size;
            for (size_t k = model->params[i].offset + model->params[i].size; k < end; k++)
                near(whole[k], 0, 0), near(model->values[k], 0, 0);
        }
        arena_free(arena);
    }
}

static void dropout_keeps_the_mean(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    static float x[COUNT], y[COUNT];
    const double p[] = {0.1, 0.5, 0.9};
    for (int i = 0; i < COUNT; i++) x[i] = 1 + (float)(i % 5);
    for (int n = 0; n < COUNT_OF(p); n++) {
        int dropped = 0;
        memcpy(y, x, sizeof x);
        nn_ops_dropout(y, COUNT, p[n], 77, 1000);
        for (int i = 0; i < COUNT; i++) {
            dropped += y[i] == 0;
            if (y[i] != 0) near(y[i], x[i] / (1 - p[n]), 2e-7 * x[i] / (1 - p[n]));
        }
        near(dropped, COUNT * p[n], 4.5 * sqrt(COUNT * p[n] * (1 - p[n])));
        float other[64]; /* a part of it, by its index in the stream */
        memcpy(other, x + 300, sizeof other);
        nn_ops_dropout(other, 64, p[n], 77, 1300);
        assert_memory_equal(other, y + 300, sizeof other);
        memcpy(other, x, sizeof other);
        nn_ops_dropout(other, 64, p[n], 78, 1000); /* another stream */
        assert_memory_not_equal(other, y, sizeof other);
    }
    memcpy(y, x, sizeof x);
    nn_ops_dropout(y, COUNT, 0, 77, 0);
    assert_memory_equal(y, x, sizeof x);
}

static void dropout_depends_on_the_place_alone(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        Arena *arena = arena_new(0);
        LawCase c = small_case("alibi", arena);
        double *p[] = {&c.model.dropout, &c.model.attention_dropout, &c.model.activation_dropout};
        *p[kind] = 0.25;
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, 3, 21, arena);
        Activations *pass = activations_new(model, 3, 21, true, arena),
                    *fresh = activations_new(model, 3, 21, true, arena);
        Activations *evaluating = activations_new(model, 3, 21, false, arena);
        float *gradients = NEW(arena, model->size, float), nll[5][63], plain[63], undropped[63];
        const ActivationsOrigin places[] = {
            {.seed = 1, .step = 1}, {.seed = 2, .step = 1}, {.seed = 1, .step = 2}, {.seed = 1, .step = 1}};
        for (int i = 0; i < 4; i++)
            transformer_train(model, i == 3 ? fresh : pass, tokens, 3, places[i], 1, nll[i], gradients);
        assert_memory_equal(nll[3], nll[0], sizeof nll[0]);
        assert_memory_not_equal(nll[1], nll[0], sizeof nll[0]);
        assert_memory_not_equal(nll[2], nll[0], sizeof nll[0]);
        transformer_train(model, pass, tokens, 3,
                          (ActivationsOrigin){.seed = 1, .step = 1, .first_sequence = 3}, 1, nll[4],
                          gradients);
        assert_memory_not_equal(nll[4], nll[0], sizeof nll[0]);

        transformer_evaluate(model, evaluating, tokens, 3, plain); /* evaluation has no dropout */
        *p[kind] = 0;
        Model *whole = law_model(&c, arena);
        transformer_evaluate(whole, activations_new(whole, 3, 21, false, arena), tokens, 3, undropped);
        assert_memory_equal(plain, undropped, sizeof plain);
        assert_memory_not_equal(plain, nll[0], sizeof plain);
        arena_free(arena);
    }
}

/* Differences of the loss along each tensor's own gradient, with a fixed mask. The rounding of 63 losses,
   about 3e-7 each, is 1e-5 of their change of 0.3 nats; the differences are of fourth order. */
static void dropout_gradients_are_derivatives(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        Arena *arena = arena_new(0);
        LawCase c = small_case("t5", arena);
        if (kind == 0 || kind == 3) c.model.dropout = 0.2;
        if (kind == 1 || kind == 3) c.model.attention_dropout = 0.3;
        if (kind == 2 || kind == 3) c.model.activation_dropout = 0.4;
        c.model.activation = kind == 2 ? MODEL_SWIGLU : MODEL_GELU;
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, 3, 21, arena);
        Activations *pass = activations_new(model, 3, 21, true, arena);
        float *gradients = NEW(arena, model->size, float), *spare = NEW(arena, model->size, float);
        float *start = NEW(arena, model->size, float);
        ActivationsOrigin place = {.seed = 6, .step = 2};
        train_sum(model, pass, tokens, 0, 3, 21, place, gradients, arena);
        memcpy(start, model->values, model->size * sizeof *start);
        for (int i = 0; i < model->param_count; i++) {
            const ModelParam *param = &model->params[i];
            const double steps[] = {-2, -1, 1, 2};
            double slope = sqrt(nn_ops_squared_norm(gradients + param->offset, param->size)), sums[4];
            double h = 0.3 / slope; /* changes the loss by 0.3 nats */
            for (int k = 0; k < 4; k++) {
                for (size_t j = param->offset; j < param->offset + param->size; j++)
                    model->values[j] = (float)(start[j] + steps[k] * h * gradients[j] / slope);
                sums[k] = train_sum(model, pass, tokens, 0, 3, 21, place, spare, arena);
                memcpy(model->values, start, model->size * sizeof *start);
            }
            double expected = (8 * (sums[2] - sums[1]) - (sums[3] - sums[0])) / (12 * h);
            if (!(fabs(expected - slope) <= 3e-4 * slope))
                fail_msg("dropout %d, %s: slope %g, by differences %g", kind, param->name, slope, expected);
        }
        arena_free(arena);
    }
}

/* ---- the sites of dropout: a model that shows its masks ---- */

/* Four coordinates, all weights zero except E[1] = (1, 3, 9, 27) / 100. With p = 1/2, the loss of target 0
   then shows how often each coordinate was added to the residual stream, in ternary: log(1 + exp(sum 0.02 3^c
   times_c)). */
enum { SHOW_LENGTH = 64, SHOW_SEQUENCES = 8 };

static void show(int layers, double dropout, double attention, double activation, const char *const *ones,
                 const char *identity, int seen[3]) {
    Arena *arena = arena_new(0);
    int length = attention > 0 ? 1 : SHOW_LENGTH; /* one key, with probability 1 */
    LawCase c = small_case("none", arena);
    c.model = (ModelOptions){.layers = layers,
                             .heads = 4,
                             .width = 4,
                             .ffn = 4,
                             .vocabulary = 2,
                             .activation = MODEL_RELU,
                             .dropout = dropout,
                             .attention_dropout = attention,
                             .activation_dropout = activation,
                             .max_tokens_in_flight = 1024};
    Model *model = model_new(&c.model, &c.position, 8, arena);
    model_allocate(model, arena);
    for (int i = 0; i < 4; i++)
        model->values[naive_param(model, "embedding.weight")->offset + 4 + (size_t)i] =
            0.01f * powf(3, (float)i);
    for (int l = 0; l < layers; l++) {
        for (int k = 0; ones[k]; k++) {
            const ModelParam *param = naive_param(model, arena_format(arena, "layers.%d.%s", l, ones[k]));
            for (size_t i = 0; i < param->size; i++) model->values[param->offset + i] = 1;
        }
        if (!identity) continue;
        const ModelParam *param = naive_param(model, arena_format(arena, "layers.%d.%s", l, identity));
        for (size_t i = 0; i < 4; i++) model->values[param->offset + 5 * i] = 1;
    }
    uint32_t *zeros = NEW(arena, SHOW_LENGTH + 1, uint32_t);
    const uint32_t *tokens[SHOW_SEQUENCES];
    for (int b = 0; b < SHOW_SEQUENCES; b++) tokens[b] = zeros;
    float nll[SHOW_SEQUENCES * SHOW_LENGTH], *gradients = NEW(arena, model->size, float);
    int n = SHOW_SEQUENCES * length, first[4] = {0}, differs = 0;
    Activations *pass = activations_new(model, SHOW_SEQUENCES, length, true, arena);
    memset(seen, 0, 3 * sizeof *seen);
    for (int step = 0; step < (length == 1 ? 64 : 1); step++) {
        transformer_train(model, pass, tokens, SHOW_SEQUENCES, (ActivationsOrigin){.seed = 1, .step = step},
                          1, nll, gradients);
        for (int t = 0; t < n; t++) {
            double odds = expm1((double)nll[t]); /* e^logit; 1 if nothing was kept */
            int code = (int)lround(log(odds) / 0.02);
            for (int i = 0; i < 4; i++, code /= 3) {
                assert_in_range(code % 3, 0, 2);
                seen[code % 3]++;
                if (t == 0) first[i] = code % 3;
                differs |= code % 3 != first[i];
            }
        }
    }
    assert_true(differs);
    arena_free(arena);
}

/* Two independent masks with p = 1/2 keep 0, 1 and 2 of a coordinate in shares of 1/4, 1/2 and 1/4 of 2048
   coordinates. A mask used twice would never keep exactly 1. */
static void independent(const int seen[3]) {
    assert_int_equal(seen[0] + seen[1] + seen[2], 2048);
    near(seen[0], 512, 4.5 * sqrt(2048 * 0.25 * 0.75));
    near(seen[1], 1024, 4.5 * sqrt(2048 * 0.25));
    near(seen[2], 512, 4.5 * sqrt(2048 * 0.25 * 0.75));
}

static void every_place_has_a_mask_of_its_own(void **state) {
    static const char *const attention_out[] = {"attention.out.bias", NULL};
    static const char *const ffn_out[] = {"ffn.out.bias", NULL};
    static const char *const both[] = {"attention.out.bias", "ffn.out.bias", NULL};
    static const char *const inner[] = {"ffn.in.bias", NULL};
    static const char *const values[] = {"attention.qkv.bias", NULL};
    int seen[3];
    (void)state;
    show(2, 0.5, 0, 0, attention_out, NULL, seen); /* between layers */
    independent(seen);
    show(2, 0.5, 0, 0, ffn_out, NULL, seen);
    independent(seen);
    show(1, 0.5, 0, 0, both, NULL, seen); /* the two sites of one layer */
    independent(seen);
    show(2, 0, 0, 0.5, inner, "ffn.out.weight", seen);
    independent(seen);
    show(2, 0, 0.5, 0, values, "attention.out.weight", seen); /* between heads, between sequences */
    independent(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches_equal_the_whole),
        cmocka_unit_test(dropout_keeps_the_mean),
        cmocka_unit_test(dropout_depends_on_the_place_alone),
        cmocka_unit_test(dropout_gradients_are_derivatives),
        cmocka_unit_test(every_place_has_a_mask_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
