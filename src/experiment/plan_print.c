#include "experiment/plan_print.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "sys/memory.h"
#include "math/linear.h"
#include "experiment/mpi_estimate.h"
#include "experiment/plan_memory.h"
#include "experiment/run_label.h"

/* The share of the measured rate of matrix products that a run reaches; the rest goes to softmax, norms,
   activations and the optimiser. Measured: from 0.5 (width 128, two threads, evaluation) to 0.9 (width 512,
   one thread). */
static const double efficiency = 0.7;

/* Seconds per FLOP of a run. The shape measured is that of the first point's feed-forward layer, within
   bounds that keep the measurement short. */
static double seconds_per_flop(const Plan *plan) {
    const ModelOptions *model = &plan->points[0].config->model;
    int n = model->ffn < 4096 ? (int)model->ffn : 4096, k = model->width < 4096 ? (int)model->width : 4096;
    return 1 / (efficiency * linear_rate(PRECISION_FP32, 256, n, k, 0.2));
}

/* Whether the point is the first one with its corpus. */
static bool first_of_corpus(const Plan *plan, int index) {
    int i = 0;
    while (plan->points[i].corpus != plan->points[index].corpus) i++;
    return i == index;
}

/* " task addition, sizes 2 to 5, 1000 examples," */
static void print_examples(FILE *out, const ExamplesOptions *options) {
    fprintf(out, " task %s, sizes %lld to %lld, ", options->task->name, (long long)options->low,
            (long long)options->high);
    if (options->examples)
        fprintf(out, "%lld examples,", (long long)options->examples);
    else
        fputs("new examples always,", out);
}

static Json *corpus_json(const Corpus *corpus, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "hash", corpus->hash);
    json_set_number(json, "vocabulary", corpus->vocabulary);
    if (corpus->examples) {
        json_set(json, "task", examples_json(examples_options(corpus->examples), arena));
        return json;
    }
    for (int s = 0; s < SPLIT_COUNT; s++)
        json_set_number(json, corpus_split_names[s], (double)corpus->splits[s].count);
    json_set_number(json, "empty_files", (double)corpus->empty);
    json_set_number(json, "copied_files", (double)corpus->copies);
    return json;
}

/* One row, of a point or of the totals. */
typedef struct PlanRow {
    const char *label, *key;
    double parameters, position, steps, train, evaluate, bytes, resident, seconds;
} PlanRow;

static const char *count_text(double number, Arena *arena) {
    return isnan(number) ? "" : arena_format(arena, "%.0f", number);
}

static const struct Column {
    const char *key, *head;
    size_t offset; /* of a double in Row */
    const char *(*text)(double number, Arena *arena);
} columns[] = {
    {"parameters", "parameters", offsetof(PlanRow, parameters), count_text},
    {"position_parameters", "position", offsetof(PlanRow, position), count_text},
    {"steps", "steps", offsetof(PlanRow, steps), count_text},
    {"train_flops", "training", offsetof(PlanRow, train), text_flops},
    {"evaluate_flops", "evaluation", offsetof(PlanRow, evaluate), text_flops},
    {"peak_bytes", "memory", offsetof(PlanRow, bytes), text_bytes},
    {"resident_bytes", "resident", offsetof(PlanRow, resident), text_bytes},
    {"seconds", "time, about", offsetof(PlanRow, seconds), text_seconds},
};

static double row_number(const PlanRow *row, int column) {
    double number;
    memcpy(&number, (const char *)row + columns[column].offset, sizeof number);
    return number;
}

