/* cmd_database: commands that call one module on a database: `plot`, `report`, `analyse`, `reference`,
 * `check`, `import`, `prune` and `merge`.
 */
#include "cli/arguments.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/text.h"
#include "math/stats.h"
#include "store/integrity.h"
#include "store/merge.h"
#include "store/prune.h"
#include "store/reference_import.h"
#include "run/import.h"
#include "analysis/analysis.h"
#include "report/gnuplot.h"
#include "report/plot.h"
#include "report/report.h"

/* --- plot --- */

typedef struct PlotArguments {
    PlotOptions plot;   /* without kind and format */
    int figure, format; /* format -1: that of the output's suffix */
} PlotArguments;

/* clang-format off */
#define LOOK(TYPE, MEMBER) TYPE, offsetof(PlotArguments, plot.look.MEMBER)
/* clang-format on */

static const OptionField plot_options[] = {
    ARGUMENT_EXPERIMENT(PlotArguments, plot.experiment),
    ARGUMENT_BEST(PlotArguments, plot.best),
    {"figure", OPTION_CHOICE, offsetof(PlotArguments, figure), .choices = plot_figure_names,
     .argument = "NAME", .group = "Selection", .help = "what to draw"},
    {"methods", OPTION_TEXT, offsetof(PlotArguments, plot.methods), .list = OPTION_COMMAS,
     .argument = "METHOD", .group = "Selection",
     .help = "only these methods, by their names or their labels in the tables"},
    {"where", OPTION_TEXT, offsetof(PlotArguments, plot.where), .list = OPTION_ITEMS,
     .argument = "FIELD=VALUE", .group = "Selection",
     .help = "only results with this value, as in `table`; repeatable"},
    {"format", OPTION_CHOICE, offsetof(PlotArguments, format), .default_value = -1,
     .choices = gnuplot_formats, .letter = 'f', .argument = "FORMAT", .group = "Output",
     .help = "output format (default: that of the output's suffix)"},
    ARGUMENT_OUTPUT(PlotArguments, plot.figure,
                    "figure to write (default plots/DB.FORMAT or plots/DB-NAME.FORMAT)"),
    {"template", OPTION_TEXT, offsetof(PlotArguments, plot.template), .argument = "FILE", .group = "Output",
     .help = "gnuplot template (default plots/NAME.gp)"},
    {"script", LOOK(OPTION_BOOL, script), .group = "Output",
     .help = "also write a Python script that draws the data with matplotlib"},
    {"width", LOOK(OPTION_REAL, width), .default_value = 8, .low = 2, .high = 40, .argument = "INCHES",
     .group = "Look", .help = "width of the figure"},
    {"height", LOOK(OPTION_REAL, height), .low = 1, .high = 200, .or_zero = true, .argument = "INCHES",
     .group = "Look", .help = "height of the figure; 0: chosen by the number of panels"},
    {"font", LOOK(OPTION_TEXT, font), .argument = "FONT", .group = "Look",
     .help = "name, size in points, or both: 'Times,9' (default 10 points; 8 if narrower than 5 inches)"},
    {"title", LOOK(OPTION_TEXT, title), .argument = "TEXT", .group = "Look",
     .help = "title (default: the experiment and what is shown; '': none)"},
    {"ylim", LOOK(OPTION_TEXT, limits), .argument = "LOW:HIGH", .group = "Look",
     .help = "limits of the y axis; either may be missing (default: from the data)"},
    {"log", LOOK(OPTION_CHOICE, logs), .choices = figure_log_names, .argument = "AXES", .group = "Look",
     .help = "which axes are logarithmic"},
    {"legend", LOOK(OPTION_CHOICE, legend), .choices = figure_legend_names, .argument = "PLACE",
     .group = "Look", .help = "where the legend is"},
};

/* "results/quickstart.db" -> "plots/quickstart.svg", or with --figure NAME "plots/quickstart-NAME.svg" */
static const char *default_figure(const char *database, const PlotOptions *plot, Arena *arena) {
    const char *base = basename(database);
    return arena_format(arena, "plots/%.*s%s%s.%s", (int)text_stem(base), base, plot->kind ? "-" : "",
                        plot->kind ? plot_figure_names[plot->kind] : "", plot->format ? plot->format : "svg");
}

static bool plot(Database *store, const Arguments *arguments, Error *err) {
    const PlotArguments *options = arguments->options;
    PlotOptions plot = options->plot;
    plot.kind = options->figure;
    if (options->format >= 0) plot.format = gnuplot_formats[options->format];
    if (!plot.figure) {
        plot.figure = default_figure(arguments->words[0], &plot, arguments->arena);
        mkdir("plots", 0777); /* if this fails, writing the figure fails with an error */
    }
    if (!plot_figure(store, &plot, err)) return false;
    printf("%s\n", plot.figure);
    return true;
}

