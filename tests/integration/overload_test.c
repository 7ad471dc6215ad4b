/*
 * Goal: what a server refuses at each level and what it does not: new rooms and then new
 * participants get 503 and a reason, who was there stays and may come back, no packet of the
 * running lesson is missing, and afterwards everyone is taken again. /metrics shows all of it in
 * Prometheus' format. Method: one worker with a small limit of packets per second, so that each
 * level is reached exactly; a second room sends as much as each step needs; everything is looked up
 * in /metrics. What a real load does to delays is crowd_test.c's.
 */
#include "exposition.h"
#include "integration/site.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CAPACITY 1500 /* packets in and out per second */

static struct it_world world;
static char text[1 << 18], before[1 << 18];

static int clean(void **state)
{
    (void)state;
    return it_world_clean(&world);
}

static void scrape(char *ret_text)
{
    assert_int_equal(it_http(&world.server, "GET", "/metrics", NULL, NULL, ret_text, sizeof(text)),
                     200);
    assert_true(exposition_check(ret_text) > 80);
}

static double grown(const char *key)
{
    return exposition_value(text, key) - exposition_value(before, key);
}

/* ---- the flood: packets of one site to one other, in a room of their own ---- */

struct flood {
    struct it_site *source;
    double per_s; /* packets sent; each is received once and sent once by the server */
    mono_us from;
    uint64_t sent;
    double wanted_level, wanted_load;
};

static void pour(struct flood *f)
{
    static const uint8_t payload[100];
    struct client_frame frame = {.data = payload, .size = sizeof(payload), .level_dbov = 127};
    frame.captured = mono_now();
    uint64_t due = (uint64_t)((double)(frame.captured - f->from) / 1e6 * f->per_s);
    for (; f->sent < due; f->sent++)
        assert_int_equal(client_send_frame(f->source->client, f->source->microphone, &frame), 0);
}

static void set_flood(struct flood *f, double per_s)
{
    f->per_s = per_s;
    f->from = mono_now();
    f->sent = 0;
}

/* Condition of it_run(): pours on until the server says what is waited for; asked twice a second.
 */
static bool is_at_level(void *user)
{
    struct flood *f = user;
    static mono_us asked_at;
    pour(f);
    if (mono_now() - asked_at < MONO_MS(500))
        return false;
    asked_at = mono_now();
    scrape(text);
    return exposition_value(text, "tongke_admission_level") == f->wanted_level &&
           exposition_value(text, "tongke_worker_load_ratio{worker=\"0\"}") >= f->wanted_load;
}

static void must_reach(struct flood *f, double level, double load)
{
    f->wanted_level = level;
    f->wanted_load = load;
    if (!it_run(&world, is_at_level, f, MONO_S(40)))
        fail_msg("level %g, load %g instead of %g, %g",
                 exposition_value(text, "tongke_admission_level"),
                 exposition_value(text, "tongke_worker_load_ratio{worker=\"0\"}"), level, load);
}

static bool pours_on(void *user)
{
    pour(user);
    return false;
}

/* ---- what the server answers ---- */

static int validate(const char *room, const char *identity, const char *role)
{
    char body[256];
    int status = it_http(&world.server, "GET", "/rtc/validate?auto_subscribe=1&protocol=17",
                         it_token(room, identity, role), NULL, body, sizeof(body));
    if (status == 503)
        assert_non_null(strstr(body, "server is full"));
    return status;
}

static int create_lesson(const char *id)
{
    char request[128], body[512];
    snprintf(request, sizeof(request), "{\"id\":\"%s\",\"title\":\"t\"}", id);
    int status = it_http(&world.server, "POST", "/api/v1/lessons", it_admin_token(), request, body,
                         sizeof(body));
    if (status == 503)
        assert_non_null(strstr(body, "\"server_full\""));
    return status;
}

static int create_room(const char *name)
{
    char request[128], body[1024];
    snprintf(request, sizeof(request), "{\"name\":\"%s\"}", name);
    int status = it_http(&world.server, "POST", "/twirp/livekit.RoomService/CreateRoom",
                         it_admin_token(), request, body, sizeof(body));
    if (status == 503)
        assert_non_null(strstr(body, "server is full"));
    return status;
}