static void print_table(const Plan *plan, const PlanRow *rows, FILE *out, Arena *arena) {
    int count = plan->count + 1, label_width = 0, widths[COUNT_OF(columns)];
    for (int r = 0; r < count; r++)
        if (escape_width(rows[r].label) > label_width) label_width = escape_width(rows[r].label);
    for (int c = 0; c < COUNT_OF(columns); c++) {
        widths[c] = (int)strlen(columns[c].head);
        for (int r = 0; r < count; r++) {
            int width = (int)strlen(columns[c].text(row_number(&rows[r], c), arena));
            if (width > widths[c]) widths[c] = width;
        }
    }
    for (int i = 0; i < plan->count; i++) {
        const Corpus *corpus = plan->points[i].corpus;
        if (!first_of_corpus(plan, i)) continue;
        fprintf(out, "corpus %s\n      ", corpus->hash);
        if (corpus->examples) print_examples(out, examples_options(corpus->examples));
        for (int s = 0; s < SPLIT_COUNT && !corpus->examples; s++)
            fprintf(out, " %s %lld,", corpus_split_names[s], (long long)corpus->splits[s].count);
        const char *note = corpus_note(corpus, arena);
        fprintf(out, " vocabulary %d\n%s%s%s\n", corpus->vocabulary, *note ? "       " : "", note,
                *note ? "\n" : "");
    }
    fprintf(out, "%-*s  %-*s", label_width, "run", PLAN_KEY_SIZE - 1, "key");
    for (int c = 0; c < COUNT_OF(columns); c++) fprintf(out, "  %*s", widths[c], columns[c].head);
    fputc('\n', out);
    for (int r = 0; r < count; r++) {
        fprintf(out, "%s%*s  %-*s", rows[r].label, label_width - escape_width(rows[r].label), "",
                PLAN_KEY_SIZE - 1, rows[r].key);
        for (int c = 0; c < COUNT_OF(columns); c++)
            fprintf(out, "  %*s", widths[c], columns[c].text(row_number(&rows[r], c), arena));
        fputc('\n', out);
    }
    fprintf(out,
            "\nThe time is for one run after the other, each on one thread; resident is memory with corpus, "
            "program and BLAS, of one run.\n%d of %d runs fit into the machine's %s at once: \"run\" refuses "
            "more --jobs.\n",
            plan_memory_fitting(plan_sizes(plan, arena), plan->count, arena), plan->count,
            text_bytes(memory_total(), arena));
    for (int i = 0; i < plan->notice_count; i++) {
        fputs("This is a plan only, `run` would refuse: ", out);
        escape_put(ESCAPE_LINE, plan->notices[i], out);
        putc('\n', out);
    }
}

static Json *row_json(const PlanRow *row, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "label", row->label);
    json_set_text(json, "key", row->key);
    for (int c = 0; c < COUNT_OF(columns); c++) json_set_number(json, columns[c].key, row_number(row, c));
    return json;
}

static void print_json(const Plan *plan, const PlanRow *rows, double rate, FILE *out, Arena *arena) {
    Json *json = json_new_object(arena), *corpora = json_new_array(arena), *points = json_new_array(arena);
    Json *notices = json_new_array(arena);
    for (int i = 0; i < plan->notice_count; i++) json_append(notices, json_new_text(plan->notices[i], arena));
    for (int i = 0; i < plan->count; i++) {
        if (first_of_corpus(plan, i)) json_append(corpora, corpus_json(plan->points[i].corpus, arena));
        json_append(points, row_json(&rows[i], arena));
    }
    json_set_text(json, "experiment", plan->experiment->name);
    json_set(json, "corpora", corpora);
    json_set(json, "points", points);
    json_set(json, "total", row_json(&rows[plan->count], arena));
    json_set(json, "notices", notices);
    if (plan->rank_count) json_set(json, "ranks", mpi_estimate_json(plan, rate, arena));
    json_set_number(json, "fitting_at_once",
                    plan_memory_fitting(plan_sizes(plan, arena), plan->count, arena));
    fputs(json_print_pretty(json, arena), out);
}

void plan_print(const Plan *plan, bool json, FILE *out) {
    Arena *arena = arena_new(0);
    double rate = seconds_per_flop(plan);
    const char **settings = run_label_settings(plan, arena);
    PlanRow *rows = NEW(arena, plan->count + 1, PlanRow), *total = &rows[plan->count];
    for (int i = 0; i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        rows[i] = (PlanRow){.label = plan_label(point, arena),
                            .key = point->key,
                            .parameters = (double)point->parameters,
                            .position = (double)point->position_parameters,
                            .steps = (double)point->steps,
                            .train = point->train_flops,
                            .evaluate = point->evaluate_flops,
                            .bytes = fmax((double)point->train_bytes, (double)point->evaluate_bytes),
                            .resident = plan_resident(point),
                            .seconds = (point->train_flops + point->evaluate_flops) * rate};
        if (*settings[i]) rows[i].label = arena_format(arena, "%s %s", rows[i].label, settings[i]);
        if (!json) rows[i].label = escape_text(ESCAPE_LINE, rows[i].label, arena);
        total->steps += rows[i].steps;
        total->train += rows[i].train;
        total->evaluate += rows[i].evaluate;
        total->bytes = fmax(total->bytes, rows[i].bytes);
        total->resident = fmax(total->resident, rows[i].resident);
        total->seconds += rows[i].seconds;
    }
    total->label = arena_format(arena, "total of %d run%s", plan->count, plan->count == 1 ? "" : "s");
    total->key = "";
    total->parameters = total->position = NAN; /* sums that mean nothing */
    if (json) print_json(plan, rows, rate, out, arena);
    if (!json) print_table(plan, rows, out, arena);
    if (!json && plan->rank_count) mpi_estimate_print(plan, rate, out);
    arena_free(arena);
}
