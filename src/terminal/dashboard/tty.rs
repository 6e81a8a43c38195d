//! The terminal itself: taken over for the dashboard, and restored however the process ends.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use crate::terminal::dashboard::size::Size;

/// Starts the alternate screen and hides the cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";

/// Shows the cursor and returns to the usual screen.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Terminal to restore, with its modes.
static TAKEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// The terminal of this process, taken over.
#[derive(Debug)]
pub(super) struct Tty {
    pub(super) screen: File,
    pub(super) keys: File,
}

impl Tty {
    /// Takes the terminal over: keys arrive one by one and are not echoed. Ctrl-C stays a signal.
    pub(super) fn take() -> io::Result<Self> {
        let device = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let modes = tcgetattr(&device)?;
        let mut changed = modes.clone();
        changed.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        // A read returns after two tenths of a second at the latest.
        changed.special_codes[SpecialCodeIndex::VMIN] = 0;
        changed.special_codes[SpecialCodeIndex::VTIME] = 2;
        // A stopped process would leave its screen behind.
        changed.special_codes[SpecialCodeIndex::VSUSP] = 0;
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut screen, keys) = (device.try_clone()?, device.try_clone()?);
        *taken = Some((device, modes));
        tcsetattr(&keys, OptionalActions::Now, &changed)?;
        screen.write_all(ENTER)?;
        Ok(Self { screen, keys })
    }

    /// Returns the size of the terminal, if it says it.
    pub(super) fn size(&self) -> Option<Size> {
        let size = tcgetwinsize(&self.screen).ok()?;
        let size = Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        };
        (size.columns > 0 && size.rows > 0).then_some(size)
    }
}

/// Restores the terminal if a dashboard has taken it over. Can be called from any thread at any time.
pub fn restore() {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((mut device, modes)) = taken {
        // What fails here cannot be told to anybody.
        let _unwritable = device.write_all(LEAVE);
        let _unset = tcsetattr(&device, OptionalActions::Flush, &modes);
    }
}

/// Returns whether a dashboard has the terminal.
pub(super) fn is_taken() -> bool {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    taken.is_some()
}

/// Interrupts the process, as Ctrl-C does.
pub(super) fn interrupt() {
    let _sent = kill_process(getpid(), Signal::INT);
}
