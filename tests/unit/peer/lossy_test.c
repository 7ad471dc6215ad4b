/*
 * Goal: peers connect over a line that loses every fourth datagram each way, and media flows.
 * Method: many pairs of peers at once from consecutive seeds; time is the real clock's, as OpenSSL
 * keeps the timers of DTLS by it. The seed is printed when a pair does not connect.
 */
#include "unit/peer/peer_util.h"

#include <stdlib.h>
#include <time.h>

#define PAIRS    24
#define PATIENCE MONO_S(25)
#define LOSS     25
#define PAUSE_NS 2000000

static bool is_done(const struct net *n)
{
    return peer_is_connected(n->peers[SERVER]) && peer_is_connected(n->peers[CLIENT]);
}

/* Gives every pair the time that has passed; the number of those that are not connected. */
static size_t advance(struct net *nets, mono_us elapsed)
{
    size_t waiting = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        if (is_done(&nets[i]))
            continue;
        net_run(&nets[i], MONO_S(1000) + elapsed);
        waiting += !is_done(&nets[i]);
    }
    return waiting;
}

static void test_connects(void **state)
{
    (void)state;
    struct net *nets = calloc(PAIRS, sizeof(*nets));
    assert_non_null(nets);
    for (size_t i = 0; i < PAIRS; i++) {
        net_init(&nets[i], &(struct net_options){.seed = 1 + i,
                                                 .server_role = i % 2 == 0 ? PEER_DTLS_CLIENT
                                                                           : PEER_DTLS_SERVER});
        nets[i].loss_percent = LOSS;
    }
    mono_us start = mono_now();
    while (advance(nets, mono_now() - start) > 0 && mono_now() - start < PATIENCE)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        if (!is_done(&nets[i]))
            fail_msg("seed %zu: ICE or DTLS did not finish", 1 + i);
        nets[i].loss_percent = 0;
        net_check_media(&nets[i], 1);
        for (int k = 0; k < 2; k++)
            assert_int_equal(nets[i].seen[k].failed, 0);
        net_fini(&nets[i]);
    }
    free(nets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_connects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
