/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The last boot: what the others saw is all that the table says. */
#include "device.h"
#include "results.h"

const uint32_t last_boot = BOOT_LAST;

BOOT_SUITE(results, BOOT_LAST, NULL);

ZTEST(results, test_every_result_of_this_image_was_seen)
{
	expect_results_of(DEVICE);
}
