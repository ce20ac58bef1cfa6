#include "analysis/analysis.h"

#include <string.h>

#include "base/options.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/internal.h"

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
    if (!kinds[kind]->baseline || options->baseline) return kinds[kind];
    error_set(err, EXIT_USAGE, "analysis '%s' needs --baseline METHOD", options->what);
    return NULL;
}

/* Says which settings differ between the rows and are not in their names, and how the best were chosen. */
static void put_notes(const Analysis *analysis) {
    const Results *set = analysis->set;
    const Series **series = NEW(analysis->arena, set->count, const Series *);
    for (int i = 0; i < set->count; i++) series[i] = &set->items[i];
    const char *note =
        series_hidden_settings(series, set->count, set->paths, set->path_count,
                               (const char *const *)set->best_paths, set->best_count, analysis->arena);
    if (note) table_note(analysis->table, note);
    if (set->best) table_note(analysis->table, set->best);
}

static Table *make_frame(Database *store, const AnalysisKind *kind, const AnalysisOptions *options,
                         const char *experiment, Arena *arena, Error *err) {
    Analysis analysis = {.store = store, .options = options, .arena = arena};
    analysis.set = results_read(store, experiment, options->best, arena, err);
    if (!analysis.set) return NULL;
    if (options->baseline && !results_check_name(analysis.set, options->baseline, arena, err)) return NULL;
    const char *title = arena_format(arena, "%s: %s", experiment, kind->title);
    analysis.table = table_new(title, kind->columns, kind->column_count, arena);
    analysis.table->signature = analysis.set->signature;
    if (!kind->run(&analysis, err)) return NULL;
    put_notes(&analysis);
    return analysis.table;
}

static bool print_all(Database *store, const AnalysisOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const AnalysisKind *kind = find_kind(options, arena, err);
    const char **names = kind ? runs_experiments(store, options->experiment, &count, arena, err) : NULL;
    if (!names) return false;
    const Table **tables = NEW(arena, count, const Table *);
    for (int i = 0; i < count; i++) {
        tables[i] = make_frame(store, kind, options, names[i], arena, err);
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
