/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* PSA Crypto as a driver in trouble would answer. For tests; build.rs lets c/cairn_psa_crypto.c call it. */
#include <psa/crypto.h>

/* What goes wrong, as the tests number it. */
int crypto_disturbance = 0;
/* How many more calls go well before it does. */
int crypto_disturbed_after = 0;
/* How often it does; 0: for ever. */
int crypto_disturbed_times = 0;

enum {
    INIT_FAILS = 1,
    SETUP_FAILS = 2,
    UPDATE_FAILS = 3,
    FINISH_FAILS = 4,
    SHORT_HASH = 5,
    AEAD_NOT_SUPPORTED = 6,
    AEAD_FAILS_HALFWAY = 7,
    SHORT_TEXT = 8,
};

static int strikes(int kind)
{
    if (crypto_disturbance != kind || crypto_disturbed_after-- > 0) {
        return 0;
    }
    if (crypto_disturbed_times > 0 && --crypto_disturbed_times == 0) {
        crypto_disturbance = 0;
    }
    return 1;
}

psa_status_t disturbed_psa_crypto_init(void)
{
    return strikes(INIT_FAILS) ? PSA_ERROR_COMMUNICATION_FAILURE : psa_crypto_init();
}

psa_status_t disturbed_psa_hash_setup(psa_hash_operation_t *operation, psa_algorithm_t algorithm)
{
    return strikes(SETUP_FAILS) ? PSA_ERROR_INSUFFICIENT_MEMORY : psa_hash_setup(operation, algorithm);
}

psa_status_t disturbed_psa_hash_update(psa_hash_operation_t *operation, const uint8_t *input, size_t length)
{
    return strikes(UPDATE_FAILS) ? PSA_ERROR_HARDWARE_FAILURE : psa_hash_update(operation, input, length);
}

psa_status_t disturbed_psa_hash_finish(psa_hash_operation_t *operation, uint8_t *hash, size_t size, size_t *length)
{
    psa_status_t status = psa_hash_finish(operation, hash, size, length);
    if (strikes(FINISH_FAILS)) { /* after it wrote something */
        return PSA_ERROR_HARDWARE_FAILURE;
    }
    if (strikes(SHORT_HASH)) {
        *length = 20;
    }
    return status;
}

psa_status_t disturbed_psa_aead_encrypt(psa_key_id_t key, psa_algorithm_t algorithm, const uint8_t *nonce, size_t nonce_length,
                                        const uint8_t *additional, size_t additional_length, const uint8_t *text,
                                        size_t text_length, uint8_t *out, size_t size, size_t *length)
{
    if (strikes(AEAD_NOT_SUPPORTED)) {
        return PSA_ERROR_NOT_SUPPORTED;
    }
    psa_status_t status = psa_aead_encrypt(key, algorithm, nonce, nonce_length, additional, additional_length, text, text_length,
                                           out, size, length);
    if (strikes(AEAD_FAILS_HALFWAY)) {
        return PSA_ERROR_HARDWARE_FAILURE;
    }
    if (strikes(SHORT_TEXT)) {
        *length -= 1;
    }
    return status;
}

psa_status_t disturbed_psa_aead_decrypt(psa_key_id_t key, psa_algorithm_t algorithm, const uint8_t *nonce, size_t nonce_length,
                                        const uint8_t *additional, size_t additional_length, const uint8_t *text,
                                        size_t text_length, uint8_t *out, size_t size, size_t *length)
{
    if (strikes(AEAD_NOT_SUPPORTED)) {
        return PSA_ERROR_NOT_SUPPORTED;
    }
    psa_status_t status = psa_aead_decrypt(key, algorithm, nonce, nonce_length, additional, additional_length, text, text_length,
                                           out, size, length);
    if (strikes(AEAD_FAILS_HALFWAY)) {
        return PSA_ERROR_HARDWARE_FAILURE;
    }
    if (strikes(SHORT_TEXT)) {
        *length -= 1;
    }
    return status;
}
