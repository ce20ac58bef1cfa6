/* results: each row of the view `outcome` is added to its series and cell, in the order of the config. */
#include "analysis/results.h"

#include <math.h>
#include <string.h>

#include "base/table.h"
#include "base/text.h"
#include "math/linear.h"
#include "train/evaluate.h"
#include "store/runs.h"

/* --- reading --- */

/* " [variant]", with its options if the experiment has the variant with several options. */
#define CHANGED                                                                                              \
    "iif(eval_variant = '', '', ' [' || eval_variant || iif((experiment, label, variant, train_length,"      \
    " eval_variant) IN (SELECT experiment, label, variant, train_length, eval_variant FROM outcome"          \
    " WHERE eval_variant <> '' GROUP BY 1, 2, 3, 4, 5 HAVING count(DISTINCT eval_variant_options) > 1),"     \
    " ' ' || eval_variant_options, '') || ']')"

/* A value of data.task in the config of the run; NULL: the run is on text. */
#define OF_TASK(path) "SELECT json_extract(config, '$.data.task." path "') FROM run WHERE key = run_key"

/* The sum of an expression of k, an example of the evaluation, and w, its window. */
#define OF_EXAMPLES(expression)                                                                              \
    "(SELECT sum(" expression ") FROM task_example k JOIN evaluation_window w"                               \
    " ON (w.evaluation, w.window) = (k.evaluation, k.example) WHERE k.evaluation = outcome.evaluation)"

#define STALE_RUN "(SELECT edited(method_files) FROM run WHERE key = run_key)"

typedef struct Column {
    const char *sql;
    enum { TEXT, WHOLE, REAL } type;
    size_t offset; /* of the member */
} Column;

static const Column series_columns[] = {
    {"label || " CHANGED, TEXT, offsetof(Series, label)},
    {"label", TEXT, offsetof(Series, run_label)},
    {"method_name", TEXT, offsetof(Series, method)},
    {"variant", TEXT, offsetof(Series, setting)},
    {"eval_variant", TEXT, offsetof(Series, variant)},
    {"split", TEXT, offsetof(Series, split)},
    {"protocol", TEXT, offsetof(Series, protocol)},
    {"stride_rule", TEXT, offsetof(Series, rule)},
    {"corpus", TEXT, offsetof(Series, corpus)},
    {"eval_precision", TEXT, offsetof(Series, precision)},
    {"train_length", WHOLE, offsetof(Series, train_length)},
    {"requested", WHOLE, offsetof(Series, requested)},
    {"parameters", WHOLE, offsetof(Series, parameters)},
    {"position_parameters", WHOLE, offsetof(Series, position_parameters)},
    {"coalesce((" OF_TASK("name") "), '')", TEXT, offsetof(Series, task)},
    {"(" OF_TASK("size[0]") ")", WHOLE, offsetof(Series, train_low)},
    {"(" OF_TASK("size[1]") ")", WHOLE, offsetof(Series, train_high)},
};

static const Column cell_columns[] = {
    {"eval_length", WHOLE, offsetof(SeriesCell, length)},
    {"stride", WHOLE, offsetof(SeriesCell, stride)},
};

static const Column seed_columns[] = {
    {"seed", WHOLE, offsetof(SeriesSeed, seed)},
    {"outcome", TEXT, offsetof(SeriesSeed, outcome)},
    {"nll / tokens", REAL, offsetof(SeriesSeed, loss)},
    {"evaluation", WHOLE, offsetof(SeriesSeed, evaluation)},
    {"nll", REAL, offsetof(SeriesSeed, nats)},
    {"bits_per_byte", REAL, offsetof(SeriesSeed, bits_per_byte)},
    {"word_perplexity", REAL, offsetof(SeriesSeed, word_perplexity)},
    {"seconds", REAL, offsetof(SeriesSeed, seconds)},
    {"tokens", WHOLE, offsetof(SeriesSeed, tokens)},
    {"windows", WHOLE, offsetof(SeriesSeed, windows)},
    {OF_EXAMPLES("k.tokens_right = w.tokens"), WHOLE, offsetof(SeriesSeed, exact)},
    {OF_EXAMPLES("k.tokens_right"), WHOLE, offsetof(SeriesSeed, tokens_right)},
    {"peak_bytes", WHOLE, offsetof(SeriesSeed, peak_bytes)},
    {"revision", TEXT, offsetof(SeriesSeed, revision)},
    {"run_key", TEXT, offsetof(SeriesSeed, run_key)},
    {"method_options", TEXT, offsetof(SeriesSeed, method_options)},
    {"tokenizer", TEXT, offsetof(SeriesSeed, tokenizer)},
    {STALE_RUN, WHOLE, offsetof(SeriesSeed, stale_run)},
    {STALE_RUN
     " OR coalesce((SELECT edited(method_files) FROM evaluation e WHERE e.id = outcome.evaluation), 0)",
     WHOLE, offsetof(SeriesSeed, stale)},
};

