/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What of PSA Crypto the meter has: hashes and the channel's cipher. Read by Mbed TLS. */
#ifndef METER_CRYPTO_CONFIG_H
#define METER_CRYPTO_CONFIG_H

#define PSA_WANT_ALG_SHA_256 1
#define PSA_WANT_ALG_CCM 1
#define PSA_WANT_KEY_TYPE_AES 1

#endif /* METER_CRYPTO_CONFIG_H */
