/* examples: reads the section `data.task`, and draws rows. A limited training set is stored as hashes of its
   questions. */
#include "data/examples.h"

#include <math.h>
#include <string.h>

enum { MOST_DRAWS = 1000 };

static const OptionField fields[] = {
    {"examples", OPTION_INT, offsetof(ExamplesOptions, examples), .low = 1, .high = 1e8, .or_zero = true,
     .help = "size of the training set; 0: every example is new"},
    {"seed", OPTION_INT, offsetof(ExamplesOptions, seed), .default_value = 1, .low = 0,
     .high = 9007199254740992.0, .help = "seed of the examples; train.seed determines their order"},
};

struct Examples {
    const ExamplesOptions *options;
    uint64_t
        *known;     /* [slots]: hash set of the questions of the training set, 0: free; NULL: unlimited set */
    uint64_t slots; /* a power of two */
};

/* --- options --- */

const char *const *examples_hints(const ExamplesOptions *options) {
    return options->task->hints ? options->task->hints : task_no_hints;
}

int examples_hint(const ExamplesOptions *options, const char *name) {
    const char *const *hints = examples_hints(options);
    for (int i = 0; hints[i]; i++)
        if (!strcmp(hints[i], name ? name : hints[0])) return i;
    return -1;
}

static OptionField hint_field(const ExamplesOptions *options) {
    return (OptionField){"name", OPTION_CHOICE, offsetof(ExamplesOptions, hint),
                         .choices = examples_hints(options), .help = "the easier task that is mixed in"};
}

static const OptionField share_field = {"share",  OPTION_REAL, offsetof(ExamplesOptions, share),
                                        .low = 0, .high = 1,   .help = "share of the rows that are hints"};

static TaskSizes train_sizes(const ExamplesOptions *options) {
    return (TaskSizes){options->low, options->high, options->high};
}

static TaskSizes test_sizes(const ExamplesOptions *options, int64_t size) {
    return (TaskSizes){size, size, options->high};
}

static bool size_fits(const Task *task, double size) {
    return size >= (double)task->smallest && size <= (double)task->largest && size == floor(size);
}

/* Reads data.task.size, a number or a pair of numbers. */
static bool read_size(ExamplesOptions *options, const Json *json, const char *source, Arena *arena,
                      Error *err) {
    const Task *task = options->task;
    bool pair = json_is_array(json) && json_count(json) == 2;
    double low = json_number(pair ? json_at(json, 0) : json, NAN);
    double high = json_number(pair ? json_at(json, 1) : json, NAN);
    const char *wanted = arena_format(arena, "a size or [LOW, HIGH] (%s), whole numbers from %lld to %lld",
                                      task->size, (long long)task->smallest, (long long)task->largest);
    if (!json_is_array(json) && !size_fits(task, low))
        return json_value_error(json, source, "data.task.size", wanted, err);
    if (!size_fits(task, low) || !size_fits(task, high) || low > high)
        return error_set(err, EXIT_USAGE, "%s: 'data.task.size' must be %s%s, got %.200s", source, wanted,
                         low > high ? ", LOW at most HIGH" : "", json_print(json, arena));
    options->low = (int64_t)low, options->high = (int64_t)high;
    return true;
}

static bool read_task(ExamplesOptions *options, const Json *json, const char *source, Arena *arena,
                      Error *err) {
    char word[JSON_EXCERPT_SIZE];
    const Json *named = json_get(json, "name");
    const char *name = json_text(named, NULL), *nearest = NULL, *list = "";
    if (name) options->task = task_find(name, &nearest);
    if (options->task) return true;
    for (int i = 0; i < task_count; i++)
        list = arena_format(arena, "%s%s%s", list, i ? ", " : "", task_list[i]->name);
    if (!json_is_object(json))
        return json_value_error(json, source, "data.task",
                                arena_format(arena, "an object with a \"name\" of %s", list), err);
    if (!name)
        return json_value_error(named, source, "data.task.name", arena_format(arena, "one of %s", list), err);
    return error_unknown(err, nearest, arena_format(arena, "known tasks: %s", list),
                         "%s: 'data.task.name': unknown task '%s'", source, json_excerpt_text(name, word));
}

static bool read_hint(ExamplesOptions *options, const Json *json, const char *source, Arena *arena,
                      Error *err) {
    const OptionField hint[] = {hint_field(options), share_field};
    const OptionSection section = {"data.task.hint", NULL, hint, COUNT_OF(hint), NULL};
    options_default(options, hint, COUNT_OF(hint));
    if (!options_read(options, &section, json, source, arena, err)) return false;
    if (options->share > 0 && options->hint == 0)
        return json_value_error(json_get(json, "share"), source, "data.task.hint.share",
                                "0 without a hint in 'data.task.hint.name'", err);
    return true;
}

/* Checks the rules of the task, whose errors begin with the key of an option. `path` is the key of a size of
   evaluation; NULL: the sizes are those of training. */
