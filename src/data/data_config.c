#include "data/data_config.h"

#include <string.h>

/* A text or a list of texts as a NULL-terminated list; NULL where there is nothing. */
static bool read_files(const OptionReader *reader, const char ***files, const Json *data, const char *path) {
    const Json *json = json_get(data, strchr(path, '.') + 1);
    *files = NULL;
    if (!json_is_text(json) && !options_check_list(reader, json, path, CORPUS_MAX_FILES)) return false;
    if (!json) return true;
    int count = json_is_text(json) ? 1 : json_count(json);
    *files = NEW(reader->arena, count + 1, const char *);
    for (int i = 0; i < count; i++) {
        const Json *item = json_is_text(json) ? json : json_at(json, i);
        const char *text = json_text(item, "");
        if (!*text) return options_refuse(reader, item, path, "names or patterns of files");
        (*files)[i] = arena_copy(reader->arena, text);
    }
    return true;
}

/* Reads data.task, with which only data.tokenizer can be given. */
static bool read_task(const OptionReader *reader, CorpusOptions *data, const Json *json) {
    ExamplesOptions *task = NEW(reader->arena, 1, ExamplesOptions);
    for (const Json *member = json_first(json); member; member = json_next(member))
        if (strcmp(json_name(member), "task") && strcmp(json_name(member), "tokenizer"))
            return error_set(reader->err, EXIT_USAGE,
                             "%s: 'data.%s' cannot be given with 'data.task'; remove one of them",
                             reader->source, json_name(member));
    if (!json_get(json, "tokenizer")) data->tokenizer = TOKENIZER_TASK;
    if (data->tokenizer != TOKENIZER_TASK)
        return options_refuse(reader, json_get(json, "tokenizer"), "data.tokenizer",
                              "\"task\" with 'data.task', or left out");
    if (!examples_read(task, json_get(json, "task"), reader->source, reader->arena, reader->err))
        return false;
    data->task = task;
    return true;
}

/* Which tokenizers have a vocabulary and a section `words`. */
static bool check_vocabulary(const OptionReader *reader, const CorpusOptions *data, const Json *json) {
    bool words = data->tokenizer == TOKENIZER_WORDS;
    if (json_get(json, "words") && (!words || data->vocabulary))
        return error_set(reader->err, EXIT_USAGE, "%s: 'data.words' is for %s; remove it", reader->source,
                         words ? "a vocabulary that is counted, not for 'data.vocabulary'"
                               : "the tokenizer words");
    if (data->vocabulary && data->tokenizer == TOKENIZER_BYTES)
        return error_set(
            reader->err, EXIT_USAGE,
            "%s: 'data.vocabulary' is not for the tokenizer bytes; remove it, or set 'data.tokenizer'",
            reader->source);
    return data->tokenizer != TOKENIZER_BPE || data->vocabulary ||
           error_set(reader->err, EXIT_USAGE,
                     "%s: 'data.vocabulary' is missing; the tokenizer bpe needs the path of a tokenizer.json",
                     reader->source);
}

static bool check_files(const OptionReader *reader, CorpusOptions *data, const Json *split) {
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
                             "%s: 'data.split.%s' must be 0 if '%s' is given, got %g", reader->source,
                             corpus_split_names[s], corpus_file_keys[s], *shares[s]);
    }
    if (data->valid + data->test < 1) return true;
    return error_set(reader->err, EXIT_USAGE,
                     "%s: 'data.split' must leave a share for training, got valid %g and test %g",
                     reader->source, data->valid, data->test);
}

bool data_config_read(const OptionReader *reader, CorpusOptions *data, const Json *json) {
    const Json *split = json_get(json, "split");
    bool fine = options_read_section(reader, data, &corpus_section, json);
    data->task = NULL;
    data->vocabulary = NULL;
    fine &= options_read_section(reader, &data->words, &tokenizer_words_section, json_get(json, "words"));
    if (json_get(json, "task")) return options_note(reader, read_task(reader, data, json)) && fine;
    fine &= options_read_section(reader, data, &corpus_split_section, split);
    for (int s = 0; s < SPLIT_COUNT; s++)
        fine &= options_note(reader, read_files(reader, &data->files[s], json, corpus_file_keys[s]));
    const Json *vocabulary = json_get(json, "vocabulary");
    if (vocabulary && !*json_text(vocabulary, ""))
        fine =
            options_note(reader, options_refuse(reader, vocabulary, "data.vocabulary", "the path of a file"));
    else if (vocabulary)
        data->vocabulary = arena_copy(reader->arena, json_text(vocabulary, ""));
    return fine && options_note(reader, check_files(reader, data, split)) &&
           options_note(reader, check_vocabulary(reader, data, json));
}

/* --- writing --- */

Json *data_config_json(const CorpusOptions *data, Arena *arena) {
    Json *json = json_new_object(arena), *split = json_new_object(arena);
    if (data->task) {
        options_write(json, data, corpus_fields, corpus_field_count);
        json_set(json, "task", examples_json(data->task, arena));
        return json;
    }
    json_set(json, "files", json_new_texts(data->files[SPLIT_TRAIN], arena));
    options_write(json, data, corpus_fields, corpus_field_count);
    options_write(split, data, corpus_split_fields, corpus_split_field_count);
    json_set(json, "split", split);
    if (data->vocabulary) json_set_text(json, "vocabulary", data->vocabulary);
    if (data->tokenizer == TOKENIZER_WORDS && !data->vocabulary) {
        Json *words = json_new_object(arena);
        options_write(words, &data->words, tokenizer_words_section.fields,
                      tokenizer_words_section.field_count);
        json_set(json, "words", words);
    }
    if (data->files[SPLIT_VALID])
        json_set(json, "valid_files", json_new_texts(data->files[SPLIT_VALID], arena));
    if (data->files[SPLIT_TEST]) json_set(json, "test_files", json_new_texts(data->files[SPLIT_TEST], arena));
    return json;
}
