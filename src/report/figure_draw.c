/* figure_draw: computes sizes, ranges and tics of a figure, describes it for its template, and draws it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/atomic_file.h"
#include "report/figure.h"
#include "report/gnuplot.h"

const char *const figure_log_names[] = {"auto", "linear", "x", "y", "xy", NULL};
const char *const figure_legend_names[] = {"bottom", "right", "off", NULL};

/* --- size and text --- */

/* Computed from a FigureLook: inches, points, the name of the font, limits of y (NAN: none). */
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

/* Divides a text into lines of about `inches` at most. Counts the lines; an empty text has none. */
static const char *wrapped(const char *text, double inches, double size, int *lines, Arena *arena) {
    int room = (int)(inches * 72 / (0.54 * size));
    const char *wrapped = "";
    for (*lines = 0; *text; (*lines)++) {
        int used = 0, end = 0; /* characters, and bytes that fit */
        for (int i = 0; text[i]; i++) {
            used += ((unsigned char)text[i] & 0xC0) != 0x80;
            if ((text[i + 1] == ' ' || !text[i + 1]) && (used <= room || !end)) end = i + 1;
        }
        wrapped = arena_format(arena, "%s%s%.*s", wrapped, *lines ? "\n" : "", end, text);
        text += end;
        while (*text == ' ') text++;
    }
    return wrapped;
}

static const char *title_of(const FigureKind *kind, const Figure *figure) {
    const char *stale = results_stale(figure->set, figure->arena);
    if (figure->look.title) return figure->look.title;
    const char *best = figure->set->best ? " (best values, chosen on the validation split)" : "";
    return arena_format(figure->arena, stale ? "%s: %s%s (stale: %s)" : "%s: %s%s", figure->set->experiment,
                        kind->title, best, stale);
}

/* The label of an axis with its unit in place of "%s". */
static const char *with_unit(const char *label, const char *unit, Arena *arena) {
    const char *place = strstr(label, "%s");
    return place ? arena_format(arena, "%.*s%s%s", (int)(place - label), label, unit, place + 2) : label;
}

/* "perplexity per byte (log scale)" */
static const char *y_label(const FigureKind *kind, const Figure *figure, bool logarithmic) {
    const char *label = with_unit(kind->ylabel, figure->unit, figure->arena);
    return logarithmic ? arena_format(figure->arena, "%s (log scale)", label) : label;
}

/* --- ranges --- */

typedef struct Axes {
    double xlow, xhigh, ylow, yhigh; /* the range of the points */
    double xmin, xmax, ymin, ymax;   /* the ends of the axes */
    bool xlog, ylog;
    double highest; /* the highest y, even if it is above the end of the axis */
} Axes;

/* The ranges of a panel, or of all panels (-1); false if there are no points. */
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

/* The largest end of the y axis that FigureKind.ceiling allows. */
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
    for (int i = 0; figure->tic_count && i < 2; i++) { /* all methods have the same axis of lengths */
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
    if (axes->ymin >= axes->ymax && !figure->look.limits) axes->ymin -= 1, axes->ymax += 1;
    return axes->ymin < axes->ymax ||
           error_set(err, EXIT_USAGE, "--ylim %s: nothing of the figure is in this range",
                     figure->look.limits);
}

/* Labels at multiples of powers of ten; counts them. */
static const char *decade_tics(const double *digits, int digit_count, double low, double high, int *count,
                               Arena *arena) {
    const char *list = "";
    *count = 0;
    for (int decade = (int)floor(log10(low)); decade <= (int)ceil(log10(high)); decade++)
        for (int i = 0; i < digit_count; i++) {
            double value = digits[i] * pow(10, decade);
            if (value < low || value > high) continue;
            list = text_join(list, ", ", arena_format(arena, "'%g' %.17g", value, value), arena);
            ++*count;
        }
    return arena_format(arena, "(%s)", list);
}

/* Labels at multiples of the largest round number that gives at least three. */
static const char *even_tics(double low, double high, Arena *arena) {
    const char *list = "";
    double most = (high - low) / 3, step = pow(10, floor(log10(most)));
    step *= most >= 5 * step ? 5 : most >= 2 * step ? 2 : 1;
    for (int i = 0; i < 16; i++) {
        double value = (ceil(low / step) + i) * step;
        if (value <= high)
            list = text_join(list, ", ", arena_format(arena, "'%g' %.17g", value, value), arena);
    }
    return arena_format(arena, "(%s)", list);
}

/* Labels of a logarithmic axis: 1, 2 and 5 in every decade; 1 alone if these are more than `most`, others if
   they are fewer than three. */
static const char *log_tics(double low, double high, double most, Arena *arena) {
    static const double digits[] = {1, 2, 5}, more[] = {1, 2, 3, 5, 7};
    int count;
    const char *list = decade_tics(digits, COUNT_OF(digits), low, high, &count, arena);
    if (count > most) list = decade_tics(digits, 1, low, high, &count, arena);
    if (count < 3) list = decade_tics(more, COUNT_OF(more), low, high, &count, arena);
    return count < 3 ? even_tics(low, high, arena) : list;
}

