/* fuzz: secure base */
/*
 * SRTP and SRTCP: the input is a list of steps. A raw step is taken as a received packet and must
 * not pass; the others protect an honest packet, damage it or not, and unprotect it: what was not
 * damaged and passes is what was sent, what was damaged does not pass. On the fastest back end, and
 * on the one over OpenSSL.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "secure/srtp.h"

#include <stdlib.h>

#define STEPS_MAX 64
#define BUFFER    (SEC_SRTP_SIZE_MAX + 64)

TK_FUZZ_DECLARE(srtp);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static int unprotect(struct sec_srtp *s, bool is_rtcp, const uint8_t *data, size_t size,
                     uint8_t *out, size_t out_size)
{
    return is_rtcp ? sec_srtp_unprotect_rtcp(s, data, size, out, out_size)
                   : sec_srtp_unprotect(s, data, size, out, out_size);
}

/* raw: size, bytes */
static void step_raw(struct sec_srtp *receive, bool is_rtcp, struct rd *r)
{
    uint8_t out[BUFFER];
    size_t size = TK_MIN(rd_u16be(r), rd_left(r));
    const uint8_t *data = rd_bytes(r, size);
    if (data == NULL)
        return;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    must(exact != NULL);
    memcpy(exact, data, size);
    must(unprotect(receive, is_rtcp, exact, size, out, sizeof(out)) < 0);
    free(exact);
}

/* honest: ssrc, seq, payload size, where and how it is damaged */
static void step_honest(struct sec_srtp *send, struct sec_srtp *receive, bool is_rtcp, struct rd *r)
{
    uint8_t plain[BUFFER] = {0x80}, wire[BUFFER], out[BUFFER];
    uint8_t ssrc = rd_u8(r);
    uint16_t seq = rd_u16be(r), payload = rd_u16be(r) % 1500, at = rd_u16be(r);
    uint8_t flip = rd_u8(r);
    size_t head = is_rtcp ? 8 : 12, size = head + payload;
    put_u16be(plain + 2, seq);
    put_u32be(plain + head - 4, ssrc);
    memset(plain + head, flip, payload);
    int n = is_rtcp ? sec_srtp_protect_rtcp(send, plain, size, wire, sizeof(wire))
                    : sec_srtp_protect(send, plain, head, payload / 3, plain + head + payload / 3,
                                       payload - payload / 3, wire, sizeof(wire));
    if (n < 0)
        return;
    wire[at % n] ^= flip;
    int got = unprotect(receive, is_rtcp, wire, (size_t)n, out, sizeof(out));
    must(flip == 0 || got < 0);
    must(got < 0 || ((size_t)got == size && memcmp(out, plain, size) == 0));
}

static void run(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    struct sec_srtp_keys keys = {.key = "0123456789abcde", .salt = "salt of tests"};
    struct sec_srtp *send, *receive;
    keys.profile =
        rd_u8(&r) % 2 == 0 ? SEC_PROFILE_AEAD_AES_128_GCM : SEC_PROFILE_AES128_CM_HMAC_SHA1_80;
    must(sec_srtp_create(&keys, SEC_SEND, &send) == 0);
    must(sec_srtp_create(&keys, SEC_RECEIVE, &receive) == 0);
    for (int i = 0; i < STEPS_MAX && rd_left(&r) > 0; i++) {
        uint8_t kind = rd_u8(&r);
        if ((kind & 2) == 0)
            step_raw(receive, (kind & 1) != 0, &r);
        else
            step_honest(send, receive, (kind & 1) != 0, &r);
    }
    sec_srtp_destroy(send);
    sec_srtp_destroy(receive);
}

int tk_fuzz_srtp(const uint8_t *data, size_t size)
{
    must(sec_srtp_select_backend(SEC_SRTP_BACKEND_AUTO) == 0);
    run(data, size);
    must(sec_srtp_select_backend(SEC_SRTP_BACKEND_OPENSSL) == 0);
    run(data, size);
    return 0;
}
