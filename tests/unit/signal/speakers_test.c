/*
 * Goal: who begins or ceases to speak is told at once; a voice that wavers by one step of eight is
 * not told; of several speakers the louder is always the one that was told louder; and when nobody
 * speaks, nobody is looked at.
 * Method: fake clients, audio windows as the workers report them, virtual time.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

/* Levels in -dBov and the step that they settle at. */
#define STEP_4 7
#define STEP_5 5
#define STEP_6 3

static struct world w;
static struct client *anna, *bert, *viewer;
static uint32_t anna_track, bert_track;

static struct client *join(const char *identity)
{
    struct client *c = client_new(&w, identity, "r1");
    c->section_count--; /* no data channels: their timers are another matter */
    assert_int_equal(client_join(c, true), 0);
    return c;
}

static void start(void)
{
    world_init(&w, 1);
    anna = join("anna");
    bert = join("bert");
    viewer = join("viewer");
    client_publish(anna, "a", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    anna_track = world_newest(&w, THING_TRACK);
    client_publish(bert, "b", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    bert_track = world_newest(&w, THING_TRACK);
    assert_int_not_equal(anna_track, bert_track);
    world_advance(&w, MONO_S(10));
    client_forget_frames(viewer);
}

static void window(uint32_t track, uint8_t level, uint8_t percent)
{
    world_sfu_event(&w, 0,
                    (struct sfu_event){.kind = SFU_EVENT_AUDIO_WINDOW,
                                       .track = track,
                                       .level_dbov = level,
                                       .active_percent = percent});
}

static void speak(uint32_t track, uint8_t level, int windows)
{
    for (int i = 0; i < windows; i++) {
        window(track, level, 90);
        world_advance(&w, MONO_MS(400));
    }
}

static size_t told(void)
{
    return client_count(viewer, RESPONSE(SPEAKERS_CHANGED));
}

/* As clients keep it: the newest level of each; -1 if never told. */
static float level_of(const struct client *c)
{
    float level = -1;
    for (size_t i = 0; i < viewer->frame_count; i++) {
        const Livekit__SpeakersChanged *s = viewer->frames[i]->speakers_changed;
        if (viewer->frames[i]->message_case != RESPONSE(SPEAKERS_CHANGED))
            continue;
        for (size_t k = 0; k < s->n_speakers; k++)
            if (strcmp(s->speakers[k]->sid, c->sid) == 0)
                level = s->speakers[k]->level;
    }
    return level;
}

static void a_start_is_told_at_once_and_the_end_when_it_fades(void **state)
{
    (void)state;
    start();
    assert_true(signal_next_timeout(w.signal) > w.now + MONO_S(2));
    window(anna_track, STEP_5, 90);
    assert_true(signal_next_timeout(w.signal) <= w.now);
    signal_handle_timeout(w.signal, w.now, w.wall);
    world_settle(&w);
    assert_int_equal(told(), 1);
    assert_true(level_of(anna) > 0);
    assert_true(signal_next_timeout(w.signal) <= w.now + MONO_MS(400));
    world_advance(&w, MONO_S(5));
    assert_true(level_of(anna) == 0);
    size_t count = told();
    assert_true(signal_next_timeout(w.signal) > w.now + MONO_S(2));
    window(anna_track, 60, 10); /* noise */
    assert_true(signal_next_timeout(w.signal) > w.now + MONO_S(2));
    world_advance(&w, MONO_S(2));
    assert_int_equal(told(), count);
    world_fini(&w);
}

static void a_voice_may_waver(void **state)
{
    (void)state;
    start();
    speak(anna_track, STEP_4, 8);
    assert_true(level_of(anna) == 4.0f / 8);
    client_forget_frames(viewer);
    for (int i = 0; i < 4; i++) {
        speak(anna_track, STEP_5, 6);
        speak(anna_track, STEP_4, 6);
    }
    assert_int_equal(told(), 0);
    speak(anna_track, STEP_6, 6);
    assert_int_equal(told(), 1);
    assert_true(level_of(anna) == 6.0f / 8);
    world_fini(&w);
}

/* Both move by one step only, but past each other. */
static void the_louder_is_told_louder(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 8; i++) {
        window(bert_track, STEP_5, 90);
        speak(anna_track, STEP_4, 1);
    }
    assert_true(level_of(bert) > level_of(anna));
    client_forget_frames(viewer);
    for (int i = 0; i < 4; i++) {
        window(bert_track, STEP_4, 90);
        speak(anna_track, STEP_5, 1);
    }
    assert_int_equal(told(), 1);
    assert_true(level_of(anna) == 5.0f / 8);
    assert_true(level_of(bert) == 4.0f / 8);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_is_told_at_once_and_the_end_when_it_fades),
        cmocka_unit_test(a_voice_may_waver),
        cmocka_unit_test(the_louder_is_told_louder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
