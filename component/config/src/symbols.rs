// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every option of a Cairn build: the symbols of kconfig/Kconfig without `CONFIG_CAIRN_`, in its order. Data only; read by
//! dotconfig.rs and compared with kconfig/ by a stage of `cargo xtask test`.

/// What a symbol may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `y` or not set.
    Bool,
    /// A decimal number between two bounds, both allowed.
    Int {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// The constant's type.
        rust: &'static str,
    },
    /// A hexadecimal number between two bounds, both allowed.
    Hex {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// The constant's type.
        rust: &'static str,
    },
    /// Bytes as hex digits in quotes; a slice of bytes in Rust.
    Bytes {
        /// Fewest bytes.
        min: usize,
        /// Most bytes.
        max: usize,
    },
}

/// One Kconfig symbol, named without `CONFIG_CAIRN_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Name; also the constant's.
    pub(crate) name: &'static str,
    /// What it may be. kconfig/Kconfig says the same ranges; `cargo xtask test` compares them.
    pub(crate) kind: Kind,
    /// Documentation of the constant, with its unit.
    pub(crate) about: &'static str,
    /// Of these one must be set, or the configuration has no use for it (`depends on`). Empty: always used.
    pub(crate) needs: &'static [&'static str],
}

impl Symbol {
    const fn with(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }
}

const fn symbol(name: &'static str, kind: Kind, about: &'static str) -> Symbol {
    Symbol { name, kind, about, needs: &[] }
}

const fn int(name: &'static str, rust: &'static str, min: u64, max: u64, about: &'static str) -> Symbol {
    symbol(name, Kind::Int { min, max, rust }, about)
}

const fn hex(name: &'static str, rust: &'static str, min: u64, max: u64, about: &'static str) -> Symbol {
    symbol(name, Kind::Hex { min, max, rust }, about)
}

const fn bytes(name: &'static str, min: usize, max: usize, about: &'static str) -> Symbol {
    symbol(name, Kind::Bytes { min, max }, about)
}

const fn boolean(name: &'static str, about: &'static str) -> Symbol {
    symbol(name, Kind::Bool, about)
}

const MODEM: &[&str] = &["AT_MODEM"];
const ELEMENT: &[&str] = &["SIGNER_PSA", "SIGNER_SE050", "SIGNER_CUSTOM"];
const SE050: &[&str] = &["SIGNER_SE050"];
const SIM: &[&str] = &["SIGNER_SIM"];

