#include "secure/srtp.h"

#include "base/bytes.h"
#include "base/err.h"
#include "secure/secure_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RTP_HEADER_SIZE  12
#define RTCP_HEADER_SIZE 8 /* the first eight bytes stay in the clear (RFC 3711, 3.4) */
#define RTCP_INDEX_SIZE  4 /* E bit and 31-bit index */
#define RTCP_INDEX_MAX   0x7fffffffu
#define RTCP_E_BIT       0x80000000u
#define GCM_SALT_SIZE    12

struct sec_srtp {
    /* Set at creation. */
    enum sec_direction direction;
    struct sec__session rtp, rtcp;

    /* State that packets move. */
    struct sec__ssrcs rtp_ssrcs;
    struct sec__ssrcs rtcp_ssrcs; /* receiving only */
    uint32_t rtcp_index;          /* sending only: the last one used, shared by all SSRCs */
};

/* A job that is prepared: what the state needs to know once the cipher is done. */
struct pending {
    struct sec_srtp_job *job;
    uint64_t index;
    uint32_t ssrc;
    int size; /* the result when all goes well */
};

struct chunk {
    size_t count;
    struct pending pending[SEC__OPS_MAX];
    struct sec__op ops[SEC__OPS_MAX];
};

/* --- Life cycle --- */

static size_t salt_size(enum sec_profile profile)
{
    return profile == SEC_PROFILE_AEAD_AES_128_GCM ? GCM_SALT_SIZE : SEC_SRTP_SALT_SIZE_MAX;
}

static int session_init(struct sec__session *s, const struct sec__keys *keys,
                        enum sec_direction direction)
{
    s->profile = keys->profile;
    s->tag_size =
        keys->profile == SEC_PROFILE_AEAD_AES_128_GCM ? SEC__GCM_TAG_SIZE : SEC__SHA1_TAG_SIZE;
    uint8_t salt[SEC__IV_SIZE_MAX] = {0};
    memcpy(salt, keys->salt, salt_size(keys->profile));
    s->iv_salt[0] = get_u64be(salt);
    s->iv_salt[1] = get_u64be(salt + 8);
    OPENSSL_cleanse(salt, sizeof(salt));
    return sec__backend()->create(keys, direction, &s->crypt);
}

/* The three session keys from label `first` on (RFC 3711, 4.3.2). */
static int keys_derive(const struct sec_srtp_keys *master, enum sec__label first,
                       struct sec__keys *ret_keys)
{
    /* A 96-bit salt counts as 112 bits with zeros at the end (RFC 7714, 11). */
    uint8_t salt[SEC_SRTP_SALT_SIZE_MAX] = {0};
    memcpy(salt, master->salt, salt_size(master->profile));
    *ret_keys = (struct sec__keys){.profile = master->profile};
    int err = sec__kdf(master->key, salt, first, ret_keys->key, sizeof(ret_keys->key));
    if (err == 0)
        err = sec__kdf(master->key, salt, first + 1, ret_keys->auth, sizeof(ret_keys->auth));
    if (err == 0)
        err = sec__kdf(master->key, salt, first + 2, ret_keys->salt, salt_size(master->profile));
    OPENSSL_cleanse(salt, sizeof(salt));
    return err;
}

void sec_srtp_prefetch(const struct sec_srtp *s)
{
    PREFETCH(s);
    PREFETCH((const char *)s + 64);
    PREFETCH((const char *)s + 128);
}

void sec_srtp_prefetch_ssrc(const struct sec_srtp *s)
{
    PREFETCH(s->rtp_ssrcs.recent);
}

void sec_srtp_destroy(struct sec_srtp *s)
{
    if (s == NULL)
        return;
    sec__backend()->destroy(s->rtp.crypt);
    sec__backend()->destroy(s->rtcp.crypt);
    sec__backend_release();
    sec__ssrcs_fini(&s->rtp_ssrcs);
    sec__ssrcs_fini(&s->rtcp_ssrcs);
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}

int sec__srtp_create_session(const struct sec__keys *rtp, const struct sec__keys *rtcp,
                             enum sec_direction direction, struct sec_srtp **ret_srtp)
{
    struct sec_srtp *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    bool is_receiver = direction == SEC_RECEIVE;
    sec__backend_hold();
    s->direction = direction;
    sec__ssrcs_init(&s->rtp_ssrcs, is_receiver ? SEC_SRTP_REPLAY_PACKETS : 0);
    sec__ssrcs_init(&s->rtcp_ssrcs, is_receiver ? SEC_SRTP_REPLAY_RTCP : 0);
    int err = session_init(&s->rtp, rtp, direction);
    if (err == 0)
        err = session_init(&s->rtcp, rtcp, direction);
    if (err < 0) {
        sec_srtp_destroy(s);
        return err;
    }
    *ret_srtp = s;
    return 0;
}

