/* test_laws: shows that every law rejects errors. Each mutant must be rejected by the law that it names.
 *
 * Mutants of methods are in mutants*.c. Mutants of the core are text edits of src/: in a temporary copy of
 * the sources the text is replaced, test_laws is built there, and it runs the law. A text that does not occur
 * exactly once is an error, so that mutants stay up to date.
 *
 * Usage: test_laws             the tests; of mutants of the core, only that their texts exist
 *        test_laws core        only mutants of the core: each is compiled and must be rejected (many minutes)
 *        test_laws tasks       only those of the core that are about tasks
 *        test_laws mutants     the table: which law catches which mutant
 *        test_laws mutants LAW the lines of this law for mutants of methods
 *        test_laws law NAME    runs one law on the witness cases: exit code 0 if it holds, 1 if not
 */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "laws.h"
#include "mutants.h"
#include "position/encoding.h"

/* ---- the cases: every law must hold on them with the real methods ---- */

enum { WITNESSES = 5, TEXT = 1200 };

/* More than two column tiles of attention and a head count that is not a power of two; a batch and two
   layers; a layer without the method between others. Then options of attention, for the law that uses
   them. */
static LawCase witness(const Encoding *position, int n) {
    static const struct {
        int layers, heads, width, ffn, activation, batch, length, train_length;
        AttentionOptions attention;
    } sizes[WITNESSES] = {{1, 3, 12, 20, MODEL_GELU, 1, 530, 140, {0}},
                          {2, 6, 24, 16, MODEL_RELU, 3, 21, 16, {0}},
                          {3,
                           4,
                           16,
                           8,
                           MODEL_RELU,
                           2,
                           13,
                           8,
                           {.nope_every = 2,
                            .scale = ATTENTION_SCALE_ASENTMAX,
                            .scale_log = ATTENTION_LOG_NEXT,
                            .sink_logit = ATTENTION_SINK_LEARNED,
                            .output_gate = ATTENTION_GATE_HEAD}},
                          {1,
                           3,
                           12,
                           8,
                           MODEL_RELU,
                           1,
                           75,
                           20,
                           {.window = 40, .sinks = 3, .scale = ATTENTION_SCALE_LOG_N, .temperature = 1.3}},
                          {1,
                           2,
                           8,
                           8,
                           MODEL_RELU,
                           1,
                           70,
                           20,
                           {.top_k = 6,
                            .window = 50,
                            .temperature = 1.3,
                            .scale = ATTENTION_SCALE_SSMAX,
                            .scale_start = 0.3,
                            .sink_logit = ATTENTION_SINK_ZERO}}};
    return (LawCase){.position = *position,
                     .model = {.layers = sizes[n].layers,
                               .heads = sizes[n].heads,
                               .width = sizes[n].width,
                               .ffn = sizes[n].ffn,
                               .vocabulary = 17,
                               .activation = sizes[n].activation,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024,
                               .attention = sizes[n].attention},
                     .train_length = sizes[n].train_length,
                     .batch = sizes[n].batch,
                     .length = sizes[n].length,
                     .seed = 7};
}

static bool witnessed(const Law *law, const LawCase *c) {
    bool changed = c->model.attention.window || c->model.attention.top_k;
    Error err;
    return model_check(&c->model, &c->position, c->train_length, "law", &err) &&
           (!changed || strcmp(law->name, "agreement") == 0);
}

/* For a method that draws positions but whose partner's file does not exist: another partner. */
static bool with_stand_in(Encoding *position, Arena *arena) {
    const PositionMethod *partner = NULL;
    for (int i = 0; i < encoding_method_count; i++) {
        unsigned claims = encoding_methods[i]->claims;
        if (claims & POS_BY_POSITION && claims & POS_PREFIX_STABLE && !(claims & POS_SHIFT_INVARIANT))
            partner = encoding_methods[i];
    }
    Encoding *with = NEW(arena, 1, Encoding);
    position->partner = with;
    return partner && encoding_default(with, partner, arena);
}

/* The method's default options (and its partner's), with one boolean set if `option` names it. */
static Encoding position_of(const PositionMethod *method, const char *option, Arena *arena) {
    Encoding position;
    Error err;
    if (!encoding_default(&position, method, arena) && !with_stand_in(&position, arena)) return (Encoding){0};
    if (!option) return position;
    Json *object = json_new_object(arena);
    const OptionSection section = {"method", NULL, method->fields, method->field_count, NULL};
    json_set_bool(object, option, true);
    if (!options_read(position.options, &section, object, "mutant", arena, &err)) BUG("%s", err.text);
    return position;
}

