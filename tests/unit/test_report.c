/* test_report: the report, the claims that it judges, and all figures other than curves.
 *
 * Pages are well-formed and escaped for any names in the database, the content policy matches the page, and
 * verdicts follow from synthetic numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "samples.h"

#include <ctype.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "analysis/claims.h"
#include "base/sha256.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/report.h"
#include "store/runs.h"

#define SEEDS                                                                                                \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"evaluate\": {\"multiples\": [1, 2, 4]}, \"sweep\": {\"method\": [\"rotary\", \"t5\"], "               \
    "\"train.seed\": [1, 2]}"

static char *plots; /* the folder of templates */

static int find_plots(void **state) {
    (void)state;
    plots = realpath("plots", NULL);
    return plots == NULL;
}

static int free_plots(void **state) {
    (void)state;
    free(plots);
    return 0;
}

/* Every test runs in its own folder, with the templates where the program searches for them. */
static int setup(void **state) {
    return sample_setup(state) || symlink(plots, "plots") != 0;
}

/* values: of each point in order, at its lengths */
static Database *store_with(const char *config, const double (*values)[3]) {
    const Plan *plan = sample_plan(config);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, values[i]));
    return store;
}

static const double standard_values[4][3] = {{4, 6, 9}, {4.1, 6.2, 9.4}, {4.5, 4.4, 4.6}, {4.6, 4.5, 4.7}};

/* A claim about these numbers; `more` is the rest of its object. */
static const Claim *judged(Database *store, const char *more) {
    Error err;
    fixture_put_text(
        "claims.json",
        arena_format(sample_arena, "{\"source\": \"s\", \"claims\": [{\"text\": \"t\", %s}]}", more));
    const Results *set = results_read(store, "x", NULL, sample_arena, &err);
    const ClaimList *list = set ? claims_judge(set, "claims.json", sample_arena, &err) : NULL;
    if (!list) fail_msg("%s", err.text);
    assert_int_equal(list->count, 1);
    return &list->items[0];
}

static void expect(Database *store, const char *more, ClaimVerdict verdict, int points) {
    const Claim *claim = judged(store, more);
    if (claim->verdict != verdict || claim->count != points)
        fail_msg("%s: %s with %d points: %s", more, claims_verdict_names[claim->verdict], claim->count,
                 claim->finding);
}

static void test_verdicts(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    static const struct {
        const char *claim;
        ClaimVerdict verdict;
        int points;
    } claims[] = {
        {"\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 1, \"at_least\": 1.4", CLAIM_SUPPORTED,
         2},
        {"\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 1, \"at_most\": 1.05",
         CLAIM_CONTRADICTED, 2},
        {"\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 4, \"to\": 4, \"at_least\": 2.26",
         CLAIM_UNDECIDED, 1},
        {"\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 5, \"at_least\": 2", CLAIM_UNTESTED, 0},
        {"\"quantity\": \"growth\", \"method\": \"alibi\", \"at_least\": 2", CLAIM_UNTESTED, 0},
        {"\"quantity\": \"growth\", \"method\": \"t5\", \"protocol\": \"strided\", \"at_least\": 2",
         CLAIM_UNTESTED, 0},
        {"\"quantity\": \"growth_against\", \"method\": \"t5\", \"against\": \"alibi,rotary\", \"at_most\": "
         "0.7",
         CLAIM_SUPPORTED, 2},
        {"\"quantity\": \"versus\", \"method\": \"t5\", \"against\": \"rotary\", \"to\": 1, \"at_most\": 1",
         CLAIM_CONTRADICTED, 1},
        {"\"quantity\": \"versus\", \"method\": \"t5\", \"against\": \"rotary\", \"from\": 2, \"at_most\": 1",
         CLAIM_SUPPORTED, 2},
        {"\"quantity\": \"versus\", \"method\": \"t5\", \"against\": \"rotary\", \"at_most\": 1",
         CLAIM_UNDECIDED, 3},
        {"\"quantity\": \"train_memory\", \"method\": \"t5\", \"against\": \"rotary\", \"at_most\": 1.01",
         CLAIM_SUPPORTED, 1},
        {"\"quantity\": \"train_speed\", \"method\": \"t5\", \"against\": \"rotary\", \"at_least\": 0.9",
         CLAIM_UNTESTED, 0},
    };
    for (int i = 0; i < COUNT_OF(claims); i++)
        expect(store, claims[i].claim, claims[i].verdict, claims[i].points);
    const Claim *claim = judged(store, claims[0].claim);
    assert_true(fabs(claim->points[0].low - 6.0 / 4) < 1e-12 &&
                fabs(claim->points[0].high - 6.2 / 4.1) < 1e-12);
    assert_true(fabs(claim->points[0].ratio - sqrt(6.0 / 4 * 6.2 / 4.1)) < 1e-12);
    assert_int_equal(claim->seeds, 2);
    database_close(store);
}

