#include "run/run_task.h"

#include <string.h>

#include "math/precision.h"
#include "store/run_folder.h"

bool run_task_retrains(const RunState *state, RunTaskRetrain which) {
    if (state->imported) return false;
    return (state->stale && which != RUN_TASK_NONE) ||
           (state->changed && which >= RUN_TASK_STALE_AND_CHANGED) ||
           (state->trained && which == RUN_TASK_ALL);
}

bool run_task_needed(RunTask *task, Database *store, const PlanPoint *point, RunTaskNeed need, Arena *arena) {
    RunState state = runs_state(store, point->key);
    memcpy(task->key, point->key, sizeof point->key);
    task->retrain = need.retrain;
    task->trained = state.trained && !need.retrain && !need.train;
    task->imported = state.imported;
    task->requests = NEW(arena, point->request_count, EvaluateRequest);
    task->request_count = task->stale = 0;
    for (int i = 0; i < point->request_count; i++) {
        const EvaluateRequest *request = &point->requests[i];
        RunsEvaluation stored =
            store && !need.retrain ? runs_evaluation(store, point->key, request) : RUNS_EVALUATION_MISSING;
        bool stale = stored == RUNS_EVALUATION_STALE && !state.stale;
        task->stale += stale;
        if (stored == RUNS_EVALUATION_MISSING || (stale && need.repeat))
            task->requests[task->request_count++] = *request;
    }
    return need.retrain || need.train ||
           (state.status != RUN_DIVERGED &&
            (task->request_count || !task->trained || state.status != RUN_DONE));
}

const RunTaskNeed *run_task_needs(Database *store, const Plan *plan, RunTaskRetrain which, Arena *arena) {
    const int *order = plan_order(plan, arena);
    RunTaskNeed *needs = NEW(arena, plan->count + 1, RunTaskNeed);
    RunState *states = NEW(arena, plan->count + 1, RunState);
    bool *wanted = NEW(arena, plan->count + 1, bool);
    for (int k = 0; k < plan->count; k++) {
        int i = order[k], parent = plan->points[i].parent;
        states[i] = runs_state(store, plan->points[i].key);
        needs[i].retrain = run_task_retrains(&states[i], which) ||
                           (parent >= 0 && needs[parent].retrain && states[i].trained);
    }
    for (int k = plan->count - 1; k >= 0; k--) {
        int i = order[k], parent = plan->points[i].parent;
        RunTask task;
        needs[i].repeat = which != RUN_TASK_NONE;
        bool lost = states[i].trained && !states[i].imported && states[i].status != RUN_DIVERGED &&
                    !run_folder_weights(store, plan->points[i].key, arena) &&
                    (wanted[i] || (run_task_needed(&task, store, &plan->points[i], needs[i], arena) &&
                                   task.request_count));
        needs[i].retrain |= lost && states[i].stale;
        needs[i].train = needs[i].retrain || lost || (!states[i].trained && states[i].status != RUN_DIVERGED);
        if (parent >= 0 && needs[i].train) wanted[parent] = true;
    }
    return needs;
}

bool run_task_forget(RunTask *task, Database *store, Arena *arena, Error *err) {
    if (!task->retrain) return true;
    if (!runs_delete_training(store, task->key, err)) return false;
    run_folder_delete_files(store, task->key, arena);
    task->retrain = false;
    return true;
}

void run_task_count_stale(Plan *plan, Database *store, Arena *arena) {
    for (int i = 0; i < plan->count; i++) {
        RunTask task;
        run_task_needed(&task, store, &plan->points[i], (RunTaskNeed){0}, arena);
        plan->stale += runs_state(store, plan->points[i].key).stale;
        plan->stale_evaluations += task.stale;
    }
}

const char *run_task_lacks_parent(const char **path, Database *store, const PlanPoint *point, Arena *arena) {
    const char *key = point->config->train.from, *problem;
    *path = NULL;
    if (!key) return NULL;
    const RunState state = runs_state(store, key);
    *path = store ? run_folder_weights(store, key, arena) : NULL;
    if (state.status == RUN_DIVERGED)
        problem = "diverged; correct its options";
    else if (state.trained && state.stale && point->parent < 0)
        problem = "is stale, because the file of its method was edited; retrain it with `poslab run`";
    else if (!state.trained && state.status == RUN_FAILED)
        problem = "failed (see `poslab status`); rerun the command to retry both";
    else if (!state.trained)
        problem = "is not trained; train it in this database first";
    else if (!*path && state.imported)
        problem = "no longer has weights; `poslab import` restores them";
    else if (!*path)
        problem = "no longer has weights; run its experiment in this database to train it again";
    else
        return NULL;
    return arena_format(arena, "'train.from': run %s, which it continues, %s", key, problem);
}

