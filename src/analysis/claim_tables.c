/* findings: the analyses `claims` and `claim-points`: what claims.h judges, a row for each claim or for each
 * of the points that it was judged by. The report says the same in words.
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

static const FrameColumn claim_columns[] = {
    {"experiment", "experiment", FRAME_TEXT, FRAME_PROGRAMS, 0},
    {"method", "method", FRAME_TEXT, FRAME_PROGRAMS, 0},
    {"claim", "claim", FRAME_TEXT, FRAME_BOTH, 0},
    {"section", "section", FRAME_TEXT, FRAME_BOTH, 0},
    {"verdict", "verdict", FRAME_TEXT, FRAME_BOTH, 0},
    {"points", "points", FRAME_WHOLE, FRAME_BOTH, 0},
    {"hold", "hold", FRAME_WHOLE, FRAME_BOTH, 0},
    {"fail", "fail", FRAME_WHOLE, FRAME_BOTH, 0},
    {"least", "least", FRAME_REAL, FRAME_BOTH, 3},
    {"greatest", "greatest", FRAME_REAL, FRAME_BOTH, 3},
    {"at_least", "at least", FRAME_REAL, FRAME_BOTH, 2},
    {"at_most", "at most", FRAME_REAL, FRAME_BOTH, 2},
    {"seeds", "seeds", FRAME_WHOLE, FRAME_BOTH | FRAME_VARYING, 0},
    {"finding", "", FRAME_TEXT, FRAME_PROGRAMS, 0},
};

static double bound(double value) { /* 0 is none */
    return value > 0 ? value : NAN;
}

static const ClaimList *judge(const Analysis *analysis, Err *err) {
    const ClaimList *list =
        claims_judge(analysis->store, analysis->set, analysis->options->claims, analysis->arena, err);
    if (list && !list->count)
        frame_note(analysis->frame,
                   "there is no results/paper/claims.json here, beside the program or where it was "
                   "installed; name a file with --claims");
    return list;
}

static bool run_claims(const Analysis *analysis, Err *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++) {
        const Claim *claim = &list->items[i];
        double hold = 0, fail = 0, least = NAN, greatest = NAN;
        for (int k = 0; k < claim->count; k++) {
            const ClaimPoint *point = &claim->points[k];
            hold += point->holds, fail += point->fails;
            least = fmin(least, point->ratio), greatest = fmax(greatest, point->ratio);
        }
        FrameCell *row = frame_row(analysis->frame);
        row[EXPERIMENT] = frame_text(analysis->set->experiment);
        row[METHOD] = frame_text(claim->method);
        row[CLAIM] = frame_text(claim->text);
        row[SECTION] = frame_text(claim->section);
        row[VERDICT] = frame_text(verdict_names[claim->verdict]);
        row[POINTS] = frame_number(claim->count);
        row[HOLD] = frame_number(hold);
        row[FAIL] = frame_number(fail);
        row[LEAST] = frame_number(least);
        row[GREATEST] = frame_number(greatest);
        row[AT_LEAST] = frame_number(bound(claim->at_least));
        row[AT_MOST] = frame_number(bound(claim->at_most));
        if (claim->count) row[SEEDS] = frame_number(claim->seeds);
        row[FINDING] = frame_text(claim->finding);
    }
    if (list && list->count)
        frame_note(analysis->frame,
                   "points: ratios, each at one length, training length and other method; hold, fail: those "
                   "whose whole "
                   "interval is on the bound's side, or beyond it; least, greatest: of the points");
    return list != NULL;
}

const AnalysisKind analysis_claims = {
    .name = "claims",
    .title = "the paper's claims",
    .columns = claim_columns,
    .column_count = COUNT_OF(claim_columns),
    .run = run_claims,
};

enum { AGAINST = KEYS, AGAINST_TRAINED, LENGTH, RATIO, LOW, HIGH, POINT_SEEDS, OUTCOME, POINT_CLAIM };

static const FrameColumn point_columns[] = {
    ANALYSIS_KEYS(0, 0),
    {"against", "against", FRAME_TEXT, FRAME_BOTH | FRAME_VARYING, 0},
    {"against_train_length", "trained at", FRAME_WHOLE, FRAME_BOTH | FRAME_VARYING, 0},
    {"length", "length", FRAME_WHOLE, FRAME_BOTH,
     0}, /* evaluated; of speed and memory in training, trained at */
    {"ratio", "ratio", FRAME_REAL, FRAME_BOTH, 3},
    {"ratio_low", "from", FRAME_REAL, FRAME_BOTH, 3},
    {"ratio_high", "to", FRAME_REAL, FRAME_BOTH, 3},
    {"seeds", "seeds", FRAME_WHOLE, FRAME_BOTH | FRAME_VARYING, 0},
    {"outcome", "outcome", FRAME_TEXT, FRAME_BOTH, 0},
    {"claim", "claim", FRAME_TEXT, FRAME_BOTH, 0},
};

static bool run_points(const Analysis *analysis, Err *err) {
    const ClaimList *list = judge(analysis, err);
    for (int i = 0; list && i < list->count; i++)
        for (int k = 0; k < list->items[i].count; k++) {
            const ClaimPoint *point = &list->items[i].points[k];
            FrameCell *row = analysis_row(analysis, point->series);
            row[POINT_CLAIM] = frame_text(list->items[i].text);
            if (point->against) row[AGAINST] = frame_text(point->against->name);
            if (!point->seeds) /* a bench has no training of its own */
                row[KEY_TRAIN_LENGTH] = frame_number(NAN);
            else if (point->against)
                row[AGAINST_TRAINED] = frame_number((double)point->against->train_length);
            row[LENGTH] = frame_number((double)point->length);
            row[RATIO] = frame_number(point->ratio);
            row[LOW] = frame_number(point->low);
            row[HIGH] = frame_number(point->high);
            row[POINT_SEEDS] = frame_number(point->seeds);
            row[OUTCOME] = frame_text(point->holds ? "holds" : point->fails ? "fails" : "open");
        }
    return list != NULL;
}

const AnalysisKind analysis_claim_points = {
    .name = "claim-points",
    .title = "what the paper's claims were judged by",
    .columns = point_columns,
    .column_count = COUNT_OF(point_columns),
    .run = run_points,
};
