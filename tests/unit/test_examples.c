/* Models on tasks: the loss where a target is scored, accuracy against a greedy loop, early ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "task_rows.h"
#include "tiny.h"
#include "base/clock.h"
#include "model/transformer.h"
#include "train/batch_gradient.h"
#include "train/train.h"

#define arena task_rows_arena

enum { B = 6 }; /* sequences */

/* A model for a task's alphabet; NULL: the method's partner is missing. */
static Model *model_for(const Examples *examples, const PositionMethod *method, int64_t width) {
    const ExamplesOptions *options = examples_options(examples);
    ModelOptions shape = tiny_options();
    Encoding position;
    shape.vocabulary = options->task->alphabet(options->options);
    shape.width = width, shape.ffn = 2 * width;
    shape.max_tokens_in_flight = 256;
    if (!encoding_default(&position, method, arena)) return NULL;
    Model *model = model_new(&shape, &position, (int)examples_train_length(options), arena);
    model_allocate(model, arena);
    model_init(model, 3);
    return model;
}

/* A model that uses the positions of the task's rows, if they have any: of a method that can, if possible one
   that adds them to the input, where they have the largest effect on a model with initial weights. NULL:
   there is none. */
static Model *model_with_positions(const Examples *examples) {
    int64_t farthest = examples_train_farthest(examples_options(examples));
    Model *found = farthest ? NULL : model_for(examples, encoding_methods[0], 8);
    for (int m = 0; m < encoding_method_count && farthest; m++) {
        const PositionMethod *method = encoding_methods[m];
        if (!(method->claims & POS_BY_POSITION) || !encoding_hooks(method)) continue;
        Model *model = model_for(examples, method, 8);
        if (!encoding_usable(&model->position, &model->shape, farthest + 1)) continue;
        model->given_positions = true;
        if (!found || (method->embed && !found->position.method->embed)) found = model;
    }
    return found;
}

typedef struct Rows {
    const uint32_t *tokens[B], *targets[B], *positions[B];
    int length;
} Rows;

static Rows rows_of(const Examples *examples) {
    Rows rows = {.length = (int)examples_train_length(examples_options(examples))};
    for (int b = 0; b < B; b++) {
        TaskRow row = task_rows_row(examples);
        examples_train(examples, b, &row);
        rows.tokens[b] = row.tokens, rows.targets[b] = row.targets, rows.positions[b] = row.positions;
    }
    return rows;
}

/* nll and gradient of these rows with these targets; NULL: each token's successor. */
static float *gradient(const Model *model, const Rows *rows, const uint32_t *const *targets, float *nll) {
    float *gradients = NEW(arena, model->size, float);
    Activations *pass = activations_new(model, B, rows->length, true, arena);
    transformer_set_rows(pass, (TransformerRows){.targets = targets});
    transformer_train(model, pass, rows->tokens, B, (ActivationsOrigin){0}, 0.5f, nll, gradients);
    return gradients;
}

/* Targets of rows for which keep(b, t); the others are ignored. */
static const uint32_t **some_targets(const Rows *rows, int kept, int of) {
    const uint32_t **targets = NEW(arena, B, const uint32_t *);
    for (int b = 0; b < B; b++) {
        uint32_t *list = NEW(arena, rows->length, uint32_t);
        for (int t = 0; t < rows->length; t++)
            list[t] = (b * 7 + t * t) % of < kept ? rows->tokens[b][t + 1] : TRANSFORMER_IGNORED;
        targets[b] = list;
    }
    return targets;
}

/* With all targets given the bits are those of text; without any, loss and gradient are zero; of two parts of
   the targets they add up to the whole. */
