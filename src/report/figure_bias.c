/* figure_bias: the figure `bias`: the biases that trained models add to scores, by distance, for each head.
 *
 * It shows methods with a distance bias, or with a pair bias (for the last query), with the weights of the
 * first seed of each training length, at distances up to twice that length. A constant shift of a head's
 * biases has no effect, so each curve begins at 0. If layers have biases of their own, the first layer is
 * shown.
 */
#include "report/figure.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "train/train_state.h"
#include "experiment/config.h"
#include "store/run_folder.h"
#include "position/encoding.h"

typedef struct Trained {
    const char *key, *name, *experiment;
    const Config *config;
} Trained;

/* Sets the method's context to the weights in the file; if layers have their own, to those of the first. */
static bool load(PositionContext *context, const Trained *trained, const SafetensorsFile *file,
                 const char *path, int length, Arena *arena, Error *err) {
    const Encoding *position = &trained->config->position;
    Model *model = model_new(&trained->config->model, position, (int)trained->config->train.length, arena);
    model_allocate(model, arena);
    if (!train_state_load_tensors(model, file, path, err)) return false;
    *context = (PositionContext){.shape = &model->shape,
                                 .options = position->options,
                                 .length = length,
                                 .layer = encoding_per_layer(position, &model->shape) ? 0 : -1};
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].init == MODEL_INIT_METHOD && model->params[i].layer <= 0)
            context->param[model->params[i].index] = model->values + model->params[i].offset;
    context->tables =
        encoding_prepare(position->method, &model->shape, context->options, length, NULL, arena);
    return true;
}

/* Whether the curve visibly bends at d. Points between bends are on a straight line and are omitted. */
static bool bends(const float *bias, int d, int length, double range) {
    if (d == 0 || d == length - 1) return true;
    return fabs((double)bias[d + 1] - 2 * (double)bias[d] + (double)bias[d - 1]) > 1e-4 * range;
}

static double range_of(const float *bias, int length) {
    float low = bias[0], high = bias[0];
    for (int d = 1; d < length; d++) {
        low = fminf(low, bias[d]);
        high = fmaxf(high, bias[d]);
    }
    return (double)high - (double)low;
}

/* bias[H,T] by distance: a distance bias plus the last row of a pair bias, read backwards. */
static float *biases(const PositionMethod *method, const PositionContext *context, Arena *arena) {
    int heads = context->shape->heads, length = context->length;
    float *bias = NEW(arena, heads * length, float), *row = NEW(arena, length, float);
    if (method->distance_bias) method->distance_bias(context, bias);
    for (int h = 0; method->pair_bias && h < heads; h++) {
        method->pair_bias(context, row, h, length - 1, 1);
        for (int d = 0; d < length; d++) bias[h * length + d] += row[length - 1 - d];
    }
    return bias;
}

static void add_heads(Figure *figure, const Trained *trained, const PositionContext *context) {
    int heads = context->shape->heads, length = context->length;
    const float *bias = biases(trained->config->position.method, context, figure->arena);
    const char *name = trained->name;
    int64_t trained_at = trained->config->train.length;
    int panel =
        figure_panel(figure, arena_format(figure->arena, "%s, trained at %lld", name, (long long)trained_at),
                     (double)trained_at, trained_at);
    for (int h = 0; h < heads; h++) {
        const char *head = arena_format(figure->arena, "head %d", h + 1);
        FigureLine *line = figure_line(figure, panel, head, head,
                                       arena_format(figure->arena, "%s; run %s", name, trained->key));
        const float *curve = bias + h * length;
        double range = range_of(curve, length);
        for (int d = 0; d < length; d++) {
            double value = (double)curve[d] - (double)curve[0];
            if (bends(curve, d, length, range))
                figure_point(figure, line, figure_values(figure, d, &value, 1));
        }
    }
}

static bool add_run(Figure *figure, const Trained *trained, Error *err) {
    const char *path = run_folder_weights(figure->set->store, trained->key, figure->arena);
    SafetensorsFile file;
    PositionContext context;
    if (!path) return true;
    int length = 2 * (int)trained->config->train.length + 1;
    if (!safetensors_read_weights(path, trained->key, &file, figure->arena, err) ||
        !load(&context, trained, &file, path, length, figure->arena, err))
        return false;
    add_heads(figure, trained, &context);
    return true;
}

static bool make_bias(Figure *figure, Error *err) {
    const char *const parameters[] = {figure->set->experiment, figure_run_keys(figure), NULL};
    bool fine = true;
    Query *query = query_begin(figure->set->store,
                               "SELECT r.key, r.label, p.variant, r.config, min(p.ordinal)" QUERY_RUNS
                               " WHERE x.name = ? AND r.key IN (SELECT value FROM json_each(?)) AND r.status "
                               "= 'done' GROUP BY r.label, p.variant, r.train_length"
                               " ORDER BY min(p.ordinal)",
                               parameters);
    while (fine && query_next(query)) {
        Trained trained = {.key = arena_copy(figure->arena, query_text(query, 0)),
                           .name = results_run_name(figure->set, query_text(query, 0), query_text(query, 1),
                                                    query_text(query, 2), figure->arena)};
        if (!trained.name) continue;
        const char *place = arena_format(figure->arena, "run %s", trained.key);
        trained.config =
            config_parse(arena_copy(figure->arena, query_text(query, 3)), place, figure->arena, err);
        fine = trained.config != NULL;
        const PositionMethod *method = fine ? trained.config->position.method : NULL;
        if (fine && (method->distance_bias || method->pair_bias)) fine = add_run(figure, &trained, err);
    }
    Error other;
    return query_end(query, fine ? err : &other) && fine;
}

const FigureKind figure_bias = {
    .name = "bias",
    .title = "bias by distance, of each head",
    .x = "distance",
    .y = "bias",
    .xlabel = "distance (tokens)",
    .ylabel = "bias minus bias at distance 0",
    .linear = true,
    .own_axes = true,
    .make = make_bias,
    .missing = "no trained method with a bias by distance or by pair whose weights are in its run folder",
};
