/* figure_position: the figures `position` (loss by position in the window), `cost` (cost against perplexity)
 * and `loss` (training loss by update).
 */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "train/train_log.h"
#include "train/train_options.h"
#include "store/bench_results.h"
#include "store/run_folder.h"

/* The longest cell that has a loss; NULL if there is none. */
static const SeriesCell *longest_cell(const Series *series) {
    for (int k = series->count - 1; k >= 0; k--)
        if (series->cells[k].count) return &series->cells[k];
    return NULL;
}

/* --- position: at the longest evaluated length; a panel for each training length and split. With a stride,
   only the first window has early positions --- */

/* The loss of each seed. Positions count from 1; a bin is drawn at its geometric middle. */
static bool add_bins(Figure *figure, FigureLine *line, const SeriesCell *cell, Error *err) {
    double *nats = NEW(figure->arena, SERIES_BINS * cell->count, double); /* [bins, cell->count] */
    SeriesBin bins[SERIES_BINS] = {0};
    int common = SERIES_BINS;
    for (int s = 0; s < cell->count; s++) {
        int count = series_bins(bins, &cell->seeds[s], err);
        if (count < 0) return false;
        if (count < common) common = count;
        for (int b = 0; b < count; b++) nats[b * cell->count + s] = bins[b].nats / (double)bins[b].tokens;
    }
    for (int b = 0; b < common; b++) {
        double middle = sqrt(((double)bins[b].first + 1) * ((double)bins[b].last + 1));
        figure_point(figure, line, figure_values(figure, middle, nats + b * cell->count, cell->count));
    }
    return true;
}

static bool make_position(Figure *figure, Error *err) {
    for (int i = 0; i < figure->set->count; i++) {
        const Series *series = &figure->set->items[i];
        const SeriesCell *cell = longest_cell(series);
        if (!series_nonoverlapping(series)) continue;
        int64_t longest = results_longest(figure->set, series);
        const char *title =
            arena_format(figure->arena, "%s, windows of %lld", series->evaluated, (long long)longest);
        int panel = figure_panel_of(figure, series, series_comparable, title);
        if (!cell) continue;
        const char *comment =
            arena_format(figure->arena, "trained at %lld, evaluated at %lld; %s",
                         (long long)series->train_length, (long long)cell->length, series->evaluated);
        FigureLine *line = figure_line(figure, panel, series->name, series->name, comment);
        if (cell->length < longest)
            line->note = arena_format(figure->arena, "windows of %lld", (long long)cell->length);
        if (!add_bins(figure, line, cell, err)) return false;
    }
    return true;
}

const FigureKind figure_position = {
    .name = "position",
    .title = "loss by position in the window",
    .x = "position",
    .y = "nats per token",
    .xlabel = "position in the window, from 1",
    .ylabel = "nats per %s",
    .base = 2,
    .linear = true,
    .of_methods = true,
    .make = make_position,
    .missing = "no losses by position to draw yet",
};

/* --- cost: training speed against perplexity, at the training length and at the longest. The speed is that
   of a bench, because the time of runs depends on other load --- */

/* A bench that measured all methods trained at this length; NULL if there is none. */
static const BenchRecord *find_bench(const BenchResults *list, const Results *set, int64_t length) {
    for (int b = 0; b < list->count; b++) {
        bool all = list->items[b].own;
        for (int i = 0; i < set->count; i++)
            all &= set->items[i].train_length != length ||
                   bench_results_find(&list->items[b], set->items[i].run_label, length, true);
        if (all) return &list->items[b];
    }
    return NULL;
}

static const char *panel_title(const Series *series, const SeriesCell *cell, Arena *arena) {
    return arena_format(arena, "trained at %lld, evaluated at %lld", (long long)series->train_length,
                        (long long)(cell ? cell->length : 0));
}

