#include "analysis/pivot.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/table.h"
#include "analysis/curves.h"
#include "analysis/observations.h"

enum { MOST_ROWS = 8 }; /* fields that rows show */
static const double level = 0.05;

typedef struct Pivot {
    Database *store;
    const PivotOptions *options;
    const ObservationList *list;
    const ObservationField *rows[MOST_ROWS], *column;
    int row_count;
    unsigned shown; /* FACT_* that rows and columns show */
    int seeds;      /* the most that a number is asked of */
    int *table;     /* [list->count]: the table of each observation */
    DisplayTableSet *set;
    Arena *arena;
} Pivot;

/* One table while it is made. */
typedef struct Layout {
    const Observation **facts;   /* [rows, columns]; NULL: none */
    const Observation **openers; /* [rows]: the first observation of each row */
    const Observation **heads;   /* [columns]: an observation of each column */
    int rows, columns;
} Layout;

/* --- rows, columns, tables --- */

static bool same_field(const Pivot *pivot, const ObservationField *field, const Observation *a,
                       const Observation *b) {
    ArenaMark mark = arena_mark(pivot->arena);
    bool same = !strcmp(field->text(a, pivot->arena), field->text(b, pivot->arena));
    arena_release(pivot->arena, mark);
    return same;
}

static bool same_row(const Pivot *pivot, const Observation *a, const Observation *b) {
    for (int i = 0; i < pivot->row_count; i++)
        if (!same_field(pivot, pivot->rows[i], a, b)) return false;
    return a->paper == b->paper;
}

/* Fields that say by which of the hidden values a table differs from the others. */
static bool is_hidden(const Pivot *pivot, const ObservationField *field, const Observation *fact) {
    if (!field->shows || field->shows & pivot->shown) return false;
    return !fact->paper || field->shows & (OBSERVATION_METHOD | OBSERVATION_TRAIN_LENGTH);
}

static bool asks_same_lengths(const Series *a, const Series *b) {
    if (a->count != b->count) return false;
    for (int i = 0; i < a->count; i++)
        if (a->cells[i].length != b->cells[i].length) return false;
    return true;
}

static bool same_sheet(const Pivot *pivot, const Observation *a, const Observation *b) {
    for (int i = 0; i < observations_field_count; i++) {
        const ObservationField *field = &observations_all_fields[i];
        if (is_hidden(pivot, field, a) && is_hidden(pivot, field, b) && !same_field(pivot, field, a, b))
            return false;
    }
    return pivot->options->columns || pivot->options->paper || asks_same_lengths(a->series, b->series);
}

static void choose_sheets(Pivot *pivot) {
    const ObservationList *list = pivot->list;
    pivot->table = NEW(pivot->arena, list->count, int);
    for (int i = 0; i < list->count; i++) {
        int first = 0;
        while (first < i && !same_sheet(pivot, &list->items[first], &list->items[i])) first++;
        pivot->table[i] = first < i ? pivot->table[first] : pivot->set->count++;
    }
}

/* "trained at"-like words of what all observations of a table share and others do not. */
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
                               field->text(opener, pivot->arena));
    }
    return caption;
}

static bool comes_before(const ObservationField *field, const Observation *a, const Observation *b) {
    return field->number && field->number(a) < field->number(b);
}

static Layout *make_layout(const Pivot *pivot, int table) {
    const ObservationList *list = pivot->list;
    Layout *layout = NEW(pivot->arena, 1, Layout);
    layout->openers = NEW(pivot->arena, list->count, const Observation *);
    layout->heads = NEW(pivot->arena, list->count, const Observation *);
    for (int i = 0; i < list->count; i++) {
        const Observation *fact = &list->items[i];
        int row = 0, column = 0;
        if (pivot->table[i] != table) continue;
        while (row < layout->rows && !same_row(pivot, layout->openers[row], fact)) row++;
        if (row == layout->rows) layout->openers[layout->rows++] = fact;
        while (column < layout->columns && !same_field(pivot, pivot->column, layout->heads[column], fact))
            column++;
        if (column < layout->columns) continue;
        for (column = layout->columns++; column > 0; column--) {
            if (!comes_before(pivot->column, fact, layout->heads[column - 1])) break;
            layout->heads[column] = layout->heads[column - 1];
        }
        layout->heads[column] = fact;
    }
    layout->facts = NEW(pivot->arena, layout->rows * layout->columns, const Observation *);
    for (int i = 0; i < list->count; i++) {
        const Observation *fact = &list->items[i];
        int row = 0, column = 0;
        if (pivot->table[i] != table) continue;
        while (!same_row(pivot, layout->openers[row], fact)) row++;
        while (!same_field(pivot, pivot->column, layout->heads[column], fact)) column++;
        const Observation **place = &layout->facts[row * layout->columns + column];
        if (!*place) *place = fact;
    }
    return layout;
}