const Command cmd_database_plot = {
    .name = "plot",
    .words = "DB",
    .summary = "Draw a figure with gnuplot",
    .text = "Figures: curves (perplexity by evaluation length), position (loss by position in the window),\n"
            "cost (speed and memory against perplexity), bias (by distance, for each head), early\n"
            "(nonoverlapping and strided perplexity), paper (these results and the paper's), loss (during\n"
            "training), accuracy (exact match by size; the default for experiments on tasks). The data are\n"
            "written next to the figure. A method has the same colour, marker and dashes in every figure.",
    .example = "poslab plot results/quickstart.db --width 3.3 --title '' -o column.pdf",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(plot_options, PlotArguments),
    .mode = DATABASE_READ,
    .use = plot,
};

/* --- report --- */

static const OptionField report_options[] = {
    ARGUMENT_EXPERIMENT(ReportOptions, experiment),
    ARGUMENT_BEST(ReportOptions, best),
    ARGUMENT_BASELINE(ReportOptions, baseline, "add paired differences from this method"),
    ARGUMENT_CLAIMS(ReportOptions, claims),
    ARGUMENT_OUTPUT(ReportOptions, path, "file to write (default DB with the suffix .html)"),
};

static bool report(Database *store, const Arguments *arguments, Error *err) {
    ReportOptions options = *(const ReportOptions *)arguments->options;
    const char *database = arguments->words[0];
    if (!options.path)
        options.path = arena_format(arguments->arena, "%.*s.html", (int)text_stem(database), database);
    if (!report_write(store, &options, err)) return false;
    printf("%s\n", options.path);
    return true;
}

const Command cmd_database_report = {
    .name = "report",
    .words = "DB",
    .summary = "Write one self-contained HTML file: answer, figures, tables, claims, provenance",
    .example = "poslab report results/quickstart.db",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(report_options, ReportOptions),
    .mode = DATABASE_READ,
    .use = report,
};

/* --- analyse --- */

typedef struct AnalyseArguments {
    AnalysisOptions analysis; /* without format and words */
    int format;
    bool json;
} AnalyseArguments;

static const OptionField analyse_options[] = {
    ARGUMENT_EXPERIMENT(AnalyseArguments, analysis.experiment),
    ARGUMENT_BEST(AnalyseArguments, analysis.best),
    ARGUMENT_BASELINE(AnalyseArguments, analysis.baseline,
                      "method that the others are compared with: its name, or its label in tables"),
    ARGUMENT_WHERE(AnalyseArguments, analysis.where),
    ARGUMENT_PAPER(AnalyseArguments, analysis.paper),
    ARGUMENT_CLAIMS(AnalyseArguments, analysis.claims),
    {"resamples", OPTION_INT, offsetof(AnalyseArguments, analysis.resamples),
     .default_value = STATS_RESAMPLES, .low = 100, .high = 10000000, .argument = "N", .group = "Statistics",
     .help = "number of resamples of the bootstrap"},
    {"block", OPTION_INT, offsetof(AnalyseArguments, analysis.block), .default_value = STATS_BLOCK, .low = 1,
     .high = 1e12, .argument = "N", .group = "Statistics",
     .help = "minimum number of targets that are resampled together"},
    ARGUMENT_FORMAT(AnalyseArguments),
};

static bool analyse(Database *store, const Arguments *arguments, Error *err) {
    const AnalyseArguments *options = arguments->options;
    AnalysisOptions analysis = options->analysis;
    analysis.what = arguments->words[1];
    analysis.rows = arguments->words + 2;
    analysis.format = ARGUMENT_FORMAT_GIVEN(options);
    return analysis_print(store, &analysis, stdout, arguments->arena, err);
}

const Command cmd_database_analyse = {
    .name = "analyse",
    .words = "DB WHAT [ROW]...",
    .choices = analysis_names,
    .summary = "Print an analysis: where curves break, paired differences, cost, claims",
    .text =
        "WHAT: curves (perplexity by length, and its ratio to that at the training length), matrix\n"
        "(training by evaluation length), compare (paired differences with bootstrap intervals: between\n"
        "all pairs of ROWs, or of ROWs, by default all, from `--baseline`), short-long (trained short\n"
        "against trained long), cost (speed and memory), early (the early-token curse), positions (loss\n"
        "by position), claims (the verdict on each claim of the paper), claim-points (the numbers behind\n"
        "the verdicts). For experiments on tasks: accuracy (exact match by size: median, lowest and\n"
        "highest seed, and the largest size with 90 %), compare (paired differences of exact match), claims\n"
        "and claim-points (of the file that `--claims` names). A ROW is a method, or the name of a row in\n"
        "tables.",
    .example = "poslab analyse results/quickstart.db compare alibi rotary --where eval_length=1024",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(analyse_options, AnalyseArguments),
    .mode = DATABASE_READ,
    .use = analyse,
    .paged = true,
};

