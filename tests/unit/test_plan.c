/* test_plan: keys, merged points, sizes that agree with the real allocations, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "experiment/plan_memory.h"
#include "near.h"
#include "need.h"
#include "data/batches.h"
#include "experiment/plan.h"
#include "experiment/mpi_estimate.h"
#include "experiment/plan_print.h"
#include "experiment/run_label.h"
#include "sys/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int threads = 1;

static int setup(void **state) {
    static unsigned char text[1000];
    if (fixture_folder(state)) return 1;
    for (int i = 0; i < COUNT_OF(text); i++) text[i] = (unsigned char)('a' + i * i % 23);
    fixture_put("a.txt", text, sizeof text);
    fixture_put("b.txt", text, sizeof text);
    fixture_put("c.txt", text, 999);
    return 0;
}

/* An experiment on a.txt with a tiny model and `extra`; quotes are written as '. */
static const Plan *make(const char *extra, Error *err) {
    char *text = arena_format(
        arena,
        "{'name':'p','data':{'files':'%s/a.txt','split':{'valid':0.2,'test':0.1}},'model':{'layers':"
        "2,'heads':2,'width':16,'ffn':32},'train':{'length':16,'tokens':1000,'tokens_per_step':64}"
        ",'method':'alibi'%s%s}",
        fixture_path(), *extra ? "," : "", extra);
    const char *path = arena_format(arena, "%s/plan.json", fixture_path());
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    fixture_put(path, text, strlen(text));
    const Experiment *experiment = config_read(path, NULL, arena, err);
    if (!experiment) need_methods_of_config(err);
    if (!experiment) fail_msg("%s: %s", extra, err->text);
    return plan_make(experiment, threads, arena, err);
}

static const Plan *good(const char *extra) {
    Error err;
    const Plan *plan = make(extra, &err);
    if (!plan) fail_msg("%s: %s", extra, err.text);
    return plan;
}

static void test_point(void **state) {
    (void)state;
    const Plan *plan =
        good("'evaluate':{'lengths':[16,50],'protocols':['nonoverlapping',{'name':'strided','stride':4}]}");
    const PlanPoint *point = plan->points;
    assert_int_equal(plan->count, 1);
    /* V C + final norm + layers (qkv, out, ffn, two norms) */
    int64_t parameters = 256 * 16 + 32 + 2 * (3 * 16 * 17 + 16 * 17 + 32 * 17 + 16 * 33 + 64);
    assert_int_equal(point->parameters, parameters);
    assert_int_equal(point->position_parameters, 0);
    assert_int_equal(point->steps, 16); /* 1000 / 64 = 15.6 */
    assert_true(point->train_flops == 16 * 64 * model_flops(&point->config->model, 16, true));
    assert_int_equal(point->request_count, 4);

    /* Tokens passed through the model for each request, counted window by window. */
    double flops = 0;
    int64_t targets = 199; /* of the 200 tokens of the validation split */
    for (int i = 0; i < point->request_count; i++) {
        const EvaluateRequest *request = &point->requests[i];
        int64_t tokens = 0;
        for (int64_t first = 0; first < targets; first += request->stride) {
            int64_t nominal = first + request->stride, end = nominal < targets ? nominal : targets;
            tokens += end - (nominal > request->length ? nominal - request->length : 0);
        }
        flops += (double)tokens * model_flops(&point->config->model, (int)request->length, false);
    }
    assert_true(fabs(point->evaluate_flops / flops - 1) < 1e-12);
    assert_true(point->train_bytes > (size_t)parameters * 16 && point->train_bytes < 100 << 20);
    assert_true(point->evaluate_bytes > (size_t)parameters * 4 && point->evaluate_bytes < 100 << 20);
}

/* The mean number of rows in a cache, update by update or segment by segment. */
static double mean_rows(int64_t capacity, int64_t segment, int64_t epoch, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)(i % epoch * segment < capacity ? i % epoch * segment : capacity);
    return sum / (double)count;
}

/* Cached rows are projected, and seen by every token; training has no gradient at them. A cache is empty at
   first, and at the beginning of an epoch. */
