//! Who speaks with etcd: certificates of both sides, users with passwords, and what is no etcd.

use crate::cluster::{Cluster, change, encoded, node, opened, until, written};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ringway_pool::store::etcd::{Election, Etcd, EtcdSettings};
use ringway_pool::store::{Store, StoreError};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn pem(label: &str, der: &[u8]) -> String {
    ringway_secure::pem::encode(label, der).as_str().to_owned()
}

struct Authority {
    key: KeyPair,
    params: CertificateParams,
    folder: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.join("ca.pem"), pem("CERTIFICATE", params.self_signed(&key).unwrap().der())).unwrap();
        Self { key, params, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Files with a certificate and its key.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        let (at, key_at) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        std::fs::write(&at, pem("CERTIFICATE", certificate.der())).unwrap();
        std::fs::write(&key_at, pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        std::fs::set_permissions(&key_at, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (at, key_at)
    }
}

/// What an attempt to lead comes to, within a time.
fn attempt(settings: &EtcdSettings) -> Result<bool, String> {
    let etcd = Etcd::new(settings).map_err(|error| error.to_string())?;
    let election = Election::new(&etcd, node("node")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            election.stop();
        });
        let leadership = election.campaign().map_err(|error| error.to_string())?;
        let Some(leadership) = leadership else { return Ok(false) };
        let store = Store::in_etcd(&etcd, &leadership).map_err(|error| error.to_string())?;
        store.apply(&change(1)).map_err(|error| error.to_string())?;
        leadership.resign();
        Ok(true)
    })
}

#[test]
#[ignore = "needs etcd: scripts/test --only etcd"]
fn etcd_and_its_clients_know_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "others"));
    let (certificate, key) = ours.issue("etcd");
    let files = [ours.ca(), certificate, key].map(|file| file.to_str().unwrap().to_owned());
    let words = ["--client-cert-auth", "--trusted-ca-file", &files[0], "--cert-file", &files[1], "--key-file", &files[2]];
    let mut cluster = Cluster::unready::<1>("https", &words.map(str::to_owned));
    let good = EtcdSettings { ca_file: Some(ours.ca()), certificate_files: Some(ours.issue("node")), ..cluster.settings() };
    until("etcd with TLS", || attempt(&good).ok().filter(|led| *led));
    // Another authority's etcd is not spoken to, and nobody is let in without a certificate of the right one.
    for bad in [
        EtcdSettings { ca_file: Some(others.ca()), ..good.clone() },
        EtcdSettings { certificate_files: None, ..good.clone() },
        EtcdSettings { certificate_files: Some(others.issue("node")), ..good.clone() },
        EtcdSettings { endpoints: vec![cluster.members[0].address().replace("https", "http")], ..good.clone() },
    ] {
        assert_eq!(attempt(&bad), Ok(false), "{bad:?}");
    }
    let (certificate, key) = (ours.issue("a").0, ours.issue("b").1);
    let error = attempt(&EtcdSettings { certificate_files: Some((certificate.clone(), key.clone())), ..good.clone() }).unwrap_err();
    assert!(error.contains("b.key"), "{error}");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = attempt(&EtcdSettings { certificate_files: Some((certificate.clone(), key)), ..good.clone() }).unwrap_err();
    assert!(error.contains("chmod"), "{error}");
    let error = attempt(&EtcdSettings { certificate_files: Some((certificate.clone(), certificate)), ..good.clone() }).unwrap_err();
    assert!(error.contains("a.pem"), "{error}");

    // Users: a name that may write the pool's keys, and one that may not. The gateway takes names and passwords, not those of certificates.
    cluster.members[0].kill();
    let cluster = Cluster::of::<1>();
    let member = &cluster.members[0];
    let tell = |path: &str, body: serde_json::Value| drop(member.ask(path, &body).unwrap_or_else(|| panic!("{path}")));
    for name in ["root", "pool", "stranger"] {
        tell("auth/user/add", json!({ "name": name, "password": format!("{name}'s") }));
        tell("auth/role/add", json!({ "name": name }));
        tell("auth/user/grant", json!({ "user": name, "role": name }));
    }
    let permission = json!({ "permType": "READWRITE", "key": encoded("/ringway/test/"), "range_end": encoded("/ringway/test0") });
    tell("auth/role/grant", json!({ "name": "pool", "perm": permission }));
    tell("auth/enable", json!({}));
    let as_user = |name: &str, password: &str| EtcdSettings { user: Some((name.into(), password.to_owned().into())), ..cluster.settings() };
    assert_eq!(attempt(&as_user("pool", "pool's")), Ok(true));
    for (settings, why) in [
        (as_user("pool", "wrong"), "check user and password"),
        (as_user("stranger", "stranger's"), "permission"),
        (cluster.settings(), "wants a user"),
    ] {
        // Nobody leads as far as it can see, which is nothing.
        let etcd = Etcd::new(&settings).unwrap();
        let error = Election::new(&etcd, node("node")).unwrap().campaign().map(drop).unwrap_err().to_string();
        assert!(error.contains(why), "{settings:?}: {error}");
    }
    // A token that etcd does not know any more is replaced.
    let (store, leadership, _election) = opened(&Etcd::new(&as_user("pool", "pool's")).unwrap());
    store.apply(&change(1)).unwrap();
    let mut cluster = cluster;
    cluster.members[0].kill();
    cluster.members[0].start();
    store.apply(&change(2)).unwrap();
    assert!(written(&store) == Some(2) && leadership.is_valid());
}

#[test]
fn what_is_no_etcd_is_told() {
    // Answers anything with what a web server has to say, and then with nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = EtcdSettings {
        endpoints: vec![format!("http://{}", listener.local_addr().unwrap())],
        pool: "test".into(),
        ..EtcdSettings::default()
    };
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let _ = client.read(&mut request);
            let _ = client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnone");
        }
    });
    let error = Election::new(&Etcd::new(&settings).unwrap(), node("node")).unwrap().campaign().map(drop).unwrap_err().to_string();
    assert!(error.contains("is it etcd"), "{error}");
    for bad in [node(""), node(&"n".repeat(200))] {
        assert!(matches!(Election::new(&Etcd::new(&settings).unwrap(), bad), Err(StoreError::Settings(_))));
    }
}
