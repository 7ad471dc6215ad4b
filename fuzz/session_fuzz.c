/* fuzz: signal base */
/*
 * Frames of a client that has joined: each is a length of two bytes and a SignalRequest, the top
 * bit of the length says that it is text. Two clients share a room; the second sends the same
 * frames. Commands, frames and time are taken as a server would.
 */
#include "fuzz.h"

#include "base/attrs.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(session);

#define WALL 1700000000000

static mono_us now;

static void drain(struct signal *s)
{
    struct media_command command;
    struct signal_session *session;
    char *webhook;
    while (signal_poll_command(s, &command) == 1) {
        if (command.kind == MEDIA_PEER_SCTP)
            pkt_unref(command.u.sctp);
    }
    while (signal_poll_webhook(s, &webhook) == 1)
        free(webhook);
    while ((session = signal_poll_writable(s)) != NULL) {
        struct signal_session **held = signal_session_user(session);
        const void *data;
        size_t size;
        bool is_text;
        int code, n;
        while ((n = signal_session_poll_frame(session, &data, &size, &is_text, &code)) == 1)
            continue;
        if (n < 0 && held != NULL)
            *held = NULL; /* it is over */
    }
}

static void join(struct signal *s, const struct signal_config *config, const char *identity,
                 bool is_v1, struct signal_session **held)
{
    struct token_claims claims;
    struct signal_reply reply;
    char *token, header[4096];
    token_claims_init(&claims);
    snprintf(claims.grants.key, sizeof(claims.grants.key), "%s", "devkey");
    snprintf(claims.grants.room, sizeof(claims.grants.room), "%s", "r");
    snprintf(claims.grants.identity, sizeof(claims.grants.identity), "%s", identity);
    claims.grants.room_join = claims.can_update_own_metadata = true;
    CHECK(token_sign(config->keys, 1, &claims, 3600, WALL, &token) == 0);
    snprintf(header, sizeof(header), "Bearer %s", token);
    free(token);
    struct signal_join_request request = {
        .is_v1 = is_v1,
        .authorization = header,
        .query = is_v1 ? "join_request=EhkKEQgBEgYyLjIzLjAYEWACagECEgQIARAB" : "protocol=17"};
    CHECK(signal_session_open(s, &request, now, WALL, held, &reply) == 0);
    signal_session_set_user(*held, held);
    drain(s);
}

static void feed(struct signal *s, struct signal_session **held, const uint8_t *data, size_t size)
{
    while (size >= 2 && *held != NULL) {
        size_t length = (size_t)(data[0] & 0x7f) << 8 | data[1];
        bool is_text = (data[0] & 0x80) != 0;
        data += 2;
        size -= 2;
        length = TK_MIN(length, size);
        signal_session_receive(*held, data, length, is_text, now, WALL);
        drain(s);
        data += length;
        size -= length;
        now += MONO_MS(50);
        signal_handle_timeout(s, now, WALL);
        drain(s);
    }
}

int tk_fuzz_session(const uint8_t *data, size_t size)
{
    static struct rng rng;
    static struct signal_config config = {.keys = {{"devkey", "secret"}},
                                          .key_count = 1,
                                          .worker_count = 2,
                                          .is_auto_create = true,
                                          .room_count_max = 4,
                                          .empty_timeout = MONO_S(300),
                                          .departure_timeout = MONO_S(20),
                                          .resume_timeout = MONO_S(60),
                                          .fingerprint_sha256 = "AB",
                                          .rng = &rng,
                                          .version = "1.13.5"};
    struct signal *s;
    struct signal_session *first = NULL, *second = NULL;
    now = MONO_S(1000);
    rng_init_seeded(&rng, 1);
    if (config.sctp_pool == NULL)
        CHECK(pkt_pool_create(64, &config.sctp_pool) == 0);
    CHECK(signal_create(&config, now, WALL, &s) == 0);
    join(s, &config, "anna", true, &first);
    join(s, &config, "bert", false, &second);
    feed(s, &first, data, size);
    feed(s, &second, data, size);
    if (first != NULL)
        signal_session_closed(first, now);
    drain(s);
    signal_handle_timeout(s, now + MONO_S(100), WALL);
    drain(s);
    signal_destroy(s);
    return 0;
}