static void work_of_a_cache(void **state) {
    (void)state;
    const PlanPoint *point =
        good("'sweep':{'train.cache':[24]},'evaluate':{'lengths':[16],'tokens':64,'protocols':['cached']}")
            ->points;
    const ModelOptions *options = &point->config->model;
    double layers = (double)options->layers, width = (double)options->width, tokens = 64;
    double project = 6 * layers * width * width / 16, attend = 4 * layers * width;
    int64_t epoch = batches_windows(point->corpus->splits[SPLIT_TRAIN].count, 16) / 4;
    assert_in_range(epoch, 4, point->steps - 2); /* it has several, the last of them begun */
    double rows = mean_rows(24, 16, epoch, point->steps);
    near(point->train_flops,
         (double)point->steps * 64 * (model_flops(options, 16, true) + rows * (2 * project + 3 * attend)),
         1e-6);
    rows = mean_rows(16, 16, 4, 4);
    near(point->evaluate_flops, tokens * (model_flops(options, 16, false) + rows * (project + attend)), 1e-6);
}

static void test_key(void **state) {
    (void)state;
    const PlanPoint *point = good("")->points;
    char digest[SHA256_HEX_SIZE];
    const char *text = arena_format(arena, "poslab 1\n%s\n%s", point->corpus->hash, point->config->trained);
    sha256_hex(text, strlen(text), digest);
    assert_int_equal(strlen(point->key), 16);
    assert_int_equal(strncmp(point->key, digest, 16), 0);

    const char *same = good("'evaluate':{'tokens':20}")->points->key;
    assert_string_equal(same, point->key);
    const char *other = good("'exclude':[],'sweep':{'train.seed':[2]}")->points->key;
    assert_string_not_equal(other, point->key);
}

/* Another value of a field, within its bounds where that is easily said. */
static void change_field(void *options, const OptionField *field) {
    static const struct {
        const char *key;
        int64_t value;
    } values[] = {{"length", 8}, {"tokens_per_step", 128}, {"width", 32}, {"tokens", 2000}, {"heads", 4}};
    void *at = (char *)options + field->offset;
    if (field->type == OPTION_BOOL) *(bool *)at = !*(bool *)at;
    if (field->type == OPTION_CHOICE) *(int *)at = field->choices[*(int *)at + 1] ? *(int *)at + 1 : 0;
    if (field->type == OPTION_REAL) *(double *)at = *(double *)at > 0 ? *(double *)at / 2 : 0.5;
    if (field->type == OPTION_INT) ++*(int64_t *)at;
    for (int i = 0; field->type == OPTION_INT && i < COUNT_OF(values); i++)
        if (strcmp(field->key, values[i].key) == 0) *(int64_t *)at = values[i].value;
}

/* A run is another one as soon as anything differs that decides what is trained: every field of every section
   but how often states are saved, the method, and the corpus. */
static void every_setting_makes_another_run(void **state) {
    (void)state;
    static const struct {
        const char *path[2];
        const OptionField *fields;
        const int *count;
    } sections[] = {{{"train", NULL}, train_fields, &train_field_count},
                    {{"train", "optimizer"}, optimizer_fields, &optimizer_field_count},
                    {{"train", "schedule"}, optimizer_schedule_fields, &optimizer_schedule_field_count},
                    {{"model", NULL}, model_fields, &model_field_count},
                    {{"model", "attention"}, attention_fields, &attention_field_count}};
    const PlanPoint *point = good("")->points;
    const char *resolved = point->config->resolved;
    char key[PLAN_KEY_SIZE];
    int others = 0;
    for (int s = 0; s < COUNT_OF(sections); s++)
        for (int i = 0; i < *sections[s].count; i++) {
            const OptionField *field = &sections[s].fields[i];
            Error err;
            Json *json = json_parse(resolved, strlen(resolved), "", arena, &err);
            Json *section = json_get_mutable(json, sections[s].path[0]);
            if (sections[s].path[1]) section = json_get_mutable(section, sections[s].path[1]);
            Json *one = json_new_object(arena);
            void *options = arena_alloc(arena, 4096, 1);
            const Json *present = json_get(section, field->key); /* some keys are left out at their default */
            if (present) json_set(one, field->key, json_copy(present, arena));
            const OptionSection alone = {"", NULL, field, 1, NULL};
            options_default(options, field, 1);
            if (!options_read(options, &alone, one, "", arena, &err)) fail_msg("%s", err.text);
            change_field(options, field);
            options_write(section, options, field, 1);
            const Config *config = config_parse(json_print(json, arena), "config", arena, &err);
            if (!config) continue; /* that value alone is not allowed */
            point_key(key, config, point->corpus->hash, arena);
            bool same = strcmp(field->key, "checkpoint") == 0;
            if (same != (strcmp(key, point->key) == 0)) fail_msg("%s", field->key);
            others += !same;
        }
    assert_true(others >= 31);
    point_key(key, point->config, "another corpus", arena);
    assert_string_not_equal(key, point->key);
    assert_string_not_equal(good("'sweep':{'method':['none']}")->points->key, point->key);
}

