/* test_attention: options of attention with every method.
 *
 * The model must agree with the naive one, and equivalences between options must hold. At the small size
 * every method is tested with all options; at each of the large ones with every third, so that three methods
 * together have them all. Usage: test_attention [--full] [METHOD]. --full: all options at all sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "laws.h"
#include "naive.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

static const AttentionOptions options[] = {
    {.window = 7},
    {.window = 45},
    {.window = 40, .sinks = 3},
    {.window = 1, .sinks = 5},
    {.window = 20, .sinks = 40},
    {.window = 1},
    {.top_k = 5},
    {.top_k = 1},
    {.top_k = 3, .window = 9, .sinks = 2, .temperature = 0.6},
    {.scale = ATTENTION_SCALE_LOG_N},
    {.scale = ATTENTION_SCALE_LLAMA4, .scale_floor = 4, .scale_coefficient = 0.3, .window = 30, .sinks = 4},
    {.temperature = 1.7},
    {.scale = ATTENTION_SCALE_LOG_LEARNED},
    {.scale = ATTENTION_SCALE_LOG_LEARNED, .window = 40, .sinks = 3, .temperature = 0.7},
    {.scale = ATTENTION_SCALE_LOG_LEARNED, .top_k = 5},
    {.nope_every = 2, .scale = ATTENTION_SCALE_LOG_LEARNED, .scale_layers = ATTENTION_LAYERS_NOPE},
    {.nope_every = 2,
     .scale = ATTENTION_SCALE_LOG_N,
     .scale_layers = ATTENTION_LAYERS_NOPE,
     .window = 12,
     .sinks = 1,
     .window_layers = ATTENTION_LAYERS_POSITION},
    {.nope_every = 2,
     .scale = ATTENTION_SCALE_LOG_N,
     .scale_layers = ATTENTION_LAYERS_POSITION,
     .window = 33,
     .window_layers = ATTENTION_LAYERS_NOPE},
    {.nope_every = 2, .top_k = 4, .temperature = 2, .window = 17, .window_layers = ATTENTION_LAYERS_ALL},
    {.scale = ATTENTION_SCALE_LEARNED, .window = 40, .sinks = 3},
    {.scale = ATTENTION_SCALE_SSMAX, .scale_start = 0.4, .scale_log = ATTENTION_LOG_NEXT},
    {.scale = ATTENTION_SCALE_SSMAX, .scale_start = 0.3, .top_k = 5, .sink_logit = ATTENTION_SINK_LEARNED},
    {.scale = ATTENTION_SCALE_ASENTMAX, .scale_log = ATTENTION_LOG_NEXT, .window = 40, .sinks = 3},
    {.nope_every = 2,
     .scale = ATTENTION_SCALE_ASENTMAX,
     .scale_log = ATTENTION_LOG_NEXT,
     .scale_layers = ATTENTION_LAYERS_NOPE},
    {.output_gate = ATTENTION_GATE_HEAD, .window = 40, .sinks = 3},
    {.output_gate = ATTENTION_GATE_ELEMENT, .top_k = 5, .nope_every = 2},
    {.sink_logit = ATTENTION_SINK_ZERO},
    {.sink_logit = ATTENTION_SINK_LEARNED, .window = 40, .sinks = 3, .temperature = 0.7},
    {.sink_logit = ATTENTION_SINK_LEARNED, .nope_every = 2, .top_k = 5, .scale = ATTENTION_SCALE_LOG_LEARNED},
};

static LawCase make_case(const PositionMethod *m, int n, Arena *arena) {
    static const struct {
        int layers, heads, width, batch, length, train_length;
    } sizes[] = {{2, 3, 12, 2, 70, 40},
                 {1, 2, 24, 1, 300, 290},
                 {1, 2, 8, 1, 300, 60},
                 {1, 8, 32, 1, 170, 160},
                 {2, 2, 40, 2, 70, 40}};
    LawCase c = {.model = {.layers = sizes[n].layers,
                           .heads = sizes[n].heads,
                           .width = sizes[n].width,
                           .ffn = 20,
                           .vocabulary = 17,
                           .activation = MODEL_GELU,
                           .final_norm = true,
                           .max_tokens_in_flight = 1024},
                 .train_length = sizes[n].train_length,
                 .batch = sizes[n].batch,
                 .length = sizes[n].length,
                 .seed = 11};
    if (!encoding_default(&c.position, m, arena)) { /* the partner's file does not exist */
        arena_free(arena);
        skip();
    }
    return c;
}

