#include "base/encode.h"
#include "base/err.h"
#include "signal/pbjson.h"
#include "signal/pbjson_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pbjson__camel(const char *name, char buf[PBJSON__NAME_SIZE])
{
    size_t n = 0;
    bool is_upper = false;
    for (; *name != '\0' && n + 1 < PBJSON__NAME_SIZE; name++) {
        if (*name == '_') {
            is_upper = true;
            continue;
        }
        bool is_letter = *name >= 'a' && *name <= 'z';
        buf[n++] = is_upper && is_letter ? (char)(*name - 'a' + 'A') : *name;
        is_upper = false;
    }
    buf[n] = '\0';
    return buf;
}

bool pbjson__is_map(const ProtobufCFieldDescriptor *f)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    size_t length = strlen(entry->short_name);
    return length > 5 && strcmp(entry->short_name + length - 5, "Entry") == 0 &&
           entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
           strcmp(entry->fields[1].name, "value") == 0;
}

static json_t *integer_text(const char *form, uint64_t v, int64_t i)
{
    char text[24];
    if (form != NULL)
        snprintf(text, sizeof(text), "%" PRIu64, v);
    else
        snprintf(text, sizeof(text), "%" PRId64, i);
    return json_string(text);
}

static json_t *float_value(float v)
{
    if (isnan(v))
        return json_string("NaN");
    if (isinf(v))
        return json_string(v > 0 ? "Infinity" : "-Infinity");
    return json_real((double)v);
}

static json_t *enum_value(const ProtobufCFieldDescriptor *f, int32_t v)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(f->descriptor, v);
    return known != NULL ? json_string(known->name) : json_integer(v);
}

static json_t *bytes_value(const ProtobufCBinaryData *v)
{
    char *text = malloc(BASE64_SIZE(v->len) + 1);
    if (text == NULL)
        return NULL;
    base64_encode(v->data, v->len, text);
    json_t *ret = json_string(text);
    free(text);
    return ret;
}

static json_t *print_message(const ProtobufCMessage *message);

/* The value at `at`, which is an element of a repeated field or a field's own place; NULL on
 * failure. */
static json_t *print_value(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
        return integer_text(NULL, 0, *(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
        return integer_text("u", *(const uint64_t *)at, 0);
    case PROTOBUF_C_TYPE_FLOAT:
        return float_value(*(const float *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_value(f, *(const int32_t *)at);
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)at;
        return json_string(text != NULL ? text : "");
    }
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_value(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(*(ProtobufCMessage *const *)at);
    default:
        return NULL; /* types that livekit.proto does not use */
    }
}

static size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return sizeof(uint32_t);
    }
}

/* The key of a map entry as text. */
static const char *map_key(const ProtobufCFieldDescriptor *key, const ProtobufCMessage *entry,
                           char buf[24])
{
    const void *at = (const char *)entry + key->offset;
    if (key->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)at;
        return text != NULL ? text : "";
    }
    snprintf(buf, 24, "%" PRIu32, *(const uint32_t *)at);
    return buf;
}

static json_t *print_map(const ProtobufCFieldDescriptor *f, ProtobufCMessage *const *entries,
                         size_t count)
{
    const ProtobufCMessageDescriptor *type = f->descriptor;
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < count; i++) {
        char buf[24];
        const char *key = map_key(&type->fields[0], entries[i], buf);
        json_t *value =
            print_value(&type->fields[1], (const char *)entries[i] + type->fields[1].offset);
        if (value == NULL || json_object_set_new(object, key, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *print_repeated(const ProtobufCFieldDescriptor *f, const char *elements, size_t count)
{
    if (pbjson__is_map(f))
        return print_map(f, (ProtobufCMessage *const *)(const void *)elements, count);
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < count; i++) {
        json_t *value = print_value(f, elements + i * element_size(f->type));
        if (value == NULL || json_array_append_new(array, value) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* Whether a single field has something to say: its oneof names it, or it is not at its default. */
static bool is_present(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *message)
{
    const char *base = (const char *)message;
    const void *at = base + f->offset;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t named = *(const uint32_t *)(const void *)(base + f->quantifier_offset);
        bool is_message = f->type == PROTOBUF_C_TYPE_MESSAGE;
        return named == f->id && (!is_message || *(void *const *)at != NULL);
    }
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)at;
        return text != NULL && text[0] != '\0';
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at != NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len > 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return *(const uint64_t *)at != 0;
    default:
        return *(const uint32_t *)at != 0;
    }
}

static json_t *print_message(const ProtobufCMessage *message)
{
    json_t *object = json_object();
    const char *base = (const char *)message;
    for (unsigned i = 0; object != NULL && i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &message->descriptor->fields[i];
        char name[PBJSON__NAME_SIZE];
        json_t *value;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)(base + f->quantifier_offset);
            if (count == 0)
                continue;
            value = print_repeated(f, *(char *const *)(const void *)(base + f->offset), count);
        } else if (is_present(f, message)) {
            value = print_value(f, base + f->offset);
        } else {
            continue;
        }
        if (value == NULL ||
            json_object_set_new(object, pbjson__camel(f->name, name), value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

int pbjson_print(const ProtobufCMessage *message, char **ret_text)
{
    json_t *root = print_message(message);
    if (root == NULL)
        return ERR_MALFORMED;
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    if (text == NULL)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}
