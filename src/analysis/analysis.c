#include "analysis/analysis.h"

#include <math.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/claims.h"
#include "analysis/internal.h"
#include "analysis/selection.h"

/* --- claims, claim-points: a row for each claim, or for each point that it was tested at --- */

static const TableColumn claim_columns[] = {
    {"experiment", NULL, TABLE_TEXT},
    {"method", NULL, TABLE_TEXT},
    {"claim", "claim", TABLE_TEXT},
    {"section", "section", TABLE_TEXT},
    {"verdict", "verdict", TABLE_TEXT},
    {"points", "points", TABLE_INT},
    {"hold", "hold", TABLE_INT},
    {"fail", "fail", TABLE_INT},
    {"least", "least", TABLE_REAL, .decimals = 3},
    {"greatest", "greatest", TABLE_REAL, .decimals = 3},
    {"at_least", "at least", TABLE_REAL, .decimals = 2},
    {"at_most", "at most", TABLE_REAL, .decimals = 2},
    {"seeds", "seeds", TABLE_INT, .if_varying = true},
    {"finding", NULL, TABLE_TEXT},
};

static double bound(double value) { /* 0: no bound */
    return value > 0 ? value : NAN;
}

static const ClaimList *judge(const Analysis *analysis, Error *err) {
    const ClaimList *list = claims_judge(analysis->set, analysis->options->claims, analysis->arena, err);
    if (list && !list->count)
        table_note(analysis->table,
                   analysis->set->task
                       ? "claims on tasks: name a file with --claims"
                       : "no results/paper/claims.json in the current folder, next to the program or in the "
                         "installation; name a file with --claims");
    return list;
}

static bool run_claims(const Analysis *analysis, Error *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++) {
        const Claim *claim = &list->items[i];
        double hold = 0, fail = 0, least = NAN, greatest = NAN;
        for (int k = 0; k < claim->count; k++) {
            const ClaimPoint *point = &claim->points[k];
            hold += point->holds, fail += point->fails;
            least = fmin(least, point->ratio), greatest = fmax(greatest, point->ratio);
        }
        TableCell *row = TABLE_TEXTS(table_row(analysis->table), analysis->set->experiment, claim->method,
                                     claim->text, claim->section, claims_verdict_names[claim->verdict]);
        row = TABLE_NUMBERS(row, claim->count, hold, fail, least, greatest, bound(claim->at_least),
                            bound(claim->at_most), claim->count ? (double)claim->seeds : NAN);
        *row = table_text(claim->finding);
    }
    if (list && list->count)
        table_note(
            analysis->table,
            analysis->set->task
                ? "points: gains in exact match, each at one size, with a bootstrap interval; hold, fail: "
                  "those whose whole interval is on the bound's side, or beyond it"
                : "points: ratios, each at one length, training length and other method; hold, fail: those "
                  "whose whole "
                  "interval is on the bound's side, or beyond it; least, greatest: of the points");
    for (int i = 0; list && i < list->count && analysis->set->task; i++)
        if (list->items[i].verdict == CLAIM_UNDECIDED)
            table_note(analysis->table, arena_format(analysis->arena, "Undecided: %s %s", list->items[i].text,
                                                     list->items[i].finding));
    return list != NULL;
}

const AnalysisKind analysis_claims = {
    .title = "the paper's claims",
    ANALYSIS_COLUMNS(claim_columns),
    .of_claims = true,
    .run = run_claims,
    .of_task = &analysis_claims,
};

static const TableColumn point_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_SHOWN),
    {"against", "against", TABLE_TEXT, .if_varying = true},
    {"against_train_length", "against trained at", TABLE_INT, .if_varying = true},
    {"length", "length", TABLE_INT}, /* evaluation length; for speed and memory the training length */
    {"ratio", "ratio", TABLE_REAL, .decimals = 3},
    {"ratio_low", "from", TABLE_REAL, .decimals = 3},
    {"ratio_high", "to", TABLE_REAL, .decimals = 3},
    {"seeds", "seeds", TABLE_INT, .if_varying = true},
    {"outcome", "outcome", TABLE_TEXT},
    {"claim", "claim", TABLE_TEXT, .if_varying = true},
};

