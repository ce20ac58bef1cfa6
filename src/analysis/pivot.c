#include "analysis/pivot.h"

#include <math.h>
#include <string.h>

#include "analysis/observations.h"

enum { MOST_ROWS = 8 }; /* fields that rows show */
static const double level = 0.05;

/* Columns of the table; those of the fields in --rows follow. */
enum { GRID, CAPTION, PAPER, SPREAD, SPREAD_HEAD, VALUE, FIELDS };
static const TableColumn columns[FIELDS] = {
    [GRID] = {NULL, NULL, TABLE_INT, .role = TABLE_GROUP},
    [CAPTION] = {NULL, NULL, TABLE_TEXT, .role = TABLE_CAPTION},
    [PAPER] = {NULL, NULL, TABLE_INT, .role = TABLE_KEY},
    [SPREAD] = {NULL, NULL, TABLE_REAL, .role = TABLE_SPREAD},
    [SPREAD_HEAD] = {NULL, NULL, TABLE_TEXT, .role = TABLE_SPREAD_HEAD},
    [VALUE] = {NULL, NULL, TABLE_REAL, .role = TABLE_SPREAD_VALUE, .dashed = true},
};

typedef struct Pivot {
    const PivotOptions *options;
    const ObservationList *list;
    const ObservationField *rows[MOST_ROWS], *column;
    int row_count;
    const char *shown_fields[MOST_ROWS + 1]; /* names of the column and of the rows */
    unsigned shown;                          /* OBSERVATION_* that rows and columns show */
    int seeds;                               /* the most seeds that an observation requests */
    SeriesMetric metric;
    int *grid, grid_count; /* [list->count]: the grid in which each observation is */
    Table *table;
    Arena *arena;
} Pivot;

/* --- grids --- */

static bool same_field(const Pivot *pivot, const ObservationField *field, const Observation *a,
                       const Observation *b) {
    ArenaMark mark = arena_mark(pivot->arena);
    bool same = !strcmp(observations_text(field, a, pivot->arena), observations_text(field, b, pivot->arena));
    arena_release(pivot->arena, mark);
    return same;
}

/* Whether neither rows nor columns show the field, so that its values split the table. */
static bool is_hidden(const Pivot *pivot, const ObservationField *field, const Observation *observation) {
    if (!field->shows || field->shows & pivot->shown) return false;
    return !observation->paper || field->shows & (OBSERVATION_METHOD | OBSERVATION_TRAIN_LENGTH);
}

static bool asks_same_lengths(const Series *a, const Series *b) {
    if (a->count != b->count) return false;
    for (int i = 0; i < a->count; i++)
        if (a->cells[i].length != b->cells[i].length) return false;
    return true;
}

static bool same_grid(const Pivot *pivot, const Observation *a, const Observation *b) {
    for (int i = 0; i < observations_field_count; i++) {
        const ObservationField *field = &observations_all_fields[i];
        if (is_hidden(pivot, field, a) && is_hidden(pivot, field, b) && !same_field(pivot, field, a, b))
            return false;
    }
    return pivot->options->columns || pivot->options->paper ||
           a->series->train_length == b->series->train_length || asks_same_lengths(a->series, b->series);
}

static void choose_grids(Pivot *pivot) {
    const ObservationList *list = pivot->list;
    pivot->grid = NEW(pivot->arena, list->count, int);
    for (int i = 0; i < list->count; i++) {
        int first = 0;
        while (first < i && !same_grid(pivot, &list->items[first], &list->items[i])) first++;
        pivot->grid[i] = first < i ? pivot->grid[first] : pivot->grid_count++;
    }
}

/* The values that differ between grids and that rows and columns do not show: "training length: 64; split:
   valid". */
static const char *caption_of(const Pivot *pivot, const Observation *opener) {
    const char *caption = "";
    unsigned said = pivot->shown;
    for (int i = 0; i < observations_field_count; i++) {
        const ObservationField *field = &observations_all_fields[i];
        bool varies = false;
        if (!field->shows || !(field->shows & ~said)) continue;
        for (int k = 0; k < pivot->list->count; k++)
            varies |=
                !pivot->list->items[k].paper && !same_field(pivot, field, opener, &pivot->list->items[k]);
        if (!varies) continue;
        said |= field->shows;
        caption = arena_format(pivot->arena, "%s%s: %s",
                               *caption ? arena_format(pivot->arena, "%s; ", caption) : "", field->words,
                               observations_text(field, opener, pivot->arena));
    }
    return caption;
}

