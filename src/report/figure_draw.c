/* figure_draw: draws a figure: the variables of its template, and its script for matplotlib. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "report/figure.h"
#include "report/gnuplot.h"

const char *const figure_log_names[] = {"auto", "linear", "x", "y", "xy", NULL};
const char *const figure_legend_names[] = {"bottom", "right", "off", NULL};

/* --- size and text --- */

/* What follows from a FigureLook: inches, points, the font's name, limits of y (NAN: none). */
typedef struct Layout {
    double width, size, low, high;
    const char *font;
    int columns;
} Layout;

static bool number_of(const char *text, const char *end, double *number) {
    char *stop;
    *number = strtod(text, &stop);
    return stop == end && stop != text && isfinite(*number);
}

static bool read_font(const char *text, Layout *layout, Arena *arena, Error *err) {
    const char *comma = strrchr(text, ','), *size = comma ? comma + 1 : text;
    bool numeric = number_of(size, size + strlen(size), &layout->size);
    if (comma && !numeric)
        return error_set(err, EXIT_USAGE, "--font takes NAME, SIZE or NAME,SIZE, got '%s'", text);
    if (numeric && !(layout->size >= 4 && layout->size <= 72))
        return error_set(err, EXIT_USAGE, "--font: the size must be from 4 to 72 points, got '%s'", size);
    size_t name = comma ? (size_t)(comma - text) : numeric ? 0 : strlen(text);
    if (memchr(text, ',', name))
        return error_set(err, EXIT_USAGE, "--font takes one font name, got '%s'", text);
    layout->font = arena_format(arena, "%.*s", (int)name, text);
    return true;
}

static bool read_limits(const char *text, Layout *layout, Error *err) {
    const char *colon = strchr(text, ':');
    bool fine = colon != NULL && (colon == text || number_of(text, colon, &layout->low)) &&
                (!colon[1] || number_of(colon + 1, colon + strlen(colon), &layout->high));
    if (!fine || layout->low >= layout->high)
        return error_set(err, EXIT_USAGE, "--ylim takes LOW:HIGH, as in 5:50, 5: or :50, got '%s'", text);
    return true;
}

static bool find_layout(const Figure *figure, Layout *layout, Error *err) {
    const FigureLook *look = &figure->look;
    *layout = (Layout){.width = look->width, .low = NAN, .high = NAN, .font = ""};
    if (layout->width <= 0) layout->width = 8;
    if (look->font && !read_font(look->font, layout, figure->arena, err)) return false;
    if (look->limits && !read_limits(look->limits, layout, err)) return false;
    if (layout->size <= 0) layout->size = layout->width < 5 ? 8 : 10;
    layout->columns = figure->panel_count > 1 && layout->width >= 5 ? 2 : 1;
    return true;
}

/* A text in lines of at most about `inches`, as an expression of gnuplot; counts the lines. */
static const char *wrapped(const char *text, double inches, double size, int *lines, Arena *arena) {
    int room = (int)(inches * 72 / (0.54 * size));
    const char *list = "";
    *lines = 0;
    for (const char *at = text; *at || !*lines;) {
        int used = 0, end = 0; /* characters, and bytes that fit */
        for (int i = 0; at[i]; i++) {
            used += ((unsigned char)at[i] & 0xC0) != 0x80;
            if ((at[i + 1] == ' ' || !at[i + 1]) && (used <= room || !end)) end = i + 1;
        }
        const char *line = escape_text(ESCAPE_GNUPLOT, arena_format(arena, "%.*s", end, at), arena);
        list = arena_format(arena, "%s%s%s", list, *lines ? ".\"\\n\"." : "", line);
        (*lines)++;
        at += end;
        while (*at == ' ') at++;
    }
    return list;
}

static const char *title_of(const FigureKind *kind, const Figure *figure) {
    const char *stale = results_stale(figure->set, figure->arena);
    if (figure->look.title) return figure->look.title;
    const char *best = figure->set->best ? " (best values, chosen on the validation split)" : "";
    return arena_format(figure->arena, stale ? "%s: %s%s (stale: %s)" : "%s: %s%s", figure->set->experiment,
                        kind->title, best, stale);
}

