#ifndef TK_TESTS_INTEGRATION_GENERATOR_H
#define TK_TESTS_INTEGRATION_GENERATOR_H

/*
 * `tongke load` as a child process against a server of process.h, one at a time: its exit code,
 * what it says, and its report. Its files lie in the server's folder. Every function fails the
 * running cmocka test when something is wrong.
 */

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

struct it_server;

#define IT_LOAD_ARGS_MAX 40

/* The LiveKit target, a second of warm-up, 30 s to join; `more`, ended by NULL, may say otherwise.
 */
pid_t it_load_start(const struct it_server *s, const char *const *more);
/* Its exit code; over 256: the signal that ended it. */
int it_load_wait(pid_t pid);
/* What it said on standard error. */
void it_load_error(const struct it_server *s, char *buf, size_t size);
/* json_decref() it. */
json_t *it_load_report(const struct it_server *s);
/* The whole, which must succeed; json_decref() the report. */
json_t *it_load_run(const struct it_server *s, const char *const *more);
/* An integer of the report. */
json_int_t it_load_figure(const json_t *report, const char *part, const char *name);

#endif
