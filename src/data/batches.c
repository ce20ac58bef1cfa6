#include "data/corpus.h"
#include "base/random.h"
#include "data/batches.h"

struct Batches {
    const uint32_t *tokens;
    int length;
    Random rng;           /* stream of the seed and stage; each epoch draws from its own substream */
    int64_t windows;      /* number of windows or examples of an epoch */
    int streams;          /* after batches_in_order; otherwise 0 */
    int64_t phases;       /* number of possible phases */
    int64_t epoch, phase; /* those of `order` */
    int64_t *order;       /* [windows]: the windows of the epoch in their order; NULL: unlimited examples */
    const Examples *examples; /* NULL: batches of text */
    TaskRow *rows;            /* [kept]: sequence n is in row n modulo kept */
    int kept;
    int64_t first; /* of unlimited examples: the number of the first one */
};

/* The stream of random numbers of a stage. A run without stages has the stream of stage 0. */
static Random stage_random(uint64_t seed, int stage) {
    char name[16] = "";
    if (stage) snprintf(name, sizeof name, "%d", stage);
    return random_stream(seed, "batch", name);
}

int64_t batches_windows(int64_t tokens, int length) {
    int64_t windows = tokens / length - 1;
    return windows < 1 ? 1 : windows;
}

bool batches_check_order(int64_t windows, int length, int streams, const char *source, Error *err) {
    if (windows >= streams) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: training in the order of the text needs %d windows of %d tokens, one for each sequence of an "
        "update, the training tokens have %lld; add files to 'data.files', or lower "
        "'train.tokens_per_step'",
        source, streams, length, (long long)windows);
}

Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, int stage, const char *source,
                     Arena *arena, Error *err) {
    if (length < 1) BUG("batches of length %d", length);
    if (stream->count < (int64_t)length + 1) {
        error_set(
            err, EXIT_USAGE,
            "%s: 'train.length' %d needs at least %d training tokens, the corpus has %lld; add files to "
            "'data.files' or lower 'train.length'",
            source, length, length + 1, (long long)stream->count);
        return NULL;
    }
    Batches *batches = NEW(arena, 1, Batches);
    int64_t windows = batches_windows(stream->count, length);
    int64_t slack =
        stream->count - windows * length; /* phases at which all windows and the last target fit */
    batches->tokens = stream->tokens;
    batches->length = length;
    batches->rng = stage_random(seed, stage);
    batches->windows = windows;
    batches->phases = slack < length ? slack : length;
    batches->epoch = -1;
    batches->order = NEW(arena, windows, int64_t);
    return batches;
}

bool batches_in_order(Batches *batches, int streams, const char *source, Error *err) {
    if (!batches_check_order(batches->windows, batches->length, streams, source, err)) return false;
    batches->streams = streams;
    batches->windows -= batches->windows % streams;
    return true;
}

int64_t batches_epoch_updates(const Batches *batches) {
    return batches->windows / batches->streams;
}

/* Draws the phase of an epoch, then its order (Fisher and Yates). After batches_in_order, the order is not
   random: window t of part b is at index t streams + b. */
static void draw_epoch(Batches *batches, int64_t epoch) {
    Random rng = random_substream(batches->rng, (uint64_t)epoch);
    int64_t *order = batches->order;
    batches->epoch = epoch;
    batches->phase = (int64_t)random_below(&rng, (uint64_t)batches->phases);
    int64_t streams = batches->streams, run = streams ? batches->windows / streams : 0;
    for (int64_t i = 0; i < batches->windows; i++) order[i] = streams ? i % streams * run + i / streams : i;
    for (int64_t i = batches->windows - 1; i > 0 && !streams; i--) {
        int64_t j = (int64_t)random_below(&rng, (uint64_t)i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

Batches *batches_new_examples(const Examples *examples, int length, int kept, uint64_t seed, int stage,
                              Arena *arena) {
    int64_t count = examples_options(examples)->examples;
    Batches *batches = NEW(arena, 1, Batches);
    *batches = (Batches){.length = length,
                         .rng = stage_random(seed, stage),
                         .windows = count ? count : INT64_MAX,
                         .phases = 1,
                         .epoch = -1,
                         .examples = examples,
                         .kept = kept};
    if (count) batches->order = NEW(arena, count, int64_t);
    if (!count) batches->first = (int64_t)(random_at(batches->rng.key, 0) >> 2);
    batches->rows = NEW(arena, kept, TaskRow);
    for (int i = 0; i < kept; i++) batches->rows[i] = examples_row(examples, length, arena);
    return batches;
}

Batches *batches_of(const Corpus *corpus, int length, int sequences, bool in_order, uint64_t seed, int stage,
                    const char *source, Arena *arena, Error *err) {
    if (corpus->examples)
        return batches_new_examples(corpus->examples, length, sequences, seed, stage, arena);
    Batches *batches = batches_new(&corpus->splits[SPLIT_TRAIN], length, seed, stage, source, arena, err);
    return !batches || !in_order || batches_in_order(batches, sequences, source, err) ? batches : NULL;
}

BatchesSequence batches_sequence(Batches *batches, int64_t index) {
    if (index < 0) BUG("sequence %lld of the batches", (long long)index);
    int64_t epoch = index / batches->windows;
    if (batches->order && epoch != batches->epoch) draw_epoch(batches, epoch);
    int64_t window = batches->order ? batches->order[index % batches->windows] : batches->first + index;
    if (!batches->examples)
        return (BatchesSequence){.tokens = batches->tokens + batches->phase + window * batches->length};
    TaskRow *row = &batches->rows[index % batches->kept];
    examples_train(batches->examples, window, row);
    return (BatchesSequence){row->tokens, row->targets, row->positions};
}
