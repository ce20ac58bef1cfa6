#include "analysis/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

/* --- fields --- */

/* A negative number is not known. */
static const char *whole_text(int64_t number, Arena *arena) {
    return number < 0 ? "" : arena_format(arena, "%lld", (long long)number);
}

#define TEXT_FIELD(what)                                                                                     \
    static const char *what##_text(const Observation *fact, Arena *arena) {                                  \
        (void)arena;                                                                                         \
        return fact->series->what;                                                                           \
    }
#define WHOLE_FIELD(what, value)                                                                             \
    static const char *what##_text(const Observation *fact, Arena *arena) {                                  \
        return whole_text(value, arena);                                                                     \
    }                                                                                                        \
    static double what##_number(const Observation *fact) {                                                   \
        return (double)(value);                                                                              \
    }
TEXT_FIELD(name)
TEXT_FIELD(evaluated)
TEXT_FIELD(split)
TEXT_FIELD(protocol)
TEXT_FIELD(rule)
TEXT_FIELD(setting)
TEXT_FIELD(variant)
TEXT_FIELD(precision)
TEXT_FIELD(corpus)
WHOLE_FIELD(requested, fact->series->requested)
WHOLE_FIELD(train_length, fact->series->train_length)
WHOLE_FIELD(parameters, fact->series->parameters)
WHOLE_FIELD(position_parameters, fact->series->position_parameters)
WHOLE_FIELD(eval_length, fact->cell->length)
WHOLE_FIELD(seed, fact->seed)

static double multiple_number(const Observation *fact) {
    return (double)fact->cell->length / (double)fact->series->train_length;
}

static const char *multiple_text(const Observation *fact, Arena *arena) {
    return arena_format(arena, "%.4gx", multiple_number(fact));
}

static const char *source_text(const Observation *fact, Arena *arena) {
    (void)arena;
    return fact->paper ? "paper" : "here";
}

enum {
    EVALUATED = OBSERVATION_SPLIT | OBSERVATION_PROTOCOL | OBSERVATION_STRIDE | OBSERVATION_TARGETS |
                OBSERVATION_PRECISION
};
const ObservationField observations_all_fields[] = {
    {"method", "method", "", "method", OBSERVATION_METHOD, name_text, NULL},
    {"source", "source", "", "source", OBSERVATION_SOURCE, source_text, NULL},
    {"evaluated", "evaluated on", "", "protocol", EVALUATED, evaluated_text, NULL},
    {"split", "split", "", "split", OBSERVATION_SPLIT, split_text, NULL},
    {"protocol", "protocol", "", "protocol", OBSERVATION_PROTOCOL, protocol_text, NULL},
    {"stride_rule", "stride", "", "stride", OBSERVATION_STRIDE, rule_text, NULL},
    {"requested", "targets", "", "number of targets", OBSERVATION_TARGETS, requested_text, requested_number},
    {"eval_precision", "precision", "", "precision", OBSERVATION_PRECISION, precision_text, NULL},
    {"corpus", "corpus", "", "corpus", OBSERVATION_CORPUS, corpus_text, NULL},
    {"train_length", "trained", "at", "training length", OBSERVATION_TRAIN_LENGTH, train_length_text,
     train_length_number},
    {"parameters", "all", "params", "number of parameters", 0, parameters_text, parameters_number},
    {"position_parameters", "position", "params", "number of position parameters", 0,
     position_parameters_text, position_parameters_number},
    {"variant", "setting", "", "setting", 0, setting_text, NULL},
    {"eval_variant", "variant", "", "variant", 0, variant_text, NULL},
    {"seed", "seed", "", "seed", OBSERVATION_SEED, seed_text, seed_number},
    {"eval_length", "evaluated", "at", "evaluation length", OBSERVATION_LENGTH, eval_length_text,
     eval_length_number},
    {"multiple", "times", "length", "multiple of the training length", OBSERVATION_LENGTH, multiple_text,
     multiple_number},
};
const int observations_field_count = COUNT_OF(observations_all_fields);

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
            if (same_value(values[v], where[i].value, field->number != NULL)) return true;
    }
    return !asked;
}

