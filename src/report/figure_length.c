/* figure_length: the figures by evaluation length: `curves` (extrapolation), `paper` (ours against the
 * paper's) and `early` (the decomposition of analysis/early_tokens.c).
 */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "analysis/curves.h"
#include "analysis/reference_curves.h"
#include "train/evaluate.h"

/* --- curves: one panel for each training length and protocol --- */

/* In the legend a method that has lost seeds says so, "Label (1 of 3 diverged)", and one whose curve ends
   before others, too: "Label (not beyond 64)", or, where it is the text that ends, "Label (not evaluated
   beyond 64)". */
static const char *legend_text(const Curve *curve, const Curves *curves, Arena *arena) {
    static const char *const words[OUTCOME_COUNT] = {
        [OUTCOME_DIVERGED] = "diverged", [OUTCOME_FAILED] = "failed", [OUTCOME_MISSING] = "missing"};
    int lost[OUTCOME_COUNT] = {0}, requested = 0;
    int64_t usable = 0;
    for (int k = 0; k < curves->length_count; k++) {
        const CurveCell *cell = &curve->cells[k];
        if (cell->seeds[OUTCOME_DONE]) usable = curves->lengths[k];
        if (curves_seeds_requested(cell) > requested) requested = curves_seeds_requested(cell);
        for (int i = 0; i < OUTCOME_COUNT; i++)
            if (cell->seeds[i] > lost[i]) lost[i] = cell->seeds[i];
    }
    for (int i = OUTCOME_DIVERGED; i < OUTCOME_COUNT; i++) {
        if (!lost[i] || !words[i]) continue;
        if (requested == 1) return arena_format(arena, "%s (%s)", curve->name, words[i]);
        return arena_format(arena, "%s (%d of %d %s)", curve->name, lost[i], requested, words[i]);
    }
    if (lost[OUTCOME_BEYOND])
        return arena_format(arena, "%s (not beyond %lld)", curve->name, (long long)usable);
    if (lost[OUTCOME_SHORT])
        return arena_format(arena, "%s (not evaluated beyond %lld)", curve->name, (long long)usable);
    return curve->name;
}

/* The lengths of all curves, without those that no text was long enough for. */
static void put_tics(Figure *figure, const Curves *curves) {
    int64_t *tics = NEW(figure->arena, curves->length_count, int64_t);
    for (int k = 0; k < curves->length_count; k++) {
        bool reached = false;
        for (int i = 0; i < curves->count; i++) {
            const CurveCell *cell = &curves->items[i].cells[k];
            reached |= curves_seeds_requested(cell) > cell->seeds[OUTCOME_SHORT];
        }
        if (reached) tics[figure->tic_count++] = curves->lengths[k];
    }
    figure->tics = tics;
}

static bool make_curves(Figure *figure, Database *store, Error *err) {
    Arena *arena = figure->arena;
    const Curves *curves = curves_read(store, figure->experiment, arena, err);
    if (!curves) return false;
    int *panels = NEW(arena, curves->count, int);
    figure->signature = curves->signature;
    put_tics(figure, curves);
    for (int i = 0; i < curves->count; i++) {
        const Curve *curve = &curves->items[i];
        int first = 0;
        while (first < i && (curves->items[first].train_length != curve->train_length ||
                             !curves_same_protocol(&curves->items[first], curve)))
            first++;
        const char *protocol = curves_protocol(curve, arena);
        panels[i] = first < i ? panels[first]
                              : figure_panel(figure, curves->protocols > 1 ? protocol : "",
                                             (double)curve->train_length, curve->train_length);
        const char *comment =
            arena_format(arena, "trained at %lld; %s", (long long)curve->train_length, protocol);
        FigureLine *line =
            figure_line(figure, panels[i], legend_text(curve, curves, arena), curve->name, comment);
        for (int k = 0; k < curves->length_count; k++) {
            const CurveCell *cell = &curve->cells[k];
            if (!cell->seeds[OUTCOME_DONE]) continue;
            figure_point(figure, line,
                         (FigurePoint){(double)curves->lengths[k], cell->mean, cell->deviation, cell->low,
                                       cell->high, cell->seeds[OUTCOME_DONE]});
        }
    }
    return true;
}

const FigureKind figure_curves = {
    .name = "curves",
    .help = "perplexity by evaluation length",
    .x = "length",
    .y = "perplexity",
    .make = make_curves,
    .ceiling = 30,
    .missing = "no perplexity to draw yet",
};

/* --- paper: one panel for each method, everything relative to the training length --- */

/* Names a precision other than fp32. */
static const char *with_precision(const char *name, const Series *series, Arena *arena) {
    return strcmp(series->precision, "fp32") ? arena_format(arena, "%s, %s", name, series->precision) : name;
}

static bool is_plain(const Series *series) {
    return !strcmp(series->protocol, evaluate_protocol_names[EVALUATE_NONOVERLAPPING]) &&
           !strcmp(series->rule, "L");
}

/* The perplexities of a cell's seeds over those at the training length; returns how many seeds have both. */
static int ratios_of(double *ratios, const ResultsCell *cell, const ResultsCell *base) {
    int count = 0;
    for (int i = 0; i < cell->count; i++)
        for (int k = 0; k < base->count; k++)
            if (base->seeds[k].seed == cell->seeds[i].seed) {
                ratios[count++] = exp(cell->seeds[i].loss - base->seeds[k].loss);
                break; /* a seed may be there twice, where a database is not the program's own */
            }
    return count;
}

