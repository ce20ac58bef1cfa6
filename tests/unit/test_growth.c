/* test_growth: a model that becomes deeper during training.
 *
 * Blocks are where MIDAS inserts them, with the parameters and the state of their source. Updates follow the
 * closed forms. A stage trains its layers as a model with only these layers would. A run that is
 * interrupted anywhere, also between stages, ends with the same bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "tiny.h"
#include "train/train.h"
#include "data/batches.h"
#include "model/transformer.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { STEPS = 12, TOKENS = 48 };
static const char *state_path;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    state_path = arena_format(arena, "%s/state.safetensors", fixture_path());
    return 0;
}

/* ---- one step of growth ---- */

typedef struct Grown {
    GrowthOptions options;
    Model *model;
    Optimizer *optimizer;
} Grown;

static Grown grown_new(const char *method, int layers, int block, GrowthPlace place, GrowthState kept) {
    ModelOptions model = tiny_options();
    OptimizerOptions optimizer;
    model.layers = layers;
    model.attention.nope_every = block % 2 ? 0 : 2;
    options_default(&optimizer, optimizer_fields, optimizer_field_count);
    Grown grown = {.options = {block, 1, place, kept, layers / block}};
    grown.model = tiny_model(&model, method, 8, arena);
    grown.optimizer = optimizer_new(&optimizer, grown.model, arena);
    return grown;
}

static float *first_of(const Grown *grown, float *values, int layer) {
    return values + grown->model->index->layers[layer].qkv_w;
}

/* The name of a layer is the first value of a matrix. Layers are named by birth: a grown layer has the name
   of its source until it gets the next one. Returns the names of the layers that exist, SOURCE in lower case.
 */
static const char *grow_named(Grown *grown, int *layers, char *next) {
    const char *names = "";
    growth_step(&grown->options, grown->model, grown->optimizer, *layers, 1);
    int block = (int)grown->options.block, fresh = growth_source(&grown->options, *layers) + block;
    *layers += block;
    for (int l = 0; l < *layers; l++) {
        float *name = first_of(grown, grown->model->values, l);
        bool copied = l >= fresh && l < fresh + block;
        if (copied) names = arena_format(arena, "%s%c", names, tolower((int)*name));
        if (copied) *name = (float)(*next)++;
        names = arena_format(arena, "%s%c", names, (int)*name);
    }
    return names;
}

static void order(void **state) {
    (void)state;
    static const struct {
        int layers, block;
        GrowthPlace place;
        const char *golden; /* a lower-case letter is the source of the layer after it */
    } cases[] = {
        {6, 1, GROWTH_MIDDLE, "AaB AaCB ACcDB ACcEDB ACEeFDB"},
        {6, 1, GROWTH_LAST, "AaB ABbC ABCcD ABCDdE ABCDEeF"},
        {6, 2, GROWTH_MIDDLE, "ABaCbD ABaEbFCD"},
        {8, 2, GROWTH_SPLIT, "ABaCbD ABCbEcFD ABCEcGeHFD"},
        {6, 2, GROWTH_LAST, "ABaCbD ABCDcEdF"},
    };
    for (int c = 0; c < COUNT_OF(cases); c++) {
        char next = 'A';
        int layers = cases[c].block;
        Grown grown = grown_new("none", cases[c].layers, cases[c].block, cases[c].place, GROWTH_COPY);
        for (int l = 0; l < layers; l++) *first_of(&grown, grown.model->values, l) = (float)next++;
        const char *names = "";
        while (layers < cases[c].layers)
            names =
                arena_format(arena, "%s%s%s", names, *names ? " " : "", grow_named(&grown, &layers, &next));
        assert_string_equal(names, cases[c].golden);
    }
}

static void fill(float *values, const Model *model, uint64_t seed) {
    Random rng = random_stream(seed, "test", "fill");
    for (int p = 0; p < model->param_count; p++)
        for (size_t i = 0; i < model->params[p].size; i++)
            values[model->params[p].offset + i] = (float)random_normal(&rng);
}

