#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Formats a number with a prefixed unit, such as "1.2 MiB". The next prefix is used from `step` on. */
static const char *scaled(double number, double step, const char *const *units, Arena *arena) {
    int i = 0;
    for (; number >= step && units[i + 1]; i++) number /= step;
    return arena_format(arena, i ? "%.1f %s" : "%.0f %s", number, units[i]);
}

const char *text_bytes(double bytes, Arena *arena) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};
    return scaled(bytes, 1024, units, arena);
}

const char *text_flops(double flops, Arena *arena) {
    static const char *const units[] = {"F", "kF", "MF", "GF", "TF", "PF", "EF", "ZF", NULL};
    return scaled(flops, 1000, units, arena);
}

const char *text_seconds(double seconds, Arena *arena) {
    if (seconds < 99.5) return arena_format(arena, "%.*f s", seconds < 9.95 ? 1 : 0, seconds);
    if (seconds < 99.5 * 60) return arena_format(arena, "%.0f min", seconds / 60);
    if (seconds < 1e7) return arena_format(arena, "%.1f h", seconds / 3600);
    return arena_format(arena, "%.1f years", seconds / (365.25 * 86400));
}

size_t text_stem(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return dot && dot > name ? (size_t)(dot - path) : strlen(path);
}

const char *text_join(const char *list, const char *separator, const char *item, Arena *arena) {
    return arena_format(arena, "%s%s%s", list, *list ? separator : "", item);
}

bool text_has(const char *list, char separator, const char *item) {
    for (const char *end; list && *list; list = end + (*end != '\0')) {
        end = strchrnul(list, separator);
        if ((size_t)(end - list) == strlen(item) && !strncmp(list, item, strlen(item))) return true;
    }
    return false;
}

bool text_among(const char *item, const char *const *list, int count) {
    for (int i = 0; i < count; i++)
        if (!strcmp(item, list[i])) return true;
    return false;
}

/* strtod also accepts hexadecimal numbers, infinities and leading spaces. */
double text_number(const char *text) {
    char *end;
    double number = strtod(text, &end);
    bool decimal = *text && !*end && !text[strspn(text, "0123456789+-.eE")];
    return decimal && isfinite(number) ? number : NAN;
}

int text_index(const char *word, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0) return i;
    return -1;
}

const char *text_list(const char *const *words, Arena *arena) {
    const char *text = "";
    for (int i = 0; words[i]; i++) text = text_join(text, ", ", words[i], arena);
    return text;
}

static TextScreen stdout_screen; /* of text_set_screen */

static int positive(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    int given = text ? atoi(text) : 0;
    return given > 0 ? given : otherwise;
}

TextScreen text_screen(FILE *out) {
    struct winsize size = {0};
    if (out == stdout && stdout_screen.height) return stdout_screen;
    if (!isatty(fileno(out))) return (TextScreen){0};
    ioctl(fileno(out), TIOCGWINSZ, &size);
    return (TextScreen){positive("COLUMNS", size.ws_col), positive("LINES", size.ws_row)};
}

void text_set_screen(TextScreen screen) {
    stdout_screen = screen;
}

/* ---- the nearest of some names ---- */

enum { WORD_SIZE = 48 };

/* The edit distance of a and b: insertions, deletions, replacements and swaps of neighbouring characters
   (Damerau's distance, restricted form), without regard to case. Both texts are shorter than WORD_SIZE. */
static int distance(const char *a, const char *b) {
    int rows[3][WORD_SIZE], *before = rows[0], *last = rows[1], *row = rows[2];
    int m = (int)strlen(a), n = (int)strlen(b);
    for (int j = 0; j <= n; j++) last[j] = before[j] = j;
    for (int i = 1; i <= m; i++) {
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            int best = last[j - 1] + (x != y);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                           y == tolower((unsigned char)a[i - 2]);
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            row[j] = best;
        }
        int *free_row = before;
        before = last, last = row, row = free_row;
    }
    return last[n];
}

/* Words that people use for names of commands, analyses, figures, fields and choices of options. */
static const struct {
    const char *word, *name;
} synonyms[] = {
    {"acc", "exact"},
    {"accuracy", "exact"},
    {"benchmark", "bench"},
    {"bfloat16", "bf16"},
    {"bits_per_byte", "bits"},
    {"bpb", "bits"},
    {"clean", "prune"},
    {"compare", "analyse"},
    {"create", "init"},
    {"cross_entropy", "nll"},
    {"delete", "prune"},
    {"dev", "valid"},
    {"draw", "plot"},
    {"estimate", "plan"},
    {"evaluate", "eval"},
    {"exact_match", "exact"},
    {"figure", "plot"},
    {"float32", "fp32"},
    {"import", "merge"},
    {"length", "eval_length"},
    {"list", "runs"},
    {"loss", "nll"},
    {"ls", "runs"},
    {"markdown", "md"},
    {"memory", "cost"},
    {"nats", "nll"},
    {"new", "init"},
    {"no", "off"},
    {"params", "parameters"},
    {"perplexity", "auto"},
    {"perplexity", "curves"},
    {"ppl", "auto"},
    {"ppl", "curves"},
    {"results", "table"},
    {"rm", "prune"},
    {"sbatch", "submit"},
    {"sgd", "nag"},
    {"show", "table"},
    {"sliding", "strided"},
    {"speed", "cost"},
    {"start", "run"},
    {"test", "eval"},
    {"tex", "latex"},
    {"time", "cost"},
    {"token_accuracy", "tokens"},
    {"train", "run"},
    {"training", "loss"},
    {"tsv", "csv"},
    {"validation", "valid"},
    {"verify", "check"},
    {"watch", "status"},
    {"word_perplexity", "words"},
};

const char *text_synonym(const char *word, const char *const *names) {
    for (int i = 0; i < COUNT_OF(synonyms); i++) {
        int at = strcmp(word, synonyms[i].word) ? -1 : text_index(synonyms[i].name, names);
        if (at >= 0) return names[at];
    }
    return NULL;
}

const char *text_nearest(const char *word, const char *const *names) {
    const char *nearest = text_synonym(word, names);
    if (nearest) return nearest;
    int length = (int)strnlen(word, WORD_SIZE);
    int least =
        length < 6 ? 2 : length / 3 + 1; /* more than the allowed changes: 1, or a third of the letters */
    for (int i = 0; length > 0 && length < WORD_SIZE && names[i]; i++) {
        if (strlen(names[i]) >= WORD_SIZE) continue;
        int changes = distance(word, names[i]);
        if (changes >= least) continue;
        least = changes;
        nearest = names[i];
    }
    return nearest;
}

const char *text_nearer(const char *word, const char *nearest, const char *candidate) {
    return text_nearest(word, (const char *const[]){nearest ? nearest : candidate, candidate, NULL});
}
