#include "analysis/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "position/encoding.h"
#include "experiment/config_keys.h"

/* --- fields --- */

enum {
    EVALUATED = OBSERVATION_SPLIT | OBSERVATION_PROTOCOL | OBSERVATION_STRIDE | OBSERVATION_TARGETS |
                OBSERVATION_PRECISION
};
const ObservationField observations_all_fields[] = {
    {"method", "method", "", "method", OBSERVATION_METHOD, OBSERVATION_NAME, 0},
    {"database", "database", "", "database", OBSERVATION_DATABASE, OBSERVATION_OF_SERIES,
     offsetof(Series, database)},
    {"experiment", "experiment", "", "experiment", OBSERVATION_EXPERIMENT, OBSERVATION_OF_SERIES,
     offsetof(Series, experiment)},
    {"source", "source", "", "source", OBSERVATION_SOURCE, OBSERVATION_FROM, 0},
    {"evaluated", "evaluated on", "", "protocol", EVALUATED, OBSERVATION_OF_SERIES,
     offsetof(Series, evaluated)},
    {"split", "split", "", "split", OBSERVATION_SPLIT, OBSERVATION_OF_SERIES, offsetof(Series, split)},
    {"protocol", "protocol", "", "protocol", OBSERVATION_PROTOCOL, OBSERVATION_OF_SERIES,
     offsetof(Series, protocol)},
    {"stride_rule", "stride", "", "stride", OBSERVATION_STRIDE, OBSERVATION_OF_SERIES,
     offsetof(Series, rule)},
    {"requested", "targets", "", "number of targets", OBSERVATION_TARGETS, OBSERVATION_COUNT,
     offsetof(Series, requested)},
    {"eval_precision", "precision", "", "precision", OBSERVATION_PRECISION, OBSERVATION_OF_SERIES,
     offsetof(Series, precision)},
    {"corpus", "corpus", "", "corpus", OBSERVATION_CORPUS, OBSERVATION_OF_SERIES, offsetof(Series, corpus)},
    {"train_length", "trained", "at", "training length", OBSERVATION_TRAIN_LENGTH, OBSERVATION_COUNT,
     offsetof(Series, train_length)},
    {"parameters", "all", "params", "number of parameters", 0, OBSERVATION_COUNT,
     offsetof(Series, parameters)},
    {"position_parameters", "position", "params", "number of position parameters", 0, OBSERVATION_COUNT,
     offsetof(Series, position_parameters)},
    {"variant", "setting", "", "setting", 0, OBSERVATION_OF_SERIES, offsetof(Series, setting)},
    {"eval_variant", "variant", "", "variant", 0, OBSERVATION_OF_SERIES, offsetof(Series, variant)},
    {"seed", "seed", "", "seed", OBSERVATION_SEED, OBSERVATION_OF_SEED, 0},
    {"eval_length", "evaluated", "at", "evaluation length", OBSERVATION_LENGTH, OBSERVATION_AT, 0},
    {"multiple", "times", "length", "multiple of the training length", OBSERVATION_LENGTH,
     OBSERVATION_MULTIPLE, 0},
    {"size", "size", "", "size", OBSERVATION_LENGTH, OBSERVATION_AT, 0},
};
const int observations_field_count = COUNT_OF(observations_all_fields);

bool observations_same_field(const ObservationField *a, const ObservationField *b) {
    return !strcmp(a->name, b->name);
}

bool observations_is_number(const ObservationField *field) {
    return field->kind >= OBSERVATION_COUNT;
}

double observations_number(const ObservationField *field, const Observation *observation) {
    const SeriesCell *cell = observation->cell;
    const Series *series = observation->series;
    switch (field->kind) {
    case OBSERVATION_OF_CONFIG:
        return json_number(json_at_path(series->config, field->name), NAN);
    case OBSERVATION_COUNT:
        return (double)*(const int64_t *)((const char *)series + field->offset);
    case OBSERVATION_AT:
        return (double)cell->length;
    case OBSERVATION_MULTIPLE:
        return (double)cell->length / (double)series->train_length;
    case OBSERVATION_OF_SEED:
        return (double)observation->seed;
    default:
        return NAN;
    }
}

