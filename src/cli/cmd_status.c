/* cmd_status: a table with a row for each run; as text, `status` prints a sentence for each row. The progress
 * of running runs is read from their train.jsonl.
 */
#include "cli/cmd_status.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/text.h"
#include "sys/pager.h"
#include "train/train_log.h"
#include "train/train_options.h"
#include "experiment/run_label.h"
#include "store/database.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/run_task.h"
#include "slurm/squeue.h"

/* The order in which the counts are printed. */
static const RunStatus order[] = {RUN_DONE, RUN_DIVERGED, RUN_FAILED, RUN_RUNNING, RUN_PENDING};

/* The columns of a run. Those before STALE are the columns of the query `points`. */
enum {
    KEY = 1,
    NAME,
    LABEL = 4,
    TRAIN_LENGTH,
    SEED,
    STATUS,
    REASON,
    SETTLED,
    REQUESTED,
    STALE = 17,
    STALE_EVALUATIONS,
    TASK
};
enum { PROGRESS = TASK + 3, STEP, STEPS, SHARE, LOSS, RATE, NORM, SPEED, LEFT, IDLE, STAGE, STAGES };
enum { PARENT = STAGES + 1, COLUMNS };
static const TableColumn columns[COLUMNS] = {
    {"experiment", NULL, TABLE_TEXT},
    [KEY] = {"run_key", "run", TABLE_TEXT, .code = true},
    [NAME] = {"name", "method", TABLE_TEXT},
    {"method", NULL, TABLE_TEXT},
    [LABEL] = {"label", NULL, TABLE_TEXT},
    [TRAIN_LENGTH] = {"train_length", "trained at", TABLE_INT},
    [SEED] = {"seed", "seed", TABLE_INT},
    [STATUS] = {"status", "status", TABLE_TEXT},
    [REASON] = {"reason", "reason", TABLE_TEXT},
    [SETTLED] = {"evaluations", "evaluations", TABLE_INT},
    [REQUESTED] = {"evaluations_asked", "requested", TABLE_INT},
    {"started", NULL, TABLE_TEXT},
    {"finished", NULL, TABLE_TEXT},
    {"steps", NULL, TABLE_INT},
    {"train_seconds", NULL, TABLE_REAL},
    {"final_loss", NULL, TABLE_REAL},
    {"until_step", NULL, TABLE_INT},
    [STALE] = {"stale", "stale", TABLE_INT, .if_varying = true},
    [STALE_EVALUATIONS] = {"stale_evaluations", "stale evaluations", TABLE_INT, .if_varying = true},
    [TASK] = {"task.name", "task", TABLE_TEXT, .if_varying = true},
    {"task.state", "state", TABLE_TEXT, .if_varying = true},
    {"task.log", NULL, TABLE_TEXT},
    [PROGRESS] = {NULL, "progress", TABLE_TEXT, .if_varying = true},
    [STEP] = {"progress.step", NULL, TABLE_INT},
    [STEPS] = {"progress.steps", NULL, TABLE_INT},
    [SHARE] = {"progress.share", NULL, TABLE_REAL},
    [LOSS] = {"progress.loss", NULL, TABLE_REAL},
    [RATE] = {"progress.rate", NULL, TABLE_REAL},
    [NORM] = {"progress.norm", NULL, TABLE_REAL},
    [SPEED] = {"progress.tokens_per_second", NULL, TABLE_REAL},
    [LEFT] = {"progress.seconds_left", NULL, TABLE_REAL},
    [IDLE] = {"progress.seconds_idle", NULL, TABLE_REAL},
    [STAGE] = {"progress.stage", NULL, TABLE_INT},
    [STAGES] = {"progress.stages", NULL, TABLE_INT},
    [PARENT] = {"continues", "continues", TABLE_TEXT, .code = true, .if_varying = true},
};
enum { IDLE_LONG = 60 }; /* seconds without an update after which the text says so */

