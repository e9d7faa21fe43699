/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Devices. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DEVICE_H
#define STUB_DEVICE_H

#include <zephyr/devicetree.h>
#include <zephyr/init.h>
#include <zephyr/sys/util.h>

struct device {
	const char *name;
};

extern const struct device stub_devices[];
#define DEVICE_DT_GET(node) (&stub_devices[(node)])

bool device_is_ready(const struct device *dev);

#endif
