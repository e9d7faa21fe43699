/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the crate cairn-psa asks of PSA Crypto, with types that do not depend on an implementation's headers: keys and
 * policies of PSA are structures whose layout is each implementation's own, so that no Rust declaration of them could
 * be right everywhere. Compiled with the application, against the application's own <psa/crypto.h>.
 *
 * Every function answers a psa_status_t, whose values PSA Crypto API 1.0 section 7.2 fixes. Blocking; never called from an interrupt. */
#ifndef CAIRN_PSA_H
#define CAIRN_PSA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* COSE numbers of the algorithms (RFC 9053 section 2.1, RFC 8812 section 3.2). */
#define CAIRN_PSA_ES256 (-7)
#define CAIRN_PSA_ES256K (-47)

/* psa_crypto_init; may be called again. */
int32_t cairn_psa_init(void);

/* Makes a persistent key `id` (1 .. 0x3fffffff) at `location` (0: where the implementation keeps its own). It may sign and
 * verify digests, and nothing else: it cannot be exported. Deterministic signatures (RFC 6979) where the implementation
 * makes them, randomised ones elsewhere: found out by signing once; a key that cannot sign is destroyed again. */
int32_t cairn_psa_key_generate(uint32_t id, int32_t alg, uint32_t location);

/* The same with a secret from outside, big-endian. */
int32_t cairn_psa_key_import(uint32_t id, int32_t alg, uint32_t location, const uint8_t secret[32]);

/* The public key of `id` as X || Y, its algorithm as above, and whether its signatures are deterministic.
 * PSA_ERROR_INVALID_ARGUMENT when it is a key of another kind. */
int32_t cairn_psa_key_public(uint32_t id, int32_t *alg, uint8_t xy[64], uint8_t *deterministic);

/* Destroys the key, in storage too. */
int32_t cairn_psa_key_destroy(uint32_t id);

/* Signs a digest; r || s. */
int32_t cairn_psa_sign(uint32_t id, const uint8_t digest[32], uint8_t signature[64]);

/* Whether r || s is a signature over the digest by the public key X || Y: PSA_SUCCESS or PSA_ERROR_INVALID_SIGNATURE. */
int32_t cairn_psa_verify(int32_t alg, const uint8_t xy[64], const uint8_t digest[32], const uint8_t signature[64]);

/* Random bytes. */
int32_t cairn_psa_random(uint8_t *out, size_t length);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_PSA_H */
