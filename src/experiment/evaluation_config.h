/* evaluation_config: the section `evaluate` of a config, and the evaluations that it requests.
 *
 *     "evaluate": { "split": "valid", "tokens": 262144, "precision": "fp32",
 *                   "multiples": [1, 2, 4] or "lengths": [128, 256],
 *                   "protocols": ["nonoverlapping", {"name": "strided", "stride": 0.125},
 *                                 {"name": "last_n", "targets": 4096, "stride": 0.125},
 *                                 {"name": "cached", "cache": 128}, "token"] }
 *
 * With `data.task`:
 *
 *     "evaluate": { "precision": "fp32", "task": { "sizes": [2, 4, 8], "examples": 1000, "hint": "none" } }
 *
 * "variants" (read by experiment/config.c) lists changes after training. Each has a name and a method,
 * options of attention, or both: {"name": "x", "method": {...}, "attention": {...}}. They are evaluated in
 * addition to the model as trained.
 *
 * The requests are the product of lengths and protocols, for the model as trained and for each variant. A
 * stride below 1 is a fraction of the length, rounded, at least 1. A strided protocol whose stride is the
 * length or more is nonoverlapping. last_n has a number of targets of its own, independent of `tokens`; its
 * stride (default 0.125) is at most the number of targets. cached and token have a number of cached rows
 * (default: the length); the length is that of a segment, S, and the request has the length S + cache and the
 * stride S, like the strided evaluation whose targets see as many tokens.
 */
#ifndef POSLAB_EXPERIMENT_EVALUATION_CONFIG_H
#define POSLAB_EXPERIMENT_EVALUATION_CONFIG_H

#include "base/options.h"
#include "train/evaluate.h"

enum { EVALUATION_CONFIG_MAX_VARIANTS = 100 };

typedef struct EvaluationConfigProtocol {
    int name;      /* Protocol */
    double stride; /* below 1 a fraction of the length, otherwise a number of tokens; 0 for nonoverlapping */
    int64_t targets; /* of last_n; otherwise 0 */
    int64_t cache;   /* rows, of cached and token; 0: the length */
} EvaluationConfigProtocol;

typedef struct EvaluationConfig {
    int split;        /* Split; never SPLIT_TRAIN */
    const char *hint; /* of a task: the hint whose rows are evaluated; NULL: the task itself */
    int64_t tokens;   /* 0: the whole split */
    int precision;    /* Precision */
    int64_t *lengths; /* in tokens, ascending, without duplicates: `lengths`, and `multiples` of the training
                         length (rounded) */
    int length_count;
    EvaluationConfigProtocol *protocols;
    int protocol_count;
    const EvaluateVariant *
        *variants; /* [variant_count], in addition to the model as trained; read by experiment/config.c */
    int variant_count;
} EvaluationConfig;

/* `evaluate`, `evaluate.task`, and the items of `evaluate.protocols`. */
extern const OptionSection evaluation_config_section, evaluation_config_task_section,
    evaluation_config_protocol_section;

/* Reads the object `evaluate` (NULL: all defaults). Errors as in options_read, with the path "evaluate...".
   For a task (NULL: text) lengths are sizes, tokens are examples, and the only protocol is exact. */
bool evaluation_config_read(const OptionReader *reader, EvaluationConfig *evaluate, const Json *json,
                            int64_t train_length, const ExamplesOptions *task);

/* The section with all defaults. */
Json *evaluation_config_json(const EvaluationConfig *evaluate, const ExamplesOptions *task, Arena *arena);

/* The attention options of a variant as they are stored. Defaults of newer options are contained only where
   training had another value. */
Json *evaluation_config_attention(const AttentionOptions *options, const AttentionOptions *trained,
                                  Arena *arena);

/* The requested evaluations, ascending in length, without duplicates; owned by the arena. */
EvaluateRequest *evaluation_config_requests(const EvaluationConfig *evaluate, int *count, Arena *arena);

/* Refuses caches, of training (`train_cache` rows) or of a protocol, with `without`, a task or method that
   has no consecutive segments of text (NULL: it has). */
bool evaluation_config_check_caches(const OptionReader *reader, const EvaluationConfig *evaluate,
                                    int64_t train_cache, const char *without);

/* The stride in tokens of a protocol's request that has this length. */
int64_t evaluation_config_stride(const EvaluationConfigProtocol *protocol, int64_t length);

#endif
