#include "slurm/submit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/tempdir.h"
#include "experiment/run_label.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/run_task.h"
#include "slurm/collect.h"
#include "slurm/manifest.h"

enum { ARRAY_DEFAULT = 1001 }; /* the default of MaxArraySize in Slurm */

/* A task, which is a line of the manifest. */
typedef struct Line {
    RunTask task;
    int point;        /* index in the plan */
    const char *text; /* of the line */
    const char *name; /* "123_4": job and index in its array; "" until it is submitted */
    int waits_for;    /* the point that this one continues, if a task must train it first; -1: none */
} Line;

typedef struct Submit {
    const Plan *plan;
    const SubmitOptions *options;
    const char *database, *folder; /* folder: of this submission */
    Database *store;               /* NULL: a dry run without a database */
    Squeue queue;
    Line *lines;     /* [count]; lines that wait for the same run are consecutive */
    int count, held; /* held: number of runs that are already submitted */
    Arena *arena;
} Submit;

/* --- the script --- */

static void add_option(FILE *out, const char *option, const char *value) {
    if (*value) escape_line(out, "#SBATCH --%s=%s", option, value);
}

/* The batch script. Slurm sends the warning signal to the script (B:), which passes it to the worker and
   requeues the task if the worker has saved its state. Slurm itself requeues tasks after node failures and
   preemption, but not cancelled tasks. */
static const char script_text[] =
    "#SBATCH --requeue\n"
    "#SBATCH --open-mode=append\n"
    "# One task: task.sh PROGRAM MANIFEST FIRST executes line FIRST + SLURM_ARRAY_TASK_ID of the manifest.\n"
    "# To change it (modules, another launcher), edit a copy and pass it to `poslab submit --script`.\n"
    "program=$1 manifest=$2 line=$(($3 + SLURM_ARRAY_TASK_ID))\n"
    "# Each thread of the allocation computes whole micro-batches; in each of them the program limits\n"
    "# the BLAS to one thread, regardless of these variables.\n"
    "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OPENBLAS_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}\n"
    "warned=0\n"
    "trap 'warned=1; kill -USR1 \"$worker\" 2>/dev/null' USR1\n"
    "trap 'kill -TERM \"$worker\" 2>/dev/null' TERM\n"
    "%s\"$program\" worker --threads \"$OMP_NUM_THREADS\" --task \"$line\" \"$manifest\" &\n"
    "worker=$!\n"
    "while wait \"$worker\"; code=$?; kill -0 \"$worker\" 2>/dev/null; do :; done\n"
    "# 75: stopped, state saved.%s\n"
    "case \"$warned $code\" in '1 75'%s) scontrol requeue \"$SLURM_JOB_ID\" ;; esac\n"
    "exit \"$code\"\n";

static void print_script(const Submit *submit, FILE *out) {
    const SlurmConfig *at = &submit->plan->experiment->allocation;
    Arena *arena = submit->arena;
    fputs("#!/bin/bash\n", out);
    add_option(out, "job-name", arena_format(arena, "poslab-%s", submit->plan->experiment->name));
    add_option(out, "partition", at->partition);
    add_option(out, "account", at->account);
    add_option(out, "constraint", at->constraint);
    add_option(out, "time", at->time);
    add_option(out, "mem", at->memory);
    add_option(out, "ntasks", arena_format(arena, "%lld", (long long)at->ranks));
    add_option(out, "cpus-per-task", arena_format(arena, "%lld", (long long)at->threads));
    add_option(out, "signal", arena_format(arena, "B:USR1@%lld", (long long)at->warning));
    /* Without --bind-to, Open MPI binds all threads of a rank to one core, and ranks of two tasks to the same
       core. */
    if (at->ranks > 1)
        fprintf(out, script_text, "mpirun --bind-to none ",
                " MPICH's mpirun may return 0 instead; a requeued task with nothing left to do ends at once.",
                " | '1 0'");
    else
        fprintf(out, script_text, "", "", "");
}

/* --- the arrays --- */

