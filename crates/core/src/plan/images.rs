//! What the objects of a plan are before it and after it: what it takes to undo a run.
//!
//! A plan says what it changes; to undo it, one must know whole objects: those that are deleted, and
//! those of which a call replaces a list. The images of all objects are one compressed text, because
//! a plan for a large org has many of them and nobody reads them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::packed::{packer, unpacker};
use super::{Blob, Digest, digest_of};
use crate::document::{Files, Portable};
use crate::id::ObjectRef;

/// The longest line of it, which is one object without its files.
const MAX_LINE: u64 = 64 << 20;

/// The objects of a plan, as they are before it and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Names the text: how it is compressed may differ from one build of the program to the next.
    digest: String,
    /// The text: a line of JSON for each object, compressed (zlib), in base 64.
    packed: String,
}

/// One object, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// What the target had; nothing where it had none.
    pub before: Option<Portable>,
    /// What is wanted; nothing where it is deleted.
    pub after: Option<Portable>,
}

/// Says that the images of a plan cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what the plan keeps of its objects cannot be read: {0}")]
pub struct BadImages(#[from] io::Error);

/// An image as a line of the text.
#[derive(Serialize, Deserialize)]
struct Line {
    object: ObjectRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Kept>,
}

/// A document whose files are among the plan's blobs.
#[derive(Serialize, Deserialize)]
struct Kept {
    body: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, String>,
}

impl Kept {
    fn new(body: &Map<String, Value>, files: &Files) -> Self {
        let files = files.iter();
        Self {
            body: body.clone(),
            files: files
                .map(|(name, bytes)| (name.clone(), digest_of(bytes)))
                .collect(),
        }
    }

    /// A file that the plan does not hold is left out: nobody sends it.
    fn open(self, object: &ObjectRef, blobs: &BTreeMap<String, Blob>) -> Portable {
        let files = self.files.into_iter();
        let files = files.filter_map(|(name, digest)| {
            let bytes = blobs.get(&digest)?.bytes()?;
            Some((name, bytes.into()))
        });
        Portable {
            object: object.clone(),
            body: self.body,
            files: files.collect(),
        }
    }
}

/// A document, as a body and files.
pub(super) type Parts<'p> = (&'p Map<String, Value>, &'p Files);

/// Writes the image of an object down.
pub(super) fn line(
    object: &ObjectRef,
    before: Option<Parts<'_>>,
    after: Option<Parts<'_>>,
) -> String {
    let kept = |parts: Option<Parts<'_>>| parts.map(|(body, files)| Kept::new(body, files));
    let line = Line {
        object: object.clone(),
        before: kept(before),
        after: kept(after),
    };
    serde_json::to_string(&line).expect("it has text keys only")
}

impl Images {
    pub(super) fn pack<'l>(lines: impl IntoIterator<Item = &'l String>) -> Self {
        let mut packed = packer(String::new());
        let mut digest = Digest::default();
        let mut any = false;
        for line in lines {
            any = true;
            for text in [line, "\n"] {
                digest.text(text);
                packed
                    .write_all(text.as_bytes())
                    .expect("memory takes everything");
            }
        }
        if !any {
            return Self::default();
        }
        let packed = packed.finish().expect("memory takes everything");
        Self {
            digest: digest.finish(),
            packed: packed.into_inner(),
        }
    }

    /// Names what is in them.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Returns the objects; `blobs` are those of the plan.
    ///
    /// # Errors
    /// The text is damaged.
    pub fn open(
        &self,
        blobs: &BTreeMap<String, Blob>,
    ) -> Result<BTreeMap<ObjectRef, Image>, BadImages> {
        let mut found = BTreeMap::new();
        if self.is_empty() {
            return Ok(found);
        }
        let mut text = io::BufReader::new(unpacker(&self.packed));
        let mut digest = Digest::default();
        loop {
            let mut line = String::new();
            if text.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
                break;
            }
            if !line.ends_with('\n') {
                return Err(io::Error::other("a line is too long, or cut short").into());
            }
            digest.text(&line);
            let Line {
                object,
                before,
                after,
            } = serde_json::from_str(&line).map_err(io::Error::from)?;
            let open = |kept: Option<Kept>| kept.map(|kept| kept.open(&object, blobs));
            let (before, after) = (open(before), open(after));
            found.insert(object, Image { before, after });
        }
        if digest.finish() != self.digest {
            return Err(io::Error::other("it is not what was written").into());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use base64::write::EncoderStringWriter;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn images_come_back_with_the_files_that_the_plan_holds() {
        let object: ObjectRef = "flow/inboundcall/A".parse().expect("a reference");
        let held: std::sync::Arc<[u8]> = b"source".as_slice().into();
        let blobs = BTreeMap::from([(digest_of(&held), Blob::new(&held))]);
        let files = Files::from([
            ("flow.yaml".to_owned(), held.clone()),
            ("other".to_owned(), b"not held".as_slice().into()),
        ]);
        let body = map(json!({"name": "A"}));
        let none = Files::new();
        let lines = [line(&object, Some((&body, &files)), Some((&body, &none)))];
        let images = Images::pack(&lines);
        let found = images.open(&blobs).expect("they can be read");
        let image = &found[&object];
        let before = image.before.as_ref().expect("there was one");
        assert_eq!(before.body, body);
        assert_eq!(before.files, Files::from([("flow.yaml".to_owned(), held)]));
        assert!(image.after.as_ref().expect("there is one").files.is_empty());
    }

    #[test]
    fn a_damaged_text_is_an_error() {
        let object: ObjectRef = "routing_queue/A".parse().expect("a reference");
        let body = map(json!({"name": "A"}));
        let none = Files::new();
        let images = Images::pack(&[line(&object, None, Some((&body, &none)))]);
        let other = Images::pack(&[line(&object, Some((&body, &none)), None)]);
        let text = &images.packed;
        for damaged in [
            &text[1..],
            &text[..text.len() / 2],
            "%",
            "AAAA",
            &other.packed,
        ] {
            let images = Images {
                packed: damaged.to_owned(),
                ..images.clone()
            };
            images.open(&BTreeMap::new()).expect_err("it is damaged");
        }
        assert!(Images::pack(&[]).is_empty());
    }

    #[test]
    fn a_bomb_is_no_image() {
        let packed = EncoderStringWriter::new(&STANDARD);
        let mut packer = ZlibEncoder::new(packed, Compression::best());
        let piece = vec![b' '; 1 << 20];
        for _ in 0..=MAX_LINE >> 20 {
            packer.write_all(&piece).expect("it is in memory");
        }
        let packed = packer.finish().expect("it is in memory").into_inner();
        assert!(packed.len() < 1 << 20, "it is small: {}", packed.len());
        let images = Images {
            digest: "x".to_owned(),
            packed,
        };
        let told = images
            .open(&BTreeMap::new())
            .expect_err("a bomb")
            .to_string();
        assert!(told.contains("too long"), "{told}");
    }
}
