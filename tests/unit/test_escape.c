/* test_escape: names in a database may contain any bytes.
 *
 * A list of hostile strings is stored in every text column. Every command in every format must print for them
 * what it prints for plain names: the same lines, rows and cells, valid UTF-8, no control characters, and
 * nothing that a terminal, a spreadsheet, gnuplot or a shell would interpret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "samples.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "base/escape.h"
#include "report/plot.h"
#include "report/report.h"
#include "base/json_syntax.h"
#include "analysis/results.h"
#include "cli/cmd_status.h"
#include "cli/cmd_table.h"
#include "store/merge.h"
#include "store/runs.h"

static const struct Evil {
    const char *bytes;
    int size;
} evil[] = {
#define EVIL(text)                                                                                           \
    { text, sizeof(text) - 1 }
    EVIL("plain"),
    EVIL(""),
    EVIL(" "),
    EVIL("a\nb\n64 1 0 1 1 1"),
    EVIL("a\r\nb\rc"),
    EVIL("\ttab\v\f"),
    EVIL("\x01\x02\x07\x08\x1f\x7f"),
    EVIL("\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J"),
    EVIL("\xC2\x80\xC2\x85\xC2\x9B"
         "31mred\xC2\x9D"
         "0;title\xC2\x9C"),
    EVIL("\x80\x9B\xFF\xFE"),
    EVIL("\xC0\xAF\xE0\x80\xAF\xF0\x80\x80\xAF\xC1\xBF"), /* overlong */
    EVIL("\xED\xA0\x80\xED\xB0\x80"),                     /* surrogates */
    EVIL("\xF4\x90\x80\x80\xF8\x88\x80\x80\x80\xE6\x97"), /* above U+10FFFF, truncated */
    EVIL("\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBB\xBF"),
    EVIL("\xE2\x80\xAE"
         "dexaler\xE2\x80\xAC\xE2\x81\xA6x\xE2\x81\xA9\xE2\x80\xA8y\xE2\x80\xA9"),
    EVIL("\xE2\x80\x8E"
         "left\xE2\x80\x8Fright\xD8\x9C"), /* direction marks */
    EVIL("\xD7\xA9\xD7\x9C é 日本 \xF0\x9F\x98\x80 e\xCC\x81"),
    EVIL("\"double\" 'single' ''\"\""),
    EVIL("a,b;c"),
    EVIL("</td></script><script>alert(1)</script><!-- ]]> --><img src=x onerror=alert(2)>"),
    EVIL("&amp; & &lt; &#x3c;b&#x3e;"),
    EVIL("$(touch bad) `touch bad` ; touch bad & | touch bad > bad"),
    EVIL("'; system('touch bad'); x='"),
    EVIL("\\ \\n \\\\ \\end{document} \\input{bad} \\033[31m"),
    EVIL("%s%n%d %%"),
    EVIL("{} { } }{ {/=99 x} @macro x_1^2 #hash"),
    EVIL("| a | b || [link](http://x) *b* _i_ ~~s~~ $x$"),
    EVIL("=cmd|'/C calc'!A0"),
    EVIL("+1+cmd|x"),
    EVIL("-2+3"),
    EVIL("@SUM(1)"),
    EVIL("\t=1"),
    EVIL("\r=1"),
    EVIL("\xEF\xBC\x9D"
         "1+1"),
    EVIL("-1.5e3"),
    EVIL("a\0b"),
    EVIL("NaN"),
    EVIL("notitle"),
#undef EVIL
};

enum { COUNT = COUNT_OF(evil) + 1 }; /* and a very long one */

static const char *long_name;

static const char *name_at(int i, bool plain) {
    if (plain) return arena_format(sample_arena, "name%03d", i);
    return i < COUNT_OF(evil) ? evil[i].bytes : long_name;
}

static int size_at(int i, bool plain) {
    return !plain && i < COUNT_OF(evil) ? evil[i].size : (int)strlen(name_at(i, plain));
}

/* The name as an SQL literal. */
static const char *sql_name(int i, bool plain) {
    char *hex = arena_alloc(sample_arena, 2 * (size_t)size_at(i, plain) + 1, 1);
    for (int k = 0; k < size_at(i, plain); k++)
        sprintf(hex + 2 * k, "%02X", (unsigned char)name_at(i, plain)[k]);
    return arena_format(sample_arena, "CAST(x'%s' AS TEXT)", hex);
}

