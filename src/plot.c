/* plot: see plot.h. gnuplot reads its commands from a temporary file: assignments of variables, then `load`
 * of the template. The figure is written under a temporary name and renamed when gnuplot is content.
 */
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curves.h"

static const char *const format_names[] = {"svg", "png", "pdf", NULL};

/* A figure: its curves sorted by panel. */
typedef struct Figure {
    const Curves *curves;
    const Curve **lines; /* [count] in the order of drawing */
    int *panels;         /* [count]: each line's panel, ascending */
    int count, panel_count;
    double low, high; /* of all values drawn */
} Figure;

/* --- what is drawn --- */

static bool same_panel(const Curve *a, const Curve *b) {
    return a->train_length == b->train_length && curves_same_protocol(a, b);
}

static bool is_drawn(const CurveCell *cell) {
    return cell->seeds[OUTCOME_DONE] && isfinite(cell->mean);
}

/* Panels come in the order of their first curve, curves in a panel in the order of the config. */
static Figure *make_figure(const Curves *curves, Arena *arena) {
    Figure *figure = NEW(arena, 1, Figure);
    *figure = (Figure){.curves = curves, .low = INFINITY, .high = 0};
    figure->lines = NEW(arena, curves->count, const Curve *);
    figure->panels = NEW(arena, curves->count, int);
    for (int first = 0; first < curves->count; first++) {
        const Curve *opener = &curves->items[first];
        bool seen = false;
        for (int i = 0; i < first; i++) seen |= same_panel(&curves->items[i], opener);
        for (int i = first; !seen && i < curves->count; i++) {
            if (!same_panel(&curves->items[i], opener)) continue;
            figure->panels[figure->count] = figure->panel_count;
            figure->lines[figure->count++] = &curves->items[i];
        }
        figure->panel_count += !seen;
    }
    for (int i = 0; i < figure->count; i++)
        for (int k = 0; k < curves->length_count; k++) {
            const CurveCell *cell = &figure->lines[i]->cells[k];
            if (!is_drawn(cell)) continue;
            figure->low = fmin(figure->low, cell->low);
            figure->high = fmax(figure->high, cell->high);
        }
    return figure;
}

/* In the legend a method that has lost seeds says so: "Label (1 of 3 diverged)". */
static const char *legend_text(const Curve *curve, int length_count, Arena *arena) {
    static const char *const words[] = {"", "diverged", "failed", "", "missing"};
    int lost[OUTCOME_COUNT] = {0}, asked = 0;
    for (int k = 0; k < length_count; k++) {
        const CurveCell *cell = &curve->cells[k];
        if (curves_asked(cell) > asked) asked = curves_asked(cell);
        for (int i = 0; i < OUTCOME_COUNT; i++)
            if (cell->seeds[i] > lost[i]) lost[i] = cell->seeds[i];
    }
    for (int i = OUTCOME_DIVERGED; i < OUTCOME_COUNT; i++) {
        if (!lost[i] || !*words[i]) continue;
        if (asked == 1) return arena_format(arena, "%s (%s)", curve->name, words[i]);
        return arena_format(arena, "%s (%d of %d %s)", curve->name, lost[i], asked, words[i]);
    }
    return curve->name;
}

/* --- the data file --- */

static bool write_data(const Figure *figure, const char *path, Arena *arena, Err *err) {
    const Curves *curves = figure->curves;
    FILE *file = fopen(path, "we");
    if (!file) return err_system(err, "cannot write '%s'", path);
    fprintf(file, "# %s: perplexity by evaluation length, over seeds\n# %s\n", curves->experiment,
            curves->signature);
    fputs("# length mean deviation lowest highest seeds\n", file);
    for (int i = 0; i < figure->count; i++) {
        const Curve *curve = figure->lines[i];
        fprintf(file, "%s# %s; trained at %lld; %s\n", i ? "\n\n" : "\n", curve->name,
                (long long)curve->train_length, curves_protocol(curve, arena));
        int written = 0;
        for (int k = 0; k < curves->length_count; k++) {
            const CurveCell *cell = &curve->cells[k];
            if (!is_drawn(cell)) continue;
            fprintf(file, "%lld %.17g %.17g %.17g %.17g %d\n", (long long)curves->lengths[k], cell->mean,
                    cell->deviation, cell->low, cell->high, cell->seeds[OUTCOME_DONE]);
            written++;
        }
        if (!written)
            fputs("NaN NaN NaN NaN NaN 0\n", file); /* an empty block would shift those that follow */
    }
    bool ok = !ferror(file);
    return (fclose(file) == 0 && ok) || err_system(err, "cannot write '%s'", path);
}

/* --- the variables --- */

/* In gnuplot's single quotes nothing is special but the quote itself. */
static const char *quoted(const char *text, Arena *arena) {
    char *result = arena_alloc(arena, 2 * strlen(text) + 3, 1), *end = result;
    *end++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') *end++ = '\'';
        *end++ = (unsigned char)*text < 0x20 || *text == 0x7F ? ' ' : *text;
    }
    *end = '\'';
    return result;
}

