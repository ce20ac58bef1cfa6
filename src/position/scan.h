/* scan: scores q_i . M k_j with a matrix M = M_i M_(i-1) ... M_(j+1) of the content, for the hook `scores`.
 *
 * A query walks from its own key back to the first: u = q_i; at key j the score is u . k_j, then u = M_j^T u.
 * Up to SCAN_ROWS queries of a head walk together, in vectors: number e of query r is u[e * SCAN_ROWS + r].
 * At keys after its own, a query must not change: there coefficients are 0, and rows before `from` are left.
 */
#ifndef POSLAB_SCAN_H
#define POSLAB_SCAN_H

#include "position/position.h"

enum { SCAN_ROWS = 32, SCAN_HEAD = 256, SCAN_FLOATS = SCAN_ROWS * SCAN_HEAD };

/* Some rows of a block and head. `query` is the position of the first. */
typedef struct ScanRows {
    int head, row, rows, query, size; /* size: D <= SCAN_HEAD */
} ScanRows;

/* The next rows of all heads; false after the last. Starts with zeros. */
bool scan_next(const PositionContext *context, const PositionScores *block, ScanRows *rows);

/* The first row that has reached key j. */
static inline int scan_from(const ScanRows *rows, int j) {
    return j > rows->query ? j - rows->query : 0;
}

/* Key j of the head, and where its gradient is added up. */
static inline const float *scan_key(const PositionScores *block, const ScanRows *rows, int j) {
    return block->k[rows->head] + (size_t)j * (size_t)block->stride;
}
static inline float *scan_dkey(const PositionScores *block, const ScanRows *rows, int j) {
    return block->dk[rows->head] + (size_t)j * (size_t)block->stride;
}

/* u from the queries, zero for missing rows; and dq += u. */
void scan_load(const ScanRows *rows, const PositionScores *block, float *u);
void scan_return(const ScanRows *rows, const PositionScores *block, const float *u);

/* c[r] = factor s[r,j], and 0 for rows that have not reached j; s is an array like block->s. And the reverse,
   which leaves those rows. */
void scan_take(const ScanRows *rows, const PositionScores *block, const float *s, int j, float factor,
               float c[SCAN_ROWS]);
void scan_put(const ScanRows *rows, const PositionScores *block, float *s, int j, const float c[SCAN_ROWS]);

void scan_dot(const ScanRows *rows, const float *u, const float *v, float y[SCAN_ROWS]); /* y[r] = u_r . v */
void scan_add(const ScanRows *rows, float *u, const float c[SCAN_ROWS], const float *v); /* u_r += c[r] v */
void scan_sum(const ScanRows *rows, const float *u, const float c[SCAN_ROWS], float *y); /* y += c[r] u_r */

/* u_r[e] -= g[e] u_r[e] for rows from `from` on. */
void scan_fade(const ScanRows *rows, float *u, const float *g, int from);

#endif
