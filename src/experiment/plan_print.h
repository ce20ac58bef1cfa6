/* plan_print: the output of `poslab plan`: what an experiment would cost, as a table or as JSON.
 *
 * It prints the points of a plan with keys, parameters, FLOPs and bytes, and estimates the time from a short
 * measurement of this machine. It changes nothing and needs no database.
 */
#ifndef POSLAB_PLAN_PRINT_H
#define POSLAB_PLAN_PRINT_H

#include "experiment/plan.h"

/* `poslab plan`: prints the table to `out`; seconds are estimated from a short measurement of the BLAS rate.
 */
double plan_print_seconds(const Plan *plan); /* of all runs, one after the other */
void plan_print(const Plan *plan, bool json, FILE *out);

#endif
