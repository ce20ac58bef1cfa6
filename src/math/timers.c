/* profile: the counters. */
#include "math/timers.h"

_Thread_local double profile_seconds[PROFILE_PARTS];
