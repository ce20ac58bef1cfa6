/* profile: the counters. */
#include "profile.h"

_Thread_local double profile_seconds[PROFILE_PARTS];
