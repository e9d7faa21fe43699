/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cairn_psa_crypto.h over the application's PSA Crypto. Holds the states of hashes that run. */
#include "cairn_psa_crypto.h"

#include <psa/crypto.h>
#include <stdbool.h>

/* What the hardware cannot serve is a build error: the build system defines what the application chose. */
#if defined(CAIRN_PSA_NEEDS_SHA_256) && !defined(PSA_WANT_ALG_SHA_256)
#error "This PSA Crypto has no SHA-256 (PSA_WANT_ALG_SHA_256). Enable it, or leave hashing to Cairn."
#endif
#if defined(CAIRN_PSA_NEEDS_AES_CCM) && !(defined(PSA_WANT_ALG_CCM) && defined(PSA_WANT_KEY_TYPE_AES))
#error "This PSA Crypto has no AES-CCM (PSA_WANT_ALG_CCM, PSA_WANT_KEY_TYPE_AES). Enable it, or leave the channel to Cairn."
#endif

#define HASH_BYTES 32u
#define KEY_BYTES 16u
#define NONCE_BYTES 13u
#define TAG_BYTES 8u

/* Hashes that may run at a time. A task of Cairn runs two at most, one over the hash of another. */
#ifndef CAIRN_PSA_HASH_OPERATIONS
#define CAIRN_PSA_HASH_OPERATIONS 4
#endif
_Static_assert(CAIRN_PSA_HASH_OPERATIONS >= 2 && CAIRN_PSA_HASH_OPERATIONS <= 255, "CAIRN_PSA_HASH_OPERATIONS: 2 to 255");

/* Two tasks must not take one operation. Cores before Armv7-M cannot test and set: there the kernel keeps other tasks out for a
 * moment. For one that is not known here the application says how. */
#ifdef CAIRN_PSA_FREERTOS
#include <FreeRTOS.h>
#include <task.h>
#define CAIRN_PSA_ENTER() taskENTER_CRITICAL()
#define CAIRN_PSA_EXIT() taskEXIT_CRITICAL()
#endif
#if defined(CAIRN_PSA_ENTER) && defined(CAIRN_PSA_EXIT)
static bool take(bool *taken)
{
    CAIRN_PSA_ENTER();
    bool was = *taken;
    *taken = true;
    CAIRN_PSA_EXIT();
    return !was;
}

static void give_back(bool *taken)
{
    *taken = false;
}
#elif __GCC_ATOMIC_BOOL_LOCK_FREE == 2
static bool take(bool *taken)
{
    return !__atomic_test_and_set(taken, __ATOMIC_ACQUIRE);
}

static void give_back(bool *taken)
{
    __atomic_clear(taken, __ATOMIC_RELEASE);
}
#else
#error "This core has no atomic test and set: define CAIRN_PSA_ENTER() and CAIRN_PSA_EXIT(), a critical section of your RTOS."
#endif

static struct {
    bool taken;
    psa_hash_operation_t state;
} operations[CAIRN_PSA_HASH_OPERATIONS];

int32_t cairn_psa_hash_begin(uint8_t *operation)
{
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS) {
        return status;
    }
    for (uint8_t i = 0; i < CAIRN_PSA_HASH_OPERATIONS; i++) {
        if (take(&operations[i].taken)) {
            operations[i].state = psa_hash_operation_init();
            status = psa_hash_setup(&operations[i].state, PSA_ALG_SHA_256);
            if (status != PSA_SUCCESS) {
                cairn_psa_hash_abort(i);
            }
            *operation = i;
            return status;
        }
    }
    return PSA_ERROR_INSUFFICIENT_MEMORY;
}

int32_t cairn_psa_hash_update(uint8_t operation, const uint8_t *bytes, size_t length)
{
    return psa_hash_update(&operations[operation].state, bytes, length);
}

int32_t cairn_psa_hash_finish(uint8_t operation, uint8_t hash[HASH_BYTES])
{
    size_t length = 0;
    psa_status_t status = psa_hash_finish(&operations[operation].state, hash, HASH_BYTES, &length);
    cairn_psa_hash_abort(operation);
    return status == PSA_SUCCESS && length != HASH_BYTES ? PSA_ERROR_DATA_INVALID : status;
}

void cairn_psa_hash_abort(uint8_t operation)
{
    /* What an abort that fails leaves is overwritten when the operation begins anew. */
    (void)psa_hash_abort(&operations[operation].state);
    give_back(&operations[operation].taken);
}

static const psa_algorithm_t CCM_8 = PSA_ALG_AEAD_WITH_SHORTENED_TAG(PSA_ALG_CCM, TAG_BYTES);

static psa_status_t import(const uint8_t bytes[KEY_BYTES], psa_key_usage_t usage, psa_key_id_t *key)
{
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS) {
        return status;
    }
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_type(&attributes, PSA_KEY_TYPE_AES);
    psa_set_key_usage_flags(&attributes, usage);
    psa_set_key_algorithm(&attributes, CCM_8);
    status = psa_import_key(&attributes, bytes, KEY_BYTES, key);
    psa_reset_key_attributes(&attributes);
    return status;
}

/* A key that stays behind is an error of its own. */
static psa_status_t destroy(psa_key_id_t key, psa_status_t status)
{
    psa_status_t destroyed = psa_destroy_key(key);
    return status == PSA_SUCCESS ? destroyed : status;
}

int32_t cairn_psa_ccm_encrypt(const uint8_t key_bytes[KEY_BYTES], const uint8_t nonce[NONCE_BYTES], const uint8_t *additional,
                              size_t additional_length, uint8_t *text, size_t length)
{
    psa_key_id_t key;
    psa_status_t status = import(key_bytes, PSA_KEY_USAGE_ENCRYPT, &key);
    if (status != PSA_SUCCESS) {
        return status;
    }
    size_t written = 0;
    status = psa_aead_encrypt(key, CCM_8, nonce, NONCE_BYTES, additional, additional_length, text, length, text,
                              length + TAG_BYTES, &written);
    if (status == PSA_SUCCESS && written != length + TAG_BYTES) {
        status = PSA_ERROR_DATA_INVALID;
    }
    return destroy(key, status);
}

int32_t cairn_psa_ccm_decrypt(const uint8_t key_bytes[KEY_BYTES], const uint8_t nonce[NONCE_BYTES], const uint8_t *additional,
                              size_t additional_length, uint8_t *text, size_t length)
{
    psa_key_id_t key;
    psa_status_t status = import(key_bytes, PSA_KEY_USAGE_DECRYPT, &key);
    if (status != PSA_SUCCESS) {
        return status;
    }
    size_t written = 0;
    status = psa_aead_decrypt(key, CCM_8, nonce, NONCE_BYTES, additional, additional_length, text, length + TAG_BYTES, text,
                              length, &written);
    if (status == PSA_SUCCESS && written != length) {
        status = PSA_ERROR_DATA_INVALID;
    }
    return destroy(key, status);
}
