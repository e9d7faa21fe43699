/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The table of results.h. */
#include "results.h"

#include "harness.h"

#include <string.h>

struct reached {
	cairn_result_t result;
	enum image image;
	/* For NOWHERE: why. */
	const char *why;
};

static const struct reached table[] = {
	{CAIRN_OK, DEVICE, NULL},
	{CAIRN_E_NULL, DEVICE, NULL},
	{CAIRN_E_ARGUMENT, DEVICE, NULL},
	{CAIRN_E_NOT_INITIALISED, DEVICE, NULL},
	{CAIRN_E_ALREADY_INITIALISED, DEVICE, NULL},
	{CAIRN_E_STORAGE, DEVICE, NULL},
	{CAIRN_E_CONTEXT, DEVICE, NULL},
	{CAIRN_E_TOO_LONG, DEVICE, NULL},
	{CAIRN_E_KIND, DEVICE, NULL},
	{CAIRN_E_QUEUE_FULL, DEVICE, NULL},
	{CAIRN_E_JOURNAL_FULL, DEVICE, NULL},
	{CAIRN_E_MEDIUM, DEVICE, NULL},
	{CAIRN_E_TIMEOUT, DEVICE, NULL},
	{CAIRN_E_BUSY, DEVICE, NULL},
	{CAIRN_E_NOT_FOUND, DEVICE, NULL},
	{CAIRN_E_NOT_SEALED, DEVICE, NULL},
	{CAIRN_E_BUFFER, DEVICE, NULL},
	{CAIRN_E_FACTORY_ABSENT, DEVICE, NULL},
	{CAIRN_E_FACTORY_DAMAGED, DEVICE, NULL},
	{CAIRN_E_FACTORY_UNSUPPORTED, DEVICE, NULL},
	{CAIRN_E_ENTROPY, DEVICE, NULL},
	{CAIRN_E_SIGNER_FAULT, PRODUCT, NULL},
	{CAIRN_E_CONFLICT, KEYS, NULL},
	{CAIRN_E_LOST, DEVICE, NULL},
	{CAIRN_E_JOURNAL_FOREIGN, DEVICE, NULL},
	{CAIRN_E_JOURNAL_VERSION, DEVICE, NULL},
	{CAIRN_E_JOURNAL_GEOMETRY, DEVICE, NULL},
	{CAIRN_E_ROOT, DEVICE, NULL},
	{CAIRN_E_JOURNAL_ROLLED_BACK, KEYS, NULL},
	{CAIRN_E_COUNTER, KEYS, NULL},
	{CAIRN_E_SIGNER_NOT_PROVISIONED, PSA, NULL},
	{CAIRN_E_SIGNER_LOCKED, PRODUCT, NULL},
	{CAIRN_E_SIGNER_GONE, PRODUCT, NULL},
	{CAIRN_E_SIGNER_TIMEOUT, PRODUCT, NULL},
	{CAIRN_E_KEY_MISSING, DEVICE, NULL},
	{CAIRN_E_KEY_UNWANTED, PSA, NULL},
	{CAIRN_E_OTHER_KEY, DEVICE, NULL},
	{CAIRN_E_HASH, PSA, NULL},
	{CAIRN_E_SELFTEST, PSA, NULL},
	{CAIRN_E_KEY_STORE, KEYS, NULL},
	{CAIRN_E_KEY_SEAL, KEYS, NULL},
	{CAIRN_E_KEY_DAMAGED, KEYS, NULL},
	{CAIRN_E_KEY_NOT_ERASED, KEYS, NULL},
	{CAIRN_E_KEY_DESTROYED, KEYS, NULL},
	{CAIRN_E_COALESCED, DEVICE, NULL},
	{CAIRN_E_ENERGY_MODEL, DEVICE, NULL},
	{CAIRN_E_BATTERY, DEVICE, NULL},
};

void expect_results_of(enum image image)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		zassert_equal(table[i].result, i, "the table has a hole at %zu", i);
		zassert_equal(table[i].image == NOWHERE, table[i].why != NULL);
		zassert_true(table[i].image != image || was_seen(table[i].result), "never seen: %s",
			     cairn_strerror(table[i].result));
	}
	zassert_equal(strcmp(cairn_strerror((cairn_result_t)ARRAY_SIZE(table)), "unknown result"), 0,
		      "there is a result that the table does not have");
}
