#include "slurm/manifest.h"

#include <string.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"

const char *manifest_line(const RunTask *task, const Config *config, const char *label, const char *folder,
                          Arena *arena) {
    Arena *scratch = arena_new(0);
    Json *line = json_new_object(scratch);
    json_set_text(line, "key", task->key);
    json_set_text(line, "label", label);
    json_set_text(line, "folder", folder);
    json_set(line, "task", run_task_json(task, scratch));
    json_set(line, "config", json_parse_own(config->resolved, scratch));
    const char *text = arena_format(arena, "%s\n", json_print(line, scratch));
    arena_free(scratch);
    return text;
}

/* --- reading --- */

bool manifest_each(const char *manifest, bool (*take)(void *user, int64_t number, const Json *line),
                   void *user, Error *err) {
    Arena *arena = arena_new(0);
    size_t size;
    const char *text = file_read(manifest, SIZE_MAX / 4, &size, arena), *end = text ? text + size : NULL;
    bool fine = text || error_system(err, "cannot read manifest '%s'", manifest), go_on = true;
    for (int64_t number = 1; fine && go_on && text < end; number++) {
        ArenaMark mark = arena_mark(arena);
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end) line_end = end;
        char source[64];
        snprintf(source, sizeof source, "manifest line %lld", (long long)number);
        Json *line = json_parse(text, (size_t)(line_end - text), source, arena, err);
        fine = line != NULL;
        if (fine) go_on = take(user, number, line);
        arena_release(arena, mark);
        text = line_end + 1;
    }
    arena_free(arena);
    return fine;
}

/* --- performing a run --- */

typedef struct Search {
    int64_t wanted;
    const char *config, *task, *folder, *label; /* NULL: not found */
    Arena *arena;
} Search;

static bool find_line(void *user, int64_t number, const Json *line) {
    Search *search = user;
    if (number != search->wanted) return true;
    search->folder = arena_copy(search->arena, json_text(json_get(line, "folder"), ""));
    search->label = arena_copy(search->arena, json_text(json_get(line, "label"), ""));
    search->config = json_print(json_get(line, "config"), search->arena);
    search->task = json_print(json_get(line, "task"), search->arena);
    return false;
}

/* Finds the line and creates the run folder. Every rank reads the manifest, since ranks may be on different
   nodes. */
static bool prepare(Search *search, const char *manifest, Error *err) {
    bool fine = manifest_each(manifest, find_line, search, err) &&
                (*search->folder || error_set(err, EXIT_USAGE, "manifest '%s' has no run in line %lld",
                                              manifest, (long long)search->wanted)) &&
                atomic_file_make_folder(search->folder, err);
    return mpi_agree(fine, err);
}

static bool run_line(const Search *search, const char *manifest, int threads, Arena *arena, Error *err) {
    if (mpi_rank() == 0) escape_line(stdout, "note run %s in '%s'", search->label, search->folder);
    WorkerOptions options = {.config = search->config, .task = search->task, .shared_folder = true};
    options.source = arena_format(arena, "'%s' line %lld", manifest, (long long)search->wanted);
    return worker_run(search->folder, threads, &options, err) == EXIT_DONE;
}

ExitCode manifest_run_task(const char *manifest, int64_t number, int threads, Error *err) {
    Arena *arena = arena_new(0);
    Search search = {.wanted = number, .folder = "", .arena = arena};
    worker_begin();
    bool fine = prepare(&search, manifest, err) && run_line(&search, manifest, threads, arena, err);
    arena_free(arena);
    if (!fine && err->code == EXIT_STOPPED) err->code = EXIT_AGAIN;
    return fine ? EXIT_DONE : err->code;
}
