/* test_config: experiments.
 *
 * Every point combines the file, the sweep and --set; every error names the path and the valid values; a
 * resolved config reads back as itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "experiment/config.h"
#include "experiment/run_label.h"
#include "near.h"
#include "need.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Arena *arena;
static char path[64];

static int setup(void **state) {
    (void)state;
    arena = arena_new(0);
    snprintf(path, sizeof path, "/tmp/poslab-config-%ld.json", (long)getpid());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_free(arena);
    unlink(path);
    return 0;
}

/* In these tests quotes are written as '. */
static const char *json(const char *text) {
    char *copy = arena_copy(arena, text);
    for (char *c = copy; *c; c++)
        if (*c == '\'') *c = '"';
    return copy;
}

static Experiment *read_file(const char *text, const char *const *sets, Error *err) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(json(text), file);
    assert_int_equal(fclose(file), 0);
    return config_read(path, sets, arena, err);
}

/* An experiment with a corpus, a method and `extra`. */
static Experiment *make(const char *extra, const char *const *sets, Error *err) {
    const char *base = "{'name':'test','data':{'files':'a.txt'},'method':'alibi'";
    return read_file(arena_format(arena, "%s%s%s}", base, *extra ? "," : "", extra), sets, err);
}

static const Experiment *good(const char *extra, const char *const *sets) {
    Error err;
    Experiment *experiment = make(extra, sets, &err);
    if (!experiment) need_methods_of_config(&err);
    if (!experiment) fail_msg("%s: %s", extra, err.text);
    return experiment;
}

/* The error is about the config, names the file and contains the message. */
static void assert_error(const char *text, const Experiment *experiment, const Error *err,
                         const char *message) {
    const char *place = arena_format(arena, "config '%s': ", path);
    assert_null(experiment);
    assert_int_equal(err->code, EXIT_USAGE);
    bool placed = strncmp(err->text, place, strlen(place)) == 0 || strncmp(err->text, "--set", 5) == 0;
    if (!placed || !strstr(err->text, message))
        fail_msg("%s:\nexpected '%s'\n     got '%s'", text, message, err->text);
}

static void assert_bad(const char *extra, const char *message) {
    Error err;
    assert_error(extra, make(extra, NULL, &err), &err, message);
}

static void test_defaults(void **state) {
    (void)state;
    const Experiment *experiment = good("", NULL);
    assert_int_equal(experiment->count, 1);
    assert_string_equal(experiment->name, "test");
    assert_string_equal(experiment->directory, "results/test");
    const Config *config = experiment->points;
    assert_int_equal(config->model.vocabulary, 256);
    assert_int_equal(config->evaluate.length_count, 1);
    assert_int_equal(config->evaluate.lengths[0], config->train.length);
    assert_int_equal(config->evaluate.protocol_count, 1);
    assert_int_equal(config->evaluate.protocols[0].name, EVALUATE_NONOVERLAPPING);
    assert_int_equal(config->evaluate.split, SPLIT_VALID);
    assert_string_equal(config->data.files[SPLIT_TRAIN][0], "a.txt");
    assert_null(config->data.files[SPLIT_TRAIN][1]);
    assert_null(config->data.files[SPLIT_VALID]);
    assert_non_null(
        strstr(config->resolved,
               json("'method':{'name':'alibi','trainable':false,'max_exponent':8,'shape':'linear'}")));
    assert_string_equal(encoding_options_text(&config->position, arena),
                        json("{'trainable':false,'max_exponent':8,'shape':'linear'}"));

    Error err;
    need_method("none");
    experiment = read_file("{'data':{'files':['a','b']},'method':{'name':'none'}}", NULL, &err);
    assert_non_null(experiment);
    assert_int_equal(strncmp(experiment->name, "poslab-config-", 14), 0);
    assert_null(strstr(experiment->name, "json"));
    assert_string_equal(encoding_options_text(&experiment->points->position, arena), "{}");
}

static const Config *parse(const char *resolved) {
    Error err;
    const Config *config = config_parse(resolved, "resolved", arena, &err);
    if (!config) need_methods_of_config(&err);
    if (!config) fail_msg("%s: %s", resolved, err.text);
    return config;
}

static void test_round_trip(void **state) {
    (void)state;
    static const char *const extras[] = {
        "",
        "'train':{'optimizer':{'lr':0.1,'eps':1e-9},'length':100,'tokens_per_step':1000,'seed':"
        "9007199254740992}",
        "'evaluate':{'multiples':[1,1.125,16],'lengths':[7,999],'split':'test','tokens':5,"
        "'protocols':['nonoverlapping',{'name':'strided','stride':0.3},{'name':'strided','stride':64}]}",
        "'model':{'dropout':0.30000000000000004,'final_norm':false,'activation':'swiglu'}",
        "'sweep':{'method':['t5',{'name':'rotary','base':1e6,'pairs':'half'},'sinusoidal'],"
        "'data':[{'files':['a'],'valid_files':['v'],'test_files':'\\u00e9\\n'}]}",
    };
    for (int e = 0; e < COUNT_OF(extras); e++) {
        const Experiment *experiment = good(extras[e], NULL);
        for (int i = 0; i < experiment->count; i++) {
            const Config *point = &experiment->points[i], *again = parse(point->resolved);
            assert_string_equal(again->resolved, point->resolved);
            assert_string_equal(again->trained, point->trained);
        }
    }
}

