/* arguments: getopt_long parses the command line from the same table. */
#include "cli/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/options.h"

typedef struct Option {
    int letter;
    const char *name, *value, *help; /* value: what it is called, NULL if there is none */
} Option;

static const Option options[] = {
    {'j', "jobs", "N", "workers at a time (default 1); refused if they do not fit into memory"},
    {'T', "threads", "N", "threads of each worker (default 1; other counts may change the last bits)"},
    {'n', "dry-run", NULL, "only print what would be done"},
    {'q', "quiet", NULL, "no progress, only failures"},
    {'D', "db", "FILE", "database (default results/NAME.db); run folders lie beside it"},
    {'S', "set", "PATH=VALUE", "override a field of the config, 'train.length=64'; may be repeated"},
    {'J', "json", NULL, "print JSON"},
    {'E', "experiment", "NAME", "only this experiment (default: all)"},
    {'f', "format", "FORMAT", "of the output, see above"},
    {'o', "output", "FILE", "where to write"},
    {'P', "template", "FILE", "gnuplot template (default plots/FIGURE.gp)"},
    {'I', "initial", NULL, "the weights before training"},
    {'B', "batches", "K", "the tokens of the first K updates, int32 [K * sequences, length + 1]"},
    {'K', "tokens", "SPLIT", "the tokens of a split: train, valid or test"},
    {'L', "lengths", "N,N", "lengths"},
    {'M', "methods", "NAME,NAME", "methods to measure (default: all)"},
    {'H', "phase", "PHASE", "train or evaluate (default: both)"},
    {'=', "precision", "NAME,NAME", "fp32, bf16, or both and their ratio (default: the config's)"},
    {'R', "rounds", "N", "measurements of each (default 7)"},
    {'X', "multiples", "X,X", "lengths as multiples of the training length"},
    {'C', "protocol", "NAME,NAME", "nonoverlapping, strided:STRIDE, last_n:TARGETS[:STRIDE]"},
    {'V', "split", "SPLIT", "valid or test"},
    {'N', "targets", "N", "the first so many targets of the split; 0: all"},
    {'%', "variant", "NAME|FILE|JSON",
     "changed after training: a method, or like an item of evaluate.variants, or a list; may be repeated"},
    {'U', "run", "KEY,KEY", "these runs (or beginnings of their keys; default: all)"},
    {'@', "method", "NAME,NAME", "runs trained with these methods (default: all)"},
    {'A', "baseline", "METHOD", "what others are compared with: a method, or its label in the tables"},
    {'O', "paper", NULL, "with the numbers of the reference table"},
    {'W', "resamples", "N", "of the bootstrap (default 10000)"},
    {'Z', "block", "N", "least number of targets that are resampled together (default 1024)"},
    {'1', "rows", "FIELD,FIELD", "what rows of the table are"},
    {'2', "columns", "FIELD", "what its columns are"},
    {'3', "where", "FIELD=VALUE", "only these; may be repeated, of one field as alternatives"},
    {'4', "ratio", NULL, "perplexity over that at the training length"},
    {'5', "figure", "NAME", "which figure, see above (default curves)"},
    {'G', "claims", "FILE", "the claims to judge (default results/paper/claims.json)"},
    {'F', "retry", "WHICH", "failed: only such runs; changed: also those of other revisions, anew"},
    {'Y', "retries", "N", "further attempts of a run that fails (default 0)"},
    {'t', "timeout", "SECONDS", "kill a worker that makes no progress for so long (default: never)"},
    {'6', "partition", "NAME", "where tasks run"},
    {'7', "account", "NAME", "who is charged"},
    {'8', "time", "TIME", "of a task, HOURS:MINUTES:SECONDS"},
    {'9', "memory", "SIZE", "of a task, 4G"},
    {'0', "limit", "N", "tasks at a time"},
    {'Q', "script", "FILE", "your batch script instead of the one that -n prints"},
    {'+', "task", "N", "the run in line N of a manifest"},
    {'#', "ranks", "N,N", "estimate so many MPI processes, too"},
    {'&', "network", "GBIT", "per second between ranks (default 10)"},
    {'h', "help", NULL, "print this"},
};

/* Given again, these add to what was given before, after a comma or as items of `sets`. */
static const char lists[] = "#LMXCU@=", set_lists[] = "S3%";

/* --- values --- */

static const Option *find_option(int letter) {
    const Option *option = options;
    while (option->letter != letter) option++;
    return option;
}

bool arguments_given(const Arguments *arguments, int letter) {
    return arguments->value[letter] != NULL;
}

