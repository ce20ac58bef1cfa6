/* import: the weights are checked and copied before anything is written. The result goes the way of a
   worker's: a result file in the run folder, which store/merge.h imports. */
#include "run/import.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "sys/atomic_file.h"
#include "sys/version.h"
#include "train/safetensors.h"
#include "store/merge.h"
#include "store/run_folder.h"
#include "run/worker.h"

/* --- names --- */

/* A tensor of the model, and the tensors of fairseq whose rows it consists of. %d is a layer or a band, the
   same in all names of a row. */
typedef struct ImportRow {
    const char *name, *parts[3];
} ImportRow;

static const ImportRow rows[] = {
    {"embedding.weight", {"decoder.embed_tokens.weight"}},
    {"decoder.embed_tokens.embeddings.%d.0.weight", {"decoder.embed_tokens.embeddings.%d.0.weight"}},
    {"decoder.embed_tokens.embeddings.%d.1.weight", {"decoder.embed_tokens.embeddings.%d.1.weight"}},
    {"decoder.adaptive_softmax.head.class_proj.weight", {"decoder.adaptive_softmax.head.class_proj.weight"}},
    {"layers.%d.norm1.weight", {"decoder.layers.%d.self_attn_layer_norm.weight"}},
    {"layers.%d.norm1.bias", {"decoder.layers.%d.self_attn_layer_norm.bias"}},
    {"layers.%d.attention.qkv.weight",
     {"decoder.layers.%d.self_attn.q_proj.weight", "decoder.layers.%d.self_attn.k_proj.weight",
      "decoder.layers.%d.self_attn.v_proj.weight"}},
    {"layers.%d.attention.qkv.bias",
     {"decoder.layers.%d.self_attn.q_proj.bias", "decoder.layers.%d.self_attn.k_proj.bias",
      "decoder.layers.%d.self_attn.v_proj.bias"}},
    {"layers.%d.attention.out.weight", {"decoder.layers.%d.self_attn.out_proj.weight"}},
    {"layers.%d.attention.out.bias", {"decoder.layers.%d.self_attn.out_proj.bias"}},
    {"layers.%d.norm2.weight", {"decoder.layers.%d.final_layer_norm.weight"}},
    {"layers.%d.norm2.bias", {"decoder.layers.%d.final_layer_norm.bias"}},
    {"layers.%d.ffn.in.weight", {"decoder.layers.%d.fc1.weight"}},
    {"layers.%d.ffn.in.bias", {"decoder.layers.%d.fc1.bias"}},
    {"layers.%d.ffn.out.weight", {"decoder.layers.%d.fc2.weight"}},
    {"layers.%d.ffn.out.bias", {"decoder.layers.%d.fc2.bias"}},
    {"norm.weight", {"decoder.layer_norm.weight"}},
    {"norm.bias", {"decoder.layer_norm.bias"}},
};
enum { MOST_PARTS = COUNT_OF(rows[0].parts), MOST_LINES = 12 };

/* The copy of a file's tensors into a model. */
typedef struct Copy {
    const char *path;
    const SafetensorsFile *file;
    Model *model;
    bool *used;   /* [tensors of the file] */
    int mistakes; /* the first MOST_LINES of them are in *err */
    Arena *arena;
    Error *err;
} Copy;

static void mistake(Copy *copy, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void mistake(Copy *copy, const char *format, ...) {
    char text[512];
    Error line;
    if (copy->mistakes++ >= MOST_LINES) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&line, EXIT_USAGE, "weights '%s': %s", copy->path, text);
    if (copy->mistakes == 1)
        *copy->err = line;
    else
        error_add(copy->err, &line, false);
}

static const char *shape_text(int rank, const int64_t *dims, Arena *arena) {
    return rank == 2 ? arena_format(arena, "[%lld, %lld]", (long long)dims[0], (long long)dims[1])
                     : arena_format(arena, "[%lld]", (long long)dims[0]);
}

