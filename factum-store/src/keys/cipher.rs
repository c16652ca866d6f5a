//! The cipher, and the forms of what it makes: XChaCha20-Poly1305 with random nonces, for values and for keys.
//!
//! A value is bound to its key, event, contract and place in the payload; a wrapped key to its ring, number and
//! subject. Both forms begin with their revision. Nothing here keeps or prints a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use factum_core::keys::{Bound, KeyName};
use factum_core::{StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use super::master::MasterKey;

/// Bytes of every key.
pub(super) const KEY_BYTES: usize = 32;

/// Bytes of a nonce: long enough to be random.
const NONCE_BYTES: usize = 24;

/// A subject's key.
pub(super) type DataKey = Zeroizing<[u8; KEY_BYTES]>;

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        StoreError::new(StoreErrorKind::Other, format!("the system gives no random bytes: {error}"))
    })?;
    Ok(bytes)
}

pub(super) fn new_key() -> Result<DataKey, StoreError> {
    random().map(Zeroizing::new)
}

/// A sealed value's text, taken apart.
pub(super) struct Sealed<'a> {
    pub(super) name: KeyName<'a>,
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) bytes: Vec<u8>,
}

impl<'a> Sealed<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let name = KeyName::of_sealed(text)?;
        let (_, body) = text.rsplit_once('.')?;
        let all = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (nonce, bytes) = all.split_first_chunk::<NONCE_BYTES>()?;
        Some(Self { name, nonce: *nonce, bytes: bytes.to_vec() })
    }
}

/// Seals a value as text.
pub(super) fn seal(
    key: &DataKey,
    name: KeyName<'_>,
    bound: &Bound<'_>,
    value: &[u8],
) -> Result<String, StoreError> {
    let nonce = random()?;
    let sealed = encrypt(key, &nonce, value, &value_bound(name, bound))?;
    let body = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
    Ok(format!("1.{}.{}.{body}", name.ring, name.number))
}

/// Opens a value; `None` when it is not what was sealed here.
pub(super) fn open(
    key: &DataKey,
    name: KeyName<'_>,
    bound: &Bound<'_>,
    nonce: &[u8; NONCE_BYTES],
    bytes: &[u8],
) -> Option<Vec<u8>> {
    decrypt(key, nonce, bytes, &value_bound(name, bound))
}

/// Wraps a subject's key by the master key.
pub(super) fn wrap(
    master: &MasterKey,
    ring: &str,
    number: u64,
    subject: &str,
    key: &DataKey,
) -> Result<Vec<u8>, StoreError> {
    let nonce = random()?;
    let wrapped = encrypt(master.bytes(), &nonce, &key[..], &key_bound(ring, number, subject))?;
    Ok([&[1], &nonce[..], &wrapped].concat())
}

/// Takes a subject's key out of its wrapping.
pub(super) fn unwrap(
    master: &MasterKey,
    ring: &str,
    number: u64,
    subject: &str,
    wrapped: &[u8],
) -> Result<DataKey, StoreError> {
    let opened = wrapped
        .strip_prefix(&[1])
        .and_then(|rest| rest.split_first_chunk::<NONCE_BYTES>())
        .and_then(|(nonce, bytes)| {
            decrypt(master.bytes(), nonce, bytes, &key_bound(ring, number, subject)).map(Zeroizing::new)
        });
    let key = opened.and_then(|key| <[u8; KEY_BYTES]>::try_from(key.as_slice()).ok()).map(Zeroizing::new);
    key.ok_or_else(|| {
        let message = format!(
            "key {number} does not open: the key file is damaged, or its master key was rotated; start again with the new one"
        );
        StoreError::new(StoreErrorKind::Corrupt, message)
    })
}

/// What shows later that a master key is the ring's.
pub(super) fn prove(master: &MasterKey, ring: &str) -> Result<Vec<u8>, StoreError> {
    let nonce = random()?;
    let proof = encrypt(master.bytes(), &nonce, PROOF, ring.as_bytes())?;
    Ok([&nonce[..], &proof].concat())
}

pub(super) fn is_proven(master: &MasterKey, ring: &str, proof: &[u8]) -> bool {
    let opened = proof
        .split_first_chunk::<NONCE_BYTES>()
        .and_then(|(nonce, bytes)| decrypt(master.bytes(), nonce, bytes, ring.as_bytes()));
    opened.is_some_and(|opened| opened == PROOF)
}

const PROOF: &[u8] = b"factum key ring";

/// A short name of a key that tells nothing of it: the tag of nothing at all, under a nonce of its own.
pub(super) fn fingerprint(key: &[u8; KEY_BYTES]) -> String {
    // A cipher with a good key fails on lengths alone, and nothing has none.
    let tag = encrypt(key, &[0; NONCE_BYTES], b"", b"factum fingerprint").unwrap_or_default();
    tag.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    msg: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher
        .encrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .map_err(|_| StoreError::new(StoreErrorKind::Other, "the value is too long to be sealed"))
}

