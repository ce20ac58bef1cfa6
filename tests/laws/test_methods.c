/* test_methods: runs every law on every registered method; a new file in methods/ needs no test code.
 *
 * Options are varied: the defaults, every choice, both bounds of every number (if a bound is refused with the
 * other defaults, then with the bounds of other options). Sizes are varied too: one head and several, head
 * counts that are not powers of two, odd head sizes if the method allows them, one layer and more, a batch of
 * one, layers without the method, adaptive input and softmax, lengths without common factors. The defaults
 * are tested at all sizes, other options at two of the first four, in turn. Slow laws are tested at half of
 * the sizes, and at one with other options.
 *
 * Usage: test_methods [--short | --full] [METHOD [LAW]]. --short: defaults at two small sizes, for slow
 * builds and `make try`. --full: every option at all of the first four sizes.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"

#include "laws.h"
#include "position/encoding.h"

typedef struct Size {
    int layers, heads, head_dim, ffn, activation, final_norm, batch, length, train_length, nope_every;
    int adaptive;
} Size;

/* Of the section model.adaptive. */
enum { NO_BANDS, BANDS };
static const AdaptiveSoftmax adaptive[] = {{.bands = 0}, {.cutoffs = {5, 9}, .factor = 2, .bands = 3}};

static const Size sizes[] = {
    {1, 3, 6, 20, MODEL_RELU, true, 1, 33, 16, 0},       {2, 2, 5, 12, MODEL_SWIGLU, true, 3, 19, 8, 0},
    {1, 12, 2, 8, MODEL_GELU, false, 1, 7, 7, 0, BANDS}, {3, 6, 4, 30, MODEL_GELU, true, 2, 40, 10, 2, BANDS},
    {1, 1, 4, 16, MODEL_SWIGLU, false, 2, 17, 32, 0},    {1, 8, 16, 64, MODEL_RELU, true, 1, 70, 24, 0},
    {1, 5, 1, 11, MODEL_GELU, true, 2, 12, 5, 0},        {1, 2, 10, 16, MODEL_GELU, true, 1, 131, 33, 0},
};

static const char *only_method, *only_law;
static bool defaults_only, full;
static int runs, turn;     /* turn: counts the options other than the defaults that were tested */
static char at_work[1024]; /* the case of the running law */
static int failures[64];   /* of the current method: cases in which each law fails */

/* The method must be usable at the lengths of the case, and its partner at all positions that may be
   drawn. */
static bool accepted(const LawCase *c) {
    PositionShape shape = law_shape(c);
    const Encoding *with = c->position.partner;
    Error err;
    if (with && !encoding_usable(&c->position, &shape, 2 * (c->length + c->train_length))) return false;
    return model_check(&c->model, &c->position, shape.train_length, "law", &err);
}

static LawCase make_case(const Encoding *position, int n) {
    const Size *s = &sizes[n];
    return (LawCase){.position = *position,
                     .model = {.layers = s->layers,
                               .heads = s->heads,
                               .width = s->heads * s->head_dim,
                               .ffn = s->ffn,
                               .vocabulary = 13 + n,
                               .activation = s->activation,
                               .final_norm = s->final_norm,
                               .attention = {.nope_every = s->nope_every},
                               .adaptive = adaptive[s->adaptive],
                               .max_tokens_in_flight = 1024},
                     .train_length = s->train_length,
                     .batch = s->batch,
                     .length = s->length,
                     .seed = 40 + (uint64_t)n};
}

/* Stores a number, boolean or choice in the options. */
static void put(void *options, const OptionField *field, double value) {
    char *at = (char *)options + field->offset;
    switch (field->type) {
    case OPTION_INT:
        *(int64_t *)(void *)at = (int64_t)value;
        break;
    case OPTION_REAL:
        *(double *)(void *)at = value;
        break;
    case OPTION_BOOL:
        *(bool *)(void *)at = value != 0;
        break;
    case OPTION_CHOICE:
        *(int *)(void *)at = (int)value;
        break;
    case OPTION_TEXT:
        break;
    }
}

