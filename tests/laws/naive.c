/* naive: the model in plain loops; the position method is in naive_position.c.
 *
 * Letters as in model/model.h: B sequences, T length, N = B T rows, C = H D width, F ffn, V vocabulary.
 */
#include "naive_position.h"

#include <math.h>
#include <string.h>

#include "naive_attention.h"
#include "position/encoding.h"
#include "model/model.h"

/* ---- a run ---- */

const ModelParam *naive_param(const Model *model, const char *name) {
    for (int i = 0; i < model->param_count; i++)
        if (strcmp(model->params[i].name, name) == 0) return &model->params[i];
    BUG("the model has no parameter '%s'", name);
}

double *naive_values(const Model *model, Arena *arena) {
    double *values = NEW(arena, model->size, double);
    for (size_t i = 0; i < model->size; i++) values[i] = model->values[i];
    return values;
}

typedef struct Run {
    const Model *model;
    const double *values;
    double *gradients;
    int B, T, N, L, C, H, D, F, V, U; /* U: columns of ffn.in, 2F for swiglu */
    Arena *arena;
    NaivePosition *position;
} Run;

/* What the backward pass of a layer needs. */
typedef struct Layer {
    double *x, *normed1, *placed, *q, *qkv, *mixed; /* q: before it is scaled */
    double *gate, *gated;                           /* the output gate of each row; NULL without */
    double *y, *normed2, *u, *acted;
    const NaiveCore **cores; /* [B] */
} Layer;

static size_t place(const Run *r, int layer, const char *part) {
    char name[64];
    if (layer < 0) return naive_param(r->model, part)->offset;
    snprintf(name, sizeof name, "layers.%d.%s", layer, part);
    return naive_param(r->model, name)->offset;
}

static const double *weight(const Run *r, int layer, const char *part) {
    return r->values + place(r, layer, part);
}

static double *gradient(const Run *r, int layer, const char *part) {
    if (!r->gradients) BUG("a gradient without a backward pass");
    return r->gradients + place(r, layer, part);
}

static double *array(const Run *r, size_t count) {
    return NEW(r->arena, count, double);
}

static void linear(double *y, const double *x, const double *w, const double *bias, int n, int o, int i) {
    for (int row = 0; row < n; row++)
        for (int a = 0; a < o; a++) {
            double sum = bias ? bias[a] : 0;
            for (int b = 0; b < i; b++) sum += x[(size_t)row * i + b] * w[(size_t)a * i + b];
            y[(size_t)row * o + a] = sum;
        }
}

static void linear_backward(double *dx, double *dw, double *dbias, const double *dy, const double *x,
                            const double *w, int n, int o, int i) {
    for (int row = 0; row < n; row++)
        for (int a = 0; a < o; a++) {
            double d = dy[(size_t)row * o + a];
            if (dbias) dbias[a] += d;
            for (int b = 0; b < i; b++) {
                dx[(size_t)row * i + b] += d * w[(size_t)a * i + b];
                dw[(size_t)a * i + b] += d * x[(size_t)row * i + b];
            }
        }
}

