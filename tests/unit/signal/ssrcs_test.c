/*
 * Goal: however many subscriptions come and go on one connection in a long day, no SSRC is given
 * twice, for sound, picture or retransmission, and each is given back when its subscription ends:
 * so the sender's table (secure/srtp.h) never fills, and no nonce repeats.
 * Method: a viewer that leaves and takes two tracks a thousand times, on one connection and with
 * two; every command is noted.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS    1000
#define NOTES_MAX 8192

static struct world w;
static uint32_t used[NOTES_MAX], live; /* every SSRC that ever was */
static size_t used_count;

static void note(uint32_t ssrc)
{
    assert_true(used_count < NOTES_MAX);
    used[used_count++] = ssrc;
}

static void on_sub(const struct media_command *c)
{
    if (c->kind == MEDIA_SUB_REMOVE) {
        assert_int_not_equal(c->u.sub_remove.ssrc, 0);
        live--;
        return;
    }
    live++;
    assert_int_not_equal(c->u.sub_config.ssrc, 0);
    note(c->u.sub_config.ssrc);
    if (c->u.sub_config.rtx_ssrc != 0)
        note(c->u.sub_config.rtx_ssrc);
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void wish(struct client *c, char **sids, bool is_subscribe)
{
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__UpdateSubscription update = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    update.track_sids = sids;
    update.n_track_sids = 2;
    update.subscribe = is_subscribe;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &update;
    client_send(c, &request);
    world_advance(&w, MONO_MS(200));
    client_forget_frames(c);
}

static void comings_and_goings(bool is_v1)
{
    char sids[2][64], *list[] = {sids[0], sids[1]};
    world_init(&w, 1);
    w.on_sub = on_sub;
    used_count = live = 0;
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, is_v1), 0);
    client_publish(a, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 0);
    client_publish(a, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    world_advance(&w, MONO_MS(400));
    const Livekit__ParticipantInfo *info = client_sees(b, "anna");
    assert_int_equal(info->n_tracks, 2);
    for (size_t i = 0; i < 2; i++)
        strcpy(sids[i], info->tracks[i]->sid);
    assert_int_equal(live, 2);
    for (int round = 0; round < ROUNDS; round++) {
        wish(b, list, false);
        assert_int_equal(live, 0);
        wish(b, list, true);
        assert_int_equal(live, 2);
        client_forget_frames(a);
    }
    assert_int_equal(used_count, 3 * (ROUNDS + 1)); /* sound, picture and its RTX */
    qsort(used, used_count, sizeof(used[0]), compare);
    for (size_t i = 1; i < used_count; i++)
        assert_true(used[i] > used[i - 1]);
    client_leave(b);
    client_leave(a);
    world_fini(&w);
}

static void on_one_connection(void **state)
{
    (void)state;
    comings_and_goings(true);
}

static void on_a_connection_of_ours(void **state)
{
    (void)state;
    comings_and_goings(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_one_connection),
        cmocka_unit_test(on_a_connection_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