/* A method may be called by its key, its label or its name in the table. */
static bool is_wanted(const Observation *fact, const ObservationOptions *options, Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    bool wanted = true;
    for (int i = 0; wanted && i < observations_field_count; i++) {
        const ObservationField *field = &observations_all_fields[i];
        if (field->shows == OBSERVATION_SEED) continue; /* chosen seed by seed */
        const char *values[] = {field->text(fact, arena), fact->series->method, fact->series->label};
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
    for (int i = 0; i < observations_field_count; i++)
        if (observations_all_fields[i].shows == OBSERVATION_SEED)
            return observations_allow(options->where, options->where_count, &observations_all_fields[i],
                                      &value, 1);
    return true;
}

/* --- reading --- */

static bool seeds_chosen(const ObservationOptions *options) {
    for (int i = 0; i < options->where_count; i++)
        if (options->where[i].field->shows == OBSERVATION_SEED) return true;
    return options->by_seed;
}

static bool is_chosen(const ObservationOptions *options, int64_t seed, int64_t only) {
    return seed_wanted(options, seed) && (only < 0 || seed == only);
}

/* The cell with the seeds that are wanted, or with `only` (-1: all of these). */
static const ResultsCell *choose_seeds(const ResultsCell *cell, const ObservationOptions *options,
                                       int64_t only, Arena *arena) {
    if (!cell || !seeds_chosen(options)) return cell;
    ResultsCell *chosen = NEW(arena, 1, ResultsCell);
    double *perplexities = NEW(arena, cell->count, double);
    *chosen = *cell;
    chosen->seeds = NEW(arena, cell->count, ResultsSeed);
    chosen->lost = NEW(arena, cell->lost_count, SeriesLost);
    chosen->count = chosen->lost_count = 0;
    for (int i = 0; i < cell->count; i++) {
        if (!is_chosen(options, cell->seeds[i].seed, only)) continue;
        perplexities[chosen->count] = exp(cell->seeds[i].loss);
        chosen->seeds[chosen->count++] = cell->seeds[i];
    }
    for (int i = 0; i < cell->lost_count; i++)
        if (is_chosen(options, cell->lost[i].seed, only)) chosen->lost[chosen->lost_count++] = cell->lost[i];
    chosen->seeds_requested = chosen->count + chosen->lost_count;
    chosen->outcome = chosen->lost_count ? chosen->lost->outcome : NULL;
    chosen->mean = stats_mean(perplexities, chosen->count);
    chosen->deviation = stats_deviation(perplexities, chosen->count);
    return chosen;
}

/* The observation of these seeds, if the cell has any of them. */
static void add_seeds(ObservationList *list, Observation fact, const ResultsCell *cell,
                      const ResultsCell *base, const ObservationOptions *options, Arena *arena) {
    fact.cell = choose_seeds(cell, options, fact.seed, arena);
    fact.base = choose_seeds(base, options, fact.seed, arena);
    if (fact.cell->seeds_requested) *ARENA_PUSH(arena, list->items, list->count) = fact;
}

static void add_series(ObservationList *list, const Series *series, const ObservationOptions *options,
                       Arena *arena) {
    const ResultsCell *base = results_cell(series, series->train_length);
    for (int k = 0; k < series->count; k++) {
        const ResultsCell *cell = &series->cells[k];
        Observation fact = {.series = series, .cell = cell, .seed = -1};
        if (!is_wanted(&fact, options, arena)) continue;
        if (!options->by_seed) add_seeds(list, fact, cell, base, options, arena);
        for (int s = 0; options->by_seed && s < cell->count + cell->lost_count; s++) {
            fact.seed = s < cell->count ? cell->seeds[s].seed : cell->lost[s - cell->count].seed;
            add_seeds(list, fact, cell, base, options, arena);
        }
    }
}

static void put_perplexity(ResultsCell *cell, int64_t length, double perplexity, Arena *arena) {
    *cell = (ResultsCell){.length = length, .seeds_requested = 1, .mean = perplexity, .deviation = NAN};
    cell->outcome = isnan(perplexity) ? "missing" : NULL;
    cell->count = !isnan(perplexity);
    cell->seeds = NEW(arena, 1, ResultsSeed);
    cell->seeds[0].loss = log(perplexity);
}

/* The paper's curve as a series with a cell at each multiple of ours; cells of one seed, for want of more. */
static void add_curve(ObservationList *list, const ReferenceCurve *curve, const Series *like, Arena *arena) {
    Series *series = NEW(arena, 1, Series);
    *series =
        (Series){.name = arena_format(arena, "%s, paper", like->label),
                 .label = like->label,
                 .method = curve->method,
                 .setting = "",
                 .variant = "",
                 .precision = like->precision,
                 .split = curve->split,
                 .protocol = like->protocol,
                 .rule = like->rule,
                 .corpus = curve->dataset,
                 .evaluated = arena_format(arena, "%s, %s, %s", curve->dataset, curve->split, like->protocol),
                 .train_length = curve->train_length,
                 .parameters = -1,
                 .position_parameters = -1,
                 .count = like->count};
    series->cells = NEW(arena, like->count, ResultsCell);
    ResultsCell *base = NEW(arena, 1, ResultsCell);
    put_perplexity(base, curve->train_length, curve->perplexities[0], arena);
    for (int k = 0; k < like->count; k++) {
        Observation fact = {
            .series = series, .cell = &series->cells[k], .base = base, .seed = -1, .paper = true};
        double multiple = (double)like->cells[k].length / (double)like->train_length;
        double perplexity = reference_curves_at(curve, multiple, &fact.between);
        put_perplexity(&series->cells[k], llround(multiple * (double)curve->train_length), perplexity, arena);
        *ARENA_PUSH(arena, list->items, list->count) = fact;
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
        Observation fact = {.series = other, .cell = other->cells, .seed = -1};
        if (strcmp(other->method, series->method) || strcmp(other->rule, "L")) continue;
        for (int k = 0; !like && k < other->count; k++) {
            fact.cell = &other->cells[k];
            if (is_wanted(&fact, options, arena)) like = other;
        }
    }
    for (int i = 0; like && i < list->paper->count; i++)
        if (!strcmp(list->paper->items[i].method, series->method))
            add_curve(list, &list->paper->items[i], like, arena);
}

static ObservationList *gather(const Results *set, const ReferenceCurves *paper,
                               const ObservationOptions *options, Arena *arena) {
    ObservationList *list = NEW(arena, 1, ObservationList);
    *list = (ObservationList){.set = set, .paper = paper};
    for (int i = 0; i < set->count; i++) {
        add_series(list, &set->items[i], options, arena);
        if (paper) add_paper(list, i, options, arena);
    }
    return list;
}

static const ReferenceCurves *read_paper(Database *store, const char *experiment, Arena *arena, Error *err) {
    const ReferenceCurves *paper = reference_curves_read(store, experiment, arena, err);
    if (!paper || paper->count) return paper;
    error_set(
        err, EXIT_USAGE,
        "database '%s' has no reference curves of these methods; `poslab reference DB` imports the paper's",
        database_path(store));
    return NULL;
}

const ObservationList *observations_read(Database *store, const char *experiment,
                                         const ObservationOptions *options, Arena *arena, Error *err) {
    const Results *set = results_read(store, experiment, arena, err);
    const ReferenceCurves *paper = set && options->paper ? read_paper(store, experiment, arena, err) : NULL;
    return set && (paper || !options->paper) ? gather(set, paper, options, arena) : NULL;
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
            const char *value = field->text(&lists[e]->items[i], arena);
            int k = 0;
            while (k < known && strcmp(values[k], value)) k++;
            if (k == known) values[known++] = value;
        }
    for (int k = 0; k < known; k++) text = arena_format(arena, "%s%s'%s'", text, k ? ", " : "", values[k]);
    return known ? arena_format(arena, "it has %s%s", text, known == MOST_VALUES ? ", ..." : "")
                 : "it has no value here";
}

