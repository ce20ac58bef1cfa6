/* cmd_methods: a method is converted to JSON, which is printed as such or as text. */
#include "cli/cmd_methods.h"

#include <string.h>

#include "position/encoding.h"
#include "model/model.h"

static const struct {
    unsigned bit;
    const char *name, *help;
} claims[] = {
    {POS_SHIFT_INVARIANT, "shift-invariant", "scores depend on the distance only"},
    {POS_PREFIX_STABLE, "prefix-stable", "outputs do not depend on later length"},
    {POS_ISOMETRY, "isometry", "queries and keys keep their length"},
    {POS_BY_POSITION, "by-position", "follows positions that another method gives"},
};

static const char *const type_names[] = {[OPTION_INT] = "integer",
                                         [OPTION_REAL] = "number",
                                         [OPTION_BOOL] = "boolean",
                                         [OPTION_CHOICE] = "choice",
                                         [OPTION_TEXT] = "text"};

/* Each hook's place in the pass, if the method has it. */
static Json *hooks_of(const PositionMethod *method, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < ENCODING_HOOK_COUNT; i++)
        if (encoding_hooks(method) >> i & 1) json_append(list, json_new_text(encoding_hook_names[i], arena));
    if (method->limit) json_append(list, json_new_text("limit", arena));
    return list;
}

static Json *option_to_json(const OptionField *field, Arena *arena) {
    Json *option = json_new_object(arena);
    json_set_text(option, "key", field->key);
    json_set_text(option, "type", type_names[field->type]);
    switch (field->type) {
    case OPTION_INT:
    case OPTION_REAL:
        json_set_number(option, "default", field->default_value);
        break;
    case OPTION_BOOL:
        json_set_bool(option, "default", field->default_value != 0);
        break;
    case OPTION_CHOICE:
        json_set_text(option, "default", field->choices[(int)field->default_value]);
        break;
    case OPTION_TEXT:
        json_set_text(option, "default", field->choices ? field->choices[0] : "");
        break;
    }
    if (field->low != 0 || field->high != 0) {
        json_set_number(option, "low", field->low);
        json_set_number(option, "high", field->high);
        if (field->or_zero) json_set_bool(option, "or_zero", true);
    }
    if (field->type == OPTION_CHOICE) {
        Json *choices = json_new_array(arena);
        for (const char *const *choice = field->choices; *choice; choice++)
            json_append(choices, json_new_text(*choice, arena));
        json_set(option, "choices", choices);
    }
    json_set_text(option, "help", field->help ? field->help : "");
    return option;
}

static Json *method_to_json(const PositionMethod *method, Arena *arena) {
    Json *root = json_new_object(arena), *claimed = json_new_array(arena), *options = json_new_array(arena);
    json_set_text(root, "name", method->name);
    json_set_text(root, "label", method->label ? method->label : ""); /* the laws say what is missing */
    json_set_text(root, "citation", method->citation ? method->citation : "");
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit) json_append(claimed, json_new_text(claims[i].name, arena));
    json_set(root, "claims", claimed);
    json_set(root, "hooks", hooks_of(method, arena));
    for (int i = 0; i < method->field_count; i++)
        json_append(options, option_to_json(&method->fields[i], arena));
    json_set(root, "options", options);
    return root;
}

static void print_names(FILE *out, const char *title, const Json *list) {
    fprintf(out, "%-10s", title);
    for (int i = 0; i < json_count(list); i++)
        fprintf(out, "%s%s", i ? ", " : "", json_text(json_at(list, i), ""));
    fputs(json_count(list) ? "\n" : "none\n", out);
}

/* "  base     number   10000   in [1, 1e+09]   what it is" */
static void print_option(FILE *out, const Json *option) {
    char shown[JSON_EXCERPT_SIZE];
    const Json *choices = json_get(option, "choices");
    fprintf(out, "  %-14s %-8s default %-8s ", json_text(json_get(option, "key"), ""),
            json_text(json_get(option, "type"), ""), json_excerpt(json_get(option, "default"), shown));
    if (json_get(option, "low")) {
        char low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
        fprintf(out, "%sin [%s, %s]: ", json_get(option, "or_zero") ? "0 or " : "",
                json_number_text(json_number(json_get(option, "low"), 0), low),
                json_number_text(json_number(json_get(option, "high"), 0), high));
    }
    for (int i = 0; i < json_count(choices); i++)
        fprintf(out, "%s%s%s", i ? ", " : "one of ", json_text(json_at(choices, i), ""),
                i + 1 == json_count(choices) ? ": " : "");
    fprintf(out, "%s\n", json_text(json_get(option, "help"), ""));
}

/* ---- the list ---- */

enum { MOST_COSTS = 4096 };

typedef struct MethodCost {
    char phase[16], method[64];
    int length;
    double ratio;
} MethodCost;

typedef struct Costs {
    MethodCost *rows;
    int count;
} Costs;