static void test_merge(void **state) {
    (void)state;
    const Plan *plan =
        good("'sweep':{'evaluate.lengths':[[16,32],[32,64]],'train.seed':[1,2],'evaluate.split':"
             "['valid','test']}");
    assert_int_equal(plan->count, 2);
    for (int i = 0; i < plan->count; i++) {
        assert_int_equal(plan->points[i].config->train.seed, i + 1);
        assert_int_equal(plan->points[i].request_count, 6);
        assert_ptr_equal(plan->points[i].corpus, plan->points[0].corpus);
    }
    plan = good(arena_format(arena, "'sweep':{'data.files':[['%s/a.txt'],['%s/b.txt'],['%s/c.txt']]}",
                             fixture_path(), fixture_path(), fixture_path()));
    assert_int_equal(plan->count, 2); /* a and b hold the same text */
}

/* Other shares make another corpus. */
static void test_corpora(void **state) {
    (void)state;
    static const char *const sweeps[] = {"'sweep':{'data.split.valid':[0.2,0.3]}",
                                         "'sweep':{'data.split.test':[0.1,0.2]}"};
    for (int i = 0; i < COUNT_OF(sweeps); i++) {
        const Plan *plan = good(sweeps[i]);
        assert_int_equal(plan->count, 2);
        assert_ptr_not_equal(plan->points[0].corpus, plan->points[1].corpus);
        assert_string_not_equal(plan->points[0].key, plan->points[1].key);
    }
}

/* An evaluation beyond a method's limit costs nothing. */
static void test_limit(void **state) {
    (void)state;
    const PlanPoint *all = good("'sweep':{'method':['learned'],'evaluate.lengths':[[16,17,100]]}")->points;
    const PlanPoint *one = good("'sweep':{'method':['learned'],'evaluate.lengths':[[16]]}")->points;
    assert_int_equal(all->request_count, 3);
    assert_true(all->evaluate_flops == one->evaluate_flops && one->evaluate_flops > 0);
    assert_int_equal(all->evaluate_bytes, one->evaluate_bytes);
}

/* Names show as many components of a path as tell it from the others; a value may have spaces. */
static void test_names(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "A"},
        {"train.optimizer.lr=0.1", "A lr=0.1"},
        {"train.optimizer.lr=0.1 model.width=absent", "A lr=0.1 width=absent"},
        {"train.length=8 model.length=9 model.width=1", "A train.length=8 model.length=9 width=1"},
        {"a.b.c=1 x.b.c=2 c=3", "A a.b.c=1 x.b.c=2 c=3"},
        {"data.files=[\"my text.txt\", \"b\"] train.tokens=1e6",
         "A files=[\"my text.txt\", \"b\"] tokens=1e6"},
        {"data.files=a = b x.c=", "A files=a = b c="},
        {"data.task.hint.name=fill data.task.hint.share=0.5", "A hint=fill share=0.5"},
        {"train.optimizer.name=lion data.task.name=copy", "A optimizer=lion task=copy"},
        {"a.hint.name=x b.hint.name=y", "A a.hint=x b.hint=y"},
    };
    for (int i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(run_label_name("A", rows[i][0], arena), rows[i][1]);
    int count;
    const RunLabelSetting *settings = run_label_read("train.optimizer.lr=0.1 model.width=2", &count, arena);
    assert_int_equal(count, 2);
    assert_string_equal(settings[1].path, "model.width");
    assert_string_equal(settings[1].name, "width");
    assert_string_equal(settings[1].value, "2");
}

