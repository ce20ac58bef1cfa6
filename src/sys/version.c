/* version: see sys/version.h. The Makefile says it to this file alone, so that a commit compiles little
 * again.
 */
#include "sys/version.h"

#ifndef POSLAB_REVISION
#define POSLAB_REVISION "unknown"
#endif

const char *version_revision(void) {
    return POSLAB_REVISION;
}
