/* main: the table of commands.
 *
 * `commands` lists for each command its options (by letter, see cli/arguments.c), the number of its words,
 * its help and its function. Results are written to stdout, everything else to stderr; a failed write to
 * stdout is an error like any other.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "cli/arguments.h"
#include "cli/cmd_bench.h"
#include "cli/cmd_methods.h"
#include "store/integrity.h"
#include "cli/cmd_slurm.h"
#include "base/escape.h"
#include "cli/cmd_export.h"
#include "sys/atomic_file.h"
#include "sys/memory.h"
#include "sys/threads.h"
#include "cli/cmd_run.h"
#include "store/merge.h"
#include "math/nn_ops.h"
#include "report/plot.h"
#include "sys/mpi.h"
#include "store/reference_import.h"
#include "report/report.h"
#include "sys/version.h"
#include "math/stats.h"
#include "cli/cmd_status.h"
#include "run/sweep.h"
#include "cli/cmd_table.h"
#include "experiment/plan_print.h"
#include "math/blas.h"
#include "position/encoding.h"

typedef struct Command {
    const char *name, *words, *letters, *help, *text;
    int fewest, most; /* words */
    ExitCode (*run)(const Arguments *, Error *);
} Command;

static ExitCode outcome(bool fine, const Error *err) {
    return fine ? EXIT_DONE : err->code;
}

/* --- commands --- */

static ExitCode do_plan(const Arguments *arguments, Error *err) {
    int ranks[16] = {0};
    int64_t gigabits = 10, jobs = 1, threads = 1;
    if (!arguments_count(arguments, 'j', 1, JOBS_MOST, &jobs, err) ||
        !arguments_count(arguments, 'T', 1, THREADS_MAX, &threads, err))
        return err->code;
    const Experiment *experiment = config_read(arguments->words[0], arguments->sets, arguments->arena, err);
    Plan *plan =
        experiment ? plan_make_outline(experiment, (int)threads, (int)jobs, arguments->arena, err) : NULL;
    if (!plan) return err->code;
    if (!arguments_list(arguments, '#', ranks, &plan->rank_count, COUNT_OF(ranks), err) ||
        !arguments_count(arguments, '&', 1, 1000000, &gigabits, err))
        return err->code;
    plan->ranks = ranks;
    plan->gigabits = (double)gigabits;
    plan_print(plan, arguments_given(arguments, 'J'), stdout);
    return EXIT_DONE;
}

static ExitCode do_status(const Arguments *arguments, Error *err) {
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool left = false;
    bool fine = store && cmd_status_print(store, arguments->value['E'], arguments_given(arguments, 'J'),
                                          &left, stdout, err);
    database_close(store);
    return fine && left ? EXIT_STOPPED : outcome(fine, err);
}

static ExitCode do_table(const Arguments *arguments, Error *err) {
    CmdTableOptions table = {.experiment = arguments->value['E'],
                             .format = arguments->value['f'],
                             .rows = arguments->value['1'],
                             .columns = arguments->value['2'],
                             .where = arguments->sets,
                             .ratio = arguments_given(arguments, '4'),
                             .paper = arguments_given(arguments, 'O')};
    if (arguments_given(arguments, 'J')) table.format = "json";
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && cmd_table_print(store, &table, stdout, err);
    database_close(store);
    return outcome(fine, err);
}

/* "results/quickstart.db" -> "plots/quickstart.svg", and for other figures "plots/quickstart-KIND.svg" */
static const char *default_figure(const char *database, const PlotOptions *plot, Arena *arena) {
    const char *slash = strrchr(database, '/'), *base = slash ? slash + 1 : database,
               *dot = strrchr(base, '.');
    int size = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    return arena_format(arena, "plots/%.*s%s%s.%s", size, base, plot->kind ? "-" : "",
                        plot->kind ? plot->kind : "", plot->format ? plot->format : "svg");
}

