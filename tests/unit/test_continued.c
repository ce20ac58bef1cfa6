/* test_continued: a run that starts with the weights of another, and tensors that are not trained.
 *
 * It differs from other runs only in its initial weights, also after interruptions. Frozen tensors keep their
 * bits, and their gradients do not count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "tiny.h"
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { STEPS = 4, TOKENS = 48 };
static const char parent_key[] = "00112233445566aa";
static const char *state_path, *weights_path;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    state_path = arena_format(arena, "%s/state.safetensors", fixture_path());
    weights_path = arena_format(arena, "%s/model.safetensors", fixture_path());
    return 0;
}

static TinyRun run_new(const char *method) {
    TinyRun run = tiny_run(method, STEPS, TOKENS);
    run.state_path = state_path;
    return run;
}

static void train_well(TinyRun *run) {
    Error err;
    train_state_remove(state_path);
    if (!tiny_train(run, arena, &err)) fail_msg("%s", err.text);
}

/* Writes the weights of a run as those of `parent_key`. */
static void write_weights(const TinyRun *run, const char *of, const char *files) {
    SafetensorsFile file;
    Error err;
    train_state_list_tensors(run->model, &file, arena);
    file.metadata = json_new_object(arena);
    json_set_text(file.metadata, "key", of);
    if (files) json_set_text(file.metadata, "method_files", files);
    if (!safetensors_write(weights_path, &file, &err)) fail_msg("%s", err.text);
}

static TinyRun child_of(const char *method) {
    TinyRun child = run_new(method);
    child.train.from = parent_key;
    child.from_path = weights_path;
    child.train.length = 16;
    return child;
}

static void refused(TinyRun *child, ExitCode code, const char *text) {
    Error err;
    train_state_remove(state_path);
    assert_false(tiny_train(child, arena, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.text, text)) fail_msg("expected '%s', got '%s'", text, err.text);
}

/* The first loss is that of the parent's weights; without updates the weights are the parent's. */
static void weights(void **state) {
    (void)state;
    TinyRun parent = run_new("rotary"), still = child_of("rotary"), fresh = run_new("rotary");
    parent.train.tokens *= 10;
    parent.optimizer.lr = 0.02;
    train_well(&parent);
    write_weights(&parent, parent_key, "rotary:0123");
    still.optimizer.lr = 0;
    train_well(&still);
    assert_memory_equal(still.model->values, parent.model->values, parent.model->size * sizeof(float));
    assert_string_equal(still.notes, "starting with the weights of run 00112233445566aa\n");
    assert_string_equal(still.result.files,
                        arena_format(arena, "%s rotary:0123", encoding_files(&still.model->position, arena)));
    fresh.train.length = 16;
    train_well(&fresh);
    assert_true(still.result.log[0].loss < fresh.result.log[0].loss - 0.1);
    write_weights(&parent, parent_key, NULL); /* of an earlier revision */
    train_well(&still);
    assert_string_equal(still.result.files, encoding_files(&still.model->position, arena));
}

/* Another method with the same tensors. Interrupted after each update, it does not need the parent again. */
static void resuming(void **state) {
    (void)state;
    TinyRun parent = run_new("rotary"), whole = child_of("none");
    train_well(&parent);
    write_weights(&parent, parent_key, encoding_files(&parent.model->position, arena));
    train_well(&whole);
    TinyRun parts = whole;
    train_state_remove(state_path);
    parts.stop_after = 1;
    Error err;
    for (int step = 1; step < STEPS; step++) {
        assert_false(tiny_train(&parts, arena, &err));
        assert_int_equal(err.code, EXIT_STOPPED);
        assert_int_equal(parts.result.steps, step);
        if (step == 1) fixture_put_text(weights_path, "lost");
    }
    parts.stop_after = 0;
    if (!tiny_train(&parts, arena, &err)) fail_msg("%s", err.text);
    assert_memory_equal(parts.result.log, whole.result.log, STEPS * sizeof(TrainLog));
    assert_memory_equal(parts.model->values, whole.model->values, whole.model->size * sizeof(float));
    assert_string_equal(parts.result.files, whole.result.files);
}

