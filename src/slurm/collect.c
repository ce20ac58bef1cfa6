#include "slurm/collect.h"

#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/tempdir.h"
#include "store/database.h"
#include "store/run_folder.h"
#include "store/merge.h"
#include "store/runs.h"

typedef struct Collect {
    Database *store;
    const Squeue *queue;
    const char *scratch;
    int count;
    Arena *arena;
} Collect;

/* Imports one result file, and removes it unless it is `held` by a task. If it cannot be copied, because a
   task may be replacing it, the next `collect` imports it. */
static bool take_result(Collect *collect, const char *path, bool held, Error *err) {
    const char *copy = arena_format(collect->arena, "%s/result.db", collect->scratch);
    Error why;
    if (!tempdir_copy(copy, path, collect->arena, &why)) {
        escape_line(stderr, "poslab: %s; run `poslab collect` again", why.text);
        return true;
    }
    bool fine = merge_result(collect->store, copy, &why);
    if (!fine && why.code != EXIT_DAMAGED) return *err = why, false;
    if (!fine) escape_line(stderr, "poslab: result '%s' is damaged and was not imported: %s", path, why.text);
    collect->count += fine;
    return held || unlink(path) == 0 || error_system(err, "cannot remove '%s'", path);
}

bool collect_results(Database *store, const char *experiment, const Squeue *queue, int *count, Error *err) {
    Collect collect = {.store = store, .queue = queue, .arena = arena_new(0)};
    const char **keys =
        query_texts(store,
                    "SELECT p.run FROM point p JOIN experiment x ON x.id = p.experiment WHERE x.name = ?"
                    " ORDER BY p.ordinal",
                    (const char *const[]){experiment, NULL}, collect.arena, err);
    collect.scratch = keys ? tempdir_make(collect.arena, err) : NULL;
    bool fine = collect.scratch != NULL;
    for (; fine && *keys; keys++) {
        ArenaMark mark = arena_mark(collect.arena);
        bool held = squeue_has_task(queue, *keys) || (!queue->answered && squeue_find(queue, *keys));
        const char **places = run_folder_candidates(store, experiment, *keys, collect.arena);
        for (; fine && *places; places++) {
            const char *path = arena_format(collect.arena, "%s/result.db", *places);
            if (access(path, F_OK) == 0) fine = take_result(&collect, path, held, err);
        }
        arena_release(collect.arena, mark);
    }
    tempdir_remove(collect.scratch);
    arena_free(collect.arena);
    *count = collect.count;
    return fine;
}

/* --- the command --- */

typedef struct Tally {
    int runs, complete, failed; /* complete: done or diverged */
    int stale;                  /* complete, but of an edited method, and not submitted again */
    int state[SQUEUE_STATES];   /* the other runs, by the state of their task */
} Tally;

static bool count_runs(Tally *tally, Database *store, const char *experiment, const Squeue *queue,
                       Error *err) {
    Query *query =
        query_begin(store,
                    "SELECT r.key, r.status, edited(r.method_files) OR EXISTS (SELECT * FROM outcome o"
                    " JOIN evaluation e ON e.id = o.evaluation WHERE o.experiment = x.name"
                    " AND o.run_key = r.key AND edited(e.method_files)), EXISTS (SELECT * FROM outcome"
                    " WHERE experiment = x.name AND run_key = r.key AND outcome = 'missing')" QUERY_RUNS
                    " WHERE x.name = ?",
                    (const char *const[]){experiment, NULL});
    while (query_next(query)) {
        const char *status = query_text(query, 1);
        const SqueueTask *task = squeue_find(queue, query_text(query, 0));
        bool stale = query_int(query, 2);
        bool done = !strcmp(status, runs_status_names[RUN_DIVERGED]) ||
                    (!strcmp(status, runs_status_names[RUN_DONE]) && !query_int(query, 3));
        bool queued = task && task->state != SQUEUE_DELIVERED && task->state != SQUEUE_LOST;
        tally->runs++;
        if (done && !stale)
            tally->complete++;
        else if (done && !queued)
            tally->stale++;
        else if (!strcmp(status, runs_status_names[RUN_FAILED]))
            tally->failed++;
        else if (task) /* a run with a delivered result is complete unless the result lacks a part */
            tally->state[task->state == SQUEUE_DELIVERED ? SQUEUE_LOST : task->state]++;
    }
    return query_end(query, err);
}

static void print_tally(const Tally *tally, const char *experiment, int count) {
    escape_put(ESCAPE_LINE, experiment, stdout);
    printf(": collected %d result%s; %d of %d runs are complete", count, count == 1 ? "" : "s",
           tally->complete, tally->runs);
    int rest = tally->runs - tally->complete - tally->failed - tally->stale;
    if (tally->failed) printf(", %d failed", tally->failed);
    if (tally->stale) printf(", %d stale", tally->stale);
    for (int s = 0; s < SQUEUE_STATES; s++) {
        if (tally->state[s]) printf(", %d %s", tally->state[s], squeue_state_names[s]);
        rest -= tally->state[s];
    }
    if (rest) printf(", %d not submitted", rest);
    putchar('\n');
}

static bool collect_one(Database *store, const char *experiment, ExitCode *code, Arena *arena, Error *err) {
    Squeue queue;
    Tally tally = {0};
    int count;
    if (!squeue_read(&queue, database_path(store), experiment, arena, err) ||
        !collect_results(store, experiment, &queue, &count, err) ||
        !count_runs(&tally, store, experiment, &queue, err))
        return false;
    print_tally(&tally, experiment, count);
    int over = tally.complete + tally.failed + tally.state[SQUEUE_LOST];
    if (over < tally.runs)
        *code = EXIT_STOPPED;
    else if (tally.complete < tally.runs && *code == EXIT_DONE)
        *code = EXIT_SOME_FAILED;
    return true;
}

ExitCode collect_run(const char *database, const char *experiment, Error *err) {
    Arena *arena = arena_new(0);
    int count = 0;
    ExitCode code = EXIT_DONE;
    Database *store = database_open_locked(database, DATABASE_WRITE, err);
    const char **names = store ? database_experiments(store, experiment, &count, arena, err) : NULL;
    bool fine = names != NULL;
    for (int i = 0; fine && i < count; i++) fine = collect_one(store, names[i], &code, arena, err);
    database_close(store);
    arena_free(arena);
    return fine ? code : err->code;
}
