/* test_random: the generator's published values, independence of streams, moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include <string.h>

#include "need.h"
#include "near.h"
#include "base/random.h"
#include "position/encoding.h"

/* SplitMix64 with state 1234567: the values of Rosetta Code, "Pseudo-random numbers/Splitmix64"; with state
   0: those of Java's SplittableRandom and of the xoshiro authors' splitmix64.c. */
static void numbers_are_splitmix64(void **state) {
    static const uint64_t from_1234567[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                            4593380528125082431u, 16408922859458223821u};
    static const uint64_t from_0[] = {0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u, 0x06c45d188009454fu};
    (void)state;
    for (uint64_t n = 0; n < 5; n++) assert_true(random_at(1234567, n) == from_1234567[n]);
    for (uint64_t n = 0; n < 3; n++) assert_true(random_at(0, n) == from_0[n]);
    Random rng = {.key = 1234567};
    for (uint64_t n = 0; n < 5; n++) assert_true(random_next(&rng) == from_1234567[n]);
    assert_true(rng.counter == 5);
    rng = (Random){.key = 1234567};
    near(random_uniform(&rng), (double)(from_1234567[0] >> 11) / 9007199254740992.0, 0);
}

/* FNV-1a over both names, mixed with the seed; computed in Python. If these numbers change, equal configs
   train differently, and CONFIG_FORMAT must change too. */
static void streams_are_as_ever(void **state) {
    (void)state;
    assert_true(random_stream(1, "init", "embedding.weight").key == 0x7d4830c8d5e4d3feu);
    assert_true(random_substream(random_stream(1, "batch", ""), 3).key == 0x69598ca5a3e424aeu);
}

static void streams_differ(void **state) {
    (void)state;
    const uint64_t keys[] = {random_stream(1, "init", "a").key,
                             random_stream(2, "init", "a").key,
                             random_stream(1, "batch", "a").key,
                             random_stream(1, "init", "b").key,
                             random_stream(1, "inita", "").key,
                             random_stream(1, "ini", "ta").key,
                             random_stream(1, "init", "").key,
                             random_stream(0, "init", "a").key,
                             random_substream(random_stream(1, "init", "a"), 0).key,
                             random_substream(random_stream(1, "init", "a"), 1).key,
                             random_substream(random_stream(1, "init", "b"), 0).key};
    int count = (int)(sizeof keys / sizeof *keys);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++) assert_true(keys[i] != keys[j]);
    assert_true(random_stream(1, "init", "a").key == keys[0]);
    assert_true(random_stream(1, "init", "a").counter == 0);
    Random drawn = random_stream(1, "init", "a"); /* a substream does not depend on numbers drawn before */
    random_next(&drawn);
    assert_true(random_substream(drawn, 1).key == keys[9]);
}

/* Within 4.5 standard errors. */
static void moments_are_right(void **state) {
    (void)state;
    enum { N = 100000 };
    Random rng = random_stream(3, "moments", "");
    double sum = 0, squares = 0, fourth = 0, uniform = 0;
    for (int i = 0; i < N; i++) {
        double x = random_normal(&rng);
        sum += x, squares += x * x, fourth += x * x * x * x;
    }
    assert_true(rng.counter == 2 * N);
    near(sum / N, 0, 4.5 / sqrt(N));
    near(squares / N, 1, 4.5 * sqrt(2.0 / N));
    near(fourth / N, 3, 4.5 * sqrt(96.0 / N));
    for (int i = 0; i < N; i++) {
        double x = random_uniform(&rng);
        assert_true(x >= 0 && x < 1);
        uniform += x;
    }
    near(uniform / N, 0.5, 4.5 * sqrt(1.0 / 12 / N));
}

