#include "secure/srtp_imb.h"

#include <pthread.h>
#include <stdlib.h>

#define MGR_ALIGN 64
#define FEATURES  (IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS)

static _Thread_local struct sec__imb *own;

/* Only so that a thread that ends frees its own. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_cared_for; /* a thread's end, and the process's, will be noticed */

static void imb_destroy(void *arg)
{
    struct sec__imb *t = arg;
    own = NULL;
    OPENSSL_cleanse(t->mgr, imb_get_mb_mgr_size());
    free(t->mgr);
    OPENSSL_cleanse(t, sizeof(*t));
    free(t);
}

/* The thread that ends the process, the main one, has no end of its own: its destructors of keys
 * never run. */
static void process_exit(void)
{
    if (own == NULL)
        return;
    (void)pthread_setspecific(key, NULL);
    imb_destroy(own);
}

static void care(void)
{
    is_cared_for = pthread_key_create(&key, imb_destroy) == 0 && atexit(process_exit) == 0;
}

bool sec__imb_is_enough(uint64_t features)
{
    return (features & FEATURES) == FEATURES && (features & IMB_FEATURE_AESNI_EMU) == 0;
}

IMB_MGR *sec__imb_mgr_create(uint64_t flags)
{
    size_t size = (imb_get_mb_mgr_size() + MGR_ALIGN - 1) / MGR_ALIGN * MGR_ALIGN;
    void *memory = aligned_alloc(MGR_ALIGN, size);
    IMB_MGR *mgr = memory != NULL ? imb_set_pointers_mb_mgr(memory, flags, 1) : NULL;
    if (mgr != NULL)
        init_mb_mgr_auto(mgr, NULL); /* the best code for this CPU, which then tests itself */
    if (mgr == NULL || imb_get_errno(mgr) != 0 || !sec__imb_is_enough(mgr->features)) {
        free(memory);
        return NULL;
    }
    return mgr;
}

static void jobs_init(struct sec__imb *t)
{
    for (size_t i = 0; i < ARRAY_COUNT(t->ctr); i++)
        t->ctr[i] = (IMB_JOB){
            .cipher_mode = IMB_CIPHER_CNTR,
            .cipher_direction = IMB_DIR_ENCRYPT,
            .key_len_in_bytes = IMB_KEY_128_BYTES,
            .iv_len_in_bytes = SEC__IV_SIZE_MAX,
            .hash_alg = IMB_AUTH_NULL,
        };
    for (size_t i = 0; i < ARRAY_COUNT(t->mac); i++)
        t->mac[i] = (IMB_JOB){
            .cipher_mode = IMB_CIPHER_NULL,
            .hash_alg = IMB_AUTH_HMAC_SHA_1,
            .auth_tag_output = t->macs[i],
            .auth_tag_output_len_in_bytes = 12, /* 10 are kept; the library knows 12 and 20 */
        };
}

struct sec__imb *sec__imb_thread(void)
{
    if (LIKELY(own != NULL))
        return own;
    pthread_once(&once, care);
    struct sec__imb *t = calloc(1, sizeof(*t));
    IMB_MGR *mgr = sec__imb_mgr_create(0);
    if (t == NULL || mgr == NULL || !is_cared_for || pthread_setspecific(key, t) != 0) {
        free(mgr);
        free(t);
        return NULL;
    }
    t->mgr = mgr;
    jobs_init(t);
    own = t;
    return t;
}
