/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the crate cairn-psa-crypto asks of PSA Crypto: SHA-256 and AES-CCM-16-64-128, with types that do not depend on an
 * implementation's headers. Compiled with the application, against the application's own <psa/crypto.h>.
 *
 * Functions answer a psa_status_t, whose values PSA Crypto API 1.0 section 7.2 fixes. Blocking; never called from an interrupt. */
#ifndef CAIRN_PSA_CRYPTO_H
#define CAIRN_PSA_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins a SHA-256. The operation's state stays in this file's memory, for the API does not say that an active operation may be
 * moved, and Rust moves what it likes: what is handed out is its number. PSA_ERROR_INSUFFICIENT_MEMORY when all
 * CAIRN_PSA_HASH_OPERATIONS are in use. */
int32_t cairn_psa_hash_begin(uint8_t *operation);

/* Takes in bytes. After an error only an abort is left. */
int32_t cairn_psa_hash_update(uint8_t operation, const uint8_t *bytes, size_t length);

/* Gives the hash, and the operation back, also after an error. */
int32_t cairn_psa_hash_finish(uint8_t operation, uint8_t hash[32]);

/* Gives the operation back without a hash. */
void cairn_psa_hash_abort(uint8_t operation);

/* AES-CCM-16-64-128 (COSE algorithm 10): L = 2, a tag of 8 bytes. Encrypts `length` bytes in place; the tag comes after them, so
 * `text` has room for 8 more. The key is known to PSA Crypto during the call only. */
int32_t cairn_psa_ccm_encrypt(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *additional, size_t additional_length,
                              uint8_t *text, size_t length);

/* Decrypts in place `length` bytes that the tag follows. PSA_ERROR_INVALID_SIGNATURE when the tag is wrong: what is in `text`
 * then is not to be used. */
int32_t cairn_psa_ccm_decrypt(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *additional, size_t additional_length,
                              uint8_t *text, size_t length);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_PSA_CRYPTO_H */