/* `analyse claims` and `claim-points` agree with the claims. */
static void test_claims_as_rows(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    const Claim *claim =
        judged(store, "\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 1, \"at_most\": 1.6");
    const struct {
        const char *what, *text;
    } tables[] = {
        {"claims",
         arena_format(sample_arena,
                      "experiment,method,claim,section,verdict,points,hold,fail,least,greatest,at_least,"
                      "at_most,seeds,finding\nx,rotary,t,,contradicted,2,1,1,%.17g,%.17g,,1.6",
                      claim->points[0].ratio, claim->points[1].ratio)},
        {"claim-points", arena_format(sample_arena, ",16,,,32,%.17g,%.17g,%.17g,2,holds,t\n",
                                      claim->points[0].ratio, claim->points[0].low, claim->points[0].high)},
        {"claim-points", ",fails,t\n"},
    };
    for (int i = 0; i < COUNT_OF(tables); i++) {
        Error err = {0};
        FILE *out = fopen("rows", "w");
        assert_non_null(out);
        AnalysisOptions options = {.what = tables[i].what, .format = TABLE_AS_CSV, .claims = "claims.json"};
        if (!analysis_print(store, &options, out, sample_arena, &err)) fail_msg("%s", err.text);
        fclose(out);
        const char *rows = sample_file("rows", NULL);
        if (!strstr(rows, tables[i].text)) fail_msg("no '%s' in '%s'", tables[i].text, rows);
    }
    Error err = {0};
    AnalysisOptions options = {.what = "claims", .claims = "nowhere.json"};
    assert_false(analysis_print(store, &options, stdout, sample_arena, &err));
    assert_non_null(strstr(err.text, "nowhere.json"));
    database_close(store);
}

/* One seed has a margin of 5 % on both sides; trained short against trained long. */
static void test_one_seed(void **state) {
    (void)state;
    static const double values[4][3] = {{4, 4, 4}, {5, 4, 4.1}, {4.5, 4.15, 5}, {4.6, 4.5, 4.7}};
    Database *store = store_with("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                                 "\"evaluate\": {\"lengths\": [16, 32, 64]}, "
                                 "\"sweep\": {\"method\": [\"rotary\", \"t5\"], \"train.length\": [16, 32]}",
                                 values);
    expect(store,
           "\"quantity\": \"growth\", \"method\": \"rotary\", \"from\": 2, \"to\": 2, \"at_most\": 1.04",
           CLAIM_UNDECIDED, 2);
    const Claim *claim = judged(
        store,
        "\"quantity\": \"short_against_long\", \"method\": \"t5\", \"against\": \"rotary\", \"at_most\": 2");
    assert_int_equal(claim->count, 1);
    assert_int_equal(claim->points[0].length, 32);
    assert_true(fabs(claim->points[0].high / claim->points[0].ratio - exp(0.05)) < 1e-12);

    static const char unfair[] = "\"quantity\": \"short_against_long\", \"method\": \"t5\", "
                                 "\"against\": \"rotary\", \"at_most\": 0.1";
    expect(store, unfair, CLAIM_CONTRADICTED, 1); /* unless the other was trained on more tokens */
    assert_int_equal(sample_outside("UPDATE run SET train_tokens = 192 WHERE train_length = 32"), 0);
    expect(store, unfair, CLAIM_UNDECIDED, 1);
    expect(
        store,
        "\"quantity\": \"short_against_long\", \"method\": \"t5\", \"against\": \"rotary\", \"at_most\": 2",
        CLAIM_SUPPORTED, 1);
    assert_int_equal(sample_outside("UPDATE run SET train_seconds = 0 WHERE train_length = 16"), 0);
    expect(store, unfair, CLAIM_CONTRADICTED, 1); /* an unknown budget is no excuse */
    database_close(store);
}

