#ifndef TK_TESTS_UNIT_HTTP_FIXTURE_H
#define TK_TESTS_UNIT_HTTP_FIXTURE_H

/*
 * A real server on a free port, run by its own thread, and a small blocking client that sends any
 * bytes. The signalling behind it is a fake (fake_signal.c) that does what the query asks for.
 */

#include "http/http.h"
#include "http/route.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fixture {
    struct http_server *server;
    uint16_t port;
    pthread_t thread;
    _Atomic bool is_stopping;
    _Atomic uint64_t webhooks_sent, webhooks_dropped; /* as of the server's last turn */
    char folder[64]; /* a temporary web root with some files, and its parent with a secret */
};

/* Starts a server; `config` gives what is not the default; routes are added by `add` (or NULL). */
void fixture_start(struct fixture *f, struct http_config config,
                   void (*add)(struct http_server *server));
void fixture_stop(struct fixture *f);

/* A temporary folder with a "web" folder in it; removed by fixture_remove_folder(). */
void fixture_make_folder(struct fixture *f);
void fixture_remove_folder(struct fixture *f);
void fixture_write(struct fixture *f, const char *name, const char *text);

/* ---- the client ---- */

struct response {
    int status; /* 0: the connection ended without an answer */
    char *head; /* all header lines */
    char *body;
    size_t body_size;
};

int client_connect(uint16_t port);
void client_send(int fd, const void *data, size_t size);
void client_puts(int fd, const char *text);
/* Reads one answer; false at the end of the connection. */
bool client_read(int fd, bool is_head, struct response *ret);
void response_free(struct response *r);
/* A header's value, NULL if absent; valid until the next call. */
const char *response_header(const struct response *r, const char *name);
/* One request on its own connection. `extra` are header lines, each ended by \r\n. */
void request(uint16_t port, const char *method, const char *target, const char *extra,
             const void *body, size_t body_size, struct response *ret);

/* A WebSocket: the upgrade's answer (101 or a refusal) in `ret`; returns the socket. */
int ws_connect(uint16_t port, const char *target, struct response *ret);
/* One frame; `opcode` with the FIN bit (0x81 text, 0x82 binary, 0x01 first part, 0x80 last part).
 */
void ws_send(int fd, int opcode, const void *data, size_t size);
/* One frame's opcode with the FIN bit; -1 at the end. The payload is free()d by the caller. */
int ws_read(int fd, char **ret_data, size_t *ret_size);
/* Reads until a close frame and returns its code; -1 if the connection ends without one. */
int ws_read_close(int fd);

/* ---- what the fake signalling saw ---- */

/* Give it to a server as its signalling where webhooks or late answers are tested; with none, a
 * server answers the same but has neither. */
extern struct signal *const fake_signal;

extern _Atomic int fake_sessions_open;   /* opened and not yet closed */
extern _Atomic int fake_sessions_closed; /* told by signal_session_closed() */

#endif
