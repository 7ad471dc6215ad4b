#include "http/webhook.h"

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/ring.h"
#include "base/thread.h"
#include "http/webhook_internal.h"
#include "signal/signal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void webhook__delivery_free(struct webhook__delivery *d)
{
    if (d == NULL)
        return;
    free(d->room);
    free(d->body);
    free(d->token);
    free(d);
}

static struct webhook__delivery *make_delivery(const char *room, const char *body,
                                               const char *token, size_t url)
{
    struct webhook__delivery *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->room = strdup(room);
    d->body = strdup(body);
    d->token = strdup(token);
    d->url = url;
    d->born = mono_now();
    if (d->room != NULL && d->body != NULL && d->token != NULL)
        return d;
    webhook__delivery_free(d);
    return NULL;
}

static void count_drop(struct webhook_queue *q)
{
    atomic_fetch_add_explicit(&q->dropped, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->dropped_unreported, 1, memory_order_relaxed);
}

static void push_one(struct webhook_queue *q, struct webhook__delivery *d)
{
    bool is_full = d != NULL && atomic_load_explicit(&q->waiting, memory_order_relaxed) >=
                                    (size_t)WEBHOOK_QUEUE_MAX * q->url_count;
    if (d != NULL && !is_full) {
        atomic_fetch_add_explicit(&q->waiting, 1, memory_order_relaxed);
        if (ring_push(&q->inbox, &d))
            return;
        atomic_fetch_sub_explicit(&q->waiting, 1, memory_order_relaxed);
    }
    webhook__delivery_free(d);
    count_drop(q);
}

/* The body with the number of events lost since the last one, and the room's name. */
static char *complete_body(struct webhook_queue *q, const char *body, char **ret_room)
{
    json_t *root = json_loads(body, 0, NULL);
    const char *room = json_string_value(json_object_get(json_object_get(root, "room"), "name"));
    uint32_t lost = atomic_exchange_explicit(&q->dropped_unreported, 0, memory_order_relaxed);
    char *text = NULL;
    json_int_t told = json_integer_value(json_object_get(root, "numDropped"));
    if (lost > 0)
        IGNORE(json_object_set_new(root, "numDropped", json_integer(told + lost))); /* a hint */
    *ret_room = strdup(room != NULL ? room : "");
    if (root != NULL && *ret_room != NULL)
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

void webhook_queue_push(struct webhook_queue *q, struct signal *signal, char *body, wall_ms wall)
{
    char *room = NULL, *token = NULL;
    char *text = complete_body(q, body, &room);
    int rc = text != NULL ? signal_webhook_token(signal, q->key, text, wall, &token) : -ENOMEM;
    free(body);
    for (size_t i = 0; i < q->url_count; i++) {
        if (rc == 0)
            push_one(q, make_delivery(room, text, token, i));
        else
            count_drop(q);
    }
    if (rc != 0)
        LOG_WARN("http", "webhook_unsigned", "reason=\"%s\"", err_text(rc));
    free(room);
    free(text);
    free(token);
    curl_multi_wakeup(q->multi);
}

void webhook_queue_counts(const struct webhook_queue *q, uint64_t *ret_sent, uint64_t *ret_dropped)
{
    *ret_sent = atomic_load_explicit(&q->sent, memory_order_relaxed);
    *ret_dropped = atomic_load_explicit(&q->dropped, memory_order_relaxed);
}

static int init(struct webhook_queue *q, const struct webhook_config *config)
{
    list_init(&q->pending);
    if (config->url_count > HTTP_WEBHOOK_URLS_MAX || config->key == NULL ||
        str_copy(q->key, sizeof(q->key), config->key) != 0)
        return ERR_LIMIT;
    for (size_t i = 0; i < config->url_count; i++) {
        q->urls[i] = strdup(config->urls[i]);
        if (q->urls[i] == NULL)
            return -ENOMEM;
        q->url_count++;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    q->multi = curl_multi_init();
    if (q->multi == NULL)
        return -ENOMEM;
    return ring_init(&q->inbox, sizeof(struct webhook__delivery *),
                     (size_t)WEBHOOK_QUEUE_MAX * HTTP_WEBHOOK_URLS_MAX);
}

int webhook_queue_create(const struct webhook_config *config, struct webhook_queue **ret_queue)
{
    struct webhook_queue *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    int rc = init(q, config);
    if (rc == 0) {
        rc = thread_start(&q->thread, "webhooks", webhook__run, q);
        q->is_running = rc == 0;
    }
    if (rc != 0) {
        webhook_queue_destroy(q);
        return rc;
    }
    *ret_queue = q;
    return 0;
}

void webhook_queue_destroy(struct webhook_queue *q)
{
    struct webhook__delivery *d;
    if (q == NULL)
        return;
    if (q->is_running) {
        atomic_store_explicit(&q->is_stopping, true, memory_order_release);
        curl_multi_wakeup(q->multi);
        pthread_join(q->thread, NULL);
    }
    while (q->inbox.slots != NULL && ring_pop(&q->inbox, &d))
        webhook__delivery_free(d);
    ring_fini(&q->inbox);
    if (q->multi != NULL)
        curl_multi_cleanup(q->multi);
    for (size_t i = 0; i < q->url_count; i++)
        free(q->urls[i]);
    free(q);
}