/* `trained` contains everything that determines training, and nothing else. */
static void test_trained(void **state) {
    (void)state;
    static const struct {
        const char *set;
        bool same;
    } cases[] = {
        {"name=other", true},
        {"evaluate.tokens=7", true},
        {"evaluate.lengths=[3]", true},
        {"data.files=[\"b\"]", true},
        {"train.checkpoint=1", true},
        {"data.split.test=0.1", false},
        {"train.seed=2", false},
        {"method.trainable=true", false},
        {"model.dropout=0.1", false},
        {"train.optimizer.lr=0.1", false},
        {"train.stages=[]", true},
        {"train.stages=[{\"length\":64,\"share\":0}]", true},
        {"train.stages=[{\"length\":64,\"share\":0.5}]", false},
        {"train.growth={}", true},
        {"train.growth={\"block\":4}", true}, /* all layers */
        {"train.growth={\"block\":2}", false},
        {"train.cache=0", true},
        {"train.cache=64", false},
        {"train.order=\"random\"", true},
        {"train.order=\"text\"", false},
        {"evaluate.protocols=[\"cached\"]", true},
    };
    const char *before = good("", NULL)->points->trained;
    assert_string_equal(/* which has an order of its own */
                        good("'train':{'cache':8}", (const char *const[]){"train.order=\"text\"", NULL})
                            ->points->trained,
                        good("'train':{'cache':8}", NULL)->points->trained);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *after = good("", (const char *const[]){cases[i].set, NULL})->points->trained;
        assert_int_equal(strcmp(before, after) == 0, cases[i].same);
    }
    static const char *const lists[] = {"data.valid_files=[\"v\"]", "data.test_files=[\"v\"]"};
    for (int i = 0; i < COUNT_OF(lists);
         i++) /* a corpus is identified by its hash, not by the paths of its files */
        assert_null(strstr(good("", (const char *const[]){lists[i], NULL})->points->trained, "_files"));
}

static void test_lengths(void **state) {
    (void)state;
    const Config *config =
        good("'train':{'length':10,'tokens_per_step':100},"
             "'evaluate':{'multiples':[2,1.26,1.25,1.3,0.01,1.04],'lengths':[20,5,16777216]}",
             (const char *const[]){"evaluate.multiples=[2,1.26,1.25,1.3,0.05,1.04]", NULL})
            ->points;
    static const int64_t expected[] = {1,  5,  10,
                                       13, 20, 1 << 24}; /* 0.5 and 12.5 are rounded away from zero */
    assert_int_equal(config->evaluate.length_count, COUNT_OF(expected));
    for (int i = 0; i < COUNT_OF(expected); i++) assert_int_equal(config->evaluate.lengths[i], expected[i]);
}

static void test_requests(void **state) {
    (void)state;
    const Config *config =
        good("'evaluate':{'lengths':[3,64,200],'split':'test','tokens':9,'protocols':[{'name':'strided','"
             "stride':64},"
             "'nonoverlapping',{'name':'strided','stride':0.5},{'name':'strided','stride':0.001},"
             "{'name':'strided','stride':32}]}",
             NULL)
            ->points;
    static const int64_t expected[][3] = {
        {3, 3, EVALUATE_NONOVERLAPPING}, {3, 2, EVALUATE_STRIDED},
        {3, 1, EVALUATE_STRIDED},        {64, 64, EVALUATE_NONOVERLAPPING},
        {64, 32, EVALUATE_STRIDED},      {64, 1, EVALUATE_STRIDED},
        {200, 64, EVALUATE_STRIDED},     {200, 200, EVALUATE_NONOVERLAPPING},
        {200, 100, EVALUATE_STRIDED},    {200, 1, EVALUATE_STRIDED},
        {200, 32, EVALUATE_STRIDED},
    };
    int count;
    const EvaluateRequest *requests = evaluation_config_requests(&config->evaluate, &count, arena);
    assert_int_equal(count, COUNT_OF(expected));
    for (int i = 0; i < count; i++) {
        assert_int_equal(requests[i].length, expected[i][0]);
        assert_int_equal(requests[i].stride, expected[i][1]);
        assert_int_equal(requests[i].protocol, expected[i][2]);
        assert_int_equal(requests[i].split, SPLIT_TEST);
        assert_int_equal(requests[i].tokens, 9);
    }
}

/* After the model as trained, every variant at each length; everything else is as trained. */
#define E8  "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
#define E64 E8 E8 E8 E8 E8 E8 E8 E8

/* Names are limited in characters, not in bytes. */
/* The length of a request with a cache is that of what a target sees, its stride the length in the config. */
static void test_caches(void **state) {
    (void)state;
    const Experiment *experiment =
        good("'evaluate':{'lengths':[32,64],'protocols':['cached',{'name':'token','cache':100}]}", NULL);
    static const EvaluateRequest wanted[] = {{.protocol = EVALUATE_CACHED, .length = 64, .stride = 32},
                                             {.protocol = EVALUATE_TOKEN, .length = 132, .stride = 32},
                                             {.protocol = EVALUATE_CACHED, .length = 128, .stride = 64},
                                             {.protocol = EVALUATE_TOKEN, .length = 164, .stride = 64}};
    int count;
    const EvaluateRequest *requests =
        evaluation_config_requests(&experiment->points->evaluate, &count, arena);
    assert_int_equal(count, COUNT_OF(wanted));
    for (int i = 0; i < count; i++) {
        assert_int_equal(requests[i].protocol, wanted[i].protocol);
        assert_int_equal(requests[i].length, wanted[i].length);
        assert_int_equal(requests[i].stride, wanted[i].stride);
        const EvaluationConfigProtocol *protocol = &experiment->points->evaluate.protocols[i % 2];
        assert_string_equal(run_label_stride_rule(&requests[i], protocol, arena),
                            i % 2 ? "L - 100" : "0.5 L");
    }
}

static void a_task_has_no_cache(void **state) {
    (void)state;
    need_method("alibi");
    Error err = {0};
    const Experiment *experiment = read_file(
        "{'data':{'task':{'name':'copy','size':4}},'method':'alibi','train':{'cache':8}}", NULL, &err);
    assert_error(
        "a task", experiment, &err,
        "'train.cache' requires consecutive segments of text, which 'copy' does not have; remove it");
    experiment = read_file(
        "{'data':{'task':{'name':'copy','size':4}},'method':'alibi','train':{'order':'text'}}", NULL, &err);
    assert_error("a task", experiment, &err, "'train.order' needs 'data.files'; remove it");
}

static void test_long_names(void **state) {
    (void)state;
    const Experiment *experiment =
        good("'evaluate':{'variants':[{'name':'" E64 "','attention':{'window':2}}]}", NULL);
    assert_int_equal(strlen(experiment->points->evaluate.variants[0]->name), 128);
}

