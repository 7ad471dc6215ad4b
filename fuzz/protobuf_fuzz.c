/* fuzz: signal base */
/*
 * Messages from clients: the first byte chooses the type, the rest is its wire form. What can be
 * unpacked is printed as JSON, read back and packed again: nothing but unknown fields may get lost.
 */
#include "fuzz.h"
#include "livekit.pb-c.h"

#include "base/attrs.h"
#include "signal/pbjson.h"

#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(protobuf);

static const ProtobufCMessageDescriptor *const types[] = {
    &livekit__signal_request__descriptor,
    &livekit__signal_response__descriptor,
    &livekit__data_packet__descriptor,
    &livekit__wrapped_join_request__descriptor,
    &livekit__join_request__descriptor,
    &livekit__create_room_request__descriptor,
    &livekit__update_participant_request__descriptor,
    &livekit__webhook_event__descriptor,
};

static void *pack(const ProtobufCMessage *m, size_t *ret_size)
{
    *ret_size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = malloc(*ret_size + 1);
    CHECK(bytes != NULL);
    CHECK(protobuf_c_message_pack(m, bytes) == *ret_size);
    return bytes;
}

/* The JSON form and back; twice, because a first pass drops unknown fields and merges maps. */
static void round_trip(const ProtobufCMessage *m)
{
    char *text;
    ProtobufCMessage *again, *third;
    if (pbjson_print(m, &text) != 0)
        return; /* text that is not UTF-8 */
    CHECK(pbjson_parse(m->descriptor, text, strlen(text), &again) == 0);
    free(text);
    CHECK(pbjson_print(again, &text) == 0);
    CHECK(pbjson_parse(m->descriptor, text, strlen(text), &third) == 0);
    free(text);
    size_t size, size_third;
    void *bytes = pack(again, &size), *bytes_third = pack(third, &size_third);
    CHECK(size == size_third);
    CHECK(memcmp(bytes, bytes_third, size) == 0);
    free(bytes);
    free(bytes_third);
    protobuf_c_message_free_unpacked(again, NULL);
    protobuf_c_message_free_unpacked(third, NULL);
}

int tk_fuzz_protobuf(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_COUNT(types)];
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, size - 1, data + 1);
    if (m != NULL) {
        size_t packed_size;
        free(pack(m, &packed_size));
        round_trip(m);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    /* The same bytes as JSON text. */
    if (pbjson_parse(type, (const char *)data + 1, size - 1, &m) == 0) {
        round_trip(m);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    return 0;
}