static const struct {
    const Column *columns;
    int count;
} parts[] = {{series_columns, COUNT_OF(series_columns)},
             {cell_columns, COUNT_OF(cell_columns)},
             {seed_columns, COUNT_OF(seed_columns)}};

static Query *begin_evaluations(Database *store, const char *const *experiment, Arena *arena) {
    const char *list = "";
    for (int p = 0; p < COUNT_OF(parts); p++)
        for (int i = 0; i < parts[p].count; i++) list = text_join(list, ", ", parts[p].columns[i].sql, arena);
    const char *sql = arena_format(arena,
                                   "SELECT %s FROM outcome WHERE experiment = ? ORDER BY ordinal,"
                                   " eval_variant, split DESC, protocol, stride_rule, requested,"
                                   " eval_precision DESC, eval_length",
                                   list);
    return query_begin(store, sql, experiment);
}

/* Fills the members of a series, a cell and a seed from a row. */
static void read_row(Query *query, void *const *targets, Arena *arena) {
    int column = 0;
    for (int p = 0; p < COUNT_OF(parts); p++)
        for (int i = 0; i < parts[p].count; i++, column++) {
            void *member = (char *)targets[p] + parts[p].columns[i].offset;
            switch (parts[p].columns[i].type) {
            case TEXT:
                *(const char **)member = arena_copy(arena, query_text(query, column));
                break;
            case WHOLE:
                *(int64_t *)member = query_int(query, column);
                break;
            case REAL:
                *(double *)member = query_real(query, column);
                break;
            }
        }
}

static Series *find_series(Results *set, const Series *wanted, Arena *arena) {
    for (int i = 0; i < set->count; i++)
        if (series_same_runs(&set->items[i], wanted) && series_same_protocol(&set->items[i], wanted))
            return &set->items[i];
    Series *series = ARENA_PUSH(arena, set->items, set->count);
    *series = *wanted;
    return series;
}

static void take_row(Results *set, Query *query, int64_t row, Arena *arena) {
    Series wanted = {.experiment = set->experiment, .database = database_path(set->store)};
    SeriesCell at = {0};
    SeriesSeed seed = {.row = row, .store = set->store};
    read_row(query, (void *const[]){&wanted, &at, &seed}, arena);
    series_set_settings(&wanted, wanted.setting, NULL, 0, arena);
    series_add(find_series(set, &wanted, arena), at.length, at.stride, seed, arena);
}

/* Whether the series is of such runs: label, settings, corpus and training length are the first columns. */
static bool is_of(const Series *series, Query *query) {
    return !strcmp(series->run_label, query_text(query, 0)) &&
           !strcmp(series->setting, query_text(query, 1)) && !strcmp(series->corpus, query_text(query, 2)) &&
           series->train_length == query_int(query, 3);
}

/* Adds a path if it is new. */
static void add_path(const char ***paths, int *count, const char *path, Arena *arena) {
    if (!text_among(path, *paths, *count)) *ARENA_PUSH(arena, *paths, *count) = path;
}

static bool read_paths(Results *set, const char *const *experiment, Arena *arena, Error *err) {
    Query *query = query_begin(
        set->store, "SELECT DISTINCT path FROM setting WHERE experiment = ? ORDER BY path", experiment);
    while (query_next(query))
        add_path(&set->paths, &set->path_count,
                 run_label_setting_path(arena_copy(arena, query_text(query, 0))), arena);
    return query_end(query, err);
}