bool facts_choose(Database *store, const char **names, int *count, const ObservationOptions *options,
                  Arena *arena, Error *err) {
    const ObservationList **lists = NEW(arena, *count, const ObservationList *);
    ObservationOptions all = {.by_seed = !options->paper, .paper = options->paper};
    bool *matched = NEW(arena, options->where_count, bool);
    int kept = 0;
    for (int e = 0; e < *count; e++) {
        lists[e] = observations_read(store, names[e], &all, arena, err);
        if (!lists[e]) return false;
        for (int i = 0; i < options->where_count; i++) {
            ObservationOptions one = all;
            one.where = &options->where[i];
            one.where_count = 1;
            matched[i] |= gather(lists[e]->set, lists[e]->paper, &one, arena)->count > 0;
        }
    }
    for (int i = 0; i < options->where_count; i++)
        if (!matched[i])
            return error_set(err, EXIT_USAGE, "--where %s=%s: no evaluation has this '%s'; %s",
                             options->where[i].field->name, options->where[i].value,
                             options->where[i].field->name,
                             values_of(options->where[i].field, lists, *count, arena));
    for (int e = 0; e < *count; e++)
        if (gather(lists[e]->set, lists[e]->paper, options, arena)->count) names[kept++] = names[e];
    if (kept) return *count = kept, true;
    return error_set(err, EXIT_USAGE,
                     "no evaluation fulfils all of --where; each condition alone holds for some");
}

/* --- ratios --- */

int observations_ratio(const Observation *fact, double *mean, double *deviation, Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    double *ratios = NEW(arena, fact->cell->count, double);
    int count = 0;
    for (int i = 0; fact->base && i < fact->cell->count; i++)
        for (int k = 0; k < fact->base->count; k++)
            if (fact->base->seeds[k].seed == fact->cell->seeds[i].seed) {
                ratios[count++] = exp(fact->cell->seeds[i].loss - fact->base->seeds[k].loss);
                break; /* a seed may be there twice, where a database is not the program's own */
            }
    *mean = stats_mean(ratios, count);
    *deviation = stats_deviation(ratios, count);
    arena_release(arena, mark);
    return count;
}

const char *observations_ratio_text(const Observation *fact, double mean, double deviation, int count,
                                    Arena *arena) {
    if (!fact->cell->count) return results_cell_text(fact->cell, arena);
    if (!count) return "-";
    int digits = mean < 10 ? 3 : mean < 100 ? 2 : 1;
    const char *text = count > 1 ? arena_format(arena, "%.*f ± %.*f", digits, mean, digits, deviation)
                                 : arena_format(arena, "%.*f", digits, mean);
    return count < fact->cell->seeds_requested
               ? arena_format(arena, "%s (%d/%d)", text, count, fact->cell->seeds_requested)
               : text;
}
