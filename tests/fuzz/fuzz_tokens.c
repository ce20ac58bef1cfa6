/* fuzz_tokens: reads token files, with and without a header; the first byte of an input selects the
 * tokenizer.
 */
#include "data/corpus.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    Error err = {0};
    Arena *arena = arena_new(0);
    const char *files[] = {fuzz_file(data + 1, size - 1), NULL}, *none[] = {NULL};
    CorpusOptions options = {
        .tokenizer = data[0] & 1, .valid = 0.1, .test = 0.1, .files = {files, none, none}};
    int vocabulary = data[0] & 1 ? 1 + data[0] * 257 : 0;
    const Corpus *corpus = corpus_read(&options, vocabulary, "config 'fuzz'", arena, &err);
    if (!corpus) fuzz_refused(&err, EXIT_USAGE);
    for (int split = 0; corpus && split < SPLIT_COUNT; split++)
        for (int64_t i = 0; i < corpus->splits[split].count; i++)
            if (corpus->splits[split].tokens[i] >= corpus->vocabulary) abort();
    arena_free(arena);
    return 0;
}
