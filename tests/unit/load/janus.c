/*
 * Goal: the Janus target says and understands VideoRoom's messages: a room is made or found,
 * publishers offer, subscribers wait for their feeds and answer, candidates count whenever they
 * come, sessions are kept alive and ended, and what goes wrong fails the client with words.
 * Method: target_janus.c over a wire of our own, which keeps what is sent; the test plays Janus,
 * with descriptions built from the client's, and a UDP socket that hears whether ICE begins.
 */
#include "unit/cmocka_all.h"
#include "unit/load/janus_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_ALIVE MONO_S(25)
#define RETRY      MONO_MS(100)

static void join_publisher(struct load_wire *w)
{
    janus_open_handle(w);
    janus_next_request(w, "create");
    janus_say_event(w, json_pack("{s:s}", "videoroom", "created"), NULL);
    janus_next_request(w, "joinandconfigure");
}

static void test_publisher(void **state)
{
    (void)state;
    janus_begin(true, false, mono_now());
    assert_int_equal(fake_wire_count, 1);
    struct load_wire *w = &fake_wires[0];
    janus_open_handle(w);
    const json_t *body = janus_next_request(w, "create");
    assert_int_equal(janus_number(body, "room"), janus_room());
    assert_int_equal(janus_number(body, "publishers"), JANUS_PUBLISHERS);
    assert_string_equal(janus_text(body, "videocodec"), "vp8");
    janus_no_more(w);
    janus_say_event(w, json_pack("{s:s}", "videoroom", "created"), NULL);
    body = janus_next_request(w, "joinandconfigure");
    assert_string_equal(janus_text(body, "ptype"), "publisher");
    assert_string_equal(janus_text(body, "display"), "publisher-4");
    assert_int_equal(janus_number(body, "room"), janus_room());
    assert_int_equal(janus_number(body, "id"), 2); /* the second of its room */
    /* Janus takes the first rid for the best layer. */
    const json_t *jsep = json_object_get(w->sent[w->read_count - 1], "jsep");
    assert_non_null(strstr(janus_text(jsep, "sdp"), "a=simulcast:send f;h;q\r\n"));
    janus_say(w, json_pack("{s:s}", "janus", "ack"));
    assert_null(janus_conn(0)->peer);
    janus_say_event(w, json_pack("{s:s}", "videoroom", "joined"), janus_answer(w));
    janus_no_more(w);
    assert_int_equal(janus.client.state, LOAD_JOINING);
    assert_non_null(janus_conn(0)->peer);
    assert_int_equal(janus.client.tx->video[0].pt, 96);
    janus_say_candidate(w);
    assert_true(janus_is_heard());
}

static void test_codec_and_room(void **state)
{
    (void)state;
    static const struct {
        int code;
        bool goes_on;
    } rows[] = {{427, true}, {426, false}, {428, false}};
    janus.options.codec = RTP_CODEC_H264;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        janus_begin(true, false, mono_now());
        struct load_wire *w = &fake_wires[fake_wire_count - 1];
        janus_open_handle(w);
        assert_string_equal(janus_text(janus_next_request(w, "create"), "videocodec"), "h264");
        janus_say_error(w, rows[i].code, mono_now());
        if (rows[i].goes_on) { /* another publisher has made it */
            janus_next_request(w, "joinandconfigure");
            assert_int_equal(janus.client.state, LOAD_JOINING);
        } else {
            char why[64];
            snprintf(why, sizeof(why), "VideoRoom: because (%d)", rows[i].code);
            assert_string_equal(janus.client.why, why);
        }
        janus_no_more(w);
        if (i + 1 < ARRAY_COUNT(rows)) {
            janus_tear_down(NULL);
            janus_set_up(NULL);
            janus.options.codec = RTP_CODEC_H264;
        }
    }
}