static bool check_rules(const ExamplesOptions *options, TaskSizes sizes, const char *source, const char *path,
                        Error *err) {
    Error why;
    if (!options->task->check || options->task->check(options->options, sizes, &why)) return true;
    int key = (int)strcspn(why.text, ":");
    return error_set(err, EXIT_USAGE, "%s: 'data.task.%.*s'%.600s%s%s%s", source, key, why.text,
                     why.text + key, path ? ", or remove '" : "", path ? path : "", path ? "'" : "");
}

bool examples_check_size(const ExamplesOptions *options, int64_t size, const char *source, const char *path,
                         Error *err) {
    const Task *task = options->task;
    if (!size_fits(task, (double)size))
        return error_set(err, EXIT_USAGE, "%s: '%s' must be from %lld to %lld (%s), got %lld", source, path,
                         (long long)task->smallest, (long long)task->largest, task->size, (long long)size);
    return check_rules(options, test_sizes(options, size), source, path, err);
}

bool examples_read(ExamplesOptions *options, const Json *json, const char *source, Arena *arena, Error *err) {
    static const OptionPart common[] = {{.key = "name"},     {.key = "size"}, {.key = "hint"},
                                        {.key = "examples"}, {.key = "seed"}, {0}};
    *options = (ExamplesOptions){0};
    if (!read_task(options, json, source, arena, err)) return false;
    const Task *task = options->task;
    OptionPart *others = NEW(arena, task->field_count + 4, OptionPart);
    for (int i = 0; i < task->field_count; i++) others[i].key = task->fields[i].key;
    for (int i = 0; i < 3; i++)
        others[task->field_count + i] = common[i]; /* those that are not in `fields` */
    const OptionSection own = {"data.task", NULL, task->fields, task->field_count, common};
    const OptionSection shared = {"data.task", NULL, fields, COUNT_OF(fields), others};
    if (task->options_size) options->options = arena_alloc(arena, 1, task->options_size);
    options_default(options, fields, COUNT_OF(fields));
    options_default(options->options, task->fields, task->field_count);
    if (!options_read(options->options, &own, json, source, arena, err) ||
        !options_read(options, &shared, json, source, arena, err) ||
        !read_size(options, json_get(json, "size"), source, arena, err) ||
        !read_hint(options, json_get(json, "hint"), source, arena, err) ||
        !check_rules(options, train_sizes(options), source, NULL, err))
        return false;
    double possible = task->examples(options->options, train_sizes(options));
    if ((double)options->examples <= possible) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: 'data.task.examples' must be at most %.0f, the number of different examples of these "
        "sizes, got %lld; lower it, raise 'data.task.size', or take 0 for new examples always",
        source, possible, (long long)options->examples);
}

Json *examples_json(const ExamplesOptions *options, Arena *arena) {
    Json *json = json_new_object(arena), *hint = json_new_object(arena);
    const OptionField rows[] = {hint_field(options), share_field};
    json_set_text(json, "name", options->task->name);
    json_set(json, "size", json_new_integers((int64_t[]){options->low, options->high}, 2, arena));
    options_write(json, options, fields, COUNT_OF(fields));
    options_write(hint, options, rows, COUNT_OF(rows));
    json_set(json, "hint", hint);
    options_write(json, options->options, options->task->fields, options->task->field_count);
    return json;
}

int64_t examples_train_length(const ExamplesOptions *options) {
    const Task *task = options->task;
    int64_t length = task->length(options->options, train_sizes(options), 0), hint = 0;
    if (options->share > 0) hint = task->length(options->options, train_sizes(options), options->hint);
    return hint > length ? hint : length;
}

int64_t examples_test_length(const ExamplesOptions *options, int64_t size, int hint) {
    return options->task->length(options->options, test_sizes(options, size), hint);
}

static int64_t farthest(const ExamplesOptions *options, TaskSizes sizes) {
    return options->task->farthest ? options->task->farthest(options->options, sizes) : 0;
}

int64_t examples_train_farthest(const ExamplesOptions *options) {
    return farthest(options, train_sizes(options));
}

bool examples_give_positions(const ExamplesOptions *options) {
    return options && examples_train_farthest(options) > 0;
}

int64_t examples_test_farthest(const ExamplesOptions *options, int64_t size) {
    return farthest(options, test_sizes(options, size));
}

/* --- rows --- */

TaskRow examples_row(const Examples *examples, int64_t inputs, Arena *arena) {
    bool positions = examples_give_positions(examples->options);
    return (TaskRow){.tokens = NEW(arena, inputs + 1, uint32_t),
                     .targets = NEW(arena, inputs, uint32_t),
                     .positions = positions ? NEW(arena, inputs + 1, uint32_t) : NULL,
                     .room = (int)inputs};
}

static void write_row(const Examples *examples, TaskSizes sizes, int hint, Random rng, TaskRow *row) {
    const ExamplesOptions *options = examples->options;
    size_t room = (size_t)row->room;
    memset(row->tokens, 0, (room + 1) * sizeof *row->tokens);
    for (size_t t = 0; t < room; t++) row->targets[t] = TASK_IGNORED;
    if (row->positions) memset(row->positions, 0, (room + 1) * sizeof *row->positions);
    row->length = row->inputs = 0;
    task_put(row, TASK_BOS);
    options->task->write(row, options->options, sizes, hint, &rng);
}

