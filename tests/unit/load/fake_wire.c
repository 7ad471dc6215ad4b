#include "unit/load/fake_wire.h"

#include "unit/cmocka_all.h"

#include "base/attrs.h"

#include <string.h>

struct load_wire fake_wires[FAKE_WIRES_MAX];
size_t fake_wire_count;

void fake_wires_forget(void)
{
    for (size_t i = 0; i < fake_wire_count; i++)
        for (size_t k = 0; k < fake_wires[i].sent_count; k++)
            json_decref(fake_wires[i].sent[k]);
    memset(fake_wires, 0, sizeof(fake_wires));
    fake_wire_count = 0;
}

int load__wire_resolve(const char *url UNUSED, struct addr *ret_addr)
{
    assert_int_equal(addr_parse_ip("127.0.0.1", ret_addr), 0);
    ret_addr->port = 8188;
    return 0;
}

int load__wire_create(const struct load_wire_config *config, struct load_wire **ret_wire)
{
    assert_true(fake_wire_count < FAKE_WIRES_MAX);
    *ret_wire = &fake_wires[fake_wire_count++];
    (*ret_wire)->config = *config;
    return 0;
}

void load__wire_destroy(struct load_wire *w)
{
    if (w != NULL)
        w->is_gone = true;
}

void load__wires_destroy(struct load_run *run UNUSED)
{
}

void load__wire_detach(struct load_wire *w)
{
    w->is_gone = true;
}

int load__wire_send(struct load_wire *w, bool is_text, const void *data, size_t size)
{
    assert_true(is_text && !w->is_gone && w->sent_count < FAKE_SENT_MAX);
    w->sent[w->sent_count] = json_loadb(data, size, 0, NULL);
    assert_non_null(w->sent[w->sent_count]);
    w->sent_count++;
    return 0;
}