/* Reads the maximum number of tasks of one array: MaxArraySize - 1, because tasks are numbered from 1. */
static bool array_most(int *most, Arena *arena, Error *err) {
    static const char *const arguments[] = {"scontrol", "show", "config", NULL};
    ProcessResult scontrol;
    if (!process_run(&scontrol, arguments, arena, err)) return false;
    const char *line = scontrol.code == 0 ? strstr(scontrol.output, "\nMaxArraySize") : NULL;
    int size = 0;
    if (!line || sscanf(line, "\nMaxArraySize = %d", &size) != 1) size = ARRAY_DEFAULT;
    *most = size > 2 ? size - 1 : 1;
    return true;
}

/* A path for the option --output of sbatch, in which % begins a placeholder and %% is a percent sign. */
static const char *pattern(const char *path, Arena *arena) {
    char *text = NEW(arena, 2 * strlen(path) + 1, char), *end = text;
    for (; *path; path++) {
        if (*path == '%') *end++ = '%';
        *end++ = *path;
    }
    return text;
}

/* The name of the task that trains a point, in this or an earlier submission; NULL if it is left out. */
static const char *task_name(const Submit *submit, int point) {
    for (int i = 0; i < submit->count; i++)
        if (submit->lines[i].point == point) return submit->lines[i].name;
    const SqueueTask *earlier = squeue_find(&submit->queue, submit->plan->points[point].key);
    return earlier ? earlier->name : NULL;
}

/* The number of lines of an array that begins with line `first`: at most `most`, all of which wait for the
   same run. */
static int array_count(const Submit *submit, int first, int most) {
    int count = 1;
    while (first + count < submit->count && count < most &&
           submit->lines[first + count].waits_for == submit->lines[first].waits_for)
        count++;
    return count;
}

/* The command that submits the array of `count` lines from line `first`. A task that continues another run
   waits for the task of that run; if it fails, Slurm cancels the waiting task. */
static const char **sbatch_arguments(const Submit *submit, int first, int count) {
    Arena *arena = submit->arena;
    int waits_for = submit->lines[first].waits_for;
    bool waits = waits_for >= 0;
    const char *parent =
        waits ? arena_format(arena, "--dependency=afterok:%s", task_name(submit, waits_for)) : NULL;
    int64_t limit = submit->plan->experiment->allocation.limit;
    const char *most = limit ? arena_format(arena, "%%%lld", (long long)limit) : "";
    const char *at = submit->folder;
    const char **arguments = NULL;
    const char *words[] = {"sbatch",
                           "--parsable",
                           arena_format(arena, "--array=1-%d%s", count, most),
                           arena_format(arena, "--output=%s/log/%%A_%%a.log", pattern(at, arena)),
                           parent,
                           waits ? "--kill-on-invalid-dep=yes" : NULL,
                           arena_format(arena, "%s/task.sh", at),
                           arena_format(arena, "%s/program", at),
                           arena_format(arena, "%s/manifest", at),
                           arena_format(arena, "%d", first)};
    int used = 0;
    for (int i = 0; i < COUNT_OF(words); i++)
        if (words[i]) *ARENA_PUSH(arena, arguments, used) = words[i];
    *ARENA_PUSH(arena, arguments, used) = NULL;
    return arguments;
}

static bool append_line(const char *path, const char *line, Error *err) {
    int fd = file_open(path, O_WRONLY | O_APPEND | O_CLOEXEC, err);
    if (fd < 0) return false;
    bool fine =
        (atomic_file_write_all(fd, line, strlen(line)) && fsync(fd) == 0 && atomic_file_sync_folder(path)) ||
        error_system(err, "cannot write '%s'", path);
    close(fd);
    return fine;
}

static bool submit_array(const Submit *submit, int first, int count, Error *err) {
    ProcessResult sbatch;
    Arena *arena = submit->arena;
    if (!process_run(&sbatch, sbatch_arguments(submit, first, count), arena, err)) return false;
    const char *job = queue_job_number(sbatch.output, arena);
    if (sbatch.code)
        return error_set(err, EXIT_SYSTEM, "sbatch: %.400s; the submission is in '%s'",
                         *sbatch.error ? sbatch.error : "failed without a message", submit->folder);
    if (!job)
        return error_set(
            err, EXIT_SYSTEM,
            "sbatch printed no job number: '%.*s'; if squeue shows the job, cancel it (scancel) and "
            "submit again; the submission is in '%s'",
            (int)strcspn(sbatch.output, "\n"), sbatch.output, submit->folder);
    printf("submitted job %s: %d run%s\n", job, count, count == 1 ? "" : "s");
    for (int i = 0; i < count; i++) submit->lines[first + i].name = arena_format(arena, "%s_%d", job, i + 1);
    return append_line(arena_format(arena, "%s/jobs", submit->folder),
                       arena_format(arena, "%s %d %d\n", job, first, count), err);
}

