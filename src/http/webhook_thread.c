#include "base/err.h"
#include "base/log.h"
#include "http/webhook_internal.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS_MAX 1000

static size_t discard(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

/* Whether an older event of the same room still waits for the same URL. */
static bool is_behind_another(const struct webhook_queue *q, const struct webhook__delivery *d)
{
    LIST_FOR_EACH(it, &q->pending)
    {
        const struct webhook__delivery *other = CONTAINER_OF(it, struct webhook__delivery, link);
        if (other == d)
            return false;
        if (other->url == d->url && strcmp(other->room, d->room) == 0)
            return true;
    }
    return false;
}

static void finish(struct webhook_queue *q, struct webhook__delivery *d, bool is_sent)
{
    if (is_sent) {
        atomic_fetch_add_explicit(&q->sent, 1, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&q->dropped, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&q->dropped_unreported, 1, memory_order_relaxed);
    }
    atomic_fetch_sub_explicit(&q->waiting, 1, memory_order_relaxed);
    list_remove(&d->link);
    webhook__delivery_free(d);
}

/* The raw token, without "Bearer", is what receivers of this protocol expect. */
static struct curl_slist *make_headers(const char *token)
{
    char line[4096];
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/webhook+json");
    snprintf(line, sizeof(line), "Authorization: %s", token);
    struct curl_slist *longer = list != NULL ? curl_slist_append(list, line) : NULL;
    if (longer == NULL) {
        curl_slist_free_all(list);
        return NULL;
    }
    return longer;
}

static bool start(struct webhook_queue *q, struct webhook__delivery *d, mono_us now)
{
    long left_ms = (long)((d->born + WEBHOOK_AGE_MAX - now) / 1000);
    d->easy = curl_easy_init();
    d->headers = make_headers(d->token);
    if (d->easy == NULL || d->headers == NULL)
        return false;
    curl_easy_setopt(d->easy, CURLOPT_URL, q->urls[d->url]);
    curl_easy_setopt(d->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, d->headers);
    curl_easy_setopt(d->easy, CURLOPT_USERAGENT, "LiveKit");
    curl_easy_setopt(d->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(d->body));
    curl_easy_setopt(d->easy, CURLOPT_POSTFIELDS, d->body);
    curl_easy_setopt(d->easy, CURLOPT_TIMEOUT_MS, left_ms > 1 ? TK_MIN(left_ms, 10000L) : 1L);
    curl_easy_setopt(d->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(d->easy, CURLOPT_PRIVATE, d);
    return curl_multi_add_handle(q->multi, d->easy) == CURLM_OK;
}

static void end_transfer(struct webhook_queue *q, struct webhook__delivery *d)
{
    if (d->easy != NULL) {
        curl_multi_remove_handle(q->multi, d->easy);
        curl_easy_cleanup(d->easy);
    }
    curl_slist_free_all(d->headers);
    d->easy = NULL;
    d->headers = NULL;
}

/* Again later, unless it would be too old by then. */
static void retry(struct webhook_queue *q, struct webhook__delivery *d, mono_us now)
{
    mono_us pause = WEBHOOK__BACKOFF_FIRST << TK_MIN(d->attempts, 10u);
    pause = TK_MIN(pause, WEBHOOK__BACKOFF_MAX);
    d->attempts++;
    d->next_at = now + pause;
    if (d->next_at - d->born <= WEBHOOK_AGE_MAX)
        return;
    LOG_WARN("http", "webhook_given_up", "attempts=%u", d->attempts);
    finish(q, d, false);
}

/* Another try can only help against what passes: the network, an overloaded or broken server. */
static bool is_final(long status)
{
    return status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

static void on_done(struct webhook_queue *q, const CURLMsg *message, mono_us now)
{
    struct webhook__delivery *d = NULL;
    CURLcode result = message->data.result;
    long status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &d);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    end_transfer(q, d);
    q->in_flight--;
    if (result == CURLE_OK && status >= 200 && status < 300)
        finish(q, d, true);
    else if (result == CURLE_OK && is_final(status))
        finish(q, d, false);
    else
        retry(q, d, now);
}

static void take_inbox(struct webhook_queue *q)
{
    struct webhook__delivery *d;
    while (ring_pop(&q->inbox, &d))
        list_push_back(&q->pending, &d->link);
}

/* Starts what is due; returns when to look again. */
static mono_us start_due(struct webhook_queue *q, mono_us now)
{
    mono_us next = MONO_NEVER;
    LIST_FOR_EACH(it, &q->pending)
    {
        struct webhook__delivery *d = CONTAINER_OF(it, struct webhook__delivery, link);
        if (d->easy != NULL || is_behind_another(q, d))
            continue;
        if (d->next_at > now) {
            next = TK_MIN(next, d->next_at);
            continue;
        }
        if (q->in_flight >= WEBHOOK__IN_FLIGHT_MAX)
            break;
        if (start(q, d, now)) {
            q->in_flight++;
        } else {
            end_transfer(q, d);
            retry(q, d, now);
        }
    }
    return next;
}

static void read_results(struct webhook_queue *q, mono_us now)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(q->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            on_done(q, message, now);
    }
}

static bool is_over(const struct webhook_queue *q, mono_us now, mono_us *stop_at)
{
    if (!atomic_load_explicit(&q->is_stopping, memory_order_acquire))
        return false;
    if (*stop_at == MONO_NEVER)
        *stop_at = now + WEBHOOK__STOP_GRACE;
    return list_is_empty(&q->pending) || now >= *stop_at;
}

void *webhook__run(void *queue)
{
    struct webhook_queue *q = queue;
    mono_us stop_at = MONO_NEVER;
    for (;;) {
        int running;
        mono_us now = mono_now();
        take_inbox(q);
        if (is_over(q, now, &stop_at))
            break;
        mono_us next = TK_MIN(start_due(q, now), stop_at);
        curl_multi_perform(q->multi, &running);
        now = mono_now();
        read_results(q, now);
        mono_us wait = next > now ? next - now : 0;
        /* A finished transfer may have freed the way for the next event of its room. */
        if (q->in_flight == 0 && next == MONO_NEVER && !list_is_empty(&q->pending))
            wait = 0;
        curl_multi_poll(q->multi, NULL, 0, (int)TK_MIN(wait / 1000 + 1, POLL_MS_MAX), NULL);
    }
    LIST_FOR_EACH(it, &q->pending)
    {
        struct webhook__delivery *d = CONTAINER_OF(it, struct webhook__delivery, link);
        end_transfer(q, d);
        finish(q, d, false);
    }
    return NULL;
}
