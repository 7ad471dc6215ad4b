#include "unit/load/janus_kit.h"

#include "unit/cmocka_all.h"

#include "base/strbuf.h"
#include "net/sockaddr.h"
#include "secure/cert.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEARD_WITHIN MONO_S(2)

struct janus_run janus;
static int janus_fd; /* where Janus's media would be */
static char candidate[128];

static void open_janus(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(sa);
    const struct timeval patience = {.tv_usec = 20000};
    janus_fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(janus_fd >= 0);
    assert_int_equal(bind(janus_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(getsockname(janus_fd, (struct sockaddr *)&sa, &size), 0);
    setsockopt(janus_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    snprintf(candidate, sizeof(candidate), "candidate:1 1 udp 2130706431 127.0.0.1 %u typ host",
             ntohs(sa.sin_port));
}

int janus_set_up(void **state)
{
    (void)state;
    const struct load_shape shape = {
        .packet_size = 300, .frame_rate = 30, .frame_packets = 1, .keyframe_packets = 2};
    janus.options = load_options_default();
    janus.options.url = "ws://janus.example:8188";
    janus.options.publishers = JANUS_PUBLISHERS;
    janus.options.rooms = 2;
    janus.options.has_audio = false;
    janus.run = calloc(1, sizeof(*janus.run));
    assert_non_null(janus.run);
    janus.run->options = &janus.options;
    janus.run->target = &load__janus;
    janus.run->number = 7;
    janus.run->layer_count = RTP_LAYERS_MAX;
    janus.run->check_step = 1;
    janus.run->shared.calls.fd = janus.run->shared.media.fd = -1;
    rng_init_seeded(&janus.run->rng, 5);
    list_init(&janus.run->conns);
    list_init(&janus.run->wires);
    timers_init(&janus.run->timers);
    timers_init(&janus.run->frames);
    for (size_t i = 0; i < janus.run->layer_count; i++)
        assert_int_equal(load_clip_synthesise(&shape, &janus.run->video[i]), 0);
    assert_int_equal(load__io_init(&janus.run->io), 0);
    assert_int_equal(sec_cert_create(wall_now(), &janus.run->cert), 0);
    open_janus();
    return 0;
}

int janus_tear_down(void **state)
{
    (void)state;
    load__client_end(&janus.client);
    fake_wires_forget();
    close(janus_fd);
    for (size_t i = 0; i < janus.run->layer_count; i++)
        load_clip_fini(&janus.run->video[i]);
    sec_cert_destroy(janus.run->cert);
    load__io_fini(&janus.run->io);
    timers_fini(&janus.run->timers);
    timers_fini(&janus.run->frames);
    free(janus.run);
    return 0;
}

void janus_begin(bool publishes, bool subscribes, mono_us at)
{
    janus.client = (struct load_client){.run = janus.run,
                                        .room = 1,
                                        .number = JANUS_PUBLISHERS + 1,
                                        .publishes = publishes,
                                        .subscribes = subscribes};
    load__client_begin(&janus.client, at);
    assert_int_equal(janus.client.state, LOAD_JOINING);
}

json_int_t janus_room(void)
{
    return 7 * LOAD_ROOMS_MAX + 1;
}

static void say_at(struct load_wire *w, json_t *o, mono_us at)
{
    char *text = json_dumps(o, JSON_COMPACT);
    assert_non_null(text);
    w->config.on_message(w->config.user, (uint8_t *)text, strlen(text), at);
    free(text);
    json_decref(o);
}

void janus_say(struct load_wire *w, json_t *o)
{
    say_at(w, o, mono_now());
}

void janus_say_success(struct load_wire *w, json_int_t id)
{
    janus_say(w, json_pack("{s:s, s:{s:I}}", "janus", "success", "data", "id", id));
}

void janus_say_event(struct load_wire *w, json_t *data, json_t *jsep)
{
    json_t *o = json_pack("{s:s, s:{s:s, s:o}}", "janus", "event", "plugindata", "plugin",
                          "janus.plugin.videoroom", "data", data);
    assert_non_null(o);
    if (jsep != NULL)
        json_object_set_new(o, "jsep", jsep);
    janus_say(w, o);
}

void janus_say_error(struct load_wire *w, int code, mono_us at)
{
    say_at(w,
           json_pack("{s:s, s:{s:{s:i, s:s}}}", "janus", "event", "plugindata", "data",
                     "error_code", code, "error", "because"),
           at);
}

void janus_say_candidate(struct load_wire *w)
{
    janus_say(w, json_pack("{s:s, s:{s:s, s:i}}", "janus", "trickle", "candidate", "candidate",
                           candidate, "sdpMLineIndex", 0));
}

const json_t *janus_next(struct load_wire *w, const char *kind)
{
    assert_true(w->read_count < w->sent_count);
    const json_t *o = w->sent[w->read_count++];
    char transaction[16];
    snprintf(transaction, sizeof(transaction), "t%zu", w->read_count);
    assert_string_equal(json_string_value(json_object_get(o, "janus")), kind);
    assert_string_equal(json_string_value(json_object_get(o, "transaction")), transaction);
    return o;
}

void janus_no_more(const struct load_wire *w)
{
    assert_int_equal(w->read_count, w->sent_count);
}

json_int_t janus_number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name)); /* 0: is not there */
}

