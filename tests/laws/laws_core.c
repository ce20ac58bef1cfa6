/* laws_core: laws on the optimizer's updates and on the accounting of evaluation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/evaluate.h"
#include "laws.h"
#include "naive.h"
#include "train/optimizer.h"
#include "position/encoding.h"

/* ---- optimizer ---- */

/* The state of one number in double, and its update by the formulas of the header. `moved` is the sum of the
   sizes of all terms, to which float32 rounding errors are relative. */
typedef struct Number {
    double w, m, v, u, moved;
} Number;

static void update(Number *n, const OptimizerOptions *o, double g, double rate, double last, int64_t t,
                   double decay) {
    if (o->name == OPTIMIZER_ADAMW) {
        n->m = o->beta1 * n->m + (1 - o->beta1) * g;
        n->v = o->beta2 * n->v + (1 - o->beta2) * g * g;
        double m = n->m / (1 - pow(o->beta1, (double)t)), v = n->v / (1 - pow(o->beta2, (double)t));
        n->moved += rate;
        n->w -= rate * (m / (sqrt(v) + o->eps) + decay * n->w);
    } else {
        double change = last > 0 ? rate / last : 1;
        n->moved += fabs(o->momentum * change * n->u) + (1 + o->momentum) * rate * fabs(g);
        n->w = n->w * (1 - rate * decay) + o->momentum * o->momentum * change * n->u -
               (1 + o->momentum) * rate * g;
        n->u = o->momentum * change * n->u - rate * g;
    }
}

/* Only matrices of linear layers decay: no biases, norms, embeddings and position parameters. */
static bool decays(const char *name) {
    return strncmp(name, "layers.", 7) == 0 && !strstr(name, "norm") &&
           strcmp(strrchr(name, '.'), ".weight") == 0;
}

/* After an update a method may project its tensors onto their allowed values. */
static void project(const LawCase *c, const ModelParam *param, Number *numbers, Arena *arena) {
    PositionShape shape = law_shape(c);
    const Encoding *acting = encoding_acting(&c->position);
    const PositionMethod *method = acting->method;
    if (param->init != MODEL_INIT_METHOD || !method->project) return;
    float *value = NEW(arena, param->size, float);
    for (size_t i = 0; i < param->size; i++) value[i] = (float)numbers[param->offset + i].w;
    method->project(&shape, acting->options, param->index, value);
    for (size_t i = 0; i < param->size; i++) {
        Number *number = &numbers[param->offset + i];
        if (value[i] != (float)number->w) number->w = value[i];
    }
}

enum { UPDATES = 3 };

/* The gradients of each update, the same for all optimizers. */
static void draw_gradients(const LawCase *c, float *drawn[UPDATES], Arena *arena) {
    const Model *model = law_model(c, arena);
    for (int t = 0; t < UPDATES; t++) {
        Random rng = random_stream(c->seed + (uint64_t)t + 1, "gradients", "");
        drawn[t] = NEW(arena, model->size, float);
        for (int p = 0; p < model->param_count; p++)
            for (size_t i = 0; i < model->params[p].size; i++)
                drawn[t][model->params[p].offset + i] =
                    (float)(random_normal(&rng) * exp(2 * random_normal(&rng)));
    }
}

