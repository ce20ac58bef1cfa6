/* arguments: a command as data, and the parsing of a command line into its options.
 *
 * Each option of a command is a row (base/options.h) that describes one member of the command's struct, which
 * arguments_parse fills. Help, the man page (cli/help.h) and shell completion (cli/completion.c) are
 * generated from the same rows. An option that several commands have is a macro below, so that its help
 * exists once.
 */
#ifndef POSLAB_CLI_ARGUMENTS_H
#define POSLAB_CLI_ARGUMENTS_H

#include "base/options.h"
#include "base/table.h"
#include "store/database.h"

typedef struct Arguments Arguments;

typedef struct CommandExit { /* an exit code; all commands also have 0, 2 and 5 */
    ExitCode code;
    const char *meaning; /* NULL: the general meaning */
} CommandExit;

typedef struct Command {
    const char *name;
    const char *words;          /* "DB [FILE]...": brackets mark an optional word, dots one that can be
                                   repeated (the last); completion.c says what each name stands for */
    const char *const *choices; /* values of the last word that is not repeated, for completion; NULL: any */
    const char *summary;        /* a sentence without its full stop */
    const char *text;           /* further sentences; a word in `backticks` is code; NULL: none */
    const char *example;        /* a command line */
    CommandExit exits[4];       /* ends with code 0 */
    const OptionField *options; /* options of the same group are adjacent */
    int option_count;
    size_t options_size; /* size of the command's struct */
    bool hidden;         /* not listed by help */
    bool paged;          /* main shows its output in a pager (sys/pager.h); it has the option --no-pager */
    bool ranks; /* mpirun may start it as several ranks; main then begins MPI, and rank 0 prints errors */
    ExitCode (*run)(const Arguments *arguments, Error *err);
    /* Instead of `run`: a command on the database of its first word, which main opens and closes. */
    DatabaseMode mode;
    bool (*use)(Database *store, const Arguments *arguments, Error *err);
} Command;

/* The commands, in the order of help. Each is defined in the file of its prefix. */
/* clang-format off */
#define ARGUMENTS_COMMANDS(X) \
    X(cmd_run_init) X(cmd_run_run) X(cmd_run_plan) X(cmd_run_tokenize) X(cmd_status) X(cmd_status_runs) X(cmd_table) \
    X(cmd_database_plot) X(cmd_database_report) X(cmd_database_analyse) X(cmd_run_eval) \
    X(cmd_database_reference) X(cmd_database_check) X(cmd_database_import) X(cmd_database_merge) X(cmd_database_prune) \
    X(cmd_methods_methods) X(cmd_export_tasks) X(cmd_export) X(cmd_methods_bench) X(cmd_slurm_submit) \
    X(cmd_slurm_collect) X(cmd_run_worker) X(completion_command) X(completion_candidates) X(help_command) \
    X(help_manual)
#define ARGUMENTS_DECLARE(COMMAND) extern const Command COMMAND;
ARGUMENTS_COMMANDS(ARGUMENTS_DECLARE)
/* clang-format on */

/* completion.bash, .zsh and .fish and loader.py.in, made by the build. */
extern const char completion_bash[], completion_zsh[], completion_fish[], cmd_export_loader[];

struct Arguments {
    const Command *command;
    const Command *const *commands; /* all commands, NULL-terminated */
    const char *const *words;       /* the arguments that are not options, NULL-terminated */
    int word_count;
    const void *options; /* the command's struct; a text or list that is not given is NULL or empty */
    bool help, no_pager; /* the general options */
    const char *typed;   /* the command line, quoted for a shell */
    Arena *arena;
};

/* The command of this name. An unknown name is an error (usage) with the nearest name; returns NULL. */
const Command *arguments_find_command(const char *name, const Command *const *commands, Error *err);

/* Sets words, options and help; command and arena are set by the caller. argv[0] is the name of the command.
   An unknown option is an error (usage) with the nearest name. */
bool arguments_parse(Arguments *arguments, int argc, char **argv, Error *err);

/* The options of a command: its own, and then the general ones, --help and that of paged commands. */
int arguments_option_count(const Command *command);
const OptionField *arguments_option(const Command *command, int index);

/* A command line, quoted so that it can be pasted into a shell. */
const char *arguments_quote(char **argv, Arena *arena);

typedef struct ArgumentsFormat {
    int format;
    bool json;
} ArgumentsFormat;
extern const OptionField arguments_format_options[2];

/* --- options of several commands: S is the struct, its member is MEMBER or has the name given here --- */

