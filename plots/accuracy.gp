# accuracy: exact match of a task by size, one panel per setting. Variables are documented in curves.gp; here a line
# without a name is of one seed, one with a name the median over seeds, and the trained sizes are trained[p] to mark[p].

load style_file
seed_line(i) = name[i] eq ''

do for [p = 1:panels] {
    eval panel
    set yrange [ylog ? ymin[p] : -3:ylog ? ymax[p] : 103]
    set object 1 rectangle from (trained[p] <= xmin[p] ? xmin[p] : trained[p]), graph 0 to mark[p], graph 1 \
        behind fc rgb '#EEEEEE' fs solid noborder
    set label 1 'trained' at mark[p], graph 1 right offset -0.5,0.6 tc rgb '#444444'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(seed_line(i) ? $2 : NaN) with lines \
             lc rgb colour(i) lw 0.4 * line_width, \
         for [i = first[p]:last[p]] data index i-1 using 1:(seed_line(i) ? NaN : $2) with linespoints \
             lc rgb colour(i) lw 1.6 * line_width dt dash(i) pt marker(i) ps point_size, \
         for [i = first[p]:(values ? last[p] : 0)] data index i-1 \
             using 1:(seed_line(i) ? NaN : $2):(value_text(i, $1, $2, $4, $5, $6)) with labels font ',1' tc rgb value_colour
}
if (entries) {
    eval legend_panel
    unset object
    plot for [k = 1:entries] 2 with linespoints lc rgb colour(entry_line[k]) lw line_width \
        dt dash(entry_line[k]) pt marker(entry_line[k]) ps point_size title entry_text[k]
}
unset multiplot
set output
