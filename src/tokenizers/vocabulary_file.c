/* vocabulary_file: reads the file that `data.vocabulary` names. */
#include <errno.h>
#include <sys/stat.h>

#include "sys/atomic_file.h"
#include "tokenizers/internal.h"

enum { MOST_BYTES = 64 << 20 };

char *vocabulary_file_read(Tokenizer *tokenizer, size_t *size, const char *source, Error *err) {
    const char *path = tokenizer->options.vocabulary;
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        error_set(err, EXIT_USAGE, "%s: 'data.vocabulary': '%s' is not a file; name a vocabulary file",
                  source, path);
        return NULL;
    }
    char *text = file_read(path, MOST_BYTES, size, tokenizer->scratch);
    if (!text) {
        error_system(err, "%s: 'data.vocabulary': cannot read '%s'", source, path);
        if (errno == ENOENT) err->code = EXIT_USAGE;
        return NULL;
    }
    sha256_hex(text, *size, tokenizer->hash);
    if (*size <= MOST_BYTES) return text;
    error_set(err, EXIT_USAGE, "%s: 'data.vocabulary': '%s' is larger than %d MiB; name a vocabulary file",
              source, path, MOST_BYTES >> 20);
    return NULL;
}
