/* transformer: a pass processes rows (tokens) in chunks that fit into the processor's cache. Only attention
 * sees all rows of a sequence at once.
 *
 * In training each layer keeps the values that its backward pass needs. In evaluation all layers share one
 * set of buffers, and all buffers except x, qkv and the result of attention have the size of a chunk.
 */
#include <math.h>
#include <string.h>

#include "math/nn_ops.h"
#include "model/internal.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

/* Dropout of a layer's attention probabilities, for the sequences from `first` on. */
static AttentionDropout attention_dropout(const Model *model, const Activations *pass, int layer, int first) {
    if (!pass->training || model->options.attention_dropout <= 0) return (AttentionDropout){0};
    Random stream = random_substream(random_stream(pass->origin.seed, "dropout", "attention"),
                                     (uint64_t)pass->origin.step);
    return (AttentionDropout){model->options.attention_dropout, random_substream(stream, (uint64_t)layer).key,
                              pass->origin.first_sequence + first};
}

static void activate(const ModelOptions *options, const LayerActivations *layer, size_t row, int rows) {
    size_t ffn = (size_t)options->ffn, inner = (size_t)model_ffn_rows(options);
    switch ((ModelActivation)options->activation) {
    case MODEL_RELU:
        nn_ops_relu(layer->active + row * ffn, (size_t)rows * ffn);
        break;
    case MODEL_GELU:
        nn_ops_gelu(layer->active + row * ffn, layer->inner + row * ffn, (size_t)rows * ffn);
        break;
    case MODEL_SWIGLU:
        nn_ops_swiglu(layer->active + row * ffn, layer->inner + row * inner, rows, (int)ffn);
        break;
    }
}

/* Computes to[rows,C] = from + dropout(pass->out), the residual stream after a half-block. */
static void add_residual(const Model *model, Activations *pass, float *to, const float *from, size_t row,
                         int rows, const char *site, int layer) {
    size_t width = (size_t)model->shape.width, count = (size_t)rows * width;
    activations_drop(pass, pass->out, row, (size_t)rows, width, model->options.dropout, site, layer);
    for (size_t i = 0; i < count; i++) to[row * width + i] = from[row * width + i] + pass->out[i];
}

/* Sets the layer and its tensors in the method's context. Layer -1 has the tensors that all layers share. */
static void see_layer(const Model *model, Activations *pass, int layer) {
    const size_t *places = layer < 0 ? model->index->position : model->index->layers[layer].position;
    pass->context.layer = layer;
    for (int i = 0; i < model->index->positions; i++) {
        bool there = places[i] != MODEL_NO_TENSOR;
        pass->context.param[i] = there ? model->values + places[i] : NULL;
        pass->context.grad[i] = there && pass->gradients ? pass->gradients + places[i] : NULL;
    }
}

/* Sets pass->positions to the given positions of a sequence. Returns false if none are given. */
static bool given_positions(const Activations *pass, int b) {
    const uint32_t *given = pass->rows.positions ? pass->rows.positions[b] : NULL;
    for (int t = 0; t < pass->length && given; t++) pass->positions[t] = given[t];
    return given;
}

/* Draws the positions of each sequence, and computes its tables if the positions are not 0..T-1. */
static void draw_positions(const Model *model, Activations *pass, int sequences) {
    const Encoding *acting = model->acting;
    pass->moved = false;
    if (!pass->tables) return;
    arena_release(pass->moving, 0);
    for (int b = 0; b < sequences; b++) {
        EncodingDraw origin = {pass->origin.seed, pass->training, pass->origin.step,
                               pass->origin.first_sequence + b};
        bool moved = given_positions(pass, b) ||
                     encoding_draw(&model->position, &model->shape, origin, pass->positions, pass->length);
        pass->tables[b] = pass->plain;
        if (moved)
            pass->tables[b] = encoding_prepare(acting->method, &model->shape, acting->options, pass->length,
                                               pass->positions, pass->moving);
        pass->moved |= moved;
    }
}

