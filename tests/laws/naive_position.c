/* naive_position: calls hooks separately for every layer and sequence, where the core shares calls. */
#include "naive_position.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"
#include "model/model.h"

/* The method in one layer, or before the first one, where tensors of layers are not accessible. */
typedef struct Site {
    bool acts;
    const ModelParam *param[POS_MAX_TENSORS]; /* NULL: not accessible */
    double *bias, *dbias;                     /* [H,T] */
    double *dembed, *dinput;                  /* [B,T,C]; NULL if not used at this site */
} Site;

struct NaivePosition {
    const Model *model;
    const Encoding *position;
    NaiveWay way;
    int L, B, T, C, D, H;
    double *values;      /* [model->size]; changed to compute differences */
    float **hook_value;  /* [param_count]: the method's tensors in float */
    float **hook_grad;   /* [param_count] */
    const void **tables; /* [B] */
    double **positions;  /* [B]: [T] */
    Site *sites;         /* [L + 1]: the layers, then the site before them */
    Arena *arena;
};

static bool formulas(const NaivePosition *n) {
    return n->way == NAIVE_FORMULAS;
}

/* Which of the model's tensors a site can access, by name. */
static void see(const NaivePosition *n, Site *site, int layer) {
    PositionTensor tensors[POS_MAX_TENSORS] = {0};
    const PositionMethod *method = n->position->method;
    int count = method->layout ? method->layout(&n->model->shape, n->position->options, tensors) : 0;
    for (int i = 0; i < count; i++) {
        char name[96] = "";
        if (tensors[i].per_layer) snprintf(name, sizeof name, "layers.%d.", layer);
        snprintf(name + strlen(name), sizeof name - strlen(name), "position.%s", tensors[i].name);
        if (!tensors[i].per_layer || (layer < n->L && site->acts))
            site->param[i] = naive_param(n->model, name);
    }
}

/* Positions as position/position.h defines them: a stream for each update and sequence, or for each
   window. */
static double *draw(const NaivePosition *n, EncodingDraw place, int b) {
    const Encoding *outer = &n->model->position;
    double *positions = NEW(n->arena, n->T, double);
    for (int t = 0; t < n->T; t++) positions[t] = t;
    if (!outer->method->positions) return positions;
    Random rng = random_stream(place.seed, "positions", place.training ? "train" : "evaluate");
    rng = random_substream(random_substream(rng, (uint64_t)place.step), (uint64_t)(place.sequence + b));
    outer->method->positions(&n->model->shape, outer->options, n->T, place.training, &rng, positions);
    return positions;
}

static PositionContext context_of(const NaivePosition *n, const Site *site, int b) {
    PositionContext context = {
        .shape = &n->model->shape, .options = n->position->options, .tables = n->tables[b], .length = n->T};
    context.layer =
        site >= n->sites && site < n->sites + n->model->shape.layers ? (int)(site - n->sites) : -1;
    for (int i = 0; i < POS_MAX_TENSORS && site->param[i]; i++) {
        context.param[i] = n->hook_value[site->param[i] - n->model->params];
        context.grad[i] = n->hook_grad[site->param[i] - n->model->params];
    }
    return context;
}

static NaiveInputs inputs_of(const NaivePosition *n, const Site *site, int b) {
    NaiveInputs in = {.position = n->position, .shape = &n->model->shape, .length = n->T};
    in.positions = n->positions[b];
    for (int i = 0; i < POS_MAX_TENSORS && site->param[i]; i++)
        in.param[i] = n->values + site->param[i]->offset;
    return in;
}

static void make_bias(const NaivePosition *n, Site *site) {
    size_t count = (size_t)n->H * (size_t)n->T;
    const PositionMethod *method = n->position->method;
    site->bias = NEW(n->arena, count, double), site->dbias = NEW(n->arena, count, double);
    if (!site->acts) return;
    if (formulas(n)) {
        NaiveInputs in = inputs_of(n, site, 0);
        naive_bias(&in, site->bias);
    } else if (method->distance_bias) {
        PositionContext context = context_of(n, site, 0);
        float *bias = NEW(n->arena, count, float);
        method->distance_bias(&context, bias);
        for (size_t i = 0; i < count; i++) site->bias[i] = bias[i];
    }
}

