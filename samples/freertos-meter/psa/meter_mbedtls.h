/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Mbed TLS as the meter's PSA Crypto: in software, with random numbers of the board and memory of its own. */
#ifndef METER_MBEDTLS_CONFIG_H
#define METER_MBEDTLS_CONFIG_H

#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_CONFIG
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
/* A volatile key for a message, and one to spare. */
#define MBEDTLS_PSA_KEY_SLOT_COUNT 4
#define MBEDTLS_CIPHER_C
/* Small rather than fast. */
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
/* There is no heap: meter_psa.c gives a buffer. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
/* What the buffer's keeper calls when it finds it damaged. */
void meter_psa_damaged(int status);
#define MBEDTLS_PLATFORM_EXIT_MACRO meter_psa_damaged

#endif /* METER_MBEDTLS_CONFIG_H */
