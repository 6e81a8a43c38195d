//! Files of each topic: a file, a topic folder, or a folder of topic folders.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::dataset::error::Error;
use crate::dataset::source::STDIN;

/// Maximum length of a topic name.
const MAX_TOPIC_NAME: usize = 249;

/// Topic of rows without a name that Kafka can take.
const UNNAMED_TOPIC: &str = "rows";

/// Extensions of data files in folders.
const EXTENSIONS: [&str; 5] = ["csv", "tsv", "tab", "psv", "ssv"];

/// Extensions of compressed files.
const COMPRESSED: [&str; 3] = ["gz", "zst", "zstd"];

/// The topics at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) topics: Vec<TopicFiles>,
    /// Files in the folders of the topics that have another extension.
    pub(super) ignored: Vec<PathBuf>,
}

/// The CSV files of one topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TopicFiles {
    pub(super) topic: String,
    /// Files in the order of their rows.
    pub(super) files: Vec<PathBuf>,
}

/// Finds the topics at a path and their files, sorted by name.
pub(super) fn find(path: &Path) -> Result<Layout, Error> {
    if path == Path::new(STDIN) {
        return Ok(one_file(path, "stdin".to_owned()));
    }
    let kind = fs::metadata(path).map_err(|source| Error::open(path, source))?;
    if kind.is_file() || kind.file_type().is_fifo() {
        return Ok(one_file(path, topic_of_file(path)));
    }
    if !kind.is_dir() {
        let path = path.to_owned();
        return Err(Error::NotAFile { path });
    }
    let folder = Folder::list(path)?;
    let mut layout = Layout {
        topics: Vec::new(),
        ignored: Vec::new(),
    };
    for subfolder in &folder.folders {
        let found = Folder::list(subfolder)?;
        if found.csv.is_empty() {
            continue;
        }
        if !folder.csv.is_empty() {
            return Err(Error::MixedFolder {
                folder: path.to_owned(),
                subfolder: subfolder.clone(),
            });
        }
        let topic = topic_of_folder(subfolder)?;
        add(&mut layout, topic, found, subfolder)?;
    }
    if !folder.csv.is_empty() {
        let topic = topic_of_folder(path)?;
        add(&mut layout, topic, folder, path)?;
    }
    if layout.topics.is_empty() {
        let folder = path.to_owned();
        return Err(Error::NoCsv { folder });
    }
    Ok(layout)
}

/// Returns the size of all files; `None` if one is not a regular file.
pub(super) fn size<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Option<u64> {
    let sizes = files.map(|file| {
        let found = fs::metadata(file).ok()?;
        found.is_file().then_some(found.len())
    });
    sizes.sum()
}

fn one_file(path: &Path, topic: String) -> Layout {
    let files = vec![path.to_owned()];
    Layout {
        topics: vec![TopicFiles { topic, files }],
        ignored: Vec::new(),
    }
}

fn add(layout: &mut Layout, topic: String, found: Folder, folder: &Path) -> Result<(), Error> {
    if let Some(other) = layout.topics.iter().find(|other| other.topic == topic) {
        let first = other.files.first().and_then(|file| file.parent());
        return Err(Error::DuplicateTopic {
            topic,
            first: first.unwrap_or(folder).to_owned(),
            second: folder.to_owned(),
        });
    }
    layout.ignored.extend(found.others);
    layout.topics.push(TopicFiles {
        topic,
        files: found.csv,
    });
    Ok(())
}

/// Contents of a folder, sorted by name, without hidden entries.
struct Folder {
    csv: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Folder {
    fn list(path: &Path) -> Result<Self, Error> {
        let open = |source| Error::open(path, source);
        let mut found = Self {
            csv: Vec::new(),
            folders: Vec::new(),
            others: Vec::new(),
        };
        for entry in fs::read_dir(path).map_err(open)? {
            let entry = entry.map_err(open)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // `is_dir` follows links, so that a topic folder may link to rows elsewhere.
            if path.is_dir() {
                found.folders.push(path);
            } else if is_data_file(&path) {
                found.csv.push(path);
            } else {
                found.others.push(path);
            }
        }
        found.csv.sort();
        found.folders.sort();
        found.others.sort();
        Ok(found)
    }
}

/// Returns whether a file in a folder has rows, by its extension.
fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != stem(&name)
}

/// Removes the extensions of a data file and of its compression.
fn stem(name: &str) -> &str {
    let without = |name: &'_ str, extensions: &[&str]| {
        let (_, extension) = name.rsplit_once('.')?;
        let known = extensions
            .iter()
            .any(|it| extension.eq_ignore_ascii_case(it));
        known.then_some(name.len() - extension.len() - 1)
    };
    let uncompressed = without(name, &COMPRESSED).map_or(name, |length| &name[..length]);
    without(uncompressed, &EXTENSIONS).map_or(name, |length| &uncompressed[..length])
}

/// Returns the topic of a file: its name without extensions, with `-` for what Kafka does not take.
fn topic_of_file(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut stem = stem(&name);
    if stem == name {
        // A file of another kind that was named.
        stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    }
    topic_name(stem).unwrap_or_else(|| UNNAMED_TOPIC.to_owned())
}

