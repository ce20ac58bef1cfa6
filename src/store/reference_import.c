/* reference_import: reads and compares the numbers of all files before it changes the database. */
#include "store/reference_import.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_syntax.h"
#include "base/options.h"
#include "base/text.h"
#include "sys/atomic_file.h"
#include "sys/path_pattern.h"
#include "store/internal.h"

static const char default_source[] = "Press et al. 2022 (arXiv 2108.12409)";

enum { MOST_FIELDS = 32 };

/* The columns: first those that identify a row, then the quantities. */
enum {
    TABLE,
    SOURCE,
    DATASET,
    SPLIT,
    METHOD,
    TRAIN_LENGTH,
    EVAL_LENGTH,
    STRIDE,
    PHASE,
    KEY_COLUMNS,
    PERPLEXITY = KEY_COLUMNS,
    LOSS,
    BITS_PER_BYTE,
    WORDS_PER_SECOND,
    TOKENS_PER_SECOND,
    MEMORY_GB,
    COLUMNS
};
static const char *const column_names[COLUMNS + 1] = {
    "table",    "source", "dataset",    "split", "method",        "train_length",     "eval_length",
    "stride",   "phase",  "perplexity", "loss",  "bits_per_byte", "words_per_second", "tokens_per_second",
    "memory_gb"};

/* Whether a quantity is the result of an evaluation; other quantities have a phase. */
static bool is_evaluated(int column) {
    return column >= PERPLEXITY && column <= BITS_PER_BYTE;
}

static const char *const split_values[] = {"train", "valid", "test", NULL};
static const char *const phase_values[] = {"train", "eval", NULL};

typedef struct Number {
    const char *source, *dataset, *split, *method, *quantity; /* NULL: not given */
    int64_t train_length, eval_length, stride;                /* 0: not given */
    double value;
    const char *thing; /* identity of the number (thing_of) */
    const char *path;  /* of its file */
    int line;
} Number;

typedef struct ReferenceReader {
    const char *path;
    int line;
    int field[COLUMNS]; /* index of each column in a line; -1: the file does not have it */
    int count;          /* number of fields in a line */
    Number *numbers;
    size_t number_count;
    Arena *arena;
    Error *err;
} ReferenceReader;

static bool complain(const ReferenceReader *reader, const char *what) {
    return error_set(reader->err, EXIT_USAGE, "reference '%s', line %d: %s", reader->path, reader->line,
                     what);
}

/* ---- fields ---- */

/* Splits a line at its commas, in place, and removes quotes. Returns the number of fields, or -1 if there are
   too many or a quote is not closed. */
static int cut_fields(char *line, char **fields) {
    int count = 0;
    for (char *from = line;; from++) {
        if (count == MOST_FIELDS) return -1;
        char *to = fields[count++] = from;
        bool quoted = *from == '"';
        for (from += quoted; quoted ? *from : *from && *from != ','; *to++ = *from++)
            if (quoted && *from == '"' && *++from != '"') break;
        if (quoted && from[-1] != '"') return -1;
        bool last = !*from;
        if (!last && *from != ',') return -1;
        *to = '\0';
        if (last) return count;
    }
}

/* A field of the line; NULL if it is empty or the file does not have the column. */
static const char *field_of(const ReferenceReader *reader, char *const *fields, int column) {
    const char *text = reader->field[column] < 0 ? "" : fields[reader->field[column]];
    return *text ? text : NULL;
}

/* Reports "column 'perplexity' must be a number of at least 1, got 'x'". */
static bool refuse_field(const ReferenceReader *reader, char *const *fields, int column, const char *wanted) {
    char shown[JSON_EXCERPT_SIZE];
    const char *text = field_of(reader, fields, column);
    return complain(reader, arena_format(reader->arena, "column '%s' must be %s, got %s%s%s",
                                         column_names[column], wanted, text ? "'" : "",
                                         text ? json_excerpt_text(text, shown) : "nothing", text ? "'" : ""));
}

static bool read_length(const ReferenceReader *reader, char *const *fields, int column, int64_t *length) {
    const char *text = field_of(reader, fields, column);
    *length = 0;
    if (!text) return true;
    double number = text_number(text);
    if (!(number >= 1 && number <= 1e15 && number == floor(number)))
        return refuse_field(reader, fields, column, "a whole number from 1");
    *length = (int64_t)number;
    return true;
}

/* Checks that a field is empty or one of `words`. */
static bool read_word(const ReferenceReader *reader, char *const *fields, int column,
                      const char *const *words) {
    const char *text = field_of(reader, fields, column);
    if (!text || text_index(text, words) >= 0) return true;
    const char *list = text_list(words, reader->arena);
    return refuse_field(reader, fields, column, arena_format(reader->arena, "one of %s", list));
}

/* ---- lines ---- */