/* Copies the tensor of this name to `values`. */
static void copy_part(Copy *copy, float *values, const char *name, int rank, const int64_t *dims) {
    const SafetensorsTensor *tensor = safetensors_find(copy->file, name);
    const char *wanted = shape_text(rank, dims, copy->arena);
    if (!tensor) {
        mistake(copy, "tensor '%s' %s is missing", name, wanted);
        return;
    }
    copy->used[tensor - copy->file->tensors] = true;
    size_t size = (size_t)dims[0] * (size_t)(rank == 2 ? dims[1] : 1);
    bool fits =
        tensor->rank == rank && tensor->dims[0] == dims[0] && (rank == 1 || tensor->dims[1] == dims[1]);
    const float *from = tensor->data;
    if (tensor->type != SAFETENSORS_F32)
        mistake(copy, "tensor '%s' is not of the type F32", name);
    else if (!fits)
        mistake(copy, "tensor '%s' has the shape %s; the config's model has %s", name,
                shape_text(tensor->rank, tensor->dims, copy->arena), wanted);
    for (size_t i = 0; fits && i < size; i++)
        if (!isfinite(from[i])) {
            mistake(copy, "tensor '%s' has a number that is not finite", name);
            return;
        }
    if (fits) memcpy(values, from, size * sizeof *values);
}

/* Copies the parts of a tensor of the model, one below the other. */
static void copy_param(Copy *copy, const ModelParam *param, const ImportRow *row, int number) {
    int parts = 0;
    while (parts < MOST_PARTS && row->parts[parts]) parts++;
    const int64_t dims[] = {param->dims[0] / parts, param->dims[1]};
    float *values = copy->model->values + param->offset;
    for (int i = 0; i < parts; i++)
        copy_part(copy, values + (size_t)i * (param->size / (size_t)parts),
                  arena_format(copy->arena, row->parts[i], number), param->rank, dims);
}

static const ModelParam *find_param(const Model *model, const char *name) {
    for (int i = 0; i < model->param_count; i++)
        if (strcmp(model->params[i].name, name) == 0) return &model->params[i];
    return NULL;
}

/* Copies all tensors, or sets err to what is missing, does not fit, or is left. */
static bool copy_tensors(Copy *copy) {
    const Model *model = copy->model;
    bool *filled = NEW(copy->arena, model->param_count, bool);
    copy->used = NEW(copy->arena, copy->file->count + 1, bool);
    for (int r = 0; r < COUNT_OF(rows); r++)
        for (int number = 0;; number++) {
            const ModelParam *param = find_param(model, arena_format(copy->arena, rows[r].name, number));
            if (!param || filled[param - model->params]) break; /* without %d the name is the same again */
            filled[param - model->params] = true;
            copy_param(copy, param, &rows[r], number);
        }
    for (int i = 0; i < model->param_count; i++)
        if (!filled[i])
            mistake(copy, "fairseq has no tensor for '%s' of the config's model", model->params[i].name);
    for (int i = 0; i < copy->file->count; i++)
        if (!copy->used[i])
            mistake(copy, "tensor '%s' is not part of the config's model", copy->file->tensors[i].name);
    int more = copy->mistakes - MOST_LINES;
    Error line;
    if (more > 0) {
        error_set(&line, EXIT_USAGE, "weights '%s': %d more tensor%s", copy->path, more,
                  more == 1 ? "" : "s");
        error_add(copy->err, &line, false);
    }
    return !copy->mistakes;
}

/* The weights at `path` in a new model, and their hash. */
static const Model *read_model(const char *path, const Config *config, char digest[SHA256_HEX_SIZE],
                               Arena *arena, Error *err) {
    Arena *scratch = arena_new(0);
    SafetensorsFile file;
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, arena);
    bool fine = safetensors_read_foreign(path, &file, scratch, err);
    if (fine) {
        model_allocate(model, arena);
        Copy copy = {.path = path, .file = &file, .model = model, .arena = scratch, .err = err};
        fine = copy_tensors(&copy);
    }
    if (fine) {
        Sha256 *hash = sha256_new();
        sha256_update(hash, model->values, model->size * sizeof *model->values);
        sha256_finish(hash, digest);
    }
    arena_free(scratch);
    return fine ? model : NULL;
}

/* --- the run --- */

