#ifndef TK_LESSON_JSON_H
#define TK_LESSON_JSON_H

/*
 * Events, states and commands as JSON texts (docs/lesson-log.md). Strings are UTF-8; unknown
 * members are ignored, wrong types and texts over their limit are errors.
 */

#include "lesson/command.h"

#include <jansson.h>

/* New references; NULL when out of memory. */
json_t *lesson_event_to_json(const struct lesson_event *e);
json_t *lesson_state_to_json(const struct lesson_state *s);

/* ERR_MALFORMED. An unknown type becomes LESSON_EVENT_UNKNOWN. */
MUST_CHECK int lesson_event_from_json(const json_t *json, struct lesson_event *ret_event);

/*
 * Parses one frame from a client. ERR_MALFORMED with `ret_refusal` filled; `ret_cmd->cmd_id` is
 * filled whenever it could be read, so that the refusal can name it.
 */
MUST_CHECK int lesson_command_parse(const char *text, size_t size, struct lesson_command *ret_cmd,
                                    struct lesson_refusal *ret_refusal);

#endif