/* The config of each series, and what its training cost. */
static bool read_runs(Results *set, const char *const *experiment, Arena *arena, Error *err) {
    Query *query =
        query_begin(set->store,
                    "SELECT r.label, p.variant, c.hash, r.train_length, r.seed, r.threads, r.train_tokens,"
                    " r.train_seconds, r.processor_seconds, r.load, coalesce(r.peak_bytes, 0), r.config,"
                    " r.status = 'done' AND r.train_seconds > 0, (SELECT q.label || ' L=' || q.train_length"
                    " FROM run q WHERE q.key = " RUNS_FROM ")" QUERY_RUNS
                    " JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ? ORDER BY p.ordinal",
                    experiment);
    while (query_next(query)) {
        const char *config = query_text(query, 11);
        SeriesRun run = {
            .seed = query_int(query, 4), .threads = query_int(query, 5), .tokens = query_int(query, 6)};
        run.cost[SERIES_SPEED] = query_real(query, 6) / query_real(query, 7);
        for (int c = SERIES_SECONDS; c < SERIES_COSTS; c++)
            run.cost[c] = query_real(query, 7 + c - SERIES_SECONDS);
        for (int i = 0; i < set->count; i++) {
            Series *series = &set->items[i];
            if (!is_of(series, query)) continue;
            if (!series->config) series_set_config(series, config, query_text(query, 13), arena);
            if (query_int(query, 12)) *ARENA_PUSH(arena, series->runs, series->run_count) = run;
        }
    }
    return query_end(query, err);
}

/* What was evaluated; the requests of an experiment are all of text or all of a task, whose protocol is
   'exact'. */
#define SIGNED_TEXT                                                                                          \
    "' split=' || group_concat(DISTINCT split) || ' protocol=' || group_concat(DISTINCT protocol)"           \
    " || ' stride=' || group_concat(DISTINCT replace(stride_rule, ' ', ''))"                                 \
    " || ' targets=' || coalesce(group_concat(DISTINCT nullif(tokens, 0)), '-')"
#define SIGNED_TASK                                                                                          \
    "' sizes=' || (SELECT group_concat(eval_length) FROM"                                                    \
    "     (SELECT DISTINCT eval_length FROM shown ORDER BY eval_length))"                                    \
    " || ' examples=' || group_concat(DISTINCT requested)"                                                   \
    " || ' hint=' || group_concat(DISTINCT iif(split = 'test', 'none', split))"

/* evaluations: their ids as a JSON array; NULL: all of the experiment. */
static const char *sign(Database *store, const char *experiment, const char *evaluations, Arena *arena,
                        Error *err) {
    const char *signature = "";
    const char *const parameters[] = {experiment, evaluations, NULL};
    Query *query =
        query_begin(store,
                    "WITH shown AS (SELECT * FROM outcome WHERE experiment = ?1"
                    "   AND (?2 IS NULL OR evaluation IN (SELECT value FROM json_each(?2))))"
                    "SELECT 'tokenizer=' || group_concat(DISTINCT tokenizer)"
                    " || ' corpus=' || group_concat(DISTINCT substr(corpus, 1, 12))"
                    " || iif(max(protocol) = 'exact', " SIGNED_TASK ", " SIGNED_TEXT ")"
                    " || ' precision=' || group_concat(DISTINCT eval_precision)"
                    " || ' seeds=' || count(DISTINCT seed)"
                    " || ' poslab=' || coalesce(group_concat(DISTINCT revision), '-')"
                    " || coalesce((SELECT iif(count(DISTINCT tokens) > 1,"
                    "     ' train.tokens=' || group_concat(budget), '')"
                    "   FROM (SELECT DISTINCT json_extract(config, '$.train.tokens') AS tokens,"
                    "       json_extract(config, '$.train.tokens') || '@' || train_length AS budget"
                    "     FROM run WHERE key IN (SELECT run_key FROM shown)"
                    "     ORDER BY train_length, tokens)), '')"
                    " || coalesce((SELECT ' resumed-in-another-environment=' || group_concat(key)"
                    "   FROM (SELECT key FROM run WHERE settings IS NOT NULL"
                    "     AND key IN (SELECT run_key FROM shown) ORDER BY key)), '')"
                    " FROM shown",
                    parameters);
    if (query_next(query)) signature = arena_copy(arena, query_text(query, 0));
    return query_end(query, err) ? signature : NULL;
}

