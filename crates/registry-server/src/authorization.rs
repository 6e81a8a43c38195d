//! HTTP basic authentication (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use convoy_server_kit::Users;

/// Returns whether the value of an `Authorization` header holds the credentials of a user.
pub(super) fn is_authorized(header: &[u8], users: &Users) -> bool {
    credentials(header).is_some_and(|(name, password)| users.verify(&name, &password))
}

/// Returns the user name, which has no colon, and the password.
fn credentials(header: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use convoy_server_kit::User;

    use super::*;

    #[test]
    fn only_the_credentials_of_a_user_are_accepted() {
        // The example of the standard.
        let users = Users::new([User::new("Aladdin", "open sesame")]);
        let accepted = |header: &str| is_authorized(header.as_bytes(), &users);
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
