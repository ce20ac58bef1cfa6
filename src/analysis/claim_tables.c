/* claim_tables: the analyses `claims` and `claim-points`: a row for each claim that analysis/claims.h tests,
 * or for each point that it was tested at. The report shows the same in sentences.
 */
#include <math.h>

#include "analysis/internal.h"
#include "analysis/claims.h"

static const TableColumn claim_columns[] = {
    {"experiment", "experiment", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"method", "method", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"claim", "claim", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"section", "section", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"verdict", "verdict", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"points", "points", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"hold", "hold", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"fail", "fail", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"least", "least", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"greatest", "greatest", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"at_least", "at least", TABLE_REAL, TABLE_FOR_BOTH, 2},
    {"at_most", "at most", TABLE_REAL, TABLE_FOR_BOTH, 2},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"finding", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
};

static double bound(double value) { /* 0 is none */
    return value > 0 ? value : NAN;
}

static const ClaimList *judge(const Analysis *analysis, Error *err) {
    const ClaimList *list =
        claims_judge(analysis->store, analysis->set, analysis->options->claims, analysis->arena, err);
    if (list && !list->count)
        table_note(analysis->table,
                   "no results/paper/claims.json in the current folder, next to the program or in the "
                   "installation; name a file with --claims");
    return list;
}

static bool run_claims(const Analysis *analysis, Error *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++) {
        const Claim *claim = &list->items[i];
        double hold = 0, fail = 0, least = NAN, greatest = NAN;
        for (int k = 0; k < claim->count; k++) {
            const ClaimPoint *point = &claim->points[k];
            hold += point->holds, fail += point->fails;
            least = fmin(least, point->ratio), greatest = fmax(greatest, point->ratio);
        }
        TableCell *row = TABLE_TEXTS(table_row(analysis->table), analysis->set->experiment, claim->method,
                                     claim->text, claim->section, claims_verdict_names[claim->verdict]);
        row = TABLE_NUMBERS(row, claim->count, hold, fail, least, greatest, bound(claim->at_least),
                            bound(claim->at_most), claim->count ? (double)claim->seeds : NAN);
        *row = table_text(claim->finding);
    }
    if (list && list->count)
        table_note(analysis->table,
                   "points: ratios, each at one length, training length and other method; hold, fail: those "
                   "whose whole "
                   "interval is on the bound's side, or beyond it; least, greatest: of the points");
    return list != NULL;
}

const AnalysisKind analysis_claims = {
    .title = "the paper's claims",
    .columns = claim_columns,
    .column_count = COUNT_OF(claim_columns),
    .run = run_claims,
};

static const TableColumn point_columns[] = {
    ANALYSIS_KEYS(0, 0),
    {"against", "against", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"against_train_length", "trained at", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"length", "length", TABLE_INT, TABLE_FOR_BOTH,
     0}, /* evaluated; of speed and memory in training, trained at */
    {"ratio", "ratio", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"ratio_low", "from", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"ratio_high", "to", TABLE_REAL, TABLE_FOR_BOTH, 3},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"outcome", "outcome", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"claim", "claim", TABLE_TEXT, TABLE_FOR_BOTH, 0},
};

static bool run_points(const Analysis *analysis, Error *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++)
        for (int k = 0; k < list->items[i].count; k++) {
            const ClaimPoint *point = &list->items[i].points[k];
            const Series *against = point->against;
            TableCell *row = analysis_row(analysis, point->series);
            if (!point->seeds) /* a bench has no training of its own */
                analysis_clear_keys(row, ANALYSIS_TRAIN_LENGTH, ANALYSIS_TRAIN_LENGTH);
            row = TABLE_TEXTS(row, against ? against->name : NULL);
            row = TABLE_NUMBERS(row, against && point->seeds ? (double)against->train_length : NAN,
                                point->length, point->ratio, point->low, point->high, point->seeds);
            TABLE_TEXTS(row, point->holds ? "holds" : point->fails ? "fails" : "open", list->items[i].text);
        }
    return list != NULL;
}

const AnalysisKind analysis_claim_points = {
    .title = "what the paper's claims were judged by",
    .columns = point_columns,
    .column_count = COUNT_OF(point_columns),
    .run = run_points,
};
