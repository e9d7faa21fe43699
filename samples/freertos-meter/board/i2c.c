/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The I2C bus of shield 0, bit by bit, and the switch for the power of what is on it: for a secure element. Called by the
 * agent's task, through the ports in main.c. QEMU has the bus and nothing on it: no transfer is acknowledged there. */
#include "board.h"

#include "mps2_an385.h"

/* A quarter of a clock at 100 kHz: what lines and chips need to settle on a board of wires. */
#define QUARTER_TICKS (BOARD_CLOCK_HZ / 400000u)

static uint32_t deadline_begin, deadline_ticks;

static bool in_time(void)
{
    return board_timer() - deadline_begin < deadline_ticks;
}

static void quarter(void)
{
    uint32_t begin = board_timer();
    while (board_timer() - begin < QUARTER_TICKS) {
    }
}

/* The lines are open drain: set lets go, clear pulls down. */
static void data(bool high)
{
    *(high ? &SHIELD0_I2C->set : &SHIELD0_I2C->clear) = I2C_SDA;
    quarter();
}

/* A target may hold the clock low for as long as it needs; here for as long as there is time. */
static bool clock_high(void)
{
    SHIELD0_I2C->set = I2C_SCL;
    while ((SHIELD0_I2C->set & I2C_SCL) == 0) {
        if (!in_time()) {
            return false;
        }
    }
    quarter();
    return true;
}

static void clock_low(void)
{
    SHIELD0_I2C->clear = I2C_SCL;
    quarter();
}

static bool bit(bool out, bool *in)
{
    data(out);
    bool done = clock_high();
    *in = (SHIELD0_I2C->set & I2C_SDA) != 0;
    clock_low();
    return done && in_time();
}

/* Whether the byte was acknowledged. */
static bool write_byte(uint8_t byte)
{
    bool level;
    for (unsigned i = 0; i < 8; i++, byte = (uint8_t)(byte << 1)) {
        if (!bit((byte & 0x80u) != 0, &level)) {
            return false;
        }
    }
    return bit(true, &level) && !level;
}

static bool read_byte(uint8_t *byte, bool more)
{
    bool level;
    *byte = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (!bit(true, &level)) {
            return false;
        }
        *byte = (uint8_t)(*byte << 1 | level);
    }
    return bit(!more, &level);
}

static bool start(uint8_t address, bool reads, uint32_t timeout_ms)
{
    deadline_begin = board_timer();
    deadline_ticks = timeout_ms * 1000u * BOARD_TICKS_PER_US;
    data(true);
    if (!clock_high()) {
        return false;
    }
    data(false);
    clock_low();
    return write_byte((uint8_t)(address << 1 | reads));
}

static void stop(void)
{
    data(false);
    (void)clock_high();
    data(true);
}

bool board_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    bool done = start(address, false, timeout_ms);
    for (size_t i = 0; done && i < length; i++) {
        done = write_byte(bytes[i]);
    }
    stop();
    return done;
}

bool board_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    bool done = start(address, true, timeout_ms);
    for (size_t i = 0; done && i < length; i++) {
        done = read_byte(&bytes[i], i + 1u < length);
    }
    stop();
    return done;
}

void board_element_power(bool on)
{
    GPIO0->out_enable_set = GPIO0_ELEMENT;
    GPIO0->data_out = on ? GPIO0->data_out | GPIO0_ELEMENT : GPIO0->data_out & ~GPIO0_ELEMENT;
}
