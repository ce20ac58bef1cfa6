/* report: a Report is one experiment while its section is written; `sections` is the order of the page. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "sys/atomic_file.h"
#include "position/encoding.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/claims.h"
#include "analysis/pivot.h"
#include "report/html.h"
#include "report/report_figures.h"
#include "report/summary.h"

typedef struct Report {
    Database *store;
    int index; /* among the experiments of the file */
    const Results *set;
    const ClaimList *claims;
    FILE *out;
    Arena *arena;
} Report;

/* --- what was compared --- */

static void put_term(const Report *report, const char *term, const char *text) {
    if (!*text) return;
    html_element("dt", term, report->out);
    html_element("dd", text, report->out);
}

/* The different values of a query's first column, in their order. */
static const char *list_of(const Report *report, const char *sql, Error *err) {
    const char *const parameters[] = {report->set->experiment, NULL};
    const char *list = "";
    Query *query = query_begin(report->store, sql, parameters);
    while (query_next(query))
        if (*query_text(query, 0))
            list = arena_format(report->arena, "%s%s%s", list, *list ? "; " : "", query_text(query, 0));
    return query_end(query, err) ? list : NULL;
}

/* lists: the term, and the query of its values; NULL: the sources of the papers' numbers. */
static bool put_lists(const Report *report, const char *const (*lists)[2], int count, Error *err) {
    fputs("<dl>\n", report->out);
    for (int i = 0; i < count; i++) {
        const char *list = lists[i][1] ? list_of(report, lists[i][1], err) : report->set->reference->sources;
        if (!list) return false;
        put_term(report, lists[i][0], list);
    }
    fputs("</dl>\n", report->out);
    return true;
}

#define RUNS " FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"

static bool same_name(const Series *a, const Series *b) {
    return !strcmp(a->name, b->name);
}

static bool put_compared(const Report *report, Error *err) {
    static const char *const lists[][2] = {
        {"trained at",
         "SELECT DISTINCT r.train_length || ' tokens'" RUNS " WHERE x.name = ? ORDER BY r.train_length"},
        {"evaluated at",
         "SELECT group_concat(l, ', ') || ' tokens' FROM (SELECT DISTINCT eval_length AS l FROM outcome"
         " WHERE experiment = ? AND outcome <> 'beyond_text' ORDER BY eval_length)"},
        {"evaluated how",
         "SELECT split || ' split, ' || protocol || iif(stride_rule = 'L', '', ' ' || stride_rule) ||"
         " iif(max(tokens) < requested, ', ' || max(tokens) || ' targets (' || requested || ' requested)',"
         " iif(requested, iif(protocol = 'last_n', ', last ', ', first ') || requested || ' targets', '')) ||"
         " iif(eval_precision = 'fp32', '', ', ' || eval_precision) FROM outcome WHERE experiment = ?"
         " GROUP BY split, protocol, stride_rule, requested, eval_precision ORDER BY min(ordinal)"},
        {"seeds",
         "SELECT min(n) || iif(max(n) > min(n), ' to ' || max(n), '') FROM (SELECT count(*) AS n" RUNS
         " WHERE x.name = ? GROUP BY r.label, p.variant, r.train_length)"},
        {"model", "SELECT DISTINCT json_extract(r.config, '$.model.layers') || ' layers, ' ||"
                  " json_extract(r.config, '$.model.heads') || ' heads, width ' || json_extract(r.config, "
                  "'$.model.width') ||"
                  " ', feed-forward ' || json_extract(r.config, '$.model.ffn')" RUNS " WHERE x.name = ?"},
        {"training", "SELECT DISTINCT json_extract(r.config, '$.train.tokens') || ' tokens, ' ||"
                     " json_extract(r.config, '$.train.tokens_per_step') || ' at a time, ' ||"
                     " json_extract(r.config, '$.train.optimizer.name') || ', learning rate ' ||"
                     " json_extract(r.config, '$.train.optimizer.lr')" RUNS " WHERE x.name = ?"},
        {"text",
         "SELECT DISTINCT c.tokenizer || ', vocabulary ' || c.vocabulary || '; ' || c.documents ||"
         " ' documents; ' || c.train_tokens || ' tokens to train on, ' || c.valid_tokens || ' to validate, '"
         " || c.test_tokens || ' to test'" RUNS " JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ?"},
    };
    html_element("h2", "What was compared", report->out);
    fputs("<ul>\n", report->out);
    for (int i = 0; i < report->set->count; i++) {
        const Series *series = &report->set->items[i];
        const PositionMethod *method = encoding_find(series->method);
        if (!results_is_first(report->set, i, same_name)) continue;
        fputs("<li><b>", report->out);
        html_text(series->name, report->out);
        fputs("</b>", report->out);
        if (method && method->citation)
            html_text(arena_format(report->arena, ": %s", method->citation), report->out);
        fputs("</li>\n", report->out);
    }
    fputs("</ul>\n", report->out);
    return put_lists(report, lists, COUNT_OF(lists), err);
}

