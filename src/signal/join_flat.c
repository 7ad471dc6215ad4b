#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "signal/join_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES_MAX   256 /* entries in ?attributes= */
#define CAPABILITIES_MAX 32

/* How a parameter's text becomes a field. */
typedef int (*flat_reader)(struct join_params *params, char *text, size_t offset);

/* Puts a heap text into a field that may hold the generator's shared empty string. */
static void replace_text(char **field, char *text)
{
    if (*field != NULL && *field != (char *)protobuf_c_empty_string)
        free(*field);
    *field = text;
}

static int set_client_text(struct join_params *params, char *text, size_t offset)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    replace_text((char **)(void *)((char *)params->request->client_info + offset), copy);
    return 0;
}

static int set_client_number(struct join_params *params, char *text, size_t offset)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < 0 || v > 1000000)
        return ERR_MALFORMED;
    *(int32_t *)(void *)((char *)params->request->client_info + offset) = (int32_t)v;
    return 0;
}

static bool is_true(const char *text)
{
    return strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
}

static int set_setting(struct join_params *params, char *text, size_t offset)
{
    char *settings = (char *)params->request->connection_settings;
    *(protobuf_c_boolean *)(void *)(settings + offset) = is_true(text);
    return 0;
}

static int set_allow_pause(struct join_params *params, char *text, size_t offset)
{
    Livekit__ConnectionSettings *settings = params->request->connection_settings;
    (void)offset;
    settings->subscriber_allow_pause_presence_case =
        LIVEKIT__CONNECTION_SETTINGS__SUBSCRIBER_ALLOW_PAUSE_PRESENCE_SUBSCRIBER_ALLOW_PAUSE;
    settings->subscriber_allow_pause = is_true(text);
    return 0;
}

static int set_data_track(struct join_params *params, char *text, size_t offset)
{
    Livekit__ConnectionSettings *settings = params->request->connection_settings;
    (void)offset;
    settings->auto_subscribe_data_track_presence_case =
        LIVEKIT__CONNECTION_SETTINGS__AUTO_SUBSCRIBE_DATA_TRACK_PRESENCE_AUTO_SUBSCRIBE_DATA_TRACK;
    settings->auto_subscribe_data_track = is_true(text);
    return 0;
}

static int set_reconnect(struct join_params *params, char *text, size_t offset)
{
    (void)offset;
    params->request->reconnect = is_true(text);
    return 0;
}

static int set_reconnect_reason(struct join_params *params, char *text, size_t offset)
{
    (void)offset;
    if (text[0] < '0' || text[0] > '4' || text[1] != '\0')
        return 0; /* a reason we do not know is no reason to refuse */
    params->request->reconnect_reason = (Livekit__ReconnectReason)(text[0] - '0');
    return 0;
}

static int set_sid(struct join_params *params, char *text, size_t offset)
{
    char *copy = strdup(text);
    (void)offset;
    if (copy == NULL)
        return -ENOMEM;
    replace_text(&params->request->participant_sid, copy);
    return 0;
}

static int set_publish(struct join_params *params, char *text, size_t offset)
{
    (void)offset;
    return str_copy(params->publish, sizeof(params->publish), text) != 0 ? ERR_MALFORMED : 0;
}

static int set_sdk(struct join_params *params, char *text, size_t offset)
{
    static const struct {
        const char *name;
        Livekit__ClientInfo__SDK sdk;
    } names[] = {
        {"js", LIVEKIT__CLIENT_INFO__SDK__JS},
        {"ios", LIVEKIT__CLIENT_INFO__SDK__SWIFT},
        {"swift", LIVEKIT__CLIENT_INFO__SDK__SWIFT},
        {"android", LIVEKIT__CLIENT_INFO__SDK__ANDROID},
        {"flutter", LIVEKIT__CLIENT_INFO__SDK__FLUTTER},
        {"go", LIVEKIT__CLIENT_INFO__SDK__GO},
        {"unity", LIVEKIT__CLIENT_INFO__SDK__UNITY},
        {"reactnative", LIVEKIT__CLIENT_INFO__SDK__REACT_NATIVE},
        {"rust", LIVEKIT__CLIENT_INFO__SDK__RUST},
        {"python", LIVEKIT__CLIENT_INFO__SDK__PYTHON},
        {"cpp", LIVEKIT__CLIENT_INFO__SDK__CPP},
        {"unityweb", LIVEKIT__CLIENT_INFO__SDK__UNITY_WEB},
        {"node", LIVEKIT__CLIENT_INFO__SDK__NODE},
        {"unreal", LIVEKIT__CLIENT_INFO__SDK__UNREAL},
        {"esp32", LIVEKIT__CLIENT_INFO__SDK__ESP32},
        {"dotnet", LIVEKIT__CLIENT_INFO__SDK__DOTNET},
    };
    (void)offset;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i].name, text) == 0)
            params->request->client_info->sdk = names[i].sdk;
    }
    return 0;
}

