// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For tests on a host: compiles the C half and links Mbed TLS. A device's build system does both itself.

fn main() {
    #[cfg(feature = "host-mbedtls")]
    {
        println!("cargo::rerun-if-changed=c");
        println!("cargo::rerun-if-changed=tests/disturbed.c");
        let compile = |file: &str, name: &str| {
            let mut build = cc::Build::new();
            build.file(file).std("c11").warnings(true).extra_warnings(true).warnings_into_errors(true);
            if name == "cairn_psa" {
                // So that tests can disturb a signature; undisturbed it is the real one.
                build.define("psa_sign_hash", "disturbed_psa_sign_hash");
            }
            build.compile(name);
        };
        compile("c/cairn_psa.c", "cairn_psa");
        compile("tests/disturbed.c", "disturbed");
        println!("cargo::rustc-link-lib=mbedcrypto");
    }
}
