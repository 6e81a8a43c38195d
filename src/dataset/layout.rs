//! Files of each topic: a file, a topic folder, or a folder of topic folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::error::Error;

/// Maximum length of a topic name.
const MAX_TOPIC_NAME: usize = 249;

/// The CSV files of one topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TopicFiles {
    pub(super) topic: String,
    /// Files in the order of their rows.
    pub(super) files: Vec<PathBuf>,
}

/// Finds the topics at a path and their files, sorted by name.
pub(super) fn find(path: &Path) -> Result<Vec<TopicFiles>, Error> {
    let kind = fs::metadata(path).map_err(|source| Error::open(path, source))?;
    if kind.is_file() {
        let files = vec![path.to_owned()];
        let topic = topic_of_file(path)?;
        return Ok(vec![TopicFiles { topic, files }]);
    }
    if !kind.is_dir() {
        let path = path.to_owned();
        return Err(Error::NotAFile { path });
    }
    let folder = Folder::list(path)?;
    let mut topics = Vec::new();
    for subfolder in &folder.folders {
        let files = Folder::list(subfolder)?.csv;
        if files.is_empty() {
            continue;
        }
        if !folder.csv.is_empty() {
            return Err(Error::MixedFolder {
                folder: path.to_owned(),
                subfolder: subfolder.clone(),
            });
        }
        let topic = topic_of_folder(subfolder)?;
        topics.push(TopicFiles { topic, files });
    }
    if !folder.csv.is_empty() {
        let topic = topic_of_folder(path)?;
        let files = folder.csv;
        topics.push(TopicFiles { topic, files });
    }
    if topics.is_empty() {
        let folder = path.to_owned();
        return Err(Error::NoCsv { folder });
    }
    Ok(topics)
}

/// Contents of a folder, sorted by name, without hidden entries.
struct Folder {
    csv: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Folder {
    fn list(path: &Path) -> Result<Self, Error> {
        let open = |source| Error::open(path, source);
        let mut found = Self {
            csv: Vec::new(),
            folders: Vec::new(),
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
            } else if path
                .extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
            {
                found.csv.push(path);
            }
        }
        found.csv.sort();
        found.folders.sort();
        Ok(found)
    }
}

fn topic_of_file(file: &Path) -> Result<String, Error> {
    let absolute = std::path::absolute(file).map_err(|source| Error::open(file, source))?;
    let folder = absolute.parent().and_then(Path::file_name);
    [folder, absolute.file_stem()]
        .into_iter()
        .flatten()
        .filter_map(|name| name.to_str())
        .find(|name| is_topic_name(name))
        .map(str::to_owned)
        .ok_or_else(|| Error::TopicName {
            path: file.to_owned(),
        })
}

fn topic_of_folder(folder: &Path) -> Result<String, Error> {
    // Resolves `.` and `..`, which are not topic names.
    let resolved = folder
        .canonicalize()
        .map_err(|source| Error::open(folder, source))?;
    [folder, resolved.as_path()]
        .into_iter()
        .filter_map(|path| path.file_name()?.to_str())
        .find(|name| is_topic_name(name))
        .map(str::to_owned)
        .ok_or_else(|| Error::TopicName {
            path: folder.to_owned(),
        })
}

/// Returns whether Kafka accepts a topic name.
fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=MAX_TOPIC_NAME).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.chars().all(legal)
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
        assert_eq!(found(&folder.path().join("buses/x.csv"))[0].0, "buses");
    }

    #[test]
    fn file_name_is_the_topic_if_the_folder_name_is_invalid() {
        let folder = folder_with(&["my trucks/fleet-7.csv", "my trucks/my rows.csv"]);
        let file = folder.path().join("my trucks/fleet-7.csv");
        assert_eq!(found(&file)[0].0, "fleet-7");
        let file = folder.path().join("my trucks/my rows.csv");
        assert!(matches!(find(&file), Err(Error::TopicName { .. })));
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
        for name in ["a", "kafka-sensor-topic", "a.b_c-9"] {
            assert!(is_topic_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "é", "a/b", &"x".repeat(250)] {
            assert!(!is_topic_name(name), "{name}");
        }
    }
}
