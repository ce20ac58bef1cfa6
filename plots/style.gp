# style: terminals, colours, markers, sizes and the place of panels and legend. Loaded by the other templates.

# A line's look; poslab gives every method a colour, a marker and dashes of its own. To change them: by name[i].
markers = '7 5 9 13 11 4 6 8'
colour(i) = line_colour[i]
marker(i) = int(word(markers, line_marker[i]))
dash(i) = line_dash[i]
set dashtype 1 solid
set dashtype 2 (10,4)
set dashtype 3 (3,3)
set dashtype 4 (12,4,3,4)
set dashtype 5 (6,3,2,3,2,3)
line_width = font_size < 10 ? 1.5 : 2
point_size = font_size / 14.0

# The label next to the arrow of a line that exceeds ymax.
number(y) = y < 1e6 ? sprintf('%.0f', y) : sprintf('%.1e', y)
clip_text(c) = name[clip_line[c]].': '.number(clip_y[c])

# The text of a point for the page of a report: legend entry and value. The page hides texts of this colour. Names are
# not in it: gnuplot would read quotes in them.
value_text(i, x, y, low, high, seeds) = sprintf('%d|%s %.6g: %.4g', entry[i], point_text, x, y). \
    (seeds > 1 ? sprintf(' (%.4g to %.4g, %d seeds)', low, high, seeds) : '')
value_colour = '#010203'

# Places, in inches: the title above, the legend below or to the right, panels in rows between them.
width = 1.0 * width # not a whole number, whose quotients would be whole
em = font_size / 72.0
longest = 0
do for [k = 1:entries] { longest = strlen(entry_text[k]) > longest ? strlen(entry_text[k]) : longest }
entry_width = (0.7 * longest + 6) * em # as gnuplot does for SVG; with less, entries are lost
legend_columns = legend eq 'right' ? 1 : int(width / entry_width)
if (legend_columns < 1) { legend_columns = 1 }
if (legend_columns > entries) { legend_columns = entries }
legend_rows = entries ? (entries + legend_columns - 1) / legend_columns : 0
legend_width = entries && legend eq 'right' ? entry_width : 0
legend_height = entries && legend eq 'bottom' ? (1.52 * legend_rows + 0.6) * em : 0
title_height = title_lines ? (1.6 * title_lines + 0.4) * em : 0
rows = (panels + columns - 1) / columns
panel_width = (width - legend_width) / columns
panel_height = height > 0 ? (height - title_height - legend_height) / rows : \
    (panels > 1 ? 0.7 : width < 5 ? 0.72 : 0.55) * width / columns
if (panel_width < 15 * em) {
    exit error sprintf('poslab: this figure needs a width of at least %.1f inches, a smaller --font or a legend at the bottom', \
        legend_width + columns * 15 * em)
}
if (panel_height < 9 * em) {
    exit error sprintf('poslab: this figure needs a height of at least %.1f inches, a smaller --font or no legend', \
        title_height + legend_height + 9 * em * rows)
}
height = title_height + legend_height + rows * panel_height

if (font_name eq '') { font_name = format eq 'svg' ? 'DejaVu Sans,Helvetica,Arial,sans-serif' : 'DejaVu Sans' }
if (format eq 'svg') {
    pixels = 96
    text_size = font_size * 96 / 72.0
    set terminal svg size width * pixels,height * pixels font sprintf('%s,%g', font_name, text_size) \
        background rgb 'white' noenhanced
}
if (format eq 'png') {
    pixels = 200
    text_size = font_size
    set terminal pngcairo size width * pixels,height * pixels font sprintf('%s,%g', font_name, font_size) \
        fontscale pixels / 96.0 linewidth pixels / 96.0 pointscale pixels / 96.0 background rgb 'white' noenhanced
}
if (format eq 'pdf') {
    text_size = font_size
    set terminal pdfcairo size width,height font sprintf('%s,%g', font_name, font_size) fontscale 0.75 noenhanced
}
set output figure

set xlabel xlabel offset 0,0.4
set ylabel ylabel
if (xbase) { set logscale x xbase }
if (ylog) { set logscale y }
set xtics @xtics_list nomirror out
set ytics @ytics_list nomirror out
if (!xbase) { set xtics format '%.6g' }
set mytics default
set grid xtics ytics lc rgb '#D0D0D0' lw 1 dt 1
set border 3 lc rgb '#444444'
set style fill transparent solid 0.18 noborder
unset key
set multiplot

# `eval panel` begins panel p; `eval marked` adds the vertical line at the training length, `eval arrows` the labels
# of lines that exceed the axis.
panel = "set size panel_width / width, panel_height / height; \
set origin ((p - 1) % columns) * panel_width / width, \
    (height - title_height - ((p - 1) / columns + 1) * panel_height) / height; \
set xrange [xmin[p]:xmax[p]]; set yrange [ymin[p]:ymax[p]]; \
set title panel_title[p] offset 0,(mark[p] && trained[p] > 1 ? 0.6 : -0.4); \
set tmargin panel_lines[p] + (mark[p] && trained[p] > 1 ? 1.7 : 0.7); set rmargin 3; \
if (p == 1 && title_lines) { \
    set label 1000 title at screen 0.5, screen 1 - 0.9 * em / height center font sprintf(',%g', 1.15 * text_size) \
} else { unset label 1000 }"

marked = "set arrow 1 from mark[p], graph 0 to mark[p], graph 1 nohead dt 3 lw 1.5 lc rgb '#444444'; \
set label 1 sprintf('trained at %d', trained[p]) at mark[p], graph 1 offset -0.5,0.6 tc rgb '#444444'"

arrows = "do for [c = 1:clipped] { \
    if (clip_line[c] >= first[p] && clip_line[c] <= last[p]) { \
        set label 9 + c clip_text(c) at clip_x[c], graph 1.02 - 1.2 * clip_row[c] * em / (0.6 * panel_height) \
            right offset -1.4,0 point pt 9 ps point_size * 1.4 lc rgb colour(clip_line[c]) \
            tc rgb colour(clip_line[c]) front \
    } else { unset label 9 + c } }"

# `eval marked_lines` adds a "+" at the marks of lines.
marked_lines = "do for [m = 1:marks] { \
    if (mark_line[m] >= first[p] && mark_line[m] <= last[p]) { \
        set label 500 + m '' at mark_x[m], mark_y[m] point pt 1 ps point_size * 2 lw line_width \
            lc rgb colour(mark_line[m]) front \
    } else { unset label 500 + m } }"

# `eval legend_panel` begins the legend: a last panel without axes, in which the entries are plotted out of sight.
legend_panel = "unset border; unset tics; unset xlabel; unset ylabel; unset title; unset label; unset arrow; \
unset logscale; unset grid; set xrange [0:1]; set yrange [0:1]; \
set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0; \
if (legend eq 'right') { \
    set size legend_width / width, 1; set origin 1 - legend_width / width, 0; \
    set key inside center center vertical reverse Left samplen 4 maxcols 1 \
} else { \
    set size 1, legend_height / height; set origin 0, 0; \
    set key inside center center horizontal reverse Left samplen 4 maxcols legend_columns width 1 \
}"
