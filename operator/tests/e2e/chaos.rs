//! An operator that dies at any moment.

use crate::interruptions::{budgets, undisturbed};
use crate::operator;
use crate::processes::signal_one_rank;
use crate::recipe::Recipe;
use crate::team::Team;
use kube::ResourceExt;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::sleep;

const KILLS: usize = 10;

#[tokio::test]
async fn an_operator_killed_ten_times_loses_nothing() {
    undisturbed(Recipe::Long).await;
    let team = Team::new("chaos").await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    team.train("tiny", Recipe::Long.changes());
    let mut killed = 0;
    let mut interrupted = false;
    while killed < KILLS {
        sleep(Duration::from_millis(random.u64(0..6000))).await;
        killed += usize::from(operator::kill().await > 0);
        // One rank dies as well, so that attempts change hands while operators do.
        if killed > KILLS / 3 && !interrupted {
            interrupted = interrupt(&team).await;
        }
    }
    operator::ready().await;
    let end = team.succeeded("tiny").await;
    assert!(interrupted, "no rank ran between the kills");
    assert_eq!(budgets(&end), (Some(2), 0, 1), "{end:#?}");
    let same = team.weights("tiny").await == undisturbed(Recipe::Long).await;
    assert!(same, "the weights differ from the undisturbed run's");
    team.assert_tidy().await;
    team.delete("tiny").await;
}

/// Kills a rank, where one runs.
async fn interrupt(team: &Team) -> bool {
    let pods = team.pods_of("tiny", 1).await;
    pods.iter()
        .any(|pod| signal_one_rank(&pod.uid().unwrap(), Signal::KILL))
}