static void add_ours(Figure *figure, const Series *series, int panel) {
    const ResultsCell *base = results_cell(series, series->train_length);
    const char *key = arena_format(figure->arena, "here, trained at %lld", (long long)series->train_length);
    const char *name = *series->setting ? arena_format(figure->arena, "%s %s", key, series->setting) : key;
    name = with_precision(name, series, figure->arena);
    FigureLine *line = figure_line(figure, panel, name, name, series->evaluated);
    for (int k = 0; base && k < series->count; k++) {
        const ResultsCell *cell = &series->cells[k];
        double *ratios = NEW(figure->arena, cell->count, double);
        int count = ratios_of(ratios, cell, base);
        if (count && cell->length >= series->train_length)
            figure_point(figure, line,
                         figure_values((double)cell->length / (double)series->train_length, ratios, count));
    }
}

static void add_theirs(Figure *figure, const ReferenceCurve *curve, int panel) {
    const char *name = arena_format(figure->arena, "paper, trained at %lld", (long long)curve->train_length);
    FigureLine *line = figure_line(figure, panel, name, name, curve->source);
    for (int k = 0; k < curve->count; k++) {
        double ratio = curve->perplexities[k] / curve->perplexities[0];
        figure_point(figure, line,
                     figure_values((double)curve->lengths[k] / (double)curve->train_length, &ratio, 1));
    }
}

static bool make_paper(Figure *figure, Database *store, Error *err) {
    const Results *set = results_read(store, figure->experiment, figure->arena, err);
    const ReferenceCurves *paper =
        set ? reference_curves_read(store, figure->experiment, figure->arena, err) : NULL;
    if (!paper) return false;
    figure->signature = set->signature;
    for (int i = 0; paper->count && i < set->count; i++) {
        const Series *series = &set->items[i];
        bool first = true, known = false;
        for (int k = 0; k < i; k++)
            first &= !is_plain(&set->items[k]) || strcmp(set->items[k].label, series->label);
        for (int k = 0; k < paper->count; k++) known |= !strcmp(paper->items[k].method, series->method);
        if (!is_plain(series) || !first || !known) continue;
        int panel = figure_panel(figure, series->label, 1, 1);
        for (int k = i; k < set->count; k++)
            if (is_plain(&set->items[k]) && !strcmp(set->items[k].label, series->label))
                add_ours(figure, &set->items[k], panel);
        for (int k = 0; k < paper->count; k++)
            if (!strcmp(paper->items[k].method, series->method)) add_theirs(figure, &paper->items[k], panel);
    }
    return true;
}

const FigureKind figure_paper = {
    .name = "paper",
    .help = "ours against the paper's, relative to the training length (`poslab reference DB` first)",
    .x = "multiple",
    .y = "perplexity over that at the training length",
    .make = make_paper,
    .ceiling = 30,
    .missing = "no reference curves of its methods; `poslab reference DB` imports the paper's",
};

/* --- early: one panel for each method and training length, one line for each protocol --- */

static bool has_several_protocols(const Results *set, const Series *series) {
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].name, series->name) && set->items[i].train_length == series->train_length &&
            !strcmp(set->items[i].corpus, series->corpus) && !strcmp(set->items[i].split, series->split) &&
            set->items[i].requested == series->requested &&
            !strcmp(set->items[i].precision, series->precision) &&
            strcmp(set->items[i].protocol, series->protocol))
            return true;
    return false;
}

static bool make_early(Figure *figure, Database *store, Error *err) {
    const Results *set = results_read(store, figure->experiment, figure->arena, err);
    if (!set) return false;
    int *panels = NEW(figure->arena, set->count, int);
    figure->signature = set->signature;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (!has_several_protocols(set, series)) continue;
        int first = 0;
        while (first < i && (strcmp(set->items[first].name, series->name) ||
                             set->items[first].train_length != series->train_length ||
                             !has_several_protocols(set, &set->items[first])))
            first++;
        panels[i] = first < i ? panels[first]
                              : figure_panel(figure, series->name, (double)series->train_length,
                                             series->train_length);
        const char *name = strcmp(series->rule, "L")
                               ? arena_format(figure->arena, "%s, stride %s", series->protocol, series->rule)
                               : series->protocol;
        name = with_precision(name, series, figure->arena);
        const char *comment = arena_format(figure->arena, "%s; trained at %lld; %s", series->name,
                                           (long long)series->train_length, series->evaluated);
        FigureLine *line = figure_line(figure, panels[i], name, name, comment);
        for (int k = 0; k < series->count; k++) {
            const ResultsCell *cell = &series->cells[k];
            double *perplexities = NEW(figure->arena, cell->count, double);
            for (int s = 0; s < cell->count; s++) perplexities[s] = exp(cell->seeds[s].loss);
            if (cell->count)
                figure_point(figure, line, figure_values((double)cell->length, perplexities, cell->count));
        }
    }
    return true;
}

const FigureKind figure_early = {
    .name = "early",
    .help = "early tokens: nonoverlapping against strided evaluation",
    .x = "length",
    .y = "perplexity",
    .make = make_early,
    .ceiling = 30,
    .missing = "no two protocols on the same targets; `poslab eval DB --protocol strided:0.125` adds one",
};
