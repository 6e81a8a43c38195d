//! The source files of the packages, and the module paths that each file names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Folder of the root package and of each crate, relative to the workspace.
pub const PACKAGES: &[&str] = &[
    "src",
    "crates/kafka-server/src",
    "crates/mongodb-server/src",
    "crates/registry-server/src",
    "crates/server-kit/src",
];

pub struct Source {
    /// Path relative to the package's source folder, with `/` as separator.
    pub name: String,
    pub text: String,
}

impl Source {
    pub fn room(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Segments of the module's path inside its crate; empty for the crate root.
    pub fn module(&self) -> Vec<String> {
        let path = self.name.trim_end_matches(".rs");
        let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        if segments
            .last()
            .is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main"))
        {
            segments.pop();
        }
        segments
    }

    /// The text before the inline tests.
    fn without_tests(&self) -> &str {
        let tests = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..tests.unwrap_or(self.text.len())]
    }

    /// The text without comments and inline tests.
    pub fn code(&self) -> String {
        self.without_tests()
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Number of lines before the inline tests.
    pub fn length(&self) -> usize {
        self.without_tests().lines().count()
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every source file of a package except modules that only tests have.
pub fn sources(package: &str) -> Vec<Source> {
    let folder = root().join(package);
    let mut sources = Vec::new();
    collect(&folder, &folder, &mut sources);
    assert!(!sources.is_empty(), "no sources in {}", folder.display());
    let test_modules = test_modules(&sources);
    sources.retain(|source| {
        let path = source.name.trim_end_matches(".rs");
        !test_modules
            .iter()
            .any(|module| path == module || path.starts_with(&format!("{module}/")))
    });
    sources
}

/// Paths, without extension, of the modules declared under `#[cfg(test)]`.
fn test_modules(sources: &[Source]) -> BTreeSet<String> {
    let declared = Regex::new(r"#\[cfg\(test\)\]\s+(?:pub(?:\(\w+\))? )?mod (\w+);").unwrap();
    let mut modules = BTreeSet::new();
    for source in sources {
        let parent = source.module().join("/");
        for capture in declared.captures_iter(&source.text) {
            let module = format!("{parent}/{}", &capture[1]);
            modules.insert(module.trim_start_matches('/').to_owned());
        }
    }
    modules
}

fn collect(folder: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(folder, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            sources.push(Source {
                name: name.replace('\\', "/"),
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// A path of a `use` item or an expression, as segments, still relative to its module.
pub type ModulePath = Vec<String>;

/// Paths that a text names: re-exports, and everything else.
pub struct Names {
    pub reexported: Vec<ModulePath>,
    pub used: Vec<ModulePath>,
}

impl Names {
    pub fn of(code: &str) -> Self {
        static USE: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(pub(?:\([^)]*\))? )?use ([^;]*);").unwrap());
        static INLINE: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap());
        let mut names = Self {
            reexported: Vec::new(),
            used: Vec::new(),
        };
        for item in USE.captures_iter(code) {
            let paths = match item.get(1) {
                Some(_public) => &mut names.reexported,
                None => &mut names.used,
            };
            expand(&item[2], &[], paths);
        }
        let rest = USE.replace_all(code, "");
        for found in INLINE.find_iter(&rest) {
            names.used.push(segments(found.as_str()));
        }
        names
    }
}

fn segments(path: &str) -> ModulePath {
    let path = path.trim().split("::").map(str::trim);
    path.filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Adds every path of a `use` tree.
fn expand(tree: &str, prefix: &[String], paths: &mut Vec<ModulePath>) {
    let tree = tree.trim();
    let mut path = prefix.to_vec();
    if let Some((before, group)) = tree.split_once('{') {
        path.extend(segments(before));
        let group = group.trim_end().trim_end_matches('}');
        for branch in branches(group) {
            expand(branch, &path, paths);
        }
    } else if !tree.is_empty() {
        let tree = tree.split(" as ").next().unwrap_or_default();
        path.extend(segments(tree));
        paths.push(path);
    }
}

/// Splits the inside of a group at the commas of its own level.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, symbol) in group.char_indices() {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found
}

#[test]
fn use_trees_are_expanded() {
    let code = "use crate::{net, report::{self, Report}, store as it};\nlet x = crate::cli::parse();\n\
                pub use self::a::B;";
    let names = Names::of(code);
    let joined =
        |paths: &[ModulePath]| paths.iter().map(|path| path.join("::")).collect::<Vec<_>>();
    let used = [
        "crate::net",
        "crate::report::self",
        "crate::report::Report",
        "crate::store",
        "crate::cli::parse",
    ];
    assert_eq!(joined(&names.used), used);
    assert_eq!(joined(&names.reexported), ["self::a::B"]);
}
