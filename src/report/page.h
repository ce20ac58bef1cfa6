/* page: the style sheet and the script of a report: page.css and page.js, which the build turns into strings.
 * Neither may contain "<" or "&", because the page is also XML. The script sorts the rows of a table by a
 * column, by number where its cells have one; empty cells stay last.
 */
#ifndef POSLAB_REPORT_PAGE_H
#define POSLAB_REPORT_PAGE_H

extern const char page_style[], page_script[];

#endif
