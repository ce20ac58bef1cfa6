#include "analysis/analysis.h"

#include <string.h>

#include "base/options.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/internal.h"

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
    if (!kinds[kind]->baseline || options->baseline) return kinds[kind];
    error_set(err, EXIT_USAGE, "analysis '%s' needs --baseline METHOD", options->what);
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
            "accuracy and compare",
            options->what, last->experiment, last->task);
    return error_set(err, EXIT_USAGE, "analysis '%s' is for experiments on tasks, '%s' is on text",
                     options->what, last->experiment);
}

Table *analysis_table(Database *store, const Results *set, const AnalysisOptions *options, Arena *arena,
                      Error *err) {
    const AnalysisKind *kind = find_kind(options, arena, err);
    if (!kind || (options->baseline && !results_check_name(set, options->baseline, arena, err))) return NULL;
    kind = kind_for(kind, set);
    Analysis analysis = {.store = store, .set = set, .options = options, .arena = arena};
    const char *title = arena_format(arena, "%s: %s", set->experiment, kind->title);
    analysis.table = table_new(title, kind->columns, kind->column_count, arena);
    analysis.table->signature = set->signature;
    const char *stale = results_stale_note(set, arena);
    if (!kind->run(&analysis, err)) return NULL;
    if (stale) table_note(analysis.table, stale);
    return analysis.table;
}

static bool print_all(Database *store, const AnalysisOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const AnalysisKind *kind = find_kind(options, arena, err);
    const char **names = kind ? runs_experiments(store, options->experiment, &count, arena, err) : NULL;
    if (!names) return false;
    const Results **sets = NEW(arena, count, const Results *);
    for (int i = 0; i < count; i++)
        if (!(sets[i] = results_read(store, names[i], arena, err))) return false;
    if (!choose_sets(sets, &count, kind, options, err)) return false;
    const Table **tables = NEW(arena, count, const Table *);
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
