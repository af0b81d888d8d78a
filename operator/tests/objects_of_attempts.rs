//! The objects of an attempt at the training itself.
#![allow(clippy::unwrap_used)]

mod common;

use common::manifest::training;
use common::objects::{attempt, env, job, json_of, labels, pod, settings};
use common::{TRACE, start};
use serde_json::{Value, json};
use splade_operator::attempts;
use splade_operator::settings::ClusterOffers;
use splade_operator::training::{ValidTraining, build};

#[test]
fn an_attempt_has_a_service_a_config_map_and_a_job_of_one_name() {
    let objects = attempt(json!({}));
    assert_eq!(objects.len(), 3);
    for object in &objects {
        let metadata = &object["metadata"];
        assert_eq!(metadata["name"], "tiny-a3");
        assert_eq!(metadata["namespace"], "team");
        assert_eq!(
            metadata["labels"],
            labels("training", "training", "tiny", "3")
        );
        assert_eq!(
            metadata["ownerReferences"],
            json!([{
                "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining", "name": "tiny",
                "uid": "training-uid", "controller": true, "blockOwnerDeletion": true,
            }])
        );
    }
}

#[test]
fn the_service_resolves_before_pods_are_ready() {
    let objects = attempt(json!({}));
    let spec = &objects[0]["spec"];
    assert_eq!(spec["clusterIP"], "None");
    assert_eq!(spec["publishNotReadyAddresses"], true);
    assert_eq!(
        spec["selector"],
        labels("training", "training", "tiny", "3")
    );
    assert_eq!(pod(&objects)["subdomain"], "tiny-a3");
    assert_eq!(
        env(&objects, "MASTER_ADDR").unwrap()["value"],
        "tiny-a3-0.tiny-a3"
    );
    assert_eq!(env(&objects, "MASTER_PORT").unwrap()["value"], "29500");
}

#[test]
fn the_manifest_is_immutable_and_one_that_the_job_reads() {
    let objects = attempt(json!({"runPolicy": {"stallTimeoutSeconds": 77}}));
    assert_eq!(objects[1]["immutable"], true);
    let text = objects[1]["data"]["training.yaml"].as_str().unwrap();
    let resources = splade_crds::manifest::parse(text).unwrap();
    let read = format!("{resources:?}");
    assert!(read.contains("stall_timeout_seconds: 77"), "{read}");
    assert!(!text.contains("\"status\""));
}

#[test]
fn weights_of_another_training_are_named_by_where_they_lie() {
    let training = training(json!({"initFrom": {"trainingRef": {"name": "phase-1"}}}));
    let valid = ValidTraining::new(&training).unwrap();
    let record = attempts::begin(1, TRACE, start());
    let (offers, settings) = (ClusterOffers::default(), settings());
    let weights = Some("s3://models/phase-1");
    let built = build::attempt(&valid, &record, weights, &offers, &settings).unwrap();
    let text = json_of(&built[1])["data"]["training.yaml"]
        .as_str()
        .unwrap()
        .to_owned();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        manifest["spec"]["initFrom"],
        json!({"uri": "s3://models/phase-1"})
    );
    let error = build::attempt(&valid, &record, Some("ftp://x"), &offers, &settings).unwrap_err();
    assert!(error.to_string().contains("ftp://x"), "{error}");
}

