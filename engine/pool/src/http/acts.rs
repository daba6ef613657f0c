//! What is done over HTTP: each act is one of the control protocol, done and written down in one place.

use super::Api;
use super::gate::{Admin, User};
use super::model::{QuotaLimits, TokenInfo, TokenMade, TokenRequest, UserSettings, principal_of};
use super::problem::Problem;
use crate::identity::NewToken;
use crate::pool::Caller;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ringway_link::endpoint::Endpoint;
use ringway_secure::token::ADDRESSES_MAX;
use ringway_secure::unix_now;
use ringway_wire::pool::{AdminRequest, Limits, PoolRequest};

/// A token cannot be given a longer life than this, in seconds: ten years.
const LIFE_MAX_S: u64 = 3650 * 86_400;

type Done = Result<StatusCode, Problem>;

impl Api {
    /// Has an act done.
    async fn act(&self, caller: Caller, ask: PoolRequest) -> Done {
        match self.ask(caller, ask).await {
            Ok(_) => Ok(StatusCode::NO_CONTENT),
            Err(problem) if self.pool.watch().audit.broken().is_some() => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem.detail, problem.cure))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn administer(&self, caller: Caller, ask: AdminRequest) -> Done {
        self.act(caller, PoolRequest::Admin(ask)).await
    }

    async fn release(&self, caller: Caller, id: u64) -> Done {
        match self.act(caller.clone(), PoolRequest::Release { lease: id }).await {
            Err(problem) if problem.status == StatusCode::CONFLICT.as_u16() => {
                // Why: it is another's, or not there.
                let is_there = self.lease(&caller, id).await?.is_some() || self.waiting(&caller, id).await?.is_some();
                let status = if is_there { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
                Err(Problem::new(status, problem.detail, problem.cure))
            }
            done => done,
        }
    }
}

/// Ends a lease: one's own, or as an administrator any.
#[utoipa::path(delete, path = "/api/v1/leases/{id}", tag = "leases", params(("id" = String, Path, description = "16 hexadecimal digits.")), responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn release_lease(State(api): State<Api>, User(caller): User, Path(id): Path<String>) -> Done {
    api.release(caller, super::resources::id_of(&id)?).await
}

/// Takes a waiting request back: one's own, or as an administrator any.
#[utoipa::path(delete, path = "/api/v1/queue/{id}", tag = "leases", params(("id" = String, Path, description = "16 hexadecimal digits.")), responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn release_request(State(api): State<Api>, User(caller): User, Path(id): Path<String>) -> Done {
    api.release(caller, super::resources::id_of(&id)?).await
}

/// Has a server take no new leases; those that it has go on.
#[utoipa::path(post, path = "/api/v1/servers/{name}/drain", tag = "servers", params(("name" = String, Path, description = "Its name.")), responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn drain(State(api): State<Api>, Admin(caller): Admin, Path(server): Path<String>) -> Done {
    api.server(&caller, &server).await?;
    api.administer(caller, AdminRequest::Drain { server, drain: true }).await
}

/// Has a server take leases again.
#[utoipa::path(post, path = "/api/v1/servers/{name}/undrain", tag = "servers", params(("name" = String, Path, description = "Its name.")), responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn undrain(State(api): State<Api>, Admin(caller): Admin, Path(server): Path<String>) -> Done {
    api.server(&caller, &server).await?;
    api.administer(caller, AdminRequest::Drain { server, drain: false }).await
}

/// Forgets a server that is down and has no leases.
#[utoipa::path(delete, path = "/api/v1/servers/{name}", tag = "servers", params(("name" = String, Path, description = "Its name.")), responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove_server(State(api): State<Api>, Admin(caller): Admin, Path(server): Path<String>) -> Done {
    api.server(&caller, &server).await?;
    api.administer(caller, AdminRequest::RemoveServer { server }).await
}

async fn set_limits(api: Api, caller: Caller, kind: &str, name: &str, limits: Option<Limits>) -> Done {
    let principal = principal_of(kind, name).ok_or_else(|| Problem::not_found("there is no such kind of quota"))?;
    api.administer(caller, AdminRequest::SetLimits { principal, limits }).await
}

/// Sets the limits of a user or a group (`kind` is `user` or `group`).
#[utoipa::path(put, path = "/api/v1/quotas/{kind}/{name}", tag = "quotas", params(("kind" = String, Path, description = "`user` or `group`."), ("name" = String, Path, description = "Its name.")), request_body = QuotaLimits, responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn set_quota(State(api): State<Api>, Admin(caller): Admin, Path((kind, name)): Path<(String, String)>, Json(limits): Json<QuotaLimits>) -> Done {
    set_limits(api, caller, &kind, &name, Some(limits.into())).await
}

/// Takes away the limits of a user or a group: those of each user or group hold then.
#[utoipa::path(delete, path = "/api/v1/quotas/{kind}/{name}", tag = "quotas", params(("kind" = String, Path, description = "`user` or `group`."), ("name" = String, Path, description = "Its name.")), responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn unset_quota(State(api): State<Api>, Admin(caller): Admin, Path((kind, name)): Path<(String, String)>) -> Done {
    set_limits(api, caller, &kind, &name, None).await
}

