//! Two operators at once: one acts, the other takes over.

use crate::control_plane::ControlPlane;
use crate::lives::{begin, job, restart, status};
use crate::operator::Operator;
use crate::wait::until;
use k8s_openapi::api::coordination::v1::Lease;
use rustix::process::Signal;

async fn holder(plane: &ControlPlane) -> Option<String> {
    let lease = plane
        .api::<Lease>()
        .get_opt("splade-operator")
        .await
        .unwrap()?;
    lease.spec?.holder_identity
}

async fn leads(operator: &Operator) {
    until("it leads", || async { operator.leads().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_end_hands_over_and_whoever_dies_is_replaced() {
    let plane = ControlPlane::start().await;
    let one = Operator::start(&plane, "one").await;
    leads(&one).await;
    let two = Operator::start(&plane, "two").await;
    begin(&plane, "tiny").await;
    assert!(!two.leads());
    assert_eq!(two.requests(), 0.0, "who does not lead writes nothing");

    assert!(one.end().success());
    leads(&two).await;
    assert_eq!(holder(&plane).await.as_deref(), Some("two"));
    restart(&plane, "tiny-a1").await;
    job(&plane, "tiny-a2").await;

    let three = Operator::start(&plane, "three").await;
    two.signal(Signal::KILL);
    leads(&three).await;
    restart(&plane, "tiny-a2").await;
    job(&plane, "tiny-a3").await;
    let status = status(&plane, "tiny").await;
    assert_eq!(
        (status.attempt, status.restarts.infrastructure),
        (Some(3), 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_through_its_lease_wakes_up_as_nobody() {
    let plane = ControlPlane::start().await;
    let one = Operator::start(&plane, "one").await;
    leads(&one).await;
    let two = Operator::start(&plane, "two").await;
    begin(&plane, "tiny").await;
    one.signal(Signal::STOP);
    leads(&two).await;
    restart(&plane, "tiny-a1").await;
    job(&plane, "tiny-a2").await;
    one.signal(Signal::CONT);
    let before = one.requests();
    until("it notices", || async { (!one.leads()).then_some(()) }).await;
    restart(&plane, "tiny-a2").await;
    job(&plane, "tiny-a3").await;
    assert_eq!(
        one.requests(),
        before,
        "who has slept through its lease writes nothing"
    );
    assert!(two.leads());
    let status = status(&plane, "tiny").await;
    assert_eq!(
        (status.attempt, status.restarts.infrastructure),
        (Some(3), 2)
    );
}
