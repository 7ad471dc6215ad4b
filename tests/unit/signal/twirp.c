/*
 * Goal: RoomService answers every method as the SDKs expect, in JSON and protobuf, only to tokens
 * with the right grant, and changes what it should. Method: fake clients in a fake world (world.h),
 * tables of calls with their status and error code; the clients' frames are looked at.
 */
#include "unit/cmocka_all.h"
#include "unit/signal/world.h"

#include "base/encode.h"
#include "base/err.h"
#include "signal/signal_internal.h"
#include "signal/token_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE(name) LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##name

static struct world w;

/* "Bearer …" with the named grants: a list of create, list, admin; `room` for admin. */
static char *bearer(const char *grants, const char *room)
{
    static char text[4096];
    struct token_claims claims;
    char *token;
    token_claims_init(&claims);
    strcpy(claims.grants.key, w.config.keys[0].key);
    strcpy(claims.grants.room, room);
    claims.grants.room_create = strstr(grants, "create") != NULL;
    claims.grants.room_list = strstr(grants, "list") != NULL;
    claims.grants.room_admin = strstr(grants, "admin") != NULL;
    claims.grants.room_join = strstr(grants, "join") != NULL;
    assert_int_equal(token_sign(w.config.keys, w.config.key_count, &claims, 60, w.wall, &token), 0);
    snprintf(text, sizeof(text), "Bearer %s", token);
    token_claims_fini(&claims);
    free(token);
    return text;
}

static void call(const char *method, const char *type, const char *authorization, const void *body,
                 size_t size, struct signal_reply *ret)
{
    signal_twirp(w.signal, "livekit.RoomService", method, type, authorization, body, size, w.now,
                 w.wall, ret);
    world_settle(&w);
}

/* A JSON call with all grants for `room`; the answer's object; checks the status. */
static json_t *ask(const char *method, const char *room, const char *body, int status)
{
    struct signal_reply reply;
    call(method, "application/json", bearer("create list admin", room), body, strlen(body), &reply);
    if (reply.status != status)
        fail_msg("%s %s: %d %.*s", method, body, reply.status, (int)reply.size, reply.body);
    assert_string_equal(reply.content_type, "application/json");
    json_t *root = json_loadb(reply.body, reply.size, 0, NULL);
    assert_non_null(root);
    free(reply.body);
    return root;
}

static const char *text_of(json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text != NULL ? text : "";
}

static void ask_and_drop(const char *method, const char *room, const char *body, int status)
{
    json_decref(ask(method, room, body, status));
}

static void test_rooms(void **state)
{
    (void)state;
    world_init(&w, 1);
    json_t *room =
        ask("CreateRoom", "", "{\"name\":\"r1\",\"emptyTimeout\":7,\"metadata\":\"m\"}", 200);
    char sid[64];
    snprintf(sid, sizeof(sid), "%s", text_of(room, "sid"));
    assert_memory_equal(sid, "RM_", 3);
    assert_string_equal(text_of(room, "name"), "r1");
    assert_string_equal(text_of(room, "metadata"), "m");
    assert_int_equal(json_integer_value(json_object_get(room, "emptyTimeout")), 7);
    assert_true(json_is_string(json_object_get(room, "creationTime")));
    json_decref(room);
    /* Again: the same room. */
    room = ask("CreateRoom", "", "{\"name\":\"r1\",\"metadata\":\"other\"}", 200);
    assert_string_equal(text_of(room, "sid"), sid);
    assert_string_equal(text_of(room, "metadata"), "m");
    json_decref(room);
    ask_and_drop("CreateRoom", "", "{\"name\":\"r2\",\"max_participants\":3}", 200);

    json_t *list = ask("ListRooms", "", "{}", 200);
    assert_int_equal(json_array_size(json_object_get(list, "rooms")), 2);
    json_decref(list);
    list = ask("ListRooms", "", "{\"names\":[\"r2\",\"none\"]}", 200);
    assert_int_equal(json_array_size(json_object_get(list, "rooms")), 1);
    json_t *only = json_array_get(json_object_get(list, "rooms"), 0);
    assert_string_equal(text_of(only, "name"), "r2");
    assert_int_equal(json_integer_value(json_object_get(only, "maxParticipants")), 3);
    json_decref(list);

    struct client *c = client_new(&w, "anna", "r1");
    assert_int_equal(client_join(c, true), 0);
    room = ask("UpdateRoomMetadata", "r1", "{\"room\":\"r1\",\"metadata\":\"new\"}", 200);
    assert_string_equal(text_of(room, "metadata"), "new");
    json_decref(room);
    assert_string_equal(client_last(c, RESPONSE(ROOM_UPDATE))->room_update->room->metadata, "new");

    ask_and_drop("DeleteRoom", "", "{\"room\":\"r1\"}", 200);
    Livekit__SignalResponse *leave = client_last(c, RESPONSE(LEAVE));
    assert_non_null(leave);
    assert_int_equal(leave->leave->reason, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED);
    assert_true(c->is_closed);
    json_t *error = ask("DeleteRoom", "", "{\"room\":\"r1\"}", 404);
    assert_string_equal(text_of(error, "code"), "not_found");
    assert_string_equal(text_of(error, "msg"), "requested room does not exist");
    json_decref(error);
    ask_and_drop("DeleteRoom", "", "{\"room\":\"r2\"}", 200);
    world_fini(&w);
}

