# cost: perplexity by training speed, one point per method. Variables are documented in curves.gp.

load style_file

do for [p = 1:panels] {
    eval panel
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $2 : NaN):4:5 with yerrorbars \
             lc rgb colour(i) lw line_width pt -1, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with points \
             lc rgb colour(i) lw line_width pt marker(i) ps point_size * 1.5, \
         for [i = first[p]:(values ? last[p] : 0)] data index i-1 \
             using 1:2:(value_text(i, $1, $2, $4, $5, $6)) with labels font ',1' tc rgb value_colour
}
if (entries) {
    eval legend_panel
    plot for [k = 1:entries] 2 with points lc rgb colour(entry_line[k]) lw line_width \
        pt marker(entry_line[k]) ps point_size * 1.5 title entry_text[k]
}
unset multiplot
set output