static void misfits(void **state) {
    (void)state;
    TinyRun plain = run_new("rotary"), biased = run_new("t5"), deep = run_new("rotary"),
            child = child_of("t5");
    deep.options.layers = 3;
    train_well(&plain);
    train_well(&biased);
    train_well(&deep);
    write_weights(&plain, parent_key, NULL);
    refused(
        &child, EXIT_USAGE,
        "config 'x.json': 'train.from': run 00112233445566aa has no tensor 'position.bias' of this shape; "
        "continue a run with the same tensors");
    child = child_of("rotary");
    write_weights(&biased, parent_key, NULL);
    refused(&child, EXIT_USAGE, "has a tensor 'position.bias' that this model lacks");
    write_weights(&deep, parent_key, NULL);
    refused(&child, EXIT_USAGE, "has a tensor 'layers.2.");
    write_weights(&plain, "0123456789abcdef", NULL);
    refused(&child, EXIT_DAMAGED, "holds the weights of another run, not of 00112233445566aa");
    fixture_put_text(weights_path, "damaged");
    refused(&child, EXIT_DAMAGED, weights_path);
    child.from_path = arena_format(arena, "%s/absent", fixture_path());
    refused(&child, EXIT_SYSTEM, child.from_path);
    child.from_path = NULL;
    refused(&child, EXIT_USAGE,
            "'train.from': the weights of run 00112233445566aa were not found; train that run");
}

/* Frozen tensors keep their bits, with decay and both optimizers; the others change. The norm is that of the
   gradients of the others. */
static void frozen(void **state) {
    (void)state;
    static const char *const names[] = {"layers.*.ffn.*", "embedding.weight", "position.*", NULL};
    for (int optimizer = OPTIMIZER_ADAMW; optimizer <= OPTIMIZER_NAG; optimizer++) {
        TinyRun none = run_new("t5"), some = none;
        some.train.frozen = names;
        some.optimizer.name = none.optimizer.name = optimizer;
        some.optimizer.decay = none.optimizer.decay = 0.1;
        train_well(&none);
        train_well(&some);
        Model *start = tiny_model(&some.model->options, "t5", 8, arena);
        model_init(start, (uint64_t)some.train.seed);
        int count = 0;
        for (int p = 0; p < start->param_count; p++) {
            const ModelParam *param = &some.model->params[p];
            bool named = strstr(param->name, ".ffn.") || strstr(param->name, "embedding") ||
                         !strncmp(param->name, "position.", 9);
            bool same = !memcmp(start->values + param->offset, some.model->values + param->offset,
                                param->size * sizeof(float));
            assert_int_equal(same, named);
            assert_int_equal(param->frozen, named);
            count += named;
        }
        assert_int_equal(count, 2 * 4 + 2);
        assert_true(some.result.log[0].loss == none.result.log[0].loss);
        assert_true(some.result.log[0].norm < none.result.log[0].norm);
    }
    TinyRun wrong = run_new("t5");
    wrong.train.frozen = (const char *const[]){"layers.0.*", "layers.0.ffn.inn.bias", NULL};
    refused(&wrong, EXIT_USAGE,
            "config 'x.json': 'train.frozen': no tensor has the name 'layers.0.ffn.inn.bias'; did you "
            "mean 'layers.0.ffn.in.bias'?");
    wrong.train.frozen = (const char *const[]){"x", NULL};
    refused(&wrong, EXIT_USAGE, "; tensors are embedding.weight, layers.0.norm1.weight, ");
    wrong.train.frozen = (const char *const[]){"*", NULL};
    refused(&wrong, EXIT_USAGE, "'train.frozen' names all tensors; leave one to train");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(weights), TEST(resuming), TEST(misfits), TEST(frozen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
