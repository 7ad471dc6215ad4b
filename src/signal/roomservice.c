#include "base/err.h"
#include "signal/data_packet.h"
#include "signal/rpc.h"
#include "signal/twirp_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum twirp_code no_memory(struct twirp_call *call)
{
    return twirp__fail_rc(call, -ENOMEM);
}

static enum twirp_code answer_room(struct twirp_call *call, struct signal_room *room)
{
    Livekit__Room message;
    signal__room_fill(room, &message);
    return twirp__answer(call, &message.base);
}

static enum twirp_code answer_participant(struct twirp_call *call, struct signal_participant *p)
{
    Livekit__ParticipantInfo message;
    if (signal__participant_fill(p, &call->arena, &message) != 0)
        return no_memory(call);
    return twirp__answer(call, &message.base);
}

/* ---- rooms ---- */

static enum twirp_code create_room(struct twirp_call *call)
{
    const Livekit__CreateRoomRequest *request = (const void *)call->request;
    struct signal_room *room = NULL;
    if (request->name[0] == '\0')
        return twirp__fail(call, TWIRP_INVALID_ARGUMENT, "room name is required");
    int rc = signal_admit_room(call->signal, request->name);
    if (rc == 0)
        rc = signal__room_open(call->signal, request->name, request, &room);
    return rc == 0 ? answer_room(call, room) : twirp__fail_rc(call, rc);
}

static bool is_named(const Livekit__ListRoomsRequest *request, const char *name)
{
    for (size_t i = 0; i < request->n_names; i++) {
        if (strcmp(request->names[i], name) == 0)
            return true;
    }
    return request->n_names == 0;
}

static enum twirp_code list_rooms(struct twirp_call *call)
{
    struct signal *s = call->signal;
    Livekit__ListRoomsResponse response = LIVEKIT__LIST_ROOMS_RESPONSE__INIT;
    size_t count_max = s->rooms.count;
    Livekit__Room *rooms = signal__arena_alloc(&call->arena, (count_max + 1) * sizeof(*rooms));
    response.rooms = signal__arena_alloc(&call->arena, (count_max + 1) * sizeof(*response.rooms));
    if (rooms == NULL || response.rooms == NULL)
        return no_memory(call);
    LIST_FOR_EACH(it, &s->room_list)
    {
        struct signal_room *room = CONTAINER_OF(it, struct signal_room, link);
        if (response.n_rooms < count_max && is_named((const void *)call->request, room->name)) {
            signal__room_fill(room, &rooms[response.n_rooms]);
            response.rooms[response.n_rooms] = &rooms[response.n_rooms];
            response.n_rooms++;
        }
    }
    return twirp__answer(call, &response.base);
}

static enum twirp_code delete_room(struct twirp_call *call)
{
    Livekit__DeleteRoomResponse response = LIVEKIT__DELETE_ROOM_RESPONSE__INIT;
    signal__room_destroy(call->room, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED,
                         LIVEKIT__ROOM_END_REASON__ROOM_END_REASON_API_DELETE);
    return twirp__answer(call, &response.base);
}

static enum twirp_code update_room_metadata(struct twirp_call *call)
{
    const Livekit__UpdateRoomMetadataRequest *request = (const void *)call->request;
    int rc = signal__room_set_metadata(call->room, request->metadata);
    return rc == 0 ? answer_room(call, call->room) : twirp__fail_rc(call, rc);
}

/* ---- participants ---- */

static enum twirp_code list_participants(struct twirp_call *call)
{
    Livekit__ListParticipantsResponse response = LIVEKIT__LIST_PARTICIPANTS_RESPONSE__INIT;
    size_t count_max = call->room->participant_count;
    Livekit__ParticipantInfo *infos =
        signal__arena_alloc(&call->arena, (count_max + 1) * sizeof(*infos));
    response.participants =
        signal__arena_alloc(&call->arena, (count_max + 1) * sizeof(*response.participants));
    if (infos == NULL || response.participants == NULL)
        return no_memory(call);
    LIST_FOR_EACH(it, &call->room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        size_t n = response.n_participants;
        if (n == count_max)
            break;
        if (signal__participant_fill(p, &call->arena, &infos[n]) != 0)
            return no_memory(call);
        response.participants[n] = &infos[n];
        response.n_participants++;
    }
    return twirp__answer(call, &response.base);
}

