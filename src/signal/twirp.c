#include "base/err.h"
#include "signal/join_params.h"
#include "signal/pbjson.h"
#include "signal/twirp_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *code;
    int status;
} codes[TWIRP_CODE_COUNT_] = {
    [TWIRP_OK] = {"", 200},
    [TWIRP_PENDING] = {"", 0},
    [TWIRP_BAD_ROUTE] = {"bad_route", 404},
    [TWIRP_MALFORMED] = {"malformed", 400},
    [TWIRP_UNAUTHENTICATED] = {"unauthenticated", 401},
    [TWIRP_INVALID_ARGUMENT] = {"invalid_argument", 400},
    [TWIRP_NOT_FOUND] = {"not_found", 404},
    [TWIRP_FAILED_PRECONDITION] = {"failed_precondition", 412},
    [TWIRP_RESOURCE_EXHAUSTED] = {"resource_exhausted", 429},
    [TWIRP_DEADLINE_EXCEEDED] = {"deadline_exceeded", 408},
    [TWIRP_UNAVAILABLE] = {"unavailable", 503},
    [TWIRP_UNKNOWN] = {"unknown", 500},
    [TWIRP_UNIMPLEMENTED] = {"unimplemented", 501},
    [TWIRP_INTERNAL] = {"internal", 500},
};

/* Services of the protocol that this server does not have. */
static const char *const other_services[] = {
    "livekit.Egress",
    "livekit.Ingress",
    "livekit.AgentDispatchService",
    "livekit.SIP",
    "livekit.PhoneNumberService",
    "livekit.Connector",
};

enum twirp_code twirp__fail(struct twirp_call *call, enum twirp_code code, const char *message)
{
    call->message = message;
    return code;
}

enum twirp_code twirp__fail_rc(struct twirp_call *call, int rc)
{
    switch (rc) {
    case ERR_MALFORMED:
        return twirp__fail(call, TWIRP_INVALID_ARGUMENT, "a field is empty or too long");
    case ERR_LIMIT:
        return twirp__fail(call, TWIRP_RESOURCE_EXHAUSTED, "over a limit of this server");
    case ERR_SERVER_FULL:
        return twirp__fail(call, TWIRP_UNAVAILABLE, err_text(rc));
    default:
        return twirp__fail(call, TWIRP_INTERNAL, err_text(rc));
    }
}

void twirp__write_error(struct signal_reply *reply, enum twirp_code code, const char *message,
                        uint32_t rpc_code)
{
    json_t *root = json_pack("{s:s,s:s,s:{}}", "code", codes[code].code, "msg",
                             message != NULL ? message : codes[code].code, "meta");
    if (rpc_code != 0)
        IGNORE(json_object_set_new(json_object_get(root, "meta"), "rpc_error_code",
                                   json_sprintf("%u", (unsigned)rpc_code))); /* only a hint */
    reply->status = codes[code].status;
    reply->content_type = "application/json";
    reply->body = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    reply->size = reply->body != NULL ? strlen(reply->body) : 0;
    json_decref(root);
}

enum twirp_code twirp__answer(struct twirp_call *call, const ProtobufCMessage *message)
{
    struct signal_reply *reply = call->reply;
    if (call->is_json) {
        if (pbjson_print(message, &reply->body) != 0)
            return twirp__fail(call, TWIRP_INTERNAL, "the answer cannot be written");
        reply->size = strlen(reply->body);
        reply->content_type = "application/json";
    } else {
        reply->size = protobuf_c_message_get_packed_size(message);
        reply->body = malloc(reply->size + 1);
        if (reply->body == NULL)
            return twirp__fail(call, TWIRP_INTERNAL, err_text(-ENOMEM));
        protobuf_c_message_pack(message, (uint8_t *)reply->body);
        reply->content_type = "application/protobuf";
    }
    reply->status = 200;
    return TWIRP_OK;
}

/* The text field of that name, "" if the request has none. */
static const char *text_field(const ProtobufCMessage *request, const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, name);
    if (f == NULL || f->type != PROTOBUF_C_TYPE_STRING)
        return "";
    const char *text = *(char *const *)(const void *)((const char *)request + f->offset);
    return text != NULL ? text : "";
}

static bool is_granted(const struct token_claims *claims, const struct twirp_method *method,
                       const ProtobufCMessage *request)
{
    const struct signal_grants *g = &claims->grants;
    switch (method->grant) {
    case TWIRP_GRANT_CREATE:
        return g->room_create;
    case TWIRP_GRANT_LIST:
        return g->room_list;
    default:
        return g->room_admin && g->room[0] != '\0' &&
               strcmp(g->room, text_field(request, "room")) == 0;
    }
}

