/* corpus: orders the documents, joins their tokens, and cuts them into splits.
 *
 * The documents of the lists train, valid and test are consecutive in one array of tokens, and a split is a
 * range of this array. The corpus hash is the SHA-256 of
 *     the SHA-256 of the vocabulary, as text, with the tokenizers words and bpe;
 *     for each split: its number of tokens; for each part of a document in it, the number of tokens of the
 *     part and its tokens.
 * Numbers of tokens are int64. Tokens are uint16, or uint32 if the vocabulary exceeds 65536. All are
 * little-endian.
 */
#include "data/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sys/path_pattern.h"
#include "data/documents.h"
#include "data/token_cache.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tokens are hashed as they are in memory");

/* --- splits --- */

/* Documents with equal `order` have the same name and content, so their order does not matter. */
static int by_order(const void *a, const void *b) {
    const Document *left = a, *right = b;
    if (left->list != right->list) return (int)left->list - (int)right->list;
    return strcmp(left->order, right->order);
}

static int64_t list_count(const Documents *documents, CorpusSplit list) {
    int64_t sum = 0;
    for (int i = 0; i < documents->count; i++)
        if (documents->items[i].list == list) sum += documents->items[i].text.count;
    return sum;
}

/* Sets the splits to ranges of the joined tokens: the list train is cut by the shares, then the other lists
   follow. */
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

/* The part of a document that is in a split: the range [*from, *to) of all tokens, empty if *from >= *to. */
static void part_in_split(const Document *document, const CorpusStream *split, const uint32_t *tokens,
                          int64_t *from, int64_t *to) {
    int64_t first = split->tokens - tokens, end = first + split->count;
    int64_t last = document->start + document->text.count;
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

/* Adds the bytes, words and unknown words of a part of a document to its split. */
static void measure_part(const Documents *documents, const Document *document, CorpusStream *stream,
                         int64_t from, int64_t to, const uint32_t *tokens) {
    const Tokenizer *tokenizer = documents->tokenizer;
    const TokenizerText *text = &document->text;
    int64_t unknown = tokenizer_unknown(tokenizer);
    for (int64_t i = from; i < to && unknown >= 0; i++) stream->unknown += tokens[i] == unknown;
    if (!tokenizer_is_text(tokenizer->options.kind)) return;
    int64_t begin = from > document->start ? tokenizer_offset(tokenizer, text, from - document->start) : 0;
    int64_t end = tokenizer_offset(tokenizer, text, to - document->start);
    stream->bytes += end - begin;
    stream->words += tokenizer_count_words(text, begin, end);
}

/* Counts the documents of each split and computes the corpus hash. */
static void hash_corpus(const Documents *documents, Corpus *corpus, const uint32_t *tokens) {
    Sha256 *hash = sha256_new();
    if (tokenizer_is_text(documents->tokenizer->options.kind) && *documents->tokenizer->hash)
        sha256_update(hash, documents->tokenizer->hash, strlen(documents->tokenizer->hash));
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
            measure_part(documents, document, stream, from, to, tokens);
        }
        if (stream->count && !stream->documents) stream->documents = 1;
    }
    sha256_finish(hash, corpus->hash);
}

/* The number of documents that have copies in another split, because the cut separates the copies. */
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

/* The size of the vocabulary: that of the config, which must be at least that of the tokenizer, or if it is 0
   that of the tokenizer. Returns 0 on error. */
static int check_vocabulary(const Documents *documents, int given) {
    const Tokenizer *tokenizer = documents->tokenizer;
    TokenizerKind kind = tokenizer->options.kind;
    int own = kind == TOKENIZER_BYTES && given ? 0 : tokenizer->vocabulary;
    int most = kind == TOKENIZER_UINT16 ? UINT16_MAX + 1 : 1 << 24;
    const char *name = tokenizer->options.vocabulary;
    if (!given) given = own;
    if (given < 1 || given > most) {
        error_set(documents->err, EXIT_USAGE,
                  "%s: 'model.vocabulary' must be set for the tokenizer \"%s\", in [1, %d], got %d",
                  documents->source, tokenizer_names[kind], most, given);
        return 0;
    }
    if (given >= own) return given;
    error_set(documents->err, EXIT_USAGE,
              "%s: 'model.vocabulary' must be at least %d, the tokens of %s, or left out; got %d",
              documents->source, own,
              name ? arena_format(documents->scratch, "'%s'", name) : "the training split ('data.words')",
              given);
    return 0;
}