/* Rows after the head: phase,method,length,ratio,... There need not be a file. */
static bool read_costs(Costs *costs, Arena *arena, Error *err) {
    FILE *file = fopen(CMD_METHODS_COST, "re");
    char line[512];
    if (!file) return true;
    costs->rows = NEW(arena, MOST_COSTS, MethodCost);
    bool fine = fgets(line, sizeof line, file) != NULL;
    while (fine && fgets(line, sizeof line, file) && costs->count < MOST_COSTS) {
        MethodCost *cost = &costs->rows[costs->count++];
        fine = sscanf(line, "%15[^,],%63[^,],%d,%lf", cost->phase, cost->method, &cost->length,
                      &cost->ratio) == 4;
    }
    fclose(file);
    return fine || error_set(err, EXIT_USAGE, "'%s', line %d: phase,method,length,ratio are expected",
                             CMD_METHODS_COST, costs->count + 1);
}

/* "1.01, 1.03": the phase's ratios at all lengths; "" where nothing was measured. Without a method the
   lengths, "128, 512". */
static const char *costs_text(const Costs *costs, const char *phase, const char *method, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < costs->count; i++) {
        const MethodCost *cost = &costs->rows[i];
        if (strcmp(cost->phase, phase) != 0 ||
            strcmp(cost->method, method ? method : costs->rows[0].method) != 0)
            continue;
        const char *comma = *text ? ", " : "";
        text = method ? arena_format(arena, "%s%s%.2f", text, comma, cost->ratio)
                      : arena_format(arena, "%s%s%d", text, comma, cost->length);
    }
    return text;
}

static const char *joined(const Json *list, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < json_count(list); i++)
        text = arena_format(arena, "%s%s%s", text, *text ? ", " : "", json_text(json_at(list, i), ""));
    return text;
}

/* Numbers that the method learns in the model that configs have by default, trained at 128 tokens. */
static int64_t numbers_learnt(const PositionMethod *method, Arena *arena) {
    ModelOptions options;
    Encoding position;
    model_default(&options);
    options.vocabulary = 256;
    if (!encoding_default(&position, method, arena)) return 0;
    return model_new(&options, &position, 128, arena)->position_parameters;
}

static void print_list(FILE *out, bool markdown, const Costs *costs, Arena *arena) {
    const char *const formats[] = {"%-17s %-22s %-25s %-40s %6s  %-12s %-12s %s\n",
                                   "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n"};
    const char *row = formats[markdown];
    const char *train = arena_format(arena, "train %s", costs_text(costs, "train", NULL, arena));
    const char *evaluate = arena_format(arena, "eval %s", costs_text(costs, "evaluate", NULL, arena));
    fprintf(out, markdown ? "| %s | %s | %s | %s | %s | %s | %s | %s |\n" : row, "method", "label", "hooks",
            "claims", "learns", train, evaluate, "paper");
    if (markdown) fputs("|---|---|---|---|---:|---|---|---|\n", out);
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *method = encoding_methods[i];
        Json *json = method_to_json(method, arena);
        fprintf(out, row, method->name, json_text(json_get(json, "label"), ""),
                joined(json_get(json, "hooks"), arena), joined(json_get(json, "claims"), arena),
                arena_format(arena, "%lld", (long long)numbers_learnt(method, arena)),
                costs_text(costs, "train", method->name, arena),
                costs_text(costs, "evaluate", method->name, arena),
                json_text(json_get(json, "citation"), ""));
    }
}

bool cmd_methods_list(FILE *out, const char *format, Error *err) {
    Arena *arena = arena_new(0);
    Costs costs = {0};
    bool fine = read_costs(&costs, arena, err), markdown = format && strcmp(format, "md") == 0;
    if (fine && format && strcmp(format, "json") == 0) {
        Json *list = json_new_array(arena);
        for (int i = 0; i < encoding_method_count; i++) {
            Json *json = method_to_json(encoding_methods[i], arena);
            json_set_number(json, "parameters", (double)numbers_learnt(encoding_methods[i], arena));
            json_append(list, json);
        }
        fputs(json_print_pretty(list, arena), out);
    } else if (fine && format && !markdown && strcmp(format, "text") != 0) {
        fine = error_set(err, EXIT_USAGE, "--format is text, md or json, got '%s'", format);
    } else if (fine) {
        print_list(out, markdown, &costs, arena);
    }
    arena_free(arena);
    return fine;
}

static void print_method(FILE *out, const PositionMethod *method, const Json *root) {
    const Json *options = json_get(root, "options");
    fprintf(out, "%s (%s)\n%s\n\n", method->name, json_text(json_get(root, "label"), ""),
            json_text(json_get(root, "citation"), ""));
    print_names(out, "hooks", json_get(root, "hooks"));
    print_names(out, "claims", json_get(root, "claims"));
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit)
            fprintf(out, "          %s: %s\n", claims[i].name, claims[i].help);
    fprintf(out, "options%s\n", json_count(options) ? "" : "   none");
    for (int i = 0; i < json_count(options); i++) print_option(out, json_at(options, i));
}

bool cmd_methods_show(const char *name, FILE *out, bool json, Error *err) {
    const char *nearest = NULL;
    const PositionMethod *method = encoding_find_or_nearest(name, &nearest);
    if (!method && nearest)
        return error_set(err, EXIT_USAGE, "there is no method '%s'; did you mean '%s'?", name, nearest);
    if (!method)
        return error_set(err, EXIT_USAGE, "there is no method '%s'; `poslab methods` lists them", name);
    Arena *arena = arena_new(0);
    const Json *root = method_to_json(method, arena);
    if (json)
        fputs(json_print_pretty(root, arena), out);
    else
        print_method(out, method, root);
    arena_free(arena);
    return true;
}
