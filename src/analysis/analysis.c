#include "analysis/analysis.h"

#include <math.h>
#include <string.h>

#include "base/options.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/claims.h"
#include "analysis/internal.h"
#include "analysis/observations.h"

/* --- claims, claim-points: a row for each claim, or for each point that it was tested at --- */

static const TableColumn claim_columns[] = {
    {"experiment", "experiment", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"method", "method", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"claim", "claim", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"section", "section", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"verdict", "verdict", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"points", "points", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"hold", "hold", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"fail", "fail", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"least", "least", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"greatest", "greatest", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"at_least", "at least", TABLE_REAL, TABLE_FOR_BOTH, 2},
    {"at_most", "at most", TABLE_REAL, TABLE_FOR_BOTH, 2},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"finding", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
};

static double bound(double value) { /* 0 is none */
    return value > 0 ? value : NAN;
}

static const ClaimList *judge(const Analysis *analysis, Error *err) {
    const ClaimList *list =
        claims_judge(analysis->store, analysis->set, analysis->options->claims, analysis->arena, err);
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
    return list != NULL;
}

const AnalysisKind analysis_claims = {
    .title = "the paper's claims",
    .columns = claim_columns,
    .column_count = COUNT_OF(claim_columns),
    .of_claims = true,
    .run = run_claims,
    .of_task = &analysis_claims,
};

static const TableColumn point_columns[] = {
    ANALYSIS_KEYS(0, 0),
    {"against", "against", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"against_train_length", "trained at", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"length", "length", TABLE_INT, TABLE_FOR_BOTH,
     0}, /* evaluated; of speed and memory in training, trained at */
    {"ratio", "ratio", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"ratio_low", "from", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"ratio_high", "to", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"outcome", "outcome", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"claim", "claim", TABLE_TEXT, TABLE_FOR_BOTH, 0},
};

static bool run_points(const Analysis *analysis, Error *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++)
        for (int k = 0; k < list->items[i].count; k++) {
            const ClaimPoint *point = &list->items[i].points[k];
            const Series *against = point->against;
            TableCell *row = analysis_row(analysis, point->series);
            if (!point->seeds) /* a bench has no training of its own */
                analysis_clear_keys(row, ANALYSIS_TRAIN_LENGTH, ANALYSIS_TRAIN_LENGTH);
            row = TABLE_TEXTS(row, against ? against->name : NULL);
            row = TABLE_NUMBERS(row, against && point->seeds ? (double)against->train_length : NAN,
                                point->length, point->ratio, point->low, point->high, point->seeds);
            analysis_put_keys(analysis, point->series, against);
            TABLE_TEXTS(row, point->holds ? "holds" : point->fails ? "fails" : "open", list->items[i].text);
        }
    return list != NULL;
}

const AnalysisKind analysis_claim_points = {
    .title = "what the paper's claims were judged by",
    .columns = point_columns,
    .column_count = COUNT_OF(point_columns),
    .compared = "against_",
    .run = run_points,
    .of_task = &analysis_claim_points,
};

/* --- the list --- */

/* clang-format off */
#define ANALYSES(X) \
    X(curves, "curves") X(matrix, "matrix") X(compare, "compare") X(short_long, "short-long") X(cost, "cost") \
    X(early, "early") X(positions, "positions") X(claims, "claims") X(claim_points, "claim-points") \
    X(accuracy, "accuracy")
/* clang-format on */
#define KIND(SYMBOL, NAME) &analysis_##SYMBOL,
#define NAME(SYMBOL, NAME) NAME,

static const AnalysisKind *const kinds[] = {ANALYSES(KIND)};
const char *const analysis_names[] = {ANALYSES(NAME) NULL};

static const AnalysisKind *find_kind(const AnalysisOptions *options, Arena *arena, Error *err) {
    const char *nearest = options_nearest_name(options->what, analysis_names);
    const char *list = "";
    int kind = 0;
    while (analysis_names[kind] && strcmp(analysis_names[kind], options->what)) kind++;
    for (int i = 0; analysis_names[i]; i++)
        list = arena_format(arena, "%s%s%s", list, i ? ", " : "", analysis_names[i]);
    if (!analysis_names[kind]) {
        error_set(err, EXIT_USAGE,
                  nearest ? "there is no analysis '%s'; did you mean '%s'?"
                          : "there is no analysis '%s'; there are %s",
                  options->what, nearest ? nearest : list);
        return NULL;
    }
    int rows = 0;
    while (options->rows && options->rows[rows]) rows++;
    if (rows && !kinds[kind]->rows)
        error_set(err, EXIT_USAGE, "analysis '%s' takes no ROW; --where chooses methods", options->what);
    else if (kinds[kind]->rows && !options->baseline && rows < 2)
        error_set(err, EXIT_USAGE, "analysis '%s' needs two ROWs or more, or --baseline METHOD",
                  options->what);
    else
        return kinds[kind];
    return NULL;
}

/* The kind that makes the analysis of this experiment; NULL: it is not for such experiments. */
static const AnalysisKind *kind_for(const AnalysisKind *kind, const Results *set) {
    if (set->task) return kind->of_task;
    return kind->tasks_only ? NULL : kind;
}

/* Those of the experiments that the analysis is for; fails (usage) if there is none, or if csv cannot hold
   the columns of all. */
