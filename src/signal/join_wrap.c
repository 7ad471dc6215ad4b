#include "base/encode.h"
#include "signal/join_params.h"

#include <stdlib.h>

/* The client's side of /rtc/v1. */

char *join_params_wrap(const Livekit__JoinRequest *request)
{
    size_t inner_size = livekit__join_request__get_packed_size(request);
    Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    uint8_t *inner = malloc(inner_size + 1);
    uint8_t *outer = malloc(inner_size + 64);
    char *text = malloc(BASE64_SIZE(inner_size + 64) + 1);
    if (inner != NULL && outer != NULL && text != NULL) {
        livekit__join_request__pack(request, inner);
        wrapped.join_request = (ProtobufCBinaryData){.len = inner_size, .data = inner};
        size_t outer_size = livekit__wrapped_join_request__pack(&wrapped, outer);
        base64url_encode(outer, outer_size, text);
    } else {
        free(text);
        text = NULL;
    }
    free(inner);
    free(outer);
    return text;
}