/// Every symbol a configuration has, each exactly once.
pub(crate) const SYMBOLS: &[Symbol] = &[
    int("PAYLOAD_MAX", "usize", 1, 1024, "Largest payload of a record, in bytes."),
    int("QUEUE_LENGTH", "usize", 1, 1024, "Records that may wait between the application and the agent's task."),
    int("WAITERS", "usize", 1, 32, "Tasks that may be inside `cairn_submit_wait` at the same time."),
    int("TASK_STACK_BYTES", "usize", 2048, 65536, "Stack of the agent's task, in bytes."),
    int("TASK_PRIORITY", "u32", 0, 31, "Priority of the agent's task, in the RTOS's own numbers."),
    boolean("SELFTEST_AT_BOOT", "The agent tests every primitive before it starts."),
    int("JOURNAL_BYTES", "usize", 4096, 16_777_216, "Flash that the journal uses, in bytes."),
    int("FLASH_WRITE_SIZE", "usize", 1, 32, "Word of the journal's flash, in bytes."),
    int("FLASH_ERASE_SIZE", "usize", 256, 131_072, "Erase unit of the journal's flash, in bytes."),
    boolean("MONOTONIC", "The product has a rollback-proof counter beside the journal's flash."),
    int("UPLINK_MAX", "usize", 400, 1408, "Largest uplink, in bytes before OSCORE and CoAP are added."),
    int("DEADLINE_URGENT_S", "u32", 0, 3600, "Seconds an urgent record waits for others of the same event."),
    int("DEADLINE_ROUTINE_S", "u32", 60, 2_592_000, "Seconds a routine record may wait."),
    int("DEADLINE_BULK_S", "u32", 60, 31_536_000, "Seconds a bulk record may wait."),
    boolean("JOURNAL_FULL_REFUSE", "A full journal refuses urgent records too."),
    boolean("JOURNAL_FULL_DISPLACE", "In a full journal, routine records give way to urgent ones."),
    boolean("UPLOAD_DATA", "The relay is given the records; it makes the evidence."),
    boolean("UPLOAD_HASH_ONLY", "The relay is given anchors only; records stay on the device until released."),
    boolean("PRUNE_FINAL", "A batch's records may be given up when its anchor is final."),
    boolean("PRUNE_INCLUDED", "They may be given up when its anchor is in a block."),
    boolean("PRUNE_STORED", "They may be given up when the relay has it."),
    int(
        "RETENTION_HOURS",
        "u32",
        0,
        175_200,
        "Hours after which records of hash-only batches are released; 0 is never.",
    ),
    int("CLOCK_STEP_MS", "u32", 100, 3_600_000, "Wall-clock steps from this many milliseconds on get a clock record."),
    int("RELAY_STEP_MAX_S", "u32", 0, 2_592_000, "Seconds by which a relay may move a clock that was set."),
    int("SENDER_SEQUENCE_BLOCK", "u32", 8, 65536, "OSCORE sender sequence numbers reserved at a time."),
    int("POWER_BATTERY_MAH", "u32", 1, 10_000_000, "Battery's nominal capacity, in milliampere hours."),
    int("POWER_BATTERY_MV", "u32", 500, 60_000, "Battery's nominal voltage, in millivolts."),
    int("POWER_BATTERY_USABLE_PERMILLE", "u32", 1, 1000, "Share of the capacity that can be used, in thousandths."),
    int(
        "POWER_SELF_DISCHARGE_PERMILLE",
        "u32",
        0,
        1000,
        "What the battery loses by itself in a year, in thousandths of its capacity.",
    ),
    int("POWER_LIFE_YEARS", "u32", 1, 50, "Years that the battery must last."),
    int("POWER_DEVICE_UW", "u32", 0, 4_000_000, "What the rest of the device draws, in microwatts."),
    int("POWER_BURST_J", "u32", 0, 1_000_000, "Energy that may be saved up, in joules; 0 is what a week brings."),
    int(
        "POWER_RESERVE_J",
        "u32",
        0,
        1_000_000,
        "Energy that is kept for urgent records, in joules; 0 is what three days bring.",
    ),
    int("URGENT_BURST", "u8", 1, 63, "Urgent records of one kind that may come at once."),
    int("URGENT_INTERVAL_S", "u32", 1, 604_800, "Seconds after which one more urgent record of a kind may come."),
    int("T3412_S", "u32", 0, 35_712_000, "T3412 as the network grants it, in seconds; 0 is not known."),
    int("ENERGY_CE0_WAKE_UJ", "u32", 0, 1_000_000_000, "Waking and finding the cell, at CE0, in microjoules."),
    int("ENERGY_CE1_WAKE_UJ", "u32", 0, 1_000_000_000, "Waking and finding the cell, at CE1, in microjoules."),
    int("ENERGY_CE2_WAKE_UJ", "u32", 0, 1_000_000_000, "Waking and finding the cell, at CE2, in microjoules."),
    int(
        "ENERGY_CE0_SETUP_UJ",
        "u32",
        0,
        1_000_000_000,
        "Random access and setting up a connection, at CE0, in microjoules.",
    ),
    int(
        "ENERGY_CE1_SETUP_UJ",
        "u32",
        0,
        1_000_000_000,
        "Random access and setting up a connection, at CE1, in microjoules.",
    ),
    int(
        "ENERGY_CE2_SETUP_UJ",
        "u32",
        0,
        1_000_000_000,
        "Random access and setting up a connection, at CE2, in microjoules.",
    ),
    int("ENERGY_CE0_BYTE_UJ", "u32", 0, 1_000_000_000, "A byte on the wire, at CE0, in microjoules."),
    int("ENERGY_CE1_BYTE_UJ", "u32", 0, 1_000_000_000, "A byte on the wire, at CE1, in microjoules."),
    int("ENERGY_CE2_BYTE_UJ", "u32", 0, 1_000_000_000, "A byte on the wire, at CE2, in microjoules."),
    int("ENERGY_CE0_ROUND_TRIP_UJ", "u32", 0, 1_000_000_000, "Waiting for an answer, at CE0, in microjoules."),
    int("ENERGY_CE1_ROUND_TRIP_UJ", "u32", 0, 1_000_000_000, "Waiting for an answer, at CE1, in microjoules."),
    int("ENERGY_CE2_ROUND_TRIP_UJ", "u32", 0, 1_000_000_000, "Waiting for an answer, at CE2, in microjoules."),
    int("ENERGY_CE0_RELEASE_UJ", "u32", 0, 1_000_000_000, "Giving a connection up, at CE0, in microjoules."),
    int("ENERGY_CE1_RELEASE_UJ", "u32", 0, 1_000_000_000, "Giving a connection up, at CE1, in microjoules."),
    int("ENERGY_CE2_RELEASE_UJ", "u32", 0, 1_000_000_000, "Giving a connection up, at CE2, in microjoules."),
    int("ENERGY_CE0_TAU_UJ", "u32", 0, 1_000_000_000, "A tracking area update, at CE0, in microjoules."),
    int("ENERGY_CE1_TAU_UJ", "u32", 0, 1_000_000_000, "A tracking area update, at CE1, in microjoules."),
    int("ENERGY_CE2_TAU_UJ", "u32", 0, 1_000_000_000, "A tracking area update, at CE2, in microjoules."),
    int("ENERGY_CE0_PAGING_UJ", "u32", 0, 1_000_000_000, "Listening once in an eDRX cycle, at CE0, in microjoules."),
    int("ENERGY_CE1_PAGING_UJ", "u32", 0, 1_000_000_000, "Listening once in an eDRX cycle, at CE1, in microjoules."),
    int("ENERGY_CE2_PAGING_UJ", "u32", 0, 1_000_000_000, "Listening once in an eDRX cycle, at CE2, in microjoules."),
    int("ENERGY_CE0_ATTACH_UJ", "u32", 0, 1_000_000_000, "Attaching after power was off, at CE0, in microjoules."),
    int("ENERGY_CE1_ATTACH_UJ", "u32", 0, 1_000_000_000, "Attaching after power was off, at CE1, in microjoules."),
    int("ENERGY_CE2_ATTACH_UJ", "u32", 0, 1_000_000_000, "Attaching after power was off, at CE2, in microjoules."),
    int("ENERGY_CE0_USUAL_MS", "u32", 0, 600_000, "An exchange that nothing delays, at CE0, in milliseconds."),
    int("ENERGY_CE1_USUAL_MS", "u32", 0, 600_000, "An exchange that nothing delays, at CE1, in milliseconds."),
    int("ENERGY_CE2_USUAL_MS", "u32", 0, 600_000, "An exchange that nothing delays, at CE2, in milliseconds."),
    int("ENERGY_FLOOR_NW", "u32", 0, 1_000_000_000, "What the modem draws asleep, in nanowatts."),
    int("ENERGY_TAIL_UW", "u32", 0, 10_000_000, "What a connection draws that waits, in microwatts."),
    int(
        "ENERGY_TAIL_MS",
        "u32",
        0,
        600_000,
        "How long the network keeps a connection after the last byte, in milliseconds.",
    ),
    int("ENERGY_SIGNATURE_UJ", "u32", 0, 1_000_000_000, "A signature, in microjoules."),
    int("ENERGY_FLASH_WRITE_UJ", "u32", 0, 1_000_000_000, "A write to flash, in microjoules."),
    int("ENERGY_FLASH_ERASE_UJ", "u32", 0, 1_000_000_000, "An erase of a flash sector, in microjoules."),
    int("ENERGY_UNKNOWN_LEVEL", "u8", 0, 2, "Coverage level to reckon with where none was reported."),
    int("COAP_ACK_TIMEOUT_MS", "u32", 1000, 60_000, "ACK_TIMEOUT of RFC 7252 section 4.8, in milliseconds."),
    int("COAP_MAX_RETRANSMIT", "u8", 0, 8, "MAX_RETRANSMIT of RFC 7252 section 4.8."),
    boolean("AT_MODEM", "CoAP goes over an NB-IoT modem on the port's UART."),
    boolean("UDP", "CoAP goes over datagrams of the RTOS's own IP stack, through the glue's sockets."),
    boolean("TRANSPORT_CUSTOM", "CoAP goes over datagrams that the product supplies."),
    boolean("MODEM_BC660K", "The modem is a Quectel BC660K-GL.").with(MODEM),
    boolean("MODEM_BC66", "The modem is a Quectel BC66.").with(MODEM),
    int("AT_LINE_MAX", "usize", 64, 4096, "Longest line taken from the modem, in bytes without line end.").with(MODEM),
    int("AT_RX_BYTES", "usize", 64, 4096, "Bytes kept between the modem UART's interrupt and the agent's task.")
        .with(MODEM),
    boolean("SIGNER_SOFTWARE", "A secp256k1 key in this processor's memory, signed with in Rust."),
    boolean("SIGNER_P256", "A P-256 key in this processor's memory, signed with in Rust."),
    boolean("SIGNER_LIBSECP256K1", "A secp256k1 key in this processor's memory, signed with by libsecp256k1."),
    boolean("SIGNER_PSA", "A key of the platform's PSA Crypto."),
    boolean("SIGNER_SE050", "A key in a secure element of NXP's SE050 family on the port's I2C bus."),
    boolean("SIGNER_SIM", "A key on the SIM in the modem.").with(MODEM),
    boolean("SIGNER_CUSTOM", "A key behind the product's own functions."),
    boolean("SIGNER_FAST", "The software signer has twice the table in flash.")
        .with(&["SIGNER_SOFTWARE", "SIGNER_P256"]),
    boolean("KEY_STORE", "The key is in flash of its own, where another may follow it.")
        .with(&["SIGNER_SOFTWARE", "SIGNER_P256"]),
    boolean("KEY_AT_REST_SEALED", "It is sealed under a secret of the platform.").with(&["KEY_STORE"]),
    boolean("KEY_AT_REST_INSECURELY_PLAIN", "It lies there as it is.").with(&["KEY_STORE"]),
    boolean("KEY_NOISE", "Keys are drawn from the port's raw noise, with health tests.").with(&["KEY_STORE"]),
    int("KEY_NOISE_BITS", "u32", 1, 8, "Least min-entropy of an 8-bit sample of that noise, in bits.")
        .with(&["KEY_NOISE"]),
    boolean("KEY_SECP256K1", "The element's key is on secp256k1.").with(ELEMENT),
    boolean("KEY_P256", "The element's key is on P-256.").with(ELEMENT),
    int("PSA_KEY_ID", "u32", 1, 0x3fff_ffff, "Identifier of PSA Crypto's persistent key.").with(&["SIGNER_PSA"]),
    boolean("PSA_HASH", "SHA-256 is PSA Crypto's."),
    boolean("PSA_AEAD", "AES-CCM of the channel is PSA Crypto's."),
    hex("SE050_KEY_ID", "u32", 1, 0x7fff_0000, "Object identifier of the ledger key on the chip.").with(SE050),
    hex("SE050_I2C_ADDRESS", "u8", 0x08, 0x77, "Address of the chip on the bus, seven bits.").with(SE050),
    int("SE050_I2C_KHZ", "u16", 10, 1000, "Clock of the bus, in kilohertz.").with(SE050),
    int("SE050_INFORMATION_BYTES", "u8", 16, 254, "Largest information field of a block, in bytes.").with(SE050),
    boolean("SE050_SCP03", "The chip is spoken to through a secure channel.").with(SE050),
    boolean("SE050_POWER_GATE", "The port switches the chip's power.").with(SE050),
    int("SE050_POWER_UP_MS", "u16", 1, 1000, "From power to the first block, in milliseconds.").with(SE050),
    int("SE050_POWER_OFF_MS", "u16", 1, 1000, "From no power to power again, in milliseconds.").with(SE050),
    int("SE050_ATTEMPT_MS", "u16", 200, 20_000, "Longest attempt of an operation, in milliseconds.").with(SE050),
    boolean("SIM_CAIRN_K1", "The applet on the SIM is Cairn's, with a secp256k1 key.").with(SIM),
    boolean("SIM_IOT_SAFE", "The applet on the SIM is GSMA IoT SAFE, with a P-256 key.").with(SIM),
    bytes("SIM_PRIVATE_KEY_ID", 1, 20, "Identifier of the private key's container.").with(&["SIM_IOT_SAFE"]),
    bytes("SIM_PUBLIC_KEY_ID", 1, 20, "Identifier of the public key's container.").with(&["SIM_IOT_SAFE"]),
    boolean("SIM_CHANNELS", "The modem has AT+CCHO, AT+CGLA and AT+CCHC.").with(SIM),
    boolean("SIM_CSIM", "The modem has AT+CSIM.").with(SIM),
    boolean("LEDGER_ROOT", "Anchors get to the ledger under a root of the relay's."),
    boolean("LEDGER_DIRECT", "A contract recovers the device's key from each anchor: secp256k1 only."),
    boolean("ROOT_NONE", "Nobody vouches for the device's key."),
    boolean("ROOT_FACTORY_KEY", "A key of the factory's in the factory blob vouches for the device's key."),
    boolean("ROOT_PSA", "PSA initial attestation vouches for the device's key."),
    boolean("ROOT_SE050", "The secure element vouches for the device's key.").with(SE050),
];

