#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "position/encoding.h"

/* --- making --- */

int figure_panel(Figure *figure, const char *title, double mark, int64_t trained) {
    *ARENA_PUSH(figure->arena, figure->panels, figure->panel_count) =
        (FigurePanel){.title = title, .mark = mark, .trained = trained};
    return figure->panel_count - 1;
}

int figure_panel_of(Figure *figure, const Series *series, bool (*same)(const Series *, const Series *),
                    const char *title) {
    for (int p = 0; p < figure->panel_count; p++)
        if (figure->panels[p].series && same(figure->panels[p].series, series)) return p;
    int panel = figure_panel(figure, title, (double)series->train_length, series->train_length);
    figure->panels[panel].series = series;
    return panel;
}

FigureLine *figure_line(Figure *figure, int panel, const char *name, const char *key, const char *comment) {
    FigureLine *line = ARENA_PUSH(figure->arena, figure->lines, figure->line_count);
    *line = (FigureLine){.name = name, .note = "", .key = key, .comment = comment, .panel = panel};
    return line;
}

const char *figure_run_keys(const Figure *figure) {
    Json *keys = json_new_array(figure->arena);
    for (int i = 0; i < figure->set->count; i++) {
        const Series *series = &figure->set->items[i];
        for (int k = 0; k < series->count; k++)
            for (int s = 0; s < series->cells[k].seeds_requested; s++)
                json_append(keys, json_new_text(series->cells[k].seeds[s].run_key, figure->arena));
    }
    return json_print(keys, figure->arena);
}

void figure_point(Figure *figure, FigureLine *line, FigurePoint point) {
    if (!isfinite(point.x) || !isfinite(point.y)) return;
    *ARENA_PUSH(figure->arena, line->points, line->count) = point;
}

void figure_mark(Figure *figure, FigureLine *line, double x) {
    int next = 1;
    while (next < line->count && line->points[next].x < x) next++;
    if (next >= line->count || line->points[next - 1].x > x) return;
    const FigurePoint *a = &line->points[next - 1], *b = &line->points[next];
    double share = (x - a->x) / (b->x - a->x);
    *ARENA_PUSH(figure->arena, line->marks, line->mark_count) =
        (FigurePoint){.x = x, .y = a->y + share * (b->y - a->y)};
}

FigurePoint figure_values(const Figure *figure, double x, const double *values, int count) {
    const StatsSpread spread = stats_spread(values, count, figure->arena);
    return (FigurePoint){.x = x,
                         .y = spread.mean,
                         .deviation = count > 1 ? spread.deviation : 0,
                         .low = spread.low,
                         .high = spread.high,
                         .seeds = count};
}

void figure_cell(Figure *figure, FigureLine *line, double x, const SeriesCell *cell) {
    if (cell->count) figure_point(figure, line, figure_values(figure, x, cell->perplexities, cell->count));
}

/* Sorts lines by panel, stably, and removes panels without lines. */
static void sort_lines(Figure *figure) {
    FigureLine *lines = NEW(figure->arena, figure->line_count, FigureLine);
    FigurePanel *panels = NEW(figure->arena, figure->panel_count, FigurePanel);
    int count = 0, kept = 0;
    for (int p = 0; p < figure->panel_count; p++) {
        int before = count;
        for (int i = 0; i < figure->line_count; i++) {
            if (figure->lines[i].panel != p) continue;
            lines[count] = figure->lines[i];
            lines[count++].panel = kept;
        }
        if (count > before) panels[kept++] = figure->panels[p];
    }
    figure->lines = lines;
    figure->panels = panels;
    figure->panel_count = kept;
}

/* --- styles --- */

/* The colours of Okabe and Ito, with brown instead of yellow, and four more. */
static const char *const colours[FIGURE_LINES] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                  "#000000", "#56B4E9", "#E69F00", "#8C6D31",
                                                  "#5B2A86", "#8A8A8A", "#A11D33", "#3B7C0F"};
enum { MARKERS = 8, DASHES = 5 };

const char *figure_colour(int style) {
    return colours[style % FIGURE_LINES];
}

int figure_marker(int style) {
    return (style + style / FIGURE_LINES) % MARKERS;
}

int figure_dash(int style) {
    return (style + style / FIGURE_LINES) % DASHES;
}

/* The style of a method. Common methods have the first styles, then the control, then all others in the order
   of the registry. */
static int method_style(const char *name) {
    const PositionMethod *control = encoding_control();
    int common = 0, style = 0;
    for (; encoding_common[common]; common++)
        if (!strcmp(encoding_common[common], name)) return common;
    style = common;
    if (control && !strcmp(control->name, name)) return style;
    style += control != NULL;
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *method = encoding_methods[i];
        if (!strcmp(method->name, name)) return style;
        style += method != control && !text_among(method->name, encoding_common, common);
    }
    return style; /* not a method of this program */
}

/* A style of no method: of the styles after those of the registry, the first whose colour is not used, if
   there is one. `used` has -1 for lines that have no style yet. */
static int free_style(const int *used, int count) {
    int first = 0;
    for (int style = encoding_method_count; style < encoding_method_count + 2 * count + FIGURE_LINES;
         style++) {
        bool taken = false, coloured = false;
        for (int i = 0; i < count; i++) {
            taken |= used[i] == style;
            coloured |= used[i] % FIGURE_LINES == style % FIGURE_LINES;
        }
        if (!taken && !first) first = style;
        if (!taken && !coloured) return style;
    }
    return first;
}

/* The styles of all names of methods in the whole experiment, so that a selection does not change them. The
   first name of a method has the method's style, further names ("ALiBi lr=0.002") have free styles. */
