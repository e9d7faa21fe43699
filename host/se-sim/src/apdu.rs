// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Command APDUs as ISO/IEC 7816-4 section 5.1 codes them, and TLVs. Called by the applet and the channel.

/// A command, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Apdu {
    pub(crate) header: [u8; 4],
    /// The bytes of Lc, as a MAC covers them.
    pub(crate) length: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Apdu {
    /// Cases 1, 2, 3 and 4, short and extended; `None` when the lengths do not add up.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = *bytes.first_chunk::<4>()?;
        let body = &bytes[4..];
        let (length, data): (&[u8], &[u8]) = match body {
            [] | [_] | [0, _, _] => (&[], &[]),
            [0, high, low, rest @ ..] => {
                let lc = usize::from(u16::from_be_bytes([*high, *low]));
                if lc == 0 || !matches!(rest.len().checked_sub(lc), Some(0 | 2)) {
                    return None;
                }
                (&body[..3], &rest[..lc])
            }
            [lc, rest @ ..] => {
                let lc = usize::from(*lc);
                if !matches!(rest.len().checked_sub(lc), Some(0 | 1)) {
                    return None;
                }
                (&body[..1], &rest[..lc])
            }
        };
        Some(Self { header, length: length.to_vec(), data: data.to_vec() })
    }

    /// The values of TLVs with these tags, in this order; those that may be missing are marked. `None` when the data is
    /// anything else.
    pub(crate) fn values<const N: usize>(&self, tags: [(u8, bool); N]) -> Option<[Option<&[u8]>; N]> {
        let mut rest = &self.data[..];
        let mut values = [None; N];
        for ((tag, required), value) in tags.into_iter().zip(&mut values) {
            match rest {
                [first, length, more @ ..] if *first == tag && *length < 0x80 => {
                    let (this, more) = more.split_at_checked(usize::from(*length))?;
                    *value = Some(this);
                    rest = more;
                }
                _ if required => return None,
                _ => {}
            }
        }
        rest.is_empty().then_some(values)
    }
}

/// Appends a TLV.
pub(crate) fn put(to: &mut Vec<u8>, tag: u8, value: &[u8]) {
    to.push(tag);
    match u8::try_from(value.len()).expect("no value of this chip is longer") {
        length @ 0..=0x7f => to.push(length),
        length => to.extend([0x81, length]),
    }
    to.extend(value);
}
