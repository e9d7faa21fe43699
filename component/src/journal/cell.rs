// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal's two cells: what a wallet signed last, and what the power budget had left. Of a cell only the last
//! value counts, and no sector may be erased under it. Here: what they hold and how one value follows another; the log
//! keeps them.

use super::entry::Item;
use crate::merkle::Hash;

/// Longest state of a power budget, in bytes.
pub const BUDGET_MAX: usize = 64;

/// What a wallet is about to sign: journaled first, so that no nonce is ever given to two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The account's nonce.
    pub nonce: u64,
    /// Hash of what it is for: chain, receiver, value and data.
    pub digest: Hash,
    /// The fee it offers, in the chain's smallest unit. A replacement offers more.
    pub fee: u128,
}

/// How far the account's nonces are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// The first nonce that no intent has. 0 when there was none yet: the first may have any nonce, for an account may
    /// have been used before.
    pub next_nonce: u64,
    /// The intent of the nonce before it, while it is not settled.
    pub pending: Option<Intent>,
}

impl Spending {
    /// What is kept after `intent`: it is the next nonce's first, or replaces the pending one by offering more for the
    /// same. `None` for anything else.
    #[must_use]
    pub fn with(&self, intent: &Intent) -> Option<Self> {
        let allowed = match &self.pending {
            Some(pending) => {
                intent.nonce == pending.nonce && intent.digest == pending.digest && intent.fee > pending.fee
            }
            None => intent.nonce == self.next_nonce || self.next_nonce == 0,
        };
        // EIP-2681: the last nonce is never used.
        let next_nonce = intent.nonce.checked_add(1).filter(|_| allowed)?;
        Some(Self { next_nonce, pending: Some(*intent) })
    }

    /// Whether nothing is pending up to `nonce`.
    #[must_use]
    pub fn is_settled(&self, nonce: u64) -> bool {
        nonce < self.next_nonce && self.pending.is_none_or(|pending| nonce < pending.nonce)
    }
}

/// State of a power budget. What it means, and its version, is its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetState {
    length: u8,
    bytes: [u8; BUDGET_MAX],
}

/// No bytes.
impl Default for BudgetState {
    fn default() -> Self {
        Self { length: 0, bytes: [0; BUDGET_MAX] }
    }
}

impl BudgetState {
    /// `None` when it is longer than [`BUDGET_MAX`].
    #[must_use]
    pub fn new(state: &[u8]) -> Option<Self> {
        let mut bytes = [0; BUDGET_MAX];
        bytes.get_mut(..state.len())?.copy_from_slice(state);
        Some(Self { length: u8::try_from(state.len()).ok()?, bytes })
    }

    /// What was kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Which of the cells were ever written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellSet {
    /// [`Spending`].
    pub spending: bool,
    /// [`BudgetState`].
    pub budget: bool,
}

impl CellSet {
    /// No cells.
    pub const NONE: Self = Self { spending: false, budget: false };

    /// The cells of every journal: none has more.
    pub const ALL: Self = Self { spending: true, budget: true };

    /// The set once `item` was written.
    #[must_use]
    pub const fn with(self, item: &Item) -> Self {
        Self {
            spending: self.spending || matches!(item, Item::Spending(_)),
            budget: self.budget || matches!(item, Item::Budget(_)),
        }
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        (self.spending || !other.spending) && (self.budget || !other.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(nonce: u64, of: u8, fee: u128) -> Intent {
        Intent { nonce, digest: Hash([of; 32]), fee }
    }

    #[test]
    fn a_nonce_has_one_purpose_and_a_replacement_offers_more_for_it() {
        let begun = Spending::default().with(&intent(7, 1, 10)).expect("an account may have been used before");
        assert_eq!(begun, Spending { next_nonce: 8, pending: Some(intent(7, 1, 10)) });
        for refused in [intent(7, 1, 10), intent(7, 1, 9), intent(7, 2, 11), intent(8, 1, 11), intent(6, 1, 11)] {
            assert_eq!(begun.with(&refused), None, "{refused:?}");
        }
        let replaced = begun.with(&intent(7, 1, 11)).unwrap();
        assert_eq!(replaced.pending, Some(intent(7, 1, 11)));
        assert!(!replaced.is_settled(7) && replaced.is_settled(6) && !replaced.is_settled(8));
        let settled = Spending { pending: None, ..replaced };
        assert!(settled.is_settled(7) && !settled.is_settled(8));
        for refused in [intent(7, 1, 12), intent(9, 1, 1)] {
            assert_eq!(settled.with(&refused), None, "{refused:?}");
        }
        assert_eq!(settled.with(&intent(8, 2, 1)).unwrap().next_nonce, 9);
        assert_eq!(Spending::default().with(&intent(u64::MAX, 1, 1)), None);
    }

    #[test]
    fn a_budget_s_state_reads_back_and_a_longer_one_is_none() {
        for length in 0..=BUDGET_MAX {
            assert_eq!(BudgetState::new(&[9; BUDGET_MAX][..length]).unwrap().bytes(), &[9; BUDGET_MAX][..length]);
        }
        assert_eq!(BudgetState::new(&[9; BUDGET_MAX + 1]), None);
    }
}
