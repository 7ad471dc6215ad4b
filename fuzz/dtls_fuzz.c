/* fuzz: secure base */
/*
 * DTLS: two sessions shake hands while the input decides what becomes of each datagram (handed
 * over, damaged, dropped, said twice) and puts its own between them. A session that expects another
 * certificate must never be connected.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/time.h"
#include "secure/cert.h"
#include "secure/dtls.h"

#include <stdlib.h>

#define STEPS_MAX 48

TK_FUZZ_DECLARE(dtls);

enum step {
    STEP_PASS,
    STEP_DAMAGE,
    STEP_DROP,
    STEP_TWICE,
    STEP_RAW,
    STEP_SEND,
    STEP_TIME,
    STEP_CLOSE,
    STEP_COUNT_
};

static struct sec_cert *certs[2]; /* made once; a leak checker still reaches them */

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static struct sec_dtls *session_create(int i, bool is_wrong)
{
    struct sec_dtls_config config = {.role = i == 0 ? SEC_DTLS_CLIENT : SEC_DTLS_SERVER,
                                     .cert = certs[i]};
    struct sec_dtls *d;
    must(sec_dtls_create(&config, &d) == 0);
    must(sec_dtls_set_fingerprint(d, sec_cert_fingerprint(certs[is_wrong ? i : 1 - i])) == 0);
    must(sec_dtls_start(d, 0) == 0);
    return d;
}

static void hand_over(struct sec_dtls *to, const uint8_t *data, size_t size, mono_us now)
{
    const uint8_t *piece;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    must(exact != NULL);
    memcpy(exact, data, size);
    IGNORE(sec_dtls_handle_packet(to, exact, size, now)); /* any answer will do */
    free(exact);
    for (int n; (n = sec_dtls_poll_data(to, &piece)) > 0;)
        must(n <= SEC_DTLS_DATAGRAM_MAX);
}

/* The next datagram that `from` has for `to`. */
static void forward(struct sec_dtls *from, struct sec_dtls *to, enum step step, struct rd *r,
                    mono_us now)
{
    uint8_t data[SEC_DTLS_DATAGRAM_MAX];
    int n = sec_dtls_poll_transmit(from, data, sizeof(data));
    must(n >= 0 && n <= SEC_DTLS_MTU);
    if (n == 0 || step == STEP_DROP)
        return;
    if (step == STEP_DAMAGE) {
        uint16_t at = rd_u16be(r);
        data[at % n] ^= rd_u8(r);
    }
    hand_over(to, data, (size_t)n, now);
    if (step == STEP_TWICE)
        hand_over(to, data, (size_t)n, now);
}

static void feed_raw(struct sec_dtls *to, struct rd *r, mono_us now)
{
    size_t size = TK_MIN(rd_u16be(r), rd_left(r));
    const uint8_t *data = rd_bytes(r, size);
    if (data != NULL)
        hand_over(to, data, size, now);
}

static void run(struct sec_dtls *ends[2], struct rd *r)
{
    mono_us now = 0;
    for (int i = 0; i < STEPS_MAX && rd_left(r) > 0; i++) {
        uint8_t op = rd_u8(r);
        struct sec_dtls *to = ends[op >> 7], *from = ends[1 - (op >> 7)];
        enum step step = (enum step)((op & 0x7f) % STEP_COUNT_);
        if (step <= STEP_TWICE)
            forward(from, to, step, r, now);
        else if (step == STEP_RAW)
            feed_raw(to, r, now);
        else if (step == STEP_SEND)
            IGNORE(sec_dtls_send(to, (const uint8_t *)"data", 4)); /* often too early */
        else if (step == STEP_CLOSE)
            sec_dtls_close(to);
        else
            sec_dtls_handle_timeout(to, now += MONO_MS(300));
    }
}

int tk_fuzz_dtls(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    bool is_wrong = (rd_u8(&r) & 1) != 0; /* the server expects another certificate */
    for (int i = 0; i < 2; i++)
        if (certs[i] == NULL)
            must(sec_cert_create(1700000000000, &certs[i]) == 0);
    struct sec_dtls *ends[2] = {session_create(0, false), session_create(1, is_wrong)};
    run(ends, &r);
    for (int i = 0; i < 2; i++) {
        struct sec_srtp_keys send, receive;
        bool is_up = sec_dtls_state(ends[i]) == SEC_DTLS_CONNECTED;
        must(!is_wrong || i == 0 || !is_up);
        must((sec_dtls_take_keys(ends[i], &send, &receive) == 0) == is_up);
        sec_dtls_destroy(ends[i]);
    }
    return 0;
}
