/* version: the Makefile defines the revision for this file alone, so that after a new commit only this file
   is recompiled. */
#include "sys/version.h"

#ifndef POSLAB_REVISION
#define POSLAB_REVISION "unknown"
#endif

const char *version_revision(void) {
    return POSLAB_REVISION;
}