/* The long case is last, since most errors show on a short one. */
static bool law_on_witnesses(const Law *law, const PositionMethod *method, const char *option,
                             char reason[TEXT]) {
    Arena *arena = arena_new(0);
    bool holds = true;
    Error err;
    for (int n = WITNESSES - 1; n >= 0 && holds; n--) {
        Encoding position = position_of(method, option, arena);
        LawCase c = witness(&position, n);
        if (!position.method) break; /* no partner exists */
        if (!witnessed(law, &c)) continue;
        holds = law_holds(law, &c, &err);
        if (!holds) snprintf(reason, TEXT, "%.*s", TEXT - 1, err.text);
    }
    arena_free(arena);
    return holds;
}

static const struct {
    const char *method, *option;
} witnesses[] = {{"alibi", NULL},   {"alibi", "trainable"},  {"t5", NULL},
                 {"rotary", NULL},  {"p_rope", NULL},        {"sinusoidal", NULL},
                 {"kerple", NULL},  {"kerple", "per_layer"}, {"pia", NULL},
                 {"learned", NULL}, {"shape", NULL},         {"randomised", NULL},
                 {"rerope", NULL},  {"shaw", NULL},          {"transformer_xl", NULL},
                 {"fox", NULL},     {"fire", NULL},          {"cope", NULL},
                 {"dape", NULL},    {"pope", NULL},          {"carope", NULL},
                 {"wall", NULL}};

/* A method's file may be deleted, with which its mutants and cases disappear. */
static bool registered(const char *method) {
    return encoding_find(method) != NULL;
}

/* p_rope replaces rotary if rotary does not exist. */
static bool testifies(int witness) {
    const char *method = witnesses[witness].method;
    return registered(method) && !(strcmp(method, "p_rope") == 0 && registered("rotary"));
}

static int run_law(const char *name) {
    char reason[TEXT];
    alarm(300); /* a mutant may loop for ever */
    for (int i = 0; i < COUNT_OF(witnesses); i++)
        if (testifies(i) && !law_on_witnesses(law_find(name), encoding_find(witnesses[i].method),
                                              witnesses[i].option, reason)) {
            puts(reason);
            return 1;
        }
    return 0;
}

/* ---- mutants of methods ---- */

/* Whether the law holds on the unchanged method; results are cached, since many mutants need them. */
static bool holds_on_real(const Law *law, const PositionMethod *method, const char *option,
                          char reason[TEXT]) {
    static struct {
        const Law *law;
        const PositionMethod *method;
        const char *option;
        bool holds;
        char reason[TEXT];
    } known[1000];
    static int count;
    int i = 0;
    while (i < count && (known[i].law != law || known[i].method != method ||
                         strcmp(known[i].option ? known[i].option : "", option ? option : "") != 0))
        i++;
    if (i == COUNT_OF(known)) BUG("more laws, methods and options than are kept");
    if (i == count) {
        known[i].law = law, known[i].method = method, known[i].option = option;
        known[i].holds = law_on_witnesses(law, method, option, known[i].reason);
        count++;
    }
    if (!known[i].holds) snprintf(reason, TEXT, "%s", known[i].reason);
    return known[i].holds;
}

/* Returns NULL if the law holds on the real method and fails on the mutant; else the error. */
static const char *method_mutant_survives(const MethodMutant *mutant, char reason[TEXT]) {
    const PositionMethod *real = encoding_find(mutant->method);
    PositionMethod copy = *real;
    mutant->spoil(&copy);
    if (!holds_on_real(law_find(mutant->law), real, mutant->option, reason))
        return "the real method is caught";
    if (law_on_witnesses(law_find(mutant->law), &copy, mutant->option, reason)) return "survives";
    return NULL;
}

/* ---- mutants of the core ---- */

