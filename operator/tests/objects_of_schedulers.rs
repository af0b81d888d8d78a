//! What each gang scheduler is told.
#![allow(clippy::unwrap_used)]

mod common;

use common::manifest::training;
use common::objects::{attempt_with, job, pod};
use common::world::World;
use serde_json::{Value, json};
use splade_crds::training::SchedulerSpec;
use splade_operator::effect::{AttemptObjects, Effect, PodGroupApi};
use splade_operator::settings::{ClusterOffers, PodGroupVersion};

fn scheduled(scheduler: Value) -> Vec<Value> {
    let offers = ClusterOffers {
        kueue: true,
        volcano: true,
        kai: true,
        pod_group: Some(PodGroupVersion::V1Beta1),
    };
    attempt_with(
        json!({"gang": {"priorityClassName": "high", "scheduler": scheduler}}),
        offers,
    )
}

#[test]
fn kueue_says_when_the_job_runs() {
    let objects = scheduled(json!({"type": "Kueue", "queueName": "gpus"}));
    assert_eq!(objects.len(), 3);
    assert_eq!(
        job(&objects)["metadata"]["labels"]["kueue.x-k8s.io/queue-name"],
        "gpus"
    );
    assert_eq!(job(&objects)["spec"]["suspend"], true);
    // Pods that it takes back save, and leave with 75: the Job must outlive them.
    let first = &job(&objects)["spec"]["podFailurePolicy"]["rules"][0];
    assert_eq!(first["action"], "Ignore");
    assert_eq!(first["onExitCodes"]["values"], json!([75]));
}

#[test]
fn volcano_gets_a_pod_group() {
    let objects = scheduled(json!({"type": "Volcano", "queueName": "gpus"}));
    assert_eq!(objects[2]["apiVersion"], "scheduling.volcano.sh/v1beta1");
    assert_eq!(objects[2]["metadata"]["name"], "tiny-a3");
    assert_eq!(
        objects[2]["spec"],
        json!({"minMember": 2, "queue": "gpus", "priorityClassName": "high"})
    );
    let template = &job(&objects)["spec"]["template"];
    assert_eq!(
        template["metadata"]["annotations"]["scheduling.k8s.io/group-name"],
        "tiny-a3"
    );
    assert_eq!(template["spec"]["schedulerName"], "volcano");
}

#[test]
fn kai_gets_a_queue_and_the_size_of_the_gang() {
    let objects = scheduled(json!({"type": "Kai", "queueName": "gpus"}));
    assert_eq!(objects.len(), 3);
    let template = &job(&objects)["spec"]["template"];
    assert_eq!(
        template["metadata"]["labels"]["kai.scheduler/queue"],
        "gpus"
    );
    assert_eq!(template["spec"]["schedulerName"], "kai-scheduler");
    let annotations = &job(&objects)["metadata"]["annotations"];
    assert_eq!(annotations["kai.scheduler/batch-min-member"], "2");
}

#[test]
fn kubernetes_itself_gets_a_pod_group() {
    let objects = scheduled(json!({"type": "PodGroup"}));
    assert_eq!(objects[2]["apiVersion"], "scheduling.k8s.io/v1beta1");
    assert_eq!(
        objects[2]["spec"],
        json!({"schedulingPolicy": {"gang": {"minCount": 2}}, "priorityClassName": "high"})
    );
    assert_eq!(
        pod(&objects)["schedulingGroup"],
        json!({"podGroupName": "tiny-a3"})
    );
}

#[test]
fn the_pod_group_goes_with_its_attempt_whatever_the_spec_says_by_then() {
    let scheduler = json!({"type": "Volcano", "queueName": "gpus"});
    let mut world = World::new(training(json!({"gang": {"scheduler": scheduler}})));
    world.offers.volcano = true;
    world.go();
    assert!(world.others.contains("PodGroup/tiny-a1"));
    world.training.spec.gang.scheduler = SchedulerSpec::default();
    world.training.spec.run_policy.suspend = true;
    let decision = world.reconcile();
    let group = decision.effects.iter().find_map(|effect| match effect {
        Effect::DeleteAttempt(AttemptObjects { pod_group, .. }) => pod_group.clone(),
        _ => None,
    });
    assert_eq!(group, Some((PodGroupApi::Volcano, "tiny-a1".into())));
}
