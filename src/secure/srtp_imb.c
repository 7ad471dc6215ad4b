/*
 * The transforms over intel-ipsec-mb. AES-GCM goes packet by packet through the library's direct
 * interface, straight from the shared plaintext into `out`. AES-CM and HMAC-SHA1 go through its
 * multi-buffer bursts, where the packets of a batch are hashed side by side.
 *
 * The library checks nothing here (the calls are the unchecked ones): sizes and pointers come from
 * srtp.c.
 */
#include "secure/srtp_imb.h"

#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A burst hashes this many packets (fewer on older CPUs) in the time of one … */
#define LANES 16
/* … which is slow for one alone: so few at the end of a batch are faster one by one. */
#define ALONE_MAX 4

_Static_assert(LANES <= SEC__OPS_MAX, "a batch can fill the lanes");

struct cm_keys {
    _Alignas(16) uint8_t enc[16 * 11]; /* eleven round keys (FIPS 197, 5.2) */
    struct hmac_sha1 mac;
};

#define CACHE_LINE  64
#define GCM_POWERS  48                          /* of the hash key; the highest lies first */
#define GCM_KEYS    (11 * 16)                   /* the round keys that AES-128 uses */
#define GCM_KEY_END sizeof(struct gcm_key_data) /* where the lowest power ends */

struct sec__crypt {
    _Alignas(CACHE_LINE) union {
        struct gcm_key_data gcm;
        struct cm_keys cm;
    };
};

/* The inner and the outer state of HMAC are what the library wants: five words each. */
_Static_assert(sizeof(SHA_LONG) == 4 && offsetof(SHA_CTX, h0) == 0 && offsetof(SHA_CTX, h4) == 16,
               "SHA_CTX begins with the five words of the state");

static bool imb_is_usable(void)
{
    return sec__imb_thread() != NULL;
}

static void imb_destroy(struct sec__crypt *c)
{
    if (c == NULL)
        return;
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
}

static int imb_create(const struct sec__keys *keys, enum sec_direction direction,
                      struct sec__crypt **ret_crypt)
{
    (void)direction; /* counter mode: both ways are the same */
    struct sec__imb *t = sec__imb_thread();
    struct sec__crypt *c = aligned_alloc(_Alignof(struct sec__crypt), sizeof(*c));
    if (t == NULL || c == NULL) {
        free(c);
        return -ENOMEM;
    }
    memset(c, 0, sizeof(*c));
    if (keys->profile == SEC_PROFILE_AEAD_AES_128_GCM) {
        IMB_AES128_GCM_PRE(t->mgr, keys->key, &c->gcm);
    } else {
        _Alignas(16) uint8_t dec[16 * 11]; /* not needed, but always made */
        IMB_AES_KEYEXP_128(t->mgr, keys->key, c->cm.enc, dec);
        OPENSSL_cleanse(dec, sizeof(dec));
        hmac_sha1_init(&c->cm.mac, keys->auth, sizeof(keys->auth));
    }
    *ret_crypt = c;
    return 0;
}

static void prefetch(const void *from, const void *end)
{
    for (const char *line = from; line < (const char *)end; line += CACHE_LINE)
        PREFETCH(line);
}

/* AES-GCM takes a power of the hash key for every block, and those of the header and the sizes. */
static void imb_prefetch(const struct sec__session *session, size_t size)
{
    const struct sec__crypt *c = session->crypt;
    const char *begin = (const char *)c;
    if (session->profile != SEC_PROFILE_AEAD_AES_128_GCM) {
        prefetch(&c->cm, &c->cm + 1);
        return;
    }
    size_t powers = TK_MIN(size / 16 + 4, (size_t)GCM_POWERS);
    prefetch(begin, begin + GCM_KEYS);
    prefetch(begin + (GCM_KEY_END - 16 * powers) / CACHE_LINE * CACHE_LINE, begin + GCM_KEY_END);
}

static bool is_gcm(const struct sec__op *op)
{
    return op->session->profile == SEC_PROFILE_AEAD_AES_128_GCM;
}

/* What is authenticated only: the header, and RTCP's index behind it. */
static const uint8_t *gcm_aad(struct sec__imb *t, const struct sec__op *op)
{
    if (op->trailer_size == 0)
        return op->packet;
    memcpy(t->copies[0], op->packet, op->head_size);
    memcpy(t->copies[0] + op->head_size, op->trailer, op->trailer_size);
    return t->copies[0];
}

