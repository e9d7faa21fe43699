// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CBOR for the uplink, the factory blob and Cairn's own records: numbers out of it, and payloads written into vectors. minicbor
//! has a reader of its own for every width of integer, some 400 bytes of flash each: these read the widest and narrow it, and
//! so take and refuse the same.

use minicbor::{Decoder, data::Type, decode::Error, encode::Write};

/// A payload that is being written.
pub(crate) struct PayloadWriter<const N: usize>(pub(crate) heapless::Vec<u8, N>);

impl<const N: usize> Write for PayloadWriter<N> {
    type Error = heapless::CapacityError;

    fn write_all(&mut self, buf: &[u8]) -> Result<(), Self::Error> {
        self.0.extend_from_slice(buf)
    }
}

/// Reads an unsigned integer into whatever it fits.
///
/// # Errors
/// When there is none, or it does not fit.
pub(crate) fn unsigned<T: TryFrom<u64>>(d: &mut Decoder<'_>) -> Result<T, Error> {
    T::try_from(d.u64()?).map_err(|_| Error::type_mismatch(Type::U64))
}

/// Reads an integer into whatever it fits.
///
/// # Errors
/// When there is none, or it does not fit.
pub(crate) fn signed<T: TryFrom<i64>>(d: &mut Decoder<'_>) -> Result<T, Error> {
    T::try_from(d.i64()?).map_err(|_| Error::type_mismatch(Type::I64))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Every head and argument near a width's border, in every length of encoding.
    fn encodings() -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for head in 0..=0xff_u8 {
            for value in
                [0_u64, 1, 23, 24, 127, 128, 129, 255, 256, 65535, 65536, u32::MAX.into(), 1 << 32, 1 << 63, u64::MAX]
            {
                for length in [0, 1, 2, 4, 8] {
                    let mut bytes = Vec::from([head]);
                    bytes.extend_from_slice(&value.to_be_bytes()[8 - length..]);
                    all.push(bytes);
                }
            }
        }
        all
    }

    #[test]
    fn what_is_taken_and_how_far_it_is_read_is_as_with_minicbor_s_own_readers() {
        for bytes in encodings() {
            let (mut ours, mut theirs) = (Decoder::new(&bytes), Decoder::new(&bytes));
            macro_rules! same {
                ($read:ident, $width:ident) => {
                    (ours.set_position(0), theirs.set_position(0));
                    let (our, their) = ($read::<$width>(&mut ours).ok(), theirs.$width().ok());
                    assert_eq!(our, their, "{bytes:02x?}");
                    assert!(our.is_none() || ours.position() == theirs.position(), "{bytes:02x?}");
                };
            }
            same!(unsigned, u8);
            same!(unsigned, u16);
            same!(unsigned, u32);
            same!(signed, i8);
        }
    }
}
