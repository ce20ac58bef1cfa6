/* corpus: the documents are ordered by their hash, joined as tokens, and cut into splits.
 *
 * The lists train, valid and test are consecutive in one array of tokens; a split is a range of it. The
 * corpus hash, exactly: for train, valid, test: the split's token count; then, for each part of a document
 * in it, in order, the part's token count and its tokens. Counts are int64, tokens uint16 (uint32 if the
 * vocabulary exceeds 65536), all little-endian.
 */
#include "data/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sys/path_pattern.h"
#include "data/documents.h"
#include "data/tokenizers.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tokens are hashed as they are in memory");

/* --- documents are ordered, joined and cut --- */

/* Documents with equal `order` have the same name and content, so their order does not matter. */
static int by_order(const void *a, const void *b) {
    const Document *left = a, *right = b;
    if (left->list != right->list) return (int)left->list - (int)right->list;
    return strcmp(left->order, right->order);
}

static int64_t list_count(const Documents *documents, CorpusSplit list) {
    int64_t sum = 0;
    for (int i = 0; i < documents->count; i++)
        if (documents->items[i].list == list) sum += documents->items[i].count;
    return sum;
}

/* Sets the splits to ranges of the joined tokens. The lists are consecutive; the list train is cut by the
   shares. */
static void cut_splits(const Documents *documents, Corpus *corpus, const uint32_t *tokens) {
    int64_t listed = list_count(documents, SPLIT_TRAIN), start = 0;
    int64_t shares[SPLIT_COUNT] = {0};
    shares[SPLIT_VALID] = llround((double)listed * documents->options->valid);
    shares[SPLIT_TEST] = llround((double)listed * documents->options->test);
    shares[SPLIT_TRAIN] = listed - shares[SPLIT_VALID] - shares[SPLIT_TEST];
    for (CorpusSplit split = 0; split < SPLIT_COUNT; split++, start += shares[split - 1])
        corpus->splits[split] = (CorpusStream){.tokens = tokens + start, .count = shares[split]};
    for (CorpusSplit split = SPLIT_VALID; split < SPLIT_COUNT; split++) {
        int64_t count = list_count(documents, split);
        if (count) corpus->splits[split] = (CorpusStream){.tokens = tokens + start, .count = count};
        start += count;
    }
}

/* The part of a document that is in a split: [*from, *to) of all tokens; empty if from >= to. */
static void part_in_split(const Document *document, const CorpusStream *split, const uint32_t *tokens,
                          int64_t *from, int64_t *to) {
    int64_t first = split->tokens - tokens, end = first + split->count;
    int64_t last = document->start + document->count;
    *from = document->start > first ? document->start : first;
    *to = last < end ? last : end;
}

static void hash_tokens(Sha256 *hash, const uint32_t *tokens, int64_t count, int vocabulary) {
    uint16_t narrow[4096];
    if (vocabulary > UINT16_MAX + 1) {
        sha256_update(hash, tokens, (size_t)count * sizeof *tokens);
        return;
    }
    for (int64_t done = 0, some; done < count; done += some) {
        some = count - done < COUNT_OF(narrow) ? count - done : COUNT_OF(narrow);
        for (int64_t i = 0; i < some; i++) narrow[i] = (uint16_t)tokens[done + i];
        sha256_update(hash, narrow, (size_t)some * sizeof *narrow);
    }
}

/* Counts the documents of each split and computes the corpus hash. */
static void hash_corpus(const Documents *documents, Corpus *corpus, const uint32_t *tokens) {
    Sha256 *hash = sha256_new();
    for (CorpusSplit split = 0; split < SPLIT_COUNT; split++) {
        CorpusStream *stream = &corpus->splits[split];
        sha256_update(hash, &stream->count, sizeof stream->count);
        for (int i = 0; i < documents->count; i++) {
            const Document *document = &documents->items[i];
            int64_t from, to;
            part_in_split(document, stream, tokens, &from, &to);
            if (from >= to) continue;
            int64_t count = to - from;
            sha256_update(hash, &count, sizeof count);
            hash_tokens(hash, tokens + from, count, corpus->vocabulary);
            if (from == document->start) stream->documents++;
        }
        if (stream->count && !stream->documents) stream->documents = 1;
    }
    sha256_finish(hash, corpus->hash);
}

/* The number of documents whose content is also in another split, because a cut separates copies. */
static int64_t count_copies(const Documents *documents, const Corpus *corpus, const uint32_t *tokens) {
    typedef struct Content {
        int documents;
        unsigned splits; /* one bit for each split that contains it */
    } Content;
    Content *contents = NEW(documents->scratch, documents->count, Content);
    int64_t copies = 0;
    for (int i = 0; i < documents->count; i++) {
        const Document *document = &documents->items[i];
        Content *content = &contents[document->content];
        content->documents++;
        for (int split = 0; split < SPLIT_COUNT; split++) {
            int64_t from, to;
            part_in_split(document, &corpus->splits[split], tokens, &from, &to);
            if (from < to) content->splits |= 1u << split;
        }
    }
    for (int i = 0; i < documents->count; i++)
        if (contents[i].documents > 1 && contents[i].splits & (contents[i].splits - 1))
            copies += contents[i].documents;
    return copies;
}