/* Statements that store a name, for %1$s, in the columns of a row, for %2$d; or, with `all`, all names in
   one. There are two databases, with and without numbers. */
enum { DONE = 1, FAILED = 2, KINDS = 2 };

static const struct {
    const char *sql;
    int kinds;
    bool all;
} places[] = {
    {"UPDATE run SET label = %1$s WHERE rowid = %2$d;", DONE | FAILED, false},
    {"UPDATE run SET method_options = json_object('x', %1$s) WHERE rowid = %2$d;", DONE, false},
    {"UPDATE run SET cpu = %1$s, blas = %1$s, revision = %1$s, started = %1$s, finished = %1$s WHERE rowid = "
     "%2$d;"
     "UPDATE evaluation SET revision = %1$s WHERE run = (SELECT key FROM run WHERE rowid = %2$d);",
     DONE, false},
    {"UPDATE request SET variant = %1$s WHERE run = (SELECT key FROM run WHERE rowid = %2$d);"
     "UPDATE evaluation SET variant = %1$s WHERE run = (SELECT key FROM run WHERE rowid = %2$d);",
     DONE, false},
    {"UPDATE request SET split = %1$s; UPDATE evaluation SET split = %1$s;", DONE, true},
    {"UPDATE corpus SET hash = %1$s, tokenizer = %1$s;", DONE, true},
    {"UPDATE experiment SET name = %1$s, config = json_object('name', %1$s);", DONE | FAILED, true},
    {"UPDATE reference SET source = %1$s;", DONE, true},
    {"UPDATE bench SET cpu = %1$s, blas = %1$s;", DONE, true},
    {"UPDATE run SET method = %1$s, status = 'failed', reason = %1$s WHERE rowid = %2$d;", FAILED, false},
    {"UPDATE point SET variant = %1$s WHERE run = (SELECT key FROM run WHERE rowid = %2$d);", FAILED, false},
};

static const char *base;
static size_t base_size;

/* Makes x.db with one run per name; its bytes are kept in `base`. */
static void make_base(void) {
    const char *rates = "";
    for (int i = 1; i <= COUNT; i++)
        rates = arena_format(sample_arena, "%s%s%d", rates, i > 1 ? ", " : "", i);
    const Plan *plan = sample_plan(arena_format(
        sample_arena,
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, \"method\": \"rotary\", "
        "\"evaluate\": {\"multiples\": [1, 2], \"tokens\": 256, \"protocols\": [\"nonoverlapping\", "
        "{\"name\": "
        "\"strided\", \"stride\": 0.5}]}, \"sweep\": {\"train.seed\": [%s]}",
        rates));
    assert_int_equal(plan->count, COUNT);
    Database *store = sample_store(plan);
    Error err = {0};
    assert_true(runs_write_result(
        "result.db", sample_record(&plan->points[0], RUN_DONE, NULL, (double[]){4, 4.5, 5, 5.5}), &err));
    assert_true(merge_result(store, "result.db", &err));
    database_close(store);
    /* The other runs copy the numbers of the first one, since importing each would take long. */
    int code = sample_outside(
        "UPDATE run SET (status, started, finished, revision, host, cpu, blas, threads, steps, train_tokens,"
        " train_seconds, final_loss, peak_bytes) = (SELECT status, started, finished, revision, host, cpu, "
        "blas,"
        " threads, steps, train_tokens, train_seconds, final_loss, peak_bytes FROM run WHERE status = "
        "'done'),"
        " seed = 1, parameters = rowid, label = 'Rotary ' || rowid;"
        "CREATE TEMP TABLE ours AS SELECT * FROM evaluation;"
        "CREATE TEMP TABLE other AS SELECT key, rowid AS r FROM run WHERE key NOT IN (SELECT run FROM ours);"
        "INSERT INTO evaluation SELECT o.id + 100 * t.r, t.key, split, protocol, length, stride, requested, "
        "status,"
        " nll_sum * (1 + t.r / 100.0), tokens, windows, seconds, peak_bytes, finished, revision, host, cpu, "
        "blas,"
        " threads, precision, variant, variant_options, method_files FROM ours o, other t;"
        "INSERT INTO evaluation_window SELECT w.evaluation + 100 * t.r, window, w.nll_sum * (1 + t.r / "
        "100.0),"
        " w.tokens FROM evaluation_window w, other t;"
        "INSERT INTO position_loss SELECT evaluation + 100 * t.r, bin, first, last, nll_sum, tokens FROM "
        "position_loss,"
        " other t;"
        "INSERT INTO train_log SELECT t.key, step, loss, rate, norm FROM train_log, other t;"
        "INSERT INTO reference VALUES ('P', 'd', 'valid', 'rotary', 100, 100, 100, 'perplexity', 20),"
        " ('P', 'd', 'valid', 'rotary', 100, 200, 200, 'perplexity', 50);"
        "INSERT INTO bench VALUES (1, 'now', 'r', 'h', 'c', 'b', NULL, 1, 'fp32', json_object('model', "
        "(SELECT"
        " json_extract(config, '$.model') FROM run LIMIT 1), 'tokens_per_step', 32, 'rounds', 7), 'rotary', "
        "1e9);"
        "INSERT INTO bench_result VALUES (1, 'rotary', 'Rotary', 16, 'train', 9, 8, 10, 9, 1, 1, 1, 1, 9),"
        " (1, 'rotary', 'Rotary', 16, 'evaluate', 9, 8, 10, 9, 1, 1, 1, 1, 9);");
    if (code != SQLITE_OK) fail_msg("SQLite: %d", code);
    base = sample_file("x.db", &base_size);
}