static ExitCode do_plot(const Arguments *arguments, Error *err) {
    PlotOptions plot = {.experiment = arguments->value['E'],
                        .kind = arguments->value['5'],
                        .figure = arguments->value['o'],
                        .format = arguments->value['f'],
                        .template = arguments->value['P']};
    if (!plot.figure) {
        plot.figure = default_figure(arguments->words[0], &plot, arguments->arena);
        mkdir("plots", 0777); /* if it cannot be made, writing into it fails and says so */
    }
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && plot_figure(store, &plot, err);
    if (fine) printf("%s\n", plot.figure);
    database_close(store);
    return outcome(fine, err);
}

/* "results/quickstart.db" -> "results/quickstart.html" */
static ExitCode do_report(const Arguments *arguments, Error *err) {
    const char *database = arguments->words[0], *dot = strrchr(database, '.');
    bool suffix = dot && !strchr(dot, '/');
    const char *standard =
        arena_format(arguments->arena, "%.*s.html",
                     (int)(suffix ? dot - database : (ptrdiff_t)strlen(database)), database);
    ReportOptions report = {.experiment = arguments->value['E'],
                            .path = arguments->value['o'] ? arguments->value['o'] : standard,
                            .claims = arguments->value['G']};
    Database *store = database_open(database, DATABASE_READ, err);
    bool fine = store && report_write(store, &report, err);
    if (fine) printf("%s\n", report.path);
    database_close(store);
    return outcome(fine, err);
}

static ExitCode do_methods(const Arguments *arguments, Error *err) {
    bool json = arguments_given(arguments, 'J');
    if (arguments->word_count) return outcome(cmd_methods_show(arguments->words[0], stdout, json, err), err);
    return outcome(cmd_methods_list(stdout, json ? "json" : arguments->value['f'], err), err);
}

static ExitCode do_export(const Arguments *arguments, Error *err) {
    CmdExportOptions export = {.database = arguments->words[0],
                               .run = arguments->words[1],
                               .path = arguments->words[2],
                               .initial = arguments_given(arguments, 'I'),
                               .tokens = arguments->value['K']};
    if (!arguments_count(arguments, 'B', 1, INT64_C(1) << 40, &export.batches, err)) return err->code;
    return outcome(cmd_export_run(&export, err), err);
}

static ExitCode do_bench(const Arguments *arguments, Error *err) {
    const PositionMethod *control = encoding_control();
    CmdBenchOptions bench = {
        .lengths = {128, 512, 2048}, .length_count = 3, .tokens_per_step = 4096, .precision_count = 1};
    bench.train = bench.evaluate = true;
    bench.json = arguments_given(arguments, 'J');
    bench.database = arguments->value['D'];
    bench.reference = control ? control->name : encoding_methods[0]->name;
    model_default(&bench.model);
    bench.model.vocabulary = 256;
    int64_t threads = 1, rounds = 7;
    if (!arguments_count(arguments, 'T', 1, THREADS_MAX, &threads, err) ||
        !arguments_count(arguments, 'R', 1, 1000, &rounds, err))
        return err->code;
    if (!mpi_begin(err) || !blas_reserve((int)threads, err)) return err->code;
    bench.rounds = (int)rounds;
    bench.threads = (int)threads;
    if (arguments->word_count) {
        const Experiment *experiment =
            config_read(arguments->words[0], arguments->sets, arguments->arena, err);
        if (!experiment) return err->code;
        const Config *config = &experiment->points[0];
        if (!config_runnable(config, err)) return err->code;
        bench.model = config->model;
        bench.lengths[0] = (int)config->train.length;
        bench.length_count = 1;
        bench.tokens_per_step = config->train.tokens_per_step;
        bench.precisions[0] = config->train.precision;
    }
    if (!precision_list(arguments->value['='], bench.precisions, &bench.precision_count, err))
        return err->code;
    if (!arguments_list(arguments, 'L', bench.lengths, &bench.length_count, COUNT_OF(bench.lengths), err))
        return err->code;
    if (arguments->value['H']) {
        bench.train = strcmp(arguments->value['H'], "evaluate") != 0;
        bench.evaluate = strcmp(arguments->value['H'], "train") != 0;
        if (bench.train && bench.evaluate)
            return error_set(err, EXIT_USAGE, "--phase is train or evaluate, got '%s'",
                             arguments->value['H']),
                   err->code;
    }
    bench.format = arguments->value['f'];
    if (arguments->value['M'] && strcmp(arguments->value['M'], "all") != 0) {
        const char **methods = NEW(arguments->arena, strlen(arguments->value['M']) + 2, const char *);
        char *rest = arena_copy(arguments->arena, arguments->value['M']), *name;
        for (int i = 0; (name = strsep(&rest, ",")) != NULL; i++) methods[i] = name;
        bench.methods = methods;
    }
    return outcome(cmd_bench_run(&bench, stdout, err), err);
}

