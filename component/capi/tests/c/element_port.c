/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See element_port.h. The bus speaks what host/se-sim/src/wire.rs says; time on the chip passes when the library waits. */
#define _GNU_SOURCE
#include "element_port.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

volatile bool element_is_away;
volatile unsigned element_asked;

static int chip = -1;
static int modem = -1;
static int signer = -1;

static void must(bool done, const char *what)
{
    if (!done) {
        perror(what);
        abort();
    }
}

static int connected(const char *variable)
{
    const char *port = getenv(variable);
    if (port == NULL) {
        return -1;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), at_once = 1;
    must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0, variable);
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) == 0, "TCP_NODELAY");
    return fd;
}

void element_connect(void)
{
    chip = connected("CHIP_PORT");
    modem = connected("MODEM_PORT");
    signer = connected("SIGNER_PORT");
}

/* Whether the chip acknowledged; its bytes then go to `into`. */
static bool ask(const uint8_t *request, size_t request_length, uint8_t *into, size_t length)
{
    uint8_t answer;
    must(send(chip, request, request_length, MSG_NOSIGNAL) == (ssize_t)request_length, "chip");
    must(recv(chip, &answer, 1, MSG_WAITALL) == 1, "chip");
    if (answer != 'A') {
        return false;
    }
    must(length == 0 || recv(chip, into, length, MSG_WAITALL) == (ssize_t)length, "chip");
    return true;
}

static bool on_the_bus(uint8_t address)
{
    element_asked++;
#if defined(CONFIG_CAIRN_SIGNER_SE050)
    must(address == CONFIG_CAIRN_SE050_I2C_ADDRESS, "another address");
#else
    (void)address;
#endif
    return chip >= 0 && !element_is_away;
}

int cairn_port_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    uint8_t request[3 + 259] = {'W', (uint8_t)(length >> 8), (uint8_t)length};
    must(length <= 259 && timeout_ms > 0, "a transfer that is not allowed");
    memcpy(request + 3, bytes, length);
    return on_the_bus(address) && ask(request, 3 + length, NULL, 0) ? 0 : -1;
}

int cairn_port_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    const uint8_t request[] = {'R', (uint8_t)(length >> 8), (uint8_t)length};
    must(length <= 259 && timeout_ms > 0, "a transfer that is not allowed");
    return on_the_bus(address) && ask(request, sizeof request, bytes, length) ? 0 : -1;
}

#if defined(CONFIG_CAIRN_SIGNER_SE050)
bool cairn_port_se_power(bool on)
{
#if !defined(CONFIG_CAIRN_SE050_POWER_GATE)
    must(false, "the board has no switch");
#endif
    const uint8_t request[] = {'P', on};
    return chip < 0 || ask(request, sizeof request, NULL, 0);
}

bool cairn_port_se_keys(uint8_t *version, uint8_t *enc, uint8_t *mac)
{
#if !defined(CONFIG_CAIRN_SE050_SCP03)
    must(false, "there is no secure channel");
#endif
    *version = 0x0b;
    memset(enc, 0xe0, 16);
    memset(mac, 0xa0, 16);
    return getenv("NO_KEYS") == NULL;
}
#endif

void cairn_port_delay_us(uint32_t us)
{
    const uint8_t request[] = {'T', (uint8_t)(us >> 24), (uint8_t)(us >> 16), (uint8_t)(us >> 8), (uint8_t)us};
    if (chip >= 0) {
        (void)ask(request, sizeof request, NULL, 0);
    } else if (modem >= 0) {
        usleep(us);
    }
}

size_t cairn_port_uart_read(uint8_t *buffer, size_t capacity)
{
    ssize_t n = modem < 0 || element_is_away ? 0 : recv(modem, buffer, capacity, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

size_t cairn_port_uart_write(const uint8_t *bytes, size_t length)
{
    if (modem >= 0 && !element_is_away) {
        must(send(modem, bytes, length, MSG_NOSIGNAL) == (ssize_t)length, "modem");
    }
    return length;
}

#if defined(CONFIG_CAIRN_SIGNER_CUSTOM)
/* A letter and what is signed go there, a cairn_result_t and 64 bytes come back. */
static int told(const uint8_t *request, size_t length, uint8_t answer[64])
{
    uint8_t result;
    element_asked++;
    if (signer < 0 || element_is_away) {
        return CAIRN_E_SIGNER_GONE;
    }
    must(send(signer, request, length, MSG_NOSIGNAL) == (ssize_t)length, "signer");
    must(recv(signer, &result, 1, MSG_WAITALL) == 1 && recv(signer, answer, 64, MSG_WAITALL) == 64, "signer");
    return result;
}

int cairn_port_signer_public_key(uint8_t xy[64])
{
    return told((const uint8_t *)"K", 1, xy);
}

int cairn_port_signer_sign(const uint8_t digest[32], uint8_t signature[64])
{
    uint8_t request[1 + 32] = {'S'};
    memcpy(request + 1, digest, 32);
    return told(request, sizeof request, signature);
}
#endif

#if defined(CONFIG_CAIRN_TRANSPORT_CUSTOM)
volatile int element_sockets;
unsigned element_datagrams;
unsigned element_bytes;
static volatile int datagrams = -1;

bool cairn_port_udp_open(const uint8_t address[4], uint16_t port)
{
    static const uint8_t of_the_factory_blob[] = {192, 0, 2, 1};
    must(memcmp(address, of_the_factory_blob, 4) == 0 && port == 5683, "another relay");
    if (element_is_away) {
        return false;
    }
    const char *relay = getenv("RELAY_PORT");
    must(relay != NULL && element_sockets == 0, "one socket at a time");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(relay))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    must(datagrams >= 0 && connect(datagrams, (struct sockaddr *)&to, sizeof to) == 0, "relay");
    element_sockets = 1;
    return true;
}

int cairn_port_udp_send(const uint8_t *bytes, size_t length)
{
    element_datagrams++;
    element_bytes = (unsigned)length;
    return send(datagrams, bytes, length, MSG_DONTWAIT) == (ssize_t)length ? (int)length : CAIRN_UDP_FAILED;
}

int cairn_port_udp_receive(uint8_t *bytes, size_t capacity)
{
    ssize_t n = recv(datagrams, bytes, capacity, MSG_DONTWAIT);
    return n >= 0 ? (int)n : CAIRN_UDP_LATER;
}

void cairn_port_udp_close(void)
{
    must(element_sockets == 1 && close(datagrams) == 0, "close");
    element_sockets = 0;
    datagrams = -1;
}

bool element_heard(void)
{
    uint8_t byte;
    int from = datagrams;
    if (from < 0 || recv(from, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
        return false;
    }
    (void)cairn_wake();
    return true;
}
#endif
