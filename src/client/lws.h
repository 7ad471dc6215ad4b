#ifndef TK_CLIENT_LWS_H
#define TK_CLIENT_LWS_H

/* libwebsockets brings OpenSSL's headers, which have a type with the name of one of our result
 * codes (base/err.h): give the type another name while they are read. */

#define ERR_STATE OPENSSL_ERR_STATE
#include <libwebsockets.h>
#undef ERR_STATE

/* refusal.c: the protocol of the question; `user` is struct client_refusal. */
int client__refusal_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                          size_t size);

#endif
