/* delivery: see delivery.h. */
#include "run/result_file.h"

#include <unistd.h>

#include "sys/tempdir.h"
#include "store/runs.h"
#include "run/run_task.h"

/* A copy of the result file in the scratch folder, opened. NULL: it is damaged, or could not be copied (then
   err's code is another). */
static Store *open_copy(const char *path, const char *scratch, Arena *arena, Err *err) {
    const char *copy = arena_format(arena, "%s/earlier.db", scratch);
    return scratch_copy(copy, path, arena, err) ? store_open(copy, STORE_READ, err) : NULL;
}

static void look(Earlier *earlier, Store *store, const WorkerTask *task) {
    RunStatus status = store_status(store, task->key);
    int left = 0;
    if (status != RUN_DONE && status != RUN_DIVERGED) return;
    for (int i = 0; i < task->request_count; i++) {
        earlier->known[i] = store_has_evaluation(store, task->key, &task->requests[i]);
        left += !earlier->known[i];
    }
    earlier->sound = true;
    earlier->trained = missing_is_trained(store, task->key);
    earlier->done = status == RUN_DIVERGED || (earlier->trained && !left);
}

bool delivery_read(Earlier *earlier, const char *path, const WorkerTask *task, Arena *arena, Err *err) {
    if (access(path, F_OK) != 0) return true;
    const char *scratch = scratch_make(arena, err);
    Store *store = scratch ? open_copy(path, scratch, arena, err) : NULL;
    if (store) look(earlier, store, task);
    earlier->damaged = !store && err->code == EXIT_DAMAGED;
    store_close(store);
    scratch_remove(scratch);
    return store || earlier->damaged;
}

bool delivery_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Err *err) {
    const char *scratch = scratch_make(arena, err);
    if (!scratch) return false;
    const char *local = arena_format(arena, "%s/result.db", scratch);
    bool fine = store_write_result(local, record, err);
    if (fine && earlier) {
        const char *copy = arena_format(arena, "%s/earlier.db", scratch);
        fine = scratch_copy(copy, path, arena, err);
        Store *store = fine ? store_open(local, STORE_WRITE, err) : NULL;
        fine = store && store_import(store, copy, err);
        store_close(store);
    }
    fine = fine && scratch_copy(path, local, arena, err);
    scratch_remove(scratch);
    return fine;
}