static int named_style(const Figure *figure, const char *name) {
    const Results *set = figure->whole;
    const char **methods = NEW(figure->arena, set->count, const char *);
    int *used = NEW(figure->arena, set->count, int), count = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (!results_is_first(set, i, series_same_name)) continue;
        used[count] = text_among(series->method, methods, count) ? -1 : method_style(series->method);
        methods[count++] = series->method;
    }
    for (int i = 0, k = 0; i < set->count; i++) {
        if (!results_is_first(set, i, series_same_name)) continue;
        if (used[k] < 0) used[k] = free_style(used, count);
        if (!strcmp(set->items[i].name, name)) return used[k];
        k++;
    }
    for (int i = 0; i < set->count; i++) /* if each setting has panels: the name without the setting */
        if (!strcmp(set->items[i].label, name)) return method_style(set->items[i].method);
    return free_style(used, count);
}

/* --- legend, parts --- */

/* Assigns a legend entry and a style to every key. */
static void find_styles(const FigureKind *kind, Figure *figure) {
    int entries = 0;
    for (int i = 0; i < figure->line_count; i++) {
        FigureLine *line = &figure->lines[i];
        const FigureLine *same = NULL;
        for (int k = 0; k < i && !same; k++)
            if (!strcmp(figure->lines[k].key, line->key)) same = &figure->lines[k];
        line->legend = same ? same->legend : entries++;
        line->style = same ? same->style : kind->of_methods ? named_style(figure, line->key) : line->legend;
    }
}

/* The text, truncated to `most` characters with "..." at the end. */
static const char *shortened(const char *text, int most, Arena *arena) {
    int used = 0, kept = 0;
    for (int i = 0; text[i]; i++) {
        used += ((unsigned char)text[i] & 0xC0) != 0x80;
        if (used <= most - 3) kept = i + 1;
    }
    return used <= most ? text : arena_format(arena, "%.*s...", kept, text);
}

const char *figure_legend_text(const Figure *figure, int entry, int most) {
    Arena *arena = figure->arena;
    const char *name = NULL, *first = "", *notes = "";
    bool same = true; /* whether all lines of the entry have the same note */
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        if (line->legend != entry) continue;
        if (!name) name = line->name, first = line->note;
        same &= !strcmp(line->note, first);
    }
    if (!name) return "";
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        int64_t trained = figure->panels[line->panel].trained;
        if (line->legend != entry || !*line->note) continue;
        const char *note = line->note;
        if (!same && trained) note = arena_format(arena, "%s if trained at %lld", note, (long long)trained);
        if (!strstr(notes, note)) notes = text_join(notes, ", ", note, arena);
    }
    if (*notes) name = arena_format(arena, "%s (%s)", name, notes);
    return shortened(name, most, arena);
}

/* Splits panels with more than FIGURE_LINES lines into parts. The first line is in all parts, for comparison.
   Lines with equal keys are in the same part in all panels. */
static void split_panels(Figure *figure) {
    Arena *arena = figure->arena;
    int others = 0; /* number of lines after the first one */
    for (int i = 0; i < figure->line_count; i++)
        if (figure->lines[i].legend > others) others = figure->lines[i].legend;
    if (others < FIGURE_LINES) return;
    int parts = (others - 1) / (FIGURE_LINES - 1) + 1;
    Figure whole = *figure;
    figure->lines = NULL;
    figure->panels = NULL;
    figure->line_count = figure->panel_count = 0;
    for (int p = 0; p < whole.panel_count; p++)
        for (int part = 0; part < parts; part++) {
            FigurePanel panel = whole.panels[p];
            panel.title =
                arena_format(arena, "%s%s%d of %d", panel.title, *panel.title ? ", " : "", part + 1, parts);
            *ARENA_PUSH(arena, figure->panels, figure->panel_count) = panel;
            for (int i = 0; i < whole.line_count; i++) {
                FigureLine line = whole.lines[i];
                if (line.panel != p || (line.legend && (line.legend - 1) * parts / others != part)) continue;
                line.panel = figure->panel_count - 1;
                *ARENA_PUSH(arena, figure->lines, figure->line_count) = line;
            }
        }
}

void figure_finish(const FigureKind *kind, Figure *figure) {
    find_styles(kind, figure);
    split_panels(figure);
    sort_lines(figure);
}

/* --- the data file --- */

static const char *comment(const char *text, Arena *arena) {
    return escape_text(ESCAPE_LINE, text, arena);
}

static const char *with_note(const FigureLine *line, Arena *arena) {
    return *line->note ? arena_format(arena, "%s (%s)", line->name, line->note) : line->name;
}

void figure_put_data(const FigureKind *kind, const Figure *figure, FILE *file) {
    Arena *arena = figure->arena;
    fprintf(file, "# %s: %s by %s, over seeds\n# %s\n", comment(figure->set->experiment, arena), kind->y,
            kind->x, comment(figure->set->signature, arena));
    const char *stale = results_stale(figure->set, arena);
    if (stale) fprintf(file, "# stale: %s\n", comment(stale, arena));
    if (figure->set->best) fprintf(file, "# %s\n", comment(figure->set->best, arena));
    fprintf(file, "# %s mean deviation lowest highest seeds\n", kind->x);
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        fprintf(file, "%s# %s; %s\n", i ? "\n\n" : "\n", comment(with_note(line, arena), arena),
                comment(line->comment, arena));
        for (int k = 0; k < line->count; k++) {
            const FigurePoint *point = &line->points[k];
            fprintf(file, "%.17g %.17g %.17g %.17g %.17g %d\n", point->x, point->y, point->deviation,
                    point->low, point->high, point->seeds);
        }
        if (!line->count)
            fputs("NaN NaN NaN NaN NaN 0\n", file); /* an empty block would shift the following ones */
    }
}
