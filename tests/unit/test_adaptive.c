/* test_adaptive: adaptive input and softmax: sizes that need several chunks of rows and parts of columns,
 * dropout, probabilities.
 *
 * test_methods tries every method with bands; fairseq's own numbers are in test_fairseq.
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
#include "math/nn_ops.h"
#include "model/activations.h"
#include "model/transformer.h"

static LawCase small_case(Arena *arena) {
    return (LawCase){.position = law_defaults(need_method("alibi"), NULL, arena),
                     .model = {.layers = 2,
                               .heads = 3,
                               .width = 12,
                               .ffn = 20,
                               .vocabulary = 17,
                               .activation = MODEL_GELU,
                               .final_norm = true,
                               .adaptive = {.cutoffs = {5, 9}, .factor = 2, .bands = 3},
                               .max_tokens_in_flight = 1024},
                     .train_length = 16,
                     .batch = 3,
                     .length = 21,
                     .seed = 5};
}

/* More rows than a chunk, more columns than a part of 512. */
static void chunks_and_parts_agree_with_the_naive_model(void **state) {
    (void)state;
    for (int n = 0; n < 3; n++) {
        Arena *arena = arena_new(0);
        Error err;
        LawCase c = small_case(arena);
        c.model.layers = 1, c.model.width = 8, c.model.heads = 2, c.model.ffn = 9;
        c.model.final_norm = n == 0;
        c.model.vocabulary = 2000, c.batch = 5, c.length = 128;
        c.model.adaptive.cutoffs[0] = n == 1 ? 3 : 600, c.model.adaptive.cutoffs[1] = 1100;
        if (n == 2) c.model.adaptive.bands = 1;
        if (!law_holds(law_find("agreement"), &c, &err)) fail_msg("%s", err.text);
        arena_free(arena);
    }
}

static double train_sum(const Model *model, Activations *pass, const uint32_t *const *tokens, int first,
                        int sequences, int length, float *gradients, Arena *arena) {
    float *nll = NEW(arena, sequences * length, float);
    double sum = 0;
    transformer_train(model, pass, tokens + first, sequences,
                      (ActivationsOrigin){.seed = 6, .step = 2, .first_sequence = first}, 1, nll, gradients);
    for (int n = 0; n < sequences * length; n++) sum += nll[n];
    return sum;
}

/* Differences of the loss along each tensor's own gradient, with fixed masks (as in test_dropout). */
static void dropout_gradients_are_derivatives(void **state) {
    (void)state;
    for (int norm = 0; norm < 2; norm++) {
        Arena *arena = arena_new(0);
        LawCase c = small_case(arena);
        c.model.final_norm = norm;
        c.model.dropout = 0.2, c.model.adaptive.dropout = 0.4;
        Model *model = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, 3, 21, arena);
        Activations *pass = activations_new(model, 3, 21, true, arena);
        float *gradients = NEW(arena, model->size, float), *spare = NEW(arena, model->size, float);
        float *start = memcpy(NEW(arena, model->size, float), model->values, model->size * sizeof(float));
        train_sum(model, pass, tokens, 0, 3, 21, gradients, arena);
        for (int i = 0; i < model->param_count; i++) {
            const ModelParam *param = &model->params[i];
            const double steps[] = {-2, -1, 1, 2};
            double slope = sqrt(nn_ops_squared_norm(gradients + param->offset, param->size)), sums[4];
            double h = 0.3 / slope;
            for (int k = 0; k < 4; k++) {
                for (size_t j = param->offset; j < param->offset + param->size; j++)
                    model->values[j] = (float)(start[j] + steps[k] * h * gradients[j] / slope);
                sums[k] = train_sum(model, pass, tokens, 0, 3, 21, spare, arena);
                memcpy(model->values, start, model->size * sizeof *start);
            }
            double expected = (8 * (sums[2] - sums[1]) - (sums[3] - sums[0])) / (12 * h);
            if (!(fabs(expected - slope) <= 3e-4 * slope))
                fail_msg("norm %d, %s: slope %g, by differences %g", norm, param->name, slope, expected);
        }
        arena_free(arena);
    }
}

/* Masks belong to rows of the update: cut into micro-batches, the loss and the gradients are the same.
   Evaluation has no dropout. */
