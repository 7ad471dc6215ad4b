/* A room: limits, metadata, counts, its ends by timeout or by order. */

#include "base/err.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct signal_room *signal__room_find(struct signal *s, const char *name)
{
    return strmap_get(&s->rooms, name);
}

static void apply_config(struct signal_room *room, const Livekit__CreateRoomRequest *config)
{
    if (config->empty_timeout > 0)
        room->empty_timeout = MONO_S(config->empty_timeout);
    if (config->departure_timeout > 0)
        room->departure_timeout = MONO_S(config->departure_timeout);
    room->participant_count_max = config->max_participants;
}

static int create(struct signal *s, const char *name, const Livekit__CreateRoomRequest *config,
                  struct signal_room **ret_room)
{
    struct signal_room *room = calloc(1, sizeof(*room));
    if (room == NULL)
        return -ENOMEM;
    memcpy(room->name, name, strlen(name) + 1);
    room->signal = s;
    id_make(s->config.rng, "RM_", room->sid);
    room->empty_timeout = s->config.empty_timeout;
    room->departure_timeout = s->config.departure_timeout;
    room->participant_count_max = s->config.participant_count_max;
    room->created_at = s->now;
    room->created_wall = s->wall;
    room->due = MONO_NEVER;
    room->updates_due = MONO_NEVER;
    room->is_ruled = signal__is_ruled(s, name);
    list_init(&room->participants);
    list_init(&room->sounding);
    timers_init(&room->timers);
    strmap_init(&room->by_identity, SIGNAL_PARTICIPANTS_MAX, rng_u64(s->config.rng));
    strmap_init(&room->by_track_sid, (size_t)SIGNAL_PARTICIPANTS_MAX * SIGNAL_TRACKS_MAX,
                rng_u64(s->config.rng));
    strmap_init(&room->members, SIGNAL_PARTICIPANTS_MAX, rng_u64(s->config.rng));
    if (config != NULL) {
        apply_config(room, config);
        room->metadata = strdup(config->metadata);
    }
    int err = strmap_put(&s->rooms, name, room);
    if (err < 0) {
        free(room->metadata);
        free(room);
        return err;
    }
    list_push_back(&s->room_list, &room->link);
    signal__wake(room, s->now + room->empty_timeout);
    signal__webhook(room, "room_started", NULL, NULL, 0);
    *ret_room = room;
    return 0;
}

int signal__room_open(struct signal *s, const char *name, const Livekit__CreateRoomRequest *config,
                      struct signal_room **ret_room)
{
    size_t length = strlen(name);
    if (length == 0 || length >= SIGNAL_TEXT_MAX)
        return ERR_MALFORMED;
    if (config != NULL && strlen(config->metadata) > TOKEN_METADATA_MAX)
        return ERR_LIMIT;
    struct signal_room *room = signal__room_find(s, name);
    if (room != NULL) {
        *ret_room = room;
        return 0;
    }
    if (s->rooms.count >= s->config.room_count_max)
        return ERR_LIMIT;
    return create(s, name, config, ret_room);
}

void signal__room_destroy(struct signal_room *room, Livekit__DisconnectReason reason,
                          Livekit__RoomEndReason end_reason)
{
    struct signal *s = room->signal;
    room->is_closing = true;
    while (!list_is_empty(&room->participants))
        signal__participant_remove(
            CONTAINER_OF(room->participants.next, struct signal_participant, link), reason, true);
    signal__webhook(room, "room_finished", NULL, NULL, end_reason);
    list_remove(&room->link);
    strmap_take(&s->rooms, room->name);
    signal__bits_fini(&room->slots);
    strmap_fini(&room->by_identity);
    strmap_fini(&room->by_track_sid);
    strmap_fini(&room->members);
    timers_fini(&room->timers);
    free(room->metadata);
    free(room);
}

static uint32_t publisher_count(const struct signal_room *room)
{
    uint32_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        const struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        count += p->is_publisher && !p->claims.grants.hidden;
    }
    return count;
}

static uint32_t visible_count(const struct signal_room *room)
{
    uint32_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    count += !CONTAINER_OF(it, struct signal_participant, link)->claims.grants.hidden;
    return count;
}

