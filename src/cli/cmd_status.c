#include "cli/cmd_status.h"

#include <string.h>

#include "base/escape.h"
#include "store/database.h"
#include "store/runs.h"
#include "slurm/squeue.h"
#include "analysis/curves.h"

/* Order in which the counts are printed. */
static const RunStatus order[] = {RUN_DONE, RUN_DIVERGED, RUN_FAILED, RUN_RUNNING, RUN_PENDING};

typedef struct Counts {
    int64_t runs, by_status[COUNT_OF(order)];
    int64_t requested, settled;                /* evaluations; settled: there is nothing left to compute */
    const char *description, *tags, *tag_list; /* of the config; "" without; the list is JSON */
} Counts;

/* A run of which something is missing. */
typedef struct Unfinished {
    const char *key, *name, *status, *reason;
    int64_t train_length, seed, requested, settled;
} Unfinished;

#define SETTLED "sum(outcome IN ('done', 'diverged', 'beyond_limit', 'beyond_text'))"

static bool read_counts(Counts *counts, Database *store, const char *experiment, Arena *arena, Error *err) {
    const char *const name[] = {experiment, NULL};
    Query *query =
        query_begin(store,
                    "SELECT r.status, count(*) FROM experiment x JOIN point p ON p.experiment = x.id"
                    " JOIN run r ON r.key = p.run WHERE x.name = ? GROUP BY r.status",
                    name);
    while (query_next(query)) {
        counts->runs += query_int(query, 1);
        for (int i = 0; i < COUNT_OF(order); i++)
            if (!strcmp(query_text(query, 0), runs_status_names[order[i]]))
                counts->by_status[i] = query_int(query, 1);
    }
    if (!query_end(query, err)) return false;
    query = query_begin(store, "SELECT count(*), " SETTLED " FROM outcome WHERE experiment = ?", name);
    if (query_next(query)) {
        counts->requested = query_int(query, 0);
        counts->settled = query_int(query, 1);
    }
    if (!query_end(query, err)) return false;
    query = query_begin(store, RUNS_NOTES, name);
    if (query_next(query)) {
        counts->description = arena_copy(arena, query_text(query, 0));
        counts->tags = arena_copy(arena, query_text(query, 1));
        counts->tag_list = arena_copy(arena, query_text(query, 2));
    }
    return query_end(query, err);
}

/* Diverged runs are not repeated, failed ones are. */
static bool is_left(const Counts *counts) {
    bool left = counts->settled < counts->requested;
    for (int i = 0; i < COUNT_OF(order); i++)
        left |= order[i] != RUN_DONE && order[i] != RUN_DIVERGED && counts->by_status[i] > 0;
    return left;
}

static Query *begin_unfinished(Database *store, const char *experiment) {
    const char *const name[] = {experiment, NULL};
    return query_begin(
        store,
        "SELECT r.key, r.label || iif(p.variant = '', '', ' ' || p.variant), r.train_length, r.seed,"
        " r.status, r.reason, o.asked, o.settled"
        " FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"
        " LEFT JOIN (SELECT experiment, run_key, count(*) AS asked, " SETTLED " AS settled"
        "  FROM outcome GROUP BY experiment, run_key) o"
        " ON o.experiment = x.name AND o.run_key = r.key"
        " WHERE x.name = ? AND (r.status <> 'done' OR o.settled < o.asked) ORDER BY p.ordinal",
        name);
}

static bool next_unfinished(Unfinished *run, Query *query) {
    if (!query_next(query)) return false;
    *run = (Unfinished){.key = query_text(query, 0),
                        .name = query_text(query, 1),
                        .train_length = query_int(query, 2),
                        .seed = query_int(query, 3),
                        .status = query_text(query, 4),
                        .reason = query_text(query, 5),
                        .requested = query_int(query, 6),
                        .settled = query_int(query, 7)};
    return true;
}

/* What the scheduler says of a run. */
static void put_task(const Squeue *queue, const char *key, FILE *out, Arena *arena) {
    const SqueueTask *task = squeue_find(queue, key);
    if (!task) return;
    fprintf(out, "; task %s is %s", task->name, squeue_state_names[task->state]);
    const char *last = task->state == SQUEUE_LOST ? squeue_last_message(task, arena) : "";
    if (*last) fputs(": ", out);
    escape_put(ESCAPE_LINE, last, out);
}