/* --- cells --- */

static TableCell make_cell(const Pivot *pivot, const Observation *observation) {
    double number = observation->cell->mean;
    const char *average = pivot->list->set->task ? "median" : "mean";
    const char *text;
    int count = observation->cell->count, asked = observation->cell->seeds_requested;
    if (pivot->options->ratio) {
        const StatsSpread ratio = observations_ratio(observation, pivot->arena);
        text = observations_ratio_text(observation, &ratio, pivot->arena);
        number = ratio.mean;
        count = ratio.count;
    } else if (pivot->list->set->task) {
        number = series_spread(observation->cell, pivot->metric, pivot->arena).median;
        text = series_score_text(observation->cell, pivot->metric, pivot->arena);
    } else if (pivot->metric == SERIES_PERPLEXITY) {
        text = series_cell_text(observation->cell, pivot->arena);
    } else {
        number = series_spread(observation->cell, pivot->metric, pivot->arena).mean;
        text = series_text_score(observation->cell, pivot->metric, pivot->arena);
    }
    if (observation->between && count) text = arena_format(pivot->arena, "~%s", text);
    if (!count && observation->cell->outcome && !strcmp(observation->cell->outcome, "beyond_text"))
        table_note(pivot->table, results_beyond_text(pivot->list->set));
    if (count && count == asked && !observation->paper && asked < pivot->seeds) {
        text = arena_format(pivot->arena, "%s (n = %d)", text, count);
        table_note(pivot->table,
                   arena_format(pivot->arena, "(n = N): %s over N seeds; other rows have more.", average));
    }
    if (count && count < asked)
        table_note(pivot->table, arena_format(pivot->arena,
                                              "(n/m): %s over n of m seeds; the others diverged, failed or "
                                              "are missing, see `poslab status`",
                                              average));
    if (series_stale(observation->cell)) {
        text = arena_format(pivot->arena, "%s †", text);
        table_note(pivot->table, results_stale_note(pivot->list->set, pivot->arena));
    }
    return table_shown(number, text);
}

static TableCell field_cell(const Pivot *pivot, const ObservationField *field,
                            const Observation *observation) {
    return table_shown(observations_number(field, observation),
                       observations_text(field, observation, pivot->arena));
}

/* If the columns show lengths, the field for the second line of their heads: the multiple, or the length if
   the columns show multiples. NULL if training lengths differ within the grid. */
static const ObservationField *other_length(const Pivot *pivot, int grid) {
    const Observation *first = NULL;
    if (pivot->column->shows != OBSERVATION_LENGTH) return NULL;
    for (int i = 0; i < pivot->list->count; i++) {
        const Observation *observation = &pivot->list->items[i];
        if (pivot->grid[i] != grid) continue;
        if (!first) first = observation;
        if (observation->series->train_length != first->series->train_length) return NULL;
    }
    const ObservationField *field = observations_all_fields;
    while (field->shows != OBSERVATION_LENGTH || field == pivot->column) field++;
    return field;
}

/* The second line of the head of a column. For a size it says whether the size was trained. */
static TableCell head_of(const Pivot *pivot, int grid, const ObservationField *other,
                         const Observation *observation) {
    if (!pivot->list->set->task) return other ? field_cell(pivot, other, observation) : table_text(NULL);
    int count = 0, trained = 0;
    for (int i = 0; pivot->column->shows == OBSERVATION_LENGTH && i < pivot->list->count; i++) {
        const Observation *at = &pivot->list->items[i];
        if (pivot->grid[i] != grid || at->cell->length != observation->cell->length) continue;
        count++;
        trained += series_trained_size(at->series, at->cell->length);
    }
    return table_text(!trained ? "" : trained < count ? "some trained" : "trained");
}

/* --- the best numbers --- */

