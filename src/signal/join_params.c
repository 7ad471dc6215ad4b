#include "signal/join_params.h"

#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "base/url.h"
#include "signal/join_internal.h"
#include "signal/signal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BEARER "Bearer "

int join_params_token(const struct signal_join_request *request, char **ret_token)
{
    char *token = NULL;
    if (request->authorization != NULL && request->authorization[0] != '\0') {
        if (strncasecmp(request->authorization, BEARER, strlen(BEARER)) != 0)
            return ERR_TOKEN;
        token = strdup(request->authorization + strlen(BEARER));
    } else {
        struct url_pair pair;
        if (request->query == NULL || !url_query_find(request->query, "access_token", &pair) ||
            pair.value_length == 0)
            return ERR_TOKEN_MISSING;
        token = join__decode(&pair);
        if (token == NULL)
            return ERR_TOKEN;
    }
    if (token == NULL)
        return -ENOMEM;
    *ret_token = token;
    return 0;
}

char *join__decode(const struct url_pair *pair)
{
    char *text = malloc(pair->value_length + 1);
    if (text == NULL)
        return NULL;
    if (url_decode(pair->value, pair->value_length, true, text, pair->value_length + 1) < 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Bytes of a base64 parameter; a '+' of the standard alphabet may have become a space. */
static int decode_base64(const struct url_pair *pair, uint8_t **ret_bytes, size_t *ret_size)
{
    char *text = join__decode(pair);
    if (text == NULL)
        return ERR_MALFORMED;
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at, ' '))
        *at = '+';
    size_t length = strlen(text);
    uint8_t *bytes = malloc(length + 1);
    int size = bytes != NULL ? base64_decode(text, length, bytes, length + 1) : -ENOMEM;
    free(text);
    if (size < 0) {
        free(bytes);
        return size == -ENOMEM ? size : ERR_MALFORMED;
    }
    *ret_bytes = bytes;
    *ret_size = (size_t)size;
    return 0;
}

/* The JoinRequest inside the wrapper's bytes. */
static int unwrap(const uint8_t *bytes, size_t size, Livekit__JoinRequest **ret_request)
{
    Livekit__WrappedJoinRequest *wrapped = livekit__wrapped_join_request__unpack(NULL, size, bytes);
    if (wrapped == NULL)
        return ERR_MALFORMED;
    int rc = 0;
    uint8_t *inflated = NULL;
    const uint8_t *inner = wrapped->join_request.data;
    size_t inner_size = wrapped->join_request.len;
    if (wrapped->compression == LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP) {
        rc = join__inflate(inner, inner_size, JOIN_REQUEST_SIZE_MAX, &inflated, &inner_size);
        inner = inflated;
    } else if (wrapped->compression != LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__NONE) {
        rc = ERR_MALFORMED;
    } else if (inner_size > JOIN_REQUEST_SIZE_MAX) {
        rc = ERR_LIMIT;
    }
    if (rc == 0) {
        *ret_request = livekit__join_request__unpack(NULL, inner_size, inner);
        rc = *ret_request != NULL ? 0 : ERR_MALFORMED;
    }
    free(inflated);
    livekit__wrapped_join_request__free_unpacked(wrapped, NULL);
    return rc;
}

/* Readers may rely on the two sub-messages. */
static int complete(Livekit__JoinRequest *request)
{
    if (request->client_info == NULL) {
        request->client_info = calloc(1, sizeof(*request->client_info));
        if (request->client_info == NULL)
            return -ENOMEM;
        livekit__client_info__init(request->client_info);
    }
    if (request->connection_settings == NULL) {
        request->connection_settings = calloc(1, sizeof(*request->connection_settings));
        if (request->connection_settings == NULL)
            return -ENOMEM;
        livekit__connection_settings__init(request->connection_settings);
    }
    return 0;
}

static int parse_v1(const struct url_pair *pair, Livekit__JoinRequest **ret_request)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rc = decode_base64(pair, &bytes, &size);
    if (rc == 0)
        rc = unwrap(bytes, size, ret_request);
    free(bytes);
    return rc;
}

static int parse_v0(const char *query, struct join_params *params)
{
    params->request = calloc(1, sizeof(*params->request));
    if (params->request == NULL)
        return -ENOMEM;
    livekit__join_request__init(params->request);
    int rc = complete(params->request);
    return rc != 0 ? rc : join__parse_flat(query, params);
}

static const char *reason_of(int rc, bool has_join_request, bool is_v1)
{
    if (rc == ERR_LIMIT)
        return "join_request is larger than 1 MiB";
    if (!has_join_request && is_v1)
        return "missing join_request";
    return has_join_request ? "malformed join_request" : "malformed query parameter";
}

int join_params_parse(const struct signal_join_request *request, struct join_params *ret_params,
                      const char **ret_reason)
{
    const char *query = request->query != NULL ? request->query : "";
    struct join_params params = {0};
    struct url_pair pair;
    bool has_join_request = url_query_find(query, "join_request", &pair) && pair.value_length > 0;
    int rc;
    params.is_single_pc = request->is_v1 || has_join_request;
    if (has_join_request)
        rc = parse_v1(&pair, &params.request);
    else
        rc = request->is_v1 ? ERR_MALFORMED : parse_v0(query, &params);
    if (rc == 0)
        rc = complete(params.request);
    if (rc == 0) {
        *ret_params = params;
        return 0;
    }
    *ret_reason = reason_of(rc, has_join_request, request->is_v1);
    join_params_fini(&params);
    return rc;
}

void join_params_fini(struct join_params *params)
{
    if (params->request != NULL)
        livekit__join_request__free_unpacked(params->request, NULL);
    params->request = NULL;
}