bool results_sign(Results *set, Arena *arena, Error *err) {
    Json *ids = json_new_array(arena);
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < set->items[i].count; k++)
            for (int s = 0; s < set->items[i].cells[k].count; s++) {
                const SeriesSeed *seed = &set->items[i].cells[k].seeds[s];
                json_append(ids, json_new_number((double)seed->evaluation, arena));
            }
    set->signature = sign(set->store, set->experiment, json_print(ids, arena), arena, err);
    for (int i = 0; set->signature && i < set->best_count; i++)
        set->signature =
            arena_format(arena, "%s%s%s", set->signature, i ? "," : " best=", set->best_paths[i]);
    return set->signature != NULL;
}

/* Keeps the best values of these paths, separated by commas. */
static bool keep_best(Results *set, const char *list, Arena *arena, Error *err) {
    const char *known = "";
    for (int i = 0; i < set->path_count; i++) known = text_join(known, ", ", set->paths[i], arena);
    for (const char *end; *list; list = *end ? end + 1 : end) {
        end = list + strcspn(list, ",");
        const char *path = arena_format(arena, "%.*s", (int)(end - list), list);
        bool varies = text_among(path, set->paths, set->path_count);
        if (!varies || !strncmp(path, "method.", 7))
            return error_set(err, EXIT_USAGE, "--best %s: experiment '%s' %s", path, set->experiment,
                             varies
                                 ? "has methods with several sets of options, which are methods of their own"
                             : *known ? arena_format(arena, "does not vary this key; it varies %s", known)
                                      : "varies no key; choose another by --experiment");
        *ARENA_PUSH(arena, set->best_paths, set->best_count) = path;
    }
    if (!series_choose_best(set->items, &set->count, &set->left_out_count, set->best_paths, set->best_count,
                            arena, err))
        return false;
    set->left_out = set->items + set->count;
    results_note_best(set, arena);
    return results_sign(set, arena, err);
}

void results_note_best(Results *set, Arena *arena) {
    const char **choices = NULL, *list = "", *names = "", *by = "";
    int count = 0;
    bool incomplete = false;
    for (int i = 0; i < set->count + set->left_out_count; i++) {
        const Series *series = i < set->count ? &set->items[i] : &set->left_out[i - set->count];
        if (!series->choice || text_among(series->choice->text, choices, count)) continue;
        *ARENA_PUSH(arena, choices, count) = series->choice->text;
        list = text_join(list, "; ", series->choice->text, arena);
        by = series->choice->by;
        incomplete |= series->choice->incomplete;
    }
    for (int i = 0; i < set->best_count; i++) names = text_join(names, ", ", set->best_paths[i], arena);
    set->best = arena_format(
        arena,
        "Each method has its best %s: the lowest perplexity at the training length on the "
        "validation split (%s).%s Chosen: %s.",
        names, by, incomplete ? " Values for which a seed has no perplexity were not considered." : "", list);
}

Results *results_read(Database *store, const char *experiment, const char *best, Arena *arena, Error *err) {
    Results *set = NEW(arena, 1, Results);
    const char *const parameters[] = {experiment, NULL};
    set->store = store;
    set->experiment = arena_copy(arena, experiment);
    set->signature = sign(store, experiment, NULL, arena, err);
    set->reference = set->signature ? reference_curves_read(store, experiment, arena, err) : NULL;
    if (!set->reference) return NULL;
    Query *query = begin_evaluations(store, parameters, arena);
    for (int64_t row = 0; query_next(query); row++) take_row(set, query, row, arena);
    if (!query_end(query, err) || !read_runs(set, parameters, arena, err) ||
        !read_paths(set, parameters, arena, err))
        return NULL;
    for (int i = 0; i < set->count; i++) {
        series_finish(&set->items[i], arena);
        if (*set->items[i].task) set->task = set->items[i].task;
    }
    return !best || keep_best(set, best, arena, err) ? set : NULL;
}

/* --- names --- */

bool results_is_first(const Results *set, int index, bool (*same)(const Series *, const Series *)) {
    for (int i = 0; i < index; i++)
        if (same(&set->items[i], &set->items[index])) return false;
    return true;
}

int64_t results_longest(const Results *set, const Series *series) {
    int64_t longest = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *other = &set->items[i];
        for (int k = 0; series_comparable(series, other) && k < other->count; k++)
            if (other->cells[k].count && other->cells[k].length > longest) longest = other->cells[k].length;
    }
    return longest;
}

/* By its method or its label; settings are not compared. */
static bool is_called(const Series *series, const char *wanted) {
    return (!strcmp(series->method, wanted) && !*series->variant) || !strcmp(series->label, wanted);
}