void signal__room_fill(struct signal_room *room, Livekit__Room *ret_message)
{
    livekit__room__init(ret_message);
    ret_message->sid = room->sid;
    ret_message->name = room->name;
    ret_message->empty_timeout = (uint32_t)(room->empty_timeout / MONO_S(1));
    ret_message->departure_timeout = (uint32_t)(room->departure_timeout / MONO_S(1));
    ret_message->max_participants = room->participant_count_max;
    ret_message->creation_time = room->created_wall / 1000;
    ret_message->creation_time_ms = room->created_wall;
    if (room->metadata != NULL)
        ret_message->metadata = room->metadata;
    ret_message->num_participants = visible_count(room);
    ret_message->num_publishers = publisher_count(room);
    LIST_FOR_EACH(it, &room->participants)
    if (CONTAINER_OF(it, struct signal_participant, link)->claims.recorder)
        ret_message->active_recording = true;
}

void signal__room_send_update(struct signal_room *room)
{
    Livekit__Room message;
    signal__room_fill(room, &message);
    Livekit__RoomUpdate update = LIVEKIT__ROOM_UPDATE__INIT;
    update.room = &message;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE;
    response.room_update = &update;
    struct signal_frame *frame = signal__frame_pack(&response);
    LIST_FOR_EACH(it, &room->participants)
    signal__session_push(CONTAINER_OF(it, struct signal_participant, link)->session, frame);
    signal__frame_unref(frame);
    room->has_counts_changed = false;
    room->counts_at = room->signal->now;
}

int signal__room_set_metadata(struct signal_room *room, const char *metadata)
{
    if (strlen(metadata) > TOKEN_METADATA_MAX)
        return ERR_LIMIT;
    char *copy = strdup(metadata);
    if (copy == NULL)
        return -ENOMEM;
    free(room->metadata);
    room->metadata = copy;
    signal__room_send_update(room);
    return 0;
}

struct signal_participant *signal__room_participant(struct signal_room *room, const char *identity)
{
    return strmap_get(&room->by_identity, identity);
}

struct signal_participant *signal__room_participant_sid(struct signal_room *room, const char *sid)
{
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (strcmp(p->sid, sid) == 0)
            return p;
    }
    return NULL;
}

struct signal_track *signal__room_track(struct signal_room *room, const char *track_sid)
{
    return strmap_get(&room->by_track_sid, track_sid);
}

static bool has_ended(const struct signal_room *room, mono_us now)
{
    if (room->participant_count > 0)
        return false;
    return room->had_participant ? now >= room->emptied_at + room->departure_timeout
                                 : now >= room->created_at + room->empty_timeout;
}

void signal__room_counts_changed(struct signal_room *room)
{
    room->has_counts_changed = true;
    signal__wake(
        room, TK_MAX(room->counts_at + SIGNAL_ROOM_COUNTS_US, room->signal->now + SIGNAL_TICK_US));
}

/* The earliest of what the room and those in it have to do. */
static mono_us next_due(const struct signal_room *room)
{
    if (room->participant_count == 0)
        return room->had_participant ? room->emptied_at + room->departure_timeout
                                     : room->created_at + room->empty_timeout;
    mono_us due = TK_MIN(timers_next(&room->timers), room->updates_due);
    if (room->has_counts_changed)
        due = TK_MIN(due, room->counts_at + SIGNAL_ROOM_COUNTS_US);
    if (!list_is_empty(&room->sounding))
        due = TK_MIN(due, room->speakers_at + SIGNAL_SPEAKERS_US);
    return due;
}

void signal__room_tick(struct signal_room *room)
{
    mono_us now = room->signal->now;
    if (has_ended(room, now)) {
        signal__room_destroy(room, LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED,
                             LIVEKIT__ROOM_END_REASON__ROOM_END_REASON_IDLE_TIMEOUT);
        return;
    }
    signal__participants_tick(room);
    if (!list_is_empty(&room->sounding) && now >= room->speakers_at + SIGNAL_SPEAKERS_US)
        signal__speakers_tick(room);
    if (room->has_counts_changed && now >= room->counts_at + SIGNAL_ROOM_COUNTS_US)
        signal__room_send_update(room);
    signal__updates_flush(room);
    room->due = next_due(room);
}
