/*
 * The BIO under a DTLS session: one datagram in, a bounded list of datagrams out. OpenSSL writes a
 * whole datagram at a time, and reads one; its own memory BIO would lose the boundaries.
 */
#include "secure/secure_internal.h"

#include <stdlib.h>
#include <string.h>

void sec__wire_init(struct sec__wire *wire)
{
    *wire = (struct sec__wire){.out_end = &wire->out_first};
}

void sec__wire_pop(struct sec__wire *wire)
{
    struct sec__datagram *first = wire->out_first;
    wire->out_first = first->next;
    if (wire->out_first == NULL)
        wire->out_end = &wire->out_first;
    wire->out_count--;
    free(first);
}

void sec__wire_fini(struct sec__wire *wire)
{
    while (wire->out_first != NULL)
        sec__wire_pop(wire);
}

void sec__wire_push(struct sec__wire *wire, const uint8_t *data, size_t size)
{
    struct sec__datagram *d = NULL;
    if (wire->out_count < SEC_DTLS_QUEUE_MAX)
        d = malloc(sizeof(*d) + size);
    if (d == NULL) {
        wire->out_drops++; /* as a full line would: it is sent again */
        return;
    }
    d->next = NULL;
    d->size = (uint16_t)size;
    memcpy(d->data, data, size);
    *wire->out_end = d;
    wire->out_end = &d->next;
    wire->out_count++;
}

static int wire_write(BIO *bio, const char *data, int size)
{
    struct sec__wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0 || (size_t)size > SEC_DTLS_DATAGRAM_MAX)
        return -1;
    sec__wire_push(wire, (const uint8_t *)data, (size_t)size);
    return size;
}

static int wire_read(BIO *bio, char *dst, int size)
{
    struct sec__wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->in_size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    int n = TK_MIN(size, (int)wire->in_size);
    memcpy(dst, wire->in, (size_t)n);
    wire->in_size = 0; /* what does not fit is cut off, as recv(2) does */
    return n;
}

static long wire_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return SEC_DTLS_MTU;
    default:
        return 0;
    }
}

BIO_METHOD *sec__bio_method_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_write(method, wire_write) != 1 || BIO_meth_set_read(method, wire_read) != 1 ||
        BIO_meth_set_ctrl(method, wire_ctrl) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

BIO *sec__bio_create(BIO_METHOD *method, struct sec__wire *wire)
{
    BIO *bio = BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}