static bool optimizer_holds(const LawCase *c, const OptimizerOptions *options, float *const drawn[UPDATES],
                            Arena *arena, Error *err) {
    Model *model = law_model(c, arena);
    Optimizer *optimizer = optimizer_new(options, model, arena);
    Number *numbers = NEW(arena, model->size, Number);
    float *gradients = NEW(arena, model->size, float), *given = NEW(arena, model->size, float);
    double last = 0;
    for (size_t i = 0; i < model->size; i++)
        numbers[i] = (Number){.w = model->values[i], .moved = fabs((double)model->values[i])};
    for (int t = 1; t <= UPDATES; t++) {
        double rate = 0.3 / t, squares = 0;
        memcpy(gradients, drawn[t - 1], model->size * sizeof *gradients);
        memcpy(given, gradients, model->size * sizeof *given);
        for (size_t i = 0; i < model->size; i++) squares += (double)given[i] * given[i];
        double norm = optimizer_step(optimizer, model, gradients, rate);
        if (!(fabs(norm - sqrt(squares)) <= 1e-6 * norm))
            return BROKEN(err, "the norm is %.9g, not %.9g", norm, sqrt(squares));
        double scale = options->clip > 0 && norm > options->clip ? options->clip / norm : 1;
        for (int p = 0; p < model->param_count; p++) {
            const ModelParam *param = &model->params[p];
            for (size_t i = param->offset; i < param->offset + param->size; i++) {
                double decay = decays(param->name) ? options->decay : 0;
                update(&numbers[i], options, scale * given[i], rate, last, t, decay);
            }
            project(c, param, numbers, arena);
            for (size_t i = param->offset; i < param->offset + param->size; i++)
                /* a dozen roundings of 6e-8 */
                if (!(fabs(model->values[i] - numbers[i].w) <= 8e-7 * numbers[i].moved))
                    return BROKEN(err, "update %d: %s[%zu] is %.9g, not %.9g", t, param->name,
                                  i - param->offset, (double)model->values[i], numbers[i].w);
        }
        last = rate;
    }
    gradients[model->params[0].offset] = NAN;
    memcpy(given, model->values, model->size * sizeof *given);
    if (isfinite(optimizer_step(optimizer, model, gradients, 0.1)) ||
        memcmp(given, model->values, model->size * sizeof *given) != 0 || optimizer->step != UPDATES)
        return BROKEN(err, "a gradient that is not finite changes the weights, or goes unnoticed");
    return true;
}

bool law_optimizer(const LawCase *c, Arena *arena, Error *err) {
    float *drawn[UPDATES];
    draw_gradients(c, drawn, arena);
    for (int name = OPTIMIZER_ADAMW; name <= OPTIMIZER_NAG; name++)
        for (int clip = 0; clip < 3; clip++) {
            OptimizerOptions options = {.name = name,
                                        .lr = 1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.98,
                                        .eps = 1e-3,
                                        .decay = 0.3,
                                        .momentum = 0.95,
                                        .clip = (double[]){0, 0.5, 1e9}[clip]};
            if (!optimizer_holds(c, &options, drawn, arena, err)) return false;
        }
    return true;
}

/* ---- accounting ---- */

/* The naive losses of one block: their inputs, and [end - start] losses. */
typedef struct Block {
    int64_t start, end, number;
    const double *nll;
} Block;

typedef struct Stretch { /* a stream and the expected losses */
    const LawCase *c;
    const Model *model;
    const double *values;
    Corpus corpus;
    Arena *arena, *kept; /* kept: owns the blocks, whose losses several requests need */
    Block blocks[256];
    int block_count;
} Stretch;

static bool near(double got, double expected, int64_t tokens) {
    return fabs(got - expected) <= NLL_TOLERANCE * ((double)tokens + expected);
}

static bool bins_add_up(const EvaluateResult *e, const double *at, const int64_t *counts, Error *err) {
    int64_t from = 0;
    for (int b = 0; b < e->bins; b++) {
        const EvaluateBin *bin = &e->bin[b];
        double nll = 0;
        int64_t tokens = 0;
        for (int64_t k = from; k < bin->first; k++)
            if (counts[k]) return BROKEN(err, "no bin holds position %lld", (long long)k);
        for (int64_t k = bin->first; k <= bin->last; k++) nll += at[k], tokens += counts[k];
        if (bin->last < bin->first || tokens != bin->tokens || !near(bin->nll, nll, tokens))
            return BROKEN(err, "bin %lld to %lld holds %g nats of %lld targets, not %g of %lld",
                          (long long)bin->first, (long long)bin->last, bin->nll, (long long)bin->tokens, nll,
                          (long long)tokens);
        int64_t octave = bin->first < 8 ? 1 : (int64_t)exp2(floor(log2((double)bin->first))) / 4;
        if (bin->last > bin->first + octave - 1 || bin->first % octave)
            return BROKEN(err, "bin %lld to %lld is not one of four in an octave", (long long)bin->first,
                          (long long)bin->last);
        from = bin->last + 1;
    }
    for (int64_t k = from; k < e->request.length; k++)
        if (counts[k]) return BROKEN(err, "no bin holds position %lld", (long long)k);
    return true;
}

