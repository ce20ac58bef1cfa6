# position: loss by position in the window. Variables are documented in curves.gp.

load style_file
set logscale x 2
set xlabel 'position in the window, from 1 (log scale)' offset 0,0.4
set ylabel ylog ? 'nats per token (log scale)' : 'nats per token'

do for [p = 1:panels] {
    if (panels > 1) { set title panel_title[p] offset 0,0.5 font ',11' }
    set arrow 1 from mark[p], graph 0 to mark[p], graph 1 nohead dt 3 lw 1.5 lc rgb '#444444'
    set label 1 sprintf('trained at %d', trained[p]) at mark[p], graph 1 offset -0.5,0.6 tc rgb '#444444'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i) notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with linespoints pi 4 \
             lc rgb colour(i) lw 2 dt dash(i) pt marker(i) ps 0.6 title name[i]
}
if (panels > 1) unset multiplot
set output
