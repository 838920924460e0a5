//! Errors of the API, in the form of RFC 9457.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusals;

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The status code.
    pub status: u16,
    /// What it means.
    pub title: String,
    /// What happened, and what to do about it.
    pub detail: String,
    /// After how many seconds it may be asked again.
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Somebody was not let in, or may not do it: that is kept in the audit.
    #[serde(skip)]
    pub(crate) refused: bool,
    /// The org that it is about, for the audit.
    #[serde(skip)]
    pub(crate) org: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("error").to_owned(),
            detail: detail.into(),
            retry_after: None,
            refused: false,
            org: None,
        }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail).refusing()
    }

    /// Has it kept in the audit.
    pub(crate) fn refusing(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Says which org it is about.
    pub(crate) fn about(mut self, org: &str) -> Self {
        self.org = Some(org.to_owned());
        self
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// What only the log may say.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the service failed; its log says why",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        refusals::mark(&mut response, &self);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == 401 {
            headers.insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
        }
        response
    }
}

impl From<orgsmith_store::state::Error> for Problem {
    fn from(error: orgsmith_store::state::Error) -> Self {
        Self::internal(error)
    }
}

impl From<crate::dispatch::Error> for Problem {
    fn from(error: crate::dispatch::Error) -> Self {
        Self::internal(error)
    }
}

impl From<axum::extract::rejection::JsonRejection> for Problem {
    fn from(error: axum::extract::rejection::JsonRejection) -> Self {
        Self::new(error.status(), error.body_text())
    }
}

impl From<axum::extract::rejection::QueryRejection> for Problem {
    fn from(error: axum::extract::rejection::QueryRejection) -> Self {
        Self::new(error.status(), error.body_text())
    }
}

impl From<axum::extract::multipart::MultipartError> for Problem {
    fn from(error: axum::extract::multipart::MultipartError) -> Self {
        Self::new(error.status(), error.body_text())
    }
}
