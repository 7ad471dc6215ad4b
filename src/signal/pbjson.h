#ifndef TK_SIGNAL_PBJSON_H
#define TK_SIGNAL_PBJSON_H

/*
 * The JSON mapping of protobuf messages, driven by protobuf-c's descriptors. Reads lowerCamelCase
 * and the original field names, enums by name or number, 64-bit integers as strings or numbers,
 * bytes in either base64 alphabet; skips unknown fields. Writes lowerCamelCase, leaves out fields
 * at their default, 64-bit integers as strings. Maps are JSON objects. Pure functions.
 */

#include "base/attrs.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* ERR_MALFORMED (syntax, wrong type, number out of range), -ENOMEM.
 * protobuf_c_message_free_unpacked(*ret_message, NULL). */
MUST_CHECK int pbjson_parse(const ProtobufCMessageDescriptor *type, const char *text, size_t size,
                            ProtobufCMessage **ret_message);

/* One line of JSON; free() it. ERR_MALFORMED (text that is not UTF-8), -ENOMEM. */
MUST_CHECK int pbjson_print(const ProtobufCMessage *message, char **ret_text);

#endif
