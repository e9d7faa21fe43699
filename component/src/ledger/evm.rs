// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Transactions and signed messages of EVM chains: EIP-1559, EIP-155 legacy, `personal_sign`, EIP-2098 signatures. Called by the
//! wallet and by the host; never chooses a nonce or a fee, and never signs.

use super::{Buffer, BufferTooSmall, Sink, abi::Call, rlp::Rlp};
use crate::{
    keccak::{Keccak, keccak256},
    signer::{Digest, KeyId, Signature, YParity},
    word::Word,
};

/// The type byte of an EIP-1559 transaction (EIP-2718).
const EIP1559_TYPE: u8 = 2;

/// An account: the key id of a secp256k1 key, or a contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl From<KeyId> for Address {
    fn from(key: KeyId) -> Self {
        Self(key.0)
    }
}

impl From<Address> for Word {
    fn from(address: Address) -> Self {
        let mut word = [0; 32];
        word[12..].copy_from_slice(&address.0);
        Self(word)
    }
}

/// The hash by which a node knows a signed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionHash(pub [u8; 32]);

/// What a transaction carries.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'t> {
    /// Bytes: calldata made elsewhere, or the code of a contract to create.
    Bytes(&'t [u8]),
    /// A call, encoded on the way.
    Call(Call<'t>),
}

/// What the sender pays for gas, in wei per gas. It decides the transaction's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// A legacy transaction with replay protection (EIP-155).
    Legacy {
        /// The price.
        gas_price: Word,
    },
    /// An EIP-1559 transaction without access list.
    Eip1559 {
        /// What the block's producer gets at most.
        max_priority_fee: Word,
        /// What is paid at most.
        max_fee: Word,
    },
}

/// A transaction without its signature.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'t> {
    /// The chain, EIP-155.
    pub chain_id: u64,
    /// How many transactions the sender sent before.
    pub nonce: u64,
    /// Gas it may use.
    pub gas: u64,
    /// Whom it calls or pays; `None` creates a contract.
    pub to: Option<Address>,
    /// What it pays, in wei.
    pub value: Word,
    /// What it carries.
    pub data: Payload<'t>,
    /// Its fees and thereby its type.
    pub fees: Fees,
}

impl Transaction<'_> {
    /// Writes what is hashed to be signed.
    pub fn encode_unsigned(&self, sink: &mut dyn Sink) {
        self.encode(sink, |rlp| {
            if matches!(self.fees, Fees::Legacy { .. }) {
                rlp.integer(self.chain_id);
                rlp.integer(0_u64);
                rlp.integer(0_u64);
            }
        });
    }

    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Keccak::new();
        self.encode_unsigned(&mut hash);
        Digest(hash.finalize())
    }

    /// Writes the transaction with its signature, as `eth_sendRawTransaction` takes it.
    pub fn encode_signed(&self, signature: &Signature, parity: YParity, sink: &mut dyn Sink) {
        let (r, s) = halves(signature);
        self.encode(sink, |rlp| {
            rlp.integer(self.v(parity));
            rlp.integer(r);
            rlp.integer(s);
        });
    }

    /// Writes the signed transaction into `out` and says how long it is.
    ///
    /// # Errors
    /// [`BufferTooSmall`]; the content of `out` is then not to be used.
    pub fn write_signed(
        &self,
        signature: &Signature,
        parity: YParity,
        out: &mut [u8],
    ) -> Result<usize, BufferTooSmall> {
        let mut buffer = Buffer::new(out);
        self.encode_signed(signature, parity, &mut buffer);
        buffer.finish()
    }

    /// The hash of the signed transaction.
    #[must_use]
    pub fn hash(&self, signature: &Signature, parity: YParity) -> TransactionHash {
        let mut hash = Keccak::new();
        self.encode_signed(signature, parity, &mut hash);
        TransactionHash(hash.finalize())
    }

    /// The signature's first number: 35 + 2 × chain id + parity (EIP-155), or the parity itself.
    #[must_use]
    pub fn v(&self, parity: YParity) -> Word {
        let parity = parity as u8;
        match self.fees {
            Fees::Legacy { .. } => Word::from(35 + 2 * u128::from(self.chain_id) + u128::from(parity)),
            Fees::Eip1559 { .. } => Word::from(parity),
        }
    }

    fn encode(&self, sink: &mut dyn Sink, signature: impl Fn(&mut Rlp<'_>)) {
        if matches!(self.fees, Fees::Eip1559 { .. }) {
            sink.put(&[EIP1559_TYPE]);
        }
        Rlp::new(sink).list(|rlp| {
            self.encode_fields(rlp);
            signature(rlp);
        });
    }

    fn encode_fields(&self, rlp: &mut Rlp<'_>) {
        match self.fees {
            Fees::Legacy { gas_price } => {
                rlp.integer(self.nonce);
                rlp.integer(gas_price);
            }
            Fees::Eip1559 { max_priority_fee, max_fee } => {
                rlp.integer(self.chain_id);
                rlp.integer(self.nonce);
                rlp.integer(max_priority_fee);
                rlp.integer(max_fee);
            }
        }
        rlp.integer(self.gas);
        rlp.bytes(self.to.as_ref().map_or(&[], |to| &to.0));
        rlp.integer(self.value);
        match &self.data {
            Payload::Bytes(bytes) => rlp.bytes(bytes),
            Payload::Call(call) => rlp.streamed(call.len(), |sink| call.encode(sink)),
        }
        if matches!(self.fees, Fees::Eip1559 { .. }) {
            rlp.list(|_| {});
        }
    }
}

/// What `personal_sign` signs (EIP-191, version 0x45): keccak256("\x19Ethereum Signed Message:\n" ‖ length ‖ message).
#[must_use]
pub fn personal_digest(message: &[u8]) -> Digest {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = message.len();
    for digit in digits.iter_mut().rev() {
        // A remainder of 10 fits a byte.
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    let length = digits.get(start..).unwrap_or_default();
    Digest(keccak256(&[b"\x19Ethereum Signed Message:\n", length, message]))
}

/// r ‖ s ‖ v with v 27 or 28: the form in which wallets give signatures of messages.
#[must_use]
pub fn message_signature(signature: &Signature, parity: YParity) -> [u8; 65] {
    let mut out = [0; 65];
    out[..64].copy_from_slice(&signature.0);
    out[64] = 27 + parity as u8;
    out
}

/// The 64-byte form r ‖ (parity, s) of EIP-2098; the signature must be low-S, which leaves the top bit of s free.
#[must_use]
pub fn compact_signature(signature: &Signature, parity: YParity) -> [u8; 64] {
    let mut out = signature.0;
    out[32] |= (parity as u8) << 7;
    out
}

/// The signature and parity in an EIP-2098 form.
#[must_use]
pub fn from_compact_signature(compact: &[u8; 64]) -> (Signature, YParity) {
    let mut signature = *compact;
    let parity = if signature[32] & 0x80 == 0 { YParity::Even } else { YParity::Odd };
    signature[32] &= 0x7f;
    (Signature(signature), parity)
}

/// r and s.
fn halves(signature: &Signature) -> (Word, Word) {
    let (mut r, mut s) = (Word::ZERO, Word::ZERO);
    r.0.copy_from_slice(&signature.0[..32]);
    s.0.copy_from_slice(&signature.0[32..]);
    (r, s)
}
