#include "experiment/plan_print.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "sys/memory.h"
#include "math/linear.h"
#include "experiment/mpi_estimate.h"
#include "experiment/plan_memory.h"
#include "experiment/run_label.h"

/* The fraction of the measured rate of matrix products that a run reaches; the rest of the time goes to
   softmax, norms, activations and the optimizer. Measured: from 0.5 (width 128, two threads, evaluation) to
   0.9 (width 512, one thread). */
static const double efficiency = 0.7;

/* Estimated seconds per FLOP. The measured shape is that of the first point's feed-forward layer, within
   bounds that keep the measurement short. */
static double seconds_per_flop(const Plan *plan) {
    const ModelOptions *model = &plan->points[0].config->model;
    int n = model->ffn < 4096 ? (int)model->ffn : 4096, k = model->width < 4096 ? (int)model->width : 4096;
    return 1 / (efficiency * linear_rate(PRECISION_FP32, 256, n, k, 0.2));
}

double plan_print_seconds(const Plan *plan) {
    double flops = 0;
    for (int i = 0; i < plan->count; i++)
        flops += plan->points[i].train_flops + plan->points[i].evaluate_flops;
    return flops * seconds_per_flop(plan);
}

/* Whether the point is the first with its corpus. */
static bool first_of_corpus(const Plan *plan, int index) {
    int i = 0;
    while (plan->points[i].corpus != plan->points[index].corpus) i++;
    return i == index;
}