/* Whether a layer's tensors of one array are those of another layer in another array. */
static bool same_layer(const Model *model, const float *a, int layer, const float *b, int other) {
    bool same = true;
    int n = 0, m = 0;
    const ModelParam *theirs[64];
    for (int p = 0; p < model->param_count; p++)
        if (model->params[p].layer == other) theirs[m++] = &model->params[p];
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        if (param->layer != layer) continue;
        assert_int_equal(param->size, theirs[n]->size);
        same &= !memcmp(a + param->offset, b + theirs[n++]->offset, param->size * sizeof *a);
    }
    assert_int_equal(n, m);
    assert_true(n >= 12);
    return same;
}

static bool zero_layer(const Model *model, const float *values, int layer) {
    for (int p = 0; p < model->param_count; p++)
        for (size_t i = 0; i < model->params[p].size && model->params[p].layer == layer; i++)
            if (values[model->params[p].offset + i] != 0) return false;
    return true;
}

/* All tensors of all arrays, of methods with tensors per layer too: the new layers equal their source, the
   others are the same ones as before, and tensors of no layer do not change. */
static void what_is_copied(void **state) {
    (void)state;
    static const char *const methods[] = {"t5", "cope", "shaw", "learned"};
    for (int c = 0; c < 4 * 4 * 2; c++) {
        GrowthPlace place = (GrowthPlace)(c % 4);
        int layers = 4, block = 2;
        Grown grown = grown_new(methods[c / 8], 8, block, place, c / 4 % 2 ? GROWTH_RESET : GROWTH_COPY);
        if (place == GROWTH_RANDOM) grown.options.state = GROWTH_RESET;
        Model *model = grown.model;
        float *arrays[] = {model->values, grown.optimizer->first, grown.optimizer->second};
        float *before[3];
        for (int a = 0; a < 3; a++) {
            fill(arrays[a], model, (uint64_t)a);
            before[a] = NEW(arena, model->size, float);
            memcpy(before[a], arrays[a], model->size * sizeof *before[a]);
        }
        int fresh = growth_source(&grown.options, layers) + block;
        growth_step(&grown.options, model, grown.optimizer, layers, 1);
        for (int a = 0; a < 3; a++)
            for (int l = 0; l < 8; l++) {
                bool added = l >= fresh && l < fresh + block, there = l < layers + block;
                int source = l < fresh || !there ? l : l - block;
                if (added && a && grown.options.state == GROWTH_RESET)
                    assert_true(zero_layer(model, arrays[a], l));
                else
                    assert_int_equal(same_layer(model, arrays[a], l, before[a], source),
                                     !(added && place == GROWTH_RANDOM));
            }
        for (int p = 0; p < model->param_count; p++)
            for (int a = 0; a < 3 && model->params[p].layer < 0; a++)
                assert_memory_equal(arrays[a] + model->params[p].offset, before[a] + model->params[p].offset,
                                    model->params[p].size * sizeof(float));
    }
}

/* A random block has the deviations of initial values, new ones each time, and from the seed alone. */
static void random_blocks(void **state) {
    (void)state;
    Grown grown = grown_new("rotary", 6, 1, GROWTH_RANDOM, GROWTH_RESET);
    const Model *model = grown.model;
    float *drawn[3];
    for (int i = 0; i < 3; i++) {
        growth_step(&grown.options, grown.model, grown.optimizer, i == 2 ? 2 : i + 1, 7);
        drawn[i] = NEW(arena, model->size, float);
        memcpy(drawn[i], model->values, model->size * sizeof(float));
    }
    Model *initial = tiny_model(&model->options, "rotary", 8, arena); /* of seed 7 */
    assert_false(same_layer(model, drawn[0], 1, initial->values, 1));
    assert_false(same_layer(model, drawn[0], 1, drawn[1], 1));
    assert_true(same_layer(model, drawn[1], 1, drawn[2], 1));
    double squares = 0;
    for (int i = 0; i < 192; i++) squares += pow(first_of(&grown, drawn[1], 1)[i], 2) / 192;
    assert_true(fabs(squares * 8 - 1) < 0.35);
}

