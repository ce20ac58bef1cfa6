/* attention_options: the options of attention, and their effect on a layer, a query and a key.
 *
 * The sliding window is applied here: attention_select_layer decides which layers have it,
 * attention_tile_next skips the tiles outside it, and attention_tile_visible limits the keys of each query.
 */
#include <math.h>

#include "attention/internal.h"

static const char *const layer_names[] = {"all", "position", "nope", NULL};
static const char *const sink_logit_names[] = {"off", "zero", "by_head", NULL};
static const char *const scale_names[] = {"off",     "log_n", "llama4",   "log_learned",
                                          "by_head", "ssmax", "asentmax", NULL};
static const char *const gate_names[] = {"off", "head", "element", NULL};
static const char *const log_names[] = {"n", "n_plus_1", NULL};

const OptionField attention_fields[] = {
    {"nope_every", OPTION_INT, offsetof(AttentionOptions, nope_every), .default_value = 0, .low = 0,
     .high = 1024, .help = "every n-th layer does not use the position method; 0: all layers use it"},
    {"window", OPTION_INT, offsetof(AttentionOptions, window), .default_value = 0, .low = 0, .high = 1 << 24,
     .help = "each query sees this many keys, itself included; 0: all"},
    {"sinks", OPTION_INT, offsetof(AttentionOptions, sinks), .default_value = 0, .low = 0,
     .high = TILE_COLUMNS, .help = "with a window: this many first keys are always visible"},
    {"window_layers", OPTION_CHOICE, offsetof(AttentionOptions, window_layers),
     .default_value = ATTENTION_LAYERS_POSITION, .choices = layer_names,
     .help = "layers with the window: all, or those with or without (nope) the position method"},
    {"top_k", OPTION_INT, offsetof(AttentionOptions, top_k), .default_value = 0, .low = 0, .high = 1 << 24,
     .help = "only the k highest scores of each query count; 0: all"},
    {"scale", OPTION_CHOICE, offsetof(AttentionOptions, scale), .default_value = ATTENTION_SCALE_NONE,
     .choices = scale_names,
     .help = "scale of the query at position i; log_n: max(1, ln(i+1) / ln L); llama4: see scale_floor; "
             "learnt by each head: log_learned 1 + a l, by_head a, ssmax a l, asentmax 1 + a l^b, where l is "
             "ln(i+1)"},
    {"scale_floor", OPTION_INT, offsetof(AttentionOptions, scale_floor), .default_value = 8192, .low = 1,
     .high = 1 << 24, .help = "llama4: scale 1 + scale_coefficient ln(floor((i+1) / scale_floor) + 1)"},
    {"scale_coefficient", OPTION_REAL, offsetof(AttentionOptions, scale_coefficient), .default_value = 0.1,
     .low = 0, .high = 10, .help = "llama4: see scale_floor"},
    {"scale_layers", OPTION_CHOICE, offsetof(AttentionOptions, scale_layers),
     .default_value = ATTENTION_LAYERS_ALL, .choices = layer_names,
     .help = "layers in which the scale "
             "applies"},
    {"scale_log", OPTION_CHOICE, offsetof(AttentionOptions, scale_log), .default_value = ATTENTION_LOG_N,
     .choices = log_names, .newer = true,
     .help = "l of learnt scales, at the position i = n - 1: ln(n) or ln(n+1); asentmax requires n_plus_1"},
    {"scale_start", OPTION_REAL, offsetof(AttentionOptions, scale_start), .default_value = 1, .low = 0.001,
     .high = 100, .newer = true, .help = "ssmax: the initial value of a"},
    {"temperature", OPTION_REAL, offsetof(AttentionOptions, temperature), .default_value = 1, .low = 0.01,
     .high = 100, .help = "factor on the scores with all their biases"},
    {"adaptive_temperature", OPTION_BOOL, offsetof(AttentionOptions, adaptive_temperature), .newer = true,
     .help =
         "in evaluate.variants only: a further factor on the scores of a query, from the entropy of their "
         "softmax (arXiv 2410.01104)"},
    {"sink_logit", OPTION_CHOICE, offsetof(AttentionOptions, sink_logit), .default_value = ATTENTION_SINK_OFF,
     .choices = sink_logit_names, .newer = true,
     .help =
         "one more term exp(s) in each softmax, without a value; zero: s = 0; by_head: learnt by each head, "
         "from 0"},
    {"output_gate", OPTION_CHOICE, offsetof(AttentionOptions, output_gate),
     .default_value = ATTENTION_GATE_OFF, .choices = gate_names, .newer = true,
     .help =
         "what attention returns, times a sigmoid of a linear layer of its input: one factor for each head "
         "or element"},
};
const int attention_field_count = COUNT_OF(attention_fields);
const OptionSection attention_section = {"model.attention",
                                         "Changes of attention that combine with every method, also after "
                                         "training",
                                         attention_fields, COUNT_OF(attention_fields), NULL};

bool attention_check(const AttentionOptions *o, const char *source, Error *err) {
    if (o->sinks && !o->window)
        return error_set(err, EXIT_USAGE,
                         "%s: 'model.attention.sinks' needs 'model.attention.window' above 0", source);
    if (o->scale == ATTENTION_SCALE_ASENTMAX && o->scale_log != ATTENTION_LOG_NEXT)
        return error_set(err, EXIT_USAGE,
                         "%s: 'model.attention.scale' \"asentmax\" needs 'model.attention.scale_log' "
                         "\"n_plus_1\": the first query has ln(1) = 0, and 0^b is not always finite",
                         source);
    if (!o->nope_every &&
        (o->scale_layers == ATTENTION_LAYERS_NOPE || o->window_layers == ATTENTION_LAYERS_NOPE))
        return error_set(err, EXIT_USAGE,
                         "%s: 'model.attention.%s' \"nope\" needs 'model.attention.nope_every' above 0",
                         source, o->scale_layers == ATTENTION_LAYERS_NOPE ? "scale_layers" : "window_layers");
    return true;
}

