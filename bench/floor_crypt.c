#include "floor_crypt.h"

#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE  16
#define SALT_SIZE 14 /* AES-GCM uses the first 12 */
#define AUTH_SIZE 20
#define CM_TAG    10
#define JOB_TAG   12 /* what the library writes at least; ten are kept */

enum { LABEL_KEY = 0, LABEL_AUTH = 1, LABEL_SALT = 2 };

struct floor_crypt {
    struct gcm_key_data gcm;
    DECLARE_ALIGNED(uint32_t enc[15 * 4], 16);
    DECLARE_ALIGNED(uint32_t dec[15 * 4], 16); /* the library wants room for it; CTR has no use */
    DECLARE_ALIGNED(uint8_t ipad[IMB_SHA1_BLOCK_SIZE], 16);
    DECLARE_ALIGNED(uint8_t opad[IMB_SHA1_BLOCK_SIZE], 16);
    uint8_t salt[SALT_SIZE];
};

/* What a multi-buffer job needs until it is done. */
struct slot {
    uint8_t iv[16];
    uint8_t tag[16];
};

static IMB_MGR *mgr;
static bool gcm;
static struct slot slots[IMB_MAX_JOBS];
static size_t slot_next;

bool floor_crypt_start(bool is_gcm)
{
    gcm = is_gcm;
    mgr = alloc_mb_mgr(0);
    if (mgr == NULL)
        return false;
    init_mb_mgr_auto(mgr, NULL);
    return imb_get_errno(mgr) == 0;
}

size_t floor_crypt_tag_size(void)
{
    return gcm ? FLOOR_TAG_MAX : CM_TAG;
}

static void gcm_iv(const struct floor_crypt *c, const struct floor_packet *p, uint8_t iv[12])
{
    for (int i = 0; i < 12; i++) {
        uint8_t part = 0; /* 00 00 SSRC ROC SEQ (RFC 7714, 8.1) */
        if (i >= 6)
            part = (uint8_t)(p->index >> (8 * (11 - i)));
        else if (i >= 2)
            part = (uint8_t)(p->ssrc >> (8 * (5 - i)));
        iv[i] = c->salt[i] ^ part;
    }
}

static void cm_iv(const struct floor_crypt *c, const struct floor_packet *p, uint8_t iv[16])
{
    memset(iv, 0, 16);
    memcpy(iv, c->salt, SALT_SIZE); /* salt * 2^16, SSRC * 2^64, index * 2^16 (RFC 3711, 4.1.1) */
    for (int i = 0; i < 4; i++)
        iv[4 + i] ^= (uint8_t)(p->ssrc >> (8 * (3 - i)));
    for (int i = 0; i < 6; i++)
        iv[8 + i] ^= (uint8_t)(p->index >> (8 * (5 - i)));
}

static void job_done(IMB_JOB *job)
{
    if (job == NULL)
        return;
    if (job->status != IMB_STATUS_COMPLETED) {
        fprintf(stderr, "floor: a job failed with status %d\n", job->status);
        abort();
    }
    if (job->user_data != NULL)
        memcpy(job->user_data, job->auth_tag_output, CM_TAG);
}

/* AES-CM and HMAC-SHA1 over what lies at `packet`, where the tag's place holds the ROC meanwhile.
 * The payload is read at `payload`, so that encryption needs no copy of it. */
static void cm_submit(const struct floor_crypt *c, const struct floor_packet *p,
                      const uint8_t *payload, uint8_t *packet, uint8_t *tag, bool is_seal)
{
    struct slot *slot = &slots[slot_next++ % IMB_MAX_JOBS];
    uint32_t roc = (uint32_t)(p->index >> 16);
    uint8_t *end = packet + p->size;
    end[0] = (uint8_t)(roc >> 24), end[1] = (uint8_t)(roc >> 16);
    end[2] = (uint8_t)(roc >> 8), end[3] = (uint8_t)roc;
    cm_iv(c, p, slot->iv);

    IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->hash_alg = IMB_AUTH_HMAC_SHA_1;
    job->cipher_direction = is_seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = is_seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = c->enc;
    job->dec_keys = c->enc;
    job->key_len_in_bytes = KEY_SIZE;
    job->iv = slot->iv;
    job->iv_len_in_bytes = 16;
    job->src = payload;
    job->dst = packet + p->header_size;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = p->size - p->header_size;
    /* The library counts the hash's start from src, and lets it lie anywhere. */
    job->hash_start_src_offset_in_bytes = (uint64_t)((uintptr_t)packet - (uintptr_t)payload);
    job->msg_len_to_hash_in_bytes = (uint64_t)p->size + 4;
    job->u.HMAC._hashed_auth_key_xor_ipad = c->ipad;
    job->u.HMAC._hashed_auth_key_xor_opad = c->opad;
    job->auth_tag_output = slot->tag;
    job->auth_tag_output_len_in_bytes = JOB_TAG;
    job->user_data = tag;
    job_done(IMB_SUBMIT_JOB_NOCHECK(mgr));
}

