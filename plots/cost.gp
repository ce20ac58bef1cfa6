# cost: perplexity by training speed, one point per method. Variables are documented in curves.gp.

load style_file
set xrange [xlow - 0.08 * (xhigh - xlow) - 1:xhigh + 0.08 * (xhigh - xlow) + 1]
set xtics autofreq nomirror out format '%.0f'
set xlabel 'training speed (tokens per second, more is better)' offset 0,0.4
set ylabel ylog ? 'perplexity (log scale)' : 'perplexity'

do for [p = 1:panels] {
    set title panel_title[p] offset 0,0.5 font ',11'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $2 : NaN):4:5 with yerrorbars \
             lc rgb colour(i) lw 1.5 pt -1 notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with points \
             lc rgb colour(i) lw 2 pt marker(i) ps 1.6 title name[i]
}
if (panels > 1) unset multiplot
set output
