//! The operating system: everything that differs between platforms.
//!
//! Values that a platform does not provide are absent, never zero.

mod cpu_time;
mod linux_file;
mod process;
mod signals;

pub use cpu_time::{process_cpu_time, thread_cpu_times};
pub use linux_file::linux_file;
pub use process::{
    boot_id, group_is_running, is_running, machine_id, parent, parent_ended, pid_namespace,
    process_start,
};
pub use signals::{Interruptions, OversizedWrites, fail_oversized_writes, file_size_limit};