NaivePosition *naive_position_new(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
                                  int sequences, int length, Arena *arena) {
    NaivePosition *n = NEW(arena, 1, NaivePosition);
    *n = (NaivePosition){.model = model,
                         .position = encoding_acting(&model->position),
                         .way = way,
                         .T = length,
                         .arena = arena};
    n->L = model->shape.layers, n->C = model->shape.width, n->H = model->shape.heads;
    n->D = model->shape.head_dim;
    n->values = memcpy(NEW(arena, model->size, double), values, model->size * sizeof *values);
    n->hook_value = NEW(arena, model->param_count, float *);
    n->hook_grad = NEW(arena, model->param_count, float *);
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        if (param->init != MODEL_INIT_METHOD) continue;
        n->hook_value[i] = NEW(arena, param->size, float), n->hook_grad[i] = NEW(arena, param->size, float);
        for (size_t j = 0; j < param->size; j++) n->hook_value[i][j] = (float)values[param->offset + j];
    }
    const PositionMethod *method = n->position->method;
    n->B = sequences;
    n->tables = NEW(arena, sequences, const void *), n->positions = NEW(arena, sequences, double *);
    for (int b = 0; b < sequences; b++) {
        n->positions[b] = draw(n, place, b);
        n->tables[b] =
            encoding_prepare(method, &model->shape, n->position->options, length, n->positions[b], arena);
    }
    size_t inputs = (size_t)sequences * (size_t)length * (size_t)n->C;
    n->sites = NEW(arena, n->L + 1, Site);
    for (int l = 0; l <= n->L; l++) {
        int64_t every = model->options.attention.nope_every;
        n->sites[l].acts = l == n->L || every == 0 || (l + 1) % every != 0;
        see(n, &n->sites[l], l);
        if (l < n->L) make_bias(n, &n->sites[l]);
        if (l < n->L) n->sites[l].dinput = NEW(arena, inputs, double);
    }
    n->sites[n->L].dembed = NEW(arena, inputs, double);
    return n;
}

void naive_position_embed(NaivePosition *n, int b, double *x) {
    const PositionMethod *method = n->position->method;
    const Site *site = &n->sites[n->L];
    size_t count = (size_t)n->T * (size_t)n->C;
    if (formulas(n)) {
        NaiveInputs in = inputs_of(n, site, b);
        naive_embed(&in, x);
    } else if (method->embed) {
        PositionContext context = context_of(n, site, b);
        float *added = NEW(n->arena, count, float);
        method->embed(&context, added);
        for (size_t i = 0; i < count; i++) x[i] += added[i];
    }
}

void naive_position_embed_backward(NaivePosition *n, int b, const double *dx) {
    const PositionMethod *method = n->position->method;
    Site *site = &n->sites[n->L];
    size_t count = (size_t)n->T * (size_t)n->C;
    for (size_t i = 0; i < count; i++) site->dembed[(size_t)b * count + i] += dx[i];
    if (formulas(n) || !method->embed_backward) return;
    PositionContext context = context_of(n, site, b);
    float *copy = NEW(n->arena, count, float);
    for (size_t i = 0; i < count; i++) copy[i] = (float)dx[i];
    method->embed_backward(&context, copy);
}

void naive_position_input(NaivePosition *n, int l, int b, double *x) {
    const PositionMethod *method = n->position->method;
    const Site *site = &n->sites[l];
    size_t count = (size_t)n->T * (size_t)n->C;
    if (!site->acts) return;
    if (formulas(n)) {
        NaiveInputs in = inputs_of(n, site, b);
        naive_input(&in, x);
    } else if (method->input) {
        PositionContext context = context_of(n, site, b);
        float *added = NEW(n->arena, count, float);
        method->input(&context, added);
        for (size_t i = 0; i < count; i++) x[i] += added[i];
    }
}

void naive_position_input_backward(NaivePosition *n, int l, int b, const double *dx) {
    const PositionMethod *method = n->position->method;
    Site *site = &n->sites[l];
    size_t count = (size_t)n->T * (size_t)n->C;
    for (size_t i = 0; i < count; i++) site->dinput[(size_t)b * count + i] += dx[i];
    if (formulas(n) || !site->acts || !method->input_backward) return;
    PositionContext context = context_of(n, site, b);
    float *copy = NEW(n->arena, count, float);
    for (size_t i = 0; i < count; i++) copy[i] = (float)dx[i];
    method->input_backward(&context, copy);
}

int naive_position_row(const NaivePosition *n, int l) {
    int widening = n->position->method->widening;
    return n->D * (widening && n->sites[l].acts ? widening : 1);
}

void naive_position_transform(NaivePosition *n, int l, int b, PositionRole role, int head, double *x,
                              const double *input, int last, int sign) {
    int row = naive_position_row(n, l);
    const PositionMethod *method = n->position->method;
    const Site *site = &n->sites[l];
    if (!site->acts) return;
    if (formulas(n)) {
        NaiveInputs in = inputs_of(n, site, b);
        for (int t = 0; t < n->T; t++)
            naive_transform(&in, role, x + (size_t)t * (size_t)row, t < last ? t : last, sign);
    } else if (method->transform) {
        PositionContext context = context_of(n, site, b);
        size_t count = (size_t)n->T * (size_t)row;
        float *copy = NEW(n->arena, count, float), *before = NEW(n->arena, count, float);
        double *positions = NEW(n->arena, n->T, double);
        context.head = head;
        for (int t = 0; t < n->T; t++) positions[t] = t < last ? t : last;
        if (last < n->T)
            context.tables =
                encoding_prepare(method, &n->model->shape, n->position->options, n->T, positions, n->arena);
        for (size_t i = 0; i < count; i++) copy[i] = (float)x[i];
        for (int i = 0; i < n->T * n->D; i++) before[i / n->D * row + i % n->D] = (float)input[i];
        if (sign > 0)
            method->transform(&context, role, copy, row);
        else
            method->transform_backward(&context, role, before, copy, row);
        for (size_t i = 0; i < count; i++) x[i] = copy[i];
    }
}

