/* corpus_options: the option tables of the section `data` of a config: files, tokenizer and splits. */
#ifndef POSLAB_DATA_CORPUS_OPTIONS_H
#define POSLAB_DATA_CORPUS_OPTIONS_H

#include "data/examples.h"
#include "tokenizers/tokenizer.h"

enum { CORPUS_MAX_FILES = 10000 }; /* the most paths and patterns in a list */

typedef enum CorpusSplit { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLIT_COUNT } CorpusSplit;
extern const char *const corpus_split_names[]; /* "train", "valid", "test", NULL */
extern const char *const corpus_file_keys[];   /* "data.files", "data.valid_files", "data.test_files" */

typedef struct CorpusOptions {
    int tokenizer;                   /* TokenizerKind */
    const char *vocabulary;          /* path of a tokenizer.json or a dictionary; NULL: none */
    TokenizerWords words;            /* options of the tokenizer words without a vocabulary file */
    double valid, test;              /* shares of the tokens, from the section `data.split` */
    const char **files[SPLIT_COUNT]; /* NULL-terminated lists of paths and patterns; NULL: not given. The list
                                        [SPLIT_TRAIN] is `data.files` */
    const ExamplesOptions *task;     /* `data.task`, in place of files; NULL: none */
} CorpusOptions;

extern const OptionField corpus_fields[], corpus_split_fields[];
extern const int corpus_field_count, corpus_split_field_count;
extern const OptionSection corpus_section, corpus_split_section; /* `data` and `data.split` */

#endif