static void test_claim_errors(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\"claims\": 3}", "an array"},
        {"{\"claims\": [{\"text\": \"t\", \"quantity\": \"grow\", \"method\": \"a\", \"at_most\": 1}]}",
         "growth"},
        {"{\"claims\": [{\"text\": \"t\", \"quantity\": \"growth\", \"method\": \"a\"}]}",
         "at_least or at_most"},
        {"{\"claims\": [{\"txt\": \"t\"}]}", "'claims.0.txt'"},
        {"{", "claims 'claims.json'"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err;
        fixture_put_text("claims.json", cases[i].text);
        const Results *set = results_read(store, "x", NULL, sample_arena, &err);
        assert_null(claims_judge(set, "claims.json", sample_arena, &err));
        if (!strstr(err.text, cases[i].error)) fail_msg("no %s in: %s", cases[i].error, err.text);
    }
    database_close(store);
}

/* --- the page --- */

static const char *report(Database *store) {
    Error err;
    fixture_put_text("claims.json",
                     "{\"source\": \"<s>\", \"claims\": [{\"text\": \"<b>&\", \"quantity\": \"growth\", "
                     "\"method\": \"rotary\","
                     " \"at_least\": 1.05}]}");
    if (!report_write(store, &(ReportOptions){.path = "r.html", .claims = "claims.json"}, &err))
        fail_msg("%s", err.text);
    return sample_file("r.html", NULL);
}

/* The text between two markers. */
static const char *between(const char *page, const char *from, const char *to) {
    const char *begin = strstr(page, from);
    assert_non_null(begin);
    begin += strlen(from);
    const char *end = strstr(begin, to);
    assert_non_null(end);
    return arena_format(sample_arena, "%.*s", (int)(end - begin), begin);
}

static int digit_of(char c) {
    return isupper((unsigned char)c)   ? c - 'A'
           : islower((unsigned char)c) ? c - 'a' + 26
           : isdigit((unsigned char)c) ? c - '0' + 52
           : c == '+'                  ? 62
                                       : 63;
}

/* The hash in the policy, in base64, is that of the text. */
static void expect_hash(const char *policy, const char *rule, const char *text) {
    const char *base64 = between(policy, arena_format(sample_arena, "%s 'sha256-", rule), "'");
    char expected[SHA256_HEX_SIZE], found[SHA256_HEX_SIZE] = "";
    sha256_hex(text, strlen(text), expected);
    assert_int_equal(strlen(base64), 44);
    for (int i = 0; i < 64; i++) {
        int bit = 4 * i, digit = digit_of(base64[bit / 6]) << 6 | digit_of(base64[bit / 6 + 1]);
        snprintf(found + i, 2, "%x", (unsigned)digit >> (8 - bit % 6) & 15);
    }
    assert_string_equal(found, expected);
}

/* Drawings have distinct ids, although gnuplot uses the same ones in all of them. */
static void expect_distinct_ids(const char *page) {
    for (const char *at = page; (at = strstr(at, " id=")) != NULL; at++) {
        const char *id =
            arena_format(sample_arena, " id=%c%.*s%c", at[4], (int)strcspn(at + 5, "'\""), at + 5, at[4]);
        if (strstr(at + 1, id)) fail_msg("%s twice", id);
    }
}

