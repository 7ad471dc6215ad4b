#ifndef TK_LESSON_LIMITS_H
#define TK_LESSON_LIMITS_H

/* The named maxima of a lesson; docs/lesson-log.md states those that a user meets. */

#define LESSON_TEXT_SIZE   257  /* identities, names, schools, titles: 256 bytes and the zero */
#define LESSON_CHAT_SIZE   2001 /* 500 characters of at most four bytes, and the zero */
#define LESSON_CHAT_CHARS  500
#define LESSON_CMD_ID_SIZE 65
#define LESSON_STAGE_MAX   6
#define LESSON_FLOOR_MAX   8
#define LESSON_SITES_MAX   4096

#endif
