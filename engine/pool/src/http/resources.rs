//! What is told: each question is one of the control protocol ([`PoolRequest`]), answered in one place.

use super::gate::{Admin, Reader};
use super::model::{
    AuditLine, Gpu, Health, Lease, List, Page, PoolInfo, Quota, Server, Span, TokenInfo, UsageItem, UsageReport, UserInfo, Waiting, principal_of,
    principal_text,
};
use super::problem::Problem;
use super::{Api, gate::Peer};
use crate::pool::Caller;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use ringway_wire::pool::{LeaseRow, PoolReply, PoolRequest, QueueRow, ServerRow};

type Told<T> = Result<Json<T>, Problem>;

fn bad_page() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "`after` is not what an answer had as `next`", "begin without it")
}

fn unexpected() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "an answer that does not fit the question", "this is a fault of Ringway")
}

/// A lease or request in an address.
pub(super) fn id_of(text: &str) -> Result<u64, Problem> {
    let is_id = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let id = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a lease or a request is named by 16 hexadecimal digits", "ask for the list of what there is"))
}

impl Api {
    /// Asks the pool, on a thread that may wait for it.
    pub(super) async fn ask(&self, caller: Caller, ask: PoolRequest) -> Result<PoolReply, Problem> {
        let pool = self.pool.clone();
        self.work(move || pool.reply(ask, &caller).map_err(|reply| Problem::of(StatusCode::CONFLICT, reply))).await
    }

    /// The server of this name.
    pub(super) async fn server(&self, caller: &Caller, name: &str) -> Result<ServerRow, Problem> {
        let mut after = None;
        loop {
            let PoolReply::Servers { rows, more, .. } = self.ask(caller.clone(), PoolRequest::Servers { after }).await? else {
                return Err(unexpected());
            };
            after = rows.last().map(|row| row.info.name.clone()).filter(|_| more);
            if let Some(found) = rows.into_iter().find(|row| row.info.name == name) {
                return Ok(found);
            }
            if after.as_deref().is_none_or(|last| last >= name) {
                return Err(Problem::not_found("the pool knows no such server"));
            }
        }
    }

    /// The lease of this name, if there is one.
    pub(super) async fn lease(&self, caller: &Caller, id: u64) -> Result<Option<LeaseRow>, Problem> {
        let PoolReply::Leases { rows, .. } = self.ask(caller.clone(), PoolRequest::Leases { after: id.checked_sub(1) }).await? else {
            return Err(unexpected());
        };
        Ok(rows.into_iter().next().filter(|row| row.lease.id == id))
    }

    /// The request of this name, if it waits, and its place from 1.
    pub(super) async fn waiting(&self, caller: &Caller, id: u64) -> Result<Option<(u64, QueueRow)>, Problem> {
        let mut from = 0;
        loop {
            let PoolReply::Queue { rows, .. } = self.ask(caller.clone(), PoolRequest::Queue { from }).await? else {
                return Err(unexpected());
            };
            if rows.is_empty() {
                return Ok(None);
            }
            let count = rows.len() as u32;
            if let Some((place, row)) = rows.into_iter().enumerate().find(|(_, row)| row.id == id) {
                return Ok(Some((u64::from(from) + place as u64 + 1, row)));
            }
            from = from.saturating_add(count);
        }
    }
}

/// Whether the pool works. Needs no token.
#[utoipa::path(get, path = "/api/v1/health", tag = "pool", security(()), responses((status = 200, body = Health), (status = 503, body = Health), (status = 429, body = Problem)))]
pub(super) async fn health(State(api): State<Api>, Extension(Peer(from)): Extension<Peer>) -> Result<Response, Response> {
    api.gate.count(from.ip())?;
    let pool = api.pool.clone();
    // Whoever holds the pool's lock for ever is found out by the time-out of requests.
    let (problems, _) = api.work(move || Ok((pool.watch().audit.broken(), pool.numbers().waiting))).await.map_err(IntoResponse::into_response)?;
    // What the disk says is no business of those without a token.
    let problems: Vec<String> = problems.into_iter().map(|_| "the audit log cannot be written; see the pool's log".to_owned()).collect();
    let (status, word) = if problems.is_empty() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "degraded") };
    Ok((status, Json(Health { status: word.into(), problems })).into_response())
}

