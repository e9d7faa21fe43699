// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a `.config` may say, and what it is refused for.

use super::*;

const DEFAULT: &str = include_str!("../default.config");

fn errors(text: &str) -> String {
    Config::parse(text).expect_err("must be refused").join("\n")
}

#[test]
fn the_committed_default_is_complete_and_in_range() {
    let config = Config::parse(DEFAULT).expect("default.config");
    assert_eq!(config.iter().count(), SYMBOLS.len());
}

#[test]
fn symbol_names_are_unique_and_every_choice_names_booleans() {
    for (i, symbol) in SYMBOLS.iter().enumerate() {
        assert!(SYMBOLS[..i].iter().all(|other| other.name != symbol.name), "{}", symbol.name);
    }
    for name in CHOICES.iter().flat_map(|choice| choice.iter()) {
        assert!(SYMBOLS.iter().any(|symbol| symbol.name == *name && symbol.kind == Kind::Bool), "{name}");
    }
}

#[test]
fn every_number_is_refused_just_outside_its_bounds() {
    for symbol in SYMBOLS {
        let (bounds, lines) = match symbol.kind {
            Kind::Bool => continue,
            Kind::Int { min, max, .. } => {
                let outside = [min.checked_sub(1), Some(max + 1)].into_iter().flatten();
                (format!("must be {min} to {max}"), outside.map(|bad| bad.to_string()).collect::<Vec<_>>())
            }
            Kind::Hex { min, max, .. } => {
                (format!("must be {min:#x} to {max:#x}"), [min - 1, max + 1].map(|bad| format!("{bad:#x}")).to_vec())
            }
            Kind::Bytes { min, max } => {
                let outside = [min - 1, max + 1].map(|bytes| format!("\"{}\"", "a5".repeat(bytes)));
                (format!("must be {min} to {max} bytes"), outside.to_vec())
            }
        };
        for line in lines.iter().map(|bad| format!("{PREFIX}{}={bad}", symbol.name)) {
            let others = DEFAULT.lines().filter(|old| !old.starts_with(&format!("{PREFIX}{}=", symbol.name)));
            let text: String = others.chain([&*line]).flat_map(|line| [line, "\n"]).collect();
            assert!(errors(&text).contains(&bounds), "{line}");
        }
    }
}

#[test]
fn a_symbol_that_is_unknown_missing_repeated_or_no_number_is_named() {
    assert!(errors(&format!("{DEFAULT}CONFIG_CAIRN_TYPO=1\n")).contains("CONFIG_CAIRN_TYPO: Cairn has no such option"));
    assert!(errors(&format!("{DEFAULT}# CONFIG_CAIRN_TYPO is not set\n")).contains("CONFIG_CAIRN_TYPO"));
    assert!(errors("").contains("CONFIG_CAIRN_WAITERS is missing"));
    assert!(errors(&format!("{DEFAULT}CONFIG_CAIRN_WAITERS=2\n")).contains("CONFIG_CAIRN_WAITERS is set twice"));
    assert!(errors("CONFIG_CAIRN_WAITERS=0x2\n").contains("is not a decimal number"));
    assert!(errors("CONFIG_CAIRN_UPLOAD_DATA=maybe\n").contains("is y or n"));
    assert!(errors("# CONFIG_CAIRN_WAITERS is not set\n").contains("needs a number"));
}

#[test]
fn a_choice_with_two_or_no_answers_is_refused() {
    let both = DEFAULT.replace("# CONFIG_CAIRN_UPLOAD_HASH_ONLY is not set", "CONFIG_CAIRN_UPLOAD_HASH_ONLY=y");
    let none = DEFAULT.replace("CONFIG_CAIRN_UPLOAD_DATA=y", "# CONFIG_CAIRN_UPLOAD_DATA is not set");
    assert!(errors(&both).contains("2 are"));
    assert!(errors(&none).contains("0 are"));
}

#[test]
fn an_uplink_that_cannot_carry_the_largest_record_is_refused() {
    let text = DEFAULT.replace("CONFIG_CAIRN_PAYLOAD_MAX=64", "CONFIG_CAIRN_PAYLOAD_MAX=1024");
    assert!(errors(&text).contains("cannot carry one record"));
}

