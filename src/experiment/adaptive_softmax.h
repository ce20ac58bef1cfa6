/* adaptive: adaptive input and softmax (Baevski and Auli, arXiv 1809.10853), as far as a plan needs them.
 *
 *     "model": { "adaptive": { "cutoffs": [20000, 60000], "factor": 4, "dropout": 0.2 } }
 *
 * The vocabulary, frequent tokens first, is cut into bands at the cutoffs. Band b has embeddings of width
 * C / factor^b and a projection to C; both serve input and output (tied, as in fairseq's
 * transformer_lm_wiki103). The first band's softmax has one class more for each further band. Nothing here
 * trains: `poslab plan` reckons with it, everything that would run it refuses.
 */
#ifndef POSLAB_ADAPTIVE_H
#define POSLAB_ADAPTIVE_H

#include "base/json.h"

enum { ADAPTIVE_CUTOFFS = 16 };

typedef struct AdaptiveOptions {
    int64_t cutoffs[ADAPTIVE_CUTOFFS]; /* ascending, inside the vocabulary */
    int64_t factor;
    double dropout; /* of the output's projections */
    int count;      /* of cutoffs; 0: one full embedding, no adaptive input and softmax */
} AdaptiveOptions;

/* From the object `model.adaptive` (NULL: none). Errors as fields_read. */
bool adaptive_read(AdaptiveOptions *adaptive, const Json *json, int64_t vocabulary, int64_t width,
                   const char *place, Arena *arena, Err *err);

/* The object with all defaults spelled out. */
Json *adaptive_json(const AdaptiveOptions *adaptive);

/* The tied embedding [rows, C] that has as many weights, rounded up to a row. Here and below: without
   cutoffs the vocabulary itself. */
int64_t adaptive_weight_rows(const AdaptiveOptions *adaptive, int64_t vocabulary, int64_t width);

/* The output projection [rows, C] that takes as many multiplications for a token of the first band: its
   input projection and the first softmax. Tokens of other bands take more, how many there are is the
   corpus's. */
int64_t adaptive_compute_rows(const AdaptiveOptions *adaptive, int64_t vocabulary, int64_t width);

#endif