int sec_srtp_create(const struct sec_srtp_keys *keys, enum sec_direction direction,
                    struct sec_srtp **ret_srtp)
{
    struct sec__keys rtp, rtcp;
    if (keys->profile <= SEC_PROFILE_NONE || keys->profile >= SEC_PROFILE_COUNT_)
        return ERR_SEC_PROFILE;
    int err = keys_derive(keys, SEC__LABEL_RTP_KEY, &rtp);
    if (err == 0)
        err = keys_derive(keys, SEC__LABEL_RTCP_KEY, &rtcp);
    if (err == 0)
        err = sec__srtp_create_session(&rtp, &rtcp, direction, ret_srtp);
    OPENSSL_cleanse(&rtp, sizeof(rtp));
    OPENSSL_cleanse(&rtcp, sizeof(rtcp));
    return err;
}

void sec_srtp_skip(struct sec_srtp *s, const uint8_t *head, size_t head_size)
{
    uint64_t index;
    CHECK(s->direction == SEC_SEND);
    if (head_size < RTP_HEADER_SIZE)
        return;
    struct sec__ssrc *slot = sec__ssrcs_find(&s->rtp_ssrcs, get_u32be(head + 8));
    if (slot != NULL && sec__index_estimate(slot, get_u16be(head + 2), &index) == 0)
        slot->index_max = TK_MAX(slot->index_max, index);
}

void sec_srtp_retire(struct sec_srtp *s, uint32_t ssrc)
{
    CHECK(s->direction == SEC_SEND); /* a receiver would take old packets again */
    sec__ssrcs_remove(&s->rtp_ssrcs, ssrc);
}

size_t sec_srtp_rtp_growth(const struct sec_srtp *s)
{
    return s->rtp.tag_size;
}

/* --- Initialisation vectors --- */

/*
 * AES-CM (RFC 3711, 4.1.1): salt * 2^16 XOR ssrc * 2^64 XOR index * 2^16.
 * AES-GCM (RFC 7714, 8.1 and 9.1): salt XOR (0 || ssrc || index), 12 bytes; the 48-bit index is
 * ROC || SEQ for RTP and 0 || index for RTCP.
 *
 *          0     2     4     6     8    10    12    14    16
 *  AES-CM  |           |   ssrc    |      index      |  0  |
 *  AES-GCM |     |   ssrc    |      index      |  unused   |
 */
static void iv_make(const struct sec__session *s, uint32_t ssrc, uint64_t index,
                    uint8_t ret_iv[SEC__IV_SIZE_MAX])
{
    bool is_gcm = s->profile == SEC_PROFILE_AEAD_AES_128_GCM;
    uint64_t first = is_gcm ? (uint64_t)ssrc << 16 | index >> 32 : ssrc;
    uint64_t second = is_gcm ? index << 32 : index << 16;
    put_u64be(ret_iv, s->iv_salt[0] ^ first);
    put_u64be(ret_iv + 8, s->iv_salt[1] ^ second);
}

/* RTP authenticates the roll-over counter with AES-CM (RFC 3711, 4.2); AES-GCM has it in the IV. */
static void rtp_trailer_make(struct sec__op *op, uint64_t index)
{
    if (op->session->profile == SEC_PROFILE_AEAD_AES_128_GCM)
        return;
    put_u32be(op->trailer, (uint32_t)(index >> 16));
    op->trailer_size = 4;
}

/* --- Protecting --- */

/* The size of the RTP header with CSRCs and extension (RFC 3550, 5.1 and 5.3.1), or
 * ERR_MALFORMED. */
static int rtp_head_size(const uint8_t *data, size_t size)
{
    if (size < RTP_HEADER_SIZE || data[0] >> 6 != 2)
        return ERR_MALFORMED;
    size_t head = RTP_HEADER_SIZE + 4u * (data[0] & 0x0f);
    if ((data[0] & 0x10) != 0) {
        if (size < head + 4)
            return ERR_MALFORMED;
        head += 4 + 4u * get_u16be(data + head + 2);
    }
    return head <= size ? (int)head : ERR_MALFORMED;
}

