//! Reads a peer's certificate after TLS has verified its chain: key, role, cluster, name.
//!
//! It trusts the signature check to rustls and refuses everything it does not fully understand: a certificate with no
//! role, with two, or with a malformed one has none.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{ClusterId, IdentityError, KeyId, Role};

/// What a verified certificate says about its holder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// The identity.
    pub key: KeyId,
    /// What it may open.
    pub role: Role,
    /// The cluster whose CA signed it.
    pub cluster: ClusterId,
    /// A name for people and logs; nothing is decided by it.
    pub name: String,
    /// End of validity, seconds since the Unix epoch.
    pub not_after_s: i64,
}

impl PeerCertificate {
    /// Parses one certificate in DER form.
    pub fn parse(der: &[u8]) -> Result<Self, IdentityError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::MalformedCertificate)?;
        if !rest.is_empty() {
            return Err(IdentityError::MalformedCertificate);
        }
        let (cluster, role, name) = role_of(&certificate)?;
        Ok(Self {
            key: KeyId::of_spki(certificate.public_key().raw),
            role,
            cluster,
            name,
            not_after_s: certificate.validity().not_after.timestamp(),
        })
    }
}

fn role_of(certificate: &X509Certificate<'_>) -> Result<(ClusterId, Role, String), IdentityError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| IdentityError::MalformedCertificate)?
        .ok_or(IdentityError::NoRole)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => parse_role_uri(uri).ok_or(IdentityError::NoRole),
        _ => Err(IdentityError::NoRole),
    }
}

fn parse_role_uri(uri: &str) -> Option<(ClusterId, Role, String)> {
    let mut parts = uri.strip_prefix("quorla://")?.split('/');
    let cluster = ClusterId::parse(parts.next()?)?;
    let role = Role::parse(parts.next()?)?;
    let name = parts.next().filter(|name| !name.is_empty())?;
    parts.next().is_none().then(|| (cluster, role, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::super::{Authority, ClusterId, IdentityError, KeyId, Role};
    use super::{PeerCertificate, parse_role_uri};

    const NOW_MS: u64 = 1_800_000_000_000;

    fn issue(role: Role) -> (KeyId, CertificateDer<'static>) {
        let authority = Authority::generate(ClusterId(42), NOW_MS).unwrap();
        let issued = authority.issue(role, "n1", NOW_MS).unwrap();
        let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        (issued.key, der)
    }

    #[test]
    fn role_cluster_name_and_key_read_back() {
        for role in [Role::Node, Role::Client] {
            let (key, der) = issue(role);
            let peer = PeerCertificate::parse(&der).unwrap();
            assert_eq!((peer.key, peer.role), (key, role));
            assert_eq!((peer.cluster, peer.name.as_str()), (ClusterId(42), "n1"));
        }
    }

    #[test]
    fn certificates_live_ninety_days() {
        let (_, der) = issue(Role::Node);
        let peer = PeerCertificate::parse(&der).unwrap();
        assert_eq!(peer.not_after_s, 1_800_000_000 + 90 * 86_400);
    }

    #[test]
    fn certificate_without_a_role_is_refused() {
        let authority = Authority::generate(ClusterId(42), NOW_MS).unwrap();
        let ca = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap();
        assert!(matches!(PeerCertificate::parse(&ca), Err(IdentityError::NoRole)));
    }

    #[test]
    fn random_bytes_are_no_certificate() {
        assert!(matches!(
            PeerCertificate::parse(&[0x30, 0x82, 0xff, 0xff, 1, 2, 3]),
            Err(IdentityError::MalformedCertificate)
        ));
    }

    #[test]
    fn names_that_would_forge_a_role_are_refused() {
        let authority = Authority::generate(ClusterId(42), NOW_MS).unwrap();
        for name in ["", "a/b", "../node/n1", "a b", "ä", &"x".repeat(64)] {
            assert!(authority.issue(Role::Client, name, NOW_MS).is_err(), "{name}");
        }
    }

    #[test]
    fn foreign_uris_carry_no_role() {
        let cluster = ClusterId(1);
        for uri in [
            format!("quorla://{cluster}/node/"),
            format!("quorla://{cluster}/admin/x"),
            format!("quorla://{cluster}/node/x/y"),
            "quorla://1/node/x".to_owned(),
            format!("https://{cluster}/node/x"),
        ] {
            assert_eq!(parse_role_uri(&uri), None, "{uri}");
        }
    }
}