static void check_feeds(const json_t *body, const int *feeds, size_t count)
{
    const json_t *streams = json_object_get(body, "streams");
    assert_string_equal(janus_text(body, "ptype"), "subscriber");
    assert_int_equal(janus_number(body, "room"), janus_room());
    assert_int_equal(json_array_size(streams), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(janus_number(json_array_get(streams, i), "feed"), feeds[i]);
}

/* A feed that is not there yet is asked for again, until it is. */
static void test_subscriber(void **state)
{
    (void)state;
    janus_begin(false, true, mono_now());
    assert_int_equal(fake_wire_count, 1);
    struct load_wire *w = &fake_wires[0];
    janus_open_handle(w);
    for (int tries = 0; tries < 3; tries++) {
        check_feeds(janus_next_request(w, "join"), (const int[]){1, 2, 3}, 3);
        janus_no_more(w);
        janus_say_error(w, 428, mono_now() - RETRY);
        janus_no_more(w);
        load__fire_timers(janus.run);
    }
    check_feeds(janus_next_request(w, "join"), (const int[]){1, 2, 3}, 3);
    janus_say_candidate(w); /* ahead of the description: it is kept */
    janus_say(w, json_pack("{s:s, s:{s:b}}", "janus", "trickle", "candidate", "completed", 1));
    janus_say_event(w, json_pack("{s:s}", "videoroom", "attached"), janus_offer());
    janus_next_request(w, "start");
    janus_no_more(w);
    struct sdp_session *answer = janus_description(w, "answer");
    struct sdp_transport transport;
    assert_int_equal(sdp_get_transport(answer, &transport, NULL), 0);
    assert_int_equal(transport.setup, SDP_SETUP_ACTIVE);
    assert_int_equal(answer->section_count, 2);
    sdp_destroy(answer);
    const struct load_conn *conn = janus_conn(0);
    assert_int_equal(conn->rx_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(conn->rxs[i]->ssrc, 100 + i);
        assert_int_equal(conn->rxs[i]->rtx_ssrc, 200 + i);
    }
    assert_int_equal(janus.client.state, LOAD_JOINING);
    assert_true(janus_is_heard());
}

/* Whoever publishes and watches has two connections, and not its own feed. */
static void test_gallery(void **state)
{
    (void)state;
    janus_begin(true, true, mono_now());
    assert_int_equal(fake_wire_count, 2);
    join_publisher(&fake_wires[0]);
    janus_open_handle(&fake_wires[1]);
    check_feeds(janus_next_request(&fake_wires[1], "join"), (const int[]){1, 3}, 2);
    janus_say_event(&fake_wires[1], json_pack("{s:s}", "videoroom", "attached"), janus_offer());
    janus_next_request(&fake_wires[1], "start");
    janus_say_event(&fake_wires[0], json_pack("{s:s}", "videoroom", "joined"),
                    janus_answer(&fake_wires[0]));
    assert_int_equal(janus.client.state, LOAD_JOINING);
    assert_int_equal(janus_conn(0)->rx_count, 0);
    assert_int_equal(janus_conn(1)->rx_count, 2);
}

/* Twice as many as are kept, ahead of the description. */
static void test_too_many_candidates(void **state)
{
    (void)state;
    janus_begin(false, true, mono_now());
    janus_open_handle(&fake_wires[0]);
    for (int i = 0; i < 32; i++)
        janus_say_candidate(&fake_wires[0]);
    janus_say_event(&fake_wires[0], json_pack("{s:s}", "videoroom", "attached"), janus_offer());
    assert_true(janus_is_heard());
    assert_int_equal(janus.client.state, LOAD_JOINING);
}

static void test_what_goes_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *message; /* NULL: the connection ends */
        const char *why;
    } rows[] = {
        {"{\"janus\":\"error\",\"error\":{\"code\":458,\"reason\":\"No such session\"}}",
         "Janus: No such session"},
        {"{\"janus\":\"error\"}", "Janus: error"},
        {"{\"janus\":\"hangup\"}", "Janus hung up"},
        {"{\"janus\":\"timeout\"}", "Janus has given the session up"},
        {"{\"janus\":", "not a message of Janus"},
        {"[1]", "not a message of Janus"},
        {"{\"janus\":7}", "not a message of Janus"},
        {"", "not a message of Janus"},
        {"{\"janus\":\"event\",\"plugindata\":{\"data\":{}},\"jsep\":{\"sdp\":\"v=0\\r\\nm=x\"}}",
         "Janus's description cannot be read: line 2"},
        {"{\"janus\":\"event\",\"plugindata\":{\"data\":{}},\"jsep\":{\"sdp\":\"v=0\\r\\n\"}}",
         "Janus's answer: "},
        {NULL, "signalling: gone"},
        /* And what is nothing to it. */
        {"{\"janus\":\"event\",\"plugindata\":7}", NULL},
        {"{\"janus\":\"event\",\"plugindata\":{\"data\":{\"joining\":{}}}}", NULL},
        {"{\"janus\":\"trickle\"}", NULL},
        {"{\"janus\":\"trickle\",\"candidate\":{\"candidate\":\"x\"}}", NULL},
        {"{\"janus\":\"webrtcup\"}", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        janus_begin(true, false, mono_now());
        struct load_wire *w = &fake_wires[fake_wire_count - 1];
        join_publisher(w);
        char *copy = strdup(rows[i].message != NULL ? rows[i].message : "");
        assert_non_null(copy);
        if (rows[i].message != NULL)
            w->config.on_message(w->config.user, (uint8_t *)copy, strlen(copy), mono_now());
        else
            w->config.on_closed(w->config.user, "gone", mono_now());
        free(copy);
        if (rows[i].why == NULL)
            assert_int_equal(janus.client.state, LOAD_JOINING);
        else if (janus.client.why == NULL ||
                 strstr(janus.client.why, rows[i].why) != janus.client.why)
            fail_msg("row %zu: %s", i, janus.client.why != NULL ? janus.client.why : "joining");
        janus_no_more(w);
        janus_tear_down(NULL);
        janus_set_up(NULL);
    }
    janus.client = (struct load_client){.run = janus.run};
}