const char *observations_text(const ObservationField *field, const Observation *observation, Arena *arena) {
    double number = observations_number(field, observation);
    if (field->kind == OBSERVATION_OF_SERIES)
        return *(const char *const *)((const char *)observation->series + field->offset);
    if (field->kind == OBSERVATION_NAME) return observation->name;
    if (field->kind == OBSERVATION_OF_CONFIG)
        return series_config_value(observation->series, field->name, arena);
    if (field->kind == OBSERVATION_FROM) return observation->paper ? "paper" : "here";
    if (field->kind == OBSERVATION_MULTIPLE) return arena_format(arena, "%.4gx", number);
    return number < 0 ? "" : arena_format(arena, "%.0f", number);
}

/* The keys of a point's config, NULL-terminated after `count` names that are there. */
static const char **add_config_keys(const char **names, int count, Arena *arena) {
    for (int i = 0; config_keys_sections[i]; i++) {
        const OptionSection *section = config_keys_sections[i];
        int keys = 0;
        if (!*section->path || strchr(section->path, '[') || !strcmp(section->path, "evaluate") ||
            !strcmp(section->path, "cluster"))
            continue;
        const ConfigKey *list = config_keys_list(section, &keys, arena);
        for (int k = 0; k < keys; k++) *ARENA_PUSH(arena, names, count) = list[k].path;
    }
    for (int i = 0; i < encoding_method_count; i++)
        for (int k = 0; k < encoding_methods[i]->field_count; k++)
            *ARENA_PUSH(arena, names, count) =
                arena_format(arena, "method.%s", encoding_methods[i]->fields[k].key);
    *ARENA_PUSH(arena, names, count) = NULL;
    return names;
}

static const ObservationField *config_field(const char *path, Arena *arena) {
    ObservationField *field = NEW(arena, 1, ObservationField);
    const char *dot = strrchr(path, '.');
    *field = (ObservationField){path, dot + 1, "", path, 0, OBSERVATION_OF_CONFIG, 0};
    return field;
}

static const ObservationField *find_field(const char *name, Arena *arena, Error *err) {
    const char **names = NULL, *nearest = options_synonym(name);
    int count = 0;
    for (int i = 0; i < observations_field_count; i++) {
        *ARENA_PUSH(arena, names, count) = observations_all_fields[i].name;
        if (!strcmp(names[i], name)) return &observations_all_fields[i];
    }
    names = add_config_keys(names, count, arena);
    for (int i = count; names[i]; i++)
        if (!strcmp(names[i], name)) return config_field(names[i], arena);
    if (!nearest) nearest = options_nearest_name(name, names);
    if (nearest)
        error_set(err, EXIT_USAGE, "tables have no field '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(err, EXIT_USAGE, "tables have no field '%s'; `poslab table --help` lists them", name);
    return NULL;
}

int observations_parse_fields(const ObservationField **fields, int most, const char *list, Arena *arena,
                              Error *err) {
    int count = 0;
    for (;; list++) {
        size_t size = strcspn(list, ",");
        const char *name = arena_format(arena, "%.*s", (int)size, list);
        if (count == most) {
            error_set(err, EXIT_USAGE, "at most %d field%s, got one more: '%s'", most, most == 1 ? "" : "s",
                      name);
            return 0;
        }
        fields[count] = find_field(name, arena, err);
        if (!fields[count++]) return 0;
        list += size;
        if (!*list) return count;
    }
}

/* --- conditions --- */

int observations_parse_filters(ObservationFilter **where, const char *const *texts, Arena *arena,
                               Error *err) {
    int count = 0;
    while (texts && texts[count]) count++;
    *where = NEW(arena, count, ObservationFilter);
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(texts[i], '=');
        if (!equals) {
            error_set(err, EXIT_USAGE, "--where takes FIELD=VALUE, got '%s'", texts[i]);
            return -1;
        }
        const char *name = arena_format(arena, "%.*s", (int)(equals - texts[i]), texts[i]);
        (*where)[i] = (ObservationFilter){.field = find_field(name, arena, err), .value = equals + 1};
        if (!(*where)[i].field) return -1;
    }
    return count;
}