static int protect_rtp_prepare(struct sec_srtp_job *job, struct sec__op *op, struct pending *p)
{
    struct sec_srtp *s = job->srtp;
    size_t size = (size_t)job->head_size + job->prefix_size + job->body_size;
    if (rtp_head_size(job->src, job->head_size) != job->head_size || size > SEC_SRTP_SIZE_MAX)
        return ERR_MALFORMED;
    if (job->dst_size < size + s->rtp.tag_size)
        return ERR_NO_SPACE;
    uint16_t seq = get_u16be(job->src + 2);
    p->ssrc = get_u32be(job->src + 8);
    struct sec__ssrc *slot = sec__ssrcs_find(&s->rtp_ssrcs, p->ssrc);
    int err = sec__index_estimate(slot, seq, &p->index);
    if (err == 0 && slot == NULL)
        err = sec__ssrcs_add(&s->rtp_ssrcs, p->ssrc, p->index, &slot);
    if (err < 0)
        return err;
    slot->index_max = TK_MAX(slot->index_max, p->index);

    memcpy(job->dst, job->src, job->head_size);
    *op = (struct sec__op){
        .session = &s->rtp,
        .packet = job->dst,
        .head_size = job->head_size,
        .in = {job->src + job->head_size, job->body},
        .in_size = {job->prefix_size, job->body_size},
        .out = job->dst + job->head_size,
        .tag = job->dst + size,
    };
    iv_make(op->session, p->ssrc, p->index, op->iv);
    rtp_trailer_make(op, p->index);
    p->size = (int)(size + s->rtp.tag_size);
    return 0;
}

/*
 * SRTCP: AES-CM puts ciphertext, E || index, tag (RFC 3711, 3.4); AES-GCM ciphertext, tag,
 * E || index (RFC 7714, 9.3).
 */
static int protect_rtcp_prepare(struct sec_srtp_job *job, struct sec__op *op, struct pending *p)
{
    struct sec_srtp *s = job->srtp;
    bool is_gcm = s->rtcp.profile == SEC_PROFILE_AEAD_AES_128_GCM;
    size_t size = job->head_size, tag_size = s->rtcp.tag_size;
    if (size < RTCP_HEADER_SIZE || job->src[0] >> 6 != 2 || size > SEC_SRTP_SIZE_MAX)
        return ERR_MALFORMED;
    if (job->dst_size < size + tag_size + RTCP_INDEX_SIZE)
        return ERR_NO_SPACE;
    if (s->rtcp_index == RTCP_INDEX_MAX)
        return ERR_SEC_KEY_LIMIT;
    p->ssrc = get_u32be(job->src + 4);
    p->index = ++s->rtcp_index;

    memcpy(job->dst, job->src, RTCP_HEADER_SIZE);
    *op = (struct sec__op){
        .session = &s->rtcp,
        .packet = job->dst,
        .head_size = RTCP_HEADER_SIZE,
        .in = {job->src + RTCP_HEADER_SIZE, NULL},
        .in_size = {size - RTCP_HEADER_SIZE, 0},
        .out = job->dst + RTCP_HEADER_SIZE,
        .tag = job->dst + size + (is_gcm ? 0 : RTCP_INDEX_SIZE),
        .trailer_size = RTCP_INDEX_SIZE,
    };
    put_u32be(op->trailer, RTCP_E_BIT | (uint32_t)p->index);
    memcpy(job->dst + size + (is_gcm ? tag_size : 0), op->trailer, RTCP_INDEX_SIZE);
    iv_make(op->session, p->ssrc, p->index, op->iv);
    p->size = (int)(size + tag_size + RTCP_INDEX_SIZE);
    return 0;
}

/* The expanded keys lie apart, and the cipher comes to them after the whole chunk is prepared. */
static void prefetch_keys(const struct sec__backend *backend, const struct sec_srtp_job *job)
{
    if (backend->prefetch != NULL && !job->is_rtcp)
        backend->prefetch(&job->srtp->rtp, (size_t)job->prefix_size + job->body_size);
}

