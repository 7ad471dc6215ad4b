/* fuzz: signal base */
/*
 * Two joined sessions in one room: the input is a list of steps, each an operation byte, a size of
 * two bytes and that many bytes: frames from either session, time, events of the workers, a cut
 * line. At the end everything must come apart cleanly. Data packets are skimmed by the way.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/pkt.h"
#include "signal/data_packet.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(signal);

#define STEPS_MAX 64
#define WALL      1700000000000

struct run {
    struct signal *signal;
    struct signal_config config;
    struct rng rng;
    struct signal_session *sessions[2];
    mono_us now;
    sfu_peer_id peers[64];
    sfu_track_id track;
    sfu_sub_id sub;
};

static void drain(struct run *r)
{
    struct media_command c;
    while (signal_poll_command(r->signal, &c) > 0) {
        r->peers[c.peer % 64] = c.peer;
        r->track = c.track != 0 ? c.track : r->track;
        r->sub = c.sub != 0 ? c.sub : r->sub;
        if (c.kind == MEDIA_PEER_SCTP)
            pkt_unref(c.u.sctp);
    }
    const void *data;
    size_t size;
    bool is_text;
    int code;
    for (struct signal_session *s; (s = signal_poll_writable(r->signal)) != NULL;) {
        int n;
        while ((n = signal_session_poll_frame(s, &data, &size, &is_text, &code)) > 0)
            ;
        for (int i = 0; i < 2 && n < 0; i++)
            if (r->sessions[i] == s)
                r->sessions[i] = NULL;
    }
}

static void join(struct run *r, int index)
{
    struct token_claims claims;
    token_claims_init(&claims);
    snprintf(claims.grants.key, sizeof(claims.grants.key), "k");
    snprintf(claims.grants.room, sizeof(claims.grants.room), "r");
    snprintf(claims.grants.identity, SIGNAL_TEXT_MAX, "p%d", index);
    claims.grants.room_join = true;
    claims.can_update_own_metadata = true;
    char *token = NULL;
    if (token_sign(r->config.keys, 1, &claims, 600, WALL, &token) < 0)
        abort();
    char query[2048];
    snprintf(query, sizeof(query), "access_token=%s%s", token,
             index == 0 ? "&join_request=EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARAB"
                        : "&auto_subscribe=1&protocol=17");
    struct signal_join_request request = {.is_v1 = index == 0, .query = query};
    struct signal_reply reply;
    if (signal_session_open(r->signal, &request, r->now, WALL, &r->sessions[index], &reply) < 0)
        abort();
    free(token);
    token_claims_fini(&claims);
    drain(r);
}

static void event(struct run *r, const uint8_t *data, size_t size)
{
    struct rd in = rd_init(data, size);
    struct media_event e = {.kind = rd_u8(&in) % MEDIA_EVENT_KIND_COUNT_, .worker = rd_u8(&in) & 1};
    e.peer = r->peers[rd_u8(&in) % 64];
    e.err = -(int)rd_u16be(&in);
    e.sfu.kind = rd_u8(&in) % SFU_EVENT_KIND_COUNT_;
    e.sfu.peer = e.peer;
    e.sfu.track = r->track;
    e.sfu.sub = r->sub;
    e.sfu.layer = (int8_t)(rd_u8(&in) % 4 - 1);
    e.sfu.is_paused = rd_u8(&in) & 1;
    e.sfu.codec = rd_u8(&in) % RTP_CODEC_COUNT_;
    e.sfu.level_dbov = rd_u8(&in) & 127;
    e.sfu.active_percent = rd_u8(&in) % 101;
    e.sfu.up_loss_percent = rd_u8(&in) % 101;
    if (e.kind != MEDIA_EVENT_PEER_SCTP)
        signal_handle_event(r->signal, &e, r->now, WALL);
}

static void step(struct run *r, uint8_t op, const uint8_t *data, size_t size)
{
    struct data_packet packet;
    struct signal_session *session = r->sessions[op & 1];
    switch (op >> 1 & 7) {
    case 0:
    case 1:
    case 2:
        if (session != NULL)
            signal_session_receive(session, data, size, (op >> 1 & 7) == 2, r->now, WALL);
        break;
    case 3:
        r->now += MONO_MS(op);
        signal_handle_timeout(r->signal, r->now, WALL);
        break;
    case 4:
        event(r, data, size);
        break;
    case 5:
        if (session != NULL)
            signal_session_closed(session, r->now);
        r->sessions[op & 1] = NULL;
        break;
    case 6:
        if (session == NULL)
            join(r, op & 1);
        break;
    default:
        if (data_packet_read(data, size, &packet) == 0) {
            uint8_t *out = malloc(size + DATA_STAMP_MAX);
            if (out == NULL ||
                data_packet_stamp(&packet, true, "id", "PA_x", out) > size + DATA_STAMP_MAX)
                abort();
            free(out);
        }
        break;
    }
    drain(r);
}

static void begin(struct run *r, struct pkt_pool *pool)
{
    memset(r, 0, sizeof(*r));
    rng_init_seeded(&r->rng, 1);
    r->now = MONO_S(1);
    r->config = (struct signal_config){.key_count = 1,
                                       .worker_count = 2,
                                       .is_auto_create = true,
                                       .room_count_max = 4,
                                       .empty_timeout = MONO_S(300),
                                       .departure_timeout = MONO_S(20),
                                       .resume_timeout = MONO_S(60),
                                       .sctp_pool = pool,
                                       .rng = &r->rng,
                                       .version = "1.13.5"};
    r->config.keys[0] = (struct signal_key){.key = "k", .secret = "s"};
    for (size_t i = 0; i < 32; i++)
        snprintf(r->config.fingerprint_sha256 + 3 * i, 4, i < 31 ? "AB:" : "AB");
    if (signal_create(&r->config, r->now, WALL, &r->signal) < 0)
        abort();
    join(r, 0);
    join(r, 1);
}

int tk_fuzz_signal(const uint8_t *data, size_t size)
{
    struct run r;
    struct pkt_pool *pool;
    if (pkt_pool_create(64, &pool) < 0)
        abort();
    begin(&r, pool);
    struct rd in = rd_init(data, size);
    for (int i = 0; i < STEPS_MAX && rd_left(&in) >= 3; i++) {
        uint8_t op = rd_u8(&in);
        size_t want = rd_u16be(&in);
        want = TK_MIN(want, rd_left(&in));
        step(&r, op, rd_bytes(&in, want), want);
    }
    signal_destroy(r.signal);
    pkt_pool_destroy(pool);
    return 0;
}