/* --- cells --- */

static DisplayTableCell make_cell(const Pivot *pivot, const Observation *fact) {
    DisplayTableCell cell = {.value = NAN};
    if (!fact) return cell;
    double deviation;
    int count = fact->cell->count, asked = fact->cell->seeds_requested;
    cell.value = fact->cell->mean;
    if (pivot->options->ratio) {
        count = observations_ratio(fact, &cell.value, &deviation, pivot->arena);
        cell.text = observations_ratio_text(fact, cell.value, deviation, count, pivot->arena);
    } else
        cell.text = results_cell_text(fact->cell, pivot->arena);
    if (fact->between && count) cell.text = arena_format(pivot->arena, "~%s", cell.text);
    if (!count && fact->cell->outcome && !strcmp(fact->cell->outcome, "beyond_text"))
        display_table_note(pivot->set, series_beyond_text(pivot->list->set));
    if (count && count == asked && !fact->paper && asked < pivot->seeds) {
        cell.text = arena_format(pivot->arena, "%s (n = %d)", cell.text, count);
        display_table_note(pivot->set, "(n = ...): over so many seeds; the experiment has more of others.");
    }
    if (count && count < asked)
        display_table_note(pivot->set,
                           "(n/m): mean over n of m seeds; the others diverged, failed or are missing, see "
                           "`poslab status`");
    return cell;
}

/* Of a column of evaluation lengths the multiple stands below if all rows have the same training length. */
static DisplayTableColumn make_head(const Pivot *pivot, const Layout *layout, int column) {
    const Observation *head = layout->heads[column];
    DisplayTableColumn result = {
        .head = pivot->column->text(head, pivot->arena), .under = "", .measured = true};
    bool one_length = pivot->column->shows == OBSERVATION_LENGTH;
    for (int r = 0; r < layout->rows; r++)
        one_length &= layout->openers[r]->series->train_length == layout->openers[0]->series->train_length;
    for (int i = 0; one_length && i < observations_field_count; i++)
        if (observations_all_fields[i].shows == OBSERVATION_LENGTH &&
            &observations_all_fields[i] != pivot->column)
            result.under = observations_all_fields[i].text(head, pivot->arena);
    return result;
}

/* --- the best numbers --- */

static bool evaluated_alike(const Pivot *pivot, const Observation *a, const Observation *b) {
    bool same_training =
        a->series->train_length == b->series->train_length || !(pivot->shown & OBSERVATION_METHOD);
    return same_training && !a->paper && !b->paper && a->cell->length == b->cell->length &&
           a->cell->stride == b->cell->stride && a->seed == b->seed &&
           !strcmp(a->series->corpus, b->series->corpus) && results_same_protocol(a->series, b->series);
}

static bool complete(const Observation *fact) {
    return fact->cell->count == fact->cell->seeds_requested;
}

/* p[i]: how well the observation i differs from the best; NAN where nothing can be tested. */
static bool compare_with(const Pivot *pivot, double *p, const Observation *best,
                         const Observation *const *others, int count, Error *err) {
    const ResultsCell **cells = NEW(pivot->arena, count, const ResultsCell *);
    StatsDifference *differences = NEW(pivot->arena, count, StatsDifference);
    bool together = complete(best);
    for (int i = 0; i < count; i++) {
        cells[i] = others[i]->cell;
        together &= complete(others[i]) && cells[i]->count == best->cell->count;
    }
    int step = together ? count : 1; /* with all seeds, they share the draws */
    for (int i = 0; i < count; i += step)
        if (!results_compare(differences + i, pivot->store, cells + i, step, best->cell, STATS_BLOCK,
                             STATS_RESAMPLES, pivot->arena, err))
            return false;
    for (int i = 0; i < count; i++) p[i] = differences[i].p;
    stats_holm(p, p, count, pivot->arena);
    return true;
}