static int set_capabilities(struct join_params *params, char *text, size_t offset)
{
    Livekit__ClientInfo *info = params->request->client_info;
    (void)offset;
    free(info->capabilities);
    info->n_capabilities = 0;
    info->capabilities = calloc(CAPABILITIES_MAX, sizeof(*info->capabilities));
    if (info->capabilities == NULL)
        return -ENOMEM;
    char *save = NULL;
    for (char *name = strtok_r(text, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
        const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value_by_name(
            &livekit__client_info__capability__descriptor, name);
        if (known != NULL && info->n_capabilities < CAPABILITIES_MAX)
            info->capabilities[info->n_capabilities++] =
                (Livekit__ClientInfo__Capability)known->value;
    }
    return 0;
}

static int add_attribute(Livekit__JoinRequest *request, const char *key, const char *value)
{
    Livekit__JoinRequest__ParticipantAttributesEntry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    livekit__join_request__participant_attributes_entry__init(entry);
    request->participant_attributes[request->n_participant_attributes++] = entry;
    char *key_copy = strdup(key), *value_copy = strdup(value);
    if (key_copy != NULL)
        entry->key = key_copy;
    if (value_copy != NULL)
        entry->value = value_copy;
    return key_copy != NULL && value_copy != NULL ? 0 : -ENOMEM;
}

static int read_attributes(Livekit__JoinRequest *request, json_t *object)
{
    const char *key;
    json_t *value;
    size_t count = json_object_size(object);
    if (!json_is_object(object) || count > ATTRIBUTES_MAX ||
        request->participant_attributes != NULL)
        return ERR_MALFORMED;
    request->participant_attributes = calloc(count + 1, sizeof(*request->participant_attributes));
    if (request->participant_attributes == NULL)
        return -ENOMEM;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return ERR_MALFORMED;
        int rc = add_attribute(request, key, json_string_value(value));
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int set_attributes(struct join_params *params, char *text, size_t offset)
{
    size_t length = strlen(text);
    uint8_t *bytes = malloc(length + 1);
    (void)offset;
    if (bytes == NULL)
        return -ENOMEM;
    int size = base64_decode(text, length, bytes, length + 1);
    json_t *object = size >= 0 ? json_loadb((const char *)bytes, (size_t)size, 0, NULL) : NULL;
    int rc = read_attributes(params->request, object);
    json_decref(object);
    free(bytes);
    return rc;
}

#define INFO(field)    offsetof(Livekit__ClientInfo, field)
#define SETTING(field) offsetof(Livekit__ConnectionSettings, field)

static const struct {
    const char *name;
    flat_reader read;
    size_t offset;
} flat_params[] = {
    {"reconnect", set_reconnect, 0},
    {"sid", set_sid, 0},
    {"reconnect_reason", set_reconnect_reason, 0},
    {"auto_subscribe", set_setting, SETTING(auto_subscribe)},
    {"adaptive_stream", set_setting, SETTING(adaptive_stream)},
    {"disable_ice_lite", set_setting, SETTING(disable_ice_lite)},
    {"auto_subscribe_data_track", set_data_track, 0},
    {"subscriber_allow_pause", set_allow_pause, 0},
    {"sdk", set_sdk, 0},
    {"version", set_client_text, INFO(version)},
    {"protocol", set_client_number, INFO(protocol)},
    {"client_protocol", set_client_number, INFO(client_protocol)},
    {"os", set_client_text, INFO(os)},
    {"os_version", set_client_text, INFO(os_version)},
    {"device_model", set_client_text, INFO(device_model)},
    {"browser", set_client_text, INFO(browser)},
    {"browser_version", set_client_text, INFO(browser_version)},
    {"network", set_client_text, INFO(network)},
    {"capabilities", set_capabilities, 0},
    {"attributes", set_attributes, 0},
    {"publish", set_publish, 0},
};

int join__parse_flat(const char *query, struct join_params *params)
{
    params->request->connection_settings->auto_subscribe = true;
    for (size_t i = 0; i < ARRAY_COUNT(flat_params); i++) {
        struct url_pair pair;
        if (!url_query_find(query, flat_params[i].name, &pair) || pair.value_length == 0)
            continue;
        char *text = join__decode(&pair);
        if (text == NULL)
            return ERR_MALFORMED;
        int rc = flat_params[i].read(params, text, flat_params[i].offset);
        free(text);
        if (rc != 0)
            return rc;
    }
    return 0;
}
