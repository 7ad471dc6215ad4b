/* Without the dchan module there are no data channels: every one stays closed. */

#include "base/err.h"
#include "signal/signal_internal.h"

int signal__dc_create(struct signal_transport *t, struct signal_dc **ret_dc)
{
    (void)t;
    (void)ret_dc;
    return ERR_UNSUPPORTED;
}

void signal__dc_destroy(struct signal_dc *dc)
{
    (void)dc;
}

void signal__dc_connected(struct signal_dc *dc)
{
    (void)dc;
}

void signal__dc_handle_sctp(struct signal_dc *dc, const uint8_t *data, size_t size)
{
    (void)dc;
    (void)data;
    (void)size;
}

int signal__dc_send(struct signal_dc *dc, enum signal_label label, const uint8_t *data, size_t size)
{
    (void)dc;
    (void)label;
    (void)data;
    (void)size;
    return ERR_UNSUPPORTED;
}

bool signal__dc_is_open(const struct signal_dc *dc, enum signal_label label)
{
    (void)dc;
    (void)label;
    return false;
}

int signal__dcs_init(struct signal *s)
{
    list_init(&s->dcs);
    list_init(&s->dirty_dcs);
    s->dcs_due = MONO_NEVER;
    return 0;
}

void signal__dcs_fini(struct signal *s)
{
    (void)s;
}

void signal__dcs_finish(struct signal *s)
{
    (void)s;
}

void signal__dcs_tick(struct signal *s)
{
    (void)s;
}