/* "perplexity per byte (log scale)" */
static const char *y_label(const FigureKind *kind, const Figure *figure, bool logarithmic) {
    const char *unit = strstr(kind->ylabel, "%s"), *label = kind->ylabel;
    if (unit)
        label = arena_format(figure->arena, "%.*s%s%s", (int)(unit - label), label, figure->unit, unit + 2);
    return logarithmic ? arena_format(figure->arena, "%s (log scale)", label) : label;
}

/* --- ranges --- */

typedef struct Axes {
    double xlow, xhigh, ylow, yhigh; /* what is drawn */
    double xmin, xmax, ymin, ymax;   /* the ends of the axes */
    bool xlog, ylog;
    double highest; /* of what is drawn, also above the end of the axis */
} Axes;

/* The ends of all that is drawn in a panel, or in all (-1); false where there is nothing. */
static bool find_range(const Figure *figure, int panel, Axes *axes) {
    *axes = (Axes){.xlow = INFINITY, .ylow = INFINITY, .xhigh = -INFINITY, .yhigh = -INFINITY};
    for (int i = 0; i < figure->line_count; i++)
        for (int k = 0; (panel < 0 || figure->lines[i].panel == panel) && k < figure->lines[i].count; k++) {
            const FigurePoint *point = &figure->lines[i].points[k];
            axes->xlow = fmin(axes->xlow, point->x);
            axes->xhigh = fmax(axes->xhigh, point->x);
            axes->ylow = fmin(axes->ylow, point->low);
            axes->yhigh = fmax(axes->yhigh, point->high);
        }
    return axes->xlow <= axes->xhigh;
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

static bool not_logarithmic(const char *axis, double low, Error *err) {
    return error_set(
        err, EXIT_USAGE,
        "--log: the %s axis cannot be logarithmic, since it has the value %g; give --log without it", axis,
        low);
}

static bool find_axes(const FigureKind *kind, const Figure *figure, const Layout *layout, int panel,
                      Axes *axes, Error *err) {
    int logs = figure->look.logs;
    double ceiling = find_ceiling(kind, figure);
    find_range(figure, panel, axes);
    for (int i = 0; figure->tic_count && i < 2; i++) { /* the axis of lengths is the same for all methods */
        axes->xlow = fmin(axes->xlow, (double)figure->tics[0]);
        axes->xhigh = fmax(axes->xhigh, (double)figure->tics[figure->tic_count - 1]);
    }
    axes->highest = axes->yhigh;
    if (!isnan(layout->low)) axes->ylow = layout->low;
    axes->yhigh = isnan(layout->high) ? fmin(axes->yhigh, ceiling) : layout->high;
    axes->xlog = logs == FIGURE_LOG_AUTO ? kind->base > 0 : logs == FIGURE_LOG_X || logs == FIGURE_LOG_BOTH;
    axes->ylog = logs == FIGURE_LOG_AUTO ? !kind->linear && axes->ylow > 0 && axes->yhigh > 10 * axes->ylow
                                         : logs == FIGURE_LOG_Y || logs == FIGURE_LOG_BOTH;
    if (axes->xlog && axes->xlow <= 0) return not_logarithmic("x", axes->xlow, err);
    if (axes->ylog && axes->ylow <= 0) return not_logarithmic("y", axes->ylow, err);
    double margin = axes->ylog ? 0 : fmax(0.05 * (axes->yhigh - axes->ylow), 0.01 * fabs(axes->yhigh));
    double factor = axes->ylog ? 1.1 : 1, side = kind->margin * (axes->xhigh - axes->xlow);
    axes->ymin = isnan(layout->low) ? axes->ylow / factor - margin : layout->low;
    axes->ymax = isnan(layout->high) ? axes->yhigh * factor + margin : layout->high;
    axes->xmin = axes->xlog ? axes->xlow / 1.1 : axes->xlow - side;
    axes->xmax = axes->xlog ? axes->xhigh * 1.1 : axes->xhigh + side;
    if (axes->xmin >= axes->xmax) axes->xmin -= 1, axes->xmax += 1;
    if (axes->ymin >= axes->ymax)
        return error_set(err, EXIT_USAGE, "--ylim %s: nothing of the figure is in this range",
                         figure->look.limits ? figure->look.limits : "");
    return true;
}

/* The figure's own, or the powers of two within the axis. */
static int find_tics(const int64_t **tics, const Figure *figure, const Axes *axes) {
    int64_t *powers = NULL;
    int count = 0;
    *tics = figure->tics;
    if (figure->tic_count >= 2) return figure->tic_count;
    for (int64_t power = 1; (double)power <= axes->xmax; power *= 2)
        if ((double)power >= axes->xmin) *ARENA_PUSH(figure->arena, powers, count) = power;
    *tics = powers;
    return count;
}

/* Labels at the training lengths and then at whatever x leave room; a small mark at the others. */
static const char *x_tics(const Figure *figure, const Layout *layout, const Axes *axes) {
    const int64_t *tics;
    int count = find_tics(&tics, figure, axes);
    if (count < 2) return "autofreq";
    double labels = layout->width * 72 / layout->columns / layout->size / 4.4;
    double room = log2((double)tics[count - 1] / (double)tics[0]) / fmin(labels, 12);
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

/* --- the variables --- */

static void put_panels(FILE *script, const Figure *figure, const Layout *layout, const Axes *axes) {
    Arena *arena = figure->arena;
    int count = figure->panel_count, lines;
    static const char *const arrays[] = {"first", "last", "mark", "trained",     "xmin",
                                         "xmax",  "ymin", "ymax", "panel_title", "panel_lines"};
    fprintf(script, "panels = %d\ncolumns = %d\n", count, layout->columns);
    for (int i = 0; i < COUNT_OF(arrays); i++) fprintf(script, "array %s[%d]\n", arrays[i], count);
    for (int p = 0; p < count; p++) {
        const FigurePanel *panel = &figure->panels[p];
        const char *title =
            wrapped(panel->title, 0.95 * layout->width / layout->columns, layout->size, &lines, arena);
        fprintf(script, "mark[%d] = %.17g\ntrained[%d] = %lld\npanel_title[%d] = %s\npanel_lines[%d] = %d\n",
                p + 1, panel->mark, p + 1, (long long)panel->trained, p + 1, title, p + 1,
                *panel->title ? lines : 0);
        fprintf(script, "xmin[%d] = %.17g\nxmax[%d] = %.17g\nymin[%d] = %.17g\nymax[%d] = %.17g\n", p + 1,
                axes[p].xmin, p + 1, axes[p].xmax, p + 1, axes[p].ymin, p + 1, axes[p].ymax);
    }
    for (int i = 0; i < figure->line_count; i++) {
        int panel = figure->lines[i].panel;
        if (i == 0 || figure->lines[i - 1].panel != panel)
            fprintf(script, "first[%d] = %d\n", panel + 1, i + 1);
        fprintf(script, "last[%d] = %d\n", panel + 1, i + 1);
    }
}

static void put_lines(FILE *script, const Figure *figure, const Layout *layout) {
    static const char *const arrays[] = {"name", "line_colour", "line_marker", "line_dash", "band", "entry"};
    int count = figure->line_count, entries = 0;
    fprintf(script, "lines = %d\n", count);
    for (int i = 0; i < COUNT_OF(arrays); i++) fprintf(script, "array %s[%d]\n", arrays[i], count);
    for (int i = 0; i < count; i++) {
        const FigureLine *line = &figure->lines[i];
        fprintf(script,
                "name[%d] = %s\nline_colour[%d] = '%s'\nline_marker[%d] = %d\nline_dash[%d] = %d\n"
                "band[%d] = %d\nentry[%d] = %d\n",
                i + 1, escape_text(ESCAPE_GNUPLOT, line->name, figure->arena), i + 1,
                figure_colour(line->style), i + 1, figure_marker(line->style) + 1, i + 1,
                figure_dash(line->style) + 1, i + 1, figure_has_band(line), i + 1, line->legend + 1);
        if (line->legend >= entries) entries = line->legend + 1;
    }
    int room = (int)(layout->width * 72 / (0.62 * layout->size)) - 10; /* of a legend in one column */
    int shown = figure->look.legend == FIGURE_LEGEND_OFF ? 0 : entries;
    fprintf(script, "entries = %d\narray entry_text[%d]\narray entry_line[%d]\n", shown, entries, entries);
    for (int i = count - 1; i >= 0; i--)
        fprintf(script, "entry_line[%d] = %d\n", figure->lines[i].legend + 1, i + 1);
    for (int k = 0; k < entries; k++)
        fprintf(script, "entry_text[%d] = %s\n", k + 1,
                escape_text(ESCAPE_GNUPLOT, figure_legend_text(figure, k, room), figure->arena));
}

/* The lines that rise above the end of the axis, each with the last of its points up there. */
static void put_clipped(FILE *script, const Figure *figure, const Axes *axes) {
    int count = 0, row = 0;
    fprintf(script, "array clip_line[%d]\narray clip_x[%d]\narray clip_y[%d]\narray clip_row[%d]\n",
            figure->line_count, figure->line_count, figure->line_count, figure->line_count);
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        const Axes *own = &axes[line->panel];
        int last = own->highest > own->yhigh ? line->count - 1 : -1;
        while (last >= 0 && line->points[last].y <= own->ymax) last--;
        if (i == 0 || line->panel != line[-1].panel) row = 0;
        if (last < 0) continue;
        count++;
        fprintf(script, "clip_line[%d] = %d\nclip_x[%d] = %.17g\nclip_y[%d] = %.17g\nclip_row[%d] = %d\n",
                count, i + 1, count, line->points[last].x, count, line->points[last].y, count, ++row);
    }
    fprintf(script, "clipped = %d\n", count);
}

static void put_look(FILE *script, const FigureKind *kind, const Figure *figure, const Layout *layout,
                     const Axes *axes) {
    Arena *arena = figure->arena;
    int lines = 0;
    const char *title = title_of(kind, figure);
    fprintf(script, "title = %s\n", wrapped(title, layout->width, 1.15 * layout->size, &lines, arena));
    fprintf(script, "title_lines = %d\nxlabel = %s\n", *title ? lines : 0,
            escape_text(ESCAPE_GNUPLOT, kind->xlabel, arena));
    fprintf(script, "ylabel = %s\n", escape_text(ESCAPE_GNUPLOT, y_label(kind, figure, axes->ylog), arena));
    fprintf(script, "point_text = %s\n", escape_text(ESCAPE_GNUPLOT, kind->x, arena));
    fprintf(script, "width = %.17g\nheight = %.17g\nfont_size = %.17g\nfont_name = %s\nlegend = '%s'\n",
            layout->width, figure->look.height, layout->size,
            escape_text(ESCAPE_GNUPLOT, layout->font, arena), figure_legend_names[figure->look.legend]);
    fprintf(script, "xbase = %d\nylog = %d\nvalues = %d\n",
            !axes->xlog  ? 0
            : kind->base ? kind->base
                         : 10,
            axes->ylog, figure->look.values);
    fprintf(script, "xtics_list = \"%s\"\n",
            axes->xlog && kind->base == 2 ? x_tics(figure, layout, axes) : "autofreq");
    fprintf(script, "ytics_list = \"%s\"\n", axes->ylog ? y_tics(axes->ymin, axes->ymax, arena) : "autofreq");
}

/* --- drawing --- */

/* "a/b.svg" -> "a/b.dat"; only a suffix that is a figure's is replaced. */
static const char *with_suffix(const char *path, const char *suffix, Arena *arena) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    size_t stem = strlen(path);
    for (int i = 0; dot && gnuplot_formats[i]; i++)
        if (!strcmp(dot + 1, gnuplot_formats[i])) stem = (size_t)(dot - path);
    return arena_format(arena, "%.*s%s", (int)stem, path, suffix);
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
static bool draw(const FigureKind *kind, const Figure *figure, const Layout *layout, const Axes *axes,
                 const char *data, const char *path, const char *format, const char *template,
                 const char *style, Error *err) {
    Arena *arena = figure->arena;
    FILE *script = gnuplot_begin(format, arena, err);
    if (!script) return false;
    fprintf(script, "data = %s\nstyle_file = %s\n", gnuplot_path(data, arena),
            style ? gnuplot_path(style, arena) : "''");
    put_look(script, kind, figure, layout, axes);
    put_panels(script, figure, layout, axes);
    put_lines(script, figure, layout);
    put_clipped(script, figure, axes);
    figure_put_marks(figure, script);
    return gnuplot_end(script, path, template, arena, err);
}

/* --- the script for matplotlib: what the figure is, as JSON, and the program plots/figure.py --- */

static Json *describe(const FigureKind *kind, const Figure *figure, const Layout *layout, const Axes *axes,
                      const char *data) {
    Arena *arena = figure->arena;
    Json *json = json_new_object(arena), *panels = json_new_array(arena), *lines = json_new_array(arena);
    const char *slash = strrchr(data, '/');
    json_set_text(json, "data", slash ? slash + 1 : data);
    json_set_text(json, "title", title_of(kind, figure));
    json_set_text(json, "xlabel", kind->xlabel);
    json_set_text(json, "ylabel", y_label(kind, figure, axes->ylog));
    json_set_number(json, "width", layout->width);
    json_set_number(json, "height", figure->look.height);
    json_set_number(json, "font_size", layout->size);
    json_set_text(json, "font_name", layout->font);
    json_set_number(json, "columns", layout->columns);
    json_set_number(json, "xbase", !axes->xlog ? 0 : kind->base ? kind->base : 10);
    json_set_number(json, "ylog", axes->ylog);
    json_set_text(json, "legend", figure_legend_names[figure->look.legend]);
    for (int p = 0; p < figure->panel_count; p++) {
        Json *panel = json_new_object(arena);
        json_set_text(panel, "title", figure->panels[p].title);
        json_set_number(panel, "mark", figure->panels[p].mark);
        json_set_number(panel, "trained", (double)figure->panels[p].trained);
        json_set_number(panel, "xmin", axes[p].xmin);
        json_set_number(panel, "xmax", axes[p].xmax);
        json_set_number(panel, "ymin", axes[p].ymin);
        json_set_number(panel, "ymax", axes[p].ymax);
        json_append(panels, panel);
    }
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        Json *item = json_new_object(arena);
        json_set_number(item, "panel", line->panel);
        json_set_text(item, "name", figure_legend_text(figure, line->legend, INT_MAX));
        json_set_text(item, "colour", figure_colour(line->style));
        json_set_number(item, "marker", figure_marker(line->style));
        json_set_number(item, "dash", figure_dash(line->style));
        Json *marks = json_new_array(arena); /* x, y, x, y, ... */
        for (int k = 0; k < line->mark_count; k++) {
            json_append(marks, json_new_number(line->marks[k].x, arena));
            json_append(marks, json_new_number(line->marks[k].y, arena));
        }
        json_set(item, "marks", marks);
        json_append(lines, item);
    }
    json_set(json, "panels", panels);
    json_set(json, "lines", lines);
    return json;
}

