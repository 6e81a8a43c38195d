//! Exit status of the program, and what every error of a room can say about itself.

/// How the process ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything went as asked.
    Success,
    /// The run finished, but its verdict or a threshold failed.
    Failed,
    /// The command line, the scenario or the environment variables are wrong.
    Usage,
    /// The environment failed: broker, store, file, engine.
    Environment,
    /// A bug in convoy.
    Bug,
    /// Interrupted by the user.
    Interrupted,
}

impl ExitStatus {
    /// Returns the number the operating system gets.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Bug => 4,
            Self::Interrupted => 130,
        }
    }
}
