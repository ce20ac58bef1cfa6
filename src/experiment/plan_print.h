/* plan_print: prints the cost of an experiment as a table, for `poslab plan`.
 *
 * A row for each point has its key, parameters, FLOPs and bytes, and an estimated time. The estimate uses a
 * short measurement of the BLAS rate of this machine. Nothing is written and no database is needed.
 */
#ifndef POSLAB_PLAN_PRINT_H
#define POSLAB_PLAN_PRINT_H

#include "base/table.h"
#include "experiment/plan.h"

double plan_print_seconds(const Plan *plan); /* estimated seconds of all runs in sequence */

/* Prints the plan. Formats for people also have totals and the estimates for several ranks; in JSON these
   are members of an object. Fails if writing fails. */
bool plan_print(const Plan *plan, TableFormat format, FILE *out, Error *err);

#endif