static void test_participants(void **state)
{
    (void)state;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);

    json_t *list = ask("ListParticipants", "r1", "{\"room\":\"r1\"}", 200);
    assert_int_equal(json_array_size(json_object_get(list, "participants")), 2);
    json_decref(list);
    json_t *p = ask("GetParticipant", "r1", "{\"room\":\"r1\",\"identity\":\"anna\"}", 200);
    assert_string_equal(text_of(p, "identity"), "anna");
    assert_string_equal(text_of(p, "state"), "ACTIVE");
    assert_string_equal(text_of(p, "sid"), client_sees(a, "anna")->sid);
    json_decref(p);

    p = ask("UpdateParticipant", "r1",
            "{\"room\":\"r1\",\"identity\":\"anna\",\"metadata\":\"m\",\"name\":\"Anna\","
            "\"attributes\":{\"k\":\"v\"},\"permission\":{\"canSubscribe\":true}}",
            200);
    assert_string_equal(text_of(p, "name"), "Anna");
    assert_string_equal(text_of(json_object_get(p, "attributes"), "k"), "v");
    json_decref(p);
    const Livekit__ParticipantInfo *seen = client_sees(b, "anna");
    assert_string_equal(seen->name, "Anna");
    assert_string_equal(seen->metadata, "m");
    assert_false(client_sees(a, "anna")->permission->can_publish);

    ask_and_drop("RemoveParticipant", "r1", "{\"room\":\"r1\",\"identity\":\"anna\"}", 200);
    Livekit__SignalResponse *leave = client_last(a, RESPONSE(LEAVE));
    assert_int_equal(leave->leave->reason, LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED);
    assert_int_equal(client_sees(b, "anna")->state, LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED);
    json_t *error = ask("GetParticipant", "r1", "{\"room\":\"r1\",\"identity\":\"anna\"}", 404);
    assert_string_equal(text_of(error, "msg"), "participant does not exist");
    json_decref(error);
    client_leave(b);
    world_fini(&w);
}