fn topic_of_folder(folder: &Path) -> Result<String, Error> {
    // Resolves `.` and `..`, which are not topic names.
    let resolved = folder
        .canonicalize()
        .map_err(|source| Error::open(folder, source))?;
    let names = [folder, resolved.as_path()].into_iter();
    let mut names = names.filter_map(|path| topic_name(&path.file_name()?.to_string_lossy()));
    Ok(names.next().unwrap_or_else(|| UNNAMED_TOPIC.to_owned()))
}

/// Replaces what Kafka does not take in a topic name; `None` if nothing is left.
fn topic_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut topic = String::new();
    let mut gap = false;
    for symbol in name.chars() {
        if legal(symbol) {
            if std::mem::take(&mut gap) && !topic.is_empty() {
                topic.push('-');
            }
            topic.push(symbol);
        } else {
            gap = true;
        }
    }
    topic.truncate(MAX_TOPIC_NAME);
    (!matches!(topic.as_str(), "" | "." | "..")).then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("creates folders");
            fs::write(path, "a\n1\n").expect("writes a file");
        }
        folder
    }

    fn found(folder: &Path) -> Vec<(String, Vec<String>)> {
        let name = |file: &PathBuf| {
            let name = file.file_name().expect("a file has a name");
            name.to_string_lossy().into_owned()
        };
        find(folder)
            .expect("there are topics")
            .topics
            .into_iter()
            .map(|topic| (topic.topic, topic.files.iter().map(name).collect()))
            .collect()
    }

    #[test]
    fn topics_and_their_files_are_found_in_name_order() {
        let folder = folder_with(&[
            "trucks/b.csv",
            "trucks/a.CSV",
            "buses/x.csv",
            "trucks/notes.txt",
            ".hidden/y.csv",
            "empty/readme.md",
        ]);
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(folder.path()),
            [
                ("buses".to_owned(), owned(&["x.csv"])),
                ("trucks".to_owned(), owned(&["a.CSV", "b.csv"])),
            ]
        );
        assert_eq!(found(&folder.path().join("trucks"))[0].0, "trucks");
        assert_eq!(found(&folder.path().join("trucks/../buses"))[0].0, "buses");
        assert_eq!(found(&folder.path().join("buses/x.csv"))[0].0, "x");
    }

    #[test]
    fn file_name_is_the_topic_of_a_file() {
        for (file, topic) in [
            ("my trucks/fleet-7.csv", "fleet-7"),
            ("my trucks/track log (1).csv", "track-log-1"),
            ("a/trips.CSV.gz", "trips"),
            ("a/trips.2024.tsv.zst", "trips.2024"),
            ("a/log.txt", "log"),
            ("a/rows", "rows"),
            ("a/archive.gz", "archive"),
            ("a/ünï.csv", "n"),
            ("a/数据.csv", "rows"),
            ("a/...csv", "rows"),
        ] {
            let folder = folder_with(&[file]);
            assert_eq!(found(&folder.path().join(file))[0].0, topic, "{file}");
        }
        let folder = folder_with(&["my trucks/a.csv"]);
        assert_eq!(found(&folder.path().join("my trucks"))[0].0, "my-trucks");
        assert_eq!(
            find(Path::new("-")).expect("stdin").topics[0].topic,
            "stdin"
        );
    }

    #[test]
    fn folders_have_different_topics_and_tell_what_they_ignore() {
        let folder = folder_with(&["a b/x.csv", "a-b/x.csv"]);
        assert!(matches!(
            find(folder.path()),
            Err(Error::DuplicateTopic { .. })
        ));
        let folder = folder_with(&["a/x.csv", "a/y.csv.gz", "a/notes.txt"]);
        let layout = find(folder.path()).expect("there is a topic");
        assert_eq!(layout.topics[0].files.len(), 2);
        assert!(layout.ignored[0].ends_with("a/notes.txt"));
    }

    #[test]
    fn paths_without_a_dataset_are_rejected() {
        let folder = folder_with(&["mixed/a.csv", "mixed/sub/b.csv", "none/readme.md"]);
        let find = |name: &str| find(&folder.path().join(name));
        assert!(matches!(find("mixed"), Err(Error::MixedFolder { .. })));
        assert!(matches!(find("none"), Err(Error::NoCsv { .. })));
        assert!(matches!(find("absent"), Err(Error::Open { .. })));
        assert!(matches!(
            super::find(Path::new("/dev/null")),
            Err(Error::NotAFile { .. })
        ));
    }

    #[test]
    fn topic_names_follow_the_rules_of_kafka() {
        let is_topic_name = |name: &str| topic_name(name).is_some_and(|topic| topic == name);
        for name in ["a", "kafka-sensor-topic", "a.b_c-9"] {
            assert!(is_topic_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "é", "a/b", &"x".repeat(250)] {
            assert!(!is_topic_name(name), "{name}");
        }
    }
}