static bool choose_sets(const Results **sets, int *count, const AnalysisKind *kind,
                        const AnalysisOptions *options, Error *err) {
    const Results *last = *count ? sets[*count - 1] : NULL;
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (kind_for(kind, sets[i])) sets[kept++] = sets[i];
    for (int i = 1; i < kept && options->format == TABLE_AS_CSV; i++)
        if (!sets[i]->task != !sets[0]->task)
            return error_set(err, EXIT_USAGE,
                             "experiments on text and on tasks have other columns in csv ('%s', '%s'); name "
                             "one with --experiment",
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

/* Says which settings differ between the rows and are not in their names, and how the best were chosen. */
static void put_notes(const Analysis *analysis) {
    const Results *set = analysis->set;
    const Series **series = NEW(analysis->arena, set->count, const Series *);
    int count = 0;
    for (int i = 0; i < set->count; i++)
        if (is_shown(analysis->options, &set->items[i])) series[count++] = &set->items[i];
    const char *note =
        series_hidden_settings(series, count, set->paths, set->path_count,
                               (const char *const *)set->best_paths, set->best_count, analysis->arena);
    if (note) table_note(analysis->table, note);
    if (set->best) table_note(analysis->table, set->best);
}

/* --- columns for keys of the config --- */

/* The kind's columns, then those for keys: "train.optimizer.lr", and "baseline_train.optimizer.lr". */
static Table *new_table(const AnalysisKind *kind, const Results *set, const AnalysisOptions *options,
                        Arena *arena) {
    int count = kind->column_count, more = kind->of_claims ? 0 : options->path_count;
    TableColumn *columns = NEW(arena, count + 2 * more, TableColumn);
    memcpy(columns, kind->columns, (size_t)count * sizeof *columns);
    for (int pass = 0; pass < (kind->compared ? 2 : 1); pass++)
        for (int i = 0; i < more; i++)
            columns[count++] =
                (TableColumn){arena_format(arena, "%s%s", pass ? kind->compared : "", options->paths[i]),
                              NULL, TABLE_TEXT, TABLE_FOR_PROGRAMS | TABLE_PATH, 0};
    return table_new(arena_format(arena, "%s: %s", set->experiment, kind->title), columns, count, arena);
}

void analysis_put_keys(const Analysis *analysis, const Series *series, const Series *compared) {
    const AnalysisOptions *options = analysis->options;
    const Table *table = analysis->table;
    const Series *const described[] = {series, compared};
    TableCell *cell = table->cells + (size_t)(table->rows - 1) * (size_t)table->column_count;
    cell += analysis->kind->column_count;
    for (int k = 0; k < (analysis->kind->compared ? 2 : 1); k++)
        for (int i = 0; i < options->path_count; i++, cell++)
            if (described[k])
                *cell = series_key_cell(described[k], options->paths[i], options->format, analysis->arena);
}

Table *analysis_table(Database *store, const Results *set, const AnalysisOptions *options, Arena *arena,
                      Error *err) {
    const AnalysisKind *kind = find_kind(options, arena, err);
    if (!kind || (options->baseline && !results_check_name(set, options->baseline, arena, err))) return NULL;
    for (int i = 0; options->rows && options->rows[i]; i++)
        if (!results_check_name(set, options->rows[i], arena, err)) return NULL;
    kind = kind_for(kind, set);
    Analysis analysis = {.store = store, .set = set, .kind = kind, .options = options, .arena = arena};
    analysis.table = new_table(kind, set, options, arena);
    analysis.table->signature = set->signature;
    const char *stale = results_stale_note(set, arena);
    if (!kind->run(&analysis, err)) return NULL;
    put_notes(&analysis);
    if (stale) table_note(analysis.table, stale);
    return analysis.table;
}

/* Keeps what the conditions allow. */
static bool filter(const AnalysisOptions *options, const Results **sets, int *count, Arena *arena,
                   Error *err) {
    ObservationFilter *where;
    ObservationOptions wanted = {.where_count =
                                     observations_parse_filters(&where, options->where, arena, err)};
    wanted.where = where;
    if (wanted.where_count < 0) return false;
    if (!wanted.where_count) return true;
    if (!observations_choose(sets, count, &wanted, arena, err)) return false;
    for (int i = 0; i < *count; i++) {
        sets[i] = observations_keep(sets[i], &wanted, arena, err);
        if (!sets[i]) return false;
    }
    return true;
}

static bool print_all(Database *store, const AnalysisOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const AnalysisKind *kind = find_kind(options, arena, err);
    const char **names = kind ? runs_experiments(store, options->experiment, &count, arena, err) : NULL;
    if (!names) return false;
    const Results **sets = NEW(arena, count, const Results *);
    for (int i = 0; i < count; i++) {
        sets[i] = results_read(store, names[i], options->best, arena, err);
        if (!sets[i]) return false;
    }
    if (!choose_sets(sets, &count, kind, options, err) || !filter(options, sets, &count, arena, err))
        return false;
    const Table **tables = NEW(arena, count, const Table *);
    AnalysisOptions with_paths = *options;
    if (count) {
        const Results *all = results_join(sets, count, arena);
        with_paths.paths = all->paths;
        with_paths.path_count = all->path_count;
    }
    for (int i = 0; i < count; i++) {
        tables[i] = analysis_table(store, sets[i], &with_paths, arena, err);
        if (!tables[i]) return false;
    }
    return table_print(tables, count, options->format, out, err);
}

bool analysis_print(Database *store, const AnalysisOptions *options, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    bool fine = print_all(store, options, out, arena, err);
    arena_free(arena);
    return fine;
}
