/* integrity: the checks that are SQL queries (`rules`), the checks of run folders, and the output. */
#include "store/integrity.h"

#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "train/safetensors.h"
#include "experiment/config.h"
#include "store/internal.h"
#include "store/run_folder.h"

/* SUM is NULL if a part is NULL (not finite). DIFFER has a tolerance, because SQL adds doubles in another
   order than the program. */
#define SUM(of)      "iif(count(" of ".nll_sum) = count(*), sum(" of ".nll_sum), NULL)"
#define DIFFER(a, b) "(" a " IS NULL) <> (" b " IS NULL) OR abs(" a " - " b ") > 1e-9 * abs(" b ")"
#define EVALUATION                                                                                           \
    "'run ' || e.run || ': evaluation of ' || e.split || ', ' || e.protocol || ', length ' || e.length || "  \
    "iif(e.precision = 'fp32', '', ', ' || e.precision) || iif(e.variant = '', '', ', ' || e.variant) || "   \
    "': ' "

/* Each query returns one row of text for each problem. */
static const char *const rules[] = {
    "SELECT 'pages: ' || quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'",
    "SELECT 'table ' || \"table\" || ': a row refers to a missing row of ' || parent ||"
    " coalesce(' (rowid ' || rowid || ')', '') FROM pragma_foreign_key_check",
    "SELECT 'run ' || key || ': it is ' || status || ' but has no training' FROM run"
    " WHERE status IN ('done', 'diverged') AND steps IS NULL",
    "SELECT 'run ' || key || ': it is ' || status || iif(status = 'done', ' and', ' but not') || ' diverged "
    "at a step'"
    " FROM run WHERE (status = 'done' AND diverged_step IS NOT NULL) OR (status = 'diverged' AND "
    "diverged_step IS NULL)",
    "SELECT 'run ' || key || ': ' || count(l.step) || ' of ' || r.steps || ' updates are logged' FROM run r"
    " LEFT JOIN train_log l ON l.run = r.key WHERE r.steps IS NOT NULL GROUP BY key"
    " HAVING count(l.step) <> r.steps OR (r.steps > 0 AND (min(l.step) <> 1 OR max(l.step) <> r.steps))",
    "SELECT 'run ' || key || ': it is done without a final loss' FROM run"
    " WHERE status = 'done' AND steps > 0 AND final_loss IS NULL",
    "SELECT " EVALUATION
    "|| 'windows have ' || coalesce(sum(w.tokens), 0) || ' of ' || e.tokens || ' targets'"
    " FROM evaluation e LEFT JOIN evaluation_window w ON w.evaluation = e.id GROUP BY e.id"
    " HAVING coalesce(sum(w.tokens), 0) <> e.tokens",
    "SELECT " EVALUATION "|| count(w.window) || ' windows are stored, expected: 0 to ' || (e.windows - 1)"
    " FROM evaluation e LEFT JOIN evaluation_window w ON w.evaluation = e.id GROUP BY e.id"
    " HAVING count(w.window) <> e.windows OR max(w.window) <> e.windows - 1 OR min(w.window) <> 0",
    "SELECT " EVALUATION "|| 'its loss is not the sum of its windows'"
    " FROM evaluation e JOIN evaluation_window w ON w.evaluation = e.id GROUP BY e.id"
    " HAVING " DIFFER(SUM("w"), "e.nll_sum"),
    "SELECT " EVALUATION
    "|| 'positions have ' || coalesce(sum(b.tokens), 0) || ' of ' || e.tokens || ' targets'"
    " FROM evaluation e LEFT JOIN position_loss b ON b.evaluation = e.id GROUP BY e.id"
    " HAVING coalesce(sum(b.tokens), 0) <> iif(e.protocol = 'exact', 0, e.tokens)",
    "SELECT " EVALUATION "|| 'its loss is not the sum of its positions'"
    " FROM evaluation e JOIN position_loss b ON b.evaluation = e.id GROUP BY e.id"
    " HAVING " DIFFER(SUM("b"), "e.nll_sum"),
    "SELECT " EVALUATION "|| count(k.example) || ' of ' || e.windows || ' examples are stored'"
    " FROM evaluation e LEFT JOIN task_example k ON k.evaluation = e.id GROUP BY e.id"
    " HAVING count(k.example) <> iif(e.protocol = 'exact', e.windows, 0)",
    "SELECT " EVALUATION "|| 'example ' || k.example || ' has ' || k.tokens_right || ' of ' || "
    "coalesce(w.tokens, 0) || ' targets right' FROM evaluation e JOIN task_example k ON k.evaluation = e.id"
    " LEFT JOIN evaluation_window w ON (w.evaluation, w.window) = (k.evaluation, k.example)"
    " WHERE k.tokens_right > coalesce(w.tokens, 0)",
    "SELECT " EVALUATION "|| 'it has numbers, although it is beyond the limit of the method'"
    " FROM evaluation e"
    " WHERE status = 'beyond_limit' AND (nll_sum IS NOT NULL OR tokens <> 0 OR windows <> 0)",
    "SELECT " EVALUATION "|| 'it has no targets, or more than requested' FROM evaluation e"
    " WHERE status = 'done' AND (tokens < 1 OR (requested > 0 AND iif(protocol = 'exact', windows, tokens) > "
    "requested))",
    "SELECT " EVALUATION "|| 'its loss is negative' FROM evaluation e WHERE nll_sum < 0",
    "SELECT 'request ' || run || ', ' || protocol || ', length ' || length || ': a stride of ' || stride"
    " FROM request WHERE stride_rule = 'L' AND stride <> length",
    "SELECT 'run ' || key || ': it was trained on ' || ranks || ' ranks' FROM run WHERE steps IS NOT NULL "
    "AND ranks < 1",
    "SELECT 'corpus ' || c.id || ': ' || c.train_tokens || ' tokens to train on, run ' || r.key || ' was "
    "trained at length '"
    " || r.train_length FROM run r JOIN corpus c ON c.id = r.corpus_id WHERE r.steps > 0 AND"
    " c.train_tokens < r.train_length AND c.tokenizer <> 'task'",
    "SELECT 'bench ' || bench || ', ' || label || ', ' || phase || ', length ' || length || ': a median "
    "beyond its "
    "quartiles' FROM bench_result WHERE tokens_per_second NOT BETWEEN tokens_per_second_low AND"
    " tokens_per_second_high OR ratio NOT BETWEEN ratio_low AND ratio_high",
};

