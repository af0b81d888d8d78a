//! What interrupts a training and takes nothing from it: it continues from its newest checkpoint, and ends with the
//! weights of a run that nothing has disturbed, byte for byte.

use crate::merge::merge;
use crate::processes::{signal_one_rank, signal_ranks};
use crate::recipe::Recipe;
use crate::team::{Team, is, says};
use kube::ResourceExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use splade_crds::SpladeTrainingStatus;
use splade_crds::training::AttemptCause;
use tokio::sync::OnceCell;

/// The weights of a recipe when nothing disturbs it.
pub async fn undisturbed(recipe: Recipe) -> &'static [u8] {
    static WEIGHTS: [OnceCell<Vec<u8>>; 3] = [const { OnceCell::const_new() }; 3];
    let index = Recipe::ALL.iter().position(|one| *one == recipe).unwrap();
    WEIGHTS[index]
        .get_or_init(async || {
            let team = Team::new("undisturbed").await;
            team.train("tiny", recipe.changes());
            let end = team.succeeded("tiny").await;
            assert_eq!(budgets(&end), (Some(1), 0, 0));
            team.assert_tidy().await;
            let weights = team.weights("tiny").await;
            team.delete("tiny").await;
            weights
        })
        .await
}

/// Attempts, and restarts by the fault of the program and of the infrastructure.
pub fn budgets(status: &SpladeTrainingStatus) -> (Option<u32>, u32, u32) {
    let restarts = &status.restarts;
    (
        status.attempt,
        restarts.application,
        restarts.infrastructure,
    )
}

/// A training under way: its namespace and the recipe that it follows.
pub struct UnderWay {
    pub team: Team,
    recipe: Recipe,
}

impl UnderWay {
    /// Begins a training, and waits until it has passed its second checkpoint.
    pub async fn new(name: &str, recipe: Recipe, changes: Value) -> Self {
        undisturbed(recipe).await;
        let team = Team::new(name).await;
        let mut all = recipe.changes();
        merge(&mut all, changes);
        team.train("tiny", all);
        team.trained("tiny", 1, 60).await;
        Self { team, recipe }
    }

    /// The uid of the pod of the first attempt.
    async fn pod(&self) -> String {
        self.team.pod_of("tiny", 1).await.uid().unwrap()
    }

    /// Waits for success in the second attempt, and holds the training to it.
    pub async fn continues(self, reasons: &[&str], infrastructure: u32) -> SpladeTrainingStatus {
        let Self { team, recipe } = self;
        let end = team.succeeded("tiny").await;
        assert_eq!(budgets(&end), (Some(2), 0, infrastructure), "{end:#?}");
        let first = end.attempts[0].reason.as_deref();
        assert!(
            first.is_some_and(|reason| reasons.contains(&reason)),
            "{first:?}"
        );
        let second = &end.attempts[1];
        let from = second
            .resumed_from
            .as_deref()
            .expect("the second attempt has continued");
        let own = format!("s3://splade/e2e/{}/tiny/checkpoints/", team.prefix);
        assert!(from.starts_with(&own), "{from}");
        assert_eq!(second.cause, Some(AttemptCause::Completed));
        let step = end.progress.as_ref().map(|progress| progress.step);
        assert_eq!(step, Some(recipe.steps()));
        let same = team.weights("tiny").await == undisturbed(recipe).await;
        assert!(same, "the weights differ from the undisturbed run's");
        team.assert_tidy().await;
        team.delete("tiny").await;
        end
    }
}

#[tokio::test]
async fn a_killed_rank() {
    let run = UnderWay::new("rank", Recipe::OneNode, json!({})).await;
    assert!(signal_one_rank(&run.pod().await, Signal::KILL));
    let end = run.continues(&["InfrastructureFailed"], 1).await;
    let failure = end.last_failure.expect("the failure is told");
    assert_eq!(failure.attempt, 1);
    assert!(failure.message.contains("rank 1"), "{failure:#?}");
}

#[tokio::test]
async fn a_deleted_pod() {
    let run = UnderWay::new("pod", Recipe::OneNode, json!({})).await;
    let pod = run.team.pod_of("tiny", 1).await.name_any();
    run.team.kubectl(&["delete", "pod", &pod, "--wait=false"]);
    run.continues(&["PodDeleted"], 1).await;
}

#[tokio::test]
async fn a_stalled_rank() {
    let stall = json!({"runPolicy": {"stallTimeoutSeconds": 20}});
    let run = UnderWay::new("stall", Recipe::OneNode, stall).await;
    assert_eq!(signal_ranks(&run.pod().await, Signal::STOP), 2);
    let end = run.continues(&["Stalled"], 1).await;
    let failure = end.last_failure.expect("the failure is told");
    assert_eq!(failure.exit_code, Some(75));
}

#[tokio::test]
async fn suspend_and_resume() {
    let run = UnderWay::new("suspend", Recipe::OneNode, json!({})).await;
    let team = &run.team;
    team.patch("tiny", &json!({"runPolicy": {"suspend": true}}));
    let held = team
        .until("tiny", "suspended", |status| {
            is(status, "Suspended") && is(status, "ResourcesReleased")
        })
        .await;
    assert_eq!(says(&held, "Progressing").0, "Suspended");
    assert!(
        team.pods_of("tiny", 1).await.is_empty(),
        "no pod holds a device"
    );
    assert!(held.paused_time.is_some());
    team.patch("tiny", &json!({"runPolicy": {"suspend": false}}));
    let end = run.continues(&["Suspended"], 0).await;
    assert_eq!(end.paused_time, None);
}

#[tokio::test]
async fn an_image_that_does_not_exist_until_somebody_mends_it() {
    let team = Team::new("image").await;
    team.train(
        "tiny",
        json!({"gang": {"image": "localhost/no-such-image:1"}}),
    );
    let held = team
        .until("tiny", "the image is missing", |status| {
            !is(status, "Progressing") && says(status, "Progressing").0.contains("ImagePull")
        })
        .await;
    let (_, message) = says(&held, "Progressing");
    assert!(message.contains("localhost/no-such-image:1"), "{message}");
    let mended = json!({"gang": {"image": null}, "runPolicy": {"suspend": true}});
    team.patch("tiny", &mended);
    team.until("tiny", "released", |status| is(status, "ResourcesReleased"))
        .await;
    team.patch("tiny", &json!({"runPolicy": {"suspend": false}}));
    let end = team.succeeded("tiny").await;
    assert_eq!(budgets(&end), (Some(2), 0, 0));
    assert!(team.weights("tiny").await == undisturbed(Recipe::OneNode).await);
    team.assert_tidy().await;
    team.delete("tiny").await;
}