static void execute(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static Database *store_with(int kind, bool plain) {
    Error err = {0};
    const char *all = "", *names[COUNT];
    sqlite3 *db;
    for (int i = 0; i < COUNT; i++) {
        bool zero = memchr(name_at(i, plain), 0, (size_t)size_at(i, plain)); /* such a name finds nothing */
        names[i] = sql_name(i, plain);
        if (!zero && i < COUNT_OF(evil))
            all = arena_format(sample_arena, "%s%s%s", all, *all ? " || " : "", names[i]);
    }
    fixture_put("x.db", base, base_size);
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    execute(db, "PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON; BEGIN");
    for (int p = 0; p < COUNT_OF(places); p++) {
        if (!(places[p].kinds & kind)) continue;
        if (places[p].all) execute(db, arena_format(sample_arena, places[p].sql, all, 0));
        for (int i = 0; !places[p].all && i < COUNT; i++)
            execute(db, arena_format(sample_arena, places[p].sql, names[i], i + 1));
    }
    execute(db, "COMMIT");
    sqlite3_close(db);
    Database *store = database_open("x.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    return store;
}

/* --- checks of all formats --- */

/* Valid UTF-8 without control characters, except `allowed`. */
static void expect_clean(const char *what, const char *text, const char *allowed) {
    Error err;
    if (!json_syntax_check_utf8(text, strlen(text), what, &err)) fail_msg("%s", err.text);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool control = (*at < 0x20 && !strchr(allowed, *at)) || *at == 0x7F;
        bool upper = at[0] == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F;
        bool order =
            at[0] == 0xE2 &&
            ((at[1] == 0x80 && ((at[2] >= 0xA8 && at[2] <= 0xAE) || at[2] == 0x8E || at[2] == 0x8F)) ||
             (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9));
        order |= (at[0] == 0xD8 && at[1] == 0x9C) || (at[0] == 0xEF && at[1] == 0xBB && at[2] == 0xBF);
        if (control || upper || order)
            fail_msg("%s: %02x %02x %02x at: %.60s", what, at[0], at[1], at[2], at);
    }
}

/* The number of occurrences of one of `bytes` without a backslash before it. */
static int count_bare(const char *text, const char *bytes) {
    int count = 0;
    for (; *text; text++) {
        if (*text == '\\' && text[1])
            text++;
        else
            count += strchr(bytes, *text) != NULL;
    }
    return count;
}

/* The rows of a CSV, all with as many fields as the first; no field is a formula. */
static int csv_rows(const char *what, const char *text) {
    int rows = 0, fields = 0, first = 0;
    while (*text) {
        bool quoted = *text == '"';
        const char *begin = text += quoted;
        if (quoted)
            while (*text && (*text != '"' || text[1] == '"')) text += *text == '"' ? 2 : 1;
        else
            text += strcspn(text, ",\n\"");
        const char *field = arena_format(sample_arena, "%.*s", (int)(text - begin), begin);
        bool number = field[strspn(field, "+-.0123456789e")] == '\0';
        if (*field && strchr("=+-@\t\r\n", *field) && !number) fail_msg("%s: a formula: %.40s", what, field);
        if (!strncmp(field, "\xEF\xBC\x9D", 3)) fail_msg("%s: a formula: %.40s", what, field);
        text += quoted;
        fields++;
        if (*text != ',' && *text != '\n') fail_msg("%s: behind a field: %.40s", what, text);
        if (*text++ == ',') continue;
        if (!rows++) first = fields;
        if (fields != first) fail_msg("%s: %d fields in row %d, %d in the head", what, fields, rows, first);
        fields = 0;
    }
    return rows;
}

/* The number of leaves of JSON. */
static int json_leaves(const Json *json) {
    int leaves = json_first(json) ? 0 : 1;
    for (const Json *each = json_first(json); each; each = json_next(each)) leaves += json_leaves(each);
    return leaves;
}

/* The properties that must not depend on names. */
static int shape_of(const char *what, TableFormat format, const char *text) {
    if (format == TABLE_AS_CSV) {
        expect_clean(what, text, "\n\r\t");
        return csv_rows(what, text);
    }
    expect_clean(what, text, "\n");
    if (format == TABLE_AS_MD) {
        int cells = 0;
        for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
            const char *line = arena_format(sample_arena, "%.*s", (int)strcspn(at, "\n"), at);
            if (*line == '|') cells += count_bare(line, "|");
            int ticks = count_bare(line, "`"); /* keys of runs are code */
            if (strncmp(line, "signature: `", 12) == 0) continue;
            if (ticks % 2 || (ticks && *line != '|') || (!ticks && count_bare(line, "<")))
                fail_msg("%s: %s", what, line);
        }
        return count_bare(text, "\n") * 10000 + cells;
    }
    if (format == TABLE_AS_LATEX) {
        if (count_bare(text, "{") != count_bare(text, "}")) fail_msg("%s: braces in %s", what, text);
        if (strstr(text, "\\input{bad") || strstr(text, "\\end{document} \\")) fail_msg("%s: commands", what);
        return count_bare(text, "\n") * 10000 + count_bare(text, "&");
    }
    if (format == TABLE_AS_JSON) {
        Error err;
        Json *json = json_parse(text, strlen(text), what, sample_arena, &err);
        if (!json) fail_msg("%s", err.text);
        return json_leaves(json);
    }
    return count_bare(text, "\n");
}

