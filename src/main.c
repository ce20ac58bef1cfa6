/* main: the command line, as two tables.
 *
 * `options` holds every option once: long name, letter, what its value is called, help. `commands` says of
 * each command which options it takes (by letter; capitals are letters that cannot be typed), what words, and
 * the function. Parsing, --help and the messages about mistakes loop over these tables. Results go to stdout,
 * everything else to stderr; what cannot be written to stdout is an error like any other.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"
#include "catalog.h"
#include "export.h"
#include "lanes.h"
#include "plot.h"
#include "status.h"
#include "sweep.h"
#include "table.h"
#include "worker.h"

#ifndef POSLAB_REVISION
#define POSLAB_REVISION "unknown"
#endif

typedef struct Arguments {
    const char *const *words; /* what is no option, NULL-terminated */
    int word_count;
    const char *value[128]; /* by letter; "" for an option without a value, NULL if not given */
    const char **sets;      /* every --set, NULL-terminated */
    const char *typed;      /* the command line, quoted for a shell */
    Arena *arena;
} Arguments;

typedef struct Option {
    int letter;
    const char *name, *value, *help; /* value: what it is called, NULL if there is none */
} Option;

static const Option options[] = {
    {'j', "jobs", "N", "workers at a time (default 1)"},
    {'T', "threads", "N", "threads of each worker (default 1; other counts may change the last bits)"},
    {'n', "dry-run", NULL, "only print what would be done"},
    {'q', "quiet", NULL, "no progress, only failures"},
    {'D', "db", "FILE", "database (default results/NAME.db); run folders lie beside it"},
    {'S', "set", "PATH=VALUE", "override a field of the config, 'train.length=64'; may be repeated"},
    {'J', "json", NULL, "print JSON"},
    {'E', "experiment", "NAME", "only this experiment (default: all)"},
    {'f', "format", "FORMAT", "of the output, see above"},
    {'o', "output", "FILE", "where to write (default plots/DB.FORMAT)"},
    {'P', "template", "FILE", "gnuplot template (default plots/curves.gp)"},
    {'I', "initial", NULL, "the weights before training"},
    {'B', "batches", "K", "the tokens of the first K updates, int32 [K * sequences, length + 1]"},
    {'K', "tokens", "SPLIT", "the tokens of a split: train, valid or test"},
    {'L', "lengths", "N,N", "lengths to measure"},
    {'M', "methods", "NAME,NAME", "methods to measure (default: all)"},
    {'H', "phase", "PHASE", "train or evaluate (default: both)"},
    {'R', "rounds", "N", "measurements of each (default 7)"},
    {'h', "help", NULL, "print this"},
};

typedef struct Command {
    const char *name, *words, *letters, *help, *text;
    int fewest, most; /* words */
    ExitCode (*run)(const Arguments *, Err *);
} Command;

/* --- values --- */

static bool given(const Arguments *arguments, int letter) {
    return arguments->value[letter] != NULL;
}

static bool read_count(const Arguments *arguments, int letter, int64_t low, int64_t high, int64_t *count,
                       Err *err) {
    const char *text = arguments->value[letter];
    char *end;
    if (!text) return true;
    errno = 0;
    *count = strtoll(text, &end, 10);
    if (*text && !*end && !errno && *count >= low && *count <= high) return true;
    const Option *option = options;
    while (option->letter != letter) option++;
    return err_set(err, EXIT_USAGE, "--%s takes a whole number from %lld to %lld, got '%s'", option->name,
                   (long long)low, (long long)high, text);
}

static ExitCode outcome(bool fine, const Err *err) {
    return fine ? EXIT_DONE : err->code;
}

/* --- commands --- */

static Plan *make_plan(const Arguments *arguments, Err *err) {
    Experiment *experiment = config_read(arguments->words[0], arguments->sets, arguments->arena, err);
    return experiment ? plan_make(experiment, arguments->arena, err) : NULL;
}

static ExitCode do_run(const Arguments *arguments, Err *err) {
    int64_t jobs = 1, threads = 1;
    if (!read_count(arguments, 'j', 1, 1024, &jobs, err) ||
        !read_count(arguments, 'T', 1, 1024, &threads, err))
        return err->code;
    Plan *plan = make_plan(arguments, err);
    if (!plan) return err->code;
    SweepOptions sweep = {.jobs = (int)jobs,
                          .threads = (int)threads,
                          .quiet = given(arguments, 'q'),
                          .dry = given(arguments, 'n'),
                          .command = arguments->typed,
                          .database = arguments->value['D']};
    return sweep_run(plan, &sweep, err);
}

static ExitCode do_plan(const Arguments *arguments, Err *err) {
    Plan *plan = make_plan(arguments, err);
    if (!plan) return err->code;
    plan_print(plan, given(arguments, 'J'), stdout);
    return EXIT_DONE;
}

