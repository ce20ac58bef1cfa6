/* pivot: the comparison table of an experiment, with rows and columns of one's own choice.
 *
 * Every fact (analysis/observations.h) stands in the row and column of its values. What neither rows nor
 * columns show makes sheets of their own, one for each value, and is said above them. By default rows are
 * methods at a training length under a protocol and columns are evaluation lengths; then facts of which the
 * experiment asks for other lengths stand in a sheet of their own, too.
 *
 * The best numbers are marked (not in sheets whose printing cannot show it, see `mark`): of those that were
 * evaluated alike - the same corpus, split, protocol and length, and, where methods are compared, trained at
 * the same length - the lowest mean, and every number that is not distinguishable from it: p >= 0.05 in the
 * paired bootstrap of math/stats.h, with Holm's correction over those compared. With one seed nothing can be
 * tested and the lowest number alone is marked. A note says which of these it was. Ratios are not tested
 * either.
 */
#ifndef POSLAB_ANALYSIS_PIVOT_H
#define POSLAB_ANALYSIS_PIVOT_H

#include "base/display_table.h"
#include "store/database.h"

typedef struct PivotOptions {
    const char *rows, *columns; /* names of fields, separated by commas; NULL: the default */
    const char *const *where;   /* "field=value", NULL-terminated; or NULL */
    bool ratio;                 /* to the value at the training length */
    bool paper;                 /* with the paper's numbers, at the same multiples of the training length */
    bool mark;                  /* the best numbers */
} PivotOptions;

/* NULL and err: an unknown field, a condition that nothing fulfils, failure to read. No facts: no sheets. */
DisplayTableSet *pivot_tables(Database *store, const char *experiment, const PivotOptions *options,
                              Arena *arena, Error *err);

#endif
