/* page: the style sheet and the script of a report: page.css and page.js, which the build turns into strings.
 *
 * Neither may contain "<" or "&", because the page is also XML. The script sorts the rows of a table by a
 * column (numbers by value, empty cells last). In figures it shows the value of the point nearest to the
 * pointer, and adds a button for each line that hides it. It finds lines and values in the drawing
 * (plots/style.gp): the plots of a panel are three groups of equal size (bands, lines, values), and the text
 * of a value is ENTRY|TEXT, where ENTRY is an entry of the legend, the last panel.
 */
#ifndef POSLAB_REPORT_PAGE_H
#define POSLAB_REPORT_PAGE_H

extern const char page_style[], page_script[];

#endif
