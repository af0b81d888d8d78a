//! Learning from a teacher's scores of each query's own candidates.

use splade_data::PackedScores;
use tch::{Device, Kind, Tensor};

/// The candidates that a teacher has scored: for each query its positive, then its hard negatives; ragged.
#[derive(Debug)]
pub struct OwnCandidates {
    /// Column of each candidate in the score matrix, `[B, 1 + most]`; 0 where there is none.
    columns: Tensor,
    /// Which of them exist, `[B, 1 + most]`, bool.
    exists: Tensor,
    /// Teacher scores, `[B, 1 + most]`, `f64`; 0 where there is none.
    teacher: Tensor,
}

impl OwnCandidates {
    /// Lays out the candidates of B queries with the teacher's scores.
    pub fn new(negatives_per_query: &[usize], scores: &PackedScores, device: Device) -> Self {
        let PackedScores {
            positives,
            negatives,
        } = scores;
        let queries = negatives_per_query.len();
        let most = negatives_per_query.iter().copied().max().unwrap_or(0);
        let width = 1 + most;
        let mut columns = vec![0i64; queries * width];
        let mut exists = vec![false; queries * width];
        let mut teacher = vec![0f64; queries * width];
        let mut next = 0;
        for (row, &count) in negatives_per_query.iter().enumerate() {
            let start = row * width;
            (columns[start], exists[start], teacher[start]) =
                (row as i64, true, f64::from(positives[row]));
            for place in start + 1..=start + count {
                (columns[place], exists[place]) = ((queries + next) as i64, true);
                teacher[place] = f64::from(negatives[next]);
                next += 1;
            }
        }
        let shape = [queries as i64, width as i64];
        Self {
            columns: Tensor::from_slice(&columns).view(shape).to(device),
            exists: Tensor::from_slice(&exists).view(shape).to(device),
            teacher: Tensor::from_slice(&teacher).view(shape).to(device),
        }
    }

    fn student(&self, scores: &Tensor) -> (Tensor, Tensor) {
        (
            scores.gather(1, &self.columns, false),
            self.teacher.to_kind(scores.kind()),
        )
    }
}

/// MarginMSE (Hofstaetter et al., arXiv 2010.02666): mean over all hard negatives of the squared difference
/// between student and teacher margin (positive minus negative).
///
/// `scores` is `[B, B + N]`; the result is a scalar, 0 where no query has a hard negative.
pub fn margin_mse(scores: &Tensor, own: &OwnCandidates) -> Tensor {
    let (student, teacher) = own.student(scores);
    let margin = |all: &Tensor| all.narrow(1, 0, 1) - all.narrow(1, 1, all.size()[1] - 1);
    let exists = own
        .exists
        .narrow(1, 1, own.exists.size()[1] - 1)
        .to_kind(scores.kind());
    let squared = (margin(&student) - margin(&teacher)).square() * &exists;
    squared.sum(scores.kind()) / exists.sum(scores.kind()).clamp_min(1.0)
}

/// KL divergence from the teacher's to the student's distribution over each query's own candidates, mean over
/// queries: `KL(softmax(teacher / t) || softmax(student / t)) * t^2` (the factor keeps gradients comparable over
/// temperatures, Hinton et al., arXiv 1503.02531).
///
/// `scores` is `[B, B + N]`; the result is a scalar.
pub fn kl_divergence(scores: &Tensor, own: &OwnCandidates, temperature: f64) -> Tensor {
    let (student, teacher) = own.student(scores);
    let absent = own.exists.logical_not();
    let log_softmax = |all: &Tensor| {
        (all / temperature)
            .masked_fill(&absent, f64::NEG_INFINITY)
            .log_softmax(1, None::<Kind>)
            .masked_fill(&absent, 0.0)
    };
    let (student, teacher) = (log_softmax(&student), log_softmax(&teacher));
    let probability = teacher.exp().masked_fill(&absent, 0.0);
    let divergence = (probability * (teacher - student)).sum(scores.kind());
    divergence / scores.size()[0] as f64 * temperature.powi(2)
}