/* Numbers are compared as numbers, "2" is "2.0" and "2x": whole ones and values of the config exactly, others
   as they are shown. */
static bool same_value(const char *a, const char *b, const ObservationField *field) {
    char *end_a, *end_b;
    if (!strcmp(a, b)) return true;
    double first = strtod(a, &end_a), second = strtod(b, &end_b);
    if (end_a == a || end_b == b) return false;
    if (field->kind == OBSERVATION_OF_CONFIG) return !*end_a && !*end_b && first == second;
    double within = first == floor(first) && second == floor(second) ? 0 : 1e-3 * fabs(first);
    return observations_is_number(field) && fabs(first - second) <= within;
}

bool observations_allow(const ObservationFilter *where, int count, const ObservationField *field,
                        const char *const *values, int value_count) {
    bool asked = false;
    for (int i = 0; i < count; i++) {
        if (!observations_same_field(where[i].field, field)) continue;
        asked = true;
        for (int v = 0; v < value_count; v++)
            if (same_value(values[v], where[i].value, field)) return true;
    }
    return !asked;
}

/* A method may be called by its key, its label or its name in the table. */
static bool is_wanted(const Observation *observation, const ObservationOptions *options, Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    bool wanted = true;
    for (int i = 0; wanted && i < options->where_count; i++) {
        const ObservationField *field = options->where[i].field;
        if (field->shows == OBSERVATION_SEED) continue; /* chosen seed by seed */
        const Series *series = observation->series;
        const char *values[] = {observations_text(field, observation, arena), series->name, series->method,
                                series->label};
        wanted = observations_allow(options->where, options->where_count, field, values,
                                    field->shows == OBSERVATION_METHOD ? COUNT_OF(values) : 1);
    }
    arena_release(arena, mark);
    return wanted;
}

static bool seed_wanted(const ObservationOptions *options, int64_t seed) {
    char text[32];
    const char *const value = text;
    snprintf(text, sizeof text, "%lld", (long long)seed);
    for (int i = 0; i < options->where_count; i++)
        if (options->where[i].field->shows == OBSERVATION_SEED)
            return observations_allow(options->where, options->where_count, options->where[i].field, &value,
                                      1);
    return true;
}

/* --- listing --- */

/* The cell with the seeds that are wanted, or with `only` (-1: all of these). */
static const SeriesCell *choose_seeds(const SeriesCell *cell, const ObservationOptions *options, int64_t only,
                                      Arena *arena) {
    if (!cell) return NULL;
    bool *chosen = NEW(arena, cell->seeds_requested, bool), all = true;
    for (int i = 0; i < cell->seeds_requested; i++) {
        int64_t seed = cell->seeds[i].seed;
        chosen[i] = seed_wanted(options, seed) && (only < 0 || seed == only);
        all &= chosen[i];
    }
    return all ? cell : series_cell_of(cell, chosen, arena);
}

/* Adds the observation of these seeds, if the cell has any of them. */
static void add_seeds(ObservationList *list, Observation observation, const SeriesCell *base,
                      const ObservationOptions *options, Arena *arena) {
    observation.cell = choose_seeds(observation.cell, options, observation.seed, arena);
    observation.base = choose_seeds(base, options, observation.seed, arena);
    if (observation.cell->seeds_requested) *ARENA_PUSH(arena, list->items, list->count) = observation;
}

