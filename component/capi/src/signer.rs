// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signer that the configuration chose: its type, what it asks of a factory blob, and how it is opened. Called by
//! cairn_init (`check`) and by the agent's first step (`open`). Only constructors here: the signers are the component's, and
//! crates of their own.

use cairn::{factory::Factory, signer::Algorithm};

use crate::result::cairn_result_t;

/// Whether each feature is what the configuration says: a library made of one and a header made of the other would not be
/// the same program.
const _: () = {
    const SAME: [(bool, bool); 19] = [
        (cfg!(feature = "at-modem"), cairn_config::AT_MODEM),
        (cfg!(feature = "udp"), cairn_config::UDP || cairn_config::TRANSPORT_CUSTOM),
        (cfg!(feature = "modem-bc66"), cairn_config::MODEM_BC66),
        (cfg!(feature = "monotonic"), cairn_config::MONOTONIC),
        (cfg!(feature = "key-store"), cairn_config::KEY_STORE),
        (cfg!(feature = "key-noise"), cairn_config::KEY_NOISE),
        (cfg!(feature = "signer-software"), cairn_config::SIGNER_SOFTWARE),
        (cfg!(feature = "signer-p256"), cairn_config::SIGNER_P256),
        (cfg!(feature = "signer-fast"), cairn_config::SIGNER_FAST),
        (cfg!(feature = "signer-libsecp256k1"), cairn_config::SIGNER_LIBSECP256K1),
        (cfg!(feature = "signer-psa"), cairn_config::SIGNER_PSA),
        (cfg!(feature = "signer-se050"), cairn_config::SIGNER_SE050),
        (cfg!(feature = "signer-sim"), cairn_config::SIGNER_SIM),
        (cfg!(feature = "signer-custom"), cairn_config::SIGNER_CUSTOM),
        (cfg!(feature = "psa-hash"), cairn_config::PSA_HASH),
        (cfg!(feature = "psa-aead"), cairn_config::PSA_AEAD),
        (cfg!(feature = "endorsement"), cairn_config::ROOT_FACTORY_KEY),
        (cfg!(feature = "psa-attestation"), cairn_config::ROOT_PSA),
        (cfg!(feature = "se050-attestation"), cairn_config::ROOT_SE050),
    ];
    let mut at = 0;
    while at < SAME.len() {
        assert!(
            SAME[at].0 == SAME[at].1,
            "the cargo features are not those of the .config; `cairn-config features <.config>` prints them"
        );
        at += 1;
    }
    assert!(
        cfg!(feature = "es256") == (ALGORITHM as i8 == Algorithm::Es256 as i8),
        "the cargo feature es256 is for keys on P-256; `cairn-config features <.config>` prints what the .config chooses"
    );
};

#[cfg(any(
    all(feature = "signer-software", feature = "signer-p256"),
    all(feature = "signer-software", feature = "signer-libsecp256k1"),
    all(feature = "signer-software", feature = "signer-psa"),
    all(feature = "signer-software", feature = "signer-se050"),
    all(feature = "signer-software", feature = "signer-sim"),
    all(feature = "signer-p256", feature = "signer-libsecp256k1"),
    all(feature = "signer-p256", feature = "signer-psa"),
    all(feature = "signer-p256", feature = "signer-se050"),
    all(feature = "signer-p256", feature = "signer-sim"),
    all(feature = "signer-libsecp256k1", feature = "signer-psa"),
    all(feature = "signer-libsecp256k1", feature = "signer-se050"),
    all(feature = "signer-libsecp256k1", feature = "signer-sim"),
    all(feature = "signer-psa", feature = "signer-se050"),
    all(feature = "signer-psa", feature = "signer-sim"),
    all(feature = "signer-se050", feature = "signer-sim"),
    all(feature = "signer-custom", feature = "signer-software"),
    all(feature = "signer-custom", feature = "signer-p256"),
    all(feature = "signer-custom", feature = "signer-libsecp256k1"),
    all(feature = "signer-custom", feature = "signer-psa"),
    all(feature = "signer-custom", feature = "signer-se050"),
    all(feature = "signer-custom", feature = "signer-sim"),
))]
compile_error!("two signers: cairn-capi takes exactly one of the features that begin with signer-, signer-fast apart");

