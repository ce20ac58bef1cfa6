/* figure_length: figures by evaluation length: `curves` (extrapolation), `paper` (the experiment and the
 * paper), `early` (the decomposition of analysis/cost_early.c), and `accuracy` for experiments on tasks.
 */
#include "report/figure.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "tasks/task.h"

/* --- curves: one panel for each training length and protocol --- */

/* The note in the legend: "1 of 3 diverged" if seeds have no result; "not beyond 64" if the method's curve
   ends before others, or "not evaluated beyond 64" if the text is too short; otherwise "". */
static const char *legend_note(const Series *series, Arena *arena) {
    static const char *const outcomes[][2] = {{"diverged", ""},
                                              {"failed", ""},
                                              {"missing", ""},
                                              {"beyond_limit", "not beyond"},
                                              {"beyond_text", "not evaluated beyond"}};
    int requested = 0;
    int64_t usable = 0;
    for (int k = 0; k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        if (cell->count) usable = cell->length;
        if (cell->seeds_requested > requested) requested = cell->seeds_requested;
    }
    for (int i = 0; i < COUNT_OF(outcomes); i++) {
        const char *outcome = outcomes[i][0], *end = outcomes[i][1];
        int lost = 0;
        for (int k = 0; k < series->count; k++) {
            int count = series_outcomes(&series->cells[k], outcome);
            if (count > lost) lost = count;
        }
        if (!lost) continue;
        if (*end) return arena_format(arena, "%s %lld", end, (long long)usable);
        if (requested == 1) return outcome;
        return arena_format(arena, "%d of %d %s", lost, requested, outcome);
    }
    return "";
}

/* Adds a length to the tics, which stay ascending. */
static void add_tic(Figure *figure, int64_t length) {
    for (int i = 0; i < figure->tic_count; i++)
        if (figure->tics[i] == length) return;
    *ARENA_PUSH(figure->arena, figure->tics, figure->tic_count) = length;
    for (int i = figure->tic_count - 1; i > 0 && figure->tics[i - 1] > length; i--) {
        figure->tics[i] = figure->tics[i - 1];
        figure->tics[i - 1] = length;
    }
}

static bool same_panel(const Series *a, const Series *b) {
    return a->train_length == b->train_length && series_same_protocol(a, b);
}

static bool make_curves(Figure *figure, Error *err) {
    (void)err;
    const Results *set = figure->set;
    bool several = false;
    for (int i = 1; i < set->count; i++) several |= !series_same_protocol(&set->items[0], &set->items[i]);
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        int panel = figure_panel_of(figure, series, same_panel, several ? series->evaluated : "");
        const char *comment = arena_format(figure->arena, "trained at %lld; %s",
                                           (long long)series->train_length, series->evaluated);
        FigureLine *line = figure_line(figure, panel, series->name, series->name, comment);
        line->note = legend_note(series, figure->arena);
        for (int k = 0; k < series->count; k++) {
            const SeriesCell *cell = &series->cells[k];
            if (cell->seeds_requested > series_outcomes(cell, "beyond_text")) add_tic(figure, cell->length);
            figure_cell(figure, line, (double)cell->length, cell);
        }
    }
    return true;
}

const FigureKind figure_curves = {
    .name = "curves",
    .title = "perplexity by evaluation length",
    .x = "length",
    .y = "perplexity",
    .xlabel = "evaluation length (tokens)",
    .ylabel = "perplexity per %s",
    .base = 2,
    .of_methods = true,
    .make = make_curves,
    .ceiling = 30,
    .missing = "no perplexity to draw yet",
};

/* --- paper: one panel for each method, everything relative to the training length --- */

/* Adds a precision other than fp32. */
static const char *with_precision(const char *name, const Series *series, Arena *arena) {
    return strcmp(series->precision, "fp32") ? arena_format(arena, "%s, %s", name, series->precision) : name;
}

