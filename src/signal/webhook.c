/* Webhook events: built when something happens, kept in order until they are fetched. */

#include "base/err.h"
#include "signal/pbjson.h"
#include "signal/signal_internal.h"

#include <stdlib.h>

struct webhook {
    struct list link;
    char *body;
};

static char *print(struct signal_room *room, const char *event, const struct signal_participant *p,
                   const struct signal_track *track, Livekit__RoomEndReason end_reason)
{
    struct signal *s = room->signal;
    struct signal_arena arena = {0};
    Livekit__Room room_info;
    Livekit__ParticipantInfo info;
    Livekit__TrackInfo track_info;
    char id[ID_SIZE];
    char *body = NULL;
    Livekit__WebhookEvent m = LIVEKIT__WEBHOOK_EVENT__INIT;
    id_make(s->config.rng, "EV_", id);
    m.id = id;
    m.event = (char *)(uintptr_t)event;
    m.created_at = s->wall / 1000;
    m.num_dropped = (int32_t)TK_MIN(s->webhooks_dropped, (uint32_t)INT32_MAX);
    m.room_end_reason = end_reason;
    signal__room_fill(room, &room_info);
    m.room = &room_info;
    bool is_whole = true;
    if (p != NULL) {
        is_whole = signal__participant_fill(p, &arena, &info) == 0;
        m.participant = &info;
    }
    if (track != NULL) {
        is_whole = is_whole && signal__track_fill(track, &arena, &track_info) == 0;
        m.track = &track_info;
    }
    if (is_whole && pbjson_print(&m.base, &body) < 0)
        body = NULL;
    signal__arena_fini(&arena);
    return body;
}

void signal__webhook(struct signal_room *room, const char *event,
                     const struct signal_participant *p, const struct signal_track *track,
                     Livekit__RoomEndReason end_reason)
{
    struct signal *s = room->signal;
    struct webhook *w = NULL;
    if (s->config.has_no_webhooks)
        return;
    if (s->webhook_count < SIGNAL_WEBHOOKS_MAX)
        w = calloc(1, sizeof(*w));
    if (w != NULL)
        w->body = print(room, event, p, track, end_reason);
    if (w == NULL || w->body == NULL) {
        free(w);
        s->webhooks_dropped++;
        return;
    }
    s->webhooks_dropped = 0;
    list_push_back(&s->webhooks, &w->link);
    s->webhook_count++;
}

int signal_poll_webhook(struct signal *s, char **ret_body)
{
    struct list *item = list_pop_front(&s->webhooks);
    if (item == NULL)
        return 0;
    struct webhook *w = CONTAINER_OF(item, struct webhook, link);
    *ret_body = w->body;
    s->webhook_count--;
    free(w);
    return 1;
}
