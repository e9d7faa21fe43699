// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key of PSA Crypto, and its hashes and cipher, as C sees them: the C halves compiled with the program, and the Mbed TLS of this
//! machine behind them. Run by the stage `psa` of `cargo xtask test`.

use std::{fs, path::PathBuf, process::Command};

use c_builds::{Build, blob, compiler, factory, here, library, signed_by, succeed};
use cairn::signer::{Algorithm, PublicKey};
use cairn_capi::result::cairn_result_t::{CAIRN_E_KEY_UNWANTED, CAIRN_E_SIGNER_NOT_PROVISIONED};

mod c_builds;

const SIGNER: &str = "c/cairn_psa.c";
const HASHES: &str = "crypto/c/cairn_psa_crypto.c";

/// The C halves, with what they must have, the scenarios, and Mbed TLS. A half that the library does not call is not linked.
fn linked(build: &Build, needed: &[&str], halves: &[&str]) -> PathBuf {
    let program = build.directory.join("signer_scenarios");
    let psa = here().join("../psa");
    let mut cc = compiler();
    cc.args(needed.iter().map(|needed| format!("-D{needed}")));
    cc.arg("-I").arg(&build.directory).arg("-I").arg(psa.join("c")).args(["-g", "-o"]).arg(&program);
    cc.args(["signer_scenarios", "pthread_port", "element_port"].map(|name| here().join(format!("tests/c/{name}.c"))));
    cc.args(halves.iter().map(|half| psa.join(half)));
    succeed(cc.arg(&build.library).args(["-lmbedcrypto", "-lm", "-ldl"]));
    program
}

#[test]
fn a_key_that_psa_crypto_generated_signs_after_a_restart_and_another_is_not_taken_for_it() {
    for (curve, other, alg, needed) in [
        ("KEY_SECP256K1", "KEY_P256", Algorithm::Es256k, "CAIRN_PSA_NEEDS_ES256K"),
        ("KEY_P256", "KEY_SECP256K1", Algorithm::Es256, "CAIRN_PSA_NEEDS_ES256"),
    ] {
        let build = library(
            &format!("psa-{curve}"),
            &[("SIGNER_SOFTWARE", "n"), ("SIGNER_PSA", "y"), (curve, "y"), (other, "n"), ("PSA_KEY_ID", "77")],
        );
        let program = linked(&build, &[needed], &[SIGNER]);
        // Mbed TLS keeps keys in files of the current folder.
        let keys = build.directory.join("keys");
        let run = |arguments: &[&str]| {
            let output = succeed(Command::new(&program).current_dir(&keys).args(arguments));
            String::from_utf8(output.stdout).unwrap()
        };
        let empty = || {
            let _ = fs::remove_dir_all(&keys);
            fs::create_dir_all(&keys).unwrap();
        };
        let keyless = blob(&build.directory, "keyless.bin", &factory(alg, None)).display().to_string();
        let keyed = blob(&build.directory, "keyed.bin", &factory(alg, Some([0x11; 32]))).display().to_string();
        empty();
        run(&["refused", &keyed, &(CAIRN_E_KEY_UNWANTED as u32).to_string()]);
        let none = (CAIRN_E_SIGNER_NOT_PROVISIONED as u32).to_string();
        run(&["no_start", &keyless, &none]);
        run(&["psa_provision", "the other curve"]);
        run(&["no_start", &keyless, &none]);
        empty();
        let xy = hex::decode(run(&["psa_provision"]).trim()).unwrap();
        signed_by(&run(&["signs", &keyless]), 3, &PublicKey { alg, xy: xy.try_into().unwrap() });
    }
}

#[test]
fn a_device_whose_key_hashes_and_cipher_are_all_psa_cryptos_signs_what_software_verifies() {
    let changes = [("SIGNER_SOFTWARE", "n"), ("SIGNER_PSA", "y"), ("KEY_SECP256K1", "y"), ("KEY_P256", "n")];
    let more = [("PSA_KEY_ID", "78"), ("PSA_HASH", "y"), ("PSA_AEAD", "y")];
    let build = library("psa-hash", &[&changes[..], &more[..]].concat());
    let needed = ["CAIRN_PSA_NEEDS_ES256K", "CAIRN_PSA_NEEDS_SHA_256", "CAIRN_PSA_NEEDS_AES_CCM"];
    let program = linked(&build, &needed, &[SIGNER, HASHES]);
    let keys = build.directory.join("keys");
    let _ = fs::remove_dir_all(&keys);
    fs::create_dir_all(&keys).unwrap();
    let run = |arguments: &[&str]| {
        String::from_utf8(succeed(Command::new(&program).current_dir(&keys).args(arguments)).stdout).unwrap()
    };
    let keyless = blob(&build.directory, "keyless.bin", &factory(Algorithm::Es256k, None)).display().to_string();
    let xy = hex::decode(run(&["psa_provision"]).trim()).unwrap();
    signed_by(&run(&["signs", &keyless]), 3, &PublicKey { alg: Algorithm::Es256k, xy: xy.try_into().unwrap() });
}
