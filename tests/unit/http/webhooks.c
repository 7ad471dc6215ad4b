/*
 * Goal: webhooks arrive signed, in order per room, again after a failure, and not for ever.
 * Method: one server sends, another receives and refuses as the test wants; the fake signalling
 * makes events for rooms r0 and r1 in turn.
 */
#include "fixture.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECEIVED_MAX 64

static struct fixture sender, receiver;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char received[RECEIVED_MAX][128];
static size_t received_count;
static int refuse_left, refuse_status;

static void on_hook(void *user, const struct http_request *r, struct http_exchange *ex)
{
    (void)user;
    pthread_mutex_lock(&lock);
    int status = refuse_left > 0 ? refuse_status : 200;
    if (refuse_left > 0)
        refuse_left--;
    else if (received_count < RECEIVED_MAX)
        snprintf(received[received_count++], sizeof(received[0]), "%s|%s|%s|%.*s", r->content_type,
                 r->authorization, r->user_agent, (int)r->body_size, (const char *)r->body);
    pthread_mutex_unlock(&lock);
    http_reply(ex, status, NULL, NULL, 0);
}

static void add_hook(struct http_server *h)
{
    struct http_route route = {HTTP_METHOD_POST, "/hook", NULL, on_hook};
    assert_int_equal(http_server_add_route(h, &route), 0);
}

static size_t count(void)
{
    pthread_mutex_lock(&lock);
    size_t n = received_count;
    pthread_mutex_unlock(&lock);
    return n;
}

static void wait_for(size_t wanted)
{
    for (int i = 0; i < 1000 && count() < wanted; i++)
        usleep(10000);
    assert_int_equal(count(), wanted);
}

/* Counters are copied by the server's thread, which is woken for that. */
static void wait_for_count(_Atomic uint64_t *counter, uint64_t wanted)
{
    for (int i = 0; i < 500 && atomic_load(counter) < wanted; i++) {
        http_server_wake(sender.server);
        usleep(10000);
    }
    assert_int_equal(atomic_load(counter), wanted);
}

static void start(int refusals, int status)
{
    static char url[128];
    received_count = 0;
    refuse_left = refusals;
    refuse_status = status;
    fixture_start(&receiver, (struct http_config){0}, add_hook);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", receiver.port);
    fixture_start(&sender,
                  (struct http_config){.signal = fake_signal,
                                       .webhook_urls = {url},
                                       .webhook_url_count = 1,
                                       .webhook_key = "k"},
                  NULL);
}

static void stop(void)
{
    fixture_stop(&sender);
    fixture_stop(&receiver);
}

static void make_events(int n)
{
    struct response r;
    char body[32];
    snprintf(body, sizeof(body), "webhook:%d", n);
    request(sender.port, "POST", "/twirp/a/b", "", body, strlen(body), &r);
    assert_int_equal(r.status, 200);
    response_free(&r);
}

/* Each room's events in the order in which they were made. */
static void check_order(size_t n)
{
    int last[2] = {-1, -1};
    for (size_t i = 0; i < n; i++) {
        int event = -1, room = -1;
        const char *at = strstr(received[i], "\"event\":\"e");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "\"event\":\"e%d\",\"room\":{\"name\":\"r%d", &event, &room),
                         2);
        assert_true(event > last[room]);
        last[room] = event;
    }
}

static void test_delivery(void **state)
{
    (void)state;
    start(0, 0);
    make_events(10);
    wait_for(10);
    check_order(10);
    assert_memory_equal(received[0], "application/webhook+json|token-of-k|LiveKit|{", 44);
    wait_for_count(&sender.webhooks_sent, 10);
    stop();
}

static void test_retry(void **state)
{
    (void)state;
    start(3, 503);
    make_events(6);
    wait_for(6);
    check_order(6);
    stop();
}

/* A refusal that no repetition can change is not repeated; the loss is told with the next event. */
static void test_final_refusal(void **state)
{
    (void)state;
    start(1, 400);
    make_events(1);
    wait_for_count(&sender.webhooks_dropped, 1);
    make_events(1);
    wait_for(1);
    assert_non_null(strstr(received[0], "\"numDropped\":1"));
    stop();
}

/* Nobody listens: the server still ends within its grace. */
static void test_stop_while_waiting(void **state)
{
    (void)state;
    start(0, 0);
    fixture_stop(&receiver);
    make_events(5);
    usleep(100000);
    fixture_stop(&sender);
    assert_int_equal(count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_final_refusal),
        cmocka_unit_test(test_stop_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