static enum twirp_code get_participant(struct twirp_call *call)
{
    return answer_participant(call, call->participant);
}

static enum twirp_code remove_participant(struct twirp_call *call)
{
    Livekit__RemoveParticipantResponse response = LIVEKIT__REMOVE_PARTICIPANT_RESPONSE__INIT;
    signal__participant_remove(call->participant, LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED,
                               false);
    return twirp__answer(call, &response.base);
}

static enum twirp_code mute_published_track(struct twirp_call *call)
{
    const Livekit__MuteRoomTrackRequest *request = (const void *)call->request;
    Livekit__MuteRoomTrackResponse response = LIVEKIT__MUTE_ROOM_TRACK_RESPONSE__INIT;
    Livekit__TrackInfo info;
    struct signal_track *track = signal__participant_track(call->participant, request->track_sid);
    if (track == NULL)
        return twirp__fail(call, TWIRP_NOT_FOUND, "track is not found");
    if (!request->muted && track->is_muted)
        return twirp__fail(call, TWIRP_FAILED_PRECONDITION, "remote unmute is not enabled");
    if (request->muted)
        signal__track_set_muted(track, true, true);
    if (signal__track_fill(track, &call->arena, &info) != 0)
        return no_memory(call);
    response.track = &info;
    return twirp__answer(call, &response.base);
}

/* The request's map in the form of the participant's own; NULL when memory ran out. */
static struct token_attribute *copy_attributes(struct twirp_call *call,
                                               const Livekit__UpdateParticipantRequest *request)
{
    struct token_attribute *list =
        signal__arena_alloc(&call->arena, (request->n_attributes + 1) * sizeof(*list));
    for (size_t i = 0; list != NULL && i < request->n_attributes; i++) {
        list[i].key = request->attributes[i]->key;
        list[i].value = request->attributes[i]->value;
    }
    return list;
}

static enum twirp_code update_participant(struct twirp_call *call)
{
    const Livekit__UpdateParticipantRequest *request = (const void *)call->request;
    struct signal_participant *p = call->participant;
    struct token_attribute *attributes = copy_attributes(call, request);
    if (attributes == NULL)
        return no_memory(call);
    int rc = signal__participant_set_info(p, request->name, request->metadata,
                                          request->n_attributes, attributes);
    if (rc != 0)
        return twirp__fail_rc(call, rc);
    signal__changed(p, true);
    if (request->permission != NULL)
        signal__participant_set_permission(p, request->permission);
    else
        signal__participant_send_token(p);
    return answer_participant(call, p);
}

static enum twirp_code update_subscriptions(struct twirp_call *call)
{
    const Livekit__UpdateSubscriptionsRequest *request = (const void *)call->request;
    Livekit__UpdateSubscriptionsResponse response = LIVEKIT__UPDATE_SUBSCRIPTIONS_RESPONSE__INIT;
    Livekit__UpdateSubscription wish = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    wish.subscribe = request->subscribe;
    wish.n_track_sids = request->n_track_sids;
    wish.track_sids = request->track_sids;
    wish.n_participant_tracks = request->n_participant_tracks;
    wish.participant_tracks = request->participant_tracks;
    signal__update_subscription(call->participant, &wish);
    return twirp__answer(call, &response.base);
}

/* ---- data ---- */

/* Both kinds of destination as identities; unknown sids are left out. */
static char **destinations(struct twirp_call *call, const Livekit__SendDataRequest *request,
                           size_t *ret_count)
{
    size_t count = 0;
    char **list = signal__arena_alloc(
        &call->arena,
        (request->n_destination_identities + request->n_destination_sids + 1) * sizeof(*list));
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < request->n_destination_identities; i++)
        list[count++] = request->destination_identities[i];
    for (size_t i = 0; i < request->n_destination_sids; i++) {
        struct signal_participant *p =
            signal__room_participant_sid(call->room, request->destination_sids[i]);
        if (p != NULL)
            list[count++] = p->claims.grants.identity;
    }
    *ret_count = count;
    return list;
}

