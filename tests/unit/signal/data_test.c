/*
 * Goal: data packets go from channel to channel: stamped with their sender, to those they are for,
 * once, held while a channel opens, and again for who comes back; data tracks under the
 * subscriber's handle.
 * Method: fake clients (world.h) with real data channels on the other side of the wire.
 */

#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/pkt.h"
#include "dchan/dchan.h"

#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name
#define REQUEST(name)  LIVEKIT__SIGNAL_REQUEST__MESSAGE_##name
#define ENDS_MAX       8
#define KEPT_MAX       64

/* The client's end of one connection. */
struct end {
    sfu_peer_id peer;
    struct dchan_assoc *assoc;
    struct client *client;
    uint16_t streams[3];
    char labels[8][32]; /* by stream number, of channels that the server opened */
    Livekit__DataPacket *packets[KEPT_MAX];
    size_t packet_count;
    uint8_t track_packet[256];
    size_t track_packet_size;
};

static struct world w;
static struct end ends[ENDS_MAX];
static size_t end_count;

static void on_sctp(const struct media_command *c)
{
    for (size_t i = 0; i < end_count; i++)
        if (ends[i].peer == c->peer)
            (void)!dchan_assoc_handle_packet(ends[i].assoc, c->u.sctp->data, c->u.sctp->size);
}

static void keep(struct end *e, const struct dchan_event *event)
{
    bool is_track = event->stream == e->streams[2];
    if (event->stream < 8 && strcmp(e->labels[event->stream], "_data_track") == 0)
        is_track = true;
    if (is_track) {
        assert_true(event->size <= sizeof(e->track_packet));
        memcpy(e->track_packet, event->data, event->size);
        e->track_packet_size = event->size;
        return;
    }
    assert_true(e->packet_count < KEPT_MAX);
    e->packets[e->packet_count] = livekit__data_packet__unpack(NULL, event->size, event->data);
    assert_non_null(e->packets[e->packet_count++]);
}

static bool pump(struct end *e)
{
    uint8_t buf[DCHAN_PACKET_MAX];
    bool has_moved = false;
    for (int size; (size = dchan_assoc_poll_transmit(e->assoc, buf, sizeof(buf))) > 0;) {
        struct pkt *pkt = pkt_take(w.pool, (size_t)size);
        assert_non_null(pkt);
        memcpy(pkt->data, buf, (size_t)size);
        pkt->size = (uint16_t)size;
        struct media_event event = {.kind = MEDIA_EVENT_PEER_SCTP, .peer = e->peer, .sctp = pkt};
        signal_handle_event(w.signal, &event, w.now, w.wall);
        has_moved = true;
    }
    struct dchan_event event;
    while (dchan_assoc_poll_event(e->assoc, &event) > 0) {
        if (event.kind == DCHAN_EVENT_OPEN && !event.is_ours)
            strcpy(e->labels[event.stream], event.label);
        if (event.kind == DCHAN_EVENT_MESSAGE)
            keep(e, &event);
        has_moved = true;
    }
    return has_moved;
}

static void flow(mono_us by)
{
    for (mono_us end = w.now + by; w.now < end;) {
        w.now += MONO_MS(10);
        w.wall += 10;
        signal_handle_timeout(w.signal, w.now, w.wall);
        world_settle(&w);
        for (size_t i = 0; i < end_count; i++)
            while (pump(&ends[i]))
                world_settle(&w);
    }
}

static struct end *end_new(struct client *c, bool is_opener)
{
    static const char *const labels[] = {"_reliable", "_lossy", "_data_track"};
    struct end *e = &ends[end_count++];
    memset(e, 0, sizeof(*e));
    e->peer = world_newest(&w, THING_PEER);
    e->client = c;
    struct dchan_config config = {.is_dtls_client = true}; /* the server prefers to be passive */
    assert_int_equal(dchan_assoc_create(&config, &e->assoc), 0);
    assert_int_equal(dchan_assoc_start(e->assoc), 0);
    for (int i = 0; i < 3; i++) {
        e->streams[i] = UINT16_MAX;
        if (is_opener)
            assert_int_equal(dchan_assoc_open(e->assoc, labels[i], i == 0,
                                              i == 0 ? DCHAN_RETRANSMITS_FULL : 0, &e->streams[i]),
                             0);
    }
    return e;
}

static struct end *join(const char *identity, const char *room)
{
    struct client *c = client_new(&w, identity, room);
    assert_int_equal(client_join(c, true), 0);
    return end_new(c, true);
}

static void begin(void)
{
    world_init(&w, 1);
    w.on_sctp = on_sctp;
    end_count = 0;
}

