//! What those get who look on or administer by other ways than the control protocol, and what is written down of it.

use super::{Caller, Pool};
use crate::door::{Stream, refused};
use crate::identity::{Certificates, Folder, IdentityError, NewToken, Scope, Token, TokenState, Tokens};
use crate::scheduler::{Principal, ServerState};
use crate::watch::Watch;
use ringway_secure::token::{TokenFile, parse_presented};
use ringway_secure::{hex, pem, unix_now, unix_now_ms};
use ringway_wire::control::{Identity, Reply, SliceUse};
use ringway_wire::pool::PoolReply;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A pool at one moment, in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Numbers {
    /// Servers that are up, draining, down.
    pub(crate) servers: [u64; 3],
    pub(crate) gpus: Vec<GpuNumbers>,
    pub(crate) leases: u64,
    /// Leases whose holder's connection broke.
    pub(crate) orphaned: u64,
    /// Processes with a session.
    pub(crate) sessions: u64,
    /// Lanes that have no link at present.
    pub(crate) suspended: u64,
    /// Times that a lane of a lease that runs got another link.
    pub(crate) resumed: u64,
    /// Bytes that go from programs to servers in a second, and back, and calls that programs wait for.
    pub(crate) up_bytes_per_s: u64,
    pub(crate) down_bytes_per_s: u64,
    pub(crate) waits_per_s: u64,
    pub(crate) waiting: u64,
    /// Users with GPUs: name, slices, bytes.
    pub(crate) users: Vec<(String, u64, u64)>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GpuNumbers {
    pub(crate) server: String,
    pub(crate) ordinal: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) leased_bytes: u64,
    pub(crate) kept_bytes: u64,
    pub(crate) leases: u64,
    pub(crate) used: SliceUse,
}

/// A token that was made, and its secret.
pub(crate) struct MadeToken {
    pub(crate) token: Token,
    /// As it is presented.
    pub(crate) presented: Zeroizing<String>,
    /// The token file's text, where addresses were named.
    pub(crate) file: Option<Zeroizing<String>>,
}