#[cfg(not(any(
    feature = "signer-software",
    feature = "signer-p256",
    feature = "signer-libsecp256k1",
    feature = "signer-psa",
    feature = "signer-se050",
    feature = "signer-sim",
    feature = "signer-custom",
)))]
compile_error!("no signer: cairn-capi takes exactly one of the features that begin with signer-, signer-fast apart");

/// What the device's key is for.
pub(crate) const ALGORITHM: Algorithm =
    if cairn_config::SIGNER_P256 || cairn_config::KEY_P256 || cairn_config::SIM_IOT_SAFE {
        Algorithm::Es256
    } else {
        Algorithm::Es256k
    };

/// Whether the key is the factory blob's.
const KEY_FROM_FACTORY: bool =
    cairn_config::SIGNER_SOFTWARE || cairn_config::SIGNER_P256 || cairn_config::SIGNER_LIBSECP256K1;

/// Whether `factory` is for this build.
///
/// # Errors
/// `CAIRN_E_FACTORY_UNSUPPORTED` when its key is for another algorithm, `CAIRN_E_KEY_MISSING`, `CAIRN_E_KEY_UNWANTED`.
pub(crate) fn check(factory: &Factory) -> Result<(), cairn_result_t> {
    match factory.private_key {
        _ if factory.alg != ALGORITHM => Err(cairn_result_t::CAIRN_E_FACTORY_UNSUPPORTED),
        None if KEY_FROM_FACTORY && !cairn_config::KEY_STORE => Err(cairn_result_t::CAIRN_E_KEY_MISSING),
        Some(_) if !KEY_FROM_FACTORY => Err(cairn_result_t::CAIRN_E_KEY_UNWANTED),
        _ => Ok(()),
    }
}

/// Whether it is worth trying again to open the signer: something outside this processor may come back.
pub(crate) fn may_come_back(error: cairn_result_t) -> bool {
    matches!(error, cairn_result_t::CAIRN_E_SIGNER_GONE | cairn_result_t::CAIRN_E_SIGNER_TIMEOUT)
}

#[cfg(feature = "signer-libsecp256k1")]
pub(crate) use chosen::Place;
#[cfg(feature = "key-store")]
pub(crate) use chosen::over;
pub(crate) use chosen::{Signer, open};

#[cfg(any(feature = "signer-software", feature = "signer-p256"))]
mod chosen {
    use cairn::{factory::Factory, signer::software};

    use crate::{instance::Lent, port::PortEntropy, result::cairn_result_t};

    #[cfg(feature = "signer-p256")]
    type Curve = software::P256;
    #[cfg(not(feature = "signer-p256"))]
    type Curve = software::Secp256k1;

    /// Signs in this processor, in Rust.
    pub(crate) type Signer = software::CurveSigner<Curve, PortEntropy>;

    /// Derives the public key: as deep in stack as a signature.
    ///
    /// # Errors
    /// `CAIRN_E_KEY_MISSING`, `CAIRN_E_FACTORY_UNSUPPORTED` when the private key is none of the curve's.
    #[cfg(not(feature = "key-store"))]
    #[inline(never)]
    pub(crate) fn open(factory: &Factory, _: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        over(factory.private_key.as_ref().ok_or(cairn_result_t::CAIRN_E_KEY_MISSING)?)
    }

    /// Takes the key out of the store, where the first start puts it.
    ///
    /// # Errors
    /// Those of the store, `CAIRN_E_ENTROPY`, `CAIRN_E_FACTORY_UNSUPPORTED`.
    #[cfg(feature = "key-store")]
    #[inline(never)]
    pub(crate) fn open(factory: &Factory, _: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        over(&crate::keys::secret(factory)?.secret)
    }