/* Sanitizers check memory, not numbers: with them, options other than the defaults are tested at one size. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static void begin(const Law *law, const LawCase *c) {
    Arena *arena = arena_new(0);
    snprintf(at_work, sizeof at_work, "%s", law_case(law, c, arena));
    arena_free(arena);
    runs++;
}

/* Runs all laws on sizes that the method accepts; returns whether there was one. */
static bool run_options(const Encoding *position, bool every_size) {
    enum { FEW = 4 };
    const int sizes_tried = every_size && !defaults_only ? COUNT_OF(sizes) : FEW;
    const int most = defaults_only ? 2 : every_size || full ? sizes_tried : SANITIZED ? 1 : 2;
    const int first = every_size || SANITIZED ? 0 : turn;
    int tested = 0;
    for (int i = 0; i < sizes_tried && tested < most; i++) {
        LawCase c = make_case(position, (first + i) % sizes_tried);
        if (!accepted(&c)) continue;
        for (int l = 0; l < law_count; l++) {
            Error err;
            bool suffices = laws[l].slow && (every_size ? !defaults_only && tested % 2 : tested > 0);
            if (suffices || (only_law && strcmp(laws[l].name, only_law) != 0)) continue;
            begin(&laws[l], &c);
            bool holds = law_holds(&laws[l], &c, &err);
            *at_work = '\0';
            if (!holds && failures[l]++ == 0) print_error("[  FAILS   ] %s\n", err.text);
        }
        tested++;
    }
    turn += !every_size && tested > 0;
    return tested > 0;
}

/* Tests one value of an option, with the defaults or, if that is always refused, with a bound of another
 * option.
 */
static bool run_value(const PositionMethod *m, const Encoding *with, const OptionField *field, double value,
                      Arena *arena) {
    Encoding position = law_defaults(m, with, arena);
    put(position.options, field, value);
    if (run_options(&position, false)) return true;
    for (int j = 0; j < m->field_count; j++)
        for (int high = 0; high < 2; high++) {
            options_default(position.options, m->fields, m->field_count);
            put(position.options, &m->fields[j], high ? m->fields[j].high : m->fields[j].low);
            put(position.options, field, value);
            if (&m->fields[j] != field && run_options(&position, false)) return true;
        }
    return false;
}

static void run_values(const PositionMethod *m, const Encoding *with, Arena *arena) {
    for (int i = 0; i < m->field_count && !defaults_only; i++) {
        const OptionField *f = &m->fields[i];
        double values[16] = {f->low, f->high};
        int count = f->type == OPTION_TEXT || (f->low == 0 && f->high == 0) ? 0 : 2;
        if (f->type == OPTION_BOOL || f->type == OPTION_CHOICE)
            for (count = 0; count < 16 && (f->type == OPTION_BOOL ? count < 2 : f->choices[count] != NULL);
                 count++)
                values[count] = count;
        for (int k = 0; k < count; k++)
            if (values[k] != f->default_value && !run_value(m, with, f, values[k], arena))
                fail_msg("%s: '%s' = %g is accepted with no size and no other options", m->name, f->key,
                         values[k]);
    }
}

/* Tests a method that draws positions with every partner, at its defaults or, if they are refused, at its
   first choice that is accepted; its own options are tested with the default partner. */
static void run_partners(const PositionMethod *m, Arena *arena) {
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *partner = encoding_methods[i];
        bool first = partner == encoding_find(m->partner);
        if (!(partner->claims & POS_BY_POSITION) || (defaults_only && !first)) continue;
        Encoding with = law_defaults(partner, NULL, arena), position = law_defaults(m, &with, arena);
        bool any = run_options(&position, first);
        for (int f = 0; f < partner->field_count && !any; f++)
            for (int k = 0; partner->fields[f].type == OPTION_CHOICE && partner->fields[f].choices[k] && !any;
                 k++) {
                with = law_defaults(partner, NULL, arena);
                put(with.options, &partner->fields[f], k);
                any = run_options(&position, false);
            }
        if (!any) fail_msg("%s is accepted with no size with partner %s", m->name, partner->name);
        if (first) run_values(m, &with, arena);
    }
}

