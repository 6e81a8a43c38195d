//! Files that servers keep: every byte is under a checksum, and a missing file is missed.
//!
//! ```text
//!  frame ◀─ scan ◀─ journal ◀─ list      frames, what is whole among damage, files of frames,
//!                                        the list of the files that belong to a directory
//!  sealed                                small files that are replaced as a whole
//!  private                               modes of files and directories, atomic replacement
//! ```
//!
//! After a crash only the end of a file that was being written can be torn: it is cut off. What
//! else is damaged stops the start, and [`repair_journal`] keeps what is whole on both sides.

mod error;
mod frame;
mod journal;
mod list;
mod private;
mod scan;
mod sealed;
#[cfg(test)]
mod tests;

pub use error::{Error, Extent, Loss};
pub use frame::{
    FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, Format, FrameHeader, TAG_BYTES, Tag,
    Unreadable,
};
pub use journal::{Entry, Journal, Kind, Mark, describe, likely_salt, repair as repair_journal};
pub use list::{FILE_NAME as LIST_FILE, FileList, repair as repair_list};
pub use private::{
    create_anew, create_directory, lock_directory, options, put_aside, replace, sync_directory,
};
pub use scan::{Lost, Piece, Pieces, has_unwritten_page};
pub use sealed::{load as load_sealed, save as save_sealed};
