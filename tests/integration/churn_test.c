/*
 * Goal: a thousand joins and leaves leave nothing behind: memory does not grow, the room's
 * permanent member is not disturbed, and the server ends cleanly.
 * Method: batches of sites that join, receive sound and leave, one of each batch without a word;
 * what the server holds of the heap after the first part is compared with what it holds after the
 * last, and when all have left no packet buffer is out. Built with AddressSanitizer, the server's
 * exit code also tells of leaks.
 */
#include "exposition.h"
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>

#define BATCH       20
#define VANISHES    4 /* this one of a batch goes without a word */
#define WARM_UP     300
#define JOINS       1000
#define GROWTH_MAX  (2u << 20) /* a leak of 2 KiB per join shows */
#define SETTLE_TIME MONO_S(8)  /* vanished sites are held for 5 s */

static struct it_world world;
static struct it_site *lecture;
static struct it_site *batch[BATCH];

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

static bool batch_hears(void *user)
{
    (void)user;
    for (size_t i = 0; i < BATCH; i++)
        if (!it_is_active(batch[i]) || batch[i]->audio_in < 3)
            return false;
    return true;
}

static bool batch_is_closed(void *user)
{
    (void)user;
    for (size_t i = 0; i < BATCH; i++)
        if (i != VANISHES && !it_is_closed(batch[i]))
            return false;
    return true;
}

static void run_batch(unsigned first)
{
    struct client_config config = it_site_config();
    config.audio_sections = 1;
    config.video_sections = 1;
    for (unsigned i = 0; i < BATCH; i++) {
        char identity[32];
        snprintf(identity, sizeof(identity), "visitor-%u", first + i);
        batch[i] = it_site_join(&world, "churn", identity, NULL, &config);
        if (i % 2 == 0)
            it_site_microphone(batch[i]);
    }
    if (!it_run(&world, batch_hears, NULL, MONO_S(40)))
        fail_msg("joins %u to %u did not get through", first, first + BATCH);
    for (unsigned i = 0; i < BATCH; i++)
        if (i != VANISHES)
            client_leave(batch[i]->client);
    assert_true(it_run(&world, batch_is_closed, NULL, MONO_S(10)));
    for (unsigned i = 0; i < BATCH; i++)
        it_site_vanish(batch[i]);
}

/* Of the server now: text of /metrics, valid until the next call. */
static const char *metrics(void)
{
    static char text[65536];
    assert_int_equal(it_http(&world.server, "GET", "/metrics", NULL, NULL, text, sizeof(text)),
                     200);
    return text;
}

/* What the server holds; prints it with the resident memory, which depends on the allocator. */
static double held_bytes(unsigned joins)
{
    double held = exposition_value(metrics(), "tongke_heap_bytes");
    printf("after %u joins: heap %.0f KiB, resident %llu KiB\n", joins, held / 1024,
           (unsigned long long)it_server_rss(&world.server) / 1024);
    return held;
}

static bool no_buffer_is_out(void *user)
{
    (void)user;
    return exposition_sum(metrics(), "tongke_worker_buffers_used", "") == 0;
}

static void test_thousand_joins(void **state)
{
    (void)state;
    it_world_start(&world);
    lecture = it_site_join(&world, "churn", "lecture", NULL, NULL);
    it_site_microphone(lecture);
    assert_true(it_run(&world, it_is_active, lecture, MONO_S(20)));
    unsigned joins = 0;
    for (; joins < WARM_UP; joins += BATCH)
        run_batch(joins);
    it_pass(&world, SETTLE_TIME);
    double before = held_bytes(joins);
    for (; joins < WARM_UP + JOINS; joins += BATCH)
        run_batch(joins);
    it_pass(&world, SETTLE_TIME);
    assert_true(held_bytes(joins) <= before + GROWTH_MAX);
    assert_int_equal(lecture->reconnecting + lecture->rejoined + lecture->closed, 0);
    assert_true(exposition_sum(metrics(), "tongke_worker_buffers_used", "") > 0);
    it_site_leave(lecture);
    assert_true(it_run(&world, no_buffer_is_out, NULL, MONO_S(20)));
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_thousand_joins, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