#[test]
fn the_job_runs_all_pods_once_and_fails_as_a_whole() {
    let objects = attempt(json!({}));
    let spec = &job(&objects)["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(
        (&spec["completions"], &spec["parallelism"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(spec["backoffLimit"], 0);
    assert_eq!(spec["podReplacementPolicy"], "Failed");
    assert_eq!(
        spec["podFailurePolicy"]["rules"],
        json!([
            {"action": "FailJob", "onExitCodes": {
                "containerName": "job", "operator": "In", "values": [75]
            }},
            {"action": "FailJob", "onExitCodes": {
                "containerName": "job", "operator": "In", "values": [64, 65, 66, 70, 78]
            }},
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ])
    );
    assert_eq!(spec.get("suspend"), None);
    assert_eq!(spec.get("ttlSecondsAfterFinished"), None);
    assert_eq!(spec.get("activeDeadlineSeconds"), None);
}

#[test]
fn pods_are_restricted_and_hold_no_credential() {
    let objects = attempt(json!({"runPolicy": {"terminationTimeoutSeconds": 120}}));
    let pod = pod(&objects);
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["terminationGracePeriodSeconds"], 120);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"],
        json!({"type": "RuntimeDefault"})
    );
    assert!(pod["securityContext"]["fsGroup"].as_i64().unwrap() > 0);
    assert_eq!(
        pod["containers"][0]["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
}

#[test]
fn pods_launch_one_rank_for_each_device() {
    let objects = attempt(json!({"gang": {"resources": {
        "requests": {"cpu": "32"}, "limits": {"memory": "256Gi"}
    }}}));
    let container = &pod(&objects)["containers"][0];
    assert_eq!(container["name"], "job");
    assert_eq!(container["image"], "registry.example/splade-job:1");
    assert_eq!(
        container["command"],
        json!([
            "splade-job",
            "launch",
            "-f",
            "/etc/splade/training.yaml",
            "--nodes",
            "2",
            "--ranks-per-node",
            "8"
        ])
    );
    assert_eq!(
        container["resources"],
        json!({
            "requests": {"cpu": "32", "nvidia.com/gpu": "8"},
            "limits": {"memory": "256Gi", "nvidia.com/gpu": "8"},
        })
    );
    let on_cpu = attempt(json!({"gang": {"deviceResource": "none"}}));
    assert_eq!(pod(&on_cpu)["containers"][0]["resources"], json!({}));
}

#[test]
fn pods_have_shared_memory_and_a_folder_for_temporary_files() {
    let objects = attempt(json!({"gang": {"sharedMemory": "64Gi"}}));
    let pod = pod(&objects);
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let at = |path: &str| {
        let mount = mounts
            .iter()
            .find(|mount| mount["mountPath"] == path)
            .unwrap();
        let volumes = pod["volumes"].as_array().unwrap();
        volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"])
            .unwrap()
    };
    assert_eq!(
        at("/dev/shm")["emptyDir"],
        json!({"medium": "Memory", "sizeLimit": "64Gi"})
    );
    assert_eq!(at("/tmp")["emptyDir"], json!({}));
    assert_eq!(at("/etc/splade")["configMap"]["name"], "tiny-a3");
    assert_eq!(env(&objects, "TMPDIR").unwrap()["value"], "/tmp");
}

#[test]
fn what_the_manifest_asks_of_the_pod_is_built() {
    let objects = attempt(json!({"gang": {
        "image": "mine:2", "nodeSelector": {"pool": "b200"}, "priorityClassName": "high",
        "serviceAccountName": "trainer", "imagePullSecrets": [{"name": "pull"}],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
        "env": [
            {"name": "TMPDIR", "value": "/scratch"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "k"}}},
        ],
        "volumes": [
            {"name": "claim", "mountPath": "/data", "readOnly": true, "subPath": "a",
             "source": {"persistentVolumeClaim": {"claimName": "data"}}},
            {"name": "scratch", "mountPath": "/tmp/", "source": {"emptyDir": {"sizeLimit": "1Ti"}}},
            {"name": "host", "mountPath": "/host", "source": {"hostPath": {"path": "/mnt"}}},
            {"name": "secret", "mountPath": "/secret", "source": {"secret": {"secretName": "s"}}},
            {"name": "map", "mountPath": "/map", "source": {"configMap": {"name": "m"}}},
        ],
    }}));
    let pod = pod(&objects);
    assert_eq!(pod["containers"][0]["image"], "mine:2");
    assert_eq!(pod["nodeSelector"], json!({"pool": "b200"}));
    assert_eq!(pod["priorityClassName"], "high");
    assert_eq!(pod["serviceAccountName"], "trainer");
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}]));
    assert_eq!(
        pod["tolerations"],
        json!([{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}])
    );
    assert_eq!(env(&objects, "TMPDIR").unwrap()["value"], "/scratch");
    assert_eq!(
        env(&objects, "KEY").unwrap()["valueFrom"],
        json!({"secretKeyRef": {"name": "s3", "key": "k"}})
    );
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = |name: &str| {
        volumes
            .iter()
            .find(|volume| volume["name"] == name)
            .unwrap()
    };
    assert_eq!(
        volume("claim")["persistentVolumeClaim"],
        json!({"claimName": "data"})
    );
    assert_eq!(volume("scratch")["emptyDir"], json!({"sizeLimit": "1Ti"}));
    assert_eq!(
        volume("host")["hostPath"],
        json!({"path": "/mnt", "type": "Directory"})
    );
    assert_eq!(volume("secret")["secret"], json!({"secretName": "s"}));
    assert_eq!(volume("map")["configMap"], json!({"name": "m"}));
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let data = mounts
        .iter()
        .find(|mount| mount["mountPath"] == "/data")
        .unwrap();
    assert_eq!(
        (&data["readOnly"], &data["subPath"]),
        (&json!(true), &json!("a"))
    );
    let temporary = |mount: &&Value| mount["mountPath"].as_str().unwrap().starts_with("/tmp");
    assert_eq!(mounts.iter().filter(temporary).count(), 1);
}

#[test]
fn telemetry_knows_the_trace_and_the_place() {
    let objects = attempt(json!({}));
    assert_eq!(env(&objects, "TRACEPARENT").unwrap()["value"], TRACE);
    let fields =
        |name: &str| env(&objects, name).unwrap()["valueFrom"]["fieldRef"]["fieldPath"].clone();
    assert_eq!(fields("POD_NAME"), "metadata.name");
    assert_eq!(fields("NODE_NAME"), "spec.nodeName");
    let attributes = env(&objects, "OTEL_RESOURCE_ATTRIBUTES").unwrap()["value"]
        .as_str()
        .unwrap();
    for pair in [
        "k8s.pod.name=$(POD_NAME)",
        "k8s.node.name=$(NODE_NAME)",
        "splade.training.attempt=3",
    ] {
        assert!(
            attributes.split(',').any(|found| found == pair),
            "{attributes}"
        );
    }
    // `$(...)` is only filled in from variables that come before.
    let variables = pod(&objects)["containers"][0]["env"].as_array().unwrap();
    let place = |name: &str| {
        variables
            .iter()
            .position(|variable| variable["name"] == name)
    };
    assert!(place("POD_NAME") < place("OTEL_RESOURCE_ATTRIBUTES"));
    assert!(place("NODE_NAME") < place("OTEL_RESOURCE_ATTRIBUTES"));
}

#[test]
fn several_pods_never_share_a_node() {
    let objects = attempt(json!({}));
    assert_eq!(
        pod(&objects)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"],
        json!([{
            "labelSelector": {"matchLabels": labels("training", "training", "tiny", "3")},
            "topologyKey": "kubernetes.io/hostname",
        }])
    );
    assert_eq!(
        pod(&attempt(json!({"gang": {"nodes": 1}}))).get("affinity"),
        None
    );
}
