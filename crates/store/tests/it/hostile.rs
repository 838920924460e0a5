//! Zips that are made to do harm.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use orgsmith_store::bundle::{self, Error};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::bundle::{dir, problems, put};

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("started");
        zip.write_all(content).expect("written");
    }
    zip.finish().expect("finished").into_inner()
}

fn refusal(path: &Path) -> String {
    match bundle::read(path) {
        Err(Error::Hostile { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn refused(zip: &[u8]) -> String {
    let temp = dir();
    let path = temp.path().join("b.zip");
    fs::write(&path, zip).expect("written");
    refusal(&path)
}

/// Replaces a name in a zip, in both places where it stands.
fn renamed(zip: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = zip.to_vec();
    for at in 0..out.len() - from.len() {
        if out[at..].starts_with(from.as_bytes()) {
            out[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    out
}

#[test]
fn a_name_that_leads_outside_is_refused() {
    let zip = zip_of(&[("routing_skill/xxxxx.yaml", b"a: 1\n")]);
    for name in [
        "../../../../tmp/abc.yaml",
        "/etc/ssh/sshd_con_d.yaml",
        "C:/windows/system32/yaml",
        "a\\..\\..\\..\\windowsx.yaml",
        "routing_skill/../../.yml",
        "routing_skill//xxxx.yaml",
        "routing_skill/xxx\0x.yaml",
    ] {
        let reason = refused(&renamed(
            &zip,
            "routing_skill/xxxxx.yaml",
            &format!("{name:_<24}"),
        ));
        assert!(
            reason.ends_with("is not a path in a bundle"),
            "{name}: {reason}"
        );
    }
    let deep = format!("{}x.yaml", "a/".repeat(50));
    assert!(refused(&zip_of(&[(&deep, b"")])).contains("not a path"));
}

#[test]
fn a_symbolic_link_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink(
        "routing_skill/a.yaml",
        "/etc/passwd",
        SimpleFileOptions::default(),
    )
    .expect("added");
    let zip = zip.finish().expect("finished").into_inner();
    assert_eq!(refused(&zip), "routing_skill/a.yaml is a symbolic link");
}

#[test]
fn two_files_of_one_name_are_refused() {
    let zip = zip_of(&[("a/one.yaml", b"a: 1\n"), ("a/two.yaml", b"a: 2\n")]);
    assert!(refused(&renamed(&zip, "a/two.yaml", "a/one.yaml")).contains("same name"));
}

#[test]
fn a_bomb_is_refused_while_it_unpacks() {
    let zeros = vec![b' '; 32 << 20];
    let reason = refused(&zip_of(&[("a/b.yaml", &zeros)]));
    assert!(
        reason.starts_with("a/b.yaml unpacks to more than"),
        "{reason}"
    );
}

#[test]
fn an_encrypted_zip_is_refused() {
    let mut zip = zip_of(&[("a/b.yaml", b"a: 1\n")]);
    // The flags: 6 bytes into a local header, 8 into a central one.
    zip[6] |= 1;
    let central = zip
        .windows(4)
        .position(|w| w == b"PK\x01\x02")
        .expect("a central header");
    zip[central + 8] |= 1;
    assert!(refused(&zip).contains("is encrypted"));
}

#[test]
fn a_damaged_zip_is_no_bundle() {
    let temp = dir();
    let path = temp.path().join("b.zip");
    fs::write(&path, b"PK not really").expect("written");
    assert!(matches!(bundle::read(&path), Err(Error::NotAZip { .. })));
    let mut zip = zip_of(&[(
        "a/b.yaml",
        b"a: some text that is long enough to be packed\n",
    )]);
    zip[45] ^= 0xff;
    fs::write(&path, zip).expect("written");
    assert!(problems(&path)[0].starts_with("a/b.yaml: cannot be unpacked"));
}

#[test]
fn silence_is_no_bomb() {
    let temp = dir();
    put(temp.path(), "src/architect_user_prompt/Hush.yaml", "{}\n");
    put(
        temp.path(),
        "src/architect_user_prompt/Hush/en-us.wav",
        vec![0_u8; 8 << 20],
    );
    let (src, zip) = (temp.path().join("src"), temp.path().join("b.zip"));
    let packed = bundle::pack(&src, &zip).expect("packed");
    assert_eq!(bundle::read(&zip).expect("read").digest, packed);
}

#[cfg(unix)]
#[test]
fn links_in_a_directory_are_not_followed() {
    let temp = dir();
    put(temp.path(), "secret.txt", "planted");
    let prompt = temp.path().join("b/architect_user_prompt/Hi");
    put(temp.path(), "b/architect_user_prompt/Hi.yaml", "{}\n");
    fs::create_dir_all(&prompt).expect("created");
    std::os::unix::fs::symlink(temp.path().join("secret.txt"), prompt.join("en-us.wav"))
        .expect("linked");
    assert_eq!(
        problems(&temp.path().join("b")),
        [
            "architect_user_prompt/Hi/en-us.wav: not a regular file; links are not followed in a bundle"
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_manifest_cannot_name_files_to_remove_outside() {
    let temp = dir();
    put(temp.path(), "victim.yaml", "a: 1\n");
    let root = temp.path().join("b");
    bundle::write_dir(&crate::bundle::example(), &root).expect("written");
    let manifest = fs::read_to_string(root.join("manifest.json")).expect("read");
    let manifest = manifest.replace("routing_queue/BILLING.yaml", "../victim.yaml");
    fs::write(root.join("manifest.json"), manifest).expect("written");
    bundle::write_dir(&crate::bundle::example(), &root).expect("written");
    assert!(temp.path().join("victim.yaml").exists());
}
