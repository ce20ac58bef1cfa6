#include "report/figure.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "report/gnuplot.h"

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
    *line = (FigureLine){.name = name, .key = key, .comment = comment, .panel = panel};
    return line;
}

void figure_point(Figure *figure, FigureLine *line, FigurePoint point) {
    if (!isfinite(point.x) || !isfinite(point.y)) return;
    *ARENA_PUSH(figure->arena, line->points, line->count) = point;
}

FigurePoint figure_values(double x, const double *values, int count) {
    FigurePoint point = {
        .x = x, .y = stats_mean(values, count), .low = INFINITY, .high = -INFINITY, .seeds = count};
    point.deviation = count > 1 ? stats_deviation(values, count) : 0;
    for (int i = 0; i < count; i++) {
        point.low = fmin(point.low, values[i]);
        point.high = fmax(point.high, values[i]);
    }
    return point;
}

void figure_cell(Figure *figure, FigureLine *line, double x, const SeriesCell *cell) {
    if (cell->count) figure_point(figure, line, figure_values(x, cell->perplexities, cell->count));
}

/* Lines by panel, in a panel in the order in which they came; panels without lines are gone. */
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

/* --- many lines --- */

/* The place of a line's key among all keys, from 1. */
static int style_of(const Figure *figure, int line) {
    int style = 0;
    for (int i = 0; i < figure->line_count; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= !strcmp(figure->lines[k].key, figure->lines[i].key);
        style += !seen;
        if (!strcmp(figure->lines[i].key, figure->lines[line].key)) return style;
    }
    BUG("line %d is not in the figure", line);
}

/* Panels with more lines than there are styles are drawn in parts, all of which contain the first line for
   comparison. Lines with equal keys are in the same part in all panels; their style follows from their index
   in it. */
static void split_panels(Figure *figure) {
    Arena *arena = figure->arena;
    int *places = NEW(arena, figure->line_count, int), others = 0;
    for (int i = 0; i < figure->line_count; i++) {
        places[i] = style_of(figure, i) - 2; /* of the first line: -1 */
        if (places[i] >= others) others = places[i] + 1;
    }
    if (others < FIGURE_STYLES) return;
    int parts = (others - 1) / (FIGURE_STYLES - 1) + 1;
    Figure whole = *figure;
    figure->lines = NULL;
    figure->panels = NULL;
    figure->line_count = figure->panel_count = 0;
    for (int p = 0; p < whole.panel_count; p++)
        for (int part = 0; part < parts; part++) {
            const FigurePanel *panel = &whole.panels[p];
            const char *title =
                arena_format(arena, "%s%s%d of %d", panel->title, *panel->title ? ", " : "", part + 1, parts);
            int split = figure_panel(figure, title, panel->mark, panel->trained);
            for (int i = 0; i < whole.line_count; i++) {
                const FigureLine *line = &whole.lines[i];
                bool common = places[i] < 0;
                if (line->panel != p || (!common && places[i] * parts / others != part)) continue;
                int slot = common ? 0 : places[i] - (part * others + parts - 1) / parts + 1;
                const char *key = arena_format(arena, "%d", slot);
                FigureLine *copy = figure_line(figure, split, line->name, key, line->comment);
                copy->points = line->points;
                copy->count = line->count;
            }
        }
}

/* --- the data file --- */

static const char *comment(const char *text, Arena *arena) {
    return escape_text(ESCAPE_LINE, text, arena);
}

static void put_data(const FigureKind *kind, const Figure *figure, FILE *file) {
    Arena *arena = figure->arena;
    fprintf(file, "# %s: %s by %s, over seeds\n# %s\n", comment(figure->set->experiment, arena), kind->y,
            kind->x, comment(figure->set->signature, arena));
    const char *stale = results_stale(figure->set, arena);
    if (stale) fprintf(file, "# stale: %s\n", comment(stale, arena));
    if (figure->set->best) fprintf(file, "# %s\n", comment(figure->set->best, arena));
    fprintf(file, "# %s mean deviation lowest highest seeds\n", kind->x);
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        fprintf(file, "%s# %s; %s\n", i ? "\n\n" : "\n", comment(line->name, arena),
                comment(line->comment, arena));
        for (int k = 0; k < line->count; k++) {
            const FigurePoint *point = &line->points[k];
            fprintf(file, "%.17g %.17g %.17g %.17g %.17g %d\n", point->x, point->y, point->deviation,
                    point->low, point->high, point->seeds);
        }
        if (!line->count)
            fputs("NaN NaN NaN NaN NaN 0\n", file); /* an empty block would shift those that follow */
    }
}

/* --- the variables --- */