void sec_srtp_protect_batch(struct sec_srtp_job *jobs, size_t count)
{
    const struct sec__backend *backend = sec__backend();
    const struct sec_srtp *last = NULL;
    struct chunk chunk;
    for (size_t i = 0; i < count;) {
        for (chunk.count = 0; i < count && chunk.count < SEC__OPS_MAX; i++) {
            struct sec_srtp_job *job = &jobs[i];
            struct pending *p = &chunk.pending[chunk.count];
            struct sec__op *op = &chunk.ops[chunk.count];
            DCHECK(job->srtp->direction == SEC_SEND);
            if (job->srtp != last)
                prefetch_keys(backend, job);
            last = job->srtp;
            *p = (struct pending){.job = job};
            job->result =
                job->is_rtcp ? protect_rtcp_prepare(job, op, p) : protect_rtp_prepare(job, op, p);
            chunk.count += job->result == 0;
        }
        backend->protect(chunk.ops, chunk.count);
        for (size_t k = 0; k < chunk.count; k++) {
            int err = chunk.ops[k].result;
            chunk.pending[k].job->result = err < 0 ? err : chunk.pending[k].size;
        }
    }
}

/* --- Unprotecting --- */

/* Copies what stays in the clear, and has room for all of the plaintext. */
static int dst_begin(struct sec_srtp_job *job, size_t size, size_t head)
{
    if (job->dst_size < size)
        return ERR_NO_SPACE;
    if (job->dst != job->src)
        memcpy(job->dst, job->src, head);
    return 0;
}

static int replay_precheck(const struct sec__ssrcs *t, const struct sec__ssrc *slot, uint64_t index)
{
    if (slot != NULL)
        return sec__replay_check(t, slot, index);
    return sec__ssrcs_is_full(t) ? ERR_LIMIT : 0;
}

static int unprotect_rtp_prepare(struct sec_srtp_job *job, struct sec__op *op, struct pending *p)
{
    struct sec_srtp *s = job->srtp;
    size_t tag_size = s->rtp.tag_size;
    if (job->head_size < RTP_HEADER_SIZE + tag_size || job->head_size > SEC_SRTP_SIZE_MAX)
        return ERR_MALFORMED;
    size_t size = job->head_size - tag_size;
    int head = rtp_head_size(job->src, size);
    if (head < 0)
        return head;
    p->ssrc = get_u32be(job->src + 8);
    struct sec__ssrc *slot = sec__ssrcs_find(&s->rtp_ssrcs, p->ssrc);
    int err = sec__index_estimate(slot, get_u16be(job->src + 2), &p->index);
    if (err == 0)
        err = replay_precheck(&s->rtp_ssrcs, slot, p->index);
    if (err == 0)
        err = dst_begin(job, size, (size_t)head);
    if (err < 0)
        return err;

    *op = (struct sec__op){
        .session = &s->rtp,
        .packet = job->src,
        .head_size = (size_t)head,
        .in = {job->src + head, NULL},
        .in_size = {size - (size_t)head, 0},
        .out = job->dst + head,
        .tag_in = job->src + size,
    };
    iv_make(op->session, p->ssrc, p->index, op->iv);
    rtp_trailer_make(op, p->index);
    p->size = (int)size;
    return 0;
}

static int unprotect_rtcp_prepare(struct sec_srtp_job *job, struct sec__op *op, struct pending *p)
{
    struct sec_srtp *s = job->srtp;
    bool is_gcm = s->rtcp.profile == SEC_PROFILE_AEAD_AES_128_GCM;
    size_t tag_size = s->rtcp.tag_size;
    if (job->head_size < RTCP_HEADER_SIZE + tag_size + RTCP_INDEX_SIZE ||
        job->head_size > SEC_SRTP_SIZE_MAX || job->src[0] >> 6 != 2)
        return ERR_MALFORMED;
    size_t size = job->head_size - tag_size - RTCP_INDEX_SIZE;
    const uint8_t *word = job->src + size + (is_gcm ? tag_size : 0);
    /* Without the E bit nothing is encrypted, and all of it only authenticated. */
    size_t head = (get_u32be(word) & RTCP_E_BIT) != 0 ? RTCP_HEADER_SIZE : size;
    p->ssrc = get_u32be(job->src + 4);
    p->index = get_u32be(word) & RTCP_INDEX_MAX;
    struct sec__ssrc *slot = sec__ssrcs_find(&s->rtcp_ssrcs, p->ssrc);
    int err = replay_precheck(&s->rtcp_ssrcs, slot, p->index);
    if (err == 0)
        err = dst_begin(job, size, head);
    if (err < 0)
        return err;

    *op = (struct sec__op){
        .session = &s->rtcp,
        .packet = job->src,
        .head_size = head,
        .in = {job->src + head, NULL},
        .in_size = {size - head, 0},
        .out = job->dst + head,
        .tag_in = job->src + size + (is_gcm ? 0 : RTCP_INDEX_SIZE),
        .trailer_size = RTCP_INDEX_SIZE,
    };
    memcpy(op->trailer, word, RTCP_INDEX_SIZE);
    iv_make(op->session, p->ssrc, p->index, op->iv);
    p->size = (int)size;
    return 0;
}