/* A UTF-8 byte-order mark is skipped; errors name other encodings. */
static void test_marks(void **state) {
    (void)state;
    static const char text[] = "{'name':'test','data':{'files':'a.txt'},'method':'alibi'}";
    Error err;
    const Experiment *experiment = read_file(arena_format(arena, "\xEF\xBB\xBF%s", text), NULL, &err);
    if (!experiment) need_methods_of_config(&err);
    if (!experiment) fail_msg("%s", err.text);
    assert_string_equal(experiment->source, good("", NULL)->source);
    static const char *const words[] = {"UTF-16", "UTF-16", "UTF-32"};
    static const char marks[][5] = {"\xFF\xFE{", "\xFE\xFF", "\xFF\xFE\0"};
    for (int i = 0; i < COUNT_OF(marks); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(marks[i], 1, 4, file);
        assert_int_equal(fclose(file), 0);
        assert_error(marks[i], config_read(path, NULL, arena, &err), &err, words[i]);
        assert_non_null(strstr(err.text, "save it as UTF-8"));
    }
}

static void test_variants(void **state) {
    (void)state;
    Config *config = good("'evaluate':{'lengths':[7,9],'variants':[{'name':'all','attention':"
                          "{'nope_every':1}},"
                          "{'name':'half','method':{'name':'alibi'},'attention':{'nope_every':2}}]}",
                          NULL)
                         ->points;
    int count;
    const EvaluateRequest *requests = evaluation_config_requests(&config->evaluate, &count, arena);
    static const char *const names[] = {"", "all", "half"};
    assert_int_equal(count, 6);
    for (int i = 0; i < count; i++) {
        const EvaluateVariant *variant = requests[i].variant;
        assert_int_equal(requests[i].length, i < 3 ? 7 : 9);
        assert_string_equal(variant ? variant->name : "", names[i % 3]);
        Error err;
        const Model *model = model_new(&config->model, &config->position, 7, arena);
        const Model *changed = variant ? config_variant(config, model, variant, arena, &err) : model;
        assert_non_null(changed);
        assert_int_equal(changed->options.attention.nope_every, i % 3);
    }
    static const char spelled_out[] = "{\"attention\":{\"nope_every\":1,\"window\":0,";
    assert_int_equal(strncmp(requests[1].variant->options, spelled_out, strlen(spelled_out)), 0);
    Error err = {0};
    Config *again = config_parse(config->resolved, "again", arena, &err);
    assert_non_null(again);
    assert_string_equal(again->resolved, config->resolved);
    assert_null(strstr(config->trained, "variants"));
}

/* A variant can take back an option that is newer than stored runs, which is not written at its default. */
static void variants_reset_newer_options(void **state) {
    (void)state;
    Config *config = good("'model':{'attention':{'sink_logit':'zero'}},'evaluate':{'variants':[{'name':'off',"
                          "'attention':{'sink_logit':'off'}},{'name':'window','attention':{'window':4}}]}",
                          NULL)
                         ->points;
    const Model *model = model_new(&config->model, &config->position, 7, arena);
    for (int i = 0; i < 2; i++) {
        Error err;
        const Model *changed = config_variant(config, model, config->evaluate.variants[i], arena, &err);
        assert_non_null(changed);
        assert_int_equal(changed->options.attention.sink_logit, i ? ATTENTION_SINK_ZERO : ATTENTION_SINK_OFF);
        assert_int_equal(changed->options.attention.window, i ? 4 : 0);
    }
    Error err = {0};
    Config *again = config_parse(config->resolved, "again", arena, &err);
    assert_non_null(again);
    assert_string_equal(again->resolved, config->resolved);
}

/* "method length seed" of every point, with a star for trained slopes. */
static const char *listing(const Experiment *experiment) {
    const char *text = "";
    for (int i = 0; i < experiment->count; i++) {
        const Config *point = &experiment->points[i];
        bool fixed = !strstr(point->resolved, json("'trainable':true"));
        text = arena_format(arena, "%s%s%s%s %d %d", text, i ? ", " : "", point->position.method->name,
                            fixed ? "" : "*", (int)point->train.length, (int)point->train.seed);
    }
    return text;
}