static void moments(const double *x, int c, double *mean, double *rstd) {
    double sum = 0, squares = 0;
    for (int i = 0; i < c; i++) sum += x[i];
    *mean = sum / c;
    for (int i = 0; i < c; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *rstd = 1 / sqrt(squares / c + 1e-5);
}

static void norm(double *y, const double *x, const double *w, const double *bias, int n, int c) {
    for (int row = 0; row < n; row++, x += c, y += c) {
        double mean, rstd;
        moments(x, c, &mean, &rstd);
        for (int i = 0; i < c; i++) y[i] = (x[i] - mean) * rstd * w[i] + bias[i];
    }
}

/* With z = (x - mean) rstd and g = dy w:  dx_i = rstd (g_i - mean(g) - z_i mean(g z)). */
static void norm_backward(double *dx, double *dw, double *dbias, const double *dy, const double *x,
                          const double *w, int n, int c) {
    for (int row = 0; row < n; row++, x += c, dy += c, dx += c) {
        double mean, rstd, mean_g = 0, mean_gz = 0;
        moments(x, c, &mean, &rstd);
        for (int i = 0; i < c; i++) {
            double z = (x[i] - mean) * rstd;
            mean_g += dy[i] * w[i] / c;
            mean_gz += dy[i] * w[i] * z / c;
            dw[i] += dy[i] * z;
            dbias[i] += dy[i];
        }
        for (int i = 0; i < c; i++) dx[i] += rstd * (dy[i] * w[i] - mean_g - (x[i] - mean) * rstd * mean_gz);
    }
}

/* ---- one layer ---- */

static NaiveAttention part(const Run *r, int l) {
    int sink = r->model->options.attention.sink_logit;
    bool learnt = sink == ATTENTION_SINK_LEARNED;
    const char *logits = "attention.sink_logit";
    return (NaiveAttention){.model = r->model,
                            .sink = sink == ATTENTION_SINK_OFF ? NULL
                                    : learnt                   ? weight(r, l, logits)
                                                               : array(r, (size_t)r->H),
                            .dsink = learnt && r->gradients ? gradient(r, l, logits) : array(r, (size_t)r->H),
                            .layer = l,
                            .T = r->T,
                            .bias = naive_position_bias(r->position, l),
                            .dbias = naive_position_dbias(r->position, l),
                            .position = r->position,
                            .arena = r->arena};
}

static bool learns_scale(const Run *r, int l) {
    return attention_has_tensor(&r->model->options.attention, l, ATTENTION_SCALES);
}

/* The factor of queries of row t that the head of column c learns, from its numbers a and b; slope[2]: the
   derivatives by them. */
static double learnt_factor(const Run *r, int l, int t, int c, double slope[2]) {
    const AttentionOptions *o = &r->model->options.attention;
    int h = c / (r->C / r->H);
    double a = learns_scale(r, l) ? weight(r, l, "attention.scale")[h] : 0, power = 0;
    double n = t + 1 + (o->scale_log == ATTENTION_LOG_NEXT), size = log(n);
    slope[1] = 0;
    switch (learns_scale(r, l) ? o->scale : ATTENTION_SCALE_NONE) {
    case ATTENTION_SCALE_LEARNED:
        slope[0] = 1;
        return a;
    case ATTENTION_SCALE_SSMAX:
        slope[0] = size;
        return a * size;
    case ATTENTION_SCALE_LOG_LEARNED:
        slope[0] = size;
        return 1 + a * size;
    case ATTENTION_SCALE_ASENTMAX:
        power = pow(size, weight(r, l, "attention.scale_power")[h]);
        slope[0] = power, slope[1] = a * power * log(size);
        return 1 + a * power;
    default:
        return 1;
    }
}

static void scale_queries(const Run *r, int l, double *qkv) {
    double slope[2];
    for (int n = 0; n < r->N; n++)
        for (int c = 0; c < r->C; c++)
            qkv[(size_t)n * 3 * r->C + c] *= learnt_factor(r, l, n % r->T, c, slope);
}

/* plain[N,C]: the queries before they are scaled */
static void scale_queries_backward(const Run *r, int l, double *dqkv, const double *plain) {
    for (int n = 0; n < r->N && learns_scale(r, l); n++)
        for (int c = 0; c < r->C; c++) {
            size_t at = (size_t)n * 3 * r->C + c;
            double slope[2], factor = learnt_factor(r, l, n % r->T, c, slope);
            double along = dqkv[at] * plain[(size_t)n * r->C + c];
            int h = c / (r->C / r->H);
            gradient(r, l, "attention.scale")[h] += along * slope[0];
            if (r->model->options.attention.scale == ATTENTION_SCALE_ASENTMAX)
                gradient(r, l, "attention.scale_power")[h] += along * slope[1];
            dqkv[at] *= factor;
        }
}

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

/* The number of gates of a row. */
static int gates(const Run *r) {
    switch (r->model->options.attention.output_gate) {
    case ATTENTION_GATE_HEAD:
        return r->H;
    case ATTENTION_GATE_ELEMENT:
        return r->C;
    default:
        return 0;
    }
}

static void open_gate(const Run *r, int l, Layer *a) {
    int G = gates(r), C = r->C;
    a->gate = array(r, (size_t)r->N * G), a->gated = array(r, (size_t)r->N * C);
    linear(a->gate, a->normed1, weight(r, l, "attention.gate.weight"), weight(r, l, "attention.gate.bias"),
           r->N, G, C);
    for (int i = 0; i < r->N * G; i++) a->gate[i] = logistic(a->gate[i]);
    for (int i = 0; i < r->N * C; i++) a->gated[i] = a->mixed[i] * a->gate[i / C * G + i % C / (C / G)];
}

/* Turns d from the gradient at the gated rows into that before the gate; dnormed1 += */
static void open_gate_backward(const Run *r, int l, const Layer *a, double *d, double *dnormed1) {
    int G = gates(r), C = r->C;
    double *dgate = array(r, (size_t)r->N * G);
    for (int i = 0; i < r->N * C; i++) {
        int at = i / C * G + i % C / (C / G);
        dgate[at] += d[i] * a->mixed[i] * a->gate[at] * (1 - a->gate[at]);
        d[i] *= a->gate[at];
    }
    linear_backward(dnormed1, gradient(r, l, "attention.gate.weight"), gradient(r, l, "attention.gate.bias"),
                    dgate, a->normed1, weight(r, l, "attention.gate.weight"), r->N, G, C);
}

static void attend(const Run *r, int l, Layer *a, double *out) {
    int B = r->B, T = r->T, C = r->C;
    NaiveAttention one = part(r, l);
    a->qkv = array(r, (size_t)r->N * 3 * C), a->mixed = array(r, (size_t)r->N * C);
    const double *w = weight(r, l, "attention.qkv.weight"), *wb = weight(r, l, "attention.qkv.bias");
    a->placed = memcpy(array(r, (size_t)r->N * C), a->normed1, (size_t)r->N * C * sizeof *a->normed1);
    for (int b = 0; b < B; b++) naive_position_input(r->position, l, b, a->placed + (size_t)b * T * C);
    double *qk = array(r, (size_t)r->N * 2 * C), *v = array(r, (size_t)r->N * C);
    linear(qk, a->placed, w, wb, r->N, 2 * C, C);
    linear(v, a->normed1, w + (size_t)2 * C * C, wb + 2 * C, r->N, C, C);
    for (int n = 0; n < r->N; n++) {
        memcpy(a->qkv + (size_t)n * 3 * C, qk + (size_t)n * 2 * C, (size_t)(2 * C) * sizeof *qk);
        memcpy(a->qkv + (size_t)n * 3 * C + 2 * C, v + (size_t)n * C, (size_t)C * sizeof *v);
    }
    a->q = array(r, (size_t)r->N * C);
    for (int n = 0; n < r->N * C; n++) a->q[n] = a->qkv[(size_t)(n / C) * 3 * C + n % C];
    scale_queries(r, l, a->qkv);
    a->cores = NEW(r->arena, B, const NaiveCore *);
    for (int b = 0; b < B; b++) {
        size_t row = (size_t)b * T * C;
        naive_position_features(r->position, l, b, a->normed1 + row);
        one.sequence = b, one.context = naive_position_context(r->position, l, b);
        a->cores[b] = naive_attend(&one, a->mixed + row, a->qkv + 3 * row, a->normed1 + row);
    }
    a->gated = a->mixed;
    if (gates(r)) open_gate(r, l, a);
    linear(out, a->gated, weight(r, l, "attention.out.weight"), weight(r, l, "attention.out.bias"), r->N, C,
           C);
}

/* dnormed1[N,C] += */
static void attend_backward(const Run *r, int l, const Layer *a, double *dnormed1, const double *dout) {
    int B = r->B, T = r->T, C = r->C;
    double *dmixed = array(r, (size_t)r->N * C), *dqkv = array(r, (size_t)r->N * 3 * C);
    NaiveAttention one = part(r, l);
    linear_backward(dmixed, gradient(r, l, "attention.out.weight"), gradient(r, l, "attention.out.bias"),
                    dout, a->gated, weight(r, l, "attention.out.weight"), r->N, C, C);
    if (gates(r)) open_gate_backward(r, l, a, dmixed, dnormed1);
    for (int b = 0; b < r->B; b++) {
        size_t row = (size_t)b * r->T * C;
        one.sequence = b, one.context = naive_position_context(r->position, l, b);
        naive_attend_backward(&one, a->cores[b], dqkv + 3 * row, dnormed1 + row, dmixed + row,
                              a->normed1 + row);
        naive_position_features_backward(r->position, l, b, a->normed1 + row, dnormed1 + row);
    }
    scale_queries_backward(r, l, dqkv, a->q);
    double *dqk = array(r, (size_t)r->N * 2 * C), *dv = array(r, (size_t)r->N * C);
    for (int n = 0; n < r->N; n++) {
        memcpy(dqk + (size_t)n * 2 * C, dqkv + (size_t)n * 3 * C, (size_t)(2 * C) * sizeof *dqk);
        memcpy(dv + (size_t)n * C, dqkv + (size_t)n * 3 * C + 2 * C, (size_t)C * sizeof *dv);
    }
    const double *w = weight(r, l, "attention.qkv.weight");
    double *dw = gradient(r, l, "attention.qkv.weight"), *dwb = gradient(r, l, "attention.qkv.bias");
    double *dplaced = array(r, (size_t)r->N * C);
    linear_backward(dplaced, dw, dwb, dqk, a->placed, w, r->N, 2 * C, C);
    linear_backward(dnormed1, dw + (size_t)2 * C * C, dwb + 2 * C, dv, a->normed1, w + (size_t)2 * C * C,
                    r->N, C, C);
    for (int b = 0; b < B; b++) naive_position_input_backward(r->position, l, b, dplaced + (size_t)b * T * C);
    for (int n = 0; n < r->N * C; n++) dnormed1[n] += dplaced[n];
}

static void ffn(const Run *r, int l, Layer *a, double *out) {
    a->u = array(r, (size_t)r->N * r->U), a->acted = array(r, (size_t)r->N * r->F);
    linear(a->u, a->normed2, weight(r, l, "ffn.in.weight"), weight(r, l, "ffn.in.bias"), r->N, r->U, r->C);
    for (int n = 0; n < r->N; n++)
        for (int f = 0; f < r->F; f++) {
            double x = a->u[(size_t)n * r->U + f], *y = &a->acted[(size_t)n * r->F + f];
            switch (r->model->options.activation) {
            case MODEL_RELU:
                *y = x > 0 ? x : 0;
                break;
            case MODEL_GELU:
                *y = x * (1 + erf(x / sqrt(2))) / 2;
                break;
            case MODEL_SWIGLU:
                *y = x * logistic(x) * a->u[(size_t)n * r->U + r->F + f];
                break;
            }
        }
    linear(out, a->acted, weight(r, l, "ffn.out.weight"), weight(r, l, "ffn.out.bias"), r->N, r->C, r->F);
}

/* dnormed2[N,C] += */
static void ffn_backward(const Run *r, int l, const Layer *a, double *dnormed2, const double *dout) {
    double *dacted = array(r, (size_t)r->N * r->F), *du = array(r, (size_t)r->N * r->U);
    linear_backward(dacted, gradient(r, l, "ffn.out.weight"), gradient(r, l, "ffn.out.bias"), dout, a->acted,
                    weight(r, l, "ffn.out.weight"), r->N, r->C, r->F);
    for (int n = 0; n < r->N; n++)
        for (int f = 0; f < r->F; f++) {
            size_t i = (size_t)n * r->U + f;
            double x = a->u[i], dy = dacted[(size_t)n * r->F + f], s = logistic(x);
            switch (r->model->options.activation) {
            case MODEL_RELU:
                du[i] = x > 0 ? dy : 0;
                break;
            case MODEL_GELU:
                du[i] = dy * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(8 * atan(1)));
                break;
            case MODEL_SWIGLU:
                du[i] = dy * a->u[i + r->F] * s * (1 + x * (1 - s));
                du[i + r->F] = dy * x * s;
                break;
            }
        }
    linear_backward(dnormed2, gradient(r, l, "ffn.in.weight"), gradient(r, l, "ffn.in.bias"), du, a->normed2,
                    weight(r, l, "ffn.in.weight"), r->N, r->U, r->C);
}

