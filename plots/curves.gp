# curves: extrapolation curves, perplexity by evaluation length. Edit freely; `poslab plot` loads this file.
#
# poslab sets these variables before it loads this file (the other figures have the same):
#   figure, format          file to write; 'svg', 'png' or 'pdf'
#   data                    data file; block i-1 (from 0) is line i: x mean deviation lowest highest seeds
#   style_file              style.gp in the folder of this file, or else the standard one; '' if there is none
#   title, title_lines      title and its number of lines; 0: no title
#   xlabel, ylabel          texts of the axes; point_text: what x is, in one word
#   width, height           inches; height 0: from the number of panels
#   font_name, font_size    '' for the standard font; points
#   panels, columns         number of panels, and of panels next to each other
#   first[p], last[p]       lines of panel p; it has the title panel_title[p] of panel_lines[p] lines,
#   xmin[p], xmax[p]        ranges with a margin; ymin[p], ymax[p] likewise,
#   trained[p], mark[p]     the training length (0: several), and x of a vertical line (0: none)
#   lines, name[i]          number of lines, and their names
#   line_colour[i]          '#RRGGBB'; line_marker[i] is 1 to 8, line_dash[i] 1 to 5: of a method the same in every figure
#   band[i]                 1 if line i is a mean over several seeds
#   legend                  'bottom', 'right' or 'off'; entry k of entries has the text entry_text[k] and looks like
#                           line entry_line[k]; entry[i] is the entry of line i
#   xbase, ylog             base of a logarithmic x axis (0: linear); 1 for a logarithmic y axis
#   clipped                 number of lines that exceed ymax (0 unless some are far above the others): line clip_line[c]
#                           does; its last point above is (clip_x[c], clip_y[c]); clip_row[c] numbers the ones of a panel
#   marks                   number of marks on lines: mark m is on line mark_line[m] at (mark_x[m], mark_y[m])
#   xtics_list, ytics_list  for `set xtics` and `set ytics`
#   values                  1 in a report: a third group of plots adds the values as text, which its page shows
#                           on hover. Each panel then has three plots of every line, in the order of the lines.

load style_file

do for [p = 1:panels] {
    eval panel
    eval marked
    eval arrows
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i), \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with linespoints \
             lc rgb colour(i) lw line_width dt dash(i) pt marker(i) ps point_size, \
         for [i = first[p]:(values ? last[p] : 0)] data index i-1 \
             using 1:2:(value_text(i, $1, $2, $4, $5, $6)) with labels font ',1' tc rgb value_colour
}
if (entries) {
    eval legend_panel
    plot for [k = 1:entries] 2 with linespoints lc rgb colour(entry_line[k]) lw line_width \
        dt dash(entry_line[k]) pt marker(entry_line[k]) ps point_size title entry_text[k]
}
unset multiplot
set output
