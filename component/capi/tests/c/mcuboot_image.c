/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Has rtos-zephyr's reader of MCUboot's image format read a slot: `mcuboot_image SLOT` prints version and hash, or "none";
 * `mcuboot_image SLOT every` changes each byte of the slot to many values, one at a time, and counts the images found. A read outside
 * the slot ends the program. tests/mcuboot_image.rs runs it. */
#include "../../../../rtos-zephyr/src/mcuboot_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t slot[1 << 16];
static uint32_t size;
static unsigned reads;

static bool read_slot(void *context, uint32_t offset, void *to, size_t length)
{
    if (context != slot || offset > size || length > size - offset || ++reads > 200u) {
        fprintf(stderr, "read of %zu at %u, of %u; number %u\n", length, offset, size, reads);
        exit(1);
    }
    memcpy(to, slot + offset, length);
    return true;
}

static bool find(struct cairn_image *image)
{
    reads = 0;
    return cairn_image_find(read_slot, slot, size, image);
}

static void change_every_byte(void)
{
    static const uint8_t values[] = {0x00, 0x01, 0x03, 0x04, 0x10, 0x20, 0x7f, 0x80, 0xfe, 0xff};
    struct cairn_image image;
    unsigned found = 0;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t was = slot[i];
        for (unsigned j = 0; j < sizeof values; j++) {
            slot[i] = values[j];
            found += find(&image);
        }
        slot[i] = was;
    }
    for (uint32_t whole = size; size > 0; size--) {
        found += size < whole && find(&image);
    }
    printf("%u\n", found);
}

int main(int argc, char **argv)
{
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        return 1;
    }
    size = (uint32_t)fread(slot, 1, sizeof slot, file);
    struct cairn_image image;
    if (argc > 2) {
        change_every_byte();
    } else if (find(&image)) {
        printf("%s ", image.version);
        for (unsigned i = 0; i < sizeof image.hash; i++) {
            printf("%02x", image.hash[i]);
        }
        printf("\n");
    } else {
        printf("none\n");
    }
    return fclose(file);
}