const PositionContext *naive_position_context(const NaivePosition *n, int l, int b) {
    PositionContext *context = NEW(n->arena, 1, PositionContext);
    *context = context_of(n, &n->sites[l], b);
    return context;
}

const double *naive_position_bias(const NaivePosition *n, int l) {
    return n->sites[l].bias;
}

double *naive_position_dbias(const NaivePosition *n, int l) {
    return n->sites[l].dbias;
}

/* ---- gradients ---- */

static double dot(const double *x, const double *y, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

/* The effect of the tensors at a site, weighted by the gradient of the loss there. `work` has max(H T, T C)
 * numbers.
 */
static double weighed(const NaivePosition *n, const Site *site, double *work) {
    NaiveInputs in = inputs_of(n, site, 0);
    size_t biases = (size_t)n->H * (size_t)n->T, inputs = (size_t)n->T * (size_t)n->C;
    double sum = 0;
    if (site->bias && site->acts) {
        naive_bias(&in, work);
        sum += dot(work, site->dbias, biases);
    }
    for (int b = 0; b < n->B; b++) {
        in.positions = n->positions[b];
        if (site->dinput && site->acts) {
            memset(work, 0, inputs * sizeof *work);
            naive_input(&in, work);
            sum += dot(work, site->dinput + (size_t)b * inputs, inputs);
        }
        if (site->dembed) {
            memset(work, 0, inputs * sizeof *work);
            naive_embed(&in, work);
            sum += dot(work, site->dembed + (size_t)b * inputs, inputs);
        }
    }
    return sum;
}

/* Central differences: a relative step of 1e-5 has a truncation error of 1e-10 and a rounding error of
   1e-11. */
static void differentiate(NaivePosition *n, const ModelParam *param, double *gradient) {
    double *value = n->values + param->offset, *work, largest = 0;
    work = NEW(n->arena, (size_t)(n->H > n->C ? n->H : n->C) * (size_t)n->T, double);
    for (size_t j = 0; j < param->size; j++) largest = fmax(largest, fabs(value[j]));
    for (size_t j = 0; j < param->size; j++) {
        double was = value[j], step = 1e-5 * fmax(fabs(was), largest > 0 ? 0.1 * largest : 1);
        for (int l = 0; l <= n->L; l++) {
            bool seen = false;
            for (int i = 0; i < POS_MAX_TENSORS; i++) seen |= n->sites[l].param[i] == param;
            if (!seen) continue;
            value[j] = was + step;
            double high = weighed(n, &n->sites[l], work);
            value[j] = was - step;
            gradient[j] += (high - weighed(n, &n->sites[l], work)) / (2 * step);
            value[j] = was;
        }
    }
}

/* The hook's gradients from those of the biases (the core calls it once for all layers; it is linear). */
static void end_biases(NaivePosition *n) {
    const PositionMethod *method = n->position->method;
    size_t count = (size_t)n->H * (size_t)n->T;
    for (int l = 0; method->distance_bias_backward && l < n->L; l++) {
        if (!n->sites[l].acts) continue;
        PositionContext context = context_of(n, &n->sites[l], 0);
        float *dbias = NEW(n->arena, count, float);
        for (size_t i = 0; i < count; i++) dbias[i] = (float)n->sites[l].dbias[i];
        method->distance_bias_backward(&context, dbias);
    }
}

void naive_position_end(NaivePosition *n, double *gradients) {
    if (!formulas(n)) end_biases(n);
    for (int i = 0; i < n->model->param_count; i++) {
        const ModelParam *param = &n->model->params[i];
        if (param->init != MODEL_INIT_METHOD) continue;
        if (formulas(n) && naive_is_table(n->position)) {
            for (int b = 0; b < n->B; b++) {
                NaiveInputs in = inputs_of(n, &n->sites[n->L], b);
                size_t count = (size_t)n->T * (size_t)n->C;
                naive_table_gradient(&in, n->sites[n->L].dembed + (size_t)b * count,
                                     gradients + param->offset);
            }
        } else if (formulas(n)) {
            differentiate(n, param, gradients + param->offset);
        } else {
            for (size_t j = 0; j < param->size; j++) gradients[param->offset + j] += n->hook_grad[i][j];
        }
    }
}
