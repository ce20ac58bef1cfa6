/* reference: `poslab reference DB [FILE]...`: numbers from papers into the table `reference`.
 *
 * A file is CSV with a head. The columns table, source, dataset, split, method, train_length, eval_length,
 * stride and phase say what a row is of (method and train_length must be there); every other column is a
 * quantity, whose name is that of the column, after the phase: "perplexity", "train_words_per_second". A
 * row's source is its `source`, or else the paper that this program is built after, with the number in
 * `table`. An empty field is no number. Importing a file again changes nothing.
 */
#ifndef POSLAB_REFERENCE_H
#define POSLAB_REFERENCE_H

#include "store.h"

/* files: NULL-terminated; empty: results/paper/ *.csv below the current folder. *rows: numbers imported. All
   files or none. Errors name file and line. */
bool reference_import(Store *store, const char *const *files, int64_t *rows, Err *err);

#endif