/* Sets the tables of sequence b in the method's context. */
static void see_tables(Activations *pass, int b) {
    pass->context.tables = pass->moved ? pass->tables[b] : pass->plain;
}

/* Adds the projection p W_qk^T of the method's vectors p to q and k. It is the same for all `sequences`
   sequences. */
static void add_input(const Model *model, Activations *pass, int l, float *qkv, int sequences) {
    int width = model->shape.width, length = pass->keys;
    memset(pass->p, 0, (size_t)length * width * sizeof *pass->p);
    model->acting->method->input(&pass->context, pass->p);
    linear_forward(pass->linear, pass->pqk, pass->p, model->values + model->index->layers[l].qkv_w, NULL,
                   length, 2 * width, width);
    for (int b = 0; b < sequences; b++)
        for (int t = 0; t < length; t++, qkv += (size_t)3 * width)
            nn_ops_add(qkv, pass->pqk + (size_t)t * 2 * width, (size_t)2 * width);
}

/* The backward pass of add_input, from the gradients of q and k summed over the sequences. */
static void add_input_backward(const Model *model, Activations *pass, int l, const float *dqkv,
                               int sequences) {
    const PositionMethod *method = model->acting->method;
    int width = model->shape.width, length = pass->keys;
    size_t weights = model->index->layers[l].qkv_w;
    memset(pass->p, 0, (size_t)length * width * sizeof *pass->p);
    memset(pass->pqk, 0, (size_t)length * 2 * width * sizeof *pass->pqk);
    method->input(&pass->context, pass->p);
    for (int b = 0; b < sequences; b++)
        for (int t = 0; t < length; t++, dqkv += (size_t)3 * width)
            nn_ops_add(pass->pqk + (size_t)t * 2 * width, dqkv, (size_t)2 * width);
    linear_backward(pass->linear, pass->dp, pass->gradients + weights, NULL, pass->pqk, pass->p,
                    model->values + weights, length, 2 * width, width);
    if (method->input_backward) method->input_backward(&pass->context, pass->dp);
}

/* Lets attention use what it learns in layer l. */
static void see_attention(const Model *model, Activations *pass, int l) {
    const float *values[ATTENTION_TENSORS] = {0};
    float *gradients[ATTENTION_TENSORS] = {0};
    for (int i = 0; i < ATTENTION_TENSORS; i++) {
        size_t at = model->index->layers[l].attention[i];
        if (at == MODEL_NO_TENSOR) continue;
        values[i] = model->values + at;
        if (pass->gradients) gradients[i] = pass->gradients + at;
    }
    attention_set_tensors(pass->attention, values, gradients);
}

/* Computes the attention of one layer: for all sequences together, or for each if it has its own tables. */
static void attend(const Model *model, Activations *pass, int l, int sequences) {
    const LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    bool input = model->acting->method->input && attention_has_position(&model->options.attention, l);
    size_t width = (size_t)model->shape.width;
    int together = pass->moved ? 1 : sequences;
    see_attention(model, pass, l);
    see_layer(model, pass, l);
    attention_layer(pass->attention, l);
    for (int b = 0; b < sequences; b += together) {
        size_t row = (size_t)b * (size_t)pass->keys;
        float *lse = layer->lse ? layer->lse + row * (size_t)model->shape.heads : NULL;
        see_tables(pass, b);
        if (input) add_input(model, pass, l, layer->qkv + row * 3 * width, together);
        attention_forward(pass->attention, layer->mixed + (size_t)b * (size_t)pass->length * width, lse,
                          layer->qkv + row * 3 * width, layer->normed1 + row * width, together,
                          attention_dropout(model, pass, l, b));
    }
}