/* --- verdict and claims --- */

static const struct {
    const char *class, *sign;
} marks[CLAIM_VERDICTS] = {
    [CLAIM_SUPPORTED] = {"supported", "✓"},
    [CLAIM_CONTRADICTED] = {"contradicted", "✗"},
    [CLAIM_UNDECIDED] = {"undecided", "?"},
    [CLAIM_UNTESTED] = {"untested", "–"},
};

static bool put_verdict(const Report *report, Error *err) {
    const char **sentences = summary_sentences(report->set, report->arena, err);
    if (!sentences) return false;
    html_element("h2", "The verdict", report->out);
    if (report->claims->count) {
        fprintf(report->out, "<p>Of %d claims of the paper, here:</p>\n<ul class=\"tally\">\n",
                report->claims->count);
        for (int v = 0; v < CLAIM_VERDICTS; v++)
            fprintf(report->out, "<li class=\"%s\"><b>%s %d</b> %s</li>\n", marks[v].class, marks[v].sign,
                    report->claims->counts[v], claims_verdict_names[v]);
        fputs("</ul>\n", report->out);
    }
    for (; *sentences; sentences++) html_element("p", *sentences, report->out);
    if (!report->set->count) html_element("p", "No evaluations are asked for.", report->out);
    return true;
}

static void put_points(const Report *report, const Claim *claim) {
    static const TableColumn columns[] = {
        {"", "method", TABLE_TEXT, TABLE_FOR_PEOPLE, 0},    {"", "against", TABLE_TEXT, TABLE_FOR_PEOPLE, 0},
        {"", "trained at", TABLE_INT, TABLE_FOR_PEOPLE, 0}, {"", "length", TABLE_INT, TABLE_FOR_PEOPLE, 0},
        {"", "n", TABLE_INT, TABLE_FOR_PEOPLE, 0},          {"", "ratio", TABLE_REAL, TABLE_FOR_PEOPLE, 4},
        {"", "from", TABLE_REAL, TABLE_FOR_PEOPLE, 4},      {"", "to", TABLE_REAL, TABLE_FOR_PEOPLE, 4},
        {"", "clear", TABLE_TEXT, TABLE_FOR_PEOPLE, 0},
    };
    Table *table = table_new(NULL, columns, COUNT_OF(columns), report->arena);
    for (int r = 0; r < claim->count; r++) {
        const ClaimPoint *point = &claim->points[r];
        TableCell *row = table_row(table);
        double trained = (double)point->series->train_length;
        *row++ = table_text(point->series->name);
        *row++ = table_text(point->against ? point->against->name : "");
        *row++ = table_shown(trained, point->seeds ? NULL : ""); /* a bench has no training of its own */
        *row++ = table_number((double)point->length);
        *row++ = table_shown(point->seeds, point->seeds ? NULL : "bench");
        *row++ = table_number(point->ratio);
        *row++ = table_number(point->low);
        *row++ = table_number(point->high);
        *row = table_text(point->holds ? "holds" : point->fails ? "fails" : "open");
    }
    fprintf(report->out, "<details><summary>%d point%s</summary>\n", claim->count,
            claim->count == 1 ? "" : "s");
    html_table(table, "Points of this claim", report->out);
    fputs("</details>\n", report->out);
}

static bool put_claims(const Report *report, Error *err) {
    (void)err;
    if (!report->claims->count) return true;
    html_element("h2", "The paper's claims", report->out);
    html_element("p class=\"note\"", report->claims->source, report->out);
    html_element(
        "p class=\"note\"",
        "A point is a ratio at one length. Its interval is the range of the seeds, for perplexities on the "
        "same "
        "windows widened to the 95 % interval of the paired bootstrap; with one seed, 5 % to both sides, "
        "which no "
        "test stands behind; it begins at 0 where the other was trained on more tokens. Speeds of a bench "
        "have the quartiles of its rounds. "
        "Supported: the whole interval is on the claim's side at every point. Contradicted: it is beyond it "
        "at "
        "half of the points or more. Else undecided. Claims are judged one by one, without correction for "
        "their "
        "number, and on a model and a text far smaller than the paper's.",
        report->out);
    for (int i = 0; i < report->claims->count; i++) {
        const Claim *claim = &report->claims->items[i];
        fprintf(report->out, "<section class=\"claim %s\">\n<span class=\"badge\">%s %s here%s</span>\n",
                marks[claim->verdict].class, marks[claim->verdict].sign, claims_verdict_names[claim->verdict],
                claim->seeds == 1 ? ", by one seed only" : "");
        html_element("h3", claim->text, report->out);
        html_element("p", claim->finding, report->out);
        html_element("p class=\"note\"",
                     arena_format(report->arena, "The paper, %s%s%s", claim->section,
                                  *claim->paper ? ": " : ".", claim->paper),
                     report->out);
        if (claim->count) put_points(report, claim);
        fputs("</section>\n", report->out);
    }
    return true;
}