/* Labels at the training lengths and then at whatever lengths leave room; a small mark at the others. */
static const char *length_tics(const Figure *figure, Arena *arena) {
    const Curves *curves = figure->curves;
    double room = log2((double)curves->lengths[curves->length_count - 1] / (double)curves->lengths[0]) / 12;
    bool *labelled = NEW(arena, curves->length_count, bool);
    for (int pass = 0; pass < 3; pass++) /* training lengths, their doubles, the others */
        for (int k = 0; k < curves->length_count; k++) {
            double octaves = INFINITY, gap = INFINITY;
            for (int i = 0; i < figure->count; i++) {
                double distance = log2((double)curves->lengths[k] / (double)figure->lines[i]->train_length);
                octaves = fmin(octaves, pass == 0 ? fabs(distance) : fabs(distance - round(distance)));
            }
            for (int i = 0; i < curves->length_count; i++)
                if (labelled[i])
                    gap = fmin(gap, fabs(log2((double)curves->lengths[k] / (double)curves->lengths[i])));
            labelled[k] |= gap >= room && (pass == 2 || octaves < 1e-9);
        }
    const char *list = "";
    for (int k = 0; k < curves->length_count; k++) {
        long long length = (long long)curves->lengths[k];
        list = labelled[k] ? arena_format(arena, "%s%s'%lld' %lld", list, *list ? ", " : "", length, length)
                           : arena_format(arena, "%s%s'' %lld 1", list, *list ? ", " : "", length);
    }
    return arena_format(arena, "(%s)", list);
}

