/* test_rotary: the services for methods that rotate, and sinusoids. The golden tests check the methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "near.h"
#include "position/rotary.h"

enum { T = 5, D = 6, N = 4 };

static const PositionShape shape = {.heads = 1, .width = D, .head_dim = D, .train_length = 8};
static const RotaryExtension options = {
    .rotation = {.base = 100, .fraction = N / (double)D, .pairs = ROTARY_HALF}, .factor = 4};
static const PositionContext context = {.shape = &shape, .options = &options, .length = T};

/* From rotary to position interpolation. */
static void blend_goes_from_one_frequency_to_the_other(void **state) {
    (void)state;
    for (int pair = 0; pair < N / 2; pair++) {
        double w = pow(100, -2.0 * pair / N);
        assert_true(rotary_blend(&context, pair, 0) == rotary_frequency(&context, pair));
        near_relative(rotary_blend(&context, pair, 1), w / 4, 1e-14);
        near_relative(rotary_blend(&context, pair, 0.5), (w + w / 4) / 2, 1e-14);
    }
}

/* A quarter turn and twice the length at odd positions, for queries alone. */
static PositionRotation quarter(const PositionContext *own, PositionRole role, int pair, double position) {
    (void)own, (void)pair;
    bool turns = role == POS_QUERY && (int)position % 2;
    return (PositionRotation){turns ? M_PI / 2 : 0, turns ? 2 : 1};
}

/* Each role has a table of its own, each row a position of its own; the coordinates beyond n stay. */
static void rotation_acts_by_role_and_position(void **state) {
    (void)state;
    static const double positions[T] = {3, 2, 8, 1, 5};
    const PositionMethod method = {ROTARY_ROTATION(quarter)};
    Arena *arena = arena_new(0);
    PositionContext own = context;
    own.tables = rotary_prepare(&method, &context, positions, arena);
    float x[T * D];
    for (int backward = 0; backward < 2; backward++)
        for (int role = POS_QUERY; role <= POS_KEY; role++) {
            for (int i = 0; i < T * D; i++) x[i] = (float)(i + 1);
            if (backward)
                method.transform_backward(&own, (PositionRole)role, NULL, x, D);
            else
                method.transform(&own, (PositionRole)role, x, D);
            for (int i = 0; i < T * D; i++) {
                int c = i % D, sign = (c < N / 2) != backward ? -1 : 1;
                int from = c < N / 2 ? i + N / 2 : i - N / 2;
                bool rotated = role == POS_QUERY && c < N && (int)positions[i / D] % 2;
                near(x[i], rotated ? 2 * sign * (from + 1) : i + 1, 1e-5);
            }
        }
    arena_free(arena);
}

static void sinusoids_have_two_layouts(void **state) {
    (void)state;
    Arena *arena = arena_new(0), *count = arena_new_counting();
    for (int alternating = 0; alternating < 2; alternating++) {
        const PositionSinusoids kind = {50, 1.5, .first = 2, .alternating = alternating};
        const float *table = position_sinusoids(&kind, D, T, NULL, arena);
        for (int t = 0; t < T; t++)
            for (int i = 0; i < D / 2; i++) {
                double angle = (t + 2) * pow(50, -i / 1.5);
                near(table[t * D + (alternating ? 2 * i : i)], sin(angle), 1e-6);
                near(table[t * D + (alternating ? 2 * i + 1 : D / 2 + i)], cos(angle), 1e-6);
            }
        assert_null(position_sinusoids(&kind, D, T, NULL, count));
    }
    assert_true(arena_peak(count) >= 2 * T * D * sizeof(float));
    arena_free(arena);
    arena_free(count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blend_goes_from_one_frequency_to_the_other),
        cmocka_unit_test(rotation_acts_by_role_and_position),
        cmocka_unit_test(sinusoids_have_two_layouts),
    };
    return cmocka_run_group_tests_name("rotary", tests, NULL, NULL);
}
