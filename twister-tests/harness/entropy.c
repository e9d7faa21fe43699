/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The source of random bytes of the test images: made by a formula, others after each restart. It can be told to fail. */
#define DT_DRV_COMPAT cairn_test_entropy

#include "harness.h"

#include <zephyr/device.h>
#include <zephyr/drivers/entropy.h>

volatile bool entropy_fails;

static int get(const struct device *device, uint8_t *out, uint16_t length)
{
	static uint32_t state;
	static uint32_t boot = UINT32_MAX;
	ARG_UNUSED(device);
	if (entropy_fails) {
		return -EIO;
	}
	if (boot != boot_number()) {
		boot = boot_number();
		state = 2463534242u + boot;
	}
	for (uint16_t i = 0; i < length; i++) {
		/* xorshift32 */
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		out[i] = (uint8_t)(state >> 11);
	}
	return 0;
}

static DEVICE_API(entropy, api) = {
	.get_entropy = get,
};

DEVICE_DT_INST_DEFINE(0, NULL, NULL, NULL, NULL, PRE_KERNEL_1, CONFIG_ENTROPY_INIT_PRIORITY, &api);
