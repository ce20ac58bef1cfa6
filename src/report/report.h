/* report: the command `poslab report`: one self-contained HTML page (report/html.h) about a database.
 *
 * The part of an experiment has the answer in up to five lines, the main figure, sortable tables, paired
 * differences, verdicts on the paper's claims, what was compared and how, further figures, cost, config and
 * provenance. A glossary follows the last experiment. Equal databases give equal pages.
 */
#ifndef POSLAB_REPORT_REPORT_H
#define POSLAB_REPORT_REPORT_H

#include "store/database.h"

typedef struct ReportOptions {
    const char *experiment; /* NULL: all */
    const char *path;       /* file to write; an existing one is kept until the new one is complete */
    const char *claims;     /* file; NULL: the standard one */
    const char *baseline;   /* method for a table of paired differences; NULL: no table */
    const char *best;       /* paths whose best values are chosen (analysis/results.h); NULL: none */
} ReportOptions;

/* Without gnuplot the figures are omitted, and the report says so. Errors: no experiment, claims that cannot
   be read, failure to read or write. */
bool report_write(Database *store, const ReportOptions *options, Error *err);

#endif
