//! Lists the kind files, so that adding a kind is adding a file.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

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
