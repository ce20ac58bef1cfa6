/* plan_print: the output of `poslab plan`: what an experiment would cost, as a table.
 *
 * A row for each point has its key, parameters, FLOPs and bytes, and a time that is estimated from a short
 * measurement of the BLAS rate of this machine. It changes nothing and needs no database.
 */
#ifndef POSLAB_PLAN_PRINT_H
#define POSLAB_PLAN_PRINT_H

#include "base/table.h"
#include "experiment/plan.h"

double plan_print_seconds(const Plan *plan); /* of all runs, one after the other */

/* People also get totals and the estimates for several ranks, JSON has these as members of an object. Errors:
   writing fails. */
bool plan_print(const Plan *plan, TableFormat format, FILE *out, Error *err);

#endif
