#include "base/err.h"
#include "http/lesson_internal.h"
#include "lesson/policy.h"

/*
 * The media policy of lessons, as signalling asks for it. The sources of both modules are the same
 * words, so one table translates them. A room whose name is no lesson has no rules.
 */

static const enum lesson_source sources[] = {
    [SIGNAL_SOURCE_UNKNOWN] = LESSON_SOURCE_UNKNOWN,
    [SIGNAL_SOURCE_CAMERA] = LESSON_SOURCE_CAMERA,
    [SIGNAL_SOURCE_MICROPHONE] = LESSON_SOURCE_MICROPHONE,
    [SIGNAL_SOURCE_SCREEN] = LESSON_SOURCE_SCREEN,
    [SIGNAL_SOURCE_SCREEN_AUDIO] = LESSON_SOURCE_SCREEN_AUDIO,
};

static bool is_ruled(void *user, const char *room)
{
    struct lesson_api *api = user;
    struct store_lesson sl;
    return lesson__find(api, room) != NULL ||
           store_get_lesson(api->config.store, room, &sl) == 0; /* an ended lesson is one, too */
}

static bool can_publish(void *user, const char *room, const char *identity,
                        enum signal_source source)
{
    const struct lesson *l = lesson__find(user, room);
    return l != NULL && lesson_policy_can_publish(&l->state, identity, sources[source]);
}

static int layer_for(void *user, const char *room, const char *viewer, const char *publisher,
                     enum signal_source source)
{
    const struct lesson *l = lesson__find(user, room);
    if (l == NULL)
        return LESSON_LAYER_NONE;
    return lesson_policy_layer_for(&l->state, viewer, publisher, sources[source]);
}

static bool is_visible(void *user, const char *room, const char *viewer, const char *publisher)
{
    const struct lesson *l = lesson__find(user, room);
    return l != NULL && lesson_policy_is_visible(&l->state, viewer, publisher);
}

static int on_join(void *user, const struct signal_grants *g)
{
    struct lesson *l = lesson__find(user, g->room);
    struct lesson_presence who;
    if (l == NULL || l->state.is_ended)
        return ERR_LESSON_ENDED;
    int err = lesson__identify(l, g, &who);
    return err < 0 ? err : lesson__arrive(l, &who, mono_now() + LESSON_JOIN_DELAY, NULL);
}

static void on_presence(void *user, const char *room, const char *identity, bool is_present)
{
    struct lesson *l = lesson__find(user, room);
    struct lesson_presence *p = l != NULL ? strmap_get(&l->presences, identity) : NULL;
    if (p == NULL)
        return;
    p->is_in_room = is_present;
    if (!is_present)
        lesson__maybe_leave(l, p, mono_now());
}

void lesson__install_policy(struct lesson_api *api)
{
    struct signal_policy policy = {
        .user = api,
        .can_publish = can_publish,
        .layer_for = layer_for,
        .is_visible = is_visible,
        .on_join = on_join,
        .on_presence = on_presence,
    };
    signal_set_policy(api->config.signal, &policy, is_ruled);
}
