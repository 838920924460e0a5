//! `orgsmith bundle`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use orgsmith_store::bundle::{self, Identity, SigningKey};
use serde_json::json;

use crate::args::{Format, Global};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::keys::{self, For, KeyRing};
use crate::output::{Out, RED, publish, save_new, styled};
use crate::source::usage;

/// The password of the secret key that signs.
const PASSWORD: &str = "ORGSMITH_SIGN_PASSWORD";

/// Packs, unpacks, encrypts, signs and verifies bundles.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Packs a directory into a zip: same content, same bytes.
    Pack {
        /// The directory.
        dir: PathBuf,
        /// The zip to write.
        zip: PathBuf,
    },
    /// Unpacks a zip into a directory.
    Unpack {
        /// The zip.
        zip: PathBuf,
        /// The directory to write.
        dir: PathBuf,
    },
    /// Checks that a bundle is whole and that its manifest agrees; with --public-key also that it is
    /// the one that was signed.
    Verify {
        /// A directory, a zip or an encrypted bundle.
        path: PathBuf,
        /// The minisign public key of who must have signed it: a file, or the key itself.
        #[arg(long, value_name = "FILE|KEY")]
        public_key: Option<String>,
        /// The signature [default: beside the bundle, in a directory beside its manifest.json].
        #[arg(long, value_name = "FILE", requires = "public_key")]
        signature: Option<PathBuf>,
    },
    /// Encrypts a bundle, so that only some can read it (age). Other commands read it as it is, with
    /// --identity.
    Encrypt {
        /// A directory or a zip.
        path: PathBuf,
        /// The file to write; .zip.age by custom.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        readers: For,
    },
    /// Writes the zip that is within an encrypted bundle, readable by you alone.
    Decrypt {
        /// The encrypted bundle.
        path: PathBuf,
        /// The zip to write.
        #[arg(long, value_name = "FILE.zip")]
        out: PathBuf,
    },
    /// Signs a bundle (minisign). The key's password is asked of ORGSMITH_SIGN_PASSWORD.
    Sign {
        /// A directory, which is signed by its manifest.json, or a zip or encrypted bundle.
        path: PathBuf,
        /// The minisign secret key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The signature to write [default: beside the bundle, in a directory beside its
        /// manifest.json].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Makes a key: `age` to encrypt bundles for, `minisign` to sign them with.
    Keygen {
        /// Which.
        form: KeyForm,
        /// The secret key to write, readable by you alone; it must not be there yet. The public key of
        /// minisign is written beside it, as .pub.
        file: PathBuf,
        /// Makes a minisign key without a password; else it is asked of ORGSMITH_SIGN_PASSWORD.
        #[arg(long)]
        no_password: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyForm {
    /// An identity that opens bundles; its public key is printed.
    Age,
    /// A secret key that signs, and its public key.
    Minisign,
}

impl Bundle {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> anyhow::Result<Exit> {
        match &self.what {
            What::Pack { dir, zip } => {
                let doing = || format!("packing {}", dir.display());
                let digest = bundle::pack(dir, zip).with_context(doing)?;
                written(out, zip, digest.as_str())
            }
            What::Unpack { zip, dir } => {
                let doing = || format!("unpacking {}", zip.display());
                let written_dir = bundle::unpack(zip, dir).with_context(doing)?;
                written(out, dir, written_dir.digest.as_str())
            }
            What::Verify {
                path,
                public_key,
                signature,
            } => {
                let ring = KeyRing::for_bundle(global, path)?;
                let told = match public_key {
                    Some(key) => Some(checked(path, key, signature.as_deref())?),
                    None => None,
                };
                verify(out, path, ring.identity(path, out)?, told)
            }
            What::Encrypt {
                path,
                out: to,
                readers,
            } => {
                let config = match readers.anybody() {
                    true => Config::default(),
                    false => keys::load(global)?,
                };
                let readers = KeyRing::new(None, &config).recipients(readers)?;
                let digest = bundle::encrypt(path, to, &readers)?;
                written(out, to, digest.as_str())
            }
            What::Decrypt { path, out: to } => {
                let ring = KeyRing::for_bundle(global, path)?;
                let Some(identity) = ring.identity(path, out)? else {
                    let path = path.clone();
                    return Err(match bundle::is_encrypted(&path)? {
                        true => bundle::Error::Encrypted { path },
                        false => bundle::Error::Sealed {
                            doing: "decrypt",
                            path,
                            source: bundle::SealError::Plain,
                        },
                    }
                    .into());
                };
                let digest = bundle::decrypt(path, to, identity)?;
                written(out, to, digest.as_str())
            }
            What::Sign { path, key, out: to } => sign(out, path, key, to.as_deref()),
            What::Keygen {
                form,
                file,
                no_password,
            } => keygen(out, *form, file, *no_password),
        }
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn written(out: &Out, path: &Path, digest: &str) -> anyhow::Result<Exit> {
    if out.format() == Format::Json {
        out.json(&json!({ "out": path, "digest": digest }))?;
    } else {
        out.data(format!("{}\nsha256:{digest}", path.display()))?;
    }
    Ok(Exit::Ok)
}

fn sign(out: &Out, path: &Path, key: &Path, to: Option<&Path>) -> anyhow::Result<Exit> {
    let doing = || format!("reading the secret key {}", key.display());
    let signing = SigningKey::parse(&text(key)?, std::env::var(PASSWORD).ok());
    let signing = signing.with_context(doing)?;
    let beside = bundle::signature_of(path);
    let signed = beside.file_stem().unwrap_or_default().to_string_lossy();
    // What `minisign` says of a file; a name that would end the line is left out.
    let mut told = format!("timestamp:{}", Timestamp::now().as_second());
    if !signed.contains(char::is_control) {
        told.push_str(&format!("\tfile:{signed}\thashed"));
    }
    let signature = bundle::sign(path, &signing, &told)?;
    let to = to.unwrap_or(&beside);
    publish(to, &signature)?;
    if out.format() == Format::Json {
        out.json(&json!({ "out": to }))?;
    } else {
        out.data(to.display().to_string())?;
    }
    Ok(Exit::Ok)
}

/// Checks a signature; returns what was signed along.
fn checked(path: &Path, key: &str, signature: Option<&Path>) -> anyhow::Result<String> {
    let signer = keys::signer(key, Path::new(""))?;
    let place = match signature {
        Some(place) => place.to_owned(),
        None => bundle::signature_of(path),
    };
    let signature = std::fs::read_to_string(&place)
        .with_context(|| format!("reading the signature {}", place.display()))?;
    bundle::check_signature(path, &signature, &signer)
        .with_context(|| format!("verifying {}", path.display()))
}

fn keygen(out: &Out, form: KeyForm, file: &Path, no_password: bool) -> anyhow::Result<Exit> {
    let public = match form {
        KeyForm::Age => {
            let (secret, public) = Identity::generate();
            let now = Timestamp::now();
            let text = format!("# created: {now}\n# public key: {public}\n{secret}\n");
            save_new(file, &text)?;
            public
        }
        KeyForm::Minisign => {
            let password = std::env::var(PASSWORD).ok().filter(|text| !text.is_empty());
            if password.is_none() && !no_password {
                return Err(usage(format!(
                    "set {PASSWORD} to the password of the new key, or give --no-password"
                )));
            }
            let password = password.filter(|_| !no_password);
            let (secret, public) = SigningKey::generate(password)?;
            let mut beside = file.as_os_str().to_owned();
            beside.push(".pub");
            save_new(file, &secret)?;
            publish(Path::new(&beside), &public)?;
            public.lines().last().unwrap_or_default().to_owned()
        }
    };
    if out.format() == Format::Json {
        out.json(&json!({ "out": file, "public_key": public }))?;
    } else {
        out.data(public)?;
    }
    Ok(Exit::Ok)
}

fn verify(
    out: &Out,
    path: &Path,
    identity: Option<&Identity>,
    signed: Option<String>,
) -> anyhow::Result<Exit> {
    // Who may not read it can still tell that it is what was signed.
    if signed.is_some() && identity.is_none() && bundle::is_encrypted(path)? {
        out.say("the signature is good; the bundle is encrypted and was not opened (--identity)");
        if out.format() == Format::Json {
            out.json(&json!({ "path": path, "signed": signed }))?;
        } else if let Some(signed) = signed {
            out.data(format!("signed {signed}"))?;
        }
        return Ok(Exit::Ok);
    }
    let found =
        bundle::verify(path, identity).with_context(|| format!("verifying {}", path.display()))?;
    if out.format() == Format::Json {
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        let mut result = json!({ "path": path, "digest": found.digest, "problems": problems });
        if let Some(signed) = signed {
            result["signed"] = signed.into();
        }
        out.json(&result)?;
    } else {
        for problem in &found.problems {
            let place = path.join(problem.to_string());
            out.say(format!(
                "{}: {}",
                styled(RED.bold(), "error"),
                place.display()
            ));
        }
        if let Some(digest) = &found.digest {
            out.data(format!("sha256:{digest}"))?;
        }
        if let Some(signed) = signed {
            out.data(format!("signed {signed}"))?;
        }
    }
    if found.problems.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Failure::BadBundle {
        errors: found.problems.len(),
        place: path.display().to_string(),
    }
    .into())
}
