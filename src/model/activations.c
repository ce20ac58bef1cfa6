#include "math/nn_ops.h"
#include "model/internal.h"
#include "position/encoding.h"
#include "model/activations.h"

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The number of columns of the logits that are computed at once, for up to `rows` rows. */
static int columns_of(const ModelOptions *options, int rows) {
    const AdaptiveSoftmax *adaptive = &options->adaptive;
    if (!adaptive->bands) return (int)options->vocabulary;
    int widest = 0, fit = ACTIVATIONS_LOGITS / rows;
    for (int b = 0; b < adaptive->bands; b++) {
        int size = adaptive_softmax_band(adaptive, options->vocabulary, options->width, b).size;
        if (b == 0) size += adaptive->bands - 1;
        if (size > widest) widest = size;
    }
    return widest < fit ? widest : fit;
}

/* Buffers for the largest product: of up to `rows` rows, of `logits` logits, or of `length` rows of vectors
   that a method adds to the input of q and k. */
static Linear *linear_for(const Model *model, size_t rows, size_t logits, size_t length, bool training,
                          Arena *arena) {
    const ModelOptions *options = &model->options;
    size_t width = (size_t)options->width, inner = (size_t)model_ffn_rows(options);
    size_t inputs = rows * larger(width, (size_t)options->ffn);
    size_t outputs = larger(rows * larger(3 * width, inner), logits);
    if (model->acting->method->input) {
        inputs = larger(inputs, length * width);
        outputs = larger(outputs, length * 2 * width);
    }
    return linear_new(model->precision, model->size, inputs, training ? outputs : 0, arena);
}

static float *floats(Arena *arena, size_t rows, size_t columns) {
    return NEW(arena, rows * columns, float);
}

Activations *activations_new(const Model *model, int sequences, int length, bool training, Arena *arena) {
    return activations_new_cached(model, NULL, sequences, length, training, arena);
}

Activations *activations_new_cached(const Model *model, const Cache *cache, int sequences, int length,
                                    bool training, Arena *arena) {
    const ModelOptions *options = &model->options;
    size_t rows = (size_t)sequences * (size_t)length, width = (size_t)options->width,
           ffn = (size_t)options->ffn;
    Activations p = {.length = length, .sequences = sequences, .cache = cache, .training = training};
    if (cache && (model->position.partner || model->given_positions)) BUG("a cache with given positions");
    p.cached = cache ? cache->count : 0;
    p.keys = p.cached + length;
    size_t seen = (size_t)sequences * (size_t)p.keys;
    p.chunk = seen < ACTIVATIONS_CHUNK_ROWS ? (int)seen : ACTIVATIONS_CHUNK_ROWS;
    int fit = ACTIVATIONS_LOGITS / (int)options->vocabulary;
    if (options->adaptive.bands) fit = ACTIVATIONS_CHUNK_ROWS;
    p.logits_rows = fit < 32 ? 32 : fit > ACTIVATIONS_CHUNK_ROWS ? ACTIVATIONS_CHUNK_ROWS : fit;
    if ((size_t)p.logits_rows > rows) p.logits_rows = (int)rows;
    p.columns = columns_of(options, p.logits_rows);
    size_t logits = (size_t)p.logits_rows * (size_t)p.columns;
    Activations *pass = NEW(arena, 1, Activations);
    p.context = (PositionContext){&model->shape, model->acting->options, .length = p.keys};
    const PositionMethod *method = model->acting->method;
    p.context.tables = encoding_prepare(method, &model->shape, model->acting->options, p.keys, NULL, arena);
    p.plain = p.context.tables;
    if (model->position.partner || model->given_positions) {
        p.positions = NEW(arena, p.keys, double);
        p.tables = NEW(arena, sequences, const void *);
        p.moving = arena_new_inside(arena, (size_t)sequences *
                                               encoding_table_bytes(model->acting, &model->shape, p.keys));
    }
    if (pass) pass->context = p.context;
    p.attention = attention_new(model->acting, pass ? &pass->context : &p.context, &options->attention,
                                p.cached, training, arena);

    size_t gates = (size_t)attention_gate_size(&options->attention, &model->shape);
    int kept = training ? (int)options->layers : 1;
    size_t kept_rows = training ? rows : (size_t)p.chunk;
    p.linear = linear_for(model, (size_t)p.chunk, logits, (size_t)p.keys, training, arena);
    p.whole_input = training || cache || attention_reads_input(method);
    p.layers = NEW(arena, kept, LayerActivations);
    p.x = floats(arena, rows, width);
    for (int l = 0; l < kept; l++) {
        LayerActivations at = {.x1 = p.x, .x2 = p.x};
        if (training) at.x1 = floats(arena, rows, width), at.x2 = floats(arena, rows, width);
        at.normed1 = floats(arena, p.whole_input ? seen : kept_rows, width);
        at.normed2 = floats(arena, kept_rows, width);
        at.mean1 = floats(arena, kept_rows, 1), at.rstd1 = floats(arena, kept_rows, 1);
        at.mean2 = floats(arena, kept_rows, 1), at.rstd2 = floats(arena, kept_rows, 1);
        at.qkv = floats(arena, seen, 3 * width), at.mixed = floats(arena, rows, width);
        at.gate = gates ? floats(arena, rows, gates) : NULL;
        at.lse = training ? floats(arena, seen, (size_t)options->heads) : NULL;
        at.active = floats(arena, kept_rows, ffn);
        at.inner = options->activation == MODEL_RELU
                       ? at.active
                       : floats(arena, kept_rows, (size_t)model_ffn_rows(options));
        if (p.layers) p.layers[l] = at;
    }
    p.normed = floats(arena, (size_t)p.logits_rows, width);
    p.mean = floats(arena, (size_t)p.logits_rows, 1), p.rstd = floats(arena, (size_t)p.logits_rows, 1);
    p.out = floats(arena, (size_t)p.chunk, width);
    p.gated = gates ? floats(arena, (size_t)p.chunk, width) : NULL;
    if (method->input) {
        p.p = floats(arena, (size_t)p.keys, width), p.pqk = floats(arena, (size_t)p.keys, 2 * width);
        p.dp = training && method->input_backward ? floats(arena, (size_t)p.keys, width) : NULL;
    }
    if (method->embed && p.cached) p.embedded = floats(arena, (size_t)p.keys, width);
    p.logits = floats(arena, logits, 1);
    p.gathered = floats(arena, (size_t)p.logits_rows, width);
    p.dgathered = training ? floats(arena, (size_t)p.logits_rows, width) : NULL;
    if (training) {
        p.dx = floats(arena, rows, width), p.dy = floats(arena, seen, width);
        p.dnormed = floats(arena, rows, width), p.dqkv = floats(arena, seen, 3 * width);
        p.dactive = floats(arena, (size_t)p.chunk, ffn);
        p.dinner = options->activation == MODEL_SWIGLU ? floats(arena, (size_t)p.chunk, 2 * ffn) : p.dactive;
    }
    if (pass) *pass = p;
    return pass;
}

void activations_drop(const Activations *pass, float *x, size_t row, size_t rows, size_t columns, double p,
                      const char *site, int layer) {
    if (!pass->training || p <= 0) return;
    Random stream =
        random_substream(random_stream(pass->origin.seed, "dropout", site), (uint64_t)pass->origin.step);
    stream = random_substream(stream, (uint64_t)(layer + 1));
    nn_ops_dropout(x, rows * columns, p, stream.key, ((uint64_t)pass->row0 + row) * columns);
}
