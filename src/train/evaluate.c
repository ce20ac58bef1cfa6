/* evaluate: windows in the order of their blocks, and sums in double.
 *
 * Adjacent windows of equal length form a group and share one Activations. Nonoverlapping has one group of
 * full windows, then perhaps one shorter window. Strided begins with windows of lengths S, 2 S, ..., each a
 * group of its own. Last_n has only full windows.
 */
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "sys/mpi.h"
#include "sys/threads.h"
#include "math/linear.h"
#include "position/encoding.h"
#include "model/activations.h"
#include "model/transformer.h"

const char *const evaluate_protocol_names[] = {"nonoverlapping", "strided", "last_n", "exact",
                                               "cached",         "token",   NULL};

/* A pass predicts the targets [start, end); only the targets [scored, end) count. */
typedef struct Window {
    int64_t start, scored, end;
} Window;

typedef struct EvaluateSums {
    EvaluateResult *result;
    double nll[EVALUATE_BINS];
    int64_t tokens[EVALUATE_BINS];
} EvaluateSums;

static Window window_at(const EvaluateRequest *request, EvaluateSpan span, int64_t block) {
    int64_t scored = span.first + block * request->stride, end = scored + request->stride;
    int64_t start = end - request->length;
    return (Window){.start = start > 0 ? start : 0, .scored = scored, .end = end < span.end ? end : span.end};
}

/* Positions 0..7 have one bin each. From position 4 on, each octave has four bins. */
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

/* Windows of one length, evaluated in rounds. In a round, each lane of each rank makes one pass over
   `sequences` windows. The windows are assigned to lanes in the order of ranks. */
typedef struct Group {
    const Model *model;
    const EvaluateRequest *request;
    const uint32_t *stream;
    EvaluateSpan span;
    int64_t block, last; /* blocks [block, last) are not evaluated yet */
    int length, sequences, lanes;
    Activations **pass;      /* [lanes] */
    float *nll;              /* [ranks, lanes * sequences, length] */
    const uint32_t **tokens; /* [lanes * sequences] */
} Group;

static void group_allocate(Group *group, const Model *model, int64_t length, int64_t blocks, Arena *arena) {
    group->model = model;
    group->length = (int)length;
    group->sequences = sequences_per_pass(model, length);
    if (group->sequences > blocks) group->sequences = (int)blocks;
    int64_t passes = (blocks + group->sequences - 1) / group->sequences;
    group->lanes = model->threads < passes ? model->threads : (int)passes;
    size_t windows = (size_t)group->lanes * (size_t)group->sequences;
    group->nll = NEW(arena, (size_t)mpi_ranks() * windows * (size_t)length, float);
    group->tokens = NEW(arena, windows, const uint32_t *);
    group->pass = NEW(arena, group->lanes, Activations *);
    for (int lane = 0; lane < group->lanes; lane++) {
        Activations *pass = activations_new(model, group->sequences, group->length, false, arena);
        if (group->pass) group->pass[lane] = pass;
    }
}

/* The bytes that group_allocate allocates. */
static size_t group_bytes(const Model *model, int64_t length, int64_t blocks) {
    Arena *count = arena_new_counting();
    Group group;
    group_allocate(&group, model, length, blocks, count);
    return arena_counted(count);
}

static void group_share(void *user, int lane) {
    const Group *group = user;
    int64_t place = (int64_t)mpi_rank() * group->lanes + lane;
    int64_t block = group->block + place * group->sequences;
    if (lane >= group->lanes || block >= group->last) return;
    int count = group->last - block < group->sequences ? (int)(group->last - block) : group->sequences;
    size_t first = (size_t)lane * (size_t)group->sequences;
    for (int b = 0; b < count; b++)
        group->tokens[first + b] = group->stream + window_at(group->request, group->span, block + b).start;
    transformer_set_origin(group->pass[lane],
                           (ActivationsOrigin){.seed = group->model->seed, .first_sequence = (int)block});
    transformer_evaluate(group->model, group->pass[lane], group->tokens + first, count,
                         group->nll + (size_t)place * (size_t)group->sequences * (size_t)group->length);
}

