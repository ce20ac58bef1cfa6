/* help: as text (`poslab help`), as roff (the man page) and as Markdown (configs/README.md). */
#include "cli/help.h"

#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "position/encoding.h"
#include "experiment/config_keys.h"

enum { WIDTH = 100, INDENT = 29 }; /* columns of a line; column of the explanations of options */

static const char *const exit_meanings[] = {
    [EXIT_DONE] = "done",
    [EXIT_SOME_FAILED] = "some runs failed; the results of the others are stored",
    [EXIT_USAGE] = "error in the command line, the config or the corpus",
    [EXIT_STOPPED] = "work is left",
    [EXIT_DAMAGED] = "damaged database or checkpoint",
    [EXIT_SYSTEM] = "input or output failed, or resources are missing",
};

/* The meaning of an exit code of a command; NULL if the command never returns it. */
static const char *exit_meaning(const Command *command, int code) {
    for (const CommandExit *own = command->exits; own->code; own++)
        if ((int)own->code == code) return own->meaning ? own->meaning : exit_meanings[code];
    return code == EXIT_DONE || code == EXIT_USAGE || code == EXIT_SYSTEM ? exit_meanings[code] : NULL;
}

/* The help of an option with its choices and default: "number of workers (default 1)". */
static const char *explanation(const OptionField *option, Arena *arena) {
    const char *text = option->help;
    char number[JSON_NUMBER_SIZE];
    double value = option->default_value;
    if (option->choices) text = arena_format(arena, "%s: %s", text, options_choices_text(option, "", arena));
    if (!option->argument || option->list != OPTION_SINGLE) return text;
    if (option->choices && value >= 0)
        return arena_format(arena, "%s (default %s)", text, option->choices[(int)value]);
    if (option->type == OPTION_INT && value >= option->low)
        return arena_format(arena, "%s (default %s)", text, json_number_text(value, number));
    return text;
}

/* --- help --- */

/* Prints a term in the left column and its explanation in the right one. */
static void put_entry(const char *left, const char *text, FILE *out, Arena *arena) {
    int column = (int)strlen(left) + 1;
    fprintf(out, "%-*s", INDENT - 1, left);
    if (column > INDENT)
        fprintf(out, "\n%*s", INDENT, "");
    else
        fputc(' ', out);
    table_grid_put_words(text, INDENT, INDENT, WIDTH, out, arena);
    fputc('\n', out);
}

static void put_option(const OptionField *option, FILE *out, Arena *arena) {
    const char *letter = option->letter ? arena_format(arena, "-%c, ", option->letter) : "    ";
    const char *format = !option->argument ? "" : option->implied ? "[=%s]" : " %s";
    const char *argument = arena_format(arena, format, option->argument);
    const char *left = arena_format(arena, "  %s--%s%s", letter, option->key, argument);
    put_entry(left, explanation(option, arena), out, arena);
}

void help_print_list(const Command *const *commands, FILE *out) {
    fputs("usage: poslab COMMAND [OPTION]... [WORD]...\n\n"
          "Compare position methods of transformers: train short, test long.\n\n",
          out);
    for (; *commands; commands++)
        if (!(*commands)->hidden)
            fprintf(out, "  %-10s %-16s %s\n", (*commands)->name, (*commands)->words, (*commands)->summary);
    fputs("\n`poslab COMMAND --help` describes a command, `poslab --version` prints the version.\n\n"
          "Exit codes:\n",
          out);
    for (int code = 0; code < COUNT_OF(exit_meanings); code++)
        fprintf(out, "  %-2d %s\n", code, exit_meanings[code]);
}

void help_print_command(const Command *command, FILE *out) {
    Arena *arena = arena_new(0);
    const char *group = "";
    fprintf(out, "usage: poslab %s [OPTION]... %s\n\n%s.\n", command->name, command->words, command->summary);
    if (command->text) fprintf(out, "\n%s\n", command->text);
    for (int i = 0; i < arguments_option_count(command); i++) {
        const OptionField *option = arguments_option(command, i);
        if (strcmp(group, option->group) != 0) fprintf(out, "\n%s:\n", option->group);
        group = option->group;
        put_option(option, out, arena);
    }
    fprintf(out, "\nExample:\n  %s\n\nExit codes:\n", command->example);
    for (int code = 0; code <= EXIT_AGAIN; code++)
        if (exit_meaning(command, code)) fprintf(out, "  %-2d %s\n", code, exit_meaning(command, code));
    arena_free(arena);
}

