#include "lesson/event.h"

#include <string.h>

static const char *const event_names[LESSON_EVENT_TYPE_COUNT_] = {
    [LESSON_EVENT_UNKNOWN] = "unknown",           [LESSON_EVENT_LESSON_OPENED] = "lesson_opened",
    [LESSON_EVENT_SITE_JOINED] = "site_joined",   [LESSON_EVENT_SITE_LEFT] = "site_left",
    [LESSON_EVENT_HAND_RAISED] = "hand_raised",   [LESSON_EVENT_HAND_LOWERED] = "hand_lowered",
    [LESSON_EVENT_STAGE_ADDED] = "stage_added",   [LESSON_EVENT_STAGE_REMOVED] = "stage_removed",
    [LESSON_EVENT_FLOOR_GIVEN] = "floor_given",   [LESSON_EVENT_FLOOR_TAKEN] = "floor_taken",
    [LESSON_EVENT_ALL_MUTED] = "all_muted",       [LESSON_EVENT_CHAT] = "chat",
    [LESSON_EVENT_LESSON_ENDED] = "lesson_ended",
};

static const char *const role_names[LESSON_ROLE_COUNT_] = {"none", "lecture", "remote", "observer"};
static const char *const kind_names[LESSON_KIND_COUNT_] = {"class", "seminar", "lecture",
                                                           "consultation"};

static int index_of(const char *const *names, int count, const char *name, int otherwise)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return otherwise;
}

const char *lesson_event_type_name(enum lesson_event_type type)
{
    return event_names[type];
}

enum lesson_event_type lesson_event_type_of(const char *name)
{
    return (enum lesson_event_type)index_of(event_names, LESSON_EVENT_TYPE_COUNT_, name,
                                            LESSON_EVENT_UNKNOWN);
}

const char *lesson_role_name(enum lesson_role role)
{
    return role_names[role];
}

enum lesson_role lesson_role_of(const char *name)
{
    return (enum lesson_role)index_of(role_names, LESSON_ROLE_COUNT_, name, LESSON_ROLE_NONE);
}

const char *lesson_kind_name(enum lesson_kind kind)
{
    return kind_names[kind];
}

enum lesson_kind lesson_kind_of(const char *name)
{
    return (enum lesson_kind)index_of(kind_names, LESSON_KIND_COUNT_, name, LESSON_KIND_COUNT_);
}
