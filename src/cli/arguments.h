/* arguments: a command of the program, and the passage of a command line into its options.
 *
 * A command is data: words, options, help, exit codes. Its options are rows (base/options.h) that describe
 * the members of a struct; arguments_parse fills that struct. Help and the man page (cli/help.h) and shell
 * completion (cli/completion.c) are written from the same rows. Options of several commands are the macros
 * below, so that each exists once.
 */
#ifndef POSLAB_CLI_ARGUMENTS_H
#define POSLAB_CLI_ARGUMENTS_H

#include "base/options.h"
#include "base/table.h"

typedef struct Arguments Arguments;

typedef struct CommandExit { /* an exit code besides those of all commands: 0, 2 and 5 */
    ExitCode code;
    const char *meaning;
} CommandExit;

typedef struct Command {
    const char *name;
    const char *words;          /* "DB [FILE]...": [] can be left out, dots: the last can be repeated;
                                   completion knows CONFIG, DB, FILE, METHOD and so on */
    const char *const *choices; /* of the last word that is not repeated, for completion; NULL: anything */
    const char *summary;        /* a sentence without its full stop */
    const char *text;           /* further sentences; a word in `backticks` is code; NULL: none */
    const char *example;        /* a command line */
    CommandExit exits[4];       /* ends with code 0 */
    const OptionField *options; /* those of a group follow each other */
    int option_count;
    size_t options_size; /* of the struct that they describe */
    bool hidden;         /* left out of help */
    bool ranks; /* mpirun may start it as several ranks; main then begins MPI, and errors are printed once */
    ExitCode (*run)(const Arguments *arguments, Error *err);
} Command;

/* The commands, each described where it is implemented. */
extern const Command cmd_database_plot, cmd_database_report, cmd_database_analyse, cmd_database_reference,
    cmd_database_check, cmd_database_merge, cmd_database_prune, cmd_export, cmd_export_tasks,
    cmd_methods_methods, cmd_methods_bench, cmd_run_run, cmd_run_plan, cmd_run_eval, cmd_run_worker,
    cmd_run_init, cmd_slurm_submit, cmd_slurm_collect, cmd_status, cmd_status_runs, cmd_table,
    completion_command, help_command, help_manual;

struct Arguments {
    const Command *command;
    const Command *const *commands; /* all, NULL-terminated */
    const char *const *words;       /* what is no option, NULL-terminated */
    int word_count;
    const void *options; /* the command's struct; texts and lists that are not given are NULL, or empty */
    bool help;           /* --help was given */
    const char *typed;   /* the command line, quoted for a shell */
    Arena *arena;
};

/* The command of a name among all; NULL: an error (usage) that names the nearest one. */
const Command *arguments_find_command(const char *name, const Command *const *commands, Error *err);

/* argv[0] is the command's name. Sets words, options and help; command and arena are there. The error (usage)
   names the nearest option. */
bool arguments_parse(Arguments *arguments, int argc, char **argv, Error *err);

/* A command line as one could type it again. */
const char *arguments_quote(char **argv, Arena *arena);

/* What every command has; no member of its struct. */
extern const OptionField arguments_help_option;

/* --- options of several commands: S is the struct, the member is MEMBER, or named as here --- */

/* clang-format off */
#define ARGUMENT_EXPERIMENT(S, MEMBER) \
    {"experiment", OPTION_TEXT, offsetof(S, MEMBER), .argument = "NAME", .group = "Selection", \
     .help = "only this experiment of the database (default: all)"}

#define ARGUMENT_SET(S) \
    {"set", OPTION_TEXT, offsetof(S, sets), .list = OPTION_ITEMS, .argument = "PATH=VALUE", .group = "Selection", \
     .help = "override a field of the config, as in 'train.length=64'; repeatable"}

#define ARGUMENT_BEST(S, MEMBER) \
    {"best", OPTION_TEXT, offsetof(S, MEMBER), .argument = "KEY", .group = "Selection", \
     .help = "each method at its best value of this key of the config, as 'train.optimizer.lr', chosen on the " \
             "validation split; several are separated by commas"}

#define ARGUMENT_WHERE(S, MEMBER) \
    {"where", OPTION_TEXT, offsetof(S, MEMBER), .list = OPTION_ITEMS, .argument = "FIELD=VALUE", \
     .group = "Selection", \
     .help = "only evaluations with this value; repeatable, several values of a field are alternatives"}

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

/* The formats of tables, of all commands that print one: members `int format` and `bool json`. */
#define ARGUMENT_FORMAT(S) \
    {"format", OPTION_CHOICE, offsetof(S, format), .choices = table_format_names, .letter = 'f', \
     .argument = "FORMAT", .group = "Output", .help = "output format"}, \
    {"json", OPTION_BOOL, offsetof(S, json), .group = "Output", .help = "print JSON, as --format json"}
#define ARGUMENT_PAGER(S) \
    {"no-pager", OPTION_BOOL, offsetof(S, no_pager), .group = "Output", \
     .help = "print output that is longer than the screen without a pager"}
#define ARGUMENT_FORMAT_GIVEN(options) ((options)->json ? TABLE_AS_JSON : (TableFormat)(options)->format)
/* clang-format on */

/* .options and what belongs to it, for an array of rows. */
#define ARGUMENT_OPTIONS(ROWS, S) .options = (ROWS), .option_count = COUNT_OF(ROWS), .options_size = sizeof(S)

#endif