static const double *block_nll(Stretch *s, const CorpusStream *stream, int64_t start, int64_t end,
                               int64_t number) {
    for (int i = 0; i < s->block_count; i++)
        if (s->blocks[i].start == start && s->blocks[i].end == end && s->blocks[i].number == number)
            return s->blocks[i].nll;
    double *nll = NEW(s->kept, end - start, double);
    const uint32_t *tokens = stream->tokens + start;
    EncodingDraw place = {.seed = s->model->seed, .sequence = number};
    naive_run(s->model, s->values, NAIVE_HOOKS, place, &tokens, 1, (int)(end - start), nll, 0, NULL);
    if (s->block_count == COUNT_OF(s->blocks)) BUG("more blocks than are kept");
    s->blocks[s->block_count++] = (Block){start, end, number, nll};
    return nll;
}

/* Evaluates every block alone with the naive model, as train/evaluate.h defines it. */
static bool counts_right(Stretch *s, const EvaluateRequest *request, Arena *arena, Error *err) {
    const CorpusStream *stream = &s->corpus.splits[request->split];
    int64_t targets = stream->count - 1, L = request->length, S = request->stride, block = 0;
    double *at = NEW(arena, L, double), total = 0;
    int64_t *counts = NEW(arena, L, int64_t);
    EvaluateResult result;
    if (request->tokens && request->tokens < targets) targets = request->tokens;
    if (!evaluate_run(s->model, &s->corpus, request, NULL, NULL, &result, arena, s->arena, err)) return false;
    if (!encoding_usable(&s->model->position, &s->model->shape, L))
        return result.beyond_limit ||
               BROKEN(err, "length %lld is beyond the limit and evaluated", (long long)L);
    for (; block * S < targets; block++) {
        int64_t end = (block + 1) * S, start = end > L ? end - L : 0;
        double sum = 0;
        if (end > targets) end = targets;
        const double *nll = block_nll(s, stream, start, end, block);
        for (int64_t k = block * S; k < end; k++)
            sum += nll[k - start], at[k - start] += nll[k - start], counts[k - start]++;
        if (block >= result.windows || result.window[block].tokens != end - block * S ||
            !near(result.window[block].nll, sum, end - block * S))
            return BROKEN(err, "L %lld, S %lld: window %lld is missing or is not %g nats", (long long)L,
                          (long long)S, (long long)block, sum);
        total += sum;
    }
    if (result.windows != block || result.tokens != targets || result.beyond_limit)
        return BROKEN(err, "L %lld, S %lld: %lld windows with %lld targets, not %lld with %lld", (long long)L,
                      (long long)S, (long long)result.windows, (long long)result.tokens, (long long)block,
                      (long long)targets);
    if (!near(result.nll, total, targets))
        return BROKEN(err, "L %lld, S %lld: %.9g nats, not %.9g", (long long)L, (long long)S, result.nll,
                      total);
    return bins_add_up(&result, at, counts, err);
}

static int short_limit(const PositionShape *shape, const void *options) {
    (void)shape, (void)options;
    return 10;
}

static bool stop_at_once(void *user, double share) {
    *(double *)user = share;
    return false;
}

static bool refuses_right(const Stretch *s, Arena *arena, Error *err) {
    EvaluateRequest request = {.split = SPLIT_VALID, .length = 11, .stride = 11};
    PositionMethod limited = *s->c->position.method;
    LawCase c = *s->c;
    EvaluateResult result;
    Error failure = {0};
    double share = 0;
    limited.limit = short_limit, c.position.method = &limited;
    const Model *model = law_model(&c, arena);
    if (!evaluate_run(model, &s->corpus, &request, NULL, NULL, &result, arena, s->arena, err)) return false;
    if (!result.beyond_limit || result.tokens) return BROKEN(err, "a length beyond the limit is evaluated");
    request.length = request.stride = 10;
    if (!evaluate_run(model, &s->corpus, &request, NULL, NULL, &result, arena, s->arena, err)) return false;
    if (result.beyond_limit || !result.tokens) return BROKEN(err, "the limit itself is not evaluated");
    request.length = request.stride = 4; /* the real method can also be used at this length */
    if (evaluate_run(s->model, &s->corpus, &request, stop_at_once, &share, &result, arena, s->arena,
                     &failure) ||
        failure.code != EXIT_STOPPED || !(share > 0 && share < 1))
        return BROKEN(err, "progress cannot stop an evaluation, or gets a share of %g", share);
    Corpus shortest = {.splits[SPLIT_VALID] = {.tokens = s->corpus.splits[SPLIT_VALID].tokens, .count = 2}};
    request.length = request.stride = 1;
    if (!evaluate_run(s->model, &shortest, &request, NULL, NULL, &result, arena, s->arena, err)) return false;
    if (result.tokens != 1 || result.windows != 1) return BROKEN(err, "two tokens are not one target");
    request.split = SPLIT_TEST; /* one token */
    if (evaluate_run(s->model, &s->corpus, &request, NULL, NULL, &result, arena, s->arena, &failure) ||
        failure.code != EXIT_USAGE)
        return BROKEN(err, "a split of one token is evaluated");
    return true;
}