static enum twirp_code check_token(struct twirp_call *call, const char *authorization, wall_ms wall,
                                   struct token_claims *ret_claims)
{
    struct signal_join_request request = {.authorization = authorization};
    char *token = NULL;
    int rc = join_params_token(&request, &token);
    if (rc == 0)
        rc = token_verify(call->signal->config.keys, call->signal->config.key_count, token, wall,
                          ret_claims);
    free(token);
    return rc == 0 ? TWIRP_OK : twirp__fail(call, TWIRP_UNAUTHENTICATED, err_text(rc));
}

static enum twirp_code find_targets(struct twirp_call *call, const struct twirp_method *method)
{
    if (method->target == TWIRP_TARGET_NONE)
        return TWIRP_OK;
    call->room = signal__room_find(call->signal, text_field(call->request, "room"));
    if (call->room == NULL)
        return twirp__fail(call, TWIRP_NOT_FOUND, err_text(ERR_ROOM_NOT_FOUND));
    if (method->target == TWIRP_TARGET_ROOM)
        return TWIRP_OK;
    const char *identity = text_field(call->request, "identity");
    if (identity[0] == '\0')
        identity = text_field(call->request, "destination_identity");
    call->participant = signal__room_participant(call->room, identity);
    if (call->participant == NULL)
        return twirp__fail(call, TWIRP_NOT_FOUND, "participant does not exist");
    return TWIRP_OK;
}

static bool has_type(const char *content_type, const char *wanted)
{
    size_t length = strlen(wanted);
    return content_type != NULL && strncasecmp(content_type, wanted, length) == 0 &&
           (content_type[length] == '\0' || content_type[length] == ';' ||
            content_type[length] == ' ');
}

static enum twirp_code parse_body(struct twirp_call *call, const struct twirp_method *method,
                                  const char *content_type, const void *body, size_t size,
                                  ProtobufCMessage **ret_request)
{
    call->is_json = has_type(content_type, "application/json");
    if (call->is_json) {
        if (size == 0)
            return pbjson_parse(method->type, "{}", 2, ret_request) == 0 ? TWIRP_OK
                                                                         : TWIRP_INTERNAL;
        if (pbjson_parse(method->type, body, size, ret_request) != 0)
            return twirp__fail(call, TWIRP_MALFORMED, "the json request could not be decoded");
        return TWIRP_OK;
    }
    if (!has_type(content_type, "application/protobuf"))
        return twirp__fail(call, TWIRP_BAD_ROUTE, "unexpected Content-Type");
    *ret_request = protobuf_c_message_unpack(method->type, NULL, size, body);
    if (*ret_request == NULL)
        return twirp__fail(call, TWIRP_MALFORMED, "the protobuf request could not be decoded");
    return TWIRP_OK;
}

static enum twirp_code run(struct twirp_call *call, const struct twirp_method *method,
                           const struct token_claims *claims)
{
    if (!is_granted(claims, method, call->request))
        return twirp__fail(call, TWIRP_UNAUTHENTICATED, "permissions denied");
    enum twirp_code code = find_targets(call, method);
    return code == TWIRP_OK ? method->run(call) : code;
}

static enum twirp_code find_method(struct twirp_call *call, const char *service, const char *name,
                                   const struct twirp_method **ret_method)
{
    for (size_t i = 0; i < ARRAY_COUNT(other_services); i++) {
        if (strcmp(other_services[i], service) == 0)
            return twirp__fail(call, TWIRP_UNIMPLEMENTED, "this server has no such service");
    }
    for (size_t i = 0; i < twirp__room_method_count; i++) {
        if (strcmp(service, "livekit.RoomService") == 0 &&
            strcmp(name, twirp__room_methods[i].name) == 0) {
            *ret_method = &twirp__room_methods[i];
            return TWIRP_OK;
        }
    }
    return twirp__fail(call, TWIRP_BAD_ROUTE, "no handler for path");
}

void signal_twirp(struct signal *s, const char *service, const char *method,
                  const char *content_type, const char *authorization, const void *body,
                  size_t size, mono_us now, wall_ms wall, struct signal_reply *ret_reply)
{
    struct twirp_call call = {.signal = s, .reply = ret_reply};
    const struct twirp_method *found = NULL;
    ProtobufCMessage *request = NULL;
    struct token_claims claims;
    token_claims_init(&claims);
    memset(ret_reply, 0, sizeof(*ret_reply));
    signal__enter(s, now, wall);
    enum twirp_code code = find_method(&call, service, method, &found);
    if (code == TWIRP_OK)
        code = check_token(&call, authorization, wall, &claims);
    if (code == TWIRP_OK)
        code = parse_body(&call, found, content_type, body, size, &request);
    if (code == TWIRP_OK) {
        call.request = request;
        code = run(&call, found, &claims);
    }
    if (code != TWIRP_OK && code != TWIRP_PENDING)
        twirp__write_error(ret_reply, code, call.message, 0);
    if (request != NULL)
        protobuf_c_message_free_unpacked(request, NULL);
    signal__arena_fini(&call.arena);
    token_claims_fini(&claims);
    signal__finish(s);
}
