//! Files that import each other in a circle, within each package.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::sources::{ModulePath, Names, PACKAGES, Source, sources};

/// Imports between the files of a package, by module path; re-exports lead to their origin.
struct Imports {
    modules: BTreeSet<ModulePath>,
    /// For each module, the names that it re-exports and the modules that define them.
    reexports: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
}

impl Imports {
    fn new(sources: &[(Source, Names)]) -> Self {
        let modules = sources.iter().map(|(source, _)| source.module()).collect();
        let mut imports = Self {
            modules,
            reexports: BTreeMap::new(),
        };
        for (source, names) in sources {
            let module = source.module();
            let mut origins = BTreeMap::new();
            for path in &names.reexported {
                let Some(absolute) = imports.absolute(path, &module) else {
                    continue;
                };
                let origin = imports.longest_module(&absolute);
                if let (Some(name), true) = (absolute.last(), origin != module) {
                    origins.insert(name.clone(), origin);
                }
            }
            imports.reexports.insert(module, origins);
        }
        imports
    }

    /// Returns a path from the crate root; `None` for paths into other crates.
    fn absolute(&self, path: &[String], module: &[String]) -> Option<ModulePath> {
        let mut base = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                base.push(first.to_owned());
                let child = self.modules.contains(&base);
                base.pop();
                if !child {
                    return None;
                }
            }
        }
        let rest = rest
            .iter()
            .filter(|it| !matches!(it.as_str(), "self" | "*"));
        base.extend(rest.cloned());
        Some(base)
    }

    fn longest_module(&self, path: &[String]) -> ModulePath {
        let mut path = path.to_vec();
        while !self.modules.contains(&path) && path.pop().is_some() {}
        path
    }

    /// Returns the module that defines what a path names.
    fn origin(&self, path: &[String], module: &[String]) -> Option<ModulePath> {
        let absolute = self.absolute(path, module)?;
        let mut origin = self.longest_module(&absolute);
        let name = absolute.get(origin.len());
        while let Some(next) = name.and_then(|name| self.reexports.get(&origin)?.get(name)) {
            origin.clone_from(next);
        }
        Some(origin)
    }
}

fn edges(sources: &[(Source, Names)]) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
    let imports = Imports::new(sources);
    let mut edges: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for (source, names) in sources {
        let module = source.module();
        let targets = names
            .used
            .iter()
            .filter_map(|path| imports.origin(path, &module));
        let targets = targets.filter(|target| *target != module).collect();
        edges.insert(module, targets);
    }
    edges
}

/// Returns every module reachable from one.
fn reachable<'a>(
    edges: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    from: &'a ModulePath,
) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in edges.get(module).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

/// Returns every edge that lies on a circle.
fn circles(sources: Vec<Source>) -> Vec<String> {
    let sources: Vec<(Source, Names)> = sources
        .into_iter()
        .map(|source| {
            let names = Names::of(&source.code());
            (source, names)
        })
        .collect();
    let edges = edges(&sources);
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = edges
        .keys()
        .map(|module| (module, reachable(&edges, module)))
        .collect();
    let mut found = Vec::new();
    for (module, targets) in &edges {
        for target in targets {
            if reached
                .get(target)
                .is_some_and(|back| back.contains(module))
            {
                found.push(format!("{} -> {}", module.join("::"), target.join("::")));
            }
        }
    }
    found
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for package in PACKAGES {
        let package_circles = circles(sources(package));
        found.extend(
            package_circles
                .iter()
                .map(|edge| format!("{package}: {edge}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let source = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let circular = vec![
        source("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
        source("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        source("b.rs", "use crate::A;\npub struct B(Box<A>);\n"),
    ];
    assert_eq!(circles(circular), ["a -> b", "b -> a"]);
    let straight = vec![
        source("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
        source("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        source("b.rs", "pub struct B;\n"),
    ];
    assert!(circles(straight).is_empty());
}