static void layer(const Run *r, int l, Layer *a, const double *x, double *out) {
    size_t count = (size_t)r->N * r->C;
    double *change = array(r, count);
    a->x = array(r, count), a->y = array(r, count), a->normed1 = array(r, count),
    a->normed2 = array(r, count);
    memcpy(a->x, x, count * sizeof *x);
    norm(a->normed1, a->x, weight(r, l, "norm1.weight"), weight(r, l, "norm1.bias"), r->N, r->C);
    attend(r, l, a, change);
    for (size_t i = 0; i < count; i++) a->y[i] = a->x[i] + change[i];
    norm(a->normed2, a->y, weight(r, l, "norm2.weight"), weight(r, l, "norm2.bias"), r->N, r->C);
    ffn(r, l, a, change);
    for (size_t i = 0; i < count; i++) out[i] = a->y[i] + change[i];
}

/* On entry dx is the gradient at the layer's output; on return, that at its input. */
static void layer_backward(const Run *r, int l, const Layer *a, double *dx) {
    size_t count = (size_t)r->N * r->C;
    double *dnormed = array(r, count);
    ffn_backward(r, l, a, dnormed, dx);
    norm_backward(dx, gradient(r, l, "norm2.weight"), gradient(r, l, "norm2.bias"), dnormed, a->y,
                  weight(r, l, "norm2.weight"), r->N, r->C);
    memset(dnormed, 0, count * sizeof *dnormed);
    attend_backward(r, l, a, dnormed, dx);
    norm_backward(dx, gradient(r, l, "norm1.weight"), gradient(r, l, "norm1.bias"), dnormed, a->x,
                  weight(r, l, "norm1.weight"), r->N, r->C);
}

