/* arguments: getopt_long does the parsing. Its tables are made from the command's rows: a long option has the
 * code LONG + index, a short option its letter, any other word the code WORD.
 */
#include "cli/arguments.h"

#include <getopt.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"

enum { WORD = 1, LONG = 256 };

const OptionField arguments_format_options[] = {ARGUMENT_FORMAT(ArgumentsFormat)};

const char *arguments_quote(char **argv, Arena *arena) {
    const char *text = "";
    for (; *argv; argv++)
        text = arena_format(arena, "%s%s%s", text, *text ? " " : "", escape_text(ESCAPE_SHELL, *argv, arena));
    return text;
}

const Command *arguments_find_command(const char *name, const Command *const *commands, Error *err) {
    const char *nearest = NULL;
    for (; *commands; commands++) {
        if (strcmp(name, (*commands)->name) == 0) return *commands;
        if (!(*commands)->hidden) nearest = text_nearer(name, nearest, (*commands)->name);
    }
    error_unknown(err, nearest, "`poslab --help` lists them", "there is no command '%s'", name);
    return NULL;
}

static const OptionField general_options[] = {
    {"help", OPTION_BOOL, offsetof(Arguments, help), .letter = 'h', .group = "General",
     .help = "print this help"},
    {"no-pager", OPTION_BOOL, offsetof(Arguments, no_pager), .group = "General",
     .help = "print output that is longer than the screen without a pager"},
};

int arguments_option_count(const Command *command) {
    return command->option_count + (command->paged ? 2 : 1);
}

const OptionField *arguments_option(const Command *command, int index) {
    int count = command->option_count;
    return index < count ? &command->options[index] : &general_options[index - count];
}

/* Makes the tables for getopt_long. */
static void list_options(const Command *command, struct option *longs, char *shorts) {
    *shorts++ = '-'; /* words are returned as WORD in their order, even if POSIXLY_CORRECT is set */
    *shorts++ = ':'; /* a missing value is returned as ':' */
    for (int i = 0; i < arguments_option_count(command); i++) {
        const OptionField *option = arguments_option(command, i);
        int takes = !option->argument ? no_argument : option->implied ? optional_argument : required_argument;
        *longs++ = (struct option){option->key, takes, NULL, LONG + i};
        if (!option->letter) continue;
        *shorts++ = option->letter;
        if (takes != no_argument) *shorts++ = ':';
        if (takes == optional_argument) *shorts++ = ':';
    }
}

static int index_of_letter(const Command *command, int letter) {
    int i = 0;
    while (arguments_option(command, i)->letter != letter) i++;
    return i;
}

/* The error for '?' from getopt_long; `word` is the last word that it read. */
static bool bad_option(const Command *command, const char *word, Arena *arena, Error *err) {
    if (optopt >= LONG)
        return error_set(err, EXIT_USAGE, "option '--%s' takes no value",
                         arguments_option(command, optopt - LONG)->key);
    if (optopt > 0) word = arena_format(arena, "-%c", optopt);
    const char *name = word + strspn(word, "-");
    name = arena_format(arena, "%.*s", (int)strcspn(name, "="), name);
    const char **names = NEW(arena, arguments_option_count(command) + 1, const char *);
    for (int i = 0; i < arguments_option_count(command); i++) names[i] = arguments_option(command, i)->key;
    const char *nearest = strncmp(word, "--", 2) == 0 ? text_nearest(name, names) : NULL;
    const char *others = arena_format(arena, "`poslab %s --help` lists them", command->name);
    return error_unknown(err, nearest ? arena_format(arena, "--%s", nearest) : NULL, others,
                         "'%s' has no option '%s%s'", command->name, nearest ? "--" : "",
                         nearest ? name : word);
}

/* The command's struct with its defaults; texts and lists are zero. */
static void *default_options(const Command *command, Arena *arena) {
    void *options = arena_alloc(arena, 1, command->options_size);
    for (int i = 0; i < command->option_count; i++) {
        const OptionField *option = &command->options[i];
        if (option->type != OPTION_TEXT && option->list == OPTION_SINGLE) options_default(options, option, 1);
    }
    return options;
}

bool arguments_parse(Arguments *arguments, int argc, char **argv, Error *err) {
    const Command *command = arguments->command;
    Arena *arena = arguments->arena;
    struct option *longs = NEW(arena, arguments_option_count(command) + 1, struct option);
    char *shorts = NEW(arena, 3 * arguments_option_count(command) + 3, char);
    const char **words = NEW(arena, argc + 1, const char *);
    void *options = default_options(command, arena);
    int found;
    list_options(command, longs, shorts);
    arguments->words = words;
    arguments->options = options;
    opterr = 0;
    optind = 0; /* glibc: start again */
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (found == ':')
            return error_set(err, EXIT_USAGE, "option '%s' needs a value; see `poslab %s --help`",
                             argv[optind - 1], command->name);
        if (found == '?') return bad_option(command, argv[optind - 1], arena, err);
        if (found == WORD) {
            words[arguments->word_count++] = optarg;
            continue;
        }
        int index = found >= LONG ? found - LONG : index_of_letter(command, found);
        const OptionField *option = arguments_option(command, index);
        void *target = index < command->option_count ? options : arguments;
        if (!options_read_argument(target, option, optarg ? optarg : option->implied, arena, err))
            return false;
    }
    while (optind < argc) words[arguments->word_count++] = argv[optind++]; /* after "--" */
    return true;
}
