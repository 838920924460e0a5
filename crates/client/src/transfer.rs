//! Uploads and downloads by presigned URLs, which are their own credentials.

use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::answer::{failed_exchange, failed_status};
use crate::call::Replay;
use crate::client::{Client, Progress, invalid};
use crate::error::{CallRef, Error};
use crate::place::is_loopback;
use crate::transport::{Answer, Fault};

impl Client {
    /// Sends bytes with PUT to a URL that the org has handed out; no token goes along.
    ///
    /// # Errors
    /// As [`Self::send`]; an upload whose answer is lost is never repeated, because it may start a
    /// job. [`Error::InsecureUrl`] when the URL is not https; only those of a
    /// simulator on this machine may be http.
    pub async fn upload(
        &self,
        presigned_url: &str,
        headers: &[(String, String)],
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let (about, url) = self.presigned(Method::PUT, presigned_url)?;
        let bytes = bytes.into();
        self.pass(&Method::PUT, &about, &Progress::new()).await?;
        let transport = &self.inner.transport;
        self.transfer(&about, Replay::Never, || {
            transport.upload(url.clone(), headers, content_type, bytes.clone())
        })
        .await?;
        Ok(())
    }

    /// Fetches a URL that the org has handed out; no token goes along.
    ///
    /// # Errors
    /// As [`Self::send`]; [`Error::InsecureUrl`] when the URL is not https; only those of a
    /// simulator on this machine may be http.
    pub async fn download(&self, presigned_url: &str) -> Result<Bytes, Error> {
        let (about, url) = self.presigned(Method::GET, presigned_url)?;
        let transport = &self.inner.transport;
        self.transfer(&about, Replay::Safe, || transport.download(url.clone()))
            .await
    }

    async fn transfer<F>(
        &self,
        about: &CallRef,
        replay: Replay,
        send: impl Fn() -> F,
    ) -> Result<Bytes, Error>
    where
        F: Future<Output = Result<Answer, Fault>>,
    {
        let mut progress = Progress::new();
        loop {
            progress.attempts += 1;
            self.inner.counters.transferred();
            let sent = Instant::now();
            let answer = send().await;
            progress.spent += sent.elapsed();
            let failed = match answer {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer.body),
                Ok(answer) => failed_status(&answer, about, &progress, str::to_owned),
                Err(fault) => failed_exchange(about, fault),
            };
            let after = self.next(&mut progress, replay, failed)?;
            self.sleep(&mut progress, after).await;
        }
    }

    pub(crate) fn presigned(&self, method: Method, text: &str) -> Result<(CallRef, Url), Error> {
        let parsed = Url::parse(text);
        let host = parsed.as_ref().ok().and_then(Url::host_str);
        let about = CallRef {
            org: self.inner.org.clone(),
            method: method.to_string(),
            // Path and query of a presigned URL are its key; the host is all that may be shown.
            path: format!("{}/…", host.unwrap_or("(presigned)")),
            label: None,
            request_id: Uuid::new_v4(),
            correlation_id: None,
        };
        match parsed {
            Ok(url) if url.scheme() == "https" => Ok((about, url)),
            Ok(url) if url.scheme() == "http" && !self.inner.bases.secure && is_loopback(&url) => {
                Ok((about, url))
            }
            Ok(_) => Err(Error::InsecureUrl {
                call: Box::new(about),
            }),
            Err(error) => Err(invalid(&about, error.to_string())),
        }
    }
}
