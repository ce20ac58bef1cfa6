#include "analysis/selection.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/database.h"
#include "analysis/observations.h"

/* --- conditions --- */

/* A condition. Several about one field are alternatives; those about different fields must all hold. */
typedef struct Condition {
    const ObservationField *field;
    const char *value;
} Condition;

typedef struct Conditions {
    Condition *items;
    int count;
} Conditions;

static bool add_condition(Conditions *conditions, const char *text, Arena *arena, Error *err) {
    const ObservationField *field;
    const char *equals = strchr(text, '=');
    if (!equals) return error_set(err, EXIT_USAGE, "--where takes FIELD=VALUE, got '%s'", text);
    const char *name = arena_format(arena, "%.*s", (int)(equals - text), text);
    if (!observations_parse_fields(&field, 1, name, arena, err)) return false;
    *ARENA_PUSH(arena, conditions->items, conditions->count) = (Condition){field, equals + 1};
    return true;
}

/* Whether the conditions about `field` allow any of these values. */
static bool allowed(const Conditions *conditions, const ObservationField *field, const char *const *values,
                    int value_count) {
    bool asked = false;
    for (int i = 0; i < conditions->count; i++) {
        if (!observations_same_field(conditions->items[i].field, field)) continue;
        asked = true;
        for (int v = 0; v < value_count; v++)
            if (observations_same_value(field, values[v], conditions->items[i].value)) return true;
    }
    return !asked;
}

/* Whether the conditions allow the cell; those about seeds are for keep_seeds. A method may be called by its
   key, its label or its name in tables. */
static bool cell_allowed(const Conditions *conditions, const Series *series, const SeriesCell *cell,
                         Arena *arena) {
    const Observation observation = {.series = series, .name = series->name, .cell = cell, .seed = -1};
    ArenaMark mark = arena_mark(arena);
    bool wanted = true;
    for (int i = 0; wanted && i < conditions->count; i++) {
        const ObservationField *field = conditions->items[i].field;
        if (field->shows == OBSERVATION_SEED) continue;
        const char *values[] = {observations_text(field, &observation, arena), series->name, series->method,
                                series->label};
        wanted =
            allowed(conditions, field, values, field->shows == OBSERVATION_METHOD ? COUNT_OF(values) : 1);
    }
    arena_release(arena, mark);
    return wanted;
}

static bool seed_allowed(const Conditions *conditions, int64_t seed) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)seed);
    for (int i = 0; i < conditions->count; i++)
        if (conditions->items[i].field->shows == OBSERVATION_SEED)
            return allowed(conditions, conditions->items[i].field, &(const char *){text}, 1);
    return true;
}

/* The cell with the seeds that the conditions allow. */
static SeriesCell *keep_seeds(SeriesCell *cell, const Conditions *conditions, Arena *arena) {
    if (!cell) return NULL;
    bool *chosen = NEW(arena, cell->seeds_requested, bool), all = true;
    for (int i = 0; i < cell->seeds_requested; i++)
        all &= chosen[i] = seed_allowed(conditions, cell->seeds[i].seed);
    return all ? cell : series_cell_of(cell, chosen, arena);
}

/* Replaces series by what the conditions allow of them. */
static void keep_series(Series **items, int *count, const Conditions *conditions, Arena *arena) {
    Series *kept = NULL;
    int left = 0;
    for (int i = 0; i < *count; i++) {
        Series series = (*items)[i];
        series.cells = NULL;
        series.count = 0;
        series.base = keep_seeds(series.base, conditions, arena);
        for (int k = 0; k < (*items)[i].count; k++) {
            SeriesCell *cell = &(*items)[i].cells[k];
            if (!cell_allowed(conditions, &(*items)[i], cell, arena)) continue;
            cell = keep_seeds(cell, conditions, arena);
            if (cell->seeds_requested) *ARENA_PUSH(arena, series.cells, series.count) = *cell;
        }
        if (series.count) *ARENA_PUSH(arena, kept, left) = series;
    }
    *items = kept;
    *count = left;
}

/* The part of a set that the conditions allow. The signature is still that of the set. */
static Results *keep(const Results *set, const Conditions *conditions, Arena *arena) {
    Results *kept = NEW(arena, 1, Results);
    *kept = *set;
    keep_series(&kept->items, &kept->count, conditions, arena);
    keep_series(&kept->left_out, &kept->left_out_count, conditions, arena);
    if (set->best) results_note_best(kept, arena);
    return kept;
}

enum { MOST_VALUES = 20 };

/* "it has '16', '32'": the values of a field in all experiments. */
static const char *values_of(const ObservationField *field, const Results *const *sets, int count,
                             Arena *arena) {
    const char *values[MOST_VALUES], *text = "";
    int known = 0;
    for (int e = 0; e < count; e++)
        for (int i = 0; i < sets[e]->count; i++) {
            const Series *series = &sets[e]->items[i];
            for (int k = 0; k < series->count; k++)
                for (int s = 0; s < series->cells[k].seeds_requested && known < MOST_VALUES; s++) {
                    const Observation observation = {.series = series,
                                                     .name = series->name,
                                                     .cell = &series->cells[k],
                                                     .seed = series->cells[k].seeds[s].seed};
                    const char *value = observations_text(field, &observation, arena);
                    if (!text_among(value, values, known)) values[known++] = value;
                }
        }
    for (int k = 0; k < known; k++) text = arena_format(arena, "%s%s'%s'", text, k ? ", " : "", values[k]);
    return known ? arena_format(arena, "it has %s%s", text, known == MOST_VALUES ? ", ..." : "")
                 : "it has no value here";
}

