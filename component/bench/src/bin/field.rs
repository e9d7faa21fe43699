// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The products and squares in assembly that libsecp256k1 is built with (component/libsecp256k1/src/field.s) against
//! k256's field: numbers at the edges of what the library multiplies, then random ones.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn_bench::{Random, cortex_m_semihosting::hprintln, entry, finish, open};
    use k256::elliptic_curve::{ff::PrimeField as _, hazmat::FieldArithmetic};

    type Field = <k256::Secp256k1 as FieldArithmetic>::FieldElement;

    /// Σ limb_i·2^(26·i).
    type Number = [u32; 10];

    unsafe extern "C" {
        fn rustsecp256k1_v0_14_fe_mul_inner(product: *mut u32, a: *const u32, b: *const u32);
        fn rustsecp256k1_v0_14_fe_sqr_inner(square: *mut u32, a: *const u32);
    }

    /// Largest limbs of a number of magnitude 8, which is the most that the library multiplies, and of the prime.
    const LARGEST: Number = limbs((1 << 30) - 1, (1 << 26) - 1);
    const PRIME: Number = {
        let mut prime = limbs((1 << 26) - 1, (1 << 22) - 1);
        (prime[0], prime[1]) = (0x03ff_fc2f, 0x03ff_ffbf);
        prime
    };
    const RANDOM: usize = 20_000;

    const fn limbs(limb: u32, highest: u32) -> Number {
        let mut number = [limb; 10];
        number[9] = highest;
        number
    }

    fn value(number: &Number) -> Field {
        let shift = Field::from(1 << 26);
        number.iter().rev().fold(Field::ZERO, |value, limb| (value * shift).normalize() + Field::from(u64::from(*limb)))
    }

    /// Whether a result is what it must be, in limbs as the library expects them.
    fn is(result: &Number, expected: Field) -> bool {
        // The third takes what is left of the reduction.
        let bits = [26, 26, 27, 26, 26, 26, 26, 26, 26, 22];
        let reduced = result.iter().zip(bits).all(|(limb, bits)| limb >> bits == 0);
        reduced && value(result).to_repr() == expected.to_repr()
    }

    fn check(a: &Number, b: &Number) {
        let expected = value(a).normalize() * value(b).normalize();
        let (mut product, mut over_a, mut square) = ([0x5a5a_5a5a; 10], *a, *a);
        // SAFETY: ten words each, of which the functions read the second and third argument and write the first, which
        // may be the second: so the library calls them.
        unsafe {
            rustsecp256k1_v0_14_fe_mul_inner(product.as_mut_ptr(), a.as_ptr(), b.as_ptr());
            rustsecp256k1_v0_14_fe_mul_inner(over_a.as_mut_ptr(), over_a.as_ptr(), b.as_ptr());
            rustsecp256k1_v0_14_fe_sqr_inner(square.as_mut_ptr(), square.as_ptr());
        }
        assert!(is(&product, expected) && product == over_a, "{a:x?} * {b:x?}: {product:x?}");
        assert!(is(&square, value(a).normalize().square()), "{a:x?} squared: {square:x?}");
    }

    #[entry]
    fn main() -> ! {
        // The signer brings the assembly into the image.
        assert!(open(black_box(&[0x42; 32])).is_some());
        let mut edges = [[0; 10]; 24];
        for limb in 0..10 {
            edges[limb][limb] = LARGEST[limb];
            edges[10 + limb] = LARGEST;
            edges[10 + limb][limb] = 0;
        }
        (edges[20], edges[21], edges[22]) = (LARGEST, PRIME, PRIME);
        edges[22][0] -= 1;
        for (a, b) in edges.iter().flat_map(|a| edges.iter().map(move |b| (a, b))) {
            check(a, b);
        }
        let mut random = Random::new();
        let mut number = || {
            let (low, high) = (random.bytes(), random.bytes());
            let word = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let mut number = [0; 10];
            for (limb, bytes) in number.iter_mut().zip(low.chunks_exact(4).chain(high.chunks_exact(4))) {
                *limb = word(bytes);
            }
            core::array::from_fn(|i| number[i] & LARGEST[i])
        };
        for _ in 0..RANDOM {
            check(&number(), &number());
        }
        hprintln!("products={}", edges.len() * edges.len() + RANDOM);
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
