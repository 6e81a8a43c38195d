//! Tells the compiler the commit, the profile and the target for `convoy --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "unknown".to_owned());
    // `PROFILE` is `release` for each profile that inherits from it; the directory has its own name.
    let profile = Path::new(&variable("OUT_DIR"))
        .ancestors()
        .nth(3)
        .and_then(Path::file_name)
        .map_or_else(
            || variable("PROFILE"),
            |name| name.to_string_lossy().into_owned(),
        );
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=CONVOY_BUILD_PROFILE={profile}");
    println!("cargo:rustc-env=CONVOY_BUILD_TARGET={}", variable("TARGET"));
    // A debug build does not follow the commits: each would compile the whole package again.
    let commit = (variable("PROFILE") == "release").then(commit).flatten();
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=CONVOY_BUILD_COMMIT={commit}");
}

/// Returns the commit that is checked out; `None` without git or outside of a repository.
fn commit() -> Option<String> {
    let head = git(&["rev-parse", "HEAD"])?;
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", branch.as_deref().unwrap_or("HEAD"), "packed-refs"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    head.get(..12).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