static bool write_script(const FigureKind *kind, const Figure *figure, const Layout *layout, const Axes *axes,
                         const char *path, Error *err) {
    Arena *arena = figure->arena;
    const char *program = gnuplot_template("figure.py", NULL, arena, err);
    const char *text = program ? file_read(program, SIZE_MAX / 4, NULL, arena) : NULL;
    if (program && !text) return error_system(err, "cannot read '%s'", program);
    AtomicFile file;
    FILE *out = text ? atomic_file_begin(&file, with_suffix(path, ".py", arena), arena, err) : NULL;
    if (!out) return false;
    Json *json = describe(kind, figure, layout, axes, with_suffix(path, ".dat", arena));
    fprintf(out, "FIGURE = %s\n%s", json_print_pretty(json, arena), text);
    return atomic_file_end(&file, true, err);
}

bool figure_draw(const FigureKind *kind, Figure *figure, const char *path, const char *format,
                 const char *template, Error *err) {
    Arena *arena = figure->arena;
    const char *style = NULL;
    AtomicFile data;
    Layout layout;
    Axes range;
    figure_finish(kind, figure);
    if (!find_range(figure, -1, &range))
        return error_set(err, EXIT_USAGE, "experiment '%s' has %s", figure->set->experiment, kind->missing);
    if (!find_layout(figure, &layout, err)) return false;
    Axes *axes = NEW(arena, figure->panel_count, Axes);
    for (int p = 0; p < figure->panel_count; p++)
        if (!find_axes(kind, figure, &layout, kind->own_axes ? p : -1, &axes[p], err)) return false;
    if (!find_templates(kind, &template, &style, arena, err)) return false;
    FILE *file = atomic_file_begin(&data, with_suffix(path, ".dat", arena), arena, err);
    if (!file) return false;
    figure_put_data(kind, figure, file);
    bool written = fflush(file) == 0; /* otherwise atomic_file_end says why not */
    bool drawn = atomic_file_end(
        &data,
        !written || draw(kind, figure, &layout, axes, data.temporary, path, format, template, style, err),
        err);
    return drawn && (!figure->look.script || write_script(kind, figure, &layout, axes, path, err));
}
