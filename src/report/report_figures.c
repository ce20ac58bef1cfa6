#include "report/report_figures.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "report/html.h"
#include "report/plot.h"

typedef struct Gallery {
    Database *store;
    const Results *set;
    int index;
    FILE *out;
    Arena *arena;
} Gallery;

static const struct {
    PlotFigure kind;
    const char *title, *caption;
} figures[] = {
    {PLOT_CURVES, "Perplexity by evaluation length",
     "Each panel is one training length, marked by the dotted line, and one protocol. Bands are the range of "
     "the seeds."},
    {PLOT_ACCURACY, "Exact match by size",
     "A thick line is the median over seeds, each thin line one seed; the sizes of training are shaded. "
     "Beyond "
     "them seeds of one method may differ by anything from 0 to 100 %."},
    {PLOT_PAPER, "Ours against the paper's",
     "Perplexity over that at the training length: data and models differ, shapes can be compared."},
    {PLOT_POSITION, "Loss by position",
     "In the longest windows evaluated. A method that breaks beyond its training length shows it to the "
     "right of the line."},
    {PLOT_EARLY, "Early tokens",
     "In nonoverlapping windows the first tokens have little context; with a small stride nearly all have "
     "full context. "
     "What falls in the first and not in the second is not owed to longer context."},
    {PLOT_COST, "Cost against perplexity",
     "Training speed as a bench of the model measured it, methods in turns."},
    {PLOT_BIAS, "Biases by distance",
     "What trained models add to the scores of each head, first seed, less the value at distance 0."},
    {PLOT_LOSS, "Loss of training",
     "Means over windows of updates. Methods whose curves still fall steeply at the end, or lie flat above "
     "the "
     "others', are compared before they have converged."},
};

/* Draws in `folder`, and puts what was drawn into the page. A figure without data is left out. */
static bool put_figure(const Gallery *gallery, int index, const char *folder, Error *err) {
    const char *name = plot_figure_names[figures[index].kind];
    const char *path = arena_format(gallery->arena, "%s/%s.svg", folder, name);
    const char *data = arena_format(gallery->arena, "%s/%s.dat", folder, name);
    const PlotOptions options = {.kind = figures[index].kind, .figure = path};
    bool fine = plot_results(gallery->store, gallery->set, &options, err);
    const char *svg = fine ? file_read(path, SIZE_MAX / 4, NULL, gallery->arena) : NULL;
    if (fine && !svg) error_system(err, "cannot read '%s'", path);
    unlink(path);
    unlink(data);
    if (!svg) return err->code == EXIT_USAGE;
    fputs("<figure>\n<div class=\"wide\">", gallery->out);
    const char *prefix = arena_format(gallery->arena, "e%df%d-", gallery->index, index);
    html_svg(svg, prefix,
             arena_format(gallery->arena, "%s: %s", gallery->set->experiment, figures[index].title),
             gallery->out);
    fputs("</div>\n<figcaption><b>", gallery->out);
    html_text(figures[index].title, gallery->out);
    fputs(".</b> ", gallery->out);
    html_text(figures[index].caption, gallery->out);
    fputs("</figcaption>\n</figure>\n", gallery->out);
    return true;
}

bool report_figures_write(Database *store, const Results *set, int index, FILE *out, Arena *arena,
                          Error *err) {
    const Gallery gallery = {store, set, index, out, arena};
    const char *temporary = getenv("TMPDIR");
    char *folder =
        arena_format(arena, "%s/poslab-report-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(folder)) return error_system(err, "cannot make a folder '%s'", folder);
    Error why;
    bool drawn = true;
    for (int i = 0; drawn && i < COUNT_OF(figures); i++) drawn = put_figure(&gallery, i, folder, &why);
    if (!drawn) {
        const char *note = arena_format(arena, "Not all figures could be drawn: %s.", why.text);
        html_element("p class=\"note\"", note, out);
        escape_line(stderr, "poslab: %s", note);
    }
    rmdir(folder);
    return true;
}