static bool make_cost(Figure *figure, Error *err) {
    Arena *arena = figure->arena;
    const Results *set = figure->set;
    const BenchResults *benches = bench_results_read(set->store, set->experiment, arena, err);
    if (!benches) return false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const SeriesCell *cells[] = {series->base, longest_cell(series)};
        const BenchRecord *bench = find_bench(benches, set, series->train_length);
        if (!series_nonoverlapping(series) || !bench) continue;
        double speed = bench_results_find(bench, series->run_label, series->train_length, true)->rate;
        int known = figure->panel_count;
        int panel = figure_panel_of(figure, series, series_comparable, panel_title(series, cells[0], arena));
        if (panel == known) { /* the panel of the longest lengths follows it */
            figure->panels[panel].mark = 0;
            figure_panel(figure, panel_title(series, cells[1], arena), 0, series->train_length);
        }
        for (int c = 0; c < COUNT_OF(cells); c++) {
            if (!cells[c] || !cells[c]->count || !series->run_count) continue;
            if (c > 0 && cells[0] == cells[1]) continue;
            const char *comment = arena_format(arena, "%s; %s; %lld bytes; speed of the bench",
                                               panel_title(series, cells[c], arena), series->evaluated,
                                               (long long)series->runs[0].cost[SERIES_BYTES]);
            FigureLine *line = figure_line(figure, panel + c, series->name, series->name, comment);
            figure_cell(figure, line, speed, cells[c]);
        }
    }
    return true;
}

const FigureKind figure_cost = {
    .name = "cost",
    .title = "perplexity by training speed",
    .x = "training tokens per second",
    .y = "perplexity",
    .xlabel = "training speed (tokens per second)",
    .ylabel = "perplexity per %s",
    .margin = 0.08,
    .of_methods = true,
    .make = make_cost,
    .missing =
        "no bench of all its methods, or no perplexity yet; `poslab bench CONFIG --db DB` measures speeds",
};

/* --- loss: a panel for each training length. It shows whether a method had converged. The log of a run is
   averaged over windows of equal numbers of updates, to remove the noise of single batches. A point is in the
   middle of its window, and is the mean over the seeds that have the window. Unfinished runs are drawn from
   their train.jsonl. A "+" marks the end of a stage of training --- */

enum { WINDOWS = 60, MOST_SEEDS = 1000 };

static const char sql[] =
    "WITH chosen AS (SELECT r.key, r.label, p.variant, r.train_length AS length, min(p.ordinal) AS ordinal,"
    "  (SELECT max(step) FROM train_log t WHERE t.run = r.key) AS steps" QUERY_RUNS
    "  WHERE x.name = ?1 AND r.key IN (SELECT value FROM json_each(?3)) AND (r.status IN ('done', 'diverged')"
    "   OR r.key IN (SELECT json_extract(value, '$[0]') FROM json_each(?2))) GROUP BY r.key),"
    " windows AS (SELECT c.key, label, variant, length, ordinal, avg(t.step) AS step, avg(t.loss) AS loss"
    "  FROM chosen c JOIN train_log t ON t.run = c.key GROUP BY c.key, (t.step - 1) * %d / c.steps"
    "  UNION ALL SELECT c.key, label, variant, length, ordinal, json_extract(value, '$[1]'),"
    "   json_extract(value, '$[2]')"
    "  FROM json_each(?2) JOIN chosen c ON c.key = json_extract(value, '$[0]')),"
    " lines AS (SELECT label, variant, length, min(ordinal) AS place FROM chosen GROUP BY 1, 2, 3)"
    "SELECT w.length, w.step, w.loss, w.key, w.label, w.variant,"
    "  (SELECT config FROM run WHERE key = w.key)"
    " FROM windows w JOIN lines l USING (label, variant, length)"
    " ORDER BY l.place, w.step, w.ordinal";

static const char unfinished[] = "SELECT DISTINCT r.key" QUERY_RUNS " WHERE x.name = ? AND r.steps IS NULL";

/* Appends [KEY, STEP, LOSS] for each complete window of the run. */
static void append_windows(Json *list, const char *key, const TrainLogLine *lines, int count) {
    Arena *arena = json_arena(list);
    double steps = 0, loss = 0;
    for (int i = 0, size = 0; i < count; i++) {
        int64_t window = (int64_t)i * WINDOWS / lines[i].steps,
                next = (i + 1) * (int64_t)WINDOWS / lines[i].steps;
        steps += (double)lines[i].log.step;
        loss += lines[i].log.loss;
        size++;
        if (window == next) continue;
        Json *point = json_new_array(arena);
        json_append(point, json_new_text(key, arena));
        json_append(point, json_new_number(steps / size, arena));
        json_append(point, json_new_number(loss / size, arena));
        if (isfinite(loss)) json_append(list, point);
        steps = loss = size = 0;
    }
}