/* --- figures --- */

static bool put_figures(const Report *report, Error *err) {
    html_element("h2", "Figures", report->out);
    return report_figures_write(report->store, report->set, report->index, report->out, report->arena, err);
}

/* --- tables --- */

static void put_table(const Report *report, const Table *table, const char *title) {
    html_element("h3", title, report->out);
    html_table(table, title, report->out);
    for (int i = 0; i < table->note_count; i++)
        html_element("p class=\"note\"", table->notes[i], report->out);
    html_element("p class=\"signature\"", table->signature, report->out);
}

static void put_cost(const Report *report) {
    static const TableColumn columns[] = {
        {"", "method", TABLE_TEXT, TABLE_FOR_PEOPLE, 0},
        {"", "trained at", TABLE_INT, TABLE_FOR_PEOPLE, 0},
        {"", "parameters", TABLE_INT, TABLE_FOR_PEOPLE, 0},
        {"", "position parameters", TABLE_INT, TABLE_FOR_PEOPLE, 0},
        {"", "tokens/s", TABLE_REAL, TABLE_FOR_PEOPLE, 0},
        {"", "seconds", TABLE_REAL, TABLE_FOR_PEOPLE, 1},
        {"", "processor", TABLE_REAL, TABLE_FOR_PEOPLE, 1},
        {"", "load", TABLE_REAL, TABLE_FOR_PEOPLE, 1},
        {"", "MiB", TABLE_REAL, TABLE_FOR_PEOPLE, 1},
        {"", "runs", TABLE_INT, TABLE_FOR_PEOPLE, 0},
    };
    const Results *set = report->set;
    const Series **rows = NEW(report->arena, set->count, const Series *);
    int count = 0;
    for (int i = 0; i < set->count; i++) /* training is the same under every protocol */
        if (results_is_first(set, i, series_same_runs)) rows[count++] = &set->items[i];
    Table *table = table_new(NULL, columns, COUNT_OF(columns), report->arena);
    for (int r = 0; r < count; r++) {
        const Series *series = rows[r];
        const double numbers[] = {(double)series->train_length,
                                  (double)series->parameters,
                                  (double)series->position_parameters,
                                  series->cost[SERIES_SPEED],
                                  series->cost[SERIES_SECONDS],
                                  series->cost[SERIES_PROCESSOR],
                                  series->cost[SERIES_LOAD],
                                  series->cost[SERIES_BYTES] / (1 << 20),
                                  series->run_count};
        TableCell *row = table_row(table);
        row[0] = table_text(series->name);
        for (int i = 0; i < COUNT_OF(numbers); i++)
            row[i + 1] = table_shown(numbers[i], isfinite(numbers[i]) ? NULL : "-");
    }
    html_element("h3", "Cost of training", report->out);
    html_table(table, "Cost of training", report->out);
    html_element("p class=\"note\"",
                 "Means over the runs, as they measured it (processor: seconds of all threads; load: of the "
                 "machine); runs at a time slow each other down, and so does all "
                 "else on the machine: `poslab bench CONFIG --db DB` compares methods.",
                 report->out);
    const char *warning = results_speed_warning(set, report->arena);
    if (warning) html_element("p class=\"note\"", warning, report->out);
}

static bool put_tables(const Report *report, Error *err) {
    static const struct {
        const char *title;
        bool ratio;
    } tables[] = {{"Perplexity by evaluation length", false},
                  {"Perplexity over that at the training length", true}};
    if (!report->set->count) return true;
    html_element("h2", "Tables", report->out);
    for (int i = 0; i < COUNT_OF(tables); i++) {
        const PivotOptions options = {.rows = "method", .ratio = tables[i].ratio, .mark = true};
        const Table *table = pivot_table(report->set, &options, report->arena, err);
        if (!table) return false;
        put_table(report, table, tables[i].title);
    }
    put_cost(report);
    return true;
}

/* --- config and provenance --- */

