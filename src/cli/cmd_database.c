/* cmd_database: see cli/cmd_database.h. */
#include "cli/cmd_database.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "math/stats.h"
#include "store/integrity.h"
#include "store/merge.h"
#include "store/reference_import.h"
#include "analysis/analysis.h"
#include "report/gnuplot.h"
#include "report/plot.h"
#include "report/report.h"

/* --- plot --- */

typedef struct PlotArguments {
    const char *experiment, *best, *output, *template;
    int figure, format; /* format -1: that of the output's suffix */
} PlotArguments;

static const OptionField plot_options[] = {
    ARGUMENT_EXPERIMENT(PlotArguments),
    ARGUMENT_BEST(PlotArguments),
    {"figure", OPTION_CHOICE, offsetof(PlotArguments, figure), .choices = plot_figure_names,
     .argument = "NAME", .group = "Selection", .help = "what is drawn"},
    {"format", OPTION_CHOICE, offsetof(PlotArguments, format), .default_value = -1,
     .choices = gnuplot_formats, .letter = 'f', .argument = "FORMAT", .group = "Output",
     .help = "output format, by default that of the output's suffix"},
    ARGUMENT_OUTPUT(PlotArguments, "figure to write (default plots/DB.FORMAT or plots/DB-NAME.FORMAT)"),
    {"template", OPTION_TEXT, offsetof(PlotArguments, template), .argument = "FILE", .group = "Output",
     .help = "gnuplot template (default plots/NAME.gp)"},
};

/* "results/quickstart.db" -> "plots/quickstart.svg", and "plots/quickstart-NAME.svg" where a figure is named
 */
static const char *default_figure(const char *database, const PlotOptions *plot, Arena *arena) {
    const char *slash = strrchr(database, '/'), *base = slash ? slash + 1 : database,
               *dot = strrchr(base, '.');
    int size = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    return arena_format(arena, "plots/%.*s%s%s.%s", size, base, plot->kind ? "-" : "",
                        plot->kind ? plot_figure_names[plot->kind] : "", plot->format ? plot->format : "svg");
}

