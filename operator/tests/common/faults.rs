//! What happens to Jobs, pods and nodes, whoever owns them.

use super::cluster::Cluster;
use super::pods;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const EXIT_CODES: [i32; 9] = [0, 1, 64, 65, 70, 75, 75, 137, 143];

/// Something that happens in a cluster.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Time passes.
    Advance(i64),
    /// The clock is set back.
    ClockBack(i64),
    /// Kubernetes works; whether pods get to run.
    Settle(bool),
    /// A pod ends with a code.
    Exit(Index, i32),
    /// All pods end well.
    Finish,
    /// Somebody deletes a pod.
    DeletePod(Index),
    /// The node of a pod is gone.
    LoseNode(Index),
    /// All nodes are back.
    NodesBack,
    /// A pod cannot start.
    Block(Index, bool),
    /// Somebody deletes a Job.
    DeleteJob(Index),
    /// A queue takes a Job back, or lets it go.
    Suspend(Index, bool),
}

pub fn fault() -> impl Strategy<Value = Fault> {
    let index = any::<Index>;
    prop_oneof![
        4 => (0..400_i64).prop_map(Fault::Advance),
        1 => (1..2000_i64).prop_map(Fault::ClockBack),
        8 => any::<bool>().prop_map(Fault::Settle),
        3 => (index(), select(EXIT_CODES.to_vec())).prop_map(|(pod, code)| Fault::Exit(pod, code)),
        3 => Just(Fault::Finish),
        1 => index().prop_map(Fault::DeletePod),
        1 => index().prop_map(Fault::LoseNode),
        1 => Just(Fault::NodesBack),
        1 => (index(), any::<bool>()).prop_map(|(pod, is_final)| Fault::Block(pod, is_final)),
        1 => index().prop_map(Fault::DeleteJob),
        2 => (index(), any::<bool>()).prop_map(|(job, takes)| Fault::Suspend(job, takes)),
    ]
}

/// Makes it happen; `done` is what pods that end well leave behind.
pub fn happen(cluster: &mut Cluster, fault: &Fault, done: &str) {
    let now = cluster.now;
    let (pods, jobs) = (cluster.pods.len(), cluster.jobs.len());
    match fault {
        Fault::Advance(seconds) => cluster.advance(*seconds),
        Fault::ClockBack(seconds) => cluster.advance(-*seconds),
        Fault::Settle(run) => {
            cluster.settle(*run);
        }
        Fault::Exit(pod, code) if pods > 0 => {
            let pod = &mut cluster.pods[pod.index(pods)];
            if pods::phase(pod) == "Running" {
                pods::exit(pod, *code, "Error", "", now);
            }
        }
        Fault::Finish => finish(cluster, done),
        Fault::DeletePod(pod) if pods > 0 => {
            pods::delete(&mut cluster.pods[pod.index(pods)], 300, now);
        }
        Fault::LoseNode(pod) if pods > 0 => {
            let name = cluster.pods[pod.index(pods)].metadata.name.clone().unwrap();
            cluster.lost.insert(name);
        }
        Fault::NodesBack => cluster.lost.clear(),
        Fault::Block(pod, is_final) if pods > 0 => {
            let pod = &mut cluster.pods[pod.index(pods)];
            if pods::is_pending(pod) {
                let reason = if *is_final {
                    "InvalidImageName"
                } else {
                    "ImagePullBackOff"
                };
                pods::wait(pod, "node", reason, "no image");
            }
        }
        Fault::DeleteJob(job) if jobs > 0 => {
            let metadata = &mut cluster.jobs[job.index(jobs)].metadata;
            metadata.deletion_timestamp.get_or_insert(Time(now));
        }
        Fault::Suspend(job, takes) if jobs > 0 => {
            let job = &mut cluster.jobs[job.index(jobs)];
            job.spec.as_mut().unwrap().suspend = Some(*takes);
        }
        _ => {}
    }
}

/// All pods that run end well.
pub fn finish(cluster: &mut Cluster, done: &str) {
    let now = cluster.now;
    let mut pods = cluster.pods.iter_mut();
    for pod in pods.by_ref().filter(|pod| pods::phase(pod) == "Running") {
        pods::exit(pod, 0, "Completed", done, now);
    }
}
