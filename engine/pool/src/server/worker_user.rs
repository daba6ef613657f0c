//! The user as whom workers run, where `ringway serve` runs as root.

use super::ServeError;
use nix::unistd::{Group, User, geteuid, getgrouplist};
use std::ffi::CString;

/// Groups to which systems give GPUs and adapters.
const DEVICE_GROUPS: [&str; 3] = ["video", "render", "rdma"];

/// A user by numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerUser {
    /// User.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups, and those to which systems give GPUs and adapters.
    pub groups: Vec<u32>,
}

impl WorkerUser {
    /// Looks a user up.
    ///
    /// # Errors
    /// [`ServeError::WorkerUser`]: there is no such user, it is root, or this process may not become another.
    pub fn named(name: &str) -> Result<Self, ServeError> {
        let fail = |cause: &dyn std::fmt::Display, cure| ServeError::WorkerUser { name: name.into(), cause: cause.to_string(), cure };
        const CREATE: &str = "`useradd --system --no-create-home --shell /usr/sbin/nologin NAME` makes one";
        if !geteuid().is_root() {
            return Err(fail(&"only root can start processes of another user", "leave --worker-user out: workers run as this user"));
        }
        let user = User::from_name(name)
            .map_err(|error| fail(&error, CREATE))?
            .ok_or_else(|| fail(&"there is no such user", CREATE))?;
        if user.uid.is_root() {
            return Err(fail(&"that is root itself", CREATE));
        }
        let c_name = CString::new(name).map_err(|error| fail(&error, CREATE))?;
        let own = getgrouplist(&c_name, user.gid).map_err(|error| fail(&error, CREATE))?;
        let of_devices = DEVICE_GROUPS.iter().filter_map(|group| Group::from_name(group).ok().flatten()).map(|group| group.gid);
        let mut groups: Vec<u32> = own.into_iter().chain(of_devices).map(|gid| gid.as_raw()).collect();
        groups.sort_unstable();
        groups.dedup();
        Ok(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_is_none_is_refused_with_a_cure() {
        for name in ["ringway-no-such-user", "root", "a\0b"] {
            let error = WorkerUser::named(name).expect_err(name).to_string();
            assert!(error.contains("--worker-user"), "{error}");
        }
    }

    #[test]
    fn groups_are_looked_up_by_root() {
        if !geteuid().is_root() {
            return;
        }
        let user = WorkerUser::named("nobody").expect("every system has this user");
        assert_ne!(user.uid, 0);
        assert!(user.groups.contains(&user.gid), "{user:?}");
        assert!(!user.groups.contains(&0), "{user:?}");
    }
}
