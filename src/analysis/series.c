#include "analysis/series.h"

#include <math.h>
#include <string.h>

#include "base/table.h"
#include "base/text.h"
#include "math/precision.h"
#include "data/corpus.h"
#include "tasks/task.h"
#include "train/evaluate.h"
#include "train/train_options.h"

/* --- making --- */

SeriesCell *series_cell(const Series *series, int64_t length) {
    for (int i = 0; i < series->count; i++)
        if (series->cells[i].length == length) return &series->cells[i];
    return NULL;
}

static SeriesCell *find_cell(Series *series, int64_t length, int64_t stride, Arena *arena) {
    SeriesCell *known = series_cell(series, length);
    if (known) return known;
    series->cells = arena_extend(arena, series->cells, (size_t)series->count, sizeof *series->cells);
    int index = series->count++;
    for (; index > 0 && series->cells[index - 1].length > length; index--)
        series->cells[index] = series->cells[index - 1];
    series->cells[index] = (SeriesCell){.length = length, .stride = stride};
    return &series->cells[index];
}

static void add_seed(SeriesCell *cell, SeriesSeed seed, Arena *arena) {
    cell->seeds = arena_extend(arena, cell->seeds, (size_t)cell->seeds_requested, sizeof *cell->seeds);
    int index = cell->seeds_requested++, place = index;
    if (!strcmp(seed.outcome, "done")) {
        place = cell->count++;
        while (place > 0 && cell->seeds[place - 1].seed > seed.seed) place--;
    }
    for (; index > place; index--) cell->seeds[index] = cell->seeds[index - 1];
    cell->seeds[place] = seed;
}

void series_add(Series *series, int64_t length, int64_t stride, SeriesSeed seed, Arena *arena) {
    add_seed(find_cell(series, length, stride, arena), seed, arena);
}

static void finish_cell(SeriesCell *cell, Arena *arena) {
    cell->perplexities = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++) cell->perplexities[i] = exp(cell->seeds[i].loss);
    cell->mean = stats_mean(cell->perplexities, cell->count);
    cell->deviation = stats_deviation(cell->perplexities, cell->count);
    cell->outcome = cell->count < cell->seeds_requested ? cell->seeds[cell->count].outcome : NULL;
}

SeriesCell *series_cell_of(const SeriesCell *cell, const bool *keep, Arena *arena) {
    SeriesCell *kept = NEW(arena, 1, SeriesCell);
    *kept = (SeriesCell){.length = cell->length, .stride = cell->stride};
    for (int i = 0; i < cell->seeds_requested; i++)
        if (keep[i]) add_seed(kept, cell->seeds[i], arena);
    finish_cell(kept, arena);
    return kept;
}

SeriesCell series_cell_single(int64_t length, double perplexity, Arena *arena) {
    SeriesCell cell = {.length = length};
    add_seed(&cell, (SeriesSeed){.outcome = isnan(perplexity) ? "missing" : "done", .loss = log(perplexity)},
             arena);
    finish_cell(&cell, arena);
    cell.mean = perplexity;
    return cell;
}

const char *series_hint(const Series *series) {
    bool of_task = !strcmp(series->split, corpus_split_names[SPLIT_TEST]);
    return of_task ? task_no_hints[0] : series->split;
}

/* "50 examples of addition"; "valid, strided 0.125 L, first 4096 targets, bf16", if the number of targets is
   known. */
