/* plan: the bytes of a point are computed by the allocating code itself, which runs with counting arenas.
 * FLOPs and times are doubles, which do not overflow.
 */
#include "experiment/plan.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "sys/memory.h"
#include "position/encoding.h"
#include "experiment/plan_memory.h"
#include "data/batches.h"
#include "train/evaluate_examples.h"

/* ---- corpora ---- */

static bool same_files(const char **a, const char **b) {
    if (!a || !b) return a == b;
    while (*a && *b && strcmp(*a, *b) == 0) a++, b++;
    return *a == *b; /* both NULL */
}

static bool same_task(const Config *a, const Config *b) {
    Arena *scratch = arena_new(0);
    bool same = a->model.vocabulary == b->model.vocabulary &&
                !strcmp(json_print(examples_json(a->data.task, scratch), scratch),
                        json_print(examples_json(b->data.task, scratch), scratch));
    arena_free(scratch);
    return same;
}

static bool same_corpus(const Config *a, const Config *b) {
    if (a->data.task || b->data.task) return a->data.task && b->data.task && same_task(a, b);
    bool same =
        a->data.tokenizer == b->data.tokenizer && a->data.valid == b->data.valid &&
        a->data.test == b->data.test && a->model.vocabulary == b->model.vocabulary &&
        !strcmp(a->data.vocabulary ? a->data.vocabulary : "", b->data.vocabulary ? b->data.vocabulary : "") &&
        !memcmp(&a->data.words, &b->data.words, sizeof a->data.words);
    for (int s = 0; same && s < SPLIT_COUNT; s++) same = same_files(a->data.files[s], b->data.files[s]);
    return same;
}

static void add_notice(Plan *plan, const char *text, Arena *arena) {
    for (int i = 0; i < plan->notice_count; i++)
        if (!strcmp(plan->notices[i], text)) return;
    *ARENA_PUSH(arena, plan->notices, plan->notice_count) = arena_copy(arena, text);
}

/* A placeholder corpus if files of the corpus are missing; NULL for any other error. */
static const Corpus *absent_corpus(Plan *plan, const Config *config, Arena *arena, const Error *err) {
    if (!config->model.vocabulary || !corpus_is_missing(&config->data)) return NULL;
    add_notice(plan, err->text, arena);
    Corpus *corpus = NEW(arena, 1, Corpus);
    corpus->vocabulary = (int)config->model.vocabulary;
    strcpy(corpus->hash, "absent");
    return corpus;
}

static bool is_absent(const Corpus *corpus) {
    return corpus->splits[SPLIT_TRAIN].count == 0 && !corpus->examples;
}

/* The corpora of the points; points with the same data share one. Sets the vocabularies that configs leave to
   their corpora. */
static const Corpus **read_corpora(Plan *plan, bool outline, Arena *arena, Error *err) {
    Config *points = plan->experiment->points;
    const Corpus **corpora = NEW(arena, plan->experiment->count, const Corpus *);
    for (int i = 0; i < plan->experiment->count; i++) {
        const Config *config = &points[i];
        int same = 0;
        while (same < i && !same_corpus(&points[same], config)) same++;
        if (same < i) corpora[i] = corpora[same];
        if (same == i)
            corpora[i] =
                corpus_read(&config->data, (int)config->model.vocabulary, config->source, arena, err);
        if (!corpora[i] && outline) corpora[i] = absent_corpus(plan, config, arena, err);
        if (!corpora[i]) return NULL;
    }
    for (int i = 0; i < plan->experiment->count; i++) {
        if (points[i].model.vocabulary) continue;
        const Config *config = config_with_vocabulary(&points[i], corpora[i]->vocabulary, arena, err);
        if (!config) return NULL;
        points[i] = *config;
    }
    return corpora;
}