static const CoreMutant core_mutants[] = {
    {"scaling missing", "(float)((double)a.temperature / sqrt(a.size))", "a.temperature", "agreement"},
    {"mask lets one key too many in", "*valid = attention_min(i - t->j0 + 1, t->columns)",
     "*valid = attention_min(i - t->j0 + 2, t->columns)", "causality"},
    {"mask shuts one key too many out", "*valid = attention_min(i - t->j0 + 1, t->columns)",
     "*valid = attention_min(i > t->j0 ? i - t->j0 : 1, t->columns)", "agreement"},
    {"reads beyond the diagonal", "for (int i = valid; i < columns; i++) s[i] = -INFINITY;", "", "causality"},
    {"backward reads beyond the diagonal", "for (int j = valid; j < end; j++) s[j] = -INFINITY;", "",
     "agreement"},
    {"softmax without the maximum", "if (!(e->highest > top[r])) e->highest = top[r];", "e->highest = 0;",
     "edges"},
    {"running sum not brought to the new maximum", "sum[r] *= shrink;", "", "agreement"},
    {"bias of head 0 for all heads", "a->run + (size_t)t->h * (a->length + 2 * TILE_ROWS)",
     "a->run + (size_t)(0 * t->h) * (a->length + 2 * TILE_ROWS)", "agreement"},
    {"bias gradient from the last tile alone", "sums[d] += diagonals[u]", "sums[d] = diagonals[u]",
     "agreement"},
    {"gradients of keys not turned back",
     "if (pair->k) m->transform_backward(context, key, input ? pair->k : NULL, pair->dk, a->key_wide);", "",
     "agreement"},
    {"backward without the row's mean", "(simd_load(ds + j) - delta)", "(simd_load(ds + j))", "agreement"},
    {"every sequence attends to the first", "  qkv + first * 3 * a->width, b", "  qkv, b", "batch"},
    {"embedding not scaled", "row[(size_t)t * width + c] = scale *",
     "row[(size_t)t * width + c] =", "agreement"},
    {"tied gradient of the output alone", "to[c] += scale *", "to[c] += 0 *", "agreement"},
    {"backward misses a residual", "nn_ops_layer_norm_backward(dx, g + at->norm2_w",
     "memset(dx, 0, count * sizeof *dx);\n    nn_ops_layer_norm_backward(dx, g + at->norm2_w", "agreement"},
    {"position added at the first sequence alone", "if (model->acting->method->embed) ",
     "if (model->acting->method->embed && b == 0) ", "agreement"},
    {"target is the input", "pass->rows.targets[b][t] : tokens[b][t + 1];",
     "pass->rows.targets[b][t] : tokens[b][t];", "agreement"},
    {"position parameters start from a shared stream", "random_stream(seed, \"init\", param->name)",
     "random_stream(seed, \"init\", model->position.method->name)", "init"},
    {"input of the first sequence alone",
     "for (int b = 0; b < sequences; b++)\n        for (int t = 0; t < length; t++, qkv +=",
     "for (int b = 0; b < 1; b++)\n        for (int t = 0; t < length; t++, qkv +=", "agreement"},
    {"input without its gradient", "if (input) add_input_backward(model, pass, l, dqkv, together);", "",
     "agreement"},
    {"all layers see the first layer's tensors",
     "see_layer(model, pass, l);\n    attention_layer(pass->attention, "
     "l);\n    for (int b = 0; b < sequences; b += together) {\n        size_t row = (size_t)b * "
     "(size_t)pass->keys;\n        float *lse",
     "see_layer(model, pass, 0);\n    attention_layer(pass->attention, "
     "l);\n    for (int b = 0; b < sequences; b += together) {\n        size_t row = (size_t)b * "
     "(size_t)pass->keys;\n        float *lse",
     "agreement"},
    {"all sequences have the positions of the first", "pass->moved ? pass->tables[b]",
     "pass->moved ? pass->tables[0]", "agreement"},
    {"positions by place in the micro-batch", "pass->origin.first_sequence + b};\n        bool moved",
     "b};\n        bool moved", "batch"},
    {"positions of windows by place in the pass",
     "transformer_set_origin(group->pass[lane],\n                           (ActivationsOrigin){.seed = "
     "group->model->seed, .first_sequence = (int)block});",
     "", "accounting"},
    {"biases of layers have no gradient", "if (a->per_layer && a->active) end_biases(a);", "", "agreement"},
    {"layers without the method are others", "(layer + 1) % options->nope_every",
     "layer % options->nope_every", "agreement"},
    {"biases in a layer without the method", "if (!a->run || !a->active) return NULL;",
     "if (!a->run) return NULL;", "agreement"},
    {"no projection after init", "model->params[p].name));\n    model_project(model);",
     "model->params[p].name));", "init"},
    {"no projection after an update", "optimizer->last_rate = rate;\n    model_project(model);",
     "optimizer->last_rate = rate;", "optimizer"},
    {"widened rows remain in layers that do not widen",
     "if (!a->method->widening || !a->options->nope_every) return;", "return;", "agreement"},
    {"horizon off by one", "- a->use->horizon - t->j0 + 1", "- a->use->horizon - t->j0 + 2", "agreement"},
    {"far keys have no gradient", "nn_ops_add(a->current.near.dk, far->dk, count);", "", "agreement"},
    {"vectors off by one", "int d = v->near - 1 - x;", "int d = v->near - x;", "agreement"},
    {"vectors beyond the last one skewed", "int ahead = t->i0 + TILE_ROWS - t->j0 - v->near;",
     "int ahead = t->i0 + TILE_ROWS - 1 - t->j0 - v->near;", "agreement"},
    {"vectors at values forgotten", "vectors[RELATIVE_VALUES].count)\n            relative_add_values(",
     "vectors[RELATIVE_VALUES].count < 0) relative_add_values(", "agreement"},
    {"a gate shuts itself out", "a->current.sums[t] = sum += gates[t];",
     "a->current.sums[t] = sum, sum += gates[t];", "agreement"},
    {"gradient of a gate without its own column", "dgates[t] = (float)(sum += a->current.dsums[t]);",
     "dgates[t] = (float)sum, sum += a->current.dsums[t];", "agreement"},
    {"gradient of gates from other heads", "if (backward) memset(a->current.dsums, 0,",
     "if (0) memset(a->current.dsums, 0,", "agreement"},
    {"pair bias of head 0 for all heads", "(size_t)t->h * a->length + (size_t)(t->i0 + r) : (size_t)r",
     "(size_t)(0 * t->h) * a->length + (size_t)(t->i0 + r) : (size_t)r", "agreement"},
    {"pair bias scaled by 1/sqrt(D)", "s[j] += pair[j] * a->root;", "s[j] += pair[j];", "agreement"},
    {"changed scores in the gradient", "hook.s = a->before,", "hook.s = a->block,", "agreement"},
    {"queries of changed scores have no gradient", "a->kept[h].near.dq + row,", "a->kept[h].dv + row,",
     "agreement"},
    {"keys of changed scores have no gradient", "a->dk_rows[h] = a->kept[h].near.dk;",
     "a->dk_rows[h] = a->kept[h].dv;", "agreement"},
    {"gradients of features are those of all sequences before", "if (terms->features && backward)", "if (0)",
     "agreement"},
    {"features have no gradient",
     "a->method->features_backward(a->context, x, terms->features, terms->dfeatures, dx);", ";", "agreement"},
    {"window one key too wide", "attention_max(a->sinks, i - a->window + 1) - t->j0",
     "attention_max(a->sinks, i - a->window) - t->j0", "agreement"},
    {"sinks see the query where it stands",
     "return t->sinks ? attention_min(i, a->window + a->sinks - 1) : i;", "return i;", "agreement"},
    {"sinks turned as other keys", "return tile->sinks && has_sink_queries(a) ? &a->current.sink",
     "return 0 && tile->sinks ? &a->current.sink", "agreement"},
    {"log n of the pass", "attention_fill_query_scales(a.query_scales, options, shape->train_length,",
     "attention_fill_query_scales(a.query_scales, options, a.length,", "agreement"},
    {"learnt scale without its gradient", "scale_backward(a, a->current.near.dq, qkv, h);", "", "agreement"},
    {"learnt scale of head 0 for all heads", "base + learnt[h] * a->basis[t]",
     "base + learnt[0] * a->basis[t]", "agreement"},
    {"power of the scale without its gradient", "power_backward(a, a->current.near.dq, qkv, h);", "",
     "agreement"},
    {"every learnt scale begins at one", "float base = from_one ? 1 : 0;", "float base = 1;", "agreement"},
    {"ln n for ln(n + 1)", "(float)log1p(i + next)", "(float)log1p(i + 0 * next)", "agreement"},
    {"input of the gate without its gradient",
     "nn_ops_add(pass->dnormed + row * (size_t)width, pass->gated, (size_t)rows * width);", "", "agreement"},
    {"gate of the next head", "size == model->shape.width ? c : c / model->shape.head_dim",
     "size == model->shape.width ? c : (c / model->shape.head_dim + 1) % size", "agreement"},
    {"gradient of attention not gated", "pass->dnormed[first + c] *= open;", "", "agreement"},
    {"sink logit without its gradient", "sink_logit_backward(a, lse + (size_t)h * a->length, h);", "",
     "agreement"},
    {"sink logit of head 0 for all heads", "learnt ? learnt[h] : 0", "learnt ? learnt[0] : 0", "agreement"},
    {"sink logit has no share", "return shrink / *total;",
     "return shrink / (*total - expf(logit - highest));", "agreement"},
    {"sink logit not in the backward pass of rows", "lse = closed + logf(sum);", "", "agreement"},
    {"entropy of the keys that are not seen", "simd_max((simd_load(row + j) - highest) * temperature, least)",
     "simd_max((simd_load(row + j) - highest) * temperature, simd_broadcast(-1))", "test_attention"},
    {"a low entropy, too, changes the temperature", "h > 0.5 && factor > 1", "1", "test_attention"},
    {"k - 1 highest scores", "row[j] < least ||", "row[j] <= least ||", "agreement"},
    {"biases divided by sqrt(D)", "run[a->length - 1 - d] = bias[d] * a->root;",
     "run[a->length - 1 - d] = bias[d];", "agreement"},
    {"scores change after temperature", "float unscale = 1 / a->temperature;", "float unscale = 1;",
     "agreement"},
    {"cached rows are those of the first sequence",
     "pass->origin.first_sequence + b);\n        float *normed",
     "pass->origin.first_sequence);\n        float *normed", "cache"},
    {"cached rows are not projected",
     "for (int t = 0; t < pass->cached; t += pass->chunk)\n            linear_forward(",
     "for (int t = 0; t < 0; t += pass->chunk)\n            linear_forward(", "cache"},
    {"the cache keeps the first rows", "((size_t)(b + 1) * (size_t)pass->keys - kept) * width",
     "((size_t)b * (size_t)pass->keys) * width", "cache"},
    {"no gradient through cached rows",
     "if (pass->cached) cached_pass_backward(model, pass, l, sequences, g);", "", "cache"},
    {"positions begin again in each segment",
     "if (!pass->cached) {\n        method->embed(&pass->context, x);",
     "if (1) {\n        method->embed(&pass->context, x);", "cache"},
    {"rows before the queries have a gradient",
     "memset(a->current.o + (size_t)t * a->wide, 0, (size_t)a->size * sizeof(float));", "", "cache"},
    {"LayerNorm backward misses a term", " - (x[i] - m) * r * product", "", "agreement"},
    {"LayerNorm with another epsilon", "norm_epsilon = 1e-5f", "norm_epsilon = 1e-3f", "agreement"},
    {"relu swallows NaN", "x[i] < 0 ? 0 : x[i]", "x[i] > 0 ? x[i] : 0", "edges"},
    {"cross-entropy without the maximum", "float top = simd_reduce_max(top_lanes);",
     "float top = 0 * simd_reduce_max(top_lanes);", "edges"},
    {"a rare word's class is that of another band", "(uint32_t)(at->band.size + band - 1)",
     "(uint32_t)(at->band.size + band % (adaptive->bands - 1))", "test_adaptive"},
    {"parts of a softmax have maxima of their own", "sum[row] *= expf(top[row] - highest);", "",
     "test_adaptive"},
    {"gradient of the first part alone", "if (first) nn_ops_add(s->dx, dx, ", "if (0) nn_ops_add(s->dx, dx, ",
     "test_adaptive"},
    {"a band's projection has no gradient from the output",
     "linear_backward(pass->linear, NULL, g + at->projection, NULL, h, dnarrow, NULL, n, width, d);", "",
     "test_adaptive"},
    {"no dropout of a band's projection", "drop(model, pass, narrow, rows, (size_t)d, \"output.band\");", "",
     "test_adaptive"},
    {"gradient of a band's projection is not dropped",
     "drop(model, pass, dnarrow, rows, (size_t)d, \"output.band\");", "", "test_adaptive"},
    {"bands drop h by masks of their own", "drop(model, pass, h, rows, (size_t)width, \"output\");",
     "drop(model, pass, h, rows, (size_t)width, band ? \"other\" : \"output\");", "test_adaptive"},
    {"last parameter missing from the optimiser",
     "optimizer->step++;\n    for (int p = 0; p < model->param_count;",
     "optimizer->step++;\n    for (int p = 0; p < model->param_count - 1;", "overfit"},
    {"everything decays", "param->decay ? options->decay : 0", "options->decay", "optimizer"},
    {"no bias correction", "(float)(rate / (1 - pow(o->beta1, (double)optimizer->step)))", "(float)rate",
     "optimizer"},
    {"tail of the stream dropped", "(targets + stride - 1) / stride", "targets / stride", "accounting"},
    {"nll averaged over windows", "sums->result->nll += into->nll;",
     "sums->result->nll += into->nll / (double)into->tokens;", "accounting"},
    {"first target of a window not scored", "for (int64_t k = window.scored; k < window.end; k++)",
     "for (int64_t k = window.scored + 1; k < window.end; k++)", "accounting"},
    {"one token of context short", "start = end - request->length;",
     "start = end - request->length + (request->stride < request->length);", "accounting"},
    {"grows behind the block after the middle", "return (blocks - 1) / 2 * block;",
     "return blocks / 2 * block;", "test_growth"},
    {"momentum of a new block not copied",
     "memcpy(optimizer->first + param->offset, optimizer->first + source, bytes);", "", "test_growth"},
    {"layers to come are trained", "return !param->frozen && param->layer < model->shape.layers;",
     "return !param->frozen;", "test_growth"},
    {"grows whenever a stage is resumed", "bool first = stage->index && state->steps == stage->first;",
     "bool first = stage->index;", "test_growth"},
    {"batches begin again after growth", "(step - 1 - stage->item_first) * stage->sequences",
     "(step - 1 - stage->first) * stage->sequences", "test_growth"},
};

