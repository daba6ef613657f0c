//! Calls to etcd, over its JSON gateway (HTTP). A member that does not answer is passed over for the next; each wait has an end.

use super::messages::{LoggedIn, Refused};
use super::settings::EtcdSettings;
use crate::store::StoreError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;
use zeroize::Zeroizing;

/// How long one member has to answer.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_millis(1500);
/// Pause after all members have failed.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of an answer at the most.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// It may have been carried out, now or later, or not.
    Unknown(String),
    /// It was not carried out, and would not be the next time. Is it because it was too large?
    Refused(String, bool),
}

impl CallError {
    pub(super) fn text(&self) -> &str {
        let (Self::Unknown(text) | Self::Refused(text, _)) = self;
        text
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(text, true) => Self::TooLarge(text),
            CallError::Unknown(text) | CallError::Refused(text, false) => Self::Etcd(text),
        }
    }
}

#[derive(Debug)]
pub(super) struct Gateway {
    agent: Agent,
    endpoints: Vec<String>,
    /// The member that answered last.
    current: AtomicUsize,
    user: Option<(String, Zeroizing<String>)>,
    token: Mutex<Option<String>>,
}

impl Gateway {
    pub(super) fn new(settings: &EtcdSettings) -> Result<Self, StoreError> {
        settings.check()?;
        let config = Agent::config_builder()
            .tls_config(settings.tls()?)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent("ringway-pool")
            .build();
        Ok(Self {
            agent: config.new_agent(),
            endpoints: settings.endpoints.iter().map(|endpoint| endpoint.trim_end_matches('/').to_owned()).collect(),
            current: AtomicUsize::new(0),
            user: settings.user.clone(),
            token: Mutex::new(None),
        })
    }

    pub(super) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// One call of one member, who has until `until` and no longer than [`CALL_TIMEOUT`].
    pub(super) fn call<T: DeserializeOwned>(&self, path: &str, body: &Value, until: Instant) -> Result<T, CallError> {
        let endpoint = self.current.load(Ordering::Relaxed) % self.endpoints.len();
        let until = until.min(Instant::now() + CALL_TIMEOUT);
        let result = self.call_logged_in(&self.endpoints[endpoint], path, body, until);
        if matches!(result, Err(CallError::Unknown(_))) {
            // Another one next time, unless another thread has said so already.
            let next = (endpoint + 1) % self.endpoints.len();
            let _ = self.current.compare_exchange(endpoint, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        result
    }

    /// A call that does no harm when it is carried out several times, again and again until `until`.
    pub(super) fn call_until<T: DeserializeOwned>(&self, path: &str, body: &Value, until: Instant) -> Result<T, CallError> {
        let mut tries = 0;
        loop {
            match self.call(path, body, until) {
                Err(CallError::Unknown(why)) => {
                    tries += 1;
                    let pause = if tries % self.endpoints.len() == 0 { PAUSE } else { Duration::ZERO };
                    if Instant::now() + pause >= until {
                        return Err(CallError::Unknown(why));
                    }
                    std::thread::sleep(pause);
                }
                result => return result,
            }
        }
    }

    fn call_logged_in<T: DeserializeOwned>(&self, endpoint: &str, path: &str, body: &Value, until: Instant) -> Result<T, CallError> {
        let Some((name, password)) = &self.user else { return self.post(endpoint, path, body, None, until) };
        // The token that etcd gave may have run out meanwhile, or the users have changed.
        for _ in 0..2 {
            let known = self.token().clone();
            let token = match known {
                Some(token) => token,
                None => {
                    let login = json!({ "name": name, "password": password.as_str() });
                    let answer: LoggedIn = self.post(endpoint, "auth/authenticate", &login, None, until)?;
                    self.token().insert(answer.token).clone()
                }
            };
            match self.post(endpoint, path, body, Some(&token), until) {
                Err(CallError::Refused(why, _)) if why.contains("invalid auth token") || why.contains("auth store is old") => {
                    self.token().take_if(|known| *known == token);
                }
                result => return result,
            }
        }
        Err(CallError::Unknown(format!("{endpoint}: the token that it gave is not valid")))
    }

    fn token(&self) -> MutexGuard<'_, Option<String>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        path: &str,
        body: &Value,
        token: Option<&str>,
        until: Instant,
    ) -> Result<T, CallError> {
        let unknown = |error: String| CallError::Unknown(format!("at {endpoint} did not answer as it should: {error}"));
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(unknown("the time was over".into()));
        }
        let mut request = self.agent.post(format!("{endpoint}/v3/{path}")).config().timeout_global(Some(left)).build();
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let sent = Zeroizing::new(body.to_string());
        let mut response = request.send(sent.as_bytes()).map_err(|error| unknown(error.to_string()))?;
        let status = response.status();
        let answer = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let answer = answer.map_err(|error| unknown(error.to_string()))?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| unknown(error.to_string()));
        }
        Err(refusal(endpoint, status.as_u16(), &answer))
    }
}

