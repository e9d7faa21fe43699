/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every cairn_result_t, and the test image in which the API gives it. */
#ifndef CAIRN_TEST_RESULTS_H
#define CAIRN_TEST_RESULTS_H

/* Which image reaches a result. */
enum image {
	/* Not from the API on Zephyr; the table says why. */
	NOWHERE,
	DEVICE,
	KEYS,
	PSA,
	PRODUCT,
};

/* Fails unless `image` saw every result that is said to be reached there, over all its boots, and the table has every result. */
void expect_results_of(enum image image);

#endif /* CAIRN_TEST_RESULTS_H */
