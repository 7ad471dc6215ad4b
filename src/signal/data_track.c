/*
 * Data tracks: named streams of frames on `_data_track`. The publisher numbers its tracks by its
 * own handles; each subscriber gets handles of ours, written into the packets it receives.
 */

#include "base/bytes.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE   12
#define HANDLE_OFFSET 2
#define PACKET_MAX    65536
#define VERSION_SHIFT 5

static struct signal_data_track *find_handle(struct signal_participant *p, uint32_t handle)
{
    LIST_FOR_EACH(it, &p->data_tracks)
    {
        struct signal_data_track *t = CONTAINER_OF(it, struct signal_data_track, link);
        if (t->handle == handle)
            return t;
    }
    return NULL;
}

static bool has_name(struct signal_participant *p, const char *name)
{
    LIST_FOR_EACH(it, &p->data_tracks)
    if (strcmp(CONTAINER_OF(it, struct signal_data_track, link)->name, name) == 0)
        return true;
    return false;
}

static struct signal_data_track *find_sid(struct signal_room *room, const char *sid)
{
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &p->data_tracks)
        {
            struct signal_data_track *track = CONTAINER_OF(t, struct signal_data_track, link);
            if (strcmp(track->sid, sid) == 0)
                return track;
        }
    }
    return NULL;
}

static void refuse(struct signal_participant *p, const Livekit__PublishDataTrackRequest *request,
                   Livekit__RequestResponse__Reason reason, const char *message)
{
    Livekit__RequestResponse body = LIVEKIT__REQUEST_RESPONSE__INIT;
    body.reason = reason;
    body.message = (char *)(uintptr_t)message;
    body.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_PUBLISH_DATA_TRACK;
    body.publish_data_track = (Livekit__PublishDataTrackRequest *)(uintptr_t)request;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
    response.request_response = &body;
    signal__send(p, &response);
}

static size_t count_tracks(const struct signal_participant *p)
{
    size_t count = 0;
    LIST_FOR_EACH(it, &p->data_tracks)
    count++;
    return count;
}

static bool check(struct signal_participant *p, const Livekit__PublishDataTrackRequest *r)
{
    size_t length = strlen(r->name);
    if (!p->claims.grants.can_publish_data)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED, "not allowed to publish data");
    else if (r->pub_handle == 0 || r->pub_handle > UINT16_MAX)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_HANDLE, "handle: 1 to 65535");
    else if (length == 0 || length >= SIGNAL_TEXT_MAX)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__INVALID_NAME, "name: 1 to 256 bytes");
    else if (find_handle(p, r->pub_handle) != NULL)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_HANDLE, "handle is in use");
    else if (has_name(p, r->name))
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__DUPLICATE_NAME, "name is in use");
    else if (count_tracks(p) >= SIGNAL_DATA_TRACKS_MAX)
        refuse(p, r, LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED, "more than 64 data tracks");
    else
        return true;
    return false;
}