/// Sets the limits of each user or group that has none of its own (`kind` is `each-user` or `each-group`).
#[utoipa::path(put, path = "/api/v1/quotas/{kind}", tag = "quotas", params(("kind" = String, Path, description = "`each-user` or `each-group`.")), request_body = QuotaLimits, responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn set_each_quota(State(api): State<Api>, Admin(caller): Admin, Path(kind): Path<String>, Json(limits): Json<QuotaLimits>) -> Done {
    set_limits(api, caller, &kind, "", Some(limits.into())).await
}

/// Takes away the limits of each user or group.
#[utoipa::path(delete, path = "/api/v1/quotas/{kind}", tag = "quotas", params(("kind" = String, Path, description = "`each-user` or `each-group`.")), responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn unset_each_quota(State(api): State<Api>, Admin(caller): Admin, Path(kind): Path<String>) -> Done {
    set_limits(api, caller, &kind, "", None).await
}

/// Sets a user's group and priority, for requests to come.
#[utoipa::path(put, path = "/api/v1/users/{name}", tag = "quotas", params(("name" = String, Path, description = "The user.")), request_body = UserSettings, responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn set_user(State(api): State<Api>, Admin(caller): Admin, Path(user): Path<String>, Json(settings): Json<UserSettings>) -> Done {
    api.administer(caller, AdminRequest::SetUser { user, settings: Some((settings.group, settings.priority)) }).await
}

/// Gives a user no new leases, and takes the user's requests out of the queue; leases go on.
#[utoipa::path(post, path = "/api/v1/users/{name}/disable", tag = "quotas", params(("name" = String, Path, description = "The user.")), responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn disable_user(State(api): State<Api>, Admin(caller): Admin, Path(user): Path<String>) -> Done {
    api.administer(caller, AdminRequest::EnableUser { user, enable: false }).await
}

/// Lets a user have leases again.
#[utoipa::path(post, path = "/api/v1/users/{name}/enable", tag = "quotas", params(("name" = String, Path, description = "The user.")), responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn enable_user(State(api): State<Api>, Admin(caller): Admin, Path(user): Path<String>) -> Done {
    api.administer(caller, AdminRequest::EnableUser { user, enable: true }).await
}

/// Forgets a user's group and priority.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "quotas", params(("name" = String, Path, description = "The user.")), responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn remove_user(State(api): State<Api>, Admin(caller): Admin, Path(user): Path<String>) -> Done {
    api.administer(caller, AdminRequest::SetUser { user, settings: None }).await
}

/// Makes a token. The answer has its secret, which is kept nowhere.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "administration", request_body = TokenRequest, responses((status = 201, body = TokenMade), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn create_token(State(api): State<Api>, Admin(caller): Admin, Json(wanted): Json<TokenRequest>) -> Result<(StatusCode, Json<TokenMade>), Problem> {
    let bad = |what: &str| Problem::new(StatusCode::BAD_REQUEST, what, "see /api/v1/openapi.json for what is understood");
    if wanted.life_s.is_some_and(|life| !(1..=LIFE_MAX_S).contains(&life)) || wanted.max_gpus == Some(0) || wanted.max_memory_mib == Some(0) {
        return Err(bad("life_s is 1 to ten years, max_gpus and max_memory_mib are at least 1"));
    }
    let are_addresses = wanted.addresses.iter().all(|address| matches!(address.parse(), Ok(Endpoint::Tcp(..))));
    if !are_addresses || wanted.addresses.len() > ADDRESSES_MAX {
        return Err(bad("an address is HOST:PORT, and there are at most 64"));
    }
    let new = NewToken {
        name: wanted.name,
        user: wanted.user,
        expires: wanted.life_s.map(|life| unix_now() + life),
        max_gpus: wanted.max_gpus,
        max_memory_mib: wanted.max_memory_mib,
        scope: wanted.scope.into(),
    };
    let pool = api.pool.clone();
    let status = api.refusal_status();
    let made = api.work(move || pool.create_token(&caller, new, wanted.addresses).map_err(|reply| Problem::of(status(), reply))).await?;
    let answer = TokenMade { info: TokenInfo::from(&made.token), token: made.presented.to_string(), token_file: made.file.map(|file| file.to_string()) };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Makes a token worthless, at once: its leases end too.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "administration", params(("name" = String, Path, description = "The token's name.")), responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn revoke_token(State(api): State<Api>, Admin(caller): Admin, Path(name): Path<String>) -> Done {
    let pool = api.pool.clone();
    let status = api.refusal_status();
    api.work(move || pool.revoke_token(&caller, &name).map_err(|reply| Problem::of(status(), reply))).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// Which status a refusal has: that of a conflict, or that of a pool which cannot write down what it does.
    fn refusal_status(&self) -> impl FnOnce() -> StatusCode + Send + 'static {
        let pool = self.pool.clone();
        move || if pool.watch().audit.broken().is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::CONFLICT }
    }
}