static char folder[] = "/tmp/poslab-mutants-XXXXXX";

static char *read_text(const char *path, Arena *arena) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        text = NEW(arena, size + 1, char);
        rewind(file);
        if (fread(text, 1, (size_t)size, file) != (size_t)size) text = NULL;
    }
    fclose(file);
    return text;
}

static bool write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

/* Runs a program with its output in FOLDER/log; returns the status of waitpid. */
static int run(const char *const argv[]) {
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        static const char *const inherited[] = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL",
                                                "SANITIZE",  "CFLAGS", "LDFLAGS",       "BUILD"};
        for (int i = 0; i < COUNT_OF(inherited); i++) unsetenv(inherited[i]);
        int log = chdir(folder) == 0 ? open("log", O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
        if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (child > 0 && waitpid(child, &status, 0) != child) status = -1;
    return status;
}

static bool is_script(const char *law) {
    return strstr(law, ".py") != NULL;
}

static bool is_program(const char *law) {
    return strncmp(law, "test_", 5) == 0;
}

/* Builds what the mutant is tried with. */
static int make(const char *law) {
    const char *target = is_script(law) ? "poslab" : "build/tests/test_laws";
    char program[64];
    snprintf(program, sizeof program, "build/tests/%s", law);
    return run((const char *const[]){"make", "-s", "-j2", "OPT=-O1", "CFLAGS=-w", "BUILD=build",
                                     is_program(law) ? program : target, NULL});
}

