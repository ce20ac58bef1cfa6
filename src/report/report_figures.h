/* gallery: all figures of an experiment, inline in a page.
 *
 * They are drawn by gnuplot from the standard templates, in a temporary folder that is removed. Figures for
 * which there is nothing to draw are left out; where drawing fails (no gnuplot), a note says why,
 * here and on stderr.
 */
#ifndef POSLAB_GALLERY_H
#define POSLAB_GALLERY_H

#include "store/database.h"

/* index: among the experiments of the page, so that ids differ. Errors: no temporary folder. */
bool gallery_write(Store *store, const char *experiment, int index, FILE *out, Arena *arena, Err *err);

#endif