/* ---- stages ---- */

static GrowthOptions growth_of(int block, double alpha, int stages) {
    return (GrowthOptions){block, alpha, GROWTH_MIDDLE, GROWTH_COPY, stages};
}

/* The work of updates and layers, relative to the whole model throughout: sum i^(alpha+1) / (k sum i^alpha).
 */
static void closed_form(void **state) {
    (void)state;
    static const struct {
        int stages;
        double cost[3], speedup[3];
    } table[] = {
        {4, {0.750, 0.833, 0.885}, {1.333, 1.200, 1.130}},
        {6, {0.722, 0.808, 0.860}, {1.385, 1.238, 1.163}},
        {8, {0.708, 0.794, 0.846}, {1.412, 1.259, 1.182}},
        {9, {0.704, 0.789, 0.841}, {1.421, 1.267, 1.189}},
    };
    for (int c = 0; c < 4 * 3; c++) {
        int k = table[c / 3].stages, alpha = c % 3 + 1;
        TrainOptions train = {
            .length = 8, .tokens = 8000000, .tokens_per_step = 8, .growth = growth_of(3, alpha, k)};
        double work = 0, above = 0, below = 0;
        assert_int_equal(train_stage_count(&train), k);
        for (int i = 0; i < k; i++) {
            TrainStage stage = train_stage(&train, i);
            assert_int_equal(train_stage_layers(&train, &stage, 0), 3 * (i + 1));
            work += (double)stage.updates / 1e6 * (i + 1) / k;
            above += pow(i + 1, alpha + 1), below += k * pow(i + 1, alpha);
        }
        assert_true(fabs(work - above / below) < 1e-5);
        assert_true(fabs(work - table[c / 3].cost[c % 3]) < 5.1e-4);
        assert_true(fabs(1 / work - table[c / 3].speedup[c % 3]) < 5.1e-4);
    }
}

static void borders(void **state) {
    (void)state;
    static const TrainStageOptions lengths[] = {{4, 0.25, 0}, {24, 0.25, 1}};
    static const struct {
        int64_t steps;
        double alpha;
        int stages, lengths;
        const char *text;
    } cases[] = {
        {10, 1, 4, 0, "layers 2 to update 1, 4 to 3, 6 to 6, 8 to 10"},
        {10, 0, 4, 0, "layers 2 to update 3, 4 to 5, 6 to 8, 8 to 10"},
        {1000, 2, 3, 0, "layers 2 to update 71, 4 to 357, 6 to 1000"},
        {5, 3, 4, 0, "layers 2 to update 1, 4 to 2, 6 to 3, 8 to 5"},
        {12, 1, 2, 2,
         "length 4 with 2 layers to update 3, length 24 with 2 layers to 4, length 24 with 4 layers to 6, "
         "length 8 with 4 layers to 12"},
        {12, 0, 2, 2,
         "length 4 with 2 layers to update 3, length 24 with 2 layers to 6, length 8 with 4 layers to 12"},
    };
    for (int c = 0; c < COUNT_OF(cases); c++) {
        TrainOptions train = {.length = 8,
                              .tokens = cases[c].steps * 48,
                              .tokens_per_step = 48,
                              .stages = lengths,
                              .stage_count = cases[c].lengths,
                              .growth = growth_of(2, cases[c].alpha, cases[c].stages)};
        assert_string_equal(train_stages_text(&train, arena), cases[c].text);
        for (int64_t step = 1; step <= cases[c].steps + 1; step++) {
            TrainStage stage = train_stage_at(&train, step);
            int64_t last = stage.first + stage.updates;
            assert_true(step > stage.first && (step <= last || last == cases[c].steps));
            assert_true(stage.item_first <= stage.first);
        }
    }
}

