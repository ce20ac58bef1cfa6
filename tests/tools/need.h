/* need: any file of methods/ may be deleted. A test that needs a method by name is then skipped, and says so;
 * while all are there, none is skipped (tests/tools/deletions.sh).
 */
#ifndef POSLAB_TESTS_NEED_H
#define POSLAB_TESTS_NEED_H

#include "position/position.h"

/* The method of that name. If its file is not there, the running test ends here, skipped. */
const PositionMethod *need_method(const char *name);

/* Likewise where a config names it: reading it gave this error. Returns if the error is another one. */
void need_methods_of_config(const Error *err);

#endif
