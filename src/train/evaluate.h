/* evaluate: the perplexity of a split at one length, under one protocol.
 *
 * A stream of n tokens has n - 1 targets; target k is token k + 1. The window length is L, the stride S <= L.
 * Block k is the targets [k S, (k+1) S); the last block may be shorter. A window ends with its block and
 * starts at token max(0, (k+1) S - L), so it scores its last targets with up to L tokens of context. Every
 * target is scored exactly once. Perplexity is exp(nll / tokens), with sums in double.
 *
 *   nonoverlapping  S = L.
 *   strided         S < L.
 *   last_n          Strided, for the last N targets: block k is the targets [F + k S, F + (k+1) S) with
 *                   F = n - 1 - N. The windows reach back into the text before target F, so F + S must be at
 *                   least L. All lengths score the same targets, each with more than L - S tokens of context.
 *   cached          The blocks of strided, but a pass has only the S tokens of its block. In every layer they
 *                   attend to the cached rows of the L - S tokens before the block (model/cache.h), or of all
 *                   tokens before it if there are fewer. Cached rows depend on tokens before the window.
 *   token           Cached, with one token per pass: each target has the same context, and the time is that
 *                   of generating text token by token.
 *
 * A length that no window reaches is refused, because the result would be that of a shorter length. The
 * passes of cached and token depend on each other, so they run on one lane.
 */
#ifndef POSLAB_TRAIN_EVALUATE_H
#define POSLAB_TRAIN_EVALUATE_H

#include "model/model.h"
#include "data/corpus.h"

typedef enum EvaluateProtocol {
    EVALUATE_NONOVERLAPPING,
    EVALUATE_STRIDED,
    EVALUATE_LAST_N,
    EVALUATE_EXACT, /* the only protocol of tasks (train/evaluate_examples.h) */
    EVALUATE_CACHED,
    EVALUATE_TOKEN,
} EvaluateProtocol;
extern const char *const evaluate_protocol_names[]; /* "nonoverlapping", "strided", ..., NULL */

/* Options that are changed after training. */
typedef struct EvaluateVariant {
    const char *name;    /* not empty */
    const char *options; /* canonical JSON of the changed options */
} EvaluateVariant;

typedef struct EvaluateRequest {
    int split;      /* CorpusSplit */
    int64_t tokens; /* the first `tokens` targets of the split, 0: all; last_n: the last `tokens` targets */
    int protocol;   /* EvaluateProtocol */
    int64_t length; /* L */
    int64_t stride; /* S, 1..L; L for nonoverlapping; cached and token have a cache of L - S rows */
    int precision;  /* Precision */
    const EvaluateVariant *variant; /* NULL: the model as trained */
    const char *hint;               /* of a task: the hint whose rows are evaluated; NULL: the task itself */
} EvaluateRequest;

bool evaluate_same_request(const EvaluateRequest *a, const EvaluateRequest *b);

/* Whether the protocol is cached or token. */
bool evaluate_uses_cache(const EvaluateRequest *request);

/* The name under which the evaluated text is stored: that of the hint if there is one, else of the split. */
const char *evaluate_split_name(const EvaluateRequest *request);

enum { EVALUATE_BINS = 80 };

typedef struct EvaluateWindow {
    double nll;     /* nats, summed over the window's scored targets */
    int64_t tokens; /* scored targets */
    int64_t right;  /* targets that were the most likely token; examples of tasks only */
} EvaluateWindow;

typedef struct EvaluateBin {
    int64_t first, last; /* positions in the window, 0-based, inclusive */
    double nll;
    int64_t tokens;
} EvaluateBin;

typedef struct EvaluateResult {
    EvaluateRequest request;
    bool beyond_limit; /* not evaluate_usable: nothing was computed */
    double nll;        /* nats, summed over targets; not finite if the model's output is not */
    int64_t tokens;    /* scored targets */
    int64_t windows;
    double seconds;
    size_t peak_bytes;
    const char *method_files; /* encoding_files of the evaluated method; NULL: unknown */
    EvaluateWindow *window;   /* [windows] */
    EvaluateBin *bin; /* by position in the window, four bins per octave: 0, 1, 2, 3, 4, 5, 6, 7, 8-9, ... */
    int bins;
} EvaluateResult;

/* The targets [first, end) that the request evaluates in a split of `count` tokens; valid if evaluate_check
   succeeds. */
typedef struct EvaluateSpan {
    int64_t first, end;
} EvaluateSpan;
EvaluateSpan evaluate_span(const EvaluateRequest *request, int64_t count);

/* Checks that a split of `count` tokens has all targets of the request and enough text for a window of full
   length. The error (EXIT_USAGE) begins with `source`. */
bool evaluate_check(const EvaluateRequest *request, int64_t count, const char *source, Error *err);

/* Computes how many targets each window and bin has in a split of `count` tokens: fills tokens, windows,
   window, bins and bin as evaluate_run does, with losses of 0. */
void evaluate_layout(const EvaluateRequest *request, int64_t count, EvaluateResult *result, Arena *arena);

/* Evaluates a request. The result is owned by `arena`; memory taken from `scratch` is released. Fails if
   evaluate_check does, if the CPU lacks the precision, and with EXIT_STOPPED if `progress` returns false.
   `progress` is called with the completed share; it may be NULL. */
bool evaluate_run(const Model *model, const Corpus *corpus, const EvaluateRequest *request,
                  bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                  Arena *arena, Arena *scratch, Error *err);

/* Whether the model's method can be evaluated at the request's length. Cached rows have consecutive
   positions, so cached and token exclude methods with a partner and sequences with positions of their own. */
bool evaluate_usable(const Model *model, const EvaluateRequest *request);

/* The most bytes that evaluate_run allocates for the passes of the request, in the model's precision and on
   its number of threads. */
size_t evaluate_bytes(const Model *model, const EvaluateRequest *request);

#endif