static void loss_is_where_targets_are(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": 12}");
    Rows rows = rows_of(examples);
    for (int norm = 0; norm < 2; norm++) {
        Model *model = model_for(examples, encoding_methods[0], 8);
        model->options.final_norm = norm;
        size_t count = (size_t)B * (size_t)rows.length;
        float *nll = NEW(arena, 5 * count, float);
        float *text = gradient(model, &rows, NULL, nll);
        float *all = gradient(model, &rows, some_targets(&rows, 1, 1), nll + count);
        assert_memory_equal(nll, nll + count, count * sizeof *nll);
        assert_memory_equal(text, all, model->size * sizeof *all);
        float *none = gradient(model, &rows, some_targets(&rows, 0, 1), nll + 2 * count);
        for (size_t i = 0; i < model->size; i++) assert_true(none[i] == 0);
        for (size_t i = 0; i < count; i++) assert_true(nll[2 * count + i] == 0);
        const uint32_t **one = some_targets(&rows, 1, 3);
        float *part = gradient(model, &rows, one, nll + 3 * count);
        const uint32_t **other = some_targets(&rows, 1, 1);
        for (int b = 0; b < B; b++)
            for (int t = 0; t < rows.length; t++)
                if (one[b][t] != TRANSFORMER_IGNORED) ((uint32_t *)other[b])[t] = TRANSFORMER_IGNORED;
        float *rest = gradient(model, &rows, other, nll + 4 * count);
        for (size_t i = 0; i < model->size; i++) assert_float_equal(part[i] + rest[i], text[i], 2e-5);
        for (size_t i = 0; i < count; i++) {
            bool scored = one[i / (size_t)rows.length][i % (size_t)rows.length] != TRANSFORMER_IGNORED;
            assert_float_equal(nll[3 * count + i], scored ? nll[i] : 0, 1e-5);
            assert_float_equal(nll[4 * count + i], scored ? 0 : nll[i], 1e-5);
        }
    }
}

/* How an update is cut: tokens in flight, and threads. The first ones have one sequence in a micro-batch. */
enum { CUTS = 8, SINGLE_CUTS = 3, CUT_ROWS = 9 };

/* The loss and the gradient of an update of CUT_ROWS sequences, cut in one of the ways. */
static double loss_when_cut(Model *model, const BatchesSequence *sequences, int length, int cut,
                            float **gradients) {
    static const int64_t flights[CUTS] = {1, 1, 1, 60, 100, 1000, 60, 1000};
    static const int threads[CUTS] = {1, 2, 3, 1, 1, 1, 2, 3};
    model->options.max_tokens_in_flight = flights[cut];
    model->threads = threads[cut];
    BatchGradient *step = batch_gradient_new(model, NULL, CUT_ROWS, length, arena);
    for (int b = 0; b < CUT_ROWS; b++) batch_gradient_set(step, b, sequences[b]);
    double loss = batch_gradient_run(step, 1, 1);
    *gradients = batch_gradient_values(step);
    model->threads = 1;
    return loss;
}

/* The sum of the losses of one sequence; adds its gradient. */
static double loss_of(const Model *model, BatchesSequence sequence, int length, float *gradients) {
    Activations *pass = activations_new(model, 1, length, true, arena);
    float *nll = NEW(arena, length, float);
    double sum = 0;
    transformer_set_rows(pass,
                         (TransformerRows){.targets = &sequence.targets,
                                           .positions = sequence.positions ? &sequence.positions : NULL});
    transformer_train(model, pass, &sequence.tokens, 1, (ActivationsOrigin){0}, 1, nll, gradients);
    for (int t = 0; t < length; t++) sum += nll[t];
    return sum;
}

/* Rows with very different numbers of targets: loss and gradient of an update are means over all of them,
 * however it is cut. */
static void scale_does_not_depend_on_the_cut(void **state) {
    (void)state;
    static const char *const tasks[] = {
        "{\"name\": \"copy\", \"size\": [1, 12]}",
        "{\"name\": \"addition\", \"size\": [1, 9], \"positions\": \"coupled\"}"};
    for (int k = 0; k < 2; k++) {
        Examples *examples = task_rows_make(tasks[k]);
        Model *model = model_with_positions(examples);
        int length = (int)examples_train_length(examples_options(examples));
        Batches *batches = batches_new_examples(examples, length, CUT_ROWS, 1, 0, arena);
        BatchesSequence sequences[CUT_ROWS];
        double losses[CUTS], sum = 0;
        float *gradients[CUTS];
        int64_t scored = 0;
        if (!model) continue;
        float *whole = NEW(arena, model->size, float);
        for (int b = 0; b < CUT_ROWS; b++) {
            sequences[b] = batches_sequence(batches, b);
            assert_true((sequences[b].positions != NULL) == (k == 1));
            for (int t = 0; t < length; t++) scored += sequences[b].targets[t] != TASK_IGNORED;
            sum += loss_of(model, sequences[b], length, whole);
        }
        for (int c = 0; c < CUTS; c++) {
            losses[c] = loss_when_cut(model, sequences, length, c, &gradients[c]);
            assert_float_equal(losses[c], losses[0], 1e-6);
            for (size_t i = 0; i < model->size; i++)
                assert_float_equal(gradients[c][i], gradients[0][i], 1e-6);
        }
        assert_float_equal(losses[0], sum / (double)scored, 1e-5);
        for (size_t i = 0; i < model->size; i++)
            assert_float_equal(gradients[0][i], whole[i] / (float)scored, 1e-6);
    }
}