static void test_tracks(void **state)
{
    (void)state;
    char body[256];
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);
    client_publish(a, "mic", false, LIVEKIT__TRACK_SOURCE__MICROPHONE, 0);
    world_advance(&w, MONO_MS(300));
    assert_int_equal(client_track_count(b), 1);
    char sid[64];
    snprintf(sid, sizeof(sid), "%s",
             client_last(a, RESPONSE(TRACK_PUBLISHED))->track_published->track->sid);

    snprintf(body, sizeof(body),
             "{\"room\":\"r1\",\"identity\":\"anna\",\"trackSid\":\"%s\",\"muted\":true}", sid);
    json_t *answer = ask("MutePublishedTrack", "r1", body, 200);
    assert_true(json_is_true(json_object_get(json_object_get(answer, "track"), "muted")));
    json_decref(answer);
    assert_true(client_last(a, RESPONSE(MUTE))->mute->muted);
    assert_true(client_sees(b, "anna")->tracks[0]->muted);
    snprintf(body, sizeof(body), "{\"room\":\"r1\",\"identity\":\"anna\",\"trackSid\":\"%s\"}",
             sid);
    answer = ask("MutePublishedTrack", "r1", body, 412);
    assert_string_equal(text_of(answer, "code"), "failed_precondition");
    json_decref(answer);
    answer =
        ask("MutePublishedTrack", "r1",
            "{\"room\":\"r1\",\"identity\":\"anna\",\"trackSid\":\"TR_x\",\"muted\":true}", 404);
    assert_string_equal(text_of(answer, "msg"), "track is not found");
    json_decref(answer);

    snprintf(body, sizeof(body),
             "{\"room\":\"r1\",\"identity\":\"bert\",\"track_sids\":[\"%s\"],\"subscribe\":false}",
             sid);
    ask_and_drop("UpdateSubscriptions", "r1", body, 200);
    world_advance(&w, MONO_MS(300));
    assert_int_equal(world_count(&w, THING_SUB), 0);

    ask_and_drop("SendData", "r1",
                 "{\"room\":\"r1\",\"data\":\"aGk=\",\"topic\":\"t\",\"kind\":\"RELIABLE\","
                 "\"destinationIdentities\":[\"bert\"],\"nonce\":\"AAAA\"}",
                 200);
    ask_and_drop("SendData", "r1",
                 "{\"room\":\"r1\",\"data\":\"aGk=\",\"kind\":1,"
                 "\"destinationSids\":[\"PA_none\"]}",
                 200);
    client_leave(a);
    client_leave(b);
    world_fini(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *method, *grants, *room, *type, *body;
        int status;
        const char *code;
    } rows[] = {
        {"CreateRoom", "list admin", "r1", "application/json", "{\"name\":\"x\"}", 401,
         "unauthenticated"},
        {"ListRooms", "create admin", "r1", "application/json", "{}", 401, "unauthenticated"},
        {"DeleteRoom", "list admin", "r1", "application/json", "{\"room\":\"r1\"}", 401,
         "unauthenticated"},
        {"ListParticipants", "create list", "r1", "application/json", "{\"room\":\"r1\"}", 401,
         "unauthenticated"},
        {"ListParticipants", "admin", "r2", "application/json", "{\"room\":\"r1\"}", 401,
         "unauthenticated"},
        {"ListParticipants", "admin", "", "application/json", "{}", 401, "unauthenticated"},
        {"ListParticipants", "join", "r1", "application/json", "{\"room\":\"r1\"}", 401,
         "unauthenticated"},
        {"ListParticipants", "admin", "r1", "application/json", "{\"room\":\"r1\"}", 404,
         "not_found"},
        {"SendData", "admin", "r1", "application/json", "{\"room\":\"r1\"}", 404, "not_found"},
        {"CreateRoom", "create", "", "application/json", "{}", 400, "invalid_argument"},
        {"CreateRoom", "create", "", "application/json", "", 400, "invalid_argument"},
        {"CreateRoom", "create", "", "application/json", "{\"name\":", 400, "malformed"},
        {"CreateRoom", "create", "", "application/json", "{\"name\":5}", 400, "malformed"},
        {"CreateRoom", "create", "", "application/protobuf", "\x0a\xff", 400, "malformed"},
        {"CreateRoom", "create", "", "text/plain", "{}", 404, "bad_route"},
        {"CreateRoom", "create", "", "application/jsonx", "{}", 404, "bad_route"},
        {"MoveParticipant", "admin", "r1", "application/json", "{\"room\":\"r1\"}", 501,
         "unimplemented"},
        {"ForwardParticipant", "admin", "r1", "application/json", "{\"room\":\"r1\"}", 501,
         "unimplemented"},
        {"Nothing", "create", "", "application/json", "{}", 404, "bad_route"},
    };
    world_init(&w, 1);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct signal_reply reply;
        call(rows[i].method, rows[i].type, bearer(rows[i].grants, rows[i].room), rows[i].body,
             strlen(rows[i].body), &reply);
        json_t *root = json_loadb(reply.body, reply.size, 0, NULL);
        if (reply.status != rows[i].status || strcmp(text_of(root, "code"), rows[i].code) != 0)
            fail_msg("row %zu: %d %s", i, reply.status, reply.body);
        assert_string_equal(reply.content_type, "application/json");
        assert_true(json_is_object(json_object_get(root, "meta")));
        json_decref(root);
        free(reply.body);
    }
    static const char *const bad[] = {NULL, "", "Bearer", "Bearer x", "Basic x"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct signal_reply reply;
        call("ListRooms", "application/json", bad[i], "{}", 2, &reply);
        assert_int_equal(reply.status, 401);
        free(reply.body);
    }
    struct signal_reply reply;
    signal_twirp(w.signal, "livekit.Egress", "StartEgress", "application/json", NULL, "{}", 2,
                 w.now, w.wall, &reply);
    assert_int_equal(reply.status, 501);
    free(reply.body);
    world_fini(&w);
}