/* The one point that the options select. */
static const PlanPoint *choose_point(const Plan *plan, const RunsChoice *choice, Arena *arena, Error *err) {
    const PlanPoint *chosen = NULL;
    const char *list = "";
    int count = 0;
    for (int i = 0; i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        const Config *config = point->config;
        if ((choice->method && strcmp(choice->method, config->position.method->name)) ||
            (choice->seed >= 0 && choice->seed != config->train.seed) ||
            (choice->length >= 0 && choice->length != config->train.length))
            continue;
        chosen = point;
        if (count++ < MOST_LINES)
            list = arena_format(arena, "%s%s%s", list, *list ? "; " : "", plan_label(point, arena));
    }
    if (count == 1) return chosen;
    error_set(
        err, EXIT_USAGE, "%s: %s; select the run of the weights with --method, --length and --seed%s%.800s",
        plan->points[0].config->source,
        count ? arena_format(arena, "%d runs match", count) : "no run matches", count ? ": " : "", list);
    return NULL;
}

/* Whether the run is new, or was imported from the same weights. */
static bool check_run(Database *store, const char *key, const char *digest, Arena *arena, Error *err) {
    const RunState state = runs_state(store, key);
    const char *const parameters[] = {key, NULL};
    if (!state.trained) return true;
    if (!state.imported)
        return error_set(
            err, EXIT_USAGE,
            "run %s is trained in '%s'; --set name=NAME imports the weights as another experiment", key,
            database_path(store));
    const char *before = query_first(store, "SELECT revision FROM run WHERE key = ?", parameters, arena, err);
    if (!before) return false;
    return strstr(before, digest) ||
           error_set(
               err, EXIT_USAGE,
               "run %s of '%s' has other weights (%s); --set name=NAME imports these as another experiment",
               key, database_path(store), before);
}

/* Writes the run folder, and imports its result unless the run is there already. */
static bool write_run(Database *store, const PlanPoint *point, const char *folder, const Model *model,
                      const char *origin, Arena *arena, Error *err) {
    const char *result = arena_format(arena, "%s/result.db", folder);
    const TrainResult training = {.final_loss = NAN, .revision = origin};
    const RunRecord record = {.point = point, .status = RUN_DONE, .training = &training, .threads = 1};
    if (!atomic_file_make_folder(folder, err) ||
        !worker_write_vocabulary(folder, point->corpus, arena, err) ||
        !worker_write_model(arena_format(arena, "%s/model.safetensors", folder), model, point->key,
                            point->config->resolved, point->corpus->hash, "", err))
        return false;
    if (runs_state(store, point->key).imported) return true;
    if (!runs_write_result(result, &record, err) || !merge_result(store, result, err)) return false;
    return unlink(result) == 0 || error_system(err, "cannot remove '%s'", result);
}

bool import_weights(const Plan *plan, const char *path, const ImportOptions *options, const char **key,
                    Arena *arena, Error *err) {
    enum { DIGITS = 12 };
    char digest[SHA256_HEX_SIZE];
    const PlanPoint *point = choose_point(plan, &options->choice, arena, err);
    if (!point) return false;
    if (point->config->train.from)
        return error_set(err, EXIT_USAGE, "%s: a run with 'train.from' cannot be imported; leave it out",
                         point->config->source);
    const Model *model = read_model(path, point->config, digest, arena, err);
    if (!model) return false;
    digest[DIGITS] = 0;
    const char *database = config_database(plan->experiment, options->database, arena);
    const char *origin =
        arena_format(arena, "imported by %s from %s, weights %s", version_revision(), path, digest);
    if (!atomic_file_make_folder(run_folder_parent(database, arena), err)) return false;
    Database *store = database_open_locked(database, DATABASE_CREATE, err);
    bool fine =
        store && check_run(store, point->key, digest, arena, err) && runs_store_plan(store, plan, err);
    if (fine) {
        const char *folder = run_folder_find(store, plan->experiment->name, point->key, arena);
        fine = write_run(store, point, folder, model, origin, arena, err);
    }
    database_close(store);
    *key = point->key;
    return fine;
}