/* settled: the number of evaluations that need no further computation. */
static const char points[] =
    "SELECT x.name, r.key, p.variant, r.method, r.label,"
    " r.train_length, r.seed, r.status, coalesce(r.reason, ''), coalesce(o.settled, 0), coalesce(o.asked, 0),"
    " r.started, r.finished, r.steps, r.train_seconds, r.final_loss, r.until_step,"
    " r.steps IS NOT NULL AND edited(r.method_files), coalesce(o.stale, 0), r.config,"
    " coalesce(json_extract(r.config, '$.train.from'), '')" QUERY_RUNS
    " LEFT JOIN (SELECT experiment, run_key, count(*) AS asked,"
    "  sum(outcome IN ('done', 'diverged', 'beyond_limit', 'beyond_text')) AS settled,"
    "  sum((SELECT edited(e.method_files) FROM evaluation e WHERE e.id = evaluation)) AS stale"
    "  FROM outcome GROUP BY experiment, run_key) o"
    " ON o.experiment = x.name AND o.run_key = r.key WHERE x.name = ? ORDER BY p.ordinal";

/* The runs of an experiment. */
typedef struct Status {
    const char *experiment;
    Table *all, *unfinished; /* unfinished: the rows of `all` that are incomplete, stale or diverged */
    int by_status[COUNT_OF(order)];
    int stale, stale_evaluations;
    double requested, settled;                 /* evaluations */
    const char *description, *tags, *tag_list; /* of the config; "": none; the list is JSON */
    Squeue queue;
} Status;

static bool is_done(const TableCell *row) {
    return !strcmp(row[STATUS].text, runs_status_names[RUN_DONE]);
}

static bool is_running(const TableCell *row) {
    return !strcmp(row[STATUS].text, runs_status_names[RUN_RUNNING]);
}

/* The stages of a run, from its config; false for a config of another revision that cannot be read. */
static bool read_train(TrainOptions *train, const char *text, Arena *arena) {
    Error ignored;
    const Json *json = json_parse(text, strlen(text), "run.config", arena, &ignored);
    return json && train_options_of_run(train, json, arena);
}

/* Adds the last line of the train.jsonl of a running run, for people as "step 120 of 400 (30 %), stage 1 of 2
   (length 64), loss 2.345, 18230 tokens/s, 12 s left", or that its worker was killed. The time left is
   that of the training, without evaluations. */
static void add_progress(TableCell *row, Database *store, const char *experiment, const char *config,
                         Arena *arena) {
    const char *folder = run_folder_find(store, experiment, row[KEY].text, arena);
    const char *path = run_folder_log(folder, arena), *text;
    struct stat file;
    TrainLogLine last;
    if (stat(path, &file) != 0 || !train_log_last(path, &last)) return;
    double share = (double)last.log.step / (double)last.steps, left = last.seconds / share * (1 - share);
    double speed = (double)last.tokens / last.seconds, idle = fmax(0, difftime(time(NULL), file.st_mtime));
    const double numbers[] = {
        [0] = (double)last.log.step,   [STEPS - STEP] = (double)last.steps,
        [SHARE - STEP] = share,        [LOSS - STEP] = last.log.loss,
        [RATE - STEP] = last.log.rate, [NORM - STEP] = last.log.norm,
        [SPEED - STEP] = speed,        [LEFT - STEP] = left,
        [IDLE - STEP] = idle,
    };
    for (int i = 0; i < COUNT_OF(numbers); i++) row[STEP + i] = table_number(numbers[i]);
    text = arena_format(arena, "step %lld of %lld (%.0f %%)", (long long)last.log.step, (long long)last.steps,
                        floor(100 * share));
    TrainOptions train;
    if (read_train(&train, config, arena)) {
        TrainStage stage = train_stage_at(&train, last.log.step);
        TABLE_NUMBERS(row + STAGE, stage.index + 1, train_stage_count(&train));
        if (train_stage_count(&train) > 1)
            text = arena_format(arena, "%s, stage %d of %d (%s)", text, stage.index + 1,
                                train_stage_count(&train), train_stage_text(&train, &stage, arena));
    }
    text = arena_format(arena, "%s, loss %.3f", text, last.log.loss);
    bool in_use = run_folder_in_use(folder);
    if (!in_use)
        text = arena_format(arena, "%s; interrupted, `poslab run` resumes it", text);
    else if (last.log.step == last.steps)
        text = arena_format(arena, "%s, evaluating", text);
    else if (isfinite(speed))
        text = arena_format(arena, "%s, %.0f tokens/s, %s left", text, speed, text_seconds(left, arena));
    if (in_use && idle >= IDLE_LONG && last.log.step < last.steps)
        text = arena_format(arena, "%s; no update for %s", text, text_seconds(idle, arena));
    row[PROGRESS] = table_text(text);
}

