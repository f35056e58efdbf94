//! The cluster's certificate authority: makes itself, and issues certificates that carry a role.
//!
//! It decides nothing about who deserves a certificate and never touches a file. Its subject name is a function of the
//! cluster id, so that it can be rebuilt from the key alone.

use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};

use quorla_client::SERVER_NAME;

use super::{ClusterId, IdentityError, KeyId, Role};

/// How long certificates of nodes and clients are valid (R26).
pub const CERTIFICATE_LIFE_DAYS: u64 = 90;
/// How long the CA's own certificate is valid; `cluster rotate-ca` replaces it long before.
pub const CA_LIFE_DAYS: u64 = 3_650;

/// Certificates are valid from a little before they are made, because clocks differ.
const BACKDATED: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const NAME_BYTES_MAX: usize = 63;

/// A certificate authority with its private key in memory.
pub struct Authority {
    cluster: ClusterId,
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
}

/// A certificate and the private key that belongs to it, both in PEM.
pub struct Issued {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    pub(super) key: KeyId,
}

impl Authority {
    /// Makes a new CA for `cluster`, valid from `now_ms` (wall clock).
    pub fn generate(cluster: ClusterId, now_ms: u64) -> Result<Self, IdentityError> {
        let key = KeyPair::generate()?;
        let params = authority_params(cluster, now_ms);
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self::assemble(cluster, params, key, certificate_pem))
    }

    /// Takes up the CA again whose key and certificate were kept (both PEM).
    pub fn load(cluster: ClusterId, certificate_pem: String, key_pem: &str) -> Result<Self, IdentityError> {
        let key = KeyPair::from_pem(key_pem)?;
        Ok(Self::assemble(cluster, authority_params(cluster, 0), key, certificate_pem))
    }

    /// Issues a certificate for a new key, with `role` and `name` in it, valid from `now_ms` for 90 days.
    pub fn issue(&self, role: Role, name: &str, now_ms: u64) -> Result<Issued, IdentityError> {
        let key = KeyPair::generate()?;
        let params = leaf_params(self.cluster, role, name, now_ms)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: KeyId::of_spki(&key.subject_public_key_info()),
        })
    }

    /// The CA's certificate: public, and what every member trusts.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key: never leaves the directory of whoever created the cluster (R26).
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    fn assemble(cluster: ClusterId, params: CertificateParams, key: KeyPair, certificate_pem: String) -> Self {
        let key_pem = key.serialize_pem();
        Self { cluster, issuer: Issuer::new(params, key), certificate_pem, key_pem }
    }
}

fn authority_params(cluster: ClusterId, now_ms: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("authority", &cluster.to_string());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now_ms, CA_LIFE_DAYS);
    params
}

fn leaf_params(cluster: ClusterId, role: Role, name: &str, now_ms: u64) -> Result<CertificateParams, IdentityError> {
    let uri = Ia5String::try_from(role_uri(cluster, role, name)?)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(role.as_str(), name);
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if role == Role::Node {
        // TLS libraries insist on a DNS name: every node's certificate, and no client's, has this one.
        params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(SERVER_NAME)?));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(SerialNumber::from_slice(&positive_serial()));
    validity(&mut params, now_ms, CERTIFICATE_LIFE_DAYS);
    Ok(params)
}

/// The URI that carries cluster, role and name; names are restricted so that it reads back without escapes.
fn role_uri(cluster: ClusterId, role: Role, name: &str) -> Result<String, IdentityError> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(usable) {
        return Err(IdentityError::UnusableName { name: name.to_owned() });
    }
    Ok(format!("quorla://{cluster}/{role}/{name}"))
}

fn subject(unit: &str, name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "quorla");
    subject.push(DnType::OrganizationalUnitName, unit);
    subject.push(DnType::CommonName, name);
    subject
}

fn validity(params: &mut CertificateParams, now_ms: u64, life_days: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_millis(now_ms);
    let life = DAY * u32::try_from(life_days).expect("lives are constants of a few thousand days");
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    params.not_after = epoch + now + life;
}

/// 16 random bytes whose first bit is clear, because a serial number is a signed integer that must be positive.
fn positive_serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7f) | 0x01;
    serial
}
