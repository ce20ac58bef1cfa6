/* lanes: the threads of one process.
 *
 * A job is one function called once for each lane 0 .. count-1, all at the same time; lane 0 is the caller.
 * What is divided among lanes is divided by lane number alone, so that results do not depend on timing. The
 * BLAS itself always runs on one thread (main and each lane see to that): lanes compute whole micro-batches
 * side by side.
 */
#ifndef POSLAB_LANES_H
#define POSLAB_LANES_H

enum { LANES_MOST = 256 };

void lanes_set(int wanted); /* 1 .. LANES_MOST; at the program's start, before the first job. Without it: 1 */
int lanes_count(void);
void lanes_run(void (*work)(void *user, int lane), void *user); /* returns when all lanes are done */

#endif