/* Fails if one of the conditions holds for nothing. */
static bool check_each(const Conditions *conditions, const Results *const *sets, int count, Arena *arena,
                       Error *err) {
    for (int i = 0; i < conditions->count; i++) {
        const Conditions one = {&conditions->items[i], 1};
        const char *name = one.items->field->name;
        int e = 0;
        while (e < count && !keep(sets[e], &one, arena)->count) e++;
        if (e < count) continue;
        return error_set(err, EXIT_USAGE, "--where %s=%s: no evaluation has this '%s'; %s", name,
                         one.items->value, name, values_of(one.items->field, sets, count, arena));
    }
    return true;
}

bool selection_apply(const Results **sets, int *count, const char *const *where, const char *const *methods,
                     Arena *arena, Error *err) {
    Conditions conditions = {0};
    int left = 0;
    for (; where && *where; where++)
        if (!add_condition(&conditions, *where, arena, err)) return false;
    for (; methods && *methods; methods++)
        if (!add_condition(&conditions, arena_format(arena, "method=%s", *methods), arena, err)) return false;
    if (!conditions.count) return true;
    if (!check_each(&conditions, sets, *count, arena, err)) return false;
    for (int e = 0; e < *count; e++) {
        Results *kept = keep(sets[e], &conditions, arena);
        if (!kept->count) continue;
        if (!results_sign(kept, arena, err)) return false;
        for (int i = 0; i < conditions.count; i++)
            kept->signature = arena_format(arena, "%s where=%s=%s", kept->signature,
                                           conditions.items[i].field->name, conditions.items[i].value);
        sets[left++] = kept;
    }
    *count = left;
    return left || error_set(err, EXIT_USAGE,
                             "no evaluation fulfils all of --where; each condition alone holds for some");
}

bool selection_choose(const Results **set, const char *conditions, Arena *arena, Error *err) {
    const char **where = NULL;
    int count = 0, one = 1;
    for (size_t size; *conditions; conditions += size + (conditions[size] == ',')) {
        size = strcspn(conditions, ",");
        *ARENA_PUSH(arena, where, count) = arena_format(arena, "%.*s", (int)size, conditions);
    }
    *ARENA_PUSH(arena, where, count) = NULL;
    return selection_apply(set, &one, where, NULL, arena, err);
}

/* --- joining --- */

/* Adds paths that are new. */
static void add_paths(const char ***paths, int *count, const char *const *more, int more_count,
                      Arena *arena) {
    for (int i = 0; i < more_count; i++)
        if (!text_among(more[i], *paths, *count)) *ARENA_PUSH(arena, *paths, *count) = more[i];
}

/* Adds an experiment, which is called `name`. */
static void add_set(Results *joined, const Results *set, const char *name, Arena *arena) {
    joined->experiment = text_join(joined->experiment, ", ", name, arena);
    joined->signature = text_join(
        joined->signature, "; ",
        arena_format(arena, "%s (%s): %s", set->experiment, database_path(set->store), set->signature),
        arena);
    add_paths(&joined->paths, &joined->path_count, set->paths, set->path_count, arena);
    add_paths(&joined->best_paths, &joined->best_count, set->best_paths, set->best_count, arena);
    if (set->best)
        joined->best = text_join(joined->best ? joined->best : "", " ",
                                 arena_format(arena, "%s: %s", name, set->best), arena);
    for (int i = 0; i < set->count; i++) *ARENA_PUSH(arena, joined->items, joined->count) = set->items[i];
}

/* The config of a series as it is compared with those of other experiments: without the data if all have the
   same corpus. */
static const Json *compared_config(const Series *series, bool same_corpus, Arena *arena) {
    Json *config = series->config ? json_copy(series->config, arena) : json_new_object(arena);
    if (same_corpus) json_remove(config, "data");
    return config;
}

/* Names the series by all settings in which they differ, also those that no experiment varies. */
static void name_together(Results *joined, Arena *arena) {
    const Json **configs = NEW(arena, joined->count, const Json *);
    bool same_corpus = true;
    int count = 0;
    for (int i = 0; i < joined->count; i++)
        same_corpus &= !strcmp(joined->items[i].corpus, joined->items[0].corpus);
    for (int i = 0; i < joined->count; i++)
        configs[i] = compared_config(&joined->items[i], same_corpus, arena);
    const char **settings = run_label_compare(configs, joined->count, arena);
    for (int i = 0; i < joined->count; i++)
        series_set_settings(&joined->items[i], settings[i], joined->best_paths, joined->best_count, arena);
    const char **paths = run_label_differing(configs, joined->count, &count, arena);
    add_paths(&joined->paths, &joined->path_count, paths, count, arena);
}

Results *selection_join(const Results *const *sets, int count, Arena *arena) {
    Results *joined = NEW(arena, 1, Results);
    bool experiments = false, databases = false;
    *joined = (Results){.store = sets[0]->store,
                        .reference = sets[0]->reference,
                        .task = sets[0]->task,
                        .signature = "",
                        .experiment = ""};
    for (int s = 1; s < count; s++) {
        experiments |= strcmp(sets[s]->experiment, sets[0]->experiment) != 0;
        databases |= sets[s]->store != sets[0]->store;
    }
    for (int s = 0; s < count; s++) {
        const char *database = database_path(sets[s]->store);
        const char *name = experiments ? sets[s]->experiment : database;
        if (experiments && databases) name = arena_format(arena, "%s (%s)", name, database);
        add_set(joined, sets[s], name, arena);
    }
    if (count > 1) name_together(joined, arena);
    return joined;
}
