/* adaptive_pass: adaptive input and softmax (model/adaptive_softmax.h) in a pass of the model.
 *
 * Rows are processed band by band: the rows whose token is in a band are gathered, up to logits_rows at a
 * time. The logits of a band are computed in parts of pass->columns columns. The backward pass computes them
 * again if there are several parts. Other arrays use buffers of the layers that are free at that time.
 */
#include <math.h>
#include <string.h>

#include "math/nn_ops.h"
#include "model/internal.h"

/* Rows of the pass, and a token of each row: its input or its target. */
typedef struct Rows {
    size_t picked[ACTIVATIONS_CHUNK_ROWS];
    uint32_t tokens[ACTIVATIONS_CHUNK_ROWS];
    int count;
} Rows;

/* ---- input ---- */

/* Finds rows of n, beginning with row *next, whose input is in the band. Returns false if there are none. */
static bool pick_inputs(Rows *rows, const Activations *pass, const uint32_t *const *tokens, size_t n,
                        const AdaptiveBand *band, size_t *next) {
    size_t length = (size_t)pass->length;
    for (rows->count = 0; *next < n && rows->count < pass->logits_rows; ++*next) {
        int64_t token = tokens[*next / length][*next % length];
        if (token < band->first || token >= band->first + band->size) continue;
        rows->picked[rows->count] = *next;
        rows->tokens[rows->count++] = (uint32_t)token;
    }
    return rows->count > 0;
}

/* Sets pass->gathered[rows,d] to the band's embeddings of the tokens. */
static void gather_embeddings(const Model *model, Activations *pass, const ModelBandIndex *at,
                              const Rows *rows) {
    size_t d = (size_t)at->band.width;
    for (int r = 0; r < rows->count; r++)
        memcpy(pass->gathered + (size_t)r * d,
               model->values + at->embedding + (size_t)(rows->tokens[r] - at->band.first) * d,
               d * sizeof *pass->gathered);
}

void adaptive_pass_embed(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                         float *x) {
    size_t n = (size_t)sequences * (size_t)pass->length, width = (size_t)model->shape.width;
    float root = sqrtf((float)width);
    for (int b = 0; b < model->options.adaptive.bands; b++) {
        const ModelBandIndex *at = &model->index->bands[b];
        Rows rows;
        for (size_t next = 0; pick_inputs(&rows, pass, tokens, n, &at->band, &next);) {
            gather_embeddings(model, pass, at, &rows);
            linear_forward(pass->linear, pass->out, pass->gathered, model->values + at->projection, NULL,
                           rows.count, (int)width, at->band.width);
            for (int r = 0; r < rows.count; r++)
                for (size_t c = 0; c < width; c++)
                    x[rows.picked[r] * width + c] = root * pass->out[(size_t)r * width + c];
        }
    }
}

void adaptive_pass_embed_backward(const Model *model, Activations *pass, const uint32_t *const *tokens,
                                  int sequences, const float *dx, float *g) {
    size_t n = (size_t)sequences * (size_t)pass->length, width = (size_t)model->shape.width;
    float root = sqrtf((float)width), *projected = pass->normed, *embeddings = pass->out;
    for (int b = 0; b < model->options.adaptive.bands; b++) {
        const ModelBandIndex *at = &model->index->bands[b];
        size_t d = (size_t)at->band.width;
        Rows rows;
        for (size_t next = 0; pick_inputs(&rows, pass, tokens, n, &at->band, &next);) {
            gather_embeddings(model, pass, at, &rows);
            for (int r = 0; r < rows.count; r++)
                for (size_t c = 0; c < width; c++)
                    projected[(size_t)r * width + c] = root * dx[rows.picked[r] * width + c];
            linear_backward(pass->linear, embeddings, g + at->projection, NULL, projected, pass->gathered,
                            model->values + at->projection, rows.count, (int)width, (int)d);
            for (int r = 0; r < rows.count; r++)
                nn_ops_add(g + at->embedding + (size_t)(rows.tokens[r] - at->band.first) * d,
                           embeddings + (size_t)r * d, d);
        }
    }
}

/* ---- output ---- */

/* A softmax over n classes with the logits x[rows,d] E^T. */
typedef struct Softmax {
    const float *x, *weights; /* [rows,d]; E[n,d] */
    float *dx, *dweights;     /* gradients, in training: dx is overwritten, dweights is added to */
    const uint32_t *targets;  /* [rows], each below n */
    int rows, n, d;
} Softmax;

