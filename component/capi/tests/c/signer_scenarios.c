/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The same for each signer that CAIRN_SIGNER may choose, one scenario a process: `signer_scenarios NAME FACTORY…`. signers.rs
 * runs them, with the chip or the modem on the other end of a socket, and says what each proves. */
#include "scenario.h"

#include "element_port.h"

#if defined(CONFIG_CAIRN_SIGNER_PSA)
#include "cairn_psa.h"
#endif

static void submit_and_sign(void)
{
    uint64_t seq;
    for (unsigned i = 0; i < 4; i++) {
        EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    }
    CHECK(seq == 4);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    print_evidence(3);
}

static void until_start(cairn_result_t result)
{
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().start != result; i++) {
        usleep(5000);
    }
    CHECK(status().start == result);
}

/* argv: a good factory. The storage is what the library takes to the byte, and a batch is signed. */
static void signs(char **arguments)
{
    load(arguments[0]);
    cairn_config_t with = config();
    EXPECT(cairn_init_configured(&CAIRN_CONFIG_SYMBOL, &storage, sizeof storage - 1, &with), CAIRN_E_STORAGE);
    EXPECT(cairn_init(&storage, &with), CAIRN_OK);
    element_connect();
    port_agent_start();
    submit_and_sign();
    port_agent_stop();
}

/* argv: factories and, after each, what cairn_init says of it. */
static void refused(char **arguments)
{
    for (; arguments[0] != NULL; arguments += 2) {
        load(arguments[0]);
        cairn_config_t with = config();
        EXPECT(cairn_init(&storage, &with), (cairn_result_t)atoi(arguments[1]));
    }
}

/* argv: a good factory, why the agent cannot start. */
static void no_start(char **arguments)
{
    cairn_result_t why = (cairn_result_t)atoi(arguments[1]);
    init(arguments[0]);
    element_connect();
    port_agent_start();
    until_start(why);
    EXPECT(reading(4), why);
    uint64_t seq;
    EXPECT(reading_wait(PATIENCE_MS, &seq), why);
    port_agent_stop();
    EXPECT(port_agent_result, why);
}

/* argv: a good factory. The element is away when the agent starts, and back a minute later. */
static void comes_back(char **arguments)
{
    init(arguments[0]);
    element_connect();
    element_is_away = true;
    port_agent_start();
    until_start(CAIRN_E_SIGNER_GONE);
    EXPECT(reading(4), CAIRN_E_SIGNER_GONE);
    EXPECT(port_agent_result, CAIRN_OK);
    element_is_away = false;
    unsigned asked = element_asked;
    (void)cairn_wake();
    usleep(50000);
    CHECK(element_asked == asked); /* not before its time */
    CHECK(status().start == CAIRN_E_SIGNER_GONE);
    port_add_time(60000);
    until_start(CAIRN_OK);
    submit_and_sign();
    port_agent_stop();
}

/* argv: a good factory. The element goes away after the agent started: the batch waits, and is signed once it is back. */
static void goes_away(char **arguments)
{
    init(arguments[0]);
    element_connect();
    port_agent_start();
    uint64_t seq;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    element_is_away = true;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().signer_failures == 0; i++) {
        usleep(5000);
    }
    CHECK(status().last_signer == CAIRN_E_SIGNER_GONE && status().signatures == 0);
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK); /* still journaled */
    element_is_away = false;
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    print_evidence(1);
    port_agent_stop();
}

