/* output: the losses of a pass, from the residual stream after the last layer, and their gradients.
 *
 * Only rows that have a target are multiplied by the embedding, logits_rows at a time.
 */
#include <string.h>

#include "math/nn_ops.h"
#include "model/internal.h"

int output_pick_rows(const Activations *pass, const uint32_t *const *tokens, size_t n, uint32_t low,
                     uint32_t high, size_t *next, size_t *picked, uint32_t *targets) {
    size_t length = (size_t)pass->length;
    int rows = 0;
    for (; *next < n && rows < pass->logits_rows; ++*next) {
        size_t b = *next / length, t = *next % length;
        uint32_t target = pass->rows.targets ? pass->rows.targets[b][t] : tokens[b][t + 1];
        if (pass->rows.targets && target == TRANSFORMER_IGNORED) continue;
        if (target < low || target >= high) continue;
        picked[rows] = *next;
        targets[rows++] = target;
    }
    return rows;
}

/* Whether the rows are consecutive, so that they need not be copied. */
static bool adjoin(const size_t *picked, int rows) {
    return picked[rows - 1] - picked[0] == (size_t)rows - 1;
}

const float *output_gather_rows(float *to, const float *x, const size_t *picked, int rows, int width) {
    if (adjoin(picked, rows)) return x + picked[0] * (size_t)width;
    for (int r = 0; r < rows; r++)
        memcpy(to + (size_t)r * width, x + picked[r] * (size_t)width, (size_t)width * sizeof *to);
    return to;
}

static void find_best(const Activations *pass, const size_t *picked, int rows, int vocabulary) {
    for (int r = 0; r < rows; r++) {
        const float *logits = pass->logits + (size_t)r * vocabulary;
        int best = 0;
        for (int v = 1; v < vocabulary; v++)
            if (logits[v] > logits[best]) best = v;
        pass->rows.best[picked[r]] = (uint32_t)best;
    }
}

void output_loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                 float scale, float *nll, float *g) {
    int width = model->shape.width, vocabulary = (int)model->options.vocabulary;
    const float *w = model->values, *embedding = w + model->index->embedding;
    size_t n = (size_t)sequences * (size_t)pass->length, norm_w = model->index->norm_w,
           norm_b = model->index->norm_b;
    bool norm = model->options.final_norm;
    if (pass->training && (norm || pass->rows.targets)) memset(pass->dx, 0, n * width * sizeof *pass->dx);
    if (pass->rows.targets) memset(nll, 0, n * sizeof *nll);
    size_t next = 0, picked[ACTIVATIONS_CHUNK_ROWS];
    uint32_t targets[ACTIVATIONS_CHUNK_ROWS];
    float losses[ACTIVATIONS_CHUNK_ROWS];
    for (int rows; (rows = output_pick_rows(pass, tokens, n, 0, UINT32_MAX, &next, picked, targets)) > 0;) {
        bool whole = adjoin(picked, rows);
        const float *x = output_gather_rows(pass->gathered, pass->x, picked, rows, width);
        if (norm)
            nn_ops_layer_norm(pass->normed, pass->mean, pass->rstd, x, w + norm_w, w + norm_b, rows, width);
        const float *normed = norm ? pass->normed : x;
        linear_forward(pass->linear, pass->logits, normed, embedding, NULL, rows, vocabulary, width);
        if (pass->rows.best) find_best(pass, picked, rows, vocabulary);
        nn_ops_cross_entropy(losses, pass->logits, targets, rows, vocabulary, pass->training ? scale : 0);
        for (int r = 0; r < rows; r++) nll[picked[r]] = losses[r];
        if (!pass->training) continue;
        float *dx = whole ? pass->dx + picked[0] * (size_t)width : pass->dgathered;
        if (!whole) memset(dx, 0, (size_t)rows * width * sizeof *dx);
        float *dnormed = norm ? pass->dnormed : dx;
        linear_backward(pass->linear, dnormed, g + model->index->embedding, NULL, pass->logits, normed,
                        embedding, rows, vocabulary, width);
        if (norm)
            nn_ops_layer_norm_backward(dx, g + norm_w, g + norm_b, dnormed, x, w + norm_w, pass->mean,
                                       pass->rstd, rows, width);
        for (int r = 0; r < rows && !whole; r++)
            memcpy(pass->dx + picked[r] * (size_t)width, dx + (size_t)r * width, (size_t)width * sizeof *dx);
    }
}
