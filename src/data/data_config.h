/* data_config: the section `data` of a config: files with a tokenizer and splits, or a task.
 *
 *     "data": { "files": ["data/perl.txt"], "tokenizer": "bytes", "split": { "valid": 0.05, "test": 0.05 } }
 *     "data": { "task": { "name": "addition", "size": [2, 5] } }        data/examples.h
 *
 * "valid_files" and "test_files" name the files of a split, whose share is then 0.
 */
#ifndef POSLAB_DATA_DATA_CONFIG_H
#define POSLAB_DATA_DATA_CONFIG_H

#include "data/corpus_options.h"

/* Reads the section. Errors are collected in the reader (options_note); their paths begin with "data". */
bool data_config_read(const OptionReader *reader, CorpusOptions *data, const Json *json);

/* The section as JSON with all defaults. */
Json *data_config_json(const CorpusOptions *data, Arena *arena);

#endif