bool arguments_count(const Arguments *arguments, int letter, int64_t low, int64_t high, int64_t *count,
                     Error *err) {
    const char *text = arguments->value[letter];
    char *end;
    if (!text) return true;
    errno = 0;
    *count = strtoll(text, &end, 10);
    if (*text && !*end && !errno && *count >= low && *count <= high) return true;
    return error_set(err, EXIT_USAGE, "--%s takes a whole number from %lld to %lld, got '%s'",
                     find_option(letter)->name, (long long)low, (long long)high, text);
}

bool arguments_list(const Arguments *arguments, int letter, int *numbers, int *count, int most, Error *err) {
    const char *text = arguments->value[letter];
    if (!text) return true;
    const char *rest = text;
    for (*count = 0; *count < most; (*count)++) {
        char *end;
        long number = strtol(rest, &end, 10);
        if (end == rest || number < 1 || number > 1 << 24) break;
        numbers[*count] = (int)number;
        if (!*end) return ++*count, true;
        if (*end != ',') break;
        rest = end + 1;
    }
    return error_set(err, EXIT_USAGE, "--%s takes up to %d whole numbers separated by commas, got '%s'",
                     find_option(letter)->name, most, text);
}

/* --- help --- */

void arguments_print(const char *letters) {
    for (int i = 0; i < COUNT_OF(options); i++) {
        const Option *option = &options[i];
        char left[64];
        if (!strchr(letters, option->letter) && option->letter != 'h') continue;
        if (option->letter >= 'a')
            snprintf(left, sizeof left, "-%c, --%s", option->letter, option->name);
        else
            snprintf(left, sizeof left, "    --%s", option->name);
        printf("  %s%s%-*s %s\n", left, option->value ? " " : "",
               (int)(26 - strlen(left) - (option->value != NULL)), option->value ? option->value : "",
               option->help);
    }
}

/* --- parsing --- */

const char *arguments_quote(char **argv, Arena *arena) {
    const char *text = "";
    for (; *argv; argv++)
        text = arena_format(arena, "%s%s%s", text, *text ? " " : "", escape_text(ESCAPE_SHELL, *argv, arena));
    return text;
}

enum { WORD = 1 }; /* what getopt_long calls a word */

/* What getopt_long wants: long options and letters of this command. */
static void list_options(const char *letters, struct option *longs, char *shorts, const char **names) {
    *shorts++ = '-'; /* a word is given as WORD, before or behind options, with POSIXLY_CORRECT, too */
    *shorts++ = ':';
    for (int i = 0; i < COUNT_OF(options); i++) {
        const Option *option = &options[i];
        if (!strchr(letters, option->letter) && option->letter != 'h') continue;
        *longs++ = (struct option){option->name, option->value ? required_argument : no_argument, NULL,
                                   option->letter};
        *names++ = option->name;
        if (option->letter < 'a') continue;
        *shorts++ = (char)option->letter;
        if (option->value) *shorts++ = ':';
    }
    *shorts = '\0';
}

static bool bad_option(const char *command, const char *word, const char *const *names, Error *err) {
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
             word + strspn(word, "-"));
    const char *nearest = strncmp(word, "--", 2) == 0 ? options_nearest_name(bare, names) : NULL;
    if (nearest)
        return error_set(err, EXIT_USAGE, "'%s' has no option '--%s'; did you mean '--%s'?", command, bare,
                         nearest);
    return error_set(err, EXIT_USAGE, "'%s' has no option '%s'; `poslab %s --help` lists them", command, word,
                     command);
}

bool arguments_parse(Arguments *arguments, const char *letters, int argc, char **argv, Error *err) {
    const char *command = argv[0];
    struct option longs[COUNT_OF(options) + 1] = {0};
    const char *names[COUNT_OF(options) + 1] = {0};
    char shorts[2 * COUNT_OF(options) + 3];
    list_options(letters, longs, shorts, names);
    arguments->sets = NEW(arguments->arena, argc + 1, const char *);
    const char **words = NEW(arguments->arena, argc + 1, const char *);
    arguments->words = words;
    int sets = 0, letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        char typed[] = {'-', (char)optopt, '\0'};
        const char *word = optopt && optopt < 128 && strchr(shorts, optopt) == NULL && optopt >= 'a'
                               ? typed
                               : argv[optind - 1];
        if (letter == ':')
            return error_set(err, EXIT_USAGE, "option '%s' needs a value; see `poslab %s --help`",
                             argv[optind - 1], command);
        if (letter == '?') return bad_option(command, word, names, err);
        if (letter == WORD) {
            words[arguments->word_count++] = optarg;
            continue;
        }
        if (strchr(set_lists, letter)) arguments->sets[sets++] = optarg;
        const char *before = strchr(lists, letter) ? arguments->value[letter] : NULL;
        arguments->value[letter] = before   ? arena_format(arguments->arena, "%s,%s", before, optarg)
                                   : optarg ? optarg
                                            : "";
    }
    while (optind < argc) words[arguments->word_count++] = argv[optind++]; /* behind "--" */
    return true;
}