/* " task addition, sizes 2 to 5, 1000 examples," */
static const char *examples_text(const Examples *examples, Arena *arena) {
    const ExamplesOptions *options = examples_options(examples);
    const char *count = options->examples ? arena_format(arena, "%lld", (long long)options->examples) : "new";
    return arena_format(arena, " task %s, sizes %lld to %lld, %s examples,", options->task->name,
                        (long long)options->low, (long long)options->high, count);
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

/* A row for each point; for people, one of totals. */
enum { LABEL, KEY, STEPS = 4, TRAIN, EVALUATE, PEAK, RESIDENT, SECONDS, COLUMNS };

static const TableColumn columns[COLUMNS] = {
    [LABEL] = {"label", "run", TABLE_TEXT},
    [KEY] = {"key", "key", TABLE_TEXT, .code = true},
    {"parameters", "parameters", TABLE_INT},
    {"position_parameters", "position", TABLE_INT},
    [STEPS] = {"steps", "steps", TABLE_INT},
    [TRAIN] = {"train_flops", "training", TABLE_REAL},
    [EVALUATE] = {"evaluate_flops", "evaluation", TABLE_REAL},
    [PEAK] = {"peak_bytes", "memory", TABLE_REAL},
    [RESIDENT] = {"resident_bytes", "resident", TABLE_REAL},
    [SECONDS] = {"seconds", "time, about", TABLE_REAL},
};

static void put_point(TableCell *row, const PlanPoint *point, double seconds_per_flop, Arena *arena) {
    double flops = point->train_flops + point->evaluate_flops;
    row = TABLE_TEXTS(row, plan_label(point, arena), point->key);
    TABLE_NUMBERS(row, point->parameters, point->position_parameters, point->steps, point->train_flops,
                  point->evaluate_flops, fmax((double)point->train_bytes, (double)point->evaluate_bytes),
                  plan_resident(point), flops * seconds_per_flop);
}

/* The row of totals: sums, and maxima of memory. Parameters have no total. */
static Table *total_of(const Table *table, Arena *arena) {
    Table *total = table_new(NULL, columns, COLUMNS, arena);
    TableCell *sum = table_row(total);
    sum[LABEL] =
        table_text(arena_format(arena, "total of %d run%s", table->rows, table->rows == 1 ? "" : "s"));
    sum[KEY] = table_text("");
    for (int c = STEPS; c < COLUMNS; c++) {
        sum[c] = table_number(0);
        for (int r = 0; r < table->rows; r++) {
            double number = table->cells[r * COLUMNS + c].number, before = sum[c].number;
            sum[c].number = c == PEAK || c == RESIDENT ? fmax(before, number) : before + number;
        }
    }
    return total;
}

static void add_shown(Table *table, Arena *arena) {
    static const char *(*const texts[COLUMNS])(double number, Arena *arena) = {
        [TRAIN] = text_flops,    [EVALUATE] = text_flops,  [PEAK] = text_bytes,
        [RESIDENT] = text_bytes, [SECONDS] = text_seconds,
    };
    for (int i = 0; i < table->rows * COLUMNS; i++)
        if (texts[i % COLUMNS]) table->cells[i].text = texts[i % COLUMNS](table->cells[i].number, arena);
}

/* A row for each stage of the points whose training has several; without rows if none has. */
static Table *stages_of(const Plan *plan, const Table *points, double seconds_per_flop, Arena *arena) {
    enum { FLOPS = 6, TIME, STAGE_COLUMNS };
    static const TableColumn stage_columns[STAGE_COLUMNS] = {
        {"label", "run", TABLE_TEXT},
        {"key", "key", TABLE_TEXT, .code = true},
        {"length", "length", TABLE_INT},
        {"layers", "layers", TABLE_INT, .if_varying = true},
        {"first_step", "from step", TABLE_INT},
        {"last_step", "to step", TABLE_INT},
        [FLOPS] = {"train_flops", "training", TABLE_REAL},
        [TIME] = {"seconds", "time, about", TABLE_REAL},
    };
    Table *table = table_new("Stages of training", stage_columns, STAGE_COLUMNS, arena);
    for (int i = 0; i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        for (int s = 0; s < point->stage_count && point->stage_count > 1; s++) {
            const TrainStage *stage = &point->stages[s].train;
            double flops = point->stages[s].flops, seconds = flops * seconds_per_flop;
            TableCell *row = table_row(table);
            int layers = train_stage_layers(&point->config->train, stage, (int)point->config->model.layers);
            TABLE_NUMBERS(TABLE_TEXTS(row, points->cells[i * COLUMNS + LABEL].text, point->key),
                          stage->length, layers, stage->first + 1, stage->first + stage->updates, flops,
                          seconds);
            row[FLOPS].text = text_flops(flops, arena);
            row[TIME].text = text_seconds(seconds, arena);
        }
    }
    return table;
}

/* A row for each point that continues another run; without rows if there is none. */
static Table *continued_of(const Plan *plan, const Table *points, Arena *arena) {
    static const TableColumn continued_columns[] = {
        {"label", "run", TABLE_TEXT},
        {"key", "key", TABLE_TEXT, .code = true},
        {"parent_label", "continues", TABLE_TEXT},
        {"parent", "its key", TABLE_TEXT, .code = true},
    };
    Table *table = table_new("Continued runs", continued_columns, COUNT_OF(continued_columns), arena);
    for (int i = 0; i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        const char *from = point->config->train.from, *label = "run of the database";
        if (!from) continue;
        if (point->parent >= 0) label = points->cells[point->parent * COLUMNS + LABEL].text;
        TABLE_TEXTS(table_row(table), points->cells[i * COLUMNS + LABEL].text, point->key, label, from);
    }
    return table;
}

/* "corpus HASH: train 1000, valid 100, test 0, vocabulary 256" */
static const char *corpora_text(const Plan *plan, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < plan->count; i++) {
        const Corpus *corpus = plan->points[i].corpus;
        if (!first_of_corpus(plan, i)) continue;
        text = arena_format(arena, "%s%scorpus %s:", text, *text ? "; " : "", corpus->hash);
        if (corpus->examples)
            text = arena_format(arena, "%s%s", text, examples_text(corpus->examples, arena));
        for (int s = 0; s < SPLIT_COUNT && !corpus->examples; s++)
            text = arena_format(arena, "%s %s %lld,", text, corpus_split_names[s],
                                (long long)corpus->splits[s].count);
        const char *note = corpus_note(corpus, arena);
        text = arena_format(arena, "%s vocabulary %d%s%s", text, corpus->vocabulary, *note ? "; " : "", note);
    }
    return text;
}