static bool unknown_column(const ReferenceReader *reader, const char *name) {
    char shown[JSON_EXCERPT_SIZE];
    const char *list =
        arena_format(reader->arena, "known columns: %s", text_list(column_names, reader->arena));
    return error_unknown(reader->err, text_nearest(name, column_names), list,
                         "reference '%s', line %d: unknown column '%s'", reader->path, reader->line,
                         json_excerpt_text(name, shown));
}

static bool read_head(ReferenceReader *reader, char *line) {
    char *names[MOST_FIELDS];
    bool quantity = false, evaluated = false;
    if (!strchr(line, ',') && strpbrk(line, ";\t"))
        return complain(reader, "columns must be separated by commas");
    reader->count = cut_fields(line, names);
    if (reader->count < 0)
        return complain(reader, "not valid CSV: a quote is not closed, or too many fields");
    for (int c = 0; c < COLUMNS; c++) reader->field[c] = -1;
    for (int i = 0; i < reader->count; i++) {
        int column = text_index(names[i], column_names);
        if (column < 0) return unknown_column(reader, names[i]);
        if (reader->field[column] >= 0)
            return complain(
                reader, arena_format(reader->arena, "duplicate column '%s'; remove one of them", names[i]));
        reader->field[column] = i;
        quantity |= column >= KEY_COLUMNS;
        evaluated |= is_evaluated(column);
    }
    if (reader->field[METHOD] < 0 || reader->field[TRAIN_LENGTH] < 0)
        return complain(reader, "the header must have the columns method and train_length");
    if (evaluated && (reader->field[EVAL_LENGTH] < 0 || reader->field[STRIDE] < 0))
        return complain(reader,
                        "perplexities, losses and bits per byte need the columns eval_length and stride");
    return quantity || complain(reader, "the header has no quantity, such as perplexity");
}

/* The identity of a number as text. Two numbers with the same identity must have the same value. Lengths are
   padded with zeros, so that texts sort by length. */
static const char *thing_of(const Number *n, Arena *arena) {
    return arena_format(arena, "%s\n%s\n%s\n%s\n%s\n%016lld %016lld %016lld", n->source,
                        n->dataset ? n->dataset : "", n->split ? n->split : "", n->method, n->quantity,
                        (long long)n->train_length, (long long)n->eval_length, (long long)n->stride);
}

static bool read_row(ReferenceReader *reader, char *const *fields) {
    const char *source = field_of(reader, fields, SOURCE), *table = field_of(reader, fields, TABLE);
    const char *phase = field_of(reader, fields, PHASE);
    Number number = {.dataset = field_of(reader, fields, DATASET),
                     .split = field_of(reader, fields, SPLIT),
                     .method = field_of(reader, fields, METHOD),
                     .path = reader->path,
                     .line = reader->line};
    for (int i = 0; i < reader->count; i++)
        if (*fields[i] == ' ' || (*fields[i] && fields[i][strlen(fields[i]) - 1] == ' '))
            return complain(reader,
                            arena_format(reader->arena, "field %d begins or ends with a space", i + 1));
    if (!read_length(reader, fields, TRAIN_LENGTH, &number.train_length) ||
        !read_length(reader, fields, EVAL_LENGTH, &number.eval_length) ||
        !read_length(reader, fields, STRIDE, &number.stride) ||
        !read_word(reader, fields, SPLIT, split_values) || !read_word(reader, fields, PHASE, phase_values))
        return false;
    if (!number.method || !number.train_length) return complain(reader, "method or train_length is missing");
    if (number.stride > number.eval_length && number.eval_length)
        return refuse_field(reader, fields, STRIDE, "at most eval_length");
    number.source = source  ? source
                    : table ? arena_format(reader->arena, "%s, table %s", default_source, table)
                            : default_source;
    for (int c = KEY_COLUMNS; c < COLUMNS; c++) {
        const char *text = field_of(reader, fields, c);
        if (!text) continue;
        int least = c == PERPLEXITY;
        number.value = text_number(text);
        if (!(number.value >= least))
            return refuse_field(reader, fields, c,
                                least ? "a number of at least 1" : "a number of at least 0");
        if (is_evaluated(c) && (!number.eval_length || !number.stride))
            return refuse_field(reader, fields, c, "empty if eval_length or stride is empty");
        if (is_evaluated(c) && phase) return refuse_field(reader, fields, c, "empty if a phase is given");
        number.quantity =
            phase ? arena_format(reader->arena, "%s_%s", phase, column_names[c]) : column_names[c];
        number.thing = thing_of(&number, reader->arena);
        *ARENA_PUSH(reader->arena, reader->numbers, reader->number_count) = number;
    }
    return true;
}