static ExitCode do_analyse(const Arguments *arguments, Error *err) {
    int64_t resamples = STATS_RESAMPLES, block = STATS_BLOCK;
    if (!arguments_count(arguments, 'W', 100, 10000000, &resamples, err) ||
        !arguments_count(arguments, 'Z', 1, INT64_C(1) << 40, &block, err))
        return err->code;
    AnalysisOptions analyse = {.what = arguments->words[1],
                               .experiment = arguments->value['E'],
                               .format = arguments->value['f'],
                               .baseline = arguments->value['A'],
                               .claims = arguments->value['G'],
                               .paper = arguments_given(arguments, 'O'),
                               .resamples = (int)resamples,
                               .block = block};
    if (arguments_given(arguments, 'J')) analyse.format = "json";
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && analysis_print(store, &analyse, stdout, err);
    database_close(store);
    return outcome(fine, err);
}

static ExitCode do_reference(const Arguments *arguments, Error *err) {
    int64_t rows = 0;
    Database *store = database_open(arguments->words[0], DATABASE_WRITE, err);
    bool fine = store && reference_import(store, arguments->words + 1, &rows, err);
    database_close(store);
    if (fine) printf("%lld reference numbers\n", (long long)rows);
    return outcome(fine, err);
}

static ExitCode do_check(const Arguments *arguments, Error *err) {
    int64_t problems = 0;
    Database *store = database_open(arguments->words[0], DATABASE_CHECK, err);
    bool fine = store && integrity_print(store, stdout, &problems, err);
    database_close(store);
    if (fine && problems)
        fine = error_set(err, EXIT_DAMAGED, "'%s': %lld problem%s", arguments->words[0], (long long)problems,
                         problems == 1 ? "" : "s");
    return outcome(fine, err);
}

static ExitCode do_merge(const Arguments *arguments, Error *err) {
    int64_t conflicts = 0;
    const char *path = arguments->words[0];
    bool is_new = access(path, F_OK) != 0;
    Database *store = database_open(path, DATABASE_CREATE, err);
    bool fine = store && merge_databases(store, arguments->words + 1, stdout, &conflicts, err);
    database_close(store);
    if (!fine && is_new) unlink(path);
    return !fine ? err->code : conflicts ? EXIT_SOME_FAILED : EXIT_DONE;
}

