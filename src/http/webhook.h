#ifndef TK_HTTP_WEBHOOK_H
#define TK_HTTP_WEBHOOK_H

/*
 * Delivery of webhooks: the control thread pushes signed bodies, a helper thread posts them with
 * libcurl. In order per room and URL; a failure is tried again with growing pauses until the event
 * is WEBHOOK_AGE_MAX old; at most WEBHOOK_QUEUE_MAX events wait. An event that is dropped is
 * counted in the `numDropped` of the next one.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stddef.h>
#include <stdint.h>

struct signal;
struct webhook_queue;

#define WEBHOOK_QUEUE_MAX 200
#define WEBHOOK_AGE_MAX   MONO_S(30)

struct webhook_config {
    const char *const *urls;
    size_t url_count;
    const char *key; /* the API key that signs */
};

/* Starts the helper thread; copies the texts. -ENOMEM, ERR_LIMIT, -EAGAIN (no thread). */
MUST_CHECK int webhook_queue_create(const struct webhook_config *config,
                                    struct webhook_queue **ret_queue);
/* Gives up what is not delivered within a second and joins the thread; NULL is a no-op. */
void webhook_queue_destroy(struct webhook_queue *q);

/* Takes `body` (free()) over and queues it for every URL. Control thread. */
void webhook_queue_push(struct webhook_queue *q, struct signal *signal, char *body, wall_ms wall);

/* Any thread. */
void webhook_queue_counts(const struct webhook_queue *q, uint64_t *ret_sent, uint64_t *ret_dropped);

#endif
