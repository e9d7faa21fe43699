/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cairn_psa.h over the application's PSA Crypto. Holds no state. */
#include "cairn_psa.h"

#include <psa/crypto.h>
#include <stdbool.h>
#include <string.h>

/* What the hardware cannot serve is a build error: the build system defines which curve the application chose. */
#if defined(CAIRN_PSA_NEEDS_ES256K) && !defined(PSA_WANT_ECC_SECP_K1_256)
#error "This PSA Crypto has no secp256k1 (PSA_WANT_ECC_SECP_K1_256). Enable it, or choose P-256 and root mode, or another signer."
#endif
#if defined(CAIRN_PSA_NEEDS_ES256) && !defined(PSA_WANT_ECC_SECP_R1_256)
#error "This PSA Crypto has no P-256 (PSA_WANT_ECC_SECP_R1_256). Enable it, or choose another signer."
#endif

/* SEC 1: an uncompressed point is 4, X, Y. */
#define POINT_BYTES 65u
#define XY_BYTES 64u
#define DIGEST_BYTES 32u
#define SIGNATURE_BYTES 64u
#define SECRET_BYTES 32u
#define CURVE_BITS 256u

static bool family_of(int32_t alg, psa_ecc_family_t *family)
{
    switch (alg) {
    case CAIRN_PSA_ES256:
        *family = PSA_ECC_FAMILY_SECP_R1;
        return true;
    case CAIRN_PSA_ES256K:
        *family = PSA_ECC_FAMILY_SECP_K1;
        return true;
    default:
        return false;
    }
}

int32_t cairn_psa_init(void)
{
    return psa_crypto_init();
}

/* What makes a key from a description of it. */
typedef psa_status_t (*make_t)(const psa_key_attributes_t *attributes, const uint8_t *secret, psa_key_id_t *key);

static psa_status_t generate(const psa_key_attributes_t *attributes, const uint8_t *secret, psa_key_id_t *key)
{
    (void)secret;
    return psa_generate_key(attributes, key);
}

static psa_status_t import(const psa_key_attributes_t *attributes, const uint8_t *secret, psa_key_id_t *key)
{
    return psa_import_key(attributes, secret, SECRET_BYTES, key);
}

/* Makes the key with one algorithm and signs once with it. */
static psa_status_t try_algorithm(psa_key_attributes_t *attributes, psa_algorithm_t algorithm, make_t make,
                                  const uint8_t *secret)
{
    psa_set_key_algorithm(attributes, algorithm);
    psa_key_id_t key;
    psa_status_t status = make(attributes, secret, &key);
    if (status != PSA_SUCCESS) {
        return status;
    }
    const uint8_t digest[DIGEST_BYTES] = {1};
    uint8_t signature[SIGNATURE_BYTES];
    size_t length;
    status = psa_sign_hash(key, algorithm, digest, sizeof digest, signature, sizeof signature, &length);
    if (status != PSA_SUCCESS) {
        psa_status_t destroyed = psa_destroy_key(key);
        return destroyed == PSA_SUCCESS ? status : destroyed;
    }
    return PSA_SUCCESS;
}

static psa_status_t make_key(uint32_t id, int32_t alg, uint32_t location, make_t make, const uint8_t *secret)
{
    psa_ecc_family_t family;
    if (!family_of(alg, &family) || id < PSA_KEY_ID_USER_MIN || id > PSA_KEY_ID_USER_MAX) {
        return PSA_ERROR_INVALID_ARGUMENT;
    }
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(family));
    psa_set_key_bits(&attributes, CURVE_BITS);
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_SIGN_HASH | PSA_KEY_USAGE_VERIFY_HASH);
    psa_set_key_id(&attributes, id);
    psa_set_key_lifetime(&attributes, PSA_KEY_LIFETIME_FROM_PERSISTENCE_AND_LOCATION(PSA_KEY_PERSISTENCE_DEFAULT,
                                                                                     (psa_key_location_t)location));
    psa_status_t status = try_algorithm(&attributes, PSA_ALG_DETERMINISTIC_ECDSA(PSA_ALG_SHA_256), make, secret);
    if (status == PSA_ERROR_NOT_SUPPORTED) {
        status = try_algorithm(&attributes, PSA_ALG_ECDSA(PSA_ALG_SHA_256), make, secret);
    }
    psa_reset_key_attributes(&attributes);
    return status;
}