/* Sets pass->logits to the logits of the columns [first, first + count). */
static void compute_part(Activations *pass, const Softmax *s, int first, int count) {
    linear_forward(pass->linear, pass->logits, s->x, s->weights + (size_t)first * s->d, NULL, s->rows, count,
                   s->d);
}

static int part_size(const Activations *pass, const Softmax *s, int first) {
    return s->n - first < pass->columns ? s->n - first : pass->columns;
}

/* The logit of the target of row r in pass->logits; NULL if it is in another part. */
static float *target_logit(const Activations *pass, const Softmax *s, int r, int first, int count) {
    int64_t column = (int64_t)s->targets[r] - first;
    return column >= 0 && column < count ? pass->logits + (size_t)r * count + column : NULL;
}

static void softmax_backward(Activations *pass, const Softmax *s, const float *top, const float *sum,
                             float scale) {
    for (int first = 0, count; first < s->n; first += count) {
        count = part_size(pass, s, first);
        if (count < s->n) compute_part(pass, s, first, count);
        nn_ops_softmax_of_part(pass->logits, top, sum, s->rows, count, scale);
        for (int r = 0; r < s->rows; r++) {
            float *logit = target_logit(pass, s, r, first, count);
            if (logit) *logit -= scale;
        }
        float *dx = first ? pass->dy : s->dx;
        linear_backward(pass->linear, dx, s->dweights + (size_t)first * s->d, NULL, pass->logits, s->x,
                        s->weights + (size_t)first * s->d, s->rows, count, s->d);
        if (first) nn_ops_add(s->dx, dx, (size_t)s->rows * (size_t)s->d);
    }
}

/* Computes the loss of each row, and in training the gradients of scale * (sum of losses). */
static void softmax_loss(Activations *pass, const Softmax *s, float scale, float *losses) {
    float top[ACTIVATIONS_CHUNK_ROWS], sum[ACTIVATIONS_CHUNK_ROWS], targets[ACTIVATIONS_CHUNK_ROWS];
    for (int r = 0; r < s->rows; r++) top[r] = -INFINITY, sum[r] = targets[r] = 0;
    for (int first = 0, count; first < s->n; first += count) {
        count = part_size(pass, s, first);
        compute_part(pass, s, first, count);
        nn_ops_softmax_part(top, sum, pass->logits, s->rows, count);
        for (int r = 0; r < s->rows; r++) {
            const float *logit = target_logit(pass, s, r, first, count);
            if (logit) targets[r] = *logit;
        }
    }
    for (int r = 0; r < s->rows; r++) losses[r] = top[r] + logf(sum[r]) - targets[r];
    if (pass->training) softmax_backward(pass, s, top, sum, scale);
}

/* Applies dropout to x[rows,columns], with the masks of the rows' indices in the pass. */
static void drop(const Model *model, const Activations *pass, float *x, const Rows *rows, size_t columns,
                 const char *site) {
    for (int r = 0; r < rows->count; r++)
        activations_drop(pass, x + (size_t)r * columns, rows->picked[r], 1, columns,
                         model->options.adaptive.dropout, site, -1);
}

/* The softmax of band 0. If the target is in another band, it is replaced with the class of that band. dh is
   the gradient of h[rows,C]. */
static void first_loss(const Model *model, Activations *pass, const Rows *rows, const float *h, float *dh,
                       float scale, float *losses, float *g) {
    const ModelBandIndex *at = &model->index->bands[0];
    const AdaptiveSoftmax *adaptive = &model->options.adaptive;
    uint32_t targets[ACTIVATIONS_CHUNK_ROWS];
    for (int r = 0; r < rows->count; r++) {
        int band = adaptive_softmax_band_of(adaptive, rows->tokens[r]);
        targets[r] = band ? (uint32_t)(at->band.size + band - 1) : rows->tokens[r];
    }
    Softmax s = {.x = h,
                 .weights = model->values + at->embedding,
                 .dx = dh,
                 .dweights = g ? g + at->embedding : NULL,
                 .targets = targets,
                 .rows = rows->count,
                 .n = at->band.size + adaptive->bands - 1,
                 .d = at->band.width};
    softmax_loss(pass, &s, scale, losses);
}

