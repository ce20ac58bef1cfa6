/* completion: `poslab completion SHELL` prints a script that completes commands, options and their arguments
 * in bash, zsh or fish. It is written from the commands' rows, so that it is never out of date.
 *
 * What can follow is told from a word's or an argument's name: METHOD and TASK are names of these, COMMAND is
 * that of a command (or `config`, of which help has a page), PATH a section of a config, DB, CONFIG, FILE,
 * FOLDER, MANIFEST and OTHER are files; otherwise its choices, if it has any.
 */
#include "cli/arguments.h"

#include <string.h>

#include "position/encoding.h"
#include "tasks/task.h"
#include "experiment/config_keys.h"

static const char *command_names(const Command *const *commands, Arena *arena) {
    const char *names = "";
    for (; *commands; commands++)
        if (!(*commands)->hidden)
            names = arena_format(arena, "%s%s%s", names, *names ? " " : "", (*commands)->name);
    return names;
}

/* The words that can follow, separated by spaces; "" for anything. */
static const char *words_of(const Command *const *commands, const char *name, const char *const *choices,
                            Arena *arena) {
    const char *text = "";
    if (choices)
        for (; *choices; choices++) text = arena_format(arena, "%s%s%s", text, *text ? " " : "", *choices);
    else if (strcmp(name, "COMMAND") == 0)
        text = arena_format(arena, "%s config", command_names(commands, arena));
    else if (strcmp(name, "PATH") == 0)
        for (const OptionSection *const *each = config_keys_sections; *each; each++)
            text = arena_format(arena, "%s%s%s", text, *text ? " " : "", (*each)->path);
    else if (strstr(name, "METHOD"))
        for (int i = 0; i < encoding_method_count; i++)
            text = arena_format(arena, "%s%s%s", text, i ? " " : "", encoding_methods[i]->name);
    else if (strstr(name, "TASK"))
        for (int i = 0; i < task_count; i++)
            text = arena_format(arena, "%s%s%s", text, i ? " " : "", task_list[i]->name);
    return text;
}

/* Whether a file can follow. */
static bool is_file(const char *name) {
    static const char *const files[] = {"DB", "CONFIG", "FILE", "FOLDER", "MANIFEST", "OTHER"};
    for (int i = 0; i < COUNT_OF(files); i++)
        if (strstr(name, files[i])) return true;
    return false;
}

static int word_count(const Command *command) {
    int count = *command->words != '\0';
    for (const char *at = command->words; (at = strchr(at, ' ')) != NULL; at++) count++;
    return count;
}

/* The name of a command's word, from 0 on, without brackets and dots. */
static const char *word_name(const Command *command, int index, Arena *arena) {
    const char *at = command->words;
    for (; index > 0; index--) at = strchr(at, ' ') + 1;
    at += strspn(at, "[");
    return arena_format(arena, "%.*s", (int)strcspn(at, "]. "), at);
}

static const char *const *word_choices(const Command *command, int index) {
    return index == word_count(command) - 1 ? command->choices : NULL;
}

/* Whether the last word can be repeated. */
static bool is_repeated(const Command *command) {
    return strstr(command->words, "...") != NULL;
}

static const OptionField *option_at(const Command *command, int i) {
    return i < command->option_count ? &command->options[i] : &arguments_help_option;
}

/* --- bash --- */

static void put_bash_case(const Command *const *commands, const char *pattern, const char *name,
                          const char *const *choices, FILE *out, Arena *arena) {
    const char *words = words_of(commands, name, choices, arena);
    fprintf(out, "    %s) words='%s' files=%s ;;\n", pattern, words, is_file(name) ? "yes" : "");
}

/* The options that take the next word, each after its command's name. */
static const char *valued_options(const Command *const *commands, Arena *arena) {
    const char *list = "";
    for (; *commands; commands++)
        for (int i = 0; i < (*commands)->option_count; i++) {
            const OptionField *option = &(*commands)->options[i];
            if (!option->argument || option->implied) continue;
            list = arena_format(arena, "%s %s--%s", list, (*commands)->name, option->key);
            if (option->letter)
                list = arena_format(arena, "%s %s-%c", list, (*commands)->name, option->letter);
        }
    return list;
}

