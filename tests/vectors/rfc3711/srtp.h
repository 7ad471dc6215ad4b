#ifndef TK_TESTS_VECTORS_RFC3711_SRTP_H
#define TK_TESTS_VECTORS_RFC3711_SRTP_H

/* RFC 3711, appendix B.2 (AES-CM keystream) and B.3 (key derivation). */

#define RFC3711_B2_KEY "2b7e151628aed2a6abf7158809cf4f3c"
#define RFC3711_B2_IV  "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"

/* Blocks 0, 1, 2 and 0xfeff, 0xff00, 0xff01 of the keystream. */
#define RFC3711_B2_FIRST                                               \
    "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab" \
    "41e95b3bb0a2e8dd477901e4fca894c0"
#define RFC3711_B2_LAST_BLOCK 0xfeff
#define RFC3711_B2_LAST                                                \
    "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae" \
    "6a2cc3787889374fbeb4c81b17ba6c44"

#define RFC3711_B3_MASTER_KEY  "e1f97a0d3e018be0d64fa32c06de4139"
#define RFC3711_B3_MASTER_SALT "0ec675ad498afeebb6960b3aabe6"
#define RFC3711_B3_CIPHER_KEY  "c61e7a93744f39ee10734afe3ff7a087"
#define RFC3711_B3_CIPHER_SALT "30cbbc08863d8c85d49db34a9ae1"
#define RFC3711_B3_AUTH_KEY    "cebe321f6ff7716b6fd4ab49af256a156d38baa4"

#endif
