/* adaptive_softmax: adaptive input and softmax (Baevski and Auli, arXiv 1809.10853), as far as a plan needs
 * them.
 *
 *     "model": { "adaptive": { "cutoffs": [20000, 60000], "factor": 4, "dropout": 0.2 } }
 *
 * The vocabulary, frequent tokens first, is cut into bands at the cutoffs. Band b has embeddings of width C
 * / factor^b and a projection to C; both serve input and output (tied, as in fairseq's
 * transformer_lm_wiki103). The softmax of the first band has one more class for each further band. Nothing
 * here trains: `poslab plan` computes the cost, and every command that would train such a model refuses it.
 */
#ifndef POSLAB_EXPERIMENT_ADAPTIVE_SOFTMAX_H
#define POSLAB_EXPERIMENT_ADAPTIVE_SOFTMAX_H

#include "base/options.h"

enum { ADAPTIVE_SOFTMAX_MAX_CUTOFFS = 16 };

typedef struct AdaptiveSoftmax {
    int64_t cutoffs[ADAPTIVE_SOFTMAX_MAX_CUTOFFS]; /* ascending, inside the vocabulary */
    int64_t factor;
    double dropout; /* of the output's projections */
    int count;      /* of cutoffs; 0: one full embedding, no adaptive input and softmax */
} AdaptiveSoftmax;

extern const OptionSection adaptive_softmax_section; /* `model.adaptive` */

/* From the object `model.adaptive` (NULL: none). Errors as options_read. */
bool adaptive_softmax_read(AdaptiveSoftmax *adaptive, const Json *json, int64_t vocabulary, int64_t width,
                           const char *source, Arena *arena, Error *err);

/* The object with all defaults spelled out. */
Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena);

/* The tied embedding [rows, C] that has as many weights, rounded up to a row. Here and below: without
   cutoffs the vocabulary itself. */
int64_t adaptive_softmax_weight_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

/* The output projection [rows, C] that takes as many multiplications for a token of the first band: its
   input projection and the first softmax. Tokens of other bands take more, how many there are is the
   corpus's. */
int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

#endif
