/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A device and its agent, as every test has them. */
#include "harness.h"

#include <string.h>

#include <zephyr/drivers/flash/flash_simulator.h>
#include <zephyr/stats/stats.h>
#include <zephyr/storage/flash_map.h>

/* As often as it takes the agent to get on. */
#define LOOK_MS 5

const uint8_t payload[CONFIG_CAIRN_PAYLOAD_MAX + 1];

void start(const uint8_t *factory, size_t length)
{
	cairn_config_t config = {.factory = factory, .factory_length = length};
	EXPECT(cairn_zephyr_start(&config), CAIRN_OK);
}

const cairn_status_t *status_now(void)
{
	static cairn_status_t now;
	EXPECT(cairn_status(&now), CAIRN_OK);
	return &now;
}

cairn_result_t reading(size_t length)
{
	return cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, length);
}

cairn_result_t reading_wait(uint32_t timeout_ms, uint64_t *seq)
{
	return cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, 4, timeout_ms, seq);
}

void until_idle(void)
{
	for (uint32_t waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		if (status().idle) {
			return;
		}
		k_msleep(LOOK_MS);
	}
	zassert_unreachable("the agent is never idle");
}

void until_signed(uint32_t signatures)
{
	for (uint32_t waited = 0; waited < PATIENCE_MS && status().signatures < signatures; waited += LOOK_MS) {
		k_msleep(LOOK_MS);
	}
	zassert_equal(status().signatures, signatures, "%u signatures, the signer said: %s",
		      (unsigned int)status().signatures, cairn_strerror(status().last_signer));
}

uint8_t *journal_memory(void)
{
	size_t size;
	uint8_t *memory = flash_simulator_get_memory(FIXED_PARTITION_NODE_DEVICE(DT_CHOSEN(cairn_journal)), &size);
	return memory + DT_REG_ADDR(DT_CHOSEN(cairn_journal));
}

void erase_journal(void)
{
	memset(journal_memory(), 0xff, CONFIG_CAIRN_JOURNAL_BYTES);
}

STATS_SECT_START(flash_sim_thresholds)
STATS_SECT_ENTRY32(max_write_calls)
STATS_SECT_ENTRY32(max_erase_calls)
STATS_SECT_ENTRY32(max_len)
STATS_SECT_END;

static STATS_SECT_DECL(flash_sim_thresholds) *thresholds(void)
{
	struct stats_hdr *group = stats_group_find("flash_sim_thresholds");
	zassert_not_null(group);
	return CONTAINER_OF(group, STATS_SECT_DECL(flash_sim_thresholds), s_hdr);
}

void wear_flash(bool worn)
{
	thresholds()->max_write_calls = worn ? 1 : 0;
}

void stick_flash(bool stuck)
{
	thresholds()->max_erase_calls = stuck ? 1 : 0;
}
