/* MQAR: multi-query associative recall.
 *
 * Arora et al., "Zoology: measuring and improving recall in efficient language models", 2023, arXiv
 * 2312.04927, section 3 and zoology/data/multiquery_ar.py of github.com/HazyResearch/zoology. K pairs of a
 * key and a value are followed by `spread` K - 2 K tokens, which contain each key once more, at the start
 * of slot g of two tokens. Slots are drawn without replacement with probabilities proportional to (g +
 * 1)^(a - 1), a = 0.01. The target at the second occurrence of a key is its value, which is not in the text
 * there:
 *
 *     k3 v7 k1 v2 . . k1 . . . k3 .    with the targets v2 at the second k1, v7 at the second k3
 *
 * Keys are drawn from one half of the alphabet and values from the other, both without repetition. The
 * other tokens (filler) are one token, or random with `filler: "random"`. In zoology, random filler is
 * drawn from all tokens, so a key of the row can occur again without a target, or with another value after
 * it, which changes the pair. Here random filler is drawn from the keys and values that are in no pair of
 * the row.
 */
#include <math.h>

#include "tasks/task.h"

enum { FILLER = TASK_SYMBOLS, FIRST_KEY, MOST_PAIRS = 4096 };
static const char *const filler_names[] = {"zero", "random", NULL};

typedef struct Options {
    int64_t symbols, spread;
    double power;
    int filler;
} Options;

static const OptionField fields[] = {
    {"symbols", OPTION_INT, offsetof(Options, symbols), .default_value = 8192, .low = 4, .high = 60000,
     .help = "number of keys and values together, half of each"},
    {"spread", OPTION_INT, offsetof(Options, spread), .default_value = 16, .low = 4, .high = 1024,
     .help = "tokens of a row per pair"},
    {"power", OPTION_REAL, offsetof(Options, power), .default_value = 0.01, .low = 0, .high = 10,
     .help = "a; 0: queries are near the pairs, 1: uniformly distributed"},
    {"filler", OPTION_CHOICE, offsetof(Options, filler), .choices = filler_names,
     .help = "filler between pairs and queries: one fixed token, or random tokens that are in no pair"},
};

static bool check(const void *options, TaskSizes sizes, Error *err) {
    const Options *o = options;
    return o->symbols / 2 > sizes.high ||
           error_set(err, EXIT_USAGE, "symbols: %lld pairs need at least %lld symbols, got %lld; raise it",
                     (long long)sizes.high, (long long)(2 * sizes.high + 2), (long long)o->symbols);
}

static int alphabet(const void *options) {
    return FIRST_KEY + (int)(((const Options *)options)->symbols / 2 * 2);
}

static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    return ((const Options *)options)->spread * sizes.high;
}

/* The ordered choices of keys and of values; the slots of queries are not counted. */
static double examples(const void *options, TaskSizes sizes) {
    const int64_t half = ((const Options *)options)->symbols / 2;
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) {
        double choices = 1;
        for (int64_t i = 0; i < size; i++) choices *= (double)(half - i) * (double)(half - i);
        sum += choices;
    }
    return sum;
}

/* Draws `count` different numbers below `bound`. */
static void draw_different(int *drawn, int count, int bound, Random *rng) {
    for (int i = 0; i < count; i++) {
        bool again = true;
        while (again) {
            drawn[i] = (int)random_below(rng, (uint64_t)bound);
            again = false;
            for (int k = 0; k < i && !again; k++) again = drawn[k] == drawn[i];
        }
    }
}

/* Draws a free slot with these weights; `total` is the sum of the weights of free slots. */
static int draw_slot(const double *weights, const int *taken, int slots, double total, Random *rng) {
    double point = random_uniform(rng) * total;
    int last = 0;
    for (int g = 0; g < slots; g++) {
        if (taken[g] >= 0) continue;
        last = g;
        point -= weights[g];
        if (point < 0) break;
    }
    return last;
}

static int filler(const Options *o, const int *keys, const int *values, int pairs, Random *rng) {
    int half = (int)(o->symbols / 2), drawn = 0;
    if (!o->filler) return FILLER;
    for (bool used = true; used;) {
        drawn = (int)random_below(rng, (uint64_t)(2 * half));
        used = false;
        for (int i = 0; i < pairs && !used; i++) used = drawn == keys[i] || drawn == half + values[i];
    }
    return FIRST_KEY + drawn;
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    const Options *o = options;
    int pairs = (int)task_draw_size(sizes, rng), half = (int)(o->symbols / 2);
    int slots = (int)(o->spread * pairs - 2 * pairs) / 2;
    bool odd = (o->spread * pairs) % 2;
    Arena *arena = arena_new(0);
    int *keys = NEW(arena, pairs, int), *values = NEW(arena, pairs, int), *taken = NEW(arena, slots, int);
    double *weights = NEW(arena, slots, double), total = 0;
    draw_different(keys, pairs, half, rng);
    draw_different(values, pairs, half, rng);
    for (int i = 0; i < pairs; i++) {
        task_put(row, FIRST_KEY + keys[i]);
        task_put(row, FIRST_KEY + half + values[i]);
    }
    for (int g = 0; g < slots; g++) {
        taken[g] = -1;
        total += weights[g] = pow(g + 1, o->power - 1);
    }
    for (int i = 0; i < pairs; i++) {
        int g = draw_slot(weights, taken, slots, total, rng);
        taken[g] = i;
        total -= weights[g];
    }
    for (int g = 0; g < slots; g++) {
        task_put(row, taken[g] < 0 ? filler(o, keys, values, pairs, rng) : FIRST_KEY + keys[taken[g]]);
        if (taken[g] >= 0) task_label(row, FIRST_KEY + half + values[taken[g]]);
        task_put(row, filler(o, keys, values, pairs, rng));
    }
    if (odd) task_put(row, filler(o, keys, values, pairs, rng));
    arena_free(arena);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    int half = (int)(((const Options *)options)->symbols / 2), number = token - FIRST_KEY;
    if (token == FILLER) return ".";
    snprintf(text, TASK_SYMBOL_SIZE, "%c%d", number < half ? 'k' : 'v',
             number < half ? number : number - half);
    return text;
}

const Task mqar_task = {
    .name = "mqar",
    .label = "recall the values of keys (multi-query associative recall)",
    .citation = "Arora et al. 2023, arXiv 2312.04927",
    .size = "pairs of a key and a value",
    .smallest = 1,
    .largest = MOST_PAIRS,
    TASK_OPTIONS(Options, fields),
    .spaced = true,
    .check = check,
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