static ExitCode do_status(const Arguments *arguments, Err *err) {
    Store *store = store_open(arguments->words[0], STORE_READ, err);
    bool fine = store && status_print(store, arguments->value['E'], given(arguments, 'J'), stdout, err);
    store_close(store);
    return outcome(fine, err);
}

static ExitCode do_table(const Arguments *arguments, Err *err) {
    TableOptions table = {.experiment = arguments->value['E'], .format = arguments->value['f']};
    if (given(arguments, 'J')) table.format = "json";
    Store *store = store_open(arguments->words[0], STORE_READ, err);
    bool fine = store && table_print(store, &table, stdout, err);
    store_close(store);
    return outcome(fine, err);
}

/* "results/quickstart.db" -> "plots/quickstart.svg" */
static const char *default_figure(const char *database, const char *format, Arena *arena) {
    const char *slash = strrchr(database, '/'), *base = slash ? slash + 1 : database,
               *dot = strrchr(base, '.');
    int size = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    return arena_format(arena, "plots/%.*s.%s", size, base, format ? format : "svg");
}

static ExitCode do_plot(const Arguments *arguments, Err *err) {
    PlotOptions plot = {.experiment = arguments->value['E'],
                        .figure = arguments->value['o'],
                        .format = arguments->value['f'],
                        .template = arguments->value['P']};
    if (!plot.figure) {
        plot.figure = default_figure(arguments->words[0], plot.format, arguments->arena);
        mkdir("plots", 0777); /* if it cannot be made, writing into it fails and says so */
    }
    Store *store = store_open(arguments->words[0], STORE_READ, err);
    bool fine = store && plot_curves(store, &plot, err);
    if (fine) printf("%s\n", plot.figure);
    store_close(store);
    return outcome(fine, err);
}

static ExitCode do_methods(const Arguments *arguments, Err *err) {
    if (arguments->word_count)
        return outcome(catalog_show(arguments->words[0], stdout, given(arguments, 'J'), err), err);
    catalog_list(stdout, given(arguments, 'J'));
    return EXIT_DONE;
}

static ExitCode do_export(const Arguments *arguments, Err *err) {
    ExportOptions export = {.database = arguments->words[0],
                            .run = arguments->words[1],
                            .path = arguments->words[2],
                            .initial = given(arguments, 'I'),
                            .tokens = arguments->value['K']};
    if (!read_count(arguments, 'B', 1, INT64_C(1) << 40, &export.batches, err)) return err->code;
    return outcome(export_run(&export, err), err);
}

static ExitCode do_worker(const Arguments *arguments, Err *err) {
    int64_t threads = 1;
    if (!read_count(arguments, 'T', 1, LANES_MOST, &threads, err)) return err->code;
    lanes_set((int)threads);
    return worker_run(arguments->words[0], err);
}

/* "128,512" into numbers; NULL leaves them as they are. */
static bool read_list(const char *text, int *numbers, int *count, int most, Err *err) {
    if (!text) return true;
    const char *rest = text;
    for (*count = 0; *count < most; (*count)++) {
        char *end;
        long number = strtol(rest, &end, 10);
        if (end == rest || number < 1 || number > 1 << 24) break;
        numbers[*count] = (int)number;
        if (!*end) return ++*count, true;
        if (*end != ',') break;
        rest = end + 1;
    }
    return err_set(err, EXIT_USAGE, "expected up to %d lengths separated by commas, got '%s'", most, text);
}

static ExitCode do_bench(const Arguments *arguments, Err *err) {
    const PositionMethod *control = position_control();
    BenchOptions bench = {.lengths = {128, 512, 2048}, .length_count = 3, .tokens_per_step = 4096};
    bench.train = bench.evaluate = true;
    bench.json = given(arguments, 'J');
    bench.reference = control ? control->name : position_methods[0]->name;
    fields_default(&bench.model, model_fields, model_field_count);
    bench.model.vocabulary = 256;
    int64_t threads = 1, rounds = 7;
    if (!read_count(arguments, 'T', 1, LANES_MOST, &threads, err) ||
        !read_count(arguments, 'R', 1, 1000, &rounds, err))
        return err->code;
    lanes_set((int)threads);
    bench.rounds = (int)rounds;
    if (arguments->word_count) {
        const Experiment *experiment =
            config_read(arguments->words[0], arguments->sets, arguments->arena, err);
        if (!experiment) return err->code;
        const Config *config = &experiment->points[0];
        bench.model = config->model;
        bench.lengths[0] = (int)config->train.length;
        bench.length_count = 1;
        bench.tokens_per_step = config->train.tokens_per_step;
    }
    if (!read_list(arguments->value['L'], bench.lengths, &bench.length_count, COUNT_OF(bench.lengths), err))
        return err->code;
    if (arguments->value['H']) {
        bench.train = strcmp(arguments->value['H'], "evaluate") != 0;
        bench.evaluate = strcmp(arguments->value['H'], "train") != 0;
        if (bench.train && bench.evaluate)
            return err_set(err, EXIT_USAGE, "--phase is train or evaluate, got '%s'", arguments->value['H']),
                   err->code;
    }
    if (arguments->value['M']) {
        const char **methods = NEW(arguments->arena, strlen(arguments->value['M']) + 2, const char *);
        char *rest = arena_copy(arguments->arena, arguments->value['M']), *name;
        for (int i = 0; (name = strsep(&rest, ",")) != NULL; i++) methods[i] = name;
        bench.methods = methods;
    }
    return outcome(bench_run(&bench, stdout, err), err);
}