static void rules(void **state) {
    (void)state;
    static const struct {
        const char *growth, *error; /* NULL: none */
        int64_t nope_every, tokens;
        bool from;
    } cases[] = {
        {"{\"block\":2}", NULL, 2, 480, false},
        {"{\"block\":4}", "x: 'train.growth.block' must divide 'model.layers' (6), got 4; use for example 3",
         0, 480, false},
        {"{\"block\":7}", "x: 'train.growth.block' must divide 'model.layers' (6), got 7; use for example 6",
         0, 480, false},
        {"{\"block\":3,\"place\":\"split\"}",
         "x: 'train.growth.place' split halves blocks, and 'train.growth.block' is 3; use an even block, or "
         "the place middle",
         0, 480, false},
        {"{\"block\":3}",
         "x: 'train.growth.block' must be a multiple of 'model.attention.nope_every' (2), so that a layer "
         "and its copy both use the position method, got 3",
         2, 480, false},
        {"{\"block\":1}",
         "x: 'train.growth' has 6 stages, which take all 5 updates before the model is whole; raise "
         "'train.tokens' or 'train.growth.block'",
         0, 240, false},
        {"{\"block\":1}",
         "x: 'train.growth' starts with one block, and 'train.from' with the weights of all layers; remove "
         "one of them",
         0, 480, true},
        {"{\"blocks\":1}", "x: unknown key 'train.growth.blocks'; did you mean 'train.growth.block'?", 0, 480,
         false},
    };
    for (int c = 0; c < COUNT_OF(cases); c++) {
        ModelOptions model = tiny_options();
        TrainOptions train = {.length = 8,
                              .tokens = cases[c].tokens,
                              .tokens_per_step = 48,
                              .from = cases[c].from ? "0" : NULL};
        Error err;
        model.layers = 6;
        model.attention.nope_every = cases[c].nope_every;
        const Json *json = json_parse(cases[c].growth, strlen(cases[c].growth), "x", arena, &err);
        bool fine = growth_read(&train.growth, json, model.layers, "x", arena, &err) &&
                    train_check(&train, &model, "x", &err);
        assert_int_equal(fine, !cases[c].error);
        if (!fine) assert_string_equal(err.text, cases[c].error);
    }
}

static void frozen_tensors(void **state) {
    (void)state;
    static const char *const all[] = {"layers.*.ffn.*", "embedding.weight", "position.*", NULL};
    static const char *const one[] = {"layers.1.norm2.bias", NULL};
    Grown grown = grown_new("t5", 4, 1, GROWTH_MIDDLE, GROWTH_COPY);
    Error err;
    assert_true(model_freeze(grown.model, all, "x", &err));
    assert_true(growth_check_frozen(&grown.options, grown.model, "x", &err));
    assert_true(model_freeze(grown.model, one, "x", &err));
    assert_false(growth_check_frozen(&grown.options, grown.model, "x", &err));
    assert_string_equal(err.text,
                        "x: 'train.frozen' has tensor 'layers.1.norm2.bias' and not 'layers.0.norm2.bias', "
                        "but 'train.growth' copies "
                        "from layer to layer; name the tensor of all layers, as 'layers.*.norm2.bias'");
    grown.options = (GrowthOptions){0};
    assert_true(growth_check_frozen(&grown.options, grown.model, "x", &err));
}

/* ---- training ---- */

/* Four layers by 1, 3, 6, 10 tenths of the updates: 1, 4, 7 and 12. */
static TinyRun run_new(const char *method, GrowthPlace place, GrowthState kept) {
    TinyRun run = tiny_run(method, STEPS, TOKENS);
    run.options.layers = 4;
    run.options.dropout = run.options.attention_dropout = 0.2;
    run.options.max_tokens_in_flight = 32;
    run.train.growth = (GrowthOptions){1, 1, place, kept, 4};
    return run;
}

/* The first two of four layers compute the same bits as a model of two layers; the gradients of the other
   layers do not change. */
