#include "position/scan.h"

#include <string.h>

#include "math/simd.h"

enum { VECTORS = SCAN_ROWS / SIMD_LANES };

bool scan_next(const PositionContext *context, const PositionScores *block, ScanRows *rows) {
    rows->row += rows->rows;
    if (rows->row == block->rows) rows->row = 0, rows->head++;
    rows->rows = block->rows - rows->row < SCAN_ROWS ? block->rows - rows->row : SCAN_ROWS;
    rows->query = block->first + rows->row, rows->size = context->shape->head_dim;
    return rows->head < context->shape->heads;
}

void scan_load(const ScanRows *rows, const PositionScores *block, float *u) {
    const float *q = block->q[rows->head] + (size_t)rows->row * (size_t)block->stride;
    memset(u, 0, (size_t)(rows->size * SCAN_ROWS) * sizeof *u);
    for (int r = 0; r < rows->rows; r++, q += block->stride)
        for (int e = 0; e < rows->size; e++) u[e * SCAN_ROWS + r] = q[e];
}

void scan_return(const ScanRows *rows, const PositionScores *block, const float *u) {
    float *dq = block->dq[rows->head] + (size_t)rows->row * (size_t)block->stride;
    for (int r = 0; r < rows->rows; r++, dq += block->stride)
        for (int e = 0; e < rows->size; e++) dq[e] += u[e * SCAN_ROWS + r];
}

static size_t place(const ScanRows *rows, const PositionScores *block, int r, int j) {
    size_t row = (size_t)rows->head * (size_t)block->rows + (size_t)(rows->row + r);
    return row * (size_t)block->columns + (size_t)j;
}

void scan_take(const ScanRows *rows, const PositionScores *block, const float *s, int j, float factor,
               float c[SCAN_ROWS]) {
    memset(c, 0, SCAN_ROWS * sizeof *c);
    for (int r = scan_from(rows, j); r < rows->rows; r++) c[r] = factor * s[place(rows, block, r, j)];
}

void scan_put(const ScanRows *rows, const PositionScores *block, float *s, int j, const float c[SCAN_ROWS]) {
    for (int r = scan_from(rows, j); r < rows->rows; r++) s[place(rows, block, r, j)] = c[r];
}

void scan_dot(const ScanRows *rows, const float *u, const float *v, float y[SCAN_ROWS]) {
    SimdFloat sum[VECTORS];
    for (int i = 0; i < VECTORS; i++) sum[i] = simd_broadcast(0);
    for (int e = 0; e < rows->size; e++, u += SCAN_ROWS) {
        SimdFloat by = simd_broadcast(v[e]);
        for (int i = 0; i < VECTORS; i++) sum[i] += simd_load(u + i * SIMD_LANES) * by;
    }
    for (int i = 0; i < VECTORS; i++) simd_store(y + i * SIMD_LANES, sum[i]);
}

void scan_add(const ScanRows *rows, float *u, const float c[SCAN_ROWS], const float *v) {
    SimdFloat by[VECTORS];
    for (int i = 0; i < VECTORS; i++) by[i] = simd_load(c + i * SIMD_LANES);
    for (int e = 0; e < rows->size; e++, u += SCAN_ROWS)
        for (int i = 0; i < VECTORS; i++)
            simd_store(u + i * SIMD_LANES, simd_load(u + i * SIMD_LANES) + by[i] * simd_broadcast(v[e]));
}

void scan_sum(const ScanRows *rows, const float *u, const float c[SCAN_ROWS], float *y) {
    SimdFloat by[VECTORS];
    for (int i = 0; i < VECTORS; i++) by[i] = simd_load(c + i * SIMD_LANES);
    for (int e = 0; e < rows->size; e++, u += SCAN_ROWS) {
        SimdFloat sum = simd_broadcast(0);
        for (int i = 0; i < VECTORS; i++) sum += simd_load(u + i * SIMD_LANES) * by[i];
        y[e] += simd_reduce_sum(sum);
    }
}

void scan_fade(const ScanRows *rows, float *u, const float *g, int from) {
    for (int e = 0; e < rows->size; e++, u += SCAN_ROWS) {
        if (from) {
            for (int r = from; r < SCAN_ROWS; r++) u[r] -= g[e] * u[r];
        } else {
            for (int i = 0; i < VECTORS; i++) {
                SimdFloat v = simd_load(u + i * SIMD_LANES);
                simd_store(u + i * SIMD_LANES, v - v * simd_broadcast(g[e]));
            }
        }
    }
}
