#ifndef TK_STORE_STORE_INTERNAL_H
#define TK_STORE_STORE_INTERNAL_H

/* The store's own struct, shared by its files. */

#include "base/list.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

struct store_item {
    struct list link;
    uint64_t ticket;
    int err;
    mono_us queued_at;
    struct store_write write;
};

struct store {
    /* Set at creation, read-only afterwards. */
    void (*on_done)(void *user);
    void *user;
    pthread_t thread;
    bool has_thread;

    /* Control thread. */
    sqlite3 *read_db;
    uint64_t next_ticket;

    /* Writer thread. */
    sqlite3 *write_db;

    /* LOCK: mutex */
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct list waiting; /* store_item */
    struct list done;    /* store_item */
    size_t waiting_count;
    size_t writing_count; /* of the batch that the writer has taken */
    mono_us writing_from; /* when its oldest was queued */
    bool is_closing;
};

/* Opens one connection with the pragmas that both share. ERR_STORE, logged. */
int store__connect(const char *path, bool is_writer, sqlite3 **ret_db);
/* Logs what SQLite says and answers ERR_STORE. */
int store__fail(sqlite3 *db, const char *what);

/* The writer thread. */
void *store__writer_run(void *arg);

#endif