static void test_protobuf(void **state)
{
    (void)state;
    uint8_t body[128];
    struct signal_reply reply;
    world_init(&w, 1);
    Livekit__CreateRoomRequest request = LIVEKIT__CREATE_ROOM_REQUEST__INIT;
    request.name = "r1";
    request.departure_timeout = 9;
    size_t size = livekit__create_room_request__pack(&request, body);
    call("CreateRoom", "application/protobuf", bearer("create", ""), body, size, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "application/protobuf");
    Livekit__Room *room = livekit__room__unpack(NULL, reply.size, (const uint8_t *)reply.body);
    assert_non_null(room);
    assert_string_equal(room->name, "r1");
    assert_int_equal(room->departure_timeout, 9);
    livekit__room__free_unpacked(room, NULL);
    free(reply.body);

    call("ListRooms", "application/protobuf", bearer("list", ""), "", 0, &reply);
    assert_int_equal(reply.status, 200);
    Livekit__ListRoomsResponse *list =
        livekit__list_rooms_response__unpack(NULL, reply.size, (const uint8_t *)reply.body);
    assert_int_equal(list->n_rooms, 1);
    livekit__list_rooms_response__free_unpacked(list, NULL);
    free(reply.body);
    ask_and_drop("DeleteRoom", "", "{\"room\":\"r1\"}", 200);
    world_fini(&w);
}

/* ---- PerformRpc ---- */

/* Starts a call and foretells its id from the seeded generator. */
static uint64_t perform(const char *identity, char ret_id[ID_SIZE])
{
    char body[256];
    struct signal_reply reply;
    struct rng copy = w.rng;
    id_make(&copy, "RPC_", ret_id);
    snprintf(body, sizeof(body),
             "{\"room\":\"r1\",\"destinationIdentity\":\"%s\",\"method\":\"m\","
             "\"payload\":\"p\",\"responseTimeoutMs\":9000}",
             identity);
    signal_twirp(w.signal, "livekit.RoomService", "PerformRpc", "application/json",
                 bearer("admin", "r1"), body, strlen(body), w.now, w.wall, &reply);
    assert_int_equal(reply.status, 0);
    assert_null(reply.body);
    return reply.ticket;
}

static void receive(const char *identity, const Livekit__DataPacket *packet)
{
    uint8_t bytes[512];
    struct signal_room *room = signal__room_find(w.signal, "r1");
    size_t size = livekit__data_packet__pack(packet, bytes);
    signal__data_receive(signal__room_participant(room, identity), SIGNAL_LABEL_RELIABLE, bytes,
                         size);
}

static void receive_ack(const char *identity, char *id)
{
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    Livekit__RpcAck ack = LIVEKIT__RPC_ACK__INIT;
    ack.request_id = id;
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_RPC_ACK;
    packet.rpc_ack = &ack;
    receive(identity, &packet);
}

static void receive_response(const char *identity, char *id, char *payload, uint32_t error_code)
{
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    Livekit__RpcResponse response = LIVEKIT__RPC_RESPONSE__INIT;
    Livekit__RpcError error = LIVEKIT__RPC_ERROR__INIT;
    response.request_id = id;
    if (error_code != 0) {
        error.code = error_code;
        error.message = payload;
        response.value_case = LIVEKIT__RPC_RESPONSE__VALUE_ERROR;
        response.error = &error;
    } else {
        response.value_case = LIVEKIT__RPC_RESPONSE__VALUE_PAYLOAD;
        response.payload = payload;
    }
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_RPC_RESPONSE;
    packet.rpc_response = &response;
    receive(identity, &packet);
}

