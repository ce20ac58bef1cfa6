# curves: extrapolation curves, perplexity by evaluation length. Edit freely; `poslab plot` loads this file.
#
# poslab sets these variables before it loads this file (the other figures have the same):
#   figure, format          file to write; 'svg', 'png' or 'pdf'
#   data                    data file; block i-1 (from 0) is line i: x mean deviation lowest highest seeds
#   title                   name of the experiment
#   style_file              style.gp in the folder of this file, or else the standard one; '' if there is none
#   panels                  number of panels; panel p has the lines first[p] to last[p], the title panel_title[p]
#                           (here the protocol, if there are several), the training length trained[p] (0: several) and
#                           a vertical line at x = mark[p] (0: none)
#   lines, name[i]          number of lines; the legend of line i
#   style[i]                1, 2, ...: the same for the same method in every panel. With more than 8 methods each panel
#                           is drawn in parts, all with the first method, and styles restart at 1 in each part
#   band[i]                 1 if line i is a mean over several seeds
#   xmin xmax ymin ymax     ranges of all panels, with a margin; xlow, xhigh: without; ylog is 1 for a logarithmic axis
#   clipped                 number of lines that exceed ymax (0 unless some are far above the others): line clip_line[c]
#                           does; its last point above is (clip_x[c], clip_y[c]); clip_row[c] numbers the ones of a panel
#   xtics_list, ytics_list  for `set xtics` and `set ytics`

load style_file
set logscale x 2
set xlabel 'evaluation length (tokens)' offset 0,0.4
set ylabel ylog ? 'perplexity (log scale)' : 'perplexity'

do for [p = 1:panels] {
    if (panels > 1) { set title panel_title[p] offset 0,0.5 font ',11' }
    set arrow 1 from mark[p], graph 0 to mark[p], graph 1 nohead dt 3 lw 1.5 lc rgb '#444444'
    set label 1 sprintf('trained at %d', trained[p]) at mark[p], graph 1 offset -0.5,0.6 tc rgb '#444444'
    do for [c = 1:clipped] {
        if (clip_line[c] >= first[p] && clip_line[c] <= last[p]) {
            set label 9 + c clip_text(c) at clip_x[c], graph 1.05 - 0.065 * clip_row[c] right offset -1.4,0 \
                point pt 9 ps 1.2 lc rgb colour(clip_line[c]) tc rgb colour(clip_line[c]) front
        } else { unset label 9 + c }
    }
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i) notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with linespoints \
             lc rgb colour(i) lw 2 dt dash(i) pt marker(i) ps 0.8 title name[i]
}
if (panels > 1) unset multiplot
set output
