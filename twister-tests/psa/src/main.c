/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Key, hashes and cipher by Zephyr's Mbed TLS: a persistent key in Zephyr's secure storage, which the device generates for itself
 * once and signs with from then on. */
#include "fixtures.h"
#include "harness.h"
#include "results.h"

#include <cairn_psa.h>
#include <psa/crypto.h>
#include <string.h>

enum boots {
	BOOT_NO_KEY,
	BOOT_PROVISIONED,
	BOOT_AGAIN,
	BOOT_HASH_LIES,
	BOOT_LAST,
};

const uint32_t last_boot = BOOT_LAST;

enum {
	STREAM,
	/* The first 8 bytes of X. */
	KEY,
};

static volatile bool hash_fails;
static volatile bool hash_lies;

psa_status_t __real_psa_hash_finish(psa_hash_operation_t *operation, uint8_t *hash, size_t size, size_t *length);

psa_status_t __wrap_psa_hash_finish(psa_hash_operation_t *operation, uint8_t *hash, size_t size, size_t *length)
{
	psa_status_t status = __real_psa_hash_finish(operation, hash, size, length);
	hash[0] ^= hash_lies;
	return hash_fails ? PSA_ERROR_HARDWARE_FAILURE : status;
}

static uint64_t beginning(const uint8_t *bytes)
{
	uint64_t number;
	memcpy(&number, bytes, sizeof(number));
	return number;
}

/* Readings, and a batch that the key of PSA Crypto signed; the evidence names it. */
static void sign_a_batch(void)
{
	static uint8_t evidence[CAIRN_EVIDENCE_MAX];
	uint8_t key[CAIRN_PUBLIC_KEY_BYTES];
	uint8_t xy[64];
	uint8_t deterministic;
	int32_t alg;
	uint64_t seq;
	size_t length;
	for (unsigned int i = 0; i < 3; i++) {
		EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	}
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(1);
	EXPECT(status().last_signer, CAIRN_OK);
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	zassert_ok(cairn_psa_key_public(CONFIG_CAIRN_PSA_KEY_ID, &alg, xy, &deterministic));
	zassert_equal(alg, CAIRN_PSA_ES256K);
	zassert_equal(deterministic, 1);
	EXPECT(cairn_public_key(key), CAIRN_OK);
	zassert_equal(key[0], 2 + (xy[63] & 1));
	zassert_mem_equal(&key[1], xy, 32);
	bool named = false;
	for (size_t at = 0; at + sizeof(key) <= length; at++) {
		named = named || memcmp(&evidence[at], key, sizeof(key)) == 0;
	}
	zassert_true(named);
	remember(KEY, beginning(xy));
}

BOOT_SUITE(no_key, BOOT_NO_KEY, NULL);

ZTEST(no_key, test_there_is_no_start_without_a_key_and_none_with_one_in_the_factory_image)
{
	const cairn_config_t keyed = {.factory = factory_meter, .factory_length = sizeof(factory_meter)};
	EXPECT(cairn_zephyr_start(&keyed), CAIRN_E_KEY_UNWANTED);
	start(factory_keyless, sizeof(factory_keyless));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_SIGNER_NOT_PROVISIONED);
	EXPECT(status().start, CAIRN_E_SIGNER_NOT_PROVISIONED);
}

BOOT_SUITE(provisioned, BOOT_PROVISIONED, NULL);

ZTEST(provisioned, test_the_key_that_mbed_tls_generated_signs)
{
	zassert_ok(cairn_psa_init());
	zassert_ok(cairn_psa_key_generate(CONFIG_CAIRN_PSA_KEY_ID, CAIRN_PSA_ES256K, 0));
	start(factory_keyless, sizeof(factory_keyless));
	sign_a_batch();
	/* What it signs verifies, and every primitive that it computes has its known answer. */
	EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_OK);
	remember(STREAM, status().stream);
}

BOOT_SUITE(again, BOOT_AGAIN, NULL);

ZTEST(again, test_after_a_restart_the_same_key_signs_and_a_hash_that_fails_is_counted)
{
	static uint8_t evidence[CAIRN_EVIDENCE_MAX];
	size_t length;
	uint64_t key = remembered(KEY);
	start(factory_keyless, sizeof(factory_keyless));
	sign_a_batch();
	zassert_equal(remembered(KEY), key);
	zassert_equal(status().stream, remembered(STREAM));
	hash_fails = true;
	EXPECT(cairn_evidence(1, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_E_HASH);
	hash_fails = false;
	EXPECT(cairn_evidence(1, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	until_idle();
	zassert_true(status().hash_faults > 0);
}

BOOT_SUITE(hash_that_lies, BOOT_HASH_LIES, NULL);

ZTEST(hash_that_lies, test_the_selftest_names_it_and_stops_the_agent)
{
	uint8_t failed = 0;
	start(factory_keyless, sizeof(factory_keyless));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	hash_lies = true;
	EXPECT(cairn_selftest(PATIENCE_MS, &failed), CAIRN_E_SELFTEST);
	zassert_equal(failed, CAIRN_PRIMITIVE_SHA256);
	hash_lies = false;
	EXPECT(reading(1), CAIRN_E_SELFTEST);
	EXPECT(cairn_flush(), CAIRN_E_SELFTEST);
	EXPECT(status().start, CAIRN_E_SELFTEST);
	zassert_equal(status().selftest_failed, CAIRN_PRIMITIVE_SHA256);
}

BOOT_SUITE(results, BOOT_LAST, NULL);

ZTEST(results, test_every_result_of_this_image_was_seen)
{
	expect_results_of(PSA);
}
