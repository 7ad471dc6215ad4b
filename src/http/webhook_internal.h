#ifndef TK_HTTP_WEBHOOK_INTERNAL_H
#define TK_HTTP_WEBHOOK_INTERNAL_H

/* The two sides of the webhook queue: pushed by the control thread, posted by the helper thread. */

#include "base/list.h"
#include "base/ring.h"
#include "base/strbuf.h"
#include "http/http.h"
#include "http/webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define WEBHOOK__IN_FLIGHT_MAX 8
#define WEBHOOK__BACKOFF_FIRST MONO_MS(250)
#define WEBHOOK__BACKOFF_MAX   MONO_S(8)
#define WEBHOOK__STOP_GRACE    MONO_S(1)

/* One event on its way to one URL. Made by the control thread, then the helper's. */
struct webhook__delivery {
    struct list link;
    char *room, *body, *token;
    size_t url;
    mono_us born, next_at;
    unsigned attempts;
    CURL *easy; /* while it is on the wire */
    struct curl_slist *headers;
};

struct webhook_queue {
    /* Set at creation, read-only afterwards. */
    char *urls[HTTP_WEBHOOK_URLS_MAX];
    size_t url_count;
    char key[64];
    CURLM *multi; /* wakeup from the control thread, everything else by the helper */
    pthread_t thread;
    bool is_running;

    struct ring inbox; /* control to helper: struct webhook__delivery * */

    /* Owned by the helper thread. */
    struct list pending; /* struct webhook__delivery, oldest first */
    size_t in_flight;

    /* Both: counters, relaxed; is_stopping is released by the control thread. */
    _Atomic size_t waiting;
    _Atomic uint64_t sent, dropped;
    _Atomic uint32_t dropped_unreported;
    _Atomic bool is_stopping;
};

void *webhook__run(void *queue);
void webhook__delivery_free(struct webhook__delivery *d);

#endif
