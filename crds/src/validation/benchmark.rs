//! Rules of benchmarks.

use super::{Faults, FieldError, pod};
use crate::benchmark::{BenchmarkPlan, HybridWeights, Method, SpladeBenchmark};
use crate::field_path::FieldPath;

/// Room for the suffixes of job and pod names within 63 characters.
const LONGEST_NAME: usize = 57;

/// All faults of a benchmark that its schema cannot show.
pub fn validate_benchmark(benchmark: &SpladeBenchmark) -> Vec<FieldError> {
    let mut faults = Faults::default();
    faults.object_name(benchmark.metadata.name.as_deref(), LONGEST_NAME);
    validate_plan(&benchmark.spec.plan, &FieldPath::of("spec"), &mut faults);
    faults.0
}

/// Checks a plan that lies at `at`.
pub(super) fn validate_plan(plan: &BenchmarkPlan, at: &FieldPath, faults: &mut Faults) {
    faults.up_to_one(at.key("bm25").key("b"), &plan.bm25.b);
    if let Some(pruning) = &plan.sparse.pruning {
        faults.below_one(at.key("sparse").key("pruning"), pruning);
    }
    validate_methods(plan, at, faults);
    validate_fusion(plan, at, faults);
    pod::validate(&plan.pod.settings, &at.key("pod"), faults);
}

fn validate_methods(plan: &BenchmarkPlan, at: &FieldPath, faults: &mut Faults) {
    if plan.methods.contains(&Method::Semantic) && plan.semantic.is_none() {
        faults.0.push(FieldError {
            path: at.key("semantic"),
            message: "method Semantic needs semantic.model".into(),
            related: vec![at.key("methods")],
        });
    }
    if let Some(baseline) = plan
        .compare_to
        .filter(|method| !plan.methods.contains(method))
    {
        faults.0.push(FieldError {
            path: at.key("compareTo"),
            message: format!("{baseline} is not one of methods"),
            related: vec![at.key("methods")],
        });
    }
}

fn validate_fusion(plan: &BenchmarkPlan, at: &FieldPath, faults: &mut Faults) {
    let HybridWeights {
        bm25,
        sparse,
        semantic,
    } = &plan.hybrid.weights;
    let weights = at.key("hybrid").key("weights");
    let counted = [bm25, sparse, semantic]
        .iter()
        .filter(|weight| !weight.is_zero())
        .count();
    if counted < 2 {
        faults.add(
            weights.clone(),
            "at least two weights must be greater than 0",
        );
    }
    let fuses = plan.methods.contains(&Method::Hybrid);
    // With method Semantic the missing model is reported already.
    let reported = plan.methods.contains(&Method::Semantic);
    if fuses && !semantic.is_zero() && plan.semantic.is_none() && !reported {
        faults.0.push(FieldError {
            path: weights.key("semantic"),
            message: "needs semantic.model; \"0\" leaves the dense model out".into(),
            related: vec![at.key("methods"), at.key("semantic")],
        });
    }
}