void examples_train(const Examples *examples, int64_t index, TaskRow *row) {
    const ExamplesOptions *options = examples->options;
    Random rng = random_substream(random_stream((uint64_t)options->seed, "task", "train"), (uint64_t)index);
    bool hinted = options->share > 0 && random_uniform(&rng) < options->share;
    write_row(examples, train_sizes(options), hinted ? options->hint : 0, rng, row);
}

/* --- the training set --- */

/* The hash of a row's question: of its tokens except those of the layout. */
static uint64_t question_hash(const Task *task, const TaskRow *row) {
    uint64_t hash = 0;
    for (int t = 0; t < row->length; t++)
        if (!task->layout || !task->layout((int)row->tokens[t])) hash = random_at(hash, row->tokens[t]);
    return hash ? hash : 1;
}

/* The slot of a hash, or the free slot in which it would be stored. */
static uint64_t *find_slot(const Examples *examples, uint64_t hash) {
    uint64_t slot = hash & (examples->slots - 1);
    while (examples->known[slot] && examples->known[slot] != hash) slot = (slot + 1) & (examples->slots - 1);
    return &examples->known[slot];
}

static uint64_t slots_for(const ExamplesOptions *options) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)options->examples) slots *= 2;
    return slots;
}

double examples_bytes(const ExamplesOptions *options) {
    return options->examples ? (double)slots_for(options) * sizeof(uint64_t) : 0;
}

Examples *examples_new(const ExamplesOptions *options, Arena *arena) {
    Examples *examples = NEW(arena, 1, Examples);
    *examples = (Examples){.options = options};
    if (!options->examples) return examples;
    examples->slots = slots_for(options);
    examples->known = NEW(arena, examples->slots, uint64_t);
    Arena *scratch = arena_new(0);
    TaskRow row = examples_row(examples, examples_train_length(options), scratch);
    for (int64_t i = 0; i < options->examples; i++) {
        examples_train(examples, i, &row);
        uint64_t hash = question_hash(options->task, &row);
        *find_slot(examples, hash) = hash;
    }
    arena_free(scratch);
    return examples;
}

const ExamplesOptions *examples_options(const Examples *examples) {
    return examples->options;
}

static Json *numbers_json(const uint32_t *numbers, int count, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int t = 0; t < count; t++)
        json_append(list,
                    numbers[t] == TASK_IGNORED ? json_new_null(arena) : json_new_number(numbers[t], arena));
    return list;
}

Json *examples_row_json(const Examples *examples, const TaskRow *row, Arena *arena) {
    const ExamplesOptions *options = examples->options;
    Json *json = json_new_object(arena);
    uint32_t *scored = NEW(arena, row->inputs, uint32_t);
    int count = 0;
    for (int t = 0; t < row->inputs; t++)
        if (row->targets[t] != TASK_IGNORED) scored[count++] = row->targets[t];
    json_set_text(json, "text", task_text(options->task, options->options, row->tokens, row->length, arena));
    json_set_text(json, "scored", task_text(options->task, options->options, scored, count, arena));
    json_set(json, "tokens", numbers_json(row->tokens, row->length, arena));
    json_set(json, "targets", numbers_json(row->targets, row->inputs, arena));
    if (row->positions) json_set(json, "positions", numbers_json(row->positions, row->length, arena));
    return json;
}

double examples_scored_share(const Examples *examples, int64_t length) {
    enum { SAMPLED = 64 };
    Arena *scratch = arena_new(0);
    TaskRow row = examples_row(examples, length, scratch);
    int64_t scored = 0;
    for (int i = 0; i < SAMPLED; i++) {
        examples_train(examples, i, &row);
        for (int t = 0; t < row.inputs; t++) scored += row.targets[t] != TASK_IGNORED;
    }
    arena_free(scratch);
    return (double)scored / ((double)SAMPLED * (double)length);
}

bool examples_test(const Examples *examples, int64_t size, int hint, int64_t index, TaskRow *row,
                   Error *err) {
    const ExamplesOptions *options = examples->options;
    Random stream = random_stream((uint64_t)options->seed, "task", "test");
    stream = random_substream(random_substream(stream, (uint64_t)size), (uint64_t)index);
    for (uint64_t draw = 0; draw < MOST_DRAWS; draw++) {
        write_row(examples, test_sizes(options, size), hint, random_substream(stream, draw), row);
        if (!examples->known || !*find_slot(examples, question_hash(options->task, row))) return true;
    }
    return error_set(
        err, EXIT_USAGE,
        "'evaluate.task.sizes': at size %lld nearly all examples are in the training set of %lld; "
        "remove this size, or lower 'data.task.examples'",
        (long long)size, (long long)options->examples);
}
