/* main: finds the command, parses its arguments, runs it and prints its error.
 *
 * The commands are listed in cli/arguments.h. Results go to stdout, progress and errors to stderr. A failed
 * write to stdout is an error (EXIT_SYSTEM).
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/memory.h"
#include "sys/mpi.h"
#include "sys/pager.h"
#include "sys/version.h"
#include "math/blas.h"
#include "cli/arguments.h"
#include "cli/help.h"

#define ADDRESS(COMMAND) &(COMMAND),
static const Command *const commands[] = {ARGUMENTS_COMMANDS(ADDRESS) NULL};

static bool check_words(const Arguments *arguments, Error *err) {
    const Command *command = arguments->command;
    int count = arguments->word_count, fewest = 0, most = 0;
    for (const char *word = command->words; *word; word += strspn(word, " ")) {
        most++;
        fewest += *word != '[';
        word += strcspn(word, " ");
    }
    if (count > most && !strcmp(command->words, "DB"))
        return error_set(err, EXIT_USAGE,
                         "%s takes one database; `poslab merge NEW.db %s %s` makes one of several",
                         command->name, arguments->words[0], arguments->words[1]);
    return (count >= fewest && (count <= most || strstr(command->words, "..."))) ||
           error_set(err, EXIT_USAGE, "%s takes %s, got %d of them; see `poslab %s --help`", command->name,
                     command->words, count, command->name);
}

static ExitCode call(const Arguments *arguments, Error *err) {
    const Command *command = arguments->command;
    if (command->paged && !arguments->no_pager) pager_begin();
    if (command->run) return command->run(arguments, err);
    Database *store = database_open(arguments->words[0], command->mode, err);
    bool fine = store && command->use(store, arguments, err);
    database_close(store);
    return fine ? EXIT_DONE : err->code;
}

static ExitCode run_command(int argc, char **argv, Error *err) {
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help_print_list(commands, stdout);
        if (argc > 1) return EXIT_DONE;
        return error_set(err, EXIT_USAGE, "a command is missing"), err->code;
    }
    if (strcmp(name, "--version") == 0) {
        printf("poslab %s\nBLAS: %s\n", version_revision(), blas_name());
        return EXIT_DONE;
    }
    const Command *command = arguments_find_command(name, commands, err);
    if (!command || (command->ranks && !mpi_begin(err))) return err->code;
    Arguments arguments = {.command = command, .commands = commands, .arena = arena_new(0)};
    arguments.typed = arena_format(arguments.arena, "poslab %s", arguments_quote(argv + 1, arguments.arena));
    ExitCode code = EXIT_DONE;
    if (!arguments_parse(&arguments, argc - 1, argv + 1, err))
        code = err->code;
    else if (arguments.help)
        help_print_command(command, stdout);
    else
        code = check_words(&arguments, err) ? call(&arguments, err) : err->code;
    arena_free(arguments.arena);
    return code;
}

/* Whether it is a pipe or a socket whose readers have closed it. */
static bool is_without_reader(int fd) {
    struct pollfd poll_fd = {.fd = fd};
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLERR;
}

/* Ends the process as the default action of the signal does. */
static void end_by_signal(int number) {
    mpi_end();
    signal(number, SIG_DFL);
    raise(number);
}

/* Executes the program again with another environment if OpenBLAS was loaded with kernels that are too old
   for the processor, or if memory is limited: OpenBLAS starts its threads when it is loaded, and they wait
   forever if their buffers do not fit. Exits if the limit is too low for the libraries. */
static void begin_blas(char **argv) {
    bool again = blas_core_environment();
    if (isfinite(memory_limit()) && !blas_is_loaded_with_one_thread()) {
        blas_one_thread_environment();
        again = true;
    }
    if (again) execv("/proc/self/exe", argv);
    if (memory_limit() < MEMORY_LIBRARIES) {
        fprintf(stderr,
                "poslab: the memory limit (ulimit -v, ulimit -d) is too low for the libraries; raise it to"
                " at least %d MiB\n",
                MEMORY_LIBRARIES >> 20);
        _exit(EXIT_SYSTEM); /* exit handlers of the libraries may wait for their threads */
    }
    blas_one_thread();
}

/* Prints one line for each mistake. */
static void print_error(Error *err) {
    char *rest = err->text;
    for (const char *line; (line = strsep(&rest, "\n")) != NULL;) escape_line(stderr, "poslab: %s", line);
}

int main(int argc, char **argv) {
    Error err = {0};
    atomic_file_reserve_standard_streams();
    begin_blas(argv);
    /* A closed pipe, and a file at its size limit (ulimit -f), are errors of write. If SIGCHLD is ignored,
       the exit codes of children are lost. */
    bool ends = signal(SIGPIPE, SIG_IGN) != SIG_IGN;
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    ExitCode code = run_command(argc, argv, &err);
    int ended_by = pager_end();
    fflush(stdout);
    if (ended_by) end_by_signal(ended_by);
    if (ends && ferror(stdout) && is_without_reader(STDOUT_FILENO)) end_by_signal(SIGPIPE);
    if (code != EXIT_DONE && err.code == code && mpi_rank() == 0) print_error(&err);
    mpi_end();
    bool fine = !ferror(stdout);
    if (fclose(stdout) == 0 && fine) return code;
    if (code != EXIT_SYSTEM) /* otherwise its error is printed */
        fprintf(stderr, "poslab: cannot write to standard output: %s\n", strerror(errno));
    return EXIT_SYSTEM;
}