static bool evaluated_alike(const Pivot *pivot, const Observation *a, const Observation *b) {
    bool same_training =
        a->series->train_length == b->series->train_length || !(pivot->shown & OBSERVATION_METHOD);
    return same_training && !a->paper && !b->paper && a->cell->length == b->cell->length &&
           a->cell->stride == b->cell->stride && a->seed == b->seed &&
           !strcmp(a->series->corpus, b->series->corpus) && series_same_protocol(a->series, b->series);
}

/* Whether a is better than b. */
static bool is_better(const Pivot *pivot, double a, double b) {
    bool higher = pivot->metric == SERIES_EXACT || pivot->metric == SERIES_TOKENS;
    return higher ? a > b : a < b;
}

/* p[i]: the p-value of the difference between observation i and the best; NAN if it cannot be tested. */
static bool compare_with(const Pivot *pivot, double *p, const Observation *best,
                         const Observation *const *others, int count, Error *err) {
    const SeriesCell **cells = NEW(pivot->arena, count, const SeriesCell *);
    StatsDifference *differences = NEW(pivot->arena, count, StatsDifference);
    for (int i = 0; i < count; i++) cells[i] = others[i]->cell;
    /* on one corpus, bits per byte and perplexity per word have the order of the loss */
    SeriesMetric metric = pivot->metric >= SERIES_BITS ? SERIES_PERPLEXITY : pivot->metric;
    if (!series_compare(differences, cells, count, best->cell, metric, STATS_BLOCK, STATS_RESAMPLES,
                        pivot->arena, err))
        return false;
    for (int i = 0; i < count; i++) p[i] = differences[i].p;
    stats_holm(p, p, count, pivot->arena);
    return true;
}

/* Marks the best of observations that were evaluated alike, and those that do not differ from it. */
static bool mark_class(const Pivot *pivot, const Observation *const *items, TableCell *const *cells,
                       int count, Error *err) {
    const Observation **others = NEW(pivot->arena, count, const Observation *);
    TableCell **tested_cells = NEW(pivot->arena, count, TableCell *);
    int best = -1, left = 0;
    for (int i = 0; i < count; i++)
        if (isfinite(cells[i]->number) &&
            (best < 0 || is_better(pivot, cells[i]->number, cells[best]->number)))
            best = i;
    if (best < 0 || count < 2) return true;
    if (pivot->list->set->task && cells[best]->number == 0) return true; /* no example was answered */
    cells[best]->best = true;
    if (pivot->options->ratio) {
        table_note(pivot->table, "Bold: the lowest ratio, untested.");
        return true;
    }
    for (int i = 0; i < count; i++) {
        if (i == best || !isfinite(cells[i]->number)) continue;
        tested_cells[left] = cells[i];
        others[left++] = items[i];
    }
    double *p = NEW(pivot->arena, left, double);
    bool tested = false, several = items[best]->cell->count > 1;
    if (several && !compare_with(pivot, p, items[best], others, left, err)) return false;
    for (int i = 0; several && i < left; i++) {
        tested |= isfinite(p[i]);
        tested_cells[i]->best = isfinite(p[i]) && p[i] >= level;
    }
    bool task = pivot->list->set->task;
    if (tested) {
        table_note(
            pivot->table,
            task
                ? "Bold: the best median of those evaluated alike, and all whose mean is not distinguishable "
                  "from its mean (p at least 0.05, paired bootstrap over seeds and examples, Holm)."
                : "Bold: the lowest mean of those evaluated alike, and all that are not distinguishable from "
                  "it (p at least 0.05, paired bootstrap over seeds and windows, Holm).");
        if (items[best]->cell->count < 5)
            table_note(pivot->table, "Fewer than five seeds: the test reports too many differences.");
    } else
        table_note(pivot->table,
                   arena_format(pivot->arena,
                                "Bold: the %s of those evaluated alike; n = 1, so nothing was tested.",
                                task ? "best" : "lowest"));
    return true;
}

/* items[count]: the observations of a grid, which are the last `count` rows of the table. */
static bool mark_best(const Pivot *pivot, const Observation *const *items, int count, Error *err) {
    const Table *table = pivot->table;
    const Observation **members = NEW(pivot->arena, count, const Observation *);
    TableCell **cells = NEW(pivot->arena, count, TableCell *);
    bool *done = NEW(pivot->arena, count, bool);
    for (int i = 0; i < count; i++) {
        int together = 0;
        if (done[i] || items[i]->paper) continue;
        for (int k = i; k < count; k++) {
            if (!evaluated_alike(pivot, items[i], items[k])) continue;
            members[together] = items[k];
            cells[together++] = &table->cells[(table->rows - count + k) * table->column_count + VALUE];
            done[k] = true;
        }
        bool itself = pivot->options->ratio && items[i]->cell->length == items[i]->series->train_length;
        if (!itself && !mark_class(pivot, members, cells, together, err)) return false;
    }
    return true;
}

