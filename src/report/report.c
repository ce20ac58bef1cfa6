/* report: a Report is the state while the part of one experiment is written. `sections` has the order. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

#include "sys/atomic_file.h"
#include "position/encoding.h"
#include "tasks/task.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/analysis.h"
#include "analysis/claims.h"
#include "analysis/pivot.h"
#include "report/html.h"
#include "report/report_figures.h"
#include "report/summary.h"

typedef struct Report {
    Database *store;
    int index; /* of the experiment, in the page */
    const ReportOptions *options;
    const Results *set;
    const ClaimList *claims;
    bool figureless; /* drawing failed, and a note in the page says why */
    FILE *out;
    Arena *arena;
} Report;

/* --- what was compared --- */

static void put_term(const Report *report, const char *term, const char *text) {
    if (*text) html_put(report->out, "<dt>%s</dt>\n<dd>%s</dd>\n", term, text);
}

/* The values of the first column of a query, separated by semicolons. */
static const char *list_of(const Report *report, const char *sql, Error *err) {
    const char *const parameters[] = {report->set->experiment, NULL};
    const char *list = "";
    Query *query = query_begin(report->store, sql, parameters);
    while (query_next(query))
        if (*query_text(query, 0)) list = text_join(list, "; ", query_text(query, 0), report->arena);
    return query_end(query, err) ? list : NULL;
}

/* Ends a list of terms. lists: a term and the query for its values (NULL: the sources of reference numbers).
 */
static bool put_lists(const Report *report, const char *const (*lists)[2], int count, Error *err) {
    for (int i = 0; i < count; i++) {
        const char *list = lists[i][1] ? list_of(report, lists[i][1], err) : report->set->reference->sources;
        if (!list) return false;
        put_term(report, lists[i][0], list);
    }
    fputs("</dl>\n", report->out);
    return true;
}

static bool put_compared(Report *report, Error *err) {
    static const char *const lists[][2] = {
        {"trained at", "SELECT DISTINCT r.train_length || ' tokens'" QUERY_RUNS
                       " WHERE x.name = ? ORDER BY r.train_length"},
        {"evaluated at",
         "SELECT iif(task, 'sizes ', '') || group_concat(l, ', ') || iif(task, '', ' tokens') FROM (SELECT"
         " DISTINCT eval_length AS l, protocol = 'exact' AS task FROM outcome"
         " WHERE experiment = ? AND outcome <> 'beyond_text' ORDER BY eval_length)"},
        {"seeds",
         "SELECT min(n) || iif(max(n) > min(n), ' to ' || max(n), '') FROM (SELECT count(*) AS n" QUERY_RUNS
         " WHERE x.name = ? GROUP BY r.label, p.variant, r.train_length)"},
        {"model",
         "SELECT DISTINCT json_extract(r.config, '$.model.layers') || ' layers, ' ||"
         " json_extract(r.config, '$.model.heads') || ' heads, width ' || json_extract(r.config, "
         "'$.model.width') ||"
         " ', feed-forward ' || json_extract(r.config, '$.model.ffn')" QUERY_RUNS " WHERE x.name = ?"},
        {"training", "SELECT DISTINCT json_extract(r.config, '$.train.tokens') || ' tokens, ' ||"
                     " json_extract(r.config, '$.train.tokens_per_step') || ' at a time, ' ||"
                     " json_extract(r.config, '$.train.optimizer.name') || ', learning rate ' ||"
                     " json_extract(r.config, '$.train.optimizer.lr')" QUERY_RUNS " WHERE x.name = ?"},
        {"text",
         "SELECT DISTINCT c.tokenizer || ', vocabulary ' || c.vocabulary || '; ' || c.documents ||"
         " ' documents; ' || c.train_tokens || ' tokens to train on, ' || c.valid_tokens || ' to validate, '"
         " || c.test_tokens || ' to test'" QUERY_RUNS " JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ?"
         " AND c.tokenizer <> 'task'"},
        {"task",
         "SELECT DISTINCT json_extract(r.config, '$.data.task.name') || ', sizes ' || json_extract(r.config, "
         "'$.data.task.size[0]')"
         " || ' to ' || json_extract(r.config, '$.data.task.size[1]')" QUERY_RUNS
         " WHERE x.name = ? AND json_extract(r.config, '$.data.task.name') IS NOT NULL"},
    };
    fputs("<ul>\n", report->out);
    for (int i = 0; i < report->set->count; i++) {
        const Series *series = &report->set->items[i];
        const PositionMethod *method = encoding_find(series->method);
        if (!results_is_first(report->set, i, series_same_name)) continue;
        bool cited = method && method->citation;
        html_put(report->out, "<li><b>%s</b>%s%s</li>\n", series->name, cited ? ": " : "",
                 cited ? method->citation : "");
    }
    const char *protocols = "";
    for (int i = 0; i < report->set->count; i++)
        if (results_is_first(report->set, i, series_same_protocol))
            protocols = text_join(protocols, "; ", report->set->items[i].evaluated, report->arena);
    fputs("</ul>\n<dl>\n", report->out);
    put_term(report, "evaluated on", protocols);
    const char *nearest;
    const Task *task = report->set->task ? task_find(report->set->task, &nearest) : NULL;
    if (task) put_term(report, "size", task->size);
    return put_lists(report, lists, COUNT_OF(lists), err);
}

