// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Computes the tables of generator multiples that the software signers keep in flash (src/signer/software/comb.rs says
//! what they are for), with the same crates that check signatures. Writes `combs.rs`; nothing else happens at build
//! time.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use k256::elliptic_curve::{
    CurveArithmetic, FieldBytes,
    ff::{Field as _, PrimeField},
    group::{Curve as _, Group},
    point::AffineCoordinates,
};

/// Bits that one lookup reads.
const TEETH: usize = 5;
/// Bits of a recoded scalar: the least multiple of TEETH that holds the order of either curve, and of every spacing
/// here.
const BITS: usize = 260;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let fast = env::var_os("CARGO_FEATURE_SIGNER_FAST").is_some();
    // Twice as many tables halve the doublings. Beyond that the constant-time scan eats what a larger table saves.
    let blocks = if fast { 4 } else { 2 };
    let mut out = format!(
        "/// Bits that one lookup reads.\nconst TEETH: usize = {TEETH};\n\
         /// Tables per curve.\nconst BLOCKS: usize = {blocks};\n\
         /// Bits of a recoded scalar.\nconst BITS: usize = {BITS};\n"
    );
    let big_endian = env::var("CARGO_CFG_TARGET_ENDIAN").as_deref() == Ok("big");
    write_comb::<k256::Secp256k1>(&mut out, "SECP256K1", blocks, big_endian);
    #[cfg(feature = "es256")]
    write_comb::<p256::NistP256>(&mut out, "P256", blocks, big_endian);
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(directory.join("combs.rs"), out).expect("OUT_DIR can be written");
}

/// Entry `index` of block `b` is the sum over the teeth t of ±2^((b·TEETH + t)·spacing)·G: plus for the highest tooth,
/// for another one plus when bit t of `index` is set.
fn write_comb<C>(out: &mut String, name: &str, blocks: usize, big_endian: bool)
where
    C: CurveArithmetic,
    C::ProjectivePoint: Group<Scalar = C::Scalar>,
    C::AffinePoint: AffineCoordinates<FieldRepr = FieldBytes<C>>,
{
    let spacing = BITS / (blocks * TEETH);
    assert_eq!(spacing * blocks * TEETH, BITS);
    writeln!(
        out,
        "/// Multiples of the generator: X ‖ Y.\n\
         static {name}_TABLE: [Block; BLOCKS] = ["
    )
    .expect("a string grows");
    for block in 0..blocks {
        let teeth: Vec<C::ProjectivePoint> = (0..TEETH)
            .map(|tooth| {
                let doublings = (block * TEETH + tooth) * spacing;
                (0..doublings).fold(C::ProjectivePoint::generator(), |point, _| point.double())
            })
            .collect();
        writeln!(out, "    [").expect("a string grows");
        for index in 0..1_usize << (TEETH - 1) {
            let mut sum = teeth[TEETH - 1];
            for (tooth, point) in teeth[..TEETH - 1].iter().enumerate() {
                if index >> tooth & 1 == 1 { sum += point } else { sum -= point }
            }
            let affine = sum.to_affine();
            writeln!(out, "        [{}, {}],", words(&affine.x(), big_endian), words(&affine.y(), big_endian))
                .expect("a string grows");
        }
        writeln!(out, "    ],").expect("a string grows");
    }
    writeln!(out, "];").expect("a string grows");

    let all_ones = C::Scalar::from(2).pow_vartime([BITS as u64]) - C::Scalar::ONE;
    writeln!(
        out,
        "/// (2^BITS − 1) / 2 modulo the order, big-endian.\nconst {name}_OFFSET: [u8; 32] = {:?};",
        (all_ones * C::Scalar::TWO_INV).to_repr().as_slice()
    )
    .expect("a string grows");
}

/// A big-endian coordinate as eight words that a processor of either endianness has to store as they are, in two
/// quarters.
fn words(bytes: &[u8], big_endian: bool) -> String {
    let word = |word: &[u8]| {
        let word: [u8; 4] = word.try_into().expect("32 bytes");
        format!("{:#010x}", if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    };
    let quarter = |bytes: &[u8]| format!("[{}]", bytes.chunks(4).map(word).collect::<Vec<_>>().join(", "));
    bytes.chunks(16).map(quarter).collect::<Vec<_>>().join(", ")
}
