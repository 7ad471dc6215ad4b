#ifndef TK_LESSON_COMMAND_H
#define TK_LESSON_COMMAND_H

/*
 * What a person asks for, checked against role and state, becomes an event or a refusal. Pure.
 */

#include "lesson/fold.h"

enum lesson_command_type {
    LESSON_CMD_UNKNOWN,
    LESSON_CMD_RAISE_HAND,
    LESSON_CMD_LOWER_HAND,
    LESSON_CMD_CALL_ON_STAGE,
    LESSON_CMD_PUT_DOWN,
    LESSON_CMD_GIVE_FLOOR,
    LESSON_CMD_TAKE_FLOOR,
    LESSON_CMD_MUTE_ALL,
    LESSON_CMD_CHAT,
    LESSON_CMD_END_LESSON,
    LESSON_CMD_COUNT_
};

struct lesson_command {
    enum lesson_command_type type;
    char cmd_id[LESSON_CMD_ID_SIZE];
    char site[LESSON_TEXT_SIZE]; /* "" = the sender itself */
    char text[LESSON_CHAT_SIZE];
};

/* Why a command was refused: a stable code and an English sentence; both static. */
struct lesson_refusal {
    const char *code;
    const char *reason;
};

/*
 * Decides what `sender` may do. 1 = `ret_event` (without seq and at) is to be logged; 0 = nothing
 * would change, acknowledge it; -1 = refused, see `ret_refusal`.
 */
MUST_CHECK int lesson_command_decide(const struct lesson_state *s, const char *sender,
                                     enum lesson_role sender_role, const struct lesson_command *cmd,
                                     struct lesson_event *ret_event,
                                     struct lesson_refusal *ret_refusal);

const char *lesson_command_name(enum lesson_command_type type);
enum lesson_command_type lesson_command_of(const char *name);

#endif
