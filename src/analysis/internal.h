/* internal: the interface of an analysis.
 *
 * An analysis is one const AnalysisKind: its columns, and a function that fills a table from the results of
 * an experiment. If each row describes one series, the columns begin with ANALYSIS_KEYS.
 */
#ifndef POSLAB_ANALYSIS_INTERNAL_H
#define POSLAB_ANALYSIS_INTERNAL_H

#include <math.h>

#include "base/table.h"
#include "analysis/analysis.h"
#include "analysis/results.h"

typedef struct AnalysisKind AnalysisKind;

typedef struct Analysis {
    const Results *set;
    const AnalysisKind *kind;
    const AnalysisOptions *options;
    Table *table;
    Arena *arena; /* also of the table */
} Analysis;

struct AnalysisKind {
    const char *title;
    const TableColumn *columns;
    int column_count;
    bool rows;            /* needs methods to compare, or --baseline */
    bool of_claims;       /* rows describe claims, not series: no columns for keys of the config */
    const char *compared; /* prefix of such columns of the baseline of a row; NULL: rows have none */
    bool (*run)(const Analysis *analysis, Error *err);
    bool tasks_only;             /* not for experiments on text */
    const AnalysisKind *of_task; /* the kind for experiments on tasks; NULL: there is none */
};

#define ANALYSIS_COLUMNS(list) .columns = (list), .column_count = COUNT_OF(list)

/* The analyses: part of the symbol, and name. */
/* clang-format off */
#define ANALYSIS_KINDS(X) \
    X(curves, "curves") X(matrix, "matrix") X(compare, "compare") X(short_long, "short-long") X(cost, "cost") \
    X(early, "early") X(positions, "positions") X(claims, "claims") X(claim_points, "claim-points") \
    X(accuracy, "accuracy")
#define ANALYSIS_DECLARE(SYMBOL, NAME) extern const AnalysisKind analysis_##SYMBOL;
ANALYSIS_KINDS(ANALYSIS_DECLARE)
/* clang-format on */
extern const AnalysisKind analysis_compare_accuracy;

/* The first columns. Arguments: the roles of the method and of the training length. */
enum { ANALYSIS_EVALUATED = 3, ANALYSIS_TRAIN_LENGTH = 8, ANALYSIS_KEY_COUNT };
#define ANALYSIS_KEYS(name_role, length_role)                                                                \
    {"experiment", NULL, TABLE_TEXT}, {"method", NULL, TABLE_TEXT},                                          \
        {"name", "method", TABLE_TEXT, .role = (name_role)},                                                 \
        {NULL, "evaluated on", TABLE_TEXT, .if_varying = true}, {"split", NULL, TABLE_TEXT},                 \
        {"protocol", NULL, TABLE_TEXT}, {"stride_rule", NULL, TABLE_TEXT}, {"requested", NULL, TABLE_INT}, { \
        "train_length", "trained at", TABLE_INT, .role = (length_role)                                       \
    }

/* Fills the columns method_name and those for keys of the config in the last row, which describes this
   series; compared: what it is compared with, or NULL. */
void analysis_put_keys(const Analysis *analysis, const Series *series, const Series *compared);

/* Adds a row with ANALYSIS_KEYS filled. Returns the cell after them. */
static inline TableCell *analysis_row(const Analysis *analysis, const Series *series) {
    TableCell *row =
        TABLE_TEXTS(table_row(analysis->table), analysis->set->experiment, series->plain_name, series->name,
                    series->evaluated, series->split, series->protocol, series->rule);
    analysis_put_keys(analysis, series, NULL);
    return TABLE_NUMBERS(row, series->requested, series->train_length);
}

/* Empties the keys `first` to `last` of a row; `cell` is the cell after its keys. */
static inline void analysis_clear_keys(TableCell *cell, int first, int last) {
    for (int c = first; c <= last; c++) cell[c - ANALYSIS_KEY_COUNT] = table_number(NAN);
}

#endif