static void add_window(EvaluateSums *sums, const float *nll, Window window) {
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

static void store_bins(EvaluateSums *sums, Arena *arena) {
    EvaluateResult *result = sums->result;
    result->bin = NEW(arena, EVALUATE_BINS, EvaluateBin);
    for (int b = 0; b < EVALUATE_BINS; b++) {
        if (!sums->tokens[b]) continue;
        int64_t last = b + 1 < EVALUATE_BINS ? bin_first(b + 1) - 1 : INT64_MAX;
        if (last >= result->request.length) last = result->request.length - 1;
        result->bin[result->bins++] = (EvaluateBin){
            .first = bin_first(b), .last = last, .nll = sums->nll[b], .tokens = sums->tokens[b]};
    }
}

void evaluate_layout(const EvaluateRequest *request, int64_t count, EvaluateResult *result, Arena *arena) {
    EvaluateSpan span = evaluate_span(request, count);
    *result = (EvaluateResult){.request = *request, .tokens = span.end - span.first};
    result->windows = (result->tokens + request->stride - 1) / request->stride;
    result->window = NEW(arena, result->windows, EvaluateWindow);
    EvaluateSums sums = {.result = result};
    for (int64_t w = 0; w < result->windows; w++) {
        Window window = window_at(request, span, w);
        int64_t position = window.scored - window.start, end = window.end - window.start;
        result->window[w].tokens = end - position;
        while (position < end) {
            int bin = bin_of(position);
            int64_t next = bin + 1 < EVALUATE_BINS && bin_first(bin + 1) < end ? bin_first(bin + 1) : end;
            sums.tokens[bin] += next - position;
            position = next;
        }
    }
    store_bins(&sums, arena);
}

/* Evaluates blocks [first, last), whose windows have equal length. */
static bool evaluate_group(const Model *model, const uint32_t *stream, EvaluateSpan span, int64_t first,
                           int64_t last, bool (*progress)(void *, double), void *user, EvaluateSums *sums,
                           Arena *scratch, Error *err) {
    EvaluateResult *result = sums->result;
    Window window = window_at(&result->request, span, first);
    int64_t length = window.end - window.start, blocks = last - first;
    Group group = {.request = &result->request, .stream = stream, .span = span, .last = last};
    size_t bytes = group_bytes(model, length, blocks);
    if (bytes > result->peak_bytes) result->peak_bytes = bytes;
    ArenaMark mark = arena_mark(scratch);
    group_allocate(&group, model, length, blocks, scratch);
    bool go_on = true;
    for (int64_t block = first, next; block < last && go_on; block = next) {
        group.block = block;
        threads_run(group.lanes, group_share, &group);
        mpi_gather_parts(group.nll, (size_t)group.lanes * (size_t)group.sequences * (size_t)length);
        next = block + (int64_t)mpi_ranks() * group.lanes * group.sequences;
        for (int64_t b = block; b < next && b < last; b++)
            add_window(sums, group.nll + (size_t)(b - block) * (size_t)length,
                       window_at(&result->request, span, b));
        go_on = !progress || progress(user, (double)result->tokens / (double)(span.end - span.first));
        go_on = !mpi_or(!go_on);
    }
    arena_release(scratch, mark);
    return go_on || error_set(err, EXIT_STOPPED, "evaluation stopped");
}

/* ---- protocols with a cache ---- */

bool evaluate_uses_cache(const EvaluateRequest *request) {
    return request->protocol == EVALUATE_CACHED || request->protocol == EVALUATE_TOKEN;
}

/* A cache of the largest number of rows. Under token the rows of a block are added before its last pass. */
static Cache stream_cache(const Model *model, const EvaluateRequest *request, Arena *arena) {
    int64_t kept = request->length - request->stride;
    if (request->protocol == EVALUATE_TOKEN) kept = request->length - 1;
    return cache_new(model, 1, (int)kept, arena);
}

static size_t stream_bytes(const Model *model, const EvaluateRequest *request) {
    Arena *count = arena_new_counting();
    Cache cache = stream_cache(model, request, count);
    cache.count = cache.capacity;
    NEW(count, request->length, float);
    activations_new_cached(model, &cache, 1, (int)request->length - cache.count, false, count);
    return arena_counted(count);
}

/* One pass over the targets [first, end): writes their losses to nll and adds their rows to the cache. */
static void stream_pass(const Model *model, Cache *cache, const uint32_t *tokens, int64_t first, int64_t end,
                        float *nll, Arena *scratch) {
    ArenaMark mark = arena_mark(scratch);
    const uint32_t *from = tokens + first;
    Activations *pass = activations_new_cached(model, cache, 1, (int)(end - first), false, scratch);
    transformer_set_origin(pass, (ActivationsOrigin){.seed = model->seed});
    transformer_evaluate(model, pass, &from, 1, nll);
    cache_advance(cache, (int)(end - first));
    arena_release(scratch, mark);
}

static bool evaluate_stream(const Model *model, const uint32_t *tokens, EvaluateSpan span, int64_t blocks,
                            bool (*progress)(void *, double), void *user, EvaluateSums *sums, Arena *scratch,
                            Error *err) {
    const EvaluateRequest *request = &sums->result->request;
    ArenaMark mark = arena_mark(scratch);
    Cache cache = stream_cache(model, request, scratch);
    float *nll = NEW(scratch, request->length, float);
    bool go_on = true;
    sums->result->peak_bytes = stream_bytes(model, request);
    for (int64_t block = 0; block < blocks && go_on; block++) {
        Window window = window_at(request, span, block);
        int64_t pass = request->protocol == EVALUATE_TOKEN ? 1 : window.end - window.scored;
        cache_trim(&cache, (int)(window.scored - window.start));
        for (int64_t k = window.scored; k < window.end; k += pass)
            stream_pass(model, &cache, tokens, k, k + pass, nll + (k - window.start), scratch);
        add_window(sums, nll, window);
        go_on = !progress || progress(user, (double)sums->result->tokens / (double)(span.end - span.first));
        go_on = !mpi_or(!go_on);
    }
    arena_release(scratch, mark);
    return go_on || error_set(err, EXIT_STOPPED, "evaluation stopped");
}

static bool same_variant(const EvaluateVariant *a, const EvaluateVariant *b) {
    return a && b ? !strcmp(a->name, b->name) && !strcmp(a->options, b->options) : a == b;
}

bool evaluate_same_request(const EvaluateRequest *a, const EvaluateRequest *b) {
    return a->tokens == b->tokens && a->protocol == b->protocol && a->length == b->length &&
           a->stride == b->stride && a->precision == b->precision &&
           !strcmp(evaluate_split_name(a), evaluate_split_name(b)) && same_variant(a->variant, b->variant);
}

const char *evaluate_split_name(const EvaluateRequest *request) {
    return request->hint ? request->hint : corpus_split_names[request->split];
}

EvaluateSpan evaluate_span(const EvaluateRequest *request, int64_t count) {
    int64_t targets = count - 1, wanted = request->tokens;
    if (wanted <= 0) wanted = targets;
    if (request->protocol == EVALUATE_LAST_N) return (EvaluateSpan){targets - wanted, targets};
    return (EvaluateSpan){0, wanted};
}

static bool check_last(const EvaluateRequest *request, int64_t count, const char *place, Error *err) {
    int64_t needed = request->tokens + request->length - request->stride + 1;
    if (count >= needed && request->tokens > 0) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: last_n with %lld targets at length %lld needs %lld tokens, the %s split has %lld; lower "
        "'targets' or the longest length",
        place, (long long)request->tokens, (long long)request->length, (long long)needed,
        corpus_split_names[request->split], (long long)count);
}