static const char *describe_evaluation(const Series *series, Arena *arena) {
    int64_t targets = 0;
    const char *text = arena_format(arena, "%s, %s", series->split, series->protocol);
    const char *hint = series_hint(series);
    bool of_task = hint == task_no_hints[0];
    for (int k = 0; k < series->count; k++)
        for (int i = 0; i < series->cells[k].count; i++)
            if (series->cells[k].seeds[i].tokens > targets) targets = series->cells[k].seeds[i].tokens;
    if (strcmp(series->rule, "L")) text = arena_format(arena, "%s %s", text, series->rule);
    if (*series->task)
        text = arena_format(arena, "%lld examples of %s%s%s", (long long)series->requested, series->task,
                            of_task ? "" : ", hint ", of_task ? "" : hint);
    else if (targets && targets < series->requested)
        text = arena_format(arena, "%s, %lld targets (%lld requested)", text, (long long)targets,
                            (long long)series->requested);
    else if (series->requested)
        text =
            arena_format(arena, "%s, %s %lld targets", text,
                         strcmp(series->protocol, "last_n") ? "first" : "last", (long long)series->requested);
    return strcmp(series->precision, precision_names[0])
               ? arena_format(arena, "%s, %s", text, series->precision)
               : text;
}

void series_finish(Series *series, Arena *arena) {
    for (int k = 0; k < series->count; k++) finish_cell(&series->cells[k], arena);
    series->base = series_cell(series, series->train_length);
    series->evaluated = describe_evaluation(series, arena);
    double *numbers = NEW(arena, series->run_count, double);
    for (int c = 0; c < SERIES_COSTS; c++) {
        for (int i = 0; i < series->run_count; i++) numbers[i] = series->runs[i].cost[c];
        series->cost[c] = stats_mean(numbers, series->run_count);
    }
}

const char *series_name(const Series *series, const char *const *hidden, int count, Arena *arena) {
    const char *name = series->run_label;
    for (int i = 0; i < series->setting_count; i++) {
        const RunLabelSetting *setting = &series->settings[i];
        if (!text_among(setting->path, hidden, count))
            name = arena_format(arena, "%s %s=%s", name, setting->name, setting->value);
    }
    return arena_format(arena, "%s%s", name, series->label + strlen(series->run_label));
}

static bool has_setting(const Series *series, const RunLabelSetting *wanted) {
    for (int i = 0; i < series->setting_count; i++)
        if (!strcmp(series->settings[i].path, wanted->path))
            return !strcmp(series->settings[i].value, wanted->value);
    return false;
}

const char *series_conditions(const Series *series, const Series *others, int count, Arena *arena) {
    const char *all = "", *different = "";
    bool lengths = false;
    for (int i = 0; i < series->setting_count; i++) {
        const RunLabelSetting *setting = &series->settings[i];
        const char *text = arena_format(arena, "%s=%s", setting->name, setting->value);
        bool same = true;
        for (int k = 0; k < count; k++) same &= has_setting(&others[k], setting);
        all = text_join(all, " ", text, arena);
        if (!same) different = text_join(different, " ", text, arena);
    }
    for (int k = 0; k < count; k++) lengths |= others[k].train_length != series->train_length;
    const char *list = *different ? different : all;
    if (!lengths) return list;
    const char *length = arena_format(arena, "trained at %lld", (long long)series->train_length);
    return text_join(list, ", ", length, arena);
}

void series_set_settings(Series *series, const char *text, const char *const *hidden, int count,
                         Arena *arena) {
    int all;
    RunLabelSetting *settings = run_label_read(text, &all, arena);
    series->setting = "";
    series->settings = settings;
    series->setting_count = 0;
    for (int i = 0; i < all; i++) {
        if (text_among(settings[i].path, hidden, count)) continue;
        series->setting = text_join(series->setting, " ",
                                    arena_format(arena, "%s=%s", settings[i].path, settings[i].value), arena);
        settings[series->setting_count++] = settings[i];
    }
    series->name = series_name(series, NULL, 0, arena);
    series->plain_name =
        arena_format(arena, "%s%s", run_label_plain_name(series->run_label, series->setting, arena),
                     series->label + strlen(series->run_label));
}

