/* arguments: see cli/arguments.h. getopt_long does the parsing, from the command's rows. */
#include "cli/arguments.h"

#include <getopt.h>
#include <string.h>

#include "base/escape.h"

enum {
    WORD = 1,   /* what getopt_long calls a word */
    LONG = 256, /* + index of a row: a long option */
};

const OptionField arguments_help_option = {"help",        OPTION_BOOL,        0,
                                           .letter = 'h', .group = "General", .help = "print this help"};

const char *arguments_quote(char **argv, Arena *arena) {
    const char *text = "";
    for (; *argv; argv++)
        text = arena_format(arena, "%s%s%s", text, *text ? " " : "", escape_text(ESCAPE_SHELL, *argv, arena));
    return text;
}

const Command *arguments_find_command(const char *name, const Command *const *commands, Error *err) {
    const char *nearest = NULL;
    for (; *commands; commands++) {
        const char *candidate = (*commands)->name;
        if (strcmp(name, candidate) == 0) return *commands;
        nearest =
            options_nearest_name(name, (const char *const[]){nearest ? nearest : candidate, candidate, NULL});
    }
    if (nearest)
        error_set(err, EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(err, EXIT_USAGE, "there is no command '%s'; `poslab --help` lists them", name);
    return NULL;
}

/* The row of an index; --help is behind the command's own. */
static const OptionField *row(const Command *command, int index) {
    return index < command->option_count ? &command->options[index] : &arguments_help_option;
}

/* What getopt_long wants: long options and letters of this command. */
static void list_options(const Command *command, struct option *longs, char *shorts) {
    *shorts++ = '-'; /* a word is given as WORD, before or after options, with POSIXLY_CORRECT, too */
    *shorts++ = ':';
    for (int i = 0; i <= command->option_count; i++) {
        const OptionField *option = row(command, i);
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
    while (row(command, i)->letter != letter) i++;
    return i;
}

/* What getopt_long returned '?' for, of which `word` is the last word that it read. */
static bool bad_option(const Command *command, const char *word, Arena *arena, Error *err) {
    if (optopt >= LONG)
        return error_set(err, EXIT_USAGE, "option '--%s' takes no value", row(command, optopt - LONG)->key);
    if (optopt > 0) word = arena_format(arena, "-%c", optopt);
    const char *name = word + strspn(word, "-");
    name = arena_format(arena, "%.*s", (int)strcspn(name, "="), name);
    const char **names = NEW(arena, command->option_count + 2, const char *);
    for (int i = 0; i <= command->option_count; i++) names[i] = row(command, i)->key;
    const char *nearest = strncmp(word, "--", 2) == 0 ? options_nearest_name(name, names) : NULL;
    if (nearest)
        return error_set(err, EXIT_USAGE, "'%s' has no option '--%s'; did you mean '--%s'?", command->name,
                         name, nearest);
    return error_set(err, EXIT_USAGE, "'%s' has no option '%s'; `poslab %s --help` lists them", command->name,
                     word, command->name);
}

/* The struct with its defaults; what is not given of texts and lists is zero. */
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
    struct option *longs = NEW(arena, command->option_count + 2, struct option);
    char *shorts = NEW(arena, 3 * command->option_count + 6, char);
    const char **words = NEW(arena, argc + 1, const char *);
    void *options = default_options(command, arena);
    int found;
    list_options(command, longs, shorts);
    arguments->words = words;
    arguments->options = options;
    opterr = 0;
    optind = 0; /* glibc: from the beginning */
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (found == ':')
            return error_set(err, EXIT_USAGE, "option '%s' needs a value; see `poslab %s --help`",
                             argv[optind - 1], command->name);
        if (found == '?') return bad_option(command, argv[optind - 1], arena, err);
        if (found == WORD) {
            words[arguments->word_count++] = optarg;
            continue;
        }
        const OptionField *option =
            row(command, found >= LONG ? found - LONG : index_of_letter(command, found));
        if (option == &arguments_help_option)
            arguments->help = true;
        else if (!options_read_argument(options, option, optarg ? optarg : option->implied, arena, err))
            return false;
    }
    while (optind < argc) words[arguments->word_count++] = argv[optind++]; /* after "--" */
    return true;
}
