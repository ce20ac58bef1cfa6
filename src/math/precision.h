/* precision: the formats in which matrix products are computed.
 *
 * fp32 is always available; bf16 depends on the build and on the processor (math/bf16.h). A precision that
 * is not available is refused before anything is computed.
 */
#ifndef POSLAB_PRECISION_H
#define POSLAB_PRECISION_H

#include "base/error.h"

typedef enum Precision { PRECISION_FP32, PRECISION_BF16, PRECISION_COUNT } Precision;
extern const char *const precision_names[]; /* "fp32", "bf16", NULL */

/* Whether this build and this CPU support the precision. If not, the error (EXIT_USAGE) names source and path
   (such as 'train.precision') and the remedy. */
bool precision_check(int precision, const char *source, const char *path, Error *err);

#endif
