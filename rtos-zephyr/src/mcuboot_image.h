/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What MCUboot's image format says of an image: its version and its hash. Included by firmware.c, and by a test on the host. */
#ifndef CAIRN_MCUBOOT_IMAGE_H
#define CAIRN_MCUBOOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAIRN_IMAGE_HASH_BYTES  32u
/* "255.255.65535+4294967295" and a NUL. */
#define CAIRN_IMAGE_VERSION_MAX 25u

/* What an image says of itself. */
struct cairn_image {
	char version[CAIRN_IMAGE_VERSION_MAX];
	uint8_t hash[CAIRN_IMAGE_HASH_BYTES];
};

/* Reads length bytes at offset of the slot; false when that failed. */
typedef bool (*cairn_image_read_t)(void *context, uint32_t offset, void *to, size_t length);

/* Reads the image at the beginning of a slot of `size` bytes: its header, and the SHA-256 in its trailer, which the boot loader
 * checked; it is not computed again here. Reads nothing outside the slot, whatever the slot holds. False when there is no image,
 * it has no SHA-256, or cannot be read. */
bool cairn_image_find(cairn_image_read_t read, void *context, uint32_t size, struct cairn_image *image);

#endif /* CAIRN_MCUBOOT_IMAGE_H */
