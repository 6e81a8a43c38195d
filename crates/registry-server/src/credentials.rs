//! A user and a password, never shown.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Who a client claims to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user, or the API key.
    pub user: String,
    /// The password, or the secret of the API key.
    pub password: String,
}

impl Credentials {
    /// Returns whether the value of an `Authorization` header proves these credentials.
    ///
    /// Takes as long for a nearly right password as for a wrong one of the same length.
    pub fn proved_by(&self, header: &[u8]) -> bool {
        let Some(encoded) = strip_scheme(header) else {
            return false;
        };
        let Ok(given) = STANDARD.decode(encoded) else {
            return false;
        };
        let expected = [self.user.as_bytes(), b":", self.password.as_bytes()].concat();
        let differing = given
            .iter()
            .zip(&expected)
            .fold(0, |bits, (a, b)| bits | (a ^ b));
        given.len() == expected.len() && differing == 0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

/// Schemes are compared without regard to case.
fn strip_scheme(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            user: "Aladdin".to_owned(),
            password: "open sesame".to_owned(),
        }
    }

    #[test]
    fn the_example_of_the_standard_is_accepted_and_others_are_not() {
        let proved = |header: &str| credentials().proved_by(header.as_bytes());
        assert!(proved("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(proved("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer QWxh",
            "Basic QWxhZGRpbjo=",
        ] {
            assert!(!proved(wrong), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_them_is_shown() {
        assert_eq!(format!("{:?}", credentials()), "Credentials(redacted)");
    }
}
