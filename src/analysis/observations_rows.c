/* observations_rows: what tables of observations need besides their fields: ratios, the default rows, the
 * signature (observations.h).
 */
#include "analysis/observations.h"

#include <math.h>
#include <string.h>

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

/* --- signature --- */

static const char *sign_part(const ObservationList *list, const Results *part, Arena *arena, Error *err) {
    const SeriesCell **cells = NULL;
    int count = 0;
    for (int i = 0; i < list->count; i++) {
        const Observation *observation = &list->items[i];
        if (observation->paper || observation->series->experiment != part->experiment) continue;
        *ARENA_PUSH(arena, cells, count) = observation->cell;
    }
    return results_signature(part, cells, count, arena, err);
}

const char *observations_signature(const ObservationList *list, const char *const *where, Arena *arena,
                                   Error *err) {
    const Results *set = list->set;
    if (!where || !where[0]) return set->signature;
    const char *signature = set->parts ? "" : sign_part(list, set, arena, err);
    for (int i = 0; signature && i < set->part_count; i++) {
        const char *part = sign_part(list, set->parts[i], arena, err);
        signature = part ? results_add_signature(signature, set->parts[i], part, arena) : NULL;
    }
    for (int i = 0; signature && where[i]; i++)
        signature = arena_format(arena, "%s where=%s", signature, where[i]);
    return signature;
}
