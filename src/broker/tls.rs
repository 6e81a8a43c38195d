//! Client side TLS: which CA certificates to trust.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::broker::error::Error;
use crate::cause::Cause;

/// TLS configuration for connections to a broker.
#[derive(Clone)]
pub struct Tls {
    /// Configuration of the TLS library, with the trusted CAs.
    pub config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts the CA certificates in a PEM file, or the bundled Mozilla roots without one.
    pub fn trusting(ca_file: Option<&Path>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3");
        let config = match ca_file {
            None => {
                let mut roots = RootCertStore::empty();
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                builder.with_root_certificates(roots)
            }
            Some(file) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(FileVerifier::open(file, provider)?)),
        };
        Ok(Self {
            config: Arc::new(config.with_no_client_auth()),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Trusts certificates that a certificate of the file has signed, and those of the file themselves.
///
/// A self-signed broker certificate is often marked as a CA. Web PKI rules forbid that for a server
/// certificate, so it is accepted if the file contains exactly this certificate.
#[derive(Debug)]
struct FileVerifier {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl FileVerifier {
    fn open(file: &Path, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Tls {
            file: file.display().to_string(),
            source: Cause::Other(reason),
        };
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| invalid(error.to_string()))?;
        if certificates.is_empty() {
            return Err(invalid("it contains no certificate".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|error| invalid(error.to_string()))?;
        }
        let authorities =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self {
            authorities: authorities.map_err(|error| invalid(error.to_string()))?,
            certificates,
        })
    }
}

impl ServerCertVerifier for FileVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // Expired certificates, wrong names and bad signatures are other errors, and stay.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    /// A self-signed certificate for 127.0.0.1, marked as a CA or not.
    fn certificate(is_ca: IsCa) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn verify(
        trusted: &rcgen::Certificate,
        shown: &rcgen::Certificate,
        name: &'static str,
    ) -> Result<(), rustls::Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), trusted.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = FileVerifier::open(file.path(), provider).unwrap();
        let name = ServerName::try_from(name).unwrap();
        // Within the validity of every certificate.
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        verifier
            .verify_server_cert(shown.der(), &[], &name, &[], now)
            .map(|_verified| ())
    }

    #[test]
    fn certificate_in_the_ca_file_is_trusted_with_or_without_the_ca_flag() {
        for is_ca in [
            IsCa::NoCa,
            IsCa::ExplicitNoCa,
            IsCa::Ca(BasicConstraints::Unconstrained),
        ] {
            let certificate = certificate(is_ca);
            assert_eq!(verify(&certificate, &certificate, "127.0.0.1"), Ok(()));
        }
    }

    #[test]
    fn other_certificates_and_other_host_names_are_rejected() {
        let authority = || certificate(IsCa::Ca(BasicConstraints::Unconstrained));
        let (trusted, other) = (authority(), authority());
        assert!(verify(&trusted, &other, "127.0.0.1").is_err());
        assert!(verify(&trusted, &trusted, "127.0.0.2").is_err());
        assert!(verify(&trusted, &trusted, "broker.example").is_err());
    }
}
