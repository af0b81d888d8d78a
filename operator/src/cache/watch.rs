//! The watches that fill the cache, and whom a change concerns.

use super::merge::{Change, Key, Merge};
use super::owners::{measures, starts_from, training_of};
use super::{Cluster, Index, Kind, Writers, prune};
use crate::labels::{MANAGED_BY, OPERATOR};
use crate::metrics::Metrics;
use futures::stream::{SelectAll, Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector::Store};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

/// Objects in one answer to a list. They are in memory as a whole until each has been pruned, and a start lists four
/// kinds at once: with the usual 500 it would take more memory than everything that is kept.
const PAGE: u32 = 50;

/// Where the operator works.
#[derive(Clone)]
pub struct Scope {
    /// The API server.
    pub client: Client,
    /// These namespaces only; all where there is none.
    pub namespaces: Vec<String>,
    /// Where watches that fail are counted.
    pub metrics: Arc<Metrics>,
}

impl Scope {
    /// Changes of one kind of object; never ends.
    fn watch<K>(
        &self,
        resource: &'static str,
        config: &Config,
        prune: fn(&mut K),
    ) -> impl Stream<Item = Change<K>> + use<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let apis: Vec<Api<K>> = if self.namespaces.is_empty() {
            vec![Api::all(self.client.clone())]
        } else {
            let apis = self.namespaces.iter();
            apis.map(|namespace| Api::namespaced(self.client.clone(), namespace))
                .collect()
        };
        let mut merge = Merge::new(apis.len());
        let mut sources = SelectAll::new();
        for (source, api) in apis.into_iter().enumerate() {
            let events = watcher(api, config.clone()).default_backoff().modify(prune);
            sources.push(events.map(move |event| (source, event)).boxed());
        }
        let metrics = Arc::clone(&self.metrics);
        sources.flat_map(move |(source, event)| {
            let changes = match event {
                Ok(event) => merge.take(source, event),
                Err(error) => {
                    metrics.watch_error(resource);
                    tracing::warn!(%error, resource, "a watch failed; it is begun anew");
                    Vec::new()
                }
            };
            futures::stream::iter(changes)
        })
    }
}

/// Follows the cluster. The future never ends.
pub fn follow(
    scope: &Scope,
    cluster: &Cluster,
    writers: Writers,
) -> impl Future<Output = ()> + use<> {
    let all = Config::default().page_size(PAGE);
    let ours = all.clone().labels(&format!("{MANAGED_BY}={OPERATOR}"));
    let trainings = follow_trainings(
        scope.watch("spladetrainings", &all, prune::resource),
        writers.trainings,
        cluster.clone(),
    );
    let benchmarks = follow_benchmarks(
        scope.watch("spladebenchmarks", &all, prune::resource),
        writers.benchmarks,
        cluster.clone(),
    );
    let jobs = follow_children(
        scope.watch::<Job>("jobs", &ours, prune::job),
        cluster.jobs.clone(),
        cluster.clone(),
    );
    let pods = follow_children(
        scope.watch::<Pod>("pods", &ours, prune::pod),
        cluster.pods.clone(),
        cluster.clone(),
    );
    async move {
        tokio::join!(trainings, benchmarks, jobs, pods);
    }
}

async fn follow_children<K: Resource>(
    changes: impl Stream<Item = Change<K>>,
    index: Index<K>,
    cluster: Cluster,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        if matches!(change, Change::Synced(_)) {
            index.take(change);
            cluster.note_synced();
            continue;
        }
        for owner in index.take(change) {
            cluster.triggers.send(&owner);
        }
    }
}

async fn follow_trainings(
    changes: impl Stream<Item = Change<DeserializeGuard<SpladeTraining>>>,
    mut writer: Writer<DeserializeGuard<SpladeTraining>>,
    cluster: Cluster,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        if let Some(key) = store(&mut writer, &cluster.trainings, change, &cluster) {
            for dependent in dependents(&cluster, &key) {
                cluster.triggers.send(&dependent);
            }
            cluster.trigger(Kind::Training, key);
        }
    }
}

async fn follow_benchmarks(
    changes: impl Stream<Item = Change<DeserializeGuard<SpladeBenchmark>>>,
    mut writer: Writer<DeserializeGuard<SpladeBenchmark>>,
    cluster: Cluster,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        // The benchmark that goes is asked before it is gone.
        let before = match &change {
            Change::Deleted(key) => owner_of_benchmark(&cluster, key),
            Change::Synced(_) | Change::Applied(_) => None,
        };
        if let Some(key) = store(&mut writer, &cluster.benchmarks, change, &cluster) {
            if let Some(training) = before
                .clone()
                .or_else(|| owner_of_benchmark(&cluster, &key))
            {
                cluster.trigger(Kind::Training, training);
            }
            cluster.trigger(Kind::Benchmark, key);
        }
    }
}

/// Puts a change into a store; tells which objects have changed. What is there at first is reconciled when this
/// process begins to lead.
fn store<K>(
    writer: &mut Writer<DeserializeGuard<K>>,
    reader: &Store<DeserializeGuard<K>>,
    change: Change<DeserializeGuard<K>>,
    cluster: &Cluster,
) -> Option<Key>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let changed = match change {
        Change::Synced(all) => {
            writer.apply_watcher_event(&Event::Init);
            for object in all {
                writer.apply_watcher_event(&Event::InitApply(object));
            }
            writer.apply_watcher_event(&Event::InitDone);
            cluster.note_synced();
            None
        }
        Change::Applied(object) => {
            let key = Key::of(&object);
            writer.apply_watcher_event(&Event::Apply(object));
            Some(key)
        }
        Change::Deleted(key) => {
            let found = reader.get(&key.reference())?;
            writer.apply_watcher_event(&Event::Delete(DeserializeGuard::clone(&found)));
            Some(key)
        }
    };
    cluster.changed.send_replace(());
    changed
}

fn owner_of_benchmark(cluster: &Cluster, key: &Key) -> Option<Key> {
    let found = cluster.benchmarks.get(&key.reference())?;
    found.0.as_ref().ok().and_then(training_of)
}

/// Who waits for a training.
fn dependents(cluster: &Cluster, training: &Key) -> Vec<super::Belongs> {
    let starting = cluster.trainings.state_filter(|other| {
        other
            .0
            .as_ref()
            .is_ok_and(|other| starts_from(other, training))
    });
    let measuring = cluster.benchmarks.state_filter(|benchmark| {
        benchmark
            .0
            .as_ref()
            .is_ok_and(|benchmark| measures(benchmark, training))
    });
    let trainings = starting
        .iter()
        .map(|other| (Kind::Training, Key::of(&**other)));
    let benchmarks = measuring
        .iter()
        .map(|benchmark| (Kind::Benchmark, Key::of(&**benchmark)));
    let all = trainings.chain(benchmarks);
    all.map(|(kind, key)| super::Belongs { kind, key })
        .collect()
}