const char *janus_text(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    assert_non_null(text);
    return text;
}

const json_t *janus_next_request(struct load_wire *w, const char *request)
{
    const json_t *o = janus_next(w, "message"), *body = json_object_get(o, "body");
    assert_int_equal(janus_number(o, "session_id"), JANUS_SESSION);
    assert_int_equal(janus_number(o, "handle_id"), JANUS_HANDLE);
    assert_string_equal(janus_text(body, "request"), request);
    return body;
}

struct sdp_session *janus_description(const struct load_wire *w, const char *type)
{
    const json_t *jsep = json_object_get(w->sent[w->read_count - 1], "jsep");
    struct sdp_session *sdp;
    struct sdp_error error;
    const char *text = janus_text(jsep, "sdp");
    assert_string_equal(janus_text(jsep, "type"), type);
    assert_int_equal(sdp_parse(text, strlen(text), &sdp, &error), 0);
    return sdp;
}

void janus_open_handle(struct load_wire *w)
{
    assert_string_equal(w->config.url, janus.options.url);
    assert_string_equal(w->config.protocol, "janus-protocol");
    w->config.on_open(w->config.user, mono_now());
    assert_int_equal(janus_number(janus_next(w, "create"), "session_id"), 0);
    janus_say_success(w, JANUS_SESSION);
    const json_t *o = janus_next(w, "attach");
    assert_string_equal(janus_text(o, "plugin"), "janus.plugin.videoroom");
    assert_int_equal(janus_number(o, "session_id"), JANUS_SESSION);
    assert_int_equal(janus_number(o, "handle_id"), 0);
    janus_say_success(w, JANUS_HANDLE);
}

/* Takes the description over. */
static json_t *jsep_of(const char *type, struct sdp_session *sdp)
{
    struct strbuf text;
    strbuf_init(&text, SDP_TEXT_MAX);
    assert_int_equal(sdp_print(sdp, &text), 0);
    json_t *jsep = json_pack("{s:s, s:s}", "type", type, "sdp", strbuf_text(&text));
    assert_non_null(jsep);
    strbuf_fini(&text);
    sdp_destroy(sdp);
    return jsep;
}

/* Janus's side of the transport. */
static struct sdp_local janus_local(void)
{
    return (struct sdp_local){.ufrag = "janu",
                              .pwd = "0123456789abcdef01234567",
                              .fingerprint_sha256 = sec_cert_fingerprint(janus.run->cert),
                              .session_id = 1,
                              .version = 1};
}

json_t *janus_answer(const struct load_wire *w)
{
    struct sdp_session *offer = janus_description(w, "offer"), *answer;
    const struct sdp_answer_config config = {.local = janus_local(), .setup = SDP_SETUP_ACTIVE};
    assert_int_equal(sdp_build_answer(offer, &config, &answer, NULL), 0);
    sdp_destroy(offer);
    return jsep_of("answer", answer);
}

json_t *janus_offer(void)
{
    struct sdp_offer_section sections[2];
    struct sdp_session *offer;
    for (uint32_t i = 0; i < 2; i++)
        sections[i] = (struct sdp_offer_section){
            .kind = SDP_KIND_VIDEO,
            .mid = i == 0 ? "0" : "1",
            .dir = SDP_DIR_SENDONLY,
            .codec = RTP_CODEC_VP8,
            .send = {.stream_id = "janus", .track_id = "v", .ssrc = 100 + i, .rtx_ssrc = 200 + i}};
    const struct sdp_offer_config config = {
        .local = janus_local(), .sections = sections, .section_count = 2};
    assert_int_equal(sdp_build_offer(&config, &offer), 0);
    return jsep_of("offer", offer);
}

bool janus_is_heard(void)
{
    uint8_t packet[1500];
    for (mono_us until = mono_now() + HEARD_WITHIN; mono_now() < until;) {
        load__fire_timers(janus.run);
        if (recv(janus_fd, packet, sizeof(packet), 0) >= 20 && packet[0] == 0 && packet[1] == 1)
            return true;
    }
    return false;
}

struct load_conn *janus_conn(size_t index)
{
    LIST_FOR_EACH(it, &janus.run->conns)
    if (index-- == 0)
        return CONTAINER_OF(it, struct load_conn, in_run);
    return NULL;
}