/* Labels at the training lengths and then at whatever x leave room; a small mark at the others. */
static const char *x_tics(const Figure *figure) {
    const int64_t *tics = figure->tics;
    int count = figure->tic_count;
    if (count < 2) return "autofreq";
    double room = log2((double)tics[count - 1] / (double)tics[0]) / 12;
    bool *labelled = NEW(figure->arena, count, bool);
    for (int pass = 0; pass < 3; pass++) /* training lengths, their doubles, the others */
        for (int k = 0; k < count; k++) {
            double octaves = INFINITY, gap = INFINITY;
            for (int i = 0; i < figure->panel_count; i++) {
                if (!figure->panels[i].trained) continue;
                double distance = log2((double)tics[k] / (double)figure->panels[i].trained);
                octaves = fmin(octaves, pass == 0 ? fabs(distance) : fabs(distance - round(distance)));
            }
            for (int i = 0; i < count; i++)
                if (labelled[i]) gap = fmin(gap, fabs(log2((double)tics[k] / (double)tics[i])));
            labelled[k] |= gap >= room && (pass == 2 || octaves < 1e-9);
        }
    const char *list = "";
    for (int k = 0; k < count; k++) {
        long long at = (long long)tics[k];
        list = labelled[k] ? arena_format(figure->arena, "%s%s'%lld' %lld", list, *list ? ", " : "", at, at)
                           : arena_format(figure->arena, "%s%s'' %lld 1", list, *list ? ", " : "", at);
    }
    return arena_format(figure->arena, "(%s)", list);
}

/* On a log axis: 1, 2, 5 in every decade, or 1 alone where that would be many. */
static const char *y_tics(double low, double high, Arena *arena) {
    static const double steps[] = {1, 2, 5};
    int used = high / low > 1e4 ? 1 : 3;
    const char *list = "";
    for (int decade = (int)floor(log10(low)); decade <= (int)ceil(log10(high)); decade++)
        for (int i = 0; i < used; i++) {
            double value = steps[i] * pow(10, decade);
            if (value < low || value > high) continue;
            list = arena_format(arena, "%s%s'%g' %.17g", list, *list ? ", " : "", value, value);
        }
    return arena_format(arena, "(%s)", list);
}

static void put_panels(FILE *script, const Figure *figure) {
    int count = figure->panel_count;
    fprintf(script,
            "panels = %d\narray first[%d]\narray last[%d]\narray mark[%d]\narray trained[%d]\n"
            "array panel_title[%d]\n",
            count, count, count, count, count, count);
    for (int p = 0; p < count; p++) {
        const FigurePanel *panel = &figure->panels[p];
        fprintf(script, "mark[%d] = %.17g\ntrained[%d] = %lld\npanel_title[%d] = %s\n", p + 1, panel->mark,
                p + 1, (long long)panel->trained, p + 1,
                escape_text(ESCAPE_GNUPLOT, panel->title, figure->arena));
    }
    for (int i = 0; i < figure->line_count; i++) {
        int panel = figure->lines[i].panel;
        if (i == 0 || figure->lines[i - 1].panel != panel)
            fprintf(script, "first[%d] = %d\n", panel + 1, i + 1);
        fprintf(script, "last[%d] = %d\n", panel + 1, i + 1);
    }
}

static void put_lines(FILE *script, const Figure *figure) {
    int count = figure->line_count;
    fprintf(script, "lines = %d\narray name[%d]\narray style[%d]\narray band[%d]\n", count, count, count,
            count);
    for (int i = 0; i < count; i++) {
        const FigureLine *line = &figure->lines[i];
        bool several = false;
        for (int k = 0; k < line->count; k++) several |= line->points[k].seeds > 1;
        fprintf(script, "name[%d] = %s\nstyle[%d] = %d\nband[%d] = %d\n", i + 1,
                escape_text(ESCAPE_GNUPLOT, line->name, figure->arena), i + 1, style_of(figure, i), i + 1,
                several);
    }
}

/* Whether there is anything; the ends of all that is drawn. */
static bool find_range(const Figure *figure, FigurePoint *low, FigurePoint *high) {
    *low = (FigurePoint){.x = INFINITY, .y = INFINITY};
    *high = (FigurePoint){.x = -INFINITY, .y = -INFINITY};
    for (int i = 0; i < figure->line_count; i++)
        for (int k = 0; k < figure->lines[i].count; k++) {
            const FigurePoint *point = &figure->lines[i].points[k];
            low->x = fmin(low->x, point->x);
            high->x = fmax(high->x, point->x);
            low->y = fmin(low->y, point->low);
            high->y = fmax(high->y, point->high);
        }
    return low->x <= high->x;
}

/* Where the axis ends at the latest. */
static double find_ceiling(const FigureKind *kind, const Figure *figure) {
    double highest = 0;
    for (int i = 0; i < figure->line_count; i++)
        for (int k = 0; k < figure->lines[i].count; k++) {
            const FigurePoint *point = &figure->lines[i].points[k];
            if (point->x == figure->panels[figure->lines[i].panel].mark) highest = fmax(highest, point->y);
        }
    return kind->ceiling > 0 && highest > 0 ? kind->ceiling * highest : INFINITY;
}

