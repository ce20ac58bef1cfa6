#include "run/result_file.h"

#include <unistd.h>

#include "sys/tempdir.h"
#include "store/merge.h"
#include "store/runs.h"
#include "run/run_task.h"

/* Opens a copy of the result file in the folder `scratch`. On error returns NULL; the code is EXIT_DAMAGED if
   the file is damaged, another code if it could not be copied. */
static Database *open_copy(const char *path, const char *scratch, Arena *arena, Error *err) {
    const char *copy = arena_format(arena, "%s/earlier.db", scratch);
    return tempdir_copy(copy, path, arena, err) ? database_open(copy, DATABASE_READ, err) : NULL;
}

static void look(ResultFile *earlier, Database *store, const RunTask *task) {
    const RunState state = runs_state(store, task->key);
    int left = 0;
    if (state.status != RUN_DONE && state.status != RUN_DIVERGED) return;
    for (int i = 0; i < task->request_count; i++) {
        earlier->known[i] = runs_evaluation(store, task->key, &task->requests[i]) == RUNS_EVALUATION_CURRENT;
        left += !earlier->known[i];
    }
    earlier->sound = true;
    earlier->trained = state.trained;
    earlier->done = state.status == RUN_DIVERGED || (earlier->trained && !left);
}

bool result_file_read(ResultFile *earlier, const char *path, const RunTask *task, Arena *arena, Error *err) {
    if (access(path, F_OK) != 0) return true;
    const char *scratch = tempdir_make(arena, err);
    Database *store = scratch ? open_copy(path, scratch, arena, err) : NULL;
    if (store) look(earlier, store, task);
    earlier->damaged = !store && err->code == EXIT_DAMAGED;
    database_close(store);
    tempdir_remove(scratch);
    return store || earlier->damaged;
}

bool result_file_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Error *err) {
    const char *scratch = tempdir_make(arena, err);
    if (!scratch) return false;
    const char *local = arena_format(arena, "%s/result.db", scratch);
    bool fine = runs_write_result(local, record, err);
    if (fine && earlier) {
        const char *copy = arena_format(arena, "%s/earlier.db", scratch);
        fine = tempdir_copy(copy, path, arena, err);
        Database *store = fine ? database_open(local, DATABASE_WRITE, err) : NULL;
        fine = store && merge_result(store, copy, err);
        database_close(store);
    }
    fine = fine && tempdir_copy(path, local, arena, err);
    tempdir_remove(scratch);
    return fine;
}
