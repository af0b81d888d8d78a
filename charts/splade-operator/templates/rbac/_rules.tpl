{{/* What the operator does where it works: exactly this. It reads no Secret, and changes nothing but what it owns. */}}
{{- define "splade-operator.rules" -}}
- apiGroups: [neuralsparse.dev]
  resources: [spladetrainings]
  # Deleted when runPolicy.ttlSecondsAfterFinished is over.
  verbs: [get, list, watch, delete]
- apiGroups: [neuralsparse.dev]
  resources: [spladebenchmarks]
  # Created for spec.benchmarks, deleted when ttlSecondsAfterFinished is over.
  verbs: [get, list, watch, create, delete]
- apiGroups: [neuralsparse.dev]
  resources: [spladetrainings/status, spladebenchmarks/status]
  verbs: [update, patch]
- apiGroups: [neuralsparse.dev]
  resources: [spladetrainings/finalizers, spladebenchmarks/finalizers]
  # Asked for by the admission plugin OwnerReferencesPermissionEnforcement.
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, create, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# gang.scheduler.type PodGroup and Volcano.
- apiGroups: [scheduling.k8s.io, scheduling.volcano.sh]
  resources: [podgroups]
  verbs: [get, create, delete]
{{- end }}
