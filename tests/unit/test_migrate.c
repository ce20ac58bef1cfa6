/* test_migrate: a database with an older schema is upgraded in one transaction, with all of its numbers.
 *
 * If the process is killed during the upgrade, the next one upgrades the database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/merge.h"

static char fixture[3][4096]; /* of versions 1 to 3 */

/* x.db as written by poslab with that schema version. */
static void put_version(int version) {
    unlink("x.db");
    assert_int_equal(system(arena_format(sample_arena, "sqlite3 x.db < '%s'", fixture[version - 1])), 0);
}

static int add_row(void *text, int count, char **values, char **names) {
    (void)names;
    for (int i = 0; i < count; i++)
        *(const char **)text =
            arena_format(sample_arena, "%s%s\n", *(const char **)text, values[i] ? values[i] : "NULL");
    return 0;
}

/* All rows of a query on x.db, without the store. */
static const char *rows_of(const char *sql) {
    sqlite3 *db;
    const char *text = "";
    char *message = NULL;
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, add_row, &text, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
    return text;
}

/* The schema of x.db without comments, which may differ between databases of one version. */
static const char *schema_text(void) {
    char *text =
        arena_copy(sample_arena, rows_of("SELECT sql FROM sqlite_schema WHERE sql <> '' ORDER BY name"));
    for (char *at = text; (at = strstr(at, " --")) != NULL;)
        memmove(at, at + strcspn(at, "\n"), strlen(at + strcspn(at, "\n")) + 1);
    return text;
}

/* A query that returns all values of x.db and of its views, column by column. The views' `method` is of
 * version 6. */
static const char *everything(void) {
    const char *queries = rows_of(
        "SELECT 'SELECT ''' || s.name || ' '' || ' || group_concat('quote(' || c.name || ')', '||'',''||')"
        " || ' FROM ' || s.name || ' ORDER BY 1;' FROM sqlite_schema s JOIN pragma_table_info(s.name) c"
        " WHERE s.type = 'table' OR (s.type = 'view' AND c.name <> 'method') GROUP BY s.name");
    assert_non_null(strstr(queries, "FROM evaluation_window"));
    assert_non_null(strstr(queries, "FROM curve"));
    return queries;
}

