/*
 * Who is told what about whom. Changes mark a participant as dirty; at the end of a call (or a
 * little later, for those who only subscribe in a large room) each viewer gets one
 * ParticipantUpdate with all the changed participants that it may see. Each participant is encoded
 * once.
 */

#include "base/err.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_ROOM  16   /* up to here every change goes out at once */
#define TAG_UPDATE  0x2a /* SignalResponse.update, length-delimited */
#define TAG_INFO    0x0a /* ParticipantUpdate.participants */
#define VARINT_MAX  10
#define CHUNK_INFOS 64 /* participants in one update message */

struct blob {
    struct signal_participant *p;
    uint8_t *data;
    size_t size;
};

bool signal__is_visible(const struct signal_participant *viewer, const struct signal_participant *p)
{
    if (viewer == p)
        return true;
    if (p->claims.grants.hidden)
        return false;
    const struct signal *s = p->room->signal;
    return !p->room->is_ruled || s->policy.is_visible == NULL ||
           s->policy.is_visible(s->policy.user, p->room->name, viewer->claims.grants.identity,
                                p->claims.grants.identity);
}

/* The more have to be told, the longer it waits for others to join the same message. */
static mono_us batch_time(const struct signal_room *room)
{
    mono_us time = (mono_us)room->participant_count * SIGNAL_BATCH_EACH_US;
    return TK_MIN(TK_MAX(time, SIGNAL_BATCH_US), SIGNAL_BATCH_MAX_US);
}

void signal__changed(struct signal_participant *p, bool is_immediate)
{
    struct signal_room *room = p->room;
    mono_us now = room->signal->now;
    p->version++;
    p->is_dirty = true;
    if (is_immediate || room->participant_count <= SMALL_ROOM) {
        room->updates_due = now;
        room->signal->is_finish_due = true;
    } else {
        room->updates_due = TK_MIN(room->updates_due, now + batch_time(room));
        signal__wake(room, room->updates_due);
    }
}

static uint8_t *put_varint(uint8_t *at, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static size_t varint_size(size_t value)
{
    uint8_t scratch[VARINT_MAX];
    return (size_t)(put_varint(scratch, value) - scratch);
}

/* The encoded ParticipantInfo, in the arena; false without memory. */
static bool encode(struct signal_participant *p, struct signal_arena *arena, struct blob *ret_blob)
{
    Livekit__ParticipantInfo info;
    if (signal__participant_fill(p, arena, &info) < 0)
        return false;
    size_t size = livekit__participant_info__get_packed_size(&info);
    uint8_t *data = signal__arena_alloc(arena, size);
    if (data == NULL)
        return false;
    livekit__participant_info__pack(&info, data);
    *ret_blob = (struct blob){.p = p, .data = data, .size = size};
    return true;
}

/* SignalResponse{update{participants…}} out of encoded participants; NULL entries are left out. */
static struct signal_frame *join_blobs(const struct blob *const *blobs, size_t count)
{
    size_t body = 0;
    for (size_t i = 0; i < count; i++)
        body += 1 + varint_size(blobs[i]->size) + blobs[i]->size;
    struct signal_frame *frame = signal__frame_alloc(1 + varint_size(body) + body);
    if (frame == NULL)
        return NULL;
    uint8_t *at = frame->data;
    *at++ = TAG_UPDATE;
    at = put_varint(at, body);
    for (size_t i = 0; i < count; i++) {
        *at++ = TAG_INFO;
        at = put_varint(at, blobs[i]->size);
        memcpy(at, blobs[i]->data, blobs[i]->size);
        at += blobs[i]->size;
    }
    return frame;
}

/* Sends one viewer those of the blobs that it may see; all of them as the shared frame. */
static void send_blobs(struct signal_participant *viewer, const struct blob *blobs, size_t count,
                       struct signal_frame **shared)
{
    const struct blob *seen[CHUNK_INFOS];
    size_t seen_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!signal__is_visible(viewer, blobs[i].p))
            continue;
        if (signal__bits_add(&viewer->known, blobs[i].p->slot) == 0)
            seen[seen_count++] = &blobs[i];
    }
    if (seen_count == 0 || viewer->session->is_mute)
        return;
    if (seen_count < count) {
        struct signal_frame *own = join_blobs(seen, seen_count);
        signal__session_push(viewer->session, own);
        signal__frame_unref(own);
        return;
    }
    if (*shared == NULL)
        *shared = join_blobs(seen, seen_count);
    signal__session_push(viewer->session, *shared);
}

static size_t take_dirty(struct signal_room *room, struct signal_arena *arena,
                         struct blob blobs[CHUNK_INFOS])
{
    size_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (!p->is_dirty || count == CHUNK_INFOS)
            continue;
        p->is_dirty = false;
        if (encode(p, arena, &blobs[count]))
            count++;
    }
    return count;
}

