/* model_flops: counts the FLOPs of a pass (model/README.md). */
#include "model/model.h"

double model_flops(const ModelOptions *options, int length, bool training) {
    double width = (double)options->width, ffn = (double)options->ffn;
    double output =
        (double)adaptive_softmax_compute_rows(&options->adaptive, options->vocabulary, options->width);
    PositionShape shape = {.heads = (int)options->heads, .width = (int)options->width};
    double gates = attention_gate_size(&options->attention, &shape);
    double layer = (4 * width + gates) * width + (options->activation == MODEL_SWIGLU ? 3 : 2) * width * ffn;
    double forward = 2 * ((double)options->layers * layer + output * width) +
                     (double)options->layers * 2 * (double)length * width;
    return training ? 3 * forward : forward;
}

double model_cache_flops(const ModelOptions *options, double length, double cached, bool training) {
    double width = (double)options->width, layers = (double)options->layers;
    double project = layers * 6 * width * width * cached / length, attend = layers * 4 * width * cached;
    return training ? 2 * project + 3 * attend : project + attend;
}