static void open_and_close(void) {
    Error err = {0};
    Database *store = database_open("x.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    database_close(store);
}

static void test_every_number_is_kept(void **state) {
    (void)state;
    put_version(1);
    const char *queries = everything(), *before = rows_of(queries);
    assert_non_null(strstr(before, "\nevaluation 1,"));
    open_and_close();
    assert_string_equal(rows_of("PRAGMA user_version"), "6\n");
    assert_string_equal(rows_of(queries), before);
    assert_string_equal(rows_of("PRAGMA foreign_key_check; PRAGMA integrity_check"), "ok\n");
    assert_string_equal(rows_of("SELECT DISTINCT precision || variant || variant_options FROM evaluation"),
                        "fp32{}\n");
    assert_string_equal(rows_of("SELECT DISTINCT precision || variant || variant_options FROM request"),
                        "fp32{}\n");
    assert_string_equal(rows_of("SELECT count(*) FROM outcome WHERE outcome = 'done'"), "10\n");
    assert_string_equal(rows_of("SELECT count(*) FROM run WHERE machine IS NULL AND ranks IS NULL"
                                " AND coalesce(processor_seconds, load, settings) IS NULL"),
                        "2\n");

    /* The upgraded schema equals that of a new database. */
    const char *schema = schema_text();
    const char *migrated = sample_dump();
    open_and_close();
    assert_string_equal(sample_dump(), migrated);
    unlink("x.db");
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    assert_string_equal(schema_text(), schema);
}

/* Tables of version 2 keep all numbers, except those stored for a length that no window had. */
static void test_version2(void **state) {
    (void)state;
    put_version(2);
    const char *tables = rows_of(
        "SELECT 'SELECT ' || group_concat('quote(' || c.name || ')', '||'',''||') || ' FROM ' || s.name ||"
        " ' ORDER BY 1;' FROM sqlite_schema s JOIN pragma_table_info(s.name) c WHERE s.type = 'table'"
        " GROUP BY s.name");
    const char *before = rows_of(tables);
    assert_string_equal(rows_of("SELECT count(*) FROM curve WHERE eval_length = 256"), "4\n");
    open_and_close();
    assert_string_equal(rows_of("PRAGMA user_version"), "6\n");
    assert_string_equal(rows_of(tables), before);
    assert_string_equal(rows_of("SELECT count(*) FROM run WHERE machine IS NOT NULL AND ranks = 1"), "2\n");
    assert_string_equal(rows_of("SELECT count(*) FROM curve WHERE eval_length = 256"), "0\n");
    assert_string_equal(
        rows_of("SELECT eval_length || outcome || count(*) || count(perplexity) || count(nll) ||"
                " count(bits_per_byte) FROM outcome GROUP BY eval_length"),
        "16done4444\n64done4444\n256beyond_text4040\n");
    const char *schema = schema_text();
    unlink("x.db");
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    assert_string_equal(schema_text(), schema);
}

/* Version 4 adds columns, a table and a view; all values of version 3 stay. */
static void test_version3(void **state) {
    (void)state;
    put_version(3);
    const char *queries = everything(), *before = rows_of(queries);
    assert_non_null(strstr(before, "1 thread; 2 threads"));
    open_and_close();
    assert_string_equal(rows_of("PRAGMA user_version"), "6\n");
    assert_string_equal(rows_of(queries), before);
    assert_string_equal(rows_of("SELECT count(*) FROM run WHERE until_step IS NOT NULL OR method_files IS"
                                " NOT NULL OR shared_sources IS NOT NULL"),
                        "0\n");
    assert_string_equal(rows_of("SELECT count(*) FROM accuracy"), "0\n");
    const char *schema = schema_text();
    unlink("x.db");
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    assert_string_equal(schema_text(), schema);
}

/* Takes from a database of version 6 what it has more than version 5. */
static const char undo_version6[] =
    "DROP VIEW accuracy; DROP VIEW setting; DROP VIEW curve; DROP VIEW outcome;"
    "ALTER TABLE evaluation DROP COLUMN method_files; ALTER TABLE point DROP COLUMN name;"
    "ALTER TABLE corpus DROP COLUMN vocabulary_hash; ALTER TABLE corpus DROP COLUMN train_bytes;"
    "ALTER TABLE corpus DROP COLUMN valid_bytes; ALTER TABLE corpus DROP COLUMN test_bytes;"
    "ALTER TABLE corpus DROP COLUMN train_words; ALTER TABLE corpus DROP COLUMN valid_words;"
    "ALTER TABLE corpus DROP COLUMN test_words;";

/* Version 5 has other views: whatever those of version 4 were, they are made again. */
static void test_version4(void **state) {
    (void)state;
    put_version(3);
    open_and_close();
    const char *query = "SELECT sql FROM sqlite_schema WHERE sql <> '' ORDER BY name";
    const char *schema = rows_of(query), *queries = everything(), *before = rows_of(queries);
    rows_of(undo_version6);
    rows_of("PRAGMA user_version = 4; CREATE VIEW accuracy AS SELECT 1 AS size");
    assert_string_not_equal(rows_of(query), schema);
    open_and_close();
    assert_string_equal(rows_of("PRAGMA user_version"), "6\n");
    assert_string_equal(rows_of(query), schema);
    assert_string_equal(rows_of(queries), before);
    assert_non_null(strstr(schema, " AS hint "));
}

/* Version 6 adds the files of the evaluated methods, and bytes and words of a corpus, which are unknown of
   older evaluations and corpora. */
static void test_version5(void **state) {
    (void)state;
    put_version(3);
    open_and_close();
    const char *schema = rows_of("SELECT sql FROM sqlite_schema WHERE sql <> '' ORDER BY name");
    const char *queries = everything(), *before = rows_of(queries);
    rows_of(undo_version6);
    rows_of("PRAGMA user_version = 5; CREATE VIEW curve AS SELECT 1");
    open_and_close();
    assert_string_equal(rows_of("PRAGMA user_version"), "6\n");
    assert_string_equal(rows_of("SELECT sql FROM sqlite_schema WHERE sql <> '' ORDER BY name"), schema);
    assert_string_equal(rows_of(queries), before);
    assert_string_equal(rows_of("SELECT count(*) FROM evaluation WHERE method_files IS NOT NULL"), "0\n");
    assert_string_equal(rows_of("SELECT count(*) > 0, count(bits_per_byte) = count(*), count(word_perplexity)"
                                " FROM curve"),
                        "1\n1\n0\n");
    assert_string_equal(
        rows_of("SELECT name || ', ' || method || ', ' || method_name FROM curve JOIN point ON run ="
                " run_key GROUP BY 1"),
        "alibi (trainable=true), alibi (trainable=true), alibi\nrotary, rotary, rotary\n");
    assert_string_equal(rows_of("PRAGMA foreign_key_check; PRAGMA integrity_check"), "ok\n");
}

static void test_foreign_keys_hold_afterwards(void **state) {
    (void)state;
    Error err = {0};
    put_version(1);
    Database *store = database_open("x.db", DATABASE_WRITE, &err);
    assert_non_null(store);
    sample_expect(store, "PRAGMA foreign_keys", "1");
    database_close(store);
    assert_int_equal(sample_outside("DELETE FROM run"), SQLITE_CONSTRAINT);
}

/* Opens x.db in a process that the kernel kills at its first write beyond `limit` bytes of a file. */
static bool is_killed(size_t limit) {
    pid_t child = fork();
    if (child == 0) {
        Error err;
        struct rlimit size = {limit, limit}, core = {0, 0};
        signal(SIGXFSZ, SIG_DFL);
        if (setrlimit(RLIMIT_FSIZE, &size) != 0 || setrlimit(RLIMIT_CORE, &core) != 0) _exit(2);
        Database *store = database_open("x.db", DATABASE_WRITE, &err);
        database_close(store);
        _exit(store ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return true;
    assert_int_equal(status, 0);
    return false;
}

static void test_killed_in_the_midst(void **state) {
    (void)state;
    struct stat file;
    put_version(1);
    open_and_close();
    const char *migrated = sample_dump();
    assert_int_equal(stat("x.db", &file), 0);
    int killed = 0, half_done = 0;
    for (size_t limit = 0; limit <= (size_t)file.st_size; limit += 4096) {
        put_version(1);
        const char *before = rows_of(everything());
        bool dead = is_killed(limit);
        killed += dead;
        half_done += dead && access("x.db-journal", F_OK) == 0;
        if (dead) assert_string_equal(rows_of(everything()), before); /* rolled back, by any program */
        open_and_close();
        assert_string_equal(sample_dump(), migrated);
        assert_int_not_equal(access("x.db-journal", F_OK), 0);
    }
    assert_true(killed > 3 && half_done > 3);
    assert_false(is_killed((size_t)file.st_size));
}

/* A file of version 1 by its number only. */
static void test_refused(void **state) {
    (void)state;
    Error err = {0};
    put_version(1);
    assert_int_equal(sample_outside("DROP VIEW curve; DROP VIEW outcome; ALTER TABLE run DROP COLUMN label;"
                                    "CREATE VIEW curve AS SELECT 1; CREATE VIEW outcome AS SELECT 1"),
                     SQLITE_OK);
    const char *before = sample_dump();
    assert_null(database_open("x.db", DATABASE_WRITE, &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_non_null(strstr(err.text, "'x.db' is damaged: its schema is not that of version 1"));
    assert_string_equal(sample_dump(), before);
}

/* On a medium that can only be read, an old database is brought up to date in memory, and can be read; what
   wants to write it, or to take it into another, says what to do. Root writes everything, so root becomes
   somebody else for a while. */
static void test_read_only(void **state) {
    (void)state;
    Error err = {0};
    uid_t user = geteuid();
    put_version(1);
    const char *before = sample_dump();
    assert_int_equal(chmod("x.db", 0444), 0);
    assert_int_equal(chmod(".", 0555), 0);
    if (user == 0 && seteuid(65534) != 0) skip();
    Database *store = database_open("x.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    sample_expect(store, "SELECT count(*) FROM outcome WHERE outcome = 'done'", "10");
    database_close(store);
    store = database_open("x.db", DATABASE_CHECK, &err);
    assert_non_null(store);
    database_close(store);
    assert_null(database_open("x.db", DATABASE_WRITE, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "'x.db' cannot be written: its permissions forbid it"));
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(".", 0755), 0);
    assert_string_equal(sample_dump(), before);
}

static void test_merge_read_only(void **state) {
    (void)state;
    Error err = {0};
    int64_t conflicts;
    uid_t user = geteuid();
    put_version(1);
    assert_int_equal(mkdir("old", 0755), 0);
    assert_int_equal(rename("x.db", "old/x.db"), 0);
    assert_int_equal(chmod("old/x.db", 0444), 0);
    assert_int_equal(chmod("old", 0555), 0);
    assert_int_equal(chmod(".", 0777), 0);
    if (user == 0 && seteuid(65534) != 0) skip();
    Database *store = database_open("new.db", DATABASE_CREATE, &err);
    if (!store) fail_msg("%s", err.text);
    assert_false(
        merge_databases(store, (const char *const[]){"old/x.db", NULL}, false, stdout, &conflicts, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "database 'old/x.db' has an older schema"));
    assert_non_null(strstr(err.text, "use a copy"));
    database_close(store);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod("old", 0755), 0);
    assert_int_equal(unlink("old/x.db"), 0);
    assert_int_equal(rmdir("old"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_every_number_is_kept),
        TEST(test_version2),
        TEST(test_version3),
        TEST(test_version4),
        TEST(test_version5),
        TEST(test_foreign_keys_hold_afterwards),
        TEST(test_killed_in_the_midst),
        TEST(test_refused),
        TEST(test_read_only),
        TEST(test_merge_read_only),
    };
    if (!realpath("tests/fixtures/version1.sql", fixture[0])) return 1;
    if (!realpath("tests/fixtures/version2.sql", fixture[1])) return 1;
    if (!realpath("tests/fixtures/version3.sql", fixture[2])) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