/* ---- embeddings and losses of tokens ---- */

/* The tensors of one band: `size` tokens from `first` on, embeddings E[size,d] and the projection P[C,d]. A
   model without bands has E alone, with d = C. */
typedef struct Band {
    int first, size, d;
    const double *E, *P;
    double *dE, *dP;
} Band;

static Band band_at(const Run *r, int b) {
    const AdaptiveSoftmax *a = &r->model->options.adaptive;
    Band band = {.size = r->V, .d = r->C};
    char name[64];
    if (!a->bands) {
        band.E = weight(r, -1, "embedding.weight");
        band.dE = r->gradients ? gradient(r, -1, "embedding.weight") : NULL;
        return band;
    }
    for (int k = 0; k < b; k++) band.d /= (int)a->factor, band.first = (int)a->cutoffs[k];
    band.size = (b + 1 < a->bands ? (int)a->cutoffs[b] : r->V) - band.first;
    snprintf(name, sizeof name, "decoder.embed_tokens.embeddings.%d.0.weight", b);
    band.E = weight(r, -1, name);
    band.dE = r->gradients ? gradient(r, -1, name) : NULL;
    snprintf(name, sizeof name, "decoder.embed_tokens.embeddings.%d.1.weight", b);
    band.P = weight(r, -1, name);
    band.dP = r->gradients ? gradient(r, -1, name) : NULL;
    return band;
}