    /// The signer over a secret.
    ///
    /// # Errors
    /// `CAIRN_E_FACTORY_UNSUPPORTED` when it is none of the curve's.
    pub(crate) fn over(secret: &[u8; 32]) -> Result<Signer, cairn_result_t> {
        Signer::with_entropy(secret, PortEntropy).map_err(|_| cairn_result_t::CAIRN_E_FACTORY_UNSUPPORTED)
    }
}

#[cfg(feature = "signer-libsecp256k1")]
mod chosen {
    use cairn::factory::Factory;
    use cairn_libsecp256k1::{Libsecp256k1Signer, OpenError, Storage};

    use crate::{instance::Lent, port::PortEntropy, result::cairn_result_t};

    /// Signs in this processor, in C.
    pub(crate) type Signer = Libsecp256k1Signer<'static, PortEntropy>;

    /// The library's context, which must not move.
    pub(crate) type Place = Storage;

    /// Derives the public key: as deep in stack as a signature.
    ///
    /// # Errors
    /// `CAIRN_E_KEY_MISSING`, `CAIRN_E_FACTORY_UNSUPPORTED` when the private key is none of the curve's,
    /// `CAIRN_E_SIGNER_FAULT` when the library fails its own test.
    #[inline(never)]
    pub(crate) fn open(factory: &Factory, lent: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        let secret = factory.private_key.as_ref().ok_or(cairn_result_t::CAIRN_E_KEY_MISSING)?;
        let place = lent.place(Storage::new()).ok_or(cairn_result_t::CAIRN_E_CONFLICT)?;
        Signer::with_entropy(place, secret, PortEntropy).map_err(|error| match error {
            OpenError::NotASecret => cairn_result_t::CAIRN_E_FACTORY_UNSUPPORTED,
            OpenError::Unusable => cairn_result_t::CAIRN_E_SIGNER_FAULT,
        })
    }
}

#[cfg(feature = "signer-psa")]
mod chosen {
    use cairn::{factory::Factory, signer::Signer as _};
    use cairn_psa::{KeyNumber, PsaSigner};

    use crate::{instance::Lent, result::cairn_result_t};

    /// Signs in PSA Crypto.
    pub(crate) type Signer = PsaSigner;

    /// Reads the public key.
    ///
    /// # Errors
    /// Those of the signer; `CAIRN_E_SIGNER_NOT_PROVISIONED` also for a key of the other curve.
    #[inline(never)]
    pub(crate) fn open(_: &Factory, _: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        let mut signer = PsaSigner::open(KeyNumber(cairn_config::PSA_KEY_ID))?;
        if signer.public_key()?.alg == super::ALGORITHM {
            Ok(signer)
        } else {
            Err(cairn_result_t::CAIRN_E_SIGNER_NOT_PROVISIONED)
        }
    }
}

#[cfg(feature = "signer-se050")]
mod chosen {
    use cairn::{
        factory::Factory,
        signer::{
            Signer as _,
            se050::{ObjectId, Se050, Settings},
            software,
        },
    };

    use crate::{
        instance::Lent,
        port::{PortDelay, PortEntropy, PortGate, PortI2c, se_keys},
        result::cairn_result_t,
    };

    #[cfg(feature = "es256")]
    type Curve = software::P256;
    #[cfg(not(feature = "es256"))]
    type Curve = software::Secp256k1;

    /// Signs in the chip.
    pub(crate) type Signer = Se050<Curve, PortI2c, PortDelay, PortGate, PortEntropy>;

