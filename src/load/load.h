#ifndef TK_LOAD_LOAD_H
#define TK_LOAD_LOAD_H

/*
 * The load generator: many participants on one thread, over the real path (UDP, ICE, DTLS, SRTP),
 * against Tongke, another server, or the floor program. Publishers replay recorded encoder output;
 * subscribers decrypt and check every packet and measure its way from a stamp in its last bytes.
 *
 * load_run() blocks until the run is over; it is bounded in time by its options. One run per
 * process.
 */

#include "base/addr.h"
#include "rtp/types.h"
#include "secure/srtp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_CLIENTS_MAX    20000
#define LOAD_PUBLISHERS_MAX 500 /* in all rooms */
#define LOAD_ROOMS_MAX      1000
#define LOAD_SECONDS_MAX    3600 /* of each of warm-up and measuring */
#define LOAD_TEXT_SIZE      512

enum load_target_kind { LOAD_LIVEKIT, LOAD_WHIP, LOAD_JANUS, LOAD_FLOOR };

/* A server process that is watched; the load crosses no other way into it. */
struct load_options {
    enum load_target_kind target;

    /* Where. */
    const char *url; /* livekit, janus: "ws://host:port"; whip: "http://host:port" */
    const char *key; /* signs the tokens; livekit and whip */
    const char *secret;
    const char *whip_path; /* "/whip/{room}", {room} and {id} are filled in */
    const char *whep_path;
    bool is_dual;     /* livekit: the older two connections */
    struct addr bind; /* our address; family NONE: as the route to the server says */
    /* Each subscriber's connection has an address of its own out of this IPv4 network, and all of
     * them share a socket; family NONE: one address, and a socket for each. */
    struct addr network;
    uint8_t network_bits; /* 8 to 30 */
    struct addr floor;    /* floor: where it listens */
    uint16_t floor_base_port;
    int floor_layer;       /* that it forwards: 0 lowest; -1: all */
    enum sec_profile srtp; /* offered alone; NONE: both, as browsers do */
    const char *room;      /* prefix of the room names */

    /* Who. */
    uint32_t publishers, subscribers; /* per room */
    bool is_gallery;                  /* every publisher takes all the others; no subscribers */
    bool is_lesson;                   /* livekit: a 1+N lesson, publisher 0 lectures */
    uint32_t rooms;

    /* What is sent. */
    bool has_video, has_audio;
    bool has_twcc; /* transport-wide congestion control is offered */
    bool has_nack;
    enum rtp_codec codec;
    uint32_t layers;
    const char *data_folder;
    uint32_t packet_size; /* 0: recorded; else synthetic pictures of RTP packets of this size */
    uint32_t frame_rate, frame_packets, keyframe_packets;

    /* Loss on our side. */
    double loss_percent, lossy_share_percent;

    /* How much of what comes is decrypted, once a stream runs: 0 < P <= 100. */
    double check_percent;

    /* When. */
    double join_rate; /* per second, at most */
    uint32_t join_timeout_s;
    uint32_t storm_joins; /* subscribers that come while it is measured */
    double storm_s;
    uint32_t warm_up_s, duration_s;

    /* What is watched and written. */
    int server_pid;        /* 0 = none */
    const char *json_path; /* NULL = none; "-" = standard output */
    bool has_progress;     /* a bar on standard error */
    int argc;              /* for the report */
    char **argv;
};

/* Everything as `tongke load` begins: livekit, one publisher with sound and three layers of VP8. */
struct load_options load_options_default(void);

/*
 * Runs and prints the report. Returns 0; 1 when clients could not join, media did not come, or a
 * packet was wrong: standard error has said what and where. `is_stopping` (set by a signal handler)
 * ends the run early; what was measured is reported.
 */
MUST_CHECK int load_run(const struct load_options *options, const volatile int *is_stopping);

#endif