static void print_bash(const Command *const *commands, FILE *out, Arena *arena) {
    fprintf(out,
            "# bash completion of poslab, printed by `poslab completion bash`\n"
            "_poslab() {\n"
            "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
            "    local command=${COMP_WORDS[1]} words='' files='' i at=0\n"
            "    COMPREPLY=()\n"
            "    if ((COMP_CWORD == 1)); then\n"
            "        mapfile -t COMPREPLY < <(compgen -W '%s --help --version' -- \"$word\")\n"
            "        return\n"
            "    fi\n"
            "    # bash takes --option=VALUE for three words\n"
            "    if [[ $word == = ]]; then\n"
            "        word=''\n"
            "    elif [[ $before == = ]]; then\n"
            "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
            "    fi\n"
            "    # which of the command's words this is; each of these options takes the next word\n"
            "    local takes=' %s '\n"
            "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
            "        if [[ $takes == *\" $command${COMP_WORDS[i]} \"* ]]; then\n"
            "            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))\n"
            "            ((i++))\n"
            "        elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
            "            ((at++))\n"
            "        fi\n"
            "    done\n"
            "    case $command$before in\n",
            command_names(commands, arena), valued_options(commands, arena));
    for (const Command *const *each = commands; *each; each++)
        for (int i = 0; i < (*each)->option_count; i++) {
            const OptionField *option = &(*each)->options[i];
            const char *pattern = arena_format(arena, "%s--%s", (*each)->name, option->key);
            if (option->letter)
                pattern = arena_format(arena, "%s | %s-%c", pattern, (*each)->name, option->letter);
            if (option->argument)
                put_bash_case(commands, pattern, option->argument, option->choices, out, arena);
        }
    fputs("    *)\n"
          "        if [[ $word == -* ]]; then\n"
          "            case $command in\n",
          out);
    for (const Command *const *each = commands; *each; each++) {
        if ((*each)->hidden) continue;
        fprintf(out, "            %s) words='", (*each)->name);
        for (int i = 0; i <= (*each)->option_count; i++)
            fprintf(out, "%s--%s", i ? " " : "", option_at(*each, i)->key);
        fputs("' ;;\n", out);
    }
    fputs("            esac\n"
          "        else\n"
          "            case $command$at in\n",
          out);
    for (const Command *const *each = commands; *each; each++)
        for (int i = 0, count = word_count(*each); i < count && !(*each)->hidden; i++) {
            bool last = i == count - 1 && is_repeated(*each);
            const char *pattern =
                arena_format(arena, "%s%s", (*each)->name, last ? "*" : arena_format(arena, "%d", i));
            fputs("        ", out);
            put_bash_case(commands, pattern, word_name(*each, i, arena), word_choices(*each, i), out, arena);
        }
    fputs("            esac\n"
          "        fi ;;\n"
          "    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" ${files:+-f} -- \"$word\")\n"
          "    [[ ! $files ]] || compopt -o filenames 2>/dev/null\n"
          "}\n"
          "complete -F _poslab poslab\n",
          out);
}

/* --- zsh --- */

/* Help between [ and ] within single quotes. */
static void put_zsh_help(const char *help, FILE *out) {
    for (; *help; help++) {
        if (strchr("[]:\\", *help)) fputc('\\', out);
        if (*help == '\'')
            fputs("'\\''", out);
        else if (*help != '`')
            fputc(*help, out);
    }
}

/* ":NAME:ACTION" */
static void put_zsh_argument(const Command *const *commands, const char *name, const char *const *choices,
                             FILE *out, Arena *arena) {
    const char *words = words_of(commands, name, choices, arena);
    fputc(':', out);
    put_zsh_help(name, out);
    fputc(':', out);
    if (*words)
        fprintf(out, "(%s)", words);
    else if (is_file(name))
        fputs("_files", out);
}

static void put_zsh_option(const Command *const *commands, const OptionField *option, FILE *out,
                           Arena *arena) {
    const char *names = arena_format(arena, "--%s", option->key);
    const char *equals = !option->argument ? "" : option->implied ? "=-" : "=";
    fputs("            ", out);
    if (option->list != OPTION_SINGLE)
        fputs("'*'", out);
    else if (option->letter)
        fprintf(out, "'(-%c %s)'", option->letter, names);
    if (option->letter)
        fprintf(out, "{-%c,%s%s}'[", option->letter, names, equals);
    else
        fprintf(out, "'%s%s[", names, equals);
    put_zsh_help(option->help, out);
    fputs(option->implied ? "]:" : "]", out);
    if (option->argument) put_zsh_argument(commands, option->argument, option->choices, out, arena);
    fputs("' \\\n", out);
}

