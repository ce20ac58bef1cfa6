/* product: the mathematics that methods may call (see position.h): products, the logistic function, slopes.
 */
#include <math.h>

#include "math/nn_ops.h"
#include "position/position.h"
#include "math/gemm.h"
#include "math/blas.h"

enum { LONG = 32 }; /* inner sizes from which folding partial sums pays */

void position_product(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                      int k, unsigned how) {
    bool turn_a = how & POS_TURN_A, turn_b = how & POS_TURN_B, add = how & POS_ADD;
    if (!turn_b && m % 8 == 0 && n % 16 == 0) {
        (turn_a ? tile_tn : tile_nn)(c, ldc, add ? c : NULL, ldc, a, lda, b, ldb, m, n, k);
    } else if (turn_b && !turn_a && m % 4 == 0 && n % 4 == 0 && k % 16 == 0 && k >= LONG) {
        tile_nt(c, ldc, add ? c : NULL, ldc, a, lda, b, ldb, m, n, k);
    } else {
        ops_product_strided(c, ldc, a, lda, b, ldb, m, n, k, turn_a, turn_b, add);
    }
}

void position_sigmoid(float *y, const float *x, int count) {
    int i = 0;
    for (; i + TILE_LANES <= count; i += TILE_LANES) {
        Vec v = vec_load(x + i), e = vec_exp(vec_select(v < 0, v, -v)); /* e^-|x| cannot overflow */
        Vec small = e / (1 + e);
        vec_store(y + i, vec_select(v < 0, small, 1 - small));
    }
    if (i == count) return;
    float rest[TILE_LANES] = {0};
    for (int j = i; j < count; j++) rest[j - i] = x[j];
    position_sigmoid(rest, rest, TILE_LANES);
    for (int j = i; j < count; j++) y[j] = rest[j - i];
}

double position_slope(int h, int heads, double max_exponent) {
    int power = 1;
    while (2 * power <= heads) power *= 2;
    if (h < power) return exp2(-max_exponent * (h + 1) / power);
    return exp2(-max_exponent * (2 * (h - power) + 1) / (2 * power));
}