static void test_labels(void **state) {
    (void)state;
    const Plan *plan =
        good("'sweep':{'method':['alibi','none',{'name':'rotary','pairs':'half','base':100},{'name':'alibi',"
             "'trainable':true}],'train.length':[16,8],'train.seed':[1,3]}");
    static const char *const labels[] = {
        "alibi L=16 seed=1", "alibi L=16 seed=3", "alibi L=8 seed=1",
        "alibi L=8 seed=3",  "none L=16 seed=1",  "none L=16 seed=3",
        "none L=8 seed=1",   "none L=8 seed=3",   "rotary(base=100,pairs=half) L=16 seed=1",
    };
    for (int i = 0; i < COUNT_OF(labels); i++)
        assert_string_equal(plan_label(&plan->points[i], arena), labels[i]);
    assert_string_equal(plan_label(&plan->points[15], arena), "alibi(trainable=true) L=8 seed=3");
    assert_int_equal(plan->points[15].position_parameters, 2);
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"'sweep':{'train.length':[16,1024],'train.tokens_per_step':[1024],'train.tokens':[9000]}",
         "'train.length' 1024 needs at least 1025"},
        {"'sweep':{'train.length':[700],'train.tokens_per_step':[700]}",
         "'train.length' 700 needs at least 701"},
        {"'sweep':{'data.split.valid':[0.001]}",
         "'evaluate.split' valid needs at least 2 tokens, it has 1; raise"},
        {"'sweep':{'data.split.test':[0],'evaluate.split':['test']}",
         "'evaluate.split' test needs at least 2 tokens"},
        {"'sweep':{'data.files':['/nowhere/*']}", "/nowhere/*"},
        {"'sweep':{'model.width':[65536],'model.ffn':[1048576],'model.layers':[1024],'model.heads':[1]}",
         " to train, "},
        {"'sweep':{'train.tokens':[1e15],'train.tokens_per_step':[16]}", " to train, the machine has "},
        {"'sweep':{'evaluate.tokens':[0,200]}",
         "'evaluate.tokens' must be at most 199, the targets of the valid split, got 200; lower it"},
        {"'sweep':{'evaluate.multiples':[[1,2],[1,16]]}",
         "evaluation at length 256 needs 256 targets, the valid split has 199; remove"},
        {"'sweep':{'evaluate.tokens':[64],'train.length':[16,32],'evaluate.multiples':[[1,4]]}",
         "'evaluate.tokens' must be at least 128 for evaluation at length 128, got 64; raise it"},
        {"'sweep':{'evaluate.tokens':[64],'evaluate.lengths':[[64,65]],'evaluate.protocols':[[{'name':'"
         "strided',"
         "'stride':0.5}]]}",
         "'evaluate.tokens' must be at least 66 for evaluation at length 65, got 64"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err = {.text = "made"};
        assert_null(make(cases[i][0], &err));
        assert_int_equal(err.code, EXIT_USAGE);
        if (strncmp(err.text, "config '", 8) != 0 || !strstr(err.text, cases[i][1]))
            fail_msg("expected '%s', got '%s'", cases[i][1], err.text);
    }
}

static char *printed(const Plan *plan, bool json) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(plan_print(plan, json ? TABLE_AS_JSON : TABLE_AS_TEXT, out, &(Error){0}));
    fclose(out);
    char *copy = arena_copy(arena, text);
    free(text);
    return copy;
}

/* An experiment on a corpus that does not exist, as `plan` and as `run` treat it. */
static const Plan *outline(const char *extra, Error *refusal) {
    Error err;
    char *text = arena_format(
        arena, "{'name':'p','data':{'files':'/nowhere/x'%s,'method':'none','train':{'length':16,%s", extra,
        "'tokens':1024,'tokens_per_step':64}}");
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    const Experiment *experiment = config_read_text(text, "config 'x'", arena, &err);
    if (!experiment) need_methods_of_config(&err);
    if (!experiment) fail_msg("%s: %s", extra, err.text);
    assert_null(plan_make(experiment, 1, arena, refusal));
    const Plan *plan = plan_make_outline(experiment, 1, 1, arena, &err);
    if (!plan) fail_msg("%s: %s", extra, err.text);
    return plan;
}