/* argv: a factory with an attestation key. Prints the endorsement. */
static void endorses(char **arguments)
{
    static const uint8_t nonce[CAIRN_NONCE_BYTES];
    static uint8_t out[CAIRN_ENDORSEMENT_MAX];
    size_t length;
    init(arguments[0]);
    element_connect();
    port_agent_start();
    until_start(CAIRN_OK);
    EXPECT(cairn_endorse(nonce, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    for (size_t i = 0; i < length; i++) {
        printf("%02x", out[i]);
    }
    port_agent_stop();
}

#if defined(CONFIG_CAIRN_ROOT_SE050)
/* argv: a good factory. The element goes away after the agent started. */
static void endorses_not(char **arguments)
{
    static const uint8_t nonce[CAIRN_NONCE_BYTES];
    static uint8_t out[CAIRN_ENDORSEMENT_MAX];
    size_t length = 79;
    init(arguments[0]);
    element_connect();
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    element_is_away = true;
    EXPECT(cairn_endorse(nonce, out, sizeof out, &length, PATIENCE_MS), CAIRN_E_ROOT);
    CHECK(length == 79);
    port_agent_stop();
}
#endif

#if defined(CONFIG_CAIRN_SIGNER_PSA)
#if defined(CONFIG_CAIRN_KEY_P256)
#define ALGORITHM CAIRN_PSA_ES256
#define OTHER_ALGORITHM CAIRN_PSA_ES256K
#else
#define ALGORITHM CAIRN_PSA_ES256K
#define OTHER_ALGORITHM CAIRN_PSA_ES256
#endif

/* What a production line does: the key is generated where it stays. Prints X || Y. argv: anything for a key of the other curve. */
static void psa_provision(char **arguments)
{
    int32_t alg;
    uint8_t xy[64], deterministic;
    CHECK(cairn_psa_init() == 0);
    CHECK(cairn_psa_key_generate(CONFIG_CAIRN_PSA_KEY_ID, arguments[0] == NULL ? ALGORITHM : OTHER_ALGORITHM, 0) == 0);
    CHECK(cairn_psa_key_public(CONFIG_CAIRN_PSA_KEY_ID, &alg, xy, &deterministic) == 0);
    print_bytes(xy, sizeof xy);
}
#endif

#if defined(CONFIG_CAIRN_SIGNER_CUSTOM)
/* argv: a good factory, why the signer refuses. What is journaled waits; nothing is signed. */
static void refuses(char **arguments)
{
    uint64_t seq;
    init(arguments[0]);
    element_connect();
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().signer_failures == 0; i++) {
        usleep(5000);
    }
    CHECK(status().last_signer == (cairn_result_t)atoi(arguments[1]) && status().signatures == 0);
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    port_agent_stop();
}
#endif

#if defined(CONFIG_CAIRN_TRANSPORT_CUSTOM)
/* argv: a good factory. One exchange goes out and is answered with what cannot be verified; then there is no network. */
static void exchanges(char **arguments)
{
    uint64_t seq;
    init(arguments[0]);
    element_connect();
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().exchange_failures == 0; i++) {
        usleep(5000);
        /* Only once the answer was taken does time pass: retransmissions, and the end. */
        if (!element_heard() && status().datagrams_down > 0) {
            port_add_time(5000);
            (void)cairn_wake();
        }
    }
    CHECK(status().exchange_failures == 1 && status().connections == 1);
    CHECK(status().datagrams_up > 0 && status().datagrams_down == 1 && element_sockets == 0);
    CHECK(status().last_link != CAIRN_LINK_UNREACHABLE);
    element_is_away = true;
    port_add_time(3600u * 1000u * 24u);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().exchange_failures == 1; i++) {
        usleep(5000);
    }
    CHECK(status().exchange_failures >= 2 && status().last_link == CAIRN_LINK_UNREACHABLE && element_sockets == 0);
    port_agent_stop();
}
#endif

static const struct scenario scenarios[] = {
    {"signs", signs},
#if defined(CONFIG_CAIRN_ROOT_SE050)
    {"endorses_not", endorses_not},
#endif
    {"refused", refused},
    {"no_start", no_start},
    {"comes_back", comes_back},
    {"goes_away", goes_away},
    {"endorses", endorses},
#if defined(CONFIG_CAIRN_SIGNER_CUSTOM)
    {"refuses", refuses},
#endif
#if defined(CONFIG_CAIRN_TRANSPORT_CUSTOM)
    {"exchanges", exchanges},
#endif
#if defined(CONFIG_CAIRN_SIGNER_PSA)
    {"psa_provision", psa_provision},
#endif
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
