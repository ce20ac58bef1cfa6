/* laws_cache: laws on passes over segments that attend to cached rows of earlier segments. */
#include <math.h>
#include <string.h>

#include "laws.h"
#include "position/encoding.h"
#include "model/activations.h"
#include "model/transformer.h"

/* The losses of all segments of tokens[B,length + 1], each of which sees the rows that the cache holds. The
   segments have different lengths. */
static float *in_segments(const Model *model, const uint32_t *const *tokens, int sequences, int length,
                          int capacity, Arena *arena) {
    static const int sizes[] = {5, 1, 33, 8};
    float *nll = NEW(arena, sequences * length, float), *part = NEW(arena, sequences * length, float);
    const uint32_t **from = NEW(arena, sequences, const uint32_t *);
    Cache cache = cache_new(model, sequences, capacity, arena);
    for (int first = 0, n = 0, size; first < length; first += size, n++) {
        size = sizes[n % COUNT_OF(sizes)] < length - first ? sizes[n % COUNT_OF(sizes)] : length - first;
        Activations *pass = activations_new_cached(model, &cache, sequences, size, false, arena);
        for (int b = 0; b < sequences; b++) from[b] = tokens[b] + first;
        transformer_evaluate(model, pass, from, sequences, part);
        cache_advance(&cache, size);
        for (int b = 0; b < sequences; b++)
            memcpy(nll + b * length + first, part + b * size, (size_t)size * sizeof *nll);
    }
    return nll;
}

static double *whole_pass(const Model *model, const uint32_t *const *tokens, int sequences, int length,
                          Arena *arena) {
    float *nll = NEW(arena, sequences * length, float);
    transformer_evaluate(model, activations_new(model, sequences, length, false, arena), tokens, sequences,
                         nll);
    return law_widened(nll, (size_t)sequences * (size_t)length, arena);
}

/* A cache that forgets nothing makes segments equal one pass, if the method is prefix stable: positions are
   those of the stream. */
static bool forgets_nothing(const LawCase *c, Arena *arena, Error *err) {
    int length = 2 * c->train_length + 3, B = c->batch;
    const Model *model = law_model(c, arena);
    if (!encoding_usable(&model->position, &model->shape, length)) return true;
    const uint32_t **tokens = law_tokens(c, B, length, arena);
    const float *nll = in_segments(model, tokens, B, length, length, arena);
    return law_nll_agree(nll, whole_pass(model, tokens, B, length, arena), B, length, err);
}

/* A full cache of `cached` rows after the last of these segments, and that segment's training pass. */
typedef struct Slide {
    const Model *model;
    int cached, length;     /* of the cache; of a segment */
    const uint32_t *tokens; /* [3 cached + length + 1] */
    float *nll, *gradients;
} Slide;

static void slide(Slide *s, Arena *arena) {
    int steps = 3;
    Cache cache = cache_new(s->model, 1, s->cached, arena);
    float *nll = NEW(arena, s->cached, float);
    for (int i = 0; i < steps; i++) { /* the first segments leave the cache */
        const uint32_t *from = s->tokens + i * s->cached;
        Activations *pass = activations_new_cached(s->model, &cache, 1, s->cached, false, arena);
        transformer_evaluate(s->model, pass, &from, 1, nll);
        cache_advance(&cache, s->cached);
    }
    const uint32_t *last = s->tokens + steps * s->cached;
    s->nll = NEW(arena, s->length, float);
    s->gradients = NEW(arena, s->model->size, float);
    transformer_train(s->model, activations_new_cached(s->model, &cache, 1, s->length, true, arena), &last, 1,
                      (ActivationsOrigin){0}, 1, s->nll, s->gradients);
}

/* The same targets in one pass over the tokens that they see. */
static void recompute(const Slide *s, float *nll, float *gradients, Arena *arena) {
    int all = s->cached + s->length;
    const uint32_t *from = s->tokens + 2 * s->cached;
    uint32_t *targets = NEW(arena, all, uint32_t);
    const uint32_t *rows = targets;
    float *every = NEW(arena, all, float);
    for (int t = 0; t < all; t++) targets[t] = t < s->cached ? TRANSFORMER_IGNORED : from[t + 1];
    Activations *pass = activations_new(s->model, 1, all, true, arena);
    transformer_set_rows(pass, (TransformerRows){.targets = &rows});
    transformer_train(s->model, pass, &from, 1, (ActivationsOrigin){0}, 1, every, gradients);
    memcpy(nll, every + s->cached, (size_t)s->length * sizeof *nll);
}

/* Whether a tensor acts before the projections to q, k and v: no gradient reaches it through cached rows. */
static bool upstream(const ModelParam *param) {
    return strstr(param->name, "embed") || strstr(param->name, ".norm1.");
}

/* In a model of one layer, what is cached has seen nothing: a cache that slides gives the losses of one pass
   over the window, and the gradients of all tensors after LN1. It does so if and only if the rows carry no
   position, that is, the method has no hook `embed`. */
static bool slides(const LawCase *c, Arena *arena, Error *err) {
    LawCase one = *c;
    one.model.layers = 1;
    int half = c->train_length / 2 + 1;
    Slide s = {.model = law_model(&one, arena), .cached = half, .length = half + 2};
    int all = s.cached + s.length;
    if (!encoding_usable(&s.model->position, &s.model->shape, all)) return true;
    s.tokens = law_tokens(&one, 1, 3 * s.cached + s.length, arena)[0];
    slide(&s, arena);
    float *nll = NEW(arena, s.length, float), *gradients = NEW(arena, s.model->size, float);
    recompute(&s, nll, gradients, arena);
    Error ignored;
    if (s.model->acting->method->embed)
        return !law_nll_agree(s.nll, law_widened(nll, (size_t)s.length, arena), 1, s.length, &ignored) ||
               BROKEN(err, "cached rows carry no position, though the method has the hook embed");
    if (!law_nll_agree(s.nll, law_widened(nll, (size_t)s.length, arena), 1, s.length, err)) return false;
    bool differs = false; /* with bands, the cached tokens need not be of all of them */
    for (int p = 0; p < s.model->param_count;
         p++) { /* those upstream differ: they are compared with themselves */
        const ModelParam *param = &s.model->params[p];
        if (!upstream(param)) continue;
        if (strstr(param->name, "embed"))
            differs |= memcmp(gradients + param->offset, s.gradients + param->offset,
                              param->size * sizeof(float)) != 0;
        memcpy(gradients + param->offset, s.gradients + param->offset, param->size * sizeof(float));
    }
    if (!differs) return BROKEN(err, "embeddings have a gradient through cached rows");
    return law_gradients_agree(s.model, s.gradients, law_widened(gradients, s.model->size, arena), err);
}

bool law_cache(const LawCase *c, Arena *arena, Error *err) {
    if (c->position.method->positions) return true; /* refused with a cache */
    bool stable = c->position.method->claims & POS_PREFIX_STABLE;
    return (!stable || forgets_nothing(c, arena, err)) && slides(c, arena, err);
}