/* A copy of the request, by way of its encoding. */
static Livekit__PublishDataTrackRequest *copy_request(const Livekit__PublishDataTrackRequest *r)
{
    size_t size = livekit__publish_data_track_request__get_packed_size(r);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return NULL;
    livekit__publish_data_track_request__pack(r, bytes);
    Livekit__PublishDataTrackRequest *copy =
        livekit__publish_data_track_request__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

void signal__data_track_fill(const struct signal_data_track *track,
                             Livekit__DataTrackInfo *ret_message)
{
    livekit__data_track_info__init(ret_message);
    ret_message->pub_handle = track->handle;
    ret_message->sid = (char *)(uintptr_t)track->sid;
    ret_message->name = (char *)(uintptr_t)track->name;
    ret_message->encryption = track->request->encryption;
    ret_message->frame_encoding = track->request->frame_encoding;
    ret_message->schema = track->request->schema;
}

static void send_published(struct signal_data_track *track)
{
    Livekit__DataTrackInfo info;
    signal__data_track_fill(track, &info);
    Livekit__PublishDataTrackResponse body = LIVEKIT__PUBLISH_DATA_TRACK_RESPONSE__INIT;
    body.info = &info;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PUBLISH_DATA_TRACK_RESPONSE;
    response.publish_data_track_response = &body;
    signal__send(track->participant, &response);
}

static struct signal_data_sub *find_sub(struct signal_participant *viewer,
                                        const struct signal_data_track *track)
{
    LIST_FOR_EACH(it, &viewer->data_subs)
    {
        struct signal_data_sub *sub = CONTAINER_OF(it, struct signal_data_sub, link);
        if (sub->track == track)
            return sub;
    }
    return NULL;
}

static bool is_handle_used(struct signal_participant *viewer, uint16_t handle)
{
    LIST_FOR_EACH(it, &viewer->data_subs)
    if (CONTAINER_OF(it, struct signal_data_sub, link)->handle == handle)
        return true;
    return handle == 0;
}

static bool subscribe(struct signal_participant *viewer, struct signal_data_track *track)
{
    if (find_sub(viewer, track) != NULL || viewer == track->participant ||
        !viewer->claims.grants.can_subscribe || !signal__is_visible(viewer, track->participant) ||
        viewer->data_sub_count >= SIGNAL_SUBS_MAX)
        return false;
    struct signal_data_sub *sub = calloc(1, sizeof(*sub));
    if (sub == NULL)
        return false;
    sub->track = track;
    do
        sub->handle = ++viewer->data_handle_next;
    while (is_handle_used(viewer, sub->handle));
    list_push_back(&viewer->data_subs, &sub->link);
    viewer->data_sub_count++;
    return true;
}

static bool unsubscribe(struct signal_participant *viewer, const struct signal_data_track *track)
{
    struct signal_data_sub *sub = find_sub(viewer, track);
    if (sub == NULL)
        return false;
    list_remove(&sub->link);
    viewer->data_sub_count--;
    free(sub);
    return true;
}

static int fill_handles(struct signal_participant *viewer, struct signal_arena *arena,
                        Livekit__DataTrackSubscriberHandles *m)
{
    m->sub_handles =
        signal__arena_alloc(arena, (viewer->data_sub_count + 1) * sizeof(*m->sub_handles));
    if (m->sub_handles == NULL)
        return -ENOMEM;
    LIST_FOR_EACH(it, &viewer->data_subs)
    {
        const struct signal_data_sub *sub = CONTAINER_OF(it, struct signal_data_sub, link);
        Livekit__DataTrackSubscriberHandles__SubHandlesEntry *entry =
            signal__arena_alloc(arena, sizeof(*entry));
        Livekit__DataTrackSubscriberHandles__PublishedDataTrack *value =
            signal__arena_alloc(arena, sizeof(*value));
        if (entry == NULL || value == NULL)
            return -ENOMEM;
        livekit__data_track_subscriber_handles__sub_handles_entry__init(entry);
        livekit__data_track_subscriber_handles__published_data_track__init(value);
        value->publisher_identity = sub->track->participant->claims.grants.identity;
        value->publisher_sid = sub->track->participant->sid;
        value->track_sid = sub->track->sid;
        entry->key = sub->handle;
        entry->value = value;
        m->sub_handles[m->n_sub_handles++] = entry;
    }
    return 0;
}

static void send_handles(struct signal_participant *viewer)
{
    struct signal_arena arena = {0};
    Livekit__DataTrackSubscriberHandles body = LIVEKIT__DATA_TRACK_SUBSCRIBER_HANDLES__INIT;
    if (fill_handles(viewer, &arena, &body) == 0) {
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_DATA_TRACK_SUBSCRIBER_HANDLES;
        response.data_track_subscriber_handles = &body;
        signal__send(viewer, &response);
    }
    signal__arena_fini(&arena);
}

void signal__data_tracks_tell(struct signal_participant *viewer)
{
    if (viewer->data_sub_count > 0)
        send_handles(viewer);
}

void signal__data_auto_subscribe(struct signal_participant *viewer)
{
    bool has_changed = false;
    if (!viewer->has_auto_subscribe_data || !viewer->was_active)
        return;
    LIST_FOR_EACH(it, &viewer->room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(t, &p->data_tracks)
        if (subscribe(viewer, CONTAINER_OF(t, struct signal_data_track, link)))
            has_changed = true;
    }
    if (has_changed)
        send_handles(viewer);
}

void signal__data_track_publish(struct signal_participant *p,
                                const Livekit__PublishDataTrackRequest *request)
{
    if (!check(p, request))
        return;
    struct signal_data_track *track = calloc(1, sizeof(*track));
    Livekit__PublishDataTrackRequest *copy = copy_request(request);
    if (track == NULL || copy == NULL) {
        free(track);
        livekit__publish_data_track_request__free_unpacked(copy, NULL);
        return;
    }
    track->participant = p;
    track->handle = (uint16_t)request->pub_handle;
    track->request = copy;
    id_make(p->room->signal->config.rng, "DTR_", track->sid);
    IGNORE(str_copy(track->name, sizeof(track->name), request->name)); /* length was checked */
    list_push_back(&p->data_tracks, &track->link);
    send_published(track);
    signal__changed(p, true);
    signal__updates_flush(p->room);
    LIST_FOR_EACH(it, &p->room->participants)
    signal__data_auto_subscribe(CONTAINER_OF(it, struct signal_participant, link));
}

static void track_free(struct signal_data_track *track)
{
    struct signal_participant *p = track->participant;
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        if (unsubscribe(viewer, track))
            send_handles(viewer);
    }
    list_remove(&track->link);
    livekit__publish_data_track_request__free_unpacked(track->request, NULL);
    free(track);
}