/* The status with which a law fails on the sources of the folder; 0 if it holds. */
static int try_law(const char *law) {
    char path[64];
    snprintf(path, sizeof path, is_script(law) ? "tests/tools/%s" : "build/tests/%s", law);
    if (is_script(law))
        return run((const char *const[]){"timeout", "300", "python3", path, "./poslab", NULL});
    if (is_program(law)) return run((const char *const[]){"timeout", "300", path, NULL});
    return run((const char *const[]){"build/tests/test_laws", "law", law, NULL});
}

/* Whether a status is that of a law that does not hold: 1, of programs the number of failed tests; also what
   crashes, and what does not end (124). */
static bool rejected(const char *law, int status) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return code == 1 || code == 124 || (is_program(law) && code > 0 && code < 124);
}

/* A copy of the source tree, compiled once. */
static bool folder_made(void) {
    char command[128];
    if (!mkdtemp(folder)) return false;
    snprintf(command, sizeof command, "cp -r Makefile src methods tests %s", folder);
    return system(command) == 0 && make("laws") == 0;
}

static void folder_removed(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (strstr(folder, "XXXXXX") == NULL && system(command) != 0) fprintf(stderr, "%s is left\n", folder);
}

/* Finds the mutant's text, which must occur once in all sources of a tree: sets the file's path, its text and
   the offset. */