static void finish(void)
{
    for (size_t i = 0; i < end_count; i++) {
        for (size_t k = 0; k < ends[i].packet_count; k++)
            livekit__data_packet__free_unpacked(ends[i].packets[k], NULL);
        dchan_assoc_destroy(ends[i].assoc);
    }
    end_count = 0;
    world_fini(&w);
}

static void send_packet(struct end *e, int channel, uint32_t sequence, const char *payload,
                        const char *to)
{
    Livekit__UserPacket user = LIVEKIT__USER_PACKET__INIT;
    Livekit__DataPacket m = LIVEKIT__DATA_PACKET__INIT;
    char *names[] = {(char *)(uintptr_t)to};
    user.payload.data = (uint8_t *)(uintptr_t)payload;
    user.payload.len = strlen(payload);
    m.kind = LIVEKIT__DATA_PACKET__KIND__LOSSY; /* as rust sends it, whatever the channel */
    m.participant_identity = (char *)"forged";
    m.sequence = sequence;
    m.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    m.user = &user;
    m.destination_identities = names;
    m.n_destination_identities = to != NULL ? 1 : 0;
    uint8_t data[512];
    size_t size = livekit__data_packet__pack(&m, data);
    assert_true(dchan_assoc_send(e->assoc, e->streams[channel], false, data, size) >= 0);
}

static bool has(const struct end *e, const char *payload)
{
    for (size_t i = 0; i < e->packet_count; i++) {
        const Livekit__UserPacket *user = e->packets[i]->user;
        if (user->payload.len == strlen(payload) &&
            memcmp(user->payload.data, payload, user->payload.len) == 0)
            return true;
    }
    return false;
}

static void packets_are_stamped_and_addressed(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1"), *b = join("bert", "r1"), *c = join("carl", "r1");
    flow(MONO_MS(500));
    send_packet(a, 0, 1, "all", NULL);
    send_packet(a, 0, 2, "bert only", "bert");
    send_packet(a, 1, 0, "lossy", NULL);
    flow(MONO_MS(300));
    assert_int_equal(a->packet_count, 0); /* never to the sender */
    assert_int_equal(b->packet_count, 3);
    assert_int_equal(c->packet_count, 2);
    assert_true(has(b, "bert only"));
    for (size_t i = 0; i < b->packet_count; i++) {
        assert_string_equal(b->packets[i]->participant_identity, "anna");
        assert_string_equal(b->packets[i]->participant_sid, a->client->sid);
    }
    assert_int_equal(c->packets[0]->kind, LIVEKIT__DATA_PACKET__KIND__RELIABLE);
    assert_int_equal(c->packets[1]->kind, LIVEKIT__DATA_PACKET__KIND__LOSSY);
    send_packet(a, 0, 2, "again", NULL); /* a number that was seen */
    flow(MONO_MS(300));
    assert_false(has(b, "again"));
    finish();
}

static void only_those_with_the_right_send(void **state)
{
    (void)state;
    begin();
    struct client *c = client_new(&w, "anna", "r1");
    c->claims.grants.can_publish_data = false;
    assert_int_equal(client_join(c, true), 0);
    struct end *a = end_new(c, true), *b = join("bert", "r1");
    flow(MONO_MS(500));
    send_packet(a, 0, 1, "no", NULL);
    flow(MONO_MS(300));
    assert_int_equal(b->packet_count, 0);
    finish();
}

static void packets_wait_for_an_opening_channel(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1");
    flow(MONO_MS(500));
    struct client *late = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(late, true), 0);
    send_packet(a, 0, 1, "early", NULL);
    flow(MONO_MS(1500));
    struct end *b = end_new(late, true);
    flow(MONO_MS(400));
    assert_true(has(b, "early"));
    struct client *later = client_new(&w, "carl", "r1");
    assert_int_equal(client_join(later, true), 0);
    send_packet(a, 0, 2, "old", NULL);
    flow(MONO_MS(2300));
    struct end *c = end_new(later, true);
    flow(MONO_MS(500));
    assert_false(has(c, "old"));
    finish();
}

static void what_a_cut_swallowed_is_sent_again(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1"), *b = join("bert", "r1");
    flow(MONO_MS(500));
    for (uint32_t i = 1; i <= 3; i++)
        send_packet(a, 0, i, i == 3 ? "three" : "x", NULL);
    flow(MONO_MS(200));
    assert_int_equal(b->packet_count, 3);
    Livekit__DataChannelReceiveState received = LIVEKIT__DATA_CHANNEL_RECEIVE_STATE__INIT;
    Livekit__DataChannelReceiveState *list[] = {&received};
    Livekit__SyncState sync = LIVEKIT__SYNC_STATE__INIT;
    received.publisher_sid = a->client->sid;
    received.last_seq = 2;
    sync.datachannel_receive_states = list;
    sync.n_datachannel_receive_states = 1;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(SYNC_STATE);
    request.sync_state = &sync;
    client_cut(b->client);
    assert_int_equal(client_resume(b->client), 0);
    client_send(b->client, &request);
    flow(MONO_MS(200));
    assert_int_equal(b->packet_count, 4);
    assert_int_equal(b->packets[3]->sequence, 3);
    client_cut(a->client);
    assert_int_equal(client_resume(a->client), 0);
    assert_int_equal(client_last(a->client, RESPONSE(RECONNECT))->reconnect->last_message_seq, 3);
    finish();
}