/* What the config says of the experiment. */
static bool put_notes(const Report *report, Error *err) {
    const char *const name[] = {report->set->experiment, NULL};
    Query *query = query_begin(report->store, RUNS_NOTES, name);
    if (query_next(query)) {
        if (*query_text(query, 0)) html_element("p", query_text(query, 0), report->out);
        if (*query_text(query, 1))
            html_element("p", arena_format(report->arena, "Tags: %s", query_text(query, 1)), report->out);
    }
    return query_end(query, err);
}

static bool put_config(const Report *report, Error *err) {
    const char *text = list_of(report, "SELECT config FROM experiment WHERE name = ?", err);
    if (!text) return false;
    Error ignored;
    Json *json = json_parse(text, strlen(text), "config", report->arena, &ignored);
    html_element("h2", "Config", report->out);
    html_element("pre", json ? json_print_pretty(json, report->arena) : text, report->out);
    return true;
}

static bool put_provenance(const Report *report, Error *err) {
    static const char *const lists[][2] = {
        {"runs", "SELECT count(*) || ' ' || r.status" RUNS " WHERE x.name = ? GROUP BY r.status"},
        {"not finished",
         "SELECT r.label || ', L = ' || r.train_length || ', seed ' || r.seed || ': ' || r.status ||"
         " coalesce(', ' || r.reason, '')" RUNS
         " WHERE x.name = ? AND r.status <> 'done' ORDER BY p.ordinal"},
        {"trained",
         "SELECT min(r.started) || ' to ' || max(r.finished) || ' (UTC)'" RUNS " WHERE x.name = ?"},
        {"poslab", "SELECT DISTINCT r.revision" RUNS " WHERE x.name = ?"},
        {"processor", "SELECT DISTINCT r.cpu" RUNS " WHERE x.name = ?"},
        {"BLAS",
         "SELECT DISTINCT r.blas || ', ' || r.threads || ' thread' || iif(r.threads = 1, '', 's')" RUNS
         " WHERE x.name = ?"},
        {"resumed in another environment",
         "SELECT r.key || ': ' || r.settings" RUNS " WHERE x.name = ? AND r.settings IS NOT NULL"
         " ORDER BY p.ordinal"},
        {"corpus",
         "SELECT DISTINCT 'SHA-256 ' || c.hash" RUNS " JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ?"},
        {"references", NULL},
        {"run keys",
         "SELECT group_concat(key, ' ') FROM (SELECT r.key" RUNS " WHERE x.name = ? ORDER BY p.ordinal)"},
    };
    html_element("h2", "Provenance", report->out);
    return put_lists(report, lists, COUNT_OF(lists), err);
}

/* --- the page --- */

static bool (*const sections[])(const Report *, Error *) = {
    put_compared, put_verdict, put_claims, put_figures, put_tables, put_config, put_provenance,
};

static bool put_experiment(Report *report, const char *name, const char *claims, Error *err) {
    report->set = results_read(report->store, name, report->arena, err);
    report->claims =
        report->set ? claims_judge(report->store, report->set, claims, report->arena, err) : NULL;
    if (!report->claims) return false;
    html_element(arena_format(report->arena, "h1 id=\"e%d\"", report->index), name, report->out);
    html_element("p class=\"lead\"",
                 "Position methods of transformers compared: trained on short sequences, evaluated on longer "
                 "ones. Written "
                 "by poslab from its database.",
                 report->out);
    const char *stale = results_stale_note(report->set, report->arena);
    if (stale) html_element("p class=\"note\"", stale, report->out);
    bool fine = put_notes(report, err);
    for (int i = 0; fine && i < COUNT_OF(sections); i++) fine = sections[i](report, err);
    return fine;
}

static bool put_page(Database *store, const ReportOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const char **names = runs_experiments(store, options->experiment, &count, arena, err);
    if (!names) return false;
    html_begin(out, count == 1 ? arena_format(arena, "%s - poslab", names[0]) : "poslab");
    if (count > 1) fputs("<nav>", out);
    for (int i = 0; count > 1 && i < count; i++)
        html_element(arena_format(arena, "a href=\"#e%d\"", i), names[i], out);
    if (count > 1) fputs("</nav>\n", out);
    for (int i = 0; i < count; i++) {
        Report report = {.store = store, .index = i, .out = out, .arena = arena};
        if (!put_experiment(&report, names[i], options->claims, err)) return false;
    }
    html_end(out);
    return true;
}

bool report_write(Database *store, const ReportOptions *options, Error *err) {
    Arena *arena = arena_new(0);
    AtomicFile file;
    FILE *out = atomic_file_begin(&file, options->path, arena, err);
    bool fine = out && atomic_file_end(&file, put_page(store, options, out, arena, err), err);
    arena_free(arena);
    return fine;
}