static void parts(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    options.layers = 4;
    Model *whole = tiny_model(&options, "t5", 8, arena);
    options.layers = 2;
    Model *small = tiny_model(&options, "t5", 8, arena), part = model_part(whole, 2);
    for (int p = 0; p < small->param_count; p++)
        for (int q = 0; q < whole->param_count; q++)
            if (!strcmp(small->params[p].name, whole->params[q].name))
                memcpy(small->values + small->params[p].offset, whole->values + whole->params[q].offset,
                       small->params[p].size * sizeof(float));
    const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, *rows[] = {tokens};
    const Model *models[] = {small, &part};
    float nll[2][8], *gradients[2];
    for (int i = 0; i < 2; i++) {
        Activations *pass = activations_new(models[i], 1, 8, true, arena);
        gradients[i] = NEW(arena, models[i]->size, float);
        transformer_train(models[i], pass, rows, 1, (ActivationsOrigin){3, 1, 0}, 1, nll[i], gradients[i]);
    }
    assert_memory_equal(nll[0], nll[1], sizeof nll[0]);
    for (int q = 0; q < whole->param_count; q++) {
        const ModelParam *param = &whole->params[q];
        if (param->layer >= 2) assert_true(zero_layer(whole, gradients[1], param->layer));
        assert_int_equal(model_trains(&part, param), param->layer < 2);
        for (int p = 0; p < small->param_count; p++)
            if (!strcmp(small->params[p].name, param->name))
                assert_memory_equal(gradients[0] + small->params[p].offset, gradients[1] + param->offset,
                                    param->size * sizeof(float));
    }
}

/* At the end of a stage the layers to come have their initial values, without decay, and no state. */
static void layers_to_come(void **state) {
    (void)state;
    TinyRun run = run_new("t5", GROWTH_MIDDLE, GROWTH_COPY);
    run.state_path = state_path;
    run.optimizer.decay = 0.1;
    run.stop_after = 4;
    tiny_train_part(&run, arena);
    SafetensorsFile file = {0};
    Error err;
    assert_true(safetensors_read(state_path, &file, arena, &err));
    const Model *model = run.model;
    Model *fresh = tiny_model(&run.options, "t5", 8, arena);
    model_init(fresh, (uint64_t)run.train.seed);
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        const SafetensorsTensor *m = safetensors_find(&file, arena_format(arena, "adam.m.%s", param->name));
        const float *state_of = m->data;
        bool to_come = param->layer >= 2, still = true;
        for (size_t i = 0; i < param->size; i++) still &= state_of[i] == 0;
        assert_int_equal(still, to_come);
        still = !memcmp(model->values + param->offset, fresh->values + param->offset,
                        param->size * sizeof(float));
        assert_int_equal(still, to_come);
    }
}

/* Interrupted after every update in turn: inside each stage and at each border. */
static void resuming(void **state) {
    (void)state;
    static const TrainStageOptions lengths[] = {{4, 0.2, 0}, {24, 0.5, 1}};
    static const struct {
        const char *method;
        GrowthPlace place;
        GrowthState kept;
        int optimizer, threads, lengths, cache;
    } cases[] = {
        {"t5", GROWTH_MIDDLE, GROWTH_COPY, OPTIMIZER_ADAMW, 1, 0, 0},
        {"cope", GROWTH_LAST, GROWTH_RESET, OPTIMIZER_NAG, 3, 0, 0},
        {"learned", GROWTH_RANDOM, GROWTH_RESET, OPTIMIZER_ADAMW, 1, 2, 0},
        {"rotary", GROWTH_MIDDLE, GROWTH_COPY, OPTIMIZER_NAG, 1, 2, 11},
        {"pia", GROWTH_MIDDLE, GROWTH_RESET, OPTIMIZER_ADAMW, 2, 0, 8},
    };
    for (int c = 0; c < COUNT_OF(cases); c++) {
        TinyRun whole = run_new(cases[c].method, cases[c].place, cases[c].kept);
        whole.optimizer.name = cases[c].optimizer;
        whole.threads = cases[c].threads;
        whole.train.stages = lengths;
        whole.train.stage_count = cases[c].lengths;
        whole.train.cache = cases[c].cache;
        TinyRun parts = whole;
        tiny_train_well(&whole, arena);
        if (!c)
            assert_string_equal(whole.notes, "stage 1 of 4: length 8, 1 of 4 layers to step 1\n"
                                             "stage 2 of 4: length 8, 2 of 4 layers to step 4\n"
                                             "stage 3 of 4: length 8, 3 of 4 layers to step 7\n"
                                             "stage 4 of 4: length 8, 4 of 4 layers to step 12\n");
        parts.state_path = state_path;
        parts.stop_after = 1;
        for (int step = 1; step < STEPS; step++) {
            tiny_train_part(&parts, arena);
            assert_int_equal(parts.result.steps, step);
        }
        tiny_train_well(&parts, arena);
        assert_memory_equal(whole.result.log, parts.result.log, STEPS * sizeof(TrainLog));
        assert_memory_equal(whole.model->values, parts.model->values, whole.model->size * sizeof(float));
        assert_int_equal(whole.result.peak_bytes, train_bytes(whole.model, &whole.train, &whole.optimizer));
        assert_int_equal(parts.result.peak_bytes, whole.result.peak_bytes);
        train_state_remove(state_path);
    }
}

