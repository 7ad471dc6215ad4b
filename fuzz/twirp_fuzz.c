/* fuzz: signal base */
/*
 * Bodies of server API calls: the first byte chooses the method, the second the format, the rest is
 * the body, from a caller with every right. Several calls may follow each other, cut at 0xff 0xfe.
 * The answer is always there, and errors are JSON.
 */
#include "fuzz.h"

#include "base/attrs.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(twirp);

#define WALL 1700000000000

static const char *const methods[] = {
    "CreateRoom",        "ListRooms",           "DeleteRoom",        "UpdateRoomMetadata",
    "ListParticipants",  "GetParticipant",      "RemoveParticipant", "MutePublishedTrack",
    "UpdateParticipant", "UpdateSubscriptions", "SendData",          "PerformRpc",
    "MoveParticipant",   "ForwardParticipant",  "Nothing",
};

static const char *const content_types[] = {"application/json", "application/protobuf",
                                            "application/json; charset=utf-8", ""};

static char *make_token(const struct signal_config *config)
{
    struct token_claims claims;
    char *token, *text = malloc(4096);
    token_claims_init(&claims);
    snprintf(claims.grants.key, sizeof(claims.grants.key), "%s", "devkey");
    snprintf(claims.grants.room, sizeof(claims.grants.room), "%s", "r");
    claims.grants.room_create = claims.grants.room_list = claims.grants.room_admin = true;
    CHECK(token_sign(config->keys, 1, &claims, 3600, WALL, &token) == 0);
    CHECK(text != NULL && snprintf(text, 4096, "Bearer %s", token) > 0);
    free(token);
    return text;
}

static void call(struct signal *s, const char *token, const uint8_t *data, size_t size)
{
    struct signal_reply reply;
    if (size < 2)
        return;
    signal_twirp(s, "livekit.RoomService", methods[data[0] % ARRAY_COUNT(methods)],
                 content_types[data[1] % ARRAY_COUNT(content_types)], token, data + 2, size - 2,
                 MONO_S(1000), WALL, &reply);
    CHECK(reply.status == 0 || (reply.status >= 200 && reply.status < 600));
    if (reply.status >= 400)
        CHECK(reply.size > 2 && reply.body[0] == '{');
    free(reply.body);
}

int tk_fuzz_twirp(const uint8_t *data, size_t size)
{
    static struct rng rng;
    static struct signal_config config = {.keys = {{"devkey", "secret"}},
                                          .key_count = 1,
                                          .worker_count = 1,
                                          .room_count_max = 4,
                                          .empty_timeout = MONO_S(300),
                                          .departure_timeout = MONO_S(20),
                                          .resume_timeout = MONO_S(60),
                                          .rng = &rng,
                                          .version = "1.13.5"};
    static char *token;
    struct signal *s;
    if (token == NULL)
        token = make_token(&config);
    rng_init_seeded(&rng, 1);
    CHECK(signal_create(&config, MONO_S(1000), WALL, &s) == 0);
    while (size > 0) {
        const uint8_t *cut = memmem(data, size, "\xff\xfe", 2);
        size_t n = cut != NULL ? (size_t)(cut - data) : size;
        call(s, token, data, n);
        n = cut != NULL ? n + 2 : n;
        data += n;
        size -= n;
    }
    signal_destroy(s);
    return 0;
}
