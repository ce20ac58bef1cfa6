#include "report/report_figures.h"

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/tempdir.h"
#include "report/html.h"
#include "report/plot.h"

typedef struct Gallery {
    const Results *set;
    int index;
    FILE *out;
    Arena *arena;
} Gallery;

static const struct {
    ReportFigures group;
    PlotFigure kind;
    const char *title, *caption;
} figures[] = {
    {REPORT_FIGURES_MAIN, PLOT_CURVES, "Perplexity by evaluation length",
     "A panel is one training length, marked by the dotted line, and one protocol. A line is the mean over "
     "the seeds, a band their range. A method that extrapolates stays level to the right of the dotted "
     "line."},
    {REPORT_FIGURES_MAIN, PLOT_ACCURACY, "Exact match by size",
     "A thick line is the median over seeds, a thin line one seed. The sizes in training are shaded. Beyond "
     "them, seeds of one method can differ widely."},
    {REPORT_FIGURES_PAPER, PLOT_PAPER, "Here and in the paper",
     "Perplexity divided by that at the training length. A panel is one method. Data and models differ, so "
     "only the shapes of curves can be compared."},
    {REPORT_FIGURES_MORE, PLOT_POSITION, "Loss by position in the window",
     "Loss in the longest evaluated windows. If a method breaks beyond its training length, the loss "
     "rises to the right of the dotted line."},
    {REPORT_FIGURES_MORE, PLOT_EARLY, "Early tokens",
     "In nonoverlapping windows the first tokens have little context; with a small stride nearly all tokens "
     "have a long one. A gain at longer lengths that only nonoverlapping windows show comes from fewer early "
     "tokens, not from longer context."},
    {REPORT_FIGURES_MORE, PLOT_COST, "Perplexity by training speed",
     "Speeds are from a bench, which alternates methods. Faster methods are further right, better ones "
     "lower."},
    {REPORT_FIGURES_MORE, PLOT_BIAS, "Bias by distance",
     "The bias that trained models of the first seed add to the attention scores, for each head, minus its "
     "value at distance 0."},
    {REPORT_FIGURES_MORE, PLOT_LOSS, "Training loss by update",
     "Means over windows of updates. A method whose loss still falls steeply at the end has not converged."},
};

/* Draws in `folder` and copies the drawing into the page. A figure without data is omitted. */
static bool put_figure(const Gallery *gallery, int index, const char *folder, Error *err) {
    const char *name = plot_figure_names[figures[index].kind];
    const char *path = arena_format(gallery->arena, "%s/%s.svg", folder, name);
    const PlotOptions options = {
        .kind = figures[index].kind, .figure = path, .look = {.title = "", .values = true}};
    bool fine = plot_results(gallery->set, &options, err);
    const char *svg = fine ? file_read(path, SIZE_MAX / 4, NULL, gallery->arena) : NULL;
    if (fine && !svg) error_system(err, "cannot read '%s'", path);
    if (!svg) return err->code == EXIT_USAGE;
    fputs("<figure>\n<div class=\"wide\">", gallery->out);
    const char *prefix = arena_format(gallery->arena, "e%df%d-", gallery->index, index);
    html_svg(svg, prefix,
             arena_format(gallery->arena, "%s: %s", gallery->set->experiment, figures[index].title),
             gallery->out);
    html_put(gallery->out, "</div>\n<figcaption><b>%s.</b> %s</figcaption>\n</figure>\n",
             figures[index].title, figures[index].caption);
    return true;
}

bool report_figures_write(const Results *set, int index, ReportFigures group, bool *figureless, FILE *out,
                          Arena *arena, Error *err) {
    if (*figureless || group == REPORT_FIGURES_NONE) return true;
    const Gallery gallery = {set, index, out, arena};
    const char *folder = tempdir_make(arena, err);
    if (!folder) return false;
    Error why;
    bool drawn = true;
    for (int i = 0; drawn && i < COUNT_OF(figures); i++)
        if (figures[i].group == group) drawn = put_figure(&gallery, i, folder, &why);
    *figureless = !drawn;
    if (!drawn) {
        const char *note = arena_format(arena, "Not all figures could be drawn: %s.", why.text);
        html_put(out, "<p class=\"note\">%s</p>\n", note);
        escape_line(stderr, "poslab: %s", note);
    }
    tempdir_remove(folder);
    return true;
}