static bool print_text(Database *store, const char *experiment, const Counts *counts, const Squeue *queue,
                       FILE *out, Error *err) {
    escape_put(ESCAPE_LINE, experiment, out);
    fprintf(out, ": %lld run%s", (long long)counts->runs, counts->runs == 1 ? "" : "s");
    const char *separator = ": ";
    for (int i = 0; i < COUNT_OF(order); i++) {
        if (!counts->by_status[i]) continue;
        fprintf(out, "%s%lld %s", separator, (long long)counts->by_status[i], runs_status_names[order[i]]);
        separator = ", ";
    }
    fprintf(out, "; %lld of %lld evaluations\n", (long long)counts->settled, (long long)counts->requested);

    if (*counts->description) escape_line(out, "  %s", counts->description);
    if (*counts->tags) escape_line(out, "  tags: %s", counts->tags);

    Query *query = begin_unfinished(store, experiment);
    for (Unfinished run; next_unfinished(&run, query);) {
        fputs("  ", out);
        escape_put(ESCAPE_LINE, run.key, out);
        fprintf(out, "  %-8s  ", escape_text(ESCAPE_LINE, run.status, queue->arena));
        escape_put(ESCAPE_LINE, run.name, out);
        fprintf(out, " L=%lld seed=%lld", (long long)run.train_length, (long long)run.seed);
        if (*run.reason) fputs(": ", out);
        escape_put(ESCAPE_LINE, run.reason, out);
        if (!strcmp(run.status, runs_status_names[RUN_DONE]))
            fprintf(out, ": %lld of %lld evaluations missing", (long long)(run.requested - run.settled),
                    (long long)run.requested);
        put_task(queue, run.key, out, queue->arena);
        putc('\n', out);
    }
    return query_end(query, err);
}

static void add_task(Json *row, const Squeue *queue, const char *key) {
    const SqueueTask *task = squeue_find(queue, key);
    if (!task) return;
    Json *json = json_new_object(json_arena(row));
    json_set_text(json, "name", task->name);
    json_set_text(json, "state", squeue_state_names[task->state]);
    json_set_text(json, "log", task->log);
    json_set(row, "task", json);
}

static bool add_json(Json *list, Database *store, const char *experiment, const Counts *counts,
                     const Squeue *queue, Error *err) {
    Arena *arena = json_arena(list);
    Json *entry = json_new_object(arena), *runs = json_new_object(arena), *unfinished = json_new_array(arena);
    json_set_text(entry, "experiment", experiment);
    if (*counts->description) json_set_text(entry, "description", counts->description);
    Json *tags =
        *counts->tags ? json_parse(counts->tag_list, strlen(counts->tag_list), "tags", arena, err) : NULL;
    if (tags) json_set(entry, "tags", tags);
    for (int i = 0; i < COUNT_OF(order); i++)
        json_set_number(runs, runs_status_names[order[i]], (double)counts->by_status[i]);
    json_set(entry, "runs", runs);
    json_set_number(entry, "evaluations", (double)counts->settled);
    json_set_number(entry, "evaluations_asked", (double)counts->requested);
    Query *query = begin_unfinished(store, experiment);
    for (Unfinished run; next_unfinished(&run, query);) {
        Json *row = json_new_object(arena);
        json_set_text(row, "run_key", run.key);
        json_set_text(row, "name", run.name);
        json_set_number(row, "train_length", (double)run.train_length);
        json_set_number(row, "seed", (double)run.seed);
        json_set_text(row, "status", run.status);
        json_set_text(row, "reason", run.reason);
        json_set_number(row, "evaluations", (double)run.settled);
        json_set_number(row, "evaluations_asked", (double)run.requested);
        add_task(row, queue, run.key);
        json_append(unfinished, row);
    }
    json_set(entry, "unfinished", unfinished);
    json_append(list, entry);
    return query_end(query, err);
}

bool cmd_status_print(Database *store, const char *experiment, bool json, bool *left, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    Json *list = json_new_array(arena);
    int count = 0;
    const char **names = runs_experiments(store, experiment, &count, arena, err);
    bool ok = names != NULL;
    *left = false;
    for (int i = 0; ok && i < count; i++) {
        Counts counts = {.description = "", .tags = "", .tag_list = "[]"};
        Squeue queue;
        ok = read_counts(&counts, store, names[i], arena, err) &&
             squeue_read(&queue, database_path(store), names[i], arena, err) &&
             (json ? add_json(list, store, names[i], &counts, &queue, err)
                   : print_text(store, names[i], &counts, &queue, out, err));
        *left |= is_left(&counts);
    }
    if (ok && json) fputs(json_print_pretty(list, arena), out);
    arena_free(arena);
    if (ok && (fflush(out) != 0 || ferror(out))) return error_system(err, "cannot write the status");
    return ok;
}

/* --- the command --- */

typedef struct StatusOptions {
    const char *experiment;
    bool json;
} StatusOptions;

static const OptionField fields[] = {ARGUMENT_EXPERIMENT(StatusOptions), ARGUMENT_JSON(StatusOptions)};

static ExitCode run(const Arguments *arguments, Error *err) {
    const StatusOptions *options = arguments->options;
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool left = false;
    bool fine = store && cmd_status_print(store, options->experiment, options->json, &left, stdout, err);
    database_close(store);
    return !fine ? err->code : left ? EXIT_STOPPED : EXIT_DONE;
}

const Command cmd_status = {
    .name = "status",
    .words = "DB",
    .fewest = 1,
    .most = 1,
    .summary = "Show what is done, running, failed and missing",
    .text = "Runs that are not done are listed with their keys and the reason.",
    .example = "poslab status results/quickstart.db",
    .exits = {{EXIT_STOPPED, "work is left for `run`"}, {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, StatusOptions),
    .run = run,
};
