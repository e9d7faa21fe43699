// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For tests on a host: compiles the C half and links Mbed TLS. A device's build system does both itself.

fn main() {
    #[cfg(feature = "host-mbedtls")]
    {
        /// What tests can disturb; undisturbed it is the real one.
        const DISTURBED: [&str; 6] = [
            "psa_crypto_init",
            "psa_hash_setup",
            "psa_hash_update",
            "psa_hash_finish",
            "psa_aead_encrypt",
            "psa_aead_decrypt",
        ];
        println!("cargo::rerun-if-changed=c");
        println!("cargo::rerun-if-changed=tests/disturbed.c");
        let compile = |file: &str, name: &str, disturbed: &[&str]| {
            let mut build = cc::Build::new();
            build.file(file).std("c11").warnings(true).extra_warnings(true).warnings_into_errors(true);
            for function in disturbed {
                build.define(function, format!("disturbed_{function}").as_str());
            }
            build.compile(name);
        };
        compile("c/cairn_psa_crypto.c", "cairn_psa_crypto", &DISTURBED);
        compile("tests/disturbed.c", "disturbed_crypto", &[]);
        println!("cargo::rustc-link-lib=mbedcrypto");
    }
}