static void test_page(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    const char *page = report(store);
    sample_well_formed(page);
    const char *policy = between(page, "Content-Security-Policy\" content=\"", "\"/>");
    assert_true(strncmp(policy, "default-src 'none'; ", 20) == 0);
    expect_hash(policy, "style-src", between(page, "<style>", "</style>"));
    expect_hash(policy, "script-src", between(page, "<script>", "</script>"));
    static const char *const parts[] = {"<b>✓ 1</b> supported", "&lt;b&gt;&amp;",   "<svg viewBox=",
                                        "Trained at 16:",       "data-value=\"4.0", "Provenance"};
    for (int i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(page, parts[i])) fail_msg("no %s", parts[i]);
    static const char *const never[] = {
        "http-equiv=\"refresh", "src=\"", " style=", "onclick", "@import", "url(http"};
    for (int i = 0; i < COUNT_OF(never); i++)
        if (strstr(page, never[i])) fail_msg("%s in the page", never[i]);
    expect_distinct_ids(page);
    assert_string_equal(report(store), page); /* the same database gives the same file */
    database_close(store);
}

/* The page begins with the answer and the experiment's own numbers; the paper's claims follow, folded. */
static void test_order(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    const char *page = report(store), *last = page;
    static const char *const order[] = {
        "<ol class=\"answer\">",
        "trained on sequences of 16 tokens, evaluated on up to 64, with 2 seeds each.",
        "up to: 1 L for Rotary; 4 L (the longest evaluated) for T5 bias.",
        "Trained at 16: Rotary, 4.05",
        "At 64, trained at 16: T5 bias, 4.65",
        "Of its 1 claim: 1 supported.",
        "<a href=\"#e0-claims\">",
        "<h2 id=\"e0-figure\">",
        "<svg ",
        "<h2 id=\"e0-tables\">",
        "<h2 id=\"e0-differences\">",
        "Difference from Rotary on",
        "<h2 id=\"e0-claims\">",
        "<details>",
        "<section class=\"claim supported\">",
        "<h2 id=\"e0-protocols\">",
        "<dt>nonoverlapping</dt>",
        "<h2 id=\"e0-provenance\">",
        "<h2 id=\"glossary\">",
        "<dt>perplexity</dt>",
    };
    for (int i = 0; i < COUNT_OF(order); i++) {
        const char *at = strstr(last, order[i]);
        if (!at) {
            fail_msg("'%s' is missing or too early", order[i]);
            return;
        }
        last = at;
    }
    assert_null(strstr(page, "<dt>strided</dt>"));
    assert_null(strstr(page, "gnuplot_plot_1a</title>")); /* no names that browsers would show */
    assert_non_null(strstr(page, "<text>2|length 64: 4.65 (4.6 to 4.7, 2 seeds)</text>"));
    database_close(store);
}

/* Differences are at the training length and at the longest; one experiment with one method has none. */
static void test_differences(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    const char *table = between(report(store), "<h2 id=\"e0-differences\">", "</table>");
    int rows = 0;
    for (const char *at = table; (at = strstr(at, "<tr>")) != NULL; at++) rows++;
    assert_int_equal(rows, 1 + 2);
    database_close(store);
    unlink("x.db");
    store = store_with("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                       "\"evaluate\": {\"multiples\": [1, 2, 4]}, \"sweep\": {\"method\": [\"t5\"]}",
                       standard_values + 2);
    const char *page = report(store);
    assert_null(strstr(page, "e0-differences"));
    assert_non_null(strstr(page, "1 position method (T5 bias)"));
    assert_non_null(strstr(page, "one seed each"));
    database_close(store);
}

