/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What each choice of Kconfig changes, one image a choice (testcase.yaml): the same device, with another signer, transport or policy. */
#include "fixtures.h"
#include "harness.h"

#include <string.h>

const uint32_t last_boot = 0;

#if defined(CONFIG_CAIRN_SIGNER_P256)
#define FACTORY factory_p256
#elif defined(CONFIG_CAIRN_ROOT_FACTORY_KEY)
#define FACTORY factory_attested
#else
#define FACTORY factory_meter
#endif

BOOT_SUITE(variant, 0, NULL);

ZTEST(variant, test_a_a_batch_is_signed_and_proven)
{
	static uint8_t evidence[CAIRN_EVIDENCE_MAX];
	uint64_t seq;
	size_t length;
	start(FACTORY, sizeof(FACTORY));
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(1);
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	zassert_true(length > 200 && length <= sizeof(evidence), "%u", (unsigned int)length);
	EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_OK);
}

ZTEST(variant, test_b_it_goes_by_the_transport_that_was_chosen)
{
	until_idle();
#if defined(CONFIG_CAIRN_AT_MODEM)
	zassert_true(status().exchanges > 0);
#else
	zassert_true(datagrams_to_nobody > 0);
#endif
}

#if defined(CONFIG_CAIRN_AT_MODEM)
#include <zephyr/drivers/serial/uart_emul.h>

ZTEST(variant, test_c_the_modem_is_spoken_to_in_at_commands)
{
	const struct device *modem = DEVICE_DT_GET(DT_CHOSEN(cairn_modem));
	char said[64] = "";
	uint32_t length = uart_emul_get_tx_data(modem, (uint8_t *)said, sizeof(said) - 1);
	zassert_true(length >= 3);
	zassert_equal(strncmp(said, "AT", 2), 0, "%s", said);
	zassert_not_null(strchr(said, '\r'));
	zassert_equal(cairn_zephyr_uart_lost(), 0);
}
#endif

#if defined(CONFIG_CAIRN_ROOT_FACTORY_KEY)
ZTEST(variant, test_c_the_factory_key_vouches_for_the_device)
{
	static const uint8_t nonce[CAIRN_NONCE_BYTES] = {0x6e};
	static uint8_t out[CAIRN_ENDORSEMENT_MAX];
	size_t length = 0;
	EXPECT(cairn_endorse(nonce, out, sizeof(out), &length, PATIENCE_MS), CAIRN_OK);
	zassert_true(length > 200);
	size_t whole = length;
	EXPECT(cairn_endorse(nonce, out, whole - 1, &length, PATIENCE_MS), CAIRN_E_BUFFER);
}
#endif

/* Last: it leaves no room. */
ZTEST(variant, test_z_a_full_journal_refuses_urgent_records_too)
{
	cairn_result_t result = CAIRN_OK;
	for (uint32_t i = 0; i < CONFIG_CAIRN_JOURNAL_BYTES && result == CAIRN_OK; i++) {
		result = cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, CONFIG_CAIRN_PAYLOAD_MAX,
					   PATIENCE_MS, NULL);
	}
	EXPECT(result, CAIRN_E_JOURNAL_FULL);
	EXPECT(cairn_submit_wait(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, CONFIG_CAIRN_PAYLOAD_MAX, PATIENCE_MS, NULL),
	       CAIRN_E_JOURNAL_FULL);
	until_idle();
	zassert_equal(status().displaced, 0);
}
