//! Which scheduler interfaces the cluster has, asked only by trainings that want one.

use crate::api::{CallError, Calls, Verb};
use crate::settings::{ClusterOffers, PodGroupVersion};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroupList;
use kube::Client;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// For how long an answer holds: an interface that is installed later is found after it.
const LIFETIME: Duration = Duration::from_secs(60);

/// The scheduler interfaces, as of the last answer.
#[derive(Debug, Default)]
pub struct Offers(Mutex<Option<(Instant, ClusterOffers)>>);

impl Offers {
    /// What the cluster has.
    ///
    /// # Errors
    /// The API server did not say.
    pub async fn get(&self, client: &Client, calls: &Calls) -> Result<ClusterOffers, CallError> {
        // Held over the question, so that many that want to know ask once.
        let mut known = self.0.lock().await;
        if let Some((asked, offers)) = *known
            && asked.elapsed() < LIFETIME
        {
            return Ok(offers);
        }
        let asked = Instant::now();
        let groups = calls.call(Verb::Discover, "apigroups", || client.list_api_groups());
        let offers = read(&groups.await?);
        *known = Some((asked, offers));
        Ok(offers)
    }
}

fn read(list: &APIGroupList) -> ClusterOffers {
    let group = |name: &str| list.groups.iter().find(|group| group.name == name);
    let serves = |version: PodGroupVersion| {
        group("scheduling.k8s.io").is_some_and(|group| {
            group
                .versions
                .iter()
                .any(|served| served.version == version.name())
        })
    };
    let pod_groups = [PodGroupVersion::V1Beta1, PodGroupVersion::V1Alpha2];
    ClusterOffers {
        kueue: group("kueue.x-k8s.io").is_some(),
        volcano: group("scheduling.volcano.sh").is_some(),
        kai: group("scheduling.run.ai").is_some(),
        pod_group: pod_groups.into_iter().find(|&version| serves(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, GroupVersionForDiscovery};

    fn group(name: &str, versions: &[&str]) -> APIGroup {
        let versions = versions.iter().map(|version| GroupVersionForDiscovery {
            group_version: format!("{name}/{version}"),
            version: (*version).to_owned(),
        });
        APIGroup {
            name: name.to_owned(),
            versions: versions.collect(),
            ..APIGroup::default()
        }
    }

    #[test]
    fn the_newest_pod_group_is_taken() {
        let list = |versions: &[&str]| APIGroupList {
            groups: vec![
                group("scheduling.k8s.io", versions),
                group("kueue.x-k8s.io", &["v1beta1"]),
            ],
        };
        let found = read(&list(&["v1", "v1alpha2", "v1beta1"]));
        assert_eq!(found.pod_group, Some(PodGroupVersion::V1Beta1));
        assert!(found.kueue && !found.volcano && !found.kai);
        assert_eq!(
            read(&list(&["v1", "v1alpha2"])).pod_group,
            Some(PodGroupVersion::V1Alpha2)
        );
        assert_eq!(read(&list(&["v1"])).pod_group, None);
    }
}
