/* adaptive_softmax: the options and the cost of adaptive input and softmax (Baevski and Auli, arXiv
 * 1809.10853).
 *
 *     "model": { "adaptive": { "cutoffs": [20000, 60000], "factor": 4, "dropout": 0.2 } }
 *
 * The vocabulary, frequent tokens first, is divided into bands at the cutoffs. Band b has embeddings of
 * width C / factor^b and a projection to C. Input and output share both, as in fairseq's
 * transformer_lm_wiki103. The softmax of the first band has one additional class for each further band.
 * Such models cannot be trained: `poslab plan` computes their cost, and all commands that train refuse
 * them.
 */
#ifndef POSLAB_MODEL_ADAPTIVE_SOFTMAX_H
#define POSLAB_MODEL_ADAPTIVE_SOFTMAX_H

#include "base/options.h"

enum { ADAPTIVE_SOFTMAX_MAX_CUTOFFS = 16 };

typedef struct AdaptiveSoftmax {
    int64_t cutoffs[ADAPTIVE_SOFTMAX_MAX_CUTOFFS]; /* ascending, below the vocabulary */
    int64_t factor;
    double dropout; /* of the projections of the output */
    int count;      /* number of cutoffs; 0: a full embedding and softmax */
} AdaptiveSoftmax;

extern const OptionSection adaptive_softmax_section; /* `model.adaptive` */

/* Reads the object `model.adaptive` (NULL: none). Errors as in options_read. */
bool adaptive_softmax_read(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *json,
                           int64_t vocabulary, int64_t width);

/* The object with all defaults. */
Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena);

/* The rows of a tied embedding [rows, C] with the same number of weights, rounded up. This function and the
   next return the vocabulary if there are no cutoffs. */
int64_t adaptive_softmax_weight_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

/* The rows of an output projection [rows, C] with the same number of multiplications as a token of the
   first band: an input projection [C, C] and the first softmax. Tokens of other bands cost more; their
   number depends on the corpus and is not counted. */
int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

#endif
