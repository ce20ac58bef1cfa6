#include "experiment/point.h"

#include <string.h>

#include "base/sha256.h"
#include "position/encoding.h"
#include "experiment/grid.h"

/* --- key and label --- */

void point_key(char key[POINT_KEY_SIZE], const Config *config, const char *corpus, Arena *arena) {
    char digest[SHA256_HEX_SIZE];
    ArenaMark mark = arena_mark(arena);
    const char *text = arena_format(arena, "poslab %d\n%s\n%s", CONFIG_FORMAT, corpus, config->trained);
    sha256_hex(text, strlen(text), digest);
    arena_release(arena, mark);
    memcpy(key, digest, POINT_KEY_SIZE - 1);
    key[POINT_KEY_SIZE - 1] = '\0';
}

/* "method(option=value)" with the options that are not the default. */
static const char *method_label(const Encoding *position, Arena *arena) {
    const char *name = position->method->name, *list = encoding_changed_options(position, ",", arena);
    return *list ? arena_format(arena, "%s(%s)", name, list) : name;
}

const char *point_label(const Config *config, Arena *arena) {
    const Encoding *position = &config->position;
    return arena_format(arena, "%s%s%s L=%lld seed=%lld", method_label(position, arena),
                        position->partner ? "+" : "",
                        position->partner ? method_label(position->partner, arena) : "",
                        (long long)config->train.length, (long long)config->train.seed);
}

/* --- parents --- */

typedef struct Parents {
    Experiment *experiment;
    const Corpus *const *corpora;
    const Json **points;  /* as the config has them: without keys */
    const char **trained; /* the same */
    bool *visiting;       /* the point waits for the key of its parent */
    Arena *arena, *scratch;
    Error *err;
} Parents;

static const char *label(const Parents *parents, int index) {
    return point_label(&parents->experiment->points[index], parents->scratch);
}

static bool same_run(const Parents *parents, int a, int b) {
    return parents->corpora[a] == parents->corpora[b] && !strcmp(parents->trained[a], parents->trained[b]);
}

/* Whether `candidate` has the values of `train.from` of point `index`. */
static bool is_meant(const Parents *parents, int index, int candidate, const Json *values) {
    const TrainOptions *own = &parents->experiment->points[index].train;
    const TrainOptions *train = &parents->experiment->points[candidate].train;
    bool seeded = json_get(values, "train.seed") || json_get(json_get(values, "train"), "seed");
    bool chained = json_get(values, "train.from") || json_get(json_get(values, "train"), "from");
    return (seeded || train->seed == own->seed) && (chained || !(train->from || train->from_point)) &&
           grid_matches(values, parents->points[candidate]);
}

/* The index of the parent; -1 with the error set. */
static int find_parent(const Parents *parents, int index) {
    const Config *config = &parents->experiment->points[index];
    const Json *values = train_from_point(&config->train, parents->scratch);
    int found = -1;
    for (int i = 0; i < parents->experiment->count; i++) {
        if (!is_meant(parents, index, i, values)) continue;
        if (found >= 0 && !same_run(parents, found, i)) {
            error_set(
                parents->err, EXIT_USAGE,
                "%s: 'train.from' %s of %s matches several points, for example %s and %s; add a path whose "
                "values differ",
                config->source, json_print(values, parents->scratch), label(parents, index),
                label(parents, found), label(parents, i));
            return -1;
        }
        if (found < 0) found = i;
    }
    if (found < 0)
        error_set(parents->err, EXIT_USAGE,
                  "%s: 'train.from' %s of %s matches no point of the experiment that has the same seed; "
                  "correct the values, "
                  "add the point to 'sweep', or give the key of a run",
                  config->source, json_print(values, parents->scratch), label(parents, index));
    return found;
}

static bool check_tensors(const Parents *parents, int index, int parent) {
    const Config *config = &parents->experiment->points[index], *other = &parents->experiment->points[parent];
    ArenaMark mark = arena_mark(parents->scratch);
    const char *name = model_first_difference(
        model_new(&other->model, &other->position, (int)other->train.length, parents->scratch),
        model_new(&config->model, &config->position, (int)config->train.length, parents->scratch));
    if (name)
        error_set(
            parents->err, EXIT_USAGE,
            "%s: 'train.from': tensor '%s' of %s differs from %s, which it continues; the two must have "
            "the same tensors",
            config->source, name, label(parents, index), label(parents, parent));
    arena_release(parents->scratch, mark);
    return !name;
}

static bool resolve(Parents *parents, int index) {
    Config *config = &parents->experiment->points[index];
    if (config->train.from || !config->train.from_point) return true;
    if (parents->visiting[index])
        return error_set(parents->err, EXIT_USAGE,
                         "%s: 'train.from': %s continues itself; name a point that does not continue it",
                         config->source, label(parents, index));
    parents->visiting[index] = true;
    int parent = find_parent(parents, index);
    if (parent < 0 || !resolve(parents, parent) || !check_tensors(parents, index, parent)) return false;
    char key[POINT_KEY_SIZE];
    point_key(key, &parents->experiment->points[parent], parents->corpora[parent]->hash, parents->scratch);
    config_set_from(config, key, parents->arena);
    return true;
}

static bool any_to_resolve(const Experiment *experiment) {
    for (int i = 0; i < experiment->count; i++)
        if (!experiment->points[i].train.from && experiment->points[i].train.from_point) return true;
    return false;
}

bool point_set_parents(Experiment *experiment, const Corpus *const *corpora, Arena *arena, Error *err) {
    if (!any_to_resolve(experiment)) return true;
    Parents parents = {
        .experiment = experiment, .corpora = corpora, .arena = arena, .scratch = arena_new(0), .err = err};
    parents.points = NEW(parents.scratch, experiment->count, const Json *);
    parents.trained = NEW(parents.scratch, experiment->count, const char *);
    parents.visiting = NEW(parents.scratch, experiment->count, bool);
    bool fine = true;
    for (int i = 0; i < experiment->count; i++) {
        parents.trained[i] = experiment->points[i].trained;
        parents.points[i] = json_parse_own(experiment->points[i].resolved, parents.scratch);
    }
    for (int i = 0; i < experiment->count && fine; i++) fine = resolve(&parents, i);
    arena_free(parents.scratch);
    return fine;
}
