/* curves: perplexity by evaluation length, averaged over seeds.
 *
 * A curve is one method at one training length under one protocol: a row of a table, a line of a figure. Its
 * cells are at the evaluation lengths of the whole experiment. Every seed has the same weight: exp(nll /
 * tokens) of each, then mean and standard deviation (n - 1). Seeds without a perplexity are counted by the
 * reason.
 */
#ifndef POSLAB_ANALYSIS_CURVES_H
#define POSLAB_ANALYSIS_CURVES_H

#include "store/database.h"

typedef enum CurveOutcome {
    OUTCOME_DONE,
    OUTCOME_DIVERGED, /* training diverged, or the perplexity is no finite number */
    OUTCOME_FAILED,
    OUTCOME_BEYOND, /* the method cannot be used at this length */
    OUTCOME_SHORT,  /* the text that was evaluated is shorter than this length */
    OUTCOME_MISSING,
    OUTCOME_COUNT
} CurveOutcome;

typedef struct CurveCell {
    int seeds[OUTCOME_COUNT]; /* all zero: the experiment does not ask for this length */
    double mean, deviation;   /* over the seeds that are done; deviation 0 for one seed */
    double low, high;         /* lowest and highest seed */
} CurveCell;

typedef struct Curve {
    const char *name; /* label, and what else sets it apart */
    const char *split, *protocol, *stride_rule, *precision;
    int64_t train_length, requested, position_parameters;
    int64_t targets;  /* that were evaluated; fewer than requested: the split had no more. 0: unknown */
    CurveCell *cells; /* [length_count] */
} Curve;

typedef struct Curves {
    const char *experiment;
    int64_t *lengths; /* evaluation lengths, ascending */
    int length_count;
    Curve *items; /* in the order of the config */
    int count;
    int protocols; /* how many different ones: split, protocol, stride, targets and precision */
    const char
        *signature; /* "tokenizer=bytes corpus=0123456789ab split=valid ...": what the numbers are of */
} Curves;

/* Of the view `outcome`: "Label settings [variant]". */
#define CURVES_CHANGED                                                                                       \
    "iif(eval_variant = '', '', ' [' || eval_variant || iif((experiment, label, variant, train_length,"      \
    " eval_variant) IN (SELECT experiment, label, variant, train_length, eval_variant FROM outcome"          \
    " WHERE eval_variant <> '' GROUP BY 1, 2, 3, 4, 5 HAVING count(DISTINCT eval_variant_options) > 1),"     \
    " ' ' || eval_variant_options, '') || ']')"
#define CURVES_LABEL "label || " CURVES_CHANGED
#define CURVES_NAME  "label || iif(variant = '', '', ' ' || variant) || " CURVES_CHANGED

/* What the experiment as now configured asks for; NULL and err if reading fails. */
Curves *curves_read(Database *store, const char *experiment, Arena *arena, Error *err);

/* The same signature of some evaluations alone: their ids as a JSON array; NULL: all. NULL and err if reading
   fails. */
const char *curves_signature(Database *store, const char *experiment, const char *evaluations, Arena *arena,
                             Error *err);

/* How many seeds the experiment asks for in this cell. */
int curves_seeds_requested(const CurveCell *cell);

/* Whether two curves were evaluated in the same way, and how: "valid, strided 0.125 L, first 64
   targets, bf16". */
bool curves_same_protocol(const Curve *a, const Curve *b);
const char *curves_protocol(const Curve *curve, Arena *arena);

#endif
