/* reference_import: `poslab reference DB [FILE]...` imports numbers from papers into the table `reference`.
 *
 * A file is CSV in UTF-8 with a header line. The columns table, source, dataset, split, method, train_length,
 * eval_length, stride and phase identify a row; method and train_length are required. If source is empty, it
 * is the ALiBi paper and the number in table. The quantities perplexity, loss and bits_per_byte require
 * eval_length and stride. The quantities words_per_second, tokens_per_second and memory_gb are stored under
 * names that begin with the phase ("train_words_per_second"). An empty field means that there is no number.
 *
 * A new value replaces the stored value, so importing a file again changes nothing. The files of one import
 * must not contradict each other.
 */
#ifndef POSLAB_STORE_REFERENCE_IMPORT_H
#define POSLAB_STORE_REFERENCE_IMPORT_H

#include "store/database.h"

/* Imports all files or none. `files` is NULL-terminated; an empty list means results/paper/ *.csv in the
   current folder. *rows is the number of imported numbers. Errors name the file and the line. */
bool reference_import(Database *store, const char *const *files, int64_t *rows, Error *err);

#endif