static void gcm_protect(struct sec__imb *t, struct sec__op *op)
{
    const struct gcm_key_data *key = &op->session->crypt->gcm;
    const uint8_t *aad = gcm_aad(t, op);
    size_t aad_size = op->head_size + op->trailer_size;
    struct gcm_context_data c;
    if (op->in_size[0] == 0 || op->in_size[1] == 0) {
        size_t which = op->in_size[0] == 0;
        IMB_AES128_GCM_ENC(t->mgr, key, &c, op->out, op->in[which], op->in_size[which], op->iv, aad,
                           aad_size, op->tag, SEC__GCM_TAG_SIZE);
    } else {
        IMB_AES128_GCM_INIT(t->mgr, key, &c, op->iv, aad, aad_size);
        IMB_AES128_GCM_ENC_UPDATE(t->mgr, key, &c, op->out, op->in[0], op->in_size[0]);
        IMB_AES128_GCM_ENC_UPDATE(t->mgr, key, &c, op->out + op->in_size[0], op->in[1],
                                  op->in_size[1]);
        IMB_AES128_GCM_ENC_FINALIZE(t->mgr, key, &c, op->tag, SEC__GCM_TAG_SIZE);
    }
    op->result = 0;
}

static void gcm_unprotect(struct sec__imb *t, struct sec__op *op)
{
    struct gcm_context_data c;
    uint8_t tag[SEC__GCM_TAG_SIZE];
    IMB_AES128_GCM_DEC(t->mgr, &op->session->crypt->gcm, &c, op->out, op->in[0], op->in_size[0],
                       op->iv, gcm_aad(t, op), op->head_size + op->trailer_size, tag, sizeof(tag));
    op->result = CRYPTO_memcmp(tag, op->tag_in, sizeof(tag)) == 0 ? 0 : ERR_SEC_AUTH;
}

static void ctr_set(IMB_JOB *job, const struct sec__op *op, const uint8_t *iv, const uint8_t *in,
                    uint8_t *out, size_t size)
{
    job->enc_keys = job->dec_keys = op->session->crypt->cm.enc;
    job->iv = iv;
    job->src = in;
    job->dst = out;
    job->msg_len_to_cipher_in_bytes = size;
}

/*
 * Adds the jobs that encrypt (or decrypt) a packet; returns how many there are now. The keystream
 * can only be entered at a whole block: the prefix is filled up to one from the body, in `out`, and
 * the rest of the body goes straight from where it is.
 */
static size_t ctr_add(struct sec__imb *t, const struct sec__op *op, size_t index, size_t jobs)
{
    size_t prefix = op->in_size[0], body = op->in_size[1];
    if (prefix == 0 || body == 0) {
        if (prefix + body > 0)
            ctr_set(&t->ctr[jobs++], op, op->iv, op->in[prefix == 0], op->out, prefix + body);
        return jobs;
    }
    size_t borrowed = TK_MIN(body, (16 - prefix % 16) % 16), first = prefix + borrowed;
    memcpy(op->out, op->in[0], prefix);
    memcpy(op->out + prefix, op->in[1], borrowed);
    ctr_set(&t->ctr[jobs++], op, op->iv, op->out, op->out, first);
    if (body > borrowed) {
        uint8_t *iv = t->ivs[index];
        memcpy(iv, op->iv, SEC__IV_SIZE_MAX);
        put_u16be(iv + 14, (uint16_t)(first / 16)); /* 0 at a packet's begin (RFC 3711, 4.1.1) */
        ctr_set(&t->ctr[jobs++], op, iv, op->in[1] + borrowed, op->out + first, body - borrowed);
    }
    return jobs;
}