static void add_notes(Table *table, const Plan *plan, Arena *arena) {
    table->title = corpora_text(plan, arena);
    table_note(table,
               "Time assumes sequential runs on one thread. Resident: memory of one run, including corpus, "
               "program and BLAS.");
    table_note(table,
               arena_format(arena,
                            "Of the %d runs, %d fit into the machine's memory of %s at the same time; `run` "
                            "refuses a larger --jobs.",
                            plan->count, plan_memory_fitting(plan_sizes(plan, arena), plan->count, arena),
                            text_bytes(memory_total(), arena)));
    if (plan->stale)
        table_note(table,
                   arena_format(
                       arena,
                       "%d of %d runs in the database are stale because the file of their method was edited: "
                       "`run` retrains them.",
                       plan->stale, plan->count));
    if (plan->stale_evaluations)
        table_note(table, arena_format(arena,
                                       "%d evaluations in the database are stale because the file of their "
                                       "method was edited: `run` repeats them.",
                                       plan->stale_evaluations));
    for (int i = 0; i < plan->notice_count; i++)
        table_note(table, arena_format(arena, "This config can only be planned; `run` refuses it: %s",
                                       plan->notices[i]));
}

static bool print_json(const Plan *plan, const Table *table, const Table *stages, const Table *continued,
                       const Table *ranks, FILE *out, Arena *arena, Error *err) {
    Json *json = json_new_object(arena), *corpora = json_new_array(arena), *notices = json_new_array(arena);
    for (int i = 0; i < plan->notice_count; i++) json_append(notices, json_new_text(plan->notices[i], arena));
    for (int i = 0; i < plan->count; i++)
        if (first_of_corpus(plan, i)) json_append(corpora, corpus_json(plan->points[i].corpus, arena));
    json_set_text(json, "experiment", plan->experiment->name);
    json_set(json, "corpora", corpora);
    json_set(json, "points", table_rows(table, arena));
    json_set(json, "total", json_copy(json_at(table_rows(total_of(table, arena), arena), 0), arena));
    json_set(json, "notices", notices);
    json_set_number(json, "stale", plan->stale);
    json_set_number(json, "stale_evaluations", plan->stale_evaluations);
    if (stages->rows) json_set(json, "stages", table_rows(stages, arena));
    if (continued->rows) json_set(json, "continued", table_rows(continued, arena));
    if (plan->rank_count) json_set(json, "ranks", table_rows(ranks, arena));
    json_set_number(json, "fitting_at_once",
                    plan_memory_fitting(plan_sizes(plan, arena), plan->count, arena));
    return table_print_json(json, out, err);
}

bool plan_print(const Plan *plan, TableFormat format, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    double rate = seconds_per_flop(plan);
    const char **settings = run_label_settings(plan, arena);
    Table *table = table_new(NULL, columns, COLUMNS, arena);
    for (int i = 0; i < plan->count; i++) {
        TableCell *row = table_row(table);
        put_point(row, &plan->points[i], rate, arena);
        row[LABEL].text = run_label_name(row[LABEL].text, settings[i], arena);
    }
    const Table *stages = stages_of(plan, table, rate, arena);
    const Table *continued = continued_of(plan, table, arena);
    const Table *ranks = mpi_estimate_table(plan, rate, arena), *tables[4] = {table};
    bool fine, people = !table_for_programs(format);
    int count = 1;
    if (people) {
        memcpy(table_row(table), total_of(table, arena)->cells, COLUMNS * sizeof(TableCell));
        add_shown(table, arena);
        add_notes(table, plan, arena);
        if (stages->rows) tables[count++] = stages;
        if (continued->rows) tables[count++] = continued;
        if (plan->rank_count) tables[count++] = ranks;
    }
    if (format == TABLE_AS_JSON)
        fine = print_json(plan, table, stages, continued, ranks, out, arena, err);
    else
        fine = table_print(tables, count, format, out, err);
    arena_free(arena);
    return fine;
}