static const Command commands[] = {
    {"run", "CONFIG", "jTnqDS", "train and evaluate what is missing",
     "Typed again, it goes on where it stopped. Run folders with weights lie beside the database.", 1, 1,
     do_run},
    {"plan", "CONFIG", "JS", "what would run: points, parameters, FLOPs, memory, estimated time", NULL, 1, 1,
     do_plan},
    {"status", "DB", "EJ", "what is done, running, failed, missing", NULL, 1, 1, do_status},
    {"table", "DB", "EfJ", "comparison table, methods by evaluation lengths", "Formats: text, md, csv, json.",
     1, 1, do_table},
    {"plot", "DB", "EfoP", "extrapolation curves",
     "Formats: svg, png, pdf; by default that of the output's suffix, or svg.", 1, 1, do_plot},
    {"methods", "[NAME]", "J", "the methods, or one method's options and claims", NULL, 0, 1, do_methods},
    {"export", "DB RUN FILE", "IBK", "a run's trained weights as safetensors",
     "RUN is a run's key (`poslab status DB`) or the beginning of one. Instead of the weights after "
     "training:",
     3, 3, do_export},
    {"bench", "[CONFIG]", "TLMHRJS",
     "speed and memory of each method, and the share of the BLAS rate reached",
     "The model is CONFIG's first point's; without one, 4 layers of width 128 at lengths 128, 512 and 2048.",
     0, 1, do_bench},
    {"worker", "FOLDER", "T", "one run; what `run` starts",
     "FOLDER/config.json and FOLDER/requests.json say which. Progress on stdout, result in FOLDER/result.db.",
     1, 1, do_worker},
};

/* --- help --- */

static void print_options(const char *letters) {
    for (int i = 0; i < COUNT_OF(options); i++) {
        const Option *option = &options[i];
        char left[64];
        if (!strchr(letters, option->letter) && option->letter != 'h') continue;
        if (option->letter >= 'a')
            snprintf(left, sizeof left, "-%c, --%s", option->letter, option->name);
        else
            snprintf(left, sizeof left, "    --%s", option->name);
        printf("  %s%s%-*s %s\n", left, option->value ? " " : "",
               (int)(26 - strlen(left) - (option->value != NULL)), option->value ? option->value : "",
               option->help);
    }
}

static void print_usage(void) {
    printf("usage: poslab COMMAND ...\n\nCompares position methods of transformers: train short, test "
           "long.\n\n");
    for (int i = 0; i < COUNT_OF(commands); i++)
        printf("  %-8s %-12s %s\n", commands[i].name, commands[i].words, commands[i].help);
    printf("\n`poslab COMMAND --help` says more. Exit codes: 0 done, 1 some runs failed, 2 usage or config,\n"
           "3 stopped with work left, 4 damaged database or checkpoint, 5 input/output or resources.\n");
}

static void print_help(const Command *command) {
    printf("usage: poslab %s [OPTION]... %s\n\n%s\n", command->name, command->words, command->help);
    if (command->text) printf("%s\n", command->text);
    printf("\n");
    print_options(command->letters);
}

/* --- parsing --- */

/* The command line as one could type it again. */
static const char *quote(char **argv, Arena *arena) {
    const char *text = "";
    for (; *argv; argv++) {
        const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
        const char *word = **argv ? "" : "''";
        if (strspn(*argv, plain) == strlen(*argv))
            word = **argv ? *argv : word;
        else {
            word = "'";
            for (const char *c = *argv; *c; c++)
                word =
                    *c == '\'' ? arena_format(arena, "%s'\\''", word) : arena_format(arena, "%s%c", word, *c);
            word = arena_format(arena, "%s'", word);
        }
        text = *text ? arena_format(arena, "%s %s", text, word) : word;
    }
    return text;
}

