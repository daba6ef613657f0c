//! Names of what a pool keeps in etcd. All are under `/ringway/POOL/`; values are the JSON that the store in a file has too.

use crate::scheduler::{Principal, RequestId};
use crate::store::StoreError;

#[derive(Debug, Clone)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn of_pool(pool: &str) -> Self {
        Self(format!("/ringway/{pool}/"))
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    fn key(&self, rest: &str) -> Vec<u8> {
        format!("{}{rest}", self.0).into_bytes()
    }

    /// Who leads; there for as long as the leader's lease of etcd's.
    pub(super) fn leader(&self) -> Vec<u8> {
        self.key("leader")
    }

    /// Name of the transaction that was made last.
    pub(super) fn transaction(&self) -> Vec<u8> {
        self.key("transaction")
    }

    /// What [`super::SharedTokens`] keeps: the text of a folder's file of tokens.
    pub(super) fn tokens(&self) -> Vec<u8> {
        self.key("tokens")
    }

    pub(super) fn version(&self) -> Vec<u8> {
        self.key("version")
    }

    pub(super) fn servers(&self) -> Vec<u8> {
        self.key("servers/")
    }

    pub(super) fn server(&self, name: &str) -> Vec<u8> {
        self.key(&format!("servers/{name}"))
    }

    pub(super) fn leases(&self) -> Vec<u8> {
        self.key("leases/")
    }

    pub(super) fn lease(&self, id: RequestId) -> Vec<u8> {
        self.key(&format!("leases/{id:016x}"))
    }

    pub(super) fn all_limits(&self) -> Vec<u8> {
        self.key("limits/")
    }

    pub(super) fn limits(&self, of: &Principal) -> Result<Vec<u8>, StoreError> {
        Ok(self.key(&format!("limits/{}", text_of(of)?)))
    }

    pub(super) fn users(&self) -> Vec<u8> {
        self.key("users/")
    }

    pub(super) fn user(&self, name: &str) -> Vec<u8> {
        self.key(&format!("users/{name}"))
    }

    pub(super) fn gpu_times(&self) -> Vec<u8> {
        self.key("gpu_time/")
    }

    pub(super) fn gpu_time(&self, of: &Principal) -> Result<Vec<u8>, StoreError> {
        Ok(self.key(&format!("gpu_time/{}", text_of(of)?)))
    }

    /// The first row of history that can be of a lease that ended at a time.
    pub(super) fn history_from(&self, end_ms: u64) -> Vec<u8> {
        self.key(&format!("history/{end_ms:016x}/"))
    }

    pub(super) fn history(&self, end_ms: u64, id: RequestId) -> Vec<u8> {
        self.key(&format!("history/{end_ms:016x}/{id:016x}"))
    }
}

fn text_of(principal: &Principal) -> Result<String, StoreError> {
    serde_json::to_string(principal).map_err(|error| StoreError::Etcd(error.to_string()))
}
