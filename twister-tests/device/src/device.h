/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The boots of this image, in their order. */
#ifndef CAIRN_TEST_DEVICE_H
#define CAIRN_TEST_DEVICE_H

#include "fixtures.h"
#include "harness.h"

enum boots {
	/* journal.c: each finds what the one before left */
	BOOT_JOURNAL_FIRST,
	BOOT_JOURNAL_SECOND,
	BOOT_JOURNAL_OTHER_DEVICE,
	BOOT_JOURNAL_FOREIGN,
	BOOT_JOURNAL_VERSION,
	BOOT_JOURNAL_GEOMETRY,
	BOOT_JOURNAL_GIVEN_UP,
	/* misuse.c */
	BOOT_BEFORE_INIT,
	BOOT_WRONG_INIT,
	BOOT_WRONG_CALLS,
	BOOT_NO_START,
	/* load.c */
	BOOT_QUEUE,
	BOOT_WAITS,
	BOOT_FLASH,
	BOOT_ROTTEN,
	/* agent.c: each begins a new journal; what load.c sent nowhere nearly fills 12 kB */
	BOOT_AGENT,
	BOOT_RATTLED,
	/* exchange.c */
	BOOT_EXCHANGE,
	/* shell.c */
	BOOT_SHELL,
	/* firmware.c: the last begins a new journal */
	BOOT_FIRMWARE,
	BOOT_FIRMWARE_AGAIN,
	BOOT_FIRMWARE_FIRST,
	/* load.c again: it leaves no room */
	BOOT_FULL_JOURNAL,
	/* results.c */
	BOOT_LAST,
};

/* journal.c: what cairn_evidence gave; one for all, for want of RAM. */
extern uint8_t evidence[CAIRN_EVIDENCE_MAX];

#endif /* CAIRN_TEST_DEVICE_H */
