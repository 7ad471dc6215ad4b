#ifndef TK_LESSON_EVENT_H
#define TK_LESSON_EVENT_H

/*
 * One event of the lesson log (docs/lesson-log.md) as a plain value. Sans-IO.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "lesson/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum lesson_role {
    LESSON_ROLE_NONE,
    LESSON_ROLE_LECTURE,
    LESSON_ROLE_REMOTE,
    LESSON_ROLE_OBSERVER,
    LESSON_ROLE_COUNT_
};

enum lesson_kind {
    LESSON_KIND_CLASS,
    LESSON_KIND_SEMINAR,
    LESSON_KIND_LECTURE,
    LESSON_KIND_CONSULTATION,
    LESSON_KIND_COUNT_
};

enum lesson_event_type {
    LESSON_EVENT_UNKNOWN, /* a type from a newer version: only advances seq */
    LESSON_EVENT_LESSON_OPENED,
    LESSON_EVENT_SITE_JOINED,
    LESSON_EVENT_SITE_LEFT,
    LESSON_EVENT_HAND_RAISED,
    LESSON_EVENT_HAND_LOWERED,
    LESSON_EVENT_STAGE_ADDED,
    LESSON_EVENT_STAGE_REMOVED,
    LESSON_EVENT_FLOOR_GIVEN,
    LESSON_EVENT_FLOOR_TAKEN,
    LESSON_EVENT_ALL_MUTED,
    LESSON_EVENT_CHAT,
    LESSON_EVENT_LESSON_ENDED,
    LESSON_EVENT_TYPE_COUNT_
};

struct lesson_event {
    uint64_t seq; /* 1, 2, … within the lesson; 0 before it is numbered */
    wall_ms at;
    enum lesson_event_type type;
    char site[LESSON_TEXT_SIZE]; /* whom it is about; "" if nobody */
    char by[LESSON_TEXT_SIZE];   /* who did it; "" if the site itself or the server */
    enum lesson_role role;       /* SITE_JOINED */
    char name[LESSON_TEXT_SIZE], school[LESSON_TEXT_SIZE]; /* SITE_JOINED */
    char title[LESSON_TEXT_SIZE];                          /* LESSON_OPENED */
    enum lesson_kind kind;                                 /* LESSON_OPENED */
    char text[LESSON_CHAT_SIZE];                           /* CHAT */
};

/* The words used on the wire; never NULL. Unknown words give UNKNOWN, NONE, and COUNT_ for kinds.
 */
const char *lesson_event_type_name(enum lesson_event_type type);
enum lesson_event_type lesson_event_type_of(const char *name);
const char *lesson_role_name(enum lesson_role role);
enum lesson_role lesson_role_of(const char *name);
const char *lesson_kind_name(enum lesson_kind kind);
enum lesson_kind lesson_kind_of(const char *name);

#endif
