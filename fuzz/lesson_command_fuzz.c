/* fuzz: lesson */
/*
 * Log commands: any bytes as a frame from each role, decided and folded; the fold's counts must
 * stay true.
 */
#include "fuzz.h"

#include "base/attrs.h"
#include "lesson/json.h"

#include <string.h>

TK_FUZZ_DECLARE(lesson_command);

static void join(struct lesson_state *s, const char *site, enum lesson_role role)
{
    struct lesson_event e = {.seq = s->seq + 1, .type = LESSON_EVENT_SITE_JOINED, .role = role};
    memcpy(e.site, site, strlen(site) + 1);
    CHECK(lesson_state_apply(s, &e) == 1);
}

int tk_fuzz_lesson_command(const uint8_t *data, size_t size)
{
    struct lesson_state s;
    lesson_state_init(&s, 1);
    join(&s, "a", LESSON_ROLE_LECTURE);
    join(&s, "b", LESSON_ROLE_REMOTE);
    while (size >
           0) { /* frames are separated by line feeds, the sender is the first byte's parity */
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end != NULL ? (size_t)(end - data) : size;
        struct lesson_command cmd;
        struct lesson_refusal refusal;
        struct lesson_event e;
        bool is_lecture = length > 0 && (data[0] & 1) != 0;
        if (lesson_command_parse((const char *)data, length, &cmd, &refusal) == 0 &&
            lesson_command_decide(&s, is_lecture ? "a" : "b",
                                  is_lecture ? LESSON_ROLE_LECTURE : LESSON_ROLE_REMOTE, &cmd, &e,
                                  &refusal) == 1) {
            e.seq = s.seq + 1;
            CHECK(lesson_state_apply(&s, &e) >= 0);
            CHECK(s.stage_count <= LESSON_STAGE_MAX);
            json_t *o = lesson_event_to_json(&e);
            struct lesson_event back;
            CHECK(o != NULL && lesson_event_from_json(o, &back) == 0);
            json_decref(o);
        }
        size_t used = TK_MIN(length + 1, size);
        data += used;
        size -= used;
    }
    lesson_state_fini(&s);
    return 0;
}
