// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the contract ABI and EIP-712 encode: words, bytes, arrays and tuples, borrowed from the caller. Built by whoever calls
//! a contract or signs typed data.

use core::slice::Iter;

use crate::word::Word;

/// How deep arrays and tuples may lie within each other; the arguments themselves are the first level.
pub const MAX_NESTING: usize = 5;

/// Arrays and tuples lie deeper within each other than [`MAX_NESTING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep;

/// One value of a Solidity type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'v> {
    /// `uintN`, `intN`, `address`, `bool`, `bytesN`: whatever fits one word.
    Word(Word),
    /// `bytes` and `string`.
    Bytes(&'v [u8]),
    /// `T[]`.
    Array(&'v [Value<'v>]),
    /// A struct or tuple, and `T[k]`.
    Tuple(&'v [Value<'v>]),
}

impl<'v> Value<'v> {
    /// A value that fits one word.
    #[must_use]
    pub fn word(value: impl Into<Word>) -> Self {
        Self::Word(value.into())
    }

    /// What lies within.
    pub(super) const fn children(&self) -> &'v [Self] {
        match self {
            Self::Word(_) | Self::Bytes(_) => &[],
            Self::Array(items) | Self::Tuple(items) => items,
        }
    }
}

/// All values within a list of values, each before what lies within it.
pub(super) struct Walk<'v> {
    levels: heapless::Vec<Iter<'v, Value<'v>>, MAX_NESTING>,
}

impl<'v> Walk<'v> {
    pub(super) fn new(values: &'v [Value<'v>]) -> Self {
        let mut levels = heapless::Vec::new();
        // There is room for one level.
        let _ = levels.push(values.iter());
        Self { levels }
    }

    pub(super) fn next(&mut self) -> Result<Option<&'v Value<'v>>, TooDeep> {
        while let Some(level) = self.levels.last_mut() {
            let Some(value) = level.next() else {
                self.levels.pop();
                continue;
            };
            let children = value.children();
            if !children.is_empty() {
                self.levels.push(children.iter()).map_err(|_| TooDeep)?;
            }
            return Ok(Some(value));
        }
        Ok(None)
    }
}