/* Returns one row for each fact that explains a difference but is not a problem. */
static const char notes[] =
    "SELECT 'run ' || key || ' was resumed in another environment; its last bits differ from those of '"
    " || 'an uninterrupted run: ' || settings FROM run WHERE settings IS NOT NULL ORDER BY key";

static const TableColumn columns[] = {
    {"kind", "kind", TABLE_TEXT},
    {"text", "finding", TABLE_TEXT},
};

typedef struct Check {
    Database *store;
    TableFormat format;
    FILE *out;
    Table *table;        /* has an arena of its own */
    int64_t problems;    /* includes `unknown` */
    int64_t unknown;     /* runs whose method has no file */
    int64_t files;       /* files read in run folders */
    int64_t absent;      /* trained runs without a folder */
    const char *stopped; /* the last damage that stopped a check */
    Arena *arena;
} Check;

/* Reports a finding. In text format it is printed at once, because checks can take minutes. */
static void find(Check *check, const char *kind, const char *text) {
    bool note = !strcmp(kind, "note");
    if (check->format == TABLE_AS_TEXT) {
        escape_line(check->out, "%s%s", note ? "note: " : "", text);
        return;
    }
    TableCell *row = table_row(check->table);
    row[0] = table_text(kind);
    row[1] = table_text(arena_copy(check->table->arena, text));
}

static void problem(void *user, const char *text) {
    Check *check = user;
    find(check, "problem", text);
    check->problems++;
}

/* Returns whether the next check can follow. Damage that stops a check is a problem, reported once if it
   stops several checks in a row; other errors end all checks. */
static bool go_on(Check *check, bool fine, const Error *err) {
    if (fine || err->code != EXIT_DAMAGED) return fine;
    if (!check->stopped || strcmp(check->stopped, err->text) != 0) problem(check, err->text);
    check->stopped = arena_copy(check->table->arena, err->text);
    return true;
}

static bool check_rows(Check *check, Error *err) {
    for (int i = 0; i < COUNT_OF(rules); i++) {
        Query *query = query_begin(check->store, rules[i], NULL);
        while (query_next(query)) problem(check, query_text(query, 0));
        if (!go_on(check, query_end(query, err), err)) return false;
    }
    Query *query = query_begin(check->store, notes, NULL);
    while (query_next(query)) find(check, "note", query_text(query, 0));
    return go_on(check, query_end(query, err), err) &&
           go_on(check, database_check_values(check->store, problem, check, err), err) &&
           go_on(check, integrity_numbers(check->store, problem, check, check->arena, err), err);
}

typedef struct Run {
    const char *key, *config;
    bool trained;
} Run;

/* Returns whether all methods of the run have files, and reports a missing one. */
static bool check_methods(Check *check, const Run *run) {
    const char *name = integrity_numbers_missing_method(run->config, check->arena);
    if (name) {
        char word[JSON_EXCERPT_SIZE];
        problem(check,
                arena_format(check->arena,
                             "run %s: its weights cannot be checked without methods/%s.c, which is missing",
                             run->key, json_excerpt_text(name, word)));
        check->unknown++;
    }
    return !name;
}

