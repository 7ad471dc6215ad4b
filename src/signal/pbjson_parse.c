#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "signal/pbjson.h"
#include "signal/pbjson_internal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * JSON becomes wire format first and protobuf-c unpacks that: so there is one place that builds
 * messages, and a oneof, a map or a repeated field needs no care of its own.
 */

#define WIRE_SIZE_MAX (16u << 20)

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_varint(struct strbuf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v != 0);
    strbuf_append(out, bytes, n);
}

static void put_tag(struct strbuf *out, uint32_t id, enum wire_type type)
{
    put_varint(out, (uint64_t)id << 3 | type);
}

static void put_bytes(struct strbuf *out, uint32_t id, const void *data, size_t size)
{
    put_tag(out, id, WIRE_BYTES);
    put_varint(out, size);
    strbuf_append(out, data, size);
}

/* A decimal integer in a string, within the range of its type. */
static int text_integer(const char *text, bool is_signed, uint64_t *ret_v)
{
    char *end = NULL;
    size_t length = strlen(text);
    if (length == 0 || length > 20 || strspn(text, "-0123456789") != length)
        return ERR_MALFORMED;
    errno = 0;
    if (is_signed)
        *ret_v = (uint64_t)strtoll(text, &end, 10);
    else if (text[0] == '-')
        return ERR_MALFORMED;
    else
        *ret_v = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' ? ERR_MALFORMED : 0;
}

/* Any JSON spelling of an integer as 64 bits, two's complement when signed. */
static int json_to_integer(const json_t *v, bool is_signed, uint64_t *ret_v)
{
    if (json_is_string(v))
        return text_integer(json_string_value(v), is_signed, ret_v);
    json_int_t i = json_integer_value(v);
    if (json_is_real(v)) {
        double d = json_real_value(v);
        if (d != floor(d) || fabs(d) > 9007199254740992.0) /* 2^53: exact */
            return ERR_MALFORMED;
        i = (json_int_t)d;
    } else if (!json_is_integer(v)) {
        return ERR_MALFORMED;
    }
    if (!is_signed && i < 0)
        return ERR_MALFORMED;
    *ret_v = (uint64_t)i;
    return 0;
}

static int put_integer(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    bool is_signed = f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_INT64;
    uint64_t value;
    int rc = json_to_integer(v, is_signed, &value);
    if (rc != 0)
        return rc;
    if (f->type == PROTOBUF_C_TYPE_UINT32 && value > UINT32_MAX)
        return ERR_MALFORMED;
    if (f->type == PROTOBUF_C_TYPE_INT32 &&
        ((int64_t)value > INT32_MAX || (int64_t)value < INT32_MIN))
        return ERR_MALFORMED;
    put_tag(out, f->id, WIRE_VARINT);
    put_varint(out, value);
    return 0;
}

static int put_enum(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    int64_t number;
    if (json_is_string(v)) {
        const ProtobufCEnumValue *known =
            protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, json_string_value(v));
        if (known == NULL)
            return ERR_MALFORMED;
        number = known->value;
    } else if (json_is_integer(v)) {
        number = json_integer_value(v);
    } else {
        return ERR_MALFORMED;
    }
    if (number > INT32_MAX || number < INT32_MIN)
        return ERR_MALFORMED;
    put_tag(out, f->id, WIRE_VARINT);
    put_varint(out, (uint64_t)number);
    return 0;
}

static int json_to_number(const json_t *v, double *ret_v)
{
    static const struct {
        const char *text;
        double value;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    if (json_is_number(v)) {
        *ret_v = json_number_value(v);
        return 0;
    }
    for (size_t i = 0; json_is_string(v) && i < ARRAY_COUNT(words); i++) {
        if (strcmp(json_string_value(v), words[i].text) == 0) {
            *ret_v = words[i].value;
            return 0;
        }
    }
    return ERR_MALFORMED;
}

static int put_float(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    double number;
    int rc = json_to_number(v, &number);
    if (rc != 0)
        return rc;
    float single = (float)number;
    uint32_t bits;
    memcpy(&bits, &single, sizeof(bits));
    uint8_t bytes[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
                        (uint8_t)(bits >> 24)};
    put_tag(out, f->id, WIRE_32);
    strbuf_append(out, bytes, sizeof(bytes));
    return 0;
}

static int put_base64(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    if (!json_is_string(v))
        return ERR_MALFORMED;
    size_t length = json_string_length(v);
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL)
        return -ENOMEM;
    int size = base64_decode(json_string_value(v), length, bytes, length + 1);
    if (size >= 0)
        put_bytes(out, f->id, bytes, (size_t)size);
    free(bytes);
    return size < 0 ? ERR_MALFORMED : 0;
}

