# bias: biases by distance, one line per head. Variables are documented in curves.gp.

load style_file
set xlabel 'distance (tokens)' offset 0,0.4
set ylabel 'bias, less that at distance 0'

do for [p = 1:panels] {
    set title panel_title[p] offset 0,1 font ',11'
    set arrow 1 from mark[p], graph 0 to mark[p], graph 1 nohead dt 3 lw 1.5 lc rgb '#444444'
    set label 1 sprintf('trained at %d', trained[p]) at mark[p], graph 0 offset 0.5,0.8 tc rgb '#444444'
    set xrange [0:2 * mark[p]]
    set yrange [*:*]
    plot for [i = first[p]:last[p]] data index i-1 using 1:2 with lines \
             lc rgb colour(i) lw 2 dt dash(i) title name[i]
}
if (panels > 1) unset multiplot
set output
