/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Shell commands: what a technician with a cable asks a device. Each line is "name: value", one of a kind, with names that stay; what
 * fails says so in one line that begins with "error: ", and the command returns it. Runs in the shell's thread; changes nothing but
 * by `flush`. */
#include "cairn_zephyr.h"

#include <errno.h>
#include <inttypes.h>

#include <zephyr/shell/shell.h>
#include <zephyr/sys/util.h>

/* A self-test takes as long as two signatures; the agent may be at another one, and erase flash. */
#define SELFTEST_TIMEOUT_MS 60000u

static int told(const struct shell *shell, cairn_result_t result)
{
	if (result == CAIRN_OK) {
		return 0;
	}
	shell_error(shell, "error: %s", cairn_strerror(result));
	return -EIO;
}

static void print_text(const struct shell *shell, const char *name, const char *value)
{
	shell_print(shell, "%s: %s", name, value);
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
	print_text(shell, name, at);
}

static void print_batch(const struct shell *shell, const char *name, uint32_t batch)
{
	if (batch == CAIRN_NO_BATCH) {
		print_text(shell, name, "none");
	} else {
		print_number(shell, name, batch);
	}
}

static void print_bytes(const struct shell *shell, const char *name, const uint8_t *bytes, size_t length)
{
	char digits[2 * 32 + 1];
	(void)bin2hex(bytes, length, digits, sizeof(digits));
	shell_print(shell, "%s: 0x%s", name, digits);
}

static const char *name_in(const char *const *names, size_t count, uint32_t number)
{
	return number < count ? names[number] : "unknown";
}

/* Why the agent does not run, if it does not: then the other lines are those of a start. */
static int look(const struct shell *shell, cairn_status_t *now)
{
	cairn_result_t result = cairn_status(now);
	if (result == CAIRN_OK && now->start != CAIRN_OK) {
		shell_error(shell, "error: the agent could not start: %s", cairn_strerror(now->start));
		return -EIO;
	}
	return told(shell, result);
}

static int status(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	static const char *const qualities[] = {"boot", "relay", "network", "authenticated"};
	static const char *const rotations[] = {"none", "announced", "signed"};
	cairn_status_t now;
	int error = look(shell, &now);
	if (error != 0) {
		return error;
	}
	print_bytes(shell, "device", now.device, sizeof(now.device));
	print_bytes(shell, "key", now.key, sizeof(now.key));
	print_text(shell, "rotation", name_in(rotations, ARRAY_SIZE(rotations), now.rotation));
	shell_print(shell, "stream: %08" PRIx32 "%08" PRIx32, (uint32_t)(now.stream >> 32), (uint32_t)now.stream);
	print_number(shell, "next_record", now.next_seq);
	print_number(shell, "unsealed_records", now.unsealed);
	print_number(shell, "unsent_batches", now.unsent);
	print_batch(shell, "stored_through", now.stored_through);
	print_batch(shell, "included_through", now.included_through);
	print_batch(shell, "final_through", now.final_through);
	print_number(shell, "clock_ms", now.wall_ms);
	print_text(shell, "clock_from", name_in(qualities, ARRAY_SIZE(qualities), now.wall_quality));
	print_text(shell, "idle", now.idle ? "yes" : "no");
	return 0;
}