/* --- answer, claims --- */

static bool put_answer(Report *report, Error *err) {
    return summary_answer(report->set, report->claims, report->out, report->arena, err);
}

static bool put_claims(Report *report, Error *err) {
    (void)err;
    summary_claims(report->set, report->claims, report->out, report->arena);
    return true;
}

/* --- tables --- */

static void put_note(const Report *report, const char *note) {
    if (note) html_put(report->out, "<p class=\"note\">%s</p>\n", note);
}

static void put_table(const Report *report, const Table *table, const char *title) {
    html_put(report->out, "<h3>%s</h3>\n", title);
    html_table(table, title, report->out);
    for (int i = 0; i < table->note_count; i++) put_note(report, table->notes[i]);
    html_put(report->out, "<p class=\"signature\">%s</p>\n", table->signature);
}

static bool put_cost(Report *report, Error *err) {
    static const TableColumn columns[] = {
        {NULL, "method", TABLE_TEXT},
        {NULL, "trained at", TABLE_INT},
        {NULL, "parameters", TABLE_INT},
        {NULL, "position parameters", TABLE_INT},
        {NULL, "tokens/s", TABLE_REAL},
        {NULL, "seconds", TABLE_REAL, .decimals = 1},
        {NULL, "processor", TABLE_REAL, .decimals = 1},
        {NULL, "load", TABLE_REAL, .decimals = 1},
        {NULL, "MiB", TABLE_REAL, .decimals = 1},
        {NULL, "runs", TABLE_INT},
    };
    const Results *set = report->set;
    Table *table = table_new(NULL, columns, COUNT_OF(columns), report->arena);
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const double *cost = series->cost;
        if (!results_is_first(set, i, series_same_runs)) continue; /* all protocols have the same training */
        TableCell *row = TABLE_TEXTS(table_row(table), series->name);
        TABLE_NUMBERS(row, series->train_length, series->parameters, series->position_parameters,
                      cost[SERIES_SPEED], cost[SERIES_SECONDS], cost[SERIES_PROCESSOR], cost[SERIES_LOAD],
                      cost[SERIES_BYTES] / (1 << 20), series->run_count);
        for (int c = 0; c < COUNT_OF(columns) - 1; c++)
            if (isnan(row[c].number)) row[c].text = "-";
    }
    (void)err;
    html_table(table, "Cost of training", report->out);
    put_note(report,
             "Means over the runs, as measured by each. Processor: seconds of all threads. Load: of the "
             "machine. Other load slows runs down; `poslab bench CONFIG --db DB` compares speeds.");
    put_note(report, series_speed_warning(set->items, set->count, report->arena));
    return true;
}

static bool put_tables(Report *report, Error *err) {
    static const struct {
        const char *title;
        bool ratio;
    } tables[] = {{"Perplexity by evaluation length", false},
                  {"Perplexity relative to that at the training length", true}};
    bool task = report->set->task;
    for (int i = 0; i < (task ? 1 : COUNT_OF(tables)); i++) {
        const PivotOptions options = {.rows = "method", .ratio = tables[i].ratio, .mark = true};
        const Table *table = pivot_table(report->set, &options, report->arena, err);
        if (!table) return false;
        put_table(report, table, task ? "Exact match by size" : tables[i].title);
    }
    return true;
}

/* Compares every method with the baseline (by default the first), at the training length (tasks: the largest
   size in training) and at the longest length. */
static bool put_differences(Report *report, Error *err) {
    const char *baseline = report->options->baseline;
    const AnalysisOptions options = {.what = "compare",
                                     .baseline = baseline ? baseline : report->set->items[0].method,
                                     .ends = true,
                                     .resamples = STATS_RESAMPLES,
                                     .block = STATS_BLOCK};
    const Table *table = analysis_table(report->set, &options, report->arena, err);
    if (!table) return false;
    put_table(report, table,
              arena_format(report->arena, "Difference from %s on the same seeds and %s",
                           baseline ? baseline : report->set->items[0].name,
                           report->set->task
                               ? "examples, at the largest size in training and at the largest size"
                               : "windows, at the training length and at the longest"));
    return true;
}

