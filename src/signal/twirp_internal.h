#ifndef TK_SIGNAL_TWIRP_INTERNAL_H
#define TK_SIGNAL_TWIRP_INTERNAL_H

/*
 * The server API: twirp.c is the envelope (routes, grants, JSON or protobuf, errors), roomservice.c
 * what each method of RoomService does. One call at a time, control thread only.
 */

#include "signal/signal_internal.h"

enum twirp_code {
    TWIRP_OK,
    TWIRP_PENDING, /* answered later */
    TWIRP_BAD_ROUTE,
    TWIRP_MALFORMED,
    TWIRP_UNAUTHENTICATED,
    TWIRP_INVALID_ARGUMENT,
    TWIRP_NOT_FOUND,
    TWIRP_FAILED_PRECONDITION,
    TWIRP_RESOURCE_EXHAUSTED,
    TWIRP_DEADLINE_EXCEEDED,
    TWIRP_UNAVAILABLE,
    TWIRP_UNKNOWN,
    TWIRP_UNIMPLEMENTED,
    TWIRP_INTERNAL,
    TWIRP_CODE_COUNT_
};

/* What a method needs and leaves. */
struct twirp_call {
    struct signal *signal;
    const ProtobufCMessage *request;
    struct signal_room *room;               /* rights over a room: never NULL */
    struct signal_participant *participant; /* the request's identity, where it has one */
    struct signal_arena arena;
    bool is_json;
    struct signal_reply *reply;
    const char *message; /* of an error */
};

enum twirp_grant { TWIRP_GRANT_CREATE, TWIRP_GRANT_LIST, TWIRP_GRANT_ADMIN };
enum twirp_target { TWIRP_TARGET_NONE, TWIRP_TARGET_ROOM, TWIRP_TARGET_PARTICIPANT };

struct twirp_method {
    const char *name;
    const ProtobufCMessageDescriptor *type; /* of the request */
    enum twirp_grant grant;
    enum twirp_target target; /* looked up before the method runs */
    enum twirp_code (*run)(struct twirp_call *call);
};

extern const struct twirp_method twirp__room_methods[];
extern const size_t twirp__room_method_count;

/* An error as JSON, also for callers that speak protobuf; `rpc_code` 0 = none. */
void twirp__write_error(struct signal_reply *reply, enum twirp_code code, const char *message,
                        uint32_t rpc_code);
/* Sends a packet of the server's own to the call's room. */
enum twirp_code twirp__send_packet(struct twirp_call *call, const Livekit__DataPacket *packet,
                                   bool is_reliable);
/* Fills the reply with a message in the caller's format. */
enum twirp_code twirp__answer(struct twirp_call *call, const ProtobufCMessage *message);
/* For `return`: keeps the text. */
enum twirp_code twirp__fail(struct twirp_call *call, enum twirp_code code, const char *message);
/* The code for one of our results. */
enum twirp_code twirp__fail_rc(struct twirp_call *call, int rc);

#endif
