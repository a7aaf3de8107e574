//! Hashes for the signatures of S3 requests (AWS Signature Version 4), by the crates that the workspace has anyway.

use hmac::{HmacReset, KeyInit as _, Mac as _};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use sha2::{Digest as _, Sha256};

/// SHA-256 and its HMAC; no other algorithm is asked for by S3.
#[derive(Debug)]
pub struct Sha2;

impl CryptoProvider for Sha2 {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Context { state: Sha256::new(), result: [0; 32] })),
            other => Err(unknown(&other)),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let state = HmacReset::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
                Ok(Box::new(Context { state, result: [0; 32] }))
            }
            other => Err(unknown(&other)),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(unknown(&algorithm))
    }
}

struct Context<S> {
    state: S,
    result: [u8; 32],
}

impl DigestContext for Context<Sha256> {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.result = self.state.finalize_reset().into();
        Ok(&self.result)
    }
}

impl HmacContext for Context<HmacReset<Sha256>> {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.result = self.state.finalize_reset().into_bytes().into();
        Ok(&self.result)
    }
}

fn unknown(algorithm: &dyn std::fmt::Debug) -> object_store::Error {
    object_store::Error::NotSupported { source: format!("{algorithm:?}").into() }
}
