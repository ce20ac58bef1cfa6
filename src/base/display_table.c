#include "base/display_table.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"

DisplayTable display_table_new(int rows, int columns, Arena *arena) {
    DisplayTable sheet = {.caption = "", .rows = rows, .column_count = columns};
    sheet.columns = NEW(arena, columns, DisplayTableColumn);
    sheet.cells = NEW(arena, rows * columns, DisplayTableCell);
    for (int c = 0; c < columns; c++) sheet.columns[c].head = sheet.columns[c].under = "";
    for (int i = 0; i < rows * columns; i++) sheet.cells[i].value = NAN;
    return sheet;
}

DisplayTableCell *display_table_cell(const DisplayTable *sheet, int row, int column) {
    return &sheet->cells[row * sheet->column_count + column];
}

void display_table_note(DisplayTableSet *set, const char *note) {
    for (int i = 0; i < set->note_count; i++)
        if (!strcmp(set->notes[i], note)) return;
    if (set->note_count == COUNT_OF(set->notes)) BUG("more than %d notes", set->note_count);
    set->notes[set->note_count++] = note;
}

const char *display_table_head(const DisplayTableColumn *column, Arena *arena) {
    if (!*column->under) return column->head;
    return arena_format(arena, column->measured ? "%s (%s)" : "%s %s", column->head, column->under);
}

static const char *cell_text(const DisplayTable *sheet, int row, int column) {
    const char *text = display_table_cell(sheet, row, column)->text;
    return text ? text : "";
}

/* --- text --- */

enum { HEAD = -2, UNDER = -1 }; /* rows of the head */

static const char *text_at(const DisplayTable *sheet, int row, int column) {
    if (row == HEAD) return sheet->columns[column].head;
    return row == UNDER ? sheet->columns[column].under : cell_text(sheet, row, column);
}

static void print_text_row(const DisplayTable *sheet, int row, const int *widths, FILE *out) {
    int spaces = 0; /* held back, so that no line ends in them */
    for (int c = 0; c < sheet->column_count; c++) {
        const char *text = text_at(sheet, row, c);
        int padding = widths[c] - escape_width(text);
        spaces += (c ? 2 : 0) + (sheet->columns[c].left ? 0 : padding);
        if (*text) {
            for (; spaces > 0; spaces--) putc(' ', out);
            escape_put(ESCAPE_LINE, text, out);
        }
        spaces += sheet->columns[c].left ? padding : 0;
    }
    putc('\n', out);
}

static void print_text_sheet(const DisplayTable *sheet, FILE *out, Arena *arena) {
    int *widths = NEW(arena, sheet->column_count, int), total = 0;
    bool under = false;
    for (int c = 0; c < sheet->column_count; c++) {
        for (int r = HEAD; r < sheet->rows; r++) {
            int width = escape_width(text_at(sheet, r, c));
            if (width > widths[c]) widths[c] = width;
        }
        under |= *sheet->columns[c].under != '\0';
        total += widths[c] + (c ? 2 : 0);
    }
    if (*sheet->caption) {
        escape_put(ESCAPE_LINE, sheet->caption, out);
        putc('\n', out);
    }
    for (int r = HEAD; r < sheet->rows; r++) {
        if (r != UNDER || under) print_text_row(sheet, r, widths, out);
        for (int i = 0; r == UNDER && i <= total; i++) putc(i < total ? '-' : '\n', out);
    }
}

void display_table_print_text(const DisplayTableSet *set, FILE *out) {
    Arena *arena = arena_new(0);
    escape_put(ESCAPE_LINE, set->title, out);
    putc('\n', out);
    for (int i = 0; i < set->count; i++) {
        putc('\n', out);
        print_text_sheet(&set->items[i], out, arena);
    }
    for (int i = 0; i < set->note_count; i++) {
        fputs(i ? "" : "\n", out);
        escape_put(ESCAPE_LINE, set->notes[i], out);
        putc('\n', out);
    }
    fputs("\nsignature: ", out);
    escape_put(ESCAPE_LINE, set->signature, out);
    putc('\n', out);
    arena_free(arena);
}

/* --- Markdown --- */