static bool check_stage(const Config *config, int index, long long tokens, Error *err) {
    const TrainStage stage = train_stage(&config->train, index);
    int length = stage.length;
    if (tokens >= length + 1)
        return !train_in_order(&config->train) || batches_check_order(batches_windows(tokens, length), length,
                                                                      stage.sequences, config->source, err);
    Arena *scratch = arena_new(0);
    const char *path = train_stage_path(&config->train, &stage, scratch);
    error_set(err, EXIT_USAGE,
              "%s: '%s' %d needs at least %d training tokens, the corpus has %lld; add files to "
              "'data.files' or lower '%s'",
              config->source, path, length, length + 1, tokens, path);
    arena_free(scratch);
    return false;
}

static bool check_splits(const PlanPoint *point, Error *err) {
    const Config *config = point->config;
    const Corpus *corpus = point->corpus;
    long long train = corpus->splits[SPLIT_TRAIN].count, rest = corpus->splits[config->evaluate.split].count;
    for (int i = 0; i < point->request_count && corpus->examples; i++)
        if (!evaluate_examples_check(corpus->examples, &point->requests[i], config->source, err))
            return false;
    if (corpus->examples) return true;
    if (is_absent(corpus)) train = rest = INT64_MAX; /* skip the checks that need the sizes of the corpus */
    for (int i = 0; i < train_stage_count(&config->train); i++)
        if (!check_stage(config, i, train, err)) return false;
    for (int i = 0; i < point->request_count && rest >= 2; i++)
        if (!evaluate_check(&point->requests[i], rest, config->source, err)) return false;
    if (rest >= 2) return true;
    const char *split = corpus_split_names[config->evaluate.split];
    return error_set(
        err, EXIT_USAGE,
        "%s: 'evaluate.split' %s needs at least 2 tokens, it has %lld; raise 'data.split.%s' or name "
        "'data.%s_files'",
        config->source, split, rest, split, split);
}

/* ---- sizes ---- */

/* The number of tokens of a window. */
static int64_t request_length(const EvaluateRequest *request, const Corpus *corpus) {
    return corpus->examples ? evaluate_examples_length(corpus->examples, request) : request->length;
}

/* The number of targets and windows of a request. */
static double request_targets(const EvaluateRequest *request, const Corpus *corpus) {
    if (is_absent(corpus) || corpus->examples) return (double)request->tokens;
    EvaluateSpan span = evaluate_span(request, corpus->splits[request->split].count);
    return (double)(span.end - span.first);
}

static double request_windows(const EvaluateRequest *request, const Corpus *corpus) {
    if (corpus->examples) return (double)request->tokens;
    return ceil(request_targets(request, corpus) / (double)request->stride);
}

/* The number of tokens that pass through the model. Window k of N targets ends at min((k+1) S, N) and
   starts at (k+1) S - L, or at 0 if that is negative and no text precedes the targets. */
static double request_tokens(const EvaluateRequest *request, const Corpus *corpus) {
    if (corpus->examples) return (double)(request->tokens * request_length(request, corpus));
    if (evaluate_uses_cache(request)) return request_targets(request, corpus);
    double targets = request_targets(request, corpus), windows = request_windows(request, corpus);
    double length = (double)request->length, stride = (double)request->stride;
    double before =
        is_absent(corpus) ? 0 : (double)evaluate_span(request, corpus->splits[request->split].count).first;
    /* number of windows that start at 0 */
    double growing = before > 0 ? 0 : fmin(floor(length / stride), windows);
    return stride * growing * (growing + 1) / 2 + (windows - growing) * length - (windows * stride - targets);
}

/* The mean number of rows in a cache at `count` segments, when it is empty at the first. */
static double mean_rows(double capacity, double segment, double count) {
    double growing = fmin(ceil(capacity / segment), count);
    return (segment * growing * (growing - 1) / 2 + (count - growing) * capacity) / count;
}

/* FLOPs of a token that passes through the model; the mean where there is a cache. */
static double request_flops(const ModelOptions *compute, const EvaluateRequest *request, int64_t length,
                            double windows) {
    if (!evaluate_uses_cache(request)) return model_flops(compute, (int)length, false);
    double segment = (double)request->stride;
    double cached = mean_rows((double)length - segment, segment, windows);
    if (request->protocol == EVALUATE_TOKEN) cached += (segment - 1) / 2, segment = 1;
    return model_flops(compute, (int)segment, false) + model_cache_flops(compute, segment, cached, false);
}

