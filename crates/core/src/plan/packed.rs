//! A plan as the state keeps it: compressed, because the text of a large one, held whole by who writes it, by the
//! database and by its driver, would be most of the memory that a run takes.

use std::io::{self, BufReader, Read, Write};

use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::read::DecoderReader;
use base64::write::EncoderStringWriter;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;

use super::Plan;

/// What the text begins with; that of a plan as plain JSON begins with a brace.
const MARK: &str = "zlib:";
/// The largest text that is unpacked: more than any org needs, and less than a bomb.
const MAX_TEXT: u64 = 4 << 30;

impl Plan {
    /// Writes the plan as one compressed text.
    pub fn pack(&self) -> String {
        let mut text = io::BufWriter::with_capacity(64 << 10, packer(MARK.to_owned()));
        let expected = "a plan has text keys only, and memory takes everything";
        serde_json::to_writer(&mut text, self).expect(expected);
        text.flush().expect(expected);
        let text = text.into_inner().ok().expect(expected);
        text.finish().expect(expected).into_inner()
    }

    /// Reads a plan that was packed, or one that is plain JSON.
    ///
    /// # Errors
    /// It is damaged, or no plan.
    pub fn unpack(text: &str) -> Result<Self, serde_json::Error> {
        unpack(text)
    }
}

/// Reads what somebody wants to know of a plan that was packed, or of one that is plain JSON.
///
/// # Errors
/// It is damaged, or says something else.
pub fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let Some(packed) = text.strip_prefix(MARK) else {
        return serde_json::from_str(text);
    };
    serde_json::from_reader(BufReader::with_capacity(64 << 10, unpacker(packed)))
}

/// Compresses (zlib) what is written to it, in base 64, behind what the text begins with.
pub(super) fn packer(
    begin: String,
) -> ZlibEncoder<EncoderStringWriter<'static, GeneralPurpose, String>> {
    let text = EncoderStringWriter::from_consumer(begin, &STANDARD);
    ZlibEncoder::new(text, Compression::fast())
}

/// Reads what a packer has compressed.
pub(super) fn unpacker(packed: &str) -> impl Read {
    let text = DecoderReader::new(packed.as_bytes(), &STANDARD);
    ZlibDecoder::new(text).take(MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::catalogue::Catalogue;
    use crate::document::Portable;
    use crate::plan::{Options, Planner};
    use crate::snapshot::Snapshot;
    use serde_json::json;

    #[test]
    fn a_plan_comes_back_and_damage_is_seen() {
        let mut bundle = Bundle::default();
        for number in 0..300 {
            let name = format!("Skill {number}");
            let body = json!({ "name": name });
            bundle.insert(Portable {
                object: format!("routing_skill/{name}").parse().unwrap(),
                body: body.as_object().cloned().unwrap(),
                files: Default::default(),
            });
        }
        let planner = Planner::new(Catalogue::builtin(), Options::default());
        let mut org = Snapshot::default();
        for kind in ["routing_skill", "auth_division"] {
            org.objects.insert(crate::id::Kind::new(kind), Vec::new());
        }
        let plan = planner.plan(&bundle, &org);
        assert_eq!(plan.steps.len(), 300);
        let packed = plan.pack();
        let plain = serde_json::to_string(&plan).unwrap();
        assert!(packed.len() * 4 < plain.len(), "{}", packed.len());
        assert_eq!(Plan::unpack(&packed).unwrap(), plan);
        assert_eq!(Plan::unpack(&plain).unwrap(), plan);
        Plan::unpack(&packed[..packed.len() / 2]).unwrap_err();
        Plan::unpack("zlib:").unwrap_err();
        Plan::unpack("").unwrap_err();
    }
}
