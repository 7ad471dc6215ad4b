#ifndef TK_LOAD_WIRE_H
#define TK_LOAD_WIRE_H

/*
 * HTTP/1.1 and WebSocket as a client, inside a run: one request or one WebSocket per connection.
 * Without TLS. Inside load/ only; the run's thread.
 */

#include "base/addr.h"
#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_run;
struct load_wire;

/* One request, or one WebSocket. */
struct load_wire_config {
    struct load_run *run;
    const char *url; /* scheme, host, port; "ws://…" or "http://…" */
    const char *path;
    const char *method; /* NULL: a WebSocket */
    const char *bearer; /* NULL = none */
    const char *type;   /* of the body */
    const char *body;
    const char *protocol; /* WebSocket subprotocol; NULL = none */
    bool is_detached;     /* belongs to nobody: destroys itself when it is over */
    void *user;           /* handed to the functions below; those that are not used may be NULL */
    /* WebSocket: the upgrade is done. */
    void (*on_open)(void *user, mono_us now);
    /* One WebSocket message, or the body of a response with its status and Location ("" = none). */
    void (*on_message)(void *user, uint8_t *data, size_t size, mono_us now);
    void (*on_response)(void *user, unsigned status, const char *location, char *body, mono_us now);
    /* It is over, for `why`; the wire may be destroyed in here, or later. */
    void (*on_closed)(void *user, const char *why, mono_us now);
};

/* The address that a URL names; looked up once. Negative errno, ERR_MALFORMED. */
MUST_CHECK int load__wire_resolve(const char *url, struct addr *ret_addr);
MUST_CHECK int load__wire_create(const struct load_wire_config *config,
                                 struct load_wire **ret_wire);
/* The same over a connected socket, which is the wire's from now on, even when this fails. */
MUST_CHECK int load__wire_adopt(const struct load_wire_config *config, int fd,
                                struct load_wire **ret_wire);
void load__wire_destroy(struct load_wire *w); /* NULL is a no-op; not from on_message */
/* Tells nobody any more; sends what waits and destroys itself when the server closes. */
void load__wire_detach(struct load_wire *w);
void load__wires_destroy(struct load_run *run); /* all that are left */
/* One WebSocket message. ERR_STATE, -ENOMEM. */
MUST_CHECK int load__wire_send(struct load_wire *w, bool is_text, const void *data, size_t size);

#endif
