/* page: the style sheet and the script of a report: page.css and page.js, which the build turns into strings.
 * Neither may contain "<" or "&", because the page is also XML. The script sorts the rows of a table by a
 * column, by number where its cells have one; empty cells stay last. In figures it shows the value of the
 * point nearest to the pointer, and makes a button for each line that switches the line off. It takes both
 * from the drawing (plots/style.gp): in each panel, plots come in three equal groups (bands, lines,
 * values), and the text of a value is ENTRY|TEXT, with the entry of the legend, the last panel.
 */
#ifndef POSLAB_REPORT_PAGE_H
#define POSLAB_REPORT_PAGE_H

extern const char page_style[], page_script[];

#endif
