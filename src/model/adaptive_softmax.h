/* adaptive_softmax: the options and the bands of adaptive input and softmax (Baevski and Auli, arXiv
 * 1809.10853), as in fairseq's transformer_lm_wiki103.
 *
 *     "model": { "adaptive": { "cutoffs": [20000, 60000], "factor": 4, "dropout": 0.2 } }
 *
 * The vocabulary, frequent tokens first, is divided into bands at the cutoffs. Band b has embeddings of width
 * d = C / factor^b and a projection to C, which input and output share. The softmax of the first band has one
 * additional class for each further band, and no projection. Formulas: src/model/README.md.
 */
#ifndef POSLAB_MODEL_ADAPTIVE_SOFTMAX_H
#define POSLAB_MODEL_ADAPTIVE_SOFTMAX_H

#include "base/options.h"

enum { ADAPTIVE_SOFTMAX_MAX_CUTOFFS = 16 };

typedef struct AdaptiveSoftmax {
    int64_t cutoffs[ADAPTIVE_SOFTMAX_MAX_CUTOFFS]; /* [bands - 1] ascending, below the vocabulary */
    int64_t factor;
    double dropout; /* of the output: of its input, and of the projections of further bands */
    int bands;      /* number of cutoffs + 1; 0: a full embedding and softmax */
} AdaptiveSoftmax;

extern const OptionSection adaptive_softmax_section; /* `model.adaptive` */

/* Reads the object `model.adaptive` (NULL: none). Errors as in options_read. A vocabulary of 0 is not known
   yet. */
bool adaptive_softmax_read(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *json,
                           int64_t vocabulary, int64_t width);

/* Whether all cutoffs are below the vocabulary. The error (EXIT_USAGE) begins with `source`. */
bool adaptive_softmax_check(const AdaptiveSoftmax *adaptive, int64_t vocabulary, const char *source,
                            Error *err);

/* The object with all defaults. */
Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena);

/* Band b has the tokens [first, first + size); the last one is empty while the vocabulary is 0. */
typedef struct AdaptiveBand {
    int64_t first;
    int size, width; /* width: d */
} AdaptiveBand;
AdaptiveBand adaptive_softmax_band(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width,
                                   int band);
int adaptive_softmax_band_of(const AdaptiveSoftmax *adaptive, uint32_t token);

/* The rows of an output matrix [rows, C] with the same number of multiplications as a token of the first
   band: an input projection [C, C] and the first softmax. Tokens of other bands cost more; their number
   depends on the corpus and is not counted. The vocabulary if there are no bands. */
int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

#endif