/* The tics of the figure, or the powers of two within the axis. */
static int find_tics(const int64_t **tics, const Figure *figure, const Axes *axes) {
    int64_t *powers = NULL;
    int count = 0;
    *tics = figure->tics;
    if (figure->tic_count) return figure->tic_count;
    for (int64_t power = 1; (double)power <= axes->xmax; power *= 2)
        if ((double)power >= axes->xmin) *ARENA_PUSH(figure->arena, powers, count) = power;
    *tics = powers;
    return count;
}

/* Puts labels at the training lengths, then at other x where there is room. The rest get small marks. */
static const char *x_tics(const FigureKind *kind, const Figure *figure, const Layout *layout,
                          const Axes *axes) {
    const int64_t *tics;
    int count = find_tics(&tics, figure, axes);
    double labels = layout->width * 72 / layout->columns / layout->size / 4.4;
    if (!axes->xlog) return axes->xhigh - axes->xlow <= 10 ? "1" : "autofreq"; /* no labels between sizes */
    if (kind->base != 2 || (count < 2 && !figure->tic_count))
        return log_tics(axes->xmin, axes->xmax, labels, figure->arena);
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

/* --- the description: variables of a template, and JSON for the script for matplotlib --- */

static Json *describe_panels(const Figure *figure, const Layout *layout, const Axes *axes) {
    Arena *arena = figure->arena;
    Json *panels = json_new_array(arena);
    int first = 0, last = 0, lines;
    for (int p = 0; p < figure->panel_count; p++, first = last) {
        const FigurePanel *panel = &figure->panels[p];
        const char *title =
            wrapped(panel->title, 0.95 * layout->width / layout->columns, layout->size, &lines, arena);
        while (last < figure->line_count && figure->lines[last].panel == p) last++;
        Json *item = json_new_object(arena);
        json_set_number(item, "first", first + 1);
        json_set_number(item, "last", last);
        json_set_number(item, "mark", panel->mark);
        json_set_number(item, "trained", (double)panel->trained);
        json_set_number(item, "xmin", axes[p].xmin);
        json_set_number(item, "xmax", axes[p].xmax);
        json_set_number(item, "ymin", axes[p].ymin);
        json_set_number(item, "ymax", axes[p].ymax);
        json_set_text(item, "panel_title", title);
        json_set_number(item, "panel_lines", lines);
        json_append(panels, item);
    }
    return panels;
}

static bool has_band(const FigureLine *line) {
    for (int k = 0; k < line->count; k++)
        if (line->points[k].seeds > 1) return true;
    return false;
}

static Json *describe_lines(const Figure *figure) {
    Json *lines = json_new_array(figure->arena);
    for (int i = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        Json *item = json_new_object(figure->arena);
        json_set_text(item, "name", line->name);
        json_set_text(item, "line_colour", figure_colour(line->style));
        json_set_number(item, "line_marker", figure_marker(line->style) + 1);
        json_set_number(item, "line_dash", figure_dash(line->style) + 1);
        json_set_number(item, "band", has_band(line));
        json_set_number(item, "entry", line->legend + 1);
        json_append(lines, item);
    }
    return lines;
}

/* The legend: the text of each entry, and the first line that has its style. */
static Json *describe_entries(const Figure *figure, const Layout *layout) {
    Json *entries = json_new_array(figure->arena);
    int room = (int)(layout->width * 72 / (0.7 * layout->size)) - 10; /* characters in one column */
    for (int entry = 0, i = 0; figure->look.legend != FIGURE_LEGEND_OFF; entry++) {
        for (i = 0; i < figure->line_count && figure->lines[i].legend != entry; i++) continue;
        if (i == figure->line_count) break;
        Json *item = json_new_object(figure->arena);
        json_set_text(item, "entry_text", figure_legend_text(figure, entry, room));
        json_set_number(item, "entry_line", i + 1);
        json_append(entries, item);
    }
    return entries;
}

/* Lines that exceed the end of the axis, each with its last point above it. */
static Json *describe_clipped(const Figure *figure, const Axes *axes) {
    Json *clipped = json_new_array(figure->arena);
    for (int i = 0, row = 0; i < figure->line_count; i++) {
        const FigureLine *line = &figure->lines[i];
        const Axes *own = &axes[line->panel];
        int last = own->highest > own->yhigh ? line->count - 1 : -1;
        while (last >= 0 && line->points[last].y <= own->ymax) last--;
        if (i == 0 || line->panel != line[-1].panel) row = 0;
        if (last < 0) continue;
        Json *item = json_new_object(figure->arena);
        json_set_number(item, "clip_line", i + 1);
        json_set_number(item, "clip_x", line->points[last].x);
        json_set_number(item, "clip_y", line->points[last].y);
        json_set_number(item, "clip_row", ++row);
        json_append(clipped, item);
    }
    return clipped;
}

static Json *describe_marks(const Figure *figure) {
    Json *marks = json_new_array(figure->arena);
    for (int i = 0; i < figure->line_count; i++)
        for (int k = 0; k < figure->lines[i].mark_count; k++) {
            Json *item = json_new_object(figure->arena);
            json_set_number(item, "mark_line", i + 1);
            json_set_number(item, "mark_x", figure->lines[i].marks[k].x);
            json_set_number(item, "mark_y", figure->lines[i].marks[k].y);
            json_append(marks, item);
        }
    return marks;
}

static Json *describe(const FigureKind *kind, const Figure *figure, const Layout *layout, const Axes *axes) {
    Arena *arena = figure->arena;
    Json *json = json_new_object(arena);
    int lines = 0;
    json_set_text(json, "title",
                  wrapped(title_of(kind, figure), layout->width, 1.15 * layout->size, &lines, arena));
    json_set_number(json, "title_lines", lines);
    json_set_text(json, "xlabel", with_unit(kind->xlabel, figure->x_unit, arena));
    json_set_text(json, "ylabel", y_label(kind, figure, axes->ylog));
    json_set_text(json, "point_text", kind->x);
    json_set_number(json, "width", layout->width);
    json_set_number(json, "height", figure->look.height);
    json_set_number(json, "font_size", layout->size);
    json_set_text(json, "font_name", layout->font);
    json_set_text(json, "legend", figure_legend_names[figure->look.legend]);
    json_set_number(json, "xbase", !axes->xlog ? 0 : kind->base ? kind->base : 10);
    json_set_number(json, "ylog", axes->ylog);
    json_set_number(json, "values", figure->look.values);
    json_set_text(json, "xtics_list", x_tics(kind, figure, layout, axes));
    json_set_text(json, "ytics_list", axes->ylog ? log_tics(axes->ymin, axes->ymax, 12, arena) : "autofreq");
    json_set_number(json, "columns", layout->columns);
    json_set(json, "panels", describe_panels(figure, layout, axes));
    json_set(json, "lines", describe_lines(figure));
    json_set(json, "entries", describe_entries(figure, layout));
    json_set(json, "clipped", describe_clipped(figure, axes));
    json_set(json, "marks", describe_marks(figure));
    return json;
}

/* --- drawing --- */

/* "a/b.svg" -> "a/b.dat". Only the suffix of a figure format is replaced. */
static const char *with_suffix(const char *path, const char *suffix, Arena *arena) {
    size_t stem = text_stem(path);
    bool drawn = path[stem] && text_index(path + stem + 1, gnuplot_formats) >= 0;
    return arena_format(arena, "%.*s%s", drawn ? (int)stem : (int)strlen(path), path, suffix);
}

/* Finds the template and its style file: the one next to the template, or the default. */
static bool find_templates(const FigureKind *kind, const char **template, const char **style, Arena *arena,
                           Error *err) {
    Error unused;
    if (*template && access(*template, R_OK) != 0)
        return error_system(err, "cannot read the template '%s'", *template);
    if (!*template) *template = gnuplot_template(arena_format(arena, "%s.gp", kind->name), NULL, arena, err);
    *style = *template ? gnuplot_template("style.gp", *template, arena, &unused) : NULL;
    return *template != NULL;
}

/* data: the temporary path of the data file. */
static bool draw(const Json *description, const char *data, const char *path, const char *format,
                 const char *template, const char *style, Arena *arena, Error *err) {
    FILE *script = gnuplot_begin(format, arena, err);
    if (!script) return false;
    fprintf(script, "data = %s\nstyle_file = %s\n", gnuplot_path(data, arena),
            style ? gnuplot_path(style, arena) : "''");
    gnuplot_set(script, description, arena);
    return gnuplot_end(script, path, template, arena, err);
}

/* Writes the description, followed by the program plots/figure.py. */
static bool write_script(Json *description, const char *path, Arena *arena, Error *err) {
    const char *program = gnuplot_template("figure.py", NULL, arena, err);
    const char *text = program ? file_read(program, SIZE_MAX / 4, NULL, arena) : NULL;
    if (!text) return program && error_system(err, "cannot read '%s'", program);
    json_set_text(description, "data", with_suffix(basename(path), ".dat", arena));
    text = arena_format(arena, "FIGURE = %s\n%s", json_print_pretty(description, arena), text);
    return file_write(with_suffix(path, ".py", arena), text, arena, err);
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
    Json *description = describe(kind, figure, &layout, axes);
    figure_put_data(kind, figure, file);
    bool written = fflush(file) == 0; /* otherwise atomic_file_end sets the error */
    bool drawn = atomic_file_end(
        &data, !written || draw(description, data.temporary, path, format, template, style, arena, err), err);
    return drawn && (!figure->look.script || write_script(description, path, arena, err));
}