/* All laws are tried; of each that fails the first case is printed where it happens, and all are counted
 * here.
 */
static void sum_up(Arena *arena) {
    const char *list = "";
    int failed = 0;
    for (int i = 0; i < law_count; i++) {
        if (!failures[i]) continue;
        list = arena_format(arena, "%s%s%s (%d case%s)", list, *list ? ", " : "", laws[i].name, failures[i],
                            failures[i] == 1 ? "" : "s");
        failed++;
    }
    if (failed) fail_msg("%d of %d laws fail: %s", failed, law_count, list);
}

static void all_laws(void **state) {
    const PositionMethod *m = *state;
    Arena *arena = arena_new(0);
    memset(failures, 0, sizeof failures);
    turn = 0;
    if (m->positions) {
        run_partners(m, arena);
    } else {
        Encoding position = law_defaults(m, NULL, arena);
        assert_true(run_options(&position, true));
        run_values(m, NULL, arena);
    }
    sum_up(arena);
    arena_free(arena);
}

/* cmocka catches a crash but does not know the law; an abort (BUG, assert) ends the program. */
static int tell_case(void **state) {
    (void)state;
    if (*at_work) print_error("%s: this crashed\n", at_work);
    *at_work = '\0';
    return 0;
}

static void on_abort(int signal_number) {
    static const char crashed[] = ": this crashed\n";
    bool told = signal_number == SIGABRT && write(STDERR_FILENO, at_work, strlen(at_work)) >= 0 &&
                write(STDERR_FILENO, crashed, sizeof crashed - 1) >= 0;
    (void)told;
}

/* Prints the existing names instead of `asked` to standard error. */
static int unknown(const char *what, const char *asked, const char *const *names) {
    const char *nearest = text_nearest(asked, names);
    fprintf(stderr, "test_methods: there is no %s '%s'", what, asked);
    if (nearest) fprintf(stderr, " (did you mean '%s'?)", nearest);
    fputs("; there are ", stderr);
    for (; *names; names++) fprintf(stderr, "%s%s", *names, names[1] ? ", " : "\n");
    return 2;
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[64];
    const char *methods[COUNT_OF(tests) + 1] = {0}, *law_names[64] = {0};
    int count = 0;
    law_threads = 3; /* evaluation on several threads; tests/laws/test_laws.c has one */
    defaults_only = argc > 1 && strcmp(argv[1], "--short") == 0;
    full = argc > 1 && strcmp(argv[1], "--full") == 0;
    if (defaults_only || full) argc--, argv++;
    only_method = argc > 1 ? argv[1] : NULL;
    only_law = argc > 2 ? argv[2] : NULL;
    bool law_known = !only_law;
    for (int i = 0; i < law_count && i < COUNT_OF(law_names) - 1; i++) {
        law_names[i] = laws[i].name;
        law_known = law_known || strcmp(laws[i].name, only_law) == 0;
    }
    for (int i = 0; i < encoding_method_count && count < COUNT_OF(tests); i++) {
        methods[i] = encoding_methods[i]->name;
        if (only_method && strcmp(encoding_methods[i]->name, only_method) != 0) continue;
        tests[count++] = (struct CMUnitTest){.name = encoding_methods[i]->name,
                                             .test_func = all_laws,
                                             .teardown_func = tell_case,
                                             .initial_state = (void *)(uintptr_t)encoding_methods[i]};
    }
    if (!count) return unknown("method", only_method ? only_method : "", methods);
    if (!law_known) return unknown("law", only_law, law_names);
    signal(SIGABRT, on_abort);
    int failed = _cmocka_run_group_tests("methods", tests, (size_t)count, NULL, NULL);
    fprintf(stderr, "%d cases of %d laws\n", runs, law_count);
    return failed;
}
