#include "base/err.h"
#include "base/strbuf.h"
#include "lesson/json.h"
#include "store/store_internal.h"

#include <string.h>

static const char *column(sqlite3_stmt *st, int index)
{
    const unsigned char *text = sqlite3_column_text(st, index);
    return text != NULL ? (const char *)text : "";
}

static int read_lesson(sqlite3_stmt *st, struct store_lesson *ret)
{
    *ret = (struct store_lesson){.created_at = sqlite3_column_int64(st, 3),
                                 .is_ended = sqlite3_column_int(st, 4) != 0,
                                 .kind = lesson_kind_of(column(st, 2))};
    if (ret->kind == LESSON_KIND_COUNT_ || str_copy(ret->id, sizeof(ret->id), column(st, 0)) < 0 ||
        str_copy(ret->title, sizeof(ret->title), column(st, 1)) < 0)
        return ERR_STORE;
    return 0;
}

#define LESSON_COLUMNS "SELECT id, title, kind, created_at, is_ended FROM lessons "

int store_each_lesson(struct store *s, bool (*each)(void *user, const struct store_lesson *l),
                      void *user)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->read_db, LESSON_COLUMNS "ORDER BY created_at, id", -1, &st, NULL) !=
        SQLITE_OK)
        return store__fail(s->read_db, "select lessons");
    int err = 0, step;
    struct store_lesson l;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        err = read_lesson(st, &l);
        if (err < 0 || !each(user, &l))
            break;
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        err = store__fail(s->read_db, "select lessons");
    sqlite3_finalize(st);
    return err;
}

int store_get_lesson(struct store *s, const char *id, struct store_lesson *ret_lesson)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->read_db, LESSON_COLUMNS "WHERE id=?", -1, &st, NULL) != SQLITE_OK)
        return store__fail(s->read_db, "select lesson");
    sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    int step = sqlite3_step(st);
    int err = ERR_NOT_FOUND;
    if (step == SQLITE_ROW)
        err = read_lesson(st, ret_lesson);
    else if (step != SQLITE_DONE)
        err = store__fail(s->read_db, "select lesson");
    sqlite3_finalize(st);
    return err;
}

static int read_event(const char *text, struct lesson_event *ret_event)
{
    json_t *o = json_loads(text, 0, NULL);
    int err = o != NULL ? lesson_event_from_json(o, ret_event) : ERR_MALFORMED;
    json_decref(o);
    return err < 0 ? ERR_STORE : 0;
}

int store_each_event(struct store *s, const char *lesson, uint64_t after, size_t limit,
                     bool (*each)(void *user, const struct lesson_event *e), void *user)
{
    static const char sql[] =
        "SELECT json FROM events WHERE lesson=? AND seq>? ORDER BY seq LIMIT ?";
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->read_db, sql, -1, &st, NULL) != SQLITE_OK)
        return store__fail(s->read_db, "select events");
    sqlite3_bind_text(st, 1, lesson, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)TK_MIN(after, (uint64_t)INT64_MAX));
    sqlite3_bind_int64(st, 3, (sqlite3_int64)TK_MIN(limit, (size_t)INT64_MAX));
    int err = 0, step;
    struct lesson_event e;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        err = read_event(column(st, 0), &e);
        if (err < 0 || !each(user, &e))
            break;
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        err = store__fail(s->read_db, "select events");
    sqlite3_finalize(st);
    return err;
}

int store_get_command(struct store *s, const char *lesson, const char *site, const char *cmd_id,
                      uint64_t *ret_seq)
{
    static const char sql[] = "SELECT seq FROM commands WHERE lesson=? AND site=? AND cmd_id=?";
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->read_db, sql, -1, &st, NULL) != SQLITE_OK)
        return store__fail(s->read_db, "select command");
    sqlite3_bind_text(st, 1, lesson, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, site, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, cmd_id, -1, SQLITE_STATIC);
    int step = sqlite3_step(st);
    int err = ERR_NOT_FOUND;
    if (step == SQLITE_ROW) {
        *ret_seq = (uint64_t)sqlite3_column_int64(st, 0);
        err = 0;
    } else if (step != SQLITE_DONE) {
        err = store__fail(s->read_db, "select command");
    }
    sqlite3_finalize(st);
    return err;
}
