/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* psa_sign_hash as a driver in trouble would answer it. For tests/mbedtls.rs; build.rs lets c/cairn_psa.c call it. */
#include <psa/crypto.h>

/* What goes wrong, as tests/mbedtls.rs numbers it. */
int disturbance = 0;

psa_status_t disturbed_psa_sign_hash(psa_key_id_t key, psa_algorithm_t algorithm, const uint8_t *digest, size_t digest_length,
                                     uint8_t *signature, size_t capacity, size_t *length)
{
    switch (disturbance) {
    case 1: /* no deterministic signatures, as most accelerators */
        if (PSA_ALG_IS_DETERMINISTIC_ECDSA(algorithm)) {
            return PSA_ERROR_NOT_SUPPORTED;
        }
        break;
    case 2: /* does not have the curve */
        return PSA_ERROR_NOT_SUPPORTED;
    case 3: /* the secure side does not answer */
        return PSA_ERROR_COMMUNICATION_FAILURE;
    case 4: /* the policy of the platform forbids it now */
        return PSA_ERROR_NOT_PERMITTED;
    default:
        break;
    }
    psa_status_t status = psa_sign_hash(key, algorithm, digest, digest_length, signature, capacity, length);
    if (disturbance == 5) { /* a bit flips */
        signature[17] ^= 0x40;
    } else if (disturbance == 6) { /* s is out of range */
        for (size_t i = 32; i < 64; i++) {
            signature[i] = 0xff;
        }
    } else if (disturbance == 7) { /* a shorter answer than asked for */
        *length = 63;
    }
    return status;
}
