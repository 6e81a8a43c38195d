//! The dashboard: screens on a terminal that answer "keeping up or falling behind", "which stage"
//! and "which partition".
//!
//! ```text
//!  collector ── once a second ─▶ View ◀── keys ── thread `display` ─▶ screens ─▶ terminal
//! ```
//!
//! It is drawn with a few escape sequences. Messages are kept and written when it ends.

mod keys;
mod screens;
mod size;
mod tty;
mod view;

pub use tty::restore;
pub use view::View;

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use keys::Key;
use screens::Screen;
use size::Size;
use tty::Tty;

/// How long a look at the keys takes if none was pressed.
const KEY_PERIOD: Duration = Duration::from_millis(200);

/// Size of a terminal that does not say it.
const SIZE: Size = Size {
    columns: 80,
    rows: 24,
};

/// A dashboard on the terminal. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Dashboard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    view: Mutex<View>,
    /// Whether the view has changed since it was drawn.
    changed: AtomicBool,
    ended: AtomicBool,
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dashboard {
    /// Takes the terminal over. Returns `None` if that is not possible.
    pub fn start(colored: bool) -> Option<Self> {
        let tty = Tty::take().ok()?;
        let shared = Arc::new(Shared::default());
        let showing = Arc::clone(&shared);
        // Its CPU time is that of the role with this name.
        let thread = std::thread::Builder::new().name("display".to_owned());
        let thread = thread.spawn(move || show(&showing, tty, colored)).ok()?;
        Some(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Changes what is shown.
    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.shared.view());
        self.shared.changed.store(true, Ordering::Release);
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic has restored the terminal.
            let _ended = thread.join();
        }
        restore();
    }
}

/// Draws changes and reads keys until the end. A read waits a fifth of a second for a key.
fn show(shared: &Shared, mut tty: Tty, colored: bool) {
    let mut screen = Screen::Overview;
    let mut size = None;
    // After a panic the terminal is restored, and nothing is drawn any more.
    while !shared.ended.load(Ordering::Acquire) && tty::is_taken() {
        let mut keys = [0; 16];
        let read = tty.keys.read(&mut keys).unwrap_or_else(|_write_only| {
            std::thread::park_timeout(KEY_PERIOD);
            0
        });
        let pressed = &keys[..read];
        for key in keys::keys(pressed) {
            match key {
                Key::Quit => tty::interrupt(),
                key => screen = screen.after(key),
            }
        }
        let resized = tty.size() != size;
        let changed = shared.changed.swap(false, Ordering::AcqRel);
        if !(changed || resized || !pressed.is_empty()) {
            continue;
        }
        size = tty.size();
        let lines = screens::draw(&shared.view(), screen, size.unwrap_or(SIZE), colored);
        let frame = frame(&lines);
        // Without a terminal there is nothing to draw on.
        let _unwritable = tty.screen.write_all(frame.as_bytes());
    }
}

/// Returns the lines as one write that replaces the screen without flicker.
fn frame(lines: &[String]) -> String {
    let mut frame = "\x1b[H".to_owned();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            frame.push_str("\r\n");
        }
        frame.push_str(line);
        // Clears the rest of an older line.
        frame.push_str("\x1b[K");
    }
    frame + "\x1b[J"
}