/* --- the man page --- */

/* Escapes text for roff: '-', '\', and a dot or an apostrophe at the beginning of a line. Text in `backticks`
   becomes bold. */
static void put_roff(const char *text, FILE *out) {
    bool bold = false;
    for (const char *at = text; *at; at++) {
        bool first = at == text || at[-1] == '\n';
        if (first && (*at == '.' || *at == '\'')) fputs("\\&", out);
        if (*at == '`') {
            bold = !bold;
            fputs(bold ? "\\fB" : "\\fP", out);
        } else if (*at == '-')
            fputs("\\-", out);
        else if (*at == '\\')
            fputs("\\e", out);
        else
            fputc(*at, out);
    }
}

/* Prints "--jobs N" with the name in bold and the argument in italics. is_short: "-j N" if there is one. */
static void put_roff_option(const OptionField *option, bool is_short, FILE *out) {
    fputs("\\fB", out);
    if (is_short && option->letter)
        fprintf(out, "\\-%c", option->letter);
    else {
        put_roff("--", out);
        put_roff(option->key, out);
    }
    fputs("\\fP", out);
    if (!option->argument) return;
    fputs(option->implied ? "[=\\fI" : " \\fI", out);
    put_roff(option->argument, out);
    fputs(option->implied ? "\\fP]" : "\\fP", out);
}

static void put_synopsis(const Command *command, FILE *out) {
    fprintf(out, "\\fBposlab %s\\fP\n", command->name);
    for (int i = 0; i < command->option_count; i++) {
        fputc('[', out);
        put_roff_option(&command->options[i], true, out);
        fprintf(out, "]%s\n", command->options[i].list == OPTION_SINGLE ? "" : "...");
    }
    fprintf(out, "\\fI%s\\fP\n.br\n", command->words);
}

static void put_command(const Command *command, FILE *out, Arena *arena) {
    const char *group = "";
    fprintf(out, ".SS %s \\fI%s\\fP\n", command->name, command->words);
    put_roff(command->summary, out);
    fputs(".\n", out);
    if (command->text) {
        put_roff(command->text, out);
        fputc('\n', out);
    }
    for (int i = 0; i < command->option_count; i++) {
        const OptionField *option = &command->options[i];
        if (strcmp(group, option->group) != 0) fprintf(out, ".PP\n%s:\n", option->group);
        group = option->group;
        fputs(".TP\n", out);
        if (option->letter) fprintf(out, "\\fB\\-%c\\fP, ", option->letter);
        put_roff_option(option, false, out);
        fputc('\n', out);
        put_roff(explanation(option, arena), out);
        fputs(".\n", out);
    }
    fputs(".PP\nExample:\n.PP\n.RS\n.nf\n", out);
    put_roff(command->example, out);
    fputs("\n.fi\n.RE\n.PP\nExit codes:\n", out);
    for (int code = 0; code <= EXIT_AGAIN; code++) {
        if (!exit_meaning(command, code)) continue;
        fprintf(out, "%s\\fB%d\\fP ", code ? ";\n" : "", code);
        put_roff(exit_meaning(command, code), out);
    }
    fputs(".\n", out);
}

static void print_commands(const Command *const *commands, Arena *arena) {
    puts(".SH SYNOPSIS");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->hidden) put_synopsis(commands[i], stdout);
    puts(
        ".SH DESCRIPTION\n"
        "\\fBposlab\\fP trains the same small decoder\\-only transformer with different position methods\n"
        "and measures perplexity, or exact match on synthetic tasks, at lengths beyond the training length.\n"
        "An experiment is one JSON file; all results are in one SQLite database. To resume an experiment,\n"
        "rerun the command: finished runs are not repeated.\n"
        ".SH COMMANDS\n"
        "Every command has the option \\fB\\-h\\fP, \\fB\\-\\-help\\fP. The items of a list are separated\n"
        "by commas, or the option is repeated.");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->hidden) put_command(commands[i], stdout, arena);
    puts(".SH EXIT STATUS");
    for (int code = 0; code < COUNT_OF(exit_meanings); code++) {
        printf(".TP\n.B %d\n", code);
        put_roff(exit_meanings[code], stdout);
        puts(".");
    }
}

