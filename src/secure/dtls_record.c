/*
 * Records of an established DTLS 1.2 session with AES-GCM (RFC 6347, 4.1; RFC 5288, 3). OpenSSL
 * shakes hands and is then let go, with 45 KiB per session; what is left to do is this.
 *
 *  0      1         3       5          11       13               21
 *  | type | version | epoch | sequence | length | explicit nonce | ciphertext … | tag (16) |
 */
#include "base/bytes.h"
#include "base/err.h"
#include "secure/secure_internal.h"

#include <string.h>

#define EPOCH        1 /* we do not renegotiate: after the handshake there is no other */
#define VERSION      0xfefd
#define SEQUENCE_MAX ((1ULL << 48) - 1)
#define NONCE_SIZE   8
#define TAG_SIZE     SEC__GCM_TAG_SIZE
#define AAD_SIZE     13
#define WINDOW       64

_Static_assert(SEC__RECORD_GROWTH == SEC__RECORD_HEADER_SIZE + NONCE_SIZE + TAG_SIZE, "all of it");

/* One run of the cipher over a record; false when it fails, or the tag is wrong. */
static bool crypt_record(const struct sec__records *r, bool is_out, const uint8_t *header,
                         const uint8_t *in, size_t size, uint8_t *out, uint8_t tag[TAG_SIZE])
{
    const struct sec__record_keys *keys = is_out ? &r->out : &r->in;
    uint8_t iv[sizeof(keys->salt) + NONCE_SIZE], aad[AAD_SIZE];
    int n;
    memcpy(iv, keys->salt, sizeof(keys->salt));
    memcpy(iv + sizeof(keys->salt), header + SEC__RECORD_HEADER_SIZE, NONCE_SIZE);
    memcpy(aad, header + 3, 8); /* epoch and sequence, type, version, length of the plaintext */
    memcpy(aad + 8, header, 3);
    put_u16be(aad + 11, (uint16_t)size);

    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *kind = r->key_size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    bool is_ok = c != NULL && EVP_CipherInit_ex(c, kind, NULL, keys->key, iv, is_out) == 1 &&
                 EVP_CipherUpdate(c, NULL, &n, aad, sizeof(aad)) == 1 &&
                 EVP_CipherUpdate(c, out, &n, in, (int)size) == 1;
    if (is_ok && !is_out)
        is_ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1;
    is_ok = is_ok && EVP_CipherFinal_ex(c, out + size, &n) == 1;
    if (is_ok && is_out)
        is_ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
    EVP_CIPHER_CTX_free(c); /* wipes the expanded key */
    return is_ok;
}

int sec__record_seal(struct sec__records *r, enum sec__record_type type, const uint8_t *data,
                     size_t size, uint8_t *dst)
{
    uint8_t *body = dst + SEC__RECORD_HEADER_SIZE + NONCE_SIZE;
    if (r->out_next > SEQUENCE_MAX)
        return ERR_SEC_KEY_LIMIT;
    dst[0] = (uint8_t)type;
    put_u16be(dst + 1, VERSION);
    put_u64be(dst + 3, (uint64_t)EPOCH << 48 | r->out_next);
    put_u16be(dst + 11, (uint16_t)(NONCE_SIZE + size + TAG_SIZE));
    put_u64be(dst + SEC__RECORD_HEADER_SIZE, r->nonce_base + r->out_next);
    if (!crypt_record(r, true, dst, data, size, body, body + size))
        return ERR_SEC_CRYPTO;
    r->out_next++;
    return (int)(size + SEC__RECORD_GROWTH);
}

static bool is_seen(const struct sec__records *r, uint64_t sequence)
{
    if (r->in_window == 0 || sequence > r->in_max)
        return false;
    uint64_t back = r->in_max - sequence;
    return back >= WINDOW || (r->in_window >> back & 1) != 0;
}

static void mark_seen(struct sec__records *r, uint64_t sequence)
{
    if (r->in_window == 0 || sequence > r->in_max) {
        uint64_t step = sequence - r->in_max;
        r->in_window = r->in_window == 0 || step >= WINDOW ? 1 : r->in_window << step | 1;
        r->in_max = sequence;
    } else {
        r->in_window |= 1ULL << (r->in_max - sequence);
    }
}

int sec__record_open(struct sec__records *r, const uint8_t *record, size_t size, uint8_t *dst)
{
    if (size < SEC__RECORD_GROWTH || get_u16be(record + 1) != VERSION ||
        get_u16be(record + 3) != EPOCH ||
        get_u16be(record + 11) + (size_t)SEC__RECORD_HEADER_SIZE != size)
        return ERR_MALFORMED;
    uint64_t sequence = get_u64be(record + 3) & SEQUENCE_MAX;
    if (is_seen(r, sequence))
        return ERR_SEC_REPLAY;
    uint8_t tag[TAG_SIZE];
    size_t plain = size - SEC__RECORD_GROWTH;
    memcpy(tag, record + size - TAG_SIZE, TAG_SIZE);
    if (!crypt_record(r, false, record, record + SEC__RECORD_HEADER_SIZE + NONCE_SIZE, plain, dst,
                      tag))
        return ERR_SEC_AUTH;
    mark_seen(r, sequence);
    return (int)plain;
}

void sec__records_note_sent(struct sec__records *r, const uint8_t *datagram, size_t size)
{
    struct rd rd = rd_init(datagram, size);
    while (rd_left(&rd) >= SEC__RECORD_HEADER_SIZE) {
        const uint8_t *header = rd_bytes(&rd, SEC__RECORD_HEADER_SIZE);
        size_t length = get_u16be(header + 11);
        const uint8_t *body = rd_bytes(&rd, length);
        if (body == NULL || length < NONCE_SIZE || get_u16be(header + 3) != EPOCH)
            continue;
        r->out_next = (get_u64be(header + 3) & SEQUENCE_MAX) + 1;
        /* Half of all nonces away from those that OpenSSL counts through. */
        r->nonce_base = get_u64be(body) ^ 1ULL << 63;
    }
}
