/* reference_import: `poslab reference DB [FILE]...` imports numbers from papers into the table `reference`.
 *
 * A file is CSV in UTF-8 with a header line. The columns table, source, dataset, split, method,
 * train_length, eval_length, stride and phase identify a row. The quantities are perplexity, loss and
 * bits_per_byte, which need eval_length and stride, and words_per_second, tokens_per_second and memory_gb,
 * whose names in the database begin with the phase ("train_words_per_second"). method and train_length are
 * required; an unknown column is an error. If `source` is empty, the source is the paper on ALiBi with the
 * number in `table`. An empty field is no number. Importing a file again changes nothing. A new value
 * replaces the stored one, but files of one import must not contradict each other.
 */
#ifndef POSLAB_STORE_REFERENCE_IMPORT_H
#define POSLAB_STORE_REFERENCE_IMPORT_H

#include "store/database.h"

/* Imports all files or none. files: NULL-terminated; if empty, results/paper/ *.csv below the current
   folder. *rows is the number of imported numbers. Errors name file and line. */
bool reference_import(Database *store, const char *const *files, int64_t *rows, Error *err);

#endif