static bool has_name(const Series *series, const char *wanted) {
    return !strcmp(series->name, wanted) || !strcmp(series->plain_name, wanted);
}

bool results_is_called(const Series *series, const char *wanted) {
    return has_name(series, wanted) || is_called(series, wanted);
}

const char *results_run_name(const Results *set, const char *key, const char *label, const char *settings,
                             Arena *arena) {
    if (!set->best) return run_label_name(arena_copy(arena, label), settings, arena);
    for (int i = 0; i < set->count; i++)
        for (int k = 0; !*set->items[i].variant && k < set->items[i].count; k++)
            for (int s = 0; s < set->items[i].cells[k].seeds_requested; s++)
                if (!strcmp(set->items[i].cells[k].seeds[s].run_key, key)) return set->items[i].name;
    return NULL;
}

Series *results_counterpart(const Results *set, const char *wanted, const Series *series,
                            int64_t train_length) {
    for (int i = 0; i < set->count; i++) {
        Series *other = &set->items[i];
        bool called =
            has_name(other, wanted) || (is_called(other, wanted) && !strcmp(other->setting, series->setting));
        if (called && other->train_length == train_length && !strcmp(other->corpus, series->corpus) &&
            series_same_protocol(other, series))
            return other;
    }
    return NULL;
}

bool results_check_name(const Results *set, const char *wanted, Arena *arena, Error *err) {
    const char *label = NULL, *list = "";
    bool several = false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (has_name(series, wanted)) return true;
        if (results_is_first(set, i, series_same_name))
            list = arena_format(arena, "%s%s'%s'", list, *list ? ", " : "", series->name);
        if (!is_called(series, wanted)) continue;
        several |= label && strcmp(label, series->label);
        label = series->label;
    }
    if (label && !several) return true;
    return error_set(err, EXIT_USAGE, "experiment '%s' has %s '%s'; name one of %s", set->experiment,
                     label ? "several series of the method" : "no method", wanted, list);
}

bool results_names_differ(const Results *set) {
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->items[i].plain_name, set->items[i].method)) return true;
    return false;
}

void results_note_settings(Table *table, const Results *set, const Series *const *series, int count,
                           const char *const *shown, int shown_count) {
    const char *list = "";
    for (int p = 0; p < set->path_count; p++) {
        const char *path = set->paths[p];
        if (!strncmp(path, "method.", 7) || !strcmp(path, "train.from") ||
            text_among(path, shown, shown_count) || text_among(path, set->best_paths, set->best_count))
            continue;
        if (series_differ_unnamed(path, series, count, table->arena))
            list = text_join(list, ", ", path, table->arena);
    }
    if (*list)
        table_note(table,
                   arena_format(table->arena, "Compared runs also differ in settings that are not shown: %s.",
                                list));
    const char *stages = series_stages_note(series, count, table->arena);
    if (stages) table_note(table, stages);
    const char *continued = series_continued_note(series, count, table->arena);
    if (continued) table_note(table, continued);
    if (set->best) table_note(table, set->best);
}

const char *results_beyond_text(const Results *set) {
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < set->items[i].count; k++)
            if (series_outcomes(&set->items[i].cells[k], "beyond_text"))
                return ">text: the evaluated text is shorter than this length.";
    return NULL;
}

/* --- stale runs --- */

enum { STALE_NAMES = 3 };

const char *results_stale(const Results *set, Arena *arena) {
    const char **names = NULL, *list = "";
    int count = 0;
    for (int i = 0; i < set->count; i++) {
        const char *name = series_stale_name(&set->items[i], arena);
        if (name && !text_among(name, names, count)) *ARENA_PUSH(arena, names, count) = name;
    }
    for (int i = 0; i < count && i < STALE_NAMES; i++) list = text_join(list, "; ", names[i], arena);
    if (count > STALE_NAMES) list = arena_format(arena, "%s and %d more", list, count - STALE_NAMES);
    return count ? list : NULL;
}

const char *results_stale_note(const Results *set, Arena *arena) {
    const char *list = results_stale(set, arena);
    if (!list) return NULL;
    return arena_format(arena,
                        "†: stale (%s): the file of the method was edited after the training or the "
                        "evaluation; `poslab run` repeats it.",
                        list);
}
