/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reads MCUboot's image format, as its design document has it: a header of 32 bytes or more, the program, perhaps a list of
 * protected TLVs, and a list of TLVs with the hash in it. All numbers are little-endian. Called by firmware.c; no Zephyr in here. */
#include "mcuboot_image.h"

#include <stdio.h>

#define HEADER_MAGIC    0x96f3b83du
#define HEADER_BYTES    32u
#define TLV_MAGIC       0x6907u
#define PROTECTED_MAGIC 0x6908u
/* Of the list's beginning (magic and length of all of it) and of each entry's (type and length of its value). */
#define TLV_BYTES       4u
#define TLV_SHA256      0x10u
/* More than any image has. */
#define TLV_MAX         64u

static uint16_t le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t le32(const uint8_t *at)
{
	return (uint32_t)le16(at) | (uint32_t)le16(at + 2) << 16;
}

struct slot {
	cairn_image_read_t read;
	void *context;
	uint32_t size;
};

static bool read_at(const struct slot *slot, uint64_t offset, void *to, size_t length)
{
	return offset + length <= slot->size && slot->read(slot->context, (uint32_t)offset, to, length);
}

/* Looks for the hash in the list of TLVs at offset. */
static bool find_hash(const struct slot *slot, uint64_t offset, uint8_t hash[CAIRN_IMAGE_HASH_BYTES])
{
	uint8_t head[TLV_BYTES];
	if (!read_at(slot, offset, head, sizeof(head)) || le16(head) != TLV_MAGIC) {
		return false;
	}
	uint64_t end = offset + le16(head + 2);
	offset += TLV_BYTES;
	for (unsigned int i = 0; i < TLV_MAX && offset + TLV_BYTES <= end; i++) {
		if (!read_at(slot, offset, head, sizeof(head))) {
			return false;
		}
		uint16_t length = le16(head + 2);
		offset += TLV_BYTES;
		if (le16(head) == TLV_SHA256) {
			return length == CAIRN_IMAGE_HASH_BYTES && offset + length <= end &&
			       read_at(slot, offset, hash, length);
		}
		offset += length;
	}
	return false;
}

/* As imgtool takes it on its command line. */
static bool print_version(const uint8_t *version, char text[CAIRN_IMAGE_VERSION_MAX])
{
	uint32_t build = le32(version + 4);
	int length = snprintf(text, CAIRN_IMAGE_VERSION_MAX, "%u.%u.%u", (unsigned int)version[0], (unsigned int)version[1],
			      (unsigned int)le16(version + 2));
	if (build != 0 && length > 0) {
		length += snprintf(text + length, CAIRN_IMAGE_VERSION_MAX - (size_t)length, "+%lu", (unsigned long)build);
	}
	return length > 0 && (size_t)length < CAIRN_IMAGE_VERSION_MAX;
}

bool cairn_image_find(cairn_image_read_t read, void *context, uint32_t size, struct cairn_image *image)
{
	const struct slot slot = {.read = read, .context = context, .size = size};
	uint8_t header[HEADER_BYTES];
	if (!read_at(&slot, 0, header, sizeof(header)) || le32(header) != HEADER_MAGIC) {
		return false;
	}
	uint16_t header_size = le16(header + 8);
	uint16_t protected_size = le16(header + 10);
	uint32_t program_size = le32(header + 12);
	if (header_size < HEADER_BYTES || !print_version(header + 20, image->version)) {
		return false;
	}
	uint64_t offset = (uint64_t)header_size + program_size;
	if (protected_size != 0) {
		uint8_t head[TLV_BYTES];
		if (!read_at(&slot, offset, head, sizeof(head)) || le16(head) != PROTECTED_MAGIC ||
		    le16(head + 2) != protected_size) {
			return false;
		}
		offset += protected_size;
	}
	return find_hash(&slot, offset, image->hash);
}
