#include "base/err.h"
#include "lesson/json.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* The writer thread: everything that waits becomes one transaction. */

static int run(sqlite3 *db, sqlite3_stmt *st, const char *what)
{
    int err = sqlite3_step(st) == SQLITE_DONE ? 0 : store__fail(db, what);
    sqlite3_finalize(st);
    return err;
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_st)
{
    return sqlite3_prepare_v2(db, sql, -1, ret_st, NULL) == SQLITE_OK ? 0 : store__fail(db, sql);
}

static void bind_text(sqlite3_stmt *st, int index, const char *text)
{
    sqlite3_bind_text(st, index, text, -1, SQLITE_STATIC);
}

static int insert_lesson(sqlite3 *db, const struct store_write *w)
{
    sqlite3_stmt *st;
    int err =
        prepare(db, "INSERT INTO lessons (id, title, kind, created_at) VALUES (?,?,?,?)", &st);
    if (err < 0)
        return err;
    bind_text(st, 1, w->lesson);
    bind_text(st, 2, w->event.title);
    bind_text(st, 3, lesson_kind_name(w->event.kind));
    sqlite3_bind_int64(st, 4, w->event.at);
    return run(db, st, "insert lesson");
}

static int end_lesson(sqlite3 *db, const struct store_write *w)
{
    sqlite3_stmt *st;
    int err = prepare(db, "UPDATE lessons SET is_ended=1 WHERE id=?", &st);
    if (err < 0)
        return err;
    bind_text(st, 1, w->lesson);
    return run(db, st, "end lesson");
}

static int insert_event(sqlite3 *db, const struct store_write *w)
{
    json_t *o = lesson_event_to_json(&w->event);
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (text == NULL)
        return ERR_STORE;
    sqlite3_stmt *st;
    int err = prepare(db, "INSERT INTO events (lesson, seq, json) VALUES (?,?,?)", &st);
    if (err == 0) {
        bind_text(st, 1, w->lesson);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)w->event.seq);
        bind_text(st, 3, text);
        err = run(db, st, "insert event");
    }
    free(text);
    return err;
}

static int insert_command(sqlite3 *db, const struct store_write *w)
{
    sqlite3_stmt *st;
    int err = prepare(db, "INSERT INTO commands (lesson, site, cmd_id, seq) VALUES (?,?,?,?)", &st);
    if (err < 0)
        return err;
    bind_text(st, 1, w->lesson);
    bind_text(st, 2, w->cmd_site);
    bind_text(st, 3, w->cmd_id);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)w->cmd_seq);
    return run(db, st, "insert command");
}

static int write_item(sqlite3 *db, const struct store_write *w)
{
    int err = w->has_lesson ? insert_lesson(db, w) : 0;
    if (err == 0 && w->has_event)
        err = insert_event(db, w);
    if (err == 0 && w->has_event && w->event.type == LESSON_EVENT_LESSON_ENDED)
        err = end_lesson(db, w);
    if (err == 0 && w->cmd_site[0] != '\0')
        err = insert_command(db, w);
    return err;
}

static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store__fail(db, sql);
}

/*
 * One transaction for the whole batch, a savepoint for each item: a bad item fails alone, a disk
 * that is full fails all of them. After an item of a lesson failed, the later ones of the same
 * batch and lesson fail too, because they were decided on a state that did not come to be.
 */
static void write_batch(struct store *s, struct list *batch)
{
    int begun = exec(s->write_db, "BEGIN IMMEDIATE");
    LIST_FOR_EACH(l, batch)
    {
        struct store_item *item = CONTAINER_OF(l, struct store_item, link);
        item->err = begun;
        for (struct list *p = batch->next; p != l && item->err == 0; p = p->next) {
            struct store_item *before = CONTAINER_OF(p, struct store_item, link);
            if (before->err < 0 && strcmp(before->write.lesson, item->write.lesson) == 0)
                item->err = ERR_STORE;
        }
        if (item->err < 0)
            continue;
        item->err = exec(s->write_db, "SAVEPOINT item");
        if (item->err == 0)
            item->err = write_item(s->write_db, &item->write);
        if (item->err < 0)
            IGNORE(exec(s->write_db, "ROLLBACK TO item")); /* logged; the commit below decides */
    }
    int committed = begun == 0 ? exec(s->write_db, "COMMIT") : begun;
    if (committed == 0)
        return;
    if (begun == 0)
        IGNORE(exec(s->write_db, "ROLLBACK")); /* may already be rolled back by a full disk */
    LIST_FOR_EACH(l, batch)
    {
        CONTAINER_OF(l, struct store_item, link)->err = ERR_STORE;
    }
}

void *store__writer_run(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (list_is_empty(&s->waiting) && !s->is_closing)
            pthread_cond_wait(&s->has_work, &s->mutex);
        if (list_is_empty(&s->waiting))
            break; /* closing, and everything is written */
        struct list batch;
        list_init(&batch);
        s->writing_from = CONTAINER_OF(s->waiting.next, struct store_item, link)->queued_at;
        s->writing_count = s->waiting_count;
        for (struct list *l; (l = list_pop_front(&s->waiting)) != NULL;)
            list_push_back(&batch, l);
        s->waiting_count = 0;
        pthread_mutex_unlock(&s->mutex);

        write_batch(s, &batch);

        pthread_mutex_lock(&s->mutex);
        s->writing_count = 0;
        for (struct list *l; (l = list_pop_front(&batch)) != NULL;)
            list_push_back(&s->done, l);
        if (s->on_done != NULL)
            s->on_done(s->user);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}
