/* need: skips tests whose method does not exist.
 *
 * Any file of methods/ may be deleted. A test that needs a method by name is then skipped, with a message;
 * with all methods present no test is skipped (tests/tools/deletions.sh).
 */
#ifndef POSLAB_TESTS_NEED_H
#define POSLAB_TESTS_NEED_H

#include "position/position.h"

/* The method with this name. If its file does not exist, the running test ends here as skipped. */
const PositionMethod *need_method(const char *name);

/* The same for methods named in a config: `err` is the error of reading it. Returns for any other error. */
void need_methods_of_config(const Error *err);

#endif
