//! Files in which Linux describes itself: `/proc`, `/sys`.

/// Returns the content of a file in `/proc` or `/sys`; `None` on other platforms.
///
/// See proc(5) and sysfs(5).
pub fn linux_file(path: &str) -> Option<String> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string(path).ok()
    } else {
        None
    }
}
