#ifndef TK_TESTS_UNIT_LOAD_FAKE_WIRE_H
#define TK_TESTS_UNIT_LOAD_FAKE_WIRE_H

/*
 * Instead of load/wire.c: connections that lead nowhere. What is sent is kept as JSON; the test
 * calls what the target gave in `config`.
 */

#include "load/wire.h"

#include <jansson.h>

#define FAKE_SENT_MAX  32
#define FAKE_WIRES_MAX 2

struct load_wire {
    struct load_wire_config config;
    json_t *sent[FAKE_SENT_MAX];
    size_t sent_count, read_count;
    bool is_gone;
};

extern struct load_wire fake_wires[FAKE_WIRES_MAX];
extern size_t fake_wire_count;

void fake_wires_forget(void);

#endif