/* Whether the method can be used with these options. */
static bool accepted(const LawCase *c, const AttentionOptions *attention) {
    ModelOptions model = c->model;
    Error err;
    model.attention = *attention;
    return model_check(&model, &c->position, c->train_length, "law", &err);
}

static bool full; /* all options at all sizes */

static int method_number(const PositionMethod *method) {
    int number = 0;
    while (encoding_methods[number] != method) number++;
    return number;
}

static void agrees_with_the_naive_model(void **state) {
    Arena *arena = arena_new(0);
    Error err;
    const PositionMethod *method = *state;
    for (int n = 0; n < 5; n++) {
        if (n == 2 && !method->horizon) continue;  /* the horizon covers whole tiles */
        if (n == 3 && !method->scores) continue;   /* the number of heads for which products are vectorised */
        if (n == 4 && !method->widening) continue; /* rows that are wider, and wider by another padding */
        for (int i = 0; i < COUNT_OF(options); i++) {
            if (n > 0 && !full && (i + method_number(method)) % 3 != 0) continue;
            LawCase c = make_case(method, n, arena);
            if (!accepted(&c, &options[i])) continue;
            c.model.attention = options[i];
            if (!law_holds(law_find("agreement"), &c, &err)) fail_msg("options %d: %s", i, err.text);
        }
    }
    arena_free(arena);
}

/* Computes nll and gradients with these options. */
static void compute(const LawCase *given, AttentionOptions attention, float *nll, float *gradients,
                    Arena *arena) {
    LawCase c = *given;
    c.model.attention = attention;
    const Model *model = law_model(&c, arena);
    const uint32_t **tokens = law_tokens(&c, c.batch, c.length, arena);
    memset(gradients, 0, model->size * sizeof *gradients);
    transformer_train(model, activations_new(model, c.batch, c.length, true, arena), tokens, c.batch,
                      (ActivationsOrigin){0}, 1, nll, gradients);
}

/* Options that change nothing: bit for bit, or up to rounding (complete rows are summed in another order). */
static void neutral_options_change_nothing(void **state) {
    static const struct {
        AttentionOptions options;
        bool rounding;
    } neutral[] = {{{.window = 300}, false},
                   {{.window = 400, .sinks = 9}, false},
                   {{.temperature = 1}, false},
                   {{.scale = ATTENTION_SCALE_LOG_N}, false}, /* the training length is not exceeded */
                   {{.scale = ATTENTION_SCALE_LLAMA4, .scale_floor = 301, .scale_coefficient = 1}, false},
                   {{.top_k = 300}, true}};
    Arena *arena = arena_new(0);
    Error err;
    LawCase c = make_case(*state, 1, arena);
    c.train_length = c.length;
    const Model *model = law_model(&c, arena);
    size_t rows = (size_t)c.batch * (size_t)c.length;
    float *nll[2], *gradients[2];
    for (int k = 0; k < 2; k++)
        nll[k] = NEW(arena, rows, float), gradients[k] = NEW(arena, model->size, float);
    compute(&c, (AttentionOptions){0}, nll[0], gradients[0], arena);
    double *expected = NEW(arena, rows, double), *wanted = NEW(arena, model->size, double);
    for (size_t i = 0; i < rows; i++) expected[i] = nll[0][i];
    for (size_t i = 0; i < model->size; i++) wanted[i] = gradients[0][i];
    for (int i = 0; i < COUNT_OF(neutral); i++) {
        if (!accepted(&c, &neutral[i].options)) continue;
        compute(&c, neutral[i].options, nll[1], gradients[1], arena);
        if (!neutral[i].rounding && (memcmp(nll[0], nll[1], rows * sizeof(float)) != 0 ||
                                     memcmp(gradients[0], gradients[1], model->size * sizeof(float)) != 0))
            fail_msg("neutral options %d change bits", i);
        if (!law_nll_agree(nll[1], expected, c.batch, c.length, &err) ||
            !law_gradients_agree(model, gradients[1], wanted, &err))
            fail_msg("neutral options %d: %s", i, err.text);
    }
    arena_free(arena);
}

/* Sets what all heads of a model learn. */
static void set_learnt(Model *model, float value) {
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        bool learnt = strstr(param->name, "attention.scale") || strstr(param->name, "attention.sink_logit");
        for (size_t i = 0; learnt && i < param->size; i++) model->values[param->offset + i] = value;
    }
}