#[test]
fn a_deadline_before_that_of_more_urgent_records_is_refused_and_so_is_coverage_that_costs_less_where_it_is_worse() {
    let bulk = DEFAULT.replace("DEADLINE_BULK_S=604800", "DEADLINE_BULK_S=86399");
    assert_eq!(
        errors(&bulk),
        "CONFIG_CAIRN_DEADLINE_BULK_S=86399: records that may wait longer cannot be due before others, and \
         CONFIG_CAIRN_DEADLINE_ROUTINE_S is 86400"
    );
    let urgent = DEFAULT.replace("DEADLINE_URGENT_S=2", "DEADLINE_URGENT_S=61");
    assert!(Config::parse(&urgent).is_ok());
    let routine = urgent.replace("DEADLINE_ROUTINE_S=86400", "DEADLINE_ROUTINE_S=60");
    assert!(errors(&routine).starts_with("CONFIG_CAIRN_DEADLINE_ROUTINE_S=60: "));
    assert!(Config::parse(&DEFAULT.replace("DEADLINE_BULK_S=604800", "DEADLINE_BULK_S=86400")).is_ok());

    let cheap = DEFAULT.replace("ENERGY_CE2_BYTE_UJ=12000", "ENERGY_CE2_BYTE_UJ=2999");
    assert_eq!(
        errors(&cheap),
        "CONFIG_CAIRN_ENERGY_CE2_BYTE_UJ=2999: less than CONFIG_CAIRN_ENERGY_CE1_BYTE_UJ=3000, and coverage is worse there"
    );
    let cheap = DEFAULT.replace("ENERGY_CE1_USUAL_MS=6000", "ENERGY_CE1_USUAL_MS=2999");
    assert!(errors(&cheap).contains("less than CONFIG_CAIRN_ENERGY_CE0_USUAL_MS=3000"));
    assert!(Config::parse(&DEFAULT.replace("ENERGY_CE2_TAU_UJ=2500000", "ENERGY_CE2_TAU_UJ=600000")).is_ok());
}

