//! Packs the example bundles into the program, so that `orgsmith demo` needs no files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let examples =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../examples");
    let mut text = String::new();
    for (constant, folder) in [("GOLD_ORG", "gold-org"), ("TENANT", "tenant")] {
        let root = examples.join(folder);
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        walk(&root, &mut files);
        files.sort();
        writeln!(
            text,
            "/// The files of `examples/{folder}`: path and content.\npub(crate) const {constant}: &[(&str, &[u8])] = &["
        )
        .expect("a String takes any text");
        for path in files {
            let name = path.strip_prefix(&root).expect("it is below the root");
            let name = name.to_string_lossy().replace('\\', "/");
            writeln!(text, "    ({name:?}, include_bytes!({path:?})),")
                .expect("a String takes any text");
        }
        text.push_str("];\n");
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("examples.rs");
    fs::write(out, text).expect("the build folder is writable");
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the examples are part of the repository") {
        let path = entry.expect("a readable folder entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