/// Options that only one RTOS's glue reads (kconfig/Kconfig.zephyr): no part of a configuration, and not in its hash. Those of the
/// log's template begin with `LOG_LEVEL`.
pub(crate) const OF_THE_GLUE: &[&str] = &[
    "CARGO_OFFLINE",
    "FACTORY_FILE",
    "FACTORY_IN_IMAGE",
    "FIRMWARE_RECORD",
    "INSECURE_ENTROPY",
    "PREBUILT",
    "PREBUILT_DIR",
    "RTOS_SOCKETS",
    "RUST",
    "RUST_SOCKETS",
    "SHELL",
    "SNTP",
    "SNTP_INTERVAL_H",
    "SNTP_SERVER",
    "SNTP_STACK_BYTES",
    "ZEPHYR_I2C",
    "ZEPHYR_SOCKETS",
    "ZEPHYR_UART",
];

/// Offered only where the glue has what it stands for (`CONFIG_CAIRN_RTOS_SOCKETS`): a `.config` of another RTOS has no line for it.
pub(crate) const OFFERED_BY_SOME: &[&str] = &["UDP"];

/// Checked, and no part of what is built: not in the configuration's hash, so that one library is good for each answer.
pub(crate) const CHECKED_ONLY: &[&str] = &["LEDGER_ROOT", "LEDGER_DIRECT"];

