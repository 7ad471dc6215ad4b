#include "net/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *m, size_t item_size, size_t capacity)
{
    int err = ring_init(&m->ring, item_size, capacity);
    if (err < 0)
        return err;
    atomic_init(&m->is_signalled, false);
    m->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->event_fd < 0) {
        err = -errno;
        ring_fini(&m->ring);
        return err;
    }
    return 0;
}

void mailbox_fini(struct mailbox *m)
{
    ring_fini(&m->ring);
    if (m->event_fd >= 0)
        close(m->event_fd);
    m->event_fd = -1;
}

bool mailbox_push(struct mailbox *m, const void *item)
{
    return ring_push(&m->ring, item);
}

void mailbox_wake(struct mailbox *m)
{
    /*
     * seq_cst on both sides of the flag: either the reader, who clears it before it drains, sees
     * our items, or we see the flag cleared and write again.
     */
    if (atomic_exchange_explicit(&m->is_signalled, true, memory_order_seq_cst))
        return;
    uint64_t one = 1;
    IGNORE(
        write(m->event_fd, &one, sizeof(one))); /* can only fail when the counter is full: awake */
}

void mailbox_clear(struct mailbox *m)
{
    uint64_t count;
    IGNORE(read(m->event_fd, &count, sizeof(count))); /* EAGAIN: nothing to clear */
    atomic_store_explicit(&m->is_signalled, false, memory_order_seq_cst);
}

bool mailbox_pop(struct mailbox *m, void *ret_item)
{
    return ring_pop(&m->ring, ret_item);
}

int mailbox_fd(const struct mailbox *m)
{
    return m->event_fd;
}