static struct sec__ssrcs *ssrcs_of(const struct sec_srtp_job *job)
{
    return job->is_rtcp ? &job->srtp->rtcp_ssrcs : &job->srtp->rtp_ssrcs;
}

/* The packet is authentic: only now its SSRC and index become known. Checked again, because an
 * earlier packet of the same batch may have been the same one. */
static int unprotect_commit(const struct pending *p)
{
    struct sec__ssrcs *t = ssrcs_of(p->job);
    struct sec__ssrc *slot;
    int err = sec__ssrcs_add(t, p->ssrc, p->index, &slot);
    if (err == 0)
        err = sec__replay_check(t, slot, p->index);
    if (err < 0)
        return err;
    sec__replay_mark(t, slot, p->index);
    return p->size;
}

void sec_srtp_unprotect_batch(struct sec_srtp_job *jobs, size_t count)
{
    const struct sec__backend *backend = sec__backend();
    struct chunk chunk;
    for (size_t i = 0; i < count;) {
        bool is_known = true; /* the first packet of an SSRC ends a chunk: the next ones need it */
        for (chunk.count = 0; i < count && is_known && chunk.count < SEC__OPS_MAX; i++) {
            struct sec_srtp_job *job = &jobs[i];
            struct pending *p = &chunk.pending[chunk.count];
            struct sec__op *op = &chunk.ops[chunk.count];
            DCHECK(job->srtp->direction == SEC_RECEIVE);
            *p = (struct pending){.job = job};
            job->result = job->is_rtcp ? unprotect_rtcp_prepare(job, op, p)
                                       : unprotect_rtp_prepare(job, op, p);
            if (job->result < 0)
                continue;
            chunk.count++;
            is_known = sec__ssrcs_find(ssrcs_of(job), p->ssrc) != NULL;
        }
        backend->unprotect(chunk.ops, chunk.count);
        for (size_t k = 0; k < chunk.count; k++) {
            int err = chunk.ops[k].result;
            chunk.pending[k].job->result = err < 0 ? err : unprotect_commit(&chunk.pending[k]);
        }
    }
}

/* --- Single packets --- */

int sec_srtp_protect(struct sec_srtp *s, const uint8_t *head, size_t head_size, size_t prefix_size,
                     const uint8_t *body, size_t body_size, uint8_t *dst, size_t dst_size)
{
    if (TK_MAX(head_size, TK_MAX(prefix_size, body_size)) > SEC_SRTP_SIZE_MAX)
        return ERR_MALFORMED;
    struct sec_srtp_job job = {
        .srtp = s,
        .src = head,
        .body = body,
        .dst = dst,
        .dst_size = dst_size,
        .head_size = (uint16_t)head_size,
        .prefix_size = (uint16_t)prefix_size,
        .body_size = (uint16_t)body_size,
    };
    sec_srtp_protect_batch(&job, 1);
    return job.result;
}

static int run_one(void (*batch)(struct sec_srtp_job *, size_t), const struct sec_srtp_job *job,
                   size_t size)
{
    if (size > SEC_SRTP_SIZE_MAX)
        return ERR_MALFORMED;
    struct sec_srtp_job one = *job;
    one.head_size = (uint16_t)size;
    batch(&one, 1);
    return one.result;
}

int sec_srtp_protect_rtcp(struct sec_srtp *s, const uint8_t *data, size_t size, uint8_t *dst,
                          size_t dst_size)
{
    struct sec_srtp_job job = {
        .srtp = s, .src = data, .dst = dst, .dst_size = dst_size, .is_rtcp = true};
    return run_one(sec_srtp_protect_batch, &job, size);
}

int sec_srtp_unprotect(struct sec_srtp *s, const uint8_t *data, size_t size, uint8_t *dst,
                       size_t dst_size)
{
    struct sec_srtp_job job = {.srtp = s, .src = data, .dst = dst, .dst_size = dst_size};
    return run_one(sec_srtp_unprotect_batch, &job, size);
}

int sec_srtp_unprotect_rtcp(struct sec_srtp *s, const uint8_t *data, size_t size, uint8_t *dst,
                            size_t dst_size)
{
    struct sec_srtp_job job = {
        .srtp = s, .src = data, .dst = dst, .dst_size = dst_size, .is_rtcp = true};
    return run_one(sec_srtp_unprotect_batch, &job, size);
}