static void print_zsh(const Command *const *commands, FILE *out, Arena *arena) {
    fputs("#compdef poslab\n"
          "# zsh completion of poslab, printed by `poslab completion zsh`\n"
          "_poslab() {\n"
          "    local -a commands=(\n",
          out);
    for (const Command *const *each = commands; *each; each++) {
        if ((*each)->hidden) continue;
        fprintf(out, "        '%s:", (*each)->name);
        put_zsh_help((*each)->summary, out);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    if ((CURRENT == 2)); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $words[1] in\n",
          out);
    for (const Command *const *each = commands; *each; each++) {
        if ((*each)->hidden) continue;
        fprintf(out, "    %s)\n        _arguments -s \\\n", (*each)->name);
        for (int i = 0; i <= (*each)->option_count; i++)
            put_zsh_option(commands, option_at(*each, i), out, arena);
        for (int i = 0, count = word_count(*each); i < count; i++) {
            fprintf(out, "            '%s", i == count - 1 && is_repeated(*each) ? "*" : "");
            put_zsh_argument(commands, word_name(*each, i, arena), word_choices(*each, i), out, arena);
            fprintf(out, "'%s\n", i == count - 1 ? " ;;" : " \\");
        }
    }
    fputs("    esac\n"
          "}\n"
          "_poslab \"$@\"\n",
          out);
}

/* --- fish --- */

/* A word in single quotes. */
static void put_fish(const char *text, FILE *out) {
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') fputc('\\', out);
        if (*text != '`') fputc(*text, out);
    }
    fputc('\'', out);
}

/* The further options of `complete` for an argument. */
static void put_fish_argument(const Command *const *commands, const char *name, const char *const *choices,
                              FILE *out, Arena *arena) {
    const char *words = words_of(commands, name, choices, arena);
    fputs(is_file(name) ? " -F" : " -f", out);
    if (!*words) return;
    fputs(" -a ", out);
    put_fish(words, out);
}

static void print_fish(const Command *const *commands, FILE *out, Arena *arena) {
    fputs("# fish completion of poslab, printed by `poslab completion fish`\n"
          "complete -c poslab -f\n",
          out);
    for (const Command *const *each = commands; *each; each++) {
        const Command *command = *each;
        if (command->hidden) continue;
        fprintf(out, "complete -c poslab -n __fish_use_subcommand -a %s -d ", command->name);
        put_fish(command->summary, out);
        fputc('\n', out);
        for (int i = 0; i <= command->option_count; i++) {
            const OptionField *option = option_at(command, i);
            fprintf(out, "complete -c poslab -n '__fish_seen_subcommand_from %s' -l %s", command->name,
                    option->key);
            if (option->letter) fprintf(out, " -s %c", option->letter);
            if (option->argument) {
                fputs(option->implied ? "" : " -r", out);
                put_fish_argument(commands, option->argument, option->choices, out, arena);
            }
            fputs(" -d ", out);
            put_fish(option->help, out);
            fputc('\n', out);
        }
        for (int i = 0, count = word_count(command); i < count; i++) {
            fprintf(out, "complete -c poslab -n '__fish_seen_subcommand_from %s'", command->name);
            put_fish_argument(commands, word_name(command, i, arena), word_choices(command, i), out, arena);
            fputc('\n', out);
        }
    }
}

/* --- the command --- */

static const struct {
    const char *name;
    void (*print)(const Command *const *commands, FILE *out, Arena *arena);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

static const char *const shell_names[] = {"bash", "zsh", "fish", NULL};

static ExitCode run(const Arguments *arguments, Error *err) {
    for (int i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(shells[i].name, arguments->words[0]) != 0) continue;
        shells[i].print(arguments->commands, stdout, arguments->arena);
        return EXIT_DONE;
    }
    error_set(err, EXIT_USAGE, "there is no completion for '%s'; SHELL is bash, zsh or fish",
              arguments->words[0]);
    return err->code;
}

const Command completion_command = {
    .name = "completion",
    .words = "SHELL",
    .choices = shell_names,
    .summary = "Print a script that completes commands and options in bash, zsh or fish",
    .text = "`make install` installs these scripts.",
    .example = "source <(poslab completion bash)",
    .run = run,
};
