/* schema_views: the views of the database, for people and other programs.
 *
 * The text of the views is stored in the database, so a change needs a migration (store/schema.c), which
 * creates them all again.
 */
#ifndef POSLAB_STORE_SCHEMA_VIEWS_H
#define POSLAB_STORE_SCHEMA_VIEWS_H

extern const char schema_views[]; /* the CREATE VIEW statements */

#endif
