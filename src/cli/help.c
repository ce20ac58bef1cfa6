/* help: see cli/help.h. */
#include "cli/help.h"

#include <string.h>

enum { WIDTH = 100, INDENT = 29 }; /* of lines; of the explanations of options */

static const char *const exit_meanings[] = {
    [EXIT_DONE] = "done",
    [EXIT_SOME_FAILED] = "some runs failed; the others are stored",
    [EXIT_USAGE] = "mistake in the command line, the config or the corpus",
    [EXIT_STOPPED] = "work is left",
    [EXIT_DAMAGED] = "damaged database or checkpoint",
    [EXIT_SYSTEM] = "failure of input, output or resources",
};

/* What an exit code of a command means; NULL: the command does not give it. */
static const char *exit_meaning(const Command *command, int code) {
    for (const CommandExit *own = command->exits; own->code; own++)
        if ((int)own->code == code) return own->meaning ? own->meaning : exit_meanings[code];
    return code == EXIT_DONE || code == EXIT_USAGE || code == EXIT_SYSTEM ? exit_meanings[code] : NULL;
}

/* "number of workers (default 1)": help, choices and default. */
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

/* Text from column INDENT on, in lines of WIDTH. */
static void put_wrapped(const char *text, FILE *out) {
    for (int column = INDENT; *text;) {
        int size = (int)strcspn(text, " ");
        bool first = column == INDENT, wraps = !first && column + 1 + size > WIDTH;
        if (wraps) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (!first)
            fputc(' ', out);
        fprintf(out, "%.*s", size, text);
        column += size + (!first && !wraps);
        text += size + (text[size] == ' ');
    }
    fputc('\n', out);
}

static void put_option(const OptionField *option, FILE *out, Arena *arena) {
    const char *letter = option->letter ? arena_format(arena, "-%c, ", option->letter) : "    ";
    const char *left = arena_format(arena, "  %s--%s%s%s", letter, option->key, option->argument ? " " : "",
                                    option->argument ? option->argument : "");
    int column = (int)strlen(left) + 1;
    fprintf(out, "%-*s", INDENT - 1, left);
    if (column > INDENT)
        fprintf(out, "\n%*s", INDENT, "");
    else
        fputc(' ', out);
    put_wrapped(explanation(option, arena), out);
}

void help_print_list(const Command *const *commands, FILE *out) {
    fputs("usage: poslab COMMAND [OPTION]... [WORD]...\n\n"
          "Compare position methods of transformers: train short, test long.\n\n",
          out);
    for (; *commands; commands++)
        if (!(*commands)->hidden)
            fprintf(out, "  %-10s %-15s %s\n", (*commands)->name, (*commands)->words, (*commands)->summary);
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
    for (int i = 0; i <= command->option_count; i++) {
        const OptionField *option = i < command->option_count ? &command->options[i] : &arguments_help_option;
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

/* Text for roff: '-' and '\' as themselves, a line that begins with a dot or an apostrophe is none of roff's,
   and `words` in bold. */
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

/* "--jobs N" with the name in bold and the argument in italics; the short form alone if there is one and
   `is_short`. */
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
    fputs(" \\fI", out);
    put_roff(option->argument, out);
    fputs("\\fP", out);
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

static ExitCode print_manual(const Arguments *arguments, Error *err) {
    (void)err;
    const Command *const *commands = arguments->commands;
    puts(".SH SYNOPSIS");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->hidden) put_synopsis(commands[i], stdout);
    puts(".SH DESCRIPTION\n"
         "\\fBposlab\\fP trains the same small decoder\\-only transformer with different position methods\n"
         "and measures its perplexity at lengths beyond the one it was trained at. An experiment is one\n"
         "JSON file; every number goes to one SQLite database. To resume an experiment, run the same\n"
         "command again: what is done is not repeated.\n"
         ".SH COMMANDS\n"
         "Every command has the option \\fB\\-h\\fP, \\fB\\-\\-help\\fP. Items of a list are separated by\n"
         "commas, or the option is repeated.");
    for (int i = 0; commands[i]; i++)
        if (!commands[i]->hidden) put_command(commands[i], stdout, arguments->arena);
    puts(".SH EXIT STATUS");
    for (int code = 0; code < COUNT_OF(exit_meanings); code++) {
        printf(".TP\n.B %d\n", code);
        put_roff(exit_meanings[code], stdout);
        puts(".");
    }
    return EXIT_DONE;
}

const Command help_manual = {.name = "manual",
                             .words = "",
                             .summary = "Print the generated sections of the man page",
                             .example = "make man",
                             .hidden = true,
                             .run = print_manual};