/* Computes pass->dqkv from the gradient at the output of attention in pass->dnormed. */
static void attend_backward(const Model *model, Activations *pass, int l, int sequences) {
    const LayerActivations *layer = &pass->layers[l];
    bool input = model->acting->method->input && attention_has_position(&model->options.attention, l);
    size_t width = (size_t)model->shape.width;
    int together = pass->moved ? 1 : sequences;
    see_attention(model, pass, l);
    see_layer(model, pass, l);
    attention_layer(pass->attention, l);
    for (int b = 0; b < sequences; b += together) {
        size_t row = (size_t)b * (size_t)pass->keys, query = (size_t)b * (size_t)pass->length;
        float *dqkv = pass->dqkv + row * 3 * width;
        see_tables(pass, b);
        attention_backward(pass->attention, dqkv, pass->dy + row * width, pass->dnormed + query * width,
                           layer->mixed + query * width, layer->lse + row * (size_t)model->shape.heads,
                           layer->qkv + row * 3 * width, layer->normed1 + row * width, together,
                           attention_dropout(model, pass, l, b));
        if (input) add_input_backward(model, pass, l, dqkv, together);
    }
}

/* The number of rows, beginning with `row` of n, that are processed at once. With cached rows they are rows
   of one sequence. */
static int chunk_rows(const Activations *pass, size_t row, size_t n) {
    size_t length = (size_t)pass->length, left = pass->cached ? length - row % length : n - row;
    return left < (size_t)pass->chunk ? (int)left : pass->chunk;
}

/* The index of row `row` of the pass among the rows that attention sees, which include cached rows. */
static size_t seen_row(const Activations *pass, size_t row) {
    return row + (size_t)pass->cached * (row / (size_t)pass->length + 1);
}

static void forward_layer(const Model *model, Activations *pass, int l, int sequences) {
    const ModelOptions *options = &model->options;
    const ModelLayerIndex *at = &model->index->layers[l];
    const float *w = model->values;
    LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    float *next = pass->training && l + 1 < model->shape.layers ? pass->layers[l + 1].x1 : pass->x;
    int width = model->shape.width, ffn = (int)options->ffn, inner = model_ffn_rows(options);
    size_t n = (size_t)sequences * (size_t)pass->length;
    if (pass->cached) cached_pass_read(model, pass, l, sequences);
    for (size_t row = 0, rows; row < n; row += rows) {
        size_t kept = pass->training ? row : 0, seen = seen_row(pass, row);
        float *normed = layer->normed1 + (pass->whole_input ? seen : 0) * width;
        rows = (size_t)chunk_rows(pass, row, n);
        nn_ops_layer_norm(normed, layer->mean1 + kept, layer->rstd1 + kept, layer->x1 + row * width,
                          w + at->norm1_w, w + at->norm1_b, (int)rows, width);
        linear_forward(pass->linear, layer->qkv + seen * 3 * width, normed, w + at->qkv_w, w + at->qkv_b,
                       (int)rows, 3 * width, width);
        output_gate_open(model, pass, l, row, (int)rows, normed);
    }
    if (pass->cache) cached_pass_write(model, pass, l, sequences);
    attend(model, pass, l, sequences);
    for (size_t row = 0; row < n; row += (size_t)pass->chunk) {
        int rows = n - row < (size_t)pass->chunk ? (int)(n - row) : pass->chunk;
        size_t kept = pass->training ? row : 0;
        linear_forward(pass->linear, pass->out, output_gate_apply(model, pass, l, row, rows), w + at->out_w,
                       w + at->out_b, rows, width, width);
        add_residual(model, pass, layer->x2, layer->x1, row, rows, "attention.out", l);
        nn_ops_layer_norm(layer->normed2 + kept * width, layer->mean2 + kept, layer->rstd2 + kept,
                          layer->x2 + row * width, w + at->norm2_w, w + at->norm2_b, rows, width);
        linear_forward(pass->linear, layer->inner + kept * inner, layer->normed2 + kept * width, w + at->in_w,
                       w + at->in_b, rows, inner, width);
        activate(options, layer, kept, rows);
        activations_drop(pass, layer->active + kept * ffn, row, (size_t)rows, (size_t)ffn,
                         options->activation_dropout, "activation", l);
        linear_forward(pass->linear, pass->out, layer->active + kept * ffn, w + at->ffn_w, w + at->ffn_b,
                       rows, width, ffn);
        add_residual(model, pass, next, layer->x2, row, rows, "ffn.out", l);
    }
}

