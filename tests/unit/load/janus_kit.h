#ifndef TK_TESTS_UNIT_LOAD_JANUS_KIT_H
#define TK_TESTS_UNIT_LOAD_JANUS_KIT_H

/*
 * The test plays Janus to one client of a run: what it says over the fake wires, what it reads
 * there, descriptions that fit the client's, and a UDP socket in the place of its media. Every
 * function fails the running cmocka test when something is wrong.
 */

#include "load/load_internal.h"
#include "unit/load/fake_wire.h"

#define JANUS_PUBLISHERS 3 /* in a room */
#define JANUS_SESSION    11
#define JANUS_HANDLE     22

struct janus_run {
    struct load_options options; /* two rooms, only pictures */
    struct load_run *run;
    struct load_client client;
};
extern struct janus_run janus;

int janus_set_up(void **state);
int janus_tear_down(void **state);
/* The client, in the second room, whose publishers have the numbers 3, 4 and 5; this one has 4. */
void janus_begin(bool publishes, bool subscribes, mono_us at);
json_int_t janus_room(void);                /* its number */
struct load_conn *janus_conn(size_t index); /* of the run's connections */

/* ---- what Janus says; objects are taken over ---- */

void janus_say(struct load_wire *w, json_t *o);
void janus_say_success(struct load_wire *w, json_int_t id);
/* What the plugin says; `jsep` may be NULL. */
void janus_say_event(struct load_wire *w, json_t *data, json_t *jsep);
void janus_say_error(struct load_wire *w, int code, mono_us at);
void janus_say_candidate(struct load_wire *w);
/* Session and handle, up to the client's first request. */
void janus_open_handle(struct load_wire *w);
/* To the offer that the client has sent last. */
json_t *janus_answer(const struct load_wire *w);
/* Of two feeds, with the SSRCs 100 and 101, and 200 and 201 for what is sent again. */
json_t *janus_offer(void);

/* ---- what the client has sent ---- */

/* The next thing. */
const json_t *janus_next(struct load_wire *w, const char *kind);
/* The next request to the plugin; its body. */
const json_t *janus_next_request(struct load_wire *w, const char *request);
void janus_no_more(const struct load_wire *w);
json_int_t janus_number(const json_t *o, const char *name); /* 0: is not there */
const char *janus_text(const json_t *o, const char *name);
/* The description that went with the last one; sdp_destroy() it. */
struct sdp_session *janus_description(const struct load_wire *w, const char *type);
/* Does a check of ICE come? */
bool janus_is_heard(void);

#endif
