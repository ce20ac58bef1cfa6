# curves: extrapolation curves, perplexity by evaluation length. Edit freely; `poslab plot` loads this file.
#
# poslab sets, before it loads this:
#   figure, format          file to write; 'svg', 'png' or 'pdf'
#   data                    data file; block i-1 (from 0) is line i: length mean deviation lowest highest seeds
#   title                   name of the experiment
#   panels                  how many; panel p has the lines first[p] to last[p], trained[p] is its training length,
#                           panel_title[p] the protocol where there are several, else ''
#   lines, name[i]          how many lines; the legend of line i
#   style[i]                1, 2, ...: the same for the same method in every panel
#   band[i]                 1 if line i is a mean over several seeds
#   xmin xmax ymin ymax     the same for all panels; ylog is 1 for a logarithmic axis
#   xtics_list, ytics_list  for `set xtics` and `set ytics`

# Okabe and Ito's colours, told apart by colour-blind people; dash and marker tell them apart in grey.
colours = '#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #8C6D31'
markers = '7 5 9 13 11 4 6 8'
colour(i) = word(colours, (style[i] - 1) % 8 + 1)
marker(i) = int(word(markers, (style[i] - 1) % 8 + 1))
dash(i) = (style[i] - 1) % 5 + 1
set dashtype 1 solid
set dashtype 2 (10,4)
set dashtype 3 (3,3)
set dashtype 4 (12,4,3,4)
set dashtype 5 (6,3,2,3,2,3)

columns = panels > 1 ? 2 : 1
rows = (panels + columns - 1) / columns
width = panels > 1 ? 1200 : 800
height = panels > 1 ? 60 + 440 * rows : 500

if (format eq 'svg') set terminal svg size width,height font 'DejaVu Sans,Helvetica,Arial,sans-serif,14' \
    background rgb 'white' noenhanced
if (format eq 'png') set terminal pngcairo size width,height font 'DejaVu Sans,11' background rgb 'white' noenhanced
if (format eq 'pdf') set terminal pdfcairo size width/110.0,height/110.0 font 'DejaVu Sans,11' noenhanced
set output figure

set logscale x 2
if (ylog) set logscale y
set xrange [xmin:xmax]
set yrange [ymin:ymax]
set xtics @xtics_list nomirror out
set ytics @ytics_list nomirror out
set mytics default
set grid xtics ytics lc rgb '#D0D0D0' lw 1 dt 1
set border 3 lc rgb '#444444'
set xlabel 'evaluation length (tokens)' offset 0,0.4
set ylabel ylog ? 'perplexity (log scale)' : 'perplexity'
set key outside bottom center horizontal reverse Left samplen 4 height 1 width 1
set style fill transparent solid 0.18 noborder
set title title offset 0,0.5 font ',13'
if (panels > 1) set multiplot layout rows,columns title title font ',13'

do for [p = 1:panels] {
    if (panels > 1) { set title panel_title[p] offset 0,0.5 font ',11' }
    set arrow 1 from trained[p], graph 0 to trained[p], graph 1 nohead dt 3 lw 1.5 lc rgb '#444444'
    set label 1 sprintf('trained at %d', trained[p]) at trained[p], graph 1 offset -0.5,0.6 tc rgb '#444444'
    plot for [i = first[p]:last[p]] data index i-1 using 1:(band[i] ? $4 : NaN):5 with filledcurves \
             lc rgb colour(i) notitle, \
         for [i = first[p]:last[p]] data index i-1 using 1:2 with linespoints \
             lc rgb colour(i) lw 2 dt dash(i) pt marker(i) ps 0.8 title name[i]
}
if (panels > 1) unset multiplot
set output