/// The pool, in numbers.
#[utoipa::path(get, path = "/api/v1/pool", tag = "pool", responses((status = 200, body = PoolInfo)))]
pub(super) async fn pool_info(State(api): State<Api>, Reader(_): Reader) -> Told<PoolInfo> {
    let pool = api.pool.clone();
    let numbers = api.work(move || Ok(pool.numbers())).await?;
    let [up, draining, down] = numbers.servers;
    Ok(Json(PoolInfo {
        name: api.pool.name().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        servers: [("up", up), ("draining", draining), ("down", down)].map(|(name, count)| (name.to_owned(), count)).into(),
        gpus: numbers.gpus.len() as u64,
        memory_bytes: numbers.gpus.iter().map(|gpu| gpu.memory_bytes).sum(),
        memory_leased_bytes: numbers.gpus.iter().map(|gpu| gpu.leased_bytes).sum(),
        leases: numbers.leases,
        waiting: numbers.waiting,
    }))
}

/// Servers, by name.
#[utoipa::path(get, path = "/api/v1/servers", tag = "servers", params(Page), responses((status = 200, body = List<Server>)))]
pub(super) async fn servers(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<Server>> {
    let PoolReply::Servers { rows, more, .. } = api.ask(caller, PoolRequest::Servers { after: page.after }).await? else { return Err(unexpected()) };
    let next = rows.last().map(|row| row.info.name.clone()).filter(|_| more);
    Ok(Json(List { items: rows.into_iter().map(Into::into).collect(), next }))
}

/// One server.
#[utoipa::path(get, path = "/api/v1/servers/{name}", tag = "servers", params(("name" = String, Path, description = "Its name.")), responses((status = 200, body = Server), (status = 404, body = Problem)))]
pub(super) async fn server(State(api): State<Api>, Reader(caller): Reader, Path(name): Path<String>) -> Told<Server> {
    Ok(Json(api.server(&caller, &name).await?.into()))
}

/// GPUs, by server; a part of the list has those of whole servers, and may have more than 200.
#[utoipa::path(get, path = "/api/v1/gpus", tag = "servers", params(Page), responses((status = 200, body = List<Gpu>)))]
pub(super) async fn gpus(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<Gpu>> {
    let PoolReply::Servers { rows, more, .. } = api.ask(caller, PoolRequest::Servers { after: page.after }).await? else { return Err(unexpected()) };
    let next = rows.last().map(|row| row.info.name.clone()).filter(|_| more);
    Ok(Json(List { items: rows.into_iter().flat_map(|row| Server::from(row).gpus).collect(), next }))
}

/// Leases, by name.
#[utoipa::path(get, path = "/api/v1/leases", tag = "leases", params(Page), responses((status = 200, body = List<Lease>)))]
pub(super) async fn leases(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<Lease>> {
    let after = page.after.map(|after| id_of(&after)).transpose()?;
    let PoolReply::Leases { rows, more } = api.ask(caller, PoolRequest::Leases { after }).await? else { return Err(unexpected()) };
    let items: Vec<Lease> = rows.into_iter().map(Into::into).collect();
    Ok(Json(List { next: items.last().map(|lease| lease.id.clone()).filter(|_| more), items }))
}

/// One lease.
#[utoipa::path(get, path = "/api/v1/leases/{id}", tag = "leases", params(("id" = String, Path, description = "16 hexadecimal digits.")), responses((status = 200, body = Lease), (status = 404, body = Problem)))]
pub(super) async fn lease(State(api): State<Api>, Reader(caller): Reader, Path(id): Path<String>) -> Told<Lease> {
    let row = api.lease(&caller, id_of(&id)?).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| Problem::not_found("there is no such lease"))
}

/// Requests that wait, in their order. `after` is the place (from 1) of the last one that is known.
#[utoipa::path(get, path = "/api/v1/queue", tag = "leases", params(Page), responses((status = 200, body = List<Waiting>)))]
pub(super) async fn queue(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<Waiting>> {
    let from = page.after.map(|after| after.parse::<u32>()).transpose().map_err(|_| bad_page())?.unwrap_or(0);
    let PoolReply::Queue { rows, waiting } = api.ask(caller, PoolRequest::Queue { from }).await? else { return Err(unexpected()) };
    let items: Vec<Waiting> = rows.into_iter().zip(u64::from(from) + 1..).map(|(row, place)| Waiting::at(place, row)).collect();
    Ok(Json(List { next: items.last().map(|last| last.place).filter(|place| *place < waiting.into()).map(|place| place.to_string()), items }))
}

/// Quotas, and what is used of them.
#[utoipa::path(get, path = "/api/v1/quotas", tag = "quotas", params(Page), responses((status = 200, body = List<Quota>)))]
pub(super) async fn quotas(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<Quota>> {
    let (rows, next) = quota_rows(&api, caller, page).await?;
    Ok(Json(List { items: rows.into_iter().map(Into::into).collect(), next }))
}

/// Users that have settings, limits or leases, or had leases.
#[utoipa::path(get, path = "/api/v1/users", tag = "quotas", params(Page), responses((status = 200, body = List<UserInfo>)))]
pub(super) async fn users(State(api): State<Api>, Reader(caller): Reader, Query(page): Query<Page>) -> Told<List<UserInfo>> {
    let (rows, next) = quota_rows(&api, caller, page).await?;
    Ok(Json(List { items: rows.into_iter().filter_map(UserInfo::of).collect(), next }))
}

async fn quota_rows(api: &Api, caller: Caller, page: Page) -> Result<(Vec<ringway_wire::pool::QuotaRow>, Option<String>), Problem> {
    let after = match page.after.as_deref().map(|after| after.split_once(':').and_then(|(kind, name)| principal_of(kind, name))) {
        None => None,
        Some(Some(after)) => Some(after),
        Some(None) => return Err(bad_page()),
    };
    let PoolReply::Quotas { rows, more } = api.ask(caller, PoolRequest::Quotas { after }).await? else { return Err(unexpected()) };
    let last = rows.last().filter(|_| more).map(|row| principal_text(&row.principal));
    let next = last.map(|(kind, name)| format!("{kind}:{name}"));
    Ok((rows, next))
}

/// What leases that ended have used, by user and group.
#[utoipa::path(get, path = "/api/v1/usage", tag = "quotas", params(Span), responses((status = 200, body = UsageReport)))]
pub(super) async fn usage(State(api): State<Api>, Reader(caller): Reader, Query(span): Query<Span>) -> Told<UsageReport> {
    let ask = PoolRequest::Usage { from_ms: span.from_ms.unwrap_or(0), until_ms: span.until_ms.unwrap_or(u64::MAX) };
    let PoolReply::Usage { rows, cut } = api.ask(caller, ask).await? else { return Err(unexpected()) };
    Ok(Json(UsageReport { items: rows.into_iter().map(UsageItem::from).collect(), is_cut: cut }))
}

/// Tokens, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "administration", responses((status = 200, body = Vec<TokenInfo>)))]
pub(super) async fn tokens(State(api): State<Api>, Admin(_): Admin) -> Told<Vec<TokenInfo>> {
    let pool = api.pool.clone();
    let tokens = api.work(move || pool.tokens().map_err(|reply| Problem::of(StatusCode::INTERNAL_SERVER_ERROR, reply))).await?;
    Ok(Json(tokens.iter().map(Into::into).collect()))
}

/// Lines of the audit log, oldest first. `after` is the number of the last line that is known.
#[utoipa::path(get, path = "/api/v1/audit", tag = "administration", params(Page), responses((status = 200, body = List<AuditLine>)))]
pub(super) async fn audit(State(api): State<Api>, Admin(caller): Admin, Query(page): Query<Page>) -> Told<List<AuditLine>> {
    let after = page.after.map(|after| after.parse::<u64>()).transpose().map_err(|_| bad_page())?;
    let PoolReply::Audit { rows, more } = api.ask(caller, PoolRequest::Audit { after }).await? else { return Err(unexpected()) };
    let next = rows.last().map(|row| row.number.to_string()).filter(|_| more);
    Ok(Json(List { items: rows.into_iter().map(Into::into).collect(), next }))
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn names_of_leases() {
        assert_eq!(id_of("00000000000000ff").unwrap(), 255);
        for text in ["", "ff", "00000000000000FF", "+0000000000000ff", "0000000000000000f", "000000000000000é"] {
            assert!(id_of(text).is_err(), "{text}");
        }
    }
}