static void test_absent(void **state) {
    (void)state;
    Error refusal;
    const Plan *plan = outline("},'evaluate':{'tokens':100,'lengths':[10]}", &refusal);
    const PlanPoint *point = plan->points;
    assert_int_equal(plan->notice_count, 1);
    assert_string_equal(plan->notices[0], refusal.text);
    assert_non_null(strstr(refusal.text, "no such file '/nowhere/x'"));
    assert_non_null(strstr(printed(plan, false), refusal.text));
    assert_true(point->train_flops == 1024 * model_flops(&point->config->model, 16, true));
    assert_true(point->evaluate_flops == 100 * model_flops(&point->config->model, 10, false));
    plan = outline("}", &refusal);
    assert_true(plan->points[0].evaluate_flops == 0);
    plan = outline("},'model':{'width':65536,'ffn':1048576,'layers':1024,'heads':1}", &refusal);
    assert_int_equal(plan->notice_count, 2);
    assert_non_null(strstr(plan->notices[1], " to train, the machine has "));
    plan = outline("},'model':{'width':4096,'ffn':1,'layers':1,'heads':1,'max_tokens_in_flight':1},"
                   "'evaluate':{'lengths':[16777216]}",
                   &refusal);
    assert_int_equal(plan->notice_count, 2);
    assert_non_null(strstr(plan->notices[1], " to evaluate, the machine has "));
}

/* Each of two ranks gets two of the four sequences of an update; five ranks are one too many. */
static void test_ranks(void **state) {
    (void)state;
    Error refusal;
    const PlanPoint *point;
    Plan copy = *outline("},'evaluate':{'tokens':100,'lengths':[10]}", &refusal), *plan = &copy;
    plan->gigabits = 8;
    point = plan->points;
    MpiEstimate one = mpi_estimate_make(plan, 1, 1e-9), two = mpi_estimate_make(plan, 2, 1e-9);
    MpiEstimate four = mpi_estimate_make(plan, 4, 1e-9), five = mpi_estimate_make(plan, 5, 1e-9);
    assert_true(one.exchange == 0 && one.sent == 0 && fabs(one.speedup - 1) < 1e-12);
    assert_true(fabs(one.seconds - 1e-9 * (point->train_flops + point->evaluate_flops)) < 1e-12);
    assert_true(one.bytes == (double)point->train_bytes);
    double gradients =
        two.sent; /* 2 (N - 1) / N of them, at 1e9 bytes per second, and two messages per step */
    assert_true(gradients >= 4.0 * (double)point->parameters && gradients < 4.1 * (double)point->parameters);
    assert_true(fabs(two.exchange - 16 * (gradients / 1e9 + 2 * 30e-6)) < 1e-9);
    assert_true(fabs(two.seconds - two.exchange - one.seconds / 2) < 1e-9);
    assert_true(four.sent == 1.5 * gradients);
    assert_true(five.sent == four.sent && five.exchange == four.exchange);
    assert_true(five.seconds < four.seconds); /* evaluations are divided further */
    assert_true(four.bytes < two.bytes);
}

/* Six layers by Prop-1 cost the share sum i^2 / (6 sum i) = 1 / 1.385 of the layers' FLOPs, memory is that of
   the whole model. */
static void a_growing_model(void) {
    const char *text = "'sweep':{'model.layers':[6],'train.tokens':[134400],'train.growth':[{},{'block':1}]}";
    Plan plan = *good(text);
    const PlanPoint *whole = &plan.points[0], *grown = &plan.points[1];
    double embedding = 6.0 * 256 * 16 * 134400, share = 91.0 / (6 * 21);
    assert_int_equal(whole->stage_count, 1);
    assert_int_equal(grown->stage_count, 6);
    for (int i = 0; i < 6; i++) assert_int_equal(grown->stages[i].train.updates, 100 * (i + 1));
    assert_true(fabs((grown->train_flops - embedding) / (whole->train_flops - embedding) - share) < 1e-12);
    assert_int_equal(grown->parameters, whole->parameters);
    assert_int_equal(grown->train_bytes, whole->train_bytes);
    plan.gigabits = 8;
    const MpiEstimate one = mpi_estimate_make(&plan, 1, 1e-9), two = mpi_estimate_make(&plan, 2, 1e-9);
    assert_true(fabs(two.seconds - two.exchange - one.seconds / 2) < 1e-9);
    assert_non_null(strstr(printed(&plan, false), "layers"));
}

