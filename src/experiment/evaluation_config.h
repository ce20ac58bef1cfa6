/* evaluation_config: the section `evaluate` of a config, and the requests that follow from it.
 *
 *     "evaluate": { "split": "valid", "tokens": 262144, "precision": "fp32",
 *                   "multiples": [1, 2, 4] or "lengths": [128, 256],
 *                   "protocols": ["nonoverlapping", {"name": "strided", "stride": 0.125},
 *                                 {"name": "last_n", "targets": 4096, "stride": 0.125}] }
 *
 * Of a config with `data.task`:
 *
 *     "evaluate": { "precision": "fp32", "task": { "sizes": [2, 4, 8], "examples": 1000 } }
 *
 * "variants" (read by experiment/config.c) lists changes after training, each with a name, a method, options
 * of attention or both: {"name": "x", "method": {...}, "attention": {...}}. They are evaluated in addition
 * to the model as trained.
 *
 * The requests are the product of lengths and protocols, as trained and for each variant. A stride below 1
 * is a fraction of the length, rounded, at least 1; strided with a stride of the length or more is
 * nonoverlapping. last_n has its own number of targets, independent of `tokens`; its stride is optional
 * (0.125) and at most the number of targets.
 */
#ifndef POSLAB_EXPERIMENT_EVALUATION_CONFIG_H
#define POSLAB_EXPERIMENT_EVALUATION_CONFIG_H

#include "base/options.h"
#include "train/evaluate.h"

typedef struct EvaluationConfigProtocol {
    int name;        /* Protocol */
    double stride;   /* below 1 a share of the length, from 1 on a number of tokens; nonoverlapping: 0 */
    int64_t targets; /* of last_n; else 0 */
} EvaluationConfigProtocol;

typedef struct EvaluationConfig {
    int split;        /* Split; train is not offered */
    int64_t tokens;   /* 0: the whole split */
    int precision;    /* Precision */
    int64_t *lengths; /* resolved: from `multiples` of the training length (rounded) or `lengths`; ascending,
                         unique */
    int length_count;
    EvaluationConfigProtocol *protocols;
    int protocol_count;
    const EvaluateVariant **variants; /* [variant_count], evaluated in addition to the model as trained; read
                                         by experiment/config.c */
    int variant_count;
} EvaluationConfig;

/* `evaluate`, `evaluate.task`, and an item of `evaluate.protocols`. */
extern const OptionSection evaluation_config_section, evaluation_config_task_section,
    evaluation_config_protocol_section;

/* From the object `evaluate` (NULL: all defaults). Errors as options_read, with the path "evaluate...". Of a
   task (NULL: text) the lengths are sizes, the tokens are examples, and the only protocol is exact. */
bool evaluation_config_read(EvaluationConfig *evaluate, const Json *json, int64_t train_length,
                            const ExamplesOptions *task, const char *source, Arena *arena, Error *err);

/* The section with all defaults spelled out. */
Json *evaluation_config_json(const EvaluationConfig *evaluate, const ExamplesOptions *task, Arena *arena);

/* What it asks for, ascending in length, each once; owned by the arena. */
EvaluateRequest *evaluation_config_requests(const EvaluationConfig *evaluate, int *count, Arena *arena);

/* S of a protocol at a length. */
int64_t evaluation_config_stride(const EvaluationConfigProtocol *protocol, int64_t length);

#endif
