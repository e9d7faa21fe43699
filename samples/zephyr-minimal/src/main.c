/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A counter, read every quarter of an hour, that anybody can verify. */
#include <cairn_zephyr.h>
#include <zephyr/sys/printk.h>

int main(void)
{
	(void)cairn_zephyr_start(NULL); /* logs what is missing */
	for (uint32_t reading = 0;; reading++) {
		uint64_t seq = 0;
		cairn_result_t result = cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, (const uint8_t *)&reading,
							  sizeof(reading), 60 * MSEC_PER_SEC, &seq);
		printk("record %u: %s\n", (uint32_t)seq, cairn_strerror(result));
		k_sleep(K_MINUTES(15));
	}
}
