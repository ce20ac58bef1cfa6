/* version: the revision of the sources that the program was built from.
 *
 * It is stored with every run, so that results of different sources can be distinguished.
 */
#ifndef POSLAB_SYS_VERSION_H
#define POSLAB_SYS_VERSION_H

/* The commit, "b8e6d9e"; with a hash of src/ and methods/ appended if these differ from the commit or there
   is no git repository: "b8e6d9e-dirty.1f2e3d4c". */
const char *version_revision(void);

/* A hash of the sources that determine training, without the methods' files (position/encoding.h has those):
   src/ without the folders that read configs, start runs, store and show results. */
const char *version_shared(void);

#endif
