/* test_fairseq: numbers that follow from fairseq's code, for its model of WikiText-103
 * (transformer_lm_wiki103) and its schedule.
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
#include "base/random.h"
#include "model/internal.h"
#include "model/transformer.h"
#include "train/optimizer.h"

/* fairseq's transformer_lm_wiki103. */
static ModelOptions paper(void) {
    ModelOptions options;
    model_default(&options);
    options.layers = 16, options.width = 1024, options.ffn = 4096, options.vocabulary = 267744;
    options.final_norm = false, options.init = MODEL_START_FAIRSEQ;
    options.adaptive = (AdaptiveSoftmax){.cutoffs = {20000, 60000}, .factor = 4, .dropout = 0.2, .bands = 3};
    return options;
}

/* ---- tensors ---- */

static const ModelParam *tensor(const Model *model, const char *name, int rows, int columns) {
    const ModelParam *param = naive_param(model, name);
    assert_int_equal(param->rank, 2);
    assert_int_equal(param->dims[0], rows);
    assert_int_equal(param->dims[1], columns);
    assert_false(param->decay);
    return param;
}

static void tensors_are_fairseqs(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    const Encoding position = law_defaults(need_method("sinusoidal"), NULL, arena);
    ModelOptions options = paper();
    const Model *model = model_new(&options, &position, 64, arena);
    assert_int_equal(model->parameters, 246933504);
    const ModelParam *first = tensor(model, "decoder.embed_tokens.embeddings.0.0.weight", 20000, 1024);
    tensor(model, "decoder.embed_tokens.embeddings.0.1.weight", 1024, 1024);
    tensor(model, "decoder.embed_tokens.embeddings.1.0.weight", 40000, 256);
    tensor(model, "decoder.embed_tokens.embeddings.1.1.weight", 1024, 256);
    tensor(model, "decoder.embed_tokens.embeddings.2.0.weight", 207744, 64);
    tensor(model, "decoder.embed_tokens.embeddings.2.1.weight", 1024, 64);
    const ModelParam *classes = tensor(model, "decoder.adaptive_softmax.head.class_proj.weight", 2, 1024);
    assert_int_equal(classes->offset, first->offset + first->size);
    for (int p = 0; p < model->param_count; p++)
        if (!strcmp(model->params[p].name, "embedding.weight")) fail_msg("a full embedding, too");

    options.vocabulary = 50, options.adaptive.bands = 1; /* no cutoffs: no classes */
    model = model_new(&options, &position, 64, arena);
    tensor(model, "decoder.embed_tokens.embeddings.0.0.weight", 50, 1024);
    tensor(model, "decoder.embed_tokens.embeddings.0.1.weight", 1024, 1024);
    assert_null(strstr(model->params[2].name, "decoder."));
    arena_free(arena);
}

/* Bounds and deviations as in words.md: fairseq's for C = 1024 and F = 4096. */
static void initial_values_are_fairseqs(void **state) {
    static const struct {
        const char *name;
        double normal, uniform;
    } expected[] = {
        {"decoder.embed_tokens.embeddings.0.0.weight", 0.03125, 0},
        {"decoder.embed_tokens.embeddings.1.0.weight", 0.0625, 0},
        {"decoder.embed_tokens.embeddings.2.0.weight", 0.125, 0},
        {"decoder.embed_tokens.embeddings.0.1.weight", 0, 0.05413},
        {"decoder.embed_tokens.embeddings.1.1.weight", 0, 0.06847},
        {"decoder.embed_tokens.embeddings.2.1.weight", 0, 0.07426},
        {"decoder.adaptive_softmax.head.class_proj.weight", 0, 0.07647},
        {"layers.0.attention.qkv.weight", 0, 0.03827},
        {"layers.0.attention.qkv.bias", 0, 1 / 32.0},
        {"layers.0.attention.out.weight", 0, 0.05413},
        {"layers.0.attention.out.bias", 0, 0},
        {"layers.0.ffn.in.weight", 0, 1 / 32.0},
        {"layers.0.ffn.in.bias", 0, 1 / 32.0},
        {"layers.0.ffn.out.weight", 0, 1 / 64.0},
        {"layers.0.ffn.out.bias", 0, 1 / 64.0},
        {"layers.0.norm1.bias", 0, 0},
    };
    (void)state;
    Arena *arena = arena_new(0);
    const Encoding position = law_defaults(need_method("none"), NULL, arena);
    ModelOptions options = paper();
    options.layers = 1, options.vocabulary = 3000, options.adaptive.cutoffs[0] = 1000;
    options.adaptive.cutoffs[1] = 2000;
    Model *model = model_new(&options, &position, 64, arena);
    model_allocate(model, arena);
    model_init(model, 1);
    for (int i = 0; i < COUNT_OF(expected); i++) {
        const ModelParam *param = naive_param(model, expected[i].name);
        const float *value = model->values + param->offset;
        double sum = 0, squares = 0, largest = 0, n = (double)param->size, bound = expected[i].uniform;
        size_t padding = expected[i].normal > 0 ? (size_t)param->dims[1] : 0; /* row 1 is zero */
        for (size_t k = 0; k < param->size; k++) {
            sum += value[k], squares += (double)value[k] * value[k];
            largest = fmax(largest, fabs(value[k]));
            if (k / (padding ? padding : param->size) == 1) near(value[k], 0, 0);
        }
        n -= (double)padding;
        double deviation = bound > 0 ? bound / sqrt(3) : expected[i].normal;
        near(sqrt(squares / n), deviation, 4.5 * deviation / sqrt(2 * n) + 1e-4 * deviation);
        near(sum / n, 0, 4.5 * deviation / sqrt(n));
        if (bound > 0) near(largest, bound, bound * (20 / n + 1e-4)), assert_true(largest <= 1.0001 * bound);
    }
    arena_free(arena);
}

