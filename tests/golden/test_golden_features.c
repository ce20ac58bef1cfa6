/* test_golden_features: probabilities of methods whose scores depend on features of the input.
 *
 * Numbers were computed in double by Python and PyTorch with the code of the sources: x-transformers'
 * PerRowDataDependentAlibi and RelativeProjPositionalBias, fla's naive_path_attn and naive_wall_attn, the
 * lines of GRAPE's llama-mha-grape-ap-v1.py (with `absolute`; without it, with both vectors normalised and
 * rotated), of selective-rope's SelectiveRoPE, and the formula of carope's file, since there is no code. A
 * method whose file does not exist is skipped.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "attention/attention.h"
#include "fixture.h"
#include "laws.h"
#include "near.h"
#include "probe.h"

enum { H = 2, D = 6, T = 6, C = H * D, PLACES = 6 };

/* Of the probabilities P[h,i,j]. */
static const struct {
    int h, i, j;
} places[PLACES] = {{0, 3, 1}, {0, 5, 0}, {0, 5, 4}, {1, 2, 0}, {1, 4, 3}, {1, 5, 2}};

static const struct {
    const char *method, *json;
    double p[PLACES];
} cases[] = {
    {"carope", "{}", {0.368888875, 0.204417797, 0.0105757449, 0.0440148542, 0.0496245296, 0.177251622}},
    {"selective_rope", "{}", {0.18708181, 0.0358816415, 0.139344192, 0.46130965, 0.0883489028, 0.0212303579}},
    {"row_alibi", "{}", {0.133998031, 0.00126476194, 0.0666929277, 0.213134191, 0.170647855, 0.00342373992}},
    {"relative_projection",
     "{}",
     {0.361085106, 0.0434645768, 0.209106485, 0.65064641, 0.0563110427, 0.0225946233}},
    {"relative_projection",
     "{\"curves\": 3, \"distances\": 4}",
     {0.16487234, 0.038103791, 0.24691845, 0.294983771, 0.157869616, 0.0178727714}},
    {"grape_ap", "{}", {0.189780775, 0.0289286802, 0.140061964, 0.465327947, 0.087429581, 0.0208003005}},
    {"grape_ap",
     "{\"absolute\": true}",
     {0.193104344, 0.0307753507, 0.137273417, 0.465024459, 0.0877056986, 0.0207717766}},
    {"wall", "{}", {0.33448219, 0.165049366, 0.100100636, 0.188174471, 0.161879228, 0.131627477}},
    {"path_attention",
     "{}",
     {0.189094892, 0.0423123522, 0.131127379, 0.449726602, 0.122540226, 0.0254513429}},
    {"path_attention",
     "{\"forget\": true}",
     {0.195633039, 0.0158479469, 0.121218753, 0.383985577, 0.186751217, 0.0130391282}},
};

/* Queries, keys, inputs and tensors are sines; value j of each head is the unit vector j, so that outputs are
   probabilities. */
static void probabilities_are_those_of_the_sources(void **state) {
    static const AttentionOptions plain;
    float qkv[T * 3 * C] = {0}, x[T * C], out[T * C];
    (void)state;
    for (int t = 0; t < T; t++)
        for (int c = 0; c < C; c++) {
            qkv[t * 3 * C + c] = (float)(1.5 * sin(0.7 * t + 0.3 * c + 1));
            qkv[t * 3 * C + C + c] = (float)(1.5 * cos(0.5 * t - 0.4 * c));
            qkv[t * 3 * C + 2 * C + c] = c % D == t;
            x[t * C + c] = (float)(1.5 * sin(1.3 * t + 0.9 * c));
        }
    for (int n = 0; n < COUNT_OF(cases); n++) {
        const PositionMethod *method = encoding_find(cases[n].method);
        if (!method) continue;
        Error err;
        LawCase c = {.model = {.layers = 1, .heads = H, .width = C}, .train_length = T, .seed = 1};
        Json *json = json_parse(cases[n].json, strlen(cases[n].json), "golden", arena, &err);
        assert_true(encoding_read(&c.position, method, json, NULL, "golden", "", arena, &err));
        Probe p = probe_new(&c, T, arena);
        PositionContext context = p.context;
        context.shape = &p.shape;
        for (int i = 0; i < p.count; i++)
            for (size_t e = 0; e < p.sizes[i]; e++)
                p.value[i][e] = (float)(0.6 * sin(1 + 2.1 * (double)e + i));
        Attention *attention = attention_new(&c.position, &context, &plain, 0, false, arena);
        attention_begin(attention);
        attention_layer(attention, 0);
        attention_forward(attention, out, NULL, qkv, x, 1, (AttentionDropout){0});
        for (int k = 0; k < PLACES; k++)
            near(out[places[k].i * C + places[k].h * D + places[k].j], cases[n].p[k], 1e-6);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_arena, fixture_arena_free)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(probabilities_are_those_of_the_sources)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