static void put_points(const Analysis *analysis, const Claim *claim) {
    for (int k = 0; k < claim->count; k++) {
        const ClaimPoint *point = &claim->points[k];
        const Series *against = point->against;
        TableCell *row = analysis_row(analysis, point->series);
        if (!point->seeds) /* a bench trains nothing */
            analysis_clear_keys(row, ANALYSIS_TRAIN_LENGTH, ANALYSIS_TRAIN_LENGTH);
        row = TABLE_TEXTS(row, against ? against->name : NULL);
        row = TABLE_NUMBERS(row, against && point->seeds ? (double)against->train_length : NAN, point->length,
                            point->ratio, point->low, point->high);
        analysis_put_keys(analysis, point->series, against);
        *row++ = table_shown(point->seeds, point->seeds ? NULL : "bench");
        TABLE_TEXTS(row, point->holds ? "holds" : point->fails ? "fails" : "open", claim->text);
    }
}

static bool run_points(const Analysis *analysis, Error *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++) put_points(analysis, &list->items[i]);
    return list != NULL;
}

const AnalysisKind analysis_claim_points = {
    .title = "the points of the paper's claims",
    ANALYSIS_COLUMNS(point_columns),
    .compared = "against_",
    .run = run_points,
    .of_task = &analysis_claim_points,
};

/* --- the list --- */

#define KIND(SYMBOL, NAME) &analysis_##SYMBOL,
#define NAME(SYMBOL, NAME) NAME,

static const AnalysisKind *const kinds[] = {ANALYSIS_KINDS(KIND)};
const char *const analysis_names[] = {ANALYSIS_KINDS(NAME) NULL};

static const AnalysisKind *find_kind(const AnalysisOptions *options, Arena *arena, Error *err) {
    int kind = text_index(options->what, analysis_names), rows = 0;
    while (options->rows && options->rows[rows]) rows++;
    if (kind < 0)
        error_unknown(err, text_nearest(options->what, analysis_names),
                      arena_format(arena, "known: %s", text_list(analysis_names, arena)),
                      "there is no analysis '%s'", options->what);
    else if (rows && !kinds[kind]->rows)
        error_set(err, EXIT_USAGE, "analysis '%s' takes no ROW; --where chooses methods", options->what);
    else if (kinds[kind]->rows && !options->baseline && rows < 2)
        error_set(err, EXIT_USAGE, "analysis '%s' needs two ROWs or more, or --baseline METHOD",
                  options->what);
    else
        return kinds[kind];
    return NULL;
}

/* The kind for an experiment on text or on a task; NULL if the analysis does not exist for it. */
static const AnalysisKind *kind_for(const AnalysisKind *kind, const Results *set) {
    if (set->task) return kind->of_task;
    return kind->tasks_only ? NULL : kind;
}

/* Removes experiments for which the analysis does not exist. Fails (usage) if none is left, or if csv would
   need different columns. */
static bool choose_sets(const Results **sets, int *count, const AnalysisKind *kind,
                        const AnalysisOptions *options, Error *err) {
    const Results *last = *count ? sets[*count - 1] : NULL;
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (kind_for(kind, sets[i])) sets[kept++] = sets[i];
    for (int i = 1; i < kept && options->format == TABLE_AS_CSV; i++)
        if (!sets[i]->task != !sets[0]->task)
            return error_set(err, EXIT_USAGE,
                             "experiments on text and on tasks have different columns in csv ('%s', '%s'); "
                             "choose one with --experiment",
                             sets[0]->experiment, sets[i]->experiment);
    *count = kept;
    if (kept || !last) return true;
    if (last->task)
        return error_set(
            err, EXIT_USAGE,
            "analysis '%s' is for experiments on text, '%s' is on the task '%s'; its analyses are "
            "accuracy, compare and claims",
            options->what, last->experiment, last->task);
    return error_set(err, EXIT_USAGE, "analysis '%s' is for experiments on tasks, '%s' is on text",
                     options->what, last->experiment);
}

static bool is_shown(const AnalysisOptions *options, const Series *series) {
    if (!options->rows || !*options->rows) return true;
    bool shown = options->baseline && results_is_called(series, options->baseline);
    for (int i = 0; options->rows[i]; i++) shown |= results_is_called(series, options->rows[i]);
    return shown;
}

/* Notes which settings differ between the rows and are not in their names, and how the best were chosen. */
static void put_notes(const Analysis *analysis) {
    const Series **series = NULL;
    int count = 0;
    for (int i = 0; i < analysis->set->count; i++)
        if (is_shown(analysis->options, &analysis->set->items[i]))
            *ARENA_PUSH(analysis->arena, series, count) = &analysis->set->items[i];
    results_note_settings(analysis->table, analysis->set, series, count, NULL, 0);
}

