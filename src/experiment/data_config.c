/* data_config: see experiment/data_config.h. */
#include "experiment/data_config.h"

#include <string.h>

enum { MAX_FILES = 10000 };

typedef struct DataReader {
    const char *source;
    Arena *arena;
    Error *err;
} DataReader;

static bool must_be(const DataReader *reader, const char *path, const char *wanted, const Json *json) {
    return json_value_error(json, reader->source, path, wanted, reader->err);
}

static bool read_section(const DataReader *reader, CorpusOptions *data, const OptionField *fields, int count,
                         const Json *json, const char *const *skip, const char *path) {
    options_default(data, fields, count);
    return options_read(data, fields, count, json, skip, reader->source, path, reader->arena, reader->err);
}

/* A text or a list of texts as a NULL-terminated list; NULL where there is nothing. */
static bool read_files(const DataReader *reader, const char ***files, const Json *json, const char *path) {
    *files = NULL;
    if (!json_is_text(json) && !json_check_list(json, reader->source, path, MAX_FILES, reader->err))
        return false;
    if (!json) return true;
    int count = json_is_text(json) ? 1 : json_count(json);
    *files = NEW(reader->arena, count + 1, const char *);
    for (int i = 0; i < count; i++) {
        const Json *item = json_is_text(json) ? json : json_at(json, i);
        const char *text = json_text(item, "");
        if (!*text) return must_be(reader, path, "file names or globs", item);
        (*files)[i] = arena_copy(reader->arena, text);
    }
    return true;
}

/* A task makes its own data: nothing else can be given with it but the tokenizer's name. */
static bool read_task(const DataReader *reader, CorpusOptions *data, const Json *json) {
    ExamplesOptions *task = NEW(reader->arena, 1, ExamplesOptions);
    for (const Json *member = json_first(json); member; member = json_next(member))
        if (strcmp(json_name(member), "task") && strcmp(json_name(member), "tokenizer"))
            return error_set(reader->err, EXIT_USAGE,
                             "%s: 'data.%s' cannot be given with 'data.task'; remove one of them",
                             reader->source, json_name(member));
    if (!json_get(json, "tokenizer")) data->tokenizer = TOKENIZER_TASK;
    if (data->tokenizer != TOKENIZER_TASK)
        return must_be(reader, "data.tokenizer", "\"task\" with 'data.task', or left out",
                       json_get(json, "tokenizer"));
    data->task = task;
    return examples_read(task, json_get(json, "task"), reader->source, reader->arena, reader->err);
}

static bool read_data(const DataReader *reader, CorpusOptions *data, const Json *json) {
    static const char *const skip[] = {"files", "split", "valid_files", "test_files", "task", NULL};
    const Json *split = json_get(json, "split");
    data->task = NULL;
    if (json_get(json, "task"))
        return read_section(reader, data, corpus_fields, corpus_field_count, json, skip, "data") &&
               read_task(reader, data, json);
    if (!read_section(reader, data, corpus_fields, corpus_field_count, json, skip, "data") ||
        !read_section(reader, data, corpus_split_fields, corpus_split_field_count, split, NULL,
                      "data.split") ||
        !read_files(reader, &data->files[SPLIT_TRAIN], json_get(json, "files"), "data.files") ||
        !read_files(reader, &data->files[SPLIT_VALID], json_get(json, "valid_files"), "data.valid_files") ||
        !read_files(reader, &data->files[SPLIT_TEST], json_get(json, "test_files"), "data.test_files"))
        return false;
    if (data->tokenizer == TOKENIZER_TASK)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'data.tokenizer' \"task\" needs 'data.task'; name a task, or another tokenizer",
                         reader->source);
    if (!data->files[SPLIT_TRAIN])
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'data.files' is missing; list the files of the corpus, or give 'data.task'",
                         reader->source);
    double *shares[SPLIT_COUNT] = {[SPLIT_VALID] = &data->valid, [SPLIT_TEST] = &data->test};
    for (int s = SPLIT_VALID; s < SPLIT_COUNT; s++) {
        if (!data->files[s]) continue;
        if (!json_get(split, corpus_split_names[s]))
            *shares[s] = 0; /* the default share gives way to files */
        if (*shares[s] != 0)
            return error_set(reader->err, EXIT_USAGE,
                             "%s: 'data.split.%s' must be 0 if 'data.%s_files' is given, got %g",
                             reader->source, corpus_split_names[s], corpus_split_names[s], *shares[s]);
    }
    if (data->valid + data->test < 1) return true;
    return error_set(reader->err, EXIT_USAGE,
                     "%s: 'data.split' must leave a share for training, got valid %g and test %g",
                     reader->source, data->valid, data->test);
}

bool data_config_read(CorpusOptions *data, const Json *json, const char *source, Arena *arena, Error *err) {
    return read_data(&(DataReader){source, arena, err}, data, json);
}

/* --- writing --- */

static Json *files_json(const char *const *files, Arena *arena) {
    Json *list = json_new_array(arena);
    for (; *files; files++) json_append(list, json_new_text(*files, arena));
    return list;
}

Json *data_config_json(const CorpusOptions *data, Arena *arena) {
    Json *json = json_new_object(arena), *split = json_new_object(arena);
    if (data->task) {
        options_write(json, data, corpus_fields, corpus_field_count);
        json_set(json, "task", examples_json(data->task, arena));
        return json;
    }
    json_set(json, "files", files_json(data->files[SPLIT_TRAIN], arena));
    options_write(json, data, corpus_fields, corpus_field_count);
    options_write(split, data, corpus_split_fields, corpus_split_field_count);
    json_set(json, "split", split);
    if (data->files[SPLIT_VALID]) json_set(json, "valid_files", files_json(data->files[SPLIT_VALID], arena));
    if (data->files[SPLIT_TEST]) json_set(json, "test_files", files_json(data->files[SPLIT_TEST], arena));
    return json;
}