/* The options that give the FLOPs of a token of training: logits are computed only at scored targets. */
static ModelOptions scored_model(const PlanPoint *point, const ModelOptions *compute, int length) {
    ModelOptions scored = *compute;
    if (point->corpus->examples) /* never with model.adaptive */
        scored.vocabulary = (int64_t)ceil((double)compute->vocabulary *
                                          examples_scored_share(point->corpus->examples, length));
    return scored;
}

/* The mean number of cached rows in the updates of a stage: the cache is empty at the first update of an
   epoch. */
static double stage_rows(const PlanPoint *point, const TrainStage *stage) {
    double capacity = (double)point->config->train.cache, updates = (double)stage->updates;
    int64_t windows = batches_windows(point->corpus->splits[SPLIT_TRAIN].count, stage->length);
    double epoch = floor((double)windows / stage->sequences);
    if (!capacity || is_absent(point->corpus) || updates <= epoch)
        return capacity ? mean_rows(capacity, stage->length, updates) : 0;
    double rest = fmod(updates, epoch), rows = (updates - rest) * mean_rows(capacity, stage->length, epoch);
    if (rest > 0) rows += rest * mean_rows(capacity, stage->length, rest);
    return rows / updates;
}

static void measure_stages(PlanPoint *point, const ModelOptions *compute, Arena *arena) {
    const TrainOptions *train = &point->config->train;
    point->stage_count = train_stage_count(train);
    point->stages = NEW(arena, point->stage_count, PlanStage);
    for (int i = 0; i < point->stage_count; i++) {
        TrainStage stage = train_stage(train, i);
        ModelOptions scored = scored_model(point, compute, stage.length);
        scored.layers = train_stage_layers(train, &stage, (int)compute->layers);
        double per_step = (double)stage.sequences * (double)stage.length;
        double cached = model_cache_flops(&scored, stage.length, stage_rows(point, &stage), true);
        double flops = (double)stage.updates * per_step * (model_flops(&scored, stage.length, true) + cached);
        point->stages[i] = (PlanStage){stage, flops};
        point->train_flops += flops;
    }
}

static void measure(PlanPoint *point, Arena *scratch) {
    const Config *config = point->config;
    measure_stages(point, &config->model, scratch);
    const ModelOptions compute = scored_model(point, &config->model, (int)config->train.length);
    ArenaMark mark = arena_mark(scratch);
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, scratch);
    point->parameters = model->parameters;
    point->position_parameters = model->position_parameters;
    point->steps = train_steps(&config->train);
    model->threads = point->threads;
    model->given_positions = examples_give_positions(config->data.task);
    point->train_bytes = train_bytes(model, &config->train, &config->optimizer);
    for (int i = 0; i < point->request_count; i++) {
        const EvaluateRequest *request = &point->requests[i];
        Error err;
        Model *changed =
            request->variant ? config_variant(config, model, request->variant, scratch, &err) : model;
        if (!changed) BUG("%s", err.text);
        const Corpus *corpus = point->corpus;
        int64_t length = request_length(request, corpus);
        /* lengths beyond the limit of the method are not computed */
        if (!corpus->examples && !evaluate_usable(changed, request)) continue;
        if (corpus->examples && !encoding_usable(&changed->position, &changed->shape, length)) continue;
        changed->precision = request->precision;
        size_t bytes = (corpus->examples ? evaluate_examples_bytes(changed, corpus->examples, request)
                                         : evaluate_bytes(changed, request)) +
                       model->size * sizeof(float);
        if (bytes > point->evaluate_bytes) point->evaluate_bytes = bytes;
        point->evaluate_flops += request_tokens(request, corpus) *
                                 request_flops(&compute, request, length, request_windows(request, corpus));
    }
    arena_release(scratch, mark);
}