/* The first window of full length is that of the first block whose end is at least L targets after the start
   of the text. */
static bool check_first(const EvaluateRequest *request, int64_t count, const char *place, Error *err) {
    const char *split = corpus_split_names[request->split];
    long long targets = count - 1, wanted = request->tokens, length = request->length;
    long long needed = (length + request->stride - 1) / request->stride * request->stride;
    if (wanted > targets)
        return error_set(err, EXIT_USAGE,
                         "%s: 'evaluate.tokens' must be at most %lld, the targets of the %s split, got %lld; "
                         "lower it, or take 0 for all",
                         place, targets, split, wanted);
    if ((wanted > 0 ? wanted : targets) >= needed) return true;
    if (wanted > 0)
        return error_set(
            err, EXIT_USAGE,
            "%s: 'evaluate.tokens' must be at least %lld for evaluation at length %lld, got %lld; "
            "raise it, or remove this length from 'evaluate.lengths' or 'evaluate.multiples'",
            place, needed, length, wanted);
    return error_set(err, EXIT_USAGE,
                     "%s: evaluation at length %lld needs %lld targets, the %s split has %lld; remove this "
                     "length from 'evaluate.lengths' or 'evaluate.multiples', or raise 'data.split.%s'",
                     place, length, needed, split, targets, split);
}