/* ---- golden numbers of fairseq's model ---- */

/* The paper's model with `layers` layers; without layers' outputs, the last hidden state is the input. */
static Model *paper_model(const char *method, int64_t layers, int64_t vocabulary, Arena *arena) {
    const Encoding position = law_defaults(need_method(method), NULL, arena);
    ModelOptions options = paper();
    options.layers = layers, options.vocabulary = vocabulary;
    if (vocabulary < 267744) options.adaptive.cutoffs[0] = 1000, options.adaptive.cutoffs[1] = 2000;
    Model *model = model_new(&options, &position, 64, arena);
    model_allocate(model, arena);
    model_init(model, 3);
    return model;
}

static void clear(Model *model, const char *name) {
    const ModelParam *param = naive_param(model, name);
    memset(model->values + param->offset, 0, param->size * sizeof(float));
}

/* A rare word predicts itself: 32 * 2 * 1024 / (1024 + d) = 51.2 and 60.2 is its logit after itself, above
   those of other words. The mean square of an embedded word is 1024 * 2 / (1024 + d) = 1, 1.6, 1.88. */
static void rare_words_predict_themselves(void **state) {
    enum { WORDS = 180 };
    (void)state;
    Arena *arena = arena_new(0);
    Model *model = paper_model("none", 1, 3000, arena);
    clear(model, "layers.0.attention.out.weight"), clear(model, "layers.0.attention.out.bias");
    clear(model, "layers.0.ffn.out.weight"), clear(model, "layers.0.ffn.out.bias");
    Activations *pass = activations_new(model, 2 * WORDS, 1, false, arena);
    for (int band = 0; band < 3; band++) {
        const ModelBandIndex *at = &model->index->bands[band];
        uint32_t words[2 * WORDS][2], low = (uint32_t)at->band.first;
        const uint32_t *rows[2 * WORDS];
        float nll[2 * WORDS];
        double self = 0, squares = 0;
        for (uint32_t i = 0; i < 2 * WORDS; i++) { /* each word before itself, and before another one */
            words[i][0] = low + 7 + 5 * (i / 2), words[i][1] = words[i][0] + (i % 2);
            rows[i] = words[i];
        }
        transformer_evaluate(model, pass, rows, 2 * WORDS, nll);
        for (int i = 0; i < WORDS; i++) self += (nll[2 * i + 1] - nll[2 * i]) / WORDS;
        double share = 2 * 1024.0 / (1024 + at->band.width);
        if (band) near(self, 32 * share, 4.5 * 32 * share * sqrt(3.0 / at->band.width / WORDS));
        for (int i = 0; i < WORDS; i++)
            for (int r = 0; r < 1024; r++) {
                const float *e =
                    model->values + at->embedding + (size_t)(words[2 * i][0] - low) * (size_t)at->band.width;
                double x = 0;
                for (int k = 0; k < at->band.width; k++)
                    x += (double)model->values[at->projection + (size_t)(r * at->band.width + k)] * e[k];
                squares += 1024 * x * x / (1024.0 * WORDS);
            }
        near(squares, share, 4.5 * share * sqrt(2.0 / at->band.width / WORDS));
    }
    arena_free(arena);
}

/* At the initial values the loss of a target of the first band is ln(n + 2) + m / 2, with m the mean square
   of the last hidden state: the logits are normal with variance m, and P_0 is not among their factors. */
