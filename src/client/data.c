/* User packets on the data channels (LiveKit's DataPacket). */
#include "base/err.h"
#include "client/client_internal.h"
#include "dchan/dchan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client__on_data(struct client *c, bool is_reliable, const uint8_t *data, size_t size)
{
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, size, data);
    if (packet == NULL)
        return;
    if (packet->value_case == LIVEKIT__DATA_PACKET__VALUE_USER && packet->user != NULL) {
        const ProtobufCBinaryData *payload = &packet->user->payload;
        uint8_t *copy = malloc(payload->len > 0 ? payload->len : 1);
        struct client_event *e = copy != NULL ? client__event(c, CLIENT_EVENT_DATA) : NULL;
        if (e == NULL) {
            free(copy);
        } else {
            if (payload->len > 0)
                memcpy(copy, payload->data, payload->len);
            e->data = copy;
            e->size = payload->len;
            e->is_reliable = is_reliable;
            snprintf(e->text, sizeof(e->text), "%s", packet->participant_identity);
            snprintf(e->sid, sizeof(e->sid), "%s", packet->participant_sid);
        }
    }
    livekit__data_packet__free_unpacked(packet, NULL);
}

int client_send_data(struct client *c, bool is_reliable, const void *data, size_t size,
                     const char *topic)
{
    struct client_link *l = &c->link;
    if (l->dchan == NULL || !(is_reliable ? l->is_reliable_open : l->is_lossy_open))
        return ERR_STATE;
    if (size > CLIENT_DATA_MAX)
        return ERR_LIMIT;
    Livekit__UserPacket user = LIVEKIT__USER_PACKET__INIT;
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    user.payload = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)data};
    if (topic != NULL) {
        user.topic_presence_case = LIVEKIT__USER_PACKET__TOPIC_PRESENCE_TOPIC;
        user.topic = (char *)(uintptr_t)topic;
    }
    packet.kind =
        is_reliable ? LIVEKIT__DATA_PACKET__KIND__RELIABLE : LIVEKIT__DATA_PACKET__KIND__LOSSY;
    packet.sequence = is_reliable ? ++c->data_seq : 0;
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    size_t packed_size = livekit__data_packet__get_packed_size(&packet);
    uint8_t *packed = malloc(packed_size);
    if (packed == NULL)
        return -ENOMEM;
    livekit__data_packet__pack(&packet, packed);
    int err = dchan_assoc_send(l->dchan, is_reliable ? l->reliable_stream : l->lossy_stream, false,
                               packed, packed_size);
    free(packed);
    client__link_drain(c, mono_now());
    return err < 0 ? err : 0;
}