/* Costs are sums over stages, memory is that of the largest. An update at 64 costs 0.79 of one at 512 with
   the model of the reproduction, at 128 0.82. */
static void test_stages(void **state) {
    (void)state;
    static const int lengths[] = {4, 32, 16}, updates[] = {4, 8, 4}, active[] = {3, 2, 3}, most[] = {6, 1, 2};
    Plan copy = *good("'sweep':{'train.stages':[[{'length':4,'share':0.25},{'length':32,'share':0.5}]]}");
    const PlanPoint *point = copy.points;
    Model *model = model_new(&point->config->model, &point->config->position, 16, arena);
    double flops = 0, seconds = 0;
    size_t bytes = 0;
    assert_int_equal(point->stage_count, 3);
    for (int i = 0; i < 3; i++) {
        const PlanStage *stage = &point->stages[i];
        TrainOptions alone = point->config->train;
        alone.length = lengths[i];
        alone.stage_count = 0;
        size_t own = train_bytes(model, &alone, &point->config->optimizer);
        if (own > bytes) bytes = own;
        assert_int_equal(stage->train.length, lengths[i]);
        assert_int_equal(stage->train.updates, updates[i]);
        assert_true(stage->flops == updates[i] * 64 * model_flops(&point->config->model, lengths[i], true));
        flops += stage->flops;
        seconds += 1e-9 * stage->flops * most[i] / stage->train.sequences;
        assert_true(most[i] == ceil((double)stage->train.sequences / active[i]));
    }
    assert_true(point->train_flops == flops);
    assert_int_equal(point->train_bytes, bytes);
    copy.gigabits = 8;
    MpiEstimate three = mpi_estimate_make(&copy, 3, 1e-9);
    assert_true(fabs(three.seconds - three.exchange - seconds - 1e-9 * point->evaluate_flops / 3) < 1e-12);
    const char *text = printed(&copy, false);
    assert_non_null(strstr(text, "Stages of training"));
    assert_null(strstr(printed(good(""), false), "Stages of training"));
    assert_non_null(strstr(printed(&copy, true), "\"stages\": ["));
    assert_null(strstr(printed(good(""), true), "\"stages\": ["));

    a_growing_model();
    Error err;
    assert_null(make("'sweep':{'train.stages':[[{'length':1024,'share':0.5}]],'train.tokens_per_step':[1024],"
                     "'train.tokens':[9000]}",
                     &err));
    assert_non_null(strstr(err.text,
                           "'train.stages[0].length' 1024 needs at least 1025 training tokens, the "
                           "corpus has 700; add files to 'data.files' or lower 'train.stages[0].length'"));
    ModelOptions r1;
    model_default(&r1);
    r1.layers = 4, r1.heads = 8, r1.width = 128, r1.ffn = 512, r1.vocabulary = 256;
    assert_true(fabs(model_flops(&r1, 64, true) / model_flops(&r1, 512, true) - 0.79) < 0.005);
    assert_true(fabs(model_flops(&r1, 128, true) / model_flops(&r1, 512, true) - 0.82) < 0.005);
}