static void add_row(Status *status, Database *store, Query *query, Arena *arena) {
    TableCell *row = table_row(status->all);
    query_cells(row, query, columns, STALE, arena);
    row[NAME].text = run_label_name(row[LABEL].text, row[NAME].text, arena); /* `name` has the settings */
    bool stale = query_int(query, STALE);
    int evaluations = stale ? 0 : (int)query_int(query, STALE + 1);
    row[STALE] = table_shown(stale, stale ? "yes" : "");
    row[STALE_EVALUATIONS] =
        table_shown(evaluations, evaluations ? arena_format(arena, "%d", evaluations) : "");
    status->stale += stale;
    status->stale_evaluations += evaluations;
    if (is_running(row)) add_progress(row, store, status->experiment, query_text(query, STALE + 2), arena);
    const char *parent = query_text(query, STALE + 3);
    if (*parent) row[PARENT] = table_text(arena_copy(arena, parent));
    const SqueueTask *task = squeue_find(&status->queue, row[KEY].text);
    if (task) {
        row[TASK] = table_text(task->name);
        row[TASK + 1] = table_text(squeue_state_names[task->state]);
        row[TASK + 2] = table_text(task->log);
    }
    status->settled += row[SETTLED].number;
    status->requested += row[REQUESTED].number;
    for (int i = 0; i < COUNT_OF(order); i++)
        status->by_status[i] += !strcmp(row[STATUS].text, runs_status_names[order[i]]);
    if (!is_done(row) || stale || evaluations || row[SETTLED].number < row[REQUESTED].number)
        memcpy(table_row(status->unfinished), row, COLUMNS * sizeof *row);
}

/* "x: 6 runs: 5 done, 1 failed; 11 of 12 evaluations" */
static const char *title_of(const Status *status, Arena *arena) {
    const char *title = arena_format(arena, "%s: %d run%s", status->experiment, status->all->rows,
                                     status->all->rows == 1 ? "" : "s");
    const char *separator = ": ";
    for (int i = 0; i < COUNT_OF(order); i++) {
        if (!status->by_status[i]) continue;
        title = arena_format(arena, "%s%s%d %s", title, separator, status->by_status[i],
                             runs_status_names[order[i]]);
        separator = ", ";
    }
    title = arena_format(arena, "%s; %.0f of %.0f evaluations", title, status->settled, status->requested);
    if (status->stale) title = arena_format(arena, "%s; %d stale", title, status->stale);
    int evaluations = status->stale_evaluations;
    return evaluations ? arena_format(arena, "%s; %d stale evaluations", title, evaluations) : title;
}