static const char *find_once(const CoreMutant *mutant, const char *tree, char **path, char **text, char **at,
                             Arena *arena) {
    glob_t files;
    const char *wrong = "its text is not there: adapt the mutant";
    if (glob(arena_format(arena, "%s/src/*/*.c", tree), 0, NULL, &files) != 0) return "no sources";
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *here = read_text(files.gl_pathv[i], arena), *found = here ? strstr(here, mutant->text) : NULL;
        if (!found) continue;
        wrong = *at || strstr(found + 1, mutant->text) ? "its text is there more than once" : NULL;
        *path = arena_copy(arena, files.gl_pathv[i]);
        *text = here, *at = found;
        if (wrong) break;
    }
    globfree(&files);
    return wrong;
}

/* Moves the real object aside before the mutant is compiled, and back afterwards, so that it need not be
 * recompiled.
 */
static bool object_kept(const char *object, const char *kept, bool back) {
    return back ? rename(kept, object) == 0 && utimensat(AT_FDCWD, object, NULL, 0) == 0
                : rename(object, kept) == 0;
}

/* Returns NULL if the law fails on the edited source; else the error. */
static const char *core_mutant_survives(const CoreMutant *mutant, char reason[TEXT]) {
    Arena *arena = arena_new(0);
    char *path = NULL, *text = NULL, *at = NULL;
    const char *wrong = find_once(mutant, folder, &path, &text, &at, arena);
    if (!wrong) {
        char *edited = arena_format(arena, "%.*s%s%s", (int)(at - text), text, mutant->replacement,
                                    at + strlen(mutant->text));
        const char *name = path + strlen(folder) + 1; /* src/FOLDER/FILE.c */
        const char *object = arena_format(arena, "%s/build/%.*so", folder, (int)strlen(name) - 1, name);
        const char *kept = arena_format(arena, "%s/kept.o", folder);
        if (!object_kept(object, kept, false) || !write_text(path, edited) || make(mutant->law) != 0) {
            wrong = "does not compile";
        } else {
            int status = try_law(mutant->law);
            if (!rejected(mutant->law, status)) wrong = status == 0 ? "survives" : "cannot be run";
        }
        const char *log = read_text(arena_format(arena, "%s/log", folder), arena);
        snprintf(reason, TEXT, "%.*s", (int)strcspn(log ? log : "", "\n"), log ? log : "");
        if (!write_text(path, text) || !object_kept(object, kept, true)) wrong = "cannot be undone";
    }
    arena_free(arena);
    return wrong;
}

