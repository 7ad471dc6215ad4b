#ifndef TK_SIGNAL_PBJSON_INTERNAL_H
#define TK_SIGNAL_PBJSON_INTERNAL_H

/* What the two directions of the JSON mapping share: field names and the shape of maps. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#define PBJSON__NAME_SIZE 64 /* longest field name of livekit.proto and its zero */

/* "track_sid" becomes "trackSid"; cut at the buffer's end; returns `buf`. */
const char *pbjson__camel(const char *name, char buf[PBJSON__NAME_SIZE]);

/* A map is a repeated message with a key and a value (proto3, "Maps"). */
bool pbjson__is_map(const ProtobufCFieldDescriptor *f);

#endif