static bool read_status(Status *status, Database *store, const char *experiment, Arena *arena, Error *err) {
    *status = (Status){.experiment = experiment, .description = "", .tags = "", .tag_list = "[]"};
    status->all = table_new(NULL, columns, COLUMNS, arena);
    status->unfinished = table_new(NULL, columns, COLUMNS, arena);
    if (!squeue_read(&status->queue, database_path(store), experiment, arena, err)) return false;
    const char *const name[] = {experiment, NULL};
    Query *query = query_begin(store, points, name);
    while (query_next(query)) add_row(status, store, query, arena);
    if (!query_end(query, err)) return false;
    query = query_begin(store, RUNS_NOTES, name);
    if (query_next(query)) {
        status->description = arena_copy(arena, query_text(query, 0));
        status->tags = arena_copy(arena, query_text(query, 1));
        status->tag_list = arena_copy(arena, query_text(query, 2));
    }
    if (!query_end(query, err)) return false;
    status->unfinished->title = title_of(status, arena);
    if (*status->description) table_note(status->unfinished, status->description);
    if (*status->tags) table_note(status->unfinished, arena_format(arena, "tags: %s", status->tags));
    if (!status->unfinished->rows) status->unfinished->column_count = 0; /* the title suffices */
    return true;
}

/* Whether `run` would do anything: it repeats failed and stale runs, but not diverged ones. */
static bool is_left(const Status *status) {
    bool left = status->settled < status->requested || status->stale || status->stale_evaluations;
    for (int i = 0; i < COUNT_OF(order); i++)
        left |= order[i] != RUN_DONE && order[i] != RUN_DIVERGED && status->by_status[i] > 0;
    return left;
}

/* Prints a sentence for each unfinished run. */
static void print_text(const Status *status, FILE *out, Arena *arena) {
    escape_line(out, "%s", status->unfinished->title);
    if (*status->description) escape_line(out, "  %s", status->description);
    if (*status->tags) escape_line(out, "  tags: %s", status->tags);
    for (int r = 0; r < status->unfinished->rows; r++) {
        const TableCell *row = &status->unfinished->cells[r * COLUMNS];
        const SqueueTask *task = squeue_find(&status->queue, row[KEY].text);
        const char *state = arena_format(arena, "%-8s", escape_text(ESCAPE_LINE, row[STATUS].text, arena));
        const char *line = arena_format(arena, "  %s  %s  %s L=%.0f seed=%.0f", row[KEY].text, state,
                                        row[NAME].text, row[TRAIN_LENGTH].number, row[SEED].number);
        if (row[PARENT].text) line = arena_format(arena, "%s (continues %s)", line, row[PARENT].text);
        if (*row[REASON].text) line = arena_format(arena, "%s: %s", line, row[REASON].text);
        if (row[PROGRESS].text) line = arena_format(arena, "%s: %s", line, row[PROGRESS].text);
        if (row[STALE].number > 0)
            line =
                arena_format(arena, "%s: stale, the file of its method was edited; `run` retrains it", line);
        if (row[STALE_EVALUATIONS].number > 0)
            line = arena_format(arena, "%s: %s; `run` repeats %s", line,
                                run_task_stale_evaluations_text((int)row[STALE_EVALUATIONS].number, arena),
                                row[STALE_EVALUATIONS].number == 1 ? "it" : "them");
        if (is_done(row) && row[SETTLED].number < row[REQUESTED].number)
            line = arena_format(arena, "%s: %.0f of %.0f evaluations missing", line,
                                row[REQUESTED].number - row[SETTLED].number, row[REQUESTED].number);
        bool collected = row[STALE].number > 0 || row[STALE_EVALUATIONS].number > 0;
        if (task && !(task->state == SQUEUE_LOST && collected)) {
            const char *last = task->state == SQUEUE_LOST ? squeue_last_message(task, arena) : "";
            line = arena_format(arena, "%s; task %s is %s%s%s", line, task->name,
                                squeue_state_names[task->state], *last ? ": " : "", last);
        }
        escape_line(out, "%s", line);
    }
}

