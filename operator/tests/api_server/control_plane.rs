//! etcd and an API server of one test, in a folder that goes with them.

use crate::wait::until;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::CustomResourceExt;
use kube::{Api, Client, Config};
use splade_crds::schema::custom_resource_definitions;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const TOKEN: &str = "test-of-the-operator";

/// A running control plane with our definitions.
pub struct ControlPlane {
    pub client: Client,
    pub kubeconfig: PathBuf,
    // Dropped in this order: programs before the folder that they write to.
    _api_server: Program,
    _etcd: Program,
    _folder: TempDir,
}

/// A program that ends with the test, and what it says.
struct Program {
    process: Child,
    log: PathBuf,
}

impl Program {
    fn start(folder: &Path, name: &str, arguments: impl FnOnce(&mut Command)) -> Self {
        let programs = std::env::var_os("SPLADE_KUBERNETES_BIN")
            .expect("SPLADE_KUBERNETES_BIN must name the folder with etcd and kube-apiserver");
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(Path::new(&programs).join(name));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        arguments(&mut command);
        Self {
            process: command.spawn().unwrap(),
            log,
        }
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            let said = std::fs::read_to_string(&self.log).unwrap();
            panic!("{} has ended with {status}: {said}", self.log.display());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl ControlPlane {
    /// Starts all of it.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [etcd_port, peer_port, api_port] = free_ports();
        let etcd = etcd(folder.path(), etcd_port, peer_port);
        let mut api_server = api_server(folder.path(), etcd_port, api_port);
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_text(api_port)).unwrap();
        let client = client(&kubeconfig).await;
        until("the API server is ready", || {
            api_server.assert_alive();
            let namespaces: Api<Namespace> = Api::all(client.clone());
            async move { namespaces.get_opt("default").await.ok().flatten() }
        })
        .await;
        let plane = Self {
            client,
            kubeconfig,
            _api_server: api_server,
            _etcd: etcd,
            _folder: folder,
        };
        plane.define().await;
        plane
    }

    async fn define(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for definition in custom_resource_definitions() {
            api.create(&Default::default(), &definition).await.unwrap();
        }
        for name in [SpladeTraining::crd_name(), SpladeBenchmark::crd_name()] {
            until("the definition is served", || async {
                let definition = api.get(name).await.ok()?;
                let conditions = definition.status?.conditions?;
                let served = conditions
                    .iter()
                    .any(|one| one.type_ == "Established" && one.status == "True");
                served.then_some(())
            })
            .await;
        }
    }

    /// Objects of a kind in the namespace `default`.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }
}

fn etcd(folder: &Path, port: u16, peer_port: u16) -> Program {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    Program::start(folder, "etcd", |etcd| {
        etcd.arg("--data-dir").arg(folder.join("etcd"));
        etcd.arg("--unsafe-no-fsync");
        for (flag, value) in [
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
        ] {
            etcd.arg(flag).arg(value);
        }
        etcd.arg("--initial-cluster").arg(format!("default={peer}"));
    })
}

fn api_server(folder: &Path, etcd_port: u16, port: u16) -> Program {
    let pair = rcgen::KeyPair::generate().unwrap();
    let (key, public_key) = (folder.join("accounts.key"), folder.join("accounts.pub"));
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    std::fs::write(&public_key, pair.public_key_pem()).unwrap();
    let tokens = folder.join("tokens.csv");
    std::fs::write(&tokens, format!("{TOKEN},test,test,system:masters\n")).unwrap();
    Program::start(folder, "kube-apiserver", |server| {
        server
            .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
            .arg(format!("--secure-port={port}"))
            .arg("--bind-address=127.0.0.1")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--authorization-mode=RBAC")
            .arg("--disable-admission-plugins=ServiceAccount")
            .arg("--service-account-issuer=https://kubernetes.default.svc");
        for (flag, path) in [
            ("--cert-dir", folder.join("certificates")),
            ("--service-account-key-file", public_key),
            ("--service-account-signing-key-file", key),
            ("--token-auth-file", tokens),
        ] {
            server.arg(flag).arg(path);
        }
    })
}

fn kubeconfig_text(port: u16) -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}

async fn client(kubeconfig: &Path) -> Client {
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Ports that nobody listens on.
fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
