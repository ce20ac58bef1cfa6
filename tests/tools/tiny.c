#include "tiny.h"

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