/* nll of a model with these options whose heads have learnt `value`, and whose other weights are those of
   `like`. */
static float *with_learnt(const LawCase *given, AttentionOptions attention, float value, const Model *like,
                          const uint32_t **tokens, Arena *arena) {
    LawCase c = *given;
    c.model.attention = attention;
    Model *model = law_model(&c, arena);
    for (int p = 0; p < like->param_count; p++) {
        const ModelParam *to = naive_param(model, like->params[p].name);
        memcpy(model->values + to->offset, like->values + like->params[p].offset, to->size * sizeof(float));
    }
    set_learnt(model, value);
    float *nll = NEW(arena, c.batch * c.length, float);
    transformer_evaluate(model, activations_new(model, c.batch, c.length, false, arena), tokens, c.batch,
                         nll);
    return nll;
}

/* Scales of 0 are plain attention, bit for bit. In one layer, the last query's scale is a temperature. The
   scale grows with the position: in text of period 5, rows that see 10 keys without positions do not repeat.
 */
static void learnt_scales(void **state) {
    (void)state;
    if (!encoding_control()) skip();
    Arena *arena = arena_new(0);
    LawCase c = make_case(encoding_control(), 1, arena);
    c.model.final_norm = false;
    const AttentionOptions learnt = {.scale = ATTENTION_SCALE_LOG_LEARNED};
    const Model *plain = law_model(&c, arena);
    const uint32_t **tokens = law_tokens(&c, c.batch, c.length, arena);
    float *zero = with_learnt(&c, learnt, 0, plain, tokens, arena);
    float *without = with_learnt(&c, (AttentionOptions){0}, 0, plain, tokens, arena);
    assert_memory_equal(zero, without, (size_t)c.length * sizeof *zero);
    float *scaled = with_learnt(&c, learnt, 0.3f, plain, tokens, arena);
    AttentionOptions warm = {.temperature = 1 + 0.3 * log(c.length)};
    int last = c.length - 1;
    float *warmer = with_learnt(&c, warm, 0, plain, tokens, arena);
    assert_float_equal(scaled[last], warmer[last], 2e-5);
    assert_true(fabsf(scaled[last] - without[last]) > 1e-4f);
    uint32_t *text = NEW(arena, c.length + 1, uint32_t);
    for (int t = 0; t <= c.length; t++) text[t] = (uint32_t)(t * t % 5 + 2);
    tokens[0] = text;
    for (int k = 0; k < 2; k++) {
        AttentionOptions windowed = learnt;
        windowed.window = 10;
        float *nll = with_learnt(&c, windowed, k ? 0.3f : 0, plain, tokens, arena), most = 0;
        for (int t = 10; t + 5 < c.length; t++) most = fmaxf(most, fabsf(nll[t + 5] - nll[t]));
        if (k ? most < 1e-3f : most > 1e-5f) fail_msg("scale %d: rows differ by %g", k, (double)most);
    }
    arena_free(arena);
}

/* Of a model of one layer without biases, the last row is that of a temperature: a for by_head (all rows),
   a ln n for ssmax, 1 + a l^a for asentmax, where both numbers of a head are a. */
static void learnt_scales_are_temperatures(void **state) {
    (void)state;
    if (!encoding_control()) skip();
    Arena *arena = arena_new(0);
    LawCase c = make_case(encoding_control(), 1, arena);
    const Model *plain = law_model(&c, arena);
    const uint32_t **tokens = law_tokens(&c, c.batch, c.length, arena);
    double n = log(c.length), next = log(c.length + 1), a = 0.4F;
    const struct {
        AttentionOptions options;
        double temperature;
    } same[] = {
        {{.scale = ATTENTION_SCALE_LEARNED}, a},
        {{.scale = ATTENTION_SCALE_SSMAX}, a * n},
        {{.scale = ATTENTION_SCALE_SSMAX, .scale_log = ATTENTION_LOG_NEXT}, a * next},
        {{.scale = ATTENTION_SCALE_LOG_LEARNED, .scale_log = ATTENTION_LOG_NEXT}, 1 + a * next},
        {{.scale = ATTENTION_SCALE_ASENTMAX, .scale_log = ATTENTION_LOG_NEXT}, 1 + a * pow(next, a)},
    };
    for (int i = 0; i < COUNT_OF(same); i++) {
        float *scaled = with_learnt(&c, same[i].options, (float)a, plain, tokens, arena);
        float *warm =
            with_learnt(&c, (AttentionOptions){.temperature = same[i].temperature}, 0, plain, tokens, arena);
        for (int t = i ? c.length - 1 : 0; t < c.length; t++)
            if (fabsf(scaled[t] - warm[t]) > 2e-5F) fail_msg("scale %d: row %d differs", i, t);
        assert_true(fabsf(scaled[c.length - 2] - warm[c.length - 2]) > 0 || i == 0);
    }
    arena_free(arena);
}