/* What getopt_long wants: long options and letters of this command. */
static void list_options(const Command *command, struct option *longs, char *shorts, const char **names) {
    *shorts++ = ':';
    for (int i = 0; i < COUNT_OF(options); i++) {
        const Option *option = &options[i];
        if (!strchr(command->letters, option->letter) && option->letter != 'h') continue;
        *longs++ = (struct option){option->name, option->value ? required_argument : no_argument, NULL,
                                   option->letter};
        *names++ = option->name;
        if (option->letter < 'a') continue;
        *shorts++ = (char)option->letter;
        if (option->value) *shorts++ = ':';
    }
    *shorts = '\0';
}

static bool bad_option(const Command *command, const char *word, const char *const *names, Err *err) {
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
             word + strspn(word, "-"));
    const char *nearest = strncmp(word, "--", 2) == 0 ? nearest_name(bare, names) : NULL;
    if (nearest)
        return err_set(err, EXIT_USAGE, "'%s' has no option '--%s'; did you mean '--%s'?", command->name,
                       bare, nearest);
    return err_set(err, EXIT_USAGE, "'%s' has no option '%s'; `poslab %s --help` lists them", command->name,
                   word, command->name);
}

/* argv[0] is the command's name. */
static bool parse(const Command *command, int argc, char **argv, Arguments *arguments, Err *err) {
    struct option longs[COUNT_OF(options) + 1] = {0};
    const char *names[COUNT_OF(options) + 1] = {0};
    char shorts[2 * COUNT_OF(options) + 2];
    list_options(command, longs, shorts, names);
    arguments->sets = NEW(arguments->arena, argc + 1, const char *);
    int sets = 0, letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        char typed[] = {'-', (char)optopt, '\0'};
        const char *word = optopt && optopt < 128 && strchr(shorts, optopt) == NULL && optopt >= 'a'
                               ? typed
                               : argv[optind - 1];
        if (letter == ':')
            return err_set(err, EXIT_USAGE, "option '%s' needs a value; see `poslab %s --help`",
                           argv[optind - 1], command->name);
        if (letter == '?') return bad_option(command, word, names, err);
        if (letter == 'S') arguments->sets[sets++] = optarg;
        arguments->value[letter] = optarg ? optarg : "";
    }
    arguments->words = (const char *const *)argv + optind;
    arguments->word_count = argc - optind;
    if (given(arguments, 'h')) return true;
    if (arguments->word_count >= command->fewest && arguments->word_count <= command->most) return true;
    return err_set(err, EXIT_USAGE, "usage: poslab %s [OPTION]... %s", command->name, command->words);
}

static const Command *find_command(const char *name, Err *err) {
    const char *names[COUNT_OF(commands) + 1] = {0};
    for (int i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0) return &commands[i];
    }
    const char *nearest = nearest_name(name, names);
    if (nearest)
        err_set(err, EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", name, nearest);
    else
        err_set(err, EXIT_USAGE, "there is no command '%s'; `poslab --help` lists them", name);
    return NULL;
}

static ExitCode run_command(int argc, char **argv, Err *err) {
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage();
        if (argc > 1) return EXIT_DONE;
        err_set(err, EXIT_USAGE, "a command is missing");
        return EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("poslab %s\n", POSLAB_REVISION);
        return EXIT_DONE;
    }
    const Command *command = find_command(name, err);
    if (!command) return err->code;
    Arguments arguments = {.arena = arena_new(0)};
    arguments.typed = arena_format(arguments.arena, "poslab %s", quote(argv + 1, arguments.arena));
    ExitCode code = EXIT_DONE;
    if (!parse(command, argc - 1, argv + 1, &arguments, err))
        code = err->code;
    else if (given(&arguments, 'h'))
        print_help(command);
    else
        code = command->run(&arguments, err);
    arena_free(arguments.arena);
    return code;
}

/* The BLAS runs on one thread: parallel are workers and lanes. OpenMP and OpenBLAS read these variables when
   they are loaded, and the OpenMP build of OpenBLAS may override later calls, so the program starts itself
   anew. */
static void start_with_one_blas_thread(char **argv) {
    static const char *const variables[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"};
    bool changed = false;
    for (int i = 0; i < COUNT_OF(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value && strcmp(value, "1") == 0) continue;
        changed = setenv(variables[i], "1", 1) == 0;
    }
    if (changed) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    Err err = {0};
    start_with_one_blas_thread(argv);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is then an error of write */
    ExitCode code = run_command(argc, argv, &err);
    if (code != EXIT_DONE && err.code == code) fprintf(stderr, "poslab: %s\n", err.text);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "poslab: cannot write to standard output: %s\n", strerror(errno));
    return EXIT_SYSTEM;
}
