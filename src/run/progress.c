/* progress: bars, or plain lines.
 *
 * The bars are the last lines on the screen. To print a message, they are erased (cursor up, clear to the end
 * of the screen), the message is printed, and they are drawn again below it.
 */
#include "run/progress.h"

#include "base/clock.h"
#include "base/escape.h"
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 20, LINE = 512, TENTHS = 10 };
static const double SECONDS_BETWEEN_DRAWINGS = 0.2;

typedef struct Slot {
    bool busy, retry; /* retry: after a failed attempt */
    ProgressRun run;
    double share;    /* completed share of the run's work */
    double left;     /* seconds of training left; NAN: unknown */
    int tenth;       /* tenths of the share at the last plain line */
    char state[128]; /* "step 12/400  loss 2.345  18230 tokens/s" */
} Slot;

struct Progress {
    int slots, runs, done, drawn; /* drawn: number of bars on the screen */
    double work, finished;        /* FLOPs of all runs of the sweep, and of those that have ended */
    double resumed;               /* the part of `work` that earlier sweeps did */
    bool quiet, terminal, colour;
    double begin, last; /* clock_now at the start of the sweep, and at the last drawing */
    Slot *slot;
};

Progress *progress_new(int slots, int runs, int done, double work, bool quiet, Arena *arena) {
    Progress *progress = NEW(arena, 1, Progress);
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    *progress = (Progress){.slots = slots, .runs = runs, .done = done, .work = work, .quiet = quiet};
    progress->terminal = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    progress->colour = progress->terminal && !(no_colour && *no_colour);
    progress->begin = clock_now();
    progress->slot = NEW(arena, slots, Slot);
    return progress;
}

