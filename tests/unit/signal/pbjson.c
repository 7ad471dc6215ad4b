/*
 * Goal: messages have the protocol's bytes, and the JSON mapping keeps them. Method: the vectors of
 * the protocol's own library (@livekit/protocol 1.52.1), decoded, encoded again and compared; JSON
 * round trips of the same; a table of JSON texts that must be read alike or refused.
 */
#include "signal/pbjson.h"

#include "livekit.pb-c.h"
#include "unit/cmocka_all.h"

#include "base/attrs.h"
#include "base/encode.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const ProtobufCMessageDescriptor *type;
    const char *hex;
    const char *json;
} vectors[] = {
    {&livekit__signal_response__descriptor,
     "0a4d0a090a04524d5f7812017212150a0550415f6d6512026d6518015a060801100118"
     "01500f5805620a1206312e31332e351811720b0a09766964656f2f565038720c0a0a617564696f2f6f707573",
     "{\"join\":{\"room\":{\"sid\":\"RM_x\",\"name\":\"r\"},\"participant\":{\"sid\":\"PA_me\","
     "\"identity\":\"me\",\"state\":\"JOINED\",\"permission\":{\"canSubscribe\":true,"
     "\"canPublish\":true,\"canPublishData\":true}},\"pingTimeout\":15,\"pingInterval\":5,"
     "\"serverInfo\":{\"version\":\"1.13.5\",\"protocol\":17},\"enabledPublishCodecs\":[{\"mime\":"
     "\"video/VP8\"},{\"mime\":\"audio/opus\"}]}}"},
    {&livekit__signal_response__descriptor,
     "121a0a06616e737765721203763d30180122090a0130120454525f41",
     "{\"answer\":{\"type\":\"answer\",\"sdp\":\"v=0\",\"id\":1,\"midToTrackId\":{\"0\":"
     "\"TR_A\"}}}"},
    {&livekit__signal_request__descriptor, "8201090880d095ffbc31100c",
     "{\"pingReq\":{\"timestamp\":\"1700000000000\",\"rtt\":\"12\"}}"},
    {&livekit__signal_response__descriptor, "a2010e0880d095ffbc311085d095ffbc31",
     "{\"pongResp\":{\"lastPingTimestamp\":\"1700000000000\",\"timestamp\":\"1700000000005\"}}"},
    {&livekit__signal_response__descriptor, "42021004",
     "{\"leave\":{\"reason\":\"PARTICIPANT_REMOVED\"}}"},
    {&livekit__signal_response__descriptor, "ca0100", "{\"mediaSectionsRequirement\":{}}"},
    {&livekit__data_packet__descriptor, "12071202686922017422037075628001018a010650415f707562",
     "{\"user\":{\"payload\":\"aGk=\",\"topic\":\"t\"},\"participantIdentity\":\"pub\","
     "\"sequence\":1,\"participantSid\":\"PA_pub\"}"},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        uint8_t wire[256], again[256];
        char hex[513], *text;
        int size = hex_decode(vectors[i].hex, wire, sizeof(wire));
        assert_true(size > 0);
        ProtobufCMessage *m = protobuf_c_message_unpack(vectors[i].type, NULL, (size_t)size, wire);
        assert_non_null(m);

        /* The bytes come out the same (fields in the order of their numbers). */
        assert_int_equal(protobuf_c_message_get_packed_size(m), size);
        assert_int_equal(protobuf_c_message_pack(m, again), size);
        hex_encode(again, (size_t)size, hex);
        assert_string_equal(hex, vectors[i].hex);

        assert_int_equal(pbjson_print(m, &text), 0);
        protobuf_c_message_free_unpacked(m, NULL);

        /* And the JSON text gives the same bytes. */
        assert_int_equal(pbjson_parse(vectors[i].type, text, strlen(text), &m), 0);
        assert_int_equal(protobuf_c_message_pack(m, again), size);
        assert_memory_equal(again, wire, (size_t)size);
        protobuf_c_message_free_unpacked(m, NULL);
        free(text);

        assert_int_equal(
            pbjson_parse(vectors[i].type, vectors[i].json, strlen(vectors[i].json), &m), 0);
        assert_int_equal(protobuf_c_message_get_packed_size(m), size);
        assert_int_equal(protobuf_c_message_pack(m, again), size);
        assert_memory_equal(again, wire, (size_t)size);
        protobuf_c_message_free_unpacked(m, NULL);
    }
}

