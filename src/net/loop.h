#ifndef TK_NET_LOOP_H
#define TK_NET_LOOP_H

/*
 * Waiting for sockets on one thread: a thin layer over epoll (level-triggered) that hands back what
 * is ready instead of calling back, so that the caller keeps its own order of work.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop {
    int epoll_fd;
};

struct loop_ready {
    void *user;
    bool is_readable; /* or hung up: the next read says */
    bool is_writable;
};

/* Negative errno. */
MUST_CHECK int loop_init(struct loop *l);
void loop_fini(struct loop *l);

MUST_CHECK int loop_add(struct loop *l, int fd, bool wants_write, void *user);
MUST_CHECK int loop_set(struct loop *l, int fd, bool wants_write, void *user);
/* Says nothing of the socket until loop_set(). */
MUST_CHECK int loop_pause(struct loop *l, int fd, void *user);
void loop_remove(struct loop *l, int fd);

/*
 * Waits until something is ready, at most `timeout_us` (0 = do not wait, MONO_NEVER = for ever).
 * Returns the number of entries filled, 0 on a timeout or a signal.
 */
size_t loop_wait(struct loop *l, mono_us timeout_us, struct loop_ready *ret_ready,
                 size_t ready_max);

#endif
