/* internal: what the analyses share.
 *
 * An analysis is one const AnalysisKind: its columns and a function that fills a table from an experiment's
 * results. Where a row describes one series, the columns begin with ANALYSIS_KEYS.
 */
#ifndef POSLAB_ANALYSIS_INTERNAL_H
#define POSLAB_ANALYSIS_INTERNAL_H

#include "base/table.h"
#include "analysis/analysis.h"
#include "analysis/results.h"

typedef struct Analysis {
    Database *store;
    const Results *set;
    const AnalysisOptions *options;
    Table *table;
    Arena *arena; /* the table's, too */
} Analysis;

typedef struct AnalysisKind {
    const char *title;
    const TableColumn *columns;
    int column_count;
    bool rows; /* needs methods to compare, or --baseline */
    bool (*run)(const Analysis *analysis, Error *err);
} AnalysisKind;

extern const AnalysisKind analysis_curves, analysis_matrix, analysis_compare, analysis_short_long,
    analysis_cost, analysis_early, analysis_positions, analysis_claims, analysis_claim_points;

/* The first columns; `name` and `length` are further flags of the method's and the training length's column.
 */
enum {
    ANALYSIS_EXPERIMENT,
    ANALYSIS_METHOD,
    ANALYSIS_NAME,
    ANALYSIS_EVALUATED,
    ANALYSIS_SPLIT,
    ANALYSIS_PROTOCOL,
    ANALYSIS_STRIDE_RULE,
    ANALYSIS_REQUESTED,
    ANALYSIS_TRAIN_LENGTH,
    ANALYSIS_KEY_COUNT
};
#define ANALYSIS_KEYS(name_flags, length_flags)                                                              \
    {"experiment", "experiment", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},                                         \
        {"method", "method", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},                                             \
        {"name", "method", TABLE_TEXT, TABLE_FOR_BOTH | (name_flags), 0},                                    \
        {"evaluated", "evaluated on", TABLE_TEXT, TABLE_FOR_PEOPLE | TABLE_IF_VARYING, 0},                   \
        {"split", "split", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},                                               \
        {"protocol", "protocol", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},                                         \
        {"stride_rule", "stride", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},                                        \
        {"requested", "requested", TABLE_INT, TABLE_FOR_PROGRAMS, 0}, {                                      \
        "train_length", "trained at", TABLE_INT, TABLE_FOR_BOTH | (length_flags), 0                          \
    }

/* A new row with these columns filled; the others are empty. */
static inline TableCell *analysis_row(const Analysis *analysis, const Series *series) {
    TableCell *row = table_row(analysis->table);
    row[ANALYSIS_EXPERIMENT] = table_text(analysis->set->experiment);
    row[ANALYSIS_METHOD] = table_text(series->method);
    row[ANALYSIS_NAME] = table_text(series->name);
    row[ANALYSIS_EVALUATED] = table_text(series->evaluated);
    row[ANALYSIS_SPLIT] = table_text(series->split);
    row[ANALYSIS_PROTOCOL] = table_text(series->protocol);
    row[ANALYSIS_STRIDE_RULE] = table_text(series->rule);
    row[ANALYSIS_REQUESTED] = table_number((double)series->requested);
    row[ANALYSIS_TRAIN_LENGTH] = table_number((double)series->train_length);
    return row;
}

#endif