/* --- the commands --- */

static const char *const analyses[] = {"curves", "matrix",    "compare", "short-long",  "cost",
                                       "early",  "positions", "claims",  "claim-points"};

typedef struct Shapes {
    int items[128], count;
    const char *names[128];
} Shapes;

static void add_shape(Shapes *shapes, const char *what, TableFormat format) {
    const char *name = arena_format(sample_arena, "%s, %s", what, table_format_names[format]);
    assert_in_range(shapes->count, 0, 127);
    shapes->names[shapes->count] = name;
    shapes->items[shapes->count++] = shape_of(name, format, sample_file("out", NULL));
}

static const char *first_name(Database *store) {
    Error err = {0};
    const Results *set =
        results_read(store, sample_value(store, "SELECT name FROM experiment"), NULL, sample_arena, &err);
    if (!set) fail_msg("%s", err.text);
    return set->items[0].label;
}

static Shapes print_all(int kind, bool plain) {
    Shapes shapes = {.count = 0};
    Database *store = store_with(kind, plain);
    const char *baseline = first_name(store);
    Error err = {0};
    for (TableFormat f = 0; table_format_names[f]; f++) {
        FILE *out = fopen("out", "w");
        assert_non_null(out);
        if (!cmd_table_print(&store, 1, &(CmdTableOptions){.format = f}, out, sample_arena, &err))
            fail_msg("%s", err.text);
        fclose(out);
        add_shape(&shapes, "table", f);
    }
    for (int a = 0; a < COUNT_OF(analyses); a++)
        for (TableFormat f = 0; table_format_names[f]; f++) {
            FILE *out = fopen("out", "w");
            assert_non_null(out);
            AnalysisOptions options = {.what = analyses[a],
                                       .format = f,
                                       .claims = "claims.json",
                                       .baseline = baseline,
                                       .resamples = 100,
                                       .block = 1024};
            if (!analysis_print(store, &options, out, sample_arena, &err))
                fail_msg("%s: %s", analyses[a], err.text);
            fclose(out);
            add_shape(&shapes, analyses[a], f);
        }
    for (TableFormat f = 0; table_format_names[f]; f++) {
        bool work = false;
        FILE *out = fopen("out", "w");
        assert_non_null(out);
        if (!cmd_status_print(store, NULL, f, &work, out, sample_arena, &err)) fail_msg("%s", err.text);
        fclose(out);
        add_shape(&shapes, "status", f);
    }
    database_close(store);
    return shapes;
}

