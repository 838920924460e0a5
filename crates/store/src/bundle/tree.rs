//! A bundle as files in memory, between the format and the place it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The files of a bundle by path: segments joined by `/`, none of them empty, `.` or `..`.
pub(super) type Tree = BTreeMap<String, Arc<[u8]>>;

/// The path of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// The directory of the overlays, which are carried along.
pub(super) const OVERLAYS: &str = "overlays";

/// Most files of a bundle.
pub(super) const MAX_FILES: usize = 500_000;
/// Most bytes of one file.
pub(super) const MAX_FILE: u64 = 64 << 20;
/// Most bytes of all files together.
pub(super) const MAX_TOTAL: u64 = 2 << 30;
/// Most segments of a path.
pub(super) const MAX_DEPTH: usize = 16;

/// Tells whether a file may be part of a bundle: what else lies in the directory is not ours.
pub(super) fn is_ours(path: &str) -> bool {
    !path.split('/').any(|segment| segment.starts_with('.'))
        && (path == MANIFEST || path.contains('/') || has_yaml_ending(path))
}

/// Tells whether a name ends like YAML in any spelling.
pub(super) fn has_yaml_ending(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Tells whether a path stays within the bundle on every system.
pub(super) fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').count() <= MAX_DEPTH
        && path.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && !segment.contains(['\\', ':'])
                && !segment.chars().any(char::is_control)
        })
}
