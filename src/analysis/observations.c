#include "analysis/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"
#include "position/encoding.h"
#include "tasks/task.h"
#include "experiment/config_keys.h"

/* --- fields --- */

enum {
    EVALUATED = OBSERVATION_SPLIT | OBSERVATION_PROTOCOL | OBSERVATION_STRIDE | OBSERVATION_TARGETS |
                OBSERVATION_PRECISION
};
#define OF_SERIES(member) OBSERVATION_OF_SERIES, offsetof(Series, member)
#define COUNT(member)     OBSERVATION_COUNT, offsetof(Series, member)

const ObservationField observations_all_fields[] = {
    {"method", "method", "", "method", OBSERVATION_METHOD, OBSERVATION_NAME, 0},
    {"database", "database", "", "database", OBSERVATION_DATABASE, OF_SERIES(database)},
    {"experiment", "experiment", "", "experiment", OBSERVATION_EXPERIMENT, OF_SERIES(experiment)},
    {"source", "source", "", "source", OBSERVATION_SOURCE, OBSERVATION_FROM, 0},
    {"evaluated", "evaluated on", "", "protocol", EVALUATED, OF_SERIES(evaluated)},
    {"split", "split", "", "split", OBSERVATION_SPLIT, OF_SERIES(split)},
    {"protocol", "protocol", "", "protocol", OBSERVATION_PROTOCOL, OF_SERIES(protocol)},
    {"stride_rule", "stride", "", "stride", OBSERVATION_STRIDE, OF_SERIES(rule)},
    {"requested", "targets", "", "number of targets", OBSERVATION_TARGETS, COUNT(requested)},
    {"eval_precision", "precision", "", "precision", OBSERVATION_PRECISION, OF_SERIES(precision)},
    {"corpus", "corpus", "", "corpus", OBSERVATION_CORPUS, OF_SERIES(corpus)},
    {"train_length", "trained", "at", "training length", OBSERVATION_TRAIN_LENGTH, COUNT(train_length)},
    {"parameters", "all", "params", "number of parameters", 0, COUNT(parameters)},
    {"position_parameters", "position", "params", "number of position parameters", 0,
     COUNT(position_parameters)},
    {"variant", "setting", "", "setting", 0, OF_SERIES(setting)},
    {"eval_variant", "variant", "", "variant", 0, OF_SERIES(variant)},
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

/* Numbers are compared as numbers: "2" equals "2.0" and "2x". Whole numbers and values of the config must be
   exactly equal, others as they are shown. */
bool observations_same_value(const ObservationField *field, const char *a, const char *b) {
    char *end_a, *end_b;
    if (!strcmp(a, b)) return true;
    double first = strtod(a, &end_a), second = strtod(b, &end_b);
    if (end_a == a || end_b == b) return false;
    if (field->kind == OBSERVATION_OF_CONFIG) return !*end_a && !*end_b && first == second;
    double within = first == floor(first) && second == floor(second) ? 0 : 1e-3 * fabs(first);
    return observations_is_number(field) && fabs(first - second) <= within;
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

/* Appends the keys of a point's config to `count` names. The list stays NULL-terminated. */
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
    static const char *const of_tasks[] = {"size", "examples", "seed", "hint.name", "hint.share"};
    for (int i = 0; i < COUNT_OF(of_tasks); i++)
        *ARENA_PUSH(arena, names, count) = arena_format(arena, "data.task.%s", of_tasks[i]);
    for (int i = 0; i < task_count; i++)
        for (int k = 0; k < task_list[i]->field_count; k++)
            *ARENA_PUSH(arena, names, count) =
                arena_format(arena, "data.task.%s", task_list[i]->fields[k].key);
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
    const char **names = NULL, *nearest;
    int count = 0;
    for (int i = 0; i < observations_field_count; i++) {
        *ARENA_PUSH(arena, names, count) = observations_all_fields[i].name;
        if (!strcmp(names[i], name)) return &observations_all_fields[i];
    }
    names = add_config_keys(names, count, arena);
    for (int i = count; names[i]; i++)
        if (!strcmp(names[i], name)) return config_field(names[i], arena);
    nearest = text_synonym(name, names);
    if (!nearest) nearest = options_synonym(name);
    if (!nearest) nearest = text_nearest(name, names);
    error_unknown(err, nearest, "`poslab table --help` lists them", "tables have no field '%s'", name);
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

/* --- listing --- */

/* The cell with only this seed (-1: all seeds). */
static const SeriesCell *choose_seed(const SeriesCell *cell, int64_t only, Arena *arena) {
    if (!cell || only < 0) return cell;
    bool *chosen = NEW(arena, cell->seeds_requested, bool);
    for (int i = 0; i < cell->seeds_requested; i++) chosen[i] = cell->seeds[i].seed == only;
    return series_cell_of(cell, chosen, arena);
}

static void add_series(ObservationList *list, const Series *series, const ObservationOptions *options,
                       Arena *arena) {
    const char *name = series_name(series, options->shown, options->shown_count, arena);
    for (int k = 0; k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        for (int s = 0; s < (options->by_seed ? cell->seeds_requested : 1); s++) {
            int64_t seed = options->by_seed ? cell->seeds[s].seed : -1;
            *ARENA_PUSH(arena, list->items, list->count) =
                (Observation){.series = series,
                              .name = name,
                              .cell = choose_seed(cell, seed, arena),
                              .base = choose_seed(series->base, seed, arena),
                              .seed = seed};
        }
    }
}

/* The paper's curve as a series with a cell at each of our multiples. */
static void add_curve(ObservationList *list, const ReferenceCurve *curve, const Series *like, Arena *arena) {
    Series *series = series_of_reference(curve, arena_format(arena, "%s, paper", like->label), arena);
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
                                   .base = series->base,
                                   .seed = -1,
                                   .paper = true};
        double multiple = (double)like->cells[k].length / (double)like->train_length;
        double perplexity = reference_curves_at(curve, multiple, &observation.between);
        series->cells[k] =
            series_cell_single(llround(multiple * (double)curve->train_length), perplexity, arena);
        *ARENA_PUSH(arena, list->items, list->count) = observation;
    }
}