/* --- reference --- */

static bool reference(Database *store, const Arguments *arguments, Error *err) {
    int64_t rows = 0;
    if (!reference_import(store, arguments->words + 1, &rows, err)) return false;
    printf("%lld reference numbers\n", (long long)rows);
    return true;
}

const Command cmd_database_reference = {
    .name = "reference",
    .words = "DB [FILE]...",
    .summary = "Import numbers from papers into a database",
    .text = "FILE is CSV (default results/paper/*.csv). Its columns are table, source, dataset, split,\n"
            "method, train_length, eval_length, stride and phase, and the quantities perplexity, loss,\n"
            "bits_per_byte, words_per_second, tokens_per_second and memory_gb. An unknown column is an\n"
            "error, and so are two different values of one quantity. `poslab analyse DB curves --paper`\n"
            "shows the numbers.",
    .example = "poslab reference results/reproduce.db",
    .exits = {{EXIT_DAMAGED, NULL}},
    .mode = DATABASE_WRITE,
    .use = reference,
};

/* --- check --- */

static bool check(Database *store, const Arguments *arguments, Error *err) {
    const ArgumentsFormat *options = arguments->options;
    int64_t problems = 0;
    if (!integrity_print(store, ARGUMENT_FORMAT_GIVEN(options), stdout, &problems, err)) return false;
    return !problems ||
           error_set(
               err, EXIT_DAMAGED,
               "'%s' has %lld problem%s; restore a copy, or remove the damaged files and rerun `poslab run`",
               arguments->words[0], (long long)problems, problems == 1 ? "" : "s");
}

const Command cmd_database_check = {
    .name = "check",
    .words = "DB",
    .summary = "Verify a database and the weights and saved states of its runs",
    .text = "Prints one line or row for each problem.",
    .example = "poslab check results/quickstart.db",
    .exits = {{EXIT_USAGE, "error in the command line, or only files of methods are missing"},
              {EXIT_DAMAGED, "the database or a checkpoint is damaged"}},
    ARGUMENT_FORMAT_ONLY,
    .mode = DATABASE_CHECK,
    .use = check,
    .paged = true,
};

/* --- prune --- */

typedef struct PruneOptions {
    int format;
    bool json, dry_run, weights;
} PruneOptions;

static const OptionField prune_options[] = {
    {"weights", OPTION_BOOL, offsetof(PruneOptions, weights), .group = "Selection",
     .help = "delete only the weights of finished runs; `eval` and new evaluations then require retraining"},
    ARGUMENT_DRY_RUN(PruneOptions, dry_run),
    ARGUMENT_FORMAT(PruneOptions),
};

static const TableColumn prune_columns[] = {
    {"what", "what", TABLE_TEXT}, {"run_key", "run", TABLE_TEXT, .code = true},
    {"name", "name", TABLE_TEXT}, {"path", "path", TABLE_TEXT},
    {"bytes", "size", TABLE_INT}, {"kept", "kept because", TABLE_TEXT, .if_varying = true},
};

static Table *prune_table(const PruneList *list, const char *database, bool dry_run, TableFormat format,
                          Arena *arena) {
    Table *table = table_new(NULL, prune_columns, COUNT_OF(prune_columns), arena);
    int count = 0;
    double sum = 0;
    for (int i = 0; i < list->count; i++) {
        const PruneItem *item = &list->items[i];
        double bytes = (double)item->bytes;
        TableCell *row =
            TABLE_TEXTS(table_row(table), prune_kind_names[item->kind], item->key, item->name, item->path);
        *row++ = table_shown(bytes, bytes > 0 ? text_bytes(bytes, arena) : "");
        *row = table_text(item->kept);
        if (*item->kept) continue;
        count++;
        sum += bytes;
    }
    table->title = arena_format(arena, "%s: %d of %d %s, %s", database, count, list->count,
                                dry_run ? "would be deleted" : "deleted", text_bytes(sum, arena));
    if (list->count || format != TABLE_AS_TEXT) return table;
    table->title = arena_format(arena, "%s: nothing to delete", database);
    table->column_count = 0; /* the title suffices */
    return table;
}

