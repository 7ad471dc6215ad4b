#ifndef TK_CLIENT_PUBLISHER_H
#define TK_CLIENT_PUBLISHER_H

/*
 * A media source published by a client in real time: one clock for sound and picture, keyframes on
 * demand where the picture is encoded here, going on by the clock while the connection is away. The
 * client's thread.
 */

#include "client/client.h"

struct client_publisher;
struct media_source;
struct media_error;

struct client_publisher_config {
    struct client *client;       /* outlives the publisher */
    struct media_source *source; /* taken over, also on failure */
    const char *name;            /* of the tracks */
    bool is_screen;              /* screen share rather than camera and microphone */
};

/* Announces the tracks and starts to read ahead. ERR_LIMIT, -ENOMEM. */
MUST_CHECK int client_publisher_create(const struct client_publisher_config *config,
                                       struct client_publisher **ret_publisher);
void client_publisher_destroy(struct client_publisher *p); /* NULL is a no-op */

/* Sends what is due at `now`; call every few milliseconds. 0 = goes on, 1 = everything was sent;
 * negative: the source broke off, `ret_error` says where. */
MUST_CHECK int client_publisher_run(struct client_publisher *p, mono_us now,
                                    struct media_error *ret_error);

struct client_publisher_stats {
    uint64_t audio_frames, video_frames; /* sent */
    uint64_t missed_frames;              /* due while the connection was away */
    uint64_t clock_jumps;                /* the source could not keep up */
    uint64_t left_out_pictures;          /* decoding and encoding could not keep up */
};
void client_publisher_stats(const struct client_publisher *p,
                            struct client_publisher_stats *ret_stats);

#endif