impl Pool {
    /// Who is told what happens.
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Name shown to users.
    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }

    /// Lets somebody in who may do what is asked; who does not get in is written down.
    pub(super) fn admit(&self, token: &str, stream: &Stream, is_enough: fn(Scope) -> bool) -> Result<Caller, Reply> {
        let from = stream.from();
        match self.door.admit(token, stream, is_enough) {
            Ok(grant) => Ok(Caller { grant, from }),
            Err(reply) => {
                self.watch.token_refused(&parse_presented(token).map_or_else(String::new, |(id, _)| hex(&id)), from, &reply);
                Err(reply)
            }
        }
    }

    /// Does what is to be written down before and after.
    pub(super) fn recorded<R>(&self, caller: &Caller, act: &str, subject: &str, detail: &str, then: impl FnOnce() -> Result<R, Reply>) -> Result<R, Reply> {
        let who = caller.who(&Identity::default());
        self.watch.asked(&who, act, subject, detail)?;
        let result = then();
        self.watch.answered(&who, act, subject, result.as_ref().err());
        result
    }

    /// Lines of the audit log.
    pub(super) fn audit(&self, after: Option<u64>) -> Result<PoolReply, Reply> {
        let read = self.watch.audit.read(after);
        let (rows, more) = read.map_err(|error| refused(format!("the audit log cannot be read: {error}"), "see the pool's log"))?;
        Ok(PoolReply::Audit { rows, more })
    }

    /// What is so now.
    pub(crate) fn numbers(&self) -> Numbers {
        let state = self.lock();
        let scheduler = state.ledger.scheduler();
        let mut numbers = Numbers { leases: scheduler.leases().count() as u64, waiting: scheduler.waiting_count() as u64, ..Numbers::default() };
        for (info, server_state, gpus) in scheduler.servers() {
            let place = match server_state {
                ServerState::Up => 0,
                ServerState::Draining => 1,
                ServerState::Down => 2,
            };
            numbers.servers[place] += 1;
            let uses = state.use_on(&info.name, info.gpus.len());
            numbers.gpus.extend(info.gpus.iter().zip(gpus).zip(uses).enumerate().map(|(ordinal, ((gpu, leased), used))| GpuNumbers {
                server: info.name.clone(),
                ordinal,
                memory_bytes: gpu.memory_bytes,
                leased_bytes: leased.leased_bytes,
                kept_bytes: leased.kept_bytes,
                leases: leased.leases.into(),
                used,
            }));
        }
        for running in state.lines.values().flat_map(|line| line.running.values()) {
            numbers.orphaned += u64::from(running.orphaned);
            numbers.sessions += u64::from(running.sessions);
            numbers.suspended += u64::from(running.links.suspended);
            numbers.resumed += u64::from(running.links.resumed);
            numbers.up_bytes_per_s = numbers.up_bytes_per_s.saturating_add(running.used.up_bytes_per_s);
            numbers.down_bytes_per_s = numbers.down_bytes_per_s.saturating_add(running.used.down_bytes_per_s);
            numbers.waits_per_s = numbers.waits_per_s.saturating_add(running.used.waits_per_s);
        }
        for (principal, usage) in scheduler.usages(unix_now_ms()) {
            if let Principal::User(name) = principal
                && usage.gpus > 0
            {
                numbers.users.push((name.clone(), usage.gpus.into(), usage.memory_bytes));
            }
        }
        numbers
    }

    fn tokens_of(&self) -> Tokens {
        Tokens::of(self.options.state.clone())
    }

    /// The tokens, without their secrets.
    pub(crate) fn tokens(&self) -> Result<Vec<Token>, Reply> {
        self.tokens_of().all().map(|tokens| tokens.to_vec()).map_err(|error| not_done(&error))
    }

    /// Makes a token.
    pub(crate) fn create_token(&self, caller: &Caller, new: NewToken, addresses: Vec<String>) -> Result<MadeToken, Reply> {
        let (name, detail) = (new.name.clone(), format!("scope {}, user {}", new.scope.name(), new.user.as_deref().unwrap_or("-")));
        self.recorded(caller, "token.create", &name, &detail, || {
            let made = self.watch.changing_tokens(|| {
                let made = Folder::make(&self.options.state).and_then(|folder| Ok((Certificates::load_or_make(&folder)?, self.tokens_of().create(new)?)));
                let changed = made.as_ref().ok().map(|(_, (token, _))| (token.id.clone(), true));
                (made, changed)
            });
            let (certificates, (token, secret)) = made.map_err(|error| not_done(&error))?;
            let presented = Zeroizing::new(format!("rwt_{}_{}", token.id, secret.as_str()));
            let file = (!addresses.is_empty()).then(|| TokenFile {
                name: token.name.clone(),
                id: token.id.clone(),
                secret: secret.to_string(),
                expires: token.expires,
                addresses,
                ca: pem::encode("CERTIFICATE", &certificates.authority).to_string(),
            });
            let file = file.map(|file| file.text()).transpose().map_err(|why| refused(why, "name other addresses"))?;
            Ok(MadeToken { token, presented, file })
        })
    }

    /// Makes a token worthless.
    pub(crate) fn revoke_token(&self, caller: &Caller, name: &str) -> Result<(), Reply> {
        self.recorded(caller, "token.revoke", name, "", || {
            let revoked = self.watch.changing_tokens(|| {
                let tokens = self.tokens_of();
                let id = tokens.all().ok().and_then(|all| {
                    all.iter().find(|token| token.name == name && token.state(unix_now()) == TokenState::Valid).map(|token| token.id.clone())
                });
                let revoked = tokens.revoke(name);
                let changed = id.filter(|_| revoked.is_ok()).map(|id| (id, false));
                (revoked, changed)
            });
            revoked.map_err(|error| not_done(&error))
        })
    }
}

fn not_done(error: &IdentityError) -> Reply {
    refused(error.to_string(), "nothing was changed")
}