static void add_ours(Figure *figure, const Series *series, int panel) {
    const SeriesCell *base = series->base;
    const char *key = arena_format(figure->arena, "here, trained at %lld", (long long)series->train_length);
    const char *name =
        with_precision(run_label_name(key, series->setting, figure->arena), series, figure->arena);
    FigureLine *line = figure_line(figure, panel, name, name, series->evaluated);
    for (int k = 0; base && k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        double *ratios = NEW(figure->arena, cell->count, double);
        int count = series_log_ratios(ratios, cell, base, NULL, NULL);
        for (int i = 0; i < count; i++) ratios[i] = exp(ratios[i]);
        if (count && cell->length >= series->train_length)
            figure_point(
                figure, line,
                figure_values(figure, (double)cell->length / (double)series->train_length, ratios, count));
    }
}

static void add_theirs(Figure *figure, const ReferenceCurve *curve, int panel) {
    const char *name = arena_format(figure->arena, "paper, trained at %lld", (long long)curve->train_length);
    FigureLine *line = figure_line(figure, panel, name, name, curve->source);
    for (int k = 0; k < curve->count; k++) {
        double ratio = curve->perplexities[k] / curve->perplexities[0];
        figure_point(
            figure, line,
            figure_values(figure, (double)curve->lengths[k] / (double)curve->train_length, &ratio, 1));
    }
}

static bool same_plain(const Series *a, const Series *b) {
    return series_nonoverlapping(a) && series_nonoverlapping(b) && !strcmp(a->label, b->label);
}

static bool make_paper(Figure *figure, Error *err) {
    (void)err;
    const Results *set = figure->set;
    const ReferenceCurves *paper = reference_curves_choose(set->reference, figure->arena);
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        bool known = false;
        for (int k = 0; k < paper->count; k++) known |= !strcmp(paper->items[k].method, series->method);
        if (!series_nonoverlapping(series) || !known || !results_is_first(set, i, same_plain)) continue;
        int panel = figure_panel(figure, series->label, 1, 1);
        for (int k = i; k < set->count; k++)
            if (same_plain(&set->items[k], series)) add_ours(figure, &set->items[k], panel);
        for (int k = 0; k < paper->count; k++)
            if (!strcmp(paper->items[k].method, series->method)) add_theirs(figure, &paper->items[k], panel);
    }
    return true;
}

const FigureKind figure_paper = {
    .name = "paper",
    .title = "perplexity relative to that at the training length, here and in the paper",
    .x = "multiple",
    .y = "perplexity over that at the training length",
    .xlabel = "evaluation length / training length",
    .ylabel = "relative perplexity",
    .base = 2,
    .make = make_paper,
    .ceiling = 30,
    .missing = "no reference curves of its methods; `poslab reference DB` imports the paper's",
};

/* --- early: one panel for each method and training length, one line for each protocol --- */

static bool has_several_protocols(const Results *set, const Series *series) {
    for (int i = 0; i < set->count; i++)
        if (series_same_runs(&set->items[i], series) && series_same_targets(&set->items[i], series) &&
            strcmp(set->items[i].protocol, series->protocol))
            return true;
    return false;
}

static bool same_name(const Series *a, const Series *b) {
    return !strcmp(a->name, b->name) && a->train_length == b->train_length;
}

static bool make_early(Figure *figure, Error *err) {
    (void)err;
    for (int i = 0; i < figure->set->count; i++) {
        const Series *series = &figure->set->items[i];
        if (!has_several_protocols(figure->set, series)) continue;
        int panel = figure_panel_of(figure, series, same_name, series->name);
        const char *name = strcmp(series->rule, "L")
                               ? arena_format(figure->arena, "%s, stride %s", series->protocol, series->rule)
                               : series->protocol;
        name = with_precision(name, series, figure->arena);
        const char *comment = arena_format(figure->arena, "%s; trained at %lld; %s", series->name,
                                           (long long)series->train_length, series->evaluated);
        FigureLine *line = figure_line(figure, panel, name, name, comment);
        for (int k = 0; k < series->count; k++)
            figure_cell(figure, line, (double)series->cells[k].length, &series->cells[k]);
    }
    return true;
}

const FigureKind figure_early = {
    .name = "early",
    .title = "perplexity by evaluation length under each protocol",
    .x = "length",
    .y = "perplexity",
    .xlabel = "evaluation length (tokens)",
    .ylabel = "perplexity per %s",
    .base = 2,
    .make = make_early,
    .ceiling = 30,
    .missing = "no two protocols on the same targets; `poslab eval DB --protocol strided:0.125` adds one",
};

