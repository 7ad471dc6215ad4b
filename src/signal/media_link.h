#ifndef TK_SIGNAL_MEDIA_LINK_H
#define TK_SIGNAL_MEDIA_LINK_H

/*
 * The messages between the control thread (signalling) and the media workers, copied through
 * bounded mailboxes. Control to worker: struct media_command. Worker to control: struct
 * media_event. An SCTP packet rides inside a pkt reference that the receiver drops.
 */

#include "peer/peer.h"
#include "sfu/types.h"

enum media_command_kind {
    MEDIA_PEER_ADD,    /* peer_config + sfu_peer_config */
    MEDIA_PEER_REMOTE, /* what the client's SDP says; also the SFU's peer settings */
    MEDIA_PEER_LOCAL,  /* ICE restart: new local credentials */
    MEDIA_PEER_REMOVE,
    MEDIA_PEER_SCTP, /* one SCTP packet to send */
    MEDIA_TRACK_ADD,
    MEDIA_TRACK_SET,
    MEDIA_TRACK_REMOVE,
    MEDIA_TRACK_RELAY,    /* worker_mask */
    MEDIA_TRACK_BLOCK,    /* is_blocked */
    MEDIA_TRACK_KEYFRAME, /* layer; relayed from another worker's KEYFRAME_WANTED, or a server wish
                           */
    MEDIA_SUB_ADD,
    MEDIA_SUB_REMOVE, /* the SSRCs that it leaves behind */
    MEDIA_SUB_TARGET,
    MEDIA_COMMAND_KIND_COUNT_
};

struct media_command {
    enum media_command_kind kind;
    uint8_t worker; /* the addressee */
    sfu_peer_id peer;
    sfu_track_id track;
    sfu_sub_id sub;
    union {
        struct {
            enum peer_dtls_role dtls_role;
            char local_ufrag[PEER_UFRAG_SIZE];
            char local_pwd[PEER_PWD_SIZE];
            struct sfu_peer_config sfu;
        } peer_add;
        struct {
            struct peer_remote remote;
            struct sfu_peer_config sfu;
        } peer_remote;
        struct {
            char ufrag[PEER_UFRAG_SIZE];
            char pwd[PEER_PWD_SIZE];
        } peer_local;
        struct sfu_track_config track_config;
        struct sfu_sub_config sub_config;
        struct sfu_sub_target sub_target;
        struct {
            uint32_t ssrc, rtx_ssrc; /* never to be sent under again; 0: others may follow */
        } sub_remove;
        uint32_t worker_mask;
        bool is_blocked;
        int8_t layer;
        struct pkt *sctp; /* one reference */
    } u;
};

enum media_event_kind {
    MEDIA_EVENT_PEER_CONNECTED,
    MEDIA_EVENT_PEER_DISCONNECTED, /* silent for a while; may come back */
    MEDIA_EVENT_PEER_FAILED,       /* err */
    MEDIA_EVENT_PEER_SCTP,         /* one SCTP packet received */
    MEDIA_EVENT_SFU,               /* an sfu_event */
    MEDIA_EVENT_KIND_COUNT_
};

struct media_event {
    enum media_event_kind kind;
    uint8_t worker; /* the sender */
    sfu_peer_id peer;
    int err;
    struct pkt *sctp; /* PEER_SCTP: one reference */
    struct sfu_event sfu;
};

#endif