/* Places differ from the second growth on, states from the first; batches and rates do not depend on growth.
 */
static void what_differs(void **state) {
    (void)state;
    TinyRun middle = run_new("alibi", GROWTH_MIDDLE, GROWTH_COPY),
            last = run_new("alibi", GROWTH_LAST, GROWTH_COPY);
    TinyRun reset = run_new("alibi", GROWTH_MIDDLE, GROWTH_RESET), fixed = run_new("alibi", 0, 0);
    fixed.train.growth = (GrowthOptions){0};
    TinyRun *runs[] = {&middle, &last, &reset, &fixed};
    const TrainLog *logs[4];
    for (int i = 0; i < 4; i++) {
        tiny_train_well(runs[i], arena);
        logs[i] = runs[i]->result.log;
    }
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(logs[0][i].loss == logs[1][i].loss, i < 4); /* the second growth */
        assert_int_equal(logs[0][i].loss == logs[2][i].loss, i < 2); /* an update after the first */
        assert_true(logs[0][i].rate == logs[3][i].rate);
        assert_true(logs[0][i].loss != logs[3][i].loss);
    }
}

/* Without updates of the weights, losses are those of the initial model after each growth, on the sequences
   of a run without growth. */
static void batches_go_on(void **state) {
    (void)state;
    TinyRun run = run_new("alibi", GROWTH_MIDDLE, GROWTH_COPY);
    run.optimizer.lr = run.options.dropout = run.options.attention_dropout = 0;
    tiny_train_well(&run, arena);
    Grown grown = grown_new("alibi", 4, 1, GROWTH_MIDDLE, GROWTH_COPY);
    model_init(grown.model, (uint64_t)run.train.seed);
    Error err;
    Batches *batches = batches_of(tiny_corpus(run.tokens, arena), 8, 6, false, (uint64_t)run.train.seed, 0,
                                  "x", arena, &err);
    assert_non_null(batches);
    for (int64_t step = 1; step <= STEPS; step++) {
        TrainStage stage = train_stage_at(&run.train, step);
        if (stage.index && step == stage.first + 1)
            growth_step(&run.train.growth, grown.model, grown.optimizer, stage.blocks - 1, 1);
        Model part = train_stage_model(grown.model, &run.train, &stage);
        Activations *pass = activations_new(&part, 6, 8, false, arena);
        const uint32_t *rows[6];
        for (int b = 0; b < 6; b++) rows[b] = batches_sequence(batches, (step - 1) * 6 + b).tokens;
        float nll[48];
        double mean = 0;
        transformer_evaluate(&part, pass, rows, 6, nll);
        for (int i = 0; i < 48; i++) mean += nll[i] / 48;
        assert_true(fabs(mean - run.result.log[step - 1].loss) < 1e-5);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(order),          TEST(what_is_copied), TEST(random_blocks),  TEST(closed_form),
        TEST(borders),        TEST(rules),          TEST(frozen_tensors), TEST(parts),
        TEST(layers_to_come), TEST(resuming),       TEST(what_differs),   TEST(batches_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