/* places[count]: cells of a table that were evaluated alike. */
static bool mark_class(const Pivot *pivot, const DisplayTable *sheet, const Layout *layout, const int *places,
                       int count, Error *err) {
    const Observation **others = NEW(pivot->arena, count, const Observation *);
    DisplayTableCell **cells = NEW(pivot->arena, count, DisplayTableCell *);
    int best = -1, left = 0;
    for (int i = 0; i < count; i++) {
        cells[i] = display_table_cell(sheet, places[i] / layout->columns,
                                      pivot->row_count + places[i] % layout->columns);
        if (isfinite(cells[i]->value) && (best < 0 || cells[i]->value < cells[best]->value)) best = i;
    }
    if (best < 0 || count < 2) return true;
    cells[best]->best = true;
    const Observation *winner = layout->facts[places[best]];
    if (pivot->options->ratio) {
        display_table_note(pivot->set, "Bold: the lowest ratio, untested.");
        return true;
    }
    for (int i = 0; i < count; i++) {
        if (i == best || !isfinite(cells[i]->value)) continue;
        cells[left] = cells[i];
        others[left++] = layout->facts[places[i]];
    }
    double *p = NEW(pivot->arena, left, double);
    bool tested = false;
    if (winner->cell->count > 1 && !compare_with(pivot, p, winner, others, left, err)) return false;
    for (int i = 0; winner->cell->count > 1 && i < left; i++) {
        tested |= isfinite(p[i]);
        cells[i]->best = isfinite(p[i]) && p[i] >= level;
    }
    if (tested) {
        display_table_note(
            pivot->set,
            "Bold: the lowest mean of those evaluated alike, and all that are not distinguishable from "
            "it (p at least 0.05, paired bootstrap over seeds and windows, Holm).");
        if (winner->cell->count < 5)
            display_table_note(pivot->set,
                               "Fewer than five seeds: the test tells apart more than it should.");
    } else
        display_table_note(pivot->set,
                           "Bold: the lowest of those evaluated alike; n = 1, so nothing was tested.");
    return true;
}

static bool mark_best(const Pivot *pivot, const DisplayTable *sheet, const Layout *layout, Error *err) {
    int size = layout->rows * layout->columns;
    int *places = NEW(pivot->arena, size, int);
    bool *done = NEW(pivot->arena, size, bool);
    for (int i = 0; i < size; i++) {
        int count = 0;
        if (done[i] || !layout->facts[i] || layout->facts[i]->paper) continue;
        for (int k = i; k < size; k++) {
            if (!layout->facts[k] || !evaluated_alike(pivot, layout->facts[i], layout->facts[k])) continue;
            places[count++] = k;
            done[k] = true;
        }
        bool itself =
            pivot->options->ratio && layout->facts[i]->cell->length == layout->facts[i]->series->train_length;
        if (!itself && !mark_class(pivot, sheet, layout, places, count, err)) return false;
    }
    return true;
}

/* --- all together --- */

static bool make_sheet(const Pivot *pivot, int table, Error *err) {
    const Layout *layout = make_layout(pivot, table);
    DisplayTable *sheet = &pivot->set->items[table];
    *sheet = display_table_new(layout->rows, pivot->row_count + layout->columns, pivot->arena);
    sheet->caption = caption_of(pivot, layout->openers[0]);
    for (int c = 0; c < pivot->row_count; c++) {
        const ObservationField *field = pivot->rows[c];
        sheet->columns[c] =
            (DisplayTableColumn){.head = field->head, .under = field->under, .left = !field->number};
        for (int r = 0; r < layout->rows; r++) {
            DisplayTableCell *cell = display_table_cell(sheet, r, c);
            cell->text = field->text(layout->openers[r], pivot->arena);
            if (field->number) cell->value = field->number(layout->openers[r]);
        }
    }
    for (int c = 0; c < layout->columns; c++) {
        sheet->columns[pivot->row_count + c] = make_head(pivot, layout, c);
        for (int r = 0; r < layout->rows; r++)
            *display_table_cell(sheet, r, pivot->row_count + c) =
                make_cell(pivot, layout->facts[r * layout->columns + c]);
    }
    return !pivot->options->mark || mark_best(pivot, sheet, layout, err);
}

/* "over 5 seeds", "over 4 to 5 seeds": what the numbers have, not what was asked for. */
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
    return arena_format(pivot->arena, ", mean ± standard deviation over %s%d seeds", range, most);
}

static const char *title_of(const Pivot *pivot) {
    return arena_format(pivot->arena, "%s: perplexity%s by %s%s", pivot->list->set->experiment,
                        pivot->options->ratio ? " over that at the training length," : "",
                        pivot->column->words, seeds_text(pivot));
}

/* The signature of what is shown: of all, or of the evaluations that --where leaves. */
static const char *sign(const Pivot *pivot, Error *err) {
    Arena *arena = pivot->arena;
    if (!pivot->options->where || !pivot->options->where[0]) return pivot->list->set->signature;
    Json *ids = json_new_array(arena);
    for (int i = 0; i < pivot->list->count; i++) {
        const ResultsCell *cell = pivot->list->items[i].cell;
        for (int s = 0; !pivot->list->items[i].paper && s < cell->count; s++)
            json_append(ids, json_new_number((double)cell->seeds[s].evaluation, arena));
    }
    const char *list = json_print(ids, arena);
    const char *signature = curves_signature(pivot->store, pivot->list->set->experiment, list, arena, err);
    for (int i = 0; signature && pivot->options->where[i]; i++)
        signature = arena_format(arena, "%s where=%s", signature, pivot->options->where[i]);
    return signature;
}

