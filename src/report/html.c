#include "report/html.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/escape.h"
#include "base/sha256.h"
#include "report/page.h"

void html_put(FILE *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            putc(*at, out);
            continue;
        }
        at++;
        if (*at == 's')
            escape_put(ESCAPE_XML, va_arg(arguments, const char *), out);
        else if (*at == '%')
            putc('%', out);
        else if (*at == 'd')
            fprintf(out, "%d", va_arg(arguments, int));
        else
            BUG("html_put: %%%c", *at);
    }
    va_end(arguments);
}

void html_begin(FILE *out, const char *title) {
    char style[SHA256_BASE64_SIZE], script[SHA256_BASE64_SIZE];
    sha256_base64(page_style, strlen(page_style), style);
    sha256_base64(page_script, strlen(page_script), script);
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
            "<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
            "'none'; "
            "style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\"/>\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
            "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
            "<meta name=\"referrer\" content=\"no-referrer\"/>\n",
            style, script);
    html_put(out, "<title>%s</title>\n", title);
    fprintf(out, "<style>%s</style>\n</head>\n<body>\n<main>\n", page_style);
}

void html_end(FILE *out) {
    fprintf(out, "</main>\n<script>%s</script>\n</body>\n</html>\n", page_script);
}

static void put_cell(const TableCell *cell, bool left, FILE *out) {
    fputs("<td", out);
    if (left || cell->best)
        fprintf(out, " class=\"%s%s%s\"", left ? "left" : "", left && cell->best ? " " : "",
                cell->best ? "best" : "");
    if (isfinite(cell->number)) fprintf(out, " data-value=\"%.17g\"", cell->number);
    html_put(out, ">%s</td>", cell->text);
}

static void put_grid(const TableGrid *grid, const char *label, FILE *out, Arena *arena) {
    html_put(out,
             "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">\n"
             "<table class=\"sortable\">\n",
             label);
    if (*grid->caption) html_put(out, "<caption><span>%s</span></caption>\n", grid->caption);
    fputs("<thead><tr>", out);
    for (int c = 0; c < grid->columns; c++) {
        fputs(grid->heads[c].left ? "<th scope=\"col\" class=\"left\">" : "<th scope=\"col\">", out);
        html_put(out, "%s</th>", table_grid_head(&grid->heads[c], arena));
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int r = 0; r < grid->rows; r++) {
        fputs("<tr>", out);
        for (int c = 0; c < grid->columns; c++)
            put_cell(&grid->cells[r * grid->columns + c], grid->heads[c].left, out);
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table>\n</div>\n", out);
}

void html_table(const Table *table, const char *label, FILE *out) {
    Arena *arena = arena_new(0);
    int count;
    const TableGrid *grids = table_grids(table, &count, arena);
    for (int g = 0; g < count; g++) put_grid(&grids[g], label, out, arena);
    arena_free(arena);
}

bool html_svg(const char *svg, const char *prefix, const char *label, FILE *out) {
    static const char *const names[] = {" id='", " id=\"", "href='#", "href=\"#", "url(#"};
    const char *view = strstr(svg, "viewBox=\""), *at = strstr(svg, "<g id=\"gnuplot_canvas\">");
    if (!view || !at) return false;
    view += strlen("viewBox=\"");
    fprintf(out,
            "<svg viewBox=\"%.*s\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\" "
            "xmlns:xlink=\"http://www.w3.org/1999/xlink\" aria-label=\"",
            (int)strcspn(view, "\"<>"), view);
    html_put(out, "%s\">\n", label);
    while (*at) {
        if (!strncmp(at, "<title>", 7)) { /* gnuplot's names of plots would be tooltips */
            const char *end = strstr(at, "</title>");
            at = end ? end + 8 : at + 7;
            continue;
        }
        int name = 0;
        while (name < COUNT_OF(names) && strncmp(at, names[name], strlen(names[name])) != 0) name++;
        bool named = name < COUNT_OF(names);
        int size = named ? (int)strlen(names[name]) : escape_size(at);
        fwrite(at, 1, (size_t)size, out); /* gnuplot has escaped text for XML */
        if (named) fputs(prefix, out);
        at += size ? size : 1;
    }
    return true;
}
