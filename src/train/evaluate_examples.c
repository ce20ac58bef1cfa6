#include "train/evaluate_examples.h"

#include <string.h>

#include "base/clock.h"
#include "sys/mpi.h"
#include "sys/threads.h"
#include "math/precision.h"
#include "model/transformer.h"

/* The rows of one lane's pass, and the results of the pass. */
typedef struct Lane {
    Activations *pass;
    TaskRow *rows;                                   /* [sequences] */
    const uint32_t **tokens, **targets, **positions; /* [sequences] */
    float *nll;                                      /* [sequences, inputs] */
    uint32_t *best;                                  /* [sequences, inputs] */
    bool lacks;                                      /* there was no example outside the training set */
    Error err;
} Lane;

typedef struct Scoring {
    const Model *model;
    const Examples *examples;
    int64_t low, sizes;   /* example i has size low + i % sizes */
    int hint;             /* number of the hint whose rows are scored */
    int64_t count, first; /* number of examples; the examples before `first` are scored */
    int inputs, sequences, lanes;
    Lane *lane;
    double *nll, *tokens, *right; /* [count] each, parts of one array; 0 for examples of other ranks */
} Scoring;

static void scoring_allocate(Scoring *s, Arena *arena) {
    int64_t sequences = s->model->options.max_tokens_in_flight / s->inputs;
    if (sequences > s->count) sequences = s->count;
    if (sequences < 1) sequences = 1;
    s->sequences = (int)sequences;
    int64_t passes = (s->count + sequences - 1) / sequences;
    s->lanes = s->model->threads < passes ? s->model->threads : (int)passes;
    size_t values = (size_t)s->sequences * (size_t)s->inputs;
    s->nll = NEW(arena, 3 * s->count, double);
    s->tokens = s->nll ? s->nll + s->count : NULL;
    s->right = s->nll ? s->tokens + s->count : NULL;
    s->lane = NEW(arena, s->lanes, Lane);
    for (int l = 0; l < s->lanes; l++) {
        Lane lane = {.pass = activations_new(s->model, s->sequences, s->inputs, false, arena),
                     .rows = NEW(arena, s->sequences, TaskRow),
                     .tokens = NEW(arena, s->sequences, const uint32_t *),
                     .targets = NEW(arena, s->sequences, const uint32_t *),
                     .positions = NEW(arena, s->sequences, const uint32_t *),
                     .nll = NEW(arena, values, float),
                     .best = NEW(arena, values, uint32_t)};
        for (int b = 0; b < s->sequences; b++) {
            TaskRow row = examples_row(s->examples, s->inputs, arena);
            if (!lane.rows) continue; /* a counting arena */
            lane.rows[b] = row;
            lane.tokens[b] = row.tokens, lane.targets[b] = row.targets, lane.positions[b] = row.positions;
        }
        if (!s->lane) continue;
        s->lane[l] = lane;
        transformer_set_rows(lane.pass, (TransformerRows){lane.targets, lane.positions, lane.best});
    }
}

static void add_up(const Scoring *s, const Lane *lane, int b, int64_t i) {
    const TaskRow *row = &lane->rows[b];
    for (int t = 0; t < s->inputs; t++) {
        if (row->targets[t] == TASK_IGNORED) continue;
        size_t at = (size_t)b * (size_t)s->inputs + (size_t)t;
        s->nll[i] += lane->nll[at];
        s->tokens[i]++;
        s->right[i] += lane->best[at] == row->targets[t];
    }
}

static void share(void *user, int number) {
    const Scoring *s = user;
    int64_t place = (int64_t)mpi_rank() * s->lanes + number, first = s->first + place * s->sequences;
    if (number >= s->lanes || first >= s->count) return;
    Lane *lane = &s->lane[number];
    int count = s->count - first < s->sequences ? (int)(s->count - first) : s->sequences;
    for (int b = 0; b < count; b++) {
        int64_t i = first + b;
        if (!examples_test(s->examples, s->low + i % s->sizes, s->hint, i, &lane->rows[b], &lane->err))
            lane->lacks = true;
    }
    transformer_set_origin(lane->pass,
                           (ActivationsOrigin){.seed = s->model->seed, .first_sequence = (int)first});
    transformer_evaluate(s->model, lane->pass, lane->tokens, count, lane->nll);
    for (int b = 0; b < count; b++) add_up(s, lane, b, first + b);
}

/* Scores all examples. Returns false if `progress` returned false. */
static bool score(Scoring *s, bool (*progress)(void *, double), void *user) {
    bool go_on = true;
    for (s->first = 0; s->first < s->count && go_on;) {
        threads_run(s->lanes, share, s);
        s->first += (int64_t)mpi_ranks() * s->lanes * s->sequences;
        double done = (double)s->first / (double)s->count;
        go_on = !mpi_or(progress && !progress(user, done < 1 ? done : 1));
    }
    mpi_merge_doubles(s->nll, (size_t)(3 * s->count));
    return go_on;
}

