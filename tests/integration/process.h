#ifndef TK_TESTS_INTEGRATION_PROCESS_H
#define TK_TESTS_INTEGRATION_PROCESS_H

/*
 * The real server as a child process, on free ports, with a temporary data folder: start, wait
 * until it is healthy, read its log, talk HTTP to it, measure its memory, stop it and look at its
 * exit code. Every function fails the running cmocka test when something is wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct it_server {
    pid_t pid;       /* 0 = not running */
    char folder[64]; /* holds data/ and server.log; removed at the stop */
    char log_path[96];
    uint16_t http_port, udp_port, tcp_port;
};

void it_server_start(struct it_server *s);
/* The same with more keys (YAML), and this number of workers instead of two. */
void it_server_start_with(struct it_server *s, const char *keys, int workers);

/* SIGTERM; the server must end by itself within 20 s with exit code 0. */
void it_server_stop(struct it_server *s);

/* Stops it in any way and shows the end of its log; for teardown after a failure. */
void it_server_kill(struct it_server *s);

/* Resident memory in bytes, from /proc. */
uint64_t it_server_rss(const struct it_server *s);

/* True if a line of the log so far contains `text`. */
bool it_server_log_has(const struct it_server *s, const char *text);

/* One HTTP/1.1 request on a connection of its own; `token` and `body` may be NULL. Returns the
 * status; the body, cut to fit, is terminated. */
int it_http(const struct it_server *s, const char *method, const char *path, const char *token,
            const char *body, char *ret_body, size_t body_size);

#endif