static void add_series(ObservationList *list, const Series *series, const ObservationOptions *options,
                       Arena *arena) {
    const SeriesCell *base = series_cell(series, series->train_length);
    const char *name = series_name(series, options->shown, options->shown_count, arena);
    for (int k = 0; k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        Observation observation = {.series = series, .name = name, .cell = cell, .seed = -1};
        if (!is_wanted(&observation, options, arena)) continue;
        if (!options->by_seed) add_seeds(list, observation, base, options, arena);
        for (int s = 0; options->by_seed && s < cell->seeds_requested; s++) {
            observation.seed = cell->seeds[s].seed;
            add_seeds(list, observation, base, options, arena);
        }
    }
}

/* The paper's curve as a series with a cell at each multiple of ours; cells of one seed, for want of more. */
static void add_curve(ObservationList *list, const ReferenceCurve *curve, const Series *like, Arena *arena) {
    Series *series = series_of_reference(curve, arena_format(arena, "%s, paper", like->label), arena);
    const SeriesCell *base = series->cells; /* its curves begin at the training length */
    series->label = like->label;
    series->experiment = like->experiment;
    series->database = like->database;
    series->precision = like->precision;
    series->split = curve->split;
    series->protocol = like->protocol;
    series->evaluated = arena_format(arena, "%s, %s, %s", curve->dataset, curve->split, like->protocol);
    series->count = like->count;
    series->cells = NEW(arena, like->count, SeriesCell);
    for (int k = 0; k < like->count; k++) {
        Observation observation = {.series = series,
                                   .name = series->name,
                                   .cell = &series->cells[k],
                                   .base = base,
                                   .seed = -1,
                                   .paper = true};
        double multiple = (double)like->cells[k].length / (double)like->train_length;
        double perplexity = reference_curves_at(curve, multiple, &observation.between);
        series->cells[k] =
            series_cell_single(llround(multiple * (double)curve->train_length), perplexity, arena);
        *ARENA_PUSH(arena, list->items, list->count) = observation;
    }
}

/* Behind the last series of a method, its curves in the paper: as its series evaluated without overlap has
 * them. */
static void add_paper(ObservationList *list, int last, const ObservationOptions *options, Arena *arena) {
    const Series *like = NULL, *series = &list->set->items[last];
    for (int i = last + 1; i < list->set->count; i++)
        if (!strcmp(list->set->items[i].method, series->method)) return;
    for (int i = 0; i <= last; i++) {
        const Series *other = &list->set->items[i];
        if (strcmp(other->method, series->method) || strcmp(other->rule, "L")) continue;
        for (int k = 0; !like && k < other->count; k++)
            if (is_wanted(
                    &(Observation){
                        .series = other, .name = other->name, .cell = &other->cells[k], .seed = -1},
                    options, arena))
                like = other;
    }
    for (int i = 0; like && i < list->paper->count; i++)
        if (!strcmp(list->paper->items[i].method, series->method))
            add_curve(list, &list->paper->items[i], like, arena);
}

const ObservationList *observations_list(const Results *set, const ObservationOptions *options, Arena *arena,
                                         Error *err) {
    ObservationList *list = NEW(arena, 1, ObservationList);
    *list = (ObservationList){.set = set};
    if (options->paper) list->paper = reference_curves_choose(set->reference, arena);
    if (list->paper && !list->paper->count) {
        error_set(err, EXIT_USAGE,
                  "experiment '%s' has no reference curves of its methods; `poslab reference DB` imports the "
                  "paper's",
                  set->experiment);
        return NULL;
    }
    for (int i = 0; i < set->count; i++) {
        add_series(list, &set->items[i], options, arena);
        if (list->paper) add_paper(list, i, options, arena);
    }
    return list;
}