bool attention_check_training(const AttentionOptions *o, const char *source, Error *err) {
    return !o->adaptive_temperature ||
           error_set(
               err, EXIT_USAGE,
               "%s: 'model.attention.adaptive_temperature' is for evaluation; set it in 'attention' of an "
               "item of 'evaluate.variants'",
               source);
}

bool attention_has_position(const AttentionOptions *options, int layer) {
    return options->nope_every == 0 || (layer + 1) % options->nope_every != 0;
}

/* Whether an option for `layers` applies to a layer in which the position method acts (or does not). */
static bool meant(int layers, bool has_position) {
    return layers == ATTENTION_LAYERS_ALL || (layers == ATTENTION_LAYERS_POSITION) == has_position;
}

const char *const attention_tensor_names[] = {"scale", "scale_power", "sink_logit"};

bool attention_has_tensor(const AttentionOptions *o, int layer, AttentionTensor tensor) {
    if (tensor == ATTENTION_SINK_LOGITS) return o->sink_logit == ATTENTION_SINK_LEARNED;
    bool learns = tensor == ATTENTION_SCALES ? o->scale >= ATTENTION_SCALE_LOG_LEARNED
                                             : o->scale == ATTENTION_SCALE_ASENTMAX;
    return learns && meant(o->scale_layers, attention_has_position(o, layer));
}

int attention_gate_size(const AttentionOptions *o, const PositionShape *shape) {
    return o->output_gate == ATTENTION_GATE_HEAD      ? shape->heads
           : o->output_gate == ATTENTION_GATE_ELEMENT ? shape->width
                                                      : 0;
}

AttentionStart attention_start(const AttentionOptions *o, AttentionTensor tensor) {
    if (tensor == ATTENTION_SCALE_POWERS) return (AttentionStart){.spread = 0.1, .normal = true};
    if (tensor == ATTENTION_SINK_LOGITS || o->scale == ATTENTION_SCALE_LOG_LEARNED)
        return (AttentionStart){0};
    if (o->scale == ATTENTION_SCALE_ASENTMAX) return (AttentionStart){.mean = 0.55, .spread = 0.45};
    return (AttentionStart){.mean = o->scale == ATTENTION_SCALE_SSMAX ? o->scale_start : 1};
}

void attention_select_layer(Attention *a, int layer) {
    const AttentionOptions *o = a->options;
    bool has = attention_has_position(o, layer), windowed = o->window && meant(o->window_layers, has);
    a->active = has;
    a->key_wide = has ? a->widened : a->wide;
    a->use = has && a->has_terms ? &a->terms : NULL;
    a->window = windowed && o->window < a->length ? (int)o->window : 0;
    a->sinks = a->window ? (int)o->sinks : 0;
    a->query_scale = a->query_scales && meant(o->scale_layers, has) ? a->query_scales : NULL;
}

void attention_fill_scale_basis(float *basis, const AttentionOptions *o, int length) {
    int next = o->scale_log == ATTENTION_LOG_NEXT;
    for (int i = 0; i < length; i++)
        basis[i] = o->scale == ATTENTION_SCALE_LEARNED ? 1 : (float)log1p(i + next);
}

void attention_fill_query_scales(float *factors, const AttentionOptions *o, int train_length, int length) {
    double unit = log(train_length < 2 ? 2 : train_length);
    for (int i = 0; i < length; i++) {
        double steps = floor((i + 1.0) / (double)o->scale_floor);
        double factor =
            o->scale == ATTENTION_SCALE_LOG_N ? log1p(i) / unit : 1 + o->scale_coefficient * log1p(steps);
        factors[i] = (float)(factor > 1 ? factor : 1);
    }
}

bool attention_tile_next(const Attention *a, Tile *t) {
    bool first = t->columns == 0;
    int begin = first ? 0 : t->j0 + t->columns, end = t->i0 + TILE_ROWS;
    t->cut = a->window && end > a->window;
    if (t->cut && (first || t->sinks)) {
        if (first && a->sinks) {
            t->sinks = true;
            t->j0 = 0, t->columns = attention_min(attention_round_up(a->sinks, TILE_PANEL), end);
            return true;
        }
        begin = attention_max(a->sinks, t->i0 - a->window + 1) / TILE_PANEL * TILE_PANEL;
    }
    t->sinks = false;
    t->j0 = begin;
    t->columns = attention_min(end - begin, TILE_COLUMNS);
    return t->columns > 0;
}

bool attention_tile_visible(const Attention *a, const Tile *t, int r, int *lo, int *valid) {
    int i = t->i0 + r;
    *lo = 0;
    *valid = attention_min(i - t->j0 + 1, t->columns);
    if (t->sinks) {
        *valid = attention_min(*valid, a->sinks);
    } else if (t->cut) {
        *lo = attention_max(0, attention_max(a->sinks, i - a->window + 1) - t->j0);
    }
    return *lo < *valid;
}

int attention_tile_position(const Attention *a, const Tile *t, int i) {
    return t->sinks ? attention_min(i, a->window + a->sinks - 1) : i;
}