fn decrypt(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok()
}

/// What a value is bound to. Every part is preceded by its length, so that no two places read alike.
fn value_bound(name: KeyName<'_>, bound: &Bound<'_>) -> Vec<u8> {
    let (number, version) = (name.number.to_be_bytes(), bound.version.to_be_bytes());
    parts(&[
        b"factum value 1",
        name.ring.as_bytes(),
        &number,
        bound.event.as_bytes(),
        bound.name.as_str().as_bytes(),
        &version,
        bound.path.as_bytes(),
    ])
}

fn key_bound(ring: &str, number: u64, subject: &str) -> Vec<u8> {
    parts(&[b"factum key 1", ring.as_bytes(), &number.to_be_bytes(), subject.as_bytes()])
}

fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use factum_core::{EventId, EventName};

    use super::*;

    const NAME: EventName = EventName::constant("order.placed");

    fn bound(event: EventId, path: &str) -> Bound<'_> {
        static THE_NAME: EventName = NAME;
        Bound { event, name: &THE_NAME, version: 1, path }
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let (key, event) = (new_key().unwrap(), EventId::new());
        let name = KeyName { ring: "r", number: 7 };
        let text = seal(&key, name, &bound(event, "/email"), b"\"ada\"").unwrap();
        let read = Sealed::read(&text).unwrap();
        let opens = |key: &DataKey, name, bound: &Bound<'_>| open(key, name, bound, &read.nonce, &read.bytes);
        assert_eq!(opens(&key, name, &bound(event, "/email")).as_deref(), Some(&b"\"ada\""[..]));
        assert_eq!(opens(&key, name, &bound(event, "/name")), None, "another place");
        assert_eq!(opens(&key, name, &bound(EventId::new(), "/email")), None, "another event");
        let later = Bound { version: 2, ..bound(event, "/email") };
        assert_eq!(opens(&key, name, &later), None, "another contract version");
        assert_eq!(
            opens(&key, KeyName { number: 8, ..name }, &bound(event, "/email")),
            None,
            "another key's name"
        );
        assert_eq!(opens(&new_key().unwrap(), name, &bound(event, "/email")), None, "another key");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (key, event) = (new_key().unwrap(), EventId::new());
        let name = KeyName { ring: "r", number: 7 };
        let text = seal(&key, name, &bound(event, "/email"), b"\"ada\"").unwrap();
        let read = Sealed::read(&text).unwrap();
        for bit in 0..read.bytes.len() * 8 {
            let mut bytes = read.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, name, &bound(event, "/email"), &read.nonce, &bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let (key, event) = (new_key().unwrap(), EventId::new());
        let name = KeyName { ring: "r", number: 7 };
        let sealed = || seal(&key, name, &bound(event, "/email"), b"1").unwrap();
        assert_ne!(sealed(), sealed());
    }

    #[test]
    fn a_key_is_unwrapped_by_its_master_key_for_its_subject() {
        let (one, other) = (MasterKey::random().unwrap(), MasterKey::random().unwrap());
        let key = new_key().unwrap();
        let wrapped = wrap(&one, "r", 1, "c-1", &key).unwrap();
        assert_eq!(unwrap(&one, "r", 1, "c-1", &wrapped).unwrap(), key);
        assert!(unwrap(&other, "r", 1, "c-1", &wrapped).is_err());
        assert!(unwrap(&one, "r", 1, "c-2", &wrapped).is_err());
        assert!(unwrap(&one, "r", 1, "c-1", &[]).is_err());
        assert!(is_proven(&one, "r", &prove(&one, "r").unwrap()));
        assert!(!is_proven(&other, "r", &prove(&one, "r").unwrap()));
        assert_eq!(one.fingerprint().len(), 8);
    }

    /// The forms are stored: what an earlier release sealed must open.
    #[test]
    fn an_old_sealed_value_opens() {
        let key = Zeroizing::new([7; KEY_BYTES]);
        let event: EventId = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c".parse().unwrap();
        let read = Sealed::read(OLD).unwrap();
        let opened = open(&key, read.name, &bound(event, "/email"), &read.nonce, &read.bytes);
        assert_eq!(opened.as_deref(), Some(&b"\"ada@example.org\""[..]));
    }

    const OLD: &str =
        "1.9f2c6a1b4d3e8f70.42.VhnefXCeufzCFHlHSxbpQl5tkrZ8-ecF9xZIDzYowJJtwcCLY_OnHMgkbifL69FpnojSmrlollr3";
}
