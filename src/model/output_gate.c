/* output_gate: what attention returns, times a sigmoid of the layer's input (model.attention.output_gate).
 *
 * With y = LN1(x), the input of q, k and v, and g numbers per row, one for each head or one for each element:
 *
 *     g = sigmoid(y W_g^T + b_g);  x += (g * P v) W_out^T + b_out
 *
 * A pass keeps g of all rows in layer->gate. The backward pass replaces it with the gradient at W_g y + b_g.
 */
#include <math.h>

#include "math/nn_ops.h"
#include "model/internal.h"

/* The element of row t's gate that multiplies coordinate c. */
static size_t gate_at(const Model *model, size_t t, int c) {
    int size = attention_gate_size(&model->options.attention, &model->shape);
    return t * (size_t)size + (size_t)(size == model->shape.width ? c : c / model->shape.head_dim);
}

void output_gate_open(const Model *model, Activations *pass, int l, size_t row, int rows,
                      const float *normed) {
    const LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    const ModelLayerIndex *at = &model->index->layers[l];
    int size = attention_gate_size(&model->options.attention, &model->shape);
    if (!size) return;
    float *gate = layer->gate + row * (size_t)size;
    linear_forward(pass->linear, gate, normed, model->values + at->gate_w, model->values + at->gate_b, rows,
                   size, model->shape.width);
    for (size_t i = 0; i < (size_t)rows * (size_t)size; i++) gate[i] = 1 / (1 + expf(-gate[i]));
}

const float *output_gate_apply(const Model *model, Activations *pass, int l, size_t row, int rows) {
    const LayerActivations *layer = &pass->layers[pass->training ? l : 0];
    int width = model->shape.width;
    const float *mixed = layer->mixed + row * (size_t)width;
    if (!layer->gate) return mixed;
    for (int t = 0; t < rows; t++)
        for (int c = 0; c < width; c++)
            pass->gated[(size_t)t * width + c] =
                mixed[(size_t)t * width + c] * layer->gate[gate_at(model, row + t, c)];
    return pass->gated;
}

void output_gate_backward(const Model *model, Activations *pass, int l, size_t row, int rows) {
    const LayerActivations *layer = &pass->layers[l];
    int width = model->shape.width, size = attention_gate_size(&model->options.attention, &model->shape);
    for (int t = 0; t < rows && layer->gate; t++) {
        size_t first = (row + t) * (size_t)width;
        for (int g = 0; g < size; g++) {
            float *gate = &layer->gate[(row + t) * (size_t)size + g], open = *gate, sum = 0;
            for (int c = g * (width / size); c < (g + 1) * (width / size); c++) {
                sum += pass->dnormed[first + c] * layer->mixed[first + c];
                pass->dnormed[first + c] *= open;
            }
            *gate = sum * open * (1 - open);
        }
    }
}

void output_gate_input_backward(const Model *model, Activations *pass, int l, size_t row, int rows,
                                const float *normed, float *g) {
    const LayerActivations *layer = &pass->layers[l];
    const ModelLayerIndex *at = &model->index->layers[l];
    int width = model->shape.width, size = attention_gate_size(&model->options.attention, &model->shape);
    if (!size) return;
    linear_backward(pass->linear, pass->gated, g + at->gate_w, g + at->gate_b,
                    layer->gate + row * (size_t)size, normed, model->values + at->gate_w, rows, size, width);
    nn_ops_add(pass->dnormed + row * (size_t)width, pass->gated, (size_t)rows * width);
}
