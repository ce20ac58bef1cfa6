/* reevaluate: the options are assigned to the JSON of the stored experiment, which is then read, planned and
 * swept as any experiment. Variants are assigned after the points are chosen, because they need to be valid
 * only for these points.
 */
#include "run/reevaluate.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#include "sys/atomic_file.h"
#include "experiment/grid.h"
#include "store/database.h"
#include "store/runs.h"

typedef struct Choice {
    const char *const *words; /* NULL-terminated; NULL: all are chosen */
    bool *found;              /* for each word, whether anything matched it */
} Choice;

typedef struct Reevaluation {
    const ReevaluateOptions *options;
    const char *database, *experiment;
    Choice runs, methods; /* by prefixes of keys; by names */
    Arena *arena;
} Reevaluation;

/* --- options as JSON --- */

static Choice choice(const char *const *words, Arena *arena) {
    int count = 0;
    while (words && words[count]) count++;
    return (Choice){words, NEW(arena, count + 1, bool)};
}

static bool chooses(const Choice *choice, const char *text, bool by_beginning) {
    bool any = !choice->words;
    for (int i = 0; choice->words && choice->words[i]; i++) {
        const char *word = choice->words[i];
        if (!*word || (by_beginning ? strncmp(text, word, strlen(word)) : strcmp(text, word))) continue;
        any = choice->found[i] = true;
    }
    return any;
}

/* The first word that matched nothing; NULL if there is none. */
static const char *idle_word(const Choice *choice) {
    for (int i = 0; choice->words && choice->words[i]; i++)
        if (!choice->found[i]) return choice->words[i];
    return NULL;
}

/* A word as a JSON number; NULL if it is not a number. */
static Json *number_json(const char *word, Arena *arena) {
    Error ignored;
    Json *json = json_parse(word, strlen(word), "", arena, &ignored);
    return json_is_number(json) ? json : NULL;
}

/* A list of numbers as JSON; NULL if it is empty. */
static Json *numbers_json(const OptionNumbers *numbers, Arena *arena) {
    Json *list = numbers->count ? json_new_array(arena) : NULL;
    for (int i = 0; i < numbers->count; i++) json_append(list, json_new_number(numbers->values[i], arena));
    return list;
}

#define PROTOCOL_WORDS                                                                                       \
    "nonoverlapping, strided:STRIDE, last_n:TARGETS[:STRIDE], cached[:ROWS] or token[:ROWS]"

/* Adds a protocol to a list: "strided:0.25" becomes {"name":"strided","stride":0.25}. The protocol determines
   which numbers follow its name. */
static bool add_protocol(Json *list, const char *word, Arena *arena, Error *err) {
    static const char *const shapes[][3] = {[EVALUATE_STRIDED] = {"stride"},
                                            [EVALUATE_LAST_N] = {"targets", "stride"},
                                            [EVALUATE_CACHED] = {"cache"},
                                            [EVALUATE_TOKEN] = {"cache"}};
    char *rest = arena_copy(arena, word);
    const char *name = strsep(&rest, ":"), *nearest = text_nearest(name, evaluate_protocol_names);
    Json *json = json_new_object(arena);
    json_append(list, json);
    json_set_text(json, "name", name);
    int protocol = 0;
    while (evaluate_protocol_names[protocol] && strcmp(evaluate_protocol_names[protocol], name)) protocol++;
    if (!evaluate_protocol_names[protocol])
        return error_unknown(err, nearest, "known: " PROTOCOL_WORDS, "--protocol: unknown protocol '%s'",
                             name);
    for (int i = 0; rest; i++) {
        Json *number = number_json(strsep(&rest, ":"), arena);
        const char *key = i < 2 && protocol < COUNT_OF(shapes) ? shapes[protocol][i] : NULL;
        if (number && key) {
            json_set(json, key, number);
            continue;
        }
        return error_set(err, EXIT_USAGE, "--protocol takes " PROTOCOL_WORDS ", got '%s'", word);
    }
    return true;
}

/* Sets evaluate.KEY. */
static bool set(Json *root, const char *key, Json *value, const char *source, Error *err) {
    return grid_set(root, arena_format(json_arena(root), "evaluate.%s", key), value, source, err);
}

/* Adds the variants that one word describes. */
static bool add_variants(Json *list, const char *word, Error *err) {
    size_t size = strlen(word);
    bool text = *word == '{' || *word == '[', file = size > 5 && !strcmp(word + size - 5, ".json");
    Arena *arena = json_arena(list);
    Json *json = text   ? json_parse(word, size, "--variant", arena, err)
                 : file ? file_read_json(word, word, arena, err)
                        : json_new_object(arena);
    if (!json) return false;
    if (!text && !file) {
        json_set_text(json, "name", word);
        json_set_text(json, "method", word);
    }
    for (int i = 0; json_is_array(json) && i < json_count(json); i++)
        json_append(list, json_copy(json_at(json, i), arena));
    if (!json_is_array(json)) json_append(list, json);
    return true;
}