/* ---- tests and table ---- */

static int make_folder(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    bool made = folder_made();
    if (!made) {
        char *log = read_text(arena_format(arena, "%s/log", folder), arena);
        print_error("the sources do not compile in %s:\n%s\n", folder, log ? log : "");
        folder_removed();
    }
    arena_free(arena);
    return made ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    folder_removed();
    return 0;
}

static void real_methods_obey(void **state) {
    char reason[TEXT];
    (void)state;
    for (int i = 0; i < law_count; i++)
        for (int w = 0; w < COUNT_OF(witnesses); w++)
            if (testifies(w) &&
                !holds_on_real(&laws[i], encoding_find(witnesses[w].method), witnesses[w].option, reason))
                fail_msg("%s", reason);
}

static void method_mutant_is_caught(void **state) {
    char reason[TEXT];
    const char *wrong = method_mutant_survives(*state, reason);
    if (wrong) fail_msg("%s %s", ((const MethodMutant *)*state)->what, wrong);
}

static void core_mutant_is_caught(void **state) {
    char reason[TEXT] = "";
    const char *wrong = core_mutant_survives(*state, reason);
    if (wrong) fail_msg("%s %s %s", ((const CoreMutant *)*state)->what, wrong, reason);
}

/* Mutant number i of the core; those about tasks are the last ones. */
static const CoreMutant *core_mutant(int i) {
    return i < COUNT_OF(core_mutants) ? &core_mutants[i] : &task_mutants[i - COUNT_OF(core_mutants)];
}

static int core_mutant_count(void) {
    return COUNT_OF(core_mutants) + task_mutant_count;
}

/* The programs and scripts must accept the sources as they are. */
static void real_tasks_are_right(void **state) {
    (void)state;
    for (int i = 0; i < task_mutant_count; i++) {
        const char *law = task_mutants[i].law;
        bool first = is_program(law) || is_script(law);
        for (int k = 0; k < i; k++) first = first && strcmp(task_mutants[k].law, law) != 0;
        if (first && (make(law) != 0 || try_law(law) != 0)) fail_msg("%s fails on the real sources", law);
    }
}

/* Without compiling, checks that the text of every mutant is found. */
static void core_mutants_have_their_text(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    for (int i = 0; i < core_mutant_count(); i++) {
        char *path = NULL, *text = NULL, *at = NULL;
        const char *wrong = find_once(core_mutant(i), ".", &path, &text, &at, arena);
        if (wrong) fail_msg("%s: %s", core_mutant(i)->what, wrong);
    }
    arena_free(arena);
}