/* After the last series of a method, adds the method's curves in the paper, at the multiples of its first
   nonoverlapping series. */
static void add_paper(ObservationList *list, int last, Arena *arena) {
    const Series *like = NULL, *series = &list->set->items[last];
    for (int i = last + 1; i < list->set->count; i++)
        if (!strcmp(list->set->items[i].method, series->method)) return;
    for (int i = 0; i <= last && !like; i++) {
        const Series *other = &list->set->items[i];
        if (!strcmp(other->method, series->method) && !strcmp(other->rule, "L")) like = other;
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
        if (list->paper) add_paper(list, i, arena);
    }
    return list;
}

/* --- ratios --- */

StatsSpread observations_ratio(const Observation *observation, Arena *arena) {
    double *ratios = NEW(arena, observation->cell->count, double);
    int count = series_log_ratios(ratios, observation->cell, observation->base, NULL, NULL);
    for (int i = 0; i < count; i++) ratios[i] = exp(ratios[i]);
    return stats_spread(ratios, count, arena);
}

const char *observations_ratio_text(const Observation *observation, const StatsSpread *ratio, Arena *arena) {
    if (!observation->cell->count) return series_cell_text(observation->cell, arena);
    if (!ratio->count) return "-";
    int digits = ratio->mean < 10 ? 3 : ratio->mean < 100 ? 2 : 1;
    const char *text = arena_format(arena, "%.*f", digits, ratio->mean);
    if (ratio->count > 1) text = arena_format(arena, "%s ± %.*f", text, digits, ratio->deviation);
    return ratio->count < observation->cell->seeds_requested
               ? arena_format(arena, "%s (%d/%d)", text, ratio->count, observation->cell->seeds_requested)
               : text;
}

/* --- the default rows --- */

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
        if (*names[i] && strcmp(names[i], column->name)) rows = text_join(rows, ",", names[i], arena);
    return rows;
}
