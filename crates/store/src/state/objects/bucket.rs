//! Where objects lie: one way to reach every store, and what its errors mean to a person.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use url::Url;

use crate::state::Error;

/// Most bytes of one object, unpacked: more is no state of ours.
const MAX_BYTES: u64 = 2 << 30;

/// A folder in a store.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// Its address.
    pub(super) place: Arc<str>,
}

/// What came of making an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// It is there now, and was not before.
    Now,
    /// It was there before, and is as it was.
    Before,
}

impl Bucket {
    /// Finds the store of an address; nothing is sent yet. Credentials come from the environment.
    pub(super) fn of(address: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::BadAddress {
            place: address.to_owned(),
            why,
        };
        let url: Url = address
            .parse()
            .map_err(|error: url::ParseError| bad(error.to_string()))?;
        let named = !url.username().is_empty() || url.password().is_some();
        if url.query().is_some() || url.fragment().is_some() || named {
            return Err(Error::BadAddress {
                place: format!("{}://…", url.scheme()),
                why: "it has a place and nothing else; credentials come from the environment"
                    .to_owned(),
            });
        }
        let name = url.host_str().unwrap_or_default();
        if url.scheme() != "file" && name.is_empty() {
            return Err(bad("it names no bucket".to_owned()));
        }
        let retry = RetryConfig {
            max_retries: 5,
            retry_timeout: Duration::from_secs(45),
            ..RetryConfig::default()
        };
        let wrong = |error: object_store::Error| bad(error.to_string());
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "s3" => Arc::new(
                AmazonS3Builder::from_env()
                    .with_bucket_name(name)
                    // Whatever the environment says: without it two writers would both win.
                    .with_conditional_put(S3ConditionalPut::ETagMatch)
                    .with_retry(retry)
                    .build()
                    .map_err(wrong)?,
            ),
            "az" => Arc::new(
                MicrosoftAzureBuilder::from_env()
                    .with_container_name(name)
                    .with_retry(retry)
                    .build()
                    .map_err(wrong)?,
            ),
            "gs" => Arc::new(
                GoogleCloudStorageBuilder::from_env()
                    .with_bucket_name(name)
                    .with_retry(retry)
                    .build()
                    .map_err(wrong)?,
            ),
            "file" => return Self::local(&url, address),
            other => {
                return Err(bad(format!(
                    "{other}:// is no store; known are s3, az, gs and file"
                )));
            }
        };
        let folder = Path::from_url_path(url.path()).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            store,
            folder,
            place: address.into(),
        })
    }

    /// Tells whether an address is that of a directory that is not there.
    pub(super) fn is_absent(address: &str) -> bool {
        let path = address
            .parse::<Url>()
            .ok()
            .filter(|url| url.scheme() == "file");
        let path = path.and_then(|url| url.to_file_path().ok());
        path.is_some_and(|path| !path.exists())
    }

    /// Makes the directory if there is none; only its owner may look into it.
    fn local(url: &Url, address: &str) -> Result<Self, Error> {
        let path = url.to_file_path().map_err(|()| Error::BadAddress {
            place: address.to_owned(),
            why: "it is no whole path, such as file:///srv/orgsmith".to_owned(),
        })?;
        let failed = |source| Error::File {
            path: path.clone(),
            source: Arc::new(source),
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(&path).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(&path)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
            folder: Path::default(),
            place: address.into(),
        })
    }

    /// Puts another store in the place of this one: a test's.
    #[cfg(test)]
    pub(super) fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            folder: Path::default(),
            place: "memory".into(),
        }
    }

    fn path(&self, name: &str) -> Path {
        let whole = name.split('/');
        whole.fold(self.folder.clone(), |path, part| path.join(part))
    }

    /// Returns an object, unpacked; none where there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let packed = match self.store.get(&self.path(name)).await {
            Ok(found) => found.bytes().await.map_err(|error| self.fail(&error))?,
            Err(object_store::Error::NotFound { source, .. }) if !is_no_bucket(&source) => {
                return Ok(None);
            }
            Err(error) => return Err(self.fail(&error)),
        };
        blocking(move || {
            let mut content = Vec::new();
            let mut unpacked = GzDecoder::new(packed.as_ref()).take(MAX_BYTES + 1);
            unpacked.read_to_end(&mut content)?;
            if content.len() as u64 > MAX_BYTES {
                return Err(std::io::Error::other("it is too large"));
            }
            Ok(Some(content))
        })
        .await
        .map_err(|why| Error::Unreadable {
            what: "an object",
            why: format!("{name}: {why}"),
        })
    }

    /// Makes an object, unless there is one of this name: no two can both have made it.
    pub(super) async fn create(&self, name: &str, content: Vec<u8>) -> Result<Created, Error> {
        let packed = blocking(move || {
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(&content)?;
            packer.finish()
        });
        let packed = packed.await.map_err(|why| Error::Unreadable {
            what: "an object",
            why: format!("{name}: {why}"),
        })?;
        let path = self.path(name);
        let put = self
            .store
            .put_opts(&path, packed.into(), PutMode::Create.into());
        match put.await {
            Ok(_) => Ok(Created::Now),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Before),
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Returns the names of the objects of a folder, sorted.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        let path = self.path(folder);
        let found: Vec<_> = self
            .store
            .list(Some(&path))
            .try_collect()
            .await
            .map_err(|error| self.fail(&error))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut names: Vec<String> = found
            .iter()
            .filter_map(|meta| name(&meta.location))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Returns the name of the first object of a folder behind a name.
    pub(super) async fn first_after(
        &self,
        folder: &str,
        name: &str,
    ) -> Result<Option<String>, Error> {
        let offset = self.path(&format!("{folder}/{name}"));
        let mut found = self
            .store
            .list_with_offset(Some(&self.path(folder)), &offset);
        // Not every store tells them in order, or begins where it is asked to.
        let mut first: Option<String> = None;
        while let Some(meta) = found.try_next().await.map_err(|error| self.fail(&error))? {
            let next = meta.location.filename().filter(|next| *next > name);
            if let Some(next) = next
                && first.as_deref().is_none_or(|first| next < first)
            {
                first = Some(next.to_owned());
            }
        }
        Ok(first)
    }

    /// Takes an object away that nobody needs; that it stays does no harm.
    pub(super) async fn remove(&self, name: &str) {
        if let Err(error) = self.store.delete(&self.path(name)).await {
            tracing::debug!(name, %error, "an old object stays");
        }
    }

    /// Says what an error of a store means.
    fn fail(&self, error: &object_store::Error) -> Error {
        use object_store::Error as E;
        let place = self.place.to_string();
        let why = shorten(error);
        // An error of a list has no kind of its own.
        let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
        match error {
            _ if matches!(error, E::NotFound { .. }) || is_no_bucket(&why) => Error::Missing {
                place,
                why: "there is no such bucket".to_owned(),
            },
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Error::Denied { place, why },
            _ if says(&["401 Unauthorized", "403 Forbidden"]) => Error::Denied { place, why },
            _ if looks_for_credentials(&why) => Error::Denied {
                place,
                why: "no credentials were found in the environment, and no service of this \
                      machine gives any"
                    .to_owned(),
            },
            _ => Error::Unreachable { place, why },
        }
    }
}

/// Stores answer 404 as well when it is the bucket that is not there.
fn is_no_bucket(error: &dyn std::fmt::Display) -> bool {
    let text = error.to_string();
    text.contains("NoSuchBucket") || text.contains("ContainerNotFound")
}

/// The last place where credentials are looked for is a service that only machines of the cloud have.
fn looks_for_credentials(why: &str) -> bool {
    ["169.254.", "instance metadata", "metadata.google"]
        .iter()
        .any(|word| why.contains(word))
}

/// Returns what matters of an error: its first line, not a page of XML.
fn shorten(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Packs or unpacks where it does not keep other tasks waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
