/* figure_loss: the figure `loss`: training loss by update, which shows whether a method had converged when
 * it was compared.
 *
 * There is one panel for each training length. The log of a run is averaged over windows of equal numbers of
 * updates, to remove the noise of single batches; a point is in the middle of its window, over the seeds
 * that have it. Runs that are not trained to their end are drawn from their train.jsonl.
 */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "train/train_log.h"
#include "store/run_folder.h"

enum { WINDOWS = 60, MOST_SEEDS = 1000 };

static const char sql[] =
    "WITH chosen AS (SELECT r.key, r.label, p.variant, r.train_length AS length, min(p.ordinal) AS ordinal,"
    "  (SELECT max(step) FROM train_log t WHERE t.run = r.key) AS steps"
    "  FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"
    "  WHERE x.name = ?1 AND (r.status IN ('done', 'diverged')"
    "   OR r.key IN (SELECT json_extract(value, '$[0]') FROM json_each(?2))) GROUP BY r.key),"
    " windows AS (SELECT c.key, label, variant, length, ordinal, avg(t.step) AS step, avg(t.loss) AS loss"
    "  FROM chosen c JOIN train_log t ON t.run = c.key GROUP BY c.key, (t.step - 1) * %d / c.steps"
    "  UNION ALL SELECT c.key, label, variant, length, ordinal, json_extract(value, '$[1]'),"
    "   json_extract(value, '$[2]')"
    "  FROM json_each(?2) JOIN chosen c ON c.key = json_extract(value, '$[0]')),"
    " lines AS (SELECT label, variant, length, min(ordinal) AS place FROM chosen GROUP BY 1, 2, 3)"
    "SELECT w.length, w.step, w.loss, w.key, w.label, w.variant"
    " FROM windows w JOIN lines l USING (label, variant, length)"
    " ORDER BY l.place, w.step, w.ordinal";

static const char unfinished[] =
    "SELECT DISTINCT r.key FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"
    " WHERE x.name = ? AND r.steps IS NULL";

/* Appends [KEY, STEP, LOSS] for each window of the run that is complete. */
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

/* The windows of runs whose training is not stored yet, as JSON. */
static const char *read_unfinished(const Figure *figure, Database *store, Error *err) {
    Arena *arena = figure->arena;
    const char *experiment = figure->set->experiment;
    Json *list = json_new_array(arena);
    Query *query = query_begin(store, unfinished, (const char *const[]){experiment, NULL});
    while (query_next(query)) {
        const char *key = arena_copy(arena, query_text(query, 0));
        const char *folder = run_folder_find(store, experiment, key, arena);
        int count;
        const TrainLogLine *lines = train_log_read(run_folder_log(folder, arena), &count, arena);
        append_windows(list, key, lines, count);
    }
    return query_end(query, err) ? json_print(list, arena) : NULL;
}

/* What is read of one window: its seeds' losses. */
typedef struct LossWindow {
    FigureLine *line;
    double step, losses[MOST_SEEDS];
    int count;
} LossWindow;

static void end_window(Figure *figure, LossWindow *window) {
    if (window->count)
        figure_point(figure, window->line, figure_values(window->step, window->losses, window->count));
    window->count = 0;
}

static int find_panel(Figure *figure, int64_t length) {
    for (int p = 0; p < figure->panel_count; p++)
        if (figure->panels[p].trained == length) return p;
    return figure_panel(figure, arena_format(figure->arena, "trained at %lld", (long long)length), 0, length);
}

static bool make_loss(Figure *figure, Database *store, Error *err) {
    figure->linear = true;
    const char *live = read_unfinished(figure, store, err);
    if (!live) return false;
    const char *const parameters[] = {figure->set->experiment, live, NULL};
    Query *query = query_begin(store, arena_format(figure->arena, sql, WINDOWS), parameters);
    LossWindow *window = NEW(figure->arena, 1, LossWindow);
    while (query_next(query)) {
        const char *name = results_run_name(figure->set, query_text(query, 3), query_text(query, 4),
                                            query_text(query, 5), figure->arena);
        if (!name) continue;
        int panel = find_panel(figure, query_int(query, 0));
        double step = query_real(query, 1);
        bool same_line = window->line && window->line->panel == panel && !strcmp(window->line->name, name);
        if (!same_line || step != window->step || window->count == MOST_SEEDS) end_window(figure, window);
        if (!same_line) {
            window->line = figure_line(figure, panel, name, name, figure->panels[panel].title);
        }
        window->step = step;
        window->losses[window->count++] = query_real(query, 2);
    }
    end_window(figure, window);
    return query_end(query, err);
}

const FigureKind figure_loss = {
    .name = "loss",
    .help = "loss of training by update",
    .x = "update",
    .y = "nats per token",
    .make = make_loss,
    .missing = "no trained run yet",
};
