#include "base/err.h"
#include "base/log.h"
#include "http/lesson_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The way of an event. It is folded at once, so that the next command is decided on it, and shown
 * to people when the store says that it is durable. If the store fails, the state is read back from
 * what is durable, and everything that was waiting is refused.
 */

static void pending_copy(struct lesson_pending *p, const struct lesson_pending *answer)
{
    if (answer != NULL)
        *p = *answer;
    list_init(&p->link);
}

static int enqueue(struct lesson *l, struct lesson_pending *p, const struct store_write *w)
{
    p->lesson = l;
    int err = store_write(l->api->config.store, w, &p->ticket);
    if (err < 0) {
        free(p);
        return err;
    }
    list_push_back(&l->api->pendings, &p->link);
    return 0;
}

/* What an event means for sound and picture: nothing, something for its site, or for everyone. */
static void tell_signal(const struct lesson *l, const struct lesson_event *e)
{
    const char *site = NULL;
    switch (e->type) {
    case LESSON_EVENT_SITE_LEFT:
    case LESSON_EVENT_HAND_RAISED:
    case LESSON_EVENT_HAND_LOWERED:
    case LESSON_EVENT_CHAT:
        return;
    case LESSON_EVENT_SITE_JOINED:
    case LESSON_EVENT_STAGE_ADDED:
    case LESSON_EVENT_STAGE_REMOVED:
    case LESSON_EVENT_FLOOR_GIVEN:
    case LESSON_EVENT_FLOOR_TAKEN:
        site = e->site;
        break;
    default:
        break;
    }
    signal_policy_changed(l->api->config.signal, l->id, site, mono_now());
}

int lesson__log_event(struct lesson *l, struct lesson_event *e, const struct lesson_pending *answer,
                      bool is_new_lesson)
{
    struct lesson_pending *p = calloc(1, sizeof(*p));
    struct store_write *w = calloc(1, sizeof(*w));
    int err = p != NULL && w != NULL ? 0 : -ENOMEM;
    if (err < 0)
        goto out;
    e->seq = l->state.seq + 1;
    e->at = wall_now();
    pending_copy(p, answer);
    p->event = *e;
    p->cmd_seq = e->seq;
    memcpy(w->lesson, l->id, sizeof(w->lesson));
    w->has_event = true;
    w->has_lesson = is_new_lesson;
    w->event = *e;
    memcpy(w->cmd_site, p->cmd_site, sizeof(w->cmd_site));
    memcpy(w->cmd_id, p->cmd_id, sizeof(w->cmd_id));
    w->cmd_seq = e->seq;
    err = enqueue(l, p, w);
    p = NULL; /* queued or freed */
    if (err == 0)
        err = lesson_state_apply(&l->state, e);
    if (err > 0)
        err = 0;
    tell_signal(l, e);
out:
    free(p);
    free(w);
    return err;
}

int lesson__log_command(struct lesson *l, const struct lesson_pending *answer)
{
    struct lesson_pending *p = calloc(1, sizeof(*p));
    struct store_write *w = calloc(1, sizeof(*w));
    int err = p != NULL && w != NULL ? 0 : -ENOMEM;
    if (err < 0)
        goto out;
    pending_copy(p, answer);
    p->cmd_seq = l->state.seq;
    memcpy(w->lesson, l->id, sizeof(w->lesson));
    memcpy(w->cmd_site, p->cmd_site, sizeof(w->cmd_site));
    memcpy(w->cmd_id, p->cmd_id, sizeof(w->cmd_id));
    w->cmd_seq = l->state.seq;
    err = enqueue(l, p, w);
    p = NULL;
out:
    free(p);
    free(w);
    return err;
}

bool lesson__is_for(const struct lesson *l, const struct lesson_event *e, const char *identity)
{
    if (e->site[0] == '\0' || strcmp(e->site, identity) == 0)
        return true;
    if (e->type == LESSON_EVENT_SITE_JOINED)
        return e->role != LESSON_ROLE_OBSERVER;
    const struct lesson_site *site = lesson_state_site(&l->state, e->site);
    return site == NULL || site->role != LESSON_ROLE_OBSERVER;
}

static void broadcast(struct lesson *l, const struct lesson_event *e)
{
    l->durable_seq = e->seq;
    LIST_FOR_EACH(it, &l->conns)
    {
        lesson__conn_advance(CONTAINER_OF(it, struct lesson_conn, link), e);
    }
    if (e->type == LESSON_EVENT_LESSON_ENDED)
        IGNORE(
            signal_close_room(l->api->config.signal, l->id, mono_now())); /* may be empty already */
}

static void answer(struct lesson_api *api, struct lesson_pending *p, int err)
{
    static const struct lesson_refusal unavailable = {
        "unavailable", "the lesson log cannot be written; try again"};
    if (p->exchange != NULL) {
        if (err == 0)
            lesson__reply_created(p->lesson, p->exchange);
        else
            http_reply_error(p->exchange, err, NULL);
    }
    struct lesson_conn *c = p->conn_id != 0 ? idmap_get(&api->conns, p->conn_id) : NULL;
    if (c == NULL)
        return;
    if (err == 0)
        lesson__conn_ack(c, p->cmd_id, p->cmd_seq);
    else
        lesson__conn_refuse(c, p->cmd_id, &unavailable);
}

bool lesson__has_pending(const struct lesson_api *api, const struct lesson *l)
{
    LIST_FOR_EACH(it, &api->pendings)
    {
        if (CONTAINER_OF(it, struct lesson_pending, link)->lesson == l)
            return true;
    }
    return false;
}

/* After a failed write: back to what is durable, once nothing of the lesson is on its way any more.
 */
static void recover(struct lesson *l)
{
    struct lesson_api *api = l->api;
    api->retry_at = mono_now() + LESSON_STORE_RETRY;
    if (lesson__has_pending(api, l))
        return;
    int err = lesson__load(l);
    LOG_ERROR("lesson", "log_rolled_back", "lesson=%s seq=%llu err=\"%s\"", l->id,
              (unsigned long long)l->durable_seq, err_text(err));
    signal_policy_changed(api->config.signal, l->id, NULL, mono_now());
}

void lesson__drain_store(struct lesson_api *api)
{
    struct store_done done;
    while (store_poll_done(api->config.store, &done)) {
        struct list *it = list_pop_front(&api->pendings);
        CHECK(it != NULL);
        struct lesson_pending *p = CONTAINER_OF(it, struct lesson_pending, link);
        CHECK(p->ticket == done.ticket);
        if (done.err == 0 && p->event.type != LESSON_EVENT_UNKNOWN)
            broadcast(p->lesson, &p->event);
        answer(api, p, done.err);
        if (done.err < 0)
            recover(p->lesson);
        free(p);
    }
}
