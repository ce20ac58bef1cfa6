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

/* Whether this build and CPU have the precision. The error (usage) names place and path ('train.precision')
   and says what to do. */
bool precision_check(int precision, const char *source, const char *path, Error *err);

/* "fp32,bf16" into Precisions; NULL leaves them as they are. The error (usage) is about --precision. */
bool precision_list(const char *text, int precisions[PRECISION_COUNT], int *count, Error *err);

#endif