static int put_message(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v);

/* One value of a field, whatever its label. The type decides. */
static int put_value(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
        return put_integer(out, f, v);
    case PROTOBUF_C_TYPE_ENUM:
        return put_enum(out, f, v);
    case PROTOBUF_C_TYPE_FLOAT:
        return put_float(out, f, v);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(v))
            return ERR_MALFORMED;
        put_tag(out, f->id, WIRE_VARINT);
        put_varint(out, json_is_true(v) ? 1 : 0);
        return 0;
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(v))
            return ERR_MALFORMED;
        put_bytes(out, f->id, json_string_value(v), json_string_length(v));
        return 0;
    case PROTOBUF_C_TYPE_BYTES:
        return put_base64(out, f, v);
    case PROTOBUF_C_TYPE_MESSAGE:
        return put_message(out, f, v);
    default:
        return ERR_UNSUPPORTED; /* types that livekit.proto does not use */
    }
}

static int put_map(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    if (!json_is_object(v))
        return ERR_MALFORMED;
    int rc = 0;
    for (void *it = json_object_iter((json_t *)v); it != NULL && rc == 0;
         it = json_object_iter_next((json_t *)v, it)) {
        struct strbuf inner;
        json_t *key = json_string(json_object_iter_key(it));
        strbuf_init(&inner, WIRE_SIZE_MAX);
        rc = key != NULL ? put_value(&inner, &entry->fields[0], key) : -ENOMEM;
        if (rc == 0)
            rc = put_value(&inner, &entry->fields[1], json_object_iter_value(it));
        if (rc == 0)
            rc = inner.err;
        if (rc == 0)
            put_bytes(out, f->id, strbuf_text(&inner), inner.size);
        strbuf_fini(&inner);
        json_decref(key);
    }
    return rc;
}

static int put_field(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    if (json_is_null(v))
        return 0;
    if (pbjson__is_map(f))
        return put_map(out, f, v);
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return put_value(out, f, v);
    if (!json_is_array(v))
        return ERR_MALFORMED;
    for (size_t i = 0; i < json_array_size(v); i++) {
        int rc = put_value(out, f, json_array_get(v, i));
        if (rc != 0)
            return rc;
    }
    return 0;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  const char *name)
{
    char camel[PBJSON__NAME_SIZE];
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        if (strcmp(f->name, name) == 0 || strcmp(pbjson__camel(f->name, camel), name) == 0)
            return f;
    }
    return NULL;
}

static int put_object(struct strbuf *out, const ProtobufCMessageDescriptor *type, const json_t *v)
{
    if (!json_is_object(v))
        return ERR_MALFORMED;
    for (void *it = json_object_iter((json_t *)v); it != NULL;
         it = json_object_iter_next((json_t *)v, it)) {
        const ProtobufCFieldDescriptor *f = find_field(type, json_object_iter_key(it));
        int rc = f != NULL ? put_field(out, f, json_object_iter_value(it)) : 0;
        if (rc != 0)
            return rc;
    }
    return out->err;
}

static int put_message(struct strbuf *out, const ProtobufCFieldDescriptor *f, const json_t *v)
{
    struct strbuf inner;
    strbuf_init(&inner, WIRE_SIZE_MAX);
    int rc = put_object(&inner, f->descriptor, v);
    if (rc == 0)
        put_bytes(out, f->id, strbuf_text(&inner), inner.size);
    strbuf_fini(&inner);
    return rc;
}

int pbjson_parse(const ProtobufCMessageDescriptor *type, const char *text, size_t size,
                 ProtobufCMessage **ret_message)
{
    json_t *root = json_loadb(text, size, 0, NULL);
    if (root == NULL)
        return ERR_MALFORMED;
    struct strbuf wire;
    strbuf_init(&wire, WIRE_SIZE_MAX);
    int rc = put_object(&wire, type, root);
    if (rc == 0) {
        *ret_message =
            protobuf_c_message_unpack(type, NULL, wire.size, (const uint8_t *)strbuf_text(&wire));
        rc = *ret_message != NULL ? 0 : ERR_MALFORMED;
    }
    strbuf_fini(&wire);
    json_decref(root);
    return rc;
}
