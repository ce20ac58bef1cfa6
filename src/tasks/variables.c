/* Variables: the value of a variable that is assigned directly or through another variable.
 *
 * One of the reasoning primitives of Saunshi et al., "On the inductive bias of stacking towards improving
 * reasoning", 2024, arXiv 2409.19044. At depth 0, each variable is assigned a number. At depth 1, one alias
 * of each variable follows, in random order, and the question is about an alias:
 *
 *     n=22,r=16,n=?22$
 *     n=22,r=16,k=r,c=n,k=?16$
 *
 * All variables are different letters. The answer is the text after `?`, including its end.
 */
#include <math.h>

#include "tasks/letters.h"

enum { EQUALS, COMMA, OTHERS }; /* tokens after the letters; the values from 1 follow */

typedef struct Options {
    LettersOptions letters;
    int64_t values, depth;
} Options;

static const OptionField fields[] = {
    {"letters", OPTION_INT, offsetof(Options, letters.letters), .default_value = 26, .low = 2, .high = 30000,
     .help = "number of different names of variables"},
    {"values", OPTION_INT, offsetof(Options, values), .default_value = 25, .low = 2, .high = 30000,
     .help = "largest value, from 1"},
    {"depth", OPTION_INT, offsetof(Options, depth), .default_value = 0, .low = 0, .high = 1,
     .help = "number of assignments between the variable in the question and a value"},
};

static bool check(const void *options, TaskSizes sizes, Error *err) {
    const Options *o = options;
    long long needed = (long long)sizes.high * (o->depth + 1);
    return o->letters.letters >= needed ||
           error_set(err, EXIT_USAGE,
                     "letters: must be at least %lld for %lld variables at depth %lld, got %lld; raise it",
                     needed, (long long)sizes.high, (long long)o->depth, (long long)o->letters.letters);
}

static int alphabet(const void *options) {
    return letters_alphabet(options) + OTHERS + (int)((const Options *)options)->values;
}

/* BOS, four tokens for each assignment, three of the question, the value. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    return 1 + 4 * sizes.high * (((const Options *)options)->depth + 1) + 3 + 1;
}

static double examples(const void *options, TaskSizes sizes) {
    const Options *o = options;
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) {
        double choices = pow((double)o->values, (double)size) * (double)size;
        for (int64_t i = 0; i < size * (o->depth + 1); i++) choices *= (double)(o->letters.letters - i);
        for (int64_t i = 1; i <= size && o->depth; i++) choices *= (double)i;
        sum += choices;
    }
    return sum;
}

/* Draws `count` of the numbers 0 .. bound - 1 in random order (Fisher and Yates). */
static int *shuffle(int count, int bound, Random *rng, Arena *arena) {
    int *list = NEW(arena, bound, int);
    for (int i = 0; i < bound; i++) list[i] = i;
    for (int i = 0; i < count; i++) {
        int k = i + (int)random_below(rng, (uint64_t)(bound - i)), swap = list[i];
        list[i] = list[k], list[k] = swap;
    }
    return list;
}

static void assign(TaskRow *row, const void *options, int variable, int token) {
    int own = letters_alphabet(options);
    task_put(row, TASK_SYMBOLS + variable);
    task_put(row, own + EQUALS);
    task_put(row, token);
    task_put(row, own + COMMA);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    const Options *o = options;
    Arena *arena = arena_new(0);
    int size = (int)task_draw_size(sizes, rng), own = letters_alphabet(options);
    int *names = shuffle(size * (int)(o->depth + 1), (int)o->letters.letters, rng, arena);
    int *values = NEW(arena, size, int);
    for (int i = 0; i < size; i++) {
        values[i] = own + OTHERS + (int)random_below(rng, (uint64_t)o->values);
        assign(row, options, names[i], values[i]);
    }
    int asked = (int)random_below(rng, (uint64_t)size), base = asked;
    if (o->depth) {
        int *order = shuffle(size, size, rng, arena);
        for (int i = 0; i < size; i++) assign(row, options, names[size + i], TASK_SYMBOLS + names[order[i]]);
        base = order[asked];
    }
    task_put(row, TASK_SYMBOLS + names[asked + (o->depth ? size : 0)]);
    task_put(row, own + EQUALS);
    task_put(row, TASK_SEP);
    task_answer(row, values[base]);
    task_answer(row, TASK_END);
    arena_free(arena);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    int own = token - letters_alphabet(options);
    if (token == TASK_SEP) return "?";
    if (own < 0) return letters_symbol(options, token, text);
    if (own < OTHERS) return own == EQUALS ? "=" : ",";
    snprintf(text, TASK_SYMBOL_SIZE, "%d", own - OTHERS + 1);
    return text;
}

const Task variables_task = {
    .name = "variables",
    .label = "the value of a variable, or of an alias of one",
    .citation = "Saunshi et al. 2024, arXiv 2409.19044",
    .size = "variables with a value",
    .smallest = 1,
    .largest = 4096,
    TASK_OPTIONS(Options, fields),
    .check = check,
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