static void dropout_depends_on_the_row_alone(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(arena);
    c.model.adaptive.dropout = 0.4;
    Model *model = law_model(&c, arena);
    const uint32_t **tokens = law_tokens(&c, 9, 21, arena);
    Activations *pass = activations_new(model, 9, 21, true, arena);
    float *together = NEW(arena, model->size, float), *parts = NEW(arena, model->size, float);
    double sum = train_sum(model, pass, tokens, 0, 9, 21, together, arena), cut = 0;
    for (int first = 0; first < 9; first += 3)
        cut += train_sum(model, pass, tokens, first, 3, 21, parts, arena);
    near(cut, sum, NLL_TOLERANCE * sum);
    Error err;
    if (!law_gradients_agree(model, parts, law_widened(together, model->size, arena), &err))
        fail_msg("%s", err.text);

    float dropped[9 * 21], kept[9 * 21];
    Activations *evaluating = activations_new(model, 9, 21, false, arena);
    transformer_evaluate(model, evaluating, tokens, 9, dropped);
    c.model.adaptive.dropout = 0;
    transformer_evaluate(law_model(&c, arena), evaluating, tokens, 9, kept);
    assert_memory_equal(dropped, kept, sizeof kept);
    double plain = 0;
    for (int n = 0; n < 9 * 21; n++) plain += kept[n];
    assert_true(fabs(plain - sum) > 1e-3 * plain);
    arena_free(arena);
}

/* A model that shows its masks: h = (1, 1, 1, 1) after the last norm, and logits of one class alone. With
   p = 1/2, h is 0 or 2. The first softmax has the token 0 with E = 0, and a class with K = (1, 3, 9, 27) /
   50; the second has two tokens, of which one has an embedding, and projects h by the identity. */
static void both_sites_drop_and_bands_share_the_first(void **state) {
    enum { SEQUENCES = 8, LENGTH = 64, ROWS = SEQUENCES * LENGTH };
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(arena);
    c.model = (ModelOptions){.layers = 1,
                             .heads = 1,
                             .width = 4,
                             .ffn = 1,
                             .vocabulary = 3,
                             .final_norm = true,
                             .adaptive = {.cutoffs = {1}, .factor = 1, .dropout = 0.5, .bands = 2},
                             .max_tokens_in_flight = ROWS};
    Model *model = model_new(&c.model, &c.position, 8, arena);
    model_allocate(model, arena);
    float *first = model->values + model->index->bands[0].embedding,
          *second = model->values + model->index->bands[1].embedding;
    for (int i = 0; i < 4; i++) {
        model->values[model->index->norm_b + (size_t)i] = 1;
        model->values[model->index->bands[1].projection + 5 * (size_t)i] = 1;
        first[4 + i] = second[i] = 0.02f * powf(3, (float)i);
    }
    uint32_t *sequence = NEW(arena, LENGTH + 1, uint32_t), *rare = NEW(arena, LENGTH + 1, uint32_t);
    for (int t = 1; t <= LENGTH; t++) rare[t] = 2; /* of the second band, without an embedding */
    const uint32_t *frequent_rows[SEQUENCES], *rare_rows[SEQUENCES];
    for (int b = 0; b < SEQUENCES; b++) frequent_rows[b] = sequence, rare_rows[b] = rare;
    float of_first[ROWS], of_both[ROWS], *gradients = NEW(arena, model->size, float);
    Activations *pass = activations_new(model, SEQUENCES, LENGTH, true, arena);
    transformer_train(model, pass, frequent_rows, SEQUENCES, (ActivationsOrigin){.seed = 3}, 1, of_first,
                      gradients);
    transformer_train(model, pass, rare_rows, SEQUENCES, (ActivationsOrigin){.seed = 3}, 1, of_both,
                      gradients);
    int seen[2][3] = {{0}};
    for (int n = 0; n < ROWS; n++) {
        double logit = log(expm1((double)of_first[n])); /* of the class: 0.02 sum of 3^i h_i */
        double tail = of_both[n] - (of_first[n] - logit), second_logit = log(expm1(tail));
        int h = (int)lround(logit / 0.04), narrow = (int)lround(second_logit / 0.04);
        for (int i = 0; i < 4; i++, h /= 3, narrow /= 3) {
            assert_in_range(h % 3, 0, 1);                    /* 0 or 2 */
            assert_true(narrow % 3 == 0 || narrow % 3 == 2); /* 0 or 4 */
            seen[h % 3][narrow % 3]++;
        }
    }
    assert_int_equal(seen[0][2], 0); /* what the first site drops, the second does not have */
    near(seen[0][0], 1024, 4.5 * sqrt(2048 * 0.25));
    near(seen[1][2], 512, 4.5 * sqrt(2048 * 0.25 * 0.75));
    arena_free(arena);
}