static int number_of(const Run *r, int token) {
    const AdaptiveSoftmax *a = &r->model->options.adaptive;
    int b = 0;
    while (b + 1 < a->bands && token >= a->cutoffs[b]) b++;
    return b;
}

/* x[C] = sqrt(C) P E[token] */
static void embed(const Run *r, int token, double *x) {
    Band band = band_at(r, number_of(r, token));
    const double *e = band.E + (size_t)(token - band.first) * band.d;
    for (int c = 0; c < r->C; c++) x[c] = band.P ? 0 : sqrt(r->C) * e[c];
    for (int c = 0; c < r->C && band.P; c++)
        for (int i = 0; i < band.d; i++) x[c] += sqrt(r->C) * band.P[(size_t)c * band.d + i] * e[i];
}

static void embed_backward(const Run *r, int token, const double *dx) {
    Band band = band_at(r, number_of(r, token));
    size_t row = (size_t)(token - band.first) * band.d;
    for (int c = 0; c < r->C && !band.P; c++) band.dE[row + c] += sqrt(r->C) * dx[c];
    for (int c = 0; c < r->C && band.P; c++)
        for (int i = 0; i < band.d; i++) {
            band.dE[row + i] += sqrt(r->C) * band.P[(size_t)c * band.d + i] * dx[c];
            band.dP[(size_t)c * band.d + i] += sqrt(r->C) * band.E[row + i] * dx[c];
        }
}

/* -log softmax(logits)[target]; logits[n] become its gradient. */
static double cross_entropy(double *logits, int n, int target) {
    double most = -INFINITY, sum = 0;
    for (int v = 0; v < n; v++) most = fmax(most, logits[v]);
    for (int v = 0; v < n; v++) sum += exp(logits[v] - most);
    double loss = log(sum) + most - logits[target];
    for (int v = 0; v < n; v++) logits[v] = exp(logits[v] - most) / sum - (v == target);
    return loss;
}

/* The loss of a target, given the last hidden state y[C]; its gradient to dy[C] and to the tensors, unless dy
   is NULL. The first band's logits are E y, then one for each further band; those of a further band are
   E P^T y. */