/* Bytes of a worker outside of its arenas' peak: tokens, the order of an epoch and the log of all steps. */
static double kept_bytes(const PlanPoint *point) {
    double windows = 0;
    for (int i = 0; i < point->stage_count; i++)
        windows = fmax(windows, (double)point->corpus->splits[SPLIT_TRAIN].count /
                                    (double)point->stages[i].train.length);
    double bytes = (double)point->steps * sizeof(TrainLog) + windows * sizeof(int64_t);
    for (int s = 0; s < SPLIT_COUNT; s++) bytes += (double)point->corpus->splits[s].count * sizeof(uint32_t);
    bytes += (double)point->corpus->vocabulary_bytes;
    const ExamplesOptions *task = point->config->data.task;
    return bytes + (task ? examples_bytes(task) + (double)task->examples * sizeof(int64_t) : 0);
}

/* Bytes of the program, its libraries and the packing buffers of the BLAS, and of each further thread.
   Measured as a worker's peak resident memory minus the bytes computed here, for training lengths 1,024 to
   16,384 and up to 8 threads, without and with oneDNN. */
static const double process_bytes = (POSLAB_ONEDNN ? 15 : 11.5) * 1048576.0, thread_bytes = 0.4 * 1048576.0;

double plan_resident(const PlanPoint *point) {
    return fmax((double)point->train_bytes, (double)point->evaluate_bytes) + kept_bytes(point) +
           process_bytes + (point->threads - 1) * thread_bytes;
}

/* The path of the longest length of training. */
static const char *longest_path(const PlanPoint *point, Arena *arena) {
    int longest = point->stage_count - 1;
    for (int i = 0; i < point->stage_count; i++)
        if (point->stages[i].train.length > point->stages[longest].train.length) longest = i;
    return train_stage_path(&point->config->train, &point->stages[longest].train, arena);
}

/* Refuses a point that needs more memory than the machine has. */
static bool check_memory(const PlanPoint *point, Arena *arena, Error *err) {
    const Corpus *corpus = point->corpus;
    double machine = memory_usable(point->threads);
    double train = kept_bytes(point) + (double)point->train_bytes;
    double evaluate = kept_bytes(point) + (double)point->evaluate_bytes;
    for (int i = 0; i < point->request_count; i++)
        evaluate += request_windows(&point->requests[i], corpus) * sizeof(EvaluateWindow);
    if (machine <= 0)
        return error_set(
            err, EXIT_SYSTEM,
            "%s: the limit on memory (ulimit -v, ulimit -d) leaves nothing for %d thread%s: lower "
            "--threads, or raise it to more than %s",
            point->config->source, point->threads, point->threads == 1 ? "" : "s",
            text_bytes(memory_limit() - machine, arena));
    if (train <= machine && evaluate <= machine) return true;
    bool training = train > machine;
    return error_set(err, EXIT_USAGE, "%s: %s needs %s to %s, the machine has %s; lower %s%s",
                     point->config->source, plan_label(point, arena),
                     text_bytes(training ? train : evaluate, arena), training ? "train" : "evaluate",
                     text_bytes(machine, arena),
                     training ? arena_format(arena, "'model.max_tokens_in_flight', '%s' or the model",
                                             longest_path(point, arena))
                              : "the largest of 'evaluate.lengths', raise a stride, or shrink the model",
                     point->threads > 1 ? ", or lower --threads" : "");
}

/* ---- points ---- */

static void merge_requests(PlanPoint *point, const PlanPoint *other, Arena *arena) {
    int most = point->request_count + other->request_count;
    point->requests = arena_grow(arena, point->requests, (size_t)point->request_count, (size_t)most,
                                 sizeof(EvaluateRequest));
    *ARENA_PUSH(arena, point->sections, point->section_count) = &other->config->evaluate;
    for (int i = 0; i < other->request_count; i++) {
        int known = 0;
        while (known < point->request_count &&
               !evaluate_same_request(&point->requests[known], &other->requests[i]))
            known++;
        if (known == point->request_count) point->requests[point->request_count++] = other->requests[i];
    }
}