/* Explains the protocols that the experiment uses. */
static bool put_protocols(Report *report, Error *err) {
    static const char *const protocols[][2] = {
        {"nonoverlapping", "The text is cut into windows of the evaluation length. Every token is predicted "
                           "once, from the tokens before it in its window, so that tokens early in a window "
                           "have little context."},
        {"strided", "Windows overlap. Each begins one stride after the previous one and scores only its last "
                    "tokens, so that nearly every token is predicted from a long context."},
        {"last_n", "As strided, but only the last N tokens of the text are scored, the same ones at every "
                   "length."},
        {"cached",
         "The text is passed in segments. In every layer, tokens also attend to the rows of earlier "
         "tokens that a cache keeps. The evaluation length includes the cache."},
        {"token", "As cached, but one token at a time, as in text generation."},
    };
    (void)err;
    fputs("<dl>\n", report->out);
    for (int p = 0; p < COUNT_OF(protocols); p++)
        for (int i = 0; i < report->set->count; i++)
            if (!strcmp(report->set->items[i].protocol, protocols[p][0])) {
                put_term(report, protocols[p][0], protocols[p][1]);
                break;
            }
    fputs("</dl>\n", report->out);
    return true;
}

/* --- config and provenance --- */

/* The notes and tags of the config. */
static bool put_notes(const Report *report, Error *err) {
    const char *const name[] = {report->set->experiment, NULL};
    Query *query = query_begin(report->store, RUNS_NOTES, name);
    if (query_next(query)) {
        if (*query_text(query, 0)) html_put(report->out, "<p>%s</p>\n", query_text(query, 0));
        if (*query_text(query, 1)) html_put(report->out, "<p>Tags: %s</p>\n", query_text(query, 1));
    }
    return query_end(query, err);
}

static bool put_config(Report *report, Error *err) {
    const char *text = list_of(report, "SELECT config FROM experiment WHERE name = ?", err);
    if (!text) return false;
    Error ignored;
    Json *json = json_parse(text, strlen(text), "config", report->arena, &ignored);
    html_put(report->out, "<details><summary>The config file</summary>\n<pre>%s</pre>\n</details>\n",
             json ? json_print_pretty(json, report->arena) : text);
    return true;
}

static bool put_provenance(Report *report, Error *err) {
    static const char *const lists[][2] = {
        {"runs", "SELECT count(*) || ' ' || r.status" QUERY_RUNS " WHERE x.name = ? GROUP BY r.status"},
        {"not finished",
         "SELECT r.label || ', L = ' || r.train_length || ', seed ' || r.seed || ': ' || r.status ||"
         " coalesce(', ' || r.reason, '')" QUERY_RUNS
         " WHERE x.name = ? AND r.status <> 'done' ORDER BY p.ordinal"},
        {"trained",
         "SELECT min(r.started) || ' to ' || max(r.finished) || ' (UTC)'" QUERY_RUNS " WHERE x.name = ?"},
        {"poslab", "SELECT DISTINCT r.revision" QUERY_RUNS " WHERE x.name = ?"},
        {"processor", "SELECT DISTINCT r.cpu" QUERY_RUNS " WHERE x.name = ?"},
        {"BLAS",
         "SELECT DISTINCT r.blas || ', ' || r.threads || ' thread' || iif(r.threads = 1, '', 's')" QUERY_RUNS
         " WHERE x.name = ?"},
        {"resumed in another environment",
         "SELECT r.key || ': ' || r.settings" QUERY_RUNS " WHERE x.name = ? AND r.settings IS NOT NULL"
         " ORDER BY p.ordinal"},
        {"corpus", "SELECT DISTINCT 'SHA-256 ' || c.hash" QUERY_RUNS
                   " JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ?"},
        {"references", NULL},
        {"run keys", "SELECT group_concat(key, ' ') FROM (SELECT r.key" QUERY_RUNS
                     " WHERE x.name = ? ORDER BY p.ordinal)"},
    };
    fputs("<dl>\n", report->out);
    return put_lists(report, lists, COUNT_OF(lists), err);
}

/* --- the page --- */

static bool has_results(const Report *report) {
    return report->set->count > 0;
}

static bool has_others(const Report *report) {
    for (int i = 1; i < report->set->count; i++)
        if (strcmp(report->set->items[i].method, report->set->items[0].method)) return true;
    return false;
}

static bool has_claims(const Report *report) {
    return report->claims->count > 0;
}

