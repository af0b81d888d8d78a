use super::*;

const ROWS: usize = 8;

fn measures(query: f64, document: f64) -> Vec<f64> {
    let mut values = vec![1.0; MEASURES.len()];
    values[ACTIVE_DIMENSIONS_QUERY] = query;
    values[ACTIVE_DIMENSIONS_DOCUMENT] = document;
    values
}

fn batch_report(values: &[f64]) -> BatchReport {
    BatchReport {
        values: values.to_vec(),
        tokens: 100,
        flops: 1.0,
    }
}

/// Looks at `steps` steps of one batch of 8 with these measures; gives the step and reason of the first refusal.
fn watch(guard: &mut Guard, steps: u64, values: &[f64], norm: f64) -> Option<(u64, Collapse)> {
    let batches = [vec![vec![3u32; ROWS]]];
    (0..steps).find_map(|step| {
        let place = Place {
            step,
            epoch: 2,
            first_batch: step as usize,
            batches: &batches,
        };
        let report = StepReport {
            ranks: vec![vec![batch_report(values)]],
            gradient_norm: norm,
            stop: false,
            save: false,
        };
        let refused = guard.look(place, &report).err()?;
        Some((step, refused))
    })
}

#[test]
fn the_measures_are_where_the_guard_looks() {
    assert_eq!(MEASURES[ACTIVE_DIMENSIONS_QUERY], "active_dimensions_query");
    assert_eq!(
        MEASURES[ACTIVE_DIMENSIONS_DOCUMENT],
        "active_dimensions_document"
    );
}

#[test]
fn one_empty_batch_is_chance_and_64_empty_rows_are_not() {
    let mut guard = Guard::new(1000);
    assert_eq!(watch(&mut guard, 7, &measures(0.0, 5.0), 1.0), None);
    assert_eq!(watch(&mut guard, 1, &measures(2.0, 5.0), 1.0), None);
    let (step, reason) = watch(&mut guard, 9, &measures(0.0, 5.0), 1.0).unwrap();
    assert_eq!(step, 7);
    assert!(matches!(
        reason,
        Collapse::Empty {
            side: "query",
            batch: 7,
            ..
        }
    ));
}

#[test]
fn a_dense_start_is_allowed_and_a_dense_run_is_not() {
    let mut guard = Guard::new(1000);
    let dense = measures(10.0, 995.0);
    assert_eq!(watch(&mut guard, 199, &dense, 1.0), None);
    assert_eq!(watch(&mut guard, 1, &measures(10.0, 900.0), 1.0), None);
    let (step, reason) = watch(&mut guard, 300, &dense, 1.0).unwrap();
    assert_eq!(step, 199);
    assert!(matches!(
        reason,
        Collapse::Dense {
            side: "document",
            ..
        }
    ));
}

#[test]
fn what_is_not_finite_is_named_with_its_triplets() {
    let mut values = measures(1.0, 1.0);
    values[1] = f64::NAN;
    let (_, reason) = watch(&mut Guard::new(9), 1, &values, 1.0).unwrap();
    let Collapse::NotFinite {
        measure, triplets, ..
    } = reason
    else {
        panic!("{reason}")
    };
    assert_eq!((measure, triplets), ("infonce", vec![3; ROWS]));
    let gradient = watch(&mut Guard::new(9), 1, &measures(1.0, 1.0), f64::INFINITY);
    assert!(matches!(gradient, Some((0, Collapse::Gradient { .. }))));
}

#[test]
fn the_batch_of_another_rank_is_named_as_such() {
    let mut values = measures(1.0, 1.0);
    values[2] = f64::INFINITY;
    let report = StepReport {
        ranks: vec![
            vec![batch_report(&measures(1.0, 1.0))],
            vec![batch_report(&values)],
        ],
        gradient_norm: f64::NAN,
        stop: false,
        save: false,
    };
    let place = Place {
        step: 4,
        epoch: 0,
        first_batch: 8,
        batches: &[vec![vec![1, 2], vec![30, 40]]],
    };
    let message = Guard::new(9).look(place, &report).unwrap_err().to_string();
    for part in [
        "step 4",
        "batch 8 of rank 1",
        "[30, 40]",
        "flops_query is inf",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