static int stats(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	static const char *const links[] = {"ok", "refused", "timeout", "unreachable", "rejected", "sequence_exhausted", "unusable"};
	cairn_status_t now;
	int error = look(shell, &now);
	if (error != 0) {
		return error;
	}
	print_number(shell, "accepted", now.accepted);
	print_number(shell, "queue_full", now.queue_full);
	print_number(shell, "journal_full", now.journal_full);
	print_number(shell, "displaced", now.displaced);
	print_number(shell, "refused", now.refused);
	print_number(shell, "coalesced", now.coalesced);
	print_number(shell, "signatures", now.signatures);
	print_number(shell, "signer_failures", now.signer_failures);
	print_text(shell, "last_signer", cairn_strerror(now.last_signer));
	print_number(shell, "rotations", now.rotations);
	print_number(shell, "hash_faults", now.hash_faults);
	print_number(shell, "exchanges", now.exchanges);
	print_number(shell, "exchange_failures", now.exchange_failures);
	print_text(shell, "last_link", name_in(links, ARRAY_SIZE(links), (uint32_t)now.last_link));
	print_number(shell, "last_link_code", now.last_link_code);
	print_number(shell, "datagrams_up", now.datagrams_up);
	print_number(shell, "datagrams_down", now.datagrams_down);
	print_number(shell, "bytes_up", now.bytes_up);
	print_number(shell, "bytes_down", now.bytes_down);
	print_number(shell, "clock_steps", now.clock_steps);
	print_number(shell, "clock_steps_refused", now.clock_steps_refused);
#if defined(CONFIG_CAIRN_AT_MODEM)
	print_number(shell, "modem_bytes_lost", cairn_zephyr_uart_lost());
#endif
	print_number(shell, "stack_bytes", CONFIG_CAIRN_TASK_STACK_BYTES);
	print_number(shell, "stack_used", cairn_zephyr_stack_used());
	return 0;
}

static int energy(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	static const char *const steps[] = {"none", "longer_intervals", "hash_only", "urgent_only"};
	cairn_status_t now;
	int error = look(shell, &now);
	if (error != 0) {
		return error;
	}
	print_text(shell, "degradation", name_in(steps, ARRAY_SIZE(steps), now.degradation));
	print_number(shell, "saved_uj", now.energy_uj);
	print_number(shell, "reserve_uj", now.energy_reserve_uj);
	print_number(shell, "debt_uj", now.energy_debt_uj);
	print_number(shell, "charged_uj", now.energy_charged_uj);
	print_number(shell, "refill_uw", now.energy_refill_uw);
	print_text(shell, "flush_waits", now.flush_waits ? "yes" : "no");
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
	int error = look(shell, &now);
	if (error != 0) {
		return error;
	}
	print_number(shell, "bytes", CONFIG_CAIRN_JOURNAL_BYTES);
	print_number(shell, "word_bytes", CONFIG_CAIRN_FLASH_WRITE_SIZE);
	print_number(shell, "erase_unit_bytes", CONFIG_CAIRN_FLASH_ERASE_SIZE);
	print_number(shell, "oldest_record", now.oldest_seq);
	print_number(shell, "next_record", now.next_seq);
	print_number(shell, "next_batch", now.next_batch);
	print_text(shell, "after_rollback", now.after_rollback ? "yes" : "no");
	return 0;
}

static int flush(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	int error = told(shell, cairn_flush());
	if (error == 0) {
		print_text(shell, "flush", "asked");
	}
	return error;
}

static int selftest(const struct shell *shell, size_t count, char **arguments)
{
	ARG_UNUSED(count);
	ARG_UNUSED(arguments);
	uint8_t failed = CAIRN_PRIMITIVE_NONE;
	cairn_result_t result = cairn_selftest(SELFTEST_TIMEOUT_MS, &failed);
	if (result == CAIRN_OK || result == CAIRN_E_SELFTEST) {
		print_text(shell, "selftest", result == CAIRN_OK ? "passed" : "failed");
		print_text(shell, "failed", cairn_primitive_name(failed));
	}
	return told(shell, result);
}

SHELL_STATIC_SUBCMD_SET_CREATE(commands,
	SHELL_CMD_ARG(status, NULL, "Device, stream, batches and clock: where the agent stands", status, 1, 0),
	SHELL_CMD_ARG(queue, NULL, "Records that wait for the agent's thread", queue, 1, 0),
	SHELL_CMD_ARG(flush, NULL, "Seal and send what there is, now", flush, 1, 0),
	SHELL_CMD_ARG(selftest, NULL, "Known answers of every primitive; a failure stops the agent", selftest, 1, 0),
	SHELL_CMD_ARG(stats, NULL, "Counters since boot", stats, 1, 0),
	SHELL_CMD_ARG(energy, NULL, "What may be spent, in microjoules, and how far it makes the device do less", energy, 1, 0),
	SHELL_CMD_ARG(journal, NULL, "What the journal holds", journal, 1, 0),
	SHELL_SUBCMD_SET_END);

SHELL_CMD_REGISTER(cairn, &commands, "Cairn: records that anybody can verify", NULL);