/* Initial values: those of the sources. */
static void starts(void **state) {
    (void)state;
    if (!encoding_control()) skip();
    Arena *arena = arena_new(0);
    LawCase c = make_case(encoding_control(), 0, arena);
    c.model.heads = c.model.width = 384;
    c.model.attention =
        (AttentionOptions){.scale = ATTENTION_SCALE_ASENTMAX, .scale_log = ATTENTION_LOG_NEXT};
    for (int k = 0; k < 3; k++) { /* fairseq's start leaves them as they are */
        c.model.init = k == 1 ? MODEL_START_FAIRSEQ : MODEL_START_POSLAB;
        if (k == 2)
            c.model.attention = (AttentionOptions){.scale = ATTENTION_SCALE_SSMAX, .scale_start = 0.25};
        Model *model = model_new(&c.model, &c.position, c.train_length, arena);
        model_allocate(model, arena);
        model_init(model, 5);
        const float *a = model->values + naive_param(model, "layers.1.attention.scale")->offset;
        const float *b =
            k < 2 ? model->values + naive_param(model, "layers.1.attention.scale_power")->offset : a;
        double low = 9, high = -9, sum = 0, squares = 0;
        for (int h = 0; h < 384; h++) {
            low = fmin(low, a[h]), high = fmax(high, a[h]);
            sum += b[h] / 384, squares += (double)b[h] * b[h] / 384;
            assert_true(k == 2 || b[h] != 0);
        }
        if (k == 2) {
            assert_true(low == 0.25 && high == 0.25);
            continue;
        }
        assert_true(low >= 0.1 && low < 0.12 && high <= 1 && high > 0.98);
        assert_true(fabs(sum) < 0.02 && fabs(sqrt(squares) - 0.1) < 0.015);
    }
    arena_free(arena);
}

/* Sink logits of 0 are those of the option zero, and far below all scores they change nothing, bit for bit.
   Far above them, attention sees nothing: of text in which only the last token is the same, the last row is
   the same. Temperature does not apply to them: without scores, the share of n keys is n / (n + e^s). */
static void sink_logits(void **state) {
    (void)state;
    if (!encoding_control()) skip();
    Arena *arena = arena_new(0);
    LawCase c = make_case(encoding_control(), 1, arena);
    static const AttentionOptions tiles = {.sink_logit = ATTENTION_SINK_LEARNED},
                                  rows = {.sink_logit = ATTENTION_SINK_LEARNED, .top_k = 290};
    for (int k = 0; k < 2; k++) {
        AttentionOptions learnt = k ? rows : tiles, zero = learnt, off = learnt, warm = learnt;
        zero.sink_logit = ATTENTION_SINK_ZERO, off.sink_logit = ATTENTION_SINK_OFF, warm.temperature = 7;
        Model *plain = law_model(&c, arena);
        const uint32_t **tokens = law_tokens(&c, c.batch, c.length, arena);
        size_t bytes = (size_t)c.length * sizeof(float);
        float *without = with_learnt(&c, off, 0, plain, tokens, arena);
        float *plus_one = with_learnt(&c, zero, 0, plain, tokens, arena);
        assert_memory_equal(with_learnt(&c, learnt, 0, plain, tokens, arena), plus_one, bytes);
        assert_memory_equal(with_learnt(&c, learnt, -300, plain, tokens, arena), without, bytes);
        assert_true(fabsf(plus_one[c.length - 1] - without[c.length - 1]) > 1e-4f);
        uint32_t *text = NEW(arena, c.length + 1, uint32_t);
        for (int t = 0; t <= c.length; t++) text[t] = t + 1 < c.length ? 3 : tokens[0][t];
        float *blind = with_learnt(&c, learnt, 300, plain, tokens, arena);
        float *other = with_learnt(&c, learnt, 300, plain, (const uint32_t *[]){text}, arena);
        assert_memory_equal(&blind[c.length - 1], &other[c.length - 1], sizeof *blind);
        memset(plain->values + naive_param(plain, "layers.0.attention.qkv.weight")->offset, 0,
               (size_t)(2 * c.model.width * c.model.width) * sizeof(float));
        memset(plain->values + naive_param(plain, "layers.0.attention.qkv.bias")->offset, 0,
               (size_t)(2 * c.model.width) * sizeof(float));
        assert_memory_equal(with_learnt(&c, learnt, 3, plain, tokens, arena),
                            with_learnt(&c, warm, 3, plain, tokens, arena), bytes);
    }
    arena_free(arena);
}