/* Cuts the next line off *rest, in place; NULL at the end. Lines end with \n, \r\n or \r. */
static char *next_line(char **rest) {
    char *line = *rest;
    if (!*line) return NULL;
    char *end = line + strcspn(line, "\r\n");
    *rest = end + (end[0] == '\r' && end[1] == '\n' ? 2 : *end != '\0');
    *end = '\0';
    return line;
}

static bool read_file(ReferenceReader *reader, const char *path) {
    size_t size, begin;
    char *text = file_read(path, JSON_SYNTAX_MAX_SIZE, &size, reader->arena), *fields[MOST_FIELDS], *line;
    const char *place = arena_format(reader->arena, "reference '%s'", path);
    if (!text) return error_system(reader->err, "cannot read '%s'", path);
    if (size > JSON_SYNTAX_MAX_SIZE)
        return error_set(reader->err, EXIT_USAGE, "%s: larger than %d MiB", place,
                         JSON_SYNTAX_MAX_SIZE >> 20);
    if (!scan_begin(text, size, &begin, place, reader->err) ||
        !json_syntax_check_utf8(text, size, place, reader->err))
        return false;
    reader->path = arena_copy(reader->arena, path);
    reader->line = 1;
    text += begin;
    line = next_line(&text);
    if (!line) return complain(reader, "the header line is missing");
    if (!read_head(reader, line)) return false;
    while ((line = next_line(&text)) != NULL) {
        reader->line++;
        if (!*line) continue;
        if (cut_fields(line, fields) != reader->count)
            return complain(reader, "expected as many fields as in the header");
        if (!read_row(reader, fields)) return false;
    }
    return true;
}

/* ---- numbers ---- */

static int by_thing(const void *a, const void *b) {
    return strcmp(((const Number *)a)->thing, ((const Number *)b)->thing);
}

/* Sorts the numbers and removes duplicates. Two values with the same identity are an error. */
static bool compare_numbers(ReferenceReader *reader) {
    size_t kept = 0;
    if (reader->number_count) qsort(reader->numbers, reader->number_count, sizeof(Number), by_thing);
    for (size_t i = 0; i < reader->number_count; i++) {
        const Number *next = &reader->numbers[i], *last = kept ? &reader->numbers[kept - 1] : NULL;
        bool repeated = last && by_thing(last, next) == 0;
        if (repeated && last->value != next->value)
            return error_set(
                reader->err, EXIT_USAGE,
                "reference '%s', line %d: %s is %.10g, but %.10g in '%s', line %d; remove one of them",
                next->path, next->line, next->quantity, next->value, last->value, last->path, last->line);
        if (!repeated) reader->numbers[kept++] = *next;
    }
    reader->number_count = kept;
    return true;
}

static DatabaseValue value_length(int64_t length) {
    return length ? database_int(length) : database_text(NULL);
}

/* Replaces the stored value with the same identity. */
static bool store_number(Database *store, const Number *number, Error *err) {
    const DatabaseColumn row[] = {{"source", database_text(number->source)},
                                  {"dataset", database_text(number->dataset)},
                                  {"split", database_text(number->split)},
                                  {"method", database_text(number->method)},
                                  {"train_length", database_int(number->train_length)},
                                  {"eval_length", value_length(number->eval_length)},
                                  {"stride", value_length(number->stride)},
                                  {"quantity", database_text(number->quantity)},
                                  {"value", database_real(number->value)}};
    return database_row(store, err, NULL, "DELETE FROM reference WHERE", " IS ", "", row,
                        COUNT_OF(row) - 1) &&
           database_row(store, err, NULL, "INSERT INTO reference", " VALUES ", "", row, COUNT_OF(row));
}

static bool store_numbers(Database *store, const ReferenceReader *reader, Error *err) {
    bool fine = database_execute(store, err, "BEGIN IMMEDIATE");
    if (!fine) return false;
    for (size_t i = 0; fine && i < reader->number_count; i++)
        fine = store_number(store, &reader->numbers[i], err);
    return database_finish(store, err, fine);
}

bool reference_import(Database *store, const char *const *files, int64_t *rows, Error *err) {
    static const char standard[] = "results/paper/*.csv";
    Arena *arena = arena_new(0);
    ReferenceReader reader = {.arena = arena, .err = err};
    Paths found = {0};
    bool fine = *files || path_pattern_find(&found, standard, "reference", arena, err);
    if (fine && !*files && !found.count)
        fine = error_set(err, EXIT_USAGE, "no file matches %s; name the files to import", standard);
    for (int i = 0; fine && i < found.count; i++) fine = read_file(&reader, found.items[i]);
    for (; fine && *files; files++) fine = read_file(&reader, *files);
    fine = fine && compare_numbers(&reader) && store_numbers(store, &reader, err);
    *rows = fine ? (int64_t)reader.number_count : 0;
    arena_free(arena);
    return fine;
}