/* clang-format off */
#define ARGUMENT_EXPERIMENT(S, MEMBER) \
    {"experiment", OPTION_TEXT, offsetof(S, MEMBER), .argument = "NAME", .group = "Selection", \
     .help = "only this experiment of the database (default: all)"}

#define ARGUMENT_SET(S) \
    {"set", OPTION_TEXT, offsetof(S, sets), .list = OPTION_ITEMS, .argument = "PATH=VALUE", .group = "Selection", \
     .help = "override a key of the config, as in 'train.length=64'; repeatable"}

#define ARGUMENT_BEST(S, MEMBER) \
    {"best", OPTION_TEXT, offsetof(S, MEMBER), .argument = "KEY", .group = "Selection", \
     .help = "each method at its best value of this key of the config, as 'train.optimizer.lr', chosen on the " \
             "validation split; several keys are separated by commas"}

#define ARGUMENT_WHERE(S, MEMBER) \
    {"where", OPTION_TEXT, offsetof(S, MEMBER), .list = OPTION_ITEMS, .argument = "FIELD=VALUE", \
     .group = "Selection", \
     .help = "only evaluations with this value; repeatable; several values of one field are alternatives"}

#define ARGUMENT_BASELINE(S, MEMBER, HELP) \
    {"baseline", OPTION_TEXT, offsetof(S, MEMBER), .argument = "METHOD", .group = "Selection", .help = (HELP)}

#define ARGUMENT_PAPER(S, MEMBER) \
    {"paper", OPTION_BOOL, offsetof(S, MEMBER), .group = "Selection", \
     .help = "include the numbers of the reference table"}

#define ARGUMENT_CLAIMS(S, MEMBER) \
    {"claims", OPTION_TEXT, offsetof(S, MEMBER), .argument = "FILE", .group = "Selection", \
     .help = "claims to judge (default results/paper/claims.json)"}

#define ARGUMENT_JOBS(S, MEMBER) \
    {"jobs", OPTION_INT, offsetof(S, MEMBER), .default_value = 1, .low = 1, .high = JOBS_MOST, .letter = 'j', \
     .argument = "N", .group = "Workers", \
     .help = "number of workers at a time; refused if they do not fit into memory"}

#define ARGUMENT_THREADS(S, MEMBER) \
    {"threads", OPTION_INT, offsetof(S, MEMBER), .default_value = 1, .low = 1, .high = THREADS_MAX, \
     .argument = "N", .group = "Workers", \
     .help = "threads of each worker; other counts may change the last bits of results"}

#define ARGUMENT_DB(S, MEMBER, HELP) \
    {"db", OPTION_TEXT, offsetof(S, MEMBER), .argument = "FILE", .group = "Output", .help = (HELP)}
#define ARGUMENT_DB_HELP "database (default results/NAME.db); run folders are next to it"

#define ARGUMENT_DRY_RUN(S, MEMBER) \
    {"dry-run", OPTION_BOOL, offsetof(S, MEMBER), .letter = 'n', .group = "Output", \
     .help = "only print what would be done"}

#define ARGUMENT_QUIET(S, MEMBER) \
    {"quiet", OPTION_BOOL, offsetof(S, MEMBER), .letter = 'q', .group = "Output", \
     .help = "no progress, only failures"}

#define ARGUMENT_OUTPUT(S, MEMBER, HELP) \
    {"output", OPTION_TEXT, offsetof(S, MEMBER), .letter = 'o', .argument = "FILE", .group = "Output", .help = (HELP)}

/* The format of a table. Every command that prints a table has the members `int format` and `bool json`. */
#define ARGUMENT_FORMAT(S) \
    {"format", OPTION_CHOICE, offsetof(S, format), .choices = table_format_names, .letter = 'f', \
     .argument = "FORMAT", .group = "Output", .help = "output format"}, \
    {"json", OPTION_BOOL, offsetof(S, json), .group = "Output", .help = "print JSON, as --format json"}
#define ARGUMENT_FORMAT_GIVEN(options) ((options)->json ? TABLE_AS_JSON : (TableFormat)(options)->format)

/* The options of commands that have no others. */
#define ARGUMENT_FORMAT_ONLY \
    .options = arguments_format_options, .option_count = 2, .options_size = sizeof(ArgumentsFormat)
/* clang-format on */

/* Members of a Command: its array of rows, and its struct S. */
#define ARGUMENT_OPTIONS(ROWS, S) .options = (ROWS), .option_count = COUNT_OF(ROWS), .options_size = sizeof(S)

#endif
