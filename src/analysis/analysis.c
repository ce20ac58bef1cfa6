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

/* The index of `wanted` among `count` names; -1 and an error if it is not there. */
static int choose(const char *wanted, const char *what, const char *const *names, Error *err) {
    const char *list = "";
    Arena *arena = arena_new(0);
    int found = 0;
    while (names[found] && strcmp(names[found], wanted)) found++;
    if (names[found]) {
        arena_free(arena);
        return found;
    }
    for (int i = 0; names[i]; i++) list = arena_format(arena, "%s%s%s", list, i ? ", " : "", names[i]);
    const char *nearest = options_nearest_name(wanted, names);
    if (nearest)
        error_set(err, EXIT_USAGE, "there is no %s '%s'; did you mean '%s'?", what, wanted, nearest);
    else
        error_set(err, EXIT_USAGE, "there is no %s '%s'; there are %s", what, wanted, list);
    arena_free(arena);
    return -1;
}

static const AnalysisKind *find_kind(const AnalysisOptions *options, Error *err) {
    int kind = choose(options->what, "analysis", analysis_names, err);
    if (kind < 0) return NULL;
    if (!kinds[kind]->baseline || options->baseline) return kinds[kind];
    error_set(err, EXIT_USAGE, "analysis '%s' needs --baseline METHOD", options->what);
    return NULL;
}

static Table *make_frame(Database *store, const AnalysisKind *kind, const AnalysisOptions *options,
                         const char *experiment, Arena *arena, Error *err) {
    Analysis analysis = {.store = store, .options = options, .arena = arena};
    analysis.set = results_read(store, experiment, arena, err);
    if (!analysis.set) return NULL;
    if (options->baseline && !results_check_name(analysis.set, options->baseline, arena, err)) return NULL;
    const char *title = arena_format(arena, "%s: %s", experiment, kind->title);
    analysis.table = table_new(title, kind->columns, kind->column_count, arena);
    analysis.table->signature = analysis.set->signature;
    return kind->run(&analysis, err) ? analysis.table : NULL;
}

bool analysis_print(Database *store, const AnalysisOptions *options, FILE *out, Error *err) {
    int count = 0, format = options->format ? choose(options->format, "format", table_format_names, err) : 0;
    const AnalysisKind *kind = format < 0 ? NULL : find_kind(options, err);
    if (!kind) return false;
    Arena *arena = arena_new(0);
    const char **names = runs_experiments(store, options->experiment, &count, arena, err);
    const Table **frames = NEW(arena, count, const Table *);
    bool fine = names != NULL;
    for (int i = 0; fine && i < count; i++) {
        frames[i] = make_frame(store, kind, options, names[i], arena, err);
        fine = frames[i] != NULL;
    }
    fine = fine && table_print(frames, count, format, out, err);
    arena_free(arena);
    return fine;
}
