#include "data/token_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

const Table *token_report_splits(const Corpus *corpus, const char *name, Arena *arena) {
    static const TableColumn columns[] = {
        {"split", "split", TABLE_TEXT},
        {"documents", "documents", TABLE_INT},
        {"tokens", "tokens", TABLE_INT},
        {"bytes", "bytes", TABLE_INT, .dashed = true},
        {"words", "words", TABLE_INT, .dashed = true},
        {"bytes_per_token", "bytes\nper token", TABLE_REAL, 3, .dashed = true},
        {"tokens_per_word", "tokens\nper word", TABLE_REAL, 3, .dashed = true},
        {"unknown", "unknown", TABLE_INT, .dashed = true},
        {"unknown_percent", "unknown\npercent", TABLE_REAL, 3, .dashed = true},
    };
    const Tokenizer *tokenizer = corpus->tokenizer;
    const char *hash = *tokenizer->hash ? arena_format(arena, ", SHA-256 %.12s", tokenizer->hash) : "";
    Table *table = table_new(arena_format(arena, "tokenizer %s, vocabulary %d%s; corpus %.12s", name,
                                          corpus->vocabulary, hash, corpus->hash),
                             columns, COUNT_OF(columns), arena);
    bool counts_unknown = tokenizer_unknown(tokenizer) >= 0;
    for (CorpusSplit split = 0; split < SPLIT_COUNT; split++) {
        const CorpusStream *stream = &corpus->splits[split];
        double count = (double)stream->count, bytes = stream->bytes ? (double)stream->bytes : NAN;
        double words = stream->words ? (double)stream->words : NAN;
        double unknown = counts_unknown ? (double)stream->unknown : NAN;
        TableCell *row = TABLE_TEXTS(table_row(table), corpus_split_names[split]);
        TABLE_NUMBERS(row, (double)stream->documents, count, bytes, words, bytes / count, count / words,
                      unknown, 100 * unknown / count);
    }
    table_note(table, "Words: what white space separates, and ends of lines.");
    return table;
}

static int by_count(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left > right ? -1 : left < right;
}

const Table *token_report_coverage(const Corpus *corpus, Arena *arena) {
    static const TableColumn columns[] = {
        {"most_frequent", "most frequent tokens", TABLE_INT},
        {"percent", "percent of the training split", TABLE_REAL, 2},
    };
    static const int tops[] = {10, 100, 1000, 5000, 10000, 20000, 50000, 100000};
    const CorpusStream *train = &corpus->splits[SPLIT_TRAIN];
    Table *table = table_new("coverage", columns, COUNT_OF(columns), arena);
    int64_t *counts = NEW(arena, corpus->vocabulary, int64_t), sum = 0;
    for (int64_t i = 0; i < train->count; i++) counts[train->tokens[i]]++;
    qsort(counts, (size_t)corpus->vocabulary, sizeof *counts, by_count);
    int used = 0, next = 0;
    while (used < corpus->vocabulary && counts[used]) used++;
    for (int i = 0; i < used; i++) {
        sum += counts[i];
        bool top = next < COUNT_OF(tops) && i + 1 == tops[next];
        next += top;
        if (top || i + 1 == used)
            TABLE_NUMBERS(table_row(table), i + 1, 100.0 * (double)sum / (double)train->count);
    }
    table_note(table,
               arena_format(arena, "%d of %d tokens occur in the training split.", used, corpus->vocabulary));
    return table;
}

enum { SHOWN = 40 }; /* the most bytes of a token that are shown */

/* The text of a token, or its beginning. *ends is whether the token ends a line. */
static const char *show(const Corpus *corpus, uint32_t token, bool *ends, Arena *arena) {
    int64_t size = 0;
    const char *text = tokenizer_token_text(corpus->tokenizer, token, &size);
    const char *out = "";
    *ends = false;
    if (!text) return arena_format(arena, "%u", token);
    *ends = size && (text[size - 1] == '\n' || (size == 4 && !memcmp(text, "</s>", 4)));
    for (int64_t i = 0; i < size && i < SHOWN; i++) {
        unsigned char c = (unsigned char)text[i];
        out = c == '\n'            ? arena_format(arena, "%s\\n", out)
              : c < 32 || c == 127 ? arena_format(arena, "%s\\x%02x", out, c)
                                   : arena_format(arena, "%s%c", out, c);
    }
    return size > SHOWN ? arena_format(arena, "%s...", out) : out;
}

const char **token_report_lines(const Corpus *corpus, int lines, int width, Arena *arena) {
    const CorpusStream *train = &corpus->splits[SPLIT_TRAIN];
    const char **list = NEW(arena, lines + 1, const char *);
    int64_t next = 0;
    for (int line = 0; line < lines && next < train->count; line++) {
        bool ends = false;
        list[line] = "";
        for (int i = 0; i < width && next < train->count && !ends; i++)
            list[line] =
                arena_format(arena, "%s%s|", list[line], show(corpus, train->tokens[next++], &ends, arena));
    }
    return list;
}
