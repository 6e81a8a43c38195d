//! Files in which Linux describes itself: `/proc`, `/sys`, `/etc/machine-id`.

/// Returns the content of a file of Linux, such as in `/proc`; `None` on other platforms.
///
/// See proc(5) and sysfs(5).
pub fn linux_file(path: &str) -> Option<String> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string(path).ok()
    } else {
        None
    }
}