enum twirp_code twirp__send_packet(struct twirp_call *call, const Livekit__DataPacket *packet,
                                   bool is_reliable)
{
    size_t size = livekit__data_packet__get_packed_size(packet);
    uint8_t *bytes = signal__arena_alloc(&call->arena, size + 1);
    if (bytes == NULL)
        return no_memory(call);
    livekit__data_packet__pack(packet, bytes);
    signal__data_send(call->room, is_reliable, bytes, size);
    return TWIRP_OK;
}

static enum twirp_code send_data(struct twirp_call *call)
{
    const Livekit__SendDataRequest *request = (const void *)call->request;
    Livekit__SendDataResponse response = LIVEKIT__SEND_DATA_RESPONSE__INIT;
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    Livekit__UserPacket user = LIVEKIT__USER_PACKET__INIT;
    bool is_addressed = request->n_destination_identities + request->n_destination_sids > 0;
    packet.destination_identities = destinations(call, request, &packet.n_destination_identities);
    if (packet.destination_identities == NULL)
        return no_memory(call);
    if (packet.n_destination_identities > DATA_DESTINATIONS_MAX)
        return twirp__fail(call, TWIRP_INVALID_ARGUMENT, "more than 256 destinations");
    user.payload = request->data;
    user.nonce = request->nonce;
    if (request->topic_presence_case == LIVEKIT__SEND_DATA_REQUEST__TOPIC_PRESENCE_TOPIC) {
        user.topic_presence_case = LIVEKIT__USER_PACKET__TOPIC_PRESENCE_TOPIC;
        user.topic = request->topic;
    }
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    packet.user = &user;
    /* Only unknown destinations: for nobody, not for everybody. */
    if (!is_addressed || packet.n_destination_identities > 0) {
        enum twirp_code code = twirp__send_packet(
            call, &packet, request->kind == LIVEKIT__DATA_PACKET__KIND__RELIABLE);
        if (code != TWIRP_OK)
            return code;
    }
    return twirp__answer(call, &response.base);
}

static enum twirp_code not_here(struct twirp_call *call)
{
    return twirp__fail(call, TWIRP_UNIMPLEMENTED, "a participant cannot change its room here");
}

#define REQUEST(type) &livekit__##type##__descriptor

const struct twirp_method twirp__room_methods[] = {
    {"CreateRoom", REQUEST(create_room_request), TWIRP_GRANT_CREATE, TWIRP_TARGET_NONE,
     create_room},
    {"ListRooms", REQUEST(list_rooms_request), TWIRP_GRANT_LIST, TWIRP_TARGET_NONE, list_rooms},
    {"DeleteRoom", REQUEST(delete_room_request), TWIRP_GRANT_CREATE, TWIRP_TARGET_ROOM,
     delete_room},
    {"UpdateRoomMetadata", REQUEST(update_room_metadata_request), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_ROOM, update_room_metadata},
    {"ListParticipants", REQUEST(list_participants_request), TWIRP_GRANT_ADMIN, TWIRP_TARGET_ROOM,
     list_participants},
    {"GetParticipant", REQUEST(room_participant_identity), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_PARTICIPANT, get_participant},
    {"RemoveParticipant", REQUEST(room_participant_identity), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_PARTICIPANT, remove_participant},
    {"MutePublishedTrack", REQUEST(mute_room_track_request), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_PARTICIPANT, mute_published_track},
    {"UpdateParticipant", REQUEST(update_participant_request), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_PARTICIPANT, update_participant},
    {"UpdateSubscriptions", REQUEST(update_subscriptions_request), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_PARTICIPANT, update_subscriptions},
    {"SendData", REQUEST(send_data_request), TWIRP_GRANT_ADMIN, TWIRP_TARGET_ROOM, send_data},
    {"PerformRpc", REQUEST(perform_rpc_request), TWIRP_GRANT_ADMIN, TWIRP_TARGET_PARTICIPANT,
     signal__rpc_perform},
    {"ForwardParticipant", REQUEST(forward_participant_request), TWIRP_GRANT_ADMIN,
     TWIRP_TARGET_NONE, not_here},
    {"MoveParticipant", REQUEST(move_participant_request), TWIRP_GRANT_ADMIN, TWIRP_TARGET_NONE,
     not_here},
};
const size_t twirp__room_method_count = ARRAY_COUNT(twirp__room_methods);
