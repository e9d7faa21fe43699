/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The secure element's bus and power of cairn_port.h: the I2C device that the devicetree chose as cairn,secure-element
 * (dts/bindings/cairn,secure-element.yaml). Called by the agent's thread only. */
#include "cairn_port.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/i2c.h>
#include <zephyr/sys/util.h>

#if !DT_HAS_CHOSEN(cairn_secure_element)
#error "Cairn: no secure element. Describe it in a devicetree overlay and choose it: / { chosen { cairn,secure-element = &se050; }; }; \
&i2c0 { se050: se050@48 { compatible = \"cairn,secure-element\"; reg = <0x48>; }; };"
#endif

#define NODE DT_CHOSEN(cairn_secure_element)

BUILD_ASSERT(DT_ON_BUS(NODE, i2c), "cairn,secure-element must be a device on an I2C bus");
BUILD_ASSERT(DT_REG_ADDR(NODE) == CONFIG_CAIRN_SE050_I2C_ADDRESS,
	     "the address of cairn,secure-element is not CONFIG_CAIRN_SE050_I2C_ADDRESS");

static const struct device *const bus = DEVICE_DT_GET(DT_BUS(NODE));

/* Zephyr's drivers have time-outs of their own: how long a transfer may take at most is theirs to say. */
int cairn_port_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
	ARG_UNUSED(timeout_ms);
	return device_is_ready(bus) ? i2c_write(bus, bytes, (uint32_t)length, address) : -ENODEV;
}

int cairn_port_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
	ARG_UNUSED(timeout_ms);
	return device_is_ready(bus) ? i2c_read(bus, bytes, (uint32_t)length, address) : -ENODEV;
}

#if defined(CONFIG_CAIRN_SE050_POWER_GATE)

#if DT_NODE_HAS_PROP(NODE, vin_supply)

#include <zephyr/drivers/regulator.h>

static const struct device *const supply = DEVICE_DT_GET(DT_PHANDLE(NODE, vin_supply));

/* The regulator counts who wants it. */
bool cairn_port_se_power(bool on)
{
	static bool is_on;
	if (on == is_on) {
		return true;
	}
	if ((on ? regulator_enable(supply) : regulator_disable(supply)) != 0) {
		return false;
	}
	is_on = on;
	return true;
}

#elif DT_NODE_HAS_PROP(NODE, power_gpios)

#include <zephyr/drivers/gpio.h>

static const struct gpio_dt_spec power = GPIO_DT_SPEC_GET(NODE, power_gpios);

bool cairn_port_se_power(bool on)
{
	return gpio_is_ready_dt(&power) &&
	       gpio_pin_configure_dt(&power, on ? GPIO_OUTPUT_ACTIVE : GPIO_OUTPUT_INACTIVE) == 0;
}

#else
#error "Cairn: cairn,secure-element has neither power-gpios nor vin-supply: name what switches its power, or say \
CONFIG_CAIRN_SE050_POWER_GATE=n"
#endif

#endif /* CONFIG_CAIRN_SE050_POWER_GATE */