/* If only one sequence has targets, no losses are added in another order, so the bits of the loss are equal,
   too. Those of the gradient are where micro-batches are equal: BLAS adds the rows of other ones in another
   order. */
static void scale_has_the_same_bits(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": 11}");
    Model *model = model_with_positions(examples);
    int length = (int)examples_train_length(examples_options(examples));
    Batches *batches = batches_new_examples(examples, length, CUT_ROWS, 1, 0, arena);
    uint32_t *none = NEW(arena, length, uint32_t);
    for (int t = 0; t < length; t++) none[t] = TRANSFORMER_IGNORED;
    for (int only = 0; only < CUT_ROWS; only++) {
        BatchesSequence sequences[CUT_ROWS];
        double losses[CUTS];
        float *gradients[CUTS];
        for (int b = 0; b < CUT_ROWS; b++) {
            sequences[b] = batches_sequence(batches, b);
            if (b != only) sequences[b].targets = none;
        }
        for (int c = 0; c < CUTS; c++) {
            losses[c] = loss_when_cut(model, sequences, length, c, &gradients[c]);
            assert_memory_equal(&losses[c], &losses[0], sizeof *losses);
            if (c < SINGLE_CUTS)
                assert_memory_equal(gradients[c], gradients[0], model->size * sizeof *gradients[c]);
        }
    }
}

/* --- accuracy --- */

/* The token with the lowest loss as the target at `t` of the row in `pass`; the last of equal ones. */
static int lowest_loss(const Model *model, Activations *pass, const uint32_t *tokens,
                       const uint32_t *positions, int length, int t) {
    uint32_t *targets = NEW(arena, length, uint32_t);
    float *nll = NEW(arena, length, float), lowest = INFINITY;
    const uint32_t *const text[] = {tokens}, *const wanted[] = {targets}, *const places[] = {positions};
    int best = 0;
    for (int i = 0; i < length; i++) targets[i] = TRANSFORMER_IGNORED;
    transformer_set_rows(pass, (TransformerRows){wanted, positions ? places : NULL, NULL});
    for (int v = 0; v < model->options.vocabulary; v++) {
        targets[t] = (uint32_t)v;
        transformer_evaluate(model, pass, text, 1, nll);
        if (nll[t] <= lowest) lowest = nll[t], best = v;
    }
    return best;
}

/* Generates the answer of a row token by token, each by a pass over what there is so far. Returns whether it
   is the row's; the row gets the answer. check_best: that the tokens are those with the lowest loss. */
static bool generate(const Model *model, Activations *pass, TaskRow *row, bool check_best) {
    uint32_t *best = NEW(arena, row->room, uint32_t);
    uint32_t *tokens = NEW(arena, row->room + 1, uint32_t), *targets = NEW(arena, row->room, uint32_t);
    float *nll = NEW(arena, row->room, float);
    const uint32_t *const text[] = {tokens}, *const wanted[] = {targets}, *const places[] = {row->positions};
    bool right = true;
    for (int t = 0; t < row->room; t++) {
        if (row->targets[t] == TASK_IGNORED) continue;
        memset(tokens, 0, (size_t)(row->room + 1) * sizeof *tokens);
        for (int i = 0; i < row->room; i++) targets[i] = TRANSFORMER_IGNORED;
        memcpy(tokens, row->tokens, (size_t)(t + 1) * sizeof *tokens);
        targets[t] = TASK_PAD;
        transformer_set_rows(pass, (TransformerRows){wanted, row->positions ? places : NULL, best});
        transformer_evaluate(model, pass, text, 1, nll);
        right &= best[t] == row->targets[t];
        if (check_best)
            assert_int_equal(best[t], lowest_loss(model, pass, tokens, row->positions, row->room, t));
        if (row->tokens[t + 1] == row->targets[t] && t + 1 < row->length) row->tokens[t + 1] = best[t];
        row->targets[t] = best[t];
    }
    return right;
}

/* Exact match of evaluation is that of the greedy loop; and answers made by the loop are exact. Returns how
   many examples are answered; -1: the method has a limit below their length. */
