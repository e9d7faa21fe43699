/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What Mbed TLS needs of the board: random numbers, and memory for what it allocates. */
#include "meter_psa.h"

#include <mbedtls/memory_buffer_alloc.h>
#include <psa/crypto.h>

#include "board.h"

/* An AES key with its cipher context at a time. */
#define POOL_BYTES 2048u

void meter_psa_damaged(int status)
{
    (void)status;
    board_stop("the memory of PSA Crypto is damaged");
}

static _Alignas(8) unsigned char pool[POOL_BYTES];

void meter_psa_prepare(void)
{
    mbedtls_memory_buffer_alloc_init(pool, sizeof pool);
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *out, size_t size,
                                             size_t *length)
{
    (void)context;
    *length = size;
    return board_entropy(out, size) ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}
