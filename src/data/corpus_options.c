#include "data/corpus_options.h"

const char *const corpus_split_names[] = {"train", "valid", "test", NULL};
const char *const corpus_tokenizer_names[] = {"bytes", "uint16", "uint32", "task", NULL};

const OptionField corpus_fields[] = {
    {"tokenizer", OPTION_CHOICE, offsetof(CorpusOptions, tokenizer), .default_value = TOKENIZER_BYTES,
     .choices = corpus_tokenizer_names,
     .help =
         "bytes, or little-endian tokens of 16 bits (nanoGPT, llm.c); 32: plans only; task: of data.task"},
};
const int corpus_field_count = COUNT_OF(corpus_fields);

const OptionField corpus_split_fields[] = {
    {"valid", OPTION_REAL, offsetof(CorpusOptions, valid), .default_value = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for validation, before the test share"},
    {"test", OPTION_REAL, offsetof(CorpusOptions, test), .default_value = 0.05, .low = 0, .high = 1,
     .help = "share of the stream for the test split, at its end"},
};
const int corpus_split_field_count = COUNT_OF(corpus_split_fields);