/* What is read and how it is written. */
static void test_spellings(void **state)
{
    (void)state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *in, *out; /* out NULL: refused */
    } rows[] = {
        {&livekit__create_room_request__descriptor,
         "{\"name\":\"r\",\"empty_timeout\":5,\"departureTimeout\":\"7\",\"unknown\":[1,{}]}",
         "{\"name\":\"r\",\"emptyTimeout\":5,\"departureTimeout\":7}"},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":5.0}",
         "{\"emptyTimeout\":5}"},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":null}", "{}"},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":5.5}", NULL},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":-1}", NULL},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":\"-1\"}", NULL},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":4294967295}",
         "{\"emptyTimeout\":4294967295}"},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":4294967296}", NULL},
        {&livekit__create_room_request__descriptor, "{\"emptyTimeout\":true}", NULL},
        {&livekit__create_room_request__descriptor, "{\"name\":1}", NULL},
        {&livekit__create_room_request__descriptor, "{\"tags\":{\"a\":\"b\"}}",
         "{\"tags\":{\"a\":\"b\"}}"},
        {&livekit__create_room_request__descriptor, "{\"tags\":[]}", NULL},
        {&livekit__create_room_request__descriptor, "{\"agents\":{}}", NULL},
        {&livekit__create_room_request__descriptor, "{\"agents\":[{\"agentName\":\"x\"}]}",
         "{\"agents\":[{}]}"},
        {&livekit__create_room_request__descriptor, "[]", NULL},
        {&livekit__create_room_request__descriptor, "", NULL},
        {&livekit__create_room_request__descriptor, "{\"name\":\"\xff\"}", NULL},
        {&livekit__add_track_request__descriptor, "{\"source\":\"CAMERA\",\"type\":1}",
         "{\"type\":\"VIDEO\",\"source\":\"CAMERA\"}"},
        {&livekit__add_track_request__descriptor, "{\"source\":\"camera\"}", NULL},
        {&livekit__add_track_request__descriptor, "{\"source\":77}", "{\"source\":77}"},
        {&livekit__add_track_request__descriptor, "{\"audioFeatures\":[\"TF_STEREO\",1]}",
         "{\"audioFeatures\":[\"TF_STEREO\",\"TF_NO_DTX\"]}"},
        {&livekit__send_data_request__descriptor, "{\"data\":\"-_8\",\"kind\":\"LOSSY\"}",
         "{\"data\":\"+/8=\",\"kind\":\"LOSSY\"}"},
        {&livekit__send_data_request__descriptor, "{\"data\":\"*\"}", NULL},
        {&livekit__send_data_request__descriptor, "{\"topic\":\"\"}", "{\"topic\":\"\"}"},
        {&livekit__speaker_info__descriptor, "{\"level\":0.5,\"active\":true}",
         "{\"level\":0.5,\"active\":true}"},
        {&livekit__speaker_info__descriptor, "{\"level\":\"NaN\"}", "{\"level\":\"NaN\"}"},
        {&livekit__speaker_info__descriptor, "{\"level\":\"loud\"}", NULL},
        {&livekit__room__descriptor, "{\"creationTime\":\"-9223372036854775808\"}",
         "{\"creationTime\":\"-9223372036854775808\"}"},
        {&livekit__room__descriptor, "{\"creationTime\":\"9223372036854775808\"}", NULL},
        {&livekit__room__descriptor, "{\"creationTime\":\"12x\"}", NULL},
        {&livekit__chat_message__descriptor, "{\"editTimestamp\":\"0\"}",
         "{\"editTimestamp\":\"0\"}"},
        {&livekit__data_track_subscriber_handles__descriptor,
         "{\"subHandles\":{\"3\":{\"trackSid\":\"DTR_a\"}}}",
         "{\"subHandles\":{\"3\":{\"trackSid\":\"DTR_a\"}}}"},
        {&livekit__data_track_subscriber_handles__descriptor, "{\"subHandles\":{\"x\":{}}}", NULL},
        {&livekit__simulate_scenario__descriptor, "{\"subscriberBandwidth\":0}",
         "{\"subscriberBandwidth\":\"0\"}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        ProtobufCMessage *m;
        char *text;
        int rc = pbjson_parse(rows[i].type, rows[i].in, strlen(rows[i].in), &m);
        if (rows[i].out == NULL) {
            if (rc != ERR_MALFORMED)
                fail_msg("%s: %d", rows[i].in, rc);
            continue;
        }
        if (rc != 0)
            fail_msg("%s: %d", rows[i].in, rc);
        assert_int_equal(pbjson_print(m, &text), 0);
        assert_string_equal(text, rows[i].out);
        free(text);
        protobuf_c_message_free_unpacked(m, NULL);
    }
}

/* Repeated enums arrive packed or not. */
static void test_packed(void **state)
{
    (void)state;
    static const uint8_t packed[] = {0x4a, 2, 1, 3}, loose[] = {0x48, 1, 0x48, 3};
    static const struct {
        const uint8_t *data;
        size_t size;
    } rows[] = {{packed, sizeof(packed)}, {loose, sizeof(loose)}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        Livekit__ParticipantPermission *p =
            livekit__participant_permission__unpack(NULL, rows[i].size, rows[i].data);
        uint8_t out[8];
        assert_non_null(p);
        assert_int_equal(p->n_can_publish_sources, 2);
        assert_int_equal(p->can_publish_sources[1], LIVEKIT__TRACK_SOURCE__SCREEN_SHARE);
        assert_int_equal(livekit__participant_permission__pack(p, out), sizeof(packed));
        assert_memory_equal(out, packed, sizeof(packed));
        livekit__participant_permission__free_unpacked(p, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