static void expect_reply(uint64_t ticket, int status, const char *body)
{
    uint64_t got;
    struct signal_reply reply;
    assert_int_equal(signal_poll_reply(w.signal, &got, &reply), 1);
    assert_int_equal(got, ticket);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.size, strlen(body));
    assert_memory_equal(reply.body, body, reply.size);
    free(reply.body);
    assert_int_equal(signal_poll_reply(w.signal, &got, &reply), 0);
}

static void test_rpc(void **state)
{
    (void)state;
    char id[ID_SIZE], other[ID_SIZE];
    uint64_t got;
    struct signal_reply reply;
    world_init(&w, 1);
    struct client *a = client_new(&w, "anna", "r1"), *b = client_new(&w, "bert", "r1");
    assert_int_equal(client_join(a, true), 0);
    assert_int_equal(client_join(b, true), 0);

    uint64_t ticket = perform("anna", id);
    receive_ack("anna", id);
    world_advance(&w, MONO_S(8)); /* past the time for an acknowledgement */
    assert_int_equal(signal_poll_reply(w.signal, &got, &reply), 0);
    receive_response("bert", id, "from another", 0);
    assert_int_equal(signal_poll_reply(w.signal, &got, &reply), 0);
    receive_response("anna", id, "done", 0);
    expect_reply(ticket, 200, "{\"payload\":\"done\"}");
    receive_response("anna", id, "again", 0);
    assert_int_equal(signal_poll_reply(w.signal, &got, &reply), 0);

    ticket = perform("anna", id);
    receive_response("anna", id, "no such method", 1400);
    expect_reply(ticket, 500,
                 "{\"code\":\"unknown\",\"msg\":\"no such method\",\"meta\":"
                 "{\"rpc_error_code\":\"1400\"}}");

    ticket = perform("anna", id); /* never acknowledged */
    world_advance(&w, MONO_S(7));
    expect_reply(ticket, 408,
                 "{\"code\":\"deadline_exceeded\",\"msg\":\"connection timeout\",\"meta\":"
                 "{\"rpc_error_code\":\"1501\"}}");

    ticket = perform("anna", id); /* never answered */
    receive_ack("anna", id);
    world_advance(&w, MONO_S(9));
    expect_reply(ticket, 408,
                 "{\"code\":\"deadline_exceeded\",\"msg\":\"response timeout\",\"meta\":"
                 "{\"rpc_error_code\":\"1502\"}}");

    ticket = perform("bert", id); /* leaves meanwhile */
    client_leave(b);
    world_advance(&w, MONO_S(9));
    expect_reply(ticket, 404,
                 "{\"code\":\"not_found\",\"msg\":\"recipient disconnected\",\"meta\":"
                 "{\"rpc_error_code\":\"1503\"}}");
    IGNORE(perform("anna", other)); /* still open at the end */
    client_leave(a);
    world_fini(&w);
}

/* sha256 of "abc" in FIPS 180-4, appendix B.1. */
static void test_webhook_token(void **state)
{
    (void)state;
    char *token, base64[64];
    uint8_t hash[32];
    struct token_claims claims;
    world_init(&w, 1);
    assert_int_equal(
        hex_decode("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hash, 32),
        32);
    base64_encode(hash, 32, base64);
    assert_int_equal(signal_webhook_token(w.signal, w.config.keys[0].key, "abc", w.wall, &token),
                     0);
    assert_int_equal(token_verify(w.config.keys, w.config.key_count, token, w.wall, &claims), 0);
    assert_string_equal(claims.sha256, base64);
    assert_int_equal(claims.expires_s, w.wall / 1000 + 300);
    assert_false(claims.grants.room_join);
    token_claims_fini(&claims);
    free(token);
    assert_int_equal(signal_webhook_token(w.signal, "nobody", "abc", w.wall, &token),
                     ERR_NOT_FOUND);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rooms),    cmocka_unit_test(test_participants),
        cmocka_unit_test(test_tracks),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_protobuf), cmocka_unit_test(test_webhook_token),
        cmocka_unit_test(test_rpc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