/* Computes the offsets of the documents in the joined tokens, and returns the number of tokens. */
static int64_t place(Documents *documents) {
    int64_t total = 0;
    for (int i = 0; i < documents->count; i++) {
        documents->items[i].start = total;
        total += documents->items[i].text.count;
    }
    return total;
}

static bool learn(const Documents *documents, const Corpus *corpus, const uint32_t *tokens) {
    for (int i = 0; i < documents->count; i++) {
        const Document *document = &documents->items[i];
        int64_t from, to;
        part_in_split(document, &corpus->splits[SPLIT_TRAIN], tokens, &from, &to);
        if (from < to)
            tokenizer_learn(documents->tokenizer, &document->text, from - document->start,
                            to - document->start);
    }
    return tokenizer_complete(documents->tokenizer, documents->source, documents->err);
}

static bool write_tokens(const Documents *documents, int vocabulary, uint32_t *tokens) {
    for (int i = 0; i < documents->count; i++) {
        const Document *document = &documents->items[i];
        if (!tokenizer_write(documents->tokenizer, &document->text, vocabulary, tokens + document->start,
                             documents_where(documents, document), documents->err))
            return false;
    }
    return true;
}

/* Refuses a dictionary of another corpus, with which most words would be unknown. */
static bool check_unknown(const Documents *documents, const Corpus *corpus) {
    const CorpusStream *train = &corpus->splits[SPLIT_TRAIN];
    return !documents->options->vocabulary || 2 * train->unknown <= train->count ||
           error_set(documents->err, EXIT_USAGE,
                     "%s: 'data.vocabulary': '%s' does not fit the corpus: %.0f %% of the tokens of the "
                     "training split "
                     "are unknown; name the dictionary that belongs to it, or leave the key out",
                     documents->source, documents->options->vocabulary,
                     100.0 * (double)train->unknown / (double)train->count);
}

static bool read_corpus(Documents *documents, int vocabulary, Corpus *corpus, Arena *arena) {
    size_t before = arena_used(arena);
    const TokenizerOptions options = corpus_tokenizer(documents->options);
    Tokenizer *tokenizer =
        tokenizer_open(&options, documents->source, arena, documents->scratch, documents->err);
    documents->tokenizer = tokenizer;
    if (!tokenizer || !documents_read(documents, arena)) return false;
    qsort(documents->items, (size_t)documents->count, sizeof(Document), by_order);
    if (!token_cache_tokenize(documents, tokenizer)) return false;
    int64_t total = place(documents);
    if (!total)
        return error_set(documents->err, EXIT_USAGE,
                         "%s: the corpus has no tokens; add text to 'data.files', or name another "
                         "'data.vocabulary'",
                         documents->source);
    uint32_t *tokens = NEW(arena, total, uint32_t);
    cut_splits(documents, corpus, tokens);
    if (!learn(documents, corpus, tokens)) return false;
    corpus->vocabulary = check_vocabulary(documents, vocabulary);
    if (!corpus->vocabulary || !write_tokens(documents, corpus->vocabulary, tokens)) return false;
    hash_corpus(documents, corpus, tokens);
    corpus->empty = documents->empty;
    corpus->copies = count_copies(documents, corpus, tokens);
    corpus->tokenizer = tokenizer;
    corpus->vocabulary_bytes = arena_used(arena) - before - (size_t)total * sizeof *tokens;
    double bytes = 0;
    for (int s = 0; s < SPLIT_COUNT; s++) bytes += (double)corpus->splits[s].bytes;
    corpus->bytes_per_token = bytes / (double)total;
    return check_unknown(documents, corpus);
}

TokenizerOptions corpus_tokenizer(const CorpusOptions *options) {
    return (TokenizerOptions){(TokenizerKind)options->tokenizer, options->vocabulary, options->words};
}

/* The corpus of a task: examples in place of splits. */
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
    ArenaMark mark = arena_mark(arena);
    Corpus *corpus = NEW(arena, 1, Corpus);
    Arena *scratch = arena_new(0);
    Documents documents = {.options = options, .source = source, .scratch = scratch, .err = err};
    bool good = read_corpus(&documents, vocabulary, corpus, arena);
    tokenizer_close(documents.tokenizer);
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
