# loss: training loss by update, one panel per training length. Variables are documented in curves.gp.

load style_file
set logscale x 10
set xtics autofreq nomirror out format '%.0f'
set xlabel 'update (log scale)' offset 0,0.4
set ylabel 'training loss (nats per token)'

do for [p = 1:panels] {
    set title panel_title[p] offset 0,0.5 font ',11'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i) notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with lines \
             lc rgb colour(i) lw 2 dt dash(i) title name[i]
}
if (panels > 1) unset multiplot
set output
