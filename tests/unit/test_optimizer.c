/* test_optimizer: optimizers and schedule against the formulas of train/optimizer.h, in double.
 *
 * The updates themselves are the law `optimizer`, which test_methods.c runs with every method; here it runs
 * on a larger model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "laws.h"
#include "naive.h"
#include "near.h"
#include "need.h"
#include "train/optimizer.h"

static LawCase small_case(void *options) {
    return (LawCase){.position = {.method = need_method("t5"), .options = options},
                     .model = {.layers = 2,
                               .heads = 2,
                               .width = 24,
                               .ffn = 40,
                               .vocabulary = 50,
                               .final_norm = true,
                               .max_tokens_in_flight = 64},
                     .train_length = 16,
                     .batch = 1,
                     .length = 8,
                     .seed = 3};
}

static void *t5_options(Arena *arena) {
    const PositionMethod *m = need_method("t5");
    void *options = arena_alloc(arena, 1, m->options_size);
    options_default(options, m->fields, m->field_count);
    return options;
}

static void updates_are_the_closed_forms(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(t5_options(arena));
    Error err;
    if (!law_holds(law_find("optimizer"), &c, &err)) fail_msg("%s", err.text);
    arena_free(arena);
}

/* With a constant gradient of any size AdamW's first steps are rate * sign. */
static void adamw_steps_by_the_rate(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(t5_options(arena));
    Model *model = law_model(&c, arena);
    OptimizerOptions options = {.name = OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-12};
    Optimizer *optimizer = optimizer_new(&options, model, arena);
    float *gradients = NEW(arena, model->size, float), before = model->values[0], bias = model->values[1];
    for (int t = 1; t <= 4; t++) {
        gradients[0] = 1e3f, gradients[1] = -1e-3f;
        near(optimizer_step(optimizer, model, gradients, 0.01), 1e3, 1e-3);
        near(model->values[0], before - 0.01 * t, 1e-6);
        near(model->values[1], bias + 0.01 * t, 1e-6);
        assert_int_equal(optimizer->step, t);
        near(optimizer->last_rate, 0.01, 0);
    }
    near(model->values[2], law_model(&c, arena)->values[2], 0); /* no gradient, no decay: no change */
    arena_free(arena);
}

/* Clipping scales the gradients in place, by the norm over all tensors, and only if it exceeds the limit. */
static void clipping_scales_in_place(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(t5_options(arena));
    Model *model = law_model(&c, arena);
    const double clips[] = {0, 5, 9, 10, 20};
    for (int n = 0; n < COUNT_OF(clips); n++) {
        OptimizerOptions options = {.name = OPTIMIZER_NAG, .momentum = 0.9, .clip = clips[n]};
        Optimizer *optimizer = optimizer_new(&options, model, arena);
        float *gradients = NEW(arena, model->size, float);
        size_t last = naive_param(model, "position.bias")->offset;
        gradients[0] = 6, gradients[last] = -8;
        near(optimizer_step(optimizer, model, gradients, 1e-3), 10, 1e-5);
        double scale = clips[n] > 0 && clips[n] < 10 ? clips[n] / 10 : 1;
        near(gradients[0], 6 * scale, 1e-6);
        near(gradients[last], -8 * scale, 1e-6);
        near(optimizer->first[0], -1e-3 * 6 * scale, 1e-9);
        assert_null(optimizer->second);
    }
    arena_free(arena);
}

static void project_to_one(const PositionShape *shape, const void *options, int index, float *value) {
    (void)shape, (void)options, (void)index;
    value[0] = 1;
}

/* A method's constraint on its parameters holds after every update. */
static void updates_are_projected(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(t5_options(arena));
    PositionMethod method = *c.position.method;
    method.project = project_to_one;
    c.position.method = &method;
    for (int name = OPTIMIZER_ADAMW; name <= OPTIMIZER_NAG; name++) {
        Model *model = law_model(&c, arena);
        OptimizerOptions options = {.name = name, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .momentum = 0.9};
        Optimizer *optimizer = optimizer_new(&options, model, arena);
        float *gradients = NEW(arena, model->size, float);
        size_t at = naive_param(model, "position.bias")->offset;
        gradients[at] = 3, gradients[at + 1] = 3;
        float before = model->values[at + 1];
        optimizer_step(optimizer, model, gradients, 0.01);
        near(model->values[at], 1, 0);
        assert_true(model->values[at + 1] < before);
    }
    arena_free(arena);
}

static void broken_gradients_change_nothing(void **state) {
    (void)state;
    Arena *arena = arena_new(0);
    LawCase c = small_case(t5_options(arena));
    Model *model = law_model(&c, arena);
    float *before = memcpy(NEW(arena, model->size, float), model->values, model->size * sizeof(float));
    const float broken[] = {NAN, INFINITY, -INFINITY};
    for (int name = OPTIMIZER_ADAMW; name <= OPTIMIZER_NAG; name++)
        for (int n = 0; n < COUNT_OF(broken); n++) {
            OptimizerOptions options = {.name = name, .beta1 = 0.9, .beta2 = 0.9, .eps = 1e-8, .clip = 1};
            Optimizer *optimizer = optimizer_new(&options, model, arena);
            float *gradients = NEW(arena, model->size, float);
            gradients[0] = 1, gradients[model->params[model->param_count - 1].offset] = broken[n];
            assert_false(isfinite(optimizer_step(optimizer, model, gradients, 0.1)));
            assert_memory_equal(model->values, before, model->size * sizeof(float));
            assert_int_equal(optimizer->step, 0);
            near(optimizer->first[0], 0, 0);
        }
    arena_free(arena);
}

