/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Each shell command, on the dummy backend: what it prints, and what it returns. */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zephyr/shell/shell.h>
#include <zephyr/shell/shell_dummy.h>

static const char *printed;

/* Runs a command; `printed` is what it said. */
static int run(const char *command)
{
	const struct shell *shell = shell_backend_dummy_get_ptr();
	size_t length;
	shell_backend_dummy_clear_output(shell);
	int result = shell_execute_cmd(shell, command);
	printed = shell_backend_dummy_get_output(shell, &length);
	return result;
}

/* Whether a line "name: value" was printed. */
static bool says(const char *name, const char *value)
{
	size_t length = strlen(name);
	for (const char *at = printed; (at = strstr(at, name)) != NULL; at += length) {
		if ((at == printed || at[-1] == '\n') && strncmp(at + length, ": ", 2) == 0) {
			at += length + 2;
			return strncmp(at, value, strlen(value)) == 0 &&
			       (at[strlen(value)] == '\r' || at[strlen(value)] == '\n' || value[0] == '\0');
		}
	}
	return false;
}

static bool says_number(const char *name, uint32_t value)
{
	char text[11];
	(void)snprintf(text, sizeof(text), "%u", (unsigned int)value);
	return says(name, text);
}

BOOT_SUITE(shell, BOOT_SHELL, NULL);

ZTEST(shell, test_a_before_the_agent_runs_each_command_says_so)
{
	static const char *const commands[] = {"cairn status", "cairn stats", "cairn energy", "cairn journal", "cairn flush", "cairn selftest"};
	zassert_true(WAIT_FOR(shell_ready(shell_backend_dummy_get_ptr()), 20 * USEC_PER_SEC, k_msleep(1)));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		zassert_equal(run(commands[i]), -EIO, "%s", commands[i]);
		zassert_true(says("error", "cairn_init was not called or failed"), "%s", printed);
	}
}

ZTEST(shell, test_b_status_tells_where_the_agent_stands)
{
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	zassert_ok(run("cairn status"));
	zassert_true(says_number("next_record", (uint32_t)status().next_seq), "%s", printed);
	zassert_true(says_number("unsealed_records", status().unsealed), "%s", printed);
	zassert_true(says("final_through", "none"), "%s", printed);
	zassert_true(says("clock_from", "boot"), "%s", printed);
	zassert_true(says("rotation", "none"), "%s", printed);
	zassert_true(says("idle", "yes"), "%s", printed);
	zassert_not_null(strstr(printed, "device: 0x"), "%s", printed);
}

ZTEST(shell, test_c_queue_journal_and_stats_tell_their_numbers)
{
	cairn_status_t now = status();
	zassert_ok(run("cairn queue"));
	zassert_true(says_number("waiting", 0) && says_number("room", CONFIG_CAIRN_QUEUE_LENGTH), "%s", printed);
	zassert_ok(run("cairn journal"));
	zassert_true(says_number("bytes", CONFIG_CAIRN_JOURNAL_BYTES), "%s", printed);
	zassert_true(says_number("next_record", (uint32_t)now.next_seq), "%s", printed);
	zassert_true(says_number("next_batch", now.next_batch), "%s", printed);
	zassert_ok(run("cairn stats"));
	zassert_true(says_number("accepted", (uint32_t)now.accepted), "%s", printed);
	zassert_true(says_number("signatures", now.signatures), "%s", printed);
	zassert_true(says("last_signer", "done"), "%s", printed);
	zassert_true(says_number("coalesced", 0), "%s", printed);
	zassert_true(says_number("stack_bytes", CONFIG_CAIRN_TASK_STACK_BYTES), "%s", printed);
}

ZTEST(shell, test_c_energy_tells_what_may_be_spent)
{
	zassert_ok(run("cairn energy"));
	zassert_true(says("degradation", "none"), "%s", printed);
	zassert_true(says_number("refill_uw", status().energy_refill_uw), "%s", printed);
	zassert_true(says_number("charged_uj", (uint32_t)status().energy_charged_uj), "%s", printed);
	zassert_true(says_number("debt_uj", 0), "%s", printed);
	zassert_true(says("flush_waits", "no"), "%s", printed);
}

ZTEST(shell, test_d_flush_seals_and_selftest_passes)
{
	uint32_t signatures = status().signatures;
	zassert_ok(run("cairn flush"));
	zassert_true(says("flush", "asked"), "%s", printed);
	until_signed(signatures + 1);
	zassert_equal(status().unsealed, 0);
	zassert_ok(run("cairn selftest"));
	zassert_true(says("selftest", "passed") && says("failed", "none"), "%s", printed);
}

ZTEST(shell, test_e_what_it_does_not_know_is_refused)
{
	zassert_not_equal(run("cairn format"), 0);
	zassert_not_equal(run("cairn status now"), 0);
}