#[test]
fn a_flash_that_the_journal_cannot_use_is_refused_with_the_reason() {
    let with = |changes: &[(&str, &str)]| {
        changes.iter().fold(DEFAULT.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
    };
    let (word, unit) = ("FLASH_WRITE_SIZE=8", "FLASH_ERASE_SIZE=4096");
    assert!(errors(&with(&[(word, "FLASH_WRITE_SIZE=12")])).contains("must be a power of two"));
    assert!(
        errors(&with(&[(unit, "FLASH_ERASE_SIZE=3072")])).contains("FLASH_ERASE_SIZE=3072: must be a power of two")
    );
    assert!(errors(&with(&[(unit, "FLASH_ERASE_SIZE=65536")])).contains("whole sectors of 65536 bytes, at least two"));
    let bytes = "JOURNAL_BYTES=65536";
    let (refuse, displace) = ("JOURNAL_FULL_REFUSE=y", "# CONFIG_CAIRN_JOURNAL_FULL_DISPLACE is not set");
    let gives_way = [(refuse, "JOURNAL_FULL_REFUSE=n"), (displace, "CONFIG_CAIRN_JOURNAL_FULL_DISPLACE=y")];
    Config::parse(&with(&gives_way)).expect("sixteen sectors are enough");
    let short = [gives_way[0], gives_way[1], (bytes, "JOURNAL_BYTES=12288")];
    assert!(errors(&with(&short)).contains("needs four sectors of 4096 bytes"));
    assert!(errors(&with(&[(bytes, "JOURNAL_BYTES=10000")])).contains("whole sectors of 4096 bytes"));
    let (payload, uplink) = ("PAYLOAD_MAX=64", "UPLINK_MAX=1024");
    let long = [(unit, "FLASH_ERASE_SIZE=256"), (payload, "PAYLOAD_MAX=800"), (uplink, "UPLINK_MAX=1408")];
    assert!(errors(&with(&long)).contains("takes 1144 bytes"));
    for good in [
        [(bytes, "JOURNAL_BYTES=4096"), (unit, "FLASH_ERASE_SIZE=256")],
        [(bytes, "JOURNAL_BYTES=262144"), (unit, "FLASH_ERASE_SIZE=131072")],
        [(word, "FLASH_WRITE_SIZE=1"), (unit, "FLASH_ERASE_SIZE=8192")],
    ] {
        Config::parse(&with(&good)).expect("a flash that works");
    }
}

#[test]
fn the_hash_depends_on_values_and_on_nothing_else() {
    let config = Config::parse(DEFAULT).expect("default.config");
    let mut lines: Vec<_> = DEFAULT.lines().collect();
    lines.reverse();
    let shuffled = format!("CONFIG_OTHER=7\n# a comment\n{}\n", lines.join("\n"));
    assert_eq!(config.hash(), Config::parse(&shuffled).expect("shuffled").hash());
    let changed = DEFAULT.replace("CONFIG_CAIRN_PAYLOAD_MAX=64", "CONFIG_CAIRN_PAYLOAD_MAX=65");
    assert_ne!(config.hash(), Config::parse(&changed).expect("changed").hash());
}

/// The default configuration with these lines instead of those of the same symbols.
fn changed(lines: &[&str]) -> String {
    let name = |line: &str| line.trim_start_matches("# ").split(['=', ' ']).next().unwrap_or_default().to_owned();
    let names: Vec<String> = lines.iter().map(|line| name(line)).collect();
    let kept = DEFAULT.lines().filter(|line| !names.contains(&name(line)));
    kept.chain(lines.iter().copied()).flat_map(|line| [line, "\n"]).collect()
}

const NO_SOFTWARE: &str = "# CONFIG_CAIRN_SIGNER_SOFTWARE is not set";
const ON_SECP256K1: [&str; 2] = ["CONFIG_CAIRN_KEY_SECP256K1=y", "# CONFIG_CAIRN_KEY_P256 is not set"];
const ON_P256: [&str; 2] = ["# CONFIG_CAIRN_KEY_SECP256K1 is not set", "CONFIG_CAIRN_KEY_P256=y"];
const SE050: [&str; 11] = [
    NO_SOFTWARE,
    "CONFIG_CAIRN_SIGNER_SE050=y",
    "CONFIG_CAIRN_SE050_KEY_ID=0x434b0001",
    "CONFIG_CAIRN_SE050_I2C_ADDRESS=0x48",
    "CONFIG_CAIRN_SE050_I2C_KHZ=400",
    "CONFIG_CAIRN_SE050_INFORMATION_BYTES=254",
    "# CONFIG_CAIRN_SE050_SCP03 is not set",
    "CONFIG_CAIRN_SE050_POWER_GATE=y",
    "CONFIG_CAIRN_SE050_POWER_UP_MS=30",
    "CONFIG_CAIRN_SE050_POWER_OFF_MS=10",
    "# CONFIG_CAIRN_ROOT_SE050 is not set",
];
const ATTEMPT: &str = "CONFIG_CAIRN_SE050_ATTEMPT_MS=2000";
const SIM: [&str; 4] =
    [NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_SIM=y", "CONFIG_CAIRN_SIM_CHANNELS=y", "# CONFIG_CAIRN_SIM_CSIM is not set"];
const CAIRN_K1: [&str; 2] = ["CONFIG_CAIRN_SIM_CAIRN_K1=y", "# CONFIG_CAIRN_SIM_IOT_SAFE is not set"];
const IOT_SAFE: [&str; 4] = [
    "# CONFIG_CAIRN_SIM_CAIRN_K1 is not set",
    "CONFIG_CAIRN_SIM_IOT_SAFE=y",
    "CONFIG_CAIRN_SIM_PRIVATE_KEY_ID=\"303036\"",
    "CONFIG_CAIRN_SIM_PUBLIC_KEY_ID=\"303037\"",
];
const PSA: [&str; 3] = [NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_PSA=y", "CONFIG_CAIRN_PSA_KEY_ID=7"];

const CUSTOM_SIGNER: [&str; 2] = [NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_CUSTOM=y"];
const LEDGER: [&str; 2] = ["# CONFIG_CAIRN_LEDGER_ROOT is not set", "CONFIG_CAIRN_LEDGER_DIRECT=y"];

#[test]
fn each_choice_turns_on_its_cargo_features() {
    let features = |lines: &[&str]| match Config::parse(&changed(lines)) {
        Ok(config) => config.features().join(","),
        Err(errors) => panic!("{errors:?}"),
    };
    let no_root = "# CONFIG_CAIRN_ROOT_NONE is not set";
    let its_own_root = [&SE050[..10], &[ATTEMPT, no_root, "CONFIG_CAIRN_ROOT_SE050=y"], &ON_SECP256K1].concat();
    for (lines, expected) in [
        (&[][..], "at-modem,signer-software"),
        (&["CONFIG_CAIRN_SIGNER_FAST=y"], "at-modem,signer-software,signer-fast"),
        (&[NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_P256=y"], "at-modem,signer-p256"),
        (&[NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_LIBSECP256K1=y"], "at-modem,signer-libsecp256k1"),
        (&[&PSA[..], &ON_SECP256K1].concat(), "at-modem,signer-psa"),
        (&[&PSA[..], &ON_P256].concat(), "at-modem,signer-psa,es256"),
        (&[&SE050[..], &[ATTEMPT], &ON_SECP256K1].concat(), "at-modem,signer-se050"),
        (&[&SE050[..], &[ATTEMPT], &ON_P256].concat(), "at-modem,signer-se050,es256"),
        (&its_own_root, "at-modem,signer-se050,se050-attestation"),
        (&[&SIM[..], &CAIRN_K1].concat(), "at-modem,signer-sim"),
        (&[&SIM[..], &IOT_SAFE].concat(), "at-modem,signer-sim,es256"),
        (&[&CUSTOM_SIGNER[..], &ON_SECP256K1].concat(), "at-modem,signer-custom"),
        (&[&CUSTOM_SIGNER[..], &ON_P256].concat(), "at-modem,signer-custom,es256"),
        (&[LEDGER[0], LEDGER[1]], "at-modem,signer-software"),
        (&["CONFIG_CAIRN_MONOTONIC=y"], "at-modem,monotonic,signer-software"),
        (
            &["# CONFIG_CAIRN_MODEM_BC660K is not set", "CONFIG_CAIRN_MODEM_BC66=y"],
            "at-modem,modem-bc66,signer-software",
        ),
        (&[no_root, "CONFIG_CAIRN_ROOT_FACTORY_KEY=y"], "at-modem,signer-software,endorsement"),
        (&[no_root, "CONFIG_CAIRN_ROOT_PSA=y"], "at-modem,signer-software,psa-attestation"),
    ] {
        assert_eq!(features(lines), expected, "{lines:?}");
    }
}

#[test]
fn signers_that_contradict_the_rest_are_refused_with_the_reason() {
    let no_modem = [
        "# CONFIG_CAIRN_AT_MODEM is not set",
        "# CONFIG_CAIRN_MODEM_BC660K is not set",
        "CONFIG_CAIRN_AT_LINE_MAX=512",
    ];
    let two = [&["CONFIG_CAIRN_SIGNER_P256=y"][..]].concat();
    let sim = [&SIM[..], &CAIRN_K1].concat();
    for (lines, why) in [
        (two, "CONFIG_CAIRN_SIGNER_CUSTOM must be y, 2 are"),
        (vec![NO_SOFTWARE], "CONFIG_CAIRN_SIGNER_CUSTOM must be y, 0 are"),
        ([&sim[..], &no_modem].concat(), "CONFIG_CAIRN_SIGNER_SIM is set, which needs CONFIG_CAIRN_AT_MODEM"),
        (PSA.to_vec(), "CONFIG_CAIRN_KEY_SECP256K1 is missing"),
        ([&PSA[..], &["CONFIG_CAIRN_KEY_SECP256K1=y", "CONFIG_CAIRN_KEY_P256=y"]].concat(), "2 are"),
        ([&SE050[..], &ON_SECP256K1].concat(), "CONFIG_CAIRN_SE050_ATTEMPT_MS is missing"),
        (vec![ATTEMPT], "CONFIG_CAIRN_SE050_ATTEMPT_MS is set, which needs CONFIG_CAIRN_SIGNER_SE050"),
        (vec!["CONFIG_CAIRN_SE050_SCP03=y"], "CONFIG_CAIRN_SE050_SCP03 is set, which needs"),
        (
            [&PSA[..], &ON_P256, &["CONFIG_CAIRN_SIGNER_FAST=y"]].concat(),
            "CONFIG_CAIRN_SIGNER_FAST is set, which needs",
        ),
        ([&SIM[..], &IOT_SAFE[..3]].concat(), "CONFIG_CAIRN_SIM_PUBLIC_KEY_ID is missing"),
        (vec!["CONFIG_CAIRN_ROOT_FACTORY_KEY=y"], "CONFIG_CAIRN_ROOT_SE050 must be y, 2 are"),
        (vec!["CONFIG_CAIRN_ROOT_SE050=y"], "CONFIG_CAIRN_ROOT_SE050 is set, which needs CONFIG_CAIRN_SIGNER_SE050"),
    ] {
        assert!(errors(&changed(&lines)).contains(why), "{lines:?}: {}", errors(&changed(&lines)));
    }
}

/// The default configuration without its transport, and `chosen` instead.
fn over(chosen: &str) -> String {
    let kept = DEFAULT.lines().filter(|line| !line.contains("CAIRN_AT_") && !line.contains("CAIRN_MODEM_"));
    let kept: Vec<_> = kept.filter(|line| !line.contains("CAIRN_TRANSPORT_")).collect();
    format!("{}\n# CONFIG_CAIRN_AT_MODEM is not set\n{chosen}\n", kept.join("\n"))
}

#[test]
fn one_transport_is_chosen_and_sockets_only_where_the_glue_has_them() {
    const NO_CUSTOM: &str = "# CONFIG_CAIRN_TRANSPORT_CUSTOM is not set\n";
    assert!(
        errors(&changed(&["CONFIG_CAIRN_UDP=y"])).contains("CONFIG_CAIRN_TRANSPORT_CUSTOM must be y, 2 are"),
        "two"
    );
    assert!(errors(&over(NO_CUSTOM)).contains("CONFIG_CAIRN_TRANSPORT_CUSTOM must be y, 0 are"), "none");
    let features = |text: &str| Config::parse(text).expect("one transport").features().join(",");
    // A line for CONFIG_CAIRN_UDP is there with Zephyr only; both answers mean the same library.
    assert_eq!(features(&over("CONFIG_CAIRN_TRANSPORT_CUSTOM=y")), "udp,signer-software");
    assert_eq!(features(&over(&format!("{NO_CUSTOM}CONFIG_CAIRN_UDP=y"))), "udp,signer-software");
    // The C glue differs, so their headers do.
    let hash = |text: &str| Config::parse(text).expect("one transport").hash();
    assert_ne!(hash(&over("CONFIG_CAIRN_TRANSPORT_CUSTOM=y")), hash(&over(&format!("{NO_CUSTOM}CONFIG_CAIRN_UDP=y"))));
}

#[test]
fn direct_mode_is_refused_with_every_signer_on_p256_and_changes_no_library() {
    let p256 = [NO_SOFTWARE, "CONFIG_CAIRN_SIGNER_P256=y"];
    let others = [&PSA[..], &ON_P256].concat();
    let sim = [&SIM[..], &IOT_SAFE].concat();
    for (signer, named) in [(&p256[..], "SIGNER_P256"), (&others, "KEY_P256"), (&sim, "SIM_IOT_SAFE")] {
        let said = errors(&changed(&[signer, &LEDGER].concat()));
        assert!(said.contains("CONFIG_CAIRN_LEDGER_DIRECT: a contract cannot recover the key"), "{said}");
        assert!(said.contains(named), "{said}");
        Config::parse(&changed(signer)).expect("under a root either curve will do");
    }
    let direct = Config::parse(&changed(&LEDGER)).expect("secp256k1");
    assert_eq!(direct.hash(), Config::parse(DEFAULT).expect("default.config").hash());
}

#[test]
fn hex_numbers_and_bytes_are_read_as_kconfig_writes_them_and_other_forms_are_refused() {
    for line in ["CONFIG_CAIRN_SE050_KEY_ID=48", "CONFIG_CAIRN_SE050_KEY_ID=0xzz"] {
        assert!(errors(&changed(&[line])).contains("is not a hexadecimal number"), "{line}");
    }
    for bytes in ["303036", "\"3\"", "\"\"", "\"+1\"", "\"é\"", "\"30 6\""] {
        let line = format!("CONFIG_CAIRN_SIM_PRIVATE_KEY_ID={bytes}");
        assert!(errors(&changed(&[&line])).contains("must be 1 to 20 bytes in hex digits"), "{line}");
    }
    assert!(errors("# CONFIG_CAIRN_SIM_PRIVATE_KEY_ID is not set\n").contains("needs hex digits in quotes"));
    let config = Config::parse(&changed(&[&SIM[..], &IOT_SAFE].concat())).expect("IoT SAFE");
    let named = |name: &str| config.iter().find(|(symbol, _)| symbol.name == name).and_then(|(_, value)| value);
    assert_eq!(named("SIM_PRIVATE_KEY_ID"), Some(&Value::Bytes(b"006".to_vec())));
    assert_eq!(named("SE050_KEY_ID"), None, "nobody asked for it");
}

#[test]
fn what_a_configuration_has_no_use_for_does_not_change_its_name() {
    let plain = Config::parse(DEFAULT).expect("default.config");
    let spelled_out = Config::parse(&changed(&["CONFIG_CAIRN_SE050_SCP03=n"])).expect("not set is not set");
    assert_eq!(plain.hash(), spelled_out.hash());
    let sim = |id: &str| {
        let lines = [&SIM[..], &IOT_SAFE[..3], &[id]].concat();
        Config::parse(&changed(&lines)).expect("IoT SAFE").hash()
    };
    let ids = ["CONFIG_CAIRN_SIM_PUBLIC_KEY_ID=\"01\"", "CONFIG_CAIRN_SIM_PUBLIC_KEY_ID=\"0100\""];
    assert_ne!(sim(ids[0]), sim(ids[1]));
}
