/* cached_pass: reads and writes the rows of a cache (model/cache.h) in a pass of the model. */
#include <string.h>

#include "model/internal.h"

/* The number of cached rows of a sequence, beginning with row `from`, that are processed at once. */
static int cached_rows(const Activations *pass, int from) {
    return pass->cached - from < pass->chunk ? pass->cached - from : pass->chunk;
}

void cached_pass_read(const Model *model, Activations *pass, int l, int sequences) {
    const LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    const ModelLayerIndex *at = &model->index->layers[l];
    const float *w = model->values;
    int width = model->shape.width;
    for (int b = 0; b < sequences; b++) {
        const float *rows = cache_rows(pass->cache, l, pass->origin.first_sequence + b);
        float *normed = layer->normed1 + (size_t)b * pass->keys * width;
        float *qkv = layer->qkv + (size_t)b * pass->keys * 3 * width;
        memcpy(normed, rows, (size_t)pass->cached * width * sizeof *rows);
        for (int t = 0; t < pass->cached; t += pass->chunk)
            linear_forward(pass->linear, qkv + (size_t)t * 3 * width, normed + (size_t)t * width,
                           w + at->qkv_w, w + at->qkv_b, cached_rows(pass, t), 3 * width, width);
    }
}

void cached_pass_write(const Model *model, Activations *pass, int l, int sequences) {
    const LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    size_t width = (size_t)model->shape.width, kept = (size_t)cache_count_after(pass->cache, pass->length);
    for (int b = 0; b < sequences; b++)
        memcpy(cache_rows(pass->cache, l, pass->origin.first_sequence + b),
               layer->normed1 + ((size_t)(b + 1) * (size_t)pass->keys - kept) * width,
               kept * width * sizeof(float));
}

void cached_pass_backward(const Model *model, Activations *pass, int l, int sequences, float *g) {
    const LayerActivations *layer = &pass->layers[l];
    const ModelLayerIndex *at = &model->index->layers[l];
    int width = model->shape.width;
    for (int b = 0; b < sequences; b++) {
        const float *normed = layer->normed1 + (size_t)b * pass->keys * width;
        const float *dqkv = pass->dqkv + (size_t)b * pass->keys * 3 * width;
        for (int t = 0; t < pass->cached; t += pass->chunk)
            linear_backward(pass->linear, NULL, g + at->qkv_w, g + at->qkv_b, dqkv + (size_t)t * 3 * width,
                            normed + (size_t)t * width, model->values + at->qkv_w, cached_rows(pass, t),
                            3 * width, width);
    }
}

void cached_pass_embed(const Model *model, const Activations *pass, float *x) {
    const PositionMethod *method = model->acting->method;
    if (!pass->cached) {
        method->embed(&pass->context, x);
        return;
    }
    size_t skipped = (size_t)pass->cached * (size_t)model->shape.width;
    size_t bytes = (size_t)pass->length * (size_t)model->shape.width * sizeof *x;
    memset(pass->embedded, 0, skipped * sizeof *x);
    memcpy(pass->embedded + skipped, x, bytes);
    method->embed(&pass->context, pass->embedded);
    memcpy(x, pass->embedded + skipped, bytes);
}

void cached_pass_embed_backward(const Model *model, const Activations *pass, const float *dx) {
    const PositionMethod *method = model->acting->method;
    if (!method->embed_backward) return;
    if (!pass->cached) {
        method->embed_backward(&pass->context, dx);
        return;
    }
    size_t skipped = (size_t)pass->cached * (size_t)model->shape.width;
    memset(pass->embedded, 0, skipped * sizeof *dx);
    memcpy(pass->embedded + skipped, dx, (size_t)pass->length * (size_t)model->shape.width * sizeof *dx);
    method->embed_backward(&pass->context, pass->embedded);
}
