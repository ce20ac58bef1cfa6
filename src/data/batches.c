#include "data/corpus.h"
#include "base/random.h"
#include "data/batches.h"

struct Batches {
    const uint16_t *tokens;
    int length;
    Random rng;      /* the seed's stream; each epoch draws from its own substream */
    int64_t windows; /* per epoch, the same at every phase: an index determines its epoch */
    int64_t phases;
    int64_t epoch, phase; /* those of `order` */
    int64_t *order;
};

Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, const char *source, Arena *arena,
                     Error *err) {
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
    int64_t windows = stream->count / length - 1;
    if (windows < 1) windows = 1;
    int64_t slack =
        stream->count - windows * length; /* phases at which all windows and the last target fit */
    batches->tokens = stream->tokens;
    batches->length = length;
    batches->rng = random_stream(seed, "batch", "");
    batches->windows = windows;
    batches->phases = slack < length ? slack : length;
    batches->epoch = -1;
    batches->order = NEW(arena, windows, int64_t);
    return batches;
}

/* Draws the epoch's phase, then its order (Fisher and Yates). */
static void draw_epoch(Batches *batches, int64_t epoch) {
    Random rng = random_substream(batches->rng, (uint64_t)epoch);
    int64_t *order = batches->order;
    batches->epoch = epoch;
    batches->phase = (int64_t)random_below(&rng, (uint64_t)batches->phases);
    for (int64_t i = 0; i < batches->windows; i++) order[i] = i;
    for (int64_t i = batches->windows - 1; i > 0; i--) {
        int64_t j = (int64_t)random_below(&rng, (uint64_t)i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

const uint16_t *batches_sequence(Batches *batches, int64_t index) {
    if (index < 0) BUG("sequence %lld of the batches", (long long)index);
    int64_t epoch = index / batches->windows;
    if (epoch != batches->epoch) draw_epoch(batches, epoch);
    int64_t window = batches->order[index % batches->windows];
    return batches->tokens + batches->phase + window * batches->length;
}
