/* report: `poslab report`: one self-contained HTML file about a database's experiments.
 *
 * For each experiment it shows: the answer in five lines that follow from the numbers; the contents; the
 * figure, drawn by gnuplot and inline, sortable tables and paired differences; the claims of the paper with
 * their verdicts, folded (analysis/claims.h); what was compared, and how; further figures, cost, the config,
 * provenance. A glossary is at the end. The same database gives the same file. The page loads nothing
 * (report/html.h).
 */
#ifndef POSLAB_REPORT_REPORT_H
#define POSLAB_REPORT_REPORT_H

#include "store/database.h"

typedef struct ReportOptions {
    const char *experiment; /* NULL: all */
    const char *path;       /* file to write; one that was there stays until the new one is complete */
    const char *claims;     /* file; NULL: the standard one */
} ReportOptions;

/* Without gnuplot the figures are left out, and the report says so. Errors: no experiment, claims that cannot
   be read, failure to read or to write. */
bool report_write(Database *store, const ReportOptions *options, Error *err);

#endif