static bool ctr_run(struct sec__imb *t, struct sec__op *const *ops, size_t count)
{
    size_t jobs = 0;
    for (size_t i = 0; i < count; i++)
        jobs = ctr_add(t, ops[i], i, jobs);
    return jobs == 0 ||
           IMB_SUBMIT_CIPHER_BURST_NOCHECK(t->mgr, t->ctr, (uint32_t)jobs, IMB_CIPHER_CNTR,
                                           IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == jobs;
}

/*
 * Packet and trailer in one piece. When protecting, the place behind the ciphertext is ours: the
 * trailer goes where the tag (RTP) will be written afterwards, or where it is already (RTCP).
 * A received packet is not ours to change.
 */
static const uint8_t *mac_input(struct sec__imb *t, const struct sec__op *op, size_t index,
                                size_t size)
{
    if (op->tag_in == NULL) {
        memcpy(op->out + op->in_size[0] + op->in_size[1], op->trailer, op->trailer_size);
        return op->packet;
    }
    memcpy(t->copies[index], op->packet, size);
    memcpy(t->copies[index] + size, op->trailer, op->trailer_size);
    return t->copies[index];
}

/* Fills t->macs. */
static bool mac_run(struct sec__imb *t, struct sec__op *const *ops, size_t count)
{
    size_t alone = count % LANES <= ALONE_MAX ? count % LANES : 0, side_by_side = count - alone;
    for (size_t i = 0; i < side_by_side; i++) {
        const struct sec__op *op = ops[i];
        const struct hmac_sha1 *mac = &op->session->crypt->cm.mac;
        size_t size = op->head_size + op->in_size[0] + op->in_size[1];
        IMB_JOB *job = &t->mac[i];
        job->src = mac_input(t, op, i, size);
        job->msg_len_to_hash_in_bytes = size + op->trailer_size;
        job->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)&mac->inner.h0;
        job->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)&mac->outer.h0;
    }
    for (size_t i = side_by_side; i < count; i++)
        sec__mac_packet(&ops[i]->session->crypt->cm.mac, ops[i], t->macs[i]);
    return side_by_side == 0 ||
           IMB_SUBMIT_HASH_BURST_NOCHECK(t->mgr, t->mac, (uint32_t)side_by_side,
                                         IMB_AUTH_HMAC_SHA_1) == side_by_side;
}

static void cm_protect(struct sec__imb *t, struct sec__op *const *ops, size_t count)
{
    bool is_done = ctr_run(t, ops, count) && mac_run(t, ops, count);
    for (size_t i = 0; i < count; i++) {
        memcpy(ops[i]->tag, t->macs[i], SEC__SHA1_TAG_SIZE);
        ops[i]->result = is_done ? 0 : ERR_SEC_CRYPTO;
    }
}

/* Only what is authentic gets decrypted. */
static void cm_unprotect(struct sec__imb *t, struct sec__op *const *ops, size_t count)
{
    struct sec__op *authentic[SEC__OPS_MAX];
    size_t kept = 0;
    bool is_done = mac_run(t, ops, count);
    for (size_t i = 0; i < count; i++) {
        bool is_equal = CRYPTO_memcmp(t->macs[i], ops[i]->tag_in, SEC__SHA1_TAG_SIZE) == 0;
        ops[i]->result = !is_done ? ERR_SEC_CRYPTO : is_equal ? 0 : ERR_SEC_AUTH;
        if (ops[i]->result == 0)
            authentic[kept++] = ops[i];
    }
    if (!ctr_run(t, authentic, kept))
        for (size_t i = 0; i < kept; i++)
            authentic[i]->result = ERR_SEC_CRYPTO;
}

static void run(struct sec__op *ops, size_t count,
                void (*gcm_one)(struct sec__imb *, struct sec__op *),
                void (*cm_all)(struct sec__imb *, struct sec__op *const *, size_t))
{
    struct sec__imb *t = sec__imb_thread();
    struct sec__op *cm[SEC__OPS_MAX];
    size_t cm_count = 0;
    DCHECK(count <= SEC__OPS_MAX);
    for (struct sec__op *op = ops; op < ops + count; op++) {
        if (UNLIKELY(t == NULL))
            op->result = -ENOMEM; /* a context used by a thread that did not make it */
        else if (is_gcm(op))
            gcm_one(t, op);
        else
            cm[cm_count++] = op;
    }
    if (cm_count > 0)
        cm_all(t, cm, cm_count);
}

static void imb_protect(struct sec__op *ops, size_t count)
{
    run(ops, count, gcm_protect, cm_protect);
}

static void imb_unprotect(struct sec__op *ops, size_t count)
{
    run(ops, count, gcm_unprotect, cm_unprotect);
}

const struct sec__backend sec__backend_imb = {
    .name = SEC_SRTP_BACKEND_IPSEC_MB,
    .is_usable = imb_is_usable,
    .create = imb_create,
    .destroy = imb_destroy,
    .prefetch = imb_prefetch,
    .protect = imb_protect,
    .unprotect = imb_unprotect,
};
