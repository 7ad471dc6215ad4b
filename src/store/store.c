#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * synchronous=FULL: a commit returns when the WAL is on the disk, so that an event shown to a
 * teacher is still there after the power fails. The cost, one fsync, is shared by all that waited
 * meanwhile.
 */
static const char pragmas[] = "PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=FULL;"
                              "PRAGMA foreign_keys=ON;"
                              "PRAGMA busy_timeout=5000;";

#define SCHEMA_VERSION 1

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE lessons (id TEXT PRIMARY KEY, title TEXT NOT NULL, kind TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, is_ended INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE events (lesson TEXT NOT NULL REFERENCES lessons(id), seq INTEGER NOT NULL,"
    " json TEXT NOT NULL, PRIMARY KEY (lesson, seq)) WITHOUT ROWID;"
    "CREATE TABLE commands (lesson TEXT NOT NULL, site TEXT NOT NULL, cmd_id TEXT NOT NULL,"
    " seq INTEGER NOT NULL, PRIMARY KEY (lesson, site, cmd_id)) WITHOUT ROWID;"
    "PRAGMA user_version=1;"
    "COMMIT;";

int store__fail(sqlite3 *db, const char *what)
{
    LOG_ERROR("store", "sqlite_failed", "what=\"%s\" reason=\"%s\"", what, sqlite3_errmsg(db));
    return ERR_STORE;
}

int store__connect(const char *path, bool is_writer, sqlite3 **ret_db)
{
    sqlite3 *db = NULL;
    int flags = is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int err = 0;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        err = store__fail(db, "open");
    if (err == 0 && sqlite3_exec(db, is_writer ? pragmas : "PRAGMA busy_timeout=5000;", NULL, NULL,
                                 NULL) != SQLITE_OK)
        err = store__fail(db, "pragma");
    if (err < 0) {
        sqlite3_close(db);
        return err;
    }
    *ret_db = db;
    return 0;
}

static int migrate(sqlite3 *db)
{
    sqlite3_stmt *st;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    if (version == SCHEMA_VERSION)
        return 0;
    if (version == 0)
        return sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                       : store__fail(db, "schema");
    LOG_ERROR("store", "schema_too_new", "version=%d known=%d", version, SCHEMA_VERSION);
    return ERR_STORE;
}

int store_open(const char *path, void (*on_done)(void *user), void *user, struct store **ret_store)
{
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->on_done = on_done;
    s->user = user;
    list_init(&s->waiting);
    list_init(&s->done);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->has_work, NULL);
    int err = store__connect(path, true, &s->write_db);
    if (err == 0)
        err = migrate(s->write_db);
    if (err == 0)
        err = store__connect(path, false, &s->read_db);
    if (err == 0)
        err = thread_start(&s->thread, "store", store__writer_run, s);
    if (err < 0) {
        store_close(s);
        return err;
    }
    s->has_thread = true;
    *ret_store = s;
    return 0;
}

static void free_items(struct list *items)
{
    for (struct list *l; (l = list_pop_front(items)) != NULL;)
        free(CONTAINER_OF(l, struct store_item, link));
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    if (s->has_thread) {
        pthread_mutex_lock(&s->mutex);
        s->is_closing = true;
        pthread_cond_signal(&s->has_work);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
    }
    free_items(&s->waiting);
    free_items(&s->done);
    sqlite3_close(s->read_db);
    sqlite3_close(s->write_db);
    pthread_cond_destroy(&s->has_work);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

int store_write(struct store *s, const struct store_write *write, uint64_t *ret_ticket)
{
    struct store_item *item = calloc(1, sizeof(*item));
    if (item == NULL)
        return -ENOMEM;
    item->write = *write;
    item->queued_at = mono_now();
    pthread_mutex_lock(&s->mutex);
    bool has_room = s->waiting_count < STORE_WRITES_MAX;
    if (has_room) {
        item->ticket = ++s->next_ticket;
        *ret_ticket = item->ticket; /* before the writer may finish with the item */
        list_push_back(&s->waiting, &item->link);
        s->waiting_count++;
        pthread_cond_signal(&s->has_work);
    }
    pthread_mutex_unlock(&s->mutex);
    if (!has_room)
        free(item);
    return has_room ? 0 : ERR_LIMIT;
}

bool store_poll_done(struct store *s, struct store_done *ret_done)
{
    pthread_mutex_lock(&s->mutex);
    struct list *l = list_pop_front(&s->done);
    pthread_mutex_unlock(&s->mutex);
    if (l == NULL)
        return false;
    struct store_item *item = CONTAINER_OF(l, struct store_item, link);
    *ret_done = (struct store_done){.ticket = item->ticket, .err = item->err};
    free(item);
    return true;
}

void store_lag(struct store *s, mono_us now, struct store_lag *ret_lag)
{
    mono_us from = now;
    pthread_mutex_lock(&s->mutex);
    ret_lag->count = s->waiting_count + s->writing_count;
    if (s->writing_count > 0)
        from = s->writing_from;
    else if (s->waiting_count > 0)
        from = CONTAINER_OF(s->waiting.next, struct store_item, link)->queued_at;
    pthread_mutex_unlock(&s->mutex);
    ret_lag->age = TK_MAX(now - from, 0);
}