/* The lines that rise above `top`, each with the last of its points up there. */
static void put_clipped(FILE *script, const Figure *figure, double top) {
    int count = 0, row = 0;
    fprintf(script, "array clip_line[%d]\narray clip_x[%d]\narray clip_y[%d]\narray clip_row[%d]\n",
            figure->line_count, figure->line_count, figure->line_count, figure->line_count);
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        int last = line->count - 1;
        while (last >= 0 && line->points[last].y <= top) last--;
        if (i == 0 || line->panel != line[-1].panel) row = 0;
        if (last < 0) continue;
        count++;
        fprintf(script, "clip_line[%d] = %d\nclip_x[%d] = %.17g\nclip_y[%d] = %.17g\nclip_row[%d] = %d\n",
                count, i + 1, count, line->points[last].x, count, line->points[last].y, count, ++row);
    }
    fprintf(script, "clipped = %d\n", count);
}

static void put_axes(FILE *script, const Figure *figure, FigurePoint low, FigurePoint high, double ceiling) {
    double highest = high.y;
    high.y = fmin(high.y, ceiling);
    bool logarithmic = !figure->linear && low.y > 0 && high.y > 10 * low.y;
    double margin = logarithmic ? 0 : fmax(0.05 * (high.y - low.y), 0.01 * fabs(high.y));
    double factor = logarithmic ? 1.1 : 1;
    for (int i = 0; figure->tic_count && i < 2; i++) { /* the axis of lengths is the same for all methods */
        low.x = fmin(low.x, (double)figure->tics[0]);
        high.x = fmax(high.x, (double)figure->tics[figure->tic_count - 1]);
    }
    low.y = low.y / factor - margin;
    high.y = high.y * factor + margin;
    fprintf(
        script,
        "xlow = %.17g\nxhigh = %.17g\nxmin = %.17g\nxmax = %.17g\nymin = %.17g\nymax = %.17g\nylog = %d\n",
        low.x, high.x, low.x / 1.1, high.x * 1.1, low.y, high.y, logarithmic);
    fprintf(script, "xtics_list = \"%s\"\n", x_tics(figure));
    fprintf(script, "ytics_list = \"%s\"\n", logarithmic ? y_tics(low.y, high.y, figure->arena) : "autofreq");
    put_clipped(script, figure, highest > ceiling ? high.y : INFINITY);
}

/* --- drawing --- */

/* "a/b.svg" -> "a/b.dat"; only a suffix that is a figure's is replaced. */
static const char *data_name(const char *path, Arena *arena) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    size_t stem = strlen(path);
    for (int i = 0; dot && gnuplot_formats[i]; i++)
        if (!strcmp(dot + 1, gnuplot_formats[i])) stem = (size_t)(dot - path);
    return arena_format(arena, "%.*s.dat", (int)stem, path);
}

/* The template and its style file: the one next to the template, else the default. */
static bool find_templates(const FigureKind *kind, const char **template, const char **style, Arena *arena,
                           Error *err) {
    Error unused;
    if (*template && access(*template, R_OK) != 0)
        return error_system(err, "cannot read the template '%s'", *template);
    if (!*template) *template = gnuplot_template(arena_format(arena, "%s.gp", kind->name), NULL, arena, err);
    *style = *template ? gnuplot_template("style.gp", *template, arena, &unused) : NULL;
    return *template != NULL;
}

/* gnuplot reads the data from where they are until they are published. */
static bool draw(const FigureKind *kind, const Figure *figure, const char *data, const char *path,
                 const char *format, const char *template, const char *style, Error *err) {
    Arena *arena = figure->arena;
    FigurePoint low, high;
    FILE *script = gnuplot_begin(format, arena, err);
    if (!script) return false;
    const char *title = figure->set->experiment, *stale = results_stale(figure->set, arena);
    if (figure->set->best)
        title = arena_format(arena, "%s (best values, chosen on the validation split)", title);
    if (stale) title = arena_format(arena, "%s (stale: %s)", title, stale);
    find_range(figure, &low, &high);
    fprintf(script, "data = %s\ntitle = %s\nstyle_file = %s\n", gnuplot_path(data, arena),
            escape_text(ESCAPE_GNUPLOT, title, arena), style ? gnuplot_path(style, arena) : "''");
    put_panels(script, figure);
    put_lines(script, figure);
    put_axes(script, figure, low, high, find_ceiling(kind, figure));
    return gnuplot_end(script, path, template, arena, err);
}

bool figure_draw(const FigureKind *kind, Figure *figure, const char *path, const char *format,
                 const char *template, Error *err) {
    FigurePoint low, high;
    const char *style = NULL;
    AtomicFile data;
    split_panels(figure);
    sort_lines(figure);
    if (!find_range(figure, &low, &high))
        return error_set(err, EXIT_USAGE, "experiment '%s' has %s", figure->set->experiment, kind->missing);
    if (!find_templates(kind, &template, &style, figure->arena, err)) return false;
    FILE *file = atomic_file_begin(&data, data_name(path, figure->arena), figure->arena, err);
    if (!file) return false;
    put_data(kind, figure, file);
    bool written = fflush(file) == 0; /* otherwise atomic_file_end says why not */
    return atomic_file_end(
        &data, !written || draw(kind, figure, data.temporary, path, format, template, style, err), err);
}