/* Children before and after their parents, a chain, and the parts of a key. */
static void test_parents(void **state) {
    (void)state;
    static const char points[] = "'sweep':[{'method':['none'],'train.length':[32],'train.seed':[1,2],'train."
                                 "from':[{'method':'alibi'}]},"
                                 "{'method':['alibi'],'train.seed':[1,2]%s},{'train.length':[8],'train.seed':"
                                 "[2],'train.frozen':[['norm.*']],"
                                 "'train.from':[{'train.from':{'method':'alibi'},'train.length':32}]}]";
    const Plan *plan = good(arena_format(arena, points, ""));
    const PlanPoint *p = plan->points;
    static const int parents[] = {2, 3, -1, -1, 1};
    assert_int_equal(plan->count, 5);
    const int *found = plan_order(plan, arena);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(p[i].parent, parents[i]);
        if (parents[i] >= 0) assert_string_equal(p[i].config->train.from, p[parents[i]].key);
        int place = 0;
        while (found[place] != i) place++;
        for (int k = place; k < 5 && parents[i] >= 0; k++) assert_int_not_equal(found[k], parents[i]);
    }
    const char *text = printed(plan, false);
    assert_non_null(strstr(text, "Continued runs"));
    assert_non_null(strstr(printed(plan, true), "\"continued\": ["));
    assert_null(strstr(printed(good(""), true), "\"continued\""));
    const char **settings = run_label_settings(plan, arena);
    assert_string_equal(settings[0], settings[1]); /* not the keys of their parents */
    Error err;
    const Config *again = config_parse(p[0].config->resolved, "again", arena, &err);
    assert_non_null(again);
    char key[PLAN_KEY_SIZE];
    point_key(key, again, p[0].corpus->hash, arena);
    assert_string_equal(key, p[0].key);

    /* Another parent, also of the parent, makes another run. */
    const Plan *changed = good(arena_format(arena, points, ",'train.tokens':[2000]"));
    for (int i = 0; i < 5; i++) assert_string_not_equal(changed->points[i].key, p[i].key);
    const Plan *other =
        good("'sweep':[{'method':['alibi']},{'train.length':[32],'train.from':[{'method':'alibi'}]},"
             "{'train.length':[32],'train.from':[{'train.length':16,'train.seed':1}]}]");
    assert_int_equal(other->count, 2); /* two ways to name one run */
    assert_int_equal(other->points[1].parent, 0);
    const Plan *known = good(arena_format(arena, "'sweep':{'train.from':['%s']}", p[2].key));
    assert_int_equal(known->points[0].parent, -1);
}

/* Baevski and Auli's model for WikiText-103, with 247 M parameters according to the paper and fairseq. */
static void test_adaptive(void **state) {
    (void)state;
    Error refusal;
    const Plan *plan = outline(
        ",'tokenizer':'uint32'},'model':{'layers':16,'heads':8,'width':1024,'ffn':4096,'final_norm':false,"
        "'vocabulary':267744,'adaptive':{'cutoffs':[20000,60000]}}",
        &refusal);
    const PlanPoint *point = plan->points;
    int64_t layer = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024;
    int64_t embeddings = 20000 * 1024 + 40000 * 256 + 207744 * 64;
    int64_t projections = 1024 * (1024 + 256 + 64) + 2 * 1024; /* and two classes */
    assert_int_equal(point->parameters, 16 * layer + embeddings + projections);
    assert_int_equal(point->parameters, 246933504);
    assert_int_equal(plan->notice_count, 1);
    assert_string_equal(plan->notices[0], refusal.text);
    assert_non_null(strstr(plan->notices[0], "no such file"));
    double layers = 2.0 * 16 * (12.0 * 1024 * 1024 + 16 * 1024), softmax = 2.0 * 1024 * (1024 + 20002);
    assert_true(point->train_flops == 1024 * 3 * (layers + softmax));
    Error err;
    assert_non_null(strstr(point->config->trained, "\"adaptive\":{\"cutoffs\":[20000,60000],\"factor\":4"));
    assert_non_null(config_parse(point->config->resolved, "again", arena, &err));
}

/* The memory of a worker with four threads is counted for four, in training, in evaluation and with other
 * workers.
 */
static void test_threads(void **state) {
    (void)state;
    static const char extra[] = "'evaluate':{'lengths':[16]}";
    const PlanPoint *one = good(extra)->points;
    threads = 4;
    const PlanPoint *four = good(extra)->points;
    threads = 1;
    const Config *config = four->config;
    Model *model = model_new(&config->model, &config->position, 16, arena);
    assert_int_equal(one->train_bytes, train_bytes(model, &config->train, &config->optimizer));
    model->threads = 4; /* each with its own gradients */
    assert_int_equal(four->train_bytes, train_bytes(model, &config->train, &config->optimizer));
    assert_true(four->train_bytes >= one->train_bytes + 3 * model->size * sizeof(float));
    assert_int_equal(four->evaluate_bytes,
                     evaluate_bytes(model, &(EvaluateRequest){.length = 16, .stride = 16}) +
                         model->size * sizeof(float));
    assert_true(four->evaluate_bytes > one->evaluate_bytes);
    assert_true(plan_resident(four) - plan_resident(one) >= (double)(four->train_bytes - one->train_bytes));
    assert_string_equal(one->key, four->key);
}