bool law_accounting(const LawCase *c, Arena *arena, Error *err) {
    enum { TOKENS = 61 };
    static const int64_t lengths[][2] = {{1, 1},   {7, 7},   {7, 3},     {20, 20}, {20, 1},
                                         {60, 60}, {60, 59}, {100, 100}, {100, 9}, {59, 2}};
    LawCase small = *c; /* several windows per pass, and an incomplete last group */
    small.model.max_tokens_in_flight = 16;
    Stretch s = {.c = &small, .model = law_model(&small, arena), .arena = arena_new(0), .kept = arena_new(0)};
    s.values = naive_values(s.model, s.kept);
    uint32_t *tokens =
        malloc(TOKENS * sizeof *tokens); /* not from the arena, so that a sanitizer knows its end */
    if (!tokens) error_fatal("no memory");
    memcpy(tokens, law_tokens(c, 1, TOKENS - 1, arena)[0], TOKENS * sizeof *tokens);
    s.corpus.splits[SPLIT_VALID] = (CorpusStream){.tokens = tokens, .count = TOKENS};
    s.corpus.splits[SPLIT_TEST] = (CorpusStream){.tokens = tokens, .count = 1};
    s.corpus.vocabulary = (int)c->model.vocabulary;
    bool holds = true;
    for (int i = 0; i < COUNT_OF(lengths) && holds; i++)
        for (int64_t limit = 0; limit <= 60 && holds; limit += 30) {
            EvaluateRequest request = {.split = SPLIT_VALID,
                                       .tokens = limit,
                                       .protocol = EVALUATE_STRIDED,
                                       .length = lengths[i][0],
                                       .stride = lengths[i][1]};
            int64_t targets = limit ? limit : TOKENS - 1;
            if (targets / request.stride * request.stride < request.length) { /* no window has this length */
                Error refusal;
                if (evaluate_check(&request, TOKENS, "law", &refusal) || refusal.code != EXIT_USAGE)
                    holds = BROKEN(err, "length %lld with stride %lld is accepted on %lld targets",
                                   (long long)request.length, (long long)request.stride, (long long)targets);
                continue;
            }
            ArenaMark mark = arena_mark(arena);
            size_t used = arena_used(s.arena);
            holds = counts_right(&s, &request, arena, err);
            if (holds && arena_used(s.arena) != used) holds = BROKEN(err, "evaluation keeps scratch memory");
            if (holds && request.stride == request.length) { /* the same windows, so the same bits */
                EvaluateResult strided, plain;
                holds = evaluate_run(s.model, &s.corpus, &request, NULL, NULL, &strided, arena, s.arena, err);
                request.protocol = EVALUATE_NONOVERLAPPING;
                holds = holds &&
                        evaluate_run(s.model, &s.corpus, &request, NULL, NULL, &plain, arena, s.arena, err);
                if (holds && (strided.nll != plain.nll || strided.windows != plain.windows))
                    holds = BROKEN(err, "strided with S = L = %lld is not nonoverlapping",
                                   (long long)request.length);
            }
            arena_release(arena, mark);
        }
    holds = holds && refuses_right(&s, arena, err);
    arena_free(s.arena);
    arena_free(s.kept);
    free(tokens);
    return holds;
}