/* --- columns for keys of the config --- */

/* The kind's columns, then "method_name" if it differs from "method", and those for keys:
   "train.optimizer.lr"; both again with a prefix, "baseline_train.optimizer.lr". */
static Table *new_table(const AnalysisKind *kind, const Results *set, const AnalysisOptions *options,
                        Arena *arena) {
    int count = kind->column_count;
    TableColumn *columns = NEW(arena, count + 2 * (options->path_count + 1), TableColumn);
    memcpy(columns, kind->columns, (size_t)count * sizeof *columns);
    for (int pass = 0; pass < (kind->compared ? 2 : 1) && !kind->of_claims; pass++)
        for (int i = options->method_names ? -1 : 0; i < options->path_count; i++)
            columns[count++] = (TableColumn){arena_format(arena, "%s%s", pass ? kind->compared : "",
                                                          i < 0 ? "method_name" : options->paths[i]),
                                             NULL, TABLE_TEXT, .path = true};
    return table_new(arena_format(arena, "%s: %s", set->experiment, kind->title), columns, count, arena);
}

void analysis_put_keys(const Analysis *analysis, const Series *series, const Series *compared) {
    const AnalysisOptions *options = analysis->options;
    const Table *table = analysis->table;
    const Series *const described[] = {series, compared};
    TableCell *cell = table->cells + (size_t)(table->rows - 1) * (size_t)table->column_count;
    cell += analysis->kind->column_count;
    for (int k = 0; k < (analysis->kind->compared ? 2 : 1); k++)
        for (int i = options->method_names ? -1 : 0; i < options->path_count; i++, cell++)
            if (described[k])
                *cell = i < 0 ? table_text(described[k]->method)
                              : series_key_cell(described[k], options->paths[i], options->format,
                                                analysis->arena);
}

Table *analysis_table(const Results *set, const AnalysisOptions *options, Arena *arena, Error *err) {
    const AnalysisKind *kind = find_kind(options, arena, err);
    if (!kind || (options->baseline && !results_check_name(set, options->baseline, arena, err))) return NULL;
    for (int i = 0; options->rows && options->rows[i]; i++)
        if (!results_check_name(set, options->rows[i], arena, err)) return NULL;
    kind = kind_for(kind, set);
    Analysis analysis = {.set = set, .kind = kind, .options = options, .arena = arena};
    analysis.table = new_table(kind, set, options, arena);
    analysis.table->signature = set->signature;
    const char *stale = results_stale_note(set, arena);
    if (!kind->run(&analysis, err)) return NULL;
    put_notes(&analysis);
    if (stale) table_note(analysis.table, stale);
    return analysis.table;
}

Table *analysis_points(const Results *set, const Claim *claim, Arena *arena) {
    static const AnalysisOptions none;
    const AnalysisKind *kind = &analysis_claim_points;
    const Analysis analysis = {.set = set,
                               .kind = kind,
                               .options = &none,
                               .table = new_table(kind, set, &none, arena),
                               .arena = arena};
    put_points(&analysis, claim);
    return analysis.table;
}

bool analysis_print(Database *store, const AnalysisOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const AnalysisKind *kind = find_kind(options, arena, err);
    const char **names = kind ? database_experiments(store, options->experiment, &count, arena, err) : NULL;
    if (!names) return false;
    const Results **sets = NEW(arena, count, const Results *);
    for (int i = 0; i < count; i++) {
        sets[i] = results_read(store, names[i], options->best, arena, err);
        if (!sets[i]) return false;
    }
    if (!choose_sets(sets, &count, kind, options, err) ||
        !selection_apply(sets, &count, options->where, NULL, arena, err))
        return false;
    const Table **tables = NEW(arena, count, const Table *);
    AnalysisOptions with_paths = *options;
    if (count) {
        const Results *all = selection_join(sets, count, arena);
        with_paths.paths = all->paths;
        with_paths.path_count = all->path_count;
        with_paths.method_names = results_names_differ(all);
    }
    for (int i = 0; i < count; i++) {
        tables[i] = analysis_table(sets[i], &with_paths, arena, err);
        if (!tables[i]) return false;
    }
    return table_print(tables, count, options->format, out, err);
}
