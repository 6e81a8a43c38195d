//! Who may use the servers: the user that was named, with the password that was given, kept in the
//! data directory by an earlier start, or drawn now.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use convoy_server_kit::Secret;
use rand::distr::{Alphanumeric, SampleString};

use crate::error::Error;
use crate::host::embedded::DataPlace;
use crate::settings::{Access, Credentials};

/// Characters of a password that is drawn: 143 bits.
const PASSWORD_LENGTH: usize = 24;

/// File of a data directory that keeps a drawn password: `.env` files go on working.
const KEPT: &str = "password";

/// Returns the user who alone may use the servers, `None` if anyone may.
pub(super) fn of(access: &Access, data: &DataPlace) -> Result<Option<Credentials>, Error> {
    let Access::User { name, password } = access else {
        return Ok(None);
    };
    let password = match password {
        Some(password) => password.clone(),
        None if data.is_temporary() => draw_password(),
        None => kept_password(&data.of(KEPT))?,
    };
    Ok(Some(Credentials {
        username: name.clone(),
        password,
    }))
}

/// Returns the password of an earlier start, or draws one and keeps it.
fn kept_password(path: &Path) -> Result<Secret, Error> {
    let failed = |source| Error::KeepPassword {
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(kept) if !kept.trim().is_empty() => Ok(Secret::new(kept.trim())),
        Ok(_) => draw_and_keep(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            draw_and_keep(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn draw_and_keep(path: &Path) -> io::Result<Secret> {
    let password = draw_password();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", password.reveal())?;
    file.sync_all()?;
    Ok(password)
}

fn draw_password() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn access(password: Option<&str>) -> Access {
        Access::User {
            name: "driver".to_owned(),
            password: password.map(Secret::new),
        }
    }

    #[test]
    fn passwords_are_drawn_anew_and_need_no_quotes() {
        let (one, other) = (draw_password(), draw_password());
        assert!(one.reveal() != other.reveal());
        assert!(
            one.reveal()
                .chars()
                .all(|symbol| symbol.is_ascii_alphanumeric())
        );
        assert_eq!(one.reveal().len(), PASSWORD_LENGTH);
    }

    #[test]
    fn a_data_directory_keeps_the_password_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataPlace::open(Some(&directory.path().join("data")), "run").unwrap();
        let drawn = of(&access(None), &data).unwrap().unwrap();
        assert_eq!(drawn.username, "driver");
        assert!(of(&access(None), &data).unwrap().unwrap() == drawn);
        let mode = fs::metadata(data.of(KEPT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let given = of(&access(Some("given")), &data).unwrap().unwrap();
        assert_eq!(given.password.reveal(), "given");
        assert!(of(&access(None), &data).unwrap().unwrap() == drawn);
        assert!(of(&Access::Anyone, &data).unwrap().is_none());
    }
}
