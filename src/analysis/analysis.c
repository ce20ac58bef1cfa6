#include "analysis/analysis.h"

#include <string.h>

#include "base/options.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/internal.h"
#include "analysis/observations.h"

/* clang-format off */
#define ANALYSES(X) \
    X(curves, "curves") X(matrix, "matrix") X(compare, "compare") X(short_long, "short-long") X(cost, "cost") \
    X(early, "early") X(positions, "positions") X(claims, "claims") X(claim_points, "claim-points")
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

Table *analysis_table(Database *store, const Results *set, const AnalysisOptions *options, Arena *arena,
                      Error *err) {
    const AnalysisKind *kind = find_kind(options, arena, err);
    Analysis analysis = {.store = store, .set = set, .options = options, .arena = arena};
    if (!kind || (options->baseline && !results_check_name(set, options->baseline, arena, err))) return NULL;
    for (int i = 0; options->rows && options->rows[i]; i++)
        if (!results_check_name(set, options->rows[i], arena, err)) return NULL;
    const char *title = arena_format(arena, "%s: %s", set->experiment, kind->title);
    analysis.table = table_new(title, kind->columns, kind->column_count, arena);
    analysis.table->signature = set->signature;
    const char *stale = results_stale_note(set, arena);
    if (!kind->run(&analysis, err)) return NULL;
    put_notes(&analysis);
    if (stale) table_note(analysis.table, stale);
    return analysis.table;
}

/* Keeps what the conditions allow. */
static bool filter(const AnalysisOptions *options, const Results **sets, int *count,
                   Arena *arena, Error *err) {
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
    bool known = find_kind(options, arena, err) != NULL;
    const char **names = known ? runs_experiments(store, options->experiment, &count, arena, err) : NULL;
    if (!names) return false;
    const Results **sets = NEW(arena, count, const Results *);
    const Table **tables = NEW(arena, count, const Table *);
    for (int i = 0; i < count; i++) {
        sets[i] = results_read(store, names[i], options->best, arena, err);
        if (!sets[i]) return false;
    }
    if (!filter(options, sets, &count, arena, err)) return false;
    for (int i = 0; i < count; i++) {
        tables[i] = analysis_table(store, sets[i], options, arena, err);
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