/* --- the files --- */

static bool write_manifest(const Submit *submit, Error *err) {
    AtomicFile file;
    FILE *out = atomic_file_begin(&file, arena_format(submit->arena, "%s/manifest", submit->folder),
                                  submit->arena, err);
    for (int i = 0; out && i < submit->count; i++) fputs(submit->lines[i].text, out);
    return out && atomic_file_end(&file, true, err);
}

static bool write_script(const Submit *submit, Error *err) {
    const char *path = arena_format(submit->arena, "%s/task.sh", submit->folder);
    AtomicFile file;
    if (submit->options->script) return tempdir_copy(path, submit->options->script, submit->arena, err);
    FILE *out = atomic_file_begin(&file, path, submit->arena, err);
    if (out) print_script(submit, out);
    return out && atomic_file_end(&file, true, err);
}

static bool write_submission(Submit *submit, Error *err) {
    Arena *arena = submit->arena;
    const char *home = squeue_submissions_folder(submit->database, submit->plan->experiment->name, arena);
    submit->folder = squeue_submission_folder(home, squeue_last_submission(home) + 1, arena);
    const char *program = arena_format(arena, "%s/program", submit->folder);
    return atomic_file_make_folder(arena_format(arena, "%s/log", submit->folder), err) &&
           tempdir_copy(program, "/proc/self/exe", arena, err) &&
           (chmod(program, 0755) == 0 || error_system(err, "cannot make '%s' executable", program)) &&
           write_manifest(submit, err) && write_script(submit, err);
}

/* --- missing runs --- */

static const char *folder_of(const Submit *submit, int point) {
    const char *name = submit->plan->experiment->name, *key = submit->plan->points[point].key;
    return submit->store ? run_folder_find(submit->store, name, key, submit->arena)
                         : run_folder_path(submit->database, name, key, submit->arena);
}

/* Sets the path of the weights with which a task starts. If they are missing, prints the reason and returns
   false. */
static bool find_weights(const Submit *submit, Line *line, const char *label) {
    const PlanPoint *point = &submit->plan->points[line->point];
    if (line->waits_for >= 0) {
        const char *name = task_name(submit, line->waits_for);
        if (!name)
            escape_line(stderr, "poslab: %s is left out, because the run that it continues is left out",
                        label);
        if (!name) return false;
        line->task.from =
            arena_format(submit->arena, "%s/model.safetensors", folder_of(submit, line->waits_for));
        return true;
    }
    const char *lack = run_task_lacks_parent(&line->task.from, submit->store, point, submit->arena);
    if (!lack || line->task.trained) return true;
    escape_line(stderr, "poslab: %s is left out: %s", label, lack);
    return false;
}

static void add_line(Submit *submit, Line line, const char *setting) {
    const PlanPoint *point = &submit->plan->points[line.point];
    Arena *arena = submit->arena;
    const char *label = run_label_name(plan_label(point, arena), setting, arena);
    if (!find_weights(submit, &line, label)) return;
    line.text = manifest_line(&line.task, point->config, label, folder_of(submit, line.point), arena);
    line.name = "";
    submit->lines[submit->count++] = line;
}

/* Lists the missing runs: first those that wait for no other run, then, for each point in order, those that
   wait for it. */