static const MethodMutant *spoilt[200]; /* the mutants of existing methods */
static int spoilt_count;

static void collect(const MethodMutant *list, int count) {
    for (int i = 0; i < count; i++)
        if (registered(list[i].method)) spoilt[spoilt_count++] = &list[i];
}

/* Every law must have a mutant. */
static void every_law_bites(void **state) {
    (void)state;
    for (int i = 0; i < law_count; i++) {
        bool bites = false;
        for (int m = 0; m < spoilt_count; m++) bites |= strcmp(spoilt[m]->law, laws[i].name) == 0;
        for (int m = 0; m < COUNT_OF(core_mutants); m++)
            bites |= strcmp(core_mutants[m].law, laws[i].name) == 0;
        if (!bites) fail_msg("no mutant is named for the law '%s'", laws[i].name);
    }
}

static int row(const char *what, const char *where, const char *law, const char *wrong, const char *reason) {
    printf("%-45s %-12s %-11s %s\n", what, where, law, wrong ? wrong : "caught");
    printf("    %s\n", reason);
    return wrong != NULL;
}

static int print_methods_of(const Law *law) {
    int survivors = 0;
    for (int i = 0; i < spoilt_count; i++) {
        char reason[TEXT] = "";
        const MethodMutant *m = spoilt[i];
        if (strcmp(m->law, law->name) == 0)
            survivors += row(m->what, m->method, m->law, method_mutant_survives(m, reason), reason);
    }
    return survivors > 0;
}

static int print_table(void) {
    int survivors = 0;
    if (make_folder(NULL) != 0) return 1;
    for (int i = 0; i < spoilt_count; i++) {
        char reason[TEXT] = "";
        const MethodMutant *m = spoilt[i];
        survivors += row(m->what, m->method, m->law, method_mutant_survives(m, reason), reason);
    }
    for (int i = 0; i < core_mutant_count(); i++) {
        char reason[TEXT] = "";
        const CoreMutant *m = core_mutant(i);
        const char *wrong = core_mutant_survives(m, reason);
        survivors += row(m->what, "core", m->law, wrong, reason);
    }
    printf("%d mutants, %d survivors\n", spoilt_count + core_mutant_count(), survivors);
    folder_removed();
    return survivors > 0;
}

/* Sanitizers check memory; the plain build checks that each law rejects mutants. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

int main(int argc, char **argv) {
    static struct CMUnitTest tests[256];
    static char names[256][96];
    int count = 0;
    bool tasks = argc == 2 && strcmp(argv[1], "tasks") == 0;
    bool core = tasks || (argc == 2 && strcmp(argv[1], "core") == 0);
    if (argc == 3 && strcmp(argv[1], "law") == 0) return run_law(argv[2]);
    collect(method_mutants, method_mutant_count);
    collect(field_mutants, field_mutant_count);
    collect(family_mutants, family_mutant_count);
    collect(scores_mutants, scores_mutant_count);
    collect(feature_mutants, feature_mutant_count);
    if (argc == 2 && strcmp(argv[1], "mutants") == 0) return print_table();
    if (argc == 3 && strcmp(argv[1], "mutants") == 0) return print_methods_of(law_find(argv[2]));
    if (!core) {
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(real_methods_obey);
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(every_law_bites);
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(core_mutants_have_their_text);
    }
    for (int i = 0; !SANITIZED && !core && i < spoilt_count; i++, count++) {
        const MethodMutant *m = spoilt[i];
        snprintf(names[count], sizeof names[count], "%s: %s: %s", m->law, m->method, m->what);
        tests[count] = (struct CMUnitTest){.name = names[count],
                                           .test_func = method_mutant_is_caught,
                                           .initial_state = (void *)(uintptr_t)m};
    }
    if (core) tests[count++] = (struct CMUnitTest)cmocka_unit_test(real_tasks_are_right);
    for (int i = tasks ? COUNT_OF(core_mutants) : 0; core && i < core_mutant_count(); i++, count++) {
        const CoreMutant *m = core_mutant(i);
        snprintf(names[count], sizeof names[count], "%s: core: %s", m->law, m->what);
        tests[count] = (struct CMUnitTest){
            .name = names[count], .test_func = core_mutant_is_caught, .initial_state = (void *)(uintptr_t)m};
    }
    return _cmocka_run_group_tests("laws", tests, (size_t)count, core ? make_folder : NULL,
                                   core ? remove_folder : NULL);
}
