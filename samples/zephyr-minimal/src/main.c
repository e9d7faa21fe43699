/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A counter, read every quarter of an hour, that anybody can verify. */
#include <cairn_zephyr.h>

int main(void)
{
	(void)cairn_zephyr_start(NULL);
	for (uint32_t reading = 0;; reading++) {
		(void)cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, (const uint8_t *)&reading, sizeof(reading));
		k_sleep(K_MINUTES(15));
	}
}