static void data_tracks_use_the_subscribers_handle(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1"), *b = join("bert", "r1");
    flow(MONO_MS(500));
    Livekit__PublishDataTrackRequest publish = LIVEKIT__PUBLISH_DATA_TRACK_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = REQUEST(PUBLISH_DATA_TRACK_REQUEST);
    request.publish_data_track_request = &publish;
    publish.pub_handle = 777;
    publish.name = (char *)"pens";
    client_send(a->client, &request);
    uint8_t packet[16] = {0x18, 0, 777 >> 8, 777 & 255, 0, 1, 0, 1, 0, 0, 0, 9, 'i', 'n', 'k', '!'};
    assert_true(dchan_assoc_send(a->assoc, a->streams[2], false, packet, sizeof(packet)) >= 0);
    flow(MONO_MS(200));
    assert_int_equal(b->track_packet_size, 0); /* not subscribed */
    Livekit__UpdateDataSubscription__Update update =
        LIVEKIT__UPDATE_DATA_SUBSCRIPTION__UPDATE__INIT;
    Livekit__UpdateDataSubscription__Update *updates[] = {&update};
    Livekit__UpdateDataSubscription body = LIVEKIT__UPDATE_DATA_SUBSCRIPTION__INIT;
    body.updates = updates;
    body.n_updates = 1;
    update.track_sid = client_sees(b->client, "anna")->data_tracks[0]->sid;
    update.subscribe = true;
    request.message_case = REQUEST(UPDATE_DATA_SUBSCRIPTION);
    request.update_data_subscription = &body;
    client_send(b->client, &request);
    uint32_t handle = client_last(b->client, RESPONSE(DATA_TRACK_SUBSCRIBER_HANDLES))
                          ->data_track_subscriber_handles->sub_handles[0]
                          ->key;
    assert_true(dchan_assoc_send(a->assoc, a->streams[2], false, packet, sizeof(packet)) >= 0);
    flow(MONO_MS(200));
    assert_int_equal(b->track_packet_size, sizeof(packet));
    assert_int_equal(get_u16be(b->track_packet + 2), handle);
    assert_memory_equal(b->track_packet + 4, packet + 4, 12);
    finish();
}

static void dual_connections_receive_on_our_channels(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1");
    struct client *c = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(c, false), 0);
    struct end *b = end_new(c, false);
    flow(MONO_MS(700));
    send_packet(a, 0, 1, "hello", NULL);
    flow(MONO_MS(300));
    assert_true(has(b, "hello"));
    finish();
}

/* SCTP's timers need few turns while nothing moves, and are there when something does. */
static void quiet_channels_let_it_sleep(void **state)
{
    (void)state;
    begin();
    struct end *a = join("anna", "r1"), *b = join("bert", "r1");
    flow(MONO_MS(500));
    send_packet(a, 0, 1, "before", NULL);
    flow(MONO_MS(100));
    assert_true(signal_next_timeout(w.signal) <= w.now + MONO_MS(DCHAN_TICK_MS));
    flow(MONO_S(5));
    assert_true(has(b, "before"));
    int turns = 0;
    for (mono_us end = w.now + MONO_S(10); w.now < end; turns++) {
        mono_us due = TK_MAX(signal_next_timeout(w.signal), w.now);
        w.wall += (due - w.now) / 1000;
        w.now = due;
        signal_handle_timeout(w.signal, w.now, w.wall);
        world_settle(&w);
    }
    assert_in_range(turns, 5, 20);
    send_packet(a, 0, 2, "after", NULL);
    flow(MONO_MS(300));
    assert_true(has(b, "after"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_stamped_and_addressed),
        cmocka_unit_test(only_those_with_the_right_send),
        cmocka_unit_test(packets_wait_for_an_opening_channel),
        cmocka_unit_test(what_a_cut_swallowed_is_sent_again),
        cmocka_unit_test(data_tracks_use_the_subscribers_handle),
        cmocka_unit_test(dual_connections_receive_on_our_channels),
        cmocka_unit_test(quiet_channels_let_it_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