static ExitCode prune(const Arguments *arguments, Error *err) {
    const PruneOptions *options = arguments->options;
    const char *path = arguments->words[0];
    Arena *arena = arguments->arena;
    PruneList list;
    Database *store = options->dry_run ? database_open(path, DATABASE_READ, err)
                                       : database_open_locked(path, DATABASE_WRITE, err);
    bool fine = store && prune_find(&list, store, options->weights, arena, err) &&
                (options->dry_run || prune_delete(&list, store, arena, err));
    database_close(store);
    TableFormat format = ARGUMENT_FORMAT_GIVEN(options);
    fine = fine &&
           table_print_one(prune_table(&list, path, options->dry_run, format, arena), format, stdout, err);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_database_prune = {
    .name = "prune",
    .words = "DB",
    .summary = "Delete runs and run folders that belong to no experiment of the database",
    .text = "Prints what was deleted, and what was kept and why: folders with files of other programs, and\n"
            "folders of runs of another database in the same folder.",
    .example = "poslab prune results/quickstart.db -n",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(prune_options, PruneOptions),
    .run = prune,
};

/* --- import --- */

typedef struct ImportArguments {
    const char *const *sets;
    ImportOptions what;
} ImportArguments;

static const OptionField import_options[] = {
    ARGUMENT_SET(ImportArguments),
    {"method", OPTION_TEXT, offsetof(ImportArguments, what.choice.method), .argument = "METHOD",
     .group = "Selection", .help = "the run with this method"},
    {"seed", OPTION_INT, offsetof(ImportArguments, what.choice.seed), .default_value = -1, .low = 0,
     .high = 9007199254740992, .argument = "N", .group = "Selection", .help = "the run with this seed"},
    {"length", OPTION_INT, offsetof(ImportArguments, what.choice.length), .default_value = -1, .low = 1,
     .high = 1e9, .argument = "N", .group = "Selection", .help = "the run with this training length"},
    ARGUMENT_DB(ImportArguments, what.database, ARGUMENT_DB_HELP),
};

static ExitCode import(const Arguments *arguments, Error *err) {
    const ImportArguments *options = arguments->options;
    Arena *arena = arguments->arena;
    const char *key;
    const Experiment *experiment = config_read(arguments->words[0], options->sets, arena, err);
    const Plan *plan = experiment ? plan_make(experiment, 1, arena, err) : NULL;
    if (!plan || !import_weights(plan, arguments->words[1], &options->what, &key, arena, err))
        return err->code;
    const char *database = config_database(experiment, options->what.database, arena);
    printf("%s: run %s has the weights of %s\n\nNext:\n  poslab eval %s --run %s\n", database, key,
           arguments->words[1], escape_text(ESCAPE_SHELL, database, arena), key);
    return EXIT_DONE;
}

const Command cmd_database_import = {
    .name = "import",
    .words = "CONFIG FILE",
    .summary = "Store weights trained by fairseq as a finished run",
    .text =
        "FILE is a safetensors file with the tensors of a language model of fairseq, in float32;\n"
        "tests/torch/fairseq_convert.py makes it from a checkpoint. CONFIG describes the model and the\n"
        "corpus; if it has several runs, options select one. `eval`, `table` and `export` then treat the\n"
        "run like any other; `run` evaluates it, but never trains it.",
    .example = "poslab import configs/paper/wikitext103-import.json --length 512 L512.safetensors",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(import_options, ImportArguments),
    .run = import,
};

/* --- merge --- */

typedef struct MergeOptions {
    bool weights;
} MergeOptions;

static const OptionField merge_options[] = {
    {"weights", OPTION_BOOL, offsetof(MergeOptions, weights), .group = "Selection",
     .help = "also copy the weights of the runs into the run folders of DB, and verify them"},
};

static ExitCode merge(const Arguments *arguments, Error *err) {
    const MergeOptions *options = arguments->options;
    int64_t conflicts = 0;
    const char *path = arguments->words[0];
    bool is_new = access(path, F_OK) != 0;
    Database *store = (options->weights ? database_open_locked : database_open)(path, DATABASE_CREATE, err);
    bool fine =
        store && merge_databases(store, arguments->words + 1, options->weights, stdout, &conflicts, err);
    database_close(store);
    if (!fine && is_new) unlink(path);
    return !fine ? err->code : conflicts ? EXIT_SOME_FAILED : EXIT_DONE;
}

const Command cmd_database_merge = {
    .name = "merge",
    .words = "DB OTHER...",
    .summary = "Import other databases",
    .text = "Nothing in DB is overwritten. Runs with different numbers are reported and left out.",
    .example = "poslab merge results/all.db results/one.db results/two.db",
    .exits = {{EXIT_SOME_FAILED, "some runs were left out, because their numbers differ"},
              {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(merge_options, MergeOptions),
    .run = merge,
};
