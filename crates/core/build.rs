//! Lists the kind files, so that adding a kind is adding a file; one that cannot be read stops the
//! build with its name and line.

#![expect(
    dead_code,
    reason = "the crate's own modules are here to read its data, and no more"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/catalogue/descriptor.rs"]
mod descriptor;
#[path = "src/id.rs"]
mod id;
#[path = "src/path.rs"]
mod path;

/// Says what is wrong with a kind file, if anything.
fn fault(path: &Path) -> Option<String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    match toml::from_str::<descriptor::Descriptor>(&text) {
        Ok(kind)
            if path
                .file_stem()
                .is_some_and(|stem| stem == kind.kind.as_str()) =>
        {
            None
        }
        Ok(kind) => Some(format!("1: it describes the kind {}", kind.kind.as_str())),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            Some(format!("{line}: {}", error.message()))
        }
    }
}

fn tell_faults(files: &[PathBuf]) {
    let faults = files.iter().filter_map(|path| Some((path, fault(path)?)));
    for (path, fault) in faults {
        // One such line fails the build.
        println!("cargo::error={}:{fault}", path.display());
    }
}

fn main() {
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("catalogue/kinds");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the catalogue's folder is part of the crate")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    tell_faults(&files);
    let mut text = String::from(
        "/// The kind files: name and text.\npub(crate) const KIND_FILES: &[(&str, &str)] = &[\n",
    );
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy();
        writeln!(
            text,
            "    ({name:?}, include_str!({:?})),",
            path.display().to_string()
        )
        .expect("a String takes any text");
    }
    text.push_str("];\n");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("kinds.rs");
    fs::write(out, text).expect("the build folder is writable");
}
