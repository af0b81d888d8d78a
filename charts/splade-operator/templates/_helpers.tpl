{{/* Name of the chart. */}}
{{- define "splade-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Full name of the objects: short enough that a suffix such as -metrics fits into 63 characters. */}}
{{- define "splade-operator.fullname" -}}
{{- $name := include "splade-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels by which the operator's pods are found; they never change. */}}
{{- define "splade-operator.selector" -}}
app.kubernetes.io/name: {{ include "splade-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "splade-operator.labels" -}}
{{ include "splade-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of job pods, as the operator sets them. */}}
{{- define "splade-operator.jobPods" -}}
app.kubernetes.io/name: splade-job
app.kubernetes.io/managed-by: splade-operator
{{- end }}

{{- define "splade-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "splade-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name must be set when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Reference of an image: dict "root" $ "image" {repository, tag, digest}. */}}
{{- define "splade-operator.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{/* What a container of the operator may do: nothing. */}}
{{- define "splade-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "splade-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
