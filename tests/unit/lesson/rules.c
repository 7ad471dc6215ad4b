/*
 * Goal: who may give which command, and what each site publishes and receives, is as
 * docs/lesson-log.md says. Method: tables over a lesson with one lecture site, three remote sites
 * (one on stage, one with the floor only, one with neither) and an observer.
 */
#include "unit/cmocka_all.h"

#include "lesson/json.h"
#include "lesson/policy.h"

#include <stdio.h>
#include <string.h>

static void apply(struct lesson_state *s, enum lesson_event_type type, const char *site,
                  enum lesson_role role)
{
    struct lesson_event e = {.seq = s->seq + 1, .type = type, .role = role};
    snprintf(e.site, sizeof(e.site), "%s", site);
    assert_int_equal(lesson_state_apply(s, &e), 1);
}

static int setup(void **state)
{
    static struct lesson_state s;
    lesson_state_init(&s, 1);
    apply(&s, LESSON_EVENT_LESSON_OPENED, "", LESSON_ROLE_NONE);
    apply(&s, LESSON_EVENT_SITE_JOINED, "center", LESSON_ROLE_LECTURE);
    apply(&s, LESSON_EVENT_SITE_JOINED, "up", LESSON_ROLE_REMOTE);
    apply(&s, LESSON_EVENT_SITE_JOINED, "voice", LESSON_ROLE_REMOTE);
    apply(&s, LESSON_EVENT_SITE_JOINED, "quiet", LESSON_ROLE_REMOTE);
    apply(&s, LESSON_EVENT_SITE_JOINED, "watcher", LESSON_ROLE_OBSERVER);
    apply(&s, LESSON_EVENT_STAGE_ADDED, "up", LESSON_ROLE_NONE);
    apply(&s, LESSON_EVENT_FLOOR_GIVEN, "voice", LESSON_ROLE_NONE);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    lesson_state_fini(*state);
    return 0;
}

/* The outcome of a command: an event name, "-" for no change, or a refusal code. */
static const char *outcome(const struct lesson_state *s, const char *sender, const char *cmd,
                           const char *site)
{
    struct lesson_command c = {.type = lesson_command_of(cmd), .text = "hello"};
    struct lesson_event e;
    struct lesson_refusal refusal = {"", ""};
    snprintf(c.site, sizeof(c.site), "%s", site);
    const struct lesson_site *who = lesson_state_site(s, sender);
    int result = lesson_command_decide(s, sender, who->role, &c, &e, &refusal);
    if (result == 1)
        return lesson_event_type_name(e.type);
    return result == 0 ? "-" : refusal.code;
}

