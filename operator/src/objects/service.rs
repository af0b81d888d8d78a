//! The headless Service by which the pods of an attempt find each other.

use super::Attempt;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Port of `/progress`, `/metrics` and `/healthz` of rank 0.
pub const STATUS_PORT: i32 = 9464;
/// Port at which the ranks meet.
pub const MASTER_PORT: i32 = 29500;

/// The Service. Names resolve before pods are ready: the ranks meet while they start.
pub fn build(attempt: &Attempt) -> Service {
    let port = |name: &str, port: i32| ServicePort {
        name: Some(name.into()),
        port,
        target_port: Some(IntOrString::Int(port)),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    };
    Service {
        metadata: attempt.metadata(),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(attempt.labels()),
            ports: Some(vec![
                port("metrics", STATUS_PORT),
                port("ranks", MASTER_PORT),
                port("launchers", MASTER_PORT + 1),
            ]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