static void first_loss_follows_from_the_hidden_state(void **state) {
    enum { WORDS = 128, SEQUENCES = 3, FIRST = 1000 };
    (void)state;
    Arena *arena = arena_new(0);
    Model *model = paper_model("sinusoidal", 1, 3000, arena);
    Activations *pass = activations_new(model, 1, WORDS, false, arena);
    Random random = random_stream(1, "words", "");
    double loss = 0, m = 0, n = WORDS * SEQUENCES;
    for (int s = 0; s < SEQUENCES; s++) {
        uint32_t inputs[WORDS + 1] = {0}, targets[WORDS];
        const uint32_t *rows[] = {inputs}, *wanted[] = {targets};
        float nll[WORDS];
        for (int t = 0; t < WORDS; t++) {
            inputs[t] = (uint32_t)(3000 * random_uniform(&random));
            targets[t] = (uint32_t)(FIRST * random_uniform(&random));
        }
        transformer_set_rows(pass, (TransformerRows){.targets = wanted});
        transformer_evaluate(model, pass, rows, 1, nll);
        for (int t = 0; t < WORDS; t++) loss += nll[t] / n;
        for (int i = 0; i < WORDS * 1024; i++) m += (double)pass->x[i] * pass->x[i] / (1024 * n);
    }
    assert_true(m > 1.5 && m < 5);
    near(loss, log(FIRST + 2) + m / 2, 4.5 * (sqrt(m / n) + sqrt((exp(m) - 1) / FIRST)));
    arena_free(arena);
}

/* ---- the schedule ---- */

/* Update u counts as u - 1: 16,000 updates of warm-up from 1e-7, then 270,000 to 1e-4. */
static void rates_are_fairseqs(void **state) {
    (void)state;
    const OptimizerScheduleOptions s = {
        .warmup = 16000.0 / 286000, .floor = 1e-4, .warmup_init = 1e-7, .first = 0};
    near(optimizer_schedule_rate(&s, 1, 1, 286000), 1e-7, 1e-18);
    near(optimizer_schedule_rate(&s, 1, 2, 286000), 1e-7 + (1 - 1e-7) / 16000, 1e-15);
    near(optimizer_schedule_rate(&s, 1, 8001, 286000), 0.50000005, 1e-12);
    near(optimizer_schedule_rate(&s, 1, 16001, 286000), 1, 1e-12);
    near(optimizer_schedule_rate(&s, 1, 151001, 286000), 0.50005, 1e-12);
    near(optimizer_schedule_rate(&s, 1, 286000, 286000), 1.0000003e-4, 1e-11);
    near(optimizer_schedule_rate(&s, 3, 1, 286000), 3e-7, 1e-18); /* shares of lr */
    const OptimizerScheduleOptions cold = {.warmup = 0, .floor = 0.5, .first = 0};
    near(optimizer_schedule_rate(&cold, 2, 1, 10), 2, 0); /* no warm-up: the peak first */
    const OptimizerScheduleOptions still = {.warmup = 0.5, .floor = 0.5, .first = 0};
    near(optimizer_schedule_rate(&still, 2, 1, 10), 0, 0);
}

/* Gradients are clipped by 0.1 / (norm + 1e-6). */
static void clipping_is_fairseqs(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    const Encoding position = law_defaults(need_method("none"), NULL, arena);
    ModelOptions options;
    model_default(&options);
    options.layers = 1, options.width = 8, options.vocabulary = 9;
    Model *model = model_new(&options, &position, 8, arena);
    model_allocate(model, arena);
    const double norms[] = {0.0999, 0.1 - 5e-7, 0.2, 1e-5};
    for (int i = 0; i < COUNT_OF(norms); i++) {
        OptimizerOptions nag = {.name = OPTIMIZER_NAG, .momentum = 0.99, .clip = 0.1, .clip_eps = 1e-6};
        if (i == 3) nag.clip = 1e-5, nag.clip_eps = 1e-5; /* the difference is visible in float32 */
        float *gradients = NEW(arena, model->size, float);
        gradients[0] = (float)norms[i];
        optimizer_step(optimizer_new(&nag, model, arena), model, gradients, 0.5);
        double scale = fmin(1, nag.clip / (norms[i] + nag.clip_eps));
        near(gradients[0], norms[i] * scale, 1e-7 * norms[i]);
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_fairseqs),
        cmocka_unit_test(initial_values_are_fairseqs),
        cmocka_unit_test(rare_words_predict_themselves),
        cmocka_unit_test(rates_are_fairseqs),
        cmocka_unit_test(clipping_is_fairseqs),
        cmocka_unit_test(first_loss_follows_from_the_hidden_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