static const struct {
    const char *id, *title;
    bool (*wanted)(const Report *); /* NULL: always */
    bool (*put)(Report *, Error *); /* NULL: nothing but figures */
    ReportFigures figures;
} sections[] = {
    {"answer", "The answer", NULL, put_answer},
    {"figure", "Figure", has_results, NULL, REPORT_FIGURES_MAIN},
    {"tables", "Tables", has_results, put_tables},
    {"differences", "Paired differences", has_others, put_differences},
    {"claims", "The paper's claims", has_claims, put_claims, REPORT_FIGURES_PAPER},
    {"compared", "What was compared", NULL, put_compared},
    {"protocols", "How it was evaluated", has_results, put_protocols},
    {"more", "More figures", has_results, NULL, REPORT_FIGURES_MORE},
    {"cost", "Cost of training", has_results, put_cost},
    {"config", "Config", NULL, put_config},
    {"provenance", "Provenance", NULL, put_provenance},
};

static void put_contents(const Report *report) {
    fputs("<nav aria-label=\"Contents\"><ul>\n", report->out);
    for (int i = 0; i < COUNT_OF(sections); i++)
        if (!sections[i].wanted || sections[i].wanted(report))
            html_put(report->out, "<li><a href=\"#e%d-%s\">%s</a></li>\n", report->index, sections[i].id,
                     sections[i].title);
    fputs("<li><a href=\"#glossary\">Glossary</a></li>\n</ul></nav>\n", report->out);
}

static bool put_experiment(Report *report, const char *name, Error *err) {
    report->set = results_read(report->store, name, report->options->best, report->arena, err);
    report->claims =
        report->set ? claims_judge(report->set, report->options->claims, report->arena, err) : NULL;
    if (!report->claims) return false;
    html_put(
        report->out,
        "<h1 id=\"e%d\">%s</h1>\n<p class=\"lead\">Position methods of transformers compared: trained on "
        "short sequences, evaluated on longer ones. Written by poslab from its database.</p>\n",
        report->index, name);
    if (report->set->best) html_put(report->out, "<p>%s</p>\n", report->set->best);
    put_note(report, results_stale_note(report->set, report->arena));
    bool fine = put_notes(report, err);
    for (int i = 0; fine && i < COUNT_OF(sections); i++) {
        if (sections[i].wanted && !sections[i].wanted(report)) continue;
        html_put(report->out, "<h2 id=\"e%d-%s\">%s</h2>\n", report->index, sections[i].id,
                 sections[i].title);
        fine = (!sections[i].put || sections[i].put(report, err)) &&
               report_figures_write(report->set, report->index, sections[i].figures, &report->figureless,
                                    report->out, report->arena, err);
        if (i == 0) put_contents(report);
    }
    return fine;
}

static void put_glossary(const Report *report) {
    static const char *const words[][2] = {
        {"perplexity", "exp of the mean loss per token. Lower is better; guessing among N tokens gives N. "
                       "Perplexities of different tokenizers cannot be compared."},
        {"token", "what the model predicts: a byte, a word or another unit of the tokenizer"},
        {"training length L", "tokens of a training sequence"},
        {"evaluation length", "tokens of a window in evaluation"},
        {"extrapolation",
         "evaluation at lengths beyond L without a rise of perplexity; here: of more than 5 %"},
        {"position method", "how the model receives the position of a token in the sequence"},
        {"seed", "the number that determines initial weights and batches; all methods are trained with the "
                 "same seeds"},
        {"paired difference", "the difference between two methods with the same seeds on the same windows"},
        {"95 % interval",
         "from the bootstrap: seeds and windows are resampled many times, and 95 % of the differences are "
         "in the interval"},
        {"p (Holm)", "the probability of a difference at least this large between equal methods, corrected "
                     "for the number of comparisons"},
        {"split",
         "the part of the text: for training (train), for choices (valid), for the final numbers (test)"},
        {"bench", "a measurement of speed that alternates methods"},
        {"variant",
         "a change after training: the same weights with another method or other attention options"},
        {"run", "the training of one method with one seed, and its evaluations"},
    };
    fputs("<h2 id=\"glossary\">Glossary</h2>\n<dl>\n", report->out);
    for (int i = 0; i < COUNT_OF(words); i++) put_term(report, words[i][0], words[i][1]);
    fputs("</dl>\n", report->out);
}

static bool put_page(Database *store, const ReportOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const char **names = database_experiments(store, options->experiment, &count, arena, err);
    if (!names) return false;
    html_begin(out, count == 1 ? arena_format(arena, "%s - poslab", names[0]) : "poslab");
    if (count > 1) fputs("<nav aria-label=\"Experiments\"><ul>\n", out);
    for (int i = 0; count > 1 && i < count; i++)
        html_put(out, "<li><a href=\"#e%d\">%s</a></li>\n", i, names[i]);
    if (count > 1) fputs("</ul></nav>\n", out);
    Report report = {.store = store, .options = options, .out = out, .arena = arena};
    for (int i = 0; i < count; i++) {
        report.index = i;
        if (!put_experiment(&report, names[i], err)) return false;
    }
    put_glossary(&report);
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
