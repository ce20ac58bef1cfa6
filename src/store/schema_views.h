/* schema_views: the views of the database, for poslab, for people and for other programs.
 *
 * The database stores the text of the views. A change of the text needs a migration, which creates all views
 * again (store/schema.c).
 */
#ifndef POSLAB_STORE_SCHEMA_VIEWS_H
#define POSLAB_STORE_SCHEMA_VIEWS_H

extern const char schema_views[]; /* the CREATE VIEW statements */

#endif