/* --- the keys of configs --- */

static const char *key_text(const ConfigKey *key, Arena *arena) {
    if (!key->default_value) return arena_format(arena, "%s (%s)", key->help, key->type);
    bool required = strcmp(key->default_value, "required") == 0;
    return arena_format(arena, "%s (%s; %s%s)", key->help, key->type,
                        required ? "" : "default: ", key->default_value);
}

/* The options of a method as a section. named: its path is "method.NAME", otherwise "method". */
static OptionSection method_section(const PositionMethod *method, bool named, Arena *arena) {
    return (OptionSection){.path = named ? arena_format(arena, "method.%s", method->name) : "method",
                           .help = arena_format(arena, "Options of %s", method->label),
                           .fields = method->fields,
                           .field_count = method->field_count};
}

/* All sections, and one for each method that has options; the last one has no path. */
static const OptionSection *all_sections(bool named, Arena *arena) {
    OptionSection *list = NULL;
    int count = 0;
    for (const OptionSection *const *each = config_keys_sections; *each; each++) {
        *ARENA_PUSH(arena, list, count) = **each;
        for (int i = 0; *each == &config_keys_moving && i < encoding_method_count; i++)
            if (encoding_methods[i]->field_count)
                *ARENA_PUSH(arena, list, count) = method_section(encoding_methods[i], named, arena);
    }
    *ARENA_PUSH(arena, list, count) = (OptionSection){0};
    return list;
}

/* Whether the path of a key or section is `path` or within it. Text in brackets is ignored. */
static bool is_within(const char *key, const char *path) {
    while (*path) {
        if (*path == '[') path += strcspn(path, "]") + (strchr(path, ']') != NULL);
        if (*key == '[') key += strcspn(key, "]") + 1;
        if (!*path) break;
        if (*key++ != *path++) return false;
    }
    return !*key || *key == '.' || *key == '[';
}

/* Prints the heading of a section and those of its keys that are within the path. Returns their number. */
static int print_section(const OptionSection *section, const char *path, FILE *out, Arena *arena) {
    int count, shown = 0;
    const ConfigKey *keys = config_keys_list(section, &count, arena);
    for (int i = 0; i < count; i++) {
        if (!is_within(keys[i].path, path) && *path) continue;
        if (!shown++) fprintf(out, "%s%s%s.\n\n", section->path, *section->path ? ": " : "", section->help);
        put_entry(arena_format(arena, "  %s", keys[i].path), key_text(&keys[i], arena), out, arena);
    }
    if (shown) fputc('\n', out);
    return shown;
}

static bool no_key(const char *path, Arena *arena, Error *err) {
    const char *nearest = options_synonym(path);
    bool meant = nearest != NULL;
    for (const OptionSection *each = all_sections(true, arena); each->path && !meant; each++) {
        int count;
        const ConfigKey *keys = config_keys_list(each, &count, arena);
        for (int i = -1; i < count; i++)
            nearest = text_nearer(path, nearest, i < 0 ? each->path : keys[i].path);
    }
    return error_unknown(err, nearest, "`poslab help config` lists all", "a config has no key '%s'", path);
}

/* Prints the keys within a path: all, those of a section or a method, or one. "method.OPTION" is found in all
   methods, "method.NAME.OPTION" in one. */
static bool print_keys(const char *path, FILE *out, Arena *arena, Error *err) {
    int shown = 0;
    for (int named = 0; named < 2 && (!shown || !*path); named++)
        for (const OptionSection *each = all_sections(named, arena); each->path; each++)
            if (*path || named) shown += print_section(each, path, out, arena);
    return shown || no_key(path, arena, err);
}