    pub(crate) const SETTINGS: Settings = Settings {
        key: ObjectId(cairn_config::SE050_KEY_ID),
        address: cairn_config::SE050_I2C_ADDRESS,
        bus_khz: cairn_config::SE050_I2C_KHZ,
        information_bytes: cairn_config::SE050_INFORMATION_BYTES,
        power_up_ms: cairn_config::SE050_POWER_UP_MS,
        power_off_ms: cairn_config::SE050_POWER_OFF_MS,
        attempt_ms: cairn_config::SE050_ATTEMPT_MS,
        gate: cairn_config::SE050_POWER_GATE,
        erasable: true,
    };

    /// Writes what the configuration tells the driver: the key's object, the address, the clock in kilohertz, bytes of an information
    /// field, three times in milliseconds. For tests of options: never part of a device's build.
    ///
    /// # Safety
    /// `out` is valid for writing seven numbers.
    ///
    /// cbindgen:ignore
    #[cfg(feature = "sabotage")]
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn cairn_told_element(out: *mut u64) {
        let Settings { key, address, bus_khz, information_bytes, power_up_ms, power_off_ms, attempt_ms, .. } = SETTINGS;
        let times = [power_up_ms, power_off_ms, attempt_ms].map(u64::from);
        let told = [
            u64::from(key.0),
            u64::from(address),
            u64::from(bus_khz),
            u64::from(information_bytes),
            times[0],
            times[1],
            times[2],
        ];
        // SAFETY: the caller vouches for seven numbers.
        unsafe { out.cast::<[u64; 7]>().write_unaligned(told) };
    }

    /// Reads the public key from the chip.
    ///
    /// # Errors
    /// Those of the signer; `CAIRN_E_SIGNER_LOCKED` also when the product has no platform keys for the chip.
    #[inline(never)]
    pub(crate) fn open(_: &Factory, _: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        let keys = if cairn_config::SE050_SCP03 {
            Some(se_keys().ok_or(cairn_result_t::CAIRN_E_SIGNER_LOCKED)?)
        } else {
            None
        };
        let mut signer = Signer::new(PortI2c, PortDelay, PortGate, PortEntropy, keys, SETTINGS);
        signer.public_key()?;
        Ok(signer)
    }
}

#[cfg(feature = "signer-sim")]
mod chosen {
    use cairn::{
        factory::Factory,
        signer::{
            Signer as _,
            sim::{Applet, SimSigner},
        },
    };
    use cairn_at_modem::sim::{Access, SimCard};

    use crate::{instance::Lent, port::PortNaps, result::cairn_result_t, transport::Port};

    /// Signs on the SIM.
    pub(crate) type Signer = SimSigner<SimCard<Port, PortNaps>>;

    #[cfg(feature = "es256")]
    const APPLET: Applet = Applet::iot_safe(cairn_config::SIM_PRIVATE_KEY_ID, cairn_config::SIM_PUBLIC_KEY_ID);
    #[cfg(not(feature = "es256"))]
    const APPLET: Applet = Applet::CAIRN_K1;

    const ACCESS: Access = if cairn_config::SIM_CSIM { Access::Generic } else { Access::Channels };

    /// Reads the public key from the card.
    ///
    /// # Errors
    /// Those of the signer.
    #[inline(never)]
    pub(crate) fn open(_: &Factory, lent: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        let mut signer = SimSigner::new(SimCard::new(lent.port(), PortNaps, ACCESS), APPLET);
        signer.public_key()?;
        Ok(signer)
    }
}

#[cfg(feature = "signer-custom")]
mod chosen {
    use cairn::factory::Factory;

    use crate::{instance::Lent, port::PortSigner, result::cairn_result_t};

    /// Signs where the product does.
    pub(crate) type Signer = PortSigner;

    /// Reads the public key.
    ///
    /// # Errors
    /// Those of the signer.
    #[inline(never)]
    pub(crate) fn open(_: &Factory, _: &mut Lent<'_>) -> Result<Signer, cairn_result_t> {
        Ok(Signer::open(super::ALGORITHM)?)
    }
}