static void forward(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences) {
    int width = model->shape.width, length = pass->length;
    float *x = pass->layers[0].x1, scale = sqrtf((float)width);
    const float *embedding = model->values + model->index->embedding;
    see_layer(model, pass, -1);
    draw_positions(model, pass, sequences);
    linear_begin(pass->linear, model->values);
    bool bands = model->options.adaptive.bands;
    if (bands) adaptive_pass_embed(model, pass, tokens, sequences, x);
    for (int b = 0; b < sequences; b++) {
        float *row = x + (size_t)b * length * width;
        for (int t = 0; t < length && !bands; t++)
            for (int c = 0; c < width; c++)
                row[(size_t)t * width + c] = scale * embedding[(size_t)tokens[b][t] * width + c];
        see_tables(pass, b);
        if (model->acting->method->embed) cached_pass_embed(model, pass, row);
    }
    size_t n = (size_t)sequences * (size_t)length;
    activations_drop(pass, x, 0, n, (size_t)width, model->options.dropout, "embedding", -1);
    attention_begin(pass->attention);
    for (int l = 0; l < model->shape.layers; l++) forward_layer(model, pass, l, sequences);
}

/* Replaces rows of pass->dx, the gradient of the layer's output, with the gradient of the residual stream
   between its half-blocks, and sets pass->dnormed to the gradient of the output of attention. */
static void backward_ffn(const Model *model, Activations *pass, int l, size_t row, int rows, float *g) {
    const ModelOptions *options = &model->options;
    const ModelLayerIndex *at = &model->index->layers[l];
    const LayerActivations *layer = &pass->layers[l];
    const float *w = model->values;
    int width = model->shape.width, ffn = (int)options->ffn, inner = model_ffn_rows(options);
    size_t first = row * (size_t)width, count = (size_t)rows * width;
    float *dx = pass->dx + first, *dnormed = pass->dnormed + first;
    const float *active = layer->active + row * ffn, *before = layer->inner + row * inner, *dy = dx;
    if (options->dropout > 0) {
        dy = memcpy(pass->dy + first, dx, count * sizeof *dx);
        activations_drop(pass, pass->dy + first, row, (size_t)rows, (size_t)width, options->dropout,
                         "ffn.out", l);
    }
    linear_backward(pass->linear, pass->dactive, g + at->ffn_w, g + at->ffn_b, dy, active, w + at->ffn_w,
                    rows, width, ffn);
    activations_drop(pass, pass->dactive, row, (size_t)rows, (size_t)ffn, options->activation_dropout,
                     "activation", l);
    switch ((ModelActivation)options->activation) {
    case MODEL_RELU: /* dropped values are 0 in `active`, so their gradient becomes 0 */
        nn_ops_relu_backward(pass->dactive, active, (size_t)rows * ffn);
        break;
    case MODEL_GELU:
        nn_ops_gelu_backward(pass->dactive, before, (size_t)rows * ffn);
        break;
    case MODEL_SWIGLU:
        nn_ops_swiglu_backward(pass->dinner, pass->dactive, before, rows, ffn);
        break;
    }
    linear_backward(pass->linear, dnormed, g + at->in_w, g + at->in_b, pass->dinner, layer->normed2 + first,
                    w + at->in_w, rows, inner, width);
    nn_ops_layer_norm_backward(dx, g + at->norm2_w, g + at->norm2_b, dnormed, layer->x2 + first,
                               w + at->norm2_w, layer->mean2 + row, layer->rstd2 + row, rows, width);
    if (options->dropout > 0) {
        memcpy(pass->dy + first, dx, count * sizeof *dx);
        activations_drop(pass, pass->dy + first, row, (size_t)rows, (size_t)width, options->dropout,
                         "attention.out", l);
    }
    linear_backward(pass->linear, dnormed, g + at->out_w, g + at->out_b, dy,
                    output_gate_apply(model, pass, l, row, rows), w + at->out_w, rows, width, width);
    output_gate_backward(model, pass, l, row, rows);
}

/* Replaces pass->dx, the gradient of the layer's output, with the gradient of its input, in the chunks of the
   forward pass. */