const char *corpus_note(const Corpus *corpus, Arena *arena) {
    const char *empty = "", *copies = "";
    if (corpus->empty)
        empty = arena_format(arena, "%lld empty file%s skipped", (long long)corpus->empty,
                             corpus->empty == 1 ? "" : "s");
    if (corpus->copies)
        copies = arena_format(arena, "%lld files have the same content as files in another split",
                              (long long)corpus->copies);
    return arena_format(arena, "%s%s%s", empty, *empty && *copies ? "; " : "", copies);
}

static bool check_options(const Documents *documents, int vocabulary) {
    const CorpusOptions *options = documents->options;
    const char *source = documents->source;
    double shares[SPLIT_COUNT] = {0, options->valid, options->test};
    if (options->tokenizer == TOKENIZER_UINT32)
        return error_set(documents->err, EXIT_USAGE,
                         "%s: 'data.tokenizer' \"uint32\" can only be planned; use \"uint16\"", source);
    if (vocabulary < 1 || vocabulary > UINT16_MAX + 1)
        return error_set(documents->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' must be set for the tokenizer \"%s\", in [1, 65536], got %d",
                         source, corpus_tokenizer_names[options->tokenizer], vocabulary);
    if (!options->files[SPLIT_TRAIN] || !*options->files[SPLIT_TRAIN])
        return error_set(documents->err, EXIT_USAGE,
                         "%s: 'data.files' is empty; name the files of the corpus", source);
    for (CorpusSplit split = SPLIT_VALID; split < SPLIT_COUNT; split++) {
        bool listed = options->files[split] && *options->files[split];
        if (listed && shares[split] > 0)
            return error_set(documents->err, EXIT_USAGE,
                             "%s: 'data.split.%s' must be 0 if '%s' is given, got %g", source,
                             corpus_split_names[split], documents_keys[split], shares[split]);
    }
    if (!(options->valid >= 0 && options->test >= 0 && options->valid + options->test < 1))
        return error_set(
            documents->err, EXIT_USAGE,
            "%s: 'data.split.valid' and 'data.split.test' leave no training data: their sum must "
            "be below 1, got %g",
            source, options->valid + options->test);
    return true;
}

static bool read_corpus(Documents *documents, int vocabulary, Corpus *corpus, Arena *arena) {
    if (!check_options(documents, vocabulary) || !documents_read(documents, arena)) return false;
    qsort(documents->items, (size_t)documents->count, sizeof(Document), by_order);
    CorpusTokenizer tokenizer = (CorpusTokenizer)documents->options->tokenizer;
    uint32_t *tokens = NEW(arena, documents->total, uint32_t);
    int64_t start = 0;
    for (int i = 0; i < documents->count; i++) {
        Document *document = &documents->items[i];
        document->start = start;
        const char *where =
            arena_format(documents->scratch, "%s: file '%s'", documents->source, document->path);
        if (!tokenizers_read(tokenizer, document->tokens, document->count, vocabulary, tokens + start, where,
                             documents->err))
            return false;
        start += document->count;
    }
    corpus->vocabulary = vocabulary;
    cut_splits(documents, corpus, tokens);
    hash_corpus(documents, corpus, tokens);
    corpus->empty = documents->empty;
    corpus->copies = count_copies(documents, corpus, tokens);
    corpus->bytes_per_token = tokenizers_bytes_per_token(tokenizer);
    return true;
}

/* A task has examples in place of splits. */
static Corpus *task_corpus(const ExamplesOptions *task, int vocabulary, Arena *arena) {
    Corpus *corpus = NEW(arena, 1, Corpus);
    corpus->vocabulary = vocabulary;
    corpus->examples = examples_new(task, arena);
    Arena *scratch = arena_new(0);
    const char *text = arena_format(scratch, "poslab task %d\n%s", CORPUS_TASK_FORMAT,
                                    json_print(examples_json(task, scratch), scratch));
    sha256_hex(text, strlen(text), corpus->hash);
    arena_free(scratch);
    return corpus;
}

Corpus *corpus_read(const CorpusOptions *options, int vocabulary, const char *source, Arena *arena,
                    Error *err) {
    if (options->task) return task_corpus(options->task, vocabulary, arena);
    if (vocabulary == 0) vocabulary = tokenizers_vocabulary((CorpusTokenizer)options->tokenizer);
    ArenaMark mark = arena_mark(arena);
    Corpus *corpus = NEW(arena, 1, Corpus);
    Arena *scratch = arena_new(0);
    Documents documents = {.options = options, .source = source, .scratch = scratch, .err = err};
    bool good = read_corpus(&documents, vocabulary, corpus, arena);
    arena_free(scratch);
    if (good) return corpus;
    arena_release(arena, mark);
    return NULL;
}

bool corpus_is_missing(const CorpusOptions *options) {
    Arena *scratch = arena_new(0);
    bool missing = false;
    for (CorpusSplit list = 0; list < SPLIT_COUNT; list++)
        for (const char **pattern = options->files[list]; pattern && *pattern && !missing; pattern++) {
            Paths found;
            Error ignored;
            missing = path_pattern_find(&found, *pattern, "", scratch, &ignored) && found.count == 0;
        }
    arena_free(scratch);
    return missing;
}