/// Symbols of which exactly one is set, where the configuration has a use for the first.
pub(crate) const CHOICES: &[&[&str]] = &[
    &["JOURNAL_FULL_REFUSE", "JOURNAL_FULL_DISPLACE"],
    &["UPLOAD_DATA", "UPLOAD_HASH_ONLY"],
    &["AT_MODEM", "UDP", "TRANSPORT_CUSTOM"],
    &["MODEM_BC660K", "MODEM_BC66"],
    &[
        "SIGNER_SOFTWARE",
        "SIGNER_P256",
        "SIGNER_LIBSECP256K1",
        "SIGNER_PSA",
        "SIGNER_SE050",
        "SIGNER_SIM",
        "SIGNER_CUSTOM",
    ],
    &["PRUNE_FINAL", "PRUNE_INCLUDED", "PRUNE_STORED"],
    &["LEDGER_ROOT", "LEDGER_DIRECT"],
    &["KEY_AT_REST_SEALED", "KEY_AT_REST_INSECURELY_PLAIN"],
    &["KEY_SECP256K1", "KEY_P256"],
    &["SIM_CAIRN_K1", "SIM_IOT_SAFE"],
    &["SIM_CHANNELS", "SIM_CSIM"],
    &["ROOT_NONE", "ROOT_FACTORY_KEY", "ROOT_PSA", "ROOT_SE050"],
];