static void test_commands(void **state)
{
    static const struct {
        const char *sender, *cmd, *site, *expected;
    } rows[] = {
        {"quiet", "raise_hand", "", "hand_raised"},
        {"center", "raise_hand", "", "not_allowed"},
        {"watcher", "raise_hand", "", "not_allowed"},
        {"quiet", "raise_hand", "up", "not_allowed"},
        {"quiet", "lower_hand", "", "-"},
        {"center", "lower_hand", "quiet", "-"},
        {"center", "call_on_stage", "quiet", "stage_added"},
        {"center", "call_on_stage", "up", "-"},
        {"center", "call_on_stage", "ghost", "unknown_site"},
        {"center", "call_on_stage", "watcher", "unknown_site"},
        {"quiet", "call_on_stage", "quiet", "not_allowed"},
        {"center", "put_down", "up", "stage_removed"},
        {"up", "put_down", "", "stage_removed"},
        {"voice", "put_down", "up", "not_allowed"},
        {"center", "give_floor", "quiet", "floor_given"},
        {"center", "give_floor", "voice", "-"},
        {"quiet", "give_floor", "", "not_allowed"},
        {"voice", "take_floor", "", "floor_taken"},
        {"center", "take_floor", "voice", "floor_taken"},
        {"center", "mute_all", "", "all_muted"},
        {"quiet", "mute_all", "", "not_allowed"},
        {"quiet", "chat", "", "chat"},
        {"watcher", "chat", "", "not_allowed"},
        {"center", "end_lesson", "", "lesson_ended"},
        {"up", "end_lesson", "", "not_allowed"},
        {"up", "dance", "", "unknown_command"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        assert_string_equal(outcome(*state, rows[i].sender, rows[i].cmd, rows[i].site),
                            rows[i].expected);
}

static void test_full_stage(void **state)
{
    struct lesson_state *s = *state;
    char name[16];
    for (int i = 0; s->stage_count < LESSON_STAGE_MAX; i++) {
        snprintf(name, sizeof(name), "more-%d", i);
        apply(s, LESSON_EVENT_SITE_JOINED, name, LESSON_ROLE_REMOTE);
        apply(s, LESSON_EVENT_STAGE_ADDED, name, LESSON_ROLE_NONE);
    }
    assert_string_equal(outcome(s, "center", "call_on_stage", "quiet"), "stage_full");
    assert_string_equal(outcome(s, "center", "give_floor", "quiet"), "floor_given");
    apply(s, LESSON_EVENT_FLOOR_GIVEN, "quiet", LESSON_ROLE_NONE);
    apply(s, LESSON_EVENT_SITE_JOINED, "last", LESSON_ROLE_REMOTE);
    assert_string_equal(outcome(s, "center", "give_floor", "last"), "floor_full");
}

static void test_after_the_end(void **state)
{
    struct lesson_state *s = *state;
    apply(s, LESSON_EVENT_LESSON_ENDED, "", LESSON_ROLE_NONE);
    assert_string_equal(outcome(s, "quiet", "raise_hand", ""), "lesson_ended");
    assert_int_equal(lesson_policy_layer_for(s, "up", "center", LESSON_SOURCE_CAMERA),
                     LESSON_LAYER_NONE);
    assert_false(lesson_policy_can_publish(s, "center", LESSON_SOURCE_CAMERA));
}

static void test_who_gets_what(void **state)
{
    enum { NONE = LESSON_LAYER_NONE, LOW = LESSON_LAYER_LOW, FULL = LESSON_LAYER_FULL };
    static const struct {
        const char *viewer, *publisher;
        int camera, microphone, screen;
    } rows[] = {
        {"quiet", "center", FULL, LOW, FULL},   {"quiet", "up", FULL, LOW, NONE},
        {"quiet", "voice", NONE, LOW, NONE},    {"voice", "quiet", NONE, NONE, NONE},
        {"center", "quiet", LOW, NONE, NONE},   {"center", "up", FULL, LOW, NONE},
        {"center", "voice", LOW, LOW, NONE},    {"watcher", "center", FULL, LOW, FULL},
        {"watcher", "quiet", LOW, NONE, NONE},  {"watcher", "up", FULL, LOW, NONE},
        {"quiet", "watcher", NONE, NONE, NONE}, {"up", "up", NONE, NONE, NONE},
        {"ghost", "center", NONE, NONE, NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *v = rows[i].viewer, *p = rows[i].publisher;
        assert_int_equal(lesson_policy_layer_for(*state, v, p, LESSON_SOURCE_CAMERA),
                         rows[i].camera);
        assert_int_equal(lesson_policy_layer_for(*state, v, p, LESSON_SOURCE_MICROPHONE),
                         rows[i].microphone);
        assert_int_equal(lesson_policy_layer_for(*state, v, p, LESSON_SOURCE_SCREEN),
                         rows[i].screen);
    }
}

static void test_who_publishes_what(void **state)
{
    static const struct {
        const char *site;
        int camera, microphone, screen;
    } rows[] = {{"center", 1, 1, 1}, {"quiet", 1, 1, 0}, {"watcher", 0, 0, 0}, {"ghost", 0, 0, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *p = rows[i].site;
        assert_int_equal(lesson_policy_can_publish(*state, p, LESSON_SOURCE_CAMERA),
                         rows[i].camera);
        assert_int_equal(lesson_policy_can_publish(*state, p, LESSON_SOURCE_MICROPHONE),
                         rows[i].microphone);
        assert_int_equal(lesson_policy_can_publish(*state, p, LESSON_SOURCE_SCREEN),
                         rows[i].screen);
    }
    assert_false(lesson_policy_is_visible(*state, "quiet", "watcher"));
    assert_false(lesson_policy_is_visible(*state, "center", "watcher"));
    assert_true(lesson_policy_is_visible(*state, "watcher", "watcher"));
    assert_true(lesson_policy_is_visible(*state, "watcher", "quiet"));
    assert_true(lesson_policy_is_visible(*state, "center", "quiet"));
    assert_true(lesson_policy_is_visible(*state, "quiet", "center"));
    assert_true(lesson_policy_is_visible(*state, "quiet", "up"));
    assert_true(lesson_policy_is_visible(*state, "quiet", "voice"));
    assert_false(lesson_policy_is_visible(*state, "voice", "quiet"));
}

static void test_command_parsing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *cmd_id;
    } rows[] = {
        {"{\"cmd\":\"raise_hand\",\"cmd_id\":\"a\"}", 0, "a"},
        {"{\"cmd\":\"raise_hand\"}", -1, ""},
        {"{\"cmd_id\":\"b\"}", -1, "b"},
        {"{\"cmd\":7,\"cmd_id\":\"c\"}", -1, "c"},
        {"{\"cmd\":\"x\",\"cmd_id\":\"d\",\"site\":[]}", -1, "d"},
        {"[]", -1, ""},
        {"{", -1, ""},
        {"", -1, ""},
        {"{\"cmd\":\"dance\",\"cmd_id\":\"e\"}", 0, "e"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct lesson_command c;
        struct lesson_refusal refusal = {NULL, NULL};
        int err = lesson_command_parse(rows[i].text, strlen(rows[i].text), &c, &refusal);
        assert_int_equal(err < 0, rows[i].err < 0);
        assert_string_equal(c.cmd_id, rows[i].cmd_id);
        if (err < 0)
            assert_string_equal(refusal.code, "malformed");
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_commands),      TEST(test_full_stage),         TEST(test_after_the_end),
        TEST(test_who_gets_what), TEST(test_who_publishes_what), TEST(test_command_parsing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
