# accuracy: exact match of a task by size, one panel per setting. Variables are documented in curves.gp; here a line
# without a name is of one seed, one with a name the median over seeds, and the trained sizes are trained[p] to mark[p].

load style_file
set xlabel 'size' offset 0,0.4
set ylabel 'exact match (%)'
set yrange [-3:103]
seed_line(i) = name[i] eq ''

do for [p = 1:panels] {
    if (panels > 1) { set title panel_title[p] offset 0,0.5 font ',11' }
    set object 1 rectangle from (trained[p] <= xlow ? xmin : trained[p]), graph 0 to mark[p], graph 1 \
        behind fc rgb '#EEEEEE' fs solid noborder
    set label 1 'trained' at mark[p], graph 1 right offset -0.5,0.6 tc rgb '#444444'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(seed_line(i) ? $2 : NaN) with lines \
             lc rgb colour(i) lw 0.7 notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:(seed_line(i) ? NaN : $2) with linespoints \
             lc rgb colour(i) lw 3 dt dash(i) pt marker(i) ps 0.9 title name[i]
}
if (panels > 1) unset multiplot
set output
