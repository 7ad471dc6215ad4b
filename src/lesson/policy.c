#include "lesson/policy.h"

#include <string.h>

static bool is_sound(enum lesson_source source)
{
    return source == LESSON_SOURCE_MICROPHONE || source == LESSON_SOURCE_SCREEN_AUDIO;
}

bool lesson_policy_can_publish(const struct lesson_state *s, const char *identity,
                               enum lesson_source source)
{
    const struct lesson_site *site = lesson_state_site(s, identity);
    if (site == NULL || s->is_ended)
        return false;
    if (site->role == LESSON_ROLE_LECTURE)
        return true;
    if (site->role != LESSON_ROLE_REMOTE)
        return false;
    /* The microphone may be published at any time, so that the floor can be given without a delay;
     * it is heard only with the floor. */
    return source == LESSON_SOURCE_CAMERA || source == LESSON_SOURCE_MICROPHONE;
}

/* What anybody gets of a remote site because of the stage and the floor. */
static int layer_of_remote(const struct lesson_site *publisher, enum lesson_source source)
{
    if (source == LESSON_SOURCE_MICROPHONE)
        return publisher->has_floor ? LESSON_LAYER_LOW : LESSON_LAYER_NONE;
    if (source == LESSON_SOURCE_CAMERA && publisher->is_on_stage)
        return LESSON_LAYER_FULL;
    return LESSON_LAYER_NONE;
}

int lesson_policy_layer_for(const struct lesson_state *s, const char *viewer, const char *publisher,
                            enum lesson_source source)
{
    const struct lesson_site *to = lesson_state_site(s, viewer);
    const struct lesson_site *from = lesson_state_site(s, publisher);
    if (to == NULL || from == NULL || s->is_ended || to == from)
        return LESSON_LAYER_NONE;
    if (from->role == LESSON_ROLE_LECTURE)
        return is_sound(source) ? LESSON_LAYER_LOW : LESSON_LAYER_FULL;
    if (from->role != LESSON_ROLE_REMOTE)
        return LESSON_LAYER_NONE;
    int layer = layer_of_remote(from, source);
    bool sees_wall = to->role == LESSON_ROLE_LECTURE || to->role == LESSON_ROLE_OBSERVER;
    if (sees_wall && source == LESSON_SOURCE_CAMERA && layer == LESSON_LAYER_NONE)
        return LESSON_LAYER_LOW;
    return layer;
}

bool lesson_policy_is_visible(const struct lesson_state *s, const char *viewer, const char *other)
{
    if (strcmp(viewer, other) == 0)
        return true;
    const struct lesson_site *site = lesson_state_site(s, other);
    if (site == NULL || site->role == LESSON_ROLE_LECTURE)
        return true;
    if (site->role != LESSON_ROLE_REMOTE)
        return false;
    const struct lesson_site *to = lesson_state_site(s, viewer);
    bool is_remote = to == NULL || to->role == LESSON_ROLE_REMOTE;
    return !is_remote || site->is_on_stage || site->has_floor;
}
