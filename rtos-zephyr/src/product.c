/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What only the product can supply of cairn_port.h, for builds that ask for it: each function is weak and says that there is none, so
 * that the agent does not start, and the log says why. A product defines those that it has. */
#include "cairn_port.h"

#include <zephyr/logging/log.h>
#include <zephyr/sys/util.h>
#include <zephyr/toolchain.h>

LOG_MODULE_DECLARE(cairn, CONFIG_CAIRN_LOG_LEVEL);

#if defined(CONFIG_CAIRN_KEY_AT_REST_SEALED)
__weak bool cairn_port_device_secret(uint8_t *secret)
{
	ARG_UNUSED(secret);
	LOG_ERR("the product defines no cairn_port_device_secret: no key can be sealed");
	return false;
}
#endif

#if defined(CONFIG_CAIRN_KEY_NOISE)
__weak bool cairn_port_noise(uint8_t *sample)
{
	ARG_UNUSED(sample);
	LOG_ERR("the product defines no cairn_port_noise: no key can be drawn");
	return false;
}
#endif

#if defined(CONFIG_CAIRN_MONOTONIC)
__weak bool cairn_port_counter_read(uint8_t mark, uint64_t *value)
{
	ARG_UNUSED(mark);
	ARG_UNUSED(value);
	LOG_ERR("the product defines no cairn_port_counter_read");
	return false;
}

__weak bool cairn_port_counter_raise(uint8_t mark, uint64_t value)
{
	ARG_UNUSED(mark);
	ARG_UNUSED(value);
	LOG_ERR("the product defines no cairn_port_counter_raise");
	return false;
}
#endif

#if defined(CONFIG_CAIRN_SE050_SCP03)
__weak bool cairn_port_se_keys(uint8_t *version, uint8_t *enc, uint8_t *mac)
{
	ARG_UNUSED(version);
	ARG_UNUSED(enc);
	ARG_UNUSED(mac);
	LOG_ERR("the product defines no cairn_port_se_keys: the secure element stays locked");
	return false;
}
#endif