/* The list of the variants of all words; NULL on error. */
static Json *variants_json(const char *const *words, Arena *arena, Error *err) {
    Json *list = json_new_array(arena);
    for (; *words; words++)
        if (!add_variants(list, *words, err)) return NULL;
    return list;
}

/* Applies the options to the experiment's JSON. */
static bool apply(Json *root, const char *name, const ReevaluateOptions *options, const char *source,
                  Arena *arena, Error *err) {
    Json *evaluate = json_get_mutable(root, "evaluate");
    Json *protocols = options->protocols ? json_new_array(arena) : NULL;
    for (const char *const *word = options->protocols; word && *word; word++)
        if (!add_protocol(protocols, *word, arena, err)) return false;
    const struct {
        const char *key;
        Json *value;
    } changes[] = {
        {"lengths", numbers_json(&options->lengths, arena)},
        {"multiples", numbers_json(&options->multiples, arena)},
        {"split", options->split ? json_new_text(options->split, arena) : NULL},
        {"tokens", options->targets >= 0 ? json_new_number((double)options->targets, arena) : NULL},
        {"protocols", protocols},
        {"task.sizes", numbers_json(&options->sizes, arena)},
        {"task.examples", options->examples ? json_new_number((double)options->examples, arena) : NULL},
        {"task.hint", options->hint ? json_new_text(options->hint, arena) : NULL}};
    json_set_text(root, "name", name);
    for (int i = 0; evaluate && i < 2 && (changes[0].value || changes[1].value); i++)
        json_remove(evaluate, changes[i].key);
    for (int i = 0; i < COUNT_OF(changes); i++)
        if (changes[i].value && !set(root, changes[i].key, changes[i].value, source, err)) return false;
    return true;
}

/* --- the plan --- */

/* Tables identify a variant by its name, so the experiment must not have the same name with other options. */
static bool check_variants(const PlanPoint *point, Database *store, const char *name, Arena *arena,
                           Error *err) {
    for (int i = 0; i < point->request_count; i++) {
        const EvaluateVariant *variant = point->requests[i].variant;
        if (!variant) continue;
        const char *const key[] = {name, point->key, variant->name, variant->options, NULL};
        const char *other =
            query_first(store,
                        "SELECT q.variant_options FROM request q JOIN experiment x ON x.id = q.experiment"
                        " WHERE x.name = ? AND q.run = ? AND q.variant = ? AND q.variant_options <> ?",
                        key, arena, err);
        if (other)
            return error_set(err, EXIT_USAGE,
                             "experiment '%s' has a variant '%s' already, with %s; choose another name", name,
                             variant->name, other);
        if (err->code) return false;
    }
    return true;
}

/* Keeps the points chosen by --run and --method. All points of the experiment must be in the database. */
static bool choose_points(Plan *plan, Reevaluation *evaluation, Database *store, Error *err) {
    int kept = 0;
    for (int i = 0; i < plan->count; i++) {
        const PlanPoint *point = &plan->points[i];
        const char *const key[] = {plan->experiment->name, point->key, NULL};
        if (!query_first(store, "SELECT r.key" QUERY_RUNS " WHERE x.name = ? AND r.key = ?", key,
                         evaluation->arena, err))
            return err->code ? false
                             : error_set(err, EXIT_USAGE,
                                         "experiment '%s': the database has no run %s, which its config now "
                                         "describes: the corpus has changed since `poslab run`; rerun it, or "
                                         "restore the corpus",
                                         plan->experiment->name, point->key);
        if (!chooses(&evaluation->runs, point->key, true) ||
            !chooses(&evaluation->methods, point->config->position.method->name, false))
            continue;
        if (!check_variants(point, store, plan->experiment->name, evaluation->arena, err)) return false;
        plan->points[kept] = *point;
        plan->points[kept++].parent = -1; /* evaluation does not need the run that this run continues */
    }
    plan->count = kept;
    return true;
}

/* The chosen point with the same training config (perhaps on another corpus); NULL if there is none. */
static const PlanPoint *chosen(const Plan *plan, const Config *config) {
    for (int i = 0; i < plan->count; i++)
        if (strcmp(plan->points[i].config->trained, config->trained) == 0) return &plan->points[i];
    return NULL;
}

/* The config of a point with these variants; NULL on error. */
static const Config *with_variants(const Config *config, const Json *variants, const char *source,
                                   Arena *arena, Error *err) {
    Arena *scratch = arena_new(0);
    Json *json = json_parse_own(config->resolved, scratch);
    bool fine = set(json, "variants", json_copy(variants, scratch), source, err);
    const Config *changed = fine ? config_parse(json_print(json, scratch), source, arena, err) : NULL;
    arena_free(scratch);
    return changed;
}