/// What an answer that is no success means.
fn refusal(endpoint: &str, status: u16, answer: &[u8]) -> CallError {
    let Ok(Refused { code, message }) = serde_json::from_slice(answer) else {
        let unlike = format!(
            "at {endpoint} answered with HTTP status {status}, not as etcd 3.4 or later does; is it etcd, with its gRPC gateway on?"
        );
        return if status == 404 { CallError::Refused(unlike, false) } else { CallError::Unknown(unlike) };
    };
    let message: String = message.chars().take(300).flat_map(char::escape_default).collect();
    let cure = match message.as_str() {
        text if text.contains("database space exceeded") => {
            "compact and defragment it, or raise its --quota-backend-bytes; then disarm the alarm"
        }
        text if text.contains("user name is empty") => "it wants a user and a password",
        text if text.contains("permission denied") => "give the user read and write permission for the pool's keys",
        text if text.contains("authentication failed") => "check user and password",
        text if text.contains("too many operations") => "raise its --max-txn-ops to 128 at least",
        _ => "",
    };
    let text = format!("at {endpoint} refused: {message}{}{cure}", if cure.is_empty() { "" } else { "; " });
    let is_too_large = ["request is too large", "too many operations", "larger than max"].iter().any(|words| message.contains(words));
    // Codes of gRPC: what is invalid, not there, there already, not permitted, at odds with the state, out of range, not known, or not
    // from a user that it knows. Of what is exhausted only space stays so.
    let is_final = matches!(code, 3 | 5 | 6 | 7 | 9 | 11 | 12 | 16) || message.contains("space exceeded") || is_too_large;
    if is_final { CallError::Refused(text, is_too_large) } else { CallError::Unknown(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_taken_for_refused() {
        let of = |code: u32, message: &str| refusal("e", 400, json!({ "code": code, "message": message }).to_string().as_bytes());
        for (code, message) in [
            (14, "etcdserver: request timed out"),
            (14, "etcdserver: leader changed"),
            (8, "etcdserver: too many requests"),
            (2, ""),
            (0, ""),
        ] {
            assert!(matches!(of(code, message), CallError::Unknown(_)), "{message}");
        }
        for (code, message) in [
            (7, "etcdserver: permission denied"),
            (3, "etcdserver: duplicate key given in txn request"),
            (8, "etcdserver: mvcc: database space exceeded"),
        ] {
            assert!(matches!(of(code, message), CallError::Refused(_, false)), "{message}");
        }
        for (code, message) in [(3, "etcdserver: request is too large"), (8, "grpc: received message larger than max (2 vs. 1)")] {
            assert!(matches!(of(code, message), CallError::Refused(_, true)), "{message}");
        }
        assert!(of(7, "etcdserver: permission denied").text().contains("give the user"));
        assert!(matches!(refusal("e", 404, b"Not Found"), CallError::Refused(..)));
        assert!(matches!(refusal("e", 502, b"<html>"), CallError::Unknown(_)));
    }
}
