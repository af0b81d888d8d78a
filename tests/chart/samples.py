"""Values to render the chart with."""

EVERYTHING_OFF = {
    "topologySpread": "",
    "resources": None,
    "rbac": {"create": False},
    "serviceAccount": {"create": False, "name": "existing"},
    "crds": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "pdb": {"enabled": False},
}

EVERYTHING_ON = {
    "registry": "registry.example.com:5000/splade",
    "replicas": 3,
    "watchNamespaces": ["search", "research"],
    "telemetry": {"otlpEndpoint": "http://collector.observability:4317"},
    "networkPolicy": {
        "apiServerCidrs": ["10.0.0.10/32", "fd00::/64"],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Search"}},
}

# Another value for every setting. Set in EVERYTHING_ON, each has to change what is rendered.
OTHERS = {
    "registry": "other.example.com",
    "image.repository": "other/operator",
    "image.tag": "1.2.3",
    "image.digest": "sha256:" + "a" * 64,
    "image.pullPolicy": "Always",
    "jobImage.repository": "other/job",
    "jobImage.tag": "1.2.3",
    "jobImage.digest": "sha256:" + "b" * 64,
    "imagePullSecrets": [{"name": "registry"}],
    "nameOverride": "other",
    "fullnameOverride": "another",
    "replicas": 1,
    "watchNamespaces": [],
    "concurrency": 4,
    "progressIntervalSeconds": 0.5,
    "logLevel": "info,splade_operator=debug",
    "telemetry.otlpEndpoint": "https://collector.example.com:4318/otlp",
    "telemetry.otlpProtocol": "http/protobuf",
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "1500m"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
            }
        }
    },
    "topologySpread": "DoNotSchedule",
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"example.com/team": "search"},
    "podLabels": {"example.com/team": "search"},
    "extraEnv": [
        {"name": "SSL_CERT_FILE", "value": "/certs/ca.crt"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "collector", "key": "token"}}},
    ],
    "serviceAccount.create": False,
    "serviceAccount.name": "other",
    "serviceAccount.annotations": {"example.com/role": "operator"},
    "rbac.create": False,
    "rbac.aggregate": False,
    "crds.enabled": False,
    "crds.keep": False,
    "networkPolicy.enabled": False,
    "networkPolicy.apiServerPorts": [8443],
    "networkPolicy.apiServerCidrs": [],
    "networkPolicy.metricsFrom": [],
    "networkPolicy.extraEgress": [],
    "networkPolicy.jobPods": False,
    "pdb.enabled": False,
    "metricsService.annotations": {"prometheus.io/scrape": "true"},
    "serviceMonitor.enabled": False,
    "serviceMonitor.interval": "",
    "serviceMonitor.labels": {},
    "podMonitor.enabled": False,
    "podMonitor.interval": "1m30s",
    "podMonitor.labels": {},
    "dashboard.enabled": False,
    "dashboard.labels": {"dashboards": "yes"},
    "dashboard.annotations": {},
}

# What must stand beside a value for it to make sense.
BESIDE = {"serviceAccount.create": {"serviceAccount": {"name": "existing"}}}

# Values that are refused, and what the refusal has to name.
REFUSED = [
    ({"replica": 2}, ["replica"]),
    ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "IfNotPresent"]),
    ({"image": {"name": "operator"}}, ["/image", "name"]),
    ({"image": {"digest": "sha256:abc"}}, ["/image/digest"]),
    ({"replicas": 0}, ["/replicas", "minimum"]),
    ({"replicas": "two"}, ["/replicas", "integer"]),
    ({"watchNamespaces": ["Search"]}, ["/watchNamespaces/0"]),
    ({"watchNamespaces": "search"}, ["/watchNamespaces", "array"]),
    ({"concurrency": 5000}, ["/concurrency", "maximum"]),
    ({"progressIntervalSeconds": 0}, ["/progressIntervalSeconds"]),
    ({"telemetry": {"otlpEndpoint": "http://collector"}}, ["/telemetry/otlpEndpoint"]),
    ({"telemetry": {"otlpProtocol": "udp"}}, ["/telemetry/otlpProtocol"]),
    ({"resources": {"limit": {"cpu": 1}}}, ["/resources", "limit"]),
    ({"resources": {"limits": {"memory": "1 GB"}}}, ["/resources/limits/memory"]),
    ({"tolerations": [{"key": "gpu", "effect": "Never"}]}, ["/tolerations/0/effect"]),
    ({"affinity": {"podAntiaffinity": {}}}, ["/affinity", "podAntiaffinity"]),
    ({"podAnnotations": {"a": True}}, ["/podAnnotations/a"]),
    ({"extraEnv": [{"name": "A", "valueFrom": {}}]}, ["/extraEnv/0/valueFrom"]),
    ({"pdb": {"minAvailable": 1}}, ["/pdb", "minAvailable"]),
    ({"networkPolicy": {"apiServerPorts": []}}, ["/networkPolicy/apiServerPorts"]),
    ({"serviceMonitor": {"interval": "often"}}, ["/serviceMonitor/interval"]),
    ({"serviceAccount": {"create": False}}, ["serviceAccount.name must be set"]),
]