/* The softmax of another band, for rows whose target is in it. */
static void further_loss(const Model *model, Activations *pass, int band, const Rows *rows, const float *h,
                         float *dh, float scale, float *losses, float *g) {
    const ModelBandIndex *at = &model->index->bands[band];
    const float *projection = model->values + at->projection;
    int width = model->shape.width, d = at->band.width, n = rows->count;
    uint32_t targets[ACTIVATIONS_CHUNK_ROWS];
    for (int r = 0; r < n; r++) targets[r] = (uint32_t)(rows->tokens[r] - at->band.first);
    float *narrow = pass->out, *dnarrow = pass->dqkv;
    linear_forward_transposed(pass->linear, narrow, h, projection, n, width, d);
    drop(model, pass, narrow, rows, (size_t)d, "output.band");
    Softmax s = {.x = narrow,
                 .weights = model->values + at->embedding,
                 .dx = dnarrow,
                 .dweights = g ? g + at->embedding : NULL,
                 .targets = targets,
                 .rows = n,
                 .n = at->band.size,
                 .d = d};
    softmax_loss(pass, &s, scale, losses);
    if (!pass->training) return;
    drop(model, pass, dnarrow, rows, (size_t)d, "output.band");
    linear_backward(pass->linear, NULL, g + at->projection, NULL, h, dnarrow, NULL, n, width, d);
    linear_forward(pass->linear, dh, dnarrow, projection, NULL, n, width, d);
}

/* Propagates the gradient dh of h, which is overwritten, through dropout and LayerNorm, and adds it to
 * pass->dx. */
static void rows_backward(const Model *model, Activations *pass, const Rows *rows, const float *x, float *dh,
                          float *g) {
    int width = model->shape.width;
    size_t norm_w = model->index->norm_w, norm_b = model->index->norm_b;
    drop(model, pass, dh, rows, (size_t)width, "output");
    if (model->options.final_norm) {
        memset(pass->dgathered, 0, (size_t)rows->count * (size_t)width * sizeof *dh);
        nn_ops_layer_norm_backward(pass->dgathered, g + norm_w, g + norm_b, dh, x, model->values + norm_w,
                                   pass->mean, pass->rstd, rows->count, width);
        dh = pass->dgathered;
    }
    for (int r = 0; r < rows->count; r++)
        nn_ops_add(pass->dx + rows->picked[r] * (size_t)width, dh + (size_t)r * width, (size_t)width);
}

/* Adds the losses of the band's softmax to nll. */
static void band_loss(const Model *model, Activations *pass, int band, const Rows *rows, float scale,
                      float *nll, float *g) {
    int width = model->shape.width;
    const float *w = model->values;
    const float *x = output_gather_rows(pass->gathered, pass->x, rows->picked, rows->count, width);
    float *h = pass->normed, *dh = pass->dnormed, losses[ACTIVATIONS_CHUNK_ROWS];
    if (model->options.final_norm)
        nn_ops_layer_norm(h, pass->mean, pass->rstd, x, w + model->index->norm_w, w + model->index->norm_b,
                          rows->count, width);
    else
        memcpy(h, x, (size_t)rows->count * (size_t)width * sizeof *h);
    drop(model, pass, h, rows, (size_t)width, "output");
    if (band)
        further_loss(model, pass, band, rows, h, dh, scale, losses, g);
    else
        first_loss(model, pass, rows, h, dh, scale, losses, g);
    for (int r = 0; r < rows->count; r++) nll[rows->picked[r]] += losses[r];
    if (pass->training) rows_backward(model, pass, rows, x, dh, g);
}

void adaptive_pass_loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                        float scale, float *nll, float *g) {
    size_t n = (size_t)sequences * (size_t)pass->length;
    if (pass->rows.best) BUG("a model with bands does not compute the most likely tokens");
    memset(nll, 0, n * sizeof *nll);
    if (pass->training) memset(pass->dx, 0, n * (size_t)model->shape.width * sizeof *pass->dx);
    for (int b = 0; b < model->options.adaptive.bands; b++) {
        const AdaptiveBand *band = &model->index->bands[b].band;
        uint32_t low = (uint32_t)band->first, high = b ? low + (uint32_t)band->size : UINT32_MAX;
        Rows rows;
        for (size_t next = 0; (rows.count = output_pick_rows(pass, tokens, n, low, high, &next, rows.picked,
                                                             rows.tokens)) > 0;)
            band_loss(model, pass, b, &rows, scale, nll, g);
    }
}
