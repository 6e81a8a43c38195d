//! Credentials of the servers. The password is the given one, else the one stored in the data
//! directory by an earlier start, else a random one.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use convoy_server_kit::{Secret, User, disk};
use rand::distr::{Alphanumeric, SampleString};

use crate::error::Error;
use crate::host::embedded::DataPlace;
use crate::settings::Access;
use crate::terminal::Terminal;

/// Characters of a random password: 143 bits.
const PASSWORD_LENGTH: usize = 24;

/// File in a data directory with its random password, so that a `.env` stays valid.
const PASSWORD_FILE: &str = "password";

/// Returns the credentials that clients need, `None` if authentication is disabled.
pub(super) fn credentials(
    access: &Access,
    data: &DataPlace,
    terminal: &Terminal,
) -> Result<Option<User>, Error> {
    let Access::User { name, password } = access else {
        return Ok(None);
    };
    let password = match password {
        Some(password) => password.clone(),
        None if data.is_temporary() => random_password(),
        None => {
            let path = data.of(PASSWORD_FILE);
            if !path.exists() && data.of("broker").exists() {
                terminal.say(format!(
                    "drew a new password: there is no `{}`",
                    path.display()
                ));
            }
            stored_password(&path, terminal)?
        }
    };
    Ok(Some(User::new(name.clone(), password)))
}

/// Returns the stored password, or stores a random one.
fn stored_password(path: &Path, terminal: &Terminal) -> Result<Secret, Error> {
    let failed = |source| Error::KeepPassword {
        path: path.to_owned(),
        source,
    };
    if let Some(mode) = open_to_others(path).map_err(failed)? {
        terminal.say(format!(
            "other users could read the password in `{}` (mode {mode:o}); it is now readable by its owner alone: remove the file to draw another password",
            path.display()
        ));
    }
    match fs::read_to_string(path) {
        Ok(kept) if !kept.trim().is_empty() => Ok(Secret::new(kept.trim())),
        Ok(_) => store_random_password(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store_random_password(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Takes a file from other users; returns the mode that it had, if they could read or write it.
fn open_to_others(path: &Path) -> io::Result<Option<u32>> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 || !metadata.is_file() {
        return Ok(None);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Some(mode))
}

fn store_random_password(path: &Path) -> io::Result<Secret> {
    let password = random_password();
    if let Some(directory) = path.parent() {
        disk::create_directory(directory)?;
    }
    let mut options = disk::options();
    options.write(true).create(true).truncate(true);
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
    use super::*;
    use crate::terminal::{Colors, Ui};

    fn terminal() -> Terminal {
        Terminal::new(Ui::Plain, Colors::Never)
    }

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
        let drawn = credentials(&access(None), &data, &terminal())
            .unwrap()
            .unwrap();
        assert_eq!(drawn.name, "driver");
        assert!(
            credentials(&access(None), &data, &terminal())
                .unwrap()
                .unwrap()
                == drawn
        );
        let mode = fs::metadata(data.of(PASSWORD_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(data.of(PASSWORD_FILE), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            open_to_others(&data.of(PASSWORD_FILE)).unwrap(),
            Some(0o644)
        );
        assert_eq!(open_to_others(&data.of(PASSWORD_FILE)).unwrap(), None);
        let given = credentials(&access(Some("given")), &data, &terminal())
            .unwrap()
            .unwrap();
        assert_eq!(given.password.reveal(), "given");
        assert!(
            credentials(&access(None), &data, &terminal())
                .unwrap()
                .unwrap()
                == drawn
        );
        assert!(
            credentials(&Access::Anyone, &data, &terminal())
                .unwrap()
                .is_none()
        );
    }
}