void signal__updates_flush(struct signal_room *room)
{
    if (room->updates_due > room->signal->now)
        return;
    room->updates_due = MONO_NEVER;
    size_t count;
    do {
        struct signal_arena arena = {0};
        struct blob blobs[CHUNK_INFOS];
        struct signal_frame *shared = NULL;
        count = take_dirty(room, &arena, blobs);
        LIST_FOR_EACH(it, &room->participants)
        {
            struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
            if (count > 0 && viewer->session != NULL)
                send_blobs(viewer, blobs, count, &shared);
        }
        signal__frame_unref(shared);
        signal__arena_fini(&arena);
    } while (count == CHUNK_INFOS);
}

int signal__visible_fill(struct signal_participant *viewer, struct signal_arena *arena,
                         size_t *ret_count, Livekit__ParticipantInfo ***ret_infos)
{
    struct signal_room *room = viewer->room;
    Livekit__ParticipantInfo **infos = signal__arena_alloc(
        arena, (room->participant_count + 1) * sizeof(Livekit__ParticipantInfo *));
    if (infos == NULL)
        return -ENOMEM;
    size_t count = 0;
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (p == viewer || !signal__is_visible(viewer, p))
            continue;
        infos[count] = signal__arena_alloc(arena, sizeof(Livekit__ParticipantInfo));
        if (infos[count] == NULL || signal__participant_fill(p, arena, infos[count]) < 0 ||
            signal__bits_add(&viewer->known, p->slot) < 0)
            return -ENOMEM;
        count++;
    }
    *ret_count = count;
    *ret_infos = infos;
    return 0;
}

/* Kept for a viewer whose line is lost: it hears of the departure when it comes back. */
static void keep_missed(struct signal_participant *viewer, struct signal_frame *frame)
{
    if (viewer->missed_count == SIGNAL_MISSED_MAX)
        return;
    struct signal_frame **missed =
        realloc(viewer->missed, (viewer->missed_count + 1) * sizeof(struct signal_frame *));
    if (missed == NULL)
        return;
    viewer->missed = missed;
    frame->refs++;
    viewer->missed[viewer->missed_count++] = frame;
}

static struct signal_frame *single_frame(struct signal_participant *p)
{
    struct signal_arena arena = {0};
    struct blob blob;
    const struct blob *one = &blob;
    struct signal_frame *frame = encode(p, &arena, &blob) ? join_blobs(&one, 1) : NULL;
    signal__arena_fini(&arena);
    return frame;
}

int signal__visible_mark(struct signal_participant *viewer)
{
    LIST_FOR_EACH(it, &viewer->room->participants)
    {
        const struct signal_participant *p = CONTAINER_OF(it, struct signal_participant, link);
        if (p != viewer && signal__is_visible(viewer, p) &&
            signal__bits_add(&viewer->known, p->slot) < 0)
            return -ENOMEM;
    }
    return 0;
}

void signal__update_gone(struct signal_participant *p)
{
    struct signal_frame *frame = single_frame(p);
    if (frame == NULL)
        return;
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        if (!signal__bits_has(&viewer->known, p->slot))
            continue;
        if (viewer->session != NULL)
            signal__session_push(viewer->session, frame);
        else
            keep_missed(viewer, frame);
    }
    signal__frame_unref(frame);
}

/* As if `p` had left, for one viewer. */
static void hide(struct signal_participant *viewer, struct signal_participant *p)
{
    uint8_t state = p->state;
    p->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
    p->version++;
    struct signal_frame *frame = single_frame(p);
    p->state = state;
    signal__session_push(viewer->session, frame);
    signal__frame_unref(frame);
    signal__bits_remove(&viewer->known, p->slot);
}

static void show(struct signal_participant *viewer, struct signal_participant *p)
{
    struct signal_frame *frame = single_frame(p);
    if (frame != NULL && signal__bits_add(&viewer->known, p->slot) == 0)
        signal__session_push(viewer->session, frame);
    signal__frame_unref(frame);
}

static void look_at_pair(struct signal_participant *viewer, struct signal_participant *p)
{
    if (viewer == p || viewer->session == NULL)
        return; /* without a line: it gets everything anew when it comes back */
    bool is_known = signal__bits_has(&viewer->known, p->slot);
    if (is_known == signal__is_visible(viewer, p))
        return;
    if (is_known)
        hide(viewer, p);
    else if (!p->is_dirty)
        show(viewer, p);
}

void signal__visibility_of(struct signal_participant *p)
{
    LIST_FOR_EACH(it, &p->room->participants)
    {
        struct signal_participant *other = CONTAINER_OF(it, struct signal_participant, link);
        look_at_pair(other, p);
        look_at_pair(p, other);
    }
}

void signal__visibility_changed(struct signal_room *room)
{
    LIST_FOR_EACH(it, &room->participants)
    {
        struct signal_participant *viewer = CONTAINER_OF(it, struct signal_participant, link);
        LIST_FOR_EACH(other, &room->participants)
        look_at_pair(viewer, CONTAINER_OF(other, struct signal_participant, link));
    }
}