/* Names with markup, and bytes that are not text. */
static void test_hostile_page(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    int code = sample_outside(
        "UPDATE run SET label = '</td><script>alert(1)</script>\" onclick=\"x'' & ' || char(27) || char(1) ||"
        " CAST(x'ff' AS TEXT) || 'é' WHERE method = 'rotary';"
        "UPDATE experiment SET name = '</title><img src=x onerror=alert(2)>', config = '{\"a\": "
        "\"</pre><b>\"}';"
        "UPDATE run SET cpu = '<i>', status = 'failed', reason = '<u>&' WHERE method = 't5'");
    assert_int_equal(code, SQLITE_OK);
    const char *page = report(store);
    sample_well_formed(page);
    static const char *const never[] = {"<script>alert", "<img", "</pre><b>", "<i>",
                                        "<u>",           "\x1b", "\x01",      "\xff"};
    for (int i = 0; i < COUNT_OF(never); i++)
        if (strstr(page, never[i])) fail_msg("%s in the page", never[i]);
    assert_non_null(
        strstr(page, "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onclick=&quot;x&#39; &amp; "));
    assert_non_null(strstr(page, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDé"));
    database_close(store);
}

static void test_text_escapes(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a\n\tz", "a\n\tz"},
        {"\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80", "\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80"},
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* "/" in two bytes */
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* half of a surrogate pair */
        {"\xE6\x97", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* truncated */
        {"\xC2\x85\xEF\xBF\xBE", "\xEF\xBF\xBD\xEF\xBF\xBD"},     /* characters that are not allowed in XML */
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        FILE *out = fopen("t", "w");
        assert_non_null(out);
        html_put(out, "%s", cases[i].text);
        fclose(out);
        assert_string_equal(sample_file("t", NULL), cases[i].expected);
    }
}

static void test_report_errors(void **state) {
    (void)state;
    Error err;
    Database *store = store_with(SEEDS, standard_values);
    assert_false(report_write(store, &(ReportOptions){.path = "no/r.html"}, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_false(report_write(store, &(ReportOptions){.path = "r.html", .experiment = "y"}, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_int_not_equal(access("r.html", F_OK), 0);
    assert_int_not_equal(access("r.html.tmp", F_OK), 0);
    const char *path = arena_copy(sample_arena, getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    const char *page = report(store); /* without gnuplot: no figures, with the reason */
    setenv("PATH", path, 1);
    sample_well_formed(page);
    assert_non_null(strstr(page, "gnuplot is not installed"));
    database_close(store);
}

/* --- other figures --- */

static void test_figures(void **state) {
    (void)state;
    Error err;
    static const double values[4][3] = {{4, 6, 9}, {4.1, 6.2, 9.4}, {4.5, 4.4, 4.6}, {4.6, 4.5, 4.7}};
    Database *store =
        store_with("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                   "\"evaluate\": {\"multiples\": [1], \"protocols\": [\"nonoverlapping\", {\"name\": "
                   "\"strided\", \"stride\": 0.5}]}, \"sweep\": {\"method\": [\"rotary\", \"t5\"], "
                   "\"train.seed\": [1, 2]}",
                   values);
    assert_int_equal(
        sample_outside(
            "INSERT INTO reference VALUES ('Paper', 'd', 'valid', 'rotary', 100, 100, 100,"
            " 'perplexity', 20), ('Paper', 'd', 'valid', 'rotary', 100, 200, 200, 'perplexity', 50)"),
        SQLITE_OK);
    static const struct {
        PlotFigure kind;
        const char *data; /* a line of the data file, or its beginning */
    } figures[] = {{PLOT_POSITION, "\n1 "},
                   {PLOT_EARLY, "\n16 4.0"},
                   {PLOT_PAPER, "\n2 2.5 0 2.5 2.5 1\n"},
                   {PLOT_LOSS, "\n1 3 0 3 3 2\n2 1.5 0 1.5 1.5 2\n3 1 0 1 1 2\n"}};
    for (int i = 0; i < COUNT_OF(figures); i++) {
        if (!plot_figure(store, &(PlotOptions){.kind = figures[i].kind, .figure = "f.svg"}, &err))
            fail_msg("%s", err.text);
        assert_non_null(strstr(sample_file("f.svg", NULL), "</svg>"));
        if (!strstr(sample_file("f.dat", NULL), figures[i].data))
            fail_msg("%s: no %s in %s", plot_figure_names[figures[i].kind], figures[i].data,
                     sample_file("f.dat", NULL));
    }
    assert_false(plot_figure(store, &(PlotOptions){.kind = PLOT_BIAS, .figure = "f.svg"}, &err));
    assert_non_null(strstr(err.text, "weights"));
    database_close(store);
}

/* The script for matplotlib of a figure that is drawn with this look. */
static const char *script_of(Database *store, PlotOptions options) {
    Error err;
    options.figure = "f.svg";
    options.look.script = true;
    if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
    return sample_file("f.py", NULL);
}

/* Every style is a colour, a marker and dashes of its own. */
static void test_styles(void **state) {
    (void)state;
    for (int a = 0; a < 80; a++)
        for (int b = 0; b < a; b++) {
            bool same = !strcmp(figure_colour(a), figure_colour(b));
            assert_false(same && figure_marker(a) == figure_marker(b));
            assert_false(same && a < 60 && figure_dash(a) == figure_dash(b)); /* lines without markers */
        }
}

/* A method looks the same in every figure, whatever else is drawn. */
static void test_methods_look_the_same(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    static const char *const t5[] = {"t5", NULL};
    const PlotOptions figures[] = {
        {.methods = t5}, {0}, {.kind = PLOT_LOSS}, {.kind = PLOT_POSITION}, {.look.width = 3.3}};
    const char *looks[COUNT_OF(figures)];
    for (int i = 0; i < COUNT_OF(figures); i++) {
        const char *script = script_of(store, figures[i]);
        looks[i] = between(strstr(script, "\"T5 bias\""), "\"line_colour\":", "\"band\"");
        assert_string_equal(looks[i], looks[0]);
        assert_int_equal(strstr(script, "\"Rotary\"") != NULL, i > 0);
    }
    database_close(store);
}

/* Further lines of a method have colours that no method of the figure has. */
static void test_settings_look_different(void **state) {
    (void)state;
    Database *store = store_with("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                                 "\"evaluate\": {\"multiples\": [1, 2, 4]}, \"sweep\": {\"method\": "
                                 "[\"rotary\", \"t5\"], \"train.optimizer.lr\": [0.001, 0.002]}",
                                 standard_values);
    const char *script = script_of(store, (PlotOptions){0});
    char colours[8][8];
    int count = 0;
    for (const char *at = script; (at = strstr(at, "\"line_colour\": \"")) != NULL; count++) {
        at += strlen("\"line_colour\": \"");
        snprintf(colours[count], sizeof colours[count], "%.7s", at);
        for (int k = 0; k < count; k++) assert_string_not_equal(colours[k], colours[count]);
    }
    assert_int_equal(count, 4);
    database_close(store);
}

/* Text of a figure for one column of a paper has at least 7 points; the axis says what a perplexity is of. */
static void test_narrow(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    Error err;
    const PlotOptions options = {.figure = "f.svg", .look = {.width = 3.3}};
    if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
    const char *svg = sample_file("f.svg", NULL);
    int texts = 0;
    for (const char *at = svg; (at = strstr(at, "font-size=\"")) != NULL; texts++) {
        at += strlen("font-size=\"");
        assert_true(atof(at) * 72 / 96 >= 7); /* pixels of 1/96 inch */
    }
    assert_true(texts > 10);
    assert_non_null(strstr(svg, ">perplexity per byte<"));
    assert_non_null(strstr(svg, ">x: perplexity by evaluation length<"));
    assert_int_equal(sample_outside("UPDATE corpus SET tokenizer = 'uint16'"), SQLITE_OK);
    if (!plot_figure(store, &options, &err)) fail_msg("%s", err.text);
    assert_non_null(strstr(sample_file("f.svg", NULL), ">perplexity per token<"));
    database_close(store);
}

/* A name that is wider than the figure is cut in the legend. */
static void test_long_name(void **state) {
    (void)state;
    Error err;
    Database *store = store_with(SEEDS, standard_values);
    assert_int_equal(
        sample_outside("UPDATE run SET label = 'é' || printf('%.300c', 'x') WHERE method = 't5'"), SQLITE_OK);
    if (!plot_figure(store, &(PlotOptions){.figure = "f.svg", .look.width = 3.3}, &err))
        fail_msg("%s", err.text);
    const char *svg = sample_file("f.svg", NULL);
    assert_non_null(strstr(svg, "<text>éxxx"));
    assert_true(strlen(between(svg, "<text>éxxx", "</text>")) < 50);
    database_close(store);
}

/* gnuplot leaves out entries for which the legend is too low: those of long names, in one column where two
   were expected. */
static void test_long_names(void **state) {
    (void)state;
    static const double values[6][3] = {{4, 6, 9}, {5, 6, 9}, {6, 7, 9}, {4, 4, 4}, {5, 5, 5}, {6, 6, 6}};
    Error err;
    Database *store = store_with("\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                                 "\"evaluate\": {\"multiples\": [1, 2, 4]}, \"sweep\": {\"method\": "
                                 "[\"rotary\", \"t5\"], \"train.optimizer.lr\": [0.001, 0.002, 0.004]}",
                                 values);
    assert_int_equal(sample_outside("UPDATE run SET label = printf('%.40c', 'x') || method"), SQLITE_OK);
    for (int halves = 16; halves < 24; halves++) {
        if (!plot_figure(store, &(PlotOptions){.figure = "f.svg", .look.width = halves / 2.0}, &err))
            fail_msg("%s", err.text);
        int entries = 0;
        for (const char *at = sample_file("f.svg", NULL); (at = strstr(at, "<text>xxx")) != NULL; at++)
            entries++;
        assert_int_equal(entries, 6);
    }
    database_close(store);
}

static void test_look_errors(void **state) {
    (void)state;
    Database *store = store_with(SEEDS, standard_values);
    static const char *const absent[] = {"alibi", NULL}, *const field[] = {"method", NULL};
    const struct {
        PlotOptions options;
        const char *error;
    } cases[] = {
        {{.methods = absent}, "it has 'Rotary', 'T5 bias'"},
        {{.where = field}, "FIELD=VALUE"},
        {{.look.limits = "5"}, "--ylim takes LOW:HIGH"},
        {{.look.limits = "5:4"}, "--ylim takes LOW:HIGH"},
        {{.look.limits = "5:4x"}, "--ylim takes LOW:HIGH"},
        {{.look.limits = ":1"}, "nothing of the figure"},
        {{.look.font = "Times,"}, "--font takes"},
        {{.look.font = "Times,Arial,9"}, "one font name"},
        {{.look.font = "3"}, "from 4 to 72 points"},
        {{.look = {.logs = FIGURE_LOG_Y, .limits = "-1:5"}}, "cannot be logarithmic"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err = {0};
        PlotOptions options = cases[i].options;
        options.figure = "f.svg";
        assert_false(plot_figure(store, &options, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, cases[i].error)) fail_msg("no '%s' in: %s", cases[i].error, err.text);
    }
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_verdicts),
        TEST(test_claims_as_rows),
        TEST(test_one_seed),
        TEST(test_claim_errors),
        TEST(test_page),
        TEST(test_order),
        TEST(test_differences),
        TEST(test_hostile_page),
        TEST(test_text_escapes),
        TEST(test_report_errors),
        TEST(test_figures),
        TEST(test_styles),
        TEST(test_methods_look_the_same),
        TEST(test_settings_look_different),
        TEST(test_narrow),
        TEST(test_long_name),
        TEST(test_long_names),
        TEST(test_look_errors),
    };
    return cmocka_run_group_tests(tests, find_plots, free_plots);
}
