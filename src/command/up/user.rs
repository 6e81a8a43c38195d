//! Credentials of the servers. The password is the given one, else the one stored in the data
//! directory by an earlier start, else a random one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use convoy_server_kit::{Secret, User};
use rand::distr::{Alphanumeric, SampleString};

use crate::error::Error;
use crate::host::embedded::DataPlace;
use crate::settings::Access;

/// Characters of a random password: 143 bits.
const PASSWORD_LENGTH: usize = 24;

/// File in a data directory with its random password, so that a `.env` stays valid.
const PASSWORD_FILE: &str = "password";

/// Returns the credentials that clients need, `None` if authentication is disabled.
pub(super) fn credentials(access: &Access, data: &DataPlace) -> Result<Option<User>, Error> {
    let Access::User { name, password } = access else {
        return Ok(None);
    };
    let password = match password {
        Some(password) => password.clone(),
        None if data.is_temporary() => random_password(),
        None => stored_password(&data.of(PASSWORD_FILE))?,
    };
    Ok(Some(User::new(name.clone(), password)))
}

/// Returns the stored password, or stores a random one.
fn stored_password(path: &Path) -> Result<Secret, Error> {
    let failed = |source| Error::KeepPassword {
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(kept) if !kept.trim().is_empty() => Ok(Secret::new(kept.trim())),
        Ok(_) => store_random_password(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store_random_password(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn store_random_password(path: &Path) -> io::Result<Secret> {
    let password = random_password();
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

fn random_password() -> Secret {
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
    fn random_passwords_differ_and_need_no_quotes() {
        let (one, other) = (random_password(), random_password());
        assert!(one.reveal() != other.reveal());
        assert!(
            one.reveal()
                .chars()
                .all(|symbol| symbol.is_ascii_alphanumeric())
        );
        assert_eq!(one.reveal().len(), PASSWORD_LENGTH);
    }

    #[test]
    fn data_directory_keeps_the_password_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataPlace::open(Some(&directory.path().join("data")), "run").unwrap();
        let drawn = credentials(&access(None), &data).unwrap().unwrap();
        assert_eq!(drawn.name, "driver");
        assert!(credentials(&access(None), &data).unwrap().unwrap() == drawn);
        let mode = fs::metadata(data.of(PASSWORD_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let given = credentials(&access(Some("given")), &data).unwrap().unwrap();
        assert_eq!(given.password.reveal(), "given");
        assert!(credentials(&access(None), &data).unwrap().unwrap() == drawn);
        assert!(credentials(&Access::Anyone, &data).unwrap().is_none());
    }
}
