/* adaptive_softmax: the options and the bands of adaptive input and softmax (Baevski and Auli, arXiv
 * 1809.10853), as in fairseq's transformer_lm_wiki103. The formulas are in src/model/README.md.
 *
 *     "model": { "adaptive": { "cutoffs": [20000, 60000], "factor": 4, "dropout": 0.2 } }
 *
 * The cutoffs divide the vocabulary, whose frequent tokens come first, into bands. Band b has embeddings of
 * width d = C / factor^b and a projection to C; input and output share both. The softmax of band 0 has no
 * projection, and an additional class for each other band.
 */
#ifndef POSLAB_MODEL_ADAPTIVE_SOFTMAX_H
#define POSLAB_MODEL_ADAPTIVE_SOFTMAX_H

#include "base/options.h"

enum { ADAPTIVE_SOFTMAX_MAX_CUTOFFS = 16 };

typedef struct AdaptiveSoftmax {
    int64_t cutoffs[ADAPTIVE_SOFTMAX_MAX_CUTOFFS]; /* [bands - 1] ascending, below the vocabulary */
    int64_t factor;
    double dropout; /* of the input of the output layer, and of the projections of all bands but the first */
    int bands;      /* number of cutoffs + 1; 0: no adaptive input and softmax */
} AdaptiveSoftmax;

extern const OptionSection adaptive_softmax_section; /* `model.adaptive` */

/* Reads the section `model.adaptive`; json NULL means no bands. A vocabulary of 0 is not known yet. Errors
   are those of options_read. */
bool adaptive_softmax_read(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *json,
                           int64_t vocabulary, int64_t width);

/* Checks that all cutoffs are below the vocabulary. The error (EXIT_USAGE) begins with `source`. */
bool adaptive_softmax_check(const AdaptiveSoftmax *adaptive, int64_t vocabulary, const char *source,
                            Error *err);

/* The section as JSON with all defaults. */
Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena);

/* A band has the tokens [first, first + size) and embeddings of `width`. */
typedef struct AdaptiveBand {
    int64_t first;
    int size, width;
} AdaptiveBand;

/* A band of a model with this vocabulary and width. The last band is empty if the vocabulary is 0. */
AdaptiveBand adaptive_softmax_band(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width,
                                   int band);

/* The band of a token. */
int adaptive_softmax_band_of(const AdaptiveSoftmax *adaptive, uint32_t token);

/* The number of rows of an output matrix [rows, C] that takes as many FLOPs as a token of band 0: the
   projection of the input [C, C] and the softmax of band 0. Tokens of other bands take more; the difference
   is not counted, because it depends on the corpus. Without bands, the number is the vocabulary. */
int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width);

#endif