void series_set_config(Series *series, const char *text, const char *continues, Arena *arena) {
    Json *config = json_parse(text, strlen(text), "run.config", arena, &(Error){0});
    Json *train = config ? json_get_mutable(config, "train") : NULL;
    if (*continues) series->continues = arena_copy(arena, continues);
    if (json_get(train, "from")) json_set_text(train, "from", continues);
    for (int i = 0; i < series->setting_count && train; i++)
        if (!strcmp(series->settings[i].path, "train.from"))
            json_set_text(train, "from", series->settings[i].value);
    series->config = config;
}

/* train_stages_text: "length 64 to update 250, 512 to 1000"; NULL for one stage, or a config of another
   revision. */
static const char *stages_of(const Series *series, Arena *arena) {
    TrainOptions train;
    const Json *json = json_get(series->config, "train");
    bool several = (json_get(json, "stages") || json_get(json, "growth")) &&
                   train_options_of_run(&train, series->config, arena);
    return several ? train_stages_text(&train, arena) : NULL;
}

bool series_differ_unnamed(const char *path, const Series *const *series, int count, Arena *arena) {
    bool differs = false;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < series[i]->setting_count; k++)
            if (!strcmp(path, series[i]->settings[k].path)) return false;
        differs |= strcmp(series_config_value(series[0], path, arena),
                          series_config_value(series[i], path, arena)) != 0;
    }
    return differs;
}

/* "TEXT (NAME, NAME); ...": each text with the names of its series; "" if no series has a text. */
static const char *names_by_text(const char *const *texts, const Series *const *series, int count,
                                 Arena *arena) {
    const char *note = "";
    for (int i = 0; i < count; i++) {
        bool known = false;
        const char *names = "";
        for (int k = 0; k < count && texts[i]; k++) {
            if (!texts[k] || strcmp(texts[k], texts[i])) continue;
            known |= k < i;
            bool named = false;
            for (int j = 0; j < k; j++) named |= !strcmp(series[j]->name, series[k]->name);
            if (!named) names = arena_format(arena, "%s%s%s", names, *names ? ", " : "", series[k]->name);
        }
        if (texts[i] && !known)
            note = arena_format(arena, "%s%s%s (%s)", note, *note ? "; " : "", texts[i], names);
    }
    return note;
}

const char *series_stages_note(const Series *const *series, int count, Arena *arena) {
    const char **stages = NEW(arena, count, const char *);
    for (int i = 0; i < count; i++) stages[i] = stages_of(series[i], arena);
    const char *note = names_by_text(stages, series, count, arena);
    return *note ? arena_format(arena, "Trained in stages: %s.", note) : NULL;
}

const char *series_continued_note(const Series *const *series, int count, Arena *arena) {
    const char **parents = NEW(arena, count, const char *);
    for (int i = 0; i < count; i++) parents[i] = series[i]->continues;
    const char *note = names_by_text(parents, series, count, arena);
    return *note ? arena_format(arena, "Trained on from %s.", note) : NULL;
}

Series *series_of_reference(const ReferenceCurve *curve, const char *name, Arena *arena) {
    const char *split = *curve->split ? curve->split : "-";
    Series *series = NEW(arena, 1, Series);
    *series = (Series){.name = name,
                       .plain_name = curve->method,
                       .label = name,
                       .run_label = name,
                       .method = curve->method,
                       .setting = "",
                       .variant = "",
                       .task = "",
                       .split = split,
                       .protocol = evaluate_protocol_names[EVALUATE_NONOVERLAPPING],
                       .rule = "L",
                       .corpus = curve->dataset,
                       .precision = precision_names[0],
                       .evaluated = arena_format(arena, "%s, nonoverlapping", split),
                       .train_length = curve->train_length,
                       .parameters = -1,
                       .position_parameters = -1,
                       .cells = NEW(arena, curve->count, SeriesCell),
                       .count = curve->count};
    for (int i = 0; i < curve->count; i++)
        series->cells[i] = series_cell_single(curve->lengths[i], curve->perplexities[i], arena);
    series->base = series->cells; /* curves begin at the training length */
    return series;
}

/* --- comparing --- */

