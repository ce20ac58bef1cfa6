# style: terminals, colours, dashes, markers and grid of all figures. Loaded by the other templates.

# Colours by Okabe and Ito, distinguishable for colour-blind people; dashes and markers distinguish them in grey.
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

# The label next to the arrow of a line that exceeds ymax.
number(y) = y < 1e6 ? sprintf('%.0f', y) : sprintf('%.1e', y)
clip_text(c) = name[clip_line[c]].': '.number(clip_y[c])

columns = panels > 1 ? 2 : 1
rows = (panels + columns - 1) / columns
width = panels > 1 ? 1200 : 800
height = panels > 1 ? 60 + 440 * rows : 500

if (format eq 'svg') set terminal svg size width,height font 'DejaVu Sans,Helvetica,Arial,sans-serif,14' \
    background rgb 'white' noenhanced
if (format eq 'png') set terminal pngcairo size width,height font 'DejaVu Sans,11' background rgb 'white' noenhanced
if (format eq 'pdf') set terminal pdfcairo size width/110.0,height/110.0 font 'DejaVu Sans,11' noenhanced
set output figure

set xrange [xmin:xmax]
set yrange [ymin:ymax]
if (ylog) set logscale y
set xtics @xtics_list nomirror out
set ytics @ytics_list nomirror out
set mytics default
set grid xtics ytics lc rgb '#D0D0D0' lw 1 dt 1
set border 3 lc rgb '#444444'
set key outside bottom center horizontal reverse Left samplen 4 height 1 width 1
set style fill transparent solid 0.18 noborder
set title title offset 0,0.5 font ',13'
if (panels > 1) set multiplot layout rows,columns title title font ',13'
