#ifndef TK_LESSON_POLICY_H
#define TK_LESSON_POLICY_H

/*
 * What follows from the state for sound and picture: who may publish what, who is subscribed to
 * whom and at which layer, who knows of whom. Pure functions of the fold; the table is in
 * docs/lesson-log.md.
 */

#include "lesson/fold.h"

enum lesson_source {
    LESSON_SOURCE_UNKNOWN,
    LESSON_SOURCE_CAMERA,
    LESSON_SOURCE_MICROPHONE,
    LESSON_SOURCE_SCREEN,
    LESSON_SOURCE_SCREEN_AUDIO
};

#define LESSON_LAYER_NONE (-1) /* not subscribed */
#define LESSON_LAYER_LOW  0
#define LESSON_LAYER_FULL 2

bool lesson_policy_can_publish(const struct lesson_state *s, const char *identity,
                               enum lesson_source source);

/* The highest layer that `viewer` gets of `publisher`'s source; sound is LOW or NONE. */
int lesson_policy_layer_for(const struct lesson_state *s, const char *viewer, const char *publisher,
                            enum lesson_source source);

/* Whether `viewer` is told in signalling that `other` is there: nobody of an observer, a remote
 * site of no other remote site, unless that is on stage or has the floor. */
bool lesson_policy_is_visible(const struct lesson_state *s, const char *viewer, const char *other);

#endif
