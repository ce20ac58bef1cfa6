# early: nonoverlapping against strided evaluation, one panel per method. Variables are documented in curves.gp.

load style_file
set logscale x 2
set xlabel 'evaluation length (tokens)' offset 0,0.4
set ylabel ylog ? 'perplexity (log scale)' : 'perplexity'

do for [p = 1:panels] {
    set title panel_title[p] offset 0,0.5 font ',11'
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
