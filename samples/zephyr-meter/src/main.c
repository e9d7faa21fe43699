/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An electricity meter: a register that counts watt-hours, read every CONFIG_METER_INTERVAL_S seconds. What becomes of the
 * readings is printed, one line an event; the shell command `cairn` shows the rest. */
#include <inttypes.h>

#include <cairn_zephyr.h>
#include <zephyr/logging/log.h>
#include <zephyr/sys/byteorder.h>

LOG_MODULE_REGISTER(meter, LOG_LEVEL_INF);

/* An unsigned integer in CBOR, always in its 4-byte form: 1 byte of type and the number, most significant byte first. */
static size_t encode(uint32_t value, uint8_t out[5])
{
	out[0] = 0x1a;
	sys_put_be32(value, &out[1]);
	return 5;
}

/* In the agent's thread: prints, and nothing else. */
static void print(const cairn_event_t *event, void *unused)
{
	ARG_UNUSED(unused);
	switch (event->kind) {
	case CAIRN_EVENT_SEALED:
		LOG_INF("batch %" PRIu32 " sealed, %" PRIu32 " records", event->batch, event->value);
		break;
	case CAIRN_EVENT_SIGNED:
		LOG_INF("batch %" PRIu32 " signed: %s", event->batch, cairn_strerror(event->result));
		break;
	case CAIRN_EVENT_SENT:
		LOG_INF("batch %" PRIu32 " sent, %" PRIu32 " bytes", event->batch, event->value);
		break;
	case CAIRN_EVENT_STORED:
		LOG_INF("batch %" PRIu32 " stored", event->batch);
		break;
	case CAIRN_EVENT_INCLUDED:
		LOG_INF("batch %" PRIu32 " included", event->batch);
		break;
	case CAIRN_EVENT_FINAL:
		LOG_INF("batch %" PRIu32 " final", event->batch);
		break;
	case CAIRN_EVENT_EXCHANGE_FAILED:
		LOG_WRN("exchange failed, link %d code %" PRIu32, (int)event->link, event->value);
		break;
	case CAIRN_EVENT_REFUSED:
		LOG_WRN("a record was refused: %s", cairn_strerror(event->result));
		break;
	default:
		break;
	}
}

int main(void)
{
	cairn_result_t result = cairn_zephyr_start(NULL);
	if (result != CAIRN_OK) {
		LOG_ERR("Cairn does not start: %s", cairn_strerror(result));
		return 0;
	}
	(void)cairn_set_event_callback(print, NULL);
	LOG_INF("meter runs");
	for (uint32_t register_wh = 4823177;; register_wh += 125) {
		uint8_t payload[5];
		uint64_t seq;
		result = cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, encode(register_wh, payload),
					   60 * MSEC_PER_SEC, &seq);
		if (result == CAIRN_OK) {
			LOG_INF("reading %" PRIu32 ": %" PRIu32 " Wh", (uint32_t)seq, register_wh);
		} else {
			LOG_WRN("reading not taken: %s", cairn_strerror(result));
		}
		k_sleep(K_SECONDS(CONFIG_METER_INTERVAL_S));
	}
}
