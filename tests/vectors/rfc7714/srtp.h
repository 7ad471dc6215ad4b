#ifndef TK_TESTS_VECTORS_RFC7714_SRTP_H
#define TK_TESTS_VECTORS_RFC7714_SRTP_H

/*
 * RFC 7714, sections 16 and 17, for AES-128: session key and salt, packets in the clear and
 * protected. Section 17 prints another packet in its preamble than its subsections use; these are
 * those of the subsections.
 */

#define RFC7714_KEY  "000102030405060708090a0b0c0d0e0f"
#define RFC7714_SALT "517569642070726f2071756f"

/* 16.1.1: ROC 0 */
#define RFC7714_RTP            \
    "8040f17b8041f8d35501a0b2" \
    "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
#define RFC7714_SRTP                                                               \
    "8040f17b8041f8d35501a0b2"                                                     \
    "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833" \
    "899d7f27beb16a9152cf765ee4390cce"

/* 17.1 and 17.3 */
#define RFC7714_RTCP_INDEX 0x5d4
#define RFC7714_RTCP                                   \
    "81c8000d4d617273"                                 \
    "4e5450314e545032525450200000042a0000e9304c756e61" \
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
#define RFC7714_SRTCP                                                                          \
    "81c8000d4d617273"                                                                         \
    "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b" \
    "c84aa45896cf4d2fc5abf87245d9eade800005d4"
#define RFC7714_SRTCP_TAG_ONLY RFC7714_RTCP "841dd9683dd78ec92ae58790125f62b3000005d4"

#endif