static Json *status_json(const Status *status, Arena *arena) {
    Json *entry = json_new_object(arena), *runs = json_new_object(arena);
    Error ignored;
    const char *list = status->tag_list;
    Json *tags = *status->tags ? json_parse(list, strlen(list), "tags", arena, &ignored) : NULL;
    json_set_text(entry, "experiment", status->experiment);
    if (*status->description) json_set_text(entry, "description", status->description);
    if (tags) json_set(entry, "tags", tags);
    for (int i = 0; i < COUNT_OF(order); i++)
        json_set_number(runs, runs_status_names[order[i]], status->by_status[i]);
    json_set(entry, "runs", runs);
    json_set_number(entry, "evaluations", status->settled);
    json_set_number(entry, "evaluations_asked", status->requested);
    json_set_number(entry, "stale", status->stale);
    json_set_number(entry, "stale_evaluations", status->stale_evaluations);
    json_set(entry, "unfinished", table_rows(status->unfinished, arena));
    json_set(entry, "points", table_rows(status->all, arena));
    return entry;
}

bool cmd_status_print(Database *store, const char *experiment, TableFormat format, bool *left, FILE *out,
                      Arena *arena, Error *err) {
    int count = 0;
    *left = false;
    const char **names = database_experiments(store, experiment, &count, arena, err);
    if (!names) return false;
    Json *list = json_new_array(arena);
    const Table **tables = NEW(arena, count, const Table *);
    for (int i = 0; i < count; i++) {
        Status status;
        if (!read_status(&status, store, names[i], arena, err)) return false;
        *left |= is_left(&status);
        tables[i] = table_for_programs(format) ? status.all : status.unfinished;
        if (format == TABLE_AS_TEXT) print_text(&status, out, arena);
        if (format == TABLE_AS_JSON) json_append(list, status_json(&status, arena));
    }
    if (format == TABLE_AS_TEXT) return table_written(out, err);
    return format == TABLE_AS_JSON ? table_print_json(list, out, err)
                                   : table_print(tables, count, format, out, err);
}

/* --- the command --- */

typedef struct StatusOptions {
    const char *experiment;
    double watch; /* seconds; 0: print once */
    int format;
    bool json;
} StatusOptions;

static const OptionField fields[] = {
    ARGUMENT_EXPERIMENT(StatusOptions, experiment),
    {"watch", OPTION_REAL, offsetof(StatusOptions, watch), .low = 0.1, .high = 3600, .argument = "SECONDS",
     .implied = "2", .group = "Output",
     .help = "print again every SECONDS (default 2) until nothing is left"},
    ARGUMENT_FORMAT(StatusOptions),
};

static bool print_once(const Arguments *arguments, bool *left, FILE *out, Error *err) {
    const StatusOptions *options = arguments->options;
    ArenaMark mark = arena_mark(arguments->arena);
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && cmd_status_print(store, options->experiment, ARGUMENT_FORMAT_GIVEN(options), left,
                                          out, arguments->arena, err);
    database_close(store);
    arena_release(arguments->arena, mark);
    return fine;
}

static ExitCode run(const Arguments *arguments, Error *err) {
    const StatusOptions *options = arguments->options;
    bool left = false;
    bool clears = options->watch > 0 && isatty(STDOUT_FILENO);
    if (options->watch > 0) pager_end(); /* every output is printed at once */
    for (;;) {
        fputs(clears ? "\033[H\033[2J" : "", stdout);
        if (!print_once(arguments, &left, stdout, err)) return err->code;
        if (!options->watch || !left) return left ? EXIT_STOPPED : EXIT_DONE;
        usleep((useconds_t)(options->watch * 1e6));
    }
}