bool series_same_name(const Series *a, const Series *b) {
    return !strcmp(a->name, b->name);
}

bool series_same_runs(const Series *a, const Series *b) {
    return series_same_name(a, b) && a->train_length == b->train_length && !strcmp(a->corpus, b->corpus);
}

bool series_same_targets(const Series *a, const Series *b) {
    return !strcmp(a->split, b->split) && a->requested == b->requested && !strcmp(a->precision, b->precision);
}

bool series_same_protocol(const Series *a, const Series *b) {
    return series_same_targets(a, b) && !strcmp(a->protocol, b->protocol) && !strcmp(a->rule, b->rule);
}

bool series_comparable(const Series *a, const Series *b) {
    return a->train_length == b->train_length && !strcmp(a->corpus, b->corpus) && series_same_protocol(a, b);
}

bool series_nonoverlapping(const Series *series) {
    return !strcmp(series->protocol, evaluate_protocol_names[EVALUATE_NONOVERLAPPING]) &&
           !strcmp(series->rule, "L");
}

const char *series_config_value(const Series *series, const char *path, Arena *arena) {
    const Json *value = json_at_path(series->config, path);
    return value ? run_label_value(value, arena) : "";
}

static bool has_values(const Series *series, const char *list, Arena *arena) {
    for (size_t size; *list; list += size + (list[size] == ',')) {
        size = strcspn(list, ",");
        char *path = arena_format(arena, "%.*s", (int)size, list), *value = path + strcspn(path, "=");
        if (*value) *value++ = '\0';
        if (strcmp(series_config_value(series, path, arena), value)) return false;
    }
    return true;
}

bool series_has_answers(const Series *series, const char *values, Arena *arena) {
    return *series->task && !*series->variant && !strcmp(series_hint(series), task_no_hints[0]) &&
           has_values(series, values, arena);
}

TableCell series_key_cell(const Series *series, const char *path, TableFormat format, Arena *arena) {
    const Json *value = json_at_path(series->config, path);
    if (format == TABLE_AS_JSON && json_is_number(value)) return table_number(json_number(value, NAN));
    return value ? table_text(run_label_value(value, arena)) : table_number(NAN);
}

int64_t series_train_tokens(const Series *series) {
    return series->run_count ? series->runs->tokens : 0;
}

/* The largest ratio of the speeds of two runs of a series that had the same number of threads. */
static double speed_ratio(const Series *series) {
    double ratio = 1;
    for (int i = 0; i < series->run_count; i++)
        for (int k = 0; k < series->run_count; k++) {
            const SeriesRun *a = &series->runs[i], *b = &series->runs[k];
            if (a->threads != b->threads) continue;
            ratio = fmax(ratio, (double)a->tokens / a->cost[SERIES_SECONDS] * b->cost[SERIES_SECONDS] /
                                    (double)b->tokens);
        }
    return ratio;
}

static const double noticed = 1.2; /* ratio of speeds from which a warning is given */

const char *series_speed_warning(const Series *items, int count, Arena *arena) {
    const Series *worst = NULL;
    double highest = noticed;
    for (int i = 0; i < count; i++) {
        double ratio = speed_ratio(&items[i]);
        if (ratio <= highest) continue;
        highest = ratio;
        worst = &items[i];
    }
    if (!worst) return NULL;
    return arena_format(
        arena,
        "Warning: equal runs differ in speed by a factor of up to %.1f (%s trained at %lld): the machine "
        "had other load. Compare methods by `poslab bench`, not by the speeds of runs.",
        highest, worst->name, (long long)worst->train_length);
}

/* --- the best settings --- */

/* " lr=0.001", " lr=0.001 layers=2" */
static const char *values_of(const Series *series, const char *const *paths, int count, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < count; i++)
        text = arena_format(arena, "%s %s=%s", text, run_label_short_path(paths[i], arena),
                            series_config_value(series, paths[i], arena));
    return text;
}

