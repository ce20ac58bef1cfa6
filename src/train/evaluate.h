/* evaluate: perplexity of a split at one length.
 *
 * A stream of n tokens has n - 1 targets. With window length L and stride S <= L, block k holds the targets
 * [k S, (k+1) S) (the last block may be shorter) and is predicted by a window that ends with the block and
 * starts at max(0, (k+1) S - L): each window scores its last targets with up to L tokens of context. Every
 * target is scored exactly once for every (L, S). S = L is the nonoverlapping protocol. Sums are in double;
 * perplexity is exp(nll / tokens), never a mean of means. A length that no window reaches is refused, because
 * a shorter length would be measured.
 *
 * cached has the windows of strided, but each block is one pass over its S targets alone. In every layer they
 * attend to the rows that the layer had for the L - S tokens before them (model/cache.h), which themselves
 * saw tokens before the window; the first blocks, to as many as there are. token is cached with passes over
 * one token each: a target sees the same tokens, which takes the time of generating text token by token. Both
 * follow the stream, so they run on one lane.
 *
 * last_n is strided evaluation of the last N targets only, with windows that reach back over the text before
 * them: block k holds the targets [F + k S, F + (k+1) S) with F = n - 1 - N. The targets are the same at
 * every length, and each has more than L - S tokens of context; so F + S must be at least L.
 */
#ifndef POSLAB_TRAIN_EVALUATE_H
#define POSLAB_TRAIN_EVALUATE_H

#include "model/model.h"
#include "data/corpus.h"

typedef enum EvaluateProtocol {
    EVALUATE_NONOVERLAPPING,
    EVALUATE_STRIDED,
    EVALUATE_LAST_N,
    EVALUATE_EXACT, /* of tasks, and of nothing else: train/evaluate_examples.h */
    EVALUATE_CACHED,
    EVALUATE_TOKEN,
} EvaluateProtocol;
extern const char *const evaluate_protocol_names[]; /* "nonoverlapping", "strided", ..., NULL */

/* Options changed after training. */
typedef struct EvaluateVariant {
    const char *name;    /* not empty */
    const char *options; /* canonical JSON of the changed options */
} EvaluateVariant;

typedef struct EvaluateRequest {
    int split;      /* CorpusSplit */
    int64_t tokens; /* the first `tokens` targets of the split, 0: all; last_n: the last `tokens` targets */
    int protocol;   /* EvaluateProtocol */
    int64_t length; /* L */
    int64_t stride; /* S, 1..L; L for nonoverlapping. The cache of cached and token has L - S rows */
    int precision;  /* Precision */
    const EvaluateVariant *variant; /* NULL: as trained */
    const char *hint;               /* of a task: the hint whose rows are evaluated; NULL: the task itself */
} EvaluateRequest;

bool evaluate_same_request(const EvaluateRequest *a, const EvaluateRequest *b);

/* Whether the protocol passes rows of earlier blocks on: cached and token. */
bool evaluate_uses_cache(const EvaluateRequest *request);

/* What is evaluated, as stored: the name of the split, or of the hint. */
const char *evaluate_split_name(const EvaluateRequest *request);

enum { EVALUATE_BINS = 80 };

typedef struct EvaluateWindow {
    double nll;     /* nats, summed over the window's scored targets */
    int64_t tokens; /* scored targets */
    int64_t right;  /* those that were the most likely token; of examples only */
} EvaluateWindow;

typedef struct EvaluateBin {
    int64_t first, last; /* positions in the window, 0-based, inclusive */
    double nll;
    int64_t tokens;
} EvaluateBin;

typedef struct EvaluateResult {
    EvaluateRequest request;
    bool beyond_limit; /* the method has a limit below this length: nothing was computed */
    double nll;        /* nats; not finite if the model is broken */
    int64_t tokens;    /* scored targets */
    int64_t windows;
    double seconds;
    size_t peak_bytes;
    const char *method_files; /* encoding_files of the method that was evaluated; NULL: unknown */
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

/* Whether a split of `count` tokens has all targets of the request, and enough text for a window of the full
   length. The error (EXIT_USAGE) begins with `source`. */
bool evaluate_check(const EvaluateRequest *request, int64_t count, const char *source, Error *err);

/* The targets of each window and bin that evaluate_run finds in a split of `count` tokens, without losses:
   fills tokens, windows, window, bins and bin. */
void evaluate_layout(const EvaluateRequest *request, int64_t count, EvaluateResult *result, Arena *arena);

/* Evaluates a request; the result is owned by `arena`, and memory taken from `scratch` is released. Fails as
   evaluate_check does. progress may be NULL; it is called with the completed share and returns false to stop
   (error EXIT_STOPPED). */
bool evaluate_run(const Model *model, const Corpus *corpus, const EvaluateRequest *request,
                  bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                  Arena *arena, Arena *scratch, Error *err);

/* Whether the model can be evaluated so: the length is within the method's limit, and the positions of a
   protocol with a cache are those of its rows. */
bool evaluate_usable(const Model *model, const EvaluateRequest *request);

/* The maximum number of bytes that evaluate_run allocates for passes of the request, in the model's precision
   and on its threads. */
size_t evaluate_bytes(const Model *model, const EvaluateRequest *request);

#endif