const Command cmd_status = {
    .name = "status",
    .words = "DB",
    .summary = "Show what is done, running, failed and missing",
    .text =
        "Lists runs that are stale or not done, with key and reason. For running runs it shows step, loss\n"
        "and time left. csv, and the member `points` of json, have one row for each run.",
    .example = "poslab status results/quickstart.db",
    .exits = {{EXIT_STOPPED, "work is left for `run`"}, {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, StatusOptions),
    .run = run,
    .paged = true,
};

/* --- runs --- */

enum { RUNS_KEY, RUNS_EXPERIMENTS, RUNS_STALE = 8, RUNS_BYTES = 11, RUNS_PARENT, RUNS_COLUMNS };
static const TableColumn runs_columns[RUNS_COLUMNS] = {
    [RUNS_KEY] = {"run_key", "run", TABLE_TEXT, .code = true},
    [RUNS_EXPERIMENTS] = {"experiments", "experiments", TABLE_TEXT, .if_varying = true},
    {"method", NULL, TABLE_TEXT},
    {"label", "method", TABLE_TEXT},
    {"variant", "settings", TABLE_TEXT, .if_varying = true},
    {"train_length", "trained at", TABLE_INT},
    {"seed", "seed", TABLE_INT},
    {"status", "status", TABLE_TEXT},
    [RUNS_STALE] = {"stale", "stale", TABLE_INT, .if_varying = true},
    {"train_seconds", "seconds", TABLE_REAL, .decimals = 1},
    {"perplexity", "perplexity", TABLE_REAL, .decimals = -1},
    [RUNS_BYTES] = {"bytes", "folder", TABLE_INT},
    [RUNS_PARENT] = {"continues", "continues", TABLE_TEXT, .code = true, .if_varying = true},
};

/* The perplexity at the training length; if there are several, preferably nonoverlapping on the validation
   split. */
static const char runs_sql[] =
    "SELECT r.key, coalesce((SELECT group_concat(x.name, ', ') FROM point p JOIN experiment x ON x.id ="
    " p.experiment WHERE p.run = r.key), ''), r.method, r.label, coalesce((SELECT max(variant) FROM point"
    " WHERE run = r.key), ''), r.train_length, r.seed, r.status, coalesce(edited(r.method_files), 0) OR"
    " coalesce((SELECT max(edited(e.method_files)) FROM evaluation e WHERE e.run = r.key), 0), "
    "r.train_seconds,"
    " (SELECT CASE WHEN e.nll_sum / e.tokens < 709.78 THEN exp(e.nll_sum / e.tokens) END FROM evaluation e"
    "  WHERE e.run = r.key AND e.length = r.train_length AND e.variant = '' AND e.status = 'done'"
    "  AND e.protocol <> 'exact' ORDER BY e.split <> 'valid', e.protocol <> 'nonoverlapping', e.id LIMIT 1),"
    " 0, coalesce(json_extract(r.config, '$.train.from'), '') FROM run r LEFT JOIN point o ON o.run = r.key"
    " GROUP BY r.key ORDER BY min(o.experiment) IS NULL, min(o.experiment), min(o.ordinal), r.key";

static bool runs(Database *store, const Arguments *arguments, Error *err) {
    const ArgumentsFormat *options = arguments->options;
    Arena *arena = arguments->arena;
    Table *table = table_new(NULL, runs_columns, RUNS_COLUMNS, arena);
    Query *query = query_begin(store, runs_sql, NULL);
    double sum = 0;
    while (query_next(query)) {
        TableCell *row = table_row(table);
        query_cells(row, query, runs_columns, RUNS_COLUMNS, arena);
        bool stale = query_int(query, RUNS_STALE);
        double bytes = (double)run_folder_bytes(store, row[RUNS_KEY].text, arena);
        row[RUNS_STALE] = table_shown(stale, stale ? "yes" : "");
        row[RUNS_BYTES] = table_shown(bytes, text_bytes(bytes, arena));
        sum += bytes;
    }
    table->title = arena_format(arena, "%s: %d run%s, run folders of %s", arguments->words[0], table->rows,
                                table->rows == 1 ? "" : "s", text_bytes(sum, arena));
    return query_end(query, err) && table_print_one(table, ARGUMENT_FORMAT_GIVEN(options), stdout, err);
}

const Command cmd_status_runs = {
    .name = "runs",
    .words = "DB",
    .summary = "List the runs of a database: keys, settings, status, time, perplexity, size",
    .text = "Includes runs that are no longer in any experiment. The perplexity is that at the training\n"
            "length.",
    .example = "poslab runs results/quickstart.db",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_FORMAT_ONLY,
    .mode = DATABASE_READ,
    .use = runs,
    .paged = true,
};
