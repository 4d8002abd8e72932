//! What goes back to a browser: the headers every answer carries, and every reason to refuse a request.

use futures_util::Stream;
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;

/// An answer on its way.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Nothing from elsewhere, in no frame, no form that leaves without script: an injected text stays text.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Headers of every answer, refusals included.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A whole text. `cache` is `no-store` for what tells of the site and `no-cache` for the parts of the page.
pub(super) fn text(status: StatusCode, media: &'static str, cache: &'static str, body: Bytes) -> Answer {
    dress(status, media, cache, Full::new(body).boxed_unsync())
}

/// A text that comes in pieces until the stream ends.
pub(super) fn stream(media: &'static str, pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    let body = StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece))));
    dress(StatusCode::OK, media, "no-store", body.boxed_unsync())
}

fn dress(
    status: StatusCode,
    media: &'static str,
    cache: &'static str,
    body: UnsyncBoxBody<Bytes, Infallible>,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    answer
}

/// Why a request is refused. The page turns the word into a sentence that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The Host is none of ours: a rebound name, or one the settings do not list.
    ForeignHost,
    /// No such path.
    NoSuchPath,
    /// The path takes only this method.
    Method(&'static str),
    /// Another site's page asks.
    ForeignOrigin,
    /// The body is not stated to be JSON.
    NotJson,
    /// The body is larger than [`super::Limits::body`].
    TooLarge,
    /// The request took longer than [`super::Limits::request`].
    TooSlow,
    /// The body is not what the path takes.
    Malformed,
    /// The token is not the one of this process: a forged act, or a page from before a restart.
    WrongToken,
    /// The name is empty, too long or has control characters.
    BadName,
    /// The note is too long or has control characters.
    BadNote,
    /// No open alarm has that id.
    NoSuchAlarm,
    /// The alarm rang again after what the guard saw of it.
    RangAgain,
    /// The agent has no room for an act now.
    Busy,
    /// Every live view is taken; the page polls instead.
    NoStream,
}

impl Refusal {
    fn stated(self) -> (StatusCode, &'static str) {
        match self {
            Self::ForeignHost => (StatusCode::MISDIRECTED_REQUEST, "foreign-host"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "no-such-path"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign-origin"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
            Self::WrongToken => (StatusCode::FORBIDDEN, "wrong-token"),
            Self::BadName => (StatusCode::UNPROCESSABLE_ENTITY, "bad-name"),
            Self::BadNote => (StatusCode::UNPROCESSABLE_ENTITY, "bad-note"),
            Self::NoSuchAlarm => (StatusCode::NOT_FOUND, "no-such-alarm"),
            Self::RangAgain => (StatusCode::CONFLICT, "rang-again"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::NoStream => (StatusCode::SERVICE_UNAVAILABLE, "no-stream"),
        }
    }

    /// The answer that tells it: `{"refused":"<word>"}`.
    pub(super) fn answer(self) -> Answer {
        let (status, word) = self.stated();
        let body = format!("{{\"refused\":\"{word}\"}}\n");
        let mut answer = text(status, "application/json", "no-store", body.into());
        let headers = answer.headers_mut();
        if let Self::Method(allowed) = self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        if matches!(self, Self::Busy | Self::NoStream) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        answer
    }
}