static void backward_layer(const Model *model, Activations *pass, int l, int sequences, float *g) {
    const ModelLayerIndex *at = &model->index->layers[l];
    const LayerActivations *layer = &pass->layers[l];
    const float *w = model->values;
    int width = model->shape.width;
    size_t n = (size_t)sequences * (size_t)pass->length, chunk = (size_t)pass->chunk;
    for (size_t row = 0; row < n; row += chunk)
        backward_ffn(model, pass, l, row, (int)(n - row < chunk ? n - row : chunk), g);
    bool reads = attention_reads_input(model->acting->method);
    if (reads) memset(pass->dy, 0, (size_t)sequences * (size_t)pass->keys * width * sizeof *pass->dy);
    attend_backward(model, pass, l, sequences);
    if (pass->cached) cached_pass_backward(model, pass, l, sequences, g);
    for (size_t row = 0, step; row < n; row += step) {
        int rows = chunk_rows(pass, row, n);
        size_t first = row * (size_t)width, seen = seen_row(pass, row) * (size_t)width;
        step = (size_t)rows;
        linear_backward(pass->linear, pass->dnormed + first, g + at->qkv_w, g + at->qkv_b,
                        pass->dqkv + 3 * seen, layer->normed1 + seen, w + at->qkv_w, rows, 3 * width, width);
        output_gate_input_backward(model, pass, l, row, rows, layer->normed1 + seen, g);
        if (reads) nn_ops_add(pass->dnormed + first, pass->dy + seen, (size_t)rows * width);
        nn_ops_layer_norm_backward(pass->dx + first, g + at->norm1_w, g + at->norm1_b, pass->dnormed + first,
                                   layer->x1 + first, w + at->norm1_w, layer->mean1 + row, layer->rstd1 + row,
                                   rows, width);
    }
}

static void backward(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                     float *g) {
    int width = model->shape.width, length = pass->length;
    for (int l = model->shape.layers - 1; l >= 0; l--) backward_layer(model, pass, l, sequences, g);
    see_layer(model, pass, -1);
    attention_end(pass->attention);
    activations_drop(pass, pass->dx, 0, (size_t)sequences * length, (size_t)width, model->options.dropout,
                     "embedding", -1);
    bool bands = model->options.adaptive.bands;
    if (bands) adaptive_pass_embed_backward(model, pass, tokens, sequences, pass->dx, g);
    float *dembedding = g + model->index->embedding, scale = sqrtf((float)width);
    for (int b = 0; b < sequences; b++) {
        const float *row = pass->dx + (size_t)b * length * width;
        see_tables(pass, b);
        cached_pass_embed_backward(model, pass, row);
        for (int t = 0; t < length && !bands; t++) {
            float *to = dembedding + (size_t)tokens[b][t] * width;
            for (int c = 0; c < width; c++) to[c] += scale * row[(size_t)t * width + c];
        }
    }
}

static void loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                 float scale, float *nll, float *g) {
    if (model->options.adaptive.bands)
        adaptive_pass_loss(model, pass, tokens, sequences, scale, nll, g);
    else
        output_loss(model, pass, tokens, sequences, scale, nll, g);
}

void transformer_set_rows(Activations *pass, TransformerRows rows) {
    pass->rows = rows;
}

void transformer_set_origin(Activations *pass, ActivationsOrigin origin) {
    pass->origin = origin;
}

void transformer_evaluate(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                          float *nll) {
    if (pass->training || sequences > pass->sequences) BUG("pass made for something else");
    forward(model, pass, tokens, sequences);
    loss(model, pass, tokens, sequences, 0, nll, NULL);
}

void transformer_train(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                       ActivationsOrigin origin, float scale, float *nll, float *gradients) {
    if (!pass->training || sequences > pass->sequences) BUG("pass made for something else");
    pass->origin = origin;
    pass->row0 = (int64_t)origin.first_sequence * pass->length;
    pass->gradients = gradients;
    forward(model, pass, tokens, sequences);
    loss(model, pass, tokens, sequences, scale, nll, gradients);
    backward(model, pass, tokens, sequences, gradients);
}