static void list_lines(Submit *submit) {
    const Plan *plan = submit->plan;
    Arena *arena = submit->arena;
    const char **settings = run_label_settings(plan, arena);
    const int *order = plan_order(plan, arena);
    const RunTaskNeed *needs = run_task_needs(submit->store, plan, RUN_TASK_STALE, arena);
    bool *pending = NEW(arena, plan->count + 1, bool); /* [points]: a task trains the point */
    Line *missing = NEW(arena, plan->count + 1, Line);
    int count = 0;
    submit->lines = NEW(arena, plan->count + 1, Line);
    for (int k = 0; k < plan->count; k++) {
        int i = order[k], parent = plan->points[i].parent;
        Line line = {.point = i, .waits_for = parent >= 0 && pending[parent] ? parent : -1};
        if (!run_task_needed(&line.task, submit->store, &plan->points[i], needs[i], arena)) continue;
        bool held = squeue_has_task(&submit->queue, plan->points[i].key);
        pending[i] = needs[i].train;
        submit->held += held;
        if (line.task.trained) line.waits_for = -1;
        if (!held) missing[count++] = line;
    }
    for (int k = -1; k < plan->count; k++)
        for (int i = 0; i < count; i++)
            if (missing[i].waits_for == (k < 0 ? -1 : order[k]))
                add_line(submit, missing[i], settings[missing[i].point]);
}

/* Prints the batch script, and everything else as comments, so that the output is a valid script. */
static void print_dry(Submit *submit, int most) {
    submit->folder = "FOLDER";
    print_script(submit, stdout);
    printf("\n# %d of %d runs are missing", submit->count + submit->held, submit->plan->count);
    if (submit->held) printf(", %d of them already submitted", submit->held);
    printf("\n");
    for (int first = 0, count, job = 1; first < submit->count; first += count, job++) {
        count = array_count(submit, first, most);
        for (int i = 0; i < count; i++)
            submit->lines[first + i].name = arena_format(submit->arena, "JOB%d_%d", job, i + 1);
        const char **arguments = sbatch_arguments(submit, first, count);
        printf("#");
        for (; *arguments; arguments++) {
            putchar(' ');
            escape_put(ESCAPE_SHELL, *arguments, stdout);
        }
        printf("\n");
    }
    for (int i = 0; i < submit->count; i++) printf("# %s", submit->lines[i].text);
}

static bool submit_dry(Submit *submit, Error *err) {
    int most;
    if (access(submit->database, F_OK) == 0) {
        submit->store = database_open(submit->database, DATABASE_READ, err);
        if (!submit->store) return false;
    }
    if (!squeue_read(&submit->queue, submit->database, submit->plan->experiment->name, submit->arena, err) ||
        !array_most(&most, submit->arena, err))
        return false;
    list_lines(submit);
    print_dry(submit, most);
    return true;
}

static bool submit_stored(Submit *submit, Error *err) {
    const char *name = submit->plan->experiment->name;
    int most, collected;
    if (!runs_store_plan(submit->store, submit->plan, err) ||
        !squeue_read(&submit->queue, submit->database, name, submit->arena, err))
        return false;
    if (submit->queue.count && !submit->queue.answered)
        return error_set(
            err, EXIT_SYSTEM,
            "runs submitted before may still be running; submit again when the scheduler answers");
    if (!collect_results(submit->store, name, &submit->queue, &collected, err)) return false;
    list_lines(submit);
    if (submit->held)
        printf("%d run%s already submitted\n", submit->held, submit->held == 1 ? " is" : "s are");
    if (!submit->count) printf("nothing to submit\n");
    if (!submit->count) return true;
    if (!array_most(&most, submit->arena, err) || !write_submission(submit, err)) return false;
    bool fine = true;
    for (int i = 0; fine && i < submit->count; i++)
        fine = run_task_forget(&submit->lines[i].task, submit->store, submit->arena, err);
    for (int first = 0, count; fine && first < submit->count; first += count) {
        count = array_count(submit, first, most);
        fine = submit_array(submit, first, count, err);
    }
    return fine;
}

static bool submit_locked(Submit *submit, Error *err) {
    if (!atomic_file_make_folder(run_folder_parent(submit->database, submit->arena), err)) return false;
    submit->store = database_open_locked(submit->database, DATABASE_CREATE, err);
    return submit->store && submit_stored(submit, err);
}

ExitCode submit_run(const Plan *plan, const SubmitOptions *options, Error *err) {
    Submit submit = {.plan = plan, .options = options, .arena = arena_new(0)};
    submit.database = config_database(plan->experiment, options->database, submit.arena);
    bool fine = options->dry_run ? submit_dry(&submit, err) : submit_locked(&submit, err);
    database_close(submit.store);
    arena_free(submit.arena);
    return fine ? EXIT_DONE : err->code;
}