static ExitCode plot(const Arguments *arguments, Error *err) {
    const PlotArguments *options = arguments->options;
    PlotOptions plot = {.experiment = options->experiment,
                        .best = options->best,
                        .kind = options->figure,
                        .figure = options->output,
                        .format = options->format < 0 ? NULL : gnuplot_formats[options->format],
                        .template = options->template};
    if (!plot.figure) {
        plot.figure = default_figure(arguments->words[0], &plot, arguments->arena);
        mkdir("plots", 0777); /* if it cannot be made, writing into it fails and says so */
    }
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && plot_figure(store, &plot, err);
    if (fine) printf("%s\n", plot.figure);
    database_close(store);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_plot = {
    .name = "plot",
    .words = "DB",
    .fewest = 1,
    .most = 1,
    .summary = "Draw a figure with gnuplot",
    .text = "Figures: curves (perplexity by length), position (loss by position), cost (against\n"
            "perplexity), bias (by distance, of each head), early (nonoverlapping against strided), paper\n"
            "(ours against the paper's), loss (while training). The data are written next to the figure.",
    .example = "poslab plot results/quickstart.db --figure loss -o loss.svg",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(plot_options, PlotArguments),
    .run = plot,
};

/* --- report --- */

typedef struct ReportArguments {
    const char *experiment, *best, *baseline, *claims, *output;
} ReportArguments;

static const OptionField report_options[] = {
    ARGUMENT_EXPERIMENT(ReportArguments),
    ARGUMENT_BEST(ReportArguments),
    ARGUMENT_BASELINE(ReportArguments, "add paired differences from this method"),
    ARGUMENT_CLAIMS(ReportArguments),
    ARGUMENT_OUTPUT(ReportArguments, "file to write (default DB with the suffix .html)"),
};

/* "results/quickstart.db" -> "results/quickstart.html" */
static const char *default_report(const char *database, Arena *arena) {
    const char *dot = strrchr(database, '.');
    bool suffix = dot && !strchr(dot, '/');
    size_t size = suffix ? (size_t)(dot - database) : strlen(database);
    return arena_format(arena, "%.*s.html", (int)size, database);
}

static ExitCode report(const Arguments *arguments, Error *err) {
    const ReportArguments *options = arguments->options;
    const char *database = arguments->words[0];
    const char *path = options->output ? options->output : default_report(database, arguments->arena);
    ReportOptions report = {.experiment = options->experiment,
                            .path = path,
                            .claims = options->claims,
                            .best = options->best,
                            .baseline = options->baseline};
    Database *store = database_open(database, DATABASE_READ, err);
    bool fine = store && report_write(store, &report, err);
    if (fine) printf("%s\n", path);
    database_close(store);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_report = {
    .name = "report",
    .words = "DB",
    .fewest = 1,
    .most = 1,
    .summary = "Write one self-contained HTML file: verdict, claims, figures, tables, provenance",
    .example = "poslab report results/quickstart.db",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(report_options, ReportArguments),
    .run = report,
};

/* --- analyse --- */

typedef struct AnalyseArguments {
    const char *experiment, *best, *baseline, *claims;
    const char *const *where;
    int64_t resamples, block;
    int format;
    bool json, paper;
} AnalyseArguments;

static const OptionField analyse_options[] = {
    ARGUMENT_EXPERIMENT(AnalyseArguments),
    ARGUMENT_BEST(AnalyseArguments),
    ARGUMENT_BASELINE(AnalyseArguments,
                      "method that others are compared with, by its name or as tables print it"),
    ARGUMENT_WHERE(AnalyseArguments),
    ARGUMENT_PAPER(AnalyseArguments),
    ARGUMENT_CLAIMS(AnalyseArguments),
    {"resamples", OPTION_INT, offsetof(AnalyseArguments, resamples), .default_value = STATS_RESAMPLES,
     .low = 100, .high = 10000000, .argument = "N", .group = "Statistics",
     .help = "number of resamples of the bootstrap"},
    {"block", OPTION_INT, offsetof(AnalyseArguments, block), .default_value = STATS_BLOCK, .low = 1,
     .high = 1e12, .argument = "N", .group = "Statistics",
     .help = "smallest number of targets that are resampled together"},
    ARGUMENT_FORMAT(AnalyseArguments),
};

static ExitCode analyse(const Arguments *arguments, Error *err) {
    const AnalyseArguments *options = arguments->options;
    AnalysisOptions analysis = {.what = arguments->words[1],
                                .experiment = options->experiment,
                                .format = ARGUMENT_FORMAT_GIVEN(options),
                                .best = options->best,
                                .rows = arguments->words + 2,
                                .where = options->where,
                                .baseline = options->baseline,
                                .claims = options->claims,
                                .paper = options->paper,
                                .resamples = (int)options->resamples,
                                .block = options->block};
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && analysis_print(store, &analysis, stdout, err);
    database_close(store);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_analyse = {
    .name = "analyse",
    .words = "DB WHAT [ROW]...",
    .fewest = 2,
    .most = 1000,
    .choices = analysis_names,
    .summary = "Print one of the paper's analyses",
    .text =
        "WHAT: curves (perplexity by length, and its ratio to that at the training length), matrix\n"
        "(training by evaluation length), compare (paired differences with bootstrap intervals: of each\n"
        "pair of ROWs, or of ROWs, by default all, from `--baseline`), short-long (trained short\n"
        "against trained long), cost (speed and memory), early (the early-token curse), positions (loss\n"
        "by position), claims (the verdict on each claim of the paper), claim-points (the numbers it was\n"
        "judged by). A ROW is a method, or a row's name as tables print it.",
    .example = "poslab analyse results/quickstart.db compare alibi rotary --where eval_length=1024",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(analyse_options, AnalyseArguments),
    .run = analyse,
};

/* --- reference --- */

static ExitCode reference(const Arguments *arguments, Error *err) {
    int64_t rows = 0;
    Database *store = database_open(arguments->words[0], DATABASE_WRITE, err);
    bool fine = store && reference_import(store, arguments->words + 1, &rows, err);
    database_close(store);
    if (fine) printf("%lld reference numbers\n", (long long)rows);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_reference = {
    .name = "reference",
    .words = "DB [FILE]...",
    .fewest = 1,
    .most = 1000,
    .summary = "Import numbers from papers into a database",
    .text = "FILE is CSV (default results/paper/*.csv). The columns are table, source, dataset, split,\n"
            "method, train_length, eval_length, stride and phase, and the quantities perplexity, loss,\n"
            "bits_per_byte, words_per_second, tokens_per_second and memory_gb. An unknown column and two\n"
            "values for the same quantity are errors. `poslab analyse DB curves --paper` shows the numbers.",
    .example = "poslab reference results/reproduce.db",
    .exits = {{EXIT_DAMAGED, NULL}},
    .run = reference,
};

/* --- check --- */

typedef struct CheckArguments {
    int format;
    bool json;
} CheckArguments;

static const OptionField check_options[] = {ARGUMENT_FORMAT(CheckArguments)};

static ExitCode check(const Arguments *arguments, Error *err) {
    const CheckArguments *options = arguments->options;
    TableFormat format = ARGUMENT_FORMAT_GIVEN(options);
    int64_t problems = 0;
    Database *store = database_open(arguments->words[0], DATABASE_CHECK, err);
    bool fine = store && integrity_print(store, format, stdout, &problems, err);
    database_close(store);
    if (fine && problems)
        fine = error_set(err, EXIT_DAMAGED, "'%s': %lld problem%s", arguments->words[0], (long long)problems,
                         problems == 1 ? "" : "s");
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_check = {
    .name = "check",
    .words = "DB",
    .fewest = 1,
    .most = 1,
    .summary = "Verify a database and the weights and saved states of its runs",
    .text = "Prints a line, or a row, for each problem.",
    .example = "poslab check results/quickstart.db",
    .exits = {{EXIT_USAGE, "mistake in the command line, or only files of methods are missing"},
              {EXIT_DAMAGED, "the database or a checkpoint is damaged"}},
    ARGUMENT_OPTIONS(check_options, CheckArguments),
    .run = check,
};

/* --- merge --- */

static ExitCode merge(const Arguments *arguments, Error *err) {
    int64_t conflicts = 0;
    const char *path = arguments->words[0];
    bool is_new = access(path, F_OK) != 0;
    Database *store = database_open(path, DATABASE_CREATE, err);
    bool fine = store && merge_databases(store, arguments->words + 1, stdout, &conflicts, err);
    database_close(store);
    if (!fine && is_new) unlink(path);
    return !fine ? err->code : conflicts ? EXIT_SOME_FAILED : EXIT_DONE;
}

const Command cmd_database_merge = {
    .name = "merge",
    .words = "DB OTHER...",
    .fewest = 2,
    .most = 1000,
    .summary = "Import other databases",
    .text = "Nothing in DB is overwritten. Runs whose numbers differ are reported and left out. Weights are\n"
            "not copied.",
    .example = "poslab merge results/all.db results/one.db results/two.db",
    .exits = {{EXIT_SOME_FAILED, "some runs were left out because their numbers differ"},
              {EXIT_DAMAGED, NULL}},
    .run = merge,
};
