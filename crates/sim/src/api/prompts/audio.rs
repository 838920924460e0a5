//! The sound of a prompt resource: uploaded, transcoded after a while, downloaded as it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{PROMPTS, find_resource, note, resources_mut, resources_of};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase};
use crate::routes::{Registry, Req};

pub(super) const AUDIO: &str = "prompt audio";

/// What only a resource with sound has.
const HEARD: [&str; 3] = ["mediaUri", "audioFormat", "durationSeconds"];

pub(super) fn register(registry: &mut Registry) {
    let resource = format!("{PROMPTS}/{{promptId}}/resources/{{languageCode}}");
    registry.on("POST", &format!("{resource}/uploads"), offer);
    registry.on("DELETE", &format!("{resource}/audio"), silence);
}

fn offer(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find_resource(cx, req)?;
    let (id, language) = (req.param("promptId"), req.param("languageCode"));
    let subject = format!("{id}/{language}");
    let headers = vec![("x-amz-meta-promptid", id.to_owned())];
    let url = cx.upload_with(&subject, headers, uploaded);
    Ok(Reply::ok(json!({
        "url": url,
        "headers": {"x-amz-meta-promptid": id},
    })))
}

fn uploaded(cx: &mut Cx<'_>, subject: &str, content: &Bytes) -> Result<(), Refusal> {
    let (id, language) = subject.split_once('/').unwrap_or((subject, ""));
    let job = jobs::register(cx, AUDIO, Value::Null);
    let gone = || Refusal::not_found("resource", subject);
    let resource = resources_mut(cx.org, id)
        .and_then(|resources| resources.get_mut(language)?.as_object_mut())
        .ok_or_else(gone)?;
    for name in HEARD {
        resource.remove(name);
    }
    resource.insert("uploadStatus".into(), "uploaded".into());
    resource.insert("$job".into(), job.clone().into());
    note(cx, id, "Upload", language);
    jobs::start(cx, &job, STANDARD.encode(content));
    Ok(())
}

/// Makes of an upload what can be played.
pub(super) fn transcode(cx: &mut Cx<'_>, _: &Value, content: &str) -> Value {
    let content = STANDARD.decode(content).unwrap_or_default();
    heard(cx, content)
}

fn heard(cx: &mut Cx<'_>, content: Vec<u8>) -> Value {
    match Wave::read(&content) {
        None => json!({"uploadStatus": "transcodeFailed"}),
        Some(wave) => json!({
            "uploadStatus": "transcoded",
            "mediaUri": cx.download(content.into(), "audio/wav"),
            "audioFormat": {
                "channels": wave.channels,
                "bitsPerSample": wave.bits,
                "sampleRate": wave.rate,
                "encoding": wave.encoding,
            },
            "durationSeconds": wave.seconds,
        }),
    }
}

/// Gives a resource its sound at once.
pub(crate) fn set_audio(cx: &mut Cx<'_>, resource: &mut Value, content: Vec<u8>) {
    let heard = heard(cx, content);
    if let (Value::Object(resource), Value::Object(heard)) = (resource, heard) {
        resource.extend(heard);
    }
}

/// Shows in the resources of a prompt what has become of their uploads.
pub(super) fn catch_up(cx: &mut Cx<'_>, id: &str) {
    let Some(prompt) = cx.org.store.get("user_prompt", id) else {
        return;
    };
    let waiting: Vec<(String, String)> = resources_of(&prompt.fields)
        .filter_map(|(language, resource)| {
            Some((language.clone(), resource.get("$job")?.as_str()?.to_owned()))
        })
        .collect();
    for (language, job) in waiting {
        let outcome = match jobs::poll(cx, AUDIO, &job) {
            Ok(Phase::Ended(Value::Object(outcome))) => outcome,
            _ => continue,
        };
        let resource = resources_mut(cx.org, id)
            .and_then(|resources| resources.get_mut(&language)?.as_object_mut());
        if let Some(resource) = resource {
            resource.remove("$job");
            resource.extend(outcome);
        }
    }
}

fn silence(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find_resource(cx, req)?;
    let (id, language) = (req.param("promptId"), req.param("languageCode"));
    let resource = resources_mut(cx.org, id)
        .and_then(|resources| resources.get_mut(language)?.as_object_mut());
    if let Some(resource) = resource {
        for name in HEARD.into_iter().chain(["$job"]) {
            resource.remove(name);
        }
        resource.insert("uploadStatus".into(), "created".into());
    }
    note(cx, id, "Update", language);
    Ok(Reply::empty(204))
}

/// What a WAV file says of itself.
#[derive(Debug, PartialEq)]
struct Wave {
    encoding: &'static str,
    channels: u16,
    rate: u32,
    bits: u16,
    seconds: f64,
}

impl Wave {
    /// Reads the header of a RIFF file; `None` when it is not one that can be played.
    fn read(content: &[u8]) -> Option<Self> {
        let mut rest = content.strip_prefix(b"RIFF")?.get(4..)?;
        rest = rest.strip_prefix(b"WAVE")?;
        let mut format = None;
        loop {
            let (name, after) = rest.split_at_checked(4)?;
            let (size, after) = after.split_at_checked(4)?;
            let size = u32::from_le_bytes(size.try_into().ok()?);
            // Recorders that stream leave sizes that are too large.
            let size = usize::try_from(size).ok()?.min(after.len());
            let body = &after[..size];
            match (name, &format) {
                (b"fmt ", _) => format = Some(Format::read(body)?),
                (b"data", Some(format)) => return format.wave(body.len()),
                (b"data", None) => return None,
                _ => {}
            }
            // Chunks begin at even places.
            rest = after.get(size + size % 2..)?;
        }
    }
}

struct Format {
    encoding: &'static str,
    channels: u16,
    rate: u32,
    bytes_per_second: u32,
    bits: u16,
}

impl Format {
    fn read(body: &[u8]) -> Option<Self> {
        let short = |at: usize| Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?));
        let long = |at: usize| Some(u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            encoding: match short(0)? {
                1 => "PCM",
                6 => "ALAW",
                7 => "ULAW",
                _ => return None,
            },
            channels: short(2).filter(|channels| *channels > 0)?,
            rate: long(4)?,
            bytes_per_second: long(8).filter(|rate| *rate > 0)?,
            bits: short(14)?,
        })
    }

    fn wave(&self, bytes: usize) -> Option<Wave> {
        Some(Wave {
            encoding: self.encoding,
            channels: self.channels,
            rate: self.rate,
            bits: self.bits,
            seconds: f64::from(u32::try_from(bytes).ok()?) / f64::from(self.bytes_per_second),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(encoding: u16, data: usize) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend(encoding.to_le_bytes());
        file.extend(1u16.to_le_bytes());
        file.extend(8000u32.to_le_bytes());
        file.extend(16000u32.to_le_bytes());
        file.extend(2u16.to_le_bytes());
        file.extend(16u16.to_le_bytes());
        file.extend(b"data");
        file.extend(u32::try_from(data).unwrap().to_le_bytes());
        file.resize(file.len() + data, 0);
        file
    }

    #[test]
    fn a_wave_tells_its_format_and_length() {
        let wave = Wave::read(&wav(1, 8000)).unwrap();
        assert_eq!((wave.encoding, wave.seconds), ("PCM", 0.5));
        assert_eq!((wave.channels, wave.rate, wave.bits), (1, 8000, 16));
        assert_eq!(Wave::read(&wav(85, 8000)), None);
        assert_eq!(Wave::read(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(Wave::read(b"ID3 not a wave"), None);
    }
}
