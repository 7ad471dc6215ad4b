#include "base/err.h"
#include "base/strbuf.h"
#include "http/lesson_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Who is there: a site is present while it has a live-log connection or a media participant, and
 * for ten seconds after the last of them went, so that a short cut of the line is no leaving.
 */

static enum lesson_role role_of(const struct signal_grants *g)
{
    enum lesson_role role = lesson_role_of(g->lesson_role);
    if (role != LESSON_ROLE_NONE)
        return role;
    return g->hidden || !g->can_publish ? LESSON_ROLE_OBSERVER : LESSON_ROLE_REMOTE;
}

int lesson__identify(const struct lesson *l, const struct signal_grants *g,
                     struct lesson_presence *ret_who)
{
    bool is_for_lesson = strcmp(g->lesson_id[0] != '\0' ? g->lesson_id : g->room, l->id) == 0;
    if (!is_for_lesson || !g->room_join || g->identity[0] == '\0')
        return ERR_NOT_ALLOWED;
    memset(ret_who, 0, sizeof(*ret_who));
    ret_who->role = role_of(g);
    if (str_copy(ret_who->identity, sizeof(ret_who->identity), g->identity) < 0 ||
        str_copy(ret_who->name, sizeof(ret_who->name), g->name) < 0 ||
        str_copy(ret_who->school, sizeof(ret_who->school), g->lesson_school) < 0)
        return ERR_NOT_ALLOWED;
    if (ret_who->name[0] == '\0')
        memcpy(ret_who->name, ret_who->identity, sizeof(ret_who->name));
    return 0;
}

/* True if the fold already has the site online as this token describes it. */
static bool is_known(const struct lesson *l, const struct lesson_presence *who)
{
    const struct lesson_site *site = lesson_state_site(&l->state, who->identity);
    return site != NULL && site->is_online && site->role == who->role &&
           strcmp(site->name, who->name) == 0 && strcmp(site->school, who->school) == 0;
}

static int log_joined(struct lesson *l, const struct lesson_presence *who)
{
    if (is_known(l, who))
        return 0;
    struct lesson_event *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return -ENOMEM;
    e->type = LESSON_EVENT_SITE_JOINED;
    e->role = who->role;
    memcpy(e->site, who->identity, sizeof(e->site));
    memcpy(e->name, who->name, sizeof(e->name));
    memcpy(e->school, who->school, sizeof(e->school));
    int err = lesson__log_event(l, e, NULL, false);
    free(e);
    return err;
}

static void set_leave(struct lesson *l, struct lesson_presence *p, mono_us at)
{
    p->leave_at = at;
    l->api->leave_next = TK_MIN(l->api->leave_next, at);
}

int lesson__arrive(struct lesson *l, const struct lesson_presence *who, mono_us leave_at,
                   struct lesson_presence **ret_presence)
{
    struct lesson_presence *p = strmap_get(&l->presences, who->identity);
    if (p == NULL) {
        p = calloc(1, sizeof(*p));
        if (p == NULL)
            return -ENOMEM;
        *p = *who;
        int err = strmap_put(&l->presences, p->identity, p);
        if (err < 0) {
            free(p);
            return err;
        }
    }
    memcpy(p->name, who->name, sizeof(p->name));
    memcpy(p->school, who->school, sizeof(p->school));
    p->role = who->role;
    if (p->conn_count == 0 && !p->is_in_room)
        set_leave(l, p, leave_at);
    if (ret_presence != NULL)
        *ret_presence = p;
    return log_joined(l, p);
}

void lesson__maybe_leave(struct lesson *l, struct lesson_presence *p, mono_us now)
{
    if (p->conn_count == 0 && !p->is_in_room)
        set_leave(l, p, now + LESSON_LEAVE_DELAY);
}

static void log_left(struct lesson *l, const struct lesson_presence *p)
{
    const struct lesson_site *site = lesson_state_site(&l->state, p->identity);
    if (site == NULL || !site->is_online || l->state.is_ended)
        return;
    struct lesson_event e = {.type = LESSON_EVENT_SITE_LEFT};
    memcpy(e.site, p->identity, sizeof(e.site));
    IGNORE(
        lesson__log_event(l, &e, NULL, false)); /* a full store: the retry below finds it again */
}

/* Looks at every site of a lesson; returns when the next leave timer is due. */
static mono_us check_lesson(struct lesson *l, mono_us now, bool is_retry)
{
    mono_us next = MONO_NEVER;
    size_t cursor = 0;
    for (struct lesson_presence *p; (p = strmap_next(&l->presences, &cursor, NULL)) != NULL;) {
        bool is_here = p->conn_count > 0 || p->is_in_room;
        if (is_here && is_retry && !l->state.is_ended)
            IGNORE(log_joined(l, p)); /* the next retry tries again */
        if (is_here)
            continue;
        if (p->leave_at > now) {
            next = TK_MIN(next, p->leave_at);
            continue;
        }
        log_left(l, p);
        strmap_take(&l->presences, p->identity);
        free(p);
    }
    return next;
}

/* An ended lesson (or one that could not be created) that nobody is connected to leaves the memory.
 */
static void forget_if_over(struct lesson_api *api, struct lesson *l)
{
    bool is_over = l->state.is_ended || l->state.seq == 0;
    if (!is_over || l->conn_count > 0 || l->presences.count > 0 || lesson__has_pending(api, l))
        return;
    strmap_take(&api->lessons, l->id);
    lesson__destroy(l);
}

void lesson__presence_timers(struct lesson_api *api, mono_us now)
{
    bool is_retry = api->retry_at <= now;
    if (!is_retry && api->leave_next > now)
        return;
    if (is_retry)
        api->retry_at = MONO_NEVER;
    mono_us next = MONO_NEVER;
    size_t cursor = 0;
    for (struct lesson *l; (l = strmap_next(&api->lessons, &cursor, NULL)) != NULL;) {
        mono_us lesson_next = check_lesson(l, now, is_retry);
        next = TK_MIN(next, lesson_next);
        forget_if_over(api, l);
    }
    api->leave_next = next;
}