/* --- the table --- */

static bool add_grid(const Pivot *pivot, int grid, Error *err) {
    const ObservationField *other = other_length(pivot, grid);
    const Observation **items = NEW(pivot->arena, pivot->list->count, const Observation *);
    const char *caption = NULL;
    int count = 0;
    for (int i = 0; i < pivot->list->count; i++) {
        const Observation *observation = &pivot->list->items[i];
        if (pivot->grid[i] != grid) continue;
        if (!count) caption = caption_of(pivot, observation);
        TableCell *row = table_row(pivot->table);
        row[GRID] = table_number(grid);
        row[CAPTION] = table_text(caption);
        row[PAPER] = table_number(observation->paper);
        row[SPREAD] = field_cell(pivot, pivot->column, observation);
        row[SPREAD_HEAD] = head_of(pivot, grid, other, observation);
        row[VALUE] = make_cell(pivot, observation);
        for (int c = 0; c < pivot->row_count; c++)
            row[FIELDS + c] = field_cell(pivot, pivot->rows[c], observation);
        items[count++] = observation;
    }
    return !pivot->options->mark || mark_best(pivot, items, count, err);
}

static Table *new_table(const Pivot *pivot) {
    TableColumn *all = NEW(pivot->arena, FIELDS + pivot->row_count, TableColumn);
    memcpy(all, columns, sizeof columns);
    for (int c = 0; c < pivot->row_count; c++) {
        const ObservationField *field = pivot->rows[c];
        const char *head =
            *field->under ? arena_format(pivot->arena, "%s\n%s", field->head, field->under) : field->head;
        all[FIELDS + c] =
            (TableColumn){NULL, head, observations_is_number(field) ? TABLE_REAL : TABLE_TEXT, .decimals = 0};
    }
    return table_new(NULL, all, FIELDS + pivot->row_count, pivot->arena);
}

/* "mean over 4 to 5 seeds", where seeds that are not done do not count. */
static const char *seeds_text(const Pivot *pivot) {
    int few = 0, most = 0;
    for (int i = 0; i < pivot->list->count; i++) {
        int count = pivot->list->items[i].cell->count;
        if (!count || pivot->list->items[i].paper) continue;
        if (!few || count < few) few = count;
        if (count > most) most = count;
    }
    if (most < 2) return "";
    const char *range = few < most ? arena_format(pivot->arena, "%d to ", few) : "";
    return arena_format(pivot->arena, ", %s over %s%d seeds",
                        pivot->list->set->task ? "median" : "mean ± standard deviation", range, most);
}

static const char *title_of(const Pivot *pivot) {
    static const char *const metrics[] = {[SERIES_PERPLEXITY] = "perplexity",
                                          [SERIES_EXACT] = "exact match in percent",
                                          [SERIES_TOKENS] = "targets right in percent",
                                          [SERIES_NLL] = "nats per target",
                                          [SERIES_BITS] = "bits per byte",
                                          [SERIES_WORDS] = "perplexity per word"};
    return arena_format(pivot->arena, "%s: %s%s by %s%s", pivot->list->set->experiment,
                        metrics[pivot->metric],
                        pivot->options->ratio ? " over that at the training length," : "",
                        pivot->column->words, seeds_text(pivot));
}

/* Notes which settings differ between the numbers and are not shown. */
static void put_hidden(const Pivot *pivot) {
    const Series **series = NULL;
    int count = 0;
    for (int i = 0; i < pivot->list->count; i++)
        if (!pivot->list->items[i].paper)
            *ARENA_PUSH(pivot->arena, series, count) = pivot->list->items[i].series;
    results_note_settings(pivot->table, pivot->list->set, series, count, pivot->shown_fields,
                          pivot->row_count + 1);
}

