/* evaluate: windows over a stream, grouped by shape, and sums in double.
 *
 * Target k is token k + 1. Windows come in the order of their blocks. Neighbours of equal length form a group
 * and share one Pass; nonoverlapping has a group of full windows and perhaps a tail, strided has before them
 * the ramp of the first windows, S, 2 S, ..., which have less than L tokens of context behind them.
 */
#include "evaluate.h"

#include <math.h>

const char *const protocol_names[] = {"nonoverlapping", "strided", NULL};

/* Targets [start, end) are predicted, those from `scored` on are counted. */
typedef struct Window {
    int64_t start, scored, end;
} Window;

typedef struct Sums {
    Evaluation *result;
    double nll[EVALUATE_BINS];
    int64_t tokens[EVALUATE_BINS];
} Sums;

static Window window_at(const EvaluateRequest *request, int64_t targets, int64_t block) {
    int64_t end = (block + 1) * request->stride, start = end - request->length;
    return (Window){.start = start > 0 ? start : 0,
                    .scored = block * request->stride,
                    .end = end < targets ? end : targets};
}

/* Positions 0..7 have bins of their own; from 4 on each octave has four. */
static int bin_of(int64_t position) {
    if (position < 4) return (int)position;
    int octave = 63 - __builtin_clzll((unsigned long long)position);
    int bin = 4 * (octave - 1) + (int)(position >> (octave - 2) & 3);
    return bin < EVALUATE_BINS ? bin : EVALUATE_BINS - 1;
}

static int64_t bin_first(int bin) {
    return bin < 4 ? bin : (int64_t)(4 + bin % 4) << (bin / 4 - 1);
}

static int sequences_per_pass(const Model *model, int64_t length) {
    int64_t sequences = model->options.max_tokens_in_flight / length;
    return sequences > 0 ? (int)sequences : 1;
}

/* Bytes that a pass over windows of this length takes, its output included. */
static size_t group_bytes(const Model *model, int sequences, int length) {
    Arena *count = arena_new_counting();
    (void)NEW(count, (size_t)sequences * (size_t)length, float);
    (void)NEW(count, sequences, const uint16_t *);
    size_t bytes = pass_bytes(model, sequences, length, false) + arena_peak(count);
    arena_free(count);
    return bytes;
}

static void add_window(Sums *sums, const float *nll, Window window) {
    EvaluateWindow *into = &sums->result->window[sums->result->windows++];
    for (int64_t k = window.scored; k < window.end; k++) {
        int64_t position = k - window.start;
        int bin = bin_of(position);
        sums->nll[bin] += nll[position];
        sums->tokens[bin]++;
        into->nll += nll[position];
        into->tokens++;
    }
    sums->result->nll += into->nll;
    sums->result->tokens += into->tokens;
}

static void store_bins(Sums *sums, Arena *arena) {
    Evaluation *result = sums->result;
    result->bin = NEW(arena, EVALUATE_BINS, EvaluateBin);
    for (int b = 0; b < EVALUATE_BINS; b++) {
        if (!sums->tokens[b]) continue;
        int64_t last = b + 1 < EVALUATE_BINS ? bin_first(b + 1) - 1 : INT64_MAX;
        if (last >= result->request.length) last = result->request.length - 1;
        result->bin[result->bins++] = (EvaluateBin){
            .first = bin_first(b), .last = last, .nll = sums->nll[b], .tokens = sums->tokens[b]};
    }
}

/* Blocks [first, last) have windows of equal length: evaluates them, as many at a time as fit. */
static bool evaluate_group(const Model *model, const uint16_t *stream, int64_t targets, int64_t first,
                           int64_t last, bool (*progress)(void *, double), void *user, Sums *sums,
                           Arena *scratch, Err *err) {
    Evaluation *result = sums->result;
    Window window = window_at(&result->request, targets, first);
    int length = (int)(window.end - window.start), sequences = sequences_per_pass(model, length);
    if (sequences > last - first) sequences = (int)(last - first);
    ArenaMark mark = arena_mark(scratch);
    Pass *pass = pass_new(model, sequences, length, false, scratch);
    float *nll = NEW(scratch, (size_t)sequences * (size_t)length, float);
    const uint16_t **tokens = NEW(scratch, sequences, const uint16_t *);
    size_t bytes = group_bytes(model, sequences, length);
    if (bytes > result->peak_bytes) result->peak_bytes = bytes;
    bool go_on = true;
    for (int64_t block = first; block < last && go_on; block += sequences) {
        if (sequences > last - block) sequences = (int)(last - block);
        for (int b = 0; b < sequences; b++)
            tokens[b] = stream + window_at(&result->request, targets, block + b).start;
        model_evaluate(model, pass, tokens, sequences, nll);
        for (int b = 0; b < sequences; b++)
            add_window(sums, nll + (size_t)b * (size_t)length,
                       window_at(&result->request, targets, block + b));
        go_on = !progress || progress(user, (double)result->tokens / (double)targets);
    }
    arena_release(scratch, mark);
    return go_on || err_set(err, EXIT_STOPPED, "evaluation stopped");
}

bool evaluate_run(const Model *model, const Corpus *corpus, const EvaluateRequest *request,
                  bool (*progress)(void *user, double share), void *user, Evaluation *result, Arena *arena,
                  Arena *scratch, Err *err) {
    const Stream *stream = &corpus->splits[request->split];
    int64_t targets = stream->count - 1, length = request->length, stride = request->stride;
    if (length < 1 || stride < 1 || stride > length)
        BUG("window %lld with stride %lld", (long long)length, (long long)stride);
    *result = (Evaluation){.request = *request};
    if (targets < 1)
        return err_set(err, EXIT_USAGE,
                       "the %s split has %lld tokens, and evaluation needs 2; give it a larger share",
                       split_names[request->split], (long long)stream->count);
    const PositionMethod *method = model->position.method;
    if (method->limit && length > method->limit(&model->shape, model->position.options)) {
        result->beyond_limit = true;
        return true;
    }
    if (request->tokens > 0 && request->tokens < targets) targets = request->tokens;
    double begin = time_now();
    int64_t blocks = (targets + stride - 1) / stride;
    result->window = NEW(arena, blocks, EvaluateWindow);
    Sums sums = {.result = result};
    for (int64_t first = 0, last; first < blocks; first = last) {
        Window window = window_at(request, targets, first);
        for (last = first + 1; last < blocks; last++) {
            Window next = window_at(request, targets, last);
            if (next.end - next.start != window.end - window.start) break;
        }
        if (!evaluate_group(model, stream->tokens, targets, first, last, progress, user, &sums, scratch, err))
            return false;
    }
    if (result->tokens != targets || result->windows != blocks)
        BUG("%lld of %lld targets scored in %lld of %lld windows", (long long)result->tokens,
            (long long)targets, (long long)result->windows, (long long)blocks);
    store_bins(&sums, arena);
    result->seconds = time_now() - begin;
    return true;
}

size_t evaluate_bytes(const Model *model, int64_t length) {
    return group_bytes(model, sequences_per_pass(model, length), (int)length);
}
