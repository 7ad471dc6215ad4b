#include "lesson/fold.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lesson_state_init(struct lesson_state *s, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    strmap_init(&s->sites, LESSON_SITES_MAX, seed);
}

void lesson_state_fini(struct lesson_state *s)
{
    size_t cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&s->sites, &cursor, NULL)) != NULL;)
        free(site);
    strmap_fini(&s->sites);
    memset(s, 0, sizeof(*s));
}

struct lesson_site *lesson_state_site(const struct lesson_state *s, const char *identity)
{
    return strmap_get(&s->sites, identity);
}

/* ---- small steps, each idempotent: true if something changed ---- */

static bool set_floor(struct lesson_state *s, struct lesson_site *site, bool has_floor)
{
    if (site->has_floor == has_floor)
        return false;
    site->has_floor = has_floor;
    s->floor_count = has_floor ? s->floor_count + 1 : s->floor_count - 1;
    return true;
}

static bool set_hand(struct lesson_site *site, uint64_t seq)
{
    bool is_up = seq != 0;
    if (is_up == (site->hand_seq != 0))
        return false;
    site->hand_seq = seq;
    return true;
}

static bool add_to_stage(struct lesson_state *s, struct lesson_site *site)
{
    if (site->is_on_stage || s->stage_count == LESSON_STAGE_MAX)
        return false;
    site->is_on_stage = true;
    s->stage[s->stage_count++] = site;
    set_floor(s, site, true);
    set_hand(site, 0);
    return true;
}

static bool remove_from_stage(struct lesson_state *s, struct lesson_site *site)
{
    if (!site->is_on_stage)
        return false;
    site->is_on_stage = false;
    size_t kept = 0;
    for (size_t i = 0; i < s->stage_count; i++)
        if (s->stage[i] != site)
            s->stage[kept++] = s->stage[i];
    s->stage_count = kept;
    set_floor(s, site, false);
    return true;
}

/* ---- events without a known site ---- */

static int open_lesson(struct lesson_state *s, const struct lesson_event *e)
{
    s->is_opened = true;
    memcpy(s->title, e->title, sizeof(s->title));
    s->kind = e->kind;
    return 1;
}

static int join_site(struct lesson_state *s, const struct lesson_event *e)
{
    struct lesson_site *site = lesson_state_site(s, e->site);
    if (site == NULL) {
        site = calloc(1, sizeof(*site));
        if (site == NULL)
            return -ENOMEM;
        memcpy(site->identity, e->site, sizeof(site->identity));
        int err = strmap_put(&s->sites, e->site, site);
        if (err < 0) {
            free(site);
            return err;
        }
    }
    site->role = e->role;
    site->is_online = true;
    memcpy(site->name, e->name, sizeof(site->name));
    memcpy(site->school, e->school, sizeof(site->school));
    return 1;
}

static int mute_all(struct lesson_state *s)
{
    int changed = 0;
    size_t cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&s->sites, &cursor, NULL)) != NULL;)
        changed |= set_floor(s, site, false);
    return changed;
}

static int end_lesson(struct lesson_state *s)
{
    s->is_ended = true;
    size_t cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&s->sites, &cursor, NULL)) != NULL;) {
        remove_from_stage(s, site);
        set_floor(s, site, false);
        set_hand(site, 0);
    }
    return 1;
}

/* ---- events about a site ---- */

static int apply_to_site(struct lesson_state *s, struct lesson_site *site,
                         const struct lesson_event *e)
{
    switch (e->type) {
    case LESSON_EVENT_SITE_LEFT:
        site->is_online = false;
        set_hand(site, 0);
        return 1;
    case LESSON_EVENT_HAND_RAISED:
        return set_hand(site, e->seq);
    case LESSON_EVENT_HAND_LOWERED:
        return set_hand(site, 0);
    case LESSON_EVENT_STAGE_ADDED:
        return add_to_stage(s, site);
    case LESSON_EVENT_STAGE_REMOVED:
        return remove_from_stage(s, site);
    case LESSON_EVENT_FLOOR_GIVEN: {
        bool is_changed = set_floor(s, site, true);
        return set_hand(site, 0) || is_changed;
    }
    case LESSON_EVENT_FLOOR_TAKEN:
        return set_floor(s, site, false);
    default:
        return 0;
    }
}

int lesson_state_apply(struct lesson_state *s, const struct lesson_event *e)
{
    if (e->seq <= s->seq)
        return 0;
    int result = 0;
    if (s->is_ended) {
        result = 0;
    } else if (e->type == LESSON_EVENT_LESSON_OPENED) {
        result = open_lesson(s, e);
    } else if (e->type == LESSON_EVENT_SITE_JOINED) {
        result = join_site(s, e);
    } else if (e->type == LESSON_EVENT_ALL_MUTED) {
        result = mute_all(s);
    } else if (e->type == LESSON_EVENT_LESSON_ENDED) {
        result = end_lesson(s);
    } else {
        struct lesson_site *site = lesson_state_site(s, e->site);
        result = site != NULL ? apply_to_site(s, site, e) : 0;
    }
    if (result >= 0)
        s->seq = e->seq;
    return result;
}