const Results *observations_keep(const Results *set, const ObservationOptions *options, Arena *arena,
                                 Error *err) {
    const ObservationList *list = observations_list(set, options, arena, err);
    if (!list) return NULL;
    const SeriesCell **cells = NEW(arena, list->count, const SeriesCell *);
    Results *kept = NEW(arena, 1, Results);
    *kept = *set;
    kept->items = NULL;
    kept->count = 0;
    for (int i = 0; i < list->count; i++) {
        const Observation *observation = &list->items[i];
        if (!i || observation->series != list->items[i - 1].series) {
            Series *series = ARENA_PUSH(arena, kept->items, kept->count);
            *series = *observation->series;
            series->cells = NULL;
            series->count = 0;
        }
        Series *series = &kept->items[kept->count - 1];
        *ARENA_PUSH(arena, series->cells, series->count) = *observation->cell;
        cells[i] = observation->cell;
    }
    kept->signature = results_signature(set, cells, list->count, arena, err);
    for (int i = 0; kept->signature && i < options->where_count; i++)
        kept->signature = arena_format(arena, "%s where=%s=%s", kept->signature,
                                       options->where[i].field->name, options->where[i].value);
    return kept->signature ? kept : NULL;
}

/* --- conditions that nothing fulfils --- */

enum { MOST_VALUES = 20 };

/* "the values 16, 32" of a field in all experiments. */
static const char *values_of(const ObservationField *field, const ObservationList *const *lists, int count,
                             Arena *arena) {
    const char *values[MOST_VALUES], *text = "";
    int known = 0;
    for (int e = 0; e < count; e++)
        for (int i = 0; i < lists[e]->count && known < MOST_VALUES; i++) {
            const char *value = observations_text(field, &lists[e]->items[i], arena);
            int k = 0;
            while (k < known && strcmp(values[k], value)) k++;
            if (k == known) values[known++] = value;
        }
    for (int k = 0; k < known; k++) text = arena_format(arena, "%s%s'%s'", text, k ? ", " : "", values[k]);
    return known ? arena_format(arena, "it has %s%s", text, known == MOST_VALUES ? ", ..." : "")
                 : "it has no value here";
}

bool observations_choose(const Results **sets, int *count, const ObservationOptions *options, Arena *arena,
                         Error *err) {
    const ObservationList **lists = NEW(arena, *count, const ObservationList *);
    ObservationOptions all = {.by_seed = !options->paper, .paper = options->paper};
    int kept = 0;
    for (int e = 0; e < *count; e++) {
        lists[e] = observations_list(sets[e], &all, arena, err);
        if (!lists[e]) return false;
    }
    for (int i = 0; i < options->where_count; i++) {
        const ObservationFilter *where = &options->where[i];
        ObservationOptions one = all;
        one.where = where;
        one.where_count = 1;
        bool matched = false;
        for (int e = 0; !matched && e < *count; e++)
            matched = observations_list(sets[e], &one, arena, err)->count > 0;
        if (!matched)
            return error_set(err, EXIT_USAGE, "--where %s=%s: no evaluation has this '%s'; %s",
                             where->field->name, where->value, where->field->name,
                             values_of(where->field, lists, *count, arena));
    }
    for (int e = 0; e < *count; e++)
        if (observations_list(sets[e], options, arena, err)->count) sets[kept++] = sets[e];
    if (kept) return *count = kept, true;
    return error_set(err, EXIT_USAGE,
                     "no evaluation fulfils all of --where; each condition alone holds for some");
}

/* --- selecting --- */

const Results *observations_select(const Results *set, const char *const *where, const char *const *methods,
                                   Arena *arena, Error *err) {
    ObservationFilter *filters;
    const char **texts = NULL;
    int count = 0, one = 1;
    for (int i = 0; where && where[i]; i++) *ARENA_PUSH(arena, texts, count) = where[i];
    for (int i = 0; methods && methods[i]; i++)
        *ARENA_PUSH(arena, texts, count) = arena_format(arena, "method=%s", methods[i]);
    *ARENA_PUSH(arena, texts, count) = NULL;
    count = observations_parse_filters(&filters, texts, arena, err);
    if (count < 0) return NULL;
    if (!count) return set;
    const ObservationOptions options = {.where = filters, .where_count = count};
    if (!observations_choose(&(const Results *){set}, &one, &options, arena, err)) return NULL;
    return observations_keep(set, &options, arena, err);
}