static int compare_with_greedy(const Model *model, const Examples *examples, const char *hint, int64_t size,
                               int count) {
    Error err;
    EvaluateResult result;
    Arena *scratch = arena_new(0);
    EvaluateRequest request = {.split = SPLIT_TEST,
                               .protocol = EVALUATE_EXACT,
                               .length = size,
                               .stride = size,
                               .tokens = count,
                               .hint = hint};
    int length = (int)evaluate_examples_length(examples, &request), answered = 0;
    int number = examples_hint(examples_options(examples), hint);
    if (!evaluate_examples_run(model, examples, &request, NULL, NULL, &result, arena, scratch, &err))
        fail_msg("%s", err.text);
    Activations *pass = activations_new(model, 1, length, false, arena);
    TaskRow row = examples_row(examples, length, arena);
    uint32_t *best = NEW(arena, length, uint32_t);
    float *nll = NEW(arena, length, float);
    int64_t tokens = 0;
    double sum = 0;
    for (int i = 0; i < count && !result.beyond_limit; i++) {
        assert_true(examples_test(examples, size, number, i, &row, &err));
        /* positions that are drawn are those of example i */
        transformer_set_origin(pass, (ActivationsOrigin){.seed = model->seed, .first_sequence = i});
        bool exact = result.window[i].right == result.window[i].tokens;
        const uint32_t *const text[] = {row.tokens}, *const targets[] = {row.targets};
        const uint32_t *const places[] = {row.positions};
        double loss = 0;
        transformer_set_rows(pass, (TransformerRows){targets, row.positions ? places : NULL, best});
        transformer_evaluate(model, pass, text, 1, nll);
        for (int t = 0; t < length; t++) loss += nll[t];
        /* each loss is a difference of numbers near 10, which floats hold to 1e-6 */
        assert_float_equal(result.window[i].nll, loss, 1e-5 * loss + 1e-6 * (double)result.window[i].tokens);
        assert_int_equal(exact, generate(model, pass, &row, i == 0));
        answered += exact;
        transformer_set_rows(pass, (TransformerRows){targets, row.positions ? places : NULL, best});
        transformer_evaluate(model, pass, text, 1, nll);
        for (int t = 0; t < length; t++)
            if (row.targets[t] != TASK_IGNORED) assert_int_equal(best[t], row.targets[t]);
        tokens += result.window[i].tokens;
        sum += result.window[i].nll;
    }
    assert_int_equal(result.tokens, tokens);
    assert_float_equal(result.nll, sum, 1e-9 * sum);
    arena_free(scratch);
    return result.beyond_limit ? -1 : answered;
}

static void exact_is_greedy(void **state) {
    (void)state;
    static const char *const tasks[] = {"{\"name\": \"copy\", \"size\": [1, 3], \"letters\": 3}",
                                        "{\"name\": \"parity\", \"size\": [1, 6]}",
                                        "{\"name\": \"mqar\", \"size\": 2, \"symbols\": 8, \"spread\": 5}",
                                        "{\"name\": \"sort\", \"size\": 9, \"numbers\": 3}"};
    for (int k = 0; k < 4; k++) {
        Examples *examples = task_rows_make(tasks[k]);
        for (int m = 0; m < encoding_method_count; m++) {
            Model *model = model_for(examples, encoding_methods[m], 8);
            if (model) compare_with_greedy(model, examples, k < 3 ? NULL : m % 2 ? "fill" : "count", 2, 20);
        }
    }
}

static void exact_is_greedy_with_positions(void **state) {
    (void)state;
    Examples *examples = task_rows_make(
        "{\"name\": \"addition\", \"size\": [1, 3], \"positions\": \"abacus\", \"max_start\": 40}");
    Model *model = model_with_positions(examples);
    if (model) assert_in_range(compare_with_greedy(model, examples, NULL, 3, 40), 0, 40);
}

/* --- training --- */

typedef struct Training {
    TrainOptions options;
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    Corpus corpus;
    const char *state;
    int64_t calls, stop_after;
    double exact; /* the last that progress was told */
} Training;

static bool on_progress(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                        const EvaluateAccuracy *accuracy) {
    Training *training = user;
    (void)log, (void)steps, (void)tokens_per_second;
    if (accuracy) training->exact = accuracy->exact;
    return ++training->calls != training->stop_after;
}

