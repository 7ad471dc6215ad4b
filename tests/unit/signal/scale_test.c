/*
 * Goal: member k of 1,000 joins or leaves at a cost of O(N) in all: bytes to everybody together,
 * and questions to the media policy of a lesson.
 * Method: fake clients whose frames are counted, not read. The cost of one join and one leave at N
 * and at 2 N members: it may double, and must stay under a bound per member.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static struct world w;
static uint64_t question_count; /* asked of the policy */

/* ---- a lesson's policy: the lecture site sees all, the others see it and who is on stage ---- */

static bool is_lecture(const char *identity)
{
    return strcmp(identity, "lecture") == 0;
}

static bool may_publish(void *user, const char *room, const char *identity,
                        enum signal_source source)
{
    (void)user, (void)room, (void)identity, (void)source;
    question_count++;
    return true;
}

static int layer_for(void *user, const char *room, const char *viewer, const char *publisher,
                     enum signal_source source)
{
    (void)user, (void)room;
    question_count++;
    if (is_lecture(publisher))
        return 2;
    return is_lecture(viewer) && source == SIGNAL_SOURCE_CAMERA ? 0 : SFU_LAYER_NONE;
}

static bool is_visible(void *user, const char *room, const char *viewer, const char *publisher)
{
    (void)user, (void)room;
    question_count++;
    return is_lecture(viewer) || is_lecture(publisher);
}

/* Joining and leaving are events of the lesson, after each of which signalling looks again. */
static int on_join(void *user, const struct signal_grants *g)
{
    (void)user;
    signal_policy_changed(w.signal, g->room, g->identity, w.now);
    return 0;
}

static void on_presence(void *user, const char *room, const char *identity, bool is_present)
{
    (void)user;
    if (!is_present)
        signal_policy_changed(w.signal, room, identity, w.now);
}

static const struct signal_policy policy = {.can_publish = may_publish,
                                            .layer_for = layer_for,
                                            .is_visible = is_visible,
                                            .on_join = on_join,
                                            .on_presence = on_presence};

/* ---- costs ---- */

struct cost {
    uint64_t bytes, frames, questions;
};

static struct cost total(void)
{
    struct cost c = {.questions = question_count};
    for (size_t i = 0; i < WORLD_CASES_MAX; i++) {
        if (i == RESPONSE(PONG) || i == RESPONSE(PONG_RESP) || i == RESPONSE(REFRESH_TOKEN))
            continue; /* of time passing, not of the event */
        c.bytes += w.frame_bytes[i];
        c.frames += w.frame_counts[i];
    }
    return c;
}

static struct cost since(struct cost before)
{
    struct cost now = total();
    return (struct cost){now.bytes - before.bytes, now.frames - before.frames,
                         now.questions - before.questions};
}

static struct client *join(const char *room, const char *identity, bool has_camera)
{
    struct client *c = client_new(&w, identity, room);
    c->section_count--; /* no data channels */
    c->claims.grants.can_publish = true;
    c->claims.grants.can_subscribe = true;
    c->has_auto_subscribe = !is_lecture(identity); /* hundreds of sections are not the point here */
    assert_int_equal(client_join(c, true), 0);
    if (has_camera) {
        client_publish(c, "cam", true, LIVEKIT__TRACK_SOURCE__CAMERA, 3);
        client_publish(c, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    }
    return c;
}

static void grow_to(const char *room, size_t count, bool has_cameras)
{
    char identity[32];
    while (w.client_count < count) {
        snprintf(identity, sizeof(identity), "member-%zu", w.client_count);
        join(room, identity, has_cameras);
    }
    world_advance(&w, MONO_S(12)); /* everything that is batched is out */
}

/* The cost of one more member, who comes and goes. */
static void measure(const char *room, size_t count, bool has_cameras, struct cost *ret_join,
                    struct cost *ret_leave)
{
    grow_to(room, count, has_cameras);
    struct cost before = total();
    struct client *c = join(room, "one-more", has_cameras);
    world_advance(&w, MONO_S(6));
    *ret_join = since(before);
    before = total();
    client_leave(c);
    world_advance(&w, MONO_S(6));
    *ret_leave = since(before);
    token_claims_fini(&c->claims);
    w.client_count--;
    print_message(
        "%4zu members: join %llu bytes in %llu frames, %llu questions; leave %llu bytes in "
        "%llu frames, %llu questions\n",
        count, (unsigned long long)ret_join->bytes, (unsigned long long)ret_join->frames,
        (unsigned long long)ret_join->questions, (unsigned long long)ret_leave->bytes,
        (unsigned long long)ret_leave->frames, (unsigned long long)ret_leave->questions);
}

/* At most twice the cost for twice the members (and a little), and `limit` per member. */
static void must_be_linear(uint64_t small, uint64_t large, size_t count, uint64_t limit)
{
    assert_true(large <= small * 22 / 10 + 1000);
    assert_true(large <= limit * count);
}

static void start(bool has_policy)
{
    world_init(&w, 2);
    w.is_counting = true;
    if (has_policy)
        signal_set_policy(w.signal, &policy, NULL);
    join("room", "lecture", true);
}

static void viewers_of_a_lecture(void **state)
{
    (void)state;
    struct cost join_half, leave_half, join_all, leave_all;
    start(false);
    measure("room", 500, false, &join_half, &leave_half);
    measure("room", 1000, false, &join_all, &leave_all);
    must_be_linear(join_half.bytes, join_all.bytes, 1000, 600);
    must_be_linear(leave_half.bytes, leave_all.bytes, 1000, 400);
    must_be_linear(join_half.frames, join_all.frames, 1000, 4);
    must_be_linear(leave_half.frames, leave_all.frames, 1000, 4);
    world_fini(&w);
}

static void sites_of_a_lesson(void **state)
{
    (void)state;
    struct cost join_half, leave_half, join_all, leave_all;
    start(true);
    measure("room", 100, true, &join_half, &leave_half);
    measure("room", 200, true, &join_all, &leave_all);
    must_be_linear(join_half.bytes, join_all.bytes, 200, 600);
    must_be_linear(leave_half.bytes, leave_all.bytes, 200, 400);
    must_be_linear(join_half.questions, join_all.questions, 200, 60);
    must_be_linear(leave_half.questions, leave_all.questions, 200, 60);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(viewers_of_a_lecture),
        cmocka_unit_test(sites_of_a_lesson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
