// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why an endorsement is refused: one variant, one sentence and one exit code per reason. The codes are in
//! docs/endorsement.md and in scripts: never renumber one, never use one twice.

use cairn::{
    batch::DeploymentId,
    record::StreamId,
    signer::{DeviceId, KeyId},
};
use cairn_evidence::SignatureError;

/// Why an endorsement is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an endorsement.
    #[error("this is not an endorsement")]
    Format,
    /// An endorsement of a version this program does not know.
    #[error("this endorsement has a version that this program does not know")]
    Version,
    /// Made for another deployment.
    #[error("it is for deployment 0x{}, not 0x{}", hex::encode(found.0), hex::encode(expected.0))]
    OtherDeployment {
        /// What it says.
        found: DeploymentId,
        /// What was asked for.
        expected: DeploymentId,
    },
    /// The nonce was never drawn here.
    #[error("its nonce was not drawn here: `cairn provision challenge` draws one")]
    NonceUnknown,
    /// The nonce was used.
    #[error("its nonce was used before: a nonce is good for one endorsement (replay)")]
    NonceUsed,
    /// The nonce is too old.
    #[error("its nonce has expired: `cairn provision challenge` draws another")]
    NonceExpired,
    /// The nonce was drawn for a device with another kid.
    #[error("it names kid 0x{}; its nonce was drawn for 0x{}", hex::encode(found), hex::encode(expected))]
    OtherKid {
        /// What it says.
        found: [u8; 4],
        /// Whose nonce it is.
        expected: [u8; 4],
    },
    /// The ledger key is no point of its curve.
    #[error("its ledger key is no point of its curve")]
    KeyNotOnCurve,
    /// The ledger key is not the one the device was provisioned with.
    #[error("it names ledger key 0x{}; its nonce was drawn for 0x{}", hex::encode(found.0), hex::encode(expected.0))]
    OtherKey {
        /// The key it names.
        found: KeyId,
        /// The key the device was provisioned with.
        expected: KeyId,
    },
    /// The stream is not the one that was asked for.
    #[error("it is of stream {}, not {}", found.0, expected.0)]
    OtherStream {
        /// What it says.
        found: StreamId,
        /// What was asked for.
        expected: StreamId,
    },
    /// The token is no COSE_Sign1 with a payload, and no unprotected claims set either.
    #[error("its token is no tagged COSE_Sign1 message with a payload, and no unprotected claims set")]
    TokenMalformed,
    /// The token is signed with an algorithm this program does not take, or demands what it does not know.
    #[error("its token is signed with another algorithm than ES256K and ES256, or has headers that must be understood")]
    TokenAlgorithm,
    /// A claim of the token is missing, twice there, or not of its type.
    #[error("its token has no good claim {0}")]
    Claim(&'static str),
    /// The profile is none this program knows.
    #[error("its token is of profile {0:?}, which this program cannot check")]
    UnknownProfile(String),
    /// The statement of a secure element has another form.
    #[error("its chip's statement cannot be read: it is not what an SE050 with an applet before version 7 gives")]
    StatementMalformed,
    /// Nobody trusts the root of trust.
    #[error("no trusted root of trust signed its token: {0} is not in the file of roots")]
    UntrustedRoot(String),
    /// The root of trust is trusted for another device.
    #[error("its token's key is trusted for device 0x{} only, not for 0x{}", hex::encode(trusted.0), hex::encode(found.0))]
    RootOfOtherDevice {
        /// Whose key it is.
        trusted: DeviceId,
        /// The device that used it.
        found: DeviceId,
    },
    /// The signature of the token is not its root's.
    #[error("its token was changed: the root of trust's signature does not hold")]
    TokenSignature,
    /// The token is not over what the endorsement says.
    #[error("its token is not over this nonce, ledger key, stream, kid and deployment: one of them was exchanged")]
    OtherNonce,
    /// The token is about another device than the one with the ledger key.
    #[error("its token is about another device than the one that has the ledger key")]
    OtherUeid,
    /// PSA: the platform is not in its secured state.
    #[error("its platform is not secured: PSA security lifecycle 0x{0:04x} (debugging, or not yet provisioned)")]
    NotSecured(u64),
    /// PSA: the platform's immutable part is another than the root is trusted with.
    #[error("its platform is of implementation 0x{}, which its root is not trusted with", hex::encode(.0))]
    OtherImplementation(Vec<u8>),
    /// The secure element's statement was made for another nonce than the token says.
    #[error("its chip's statement is not over this nonce, ledger key, stream, kid and deployment: an old one was used")]
    StatementNotFresh,
    /// The secure element's statement is about another key.
    #[error("its chip's statement is about another key than the ledger key")]
    StatementOfOtherKey,
    /// The secure element's statement is not about a key pair of the ledger key's algorithm.
    #[error("its chip's statement is about an object of type 0x{0:02x}, which is no key pair of its algorithm")]
    NotAKeyPair(u8),
    /// The secure element did not generate the ledger key.
    #[error("its ledger key was not generated in the chip (origin {0}): somebody else may have it")]
    NotGenerated(u8),
    /// The ledger key did not sign the token.
    #[error("its ledger key does not prove possession: {0}")]
    Possession(SignatureError),
}

impl Refusal {
    /// The exit code of `cairn provision endorse`.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Format => 10,
            Self::Version => 11,
            Self::OtherDeployment { .. } => 20,
            Self::OtherKid { .. } => 21,
            Self::KeyNotOnCurve => 22,
            Self::OtherKey { .. } => 23,
            Self::OtherStream { .. } => 24,
            Self::NonceUnknown => 30,
            Self::NonceUsed => 31,
            Self::NonceExpired => 32,
            Self::TokenMalformed => 40,
            Self::TokenAlgorithm => 41,
            Self::Claim(_) => 42,
            Self::UnknownProfile(_) => 43,
            Self::StatementMalformed => 44,
            Self::UntrustedRoot(_) => 50,
            Self::RootOfOtherDevice { .. } => 51,
            Self::TokenSignature => 52,
            Self::OtherNonce => 60,
            Self::OtherUeid => 61,
            Self::NotSecured(_) => 62,
            Self::OtherImplementation(_) => 63,
            Self::StatementNotFresh => 64,
            Self::StatementOfOtherKey => 65,
            Self::NotAKeyPair(_) => 66,
            Self::NotGenerated(_) => 67,
            Self::Possession(SignatureError::NotOnCurve | SignatureError::Malformed) => 70,
            Self::Possession(SignatureError::HighS) => 71,
            Self::Possession(SignatureError::Invalid) => 72,
        }
    }
}