static Training training_of(const Examples *examples, int64_t steps) {
    Training training = {.corpus = {.examples = examples, .hash = "task"}, .exact = -1};
    options_default(&training.options, train_fields, train_field_count);
    options_default(&training.optimizer, optimizer_fields, optimizer_field_count);
    options_default(&training.schedule, optimizer_schedule_fields, optimizer_schedule_field_count);
    training.options.length = examples_train_length(examples_options(examples));
    training.options.tokens_per_step = 32 * training.options.length;
    training.options.tokens = steps * training.options.tokens_per_step;
    training.options.checkpoint = 0;
    training.optimizer.lr = 1e-2;
    return training;
}

static bool train(Training *training, Model *model, TrainResult *result, Error *err) {
    const TrainTask task = {.key = "0123456789abcdef",
                            .corpus = &training->corpus,
                            .options = &training->options,
                            .optimizer = &training->optimizer,
                            .schedule = &training->schedule,
                            .state_path = training->state,
                            .source = "config 'x.json'",
                            .progress = on_progress,
                            .user = training};
    training->calls = 0;
    return train_run(model, &task, result, arena, err);
}

/* Half-trained models answer some examples: there, too, exact is greedy. */
static void exact_is_greedy_after_training(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": [1, 3], \"letters\": 2}");
    int answered = 0, asked = 0;
    for (int m = 0; m < encoding_method_count; m += 4) {
        Model *model = model_for(examples, encoding_methods[m], 16);
        Training training = training_of(examples, 100);
        TrainResult result;
        Error err;
        if (!model) continue;
        assert_true(train(&training, model, &result, &err));
        answered += compare_with_greedy(model, examples, NULL, 3, 60), asked += 60;
        answered += compare_with_greedy(model, examples, NULL, 2, 40), asked += 40;
    }
    assert_true(answered > asked / 20 && answered < asked); /* some, not all */
}

/* A run that is stopped and resumed ends early at the same update with the same bits. */
static void until_ends_and_resumes(void **state) {
    (void)state;
    char path[] = "/tmp/poslab_until_XXXXXX";
    assert_non_null(mkdtemp(path));
    Examples *examples = task_rows_make("{\"name\": \"parity\", \"size\": [1, 2], \"examples\": 0}");
    Model *models[2] = {model_for(examples, encoding_methods[0], 16),
                        model_for(examples, encoding_methods[0], 16)};
    Training training = training_of(examples, 1000);
    TrainResult results[2];
    Error err;
    training.options.until_exact = 0.9;
    training.options.until_updates = 10;
    assert_true(train(&training, models[0], &results[0], &err));
    int64_t step = results[0].until_step;
    assert_true(step > 0 && step < 1000 && step % 10 == 0 && results[0].steps == step);
    training.state = arena_format(arena, "%s/state", path);
    bool done = false;
    for (int sessions = 0; !done; sessions++) {
        assert_in_range(sessions, 0, 1000);
        training.stop_after = 7;
        done = train(&training, models[1], &results[1], &err);
        if (!done) assert_int_equal(err.code, EXIT_STOPPED);
    }
    assert_int_equal(results[1].until_step, step);
    assert_memory_equal(models[0]->values, models[1]->values, models[0]->size * sizeof(float));
    assert_memory_equal(results[0].log, results[1].log, (size_t)step * sizeof(TrainLog));
    /* Its state says that it has ended: training again makes no update. */
    assert_true(train(&training, models[1], &results[1], &err));
    assert_int_equal(training.calls, 0);
    assert_int_equal(results[1].until_step, step);
    train_state_remove(training.state);
    assert_int_equal(rmdir(path), 0);
}

/* 64 examples are learnt by heart. */
static void a_set_is_learnt(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"addition\", \"size\": 2, \"examples\": 64}");
    Model *model = model_for(examples, encoding_methods[encoding_method_count - 1], 32);
    Training training = training_of(examples, 400);
    TrainResult result;
    Error err;
    training.optimizer.lr = 4e-3;
    assert_true(train(&training, model, &result, &err));
    assert_true(training.exact >= 0 && training.exact < 0.5); /* what it was not shown */
    assert_true(result.log[0].loss > 2 && result.final_loss < 0.05);
}

/* --- positions --- */

/* A row's positions replace 0, 1, ...: equal ones change nothing, others change the loss of every method that
   follows positions. */
