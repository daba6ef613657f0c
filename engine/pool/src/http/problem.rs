//! What is answered where something went wrong (RFC 9457): cause and cure.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ringway_wire::control::Reply;
use serde::Serialize;
use utoipa::ToSchema;

/// Media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Bytes of another's text that becomes a cause, at the most.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a request was not answered as it was meant, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Its name.
    pub title: String,
    /// Cause.
    pub detail: String,
    /// What to do.
    pub cure: String,
}

impl Problem {
    /// With cause and cure.
    pub fn new(status: StatusCode, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").into();
        Self { status: status.as_u16(), title, detail: detail.into(), cure: cure.into() }
    }

    /// From what was answered in the control protocol.
    pub fn of(status: StatusCode, reply: Reply) -> Self {
        match reply {
            Reply::Refused { reason, cure } => Self::new(status, reason, cure),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("an answer that does not fit: {other:?}"), "this is a fault of Ringway"),
        }
    }

    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, "ask for the list of what there is")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringway\""));
        }
        response
    }
}

/// Makes a problem of each failure that is none yet: what axum says of routes, methods, paths, queries and bodies.
pub async fn make_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    // What has a shape of its own says enough: a problem, or how the pool is.
    let is_told = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE || kind == "application/json");
    if is_told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, TEXT_BYTES_MAX).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let (detail, cure) = match status {
        StatusCode::NOT_FOUND => ("there is nothing of this name".to_owned(), "see /api/v1/openapi.json for what there is"),
        StatusCode::METHOD_NOT_ALLOWED => ("this cannot be done to it".to_owned(), "see /api/v1/openapi.json, and the header Allow, for what can"),
        StatusCode::PAYLOAD_TOO_LARGE => ("the body is too long".to_owned(), "send less"),
        _ => (text, "see /api/v1/openapi.json for what is understood"),
    };
    let mut problem = Problem::new(status, detail, cure).into_response();
    if let Some(allow) = parts.headers.get("allow") {
        problem.headers_mut().insert("allow", allow.clone());
    }
    problem
}
