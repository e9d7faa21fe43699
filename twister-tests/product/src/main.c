/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A signer and a transport of the product's own. The signer holds the private key 1, whose public key is the generator of secp256k1,
 * and signs with the nonce 1: (r, s) = (Gx, digest + Gx), which any verifier accepts and anybody can forge. It fails as it is told. */
#include "fixtures.h"
#include "harness.h"
#include "results.h"

#include <cairn_port.h>
#include <string.h>

enum boots {
	BOOT_GONE,
	BOOT_TIMEOUT,
	BOOT_LOCKED,
	BOOT_NO_POINT,
	BOOT_SIGNS,
	BOOT_LAST,
};

const uint32_t last_boot = BOOT_LAST;

/* After GONE and TIMEOUT the agent looks again a minute later. */
#define NOT_YET_MS (50 * MSEC_PER_SEC)
#define AGAIN_MS   (30 * MSEC_PER_SEC)

/* SEC 2, section 2.4.1: G and n. */
static const uint8_t generator[64] = {
	0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
	0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
	0x48, 0x3a, 0xda, 0x77, 0x26, 0xa3, 0xc4, 0x65, 0x5d, 0xa4, 0xfb, 0xfc, 0x0e, 0x11, 0x08, 0xa8,
	0xfd, 0x17, 0xb4, 0x48, 0xa6, 0x85, 0x54, 0x19, 0x9c, 0x47, 0xd0, 0x8f, 0xfb, 0x10, 0xd4, 0xb8,
};
static const uint8_t order[32] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
	0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
};

/* ---- the product ---- */

static volatile cairn_result_t signer_says = CAIRN_OK;
static volatile bool key_is_no_point;
static volatile bool signature_is_wrong;
static volatile unsigned int asked;

int cairn_port_signer_public_key(uint8_t xy[64])
{
	asked++;
	memcpy(xy, generator, sizeof(generator));
	xy[63] ^= key_is_no_point;
	return (int)signer_says;
}

/* sum += addend, both most significant byte first; the carry out. */
static unsigned int add(uint8_t sum[32], const uint8_t addend[32])
{
	unsigned int carry = 0;
	for (int i = 31; i >= 0; i--) {
		carry += (unsigned int)sum[i] + addend[i];
		sum[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return carry;
}

static void subtract_order(uint8_t from[32])
{
	int borrow = 0;
	for (int i = 31; i >= 0; i--) {
		int difference = (int)from[i] - order[i] - borrow;
		from[i] = (uint8_t)difference;
		borrow = difference < 0;
	}
}

int cairn_port_signer_sign(const uint8_t digest[32], uint8_t signature[64])
{
	memcpy(signature, generator, 32);
	memcpy(&signature[32], digest, 32);
	if (add(&signature[32], generator) != 0 || memcmp(&signature[32], order, 32) >= 0) {
		subtract_order(&signature[32]);
	}
	signature[63] ^= signature_is_wrong;
	return (int)signer_says;
}

/* ---- the tests ---- */

static void start_device(void)
{
	start(factory_keyless, sizeof(factory_keyless));
}

static void until_start(cairn_result_t result)
{
	for (uint32_t waited = 0; waited < PATIENCE_MS && status().start != result; waited += 100) {
		k_msleep(100);
	}
	EXPECT(status().start, result);
}

/* A signer that may come back: looked for again, not before its time. */
static void comes_back(cairn_result_t why)
{
	signer_says = why;
	start_device();
	until_start(why);
	EXPECT(reading(4), why);
	unsigned int before = asked;
	signer_says = CAIRN_OK;
	EXPECT(cairn_wake(), CAIRN_OK);
	k_msleep(NOT_YET_MS);
	zassert_equal(asked, before);
	EXPECT(status().start, why);
	k_msleep(AGAIN_MS);
	EXPECT(status().start, CAIRN_OK);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
}

/* One that will not. */
static void stays_away(cairn_result_t why)
{
	start_device();
	until_start(why);
	EXPECT(reading_wait(PATIENCE_MS, NULL), why);
	EXPECT(cairn_selftest(PATIENCE_MS, NULL), why);
}

BOOT_SUITE(gone, BOOT_GONE, NULL);

ZTEST(gone, test_a_signer_that_does_not_answer_is_looked_for_again)
{
	comes_back(CAIRN_E_SIGNER_GONE);
}

BOOT_SUITE(timeout, BOOT_TIMEOUT, NULL);

ZTEST(timeout, test_a_signer_that_is_late_is_looked_for_again)
{
	comes_back(CAIRN_E_SIGNER_TIMEOUT);
}

BOOT_SUITE(locked, BOOT_LOCKED, NULL);

ZTEST(locked, test_a_signer_that_is_locked_stops_the_agent)
{
	signer_says = CAIRN_E_SIGNER_LOCKED;
	stays_away(CAIRN_E_SIGNER_LOCKED);
}

BOOT_SUITE(no_point, BOOT_NO_POINT, NULL);

ZTEST(no_point, test_a_public_key_that_is_none_counts_as_not_provisioned)
{
	key_is_no_point = true;
	stays_away(CAIRN_E_SIGNER_NOT_PROVISIONED);
}

BOOT_SUITE(signs, BOOT_SIGNS, NULL);

ZTEST(signs, test_a_batch_waits_for_a_signature_that_verifies)
{
	static uint8_t evidence[CAIRN_EVIDENCE_MAX];
	uint8_t key[CAIRN_PUBLIC_KEY_BYTES];
	uint64_t seq;
	size_t length;
	start_device();
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	until_idle();
	EXPECT(cairn_public_key(key), CAIRN_OK);
	zassert_equal(key[0], 2 + (generator[63] & 1));
	zassert_mem_equal(&key[1], generator, 32);
	signature_is_wrong = true;
	EXPECT(cairn_flush(), CAIRN_OK);
	k_msleep(2000);
	EXPECT(status().last_signer, CAIRN_E_SIGNER_FAULT);
	zassert_equal(status().signatures, 0);
	zassert_equal(datagrams_to_nobody, 0);
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_E_NOT_SEALED);
	uint32_t failures = status().signer_failures;
	zassert_true(failures > 0);
	/* Meanwhile records are journaled. */
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	signature_is_wrong = false;
	EXPECT(cairn_flush(), CAIRN_OK);
	for (uint32_t waited = 0; waited < 600000 && status().signatures == 0; waited += 1000) {
		k_msleep(1000);
	}
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_OK);
	/* It is sent, and nobody answers. */
	for (uint32_t waited = 0; waited < 600000 && status().exchange_failures == 0; waited += 1000) {
		k_msleep(1000);
	}
	zassert_true(datagrams_to_nobody > 0);
	zassert_equal(status().datagrams_up, datagrams_to_nobody);
	zassert_equal(status().exchange_failures, 1);
	zassert_equal(status().last_link, CAIRN_LINK_TIMEOUT);
}

BOOT_SUITE(results, BOOT_LAST, NULL);

ZTEST(results, test_every_result_of_this_image_was_seen)
{
	expect_results_of(PRODUCT);
}
