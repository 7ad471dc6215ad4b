/*
 * Goal: connections that share a socket are told apart by their addresses, both ways; who has gone
 * gets nothing, and addresses that nobody has are nobody's.
 * Method: addresses of 127.16.0.0/28, which the kernel takes for ours, and a plain socket as
 * server.
 */
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 14 /* of sixteen addresses */

static struct load_options options;
static struct load_run *run;
static struct load_client client;
static int server;
static uint16_t server_port;

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(sa);
    options = load_options_default();
    assert_int_equal(addr_parse_ip("127.16.0.0", &options.network), 0);
    options.network_bits = 28;
    run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->options = &options;
    rng_init_seeded(&run->rng, 3);
    list_init(&run->conns);
    timers_init(&run->timers);
    timers_init(&run->frames);
    client = (struct load_client){.run = run, .subscribes = true};
    assert_int_equal(load__io_init(&run->io), 0);
    assert_int_equal(load__shared_open(run), 0);
    server = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(server >= 0);
    assert_int_equal(bind(server, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&sa, &size), 0);
    server_port = ntohs(sa.sin_port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(server);
    load__shared_close(run);
    load__io_fini(&run->io);
    timers_fini(&run->timers);
    timers_fini(&run->frames);
    free(run);
    return 0;
}

static struct load_conn *add(void)
{
    struct load_conn *conn = NULL;
    assert_int_equal(load__conn_create(&client, 0, &conn), 0);
    return conn;
}

static uint32_t ip_of(const struct load_conn *conn)
{
    return get_u32be(conn->local.ip);
}

static void test_addresses(void **state)
{
    (void)state;
    struct load_conn *conns[ROOM], *more = NULL;
    for (uint32_t i = 0; i < ROOM; i++) {
        conns[i] = add();
        assert_true(conns[i]->is_shared && conns[i]->fd.fd < 0);
        assert_int_equal(ip_of(conns[i]), 0x7f100001 + i);
        assert_int_equal(conns[i]->local.port, run->shared.port);
        assert_ptr_equal(load__shared_find(run, htonl(0x7f100001 + i)), conns[i]);
    }
    assert_int_equal(load__conn_create(&client, 0, &more), ERR_LIMIT);
    assert_null(load__shared_find(run, htonl(0x7f100000)));
    assert_null(load__shared_find(run, htonl(0x7f10000f)));
    assert_null(load__shared_find(run, 0));
    load__conn_destroy(conns[3]);
    assert_null(load__shared_find(run, htonl(0x7f100004)));
    for (uint32_t i = 0; i < ROOM; i++)
        if (i != 3)
            load__conn_destroy(conns[i]);
}

static void send_to(const struct load_conn *conn, const void *data, size_t size)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(conn->local.port)};
    memcpy(&sa.sin_addr, conn->local.ip, sizeof(sa.sin_addr));
    assert_int_equal(sendto(server, data, size, 0, (struct sockaddr *)&sa, sizeof(sa)), size);
}

static void test_out(void **state)
{
    (void)state;
    struct addr to = {.family = ADDR_FAMILY_V4, .port = server_port};
    struct load_conn *conns[] = {add(), add()};
    put_u32be(to.ip, INADDR_LOOPBACK);
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        uint8_t byte = 0, sent = (uint8_t)(7 + i);
        load__io_send(conns[i], &to, &sent, 1);
        assert_int_equal(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
        assert_int_equal(byte, sent);
        assert_int_equal(ntohl(from.sin_addr.s_addr), ip_of(conns[i]));
        assert_int_equal(ntohs(from.sin_port), run->shared.port);
    }
    assert_int_equal(run->m.send_failures, 0);
    load__conn_destroy(conns[0]);
    load__conn_destroy(conns[1]);
}

/* Datagrams are counted with whom they reach: far sites have a sum of their own. */
static void test_in(void **state)
{
    (void)state;
    struct load_client site = {.run = run, .is_site = true};
    struct load_conn *conns[] = {add(), add()}, *gone = add();
    struct load_conn at_gone = *gone;
    const uint8_t data[100] = {1};
    conns[1]->client = &site;
    load__conn_destroy(gone);
    send_to(conns[0], data, 100);
    send_to(conns[1], data, 30);
    send_to(&at_gone, data, 50);
    send_to(conns[1], data, 3);
    for (int i = 0; i < 20 && run->m.datagram_bytes < 133; i++)
        load__io_wait(run, mono_now() + MONO_MS(100));
    assert_int_equal(run->m.datagram_bytes, 133);
    assert_int_equal(run->m.site_bytes, 33);
    assert_true(run->m.backlog.max < MONO_S(10));
    load__conn_destroy(conns[0]);
    load__conn_destroy(conns[1]);
}

/* What joins goes ahead of what has waited longer, even if there is more of it than is read at
 * once. */
static void test_calls_before_media(void **state)
{
    (void)state;
    struct load_conn *conn = add();
    uint8_t media[20] = {0x80}, call[30] = {1};
    for (int i = 0; i < 5; i++)
        send_to(conn, media, sizeof(media));
    send_to(conn, call, sizeof(call));
    load__io_receive_shared(run, &run->shared.calls, &run->shared.calls_drops);
    assert_int_equal(run->m.datagram_bytes, sizeof(call));
    load__io_receive_shared(run, &run->shared.media, &run->shared.media_drops);
    assert_int_equal(run->m.datagram_bytes, sizeof(call) + 5 * sizeof(media));
    load__conn_destroy(conn);
}

/* Who publishes has a socket of its own, on any address. */
static void test_publisher_is_apart(void **state)
{
    (void)state;
    client.publishes = true;
    struct load_conn *conn = add();
    assert_true(!conn->is_shared && conn->fd.fd >= 0);
    assert_int_equal(run->shared.used, 0);
    load__conn_destroy(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_before_media, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publisher_is_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
