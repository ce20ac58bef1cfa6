/* file_type: detects files that do not fit the tokenizer of a corpus.
 *
 * Known formats are recognised by their first bytes. Text and dumps of arrays are recognised by patterns that
 * a valid file does not have: text has no zero at every second byte, and a stream of 16-bit tokens has no
 * zero at every second token. Files that are too small to decide are accepted.
 */
#ifndef POSLAB_TOKENIZERS_FILE_TYPE_H
#define POSLAB_TOKENIZERS_FILE_TYPE_H

#include "base/error.h"

/* llm.c, dev/data/data_common.py: tokens of GPT-2 (16 bits) and of Llama 3 (32 bits) */
enum {
    LLMC_MAGIC = 20240520,
    LLMC_VERSION = 1,
    LLMC_MAGIC_32 = 20240801,
    LLMC_VERSION_32 = 7,
    LLMC_INTS = 256
};

/* What is wrong with the content of a file, and the remedy, as the end of a sentence ("is compressed (gzip);
   ..."); NULL if nothing is wrong. A UTF-8 byte-order mark is accepted. */
const char *file_type_not_text(const unsigned char *bytes, int64_t size);
/* The same for a stream of tokens of `token_size` bytes, 2 or 4. */
const char *file_type_not_tokens(const unsigned char *bytes, int64_t size, int token_size);

#endif