static void rows_give_positions(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": 6}");
    Rows rows = rows_of(examples);
    int tried = 0;
    for (int m = 0; m < encoding_method_count; m++) {
        const PositionMethod *method = encoding_methods[m];
        if (!(method->claims & POS_BY_POSITION) || !encoding_hooks(method)) continue;
        Model *model = model_for(examples, method, 8);
        model->given_positions = true;
        size_t count = (size_t)B * (size_t)rows.length;
        float *nll = NEW(arena, 3 * count, float);
        uint32_t *given = NEW(arena, rows.length, uint32_t);
        const uint32_t *positions[B];
        Activations *pass = activations_new(model, B, rows.length, false, arena);
        for (int k = 0; k < 3; k++) {
            for (int t = 0; t < rows.length; t++) given[t] = (uint32_t)(k == 2 ? rows.length - 1 - t : t);
            for (int b = 0; b < B; b++) positions[b] = given;
            transformer_set_rows(pass, (TransformerRows){.positions = k ? positions : NULL});
            transformer_evaluate(model, pass, rows.tokens, B, nll + k * count);
        }
        for (size_t i = 0; i < count; i++) assert_float_equal(nll[i], nll[count + i], 1e-6);
        assert_memory_not_equal(nll, nll + 2 * count, count * sizeof *nll);
        tried++;
    }
    assert_true(tried > 0);
}

/* More padding after a row changes no bit of its losses, for methods that do not look at the length. */
static void padding_changes_nothing(void **state) {
    (void)state;
    Examples *examples = task_rows_make("{\"name\": \"copy\", \"size\": 6}");
    int length = (int)examples_train_length(examples_options(examples)), lengths[2] = {length, length + 9};
    for (int m = 0; m < encoding_method_count; m++) {
        if (!(encoding_methods[m]->claims & POS_PREFIX_STABLE)) continue;
        Model *model = model_for(examples, encoding_methods[m], 8);
        float *nll[2];
        for (int k = 0; k < 2; k++) {
            TaskRow row = examples_row(examples, lengths[k], arena);
            examples_train(examples, 0, &row);
            const uint32_t *const tokens[] = {row.tokens}, *const targets[] = {row.targets};
            Activations *pass = activations_new(model, 1, lengths[k], false, arena);
            transformer_set_rows(pass, (TransformerRows){.targets = targets});
            transformer_evaluate(model, pass, tokens, 1, nll[k] = NEW(arena, lengths[k], float));
        }
        if (memcmp(nll[0], nll[1], (size_t)length * sizeof(float)))
            fail_msg("%s: padding changes the loss", encoding_methods[m]->name);
    }
}

/* --- cost --- */

static double seconds_of(const Model *model, const Rows *rows, const uint32_t *const *targets) {
    double best = INFINITY;
    float *gradients = NEW(arena, model->size, float), *nll = NEW(arena, B * rows->length, float);
    Activations *pass = activations_new(model, B, rows->length, true, arena);
    transformer_set_rows(pass, (TransformerRows){.targets = targets});
    for (int round = 0; round < 7; round++) {
        double start = clock_now();
        transformer_train(model, pass, rows->tokens, B, (ActivationsOrigin){0}, 1, nll, gradients);
        best = fmin(best, clock_now() - start);
    }
    return best;
}

/* MQAR as zoology trains it: 4 queries of 64 tokens, an alphabet of 8192. */
static void few_queries_cost_little(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* what is instrumented takes most of the time */
#endif
    Examples *examples = task_rows_make("{\"name\": \"mqar\", \"size\": 4}");
    Model *model = model_for(examples, encoding_methods[0], 64);
    Rows rows = rows_of(examples);
    double few = seconds_of(model, &rows, rows.targets), all = seconds_of(model, &rows, NULL);
    print_message("MQAR with 4 targets of 64: %.3f of the time with all logits\n", few / all);
    assert_true(few < all / 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, task_rows_setup, task_rows_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(loss_is_where_targets_are),
        TEST(scale_does_not_depend_on_the_cut),
        TEST(scale_has_the_same_bits),
        TEST(exact_is_greedy),
        TEST(exact_is_greedy_after_training),
        TEST(exact_is_greedy_with_positions),
        TEST(until_ends_and_resumes),
        TEST(a_set_is_learnt),
        TEST(rows_give_positions),
        TEST(padding_changes_nothing),
        TEST(few_queries_cost_little),
    };
    return cmocka_run_group_tests_name("examples", tests, NULL, NULL);
}