bool evaluate_check(const EvaluateRequest *request, int64_t count, const char *place, Error *err) {
    const char *split = corpus_split_names[request->split];
    if (count < 2)
        return error_set(err, EXIT_USAGE,
                         "%s: the %s split has %lld tokens, and evaluation needs 2; give it a larger share",
                         place, split, (long long)count);
    return request->protocol == EVALUATE_LAST_N ? check_last(request, count, place, err)
                                                : check_first(request, count, place, err);
}

bool evaluate_run(const Model *model, const Corpus *corpus, const EvaluateRequest *request,
                  bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                  Arena *arena, Arena *scratch, Error *err) {
    const CorpusStream *stream = &corpus->splits[request->split];
    EvaluateSpan span = evaluate_span(request, stream->count);
    int64_t targets = span.end - span.first, length = request->length, stride = request->stride;
    if (length < 1 || stride < 1 || stride > length)
        BUG("window %lld with stride %lld", (long long)length, (long long)stride);
    *result = (EvaluateResult){.request = *request};
    if (!evaluate_check(request, stream->count, "evaluation", err) ||
        !precision_check(request->precision, "evaluation", "evaluate.precision", err))
        return false;
    Model at_precision = *model;
    at_precision.precision = request->precision;
    if (!evaluate_usable(model, request)) {
        result->beyond_limit = true;
        return true;
    }
    double begin = clock_now();
    int64_t blocks = (targets + stride - 1) / stride;
    result->window = NEW(arena, blocks, EvaluateWindow);
    EvaluateSums sums = {.result = result};
    bool streams = evaluate_uses_cache(request);
    if (streams &&
        !evaluate_stream(&at_precision, stream->tokens, span, blocks, progress, user, &sums, scratch, err))
        return false;
    for (int64_t first = 0, last; first < blocks && !streams; first = last) {
        Window window = window_at(request, span, first);
        for (last = first + 1; last < blocks; last++) {
            Window next = window_at(request, span, last);
            if (next.end - next.start != window.end - window.start) break;
        }
        if (!evaluate_group(&at_precision, stream->tokens, span, first, last, progress, user, &sums, scratch,
                            err))
            return false;
    }
    if (result->tokens != targets || result->windows != blocks)
        BUG("%lld of %lld targets scored in %lld of %lld windows", (long long)result->tokens,
            (long long)targets, (long long)result->windows, (long long)blocks);
    store_bins(&sums, arena);
    result->seconds = clock_now() - begin;
    return true;
}

bool evaluate_usable(const Model *model, const EvaluateRequest *request) {
    if (evaluate_uses_cache(request) && (model->position.partner || model->given_positions)) return false;
    return encoding_usable(&model->position, &model->shape, request->length);
}

size_t evaluate_bytes(const Model *model, const EvaluateRequest *request) {
    return evaluate_uses_cache(request) ? stream_bytes(model, request)
                                        : group_bytes(model, request->length, INT32_MAX);
}
