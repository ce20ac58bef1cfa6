/* reference_import: `poslab reference DB [FILE]...`: numbers from papers into the table `reference`.
 *
 * A file is CSV in UTF-8 with a header line. The columns table, source, dataset, split, method,
 * train_length, eval_length, stride and phase identify a row; the quantities are perplexity, loss and
 * bits_per_byte, which need eval_length and stride, and words_per_second, tokens_per_second and memory_gb,
 * whose name in the database begins with the phase ("train_words_per_second"). method and train_length are
 * required; an unknown column is an error. The source of a row is its `source`, or otherwise the paper that
 * poslab follows, with the number in `table`. An empty field is no number. Importing a file again changes
 * nothing; a new value replaces an old one, but the files of one import must not contradict each other.
 */
#ifndef POSLAB_STORE_REFERENCE_IMPORT_H
#define POSLAB_STORE_REFERENCE_IMPORT_H

#include "store/database.h"

/* files: NULL-terminated; empty: results/paper/ *.csv below the current folder. *rows: numbers imported. All
   files or none. Errors name file and line. */
bool reference_import(Database *store, const char *const *files, int64_t *rows, Error *err);

#endif