static void must_be_active(struct it_site *s)
{
    if (!it_run(&world, it_is_active, s, MONO_S(30)))
        fail_msg("%s did not come in", s->identity);
}

static bool hears_much(void *user)
{
    return ((struct it_site *)user)->audio_in > 100;
}

/* ---- the tests ---- */

static void send_garbage(const char *first, int count)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(world.server.udp_port)};
    char packet[40] = {0};
    memcpy(packet, first, 2);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; i++)
        assert_int_equal(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)),
                         sizeof(packet));
    close(fd);
}

static void test_metrics_of_a_lesson(void **state)
{
    (void)state;
    it_world_start_with(&world, "", 2);
    struct it_site *teacher = it_site_join(&world, "plain", "teacher", NULL, NULL);
    struct it_site *pupil = it_site_join(&world, "plain", "pupil", NULL, NULL);
    it_site_camera(teacher, 2);
    it_site_microphone(teacher);
    must_be_active(pupil);
    assert_true(it_run(&world, hears_much, pupil, MONO_S(30)));
    scrape(before);
    assert_true(exposition_value(before, "tongke_rooms") == 1);
    assert_true(exposition_value(before, "tongke_participants") == 2);
    assert_true(exposition_value(before, "tongke_tracks") == 2);
    assert_true(exposition_value(before, "tongke_subscriptions") == 2);
    assert_true(exposition_value(before, "tongke_websockets") == 2);
    assert_true(exposition_sum(before, "tongke_keyframe_requests_total", "") >= 1);

    uint64_t heard = pupil->rtp_in;
    send_garbage("\xff\xff", 5);
    send_garbage("\x80\x60", 7);
    send_garbage("\x00\x01", 9);
    it_pass(&world, MONO_S(2));
    heard = pupil->rtp_in - heard;
    scrape(text);
    assert_true(grown("tongke_drops_total{worker=\"0\",reason=\"malformed\"}") == 5);
    assert_true(grown("tongke_drops_total{worker=\"0\",reason=\"unknown_address\"}") == 7);
    assert_true(grown("tongke_drops_total{worker=\"0\",reason=\"stun\"}") == 9);
    assert_true(grown("tongke_drops_total{worker=\"1\",reason=\"malformed\"}") == 0);
    static const char *const growing[] = {"tongke_packets_total",
                                          "tongke_bytes_total",
                                          "tongke_worker_turns_total",
                                          "tongke_udp_calls_total",
                                          "tongke_worker_cpu_seconds_total",
                                          "tongke_worker_busy_seconds_total"};
    for (size_t i = 0; i < sizeof(growing) / sizeof(growing[0]); i++)
        assert_true(exposition_sum(text, growing[i], "") > exposition_sum(before, growing[i], ""));
    /* Every packet that the pupil got is in the histogram, and hardly more. */
    double delayed = exposition_sum(text, "tongke_delay_seconds_count", "") -
                     exposition_sum(before, "tongke_delay_seconds_count", "");
    assert_true(heard > 80);
    assert_in_range((uint64_t)delayed, heard * 9 / 10 - 20, heard * 11 / 10 + 20);
    it_world_stop(&world);
}

static void start_lesson(struct it_site **ret_teacher, struct it_site **ret_class)
{
    char keys[128];
    snprintf(keys, sizeof(keys), "limits: {worker_packets_per_s: %d}\n", CAPACITY);
    it_world_start_with(&world, keys, 1);
    assert_int_equal(create_lesson("running"), 201);
    *ret_teacher = it_site_join(&world, "running", "teacher", "lecture", NULL);
    *ret_class = it_site_join(&world, "running", "class", "remote", NULL);
    it_site_camera(*ret_teacher, 1);
    it_site_microphone(*ret_teacher);
    must_be_active(*ret_teacher);
    must_be_active(*ret_class);
    assert_true(it_run(&world, hears_much, *ret_class, MONO_S(30)));
}

