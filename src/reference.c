/* reference: see reference.h. */
#include "reference.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "statement.h"

static const char default_source[] = "Press et al. 2022 (arXiv 2108.12409)";

enum { MOST_FIELDS = 32, LINE = 4096 };

/* The columns that say what a row is of. */
enum { TABLE, SOURCE, DATASET, SPLIT, METHOD, TRAIN_LENGTH, EVAL_LENGTH, STRIDE, PHASE, KEYS };
static const char *const key_names[] = {"table",        "source",      "dataset", "split", "method",
                                        "train_length", "eval_length", "stride",  "phase"};

typedef struct Reader {
    Store *store;
    const char *path;
    int line;
    int key[KEYS]; /* its field; -1: there is none */
    char head[LINE];
    char *names[MOST_FIELDS];
    int count; /* fields */
    int64_t *rows;
} Reader;

static bool complain(const Reader *reader, Err *err, const char *what) {
    return err_set(err, EXIT_USAGE, "reference '%s', line %d: %s", reader->path, reader->line, what);
}

/* Cuts a line at its commas, in place; quotes around a field are taken off, doubled ones in it halved.
   Returns the number of fields, -1 if there are too many or a quote stays open. */
static int cut_fields(char *line, char **fields) {
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
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

static const char *field_of(const Reader *reader, char *const *fields, int key) {
    const char *text = reader->key[key] < 0 ? "" : fields[reader->key[key]];
    return *text ? text : NULL;
}

static bool read_number(const Reader *reader, const char *text, double *number, Err *err) {
    char *end;
    *number = strtod(text, &end);
    return (*text && !*end && isfinite(*number)) || complain(reader, err, "a number is expected");
}

static bool read_length(const Reader *reader, char *const *fields, int key, Value *value, Err *err) {
    const char *text = field_of(reader, fields, key);
    double number = 0;
    *value = value_text(NULL);
    if (!text) return true;
    if (!read_number(reader, text, &number, err)) return false;
    if (!(number >= 1 && number <= 1e15 && number == floor(number)))
        return complain(reader, err, "lengths and strides are whole numbers from 1");
    *value = value_whole((int64_t)number);
    return true;
}

static bool read_head(Reader *reader, Err *err) {
    reader->count = cut_fields(reader->head, reader->names);
    if (reader->count < 0) return complain(reader, err, "this is no CSV");
    for (int k = 0; k < KEYS; k++) {
        reader->key[k] = -1;
        for (int i = 0; i < reader->count; i++)
            if (!strcmp(reader->names[i], key_names[k])) reader->key[k] = i;
    }
    return (reader->key[METHOD] >= 0 && reader->key[TRAIN_LENGTH] >= 0) ||
           complain(reader, err, "the head must name the columns method and train_length");
}

static bool is_key(const Reader *reader, int field) {
    for (int k = 0; k < KEYS; k++)
        if (reader->key[k] == field) return true;
    return false;
}

static bool take_row(Reader *reader, char *const *fields, Err *err) {
    Arena *arena = store_arena(reader->store);
    const char *source = field_of(reader, fields, SOURCE), *table = field_of(reader, fields, TABLE);
    const char *method = field_of(reader, fields, METHOD), *phase = field_of(reader, fields, PHASE);
    Value train, length, stride, value;
    if (!read_length(reader, fields, TRAIN_LENGTH, &train, err) ||
        !read_length(reader, fields, EVAL_LENGTH, &length, err) ||
        !read_length(reader, fields, STRIDE, &stride, err))
        return false;
    if (!method || train.type != VALUE_WHOLE)
        return complain(reader, err, "method or train_length is missing");
    if (!source) source = table ? arena_format(arena, "%s, table %s", default_source, table) : default_source;
    for (int i = 0; i < reader->count; i++) {
        double number;
        if (is_key(reader, i) || !*fields[i]) continue;
        if (!read_number(reader, fields[i], &number, err)) return false;
        value = value_real(number);
        const Value quantity =
            value_text(phase ? arena_format(arena, "%s_%s", phase, reader->names[i]) : reader->names[i]);
        const Value values[] = {value_text(source),
                                value_text(field_of(reader, fields, DATASET)),
                                value_text(field_of(reader, fields, SPLIT)),
                                value_text(method),
                                train,
                                length,
                                stride,
                                quantity,
                                value};
        if (!store_step(
                reader->store, err, NULL,
                "DELETE FROM reference WHERE source = ? AND dataset IS ? AND split IS ? AND method = ?"
                " AND train_length = ? AND eval_length IS ? AND stride IS ? AND quantity = ?",
                values, COUNT_OF(values) - 1) ||
            !store_step(
                reader->store, err, NULL,
                "INSERT INTO reference (source, dataset, split, method, train_length, eval_length, stride,"
                " quantity, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values, COUNT_OF(values)))
            return false;
        ++*reader->rows;
    }
    return true;
}

static bool take_file(Store *store, const char *path, int64_t *rows, Err *err) {
    Arena *arena = arena_new(0);
    Reader *reader = NEW(arena, 1, Reader);
    *reader = (Reader){.store = store, .path = path, .line = 1, .rows = rows};
    char line[LINE], *fields[MOST_FIELDS];
    FILE *file = fopen(path, "re");
    bool fine = file || err_system(err, "cannot read '%s'", path);
    if (fine)
        fine = fgets(reader->head, LINE, file) ? read_head(reader, err) : complain(reader, err, "no head");
    while (fine && fgets(line, LINE, file)) {
        ArenaMark mark = arena_mark(store_arena(store));
        reader->line++;
        if (line[strspn(line, "\r\n")]) {
            fine = cut_fields(line, fields) == reader->count ||
                   complain(reader, err, "as many fields as in the head are expected");
            fine = fine && take_row(reader, fields, err);
        }
        arena_release(store_arena(store), mark);
    }
    if (fine && ferror(file)) fine = err_system(err, "cannot read '%s'", path);
    if (file) fclose(file);
    arena_free(arena);
    return fine;
}

static bool take_files(Store *store, const char *const *files, int64_t *rows, Err *err) {
    bool fine = store_execute(store, err, "BEGIN IMMEDIATE");
    if (!fine) return false;
    for (; fine && *files; files++) fine = take_file(store, *files, rows, err);
    return store_finish(store, err, fine);
}

bool reference_import(Store *store, const char *const *files, int64_t *rows, Err *err) {
    static const char standard[] = "results/paper/*.csv";
    *rows = 0;
    if (*files) return take_files(store, files, rows, err);
    glob_t found;
    if (glob(standard, 0, NULL, &found) != 0)
        return err_set(err, EXIT_USAGE, "there is no %s here; name the files", standard);
    bool fine = take_files(store, (const char *const *)found.gl_pathv, rows, err);
    globfree(&found);
    return fine;
}
