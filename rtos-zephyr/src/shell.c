/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Shell commands: what a technician with a cable asks a device. Runs in the shell's thread; changes nothing but by `flush`. */
#include "cairn_zephyr.h"

#include <inttypes.h>
#include <stdlib.h>

#include <zephyr/shell/shell.h>

static int told(const struct shell *shell, cairn_result_t result)
{
	if (result == CAIRN_OK) {
		return 0;
	}
	shell_error(shell, "%s", cairn_strerror(result));
	return -EIO;
}

/* 64-bit numbers without the C library's help: the minimal one prints none unless told to. */
static void print_number(const struct shell *shell, const char *name, uint64_t value)
{
	char digits[21];
	char *at = &digits[sizeof(digits) - 1];
	*at = '\0';
	do {
		*--at = (char)('0' + value % 10u);
		value /= 10u;
	} while (value != 0);
	shell_print(shell, "%-18s %s", name, at);
}

static void print_batch(const struct shell *shell, const char *name, uint32_t batch)
{
	if (batch == CAIRN_NO_BATCH) {
		shell_print(shell, "%-18s none", name);
	} else {
		print_number(shell, name, batch);
	}
}

static int status(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	static const char *const qualities[] = {"since boot", "relay", "network", "authenticated"};
	cairn_status_t now;
	cairn_result_t result = cairn_status(&now);
	if (result != CAIRN_OK) {
		return told(shell, result);
	}
	if (now.start != CAIRN_OK) {
		shell_error(shell, "the agent could not start: %s", cairn_strerror(now.start));
	}
	char device[2 * sizeof(now.device) + 1];
	(void)bin2hex(now.device, sizeof(now.device), device, sizeof(device));
	shell_print(shell, "%-18s 0x%s", "device", device);
	shell_print(shell, "%-18s %08" PRIx32 "%08" PRIx32, "stream", (uint32_t)(now.stream >> 32), (uint32_t)now.stream);
	print_number(shell, "next record", now.next_seq);
	print_number(shell, "unsealed", now.unsealed);
	print_number(shell, "unsent batches", now.unsent);
	print_batch(shell, "stored through", now.stored_through);
	print_batch(shell, "included through", now.included_through);
	print_batch(shell, "final through", now.final_through);
	print_number(shell, "wall clock ms", now.wall_ms);
	shell_print(shell, "%-18s %s", "clock set from",
		    now.wall_quality < ARRAY_SIZE(qualities) ? qualities[now.wall_quality] : "?");
	shell_print(shell, "%-18s %s", "idle", now.idle ? "yes" : "no");
	return 0;
}

static int stats(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	cairn_status_t now;
	cairn_result_t result = cairn_status(&now);
	if (result != CAIRN_OK) {
		return told(shell, result);
	}
	print_number(shell, "accepted", now.accepted);
	print_number(shell, "queue full", now.queue_full);
	print_number(shell, "journal full", now.journal_full);
	print_number(shell, "displaced", now.displaced);
	print_number(shell, "refused", now.refused);
	print_number(shell, "signatures", now.signatures);
	print_number(shell, "signer failures", now.signer_failures);
	print_number(shell, "exchanges", now.exchanges);
	print_number(shell, "failed exchanges", now.exchange_failures);
	print_number(shell, "datagrams up", now.datagrams_up);
	print_number(shell, "datagrams down", now.datagrams_down);
	print_number(shell, "bytes up", now.bytes_up);
	print_number(shell, "bytes down", now.bytes_down);
	print_number(shell, "clock steps", now.clock_steps);
	return 0;
}

static int queue(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	print_number(shell, "waiting", cairn_zephyr_queued());
	print_number(shell, "room", CONFIG_CAIRN_QUEUE_LENGTH);
	return 0;
}

static int journal(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	cairn_status_t now;
	cairn_result_t result = cairn_status(&now);
	if (result != CAIRN_OK) {
		return told(shell, result);
	}
	print_number(shell, "bytes", CONFIG_CAIRN_JOURNAL_BYTES);
	print_number(shell, "oldest record", now.oldest_seq);
	print_number(shell, "next record", now.next_seq);
	print_number(shell, "next batch", now.next_batch);
	shell_print(shell, "%-18s %s", "after rollback", now.after_rollback ? "yes" : "no");
	return 0;
}

static int flush(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	return told(shell, cairn_flush());
}

SHELL_STATIC_SUBCMD_SET_CREATE(commands,
	SHELL_CMD(status, NULL, "Where the agent stands", status),
	SHELL_CMD(queue, NULL, "Records that wait for the agent's thread", queue),
	SHELL_CMD(flush, NULL, "Seal and send what there is, now", flush),
	SHELL_CMD(stats, NULL, "Counters since boot", stats),
	SHELL_CMD(journal, NULL, "What the journal holds", journal),
	SHELL_SUBCMD_SET_END);

SHELL_CMD_REGISTER(cairn, &commands, "Cairn: records that anybody can verify", NULL);