static int hint_of(const Examples *examples, const EvaluateRequest *request) {
    int hint = examples_hint(examples_options(examples), request->hint);
    if (hint < 0) BUG("no hint '%s'", request->hint);
    return hint;
}

int64_t evaluate_examples_length(const Examples *examples, const EvaluateRequest *request) {
    return examples_test_length(examples_options(examples), request->length, hint_of(examples, request));
}

static Scoring scoring_of(const Model *model, const Examples *examples, const EvaluateRequest *request) {
    return (Scoring){.model = model,
                     .examples = examples,
                     .low = request->length,
                     .sizes = 1,
                     .hint = hint_of(examples, request),
                     .count = request->tokens,
                     .inputs = (int)evaluate_examples_length(examples, request)};
}

static size_t scoring_bytes(Scoring scoring) {
    Arena *count = arena_new_counting();
    scoring_allocate(&scoring, count);
    return arena_counted(count);
}

size_t evaluate_examples_bytes(const Model *model, const Examples *examples, const EvaluateRequest *request) {
    return scoring_bytes(scoring_of(model, examples, request));
}

static bool lacks_examples(const Scoring *s, Error *err) {
    for (int l = 0; l < s->lanes; l++)
        if (s->lane[l].lacks) return *err = s->lane[l].err, true;
    return false;
}

static bool usable(const Model *model, const Examples *examples, const EvaluateRequest *request) {
    const ExamplesOptions *options = examples_options(examples);
    return encoding_usable(&model->position, &model->shape, evaluate_examples_length(examples, request)) &&
           encoding_usable(&model->position, &model->shape,
                           examples_test_farthest(options, request->length) + 1);
}

bool evaluate_examples_run(const Model *model, const Examples *examples, const EvaluateRequest *request,
                           bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                           Arena *arena, Arena *scratch, Error *err) {
    *result = (EvaluateResult){.request = *request};
    if (!precision_check(request->precision, "evaluation", "evaluate.precision", err)) return false;
    if (!usable(model, examples, request)) return result->beyond_limit = true;
    Model at_precision = *model;
    at_precision.precision = request->precision;
    double begin = clock_now();
    Scoring scoring = scoring_of(&at_precision, examples, request);
    result->peak_bytes = scoring_bytes(scoring);
    ArenaMark mark = arena_mark(scratch);
    scoring_allocate(&scoring, scratch);
    bool fine = score(&scoring, progress, user) || error_set(err, EXIT_STOPPED, "evaluation stopped");
    fine = mpi_agree(fine && !lacks_examples(&scoring, err), err);
    result->window = NEW(arena, scoring.count, EvaluateWindow);
    result->windows = scoring.count;
    for (int64_t i = 0; i < scoring.count; i++) {
        EvaluateWindow window = {scoring.nll[i], (int64_t)scoring.tokens[i], (int64_t)scoring.right[i]};
        result->window[i] = window;
        result->nll += window.nll;
        result->tokens += window.tokens;
    }
    arena_release(scratch, mark);
    result->seconds = clock_now() - begin;
    return fine;
}

bool evaluate_examples_check(const Examples *examples, const EvaluateRequest *request, const char *source,
                             Error *err) {
    Arena *scratch = arena_new(0);
    int64_t size = request->length;
    TaskRow row = examples_row(examples, evaluate_examples_length(examples, request), scratch);
    Error why;
    bool fine = true;
    for (int64_t i = 0; i < request->tokens && fine && examples_options(examples)->examples; i++)
        fine = examples_test(examples, size, hint_of(examples, request), i, &row, &why);
    arena_free(scratch);
    return fine || error_set(err, EXIT_USAGE, "%s: %.900s", source, why.text);
}

EvaluateAccuracy evaluate_examples_trained(const Model *model, const Examples *examples, int64_t count) {
    const ExamplesOptions *options = examples_options(examples);
    Arena *arena = arena_new(0);
    Scoring scoring = {.model = model,
                       .examples = examples,
                       .low = options->low,
                       .sizes = options->high - options->low + 1,
                       .inputs = 1,
                       .count = count};
    for (int64_t size = options->low; size <= options->high; size++) {
        int inputs = (int)examples_test_length(options, size, 0);
        if (inputs > scoring.inputs) scoring.inputs = inputs;
    }
    scoring_allocate(&scoring, arena);
    score(&scoring, NULL, NULL);
    double exact = 0, tokens = 0, right = 0;
    for (int64_t i = 0; i < count; i++) {
        exact += scoring.right[i] == scoring.tokens[i];
        tokens += scoring.tokens[i];
        right += scoring.right[i];
    }
    arena_free(arena);
    return (EvaluateAccuracy){exact / (double)count, right / tokens};
}