static void optimizer_is_counted(void **state) {
    (void)state;
    Arena *arena = arena_new(1 << 22), *count = arena_new_counting();
    LawCase c = small_case(t5_options(arena));
    Model *model = law_model(&c, arena);
    OptimizerOptions options = {.name = OPTIMIZER_ADAMW};
    size_t used = arena_used(arena);
    assert_non_null(optimizer_new(&options, model, arena));
    assert_null(optimizer_new(&options, model, count));
    assert_int_equal(arena_used(count), arena_used(arena) - used);
    arena_free(count);
    arena_free(arena);
}

static void schedule_has_its_endpoints(void **state) {
    (void)state;
    OptimizerScheduleOptions s = {.warmup = 0.1, .floor = 0.2, .first = 1};
    near(optimizer_schedule_rate(&s, 3, 1, 100), 0.3, 1e-12); /* lr t / w, w = 10 */
    near(optimizer_schedule_rate(&s, 3, 5, 100), 1.5, 1e-12);
    near(optimizer_schedule_rate(&s, 3, 10, 100), 3, 1e-12); /* the peak ends the warm-up */
    near(optimizer_schedule_rate(&s, 3, 55, 100), 1.8,
         1e-12); /* half of the cosine: lr (floor + (1 - floor) / 2) */
    near(optimizer_schedule_rate(&s, 3, 100, 100), 0.6, 1e-12); /* the floor is reached with the last step */
    near(optimizer_schedule_rate(&s, 3, 11, 100), 3 * (0.2 + 0.4 * (1 + cos(acos(-1) / 90))), 1e-12);
    for (int t = 11; t < 100; t++)
        assert_true(optimizer_schedule_rate(&s, 3, t + 1, 100) < optimizer_schedule_rate(&s, 3, t, 100));

    s = (OptimizerScheduleOptions){.warmup = 0, .floor = 1, .first = 1}; /* constant */
    for (int t = 1; t <= 10; t++) near(optimizer_schedule_rate(&s, 2, t, 10), 2, 1e-12);
    s = (OptimizerScheduleOptions){.warmup = 1, .floor = 0, .first = 1}; /* only warm-up */
    for (int t = 1; t <= 10; t++) near(optimizer_schedule_rate(&s, 2, t, 10), 0.2 * t, 1e-12);
    s = (OptimizerScheduleOptions){.warmup = 0.05, .floor = 0.1, .first = 1};
    near(optimizer_schedule_rate(&s, 2, 1, 1), 0.2, 1e-12); /* one step without warm-up: the floor */
    near(optimizer_schedule_rate(&s, 2, 1, 10), 2, 1e-12);  /* round(0.5) = 1 step of warm-up */
}

static void options_have_their_defaults(void **state) {
    (void)state;
    OptimizerOptions o;
    OptimizerScheduleOptions s;
    options_default(&o, optimizer_fields, optimizer_field_count);
    options_default(&s, optimizer_schedule_fields, optimizer_schedule_field_count);
    assert_int_equal(o.name, OPTIMIZER_ADAMW);
    near(o.lr, 2e-3, 0);
    near(o.beta1, 0.9, 0);
    near(o.beta2, 0.98, 0);
    near(o.eps, 1e-8, 0);
    near(o.decay, 0.01, 0);
    near(o.momentum, 0.99, 0); /* fairseq's default for NAG */
    near(o.clip, 1, 0);
    near(s.warmup, 0.05, 0);
    near(s.floor, 0.1, 0);
}

static void options_have_their_bounds(void **state) {
    (void)state;
    static const struct {
        const char *key;
        double low, high;
    } bounds[] = {
        {"lr", 1e-9, 100}, {"beta1", 0, 0.999999},    {"beta2", 0, 0.999999}, {"eps", 1e-15, 1},
        {"decay", 0, 10},  {"momentum", 0, 0.999999}, {"clip", 0, 1e9},
    };
    int found = 0;
    for (int i = 0; i < COUNT_OF(bounds); i++)
        for (int k = 0; k < optimizer_field_count; k++) {
            if (strcmp(optimizer_fields[k].key, bounds[i].key) != 0) continue;
            near(optimizer_fields[k].low, bounds[i].low, 0);
            near(optimizer_fields[k].high, bounds[i].high, 0);
            found++;
        }
    assert_int_equal(found, COUNT_OF(bounds));
    for (int k = 0; k < optimizer_schedule_field_count; k++) {
        near(optimizer_schedule_fields[k].low, 0, 0);
        near(optimizer_schedule_fields[k].high, 1, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_are_the_closed_forms), cmocka_unit_test(adamw_steps_by_the_rate),
        cmocka_unit_test(clipping_scales_in_place),     cmocka_unit_test(broken_gradients_change_nothing),
        cmocka_unit_test(updates_are_projected),        cmocka_unit_test(optimizer_is_counted),
        cmocka_unit_test(schedule_has_its_endpoints),   cmocka_unit_test(options_have_their_defaults),
        cmocka_unit_test(options_have_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
