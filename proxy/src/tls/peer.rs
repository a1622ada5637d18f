//! What a client's certificate says. It has been verified before; this only reads it.

use lattice_kernel::Certificate;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// The most names that are read of one certificate; more are refused.
const MOST_NAMES: usize = 64;
/// The longest of them, in bytes.
const LONGEST_NAME: usize = 512;

/// Reads a certificate in DER form.
///
/// # Errors
/// It cannot be read, or has names that nobody can be known by. The text does not
/// repeat them.
pub fn read(der: &[u8]) -> Result<Certificate, &'static str> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| "the certificate cannot be read")?;
    Ok(Certificate {
        fingerprint: Sha256::digest(der).into(),
        names: names(&certificate)?,
        not_after: certificate.validity().not_after.to_datetime(),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<Box<str>>, &'static str> {
    let mut names = Vec::new();
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|_| "its alternative names cannot be read")?;
    let alternative = alternative.map(|extension| &extension.value.general_names);
    for name in alternative.into_iter().flatten() {
        match name {
            // Host names have no case.
            GeneralName::DNSName(host) => add(&mut names, "dns", &host.to_ascii_lowercase())?,
            GeneralName::URI(uri) => add(&mut names, "uri", uri)?,
            GeneralName::RFC822Name(address) => add(&mut names, "email", address)?,
            // Nothing else that a certificate may name is a name here.
            _ => {}
        }
    }
    for name in certificate.subject().iter_common_name() {
        let text = name
            .as_str()
            .map_err(|_| "its common name is not in UTF-8")?;
        add(&mut names, "cn", text)?;
    }
    Ok(names)
}

fn add(names: &mut Vec<Box<str>>, kind: &str, name: &str) -> Result<(), &'static str> {
    if names.len() == MOST_NAMES {
        return Err("it has more than 64 names");
    }
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err("one of its names is empty, or longer than 512 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("one of its names has a control character");
    }
    names.push(format!("{kind}:{name}").into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common: &str, names: Vec<SanType>) -> Result<Certificate, &'static str> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate().unwrap();
        read(params.self_signed(&key).unwrap().der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn names_come_with_their_kind_and_the_common_name_last() {
        let names = vec![
            SanType::Rfc822Name("Ann@Example.org".try_into().unwrap()),
            uri("spiffe://corp/Agent"),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::DnsName("Build.Example".try_into().unwrap()),
        ];
        let read = certificate("Ann Ö", names).unwrap();
        let expected = [
            "email:Ann@Example.org",
            "uri:spiffe://corp/Agent",
            "dns:build.example",
            "cn:Ann Ö",
        ];
        assert_eq!(read.names, expected.map(Into::into));
    }

    #[test]
    fn names_that_would_not_stay_names_are_refused() {
        let many: Vec<_> = (0..MOST_NAMES)
            .map(|nth| uri(&format!("a:{nth}")))
            .collect();
        assert!(certificate("", many[1..].to_vec()).is_err(), "empty");
        assert!(certificate("a", many[1..].to_vec()).is_ok());
        assert!(certificate("a", many).is_err(), "one too many");
        let long = "u".repeat(LONGEST_NAME);
        assert!(certificate("a", vec![uri(&long)]).is_ok());
        assert!(certificate(&format!("{long}u"), vec![]).is_err());
        for control in ["a\0b", "a\nb", "a\u{7f}", "a\u{85}"] {
            assert!(certificate(control, vec![]).is_err(), "{control:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = KeyPair::generate().unwrap();
        let whole = CertificateParams::default().self_signed(&key).unwrap();
        let whole = whole.der();
        assert!(read(whole).is_ok());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }
}