/* Methods; protocols and corpora where there are several; training lengths; position parameters. */
static const char *default_rows(const ObservationList *list, const ObservationField *column, Arena *arena) {
    bool protocols = false, corpora = false;
    for (int i = 0; i < list->count; i++) {
        if (list->items[i].paper) continue;
        protocols |= strcmp(list->items[i].series->evaluated, list->items[0].series->evaluated) != 0;
        corpora |= strcmp(list->items[i].series->corpus, list->items[0].series->corpus) != 0;
    }
    const char *const names[] = {"method", protocols ? "evaluated" : "", corpora ? "corpus" : "",
                                 "train_length", "position_parameters"};
    const char *rows = "";
    for (int i = 0; i < COUNT_OF(names); i++)
        if (*names[i] && strcmp(names[i], column->name))
            rows = arena_format(arena, "%s%s%s", rows, *rows ? "," : "", names[i]);
    return rows;
}

static bool read_list(Pivot *pivot, const char *experiment, Error *err) {
    const PivotOptions *options = pivot->options;
    ObservationFilter *where;
    ObservationOptions facts = {.paper = options->paper};
    const char *columns = options->columns ? options->columns : options->paper ? "multiple" : "eval_length";
    facts.where_count = observations_parse_filters(&where, options->where, pivot->arena, err);
    facts.where = where;
    if (facts.where_count < 0 || !observations_parse_fields(&pivot->column, 1, columns, err)) return false;
    if (options->rows) {
        pivot->row_count = observations_parse_fields(pivot->rows, MOST_ROWS, options->rows, err);
        if (!pivot->row_count) return false;
    }
    pivot->shown = pivot->column->shows;
    for (int i = 0; i < pivot->row_count; i++) {
        pivot->shown |= pivot->rows[i]->shows;
        if (pivot->rows[i] == pivot->column)
            return error_set(err, EXIT_USAGE, "field '%s' cannot be both in --rows and --columns",
                             pivot->column->name);
    }
    facts.by_seed = pivot->shown & OBSERVATION_SEED;
    if (options->paper && facts.by_seed)
        return error_set(
            err, EXIT_USAGE,
            "the paper's numbers have no seeds: --paper and the field 'seed' exclude each other");
    pivot->list = observations_read(pivot->store, experiment, &facts, pivot->arena, err);
    if (!pivot->list) return false;
    for (int i = 0; i < pivot->list->count; i++)
        if (pivot->list->items[i].cell->seeds_requested > pivot->seeds)
            pivot->seeds = pivot->list->items[i].cell->seeds_requested;
    if (options->rows || !pivot->list->count) return true;
    const char *rows = default_rows(pivot->list, pivot->column, pivot->arena);
    pivot->row_count = observations_parse_fields(pivot->rows, MOST_ROWS, rows, err);
    for (int i = 0; i < pivot->row_count; i++) pivot->shown |= pivot->rows[i]->shows;
    return pivot->row_count > 0;
}

DisplayTableSet *pivot_tables(Database *store, const char *experiment, const PivotOptions *options,
                              Arena *arena, Error *err) {
    Pivot pivot = {.store = store, .options = options, .arena = arena, .set = NEW(arena, 1, DisplayTableSet)};
    if (!read_list(&pivot, experiment, err)) return NULL;
    pivot.set->name = pivot.list->set->experiment;
    pivot.set->title = title_of(&pivot);
    pivot.set->signature = sign(&pivot, err);
    if (!pivot.set->signature) return NULL;
    choose_sheets(&pivot);
    pivot.set->items = NEW(arena, pivot.set->count, DisplayTable);
    for (int i = 0; i < pivot.set->count; i++)
        if (!make_sheet(&pivot, i, err)) return NULL;
    for (int i = 0; i < pivot.set->note_count; i++)
        if (strstr(pivot.set->notes[i], "bootstrap"))
            pivot.set->signature =
                arena_format(arena, "%s bootstrap=%d/seed%d/block%d level=%g/holm", pivot.set->signature,
                             STATS_RESAMPLES, STATS_SEED, STATS_BLOCK, level);
    if (pivot.list->paper) {
        display_table_note(pivot.set, arena_format(arena, "paper: %s.", pivot.list->paper->sources));
        display_table_note(
            pivot.set,
            "~: between two lengths of the paper, by a straight line in the logarithms. Its data and model "
            "are others: compare ratios.");
    }
    return pivot.set;
}
