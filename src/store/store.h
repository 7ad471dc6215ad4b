#ifndef TK_STORE_STORE_H
#define TK_STORE_STORE_H

/*
 * The database: lessons and their logs in SQLite (WAL). SQL lives in this folder and nowhere else.
 *
 * Writing is asynchronous: a writer thread takes everything that waits, commits it in one
 * transaction, and reports each item as done, so that an event is shown to people only when it is
 * durable. Reading is synchronous on a connection of its own, which a writer never blocks. All
 * functions are called on one thread (the control thread); the writer thread is internal.
 */

#include "lesson/event.h"

#include <stddef.h>

struct store;

#define STORE_WRITES_MAX 4096 /* items that may wait for the writer thread */

struct store_lesson {
    char id[LESSON_TEXT_SIZE];
    char title[LESSON_TEXT_SIZE];
    enum lesson_kind kind;
    wall_ms created_at;
    bool is_ended;
};

/* One thing to be written: any of a new lesson, an event, an answered command; all in one
 * transaction. */
struct store_write {
    char lesson[LESSON_TEXT_SIZE];
    bool has_lesson; /* creates the lesson from `event` (LESSON_OPENED) */
    bool has_event;
    struct lesson_event event;       /* numbered by the caller */
    char cmd_site[LESSON_TEXT_SIZE]; /* "" = no command */
    char cmd_id[LESSON_CMD_ID_SIZE];
    uint64_t cmd_seq; /* what the command is acknowledged with */
};

struct store_done {
    uint64_t ticket;
    int err; /* 0 = durable; ERR_STORE = nothing of it was written */
};

/*
 * Opens or creates the database and starts the writer thread. `on_done` is called on that thread
 * whenever store_poll_done() has something new; it may be NULL. ERR_STORE; the reason is logged.
 */
MUST_CHECK int store_open(const char *path, void (*on_done)(void *user), void *user,
                          struct store **ret_store);
/* Writes what still waits, then closes. NULL is a no-op. */
void store_close(struct store *s);

/* Queues one item. ERR_LIMIT when too much waits, -ENOMEM. */
MUST_CHECK int store_write(struct store *s, const struct store_write *write, uint64_t *ret_ticket);
/* The next finished item, in the order of writing; false when there is none. */
bool store_poll_done(struct store *s, struct store_done *ret_done);

/* What waits for the writer thread, and for how long the oldest of it has been waiting. */
struct store_lag {
    size_t count;
    mono_us age; /* 0 = nothing waits */
};
void store_lag(struct store *s, mono_us now, struct store_lag *ret_lag);

/* Calls `each` for every lesson, oldest first; stops when it returns false. ERR_STORE. */
MUST_CHECK int store_each_lesson(struct store *s,
                                 bool (*each)(void *user, const struct store_lesson *l),
                                 void *user);
/* ERR_NOT_FOUND, ERR_STORE. */
MUST_CHECK int store_get_lesson(struct store *s, const char *id, struct store_lesson *ret_lesson);
/* The events with seq > after, at most `limit`, in order. ERR_STORE. */
MUST_CHECK int store_each_event(struct store *s, const char *lesson, uint64_t after, size_t limit,
                                bool (*each)(void *user, const struct lesson_event *e), void *user);
/* The seq that a command was acknowledged with. ERR_NOT_FOUND, ERR_STORE. */
MUST_CHECK int store_get_command(struct store *s, const char *lesson, const char *site,
                                 const char *cmd_id, uint64_t *ret_seq);

#endif