/* ---- probabilities ---- */

/* The sum over all words of the probabilities of the word after two others. */
static void probabilities_sum_to_one(void **state) {
    enum { V = 2000, AT_ONCE = 100 };
    (void)state;
    for (int bands = 1; bands <= 3; bands++) {
        Arena *arena = arena_new(0);
        LawCase c = small_case(arena);
        c.model.vocabulary = V;
        c.model.adaptive = (AdaptiveSoftmax){.cutoffs = {700, 1300}, .factor = 2, .bands = bands};
        Model *model = law_model(&c, arena);
        Activations *pass = activations_new(model, AT_ONCE, 2, false, arena);
        double sum = 0;
        for (uint32_t first = 0; first < V; first += AT_ONCE) {
            uint32_t words[AT_ONCE][3];
            const uint32_t *rows[AT_ONCE];
            float nll[2 * AT_ONCE];
            for (uint32_t i = 0; i < AT_ONCE; i++) {
                memcpy(words[i], (uint32_t[]){5, 1500, first + i}, sizeof words[i]);
                rows[i] = words[i];
            }
            transformer_evaluate(model, pass, rows, AT_ONCE, nll);
            for (int i = 0; i < AT_ONCE; i++) sum += exp(-(double)nll[2 * i + 1]);
        }
        near(sum, 1, 1e-5);
        arena_free(arena);
    }
}

/* One band with the identity as its projection is the tied softmax: the losses are equal bit for bit. */
static void one_band_is_the_plain_softmax(void **state) {
    (void)state;
    for (int v = 17; v < 300; v += 240)
        for (int norm = 0; norm < 2; norm++) {
            Arena *arena = arena_new(0);
            LawCase c = small_case(arena);
            c.model.vocabulary = v, c.model.final_norm = norm;
            c.model.adaptive = (AdaptiveSoftmax){0};
            Model *plain = law_model(&c, arena);
            c.model.adaptive = (AdaptiveSoftmax){.factor = 4, .bands = 1};
            Model *one = law_model(&c, arena);
            size_t embedding = one->params[0].size, projection = one->index->bands[0].projection;
            for (int p = 1; p < plain->param_count; p++)
                memcpy(one->values + one->params[p + 1].offset, plain->values + plain->params[p].offset,
                       plain->params[p].size * sizeof(float));
            memcpy(one->values, plain->values, embedding * sizeof(float));
            for (size_t i = 0; i < 144; i++) one->values[projection + i] = i % 13 == 0;
            const uint32_t **tokens = law_tokens(&c, 3, 21, arena);
            float nll[2][63], *gradients[2];
            for (int k = 0; k < 2; k++) {
                const Model *model = k ? one : plain;
                gradients[k] = NEW(arena, model->size, float);
                transformer_train(model, activations_new(model, 3, 21, true, arena), tokens, 3,
                                  (ActivationsOrigin){0}, 1, nll[k], gradients[k]);
            }
            assert_memory_equal(nll[0], nll[1], sizeof nll[0]);
            for (int p = 0; p < plain->param_count; p++) {
                const ModelParam *a = &plain->params[p], *b = &one->params[p ? p + 1 : 0];
                for (size_t i = 0; i < a->size; i++)
                    near(gradients[1][b->offset + i], gradients[0][a->offset + i], 1e-5);
            }
            arena_free(arena);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_parts_agree_with_the_naive_model),
        cmocka_unit_test(dropout_gradients_are_derivatives),
        cmocka_unit_test(dropout_depends_on_the_row_alone),
        cmocka_unit_test(both_sites_drop_and_bands_share_the_first),
        cmocka_unit_test(probabilities_sum_to_one),
        cmocka_unit_test(one_band_is_the_plain_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