static const Command commands[] = {
    {"run", "CONFIG", "jTFYtnqDS", "train and evaluate what is missing",
     "Typed again, it goes on where it stopped. Run folders with weights lie beside the database.\n"
     "What another revision of the program has trained is kept, and said; --retry changed trains it anew.",
     1, 1, cmd_run_run},
    {"plan", "CONFIG", "jT#&JS", "what would run: points, parameters, FLOPs, memory, estimated time", NULL, 1,
     1, do_plan},
    {"status", "DB", "EJ", "what is done, running, failed, missing", "Exit code 3 where `run` has work left.",
     1, 1, do_status},
    {"table", "DB", "EfJ1234O", "comparison table, methods by evaluation lengths",
     "Formats: text, md, latex, csv, json. FIELD is one of method, evaluated, split, protocol, stride_rule, "
     "requested,\n"
     "train_length, eval_length, multiple, seed, variant (the settings), parameters, position_parameters,\n"
     "corpus, source, eval_precision, eval_variant (the variant).",
     1, 1, do_table},
    {"plot", "DB", "E5foP", "figures: curves, position, cost, bias, early, paper, loss",
     "Formats: svg, png, pdf; by default that of the output's suffix, or svg, in plots/. The data lie beside "
     "it.",
     1, 1, do_plot},
    {"report", "DB", "EoG", "one self-contained HTML file: verdict, claims, figures, tables, provenance",
     "By default beside the database, with the suffix .html.", 1, 1, do_report},
    {"analyse", "DB WHAT", "EfJAOWZG", "the paper's analyses and statistics",
     "WHAT: curves (perplexity by length), matrix (training by evaluation length), compare (with "
     "--baseline),\n"
     "short-long (trained short against long), cost, early (early-token curse), positions (loss by "
     "position),\n"
     "claims (the verdict on each claim of the paper), claim-points (what it was judged by).\n"
     "Formats: text, md, csv, json.",
     2, 2, do_analyse},
    {"eval", "DB|CONFIG", "LXCVN%U@EjTnqD", "more evaluations of trained runs, from their weights",
     "What is not said stays as the experiment has it. Values are separated by commas, or options repeated.",
     1, 1, cmd_run_eval},
    {"reference", "DB [FILE]...", "", "numbers from papers into a database",
     "CSV files (default results/paper/*.csv). `poslab analyse DB curves --paper` shows them.", 1, 1000,
     do_reference},
    {"check", "DB", "", "integrity of the database and its checkpoints",
     "A line for each problem, and exit code 4 if there is one; 2 if only files of methods are missing.", 1,
     1, do_check},
    {"merge", "DB OTHER...", "", "import other databases",
     "What is there stays. Runs whose numbers differ are named and left out, with exit code 1.", 2, 1000,
     do_merge},
    {"methods", "[NAME]", "fJ", "the methods, or one method's options and claims",
     "Formats: text, md, json. What they cost is what results/methods/cost.csv says, where there is one.", 0,
     1, do_methods},
    {"export", "DB RUN FILE", "IBK", "a run's trained weights as safetensors",
     "RUN is a run's key (`poslab status DB`) or the beginning of one. Instead of the weights after "
     "training:",
     3, 3, do_export},
    {"bench", "[CONFIG]", "TLMH=RfJSD",
     "speed and memory of each method, and the share of the matrix products' rate reached",
     "The model is CONFIG's first point's; without one, 4 layers of width 128 at lengths 128, 512 and 2048.\n"
     "Formats: text, csv (times over the control's alone), json. --methods all is the default.\n"
     "Ratios are of turns side by side, rates of all turns: on a busy machine they may not fit together.\n"
     "With --db, a database keeps the figures; `poslab analyse DB cost` and the report use those of their "
     "model.",
     0, 1, do_bench},
    {"submit", "CONFIG", "67890QnDS", "the missing runs, as tasks of Slurm",
     "Partition and so on stand in the config's section `cluster`, or are given here. With -n the batch "
     "script is\n"
     "printed, which may be edited and given back with --script.",
     1, 1, cmd_slurm_submit},
    {"collect", "DB|CONFIG", "ED", "the results of submitted runs, into the database",
     "Any number of times, also while tasks run. Exit code 3 while there is more to come.", 1, 1,
     cmd_slurm_collect},
    {"worker", "FOLDER|MANIFEST", "T+", "one run; what `run` starts, and a task of `submit`",
     "FOLDER/config.json and FOLDER/requests.json say which, or with --task a line of the manifest. Progress "
     "on\n"
     "stdout, result in FOLDER/result.db. A task that was stopped and can go on ends with 75.",
     1, 1, cmd_run_worker},
};

/* --- help --- */

static void print_usage(void) {
    printf("usage: poslab COMMAND ...\n\nCompares position methods of transformers: train short, test "
           "long.\n\n");
    for (int i = 0; i < COUNT_OF(commands); i++)
        printf("  %-9s %-12s %s\n", commands[i].name, commands[i].words, commands[i].help);
    printf("\n`poslab COMMAND --help` says more. Exit codes: 0 done, 1 some runs failed or diverged, 2 usage "
           "or\n"
           "config, 3 work left, 4 damaged database or checkpoint, 5 input/output or resources.\n");
}