void signal__data_track_unpublish(struct signal_participant *p, uint32_t handle)
{
    struct signal_data_track *track = find_handle(p, handle);
    if (track == NULL)
        return;
    Livekit__DataTrackInfo info;
    signal__data_track_fill(track, &info);
    Livekit__UnpublishDataTrackResponse body = LIVEKIT__UNPUBLISH_DATA_TRACK_RESPONSE__INIT;
    body.info = &info;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UNPUBLISH_DATA_TRACK_RESPONSE;
    response.unpublish_data_track_response = &body;
    signal__send(p, &response);
    track_free(track);
    signal__changed(p, true);
}

void signal__data_tracks_free(struct signal_participant *p)
{
    while (!list_is_empty(&p->data_tracks))
        track_free(CONTAINER_OF(p->data_tracks.next, struct signal_data_track, link));
}

void signal__data_subs_free(struct signal_participant *p)
{
    while (!list_is_empty(&p->data_subs)) {
        struct signal_data_sub *sub = CONTAINER_OF(p->data_subs.next, struct signal_data_sub, link);
        IGNORE(unsubscribe(p, sub->track)); /* it is one */
    }
}

void signal__data_subscribe(struct signal_participant *p,
                            const Livekit__UpdateDataSubscription *request)
{
    bool has_changed = false;
    for (size_t i = 0; i < request->n_updates; i++) {
        struct signal_data_track *track = find_sid(p->room, request->updates[i]->track_sid);
        if (track == NULL)
            continue;
        has_changed |= request->updates[i]->subscribe ? subscribe(p, track) : unsubscribe(p, track);
    }
    if (has_changed)
        send_handles(p);
}

void signal__data_track_packet(struct signal_participant *p, const uint8_t *data, size_t size)
{
    bool is_packet = size >= HEADER_SIZE && size <= PACKET_MAX && data[0] >> VERSION_SHIFT == 0;
    struct signal_data_track *track =
        is_packet ? find_handle(p, get_u16be(data + HANDLE_OFFSET)) : NULL;
    if (track == NULL) {
        p->room->signal->stats.malformed++;
        return;
    }
    struct signal_frame *frame = signal__frame_alloc(size);
    if (frame == NULL)
        return;
    memcpy(frame->data, data, size);
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        const struct signal_data_sub *sub = find_sub(viewer, track);
        if (sub == NULL || viewer->subscriber->dc == NULL)
            continue;
        put_u16be(frame->data + HANDLE_OFFSET, sub->handle);
        /* Unreliable by nature: what cannot go now is dropped. */
        IGNORE(signal__dc_send(viewer->subscriber->dc, SIGNAL_LABEL_TRACK, frame->data, size));
    }
    signal__frame_unref(frame);
}