static int find_point(const Plan *plan, const char *key) {
    int i = 0;
    while (i < plan->count && strcmp(plan->points[i].key, key) != 0) i++;
    return i;
}

/* Adds the points of the experiment, those with equal keys as one. */
static bool add_points(Plan *plan, const Corpus *const *corpora, int threads, Arena *arena, Error *err) {
    for (int i = 0; i < plan->experiment->count; i++) {
        const Config *config = &plan->experiment->points[i];
        PlanPoint point = {.config = config, .corpus = corpora[i], .threads = threads};
        point.requests = evaluation_config_requests(&config->evaluate, &point.request_count, arena);
        *ARENA_PUSH(arena, point.sections, point.section_count) = &config->evaluate;
        if (!check_splits(&point, err)) return false;
        point_key(point.key, config, point.corpus->hash, arena);
        int known = find_point(plan, point.key);
        if (known < plan->count)
            merge_requests(&plan->points[known], &point, arena);
        else
            plan->points[plan->count++] = point;
    }
    for (int i = 0; i < plan->count; i++) {
        const char *from = plan->points[i].config->train.from;
        int parent = from ? find_point(plan, from) : plan->count;
        plan->points[i].parent = parent < plan->count ? parent : -1;
    }
    return true;
}

const int *plan_order(const Plan *plan, Arena *arena) {
    int *order = NEW(arena, plan->count + 1, int), count = 0;
    bool *placed = NEW(arena, plan->count + 1, bool);
    while (count < plan->count)
        for (int i = 0; i < plan->count; i++) {
            int parent = plan->points[i].parent;
            if (placed[i] || (parent >= 0 && !placed[parent])) continue;
            order[count++] = i;
            placed[i] = true;
        }
    return order;
}

static Plan *make(const Experiment *experiment, int threads, bool outline, bool elsewhere, Arena *arena,
                  Error *err) {
    Plan *plan = NEW(arena, 1, Plan);
    Experiment *resolved = NEW(arena, 1, Experiment);
    *resolved = *experiment;
    resolved->points = NEW(arena, experiment->count, Config);
    memcpy(resolved->points, experiment->points, (size_t)experiment->count * sizeof *resolved->points);
    plan->experiment = resolved;
    plan->points = NEW(arena, experiment->count, PlanPoint);
    const Corpus **corpora = read_corpora(plan, outline, arena, err);
    if (!corpora || !point_set_parents(resolved, corpora, arena, err) ||
        !add_points(plan, corpora, threads, arena, err))
        return NULL;
    for (int i = 0; i < plan->count; i++) {
        measure(&plan->points[i], arena);
        if (check_memory(&plan->points[i], arena, err)) continue;
        if (!outline && !elsewhere) return NULL;
        add_notice(plan, err->text, arena);
    }
    return plan;
}

const double *plan_sizes(const Plan *plan, Arena *arena) {
    double *sizes = NEW(arena, plan->count + 1, double);
    for (int i = 0; i < plan->count; i++) sizes[i] = plan_resident(&plan->points[i]);
    return sizes;
}

Plan *plan_make(const Experiment *experiment, int threads, Arena *arena, Error *err) {
    return make(experiment, threads, false, false, arena, err);
}

Plan *plan_make_remote(const Experiment *experiment, int threads, Arena *arena, Error *err) {
    return make(experiment, threads, false, true, arena, err);
}

Plan *plan_make_outline(const Experiment *experiment, int threads, int jobs, Arena *arena, Error *err) {
    Plan *plan = make(experiment, threads, true, false, arena, err);
    if (plan && !plan_memory_check(plan_sizes(plan, arena), plan->count, jobs, arena, err))
        add_notice(plan, err->text, arena);
    return plan;
}

const char *plan_label(const PlanPoint *point, Arena *arena) {
    return point_label(point->config, arena);
}