static void put_claims(void) {
    FILE *file = fopen("claims.json", "w");
    assert_non_null(file);
    fputs("{\"source\": \"<s>\\u001b\", \"claims\": [{\"text\": \"<b>|&,\\\"\\n\", \"quantity\": \"growth\","
          " \"method\": \"rotary\", \"at_least\": 1.05}]}",
          file);
    fclose(file);
}

static void test_printed(void **state) {
    (void)state;
    put_claims();
    make_base();
    for (int kind = 1; kind <= KINDS; kind++) {
        const Shapes plain = print_all(kind, true), hostile = print_all(kind, false);
        assert_int_equal(plain.count, hostile.count);
        for (int i = 0; i < plain.count; i++)
            if (plain.items[i] != hostile.items[i])
                fail_msg("%s: %d, with plain names %d", hostile.names[i], hostile.items[i], plain.items[i]);
    }
}

static const char *report(Database *store) {
    Error err = {0};
    if (!report_write(store, &(ReportOptions){.path = "r.html", .claims = "claims.json"}, &err))
        fail_msg("%s", err.text);
    return sample_file("r.html", NULL);
}

/* The number of tags of the page. */
static int count_tags(const char *page) {
    int count = 0;
    for (; *page; page++) count += *page == '<';
    return count;
}

static void test_report(void **state) {
    (void)state;
    put_claims();
    make_base(); /* without templates, hence without figures, which have their own test */
    for (int kind = 1; kind <= KINDS; kind++) {
        int tags[2];
        for (int plain = 0; plain < 2; plain++) {
            Database *store = store_with(kind, plain);
            const char *page = report(store);
            expect_clean("the report", page, "\n\t");
            sample_well_formed(page);
            tags[plain] = count_tags(page);
            database_close(store);
        }
        if (tags[0] != tags[1]) fail_msg("%d tags, with plain names %d", tags[0], tags[1]);
    }
}

/* Lines of numbers in the data file of a figure. */
static int data_lines(const char *text) {
    int lines = 0;
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (*at != '#' && *at != '\n') {
            double number;
            int used;
            const char *item = at;
            for (int i = 0; i < 6; i++, item += used)
                if (sscanf(item, "%lf%n", &number, &used) != 1) fail_msg("no data: %.60s", at);
            assert_int_equal(*item, '\n');
            lines++;
        }
    return lines;
}

static void test_figures(void **state) {
    (void)state;
    static const char *const kinds[] = {"curves", "position", "cost", "early", "paper", "loss"};
    assert_int_equal(symlink(getenv("PLOTS"), "plots"), 0);
    make_base();
    /* The cost figure draws methods measured by a bench: here all of them. */
    static const char *const benches = "INSERT OR IGNORE INTO bench_result SELECT b.bench, b.method, "
                                       "r.label, b.length, phase, tokens_per_second,"
                                       " tokens_per_second_low, tokens_per_second_high, flops_per_second, "
                                       "share, ratio, ratio_low, ratio_high,"
                                       " b.peak_bytes FROM bench_result b, run r WHERE b.label = 'Rotary'";
    for (int k = 0; k < COUNT_OF(kinds); k++) {
        int lines[2];
        for (int plain = 0; plain < 2; plain++) {
            Error err = {0};
            database_close(store_with(DONE, plain));
            assert_int_equal(sample_outside(benches), SQLITE_OK);
            Database *store = database_open("x.db", DATABASE_READ, &err);
            if (!store || !plot_figure(store,
                                       &(PlotOptions){.kind = sample_index(plot_figure_names, kinds[k]),
                                                      .figure = "f.svg"},
                                       &err))
                fail_msg("%s: %s", kinds[k], err.text);
            database_close(store);
            const char *svg = sample_file("f.svg", NULL), *data = sample_file("f.dat", NULL);
            expect_clean("the figure", svg, "\n\t");
            expect_clean("the data", data, "\n");
            if (strstr(svg, "<script") || strstr(svg, "<img")) fail_msg("markup in %s", kinds[k]);
            if (!plain && strcmp(kinds[k], "paper") && !strstr(svg, "@SUM(1)"))
                fail_msg("no @SUM(1) in %s", kinds[k]);
            lines[plain] = data_lines(data);
        }
        if (lines[0] != lines[1])
            fail_msg("%s: %d points, with plain names %d", kinds[k], lines[0], lines[1]);
    }
    assert_int_not_equal(access("bad", F_OK), 0);
}

