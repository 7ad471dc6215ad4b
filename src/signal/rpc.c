/*
 * PerformRpc: a call from the server API to one participant, over its `_reliable` channel, answered
 * to the HTTP caller when the participant's answer, a refusal or a deadline comes.
 */

#include "signal/rpc.h"

#include "base/err.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define RPCS_MAX            256
#define PAYLOAD_SIZE_MAX    15360 /* bytes, either way */
#define ANSWER_MS_DEFAULT   10000
#define ANSWER_MS_MAX       90000
#define ACK_US_MAX          MONO_S(7)
#define RPC_PROTOCOL        1 /* packets, not streams: the caller has no client protocol */
#define ERROR_NO_ACK        1501
#define ERROR_NO_ANSWER     1502
#define ERROR_GONE          1503
#define ERROR_PAYLOAD_LARGE 1504

struct signal_rpc {
    struct list link;
    uint64_t ticket;
    char id[ID_SIZE];
    char participant_sid[ID_SIZE];
    char room[SIGNAL_TEXT_MAX];
    mono_us ack_by, answer_by;
    bool is_json, is_done;
    struct signal_reply reply; /* once done */
};

void signal__rpcs_init(struct signal *s)
{
    list_init(&s->rpcs);
    s->rpcs_due = MONO_NEVER;
}

static void free_rpc(struct signal *s, struct signal_rpc *rpc)
{
    list_remove(&rpc->link);
    s->rpc_count--;
    free(rpc->reply.body);
    free(rpc);
}

void signal__rpcs_fini(struct signal *s)
{
    LIST_FOR_EACH(it, &s->rpcs)
    free_rpc(s, CONTAINER_OF(it, struct signal_rpc, link));
}

/* ---- endings ---- */

static void finish_with_payload(struct signal_rpc *rpc, const char *payload)
{
    struct twirp_call call = {.is_json = rpc->is_json, .reply = &rpc->reply};
    Livekit__PerformRpcResponse response = LIVEKIT__PERFORM_RPC_RESPONSE__INIT;
    response.payload = (char *)(uintptr_t)payload;
    rpc->is_done = true;
    if (twirp__answer(&call, &response.base) != TWIRP_OK)
        twirp__write_error(&rpc->reply, TWIRP_INTERNAL, call.message, 0);
}

static void finish_with_error(struct signal_rpc *rpc, enum twirp_code code, uint32_t rpc_code,
                              const char *message)
{
    rpc->is_done = true;
    twirp__write_error(&rpc->reply, code, message, rpc_code);
}

/* ---- the call ---- */

static enum twirp_code send_request(struct twirp_call *call, struct signal_rpc *rpc,
                                    uint32_t answer_ms)
{
    const Livekit__PerformRpcRequest *request = (const void *)call->request;
    Livekit__DataPacket packet = LIVEKIT__DATA_PACKET__INIT;
    Livekit__RpcRequest body = LIVEKIT__RPC_REQUEST__INIT;
    body.id = rpc->id;
    body.method = request->method;
    body.payload = request->payload;
    body.response_timeout_ms = answer_ms;
    body.version = RPC_PROTOCOL;
    packet.n_destination_identities = 1;
    packet.destination_identities = (char **)(uintptr_t)&request->destination_identity;
    packet.value_case = LIVEKIT__DATA_PACKET__VALUE_RPC_REQUEST;
    packet.rpc_request = &body;
    return twirp__send_packet(call, &packet, true);
}

static struct signal_rpc *create_rpc(struct twirp_call *call, uint32_t answer_ms)
{
    struct signal *s = call->signal;
    struct signal_rpc *rpc = calloc(1, sizeof(*rpc));
    if (rpc == NULL)
        return NULL;
    rpc->ticket = ++s->rpc_ticket;
    id_make(s->config.rng, "RPC_", rpc->id);
    memcpy(rpc->participant_sid, call->participant->sid, sizeof(rpc->participant_sid));
    memcpy(rpc->room, call->room->name, sizeof(rpc->room));
    rpc->answer_by = s->now + MONO_MS(answer_ms);
    rpc->ack_by = TK_MIN(rpc->answer_by, s->now + ACK_US_MAX);
    rpc->is_json = call->is_json;
    list_push_back(&s->rpcs, &rpc->link);
    s->rpc_count++;
    s->rpcs_due = TK_MIN(s->rpcs_due, rpc->ack_by);
    return rpc;
}