/* Of equal scores the first k keys are used: with queries of zero, and a method that adds nothing, all scores
   of a row are equal. */
static void first_of_equal_scores(void **state) {
    (void)state;
    static const AttentionOptions ties[] = {
        {.top_k = 1}, {.top_k = 5}, {.top_k = 3, .window = 20}, {.top_k = 4, .window = 20, .sinks = 2}};
    if (!encoding_control()) skip();
    Arena *arena = arena_new(0);
    Error err;
    LawCase c = make_case(encoding_control(), 0, arena);
    for (int i = 0; i < COUNT_OF(ties); i++) {
        LawCase tied = c;
        tied.model.attention = ties[i];
        Model *model = law_model(&tied, arena);
        for (int p = 0; p < model->param_count; p++) { /* q is the first third of the rows */
            const ModelParam *param = &model->params[p];
            if (strstr(param->name, "attention.qkv"))
                memset(model->values + param->offset, 0, param->size / 3 * sizeof(float));
        }
        const uint32_t **tokens = law_tokens(&tied, c.batch, c.length, arena);
        size_t rows = (size_t)c.batch * (size_t)c.length;
        float *nll = NEW(arena, rows, float);
        double *expected = NEW(arena, rows, double);
        transformer_evaluate(model, activations_new(model, c.batch, c.length, false, arena), tokens, c.batch,
                             nll);
        naive_run(model, naive_values(model, arena), NAIVE_HOOKS, (EncodingDraw){0}, tokens, c.batch,
                  c.length, expected, 0, NULL);
        if (!law_nll_agree(nll, expected, c.batch, c.length, &err))
            fail_msg("top_k %d: %s", (int)ties[i].top_k, err.text);
    }
    arena_free(arena);
}

/* An adaptive temperature, which exists in evaluation only, agrees with the naive model. */
static void adaptive_temperatures(void **state) {
    static const AttentionOptions adaptive[] = {
        {.adaptive_temperature = true},
        {.adaptive_temperature = true, .temperature = 0.6, .window = 40, .sinks = 3},
        {.adaptive_temperature = true, .top_k = 9, .nope_every = 2},
        {.adaptive_temperature = true, .sink_logit = ATTENTION_SINK_ZERO},
    };
    Arena *arena = arena_new(0);
    Error err;
    for (int n = 0; n < 2; n++)
        for (int i = 0; i < COUNT_OF(adaptive); i++) {
            LawCase c = make_case(*state, n, arena);
            if (!accepted(&c, &adaptive[i])) continue;
            c.model.attention = adaptive[i];
            const Model *model = law_model(&c, arena);
            const uint32_t **tokens = law_tokens(&c, c.batch, c.length, arena);
            size_t rows = (size_t)c.batch * (size_t)c.length;
            float *nll = NEW(arena, rows, float);
            double *expected = NEW(arena, rows, double);
            transformer_evaluate(model, activations_new(model, c.batch, c.length, false, arena), tokens,
                                 c.batch, nll);
            naive_run(model, naive_values(model, arena), NAIVE_HOOKS, (EncodingDraw){0}, tokens, c.batch,
                      c.length, expected, 0, NULL);
            if (!law_nll_agree(nll, expected, c.batch, c.length, &err))
                fail_msg("options %d: %s", i, err.text);
        }
    arena_free(arena);
}

/* Memory is linear in the length, and counted exactly. */
static void bytes_are_counted(void **state) {
    for (int i = 0; i < COUNT_OF(options); i++)
        for (int training = 0; training < 2; training++) {
            Error err = {0};
            Arena *arena = arena_new(0);
            LawCase c = make_case(*state, 0, arena);
            c.model.attention = options[i];
            if (!law_activations_are_counted(law_model(&c, arena), training, &err))
                fail_msg("options %d: %s", i, err.text);
            arena_free(arena);
        }
}

