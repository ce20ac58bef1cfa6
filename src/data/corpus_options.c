#include "data/corpus_options.h"

const char *const corpus_split_names[] = {"train", "valid", "test", NULL};
const char *const corpus_file_keys[] = {"data.files", "data.valid_files", "data.test_files"};

const OptionField corpus_fields[] = {
    {"tokenizer", OPTION_CHOICE, offsetof(CorpusOptions, tokenizer), .default_value = TOKENIZER_BYTES,
     .choices = tokenizer_names,
     .help = "what a token is: a byte; a little-endian number of 16 or 32 bits (nanoGPT, llm.c, fairseq); a "
             "word, as in fairseq; a token of byte-level BPE with data.vocabulary; a token of data.task"},
};
const int corpus_field_count = COUNT_OF(corpus_fields);

#define FILES .item = OPTION_TEXT, .most = CORPUS_MAX_FILES, .or_item = true

static const OptionPart corpus_parts[] = {
    {"files", "path or list of paths", "required",
     "files of the corpus; in patterns, ** matches folders at any depth: corpus/**/*.txt", FILES},
    {"valid_files", "path or list of paths", NULL,
     "files of the validation split; the share data.split.valid is then 0", FILES},
    {"test_files", "path or list of paths", NULL,
     "files of the test split; the share data.split.test is then 0", FILES},
    {"vocabulary", "path", NULL,
     "bpe: a tokenizer.json of Hugging Face; words: a dictionary of fairseq (dict.txt), instead of one from "
     "the training split; uint16 and uint32: the dictionary of the numbers",
     .item = OPTION_TEXT},
    {.key = "words"},
    {"task", "object with a name", NULL,
     "a synthetic task instead of files: its name, size, examples, seed, hint and options (see `poslab "
     "tasks`)",
     .definition = "data.task"},
    {.key = "split"},
    {0},
};
const OptionSection corpus_section = {"data", "The corpus: its files, its tokenizer and its splits",
                                      corpus_fields, COUNT_OF(corpus_fields), corpus_parts};

const OptionField corpus_split_fields[] = {
    {"valid", OPTION_REAL, offsetof(CorpusOptions, valid), .default_value = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for validation, before the test share"},
    {"test", OPTION_REAL, offsetof(CorpusOptions, test), .default_value = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for the test split, at its end"},
};
const int corpus_split_field_count = COUNT_OF(corpus_split_fields);
const OptionSection corpus_split_section = {"data.split",
                                            "Shares of the stream of tokens; the rest is for training",
                                            corpus_split_fields, COUNT_OF(corpus_split_fields), NULL};