static void start_flood(struct flood *f)
{
    struct it_site *sink = it_site_join(&world, "flood", "sink", NULL, NULL);
    f->source = it_site_join(&world, "flood", "source", NULL, NULL);
    it_site_microphone(f->source);
    must_be_active(sink);
    assert_true(it_run(&world, hears_much, sink, MONO_S(30)));
    f->source->has_microphone = false; /* from now on the flood sends */
}

/* Packets per second that the flood has to send for this load in percent. */
static double flood_for(double percent)
{
    scrape(before);
    it_pass(&world, MONO_S(3));
    scrape(text);
    double base = (exposition_sum(text, "tongke_packets_total", "") -
                   exposition_sum(before, "tongke_packets_total", "")) /
                  3;
    assert_true(base < CAPACITY * 0.5);
    return (CAPACITY * percent / 100 - base) / 2;
}

static bool has_resumed(void *user)
{
    struct flood *f = user;
    pour(f);
    return world.sites[1].resumed > 0;
}

/* The lesson's packets: none lost on the way to the class, and delays within 100 ms. */
static void must_be_whole(struct it_site *class, const struct it_site *teacher)
{
    for (int kind = RTP_KIND_AUDIO; kind <= RTP_KIND_VIDEO; kind++) {
        struct client_remote *r = it_remote(class, teacher, (enum rtp_kind)kind);
        assert_non_null(r);
        assert_true(r->packets > 100);
        assert_int_equal(r->lost, 0);
    }
    double all = grown("tongke_delay_seconds_count{worker=\"0\"}");
    double soon = grown("tongke_delay_seconds_bucket{worker=\"0\",le=\"0.1\"}");
    print_message("of %.0f packets %.0f left within 100 ms, %.0f within 5 ms\n", all, soon,
                  grown("tongke_delay_seconds_bucket{worker=\"0\",le=\"0.005\"}"));
    assert_true(soon >= all * 0.99);
    assert_true(exposition_sum(text, "tongke_drops_total", "") -
                    exposition_sum(before, "tongke_drops_total", "") ==
                0);
}

static void test_levels(void **state)
{
    (void)state;
    struct it_site *teacher, *class;
    struct flood f = {0};
    start_lesson(&teacher, &class);
    start_flood(&f);
    assert_int_equal(validate("new-room", "new", NULL), 200);

    /* First no new rooms, while the rooms that are there take newcomers. */
    set_flood(&f, flood_for(78));
    must_reach(&f, 1, 0.7);
    assert_int_equal(validate("new-room", "new", NULL), 503);
    assert_int_equal(create_room("new-room"), 503);
    assert_int_equal(create_lesson("new-lesson"), 503);
    assert_int_equal(validate("running", "late", "remote"), 200);
    assert_int_equal(create_room("flood"), 200); /* it is there already */

    /* Three times what is allowed: nobody new, but whoever was in it comes back. */
    scrape(before);
    set_flood(&f, CAPACITY * 3.4 / 2);
    must_reach(&f, 2, 3.0);
    assert_int_equal(validate("new-room", "new", NULL), 503);
    assert_int_equal(validate("running", "later", "remote"), 503);
    assert_int_equal(validate("running", "class", "remote"), 200);
    assert_ptr_equal(class, &world.sites[1]);
    client_cut_signalling(class->client);
    assert_true(it_run(&world, has_resumed, &f, MONO_S(20)));
    IGNORE(it_run(&world, pours_on, &f, MONO_S(5))); /* always to the end */
    scrape(text);
    must_be_whole(class, teacher);
    assert_true(grown("tongke_admission_refused_total{what=\"room\"}") >= 1);
    assert_true(grown("tongke_admission_refused_total{what=\"participant\"}") >= 1);

    /* It is over: everyone is taken again. */
    set_flood(&f, 0);
    must_reach(&f, 0, 0);
    assert_int_equal(create_room("new-room"), 200);
    assert_int_equal(create_lesson("new-lesson"), 201);
    must_be_active(it_site_join(&world, "running", "later", "remote", NULL));
    it_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_metrics_of_a_lesson, clean),
        cmocka_unit_test_teardown(test_levels, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
