//! A certificate authority for one test.

use quorla_client::{Credentials, Pem, SERVER_NAME};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn server(&self) -> Identity {
        self.sign(SERVER_NAME, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn server_named(&self, name: &str) -> Identity {
        self.sign(name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let identity = self.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
        Credentials {
            ca: Pem::Bytes(self.pem.clone().into_bytes()),
            cert: Pem::Bytes(identity.cert.into_bytes()),
            key: Pem::Bytes(identity.key.into_bytes()),
        }
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { cert, key: key.serialize_pem() }
    }
}
