//! HTTP basic authentication (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::user::User;

/// Returns whether the value of an `Authorization` header proves that a client is this user.
///
/// Takes as long for an almost correct password as for a wrong one of the same length.
pub(super) fn proves(header: &[u8], user: &User) -> bool {
    let Some(encoded) = strip_scheme(header) else {
        return false;
    };
    let Ok(given) = STANDARD.decode(encoded) else {
        return false;
    };
    let (name, password) = (user.name.as_bytes(), user.password.reveal().as_bytes());
    let expected = [name, b":", password].concat();
    let differing = given
        .iter()
        .zip(&expected)
        .fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == expected.len() && differing == 0
}

/// Removes `Basic `, in upper or lower case.
fn strip_scheme(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use convoy_server_kit::Secret;

    use super::*;

    #[test]
    fn only_the_users_own_credentials_are_accepted() {
        // The example of the standard.
        let user = User {
            name: "Aladdin".to_owned(),
            password: Secret::new("open sesame"),
        };
        let accepted = |header: &str| proves(header.as_bytes(), &user);
        assert!(accepted("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(accepted("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer QWxh",
            "Basic QWxhZGRpbjo=",
        ] {
            assert!(!accepted(wrong), "{wrong}");
        }
    }
}
