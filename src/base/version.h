#ifndef TK_BASE_VERSION_H
#define TK_BASE_VERSION_H

#define TONGKE_VERSION "0.1.0"

/* What LiveKit clients see as the server's version: they switch features by it. Up to 1.13.6 they
 * publish VP9 and AV1 as one stream instead of simulcast by rid, which is what we forward. */
#define SERVER_LIVEKIT_VERSION "1.13.5"

#endif