enum twirp_code signal__rpc_perform(struct twirp_call *call)
{
    const Livekit__PerformRpcRequest *request = (const void *)call->request;
    uint32_t answer_ms = request->response_timeout_ms;
    if (request->method[0] == '\0')
        return twirp__fail(call, TWIRP_INVALID_ARGUMENT, "method is required");
    if (strlen(request->payload) > PAYLOAD_SIZE_MAX)
        return twirp__fail(call, TWIRP_INVALID_ARGUMENT, "payload is larger than 15 KiB");
    if (call->signal->rpc_count >= RPCS_MAX)
        return twirp__fail(call, TWIRP_RESOURCE_EXHAUSTED, "too many calls are waiting");
    answer_ms = answer_ms == 0 ? ANSWER_MS_DEFAULT : TK_MIN(answer_ms, (uint32_t)ANSWER_MS_MAX);
    struct signal_rpc *rpc = create_rpc(call, answer_ms);
    if (rpc == NULL)
        return twirp__fail_rc(call, -ENOMEM);
    enum twirp_code code = send_request(call, rpc, answer_ms);
    if (code != TWIRP_OK) {
        free_rpc(call->signal, rpc);
        return code;
    }
    call->reply->ticket = rpc->ticket;
    return TWIRP_PENDING;
}

/* ---- the participant's side ---- */

static struct signal_rpc *find(struct signal *s, const char *id, const struct signal_participant *p)
{
    LIST_FOR_EACH(it, &s->rpcs)
    {
        struct signal_rpc *rpc = CONTAINER_OF(it, struct signal_rpc, link);
        if (!rpc->is_done && strcmp(rpc->id, id) == 0 && strcmp(rpc->participant_sid, p->sid) == 0)
            return rpc;
    }
    return NULL;
}

static void handle_response(struct signal_rpc *rpc, const Livekit__RpcResponse *response)
{
    const Livekit__RpcError *error;
    switch (response->value_case) {
    case LIVEKIT__RPC_RESPONSE__VALUE_ERROR:
        error = response->error;
        finish_with_error(rpc, TWIRP_UNKNOWN, error->code, error->message);
        return;
    case LIVEKIT__RPC_RESPONSE__VALUE_PAYLOAD:
        if (strlen(response->payload) <= PAYLOAD_SIZE_MAX)
            finish_with_payload(rpc, response->payload);
        else
            finish_with_error(rpc, TWIRP_UNKNOWN, ERROR_PAYLOAD_LARGE,
                              "response payload too large");
        return;
    default:
        finish_with_payload(rpc, "");
    }
}

static bool handle_packet(struct signal *s, const struct signal_participant *p,
                          const Livekit__DataPacket *packet)
{
    struct signal_rpc *rpc;
    if (packet->value_case == LIVEKIT__DATA_PACKET__VALUE_RPC_ACK) {
        rpc = find(s, packet->rpc_ack->request_id, p);
        if (rpc != NULL)
            rpc->ack_by = MONO_NEVER;
        return rpc != NULL;
    }
    if (packet->value_case == LIVEKIT__DATA_PACKET__VALUE_RPC_RESPONSE) {
        rpc = find(s, packet->rpc_response->request_id, p);
        if (rpc != NULL)
            handle_response(rpc, packet->rpc_response);
        return rpc != NULL;
    }
    return false;
}

bool signal__rpc_receive(struct signal_participant *p, const uint8_t *data, size_t size)
{
    struct signal *s = p->room->signal;
    if (s->rpc_count == 0)
        return false;
    Livekit__DataPacket *packet = livekit__data_packet__unpack(NULL, size, data);
    if (packet == NULL)
        return false;
    bool is_ours = handle_packet(s, p, packet);
    livekit__data_packet__free_unpacked(packet, NULL);
    return is_ours;
}

/* ---- time ---- */

static bool is_gone(struct signal *s, const struct signal_rpc *rpc)
{
    struct signal_room *room = signal__room_find(s, rpc->room);
    return room == NULL || signal__room_participant_sid(room, rpc->participant_sid) == NULL;
}

void signal__rpcs_tick(struct signal *s)
{
    if (s->now < s->rpcs_due)
        return;
    s->rpcs_due = MONO_NEVER;
    LIST_FOR_EACH(it, &s->rpcs)
    {
        struct signal_rpc *rpc = CONTAINER_OF(it, struct signal_rpc, link);
        if (rpc->is_done)
            continue;
        mono_us due = TK_MIN(rpc->ack_by, rpc->answer_by);
        if (due > s->now)
            s->rpcs_due = TK_MIN(s->rpcs_due, due);
        else if (is_gone(s, rpc))
            finish_with_error(rpc, TWIRP_NOT_FOUND, ERROR_GONE, "recipient disconnected");
        else if (rpc->ack_by <= s->now)
            finish_with_error(rpc, TWIRP_DEADLINE_EXCEEDED, ERROR_NO_ACK, "connection timeout");
        else
            finish_with_error(rpc, TWIRP_DEADLINE_EXCEEDED, ERROR_NO_ANSWER, "response timeout");
    }
}

int signal_poll_reply(struct signal *s, uint64_t *ret_ticket, struct signal_reply *ret_reply)
{
    LIST_FOR_EACH(it, &s->rpcs)
    {
        struct signal_rpc *rpc = CONTAINER_OF(it, struct signal_rpc, link);
        if (!rpc->is_done)
            continue;
        *ret_ticket = rpc->ticket;
        *ret_reply = rpc->reply;
        rpc->reply.body = NULL; /* handed over */
        free_rpc(s, rpc);
        return 1;
    }
    return 0;
}
