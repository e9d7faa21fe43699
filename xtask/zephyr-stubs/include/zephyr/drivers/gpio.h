/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Pins. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DRIVERS_GPIO_H
#define STUB_DRIVERS_GPIO_H

#include <zephyr/device.h>

typedef uint8_t gpio_pin_t;
typedef uint16_t gpio_dt_flags_t;
typedef uint32_t gpio_flags_t;

struct gpio_dt_spec {
	const struct device *port;
	gpio_pin_t pin;
	gpio_dt_flags_t dt_flags;
};

#define GPIO_OUTPUT_INACTIVE (1U << 17)
#define GPIO_OUTPUT_ACTIVE   (1U << 18)
#define GPIO_DT_SPEC_GET(node, property) {.port = DEVICE_DT_GET((node) + STUB_PROPERTY_##property)}

bool gpio_is_ready_dt(const struct gpio_dt_spec *spec);
int gpio_pin_configure_dt(const struct gpio_dt_spec *spec, gpio_flags_t extra_flags);
int gpio_pin_set_dt(const struct gpio_dt_spec *spec, int value);

#endif
