/* claim_tables: the analyses `claims` and `claim-points`: a row for each claim that analysis/claims.h tests,
 * or for each point that it was tested at. The report shows the same in sentences.
 */
#include <math.h>

#include "analysis/internal.h"
#include "analysis/claims.h"

enum {
    EXPERIMENT,
    METHOD,
    CLAIM,
    SECTION,
    VERDICT,
    POINTS,
    HOLD,
    FAIL,
    LEAST,
    GREATEST,
    AT_LEAST,
    AT_MOST,
    SEEDS,
    FINDING
};

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
        TableCell *row = table_row(analysis->table);
        row[EXPERIMENT] = table_text(analysis->set->experiment);
        row[METHOD] = table_text(claim->method);
        row[CLAIM] = table_text(claim->text);
        row[SECTION] = table_text(claim->section);
        row[VERDICT] = table_text(claims_verdict_names[claim->verdict]);
        row[POINTS] = table_number(claim->count);
        row[HOLD] = table_number(hold);
        row[FAIL] = table_number(fail);
        row[LEAST] = table_number(least);
        row[GREATEST] = table_number(greatest);
        row[AT_LEAST] = table_number(bound(claim->at_least));
        row[AT_MOST] = table_number(bound(claim->at_most));
        if (claim->count) row[SEEDS] = table_number(claim->seeds);
        row[FINDING] = table_text(claim->finding);
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

enum {
    AGAINST = ANALYSIS_KEY_COUNT,
    AGAINST_TRAINED,
    LENGTH,
    RATIO,
    LOW,
    HIGH,
    POINT_SEEDS,
    OUTCOME,
    POINT_CLAIM
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
            TableCell *row = analysis_row(analysis, point->series);
            row[POINT_CLAIM] = table_text(list->items[i].text);
            if (point->against) row[AGAINST] = table_text(point->against->name);
            if (!point->seeds) /* a bench has no training of its own */
                row[ANALYSIS_TRAIN_LENGTH] = table_number(NAN);
            else if (point->against)
                row[AGAINST_TRAINED] = table_number((double)point->against->train_length);
            row[LENGTH] = table_number((double)point->length);
            row[RATIO] = table_number(point->ratio);
            row[LOW] = table_number(point->low);
            row[HIGH] = table_number(point->high);
            row[POINT_SEEDS] = table_number(point->seeds);
            row[OUTCOME] = table_text(point->holds ? "holds" : point->fails ? "fails" : "open");
        }
    return list != NULL;
}

const AnalysisKind analysis_claim_points = {
    .title = "what the paper's claims were judged by",
    .columns = point_columns,
    .column_count = COUNT_OF(point_columns),
    .run = run_points,
};
