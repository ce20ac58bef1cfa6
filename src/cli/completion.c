/* completion: `poslab completion SHELL` prints a script for bash, zsh or fish. The script calls the hidden
 * command `poslab complete`, which prints what the word before the cursor can become. The build turns
 * completion.bash, completion.zsh and completion.fish into strings.
 *
 * The name of a word or of an option's argument says what can follow: METHOD and TASK are names of these,
 * COMMAND is a command or `config`, PATH a section of a config; DB, CONFIG, FILE, FOLDER, MANIFEST and OTHER
 * are files. Otherwise its choices can follow, if it has any.
 */
#include "cli/arguments.h"

#include <string.h>

#include "position/encoding.h"
#include "tasks/task.h"
#include "experiment/config_keys.h"

/* --- what can follow --- */

typedef struct Completion {
    const Command *const *commands;
    const char *before; /* "--option=", if the word before the cursor begins with it */
    const char *typed;  /* the rest of that word */
} Completion;

/* Prints a word that begins as typed, and its help after a tab. */
static void offer(const Completion *completion, const char *word, const char *help) {
    if (!*word || strncmp(word, completion->typed, strlen(completion->typed)) != 0) return;
    printf("%s%s%s", completion->before, word, *help ? "\t" : "");
    for (; *help; help++)
        if (*help != '`') putchar(*help);
    putchar('\n');
}

static void offer_commands(const Completion *completion) {
    for (const Command *const *each = completion->commands; *each; each++)
        if (!(*each)->hidden) offer(completion, (*each)->name, (*each)->summary);
}

static void offer_values(const Completion *completion, const char *name, const char *const *choices) {
    static const char *const files[] = {"DB", "CONFIG", "FILE", "FOLDER", "MANIFEST", "OTHER"};
    bool file = false;
    for (; choices && *choices; choices++) offer(completion, *choices, "");
    if (strcmp(name, "COMMAND") == 0) {
        offer_commands(completion);
        offer(completion, "config", "The keys of a config");
    }
    for (const OptionSection *const *each = config_keys_sections; *each && !strcmp(name, "PATH"); each++)
        offer(completion, (*each)->path, (*each)->help);
    for (int i = 0; i < encoding_method_count && strstr(name, "METHOD"); i++)
        offer(completion, encoding_methods[i]->name, encoding_methods[i]->label);
    for (int i = 0; i < task_count && strstr(name, "TASK"); i++)
        offer(completion, task_list[i]->name, task_list[i]->label);
    for (int i = 0; i < COUNT_OF(files); i++) file |= strstr(name, files[i]) != NULL;
    if (file) puts("<files>");
}

/* The option of "--key", "--key=VALUE" or "-k"; NULL: none. */
static const OptionField *find_option(const Command *command, const char *word) {
    for (int i = 0; i < arguments_option_count(command); i++) {
        const OptionField *option = arguments_option(command, i);
        size_t size = strlen(option->key);
        if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, option->key, size) == 0 &&
            strchr("=", word[2 + size]))
            return option;
        if (*word == '-' && word[1] && word[1] == option->letter && !word[2]) return option;
    }
    return NULL;
}

/* Offers what the command's word at an index can be. */
static void offer_word(const Completion *completion, const Command *command, int index, Arena *arena) {
    const char *word = command->words, *next = strchr(word, ' ');
    bool repeated = strstr(word, "...") != NULL;
    for (; index > 0 && next; index--) {
        word = next + 1;
        next = strchr(word, ' ');
    }
    if (index > 0 && !repeated) return;
    bool chosen = repeated ? next && !strchr(next + 1, ' ') : !next;
    word += strspn(word, "[");
    offer_values(completion, arena_format(arena, "%.*s", (int)strcspn(word, "]. "), word),
                 chosen ? command->choices : NULL);
}

static void offer_options(const Completion *completion, const Command *command, Arena *arena) {
    for (int i = 0; i < arguments_option_count(command); i++) {
        const OptionField *option = arguments_option(command, i);
        offer(completion, arena_format(arena, "--%s", option->key), option->help);
    }
}

/* Completes the last word of a command line. bash splits "--key=VALUE" into three words. */
static ExitCode complete(const Arguments *arguments, Error *err) {
    const char *const *words = arguments->words;
    Arena *arena = arguments->arena;
    int last = arguments->word_count - 1, index = 0;
    Completion completion = {arguments->commands, "", words[last]};
    if (last == 0) {
        offer_commands(&completion);
        offer(&completion, "--help", "List the commands");
        offer(&completion, "--version", "Print the version");
        return EXIT_DONE;
    }
    const Command *command = arguments_find_command(words[0], arguments->commands, err);
    if (!command) return err->code;
    const OptionField *option = NULL; /* the word after it is its argument */
    for (int i = 1; i <= last; i++) {
        if (strcmp(words[i], "=") == 0) {
            option = find_option(command, words[i - 1]);
            if (i == last) completion.typed = "";
        } else if (i < last) {
            bool argument = option != NULL;
            option = argument ? NULL : find_option(command, words[i]);
            index += !argument && *words[i] != '-';
            if (option && (!option->argument || option->implied || strchr(words[i], '='))) option = NULL;
        }
    }
    const char *value = strchr(completion.typed, '=');
    if (!option && value && (option = find_option(command, completion.typed))) {
        completion.before =
            arena_format(arena, "%.*s", (int)(value + 1 - completion.typed), completion.typed);
        completion.typed = value + 1;
    }
    if (option && option->argument)
        offer_values(&completion, option->argument, option->choices);
    else if (*completion.typed == '-')
        offer_options(&completion, command, arena);
    else
        offer_word(&completion, command, index, arena);
    return EXIT_DONE;
}

/* Prints a line for each candidate, with its help after a tab; then "<files>" if files can follow, too. */
const Command completion_candidates = {.name = "complete",
                                       .words = "WORD...",
                                       .summary = "Print what the last word of a command line can become",
                                       .example = "poslab complete -- table results/x.db --fo",
                                       .hidden = true,
                                       .run = complete};

/* --- the scripts --- */

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static const char *const scripts[] = {completion_bash, completion_zsh, completion_fish};

static ExitCode print_script(const Arguments *arguments, Error *err) {
    for (int i = 0; shells[i]; i++) {
        if (strcmp(shells[i], arguments->words[0]) != 0) continue;
        fputs(scripts[i], stdout);
        return EXIT_DONE;
    }
    error_set(err, EXIT_USAGE, "there is no completion for '%s'; SHELL is bash, zsh or fish",
              arguments->words[0]);
    return err->code;
}

const Command completion_command = {
    .name = "completion",
    .words = "SHELL",
    .choices = shells,
    .summary = "Print a script that completes commands and options in bash, zsh or fish",
    .text = "`make install` installs these scripts.",
    .example = "source <(poslab completion bash)",
    .run = print_script,
};
