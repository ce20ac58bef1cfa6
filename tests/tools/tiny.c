#include "tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "need.h"
#include "position/encoding.h"

ModelOptions tiny_options(void) {
    ModelOptions options;
    model_default(&options);
    options.layers = options.heads = 2;
    options.width = 8;
    options.ffn = 16;
    options.vocabulary = TINY_VOCABULARY;
    options.max_tokens_in_flight = 64;
    return options;
}

Encoding tiny_position(const char *method, Arena *arena) {
    Encoding position = {.method = need_method(method)};
    position.options = arena_alloc(arena, 1, position.method->options_size);
    options_default(position.options, position.method->fields, position.method->field_count);
    return position;
}

Model *tiny_model(const ModelOptions *options, const char *method, int length, Arena *arena) {
    Encoding position = tiny_position(method, arena);
    Model *model = model_new(options, &position, length, arena);
    model_allocate(model, arena);
    model_init(model, 7);
    return model;
}

Corpus *tiny_corpus(int64_t count, Arena *arena) {
    Corpus *corpus = NEW(arena, 1, Corpus);
    *corpus = (Corpus){.vocabulary = TINY_VOCABULARY, .bytes_per_token = 1, .hash = "tiny"};
    for (int split = 0; split < SPLIT_COUNT; split++) {
        Random rng = random_stream(5, "tiny", corpus_split_names[split]);
        uint32_t *tokens = NEW(arena, count, uint32_t);
        for (int64_t i = 0; i < count; i++)
            tokens[i] =
                (uint32_t)(random_below(&rng, 4) ? (uint64_t)i % 5 : random_below(&rng, TINY_VOCABULARY));
        corpus->splits[split] = (CorpusStream){.tokens = tokens, .count = count, .documents = 1};
    }
    return corpus;
}

TinyRun tiny_run(const char *method, int steps, int tokens_per_step) {
    TinyRun run = {.method = method, .options = tiny_options(), .tokens = 301, .threads = 1};
    options_default(&run.train, train_fields, train_field_count);
    options_default(&run.optimizer, optimizer_fields, optimizer_field_count);
    options_default(&run.schedule, optimizer_schedule_fields, optimizer_schedule_field_count);
    run.train.length = 8;
    run.train.tokens_per_step = tokens_per_step;
    run.train.tokens = (int64_t)steps * tokens_per_step;
    run.train.checkpoint = 0;
    return run;
}

static bool on_progress(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                        const EvaluateAccuracy *accuracy) {
    TinyRun *run = user;
    (void)log, (void)steps, (void)tokens_per_second, (void)accuracy;
    return ++run->calls != run->stop_after;
}

static void on_note(void *user, const char *message) {
    TinyRun *run = user;
    size_t used = strlen(run->notes);
    snprintf(run->notes + used, sizeof run->notes - used, "%s\n", message);
}

bool tiny_train(TinyRun *run, Arena *arena, Error *err) {
    Encoding position = tiny_position(run->method, arena);
    const TrainTask task = {.key = "0123456789abcdef",
                            .corpus = tiny_corpus(run->tokens, arena),
                            .options = &run->train,
                            .optimizer = &run->optimizer,
                            .schedule = &run->schedule,
                            .state_path = run->state_path,
                            .from_path = run->from_path,
                            .source = "config 'x.json'",
                            .progress = on_progress,
                            .note = on_note,
                            .user = run};
    run->model = model_new(&run->options, &position, (int)run->train.length, arena);
    run->model->threads = run->threads;
    run->calls = 0;
    *run->notes = '\0';
    return train_run(run->model, &task, &run->result, arena, err);
}

void tiny_train_well(TinyRun *run, Arena *arena) {
    Error err;
    if (!tiny_train(run, arena, &err)) fail_msg("%s", err.text);
}

void tiny_train_part(TinyRun *run, Arena *arena) {
    Error err;
    assert_false(tiny_train(run, arena, &err));
    assert_int_equal(err.code, EXIT_STOPPED);
}