static void print_md_sheet(const DisplayTable *sheet, FILE *out, Arena *arena) {
    if (*sheet->caption) {
        escape_put(ESCAPE_MARKDOWN, sheet->caption, out);
        fputs("\n\n", out);
    }
    for (int c = 0; c < sheet->column_count; c++) {
        fputs(c ? " | " : "| ", out);
        escape_put(ESCAPE_MARKDOWN, display_table_head(&sheet->columns[c], arena), out);
    }
    fputs(" |\n", out);
    for (int c = 0; c < sheet->column_count; c++) fputs(sheet->columns[c].left ? "|:--" : "|--:", out);
    fputs("|\n", out);
    for (int r = 0; r < sheet->rows; r++) {
        for (int c = 0; c < sheet->column_count; c++) {
            const char *bold = display_table_cell(sheet, r, c)->best ? "**" : "";
            fprintf(out, "%s%s", c ? " | " : "| ", bold);
            escape_put(ESCAPE_MARKDOWN, cell_text(sheet, r, c), out);
            fputs(bold, out);
        }
        fputs(" |\n", out);
    }
}

void display_table_print_md(const DisplayTableSet *set, FILE *out) {
    Arena *arena = arena_new(0);
    fputs("**", out);
    escape_put(ESCAPE_MARKDOWN, set->title, out);
    fputs("**\n", out);
    for (int i = 0; i < set->count; i++) {
        putc('\n', out);
        print_md_sheet(&set->items[i], out, arena);
    }
    for (int i = 0; i < set->note_count; i++) {
        fputs(i ? "\\\n" : "\n", out);
        escape_put(ESCAPE_MARKDOWN, set->notes[i], out);
    }
    fputs(set->note_count ? "\n\nsignature: `" : "\nsignature: `", out);
    escape_put(ESCAPE_CODE, set->signature, out);
    fputs("`\n", out);
    arena_free(arena);
}

/* --- LaTeX --- */

static void print_latex_row(const DisplayTable *sheet, int row, FILE *out) {
    for (int c = 0; c < sheet->column_count; c++) {
        bool best = row >= 0 && display_table_cell(sheet, row, c)->best;
        fputs(c ? " & " : "", out);
        fputs(best ? "\\textbf{" : "{}", out); /* {}: a row that began with "[" would be an option of \\ */
        escape_put(ESCAPE_LATEX, text_at(sheet, row, c), out);
        fputs(best ? "}" : "", out);
    }
    fputs(" \\\\\n", out);
}

static void print_latex_sheet(const DisplayTable *sheet, FILE *out) {
    bool under = false;
    if (*sheet->caption) {
        escape_put(ESCAPE_LATEX, sheet->caption, out);
        fputs("\\par\\smallskip\n", out);
    }
    fputs("\\setbox0\\hbox{\\begin{tabular}{", out);
    for (int c = 0; c < sheet->column_count; c++) {
        putc(sheet->columns[c].left ? 'l' : 'r', out);
        under |= *sheet->columns[c].under != '\0';
    }
    fputs("}\n\\toprule\n", out);
    for (int r = HEAD; r < sheet->rows; r++) {
        if (r != UNDER || under) print_latex_row(sheet, r, out);
        if (r == UNDER) fputs("\\midrule\n", out);
    }
    fputs("\\bottomrule\n\\end{tabular}}\n"
          "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}"
          "\\else\\leavevmode\\box0\\fi\\par\\medskip\n",
          out);
}

void display_table_print_latex(const DisplayTableSet *set, FILE *out) {
    int columns = 0;
    for (int i = 0; i < set->count; i++)
        if (set->items[i].column_count > columns) columns = set->items[i].column_count;
    fputs("% needs \\usepackage{booktabs,graphicx,textcomp}\n"
          "\\begin{table}[htbp]\n\\centering",
          out);
    fputs(columns > 8 ? "\\footnotesize\\setlength{\\tabcolsep}{2.5pt}\n" : "\\small\n", out);
    fputs("\\caption{", out);
    escape_put(ESCAPE_LATEX, set->title, out);
    fputs("}\n", out);
    for (int i = 0; i < set->count; i++) print_latex_sheet(&set->items[i], out);
    fputs("\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\\sloppy\n", out);
    for (int i = 0; i < set->note_count; i++) {
        escape_put(ESCAPE_LATEX, set->notes[i], out);
        fputs("\\par\n", out);
    }
    fputs("signature: \\texttt{", out);
    escape_put(ESCAPE_LATEX, set->signature, out);
    fputs("}\n\\end{minipage}\n\\end{table}\n", out);
}
