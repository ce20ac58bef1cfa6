/* version: the Makefile defines both values for this file alone, so that after a new commit only this file is
   recompiled. */
#include "sys/version.h"

#ifndef POSLAB_REVISION
#define POSLAB_REVISION "unknown"
#endif

#ifndef POSLAB_SHARED
#define POSLAB_SHARED "unknown"
#endif

const char *version_revision(void) {
    return POSLAB_REVISION;
}

const char *version_shared(void) {
    return POSLAB_SHARED;
}
