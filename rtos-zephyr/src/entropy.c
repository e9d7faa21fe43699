/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Entropy of cairn_port.h: Zephyr's cryptographically secure generator, or, where a build says by name that it must not be
 * trusted, its test generator. Called in cairn_init and by the agent's thread. */
#include "cairn_port.h"

#include <zephyr/random/random.h>

#if defined(CONFIG_CAIRN_INSECURE_ENTROPY)

bool cairn_port_entropy(uint8_t *out, size_t length)
{
	sys_rand_get(out, length);
	return true;
}

/* native_sim's driver counts as secure to Zephyr, and gives the same numbers at each start. Zephyr 4.2 gave it its second name. */
#elif defined(CONFIG_CSPRNG_ENABLED) && !defined(CONFIG_TEST_CSPRNG_GENERATOR) &&                                      \
	!defined(CONFIG_FAKE_ENTROPY_NATIVE_POSIX) && !defined(CONFIG_FAKE_ENTROPY_NATIVE_SIM)

bool cairn_port_entropy(uint8_t *out, size_t length)
{
	return sys_csrand_get(out, length) == 0;
}

#else
#error "Cairn: this board has no entropy driver (zephyr,entropy): streams and signatures would be guessed. Enable one, or, for a \
test that guards nothing, say CONFIG_CAIRN_INSECURE_ENTROPY=y"
#endif