/* It is about the session, not the handle; who has none says nothing. */
static void test_keep_alive(void **state)
{
    (void)state;
    janus_begin(true, true, mono_now() - KEEP_ALIVE);
    join_publisher(&fake_wires[0]);
    load__fire_timers(janus.run);
    const json_t *o = janus_next(&fake_wires[0], "keepalive");
    assert_int_equal(janus_number(o, "session_id"), JANUS_SESSION);
    assert_null(json_object_get(o, "handle_id"));
    janus_no_more(&fake_wires[0]);
    assert_int_equal(fake_wires[1].sent_count, 0);
    mono_us due = timers_next(&janus.run->timers); /* nothing else is due before a description */
    assert_true(due > mono_now() + KEEP_ALIVE - MONO_S(5) && due <= mono_now() + KEEP_ALIVE);
}

/* The publisher takes its room along. */
static void test_end(void **state)
{
    (void)state;
    janus_begin(true, true, mono_now());
    join_publisher(&fake_wires[0]);
    janus_open_handle(&fake_wires[1]);
    janus_next_request(&fake_wires[1], "join");
    load__client_end(&janus.client);
    assert_int_equal(janus_number(janus_next_request(&fake_wires[0], "destroy"), "room"),
                     janus_room());
    for (size_t i = 0; i < 2; i++) {
        const json_t *o = janus_next(&fake_wires[i], "destroy");
        assert_int_equal(janus_number(o, "session_id"), JANUS_SESSION);
        assert_null(json_object_get(o, "handle_id"));
        janus_no_more(&fake_wires[i]);
        assert_true(fake_wires[i].is_gone);
    }
    assert_true(list_is_empty(&janus.run->conns));
    assert_true(timers_next(&janus.run->timers) == MONO_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_publisher, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_codec_and_room, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_subscriber, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_gallery, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_candidates, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_what_goes_wrong, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive, janus_set_up, janus_tear_down),
        cmocka_unit_test_setup_teardown(test_end, janus_set_up, janus_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
