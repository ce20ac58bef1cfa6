#include "analysis/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

/* --- fields --- */

enum {
    EVALUATED = OBSERVATION_SPLIT | OBSERVATION_PROTOCOL | OBSERVATION_STRIDE | OBSERVATION_TARGETS |
                OBSERVATION_PRECISION
};
const ObservationField observations_all_fields[] = {
    {"method", "method", "", "method", OBSERVATION_METHOD, OBSERVATION_OF_SERIES, offsetof(Series, name)},
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

bool observations_is_number(const ObservationField *field) {
    return field->kind >= OBSERVATION_COUNT;
}

double observations_number(const ObservationField *field, const Observation *observation) {
    const SeriesCell *cell = observation->cell;
    const Series *series = observation->series;
    switch (field->kind) {
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
    if (field->kind == OBSERVATION_FROM) return observation->paper ? "paper" : "here";
    if (field->kind == OBSERVATION_MULTIPLE) return arena_format(arena, "%.4gx", number);
    return number < 0 ? "" : arena_format(arena, "%.0f", number);
}

static const ObservationField *find_field(const char *name, Error *err) {
    const char *names[COUNT_OF(observations_all_fields) + 1] = {0};
    for (int i = 0; i < COUNT_OF(observations_all_fields); i++) {
        names[i] = observations_all_fields[i].name;
        if (!strcmp(names[i], name)) return &observations_all_fields[i];
    }
    const char *nearest = options_nearest_name(name, names);
    if (nearest)
        error_set(err, EXIT_USAGE, "tables have no field '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(err, EXIT_USAGE, "tables have no field '%s'; `poslab table --help` lists them", name);
    return NULL;
}

int observations_parse_fields(const ObservationField **fields, int most, const char *list, Error *err) {
    char name[64];
    int count = 0;
    for (;; list++) {
        size_t size = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)size, list);
        if (count == most) {
            error_set(err, EXIT_USAGE, "at most %d field%s, got one more: '%s'", most, most == 1 ? "" : "s",
                      name);
            return 0;
        }
        fields[count] = find_field(name, err);
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
        (*where)[i] = (ObservationFilter){.field = find_field(name, err), .value = equals + 1};
        if (!(*where)[i].field) return -1;
    }
    return count;
}

/* Numbers are compared as numbers, "2" is "2.0" and "2x": whole ones exactly, others as they are shown. */
static bool same_value(const char *a, const char *b, bool number) {
    char *end_a, *end_b;
    if (!number) return !strcmp(a, b);
    double first = strtod(a, &end_a), second = strtod(b, &end_b);
    double within = first == floor(first) && second == floor(second) ? 0 : 1e-3 * fabs(first);
    return end_a != a && end_b != b && fabs(first - second) <= within;
}

bool observations_allow(const ObservationFilter *where, int count, const ObservationField *field,
                        const char *const *values, int value_count) {
    bool asked = false;
    for (int i = 0; i < count; i++) {
        if (where[i].field != field) continue;
        asked = true;
        for (int v = 0; v < value_count; v++)
            if (same_value(values[v], where[i].value, observations_is_number(field))) return true;
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
        const char *values[] = {observations_text(field, observation, arena), observation->series->method,
                                observation->series->label};
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
    for (int k = 0; k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        Observation observation = {.series = series, .cell = cell, .seed = -1};
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
        Observation observation = {
            .series = series, .cell = &series->cells[k], .base = base, .seed = -1, .paper = true};
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
            if (is_wanted(&(Observation){.series = other, .cell = &other->cells[k], .seed = -1}, options,
                          arena))
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

/* The series with the cells and seeds that are wanted; false if there is none. */
static bool select_series(Series *selected, const Series *series, const ObservationOptions *options,
                          Arena *arena) {
    *selected = *series;
    selected->cells = NEW(arena, series->count, SeriesCell);
    selected->count = 0;
    for (int k = 0; k < series->count; k++) {
        const Observation observation = {.series = series, .cell = &series->cells[k], .seed = -1};
        const SeriesCell *cell = is_wanted(&observation, options, arena)
                                     ? choose_seeds(observation.cell, options, -1, arena)
                                     : NULL;
        if (cell && cell->seeds_requested) selected->cells[selected->count++] = *cell;
    }
    return selected->count > 0;
}

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
    Results *selected = NEW(arena, 1, Results);
    *selected = *set;
    selected->items = NEW(arena, set->count, Series);
    selected->count = 0;
    for (int i = 0; i < set->count; i++)
        selected->count += select_series(&selected->items[selected->count], &set->items[i], &options, arena);
    return selected;
}

/* --- ratios --- */

int observations_ratio(const Observation *observation, double *mean, double *deviation, Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    double *ratios = NEW(arena, observation->cell->count, double);
    int count = series_log_ratios(ratios, observation->cell, observation->base);
    for (int i = 0; i < count; i++) ratios[i] = exp(ratios[i]);
    *mean = stats_mean(ratios, count);
    *deviation = stats_deviation(ratios, count);
    arena_release(arena, mark);
    return count;
}

const char *observations_ratio_text(const Observation *observation, double mean, double deviation, int count,
                                    Arena *arena) {
    if (!observation->cell->count) return series_cell_text(observation->cell, arena);
    if (!count) return "-";
    int digits = mean < 10 ? 3 : mean < 100 ? 2 : 1;
    const char *text = count > 1 ? arena_format(arena, "%.*f ± %.*f", digits, mean, digits, deviation)
                                 : arena_format(arena, "%.*f", digits, mean);
    return count < observation->cell->seeds_requested
               ? arena_format(arena, "%s (%d/%d)", text, count, observation->cell->seeds_requested)
               : text;
}

/* --- rows of a table --- */

const char *observations_default_rows(const ObservationList *list, const ObservationField *column,
                                      Arena *arena) {
    bool databases = false, experiments = false, protocols = false, corpora = false;
    const Series *first = list->items[0].series;
    const bool task = list->set->task;
    for (int i = 0; i < list->count; i++) {
        const Series *series = list->items[i].series;
        if (list->items[i].paper) continue;
        databases |= strcmp(series->database, first->database) != 0;
        experiments |= strcmp(series->experiment, first->experiment) != 0;
        protocols |= strcmp(series->evaluated, first->evaluated) != 0;
        corpora |= strcmp(series->corpus, first->corpus) != 0;
    }
    const char *const names[] = {"method",
                                 databases ? "database" : "",
                                 experiments ? "experiment" : "",
                                 protocols ? "evaluated" : "",
                                 corpora && !task ? "corpus" : "",
                                 task ? "" : "train_length",
                                 task ? "" : "position_parameters"};
    const char *rows = "";
    for (int i = 0; i < COUNT_OF(names); i++)
        if (*names[i] && strcmp(names[i], column->name))
            rows = arena_format(arena, "%s%s%s", rows, *rows ? "," : "", names[i]);
    return rows;
}
