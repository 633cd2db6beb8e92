//! The cluster's own certificates: one authority, one certificate for each node, named after its id.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use proto::id::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

/// Why certificates cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The disk failed, or a file is missing.
    #[error("certificate file")]
    Io(#[from] io::Error),
    /// A certificate cannot be made.
    #[error("certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file holds no certificate or key.
    #[error("a certificate file cannot be read")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

/// The authority of a cluster. Its key makes nodes: keep it where nodes are made, not on them.
pub struct Authority {
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, PEM.
    pub key: String,
}

/// What a node shows, and whom it trusts.
pub struct Identity {
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// The name in a node's certificate.
#[must_use]
pub fn node_name(node: NodeId) -> String {
    format!("node-{}.stoa", node.0)
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn generate() -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "stoa cluster");
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Makes a node's certificate and key, both PEM.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn issue(&self, node: NodeId) -> Result<(String, String), PkiError> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![node_name(node)])?;
        params.distinguished_name.push(DnType::CommonName, node_name(node));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Writes the authority to a folder.
    ///
    /// # Errors
    /// [`PkiError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), PkiError> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("ca.pem"), &self.certificate)?;
        write_secret(&dir.join("ca.key"), &self.key)
    }

    /// Reads the authority from a folder.
    ///
    /// # Errors
    /// [`PkiError::Io`].
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let certificate = fs::read_to_string(dir.join("ca.pem"))?;
        Ok(Self { certificate, key: fs::read_to_string(dir.join("ca.key"))? })
    }

    /// Makes a node's folder: the authority's certificate, the node's, and its key.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue_into(&self, node: NodeId, dir: &Path) -> Result<(), PkiError> {
        let (certificate, key) = self.issue(node)?;
        fs::create_dir_all(dir)?;
        fs::write(dir.join("ca.pem"), &self.certificate)?;
        fs::write(dir.join("node.pem"), certificate)?;
        write_secret(&dir.join("node.key"), &key)
    }
}

impl Identity {
    /// Reads a node's folder, see [`Authority::issue_into`].
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let read = |name: &str| fs::read_to_string(dir.join(name));
        Self::from_pem(&read("ca.pem")?, &read("node.pem")?, &read("node.key")?)
    }

    /// Reads an identity from PEM.
    ///
    /// # Errors
    /// [`PkiError::Pem`].
    pub fn from_pem(authority: &str, certificate: &str, key: &str) -> Result<Self, PkiError> {
        let certificate_of =
            |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(PkiError::Pem);
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(PkiError::Pem)?;
        Ok(Self {
            authority: certificate_of(authority)?,
            certificate: certificate_of(certificate)?,
            key: key.into(),
        })
    }
}

fn write_secret(path: &Path, text: &str) -> Result<(), PkiError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())?;
    Ok(())
}
