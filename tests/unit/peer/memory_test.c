/*
 * Goal: a connection that is established costs little memory: the handshake gives back what it
 * used. Method: the heap before and after many handshakes, when only the server's ends are left.
 */
#include "unit/heap.h"
#include "unit/peer/peer_util.h"

#include "secure/cert.h"

#include <stdlib.h>

#define PEERS     100
#define BYTES_MAX 16000 /* per connection; 13,300 were measured */

static struct sec_cert *certs[2];

static void connect_one(struct net *n, uint64_t seed)
{
    struct net_options options = {.seed = seed, .server_role = PEER_DTLS_SERVER, .certs = certs};
    net_init(n, &options);
    assert_true(net_connect(n, n->now + MONO_S(10)));
    net_run(n, n->now + MONO_S(3)); /* what had to be sent again was sent */
    net_check_media(n, 7);
}

/* The client's side goes; the server's stays. */
static void forget_client(struct net *n)
{
    peer_destroy(n->peers[CLIENT]);
    n->peers[CLIENT] = NULL;
}

static void test_established(void **state)
{
    (void)state;
    struct net *nets = calloc(PEERS, sizeof(*nets));
    for (int i = 0; i < 2; i++)
        assert_int_equal(sec_cert_create(1700000000000, &certs[i]), 0);
    connect_one(&nets[0], 1); /* what is made once per process */
    forget_client(&nets[0]);
    size_t before = heap_now();
    for (size_t i = 1; i < PEERS; i++) {
        connect_one(&nets[i], i + 1);
        forget_client(&nets[i]);
    }
    size_t each = (heap_now() - before) / (PEERS - 1);
    print_message("%zu bytes per established connection\n", each);
    for (size_t i = 0; i < PEERS; i++)
        net_fini(&nets[i]);
    for (int i = 0; i < 2; i++)
        sec_cert_destroy(certs[i]);
    free(nets);
    assert_in_range(each, 1, BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_established)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