/* Checks that the weights belong to the run and fit the model of its config. */
static void check_weights(Check *check, const SafetensorsFile *file, const char *path, const Run *run) {
    const char *other = json_text(json_get(file->metadata, "key"), "");
    Error why;
    if (strcmp(other, run->key) != 0) {
        problem(check, arena_format(check->arena, "checkpoint '%s' belongs to run %s", path, other));
        return;
    }
    if (!check_methods(check, run)) return;
    Config *config =
        config_parse(run->config, arena_format(check->arena, "run %s", run->key), check->arena, &why);
    if (!config) return; /* integrity_numbers has reported the config */
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, check->arena);
    model_allocate(model, check->arena);
    if (!train_state_load_tensors(model, file, path, &why)) problem(check, why.text);
}

static bool check_tensors(Check *check, const char *path, const Run *run, bool weights, Error *err) {
    ArenaMark mark = arena_mark(check->arena);
    SafetensorsFile file;
    Error why;
    bool read = safetensors_read(path, &file, check->arena, &why);
    if (!read && why.code != EXIT_DAMAGED) return *err = why, false;
    check->files++;
    if (!read) problem(check, why.text);
    if (read && weights) check_weights(check, &file, path, run);
    arena_release(check->arena, mark);
    return true;
}

static void check_result(Check *check, const char *path) {
    Error why;
    Database *store = database_open(path, DATABASE_READ, &why);
    check->files++;
    if (!store) problem(check, why.text);
    database_close(store);
}

/* Checks one of the possible folders of a run. */
static bool check_folder(Check *check, const char *folder, const Run *run, Error *err) {
    for (int i = 0; run_folder_files[i]; i++) {
        const char *path = arena_format(check->arena, "%s/%s", folder, run_folder_files[i]);
        bool tensors = strstr(run_folder_files[i], ".safetensors"); /* false for vocabulary.txt */
        if (tensors && access(path, F_OK) == 0 && !check_tensors(check, path, run, i == 0, err)) return false;
    }
    const char *result = arena_format(check->arena, "%s/result.db", folder);
    if (access(result, F_OK) == 0) check_result(check, result);
    return true;
}

static bool check_run(Check *check, const Run *run, Error *err) {
    const char **folders = run_folder_candidates(check->store, NULL, run->key, check->arena), *found = NULL;
    for (; *folders; folders++) {
        if (access(*folders, F_OK) != 0) continue;
        found = *folders;
        if (!check_folder(check, *folders, run, err)) return false;
    }
    if (!run->trained || run_folder_weights(check->store, run->key, check->arena)) return true;
    if (found && access(arena_format(check->arena, "%s/" RUN_FOLDER_PRUNED, found), F_OK) != 0)
        problem(check, arena_format(check->arena, "checkpoint '%s/model.safetensors' is missing", found));
    check->absent += !found;
    return true;
}

/* Checks all runs, including those of no experiment. */
static bool check_folders(Check *check, Error *err) {
    Query *query =
        query_begin(check->store,
                    "SELECT key, status = 'done' AND steps IS NOT NULL, config FROM run ORDER BY key", NULL);
    bool fine = true;
    while (fine && query_next(query)) {
        ArenaMark mark = arena_mark(check->arena);
        Run run = {.key = arena_copy(check->arena, query_text(query, 0)),
                   .config = arena_copy(check->arena, query_text(query, 2)),
                   .trained = query_int(query, 1)};
        fine = check_run(check, &run, err);
        arena_release(check->arena, mark);
    }
    return query_end(query, fine ? err : &(Error){0}) && fine;
}

/* "x.db: 1 problem; 8 files in run folders read" */
static const char *title_of(const Check *check, Arena *arena) {
    const char *title =
        arena_format(arena, "%s: %lld problem%s; %lld files in run folders read", database_path(check->store),
                     (long long)check->problems, check->problems == 1 ? "" : "s", (long long)check->files);
    if (!check->absent) return title;
    return arena_format(arena, "%s; %lld trained runs have no folder here", title, (long long)check->absent);
}

/* Prints the table, or the last line of the text. */
static bool print(const Check *check, Error *err) {
    Table *table = check->table;
    table->title = title_of(check, table->arena);
    if (check->format != TABLE_AS_TEXT) {
        if (!table->rows && !table_for_programs(check->format)) table->column_count = 0;
        return table_print_one(table, check->format, check->out, err);
    }
    fprintf(check->out, "%s\n", table->title);
    return table_written(check->out, err);
}

bool integrity_print(Database *store, TableFormat format, FILE *out, int64_t *problems, Error *err) {
    Check check = {.store = store, .format = format, .out = out, .arena = arena_new(0)};
    Arena *arena = arena_new(0);
    check.table = table_new(NULL, columns, COUNT_OF(columns), arena);
    bool fine = check_rows(&check, err) && check_folders(&check, err) && print(&check, err);
    arena_free(arena);
    arena_free(check.arena);
    *problems = check.problems;
    if (!fine) return false;
    if (!check.unknown || check.unknown < check.problems) return true;
    return error_set(err, EXIT_USAGE,
                     "'%s' is intact, but this poslab lacks the methods of %lld run%s; restore their files "
                     "in methods/ and rebuild",
                     database_path(store), (long long)check.unknown, check.unknown == 1 ? "" : "s");
}