/* Paths are passed to gnuplot unchanged. */
static void test_paths(void **state) {
    (void)state;
    static const char *const paths[] = {"a b.svg",         "it's `touch bad`.svg",
                                        "< touch bad.svg", "~x.svg",
                                        "'; x.svg",        "a\nsystem 'touch bad'\n.svg",
                                        "\xE9\xFF.svg",    "%d \\ \"$(touch bad)\".svg",
                                        "| touch bad.svg", "-.svg"};
    assert_int_equal(symlink(getenv("PLOTS"), "plots"), 0);
    make_base();
    for (int i = 0; i < COUNT_OF(paths); i++) {
        Error err = {0};
        Database *store = database_open("x.db", DATABASE_READ, &err);
        if (!plot_figure(store, &(PlotOptions){.figure = paths[i]}, &err))
            fail_msg("%s: %s", paths[i], err.text);
        database_close(store);
        assert_non_null(strstr(sample_file(paths[i], NULL), "</svg>"));
        assert_int_not_equal(access("bad", F_OK), 0);
    }
}

/* For a spreadsheet, numbers remain numbers and texts cannot become formulas. */
static void test_formulas(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"-1", "-1"},           {"+1.5e-3", "+1.5e-3"}, {"-", "'-"},         {"=1", "'=1"},
        {"-1+1", "'-1+1"},      {"@a,b", "\"'@a,b\""},  {"a=1", "a=1"},      {"", ""},
        {"a\"b", "\"a\"\"b\""}, {"\t=1", "'\t=1"},      {"\r1", "\"'\r1\""}, {"-inf", "'-inf"}};
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(escape_text(ESCAPE_CSV, cases[i][0], sample_arena), cases[i][1]);
}

/* JSON preserves everything except invalid UTF-8. */
static void test_json(void **state) {
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        Error err;
        const char *name = name_at(i, false), *text = escape_text(ESCAPE_JSON, name, sample_arena);
        bool valid = json_syntax_check_utf8(name, strlen(name), "name", &err);
        Json *json = json_parse(text, strlen(text), "text", sample_arena, &err);
        if (!json) fail_msg("%s", err.text);
        if (valid) assert_string_equal(json_text(json, ""), name);
    }
}

/* A shell reads a quoted word unchanged. */
static void test_shell(void **state) {
    (void)state;
    FILE *script = fopen("script", "w");
    assert_non_null(script);
    for (int i = 0; i < COUNT; i++) {
        fputs("printf '%s' ", script);
        escape_put(ESCAPE_SHELL, name_at(i, false), script);
        fprintf(script, " >word%d\n", i);
    }
    fclose(script);
    expect_clean("a script", sample_file("script", NULL), "\n");
    assert_int_equal(system("bash script"), 0);
    for (int i = 0; i < COUNT; i++)
        assert_string_equal(sample_file(arena_format(sample_arena, "word%d", i), NULL), name_at(i, false));
    assert_int_not_equal(access("bad", F_OK), 0);
}

static int setup(void **state) {
    if (sample_setup(state)) return 1;
    char *text = arena_alloc(sample_arena, 601, 1);
    memset(text, 'x', 600);
    long_name = text;
    return 0;
}

static int find_plots(void **state) {
    char *plots = realpath("plots", NULL);
    (void)state;
    int code = plots ? setenv("PLOTS", plots, 1) : 1;
    free(plots);
    return code;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_printed),  TEST(test_report), TEST(test_figures), TEST(test_paths),
        TEST(test_formulas), TEST(test_json),   TEST(test_shell),
    };
    return cmocka_run_group_tests(tests, find_plots, NULL);
}