/* Sinks use other query positions, which is undefined if rows are not at 0..T-1, or if a method reads scores
   with biases. Sink logits need a softmax that is not the identity. All other methods work with all options.
 */
static void sinks_go_with_the_method_or_are_refused(void **state) {
    const PositionMethod *m = *state;
    Arena *arena = arena_new(0);
    LawCase c = make_case(m, 0, arena);
    Error err = {0};
    for (int i = 0; i < COUNT_OF(options); i++) {
        bool moves = m->positions, both = m->scores && m->distance_bias;
        ModelOptions model = c.model;
        char wanted[200];
        model.attention = options[i];
        bool refused = options[i].sinks && (moves || both);
        bool no_logit = options[i].sink_logit && m->claims & POS_NORMALISED;
        if (model_check(&model, &c.position, c.train_length, "config 'x'", &err) == (refused || no_logit))
            fail_msg("options %d are %s", i, refused || no_logit ? "accepted" : err.text);
        snprintf(wanted, sizeof wanted, "config 'x': 'model.attention.sinks' must be 0 with '%s', which %s",
                 m->name, moves ? "sets the positions of rows" : "changes scores depending on their biases");
        if (no_logit && !refused)
            snprintf(wanted, sizeof wanted,
                     "config 'x': 'model.attention.sink_logit' must be \"off\" with '%s', whose scores are "
                     "logarithms of probabilities",
                     m->name);
        if (refused || no_logit) assert_string_equal(err.text, wanted);
    }
    arena_free(arena);
}

static void rules_across_options(void **state) {
    (void)state;
    static const struct {
        AttentionOptions options;
        const char *text;
    } wrong[] = {
        {{.sinks = 4}, "config 'x': 'model.attention.sinks' needs 'model.attention.window' above 0"},
        {{.scale = ATTENTION_SCALE_ASENTMAX},
         "config 'x': 'model.attention.scale' \"asentmax\" needs 'model.attention.scale_log' \"n_plus_1\": "
         "the "
         "first query has ln(1) = 0, and 0^b is not always finite"},
        {{.scale_layers = ATTENTION_LAYERS_NOPE},
         "config 'x': 'model.attention.scale_layers' \"nope\" needs 'model.attention.nope_every' above 0"},
        {{.window = 3, .window_layers = ATTENTION_LAYERS_NOPE},
         "config 'x': 'model.attention.window_layers' \"nope\" needs 'model.attention.nope_every' above 0"},
    };
    for (int i = 0; i < COUNT_OF(wrong); i++) {
        Error err = {0};
        assert_false(attention_check(&wrong[i].options, "config 'x'", &err));
        assert_string_equal(err.text, wrong[i].text);
    }
    for (int i = 0; i < COUNT_OF(options); i++) {
        Error err = {0};
        assert_true(attention_check(&options[i], "config 'x'", &err));
    }
}

int main(int argc, char **argv) {
    static struct CMUnitTest tests[256];
    static char names[256][96];
    static const struct {
        const char *name;
        CMUnitTestFunction test;
    } each[] = {{"agrees_with_the_naive_model", agrees_with_the_naive_model},
                {"neutral_options_change_nothing", neutral_options_change_nothing},
                {"adaptive_temperatures", adaptive_temperatures},
                {"bytes_are_counted", bytes_are_counted},
                {"sinks_go_with_the_method_or_are_refused", sinks_go_with_the_method_or_are_refused}};
    int count = 0;
    full = argc > 1 && strcmp(argv[1], "--full") == 0;
    if (full) argc--, argv++;
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(rules_across_options);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(first_of_equal_scores);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(learnt_scales);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(learnt_scales_are_temperatures);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(starts);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(sink_logits);
    for (int i = 0; i < encoding_method_count; i++)
        for (int k = 0; k < COUNT_OF(each) && count < COUNT_OF(tests); k++) {
            if (argc > 1 && strcmp(argv[1], encoding_methods[i]->name) != 0) continue;
            snprintf(names[count], sizeof names[count], "%s: %s", encoding_methods[i]->name, each[k].name);
            tests[count] = (struct CMUnitTest){.name = names[count],
                                               .test_func = each[k].test,
                                               .initial_state = (void *)(uintptr_t)encoding_methods[i]};
            count++;
        }
    return _cmocka_run_group_tests("attention", tests, (size_t)count, NULL, NULL);
}