int32_t cairn_psa_key_generate(uint32_t id, int32_t alg, uint32_t location)
{
    return make_key(id, alg, location, generate, NULL);
}

int32_t cairn_psa_key_import(uint32_t id, int32_t alg, uint32_t location, const uint8_t secret[SECRET_BYTES])
{
    return make_key(id, alg, location, import, secret);
}

/* The algorithm of the key's policy, and which of ours its type is. */
static psa_status_t describe(uint32_t id, psa_algorithm_t *algorithm, int32_t *alg)
{
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_status_t status = psa_get_key_attributes(id, &attributes);
    if (status == PSA_SUCCESS) {
        psa_key_type_t type = psa_get_key_type(&attributes);
        *algorithm = psa_get_key_algorithm(&attributes);
        if (psa_get_key_bits(&attributes) != CURVE_BITS || !PSA_ALG_IS_ECDSA(*algorithm)) {
            status = PSA_ERROR_INVALID_ARGUMENT;
        } else if (type == PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_K1)) {
            *alg = CAIRN_PSA_ES256K;
        } else if (type == PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1)) {
            *alg = CAIRN_PSA_ES256;
        } else {
            status = PSA_ERROR_INVALID_ARGUMENT;
        }
    }
    psa_reset_key_attributes(&attributes);
    return status;
}

int32_t cairn_psa_key_public(uint32_t id, int32_t *alg, uint8_t xy[XY_BYTES], uint8_t *deterministic)
{
    psa_algorithm_t algorithm;
    psa_status_t status = describe(id, &algorithm, alg);
    if (status != PSA_SUCCESS) {
        return status;
    }
    uint8_t point[POINT_BYTES];
    size_t length;
    status = psa_export_public_key(id, point, sizeof point, &length);
    if (status != PSA_SUCCESS) {
        return status;
    }
    if (length != POINT_BYTES || point[0] != 4) {
        return PSA_ERROR_DATA_INVALID;
    }
    memcpy(xy, &point[1], XY_BYTES);
    *deterministic = PSA_ALG_IS_DETERMINISTIC_ECDSA(algorithm) ? 1 : 0;
    return PSA_SUCCESS;
}

int32_t cairn_psa_key_destroy(uint32_t id)
{
    return psa_destroy_key(id);
}

int32_t cairn_psa_sign(uint32_t id, const uint8_t digest[DIGEST_BYTES], uint8_t signature[SIGNATURE_BYTES])
{
    psa_algorithm_t algorithm;
    int32_t alg;
    psa_status_t status = describe(id, &algorithm, &alg);
    if (status != PSA_SUCCESS) {
        return status;
    }
    size_t length = 0;
    status = psa_sign_hash(id, algorithm, digest, DIGEST_BYTES, signature, SIGNATURE_BYTES, &length);
    return status == PSA_SUCCESS && length != SIGNATURE_BYTES ? PSA_ERROR_DATA_INVALID : status;
}

int32_t cairn_psa_verify(int32_t alg, const uint8_t xy[XY_BYTES], const uint8_t digest[DIGEST_BYTES],
                         const uint8_t signature[SIGNATURE_BYTES])
{
    psa_ecc_family_t family;
    if (!family_of(alg, &family)) {
        return PSA_ERROR_INVALID_ARGUMENT;
    }
    const psa_algorithm_t algorithm = PSA_ALG_ECDSA(PSA_ALG_SHA_256);
    uint8_t point[POINT_BYTES] = {4};
    memcpy(&point[1], xy, XY_BYTES);
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_PUBLIC_KEY(family));
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_VERIFY_HASH);
    psa_set_key_algorithm(&attributes, algorithm);
    psa_key_id_t key;
    psa_status_t status = psa_import_key(&attributes, point, sizeof point, &key);
    psa_reset_key_attributes(&attributes);
    if (status != PSA_SUCCESS) {
        return status;
    }
    status = psa_verify_hash(key, algorithm, digest, DIGEST_BYTES, signature, SIGNATURE_BYTES);
    psa_status_t destroyed = psa_destroy_key(key);
    return status == PSA_SUCCESS ? destroyed : status;
}

int32_t cairn_psa_random(uint8_t *out, size_t length)
{
    return psa_generate_random(out, length);
}