static void name_fields(Pivot *pivot) {
    pivot->shown_fields[0] = pivot->column->name;
    for (int i = 0; i < pivot->row_count; i++) pivot->shown_fields[i + 1] = pivot->rows[i]->name;
}

static bool read_list(Pivot *pivot, const Results *set, Error *err) {
    const PivotOptions *options = pivot->options;
    ObservationOptions wanted = {.paper = options->paper};
    const char *lengths = options->paper ? "multiple" : set->task ? "size" : "eval_length";
    const char *column = options->columns ? options->columns : lengths;
    if (!observations_parse_fields(&pivot->column, 1, column, pivot->arena, err)) return false;
    if (options->rows) {
        pivot->row_count =
            observations_parse_fields(pivot->rows, MOST_ROWS, options->rows, pivot->arena, err);
        if (!pivot->row_count) return false;
    }
    if (set->task && (options->ratio || options->paper))
        return error_set(err, EXIT_USAGE, "experiment '%s' is on a task: it has no %s", set->experiment,
                         options->ratio ? "perplexity to divide by" : "numbers of papers");
    for (int i = -1; set->task && i < pivot->row_count; i++)
        if ((i < 0 ? pivot->column : pivot->rows[i])->kind == OBSERVATION_MULTIPLE)
            return error_set(err, EXIT_USAGE, "'%s' is on a task: 'multiple' is of text, use 'size'",
                             set->experiment);
    pivot->shown = pivot->column->shows;
    if (set->task) pivot->shown |= OBSERVATION_CORPUS; /* it follows from the settings in the names */
    for (int i = 0; i < pivot->row_count; i++) {
        pivot->shown |= pivot->rows[i]->shows;
        if (observations_same_field(pivot->rows[i], pivot->column))
            return error_set(err, EXIT_USAGE, "field '%s' cannot be both in --rows and --columns",
                             pivot->column->name);
    }
    wanted.by_seed = pivot->shown & OBSERVATION_SEED;
    if (options->paper && wanted.by_seed)
        return error_set(
            err, EXIT_USAGE,
            "the paper's numbers have no seeds: --paper and the field 'seed' exclude each other");
    name_fields(pivot);
    wanted.shown = pivot->shown_fields;
    wanted.shown_count = pivot->row_count + 1;
    pivot->list = observations_list(set, &wanted, pivot->arena, err);
    if (!pivot->list) return false;
    for (int i = 0; i < pivot->list->count; i++)
        if (pivot->list->items[i].cell->seeds_requested > pivot->seeds)
            pivot->seeds = pivot->list->items[i].cell->seeds_requested;
    if (options->rows || !pivot->list->count) return true;
    const char *rows = observations_default_rows(pivot->list, pivot->column, pivot->arena);
    pivot->row_count = observations_parse_fields(pivot->rows, MOST_ROWS, rows, pivot->arena, err);
    for (int i = 0; i < pivot->row_count; i++) pivot->shown |= pivot->rows[i]->shows;
    name_fields(pivot);
    return pivot->row_count > 0;
}

Table *pivot_table(const Results *set, const PivotOptions *options, Arena *arena, Error *err) {
    Pivot pivot = {.options = options, .arena = arena};
    pivot.metric = set->task && !options->metric ? SERIES_EXACT : options->metric;
    if (!read_list(&pivot, set, err)) return NULL;
    Table *table = pivot.table = new_table(&pivot);
    table->title = title_of(&pivot);
    table->signature = set->signature;
    choose_grids(&pivot);
    for (int grid = 0; grid < pivot.grid_count; grid++)
        if (!add_grid(&pivot, grid, err)) return NULL;
    for (int i = 0; i < table->note_count; i++)
        if (strstr(table->notes[i], "bootstrap"))
            table->signature =
                arena_format(arena, "%s bootstrap=%d/seed%d/block%d level=%g/holm", table->signature,
                             STATS_RESAMPLES, STATS_SEED, STATS_BLOCK, level);
    put_hidden(&pivot);
    if (pivot.list->paper) {
        table_note(table, arena_format(arena, "paper: %s.", pivot.list->paper->sources));
        table_note(
            table,
            "~: interpolated between two lengths of the paper, linearly in the logarithms. Its data and "
            "model differ from ours: compare ratios.");
    }
    return table;
}
