/* analysis: what analyse.c and the files with the analyses share.
 *
 * An analysis is one const AnalysisKind: its columns and a function that fills a frame from an experiment's
 * series. Where a row is of one series, the columns begin with ANALYSIS_KEYS.
 */
#ifndef POSLAB_ANALYSIS_H
#define POSLAB_ANALYSIS_H

#include "base/table.h"
#include "analysis/analysis.h"
#include "analysis/results.h"

typedef struct Analysis {
    Store *store;
    const SeriesSet *set;
    const AnalyseOptions *options;
    Frame *frame;
    Arena *arena; /* the frame's, too */
} Analysis;

typedef struct AnalysisKind {
    const char *name, *title;
    const FrameColumn *columns;
    int column_count;
    bool baseline; /* needs --baseline */
    bool (*run)(const Analysis *analysis, Err *err);
} AnalysisKind;

extern const AnalysisKind analysis_curves, analysis_matrix, analysis_compare, analysis_short_long,
    analysis_cost, analysis_early, analysis_positions, analysis_claims, analysis_claim_points;

/* The first columns; `name` and `length` are further flags of the method's and the training length's column.
 */
enum {
    KEY_EXPERIMENT,
    KEY_METHOD,
    KEY_NAME,
    KEY_EVALUATED,
    KEY_SPLIT,
    KEY_PROTOCOL,
    KEY_STRIDE_RULE,
    KEY_REQUESTED,
    KEY_TRAIN_LENGTH,
    KEYS
};
#define ANALYSIS_KEYS(name_flags, length_flags)                                                              \
    {"experiment", "experiment", FRAME_TEXT, FRAME_PROGRAMS, 0},                                             \
        {"method", "method", FRAME_TEXT, FRAME_PROGRAMS, 0},                                                 \
        {"name", "method", FRAME_TEXT, FRAME_BOTH | (name_flags), 0},                                        \
        {"evaluated", "evaluated on", FRAME_TEXT, FRAME_PEOPLE | FRAME_VARYING, 0},                          \
        {"split", "split", FRAME_TEXT, FRAME_PROGRAMS, 0},                                                   \
        {"protocol", "protocol", FRAME_TEXT, FRAME_PROGRAMS, 0},                                             \
        {"stride_rule", "stride", FRAME_TEXT, FRAME_PROGRAMS, 0},                                            \
        {"requested", "requested", FRAME_WHOLE, FRAME_PROGRAMS, 0}, {                                        \
        "train_length", "trained at", FRAME_WHOLE, FRAME_BOTH | (length_flags), 0                            \
    }

/* A new row with these columns filled; the others are empty. */
static inline FrameCell *analysis_row(const Analysis *analysis, const Series *series) {
    FrameCell *row = frame_row(analysis->frame);
    row[KEY_EXPERIMENT] = frame_text(analysis->set->experiment);
    row[KEY_METHOD] = frame_text(series->method);
    row[KEY_NAME] = frame_text(series->name);
    row[KEY_EVALUATED] = frame_text(series->evaluated);
    row[KEY_SPLIT] = frame_text(series->split);
    row[KEY_PROTOCOL] = frame_text(series->protocol);
    row[KEY_STRIDE_RULE] = frame_text(series->rule);
    row[KEY_REQUESTED] = frame_number((double)series->requested);
    row[KEY_TRAIN_LENGTH] = frame_number((double)series->train_length);
    return row;
}

#endif