/* The experiment with only its chosen points, to which the variants are added; NULL on error. */
static const Experiment *add_to_chosen(const Plan *plan, const Json *variants, Arena *arena, Error *err) {
    Experiment *changed = NEW(arena, 1, Experiment);
    *changed = *plan->experiment;
    changed->points = NEW(arena, plan->experiment->count, Config);
    changed->count = 0;
    for (int i = 0; i < plan->experiment->count; i++) {
        const Config *config = &plan->experiment->points[i];
        const PlanPoint *point = chosen(plan, config);
        if (!point) continue;
        const char *source = arena_format(arena, "experiment '%s', run %s (%s)", changed->name, point->key,
                                          plan_label(point, arena));
        const Config *with = with_variants(config, variants, source, arena, err);
        if (!with) return NULL;
        changed->points[changed->count++] = *with;
    }
    return changed;
}

static Plan *make_plan(Reevaluation *evaluation, Database *store, const char *name, Error *err) {
    Arena *arena = evaluation->arena;
    const char *text = query_first(store, "SELECT config FROM experiment WHERE name = ?",
                                   (const char *const[]){name, NULL}, arena, err);
    const char *source = arena_format(arena, "experiment '%s'", name);
    Json *root = text ? json_parse(text, strlen(text), source, arena, err) : NULL;
    if (!root) return NULL;
    bool fine = apply(root, name, evaluation->options, source, arena, err);
    const char *changed = json_print(root, arena);
    const Experiment *experiment = fine ? config_read_text(changed, source, arena, err) : NULL;
    Plan *plan =
        experiment ? plan_make(experiment, (int)evaluation->options->sweep.jobs.threads, arena, err) : NULL;
    if (!plan || !choose_points(plan, evaluation, store, err)) return NULL;
    const char *const *words = evaluation->options->variants;
    if (!words || !plan->count) return plan;
    Json *variants = variants_json(words, arena, err);
    experiment = variants ? add_to_chosen(plan, variants, arena, err) : NULL;
    plan =
        experiment ? plan_make(experiment, (int)evaluation->options->sweep.jobs.threads, arena, err) : NULL;
    return plan && choose_points(plan, evaluation, store, err) ? plan : NULL;
}

/* Makes the plans of all experiments before any evaluation starts, so that errors are found first.
   NULL-terminated; NULL on error. */
static Plan **make_plans(Reevaluation *evaluation, Error *err) {
    int count = 0;
    Database *store = database_open(evaluation->database, DATABASE_READ, err);
    const char **names =
        store ? database_experiments(store, evaluation->experiment, &count, evaluation->arena, err) : NULL;
    Plan **plans = names ? NEW(evaluation->arena, count + 1, Plan *) : NULL;
    for (int i = 0; plans && i < count; i++) {
        plans[i] = make_plan(evaluation, store, names[i], err);
        if (!plans[i]) plans = NULL;
    }
    database_close(store);
    const char *run = idle_word(&evaluation->runs), *method = idle_word(&evaluation->methods);
    if (plans && (run || method)) {
        const char *kind = run                         ? ""
                           : evaluation->options->runs ? "of those named with the method "
                                                       : "of method ";
        error_set(err, EXIT_USAGE, "database '%s' has no run %s'%s'; `poslab runs %s` lists them",
                  evaluation->database, kind, run ? run : method, evaluation->database);
        plans = NULL;
    }
    return plans;
}

ExitCode reevaluate_run(const char *what, const ReevaluateOptions *options, Error *err) {
    Reevaluation evaluation = {.options = options,
                               .database = options->sweep.database,
                               .experiment = options->experiment,
                               .arena = arena_new(0)};
    evaluation.runs = choice(options->runs, evaluation.arena);
    evaluation.methods = choice(options->methods, evaluation.arena);
    bool found =
        config_find_database(what, &evaluation.database, &evaluation.experiment, evaluation.arena, err);
    Plan **plans = found ? make_plans(&evaluation, err) : NULL;
    ExitCode code = plans ? EXIT_DONE : err->code;
    SweepOptions sweep = options->sweep;
    sweep.database = evaluation.database;
    sweep.jobs.evaluate_only = true;
    sweep.retrain = RUN_TASK_STALE; /* repeats stale evaluations; stale runs are left out */
    for (int i = 0; plans && plans[i] && (code == EXIT_DONE || code == EXIT_SOME_FAILED); i++) {
        ExitCode one = plans[i]->count ? sweep_run(plans[i], &sweep, err) : EXIT_DONE;
        if (one != EXIT_DONE) code = one;
    }
    arena_free(evaluation.arena);
    return code;
}