static bool equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint8_t diff = 0;
    for (size_t i = 0; i < size; i++)
        diff |= a[i] ^ b[i];
    return diff == 0;
}

static void open_begin(struct floor_packet *p)
{
    size_t tag_size = floor_crypt_tag_size();
    uint8_t *body = p->data + p->header_size;
    p->size = (uint16_t)(p->size - tag_size);
    memcpy(p->sent, p->data + p->size, tag_size); /* with AES-CM the ROC goes there */
    if (!gcm) {
        cm_submit(p->from, p, body, p->data, p->want, false);
        return;
    }
    uint8_t iv[12];
    struct gcm_context_data state;
    gcm_iv(p->from, p, iv);
    IMB_AES128_GCM_DEC(mgr, &p->from->gcm, &state, body, body, (uint64_t)(p->size - p->header_size),
                       iv, p->data, p->header_size, p->want, FLOOR_TAG_MAX);
}

void floor_crypt_open(struct floor_packet *packets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        open_begin(&packets[i]);
    floor_crypt_flush();
    for (size_t i = 0; i < count; i++)
        packets[i].is_authentic = equal(packets[i].want, packets[i].sent, floor_crypt_tag_size());
}

void floor_crypt_seal(const struct floor_crypt *c, const struct floor_packet *p, uint8_t *out)
{
    const uint8_t *body = p->data + p->header_size;
    memcpy(out, p->data, p->header_size);
    if (!gcm) {
        cm_submit(c, p, body, out, out + p->size, true);
        return;
    }
    uint8_t iv[12];
    struct gcm_context_data state;
    gcm_iv(c, p, iv);
    IMB_AES128_GCM_ENC(mgr, &c->gcm, &state, out + p->header_size, body,
                       (uint64_t)(p->size - p->header_size), iv, p->data, p->header_size,
                       out + p->size, FLOOR_TAG_MAX);
}

void floor_crypt_flush(void)
{
    IMB_JOB *job;
    while (!gcm && (job = IMB_FLUSH_JOB(mgr)) != NULL)
        job_done(job);
}

/* AES-CM keystream of (salt XOR label * 2^48) * 2^16 (RFC 3711, 4.3.1, key derivation rate 0). */
static void derive(const struct floor_crypt *master, const uint8_t salt[SALT_SIZE], int label,
                   uint8_t *ret_out, size_t size)
{
    static const uint8_t zeros[32];
    uint8_t iv[16] = {0};
    memcpy(iv, salt, SALT_SIZE);
    iv[7] ^= (uint8_t)label;
    IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);
    memset(job, 0, sizeof(*job));
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->hash_alg = IMB_AUTH_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    job->enc_keys = job->dec_keys = master->enc;
    job->key_len_in_bytes = KEY_SIZE;
    job->iv = iv;
    job->iv_len_in_bytes = sizeof(iv);
    job->src = zeros;
    job->dst = ret_out;
    job->msg_len_to_cipher_in_bytes = size;
    job_done(IMB_SUBMIT_JOB(mgr));
    while ((job = IMB_FLUSH_JOB(mgr)) != NULL)
        job_done(job);
}

/* HMAC's inner and outer state after the first block, which holds nothing but the key. */
static void expand_auth(struct floor_crypt *c, const uint8_t auth[AUTH_SIZE])
{
    uint8_t block[IMB_SHA1_BLOCK_SIZE];
    memset(block, 0x36, sizeof(block));
    for (int i = 0; i < AUTH_SIZE; i++)
        block[i] ^= auth[i];
    IMB_SHA1_ONE_BLOCK(mgr, block, c->ipad);
    memset(block, 0x5c, sizeof(block));
    for (int i = 0; i < AUTH_SIZE; i++)
        block[i] ^= auth[i];
    IMB_SHA1_ONE_BLOCK(mgr, block, c->opad);
}

struct floor_crypt *floor_crypt_create(const char *role, unsigned number)
{
    char text[64];
    uint8_t hash[IMB_SHA256_DIGEST_SIZE_IN_BYTES], key[32], auth[32], salt[SALT_SIZE] = {0};
    struct floor_crypt *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof(*c));
    int size = snprintf(text, sizeof(text), "tongke-floor %s %u", role, number);
    IMB_SHA256(mgr, text, (uint64_t)size, hash);
    memcpy(salt, hash + KEY_SIZE, gcm ? 12 : SALT_SIZE);

    IMB_AES_KEYEXP_128(mgr, hash, c->enc, c->dec); /* the master key, for the derivation */
    derive(c, salt, LABEL_KEY, key, KEY_SIZE);
    derive(c, salt, LABEL_AUTH, auth, AUTH_SIZE);
    derive(c, salt, LABEL_SALT, c->salt, SALT_SIZE);
    IMB_AES_KEYEXP_128(mgr, key, c->enc, c->dec);
    IMB_AES128_GCM_PRE(mgr, key, &c->gcm);
    expand_auth(c, auth);
    return c;
}

void floor_crypt_destroy(struct floor_crypt *c)
{
    free(c);
}