static void below_is_even_and_inside(void **state) {
    (void)state;
    enum { N = 60000 };
    Random rng = random_stream(4, "below", "");
    int seen[6] = {0};
    for (int i = 0; i < N; i++) {
        uint64_t x = random_below(&rng, 6);
        assert_true(x < 6);
        seen[x]++;
    }
    for (int i = 0; i < 6; i++) near(seen[i], N / 6.0, 4.5 * sqrt(N * 5.0 / 36));
    for (int i = 0; i < 10; i++) assert_true(random_below(&rng, 1) == 0);
    /* For bound 3 * 2^62, a quarter of all draws must be repeated, or the first third would occur twice as
     * often.
     */
    uint64_t bound = (uint64_t)3 << 62, low = 0;
    Random start = rng;
    for (int i = 0; i < N; i++) {
        uint64_t x = random_below(&rng, bound);
        assert_true(x < bound);
        low += x < (uint64_t)1 << 62;
    }
    near((double)low, N / 3.0, 4.5 * sqrt(N * 2.0 / 9));
    near((double)(rng.counter - start.counter), N * 4 / 3.0, 4.5 * sqrt(N * 4.0 / 9));
}

/* Numbers below k - 1 have a share of log(k) / log(bound): half are below the root. */
static void zipf_is_inside(void **state) {
    (void)state;
    enum { N = 60000 };
    Random rng = random_stream(5, "zipf", "");
    int zeros = 0, low = 0;
    for (int i = 0; i < N; i++) {
        uint64_t x = random_zipf(&rng, 1024);
        assert_true(x < 1024);
        zeros += x == 0, low += x < 31;
    }
    near(zeros, N / 10.0, 4.5 * sqrt(N * 0.09));
    near(low, N / 2.0, 4.5 * sqrt(N * 0.25));
    assert_true(random_zipf(&rng, 1) == 0);
}

/* Positions of `randomised` with order any, as tags: those that are sorted otherwise, in random order; so
   that one row has the same, and at every place each occurs as often as any other. */
static void random_tags(void **state) {
    (void)state;
    enum { RANGE = 32, T = 8, DRAWS = 4000 };
    const PositionMethod *method = need_method("randomised");
    Arena *arena = arena_new(0);
    Encoding orders[2];
    Error err;
    static const char *const texts[] = {"{\"range\": 32}", "{\"range\": 32, \"order\": \"any\"}"};
    for (int k = 0; k < 2; k++) {
        Json *json = json_parse(texts[k], strlen(texts[k]), "x", arena, &err);
        assert_true(encoding_read(&orders[k], method, json, NULL, "x", "", arena, &err));
    }
    PositionShape shape = {.layers = 1, .heads = 1, .width = 4, .head_dim = 4, .train_length = T};
    int counts[T][RANGE] = {0}, rising = 0;
    for (int64_t i = 0; i < DRAWS; i++) {
        double a[T], b[T];
        bool seen[RANGE] = {0};
        EncodingDraw draw = {.seed = 1, .sequence = i};
        encoding_draw(&orders[0], &shape, draw, a, 1);
        encoding_draw(&orders[1], &shape, draw, b, 1);
        assert_true(a[0] == b[0]);
        encoding_draw(&orders[0], &shape, draw, a, T);
        encoding_draw(&orders[1], &shape, draw, b, T);
        for (int t = 0; t < T; t++) seen[(int)b[t]] = true, counts[t][(int)b[t]]++;
        for (int t = 0; t < T; t++) assert_true(seen[(int)a[t]] && (t == 0 || a[t] > a[t - 1]));
        for (int t = 1; t < T; t++) rising += b[t] > b[t - 1];
    }
    for (int t = 0; t < T; t++) /* 125 each, with a deviation of 11 */
        for (int n = 0; n < RANGE; n++) assert_in_range(counts[t][n], 125 - 56, 125 + 56);
    assert_in_range(rising, (T - 1) * DRAWS * 48 / 100, (T - 1) * DRAWS * 52 / 100);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tags),         cmocka_unit_test(numbers_are_splitmix64),
        cmocka_unit_test(streams_are_as_ever), cmocka_unit_test(streams_differ),
        cmocka_unit_test(moments_are_right),   cmocka_unit_test(below_is_even_and_inside),
        cmocka_unit_test(zipf_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