/* Whether two series have the same training, except for the seed and hidden settings. */
static bool same_training(const Series *a, const Series *b) {
    return !strcmp(a->run_label, b->run_label) && !strcmp(a->setting, b->setting) &&
           a->train_length == b->train_length && !strcmp(a->corpus, b->corpus);
}

/* The cell by which values are compared: at the training length on the validation split. NULL: none. */
static const SeriesCell *validation_cell(const Series *series) {
    bool fits = !strcmp(series->split, corpus_split_names[SPLIT_VALID]) && !*series->variant;
    return fits ? series->base : NULL;
}

/* A series under whose protocol the values are compared: a nonoverlapping one if there is one. */
static const Series *find_yardstick(const Series *items, int count, const Series *series) {
    const Series *found = NULL;
    for (int i = 0; i < count; i++) {
        const Series *other = &items[i];
        if (!validation_cell(other) || !same_training(other, series)) continue;
        if (!found || (series_nonoverlapping(other) && !series_nonoverlapping(found))) found = other;
    }
    return found;
}

/* The index of the best of the series with the training and protocol of `yardstick`; -1 if none has a
   perplexity for every seed. */
static int find_best(const Series *items, int count, const Series *yardstick, bool *incomplete) {
    int best = -1;
    for (int i = 0; i < count; i++) {
        const SeriesCell *cell = validation_cell(&items[i]);
        if (!cell || !series_same_protocol(&items[i], yardstick) || !same_training(&items[i], yardstick))
            continue;
        bool complete = cell->count == cell->seeds_requested;
        *incomplete |= !complete;
        if (complete && (best < 0 || cell->mean < validation_cell(&items[best])->mean)) best = i;
    }
    return best;
}

bool series_choose_best(Series *items, int *count, int *left_out, const char *const *paths, int path_count,
                        Arena *arena, Error *err) {
    Series *plain = NEW(arena, *count, Series), *others = NEW(arena, *count, Series);
    int *best = NEW(arena, *count, int), kept = 0;
    bool several_lengths = false;
    *left_out = 0;
    for (int i = 0; i < *count; i++) {
        plain[i] = items[i];
        series_set_settings(&plain[i], items[i].setting, paths, path_count, arena);
        several_lengths |= items[i].train_length != items[0].train_length;
    }
    for (int i = 0; i < *count; i++) {
        int first = 0; /* the first series that differs in the values only */
        while (!same_training(&plain[first], &plain[i])) first++;
        plain[i].choice = plain[first].choice;
        best[i] = best[first];
        if (first < i) continue;
        const Series *yardstick = find_yardstick(plain, *count, &plain[i]);
        const char *name = run_label_name(plain[i].run_label, plain[i].setting, arena);
        if (several_lengths)
            name = arena_format(arena, "%s trained at %lld", name, (long long)plain[i].train_length);
        if (!yardstick)
            return error_set(err, EXIT_USAGE,
                             "--best: %s has no evaluation on the validation split at its training length; "
                             "`poslab eval DB --split valid --multiples 1` adds them",
                             name);
        SeriesChoice *choice = NEW(arena, 1, SeriesChoice);
        best[i] = find_best(plain, *count, yardstick, &choice->incomplete);
        choice->by = yardstick->evaluated;
        choice->text =
            arena_format(arena, "%s%s", name,
                         best[i] < 0 ? " left out" : values_of(&items[best[i]], paths, path_count, arena));
        plain[i].choice = choice;
    }
    for (int i = 0; i < *count; i++) {
        if (best[i] < 0)
            others[(*left_out)++] = plain[i];
        else if (!strcmp(values_of(&plain[i], paths, path_count, arena),
                         values_of(&plain[best[i]], paths, path_count, arena)))
            items[kept++] = plain[i];
    }
    memcpy(items + kept, others, (size_t)*left_out * sizeof *items);
    *count = kept;
    return true;
}