/* The windows of runs whose training is not stored in the database yet, as JSON. */
static const char *read_unfinished(const Figure *figure, Error *err) {
    Arena *arena = figure->arena;
    const char *experiment = figure->set->experiment;
    Json *list = json_new_array(arena);
    Query *query = query_begin(figure->set->store, unfinished, (const char *const[]){experiment, NULL});
    while (query_next(query)) {
        const char *key = arena_copy(arena, query_text(query, 0));
        const char *folder = run_folder_find(figure->set->store, experiment, key, arena);
        int count;
        const TrainLogLine *lines = train_log_read(run_folder_log(folder, arena), &count, arena);
        append_windows(list, key, lines, count);
    }
    return query_end(query, err) ? json_print(list, arena) : NULL;
}

/* One window of updates with the losses of its seeds. */
typedef struct LossWindow {
    FigureLine *line;
    double step, losses[MOST_SEEDS];
    int count;
} LossWindow;

static void end_window(Figure *figure, LossWindow *window) {
    if (window->count)
        figure_point(figure, window->line,
                     figure_values(figure, window->step, window->losses, window->count));
    window->count = 0;
}

static int find_panel(Figure *figure, int64_t length) {
    for (int p = 0; p < figure->panel_count; p++)
        if (figure->panels[p].trained == length) return p;
    return figure_panel(figure, arena_format(figure->arena, "trained at %lld", (long long)length), 0, length);
}

/* Marks the ends of the stages of a line that has all its points; NULL: stages that are not known. */
static void mark_stages(Figure *figure, FigureLine *line, const TrainOptions *train) {
    for (int i = 1; train && i < train_stage_count(train); i++) {
        FigurePanel *panel = &figure->panels[line->panel];
        figure_mark(figure, line, (double)train_stage(train, i).first);
        panel->title =
            arena_format(figure->arena, "trained at %lld (+: end of a stage)", (long long)panel->trained);
    }
}

/* The options of a run, from its config, in `train`; NULL if the config is of another revision. */
static const TrainOptions *read_train(TrainOptions *train, const char *text, Arena *arena) {
    Error ignored;
    const Json *json = json_parse(text, strlen(text), "run.config", arena, &ignored);
    return json && train_options_of_run(train, json, arena) ? train : NULL;
}

static bool make_loss(Figure *figure, Error *err) {
    const char *live = read_unfinished(figure, err);
    if (!live) return false;
    const char *const parameters[] = {figure->set->experiment, live, figure_run_keys(figure), NULL};
    Query *query = query_begin(figure->set->store, arena_format(figure->arena, sql, WINDOWS), parameters);
    LossWindow *window = NEW(figure->arena, 1, LossWindow);
    TrainOptions options;
    const TrainOptions *train = NULL; /* of the line's runs */
    while (query_next(query)) {
        const char *name = results_run_name(figure->set, query_text(query, 3), query_text(query, 4),
                                            query_text(query, 5), figure->arena);
        if (!name) continue;
        int panel = find_panel(figure, query_int(query, 0));
        double step = query_real(query, 1);
        bool same_line = window->line && window->line->panel == panel && !strcmp(window->line->name, name);
        if (!same_line || step != window->step || window->count == MOST_SEEDS) end_window(figure, window);
        if (!same_line) {
            mark_stages(figure, window->line, train);
            window->line = figure_line(figure, panel, name, name, figure->panels[panel].title);
            train = read_train(&options, query_text(query, 6), figure->arena);
        }
        window->step = step;
        window->losses[window->count++] = query_real(query, 2);
    }
    end_window(figure, window);
    mark_stages(figure, window->line, train);
    return query_end(query, err);
}

const FigureKind figure_loss = {
    .name = "loss",
    .title = "training loss by update",
    .x = "update",
    .y = "nats per token",
    .xlabel = "update",
    .ylabel = "training loss (nats per %s)",
    .base = 10,
    .linear = true,
    .of_methods = true,
    .make = make_loss,
    .missing = "no trained run yet",
};