static void print_help(const Command *command) {
    printf("usage: poslab %s [OPTION]... %s\n\n%s\n", command->name, command->words, command->help);
    if (command->text) printf("%s\n", command->text);
    printf("\n");
    arguments_print(command->letters);
}

/* --- dispatch --- */

static ExitCode usage_error(const Command *command, Error *err) {
    error_set(err, EXIT_USAGE, "usage: poslab %s [OPTION]... %s", command->name, command->words);
    return err->code;
}

static const Command *find_command(const char *name, Error *err) {
    const char *names[COUNT_OF(commands) + 1] = {0};
    for (int i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0) return &commands[i];
    }
    const char *nearest = options_nearest_name(name, names);
    if (nearest)
        error_set(err, EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(err, EXIT_USAGE, "there is no command '%s'; `poslab --help` lists them", name);
    return NULL;
}

static ExitCode run_command(int argc, char **argv, Error *err) {
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage();
        if (argc > 1) return EXIT_DONE;
        error_set(err, EXIT_USAGE, "a command is missing");
        return EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("poslab %s\n", version_revision());
        return EXIT_DONE;
    }
    const Command *command = find_command(name, err);
    if (!command) return err->code;
    Arguments arguments = {.arena = arena_new(0)};
    arguments.typed = arena_format(arguments.arena, "poslab %s", arguments_quote(argv + 1, arguments.arena));
    ExitCode code = EXIT_DONE;
    if (!arguments_parse(&arguments, command->letters, argc - 1, argv + 1, err))
        code = err->code;
    else if (arguments_given(&arguments, 'h'))
        print_help(command);
    else if (arguments.word_count < command->fewest || arguments.word_count > command->most)
        code = usage_error(command, err);
    else
        code = command->run(&arguments, err);
    arena_free(arguments.arena);
    return code;
}

/* Whether it is a pipe or a socket that nobody reads any more. */
static bool is_without_reader(int fd) {
    struct pollfd poll_fd = {.fd = fd};
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLERR;
}

/* As the default action of a signal does. */
static void end_by_signal(int number) {
    mpi_end();
    signal(number, SIG_DFL);
    raise(number);
}

/* Under a limit on memory OpenBLAS waits forever in the threads that it starts when it is loaded, if their
   buffers do not fit: the program then executes itself again, with an environment in which it starts none.
   Does not return if the limit is too low for the libraries. */
static void begin_blas(char **argv) {
    if (isfinite(memory_limit()) && !blas_is_loaded_with_one_thread()) {
        blas_one_thread_environment();
        execv("/proc/self/exe", argv);
    }
    if (memory_limit() < MEMORY_LIBRARIES) {
        fprintf(stderr,
                "poslab: the limit on memory (ulimit -v, ulimit -d) is too low for the libraries: raise it"
                " to %d MiB and more\n",
                MEMORY_LIBRARIES >> 20);
        _exit(EXIT_SYSTEM); /* exit handlers of the libraries may wait for their threads */
    }
    blas_one_thread();
}

int main(int argc, char **argv) {
    Error err = {0};
    atomic_file_reserve_standard_streams();
    begin_blas(argv);
    bool ends = signal(SIGPIPE, SIG_IGN) != SIG_IGN; /* a closed pipe is then an error of write, */
    signal(SIGXFSZ, SIG_IGN);                        /* and so is a file that reaches its limit (ulimit -f) */
    signal(SIGCHLD, SIG_DFL);                        /* ignored, the exit codes of children would be lost */
    ExitCode code = run_command(argc, argv, &err);
    fflush(stdout);
    if (ends && ferror(stdout) && is_without_reader(STDOUT_FILENO)) end_by_signal(SIGPIPE);
    if (code != EXIT_DONE && err.code == code && mpi_rank() == 0) escape_line(stderr, "poslab: %s", err.text);
    mpi_end();
    bool fine = !ferror(stdout);
    if (fclose(stdout) == 0 && fine) return code;
    fprintf(stderr, "poslab: cannot write to standard output: %s\n", strerror(errno));
    return EXIT_SYSTEM;
}