/* A time such as "1h02m", "3m05s", "12s"; "" if unknown. */
static void format_seconds(char out[32], double seconds) {
    long long s = isfinite(seconds) && seconds < 1e9 ? llround(seconds) : -1;
    if (s < 0)
        *out = '\0';
    else if (s >= 3600)
        snprintf(out, 32, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(out, 32, "%llds", s);
}

static void format_left(char out[48], double seconds) {
    char text[32];
    format_seconds(text, seconds);
    snprintf(out, 48, *text ? "  %s left" : "%s", text);
}

/* A timestamp such as "2026-11-27 22:01:05 " for plain lines, which may become a log; "" on a terminal. */
static const char *timestamp(const Progress *progress, char out[32]) {
    time_t now = time(NULL);
    struct tm local;
    *out = '\0';
    if (!progress->terminal) strftime(out, 32, "%Y-%m-%d %H:%M:%S ", localtime_r(&now, &local));
    return out;
}

/* The completed share of all work. *left is the estimated time of the rest in seconds; NAN: unknown. */
static double completed_share(const Progress *progress, double *left) {
    double finished = progress->finished, elapsed = clock_now() - progress->begin;
    for (int i = 0; i < progress->slots; i++) {
        const Slot *slot = &progress->slot[i];
        if (slot->busy) finished += slot->share * (slot->run.train_work + slot->run.evaluate_work);
    }
    double share = progress->work > 0 ? fmin(1, finished / progress->work) : 1;
    double computed = share - progress->resumed / fmax(progress->work, 1); /* the share done in `elapsed` */
    *left = computed > 0.01 ? elapsed * (1 - share) / computed : NAN;
    return share;
}

/* Writes `before` and "all: 1h02m left" for plain lines; "" if unknown or if nothing is left. */
static void format_all_left(const Progress *progress, const char *before, char out[64]) {
    char text[32];
    double left, share = completed_share(progress, &left);
    format_seconds(text, share < 1 && !progress->terminal ? left : NAN);
    out[0] = '\0';
    if (*text) snprintf(out, 64, "%sall: %s left", before, text);
}

/* Prints one bar and its text, truncated so that it takes one line of the screen. */
static void draw_line(Progress *progress, double share, const char *text) {
    char bar[BAR + 1];
    int full = (int)(share * BAR + 0.5);
    for (int i = 0; i < BAR; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    int width = text_screen(stderr).width, room = (width ? width : 80) - BAR - 10;
    const char *on = progress->colour ? "\033[32m" : "", *off = progress->colour ? "\033[0m" : "";
    fprintf(stderr, "%s[%s]%s %3.0f %% %.*s\n", on, bar, off, floor(100 * share), room > 0 ? room : 0, text);
    progress->drawn++;
}

static void erase(Progress *progress) {
    if (progress->drawn) fprintf(stderr, "\033[%dA\033[J", progress->drawn);
    progress->drawn = 0;
}

static void draw(Progress *progress) {
    char text[LINE], left[48];
    double seconds, share = completed_share(progress, &seconds);
    erase(progress);
    for (int i = 0; i < progress->slots; i++) {
        const Slot *slot = &progress->slot[i];
        if (!slot->busy) continue;
        format_left(left, slot->left);
        snprintf(text, sizeof text, "%s  %s%s", slot->run.label, slot->state, left);
        draw_line(progress, slot->share, text);
    }
    format_left(left, seconds);
    snprintf(text, sizeof text, "%d of %d runs%s", progress->done, progress->runs, left);
    draw_line(progress, share, text);
    fflush(stderr);
    progress->last = clock_now();
}

void progress_draw(Progress *progress) {
    if (progress->terminal && clock_now() - progress->last >= SECONDS_BETWEEN_DRAWINGS) draw(progress);
}

void progress_close(Progress *progress) {
    erase(progress);
    fflush(stderr);
}

void progress_message(Progress *progress, bool important, const char *format, ...) {
    if (progress->quiet && !important) return;
    bool again = progress->drawn > 0;
    erase(progress);
    va_list args;
    va_start(args, format);
    escape_line_list(stderr, format, args);
    va_end(args);
    if (again) draw(progress);
}

void progress_begin(Progress *progress, int slot, const ProgressRun *run) {
    Slot *at = &progress->slot[slot];
    if (at->retry) /* counts the work that the failed attempt completed */
        progress->finished +=
            at->run.train_work + at->run.evaluate_work - run->train_work - run->evaluate_work;
    *at = (Slot){.busy = true, .retry = at->retry, .run = *run, .left = NAN, .state = "starting"};
    char time[32];
    if (progress->terminal)
        draw(progress);
    else
        progress_message(progress, false, "%sstart   %s", timestamp(progress, time), run->label);
}

/* Without a terminal, prints a line whenever another tenth of the run is complete. */
static void show_tenth(Progress *progress, Slot *slot) {
    int tenth = (int)(slot->share * TENTHS);
    if (progress->terminal || tenth <= slot->tenth || tenth >= TENTHS) return;
    char time[32], left[48], all[64];
    slot->tenth = tenth;
    format_left(left, slot->left);
    format_all_left(progress, "  ", all);
    progress_message(progress, false, "%s%5d %% %s  %s%s%s", timestamp(progress, time), tenth * 100 / TENTHS,
                     slot->run.label, slot->state, left, all);
}

void progress_resume(Progress *progress, int slot, int64_t step, int64_t steps) {
    const Slot *at = &progress->slot[slot];
    if (!at->retry) progress->resumed += at->run.train_work * (double)step / (double)steps;
}

void progress_step(Progress *progress, int slot, int64_t step, int64_t steps, double loss,
                   double tokens_per_second, double exact) {
    char accuracy[32] = "";
    Slot *at = &progress->slot[slot];
    double all = at->run.train_work + at->run.evaluate_work;
    double seconds_per_flop =
        (double)(at->run.tokens_per_step * steps) / tokens_per_second / at->run.train_work;
    if (all > 0) at->share = at->run.train_work * (double)step / (double)steps / all;
    at->left = seconds_per_flop * all * (1 - at->share);
    if (exact >= 0) snprintf(accuracy, sizeof accuracy, "exact %.1f %%  ", 100 * exact);
    snprintf(at->state, sizeof at->state, "step %lld/%lld  loss %.3f  %s%.0f tokens/s", (long long)step,
             (long long)steps, loss, accuracy, tokens_per_second);
    show_tenth(progress, at);
}

void progress_evaluate(Progress *progress, int slot, int number, int count, double share) {
    Slot *at = &progress->slot[slot];
    double all = at->run.train_work + at->run.evaluate_work;
    double part = count ? (number - 1 + share) / count : 1;
    if (all > 0) at->share = (at->run.train_work + at->run.evaluate_work * part) / all;
    at->left = NAN;
    snprintf(at->state, sizeof at->state, "evaluation %d/%d", number, count);
    show_tenth(progress, at);
}

void progress_retry(Progress *progress, int slot) {
    Slot *at = &progress->slot[slot];
    char time[32];
    at->busy = false;
    at->retry = true;
    progress_message(progress, true, "%sretry   %s", timestamp(progress, time), at->run.label);
}

void progress_end(Progress *progress, int slot, const char *outcome, const char *result, bool done) {
    Slot *at = &progress->slot[slot];
    char time[32], all[64];
    at->busy = at->retry = false;
    progress->finished += at->run.train_work + at->run.evaluate_work;
    progress->done += done;
    format_all_left(progress, "; ", all);
    progress_message(progress, !done, "%s%-7s %s%s%s  (%d of %d%s)", timestamp(progress, time), outcome,
                     at->run.label, *result ? "  " : "", result, progress->done, progress->runs, all);
}