static double token_loss(const Run *r, int target, const double *y, double *dy) {
    int further = r->model->options.adaptive.bands - 1, number = number_of(r, target);
    Band first = band_at(r, 0), band = band_at(r, number);
    double *logits = array(r, (size_t)r->V + (size_t)(further > 0 ? further : 0));
    const char *classes = "decoder.adaptive_softmax.head.class_proj.weight";
    linear(logits, y, first.E, NULL, 1, first.size, r->C);
    if (further > 0) linear(logits + first.size, y, weight(r, -1, classes), NULL, 1, further, r->C);
    double loss = cross_entropy(logits, first.size + (further > 0 ? further : 0),
                                number ? first.size + number - 1 : target);
    if (dy) linear_backward(dy, first.dE, NULL, logits, y, first.E, 1, first.size, r->C);
    if (dy && further > 0)
        linear_backward(dy, gradient(r, -1, classes), NULL, logits + first.size, y, weight(r, -1, classes), 1,
                        further, r->C);
    if (!number) return loss;
    double *narrow = array(r, band.d), *dnarrow = array(r, band.d);
    for (int c = 0; c < r->C; c++)
        for (int i = 0; i < band.d; i++) narrow[i] += band.P[(size_t)c * band.d + i] * y[c];
    linear(logits, narrow, band.E, NULL, 1, band.size, band.d);
    loss += cross_entropy(logits, band.size, target - band.first);
    if (!dy) return loss;
    linear_backward(dnarrow, band.dE, NULL, logits, narrow, band.E, 1, band.size, band.d);
    for (int c = 0; c < r->C; c++)
        for (int i = 0; i < band.d; i++) {
            band.dP[(size_t)c * band.d + i] += dnarrow[i] * y[c];
            dy[c] += band.P[(size_t)c * band.d + i] * dnarrow[i];
        }
    return loss;
}

/* ---- the model ---- */

void naive_run(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
               const uint32_t *const *tokens, int sequences, int length, double *nll, double scale,
               double *gradients) {
    const ModelOptions *o = &model->options;
    Arena *arena = arena_new(1 << 20);
    Run run = {.model = model, .values = values, .arena = arena, .B = sequences, .T = length};
    Run *r = &run;
    r->N = r->B * r->T, r->L = (int)o->layers, r->C = (int)o->width, r->H = (int)o->heads, r->D = r->C / r->H;
    r->F = (int)o->ffn, r->V = (int)o->vocabulary, r->U = o->activation == MODEL_SWIGLU ? 2 * r->F : r->F;
    r->gradients = gradients ? NEW(arena, model->size, double) : NULL;
    r->position = naive_position_new(model, values, way, place, sequences, length, arena);

    size_t count = (size_t)r->N * r->C;
    double *x = array(r, count), *y = array(r, count), *dy = gradients ? array(r, count) : NULL;
    for (int b = 0; b < r->B; b++) {
        for (int t = 0; t < r->T; t++) embed(r, tokens[b][t], x + (size_t)(b * r->T + t) * r->C);
        naive_position_embed(r->position, b, x + (size_t)b * r->T * r->C);
    }
    Layer *layers = NEW(arena, r->L, Layer);
    for (int l = 0; l < r->L; l++) layer(r, l, &layers[l], x, x);
    if (o->final_norm) {
        norm(y, x, weight(r, -1, "norm.weight"), weight(r, -1, "norm.bias"), r->N, r->C);
    } else {
        memcpy(y, x, count * sizeof *y);
    }
    for (int n = 0; n < r->N; n++)
        nll[n] = token_loss(r, tokens[n / r->T][n % r->T + 1], y + (size_t)n * r->C,
                            dy ? dy + (size_t)n * r->C : NULL);
    if (gradients) {
        double *dx = array(r, count);
        if (o->final_norm) {
            norm_backward(dx, gradient(r, -1, "norm.weight"), gradient(r, -1, "norm.bias"), dy, x,
                          weight(r, -1, "norm.weight"), r->N, r->C);
        } else {
            memcpy(dx, dy, count * sizeof *dx);
        }
        for (int l = r->L - 1; l >= 0; l--) layer_backward(r, l, &layers[l], dx);
        for (int b = 0; b < r->B; b++) {
            naive_position_embed_backward(r->position, b, dx + (size_t)b * r->T * r->C);
            for (int t = 0; t < r->T; t++)
                embed_backward(r, tokens[b][t], dx + (size_t)(b * r->T + t) * r->C);
        }
        naive_position_end(r->position, r->gradients);
        for (size_t i = 0; i < model->size; i++) gradients[i] += scale * r->gradients[i];
    }
    arena_free(arena);
}