static void test_sweep(void **state) {
    (void)state;
    static const struct {
        const char *extra, *set, *points;
    } cases[] = {
        {"'sweep':{'method':['t5',{'name':'alibi','trainable':true}],'train.seed':[1,2]}", NULL,
         "t5 128 1, t5 128 2, alibi* 128 1, alibi* 128 2"},
        {"'sweep':{'train.seed':[1,2],'train.length':[64,32]}", NULL,
         "alibi 64 1, alibi 32 1, alibi 64 2, alibi 32 2"},
        {"'sweep':{'method.trainable':[true,false],'method':['alibi']}", NULL, "alibi* 128 1, alibi 128 1"},
        {"'sweep':{'train':[{'seed':5}],'train.length':[64]}", NULL, "alibi 64 5"},
        {"'sweep':{}", NULL, "alibi 128 1"},
        {"'sweep':{'train.seed':[1,2],'train.length':[64,32]},'exclude':[{'train.seed':2,'train.length':64}]",
         NULL, "alibi 64 1, alibi 32 1, alibi 32 2"},
        {"'sweep':{'method':['t5','alibi',{'name':'alibi','max_exponent':4}],'method.trainable':[true,false]}"
         ","
         "'exclude':[{'method':'t5'},{'method':{'max_exponent':4}}]",
         NULL, "alibi* 128 1, alibi 128 1"},
        {"'sweep':{'method.trainable':[true,false]},'exclude':[{'method.trainable':true}]", NULL,
         "alibi 128 1"},
        {"'sweep':{'method.trainable':[true,false]},'exclude':[{'method.trainable':false}]", NULL,
         "alibi* 128 1"},
        {"'sweep':{'evaluate.lengths':[[16],[16,32],[32,16]],'train.seed':[1,2]},"
         "'exclude':[{'evaluate.lengths':[16],'train.seed':1},{'evaluate.lengths':[16,32],'train.seed':2}]",
         NULL, "alibi 128 2, alibi 128 1, alibi 128 1, alibi 128 2"},
        {"'sweep':{'train.seed':[1,2]}", "train.seed=7", "alibi 128 7"},
        {"'sweep':{'train.seed':[1,2]}", "sweep.train.seed=[4]", "alibi 128 4"},
        {"", "sweep.train.seed=[4,5]", "alibi 128 4, alibi 128 5"},
        {"'sweep':{'train.seed':[1,2]}", "sweep={}", "alibi 128 1"},
        {"'sweep':{'train.seed':[1,2]}", "train.length=64", "alibi 64 1, alibi 64 2"},
        {"'sweep':{'method':['alibi',{'name':'alibi'}]}", "method.trainable=true",
         "alibi* 128 1, alibi* 128 1"},
        {"'sweep':{'method.trainable':[false,true]}", "method=alibi", "alibi 128 1, alibi* 128 1"},
        {"'sweep':[{'train.seed':[1,2]},{'train.length':[32],'method':['t5','alibi']}]", NULL,
         "alibi 128 1, alibi 128 2, t5 32 1, alibi 32 1"},
        {"'sweep':[{},{'train.seed':[2]}]", NULL, "alibi 128 1, alibi 128 2"},
        {"'sweep':[{'train.seed':[1,2]},{'train.length':[32,64]}],'exclude':[{'train.seed':2}]", NULL,
         "alibi 128 1, alibi 32 1, alibi 64 1"},
        {"'sweep':[{'train.seed':[1,2]},{'train.length':[32]}]", "train.seed=7", "alibi 128 7, alibi 32 7"},
        {"'sweep':[{'train.seed':[1,2]},{'train.length':[32]}]", "sweep.train.seed=[3]",
         "alibi 128 3, alibi 32 3"},
        {"'sweep':{'method':['t5',{'name':'alibi','trainable':true,'train.seed':5,'train.length':64}]}", NULL,
         "t5 128 1, alibi* 64 5"},
        {"'sweep':{'method':['t5',{'name':'alibi','train.seed':5}]}", "train.seed=7",
         "t5 128 7, alibi 128 7"},
        {"'sweep':{'method':['t5',{'name':'alibi','train.seed':5}]},'exclude':[{'train.seed':5}]", NULL,
         "t5 128 1"},
        {"", "method={\"name\":\"alibi\",\"train.seed\":3}", "alibi 128 3"},
        {"", "method=none", "none 128 1"},
        {"", "method={\"name\":\"alibi\",\"trainable\":true}", "alibi* 128 1"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const Experiment *experiment = good(cases[i].extra, (const char *const[]){cases[i].set, NULL});
        assert_string_equal(listing(experiment), cases[i].points);
        Error err; /* the source is the experiment, with --set */
        assert_non_null(experiment = read_file(experiment->source, NULL, &err));
        assert_string_equal(listing(experiment), cases[i].points);
    }
}

static void test_mistakes(void **state) {
    (void)state;
    static const char *const named[] = {"alibi", "learned", "none", "rotary", "sinusoidal", "t5"};
    for (int i = 0; i < COUNT_OF(named); i++) need_method(named[i]);
    static const char *const cases[][2] = {
        {"'mehtod':1", "unknown key 'mehtod'; did you mean 'method'?"},
        {"'sweeep':{}", "unknown key 'sweeep'; did you mean 'sweep'?"},
        {"'train':{'lenght':64}", "unknown key 'train.lenght'; did you mean 'train.length'?"},
        {"'train':{'optimiser':{}}", "unknown key 'train.optimiser'; did you mean 'train.optimizer'?"},
        {"'train':{'optimizer':{'lr':3e9}}", "'train.optimizer.lr' must be in ["},
        {"'train':{'optimizer':'adamw'}", "'train.optimizer' must be an object, got \"adamw\""},
        {"'train':[]", "'train' must be an object, got a list"},
        {"'train':{'length':100}", "'train.tokens_per_step' must be a multiple of 'train.length'"},
        {"'train':{'cache':-1}", "'train.cache' must be in [0, 1048576], got -1"},
        {"'train':{'cache':8},'sweep':{'method':['randomised']}",
         "'train.cache' requires consecutive segments of text, which 'randomised' does not have; remove it"},
        {"'evaluate':{'protocols':['nonoverlapping','token']},'sweep':{'method':['randomised']}",
         "'evaluate.protocols[1]' requires consecutive segments of text, which 'randomised' does not have; "
         "remove it"},
        {"'train':{'cache':1},'sweep':{'method':['learned']}",
         "'train.length' with 'train.cache' exceeds the limit of "
         "'learned', got 129; lower it, or raise the limit"},
        {"'evaluate':{'protocols':[{'name':'strided','stride':8,'cache':8}]}",
         "'evaluate.protocols[0].cache' must be left out for strided, got 8"},
        {"'evaluate':{'protocols':[{'name':'cached','stride':8}]}",
         "'evaluate.protocols[0].stride' must be left out for cached, got 8"},
        {"'train':{'stages':{}}", "'train.stages' must be a list, got an object"},
        {"'train':{'stages':[64]}",
         "'train.stages[0]' must be an object with a \"length\" and a \"share\", got 64"},
        {"'train':{'stages':[{'length':64,'share':0.1},{'length':32}]}",
         "'train.stages[1]' must be an object with a \"length\" and a \"share\", got an object"},
        {"'train':{'stages':[{'length':64,'share':1.5}]}",
         "'train.stages[0].share' must be in [0, 1], got 1.5"},
        {"'train':{'stages':[{'length':0,'share':0.5}]}",
         "'train.stages[0].length' must be in [1, 1048576], got 0"},
        {"'train':{'stages':[{'length':64,'share':0.5,'lr':1}]}", "unknown key 'train.stages[0].lr'"},
        {"'train':{'stages':[{'length':64,'share':0},{'length':96,'share':0.5}]}",
         "'train.tokens_per_step' must be a multiple of 'train.stages[1].length' (96), got 4096; use for "
         "example 4224"},
        {"'train':{'stages':[{'length':64,'share':1}]}",
         "'train.stages' take all 244 updates and leave none to 'train.length' (128)"},
        {"'train':{'stages':[{'length':256,'share':0.5}]},'sweep':{'method':['learned']}",
         "'train.stages[0].length' exceeds the limit of 'learned', got 256; lower it, or raise the limit"},
        {"'model':{'heads':7}", "'model.width' (128) must be a multiple of 'model.heads' (7)"},
        {"'model':{'vocabulary':100}", "'model.vocabulary' must be 256 for bytes (or left out), got 100"},
        {"'model':{'layers':0}", "'model.layers' must be in [1, "},
        {"'model':{'adaptive':{}}", "'model.adaptive.cutoffs' must be a list, got nothing"},
        {"'model':{'adaptive':{'cutoffs':9}}", "'model.adaptive.cutoffs' must be a list, got 9"},
        {"'model':{'adaptive':{'cutoffs':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}}",
         "'model.adaptive.cutoffs' must have between 1 and 16 items, got 17"},
        {"'model':{'adaptive':{'cutoffs':[20,20]}}", "'model.adaptive.cutoffs[1]' must be a whole number "
                                                     "above 20 and below the vocabulary's 256, got 20"},
        {"'model':{'adaptive':{'cutoffs':[20,256]}}", "below the vocabulary's 256, got 256"},
        {"'model':{'adaptive':{'cutoffs':[2],'facter':2}}",
         "'model.adaptive.facter'; did you mean 'model.adaptive.factor'?"},
        {"'model':{'adaptive':{'cutoffs':[2,3],'factor':16}}", "'model.width' (128) must be divisible by"},
        {"'evaluate':{'split':'train'}", "'evaluate.split' must be one of valid, test, got \"train\""},
        {"'evaluate':{'multiples':[]}", "'evaluate.multiples' must have between 1 and 1000 items, got 0"},
        {"'evaluate':{'multiples':2}", "'evaluate.multiples' must be a list, got 2"},
        {"'evaluate':{'multiples':[1,'2']}", "'evaluate.multiples[1]' must be a number that takes"},
        {"'evaluate':{'multiples':[-1]}", "'evaluate.multiples[0]' must be a number that takes"},
        {"'evaluate':{'multiples':[1e300]}", "'evaluate.multiples[0]' must be a number that takes"},
        {"'evaluate':{'multiples':[0.001]}", "'evaluate.multiples[0]' must be a number that takes"},
        {"'evaluate':{'lengths':[1.5]}",
         "'evaluate.lengths[0]' must be a whole number in [1, 16777216], got 1.5"},
        {"'evaluate':{'lengths':[0]}",
         "'evaluate.lengths[0]' must be a whole number in [1, 16777216], got 0"},
        {"'evaluate':{'lengths':[16777217]}", "'evaluate.lengths[0]' must be a whole number"},
        {"'evaluate':{'protocols':'strided'}", "'evaluate.protocols' must be a list, got \"strided\""},
        {"'evaluate':{'protocols':['stridde']}", "(did you mean 'strided'?), got \"stridde\""},
        {"'evaluate':{'protocols':['strided']}",
         "'evaluate.protocols[0].stride' must be a share of the length"},
        {"'evaluate':{'variants':[{'name':'x'}]}", "'evaluate.variants[0]' must be an object with"},
        {"'model':{'attention':{'adaptive_temperature':true}}",
         "'model.attention.adaptive_temperature' is for evaluation; set it in 'attention' of an item of "
         "'evaluate.variants'"},
        {"'evaluate':{'variants':[{'name':'','attention':{}}]}",
         "'evaluate.variants[0].name' must be 1 to 64"},
        {"'evaluate':{'variants':[{'name':'" E64 "x','attention':{}}]}",
         "'evaluate.variants[0].name' must be 1 to 64 characters"},
        {"'train':{'seed':9007199254740993}", "a double cannot hold this number exactly"},
        {"'train':{'seed':9.007199254740993e15}", "a double cannot hold this number exactly"},
        {"'evaluate':{'tokens':9007199254740993}", "a double cannot hold this number exactly"},
        {"'evaluate':{'variants':[{'name':'x','attention':{}},{'name':'y','attention':{}},{'name':'y',"
         "'attention':{'window':3}}]}",
         "'evaluate.variants[2].name' must be different from the others' names"},
        {"'evaluate':{'variants':[{'name':'x','method':{'name':'t5'}}]}",
         "'evaluate.variants[0]': tensor 'position.bias' differs from the trained model"},
        {"'evaluate':{'variants':[{'name':'x','attention':{'nope':1}}]}",
         "unknown key 'evaluate.variants[0].attention.nope'"},
        {"'evaluate':{'variants':[{'name':'x','attention':{}},{'name':'x','attention':{'nope_every':2}}]}",
         "'evaluate.variants[1].name' must be different from the others' names"},
        {"'evaluate':{'protocols':[{'name':'strided','stride':1.5}]}",
         "must be a share of the length in (0, 1) or"},
        {"'evaluate':{'protocols':[{'name':'strided','stride':-1}]}",
         "'evaluate.protocols[0].stride' must be in [0"},
        {"'evaluate':{'protocols':[{'name':'nonoverlapping','stride':1}]}",
         "must be left out for nonoverlapping"},
        {"'evaluate':{'protocols':[{'stride':1}]}", "'evaluate.protocols[0]' must be a protocol's name or"},
        {"'evaluate':{'protocols':[3]}", "'evaluate.protocols[0]' must be an object, got 3"},
        {"'sweep':[]", "'sweep' must have between 1 and 100 items, got 0"},
        {"'sweep':{'train.seed':1}", "'sweep.train.seed' must be a list of values, got 1"},
        {"'sweep':[{'train.seed':[1]},{'train.seed':2}]",
         "'sweep[1].train.seed' must be a list of values, got 2"},
        {"'sweep':[{'train.seed':[1]},3]", "'sweep[1]' must be an object of path: list of values, got 3"},
        {"'sweep':{'train.seed':[1],'method':[{'name':'alibi','train.seed':2}]}",
         "'method' cannot set 'train.seed', which 'sweep' varies; remove one of the two"},
        {"'sweep':{'method':[{'name':'alibi','method.trainable':true}]}",
         "'method' cannot set 'method.trainable'; write the key without 'method.'"},
        {"'sweep':{'method':[{'name':'alibi','train.sed':2}]}",
         "unknown key 'train.sed'; did you mean 'train.seed'?"},
        {"'description':1", "'description' must be text, got 1"},
        {"'tags':'a'", "'tags' must be a list, got \"a\""},
        {"'tags':['a',1]", "'tags' must be texts that are not empty, got 1"},
        {"'extends':1", "'extends' must be the path of a config, got 1"},
        {"'extends':'/nonesuch.json'", "'extends': config '/nonesuch.json' does not exist; check its path"},
        {"'sweep':{'train.seed':[]}", "'sweep.train.seed' is an empty list"},
        {"'sweep':{'name':['a']}", "'sweep.name': this cannot be swept"},
        {"'sweep':{'sweep.x':[1]}", "'sweep.sweep.x': this cannot be swept"},
        {"'sweep':{'train.sede':[1]}", "unknown key 'train.sede'; did you mean 'train.seed'?"},
        {"'sweep':{'train..seed':[1]}", "'train..seed' is not a path"},
        {"'sweep':{'name.x':[1]}", "'sweep.name.x': this cannot be swept"},
        {"'sweep':{'train.seed':[1,'x']}",
         "'train.seed' must be a whole number, got \"x\" (at train.seed=x)"},
        {"'sweep':{'train.length':[64,96],'method':['t5']}", "(at train.length=96, method=t5)"},
        {"'exclude':{}", "'exclude' must be a list of objects, got an object"},
        {"'exclude':[1]", "'exclude[0]' must be an object of path: value, got 1"},
        {"'exclude':[{}]", "'exclude[0]' is empty"},
        {"'exclude':[{'train.seed':1}]", "'exclude[0]' matches no point"},
        {"'sweep':{'train.seed':[1,2]},'exclude':[{'train.seed':1},{'train.seed':3}]",
         "'exclude[1]' matches no point"},
        {"'sweep':{'train.seed':[1]},'exclude':[{'train.seed':1}]", "'exclude' leaves no point"},
        {"'name':'b'", "duplicate key 'name'"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) assert_bad(cases[i][0], cases[i][1]);

    static const char *const whole[][2] = {
        {"[]", ": must be an object, got a list"},
        {"{}", "'data.files' is missing"},
        {"{'data':{'files':[]}}", "'data.files' must have between 1 and 10000 items, got 0"},
        {"{'data':{'files':3}}", "'data.files' must be a list, got 3"},
        {"{'data':{'files':['a',3]}}", "'data.files' must be names or patterns of files, got 3"},
        {"{'data':{'files':'a','split':{'valid':0.5,'test':0.5}}}",
         "'data.split' must leave a share for training"},
        {"{'data':{'files':'a','valid_files':'b','split':{'valid':0.1}}}", "'data.split.valid' must be 0 if"},
        {"{'data':{'files':'a'}}",
         "'method' must be the name of a method (`poslab methods` lists them) or an object with "},
        {"{'data':{'files':'a'},'method':3}", "or an object with \"name\", got 3"},
        {"{'data':{'files':'a'},'method':{'base':3}}", "or an object with \"name\", got an object"},
        {"{'data':{'files':'a'},'method':'alibbi'}",
         "'method': unknown method 'alibbi'; did you mean 'alibi'?"},
        {"{'data':{'files':'a'},'method':'fourier'}",
         "'method': unknown method 'fourier'; known methods: alibi, "},
        {"{'data':{'files':'a'},'method':{'name':'rotary','bsae':1}}",
         "unknown key 'method.bsae'; did you mean 'method.base'?"},
        {"{'data':{'files':'a'},'method':{'name':'none','x':1}}", "unknown key 'method.x'; known here: name"},
        {"{'data':{'files':'a','tokenizer':'uint16'},'method':'none'}", "'model.vocabulary' is missing"},
        {"{'data':{'task':{'name':'copy','size':[1,2]}},'model':{'adaptive':{'cutoffs':[2]}},'method':'none',"
         "'train':{'length':16}}",
         "'model.adaptive' is for text, and 'data.task' copy has no frequent tokens; remove it"},
        {"{'data':{'files':'a'},'method':'sinusoidal','model':{'width':3,'heads':3}}", "'method': "},
        {"{'name':'','data':{'files':'a'},'method':'none'}", "'name' must be 1 to 64 letters"},
        {"{'name':'.a','data':{'files':'a'},'method':'none'}", "'name' must be 1 to 64 letters"},
        {"{'name':'a/b','data':{'files':'a'},'method':'none'}", "'name' must be 1 to 64 letters"},
        {"{'name':3,'data':{'files':'a'},'method':'none'}", "'name' must be text, got 3"},
        {"{'name':'a'", "line 1, column 12: expected ',' or '}'"},
    };
    for (int i = 0; i < COUNT_OF(whole); i++) {
        Error err;
        assert_error(whole[i][0], read_file(whole[i][0], NULL, &err), &err, whole[i][1]);
    }
}

static void test_sets(void **state) {
    (void)state;
    static const char *const named[] = {"alibi", "rotary", "shape"};
    for (int i = 0; i < COUNT_OF(named); i++) need_method(named[i]);
    static const char *const cases[][2] = {
        {"train.seed", "--set 'train.seed': write path=value"},
        {"=3", "--set '=3': write path=value"},
        {"train.seed=x", "'train.seed' must be a whole number"},
        {"train.seed=[1", "--set train.seed: line 1, column 3"},
        {"train.sed=1", "unknown key 'train.sed'; did you mean 'train.seed'?"},
        {"train.seed.x=1", "'train.seed' must be a"},
        {"train.seed=\x80", "--set train.seed: line 1, column 1: invalid UTF-8"},
        {"a..b=1", "'a..b' is not a path"},
        {"name=a/b", "'name' must be 1 to 64"},
        {"sweep.train.seed=3", "'sweep.train.seed' must be a list"},
        {"method={\"name\":\"alibi\",\"with\":\"rotary\"}", "unknown key 'method.with'"},
        {"method={\"name\":\"shape\",\"with\":\"alibi\"}",
         "'method.with' must be a method that uses the positions"},
        {"method=alib", "unknown method 'alib'; did you mean"},
        {"name.x=1", "'name' is not an object"},
        {"train.seed=9007199254740993",
         "--set train.seed: line 1, column 1: a double cannot hold this number"},
        {"train.seed=-9007199254740993",
         "--set train.seed: line 1, column 1: a double cannot hold this number"},
        {"train.seed=0x10", "'train.seed' must be a whole number, got \"0x10\""},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err;
        const Experiment *experiment = make("", (const char *const[]){cases[i][0], NULL}, &err);
        assert_error(cases[i][0], experiment, &err, cases[i][1]);
    }
    const Experiment *experiment =
        good("", (const char *const[]){"name=fast", "train.seed=3", "train.seed=4", NULL});
    assert_string_equal(experiment->name, "fast");
    assert_int_equal(experiment->points->train.seed, 4);
}

static void test_sizes(void **state) {
    (void)state;
    const char *list = "1";
    for (int i = 2; i <= 100; i++) list = arena_format(arena, "%s,%d", list, i);
    const char *sweep = arena_format(arena, "'sweep':{'train.seed':[%s],'train.tokens':[%s]}", list, list);
    assert_int_equal(good(sweep, NULL)->count, 10000);
    sweep = arena_format(arena, "'sweep':{'train.seed':[%s],'train.tokens':[%s],'evaluate.tokens':[1,2]}",
                         list, list);
    assert_bad(sweep, "'sweep' has more than 10000 points");
    sweep = "'sweep':{'a0':[1]";
    for (int i = 1; i < 70; i++) sweep = arena_format(arena, "%s,'a%d':[1]", sweep, i);
    assert_bad(arena_format(arena, "%s}", sweep), "'sweep' must have at most 64 paths, got 70");
}

/* Each mistake has a line, whichever section it is in; the same one in several points is told once. */
static void test_all_mistakes(void **state) {
    (void)state;
    need_method("alibi");
    need_method("rotary");
    static const struct {
        const char *extra;
        const char *lines[6];
    } cases[] = {
        {"'seed':1,'train':{'length':0,'optimizer':{'lr':0}},'model':{'widht':1},'evaluate':{'tokens':-1}",
         {"unknown key 'seed'; did you mean 'train.seed'?",
          "unknown key 'model.widht'; did you mean 'model.width'?",
          "'train.length' must be in [1, 1048576], got 0",
          "'train.optimizer.lr' must be in [1e-09, 100], got 0",
          "'evaluate.tokens' must be in [0, 1000000000000000], got -1"}},
        {"'sweep':{'train.length':[64,0],'train.optimizer.lr':[1,1e-3,1000]},'cluster':{'threads':0}",
         {"'cluster.threads' must be in [1, 256], got 0",
          "'train.optimizer.lr' must be in [1e-09, 100], got 1000 (at train.length=64, "
          "train.optimizer.lr=1000)",
          "'train.length' must be in [1, 1048576], got 0 (at train.length=0, train.optimizer.lr=1)"}},
        {"'sweep':{'method':[{'name':'alibi','trainabel':true},{'name':'rotary','bsae':1}]}",
         {"unknown key 'method.trainabel'; did you mean 'method.trainable'?",
          "unknown key 'method.bsae'; did you mean 'method.base'? (at method=rotary)"}},
        {"'data':{'files':[],'split':{'valid':2}},'train':{'precision':'fp8'}",
         {"'data.split.valid' must be in [0, 1], got 2",
          "'data.files' must have between 1 and 10000 items, got 0",
          "'train.precision' must be one of fp32, bf16, got \"fp8\""}},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err;
        const char *head = "{'data':{'files':'a'},'method':'alibi',";
        const char *open = strncmp(cases[i].extra, "'data'", 6) == 0 ? "{'method':'alibi'," : head;
        assert_null(read_file(json(arena_format(arena, "%s%s}", open, cases[i].extra)), NULL, &err));
        int count = 1;
        for (const char *at = err.text; (at = strchr(at, '\n')) != NULL; at++) count++;
        for (int k = 0; k < COUNT_OF(cases[i].lines) && cases[i].lines[k]; k++, count--)
            if (!strstr(err.text, cases[i].lines[k]))
                fail_msg("'%s' is not in\n%s", cases[i].lines[k], err.text);
        if (count != 0) fail_msg("%d lines too many:\n%s", count, err.text);
    }
}

/* Writes another config next to that of the test, with single quotes for double ones. Returns its path. */
static const char *write_beside(const char *name, const char *text) {
    const char *other = arena_format(arena, "%s-%s.json", path, name);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    fputs(json(text), file);
    assert_int_equal(fclose(file), 0);
    return other;
}

static const char *file_name(const char *of) {
    return strrchr(of, '/') + 1;
}

static void test_extends(void **state) {
    (void)state;
    need_method("alibi");
    need_method("t5");
    const char *base =
        write_beside("base", "{'name':'base','description':'d','tags':['t'],'data':{'files':'a'},"
                             "'method':{'name':'alibi','trainable':true},'train':{'length':64,"
                             "'seed':3,'optimizer':{'lr':0.5}},'sweep':{'train.seed':[4,5]}}");
    const char *middle = write_beside(
        "middle",
        arena_format(arena, "{'extends':'%s','train':{'seed':7,'optimizer':{'eps':1e-9}}}", file_name(base)));
    Error err;
    const char *text = arena_format(
        arena, "{'name':'x','extends':'%s','method':'t5','sweep':{'train.length':[32]}}", file_name(middle));
    const Experiment *experiment = read_file(json(text), NULL, &err);
    if (!experiment) fail_msg("%s", err.text);
    assert_string_equal(listing(experiment),
                        "t5 32 7"); /* method and sweep are replaced, train is completed */
    assert_string_equal(experiment->name, "x");
    near(experiment->points->optimizer.lr, 0.5, 0);
    near(experiment->points->optimizer.eps, 1e-9, 0);
    assert_null(strstr(experiment->source, "extends"));
    assert_null(strstr(experiment->source, "description"));
    experiment = read_file(experiment->source, NULL, &err); /* which is complete */
    assert_non_null(experiment);
    assert_string_equal(listing(experiment), "t5 32 7");
    assert_null(config_read_text(json(text), "text", arena, &err));
    assert_non_null(strstr(err.text, "text: 'extends' is for files"));

    /* A mistake is in the file in which the key is. */
    const char *wrong =
        write_beside("base", "{'data':{'files':'a'},'method':'alibi','train':{'length':0,'sed':1}}");
    assert_null(read_file(
        json(arena_format(arena, "{'extends':'%s','train':{'tokens':0}}", file_name(wrong))), NULL, &err));
    const char *wanted[] = {arena_format(arena, "config '%s': 'train.length' must be", wrong),
                            arena_format(arena, "config '%s': unknown key 'train.sed'", wrong),
                            arena_format(arena, "config '%s': 'train.tokens' must be", path)};
    for (int i = 0; i < COUNT_OF(wanted); i++)
        if (!strstr(err.text, wanted[i])) fail_msg("'%s' is not in\n%s", wanted[i], err.text);

    write_beside("base", arena_format(arena, "{'extends':'%s'}", file_name(middle)));
    assert_null(read_file(json(text), NULL, &err)); /* middle extends base extends middle */
    assert_non_null(strstr(err.text, "extends itself; name another config"));
    assert_null(read_file(json(arena_format(arena, "{'extends':'%s'}", file_name(path))), NULL, &err));
    assert_non_null(strstr(err.text, "extends itself; name another config"));
    write_beside("base", "[]");
    assert_null(read_file(json(text), NULL, &err));
    assert_non_null(strstr(err.text, ": must be an object, got a list"));
    for (int i = 0; i < 20; i++)
        write_beside(arena_format(arena, "%d", i),
                     arena_format(arena, "{'extends':'%s-%d.json'}", file_name(path), i + 1));
    assert_null(read_file(json(arena_format(arena, "{'extends':'%s-0.json'}", file_name(path))), NULL, &err));
    assert_non_null(strstr(err.text, "more than 16 configs in a chain; shorten it"));
    for (int i = 0; i < 20; i++) remove(arena_format(arena, "%s-%d.json", path, i));
    remove(base);
    remove(middle);
}

/* A worker reads one point; a sweep in it, or a missing name, is an error. */
static void test_parse(void **state) {
    (void)state;
    static const char *const bad[] = {"", "{}",
                                      "{'name':'a','data':{'files':'a'},'method':'none','sweep':{}}",
                                      "{'data':{'files':'a'},'method':'none'}"};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        Error err;
        assert_null(config_parse(json(bad[i]), "run", arena, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_int_equal(strncmp(err.text, "run: ", 5), 0);
    }
}

/* Whether no line of an error is empty, and none is there twice. */
static bool lines_are_distinct(const char *text) {
    const char *lines[256] = {NULL};
    char *rest = arena_copy(arena, text);
    for (int count = 0; (lines[count] = strsep(&rest, "\n")) != NULL; count++) {
        assert_true(count < COUNT_OF(lines) - 1 && *lines[count]);
        for (int i = 0; i < count; i++)
            if (strcmp(lines[i], lines[count]) == 0) return false;
    }
    return true;
}

/* Random damage to a config is accepted or refused with one error line for each mistake, without a crash. */
static void test_mutations(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "{",         "}",    "[",          "]",       ",",   ":",           "\"",   "1e9",
        "-1",        "null", "\"method\"", "\\u0000", "0.5", "\"sweep\":{", "\xFF", "99999999999999999999",
        "\"alibi\"", "true", "."};
    const char *text = json(
        "{'name':'m','data':{'files':['a','b'],'split':{'valid':0.1}},'model':{'layers':2,'heads':4,'width':"
        "32},"
        "'method':{'name':'alibi','trainable':true},'train':{'length':64,'tokens':1e5,'optimizer':{'lr':1e-3}"
        "},"
        "'evaluate':{'multiples':[1,2],'lengths':[7],'protocols':['nonoverlapping',{'name':'strided','stride'"
        ":0.5}]},"
        "'sweep':{'train.seed':[1,2],'method':['t5','none']},'exclude':[{'train.seed':2,'method':'t5'}]}");
    Random rng = random_stream(1, "mutations", "");
    for (int round = 0; round < 3000; round++) {
        Arena *scratch = arena_new(0);
        size_t size = strlen(text);
        char *copy = arena_alloc(scratch, size + 256, 1);
        memcpy(copy, text, size);
        for (uint64_t changes = 1 + random_below(&rng, 4); changes; changes--) {
            size_t at = random_below(&rng, size), span = random_below(&rng, 12);
            const char *piece = random_below(&rng, 3) ? pieces[random_below(&rng, COUNT_OF(pieces))] : "";
            if (at + span > size) span = size - at;
            memmove(copy + at + strlen(piece), copy + at + span, size - at - span);
            memcpy(copy + at, piece, strlen(piece));
            size += strlen(piece) - span;
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(copy, 1, size, file), size);
        fclose(file);
        Error err = {.text = ""};
        const Experiment *experiment = config_read(path, NULL, scratch, &err);
        if (!experiment) assert_true(*err.text && err.code == EXIT_USAGE && lines_are_distinct(err.text));
        for (int i = 0; experiment && i < experiment->count; i++) {
            const Config *again = config_parse(experiment->points[i].resolved, "again", scratch, &err);
            assert_non_null(again);
            assert_string_equal(again->resolved, experiment->points[i].resolved);
        }
        arena_free(scratch);
    }
}

/* A word is a database, or a config, whose database is the given one or that of its experiment. */
static void a_config_has_a_database(void **state) {
    (void)state;
    Error err;
    const char *database = "given.db", *experiment = "chosen";
    assert_true(config_find_database("a.db", &database, &experiment, arena, &err));
    assert_string_equal(database, "a.db");
    assert_string_equal(experiment, "chosen");
    assert_false(config_find_database("none.json", &database, &experiment, arena, &err));
    good("", NULL);
    for (int i = 0; i < 2; i++) {
        database = i ? "given.db" : NULL;
        assert_true(config_find_database(path, &database, &experiment, arena, &err));
        assert_string_equal(database, i ? "given.db" : "results/test.db");
        assert_string_equal(experiment, "test");
    }
}

/* The configs that are part of poslab. */
static void test_shipped(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob("configs/*.json", 0, NULL, &found), 0);
    assert_int_equal(glob("configs/paper/*.json", GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        Error err;
        if (!config_read(found.gl_pathv[i], NULL, arena, &err)) {
            need_methods_of_config(&err);
            fail_msg("%s", err.text);
        }
    }
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_has_a_database),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_trained),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_caches),
        cmocka_unit_test(a_task_has_no_cache),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(variants_reset_newer_options),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_extends),
        cmocka_unit_test(test_all_mistakes),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_marks),
    };
    return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