/* --- accuracy: exact match by size, one panel for each setting --- */

/* A panel is shaded between the smallest (`trained`) and the largest (`mark`) size in training. A method has
   one line of medians with its name, and one line for each seed without a name, since beyond training seeds
   differ too much for a band. */
static bool same_sizes(const Series *a, const Series *b) {
    return a->train_length == b->train_length && !strcmp(a->setting, b->setting) &&
           !strcmp(a->evaluated, b->evaluated);
}

/* "order=plain, trained at 14, 500 examples of addition": the parts that differ between panels. */
static const char *accuracy_title(const Results *set, const Series *series, Arena *arena) {
    const char *title = series_conditions(series, set->items, set->count, arena);
    bool several = false;
    for (int i = 0; i < set->count; i++) several |= strcmp(set->items[i].evaluated, series->evaluated) != 0;
    return several ? text_join(title, ", ", series->evaluated, arena) : title;
}

/* "Label (2 of 3 seeds)" if some seeds have no result at any size. */
static const char *accuracy_name(const Series *series, Arena *arena) {
    int least = INT_MAX, requested = 0;
    for (int k = 0; k < series->count; k++) {
        if (series->cells[k].count < least) least = series->cells[k].count;
        if (series->cells[k].seeds_requested > requested) requested = series->cells[k].seeds_requested;
    }
    if (least == requested) return series->label;
    return arena_format(arena, "%s (%d of %d seeds)", series->label, least, requested);
}

static void add_medians(Figure *figure, int panel, const Series *series) {
    Arena *arena = figure->arena;
    FigureLine *line = figure_line(figure, panel, accuracy_name(series, arena), series->label,
                                   arena_format(arena, "%s, trained at %lld, %s, median", series->name,
                                                (long long)series->train_length, series->evaluated));
    for (int k = 0; k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k];
        double *shares = NEW(arena, cell->count, double);
        for (int i = 0; i < cell->count; i++) shares[i] = 100 * series_score(&cell->seeds[i], SERIES_EXACT);
        FigurePoint point = figure_values(figure, (double)cell->length, shares, cell->count);
        point.y = stats_median(shares, cell->count, arena);
        figure_point(figure, line, point);
        add_tic(figure, cell->length);
    }
}

static void add_seed(Figure *figure, int panel, const Series *series, int64_t seed) {
    FigureLine *line = figure_line(figure, panel, "", series->label,
                                   arena_format(figure->arena, "%s, trained at %lld, seed %lld", series->name,
                                                (long long)series->train_length, (long long)seed));
    for (int k = 0; k < series->count; k++) {
        const SeriesSeed *found = series_seed(&series->cells[k], seed);
        double share = found ? 100 * series_score(found, SERIES_EXACT) : NAN;
        figure_point(figure, line, figure_values(figure, (double)series->cells[k].length, &share, 1));
    }
}

static bool make_accuracy(Figure *figure, Error *err) {
    (void)err;
    const Results *set = figure->set;
    const char *nearest;
    const Task *task = set->task ? task_find(set->task, &nearest) : NULL;
    figure->x_unit = task ? task->size : "";
    for (int i = 0; set->task && i < set->count; i++) {
        const Series *series = &set->items[i];
        int panel = figure_panel_of(figure, series, same_sizes, accuracy_title(set, series, figure->arena));
        figure->panels[panel].mark = (double)series->train_high;
        figure->panels[panel].trained = series->train_low;
        add_medians(figure, panel, series);
        const SeriesCell *first = &series->cells[0];
        for (int s = 0; first->count > 1 && s < first->count; s++)
            add_seed(figure, panel, series, first->seeds[s].seed);
    }
    return true;
}

const FigureKind figure_accuracy = {
    .name = "accuracy",
    .title = "exact match by size, every seed, median in bold",
    .x = "size",
    .y = "exact match in percent",
    .xlabel = "size (%s)",
    .ylabel = "exact match (%)",
    .linear = true,
    .of_methods = true,
    .make = make_accuracy,
    .missing = "no accuracy to draw: it is not on a task, or nothing is done",
};
