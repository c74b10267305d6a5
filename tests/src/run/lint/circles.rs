//! Circles: files and folders that use each other, directly or over others, so that none of them can be read, moved or tested
//! without the rest. What a file uses is read from its tokens: `use`, and paths that begin with `crate` or `super`, also within
//! macros. A module and what is below it are one thing here, so parent and child may use each other. Whoever uses a name that another
//! module only passes on (`pub use`) uses what it stands for.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use self::tokens::{Import, Outline};

/// A module by its names from the root of its crate on.
type Module = Vec<String>;
/// Names that modules import, and what they stand for.
type Names = BTreeMap<(Module, String), Module>;
/// How often a name may be passed on: more than anybody does, and an end for names that lead back to themselves.
const LONGEST_CHAIN: usize = 20;
/// For modules beside each other: what uses what.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// A file of a crate, and the module that it is.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    module: Module,
}

/// The circles in `files`, which have a name in the repository and a text; one line each.
pub(super) fn check(files: &[(String, String)]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    for (name, text) in files {
        if let Some((package, path)) = name.split_once("/src/")
            && let Some(path) = path.strip_suffix(".rs")
        {
            let module = match path {
                "lib" | "main" => Module::new(),
                path => path.split('/').map(str::to_owned).collect(),
            };
            crates.entry(package).or_default().push(File { name, text, module });
        }
    }
    crates.values().flat_map(|files| check_crate(files)).collect()
}

fn check_crate(files: &[File<'_>]) -> Vec<String> {
    let outlines = match outlines(files) {
        Ok(outlines) => outlines,
        Err(problem) => return vec![problem],
    };
    let known: BTreeSet<&Module> = outlines.iter().map(|(file, _)| &file.module).collect();
    let names: Names = outlines.iter().flat_map(|(_, outline)| &outline.imports).map(meaning).collect();
    // By the module that the two are below: which of its children uses which, and the files that say so.
    let mut graphs: BTreeMap<Module, Uses> = BTreeMap::new();
    let mut reasons: BTreeMap<(Module, Module), BTreeSet<String>> = BTreeMap::new();
    for (file, outline) in &outlines {
        for used in outline.uses.iter().map(|path| home(path, &known, &names)) {
            let shared = file.module.iter().zip(&used).take_while(|(one, other)| one == other).count();
            // Parent and child, near or far.
            if shared == file.module.len() || shared == used.len() {
                continue;
            }
            let (from, to) = (file.module[..=shared].to_vec(), used[..=shared].to_vec());
            reasons.entry((from.clone(), to.clone())).or_default().insert(format!("{} uses {}", file.name, used.join("::")));
            graphs.entry(used[..shared].to_vec()).or_default().entry(from).or_default().insert(to);
        }
    }
    graphs.values().flat_map(circles).map(|circle| told(&circle, &reasons)).collect()
}

/// What the files declare and use that belong to the crate; what only tests declare does not.
fn outlines<'a>(files: &'a [File<'a>]) -> Result<Vec<(&'a File<'a>, Outline)>, String> {
    let mut found = Vec::new();
    let mut wanted = vec![Module::new()];
    while let Some(module) = wanted.pop() {
        for file in files.iter().filter(|file| file.module == module) {
            let outline = Outline::read(file.text, &module).map_err(|error| format!("{}: {error}", file.name))?;
            wanted.extend(outline.declared.iter().cloned());
            found.push((file, outline));
        }
    }
    Ok(found)
}

fn meaning(import: &Import) -> ((Module, String), Module) {
    ((import.module.clone(), import.name.clone()), import.meant.clone())
}

/// The module of a file that has what `path` leads to, over whatever passes it on.
fn home(path: &[String], known: &BTreeSet<&Module>, names: &Names) -> Module {
    let mut path = path.to_vec();
    for _ in 0..LONGEST_CHAIN {
        let module = existing(&path, known);
        let Some((name, below)) = path[module.len()..].split_first() else { return module };
        let Some(meant) = names.get(&(module.clone(), name.clone())) else { return module };
        path = [meant, below].concat();
    }
    existing(&path, known)
}

/// The module of a file that `path` leads to, or into.
fn existing(path: &[String], known: &BTreeSet<&Module>) -> Module {
    let ends = (0..=path.len()).rev().map(|end| path[..end].to_vec());
    ends.into_iter().find(|module| known.contains(module)).unwrap_or_default()
}

/// Modules that lead to each other, each group once.
fn circles(uses: &Uses) -> Vec<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = uses.keys().map(|module| (module, reachable(module, uses))).collect();
    let leads = |from: &Module, to: &Module| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut found: Vec<BTreeSet<Module>> = Vec::new();
    for module in uses.keys().filter(|module| leads(module, module)) {
        if !found.iter().any(|circle| circle.contains(module)) {
            found.push(uses.keys().filter(|other| leads(module, other) && leads(other, module)).cloned().collect());
        }
    }
    found
}

/// What `module` uses, directly or over others.
fn reachable<'a>(module: &Module, uses: &'a Uses) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = uses.get(module).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(uses.get(module).into_iter().flatten());
        }
    }
    reached
}

fn told(circle: &BTreeSet<Module>, reasons: &BTreeMap<(Module, Module), BTreeSet<String>>) -> String {
    let within = reasons.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
    let reasons: Vec<&str> = within.flat_map(|(_, files)| files.iter().map(String::as_str)).collect();
    let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
    format!("a circle of {}: {}", names.join(", "), reasons.join("; "))
}

#[cfg(test)]
mod tests;