/* On a log axis: 1, 2, 5 in every decade, or 1 alone where that would be many. */
static const char *value_tics(double low, double high, Arena *arena) {
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

/* The place of a line's name among all names: a method looks the same in every panel. */
static int style_of(const Figure *figure, int line) {
    int style = 0;
    for (int i = 0; i < figure->count; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= !strcmp(figure->lines[k]->name, figure->lines[i]->name);
        style += !seen;
        if (!strcmp(figure->lines[i]->name, figure->lines[line]->name)) return style;
    }
    BUG("line %d is not in the figure", line);
}

static void put_panels(FILE *script, const Figure *figure, Arena *arena) {
    fprintf(script,
            "panels = %d\narray first[%d]\narray last[%d]\narray trained[%d]\narray panel_title[%d]\n",
            figure->panel_count, figure->panel_count, figure->panel_count, figure->panel_count,
            figure->panel_count);
    for (int i = 0; i < figure->count; i++) {
        const Curve *curve = figure->lines[i];
        int panel = figure->panels[i] + 1;
        if (i == 0 || figure->panels[i - 1] != figure->panels[i]) {
            const char *title = figure->curves->protocols > 1 ? curves_protocol(curve, arena) : "";
            fprintf(script, "first[%d] = %d\ntrained[%d] = %lld\npanel_title[%d] = %s\n", panel, i + 1, panel,
                    (long long)curve->train_length, panel, quoted(title, arena));
        }
        fprintf(script, "last[%d] = %d\n", panel, i + 1);
    }
}

static void put_lines(FILE *script, const Figure *figure, Arena *arena) {
    int count = figure->count;
    fprintf(script, "lines = %d\narray name[%d]\narray style[%d]\narray band[%d]\n", count, count, count,
            count);
    for (int i = 0; i < count; i++) {
        const Curve *curve = figure->lines[i];
        bool several = false;
        for (int k = 0; k < figure->curves->length_count; k++)
            several |= curve->cells[k].seeds[OUTCOME_DONE] > 1;
        const char *name = quoted(legend_text(curve, figure->curves->length_count, arena), arena);
        fprintf(script, "name[%d] = %s\nstyle[%d] = %d\nband[%d] = %d\n", i + 1, name, i + 1,
                style_of(figure, i), i + 1, several);
    }
}

static void put_axes(FILE *script, const Figure *figure, Arena *arena) {
    const Curves *curves = figure->curves;
    double first = (double)curves->lengths[0], last = (double)curves->lengths[curves->length_count - 1];
    bool logarithmic = figure->high > 10 * figure->low;
    double margin = logarithmic ? 0 : fmax(0.05 * (figure->high - figure->low), 0.01 * figure->high);
    double factor = logarithmic ? 1.1 : 1;
    double low = figure->low / factor - margin, high = figure->high * factor + margin;
    fprintf(script, "xmin = %.17g\nxmax = %.17g\nymin = %.17g\nymax = %.17g\nylog = %d\n", first / 1.1,
            last * 1.1, low, high, logarithmic);
    fprintf(script, "xtics_list = \"%s\"\n", length_tics(figure, arena));
    fprintf(script, "ytics_list = \"%s\"\n", logarithmic ? value_tics(low, high, arena) : "autofreq");
}

/* --- gnuplot --- */

static bool run_gnuplot(FILE *script, Err *err) {
    static char program[] = "gnuplot", defaults[] = "-d"; /* -d: without the user's own start-up file */
    char *const arguments[] = {program, defaults, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid;
    int code = posix_spawnp(&pid, program, &actions, NULL, arguments, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (code == ENOENT)
        return err_set(err, EXIT_SYSTEM,
                       "gnuplot is not installed (Debian, Ubuntu: apt install gnuplot-nox)");
    if (code) return err_set(err, EXIT_SYSTEM, "cannot start gnuplot: %s", strerror(code));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_system(err, "cannot wait for gnuplot");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return err_set(err, EXIT_SYSTEM, "gnuplot failed; its message is above");
}

/* The template to use: here, or where the program was built, or was installed; NULL if there is none. */
static const char *find_template(Arena *arena) {
    char program[4096] = "";
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = length > 0 ? strrchr(program, '/') : NULL;
    if (slash) *slash = '\0';
    const char *const places[] = {
        "plots/curves.gp",
        arena_format(arena, "%s/plots/curves.gp", program),
        arena_format(arena, "%s/../share/poslab/plots/curves.gp", program),
    };
    for (int i = 0; i < COUNT_OF(places); i++)
        if (access(places[i], R_OK) == 0) return arena_copy(arena, places[i]);
    return NULL;
}

static bool draw(const Figure *figure, const char *path, const char *format, const char *template,
                 const char *data, Arena *arena, Err *err) {
    if (!template) template = find_template(arena);
    if (!template)
        return err_set(err, EXIT_SYSTEM,
                       "no template plots/curves.gp here or beside the program; `make install` "
                       "puts it into share/poslab");
    if (access(template, R_OK) != 0) return err_system(err, "cannot read the template '%s'", template);
    const char *unfinished = arena_format(arena, "%s.tmp", path);
    FILE *script = tmpfile();
    if (!script) return err_system(err, "cannot make a temporary file");
    fprintf(script, "figure = %s\nformat = %s\ndata = %s\ntitle = %s\n", quoted(unfinished, arena),
            quoted(format, arena), quoted(data, arena), quoted(figure->curves->experiment, arena));
    put_panels(script, figure, arena);
    put_lines(script, figure, arena);
    put_axes(script, figure, arena);
    fprintf(script, "load %s\n", quoted(template, arena));
    bool ok = fflush(script) == 0 && !ferror(script);
    if (!ok) err_system(err, "cannot write a temporary file");
    rewind(script);
    ok = ok && run_gnuplot(script, err);
    fclose(script);
    if (ok && rename(unfinished, path) != 0) ok = err_system(err, "cannot write '%s'", path);
    if (!ok) unlink(unfinished);
    return ok;
}

/* --- the command --- */

/* The index in format_names, -1 if there is none of that name. */
static int find_format(const char *name) {
    for (int i = 0; name && format_names[i]; i++)
        if (!strcmp(format_names[i], name)) return i;
    return -1;
}

/* The suffix of a path without the dot, NULL if it has none. */
static const char *path_suffix(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return dot ? dot + 1 : NULL;
}

static const Figure *read_figure(Store *store, const char *experiment, Arena *arena, Err *err) {
    int count = 0;
    const char **names = curves_experiments(store, experiment, &count, arena, err);
    if (!names) return NULL;
    if (count > 1) {
        err_set(err, EXIT_USAGE, "database '%s' has %d experiments ('%s', '%s', ...); name the one to draw",
                store_path(store), count, names[0], names[1]);
        return NULL;
    }
    const Curves *curves = curves_read(store, names[0], arena, err);
    if (!curves) return NULL;
    const Figure *figure = make_figure(curves, arena);
    if (figure->high > 0) return figure;
    err_set(err, EXIT_USAGE, "experiment '%s' in '%s' has no perplexity to draw yet", names[0],
            store_path(store));
    return NULL;
}

bool plot_curves(Store *store, const PlotOptions *options, Err *err) {
    const char *suffix = path_suffix(options->figure);
    int format = find_format(options->format ? options->format : suffix);
    if (format < 0)
        return err_set(err, EXIT_USAGE, "unknown figure format '%s'; there are svg, png and pdf",
                       options->format ? options->format
                       : suffix        ? suffix
                                       : "");
    Arena *arena = arena_new(0);
    int stem = (int)strlen(options->figure) - (find_format(suffix) < 0 ? 0 : (int)strlen(suffix) + 1);
    const char *data = arena_format(arena, "%.*s.dat", stem, options->figure);
    const Figure *figure = read_figure(store, options->experiment, arena, err);
    bool ok = figure && write_data(figure, data, arena, err) &&
              draw(figure, options->figure, format_names[format], options->template, data, arena, err);
    arena_free(arena);
    return ok;
}
