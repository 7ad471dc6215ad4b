#ifndef TK_NET_MAILBOX_H
#define TK_NET_MAILBOX_H

/*
 * A bounded mailbox from one thread to another: an SPSC ring and an eventfd that wakes the reader.
 * The writer pushes a batch and then wakes once; the reader drains until empty. Items are copied.
 */

#include "base/ring.h"

struct mailbox {
    struct ring ring;
    int event_fd;
    _Atomic bool is_signalled; /* an eventfd write is outstanding */
};

/* Negative errno. */
MUST_CHECK int mailbox_init(struct mailbox *m, size_t item_size, size_t capacity);
void mailbox_fini(struct mailbox *m);

/* Writer: false when full; the caller keeps or drops the item and counts it. */
bool mailbox_push(struct mailbox *m, const void *item);
/* Writer: after a batch of pushes. */
void mailbox_wake(struct mailbox *m);

/* Reader: call once after the fd became readable, before draining. */
void mailbox_clear(struct mailbox *m);
/* Reader: false when empty. */
bool mailbox_pop(struct mailbox *m, void *ret_item);
int mailbox_fd(const struct mailbox *m);

#endif
