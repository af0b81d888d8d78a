// Nothing is compiled here: these modules ship the schemas of the API objects that the chart makes.
module neuralsparse.dev/tests/chart-schemas

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	k8s.io/kubernetes v1.36.3
)
