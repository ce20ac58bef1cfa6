/* report: `poslab report`: one self-contained HTML page (report/html.h) about a database's experiments.
 *
 * For each experiment it shows the answer in up to five lines, the main figure, sortable tables, paired
 * differences, the verdicts on the paper's claims, what was compared and how, further figures, cost, config
 * and provenance. A glossary is at the end. The same database gives the same page.
 */
#ifndef POSLAB_REPORT_REPORT_H
#define POSLAB_REPORT_REPORT_H

#include "store/database.h"

typedef struct ReportOptions {
    const char *experiment; /* NULL: all */
    const char *path;       /* file to write; one that was there stays until the new one is complete */
    const char *claims;     /* file; NULL: the standard one */
    const char *baseline;   /* method; with a table of paired differences from it; NULL: none */
    const char *best;       /* paths whose best values are chosen (analysis/results.h); NULL: none */
} ReportOptions;

/* Without gnuplot the figures are left out, and the report says so. Errors: no experiment, claims that cannot
   be read, failure to read or to write. */
bool report_write(Database *store, const ReportOptions *options, Error *err);

#endif