/* One window of two tokens is sufficient. */
static void test_just_enough(void **state) {
    (void)state;
    good("'sweep':{'train.length':[699],'train.tokens_per_step':[699],'evaluate.lengths':[[199]]}");
    good("'sweep':{'data.split.valid':[0.002],'evaluate.lengths':[[1]]}");
}

/* Three runs: two that take 0.4 of the memory each, and a small one. */
static void test_crowd(void **state) {
    (void)state;
    const Plan *plan = good("'sweep':{'train.seed':[1,2,3]}");
    Error err;
    assert_int_equal(plan_memory_fitting(plan_sizes(plan, arena), 3, arena), 3);
    assert_true(plan_memory_check(plan_sizes(plan, arena), 3, 3, arena, &err));
    plan->points[0].train_bytes = plan->points[2].evaluate_bytes = (size_t)(0.4 * memory_total());
    assert_true(plan_memory_check(plan_sizes(plan, arena), 3, 1000, arena, &err));
    plan->points[1].train_bytes = (size_t)(0.3 * memory_total());
    assert_int_equal(plan_memory_fitting(plan_sizes(plan, arena), 3, arena), 2);
    assert_true(plan_memory_check(plan_sizes(plan, arena), 3, 2, arena, &err));
    assert_false(plan_memory_check(plan_sizes(plan, arena), 3, 3, arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_int_equal(strncmp(err.text, "3 runs at a time need up to ", 28), 0);
    assert_non_null(strstr(err.text, "; make --jobs at most 2"));
    assert_non_null(strstr(printed(plan, false), "Of the 3 runs, 2 fit into the machine's memory of "));
    assert_non_null(strstr(printed(plan, true), "\"fitting_at_once\": 2"));
    plan->points[0].train_bytes = (size_t)(2 * memory_total()); /* which a plan refuses */
    assert_true(plan_memory_check(plan_sizes(plan, arena), 3, 1, arena, &err));
    assert_false(plan_memory_check(plan_sizes(plan, arena), 3, 2, arena, &err));
    assert_non_null(strstr(err.text, "; make --jobs at most 1"));
}

static void test_print(void **state) {
    (void)state;
    const Plan *plan =
        good("'sweep':{'method':['alibi',{'name':'alibi','trainable':true}],'train.optimizer.lr':[0.1,0.2]}");
    char *table = printed(plan, false);
    assert_non_null(strstr(table, plan->points[0].corpus->hash));
    assert_non_null(strstr(table, "train 700, valid 200, test 100, vocabulary 256"));
    assert_non_null(strstr(table, "alibi(trainable=true) L=16 seed=1 lr=0.2"));
    assert_non_null(strstr(table, "total of 4 runs"));
    size_t width = 0; /* all rows of the table end in the same column */
    for (char *line = strtok(strstr(table, "run "), "\n"); line && *line != 'T'; line = strtok(NULL, "\n")) {
        if (!width) width = strlen(line);
        assert_int_equal(strlen(line), width);
    }
    Error err;
    const char *text = printed(plan, true);
    Json *json = json_parse(text, strlen(text), "plan", arena, &err);
    assert_non_null(json);
    const Json *points = json_get(json, "points"), *total = json_get(json, "total");
    assert_int_equal(json_count(points), 4);
    assert_int_equal(json_count(json_get(json, "corpora")), 1);
    double seconds = 0;
    for (int i = 0; i < 4; i++) {
        const Json *point = json_at(points, i);
        assert_string_equal(json_text(json_get(point, "key"), ""), plan->points[i].key);
        assert_true(json_number(json_get(point, "parameters"), 0) == (double)plan->points[i].parameters);
        seconds += json_number(json_get(point, "seconds"), NAN);
    }
    assert_true(seconds > 0 && fabs(json_number(json_get(total, "seconds"), 0) / seconds - 1) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_point, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_key, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(work_of_a_cache, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(every_setting_makes_another_run, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_merge, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_corpora, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_limit, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_labels, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_names, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_refusals, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_absent, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_ranks, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_stages, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_parents, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_adaptive, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_just_enough, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_threads, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_crowd, setup, fixture_folder_remove),
        cmocka_unit_test_setup_teardown(test_print, setup, fixture_folder_remove),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
