#include "math/timers.h"

_Thread_local double timers_seconds[TIMERS_COUNT];
