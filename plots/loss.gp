# loss: training loss by update, one panel per training length. Variables are documented in curves.gp.

load style_file

do for [p = 1:panels] {
    eval panel
    eval marked_lines
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i), \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with lines \
             lc rgb colour(i) lw line_width dt dash(i), \
         for [i = first[p]:(values ? last[p] : 0)] data index i-1 every 3 \
             using 1:2:(value_text(i, $1, $2, $4, $5, $6)) with labels font ',1' tc rgb value_colour
}
if (entries) {
    eval legend_panel
    plot for [k = 1:entries] 2 with lines lc rgb colour(entry_line[k]) lw line_width \
        dt dash(entry_line[k]) title entry_text[k]
}
unset multiplot
set output