static bool print_table(const char *path, FILE *out, Arena *arena, Error *err) {
    for (const OptionSection *const *each = config_keys_sections; *each; each++) {
        if (strcmp((*each)->path, path) != 0) continue;
        int count;
        const ConfigKey *keys = config_keys_list(*each, &count, arena);
        fputs("| key | default | values | meaning |\n|---|---|---|---|\n", out);
        for (int i = 0; i < count; i++)
            fprintf(out, "| `%s` | %s | %s | %s |\n", keys[i].path,
                    keys[i].default_value ? escape_text(ESCAPE_MARKDOWN, keys[i].default_value, arena) : "-",
                    escape_text(ESCAPE_MARKDOWN, keys[i].type, arena),
                    escape_text(ESCAPE_MARKDOWN, keys[i].help, arena));
        return true;
    }
    return no_key(path, arena, err);
}

static void print_config_manual(FILE *out, Arena *arena) {
    fputs(".SH CONFIG\nAn experiment is one JSON object. Options of methods: \\fBposlab methods\\fP.\n", out);
    for (const OptionSection *const *each = config_keys_sections; *each; each++) {
        int count;
        const ConfigKey *keys = config_keys_list(*each, &count, arena);
        fprintf(out, ".SS %s\n", *(*each)->path ? (*each)->path : "\"top level\"");
        put_roff((*each)->help, out);
        fputs(".\n", out);
        for (int i = 0; i < count; i++) {
            fputs(".TP\n\\fB", out);
            put_roff(keys[i].path, out);
            fputs("\\fP\n", out);
            put_roff(key_text(&keys[i], arena), out);
            fputs(".\n", out);
        }
    }
}

static ExitCode print_manual(const Arguments *arguments, Error *err) {
    const char *what = arguments->word_count ? arguments->words[0] : "";
    if (strcmp(what, "keys") == 0) {
        const char *path = arguments->word_count > 1 ? arguments->words[1] : "";
        return print_table(path, stdout, arguments->arena, err) ? EXIT_DONE : err->code;
    }
    if (strcmp(what, "config") == 0)
        print_config_manual(stdout, arguments->arena);
    else
        print_commands(arguments->commands, arguments->arena);
    return EXIT_DONE;
}

/* Hidden: the generated parts of documents. Without a word, the sections of the man page about commands and
   exit codes; `config`, its section about configs (`make man` inserts both into src/cli/poslab.1.in); `keys
   SECTION`, a table of keys for configs/README.md (`make readme-configs`). */
const Command help_manual = {.name = "manual",
                             .words = "[config|keys [SECTION]]",
                             .summary = "Print the generated parts of the man page and of configs/README.md",
                             .example = "make man",
                             .hidden = true,
                             .run = print_manual};

/* --- help as a command --- */

typedef struct HelpOptions {
    bool schema;
} HelpOptions;

static const OptionField help_options[] = {
    {"schema", OPTION_BOOL, offsetof(HelpOptions, schema), .group = "Output",
     .help = "with `config`: print a JSON Schema, with which editors complete and check configs"},
};

static ExitCode help(const Arguments *arguments, Error *err) {
    const HelpOptions *options = arguments->options;
    const char *topic = arguments->word_count ? arguments->words[0] : NULL;
    const char *path = arguments->word_count > 1 ? arguments->words[1] : NULL;
    bool config = topic && strcmp(topic, "config") == 0;
    if (config && options->schema && !path)
        fputs(json_print_pretty(config_keys_schema(arguments->arena), arguments->arena), stdout);
    else if (options->schema || (path && !config))
        error_set(err, EXIT_USAGE,
                  "usage: poslab help [COMMAND], help config [PATH], or help config --schema");
    else if (config)
        print_keys(path ? path : "", stdout, arguments->arena, err);
    else if (!topic)
        help_print_list(arguments->commands, stdout);
    else {
        const Command *command = arguments_find_command(topic, arguments->commands, err);
        if (command) help_print_command(command, stdout);
    }
    return err->code;
}

const Command help_command = {
    .name = "help",
    .words = "[COMMAND] [PATH]",
    .summary = "Describe a command, or the keys of a config",
    .text = "`poslab help COMMAND` prints the same as `poslab COMMAND --help`. `poslab help config` lists\n"
            "every key of a config with its values, default and meaning. PATH selects a section, a method\n"
            "or a key: `train`, `method.NAME`, `train.optimizer.lr`.",
    .example = "poslab help config train.optimizer",
    ARGUMENT_OPTIONS(help_options, HelpOptions),
    .run = help,
    .paged = true,
};