const char *run_task_stale_text(int stale, int runs, Arena *arena) {
    return arena_format(arena, "%d of %d run%s %s stale: the file of %s method was edited after the training",
                        stale, runs, runs == 1 ? "" : "s", stale == 1 ? "is" : "are",
                        stale == 1 ? "its" : "their");
}

const char *run_task_stale_evaluations_text(int stale, Arena *arena) {
    return arena_format(arena, "%d evaluation%s %s stale: the file of %s method was edited", stale,
                        stale == 1 ? "" : "s", stale == 1 ? "is" : "are", stale == 1 ? "its" : "their");
}

/* --- as JSON --- */

static const OptionPart request_parts[] = {{.key = "variant"}, {.key = "hint"}, {0}};
static const OptionField request_fields[] = {
    {"split", OPTION_CHOICE, offsetof(EvaluateRequest, split), .choices = corpus_split_names},
    {"tokens", OPTION_INT, offsetof(EvaluateRequest, tokens), .high = 1e15},
    {"protocol", OPTION_CHOICE, offsetof(EvaluateRequest, protocol), .choices = evaluate_protocol_names},
    {"length", OPTION_INT, offsetof(EvaluateRequest, length), .default_value = 1, .low = 1, .high = 1e9},
    {"stride", OPTION_INT, offsetof(EvaluateRequest, stride), .default_value = 1, .low = 1, .high = 1e9},
    {"precision", OPTION_CHOICE, offsetof(EvaluateRequest, precision), .choices = precision_names},
};
static const OptionSection request_section = {"requests", NULL, request_fields, COUNT_OF(request_fields),
                                              request_parts};

static const OptionField variant_fields[] = {
    {"name", OPTION_TEXT, offsetof(EvaluateVariant, name), .help = "of the variant"},
    {"options", OPTION_TEXT, offsetof(EvaluateVariant, options), .help = "what is changed"},
};
static const OptionSection variant_section = {"requests.variant", NULL, variant_fields,
                                              COUNT_OF(variant_fields), NULL};

static Json *request_json(const EvaluateRequest *request, Arena *arena) {
    Json *json = options_json(request, request_fields, COUNT_OF(request_fields), arena);
    if (request->hint) json_set_text(json, "hint", request->hint);
    if (request->variant)
        json_set(json, "variant",
                 options_json(request->variant, variant_fields, COUNT_OF(variant_fields), arena));
    return json;
}

static bool read_request(EvaluateRequest *request, const Json *json, const char *source, Arena *arena,
                         Error *err) {
    const Json *changed = json_get(json, "variant");
    EvaluateVariant *variant = NEW(arena, 1, EvaluateVariant);
    const char *hint = json_text(json_get(json, "hint"), NULL);
    *request =
        (EvaluateRequest){.variant = changed ? variant : NULL, .hint = hint ? arena_copy(arena, hint) : NULL};
    options_default(request, request_fields, COUNT_OF(request_fields));
    options_default(variant, variant_fields, COUNT_OF(variant_fields));
    return options_read(request, &request_section, json, source, arena, err) &&
           (!changed || options_read(variant, &variant_section, changed, source, arena, err)) &&
           (request->stride <= request->length ||
            error_set(err, EXIT_USAGE, "%s: 'requests': a stride is larger than its length", source));
}

Json *run_task_json(const RunTask *task, Arena *arena) {
    Json *root = json_new_object(arena), *list = json_new_array(arena);
    json_set_text(root, "key", task->key);
    json_set_bool(root, "trained", task->trained);
    json_set_bool(root, "evaluate_only", task->evaluate_only);
    if (task->imported) json_set_bool(root, "imported", true);
    if (task->from) json_set_text(root, "from", task->from);
    for (int i = 0; i < task->request_count; i++) json_append(list, request_json(&task->requests[i], arena));
    json_set(root, "requests", list);
    return root;
}

bool run_task_read(RunTask *task, const Json *root, const char *source, Arena *arena, Error *err) {
    const Json *list = json_get(root, "requests");
    snprintf(task->key, sizeof task->key, "%s", json_text(json_get(root, "key"), ""));
    task->trained = json_bool(json_get(root, "trained"));
    task->evaluate_only = json_bool(json_get(root, "evaluate_only"));
    task->imported = json_bool(json_get(root, "imported"));
    const char *from = json_text(json_get(root, "from"), NULL);
    task->from = from ? arena_copy(arena, from) : NULL;
    task->request_count = json_count(list);
    task->requests = NEW(arena, task->request_count, EvaluateRequest);
    bool fine = json_is_array(list) || error_set(err, EXIT_USAGE, "%s: 'requests' must be a list", source);
    for (int i = 0; i < task->request_count && fine; i++)
        fine = read_request(&task->requests[i], json_at(list, i), source, arena, err);
    return fine;
}
